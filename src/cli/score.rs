//! `osler score`

use serde::Serialize;

use crate::cli::options::{Input, Model, Runtime, encode, text_or_stdin};
use crate::cli::{CommandResult, output};

/// Log-probability of each token of a text
///
/// Prints, for each token, the natural log of its probability given those before it; the first has none.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler score --model SmolLM2-135M-Instruct.gguf --text 'The patient has a fever.'
  osler score --model ./my-model --ids 1,2,3 --json

JSON: {\"ids\": [1, 2, 3], \"logprobs\": [null, -3.2, -0.7]}")]
pub struct Arguments {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    runtime: Runtime,
}

#[derive(Serialize)]
struct Report {
    ids: Vec<u32>,
    logprobs: Vec<Option<f32>>,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let Arguments { model, input, runtime } = arguments;
    runtime.start()?;
    let bundle = model.open()?;
    let ids = match (&input.text, input.ids) {
        (Some(text), _) => encode(bundle.tokenizer()?, &text_or_stdin(text)?)?,
        (None, ids) => ids.map(|ids| ids.0).unwrap_or_default(),
    };
    let engine = model.engine(&bundle, &runtime, 0, ids.len())?;
    let logprobs = engine.score(&ids)?;
    if runtime.json {
        output::json(&Report { ids, logprobs })?;
        return Ok(());
    }
    let mut total = 0.0;
    let mut table = String::new();
    for (id, logprob) in ids.iter().zip(&logprobs) {
        let piece = bundle.tokenizer.as_ref().and_then(|t| t.token_bytes(*id));
        let piece = piece.map(|bytes| format!("{:?}", String::from_utf8_lossy(&bytes))).unwrap_or_default();
        match logprob {
            Some(value) => {
                total += f64::from(*value);
                table.push_str(&format!("{value:>10.4}  {id:>7}  {piece}\n"));
            }
            None => table.push_str(&format!("{:>10}  {id:>7}  {piece}\n", "-")),
        }
    }
    output::text(&table)?;
    let scored = logprobs.len().saturating_sub(1);
    if scored > 0 {
        let mean = total / scored as f64;
        output::text(&format!("{scored} tokens, sum {total:.4}, perplexity {:.4}\n", (-mean).exp()))?;
    }
    Ok(())
}

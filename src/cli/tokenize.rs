//! `osler tokenize`

use serde::Serialize;

use crate::cli::options::{Ids, Runtime, text_or_stdin};
use crate::cli::{CommandResult, output};
use crate::engine::ModelBundle;

/// Text to token ids, or ids back to text
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler tokenize --model SmolLM2-135M-Instruct.gguf --text 'Where does it hurt?'
  osler tokenize --model ./my-model --ids 1,2,3

JSON: {\"ids\": [..], \"tokens\": [\"Where\", ..], \"text\": \"..\"}")]
pub struct Arguments {
    /// Hugging Face folder or .gguf file with a tokenizer
    #[arg(long, value_name = "PATH")]
    model: std::path::PathBuf,

    /// Text to encode; - reads it from stdin
    #[arg(long, value_name = "TEXT", required_unless_present = "ids", allow_hyphen_values = true)]
    text: Option<String>,

    /// Ids to decode, e.g. 1,2,3
    #[arg(long, value_name = "IDS", conflicts_with = "text")]
    ids: Option<Ids>,

    /// Do not add the tokens the tokenizer puts around a text (such as a beginning-of-text token)
    #[arg(long)]
    no_special: bool,

    #[command(flatten)]
    runtime: Runtime,
}

#[derive(Serialize)]
struct Report {
    ids: Vec<u32>,
    tokens: Vec<String>,
    text: String,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let Arguments { model, text, ids, no_special, runtime } = arguments;
    runtime.start()?;
    let tokenizer = ModelBundle::open_tokenizer(&model)?;
    let ids = match (&text, ids) {
        (Some(text), _) => tokenizer.encode(&text_or_stdin(text)?, !no_special)?,
        (None, ids) => ids.map(|ids| ids.0).unwrap_or_default(),
    };
    let unknown = ids.iter().find(|&&id| tokenizer.token_bytes(id).is_none());
    if let Some(id) = unknown {
        return Err(format!(
            "{id} is no token of this tokenizer, whose ids are below {}",
            tokenizer.vocab_size()
        )
        .into());
    }
    let tokens: Vec<String> = ids
        .iter()
        .map(|&id| String::from_utf8_lossy(&tokenizer.token_bytes(id).unwrap_or_default()).into_owned())
        .collect();
    let decoded = tokenizer.decode(&ids, false)?;
    if runtime.json {
        output::json(&Report { ids, tokens, text: decoded })?;
    } else if text.is_none() {
        output::text(&format!("{decoded}\n"))?;
    } else {
        let lines: String = ids.iter().zip(&tokens).map(|(id, t)| format!("{id:>7}  {t:?}\n")).collect();
        output::text(&format!("{lines}{} tokens\n", ids.len()))?;
    }
    Ok(())
}

//! `osler generate`

use std::io::IsTerminal;

use serde::Serialize;

use crate::chat::message::Message;
use crate::cli::options::{Ids, Model, Runtime, Sampling, encode, text_or_stdin};
use crate::cli::{CommandResult, output};
use crate::data::{RenderOptions, ThinkingMode};
use crate::engine::core::cache_tokens;
use crate::engine::{ModelBundle, Output, Request, RequestId, StopReason, TextEngine};

/// Continue prompts
///
/// Several prompts, and several samples of each, run as one batch; a prompt is computed once for all its samples, and so is what
/// several prompts begin with.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler generate --model SmolLM2-135M-Instruct.gguf --prompt 'The most common cause of a dry cough is'
  osler generate --model ./my-model --chat --prompt 'I have a headache.' --temperature 0.7 --samples 4
  osler generate --model ./my-model --ids 1,2,3 --max-new-tokens 16 --temperature 0 --json

JSON: {\"outputs\": [{\"ids\": [..], \"text\": \"..\", \"logprobs\": [..], \"stop\": \"eos|length|stop\"}],
       \"prompts\": [{\"prompt_tokens\", \"cached_tokens\"}]}
      New tokens only (a stop id is one of them, a stop string is not part of the text); prompts in order, then
      samples. logprobs are natural logs at temperature 1. Above temperature 0 each output also has
      \"sampling_logprobs\", under the distribution the token was drawn from. cached_tokens of a prompt were
      computed for another one that begins alike.")]
pub struct Arguments {
    #[command(flatten)]
    model: Model,

    /// Text to continue; - reads stdin; may be given several times
    #[arg(long, value_name = "TEXT", required_unless_present = "ids", allow_hyphen_values = true)]
    prompt: Vec<String>,

    /// Token ids to continue, e.g. 1,2,3 (needs no tokenizer); may be given several times
    #[arg(long, value_name = "IDS", conflicts_with = "prompt")]
    ids: Vec<Ids>,

    /// Take each prompt as a user's message and render it with the model's chat template
    #[arg(long, conflicts_with = "ids")]
    chat: bool,

    /// System message, with --chat
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,

    /// Whether a thinking model is to think, with --chat
    #[arg(long, value_enum, default_value = "auto", requires = "chat")]
    thinking: super::chat::Thinking,

    /// Most new tokens of one sample
    #[arg(long, default_value_t = 128, value_name = "N")]
    max_new_tokens: usize,

    /// Continuations of each prompt
    #[arg(long, default_value_t = 1, value_name = "N")]
    samples: usize,

    /// End at this string of the text, special tokens are not in it; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,

    /// End at this token id too; may be given several times
    #[arg(long, value_name = "ID")]
    stop_id: Vec<u32>,

    /// Do not end at the model's end-of-text ids
    #[arg(long)]
    ignore_eos: bool,

    /// Most tokens of one engine step; bounds the memory of activations
    #[arg(long, default_value_t = 512, value_name = "N", help_heading = "Runtime")]
    batch_tokens: usize,

    #[command(flatten)]
    sampling: Sampling,

    #[command(flatten)]
    runtime: Runtime,
}

#[derive(Serialize)]
struct Report {
    outputs: Vec<OutputReport>,
    prompts: Vec<PromptReport>,
}

#[derive(Serialize)]
struct PromptReport {
    prompt_tokens: usize,
    cached_tokens: usize,
}

#[derive(Serialize)]
struct OutputReport {
    ids: Vec<u32>,
    text: String,
    logprobs: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_logprobs: Option<Vec<f32>>,
    stop: StopReason,
}

pub fn run(arguments: Arguments) -> CommandResult {
    arguments.runtime.start()?;
    let bundle = arguments.model.open()?;
    if arguments.batch_tokens == 0 {
        return Err("--batch-tokens is 0, legal is at least 1".into());
    }
    let sampling = arguments.sampling.params(0.0);
    let mut stop_ids = if arguments.ignore_eos { Vec::new() } else { bundle.stop_ids() };
    stop_ids.extend(&arguments.stop_id);
    let requests: Vec<Request> = prompts(&arguments, &bundle)?
        .into_iter()
        .map(|prompt| Request {
            prompt,
            samples: arguments.samples,
            sampling,
            max_new_tokens: arguments.max_new_tokens,
            stop_ids: stop_ids.clone(),
            stop_strings: arguments.stop.clone(),
        })
        .collect();
    // Requests are checked against the model before its weights are read.
    let context = bundle.files.config().max_position_embeddings;
    for request in &requests {
        request.check(bundle.files.config(), bundle.tokenizer.is_some())?;
    }
    let tokens = cache_tokens(&requests).min(context.saturating_mul(64)).max(most(&requests));
    let mut engine = arguments.model.engine(&bundle, &arguments.runtime, tokens, arguments.batch_tokens)?;
    let has_text = bundle.tokenizer.is_some();
    let live = !arguments.runtime.json && has_text && requests.len() == 1 && arguments.samples == 1;
    let (outputs, prompts) = generate(engine.as_mut(), requests, live)?;
    if arguments.runtime.json {
        let drawn = sampling.temperature > 0.0;
        let report = |o: Output| OutputReport {
            ids: o.ids,
            text: o.text,
            logprobs: o.logprobs,
            sampling_logprobs: drawn.then_some(o.sampling_logprobs),
            stop: o.stop,
        };
        output::json(&Report { outputs: outputs.into_iter().map(report).collect(), prompts })?;
    } else if live {
        output::text("\n")?;
    } else {
        let shown = |o: &Output| if has_text { o.text.clone() } else { format!("{:?}", o.ids) };
        for (index, output) in outputs.iter().enumerate() {
            let (prompt, sample) = (index / arguments.samples, index % arguments.samples);
            output::text(&format!("[prompt {prompt}, sample {sample}]\n{}\n", shown(output)))?;
        }
    }
    Ok(())
}

/// Cache tokens of the largest request.
fn most(requests: &[Request]) -> usize {
    requests.iter().map(|r| cache_tokens([r])).max().unwrap_or(0)
}

fn prompts(arguments: &Arguments, bundle: &ModelBundle) -> Result<Vec<Vec<u32>>, Box<dyn std::error::Error>> {
    if !arguments.ids.is_empty() {
        return Ok(arguments.ids.iter().map(|ids| ids.0.clone()).collect());
    }
    let tokenizer = bundle.tokenizer()?;
    let texts = arguments.prompt.iter().map(|text| text_or_stdin(text)).collect::<Result<Vec<_>, _>>()?;
    if !arguments.chat {
        return texts.iter().map(|text| encode(tokenizer, text)).collect();
    }
    let template = super::chat::template(bundle, None)?;
    let options = RenderOptions::prompt(ThinkingMode::from(arguments.thinking));
    texts
        .into_iter()
        .map(|text| {
            let system = arguments.system.iter().map(Message::system);
            let messages: Vec<Message> = system.chain([Message::user(text)]).collect();
            Ok(tokenizer.encode(&template.render(&messages, &options)?, false)?)
        })
        .collect()
}

fn generate(
    engine: &mut dyn TextEngine,
    requests: Vec<Request>,
    live: bool,
) -> Result<(Vec<Output>, Vec<PromptReport>), Box<dyn std::error::Error>> {
    let budget: usize = requests.iter().map(|r| r.samples.saturating_mul(r.max_new_tokens)).sum();
    let lengths: Vec<usize> = requests.iter().map(|r| r.prompt.len()).collect();
    let ids = requests.into_iter().map(|r| engine.submit(r)).collect::<Result<Vec<_>, _>>()?;
    let progress =
        (!live && std::io::stderr().is_terminal()).then(|| crate::cli::terminal::Progress::tokens(budget));
    let mut done = 0;
    while !engine.is_idle() {
        for event in engine.step() {
            done += 1;
            if live {
                output::text(&event.text)?;
            }
        }
        if let Some(progress) = &progress {
            progress.set(done, budget as u64);
        }
    }
    if let Some(progress) = &progress {
        progress.finish();
    }
    let of_prompt = |(prompt_tokens, id): (usize, &RequestId)| PromptReport {
        prompt_tokens,
        cached_tokens: engine.cached_tokens(*id),
    };
    let prompts = lengths.into_iter().zip(&ids).map(of_prompt).collect();
    let outputs: Vec<Output> = ids.into_iter().flat_map(|id| engine.take(id).unwrap_or_default()).collect();
    outputs.iter().try_for_each(Output::check)?;
    Ok((outputs, prompts))
}

//! `osler bench affinity`

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::bench::{Subject, subject};
use crate::cli::options::{Dtype, Runtime, available_memory};
use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, output};
use crate::engine::affinity::{Answered, Questions, ask, compare};
use crate::engine::{EngineOptions, Output};
use crate::kernels::{quantised, simd};

/// Measure what shared beginnings save
///
/// A judge asks about each criterion of a conversation: prompts that begin with the same tokens. They are measured once with each
/// prompt computed whole, and once with the conversation computed for all of them, and their verdicts are compared. Without --model,
/// the shape of SmolLM2-135M with made-up weights. The tokens are made up.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler bench affinity
  osler bench affinity --model SmolLM2-135M-Instruct.gguf --criteria 20 --tokens 1000 --json

JSON: {\"model\", \"device\", \"threads\", \"instruction_set\", \"dtype\",
       \"criteria\", \"tokens\", \"criterion_tokens\", \"new_tokens\",
       \"prompt_tokens\", \"cached_tokens\", \"cached_ratio\": of one conversation,
       \"seconds\": {\"separate\", \"shared\"}: the medians, \"speedup\",
       \"same_verdicts\", \"largest_difference\": of log-probs}")]
pub struct Arguments {
    /// Hugging Face folder or .gguf file; a folder with only config.json gets made-up weights
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,

    /// Type to keep the weights in
    #[arg(long, value_enum, default_value_t = Dtype::Auto, value_name = "TYPE")]
    dtype: Dtype,

    /// Criteria asked about
    #[arg(long, default_value_t = 20, value_name = "N")]
    criteria: usize,

    /// Tokens of the conversation
    #[arg(long, default_value_t = 1000, value_name = "N")]
    tokens: usize,

    /// Tokens of a criterion
    #[arg(long, default_value_t = 32, value_name = "N")]
    criterion_tokens: usize,

    /// Tokens of a verdict
    #[arg(long, default_value_t = 1, value_name = "N")]
    new_tokens: usize,

    /// Conversations that are measured, after one that is not counted; the median is reported
    #[arg(long, default_value_t = 3, value_name = "N")]
    repeats: usize,

    #[command(flatten)]
    runtime: Runtime,
}

#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    threads: usize,
    instruction_set: String,
    dtype: String,
    #[serde(flatten)]
    questions: Questions,
    prompt_tokens: usize,
    cached_tokens: usize,
    cached_ratio: f64,
    seconds: Seconds,
    speedup: f64,
    same_verdicts: bool,
    largest_difference: f32,
}

/// Median time of all questions about one conversation.
#[derive(Serialize)]
struct Seconds {
    separate: f64,
    shared: f64,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let Arguments { model, dtype, criteria, tokens, criterion_tokens, new_tokens, repeats, runtime } =
        arguments;
    runtime.start()?;
    for (name, value) in [
        ("--criteria", criteria),
        ("--tokens", tokens),
        ("--criterion-tokens", criterion_tokens),
        ("--new-tokens", new_tokens),
        ("--repeats", repeats),
    ] {
        if value == 0 {
            return Err(format!("{name} is 0, legal is at least 1").into());
        }
    }
    let questions = Questions { criteria, tokens, criterion_tokens, new_tokens };
    let progress = Progress::spinner();
    let measured = |prefix_reuse: bool| -> Result<_, Box<dyn std::error::Error>> {
        let options = EngineOptions {
            cache_tokens: questions.cache_tokens(),
            memory_limit: available_memory(runtime.device),
            prefix_reuse,
            ..EngineOptions::default()
        };
        let activations = quantised::Activations::Exact;
        let Subject { name, mut engine, dtype, .. } =
            subject(model.as_deref(), dtype, activations, &runtime, options)?;
        let how = if prefix_reuse { "shared" } else { "separate" };
        let say = &mut |number: usize| progress.say(&format!("{how}, {number} of {repeats}"));
        Ok((name, dtype, ask(engine.as_mut(), &questions, repeats, say)?))
    };
    let (_, _, separate) = measured(false)?;
    let (model, dtype, shared) = measured(true)?;
    progress.finish();
    let all = |answered: &[Answered]| -> Vec<Output> {
        answered.iter().flat_map(|it| it.verdicts.iter().cloned()).collect()
    };
    let (same_verdicts, largest_difference) = compare(&all(&separate), &all(&shared));
    let seconds = Seconds { separate: median(&separate), shared: median(&shared) };
    // The work is the same for each conversation.
    let (prompt_tokens, cached_tokens) =
        shared.first().map_or((0, 0), |it| (it.prompt_tokens, it.cached_tokens));
    let report = Report {
        model,
        device: runtime.device.to_string(),
        threads: rayon::current_num_threads(),
        instruction_set: simd::instruction_set(),
        dtype,
        questions,
        prompt_tokens,
        cached_tokens,
        cached_ratio: cached_tokens as f64 / prompt_tokens as f64,
        speedup: seconds.separate / seconds.shared,
        seconds,
        same_verdicts,
        largest_difference,
    };
    if runtime.json {
        output::json(&report)?
    } else {
        output::text(&describe(&report))?
    }
    Ok(())
}

fn median(answered: &[Answered]) -> f64 {
    let mut all: Vec<f64> = answered.iter().map(|it| it.seconds).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn describe(report: &Report) -> String {
    let Questions { criteria, tokens, criterion_tokens, new_tokens } = report.questions;
    let verdicts = if report.same_verdicts { "the same verdicts" } else { "OTHER verdicts" };
    format!(
        "{} in {} on {}, {} x {}\n{criteria} criteria of {criterion_tokens} tokens after a conversation of {tokens}, {new_tokens} \
         new\n\nseparate {:>9.3} s\nshared   {:>9.3} s, {:.1} times as fast\ncached   {:>9.1}% of {} prompt tokens\n{verdicts}, \
         log-probs differ by {:.1e} at most\n",
        report.model,
        report.dtype,
        report.device,
        report.threads,
        report.instruction_set,
        report.seconds.separate,
        report.seconds.shared,
        report.speedup,
        100.0 * report.cached_ratio,
        report.prompt_tokens,
        report.largest_difference
    )
}

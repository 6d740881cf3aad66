//! `osler bench grpo`

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::options::{Dtype, Runtime, available_memory};
use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, output};
use crate::engine::backend::{OnBackend, on_device};
use crate::engine::open::precision;
use crate::kernels::{KernelBackend, simd};
use crate::model::config::{FloatType, ModelConfig};
use crate::rl::measure::{MeasureError, StepModel, StepSeconds, StepShape, measure_step};

/// Measure a GRPO step
///
/// Replies to made-up prompts are sampled, given rewards by lot, and learned from in one AdamW step: of all weights, or of
/// low-rank adapters. Without --model, a Qwen2 shape of 7.0M parameters. benches/peers/trl_grpo_bench.py measures the
/// same with TRL.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler bench grpo
  osler bench grpo --prompts 4 --group-size 16 --new-tokens 128 --json
  osler bench grpo --model ./qwen2.5-7b --lora 32 --dtype bf16 --device cuda
  osler bench grpo --lora 8 --lora-head

JSON: {\"model\", \"parameters\", \"dtype\", \"lora_rank\", \"lora_head\", \"device\", \"threads\", \"instruction_set\",
       \"prompts\", \"group_size\", \"prompt_tokens\", \"new_tokens\", \"micro_batch_tokens\",
       \"median\": {\"step\", \"rollout\", \"forward_backward\", \"optimizer\"},
       \"steps\": [{..}, ..]}, in seconds")]
pub struct Arguments {
    /// Folder with a config.json, or such a file; the weights are made up
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,

    /// Train adapters of this rank on every projection of the layers in place of all weights
    #[arg(long, value_name = "RANK")]
    lora: Option<usize>,

    /// Give the output head an adapter, too, as with lm_head among model.lora.targets of osler train
    #[arg(long, requires = "lora")]
    lora_head: bool,

    /// Type to keep the weights in; auto is f32. All weights in bf16 are trained by way of f32 master weights
    #[arg(long, value_enum, default_value = "f32", value_name = "TYPE")]
    dtype: Dtype,

    /// Prompts of a step
    #[arg(long, default_value_t = 8, value_name = "N")]
    prompts: usize,

    /// Replies to each prompt, at least 2: one alone has no advantage, and nothing is learned from it
    #[arg(long, default_value_t = 8, value_name = "N")]
    group_size: usize,

    /// Tokens of a prompt
    #[arg(long, default_value_t = 64, value_name = "N")]
    prompt_tokens: usize,

    /// Tokens of a reply
    #[arg(long, default_value_t = 64, value_name = "N")]
    new_tokens: usize,

    /// Tokens of one forward and backward pass
    #[arg(long, default_value_t = 4096, value_name = "N")]
    micro_batch_tokens: usize,

    /// Steps that are measured, after one that is not counted
    #[arg(long, default_value_t = 5, value_name = "N")]
    repeats: usize,

    #[command(flatten)]
    runtime: Runtime,
}

#[derive(Serialize)]
struct Report {
    model: String,
    parameters: u64,
    dtype: String,
    /// `None` where all weights are trained.
    lora_rank: Option<usize>,
    /// Whether the output head has an adapter.
    lora_head: bool,
    device: String,
    threads: usize,
    instruction_set: String,
    #[serde(flatten)]
    shape: StepShape,
    median: StepSeconds,
    steps: Vec<StepSeconds>,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let runtime = &arguments.runtime;
    runtime.start()?;
    if arguments.repeats == 0 {
        return Err("--repeats is 0, legal is at least 1".into());
    }
    let Arguments { lora: lora_rank, lora_head, .. } = arguments;
    let matrices = arguments.dtype.float().unwrap_or(FloatType::F32);
    let precision = precision(runtime.device, Some(matrices), None)?;
    let (model, config) = match &arguments.model {
        Some(path) => {
            let file = if path.is_dir() { path.join("config.json") } else { path.clone() };
            (path.display().to_string(), ModelConfig::open(&file)?)
        }
        None => ("Qwen2 shape, made-up weights".into(), qwen2_7m()?),
    };
    let shape = StepShape {
        prompts: arguments.prompts,
        group_size: arguments.group_size,
        prompt_tokens: arguments.prompt_tokens,
        new_tokens: arguments.new_tokens,
        micro_batch_tokens: arguments.micro_batch_tokens,
    };
    let progress = Progress::spinner();
    let repeats = arguments.repeats;
    let said = &mut |number| progress.say(&format!("step {number} of {repeats}"));
    let trained = StepModel { config: &config, matrices, precision, lora_rank, lora_head };
    let memory_limit = available_memory(runtime.device);
    let steps = Steps { model: trained, shape, repeats, memory_limit, said };
    let steps = on_device(runtime.device, steps)?.map_err(named)?;
    progress.finish();
    let median = |of: fn(&StepSeconds) -> f64| {
        let mut all: Vec<f64> = steps.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let report = Report {
        model,
        parameters: config.num_parameters(),
        dtype: matrices.to_string(),
        lora_rank,
        lora_head,
        device: runtime.device.to_string(),
        threads: rayon::current_num_threads(),
        instruction_set: simd::instruction_set(),
        shape,
        median: StepSeconds {
            step: median(|it| it.step),
            rollout: median(|it| it.rollout),
            forward_backward: median(|it| it.forward_backward),
            optimizer: median(|it| it.optimizer),
        },
        steps,
    };
    if runtime.json {
        output::json(&report)?
    } else {
        output::text(&describe(&report))?
    }
    Ok(())
}

/// Steps to be measured.
struct Steps<'a> {
    model: StepModel<'a>,
    shape: StepShape,
    repeats: usize,
    memory_limit: Option<u64>,
    said: &'a mut dyn FnMut(usize),
}

impl OnBackend for Steps<'_> {
    type Output = Result<Vec<StepSeconds>, MeasureError>;

    fn on<B: KernelBackend>(self, device: B::Device) -> Self::Output {
        measure_step::<B>(self.model, self.shape, self.repeats, self.memory_limit, device, self.said)
    }
}

/// The error with the option's name in place of the field's.
fn named(error: MeasureError) -> Box<dyn std::error::Error> {
    match error {
        MeasureError::Shape { field, found, legal } if field != "vocab_size" => {
            let options = field.split(" + ").map(|it| format!("--{}", it.replace('_', "-")));
            format!("{} is {found}, legal is {legal}", options.collect::<Vec<_>>().join(" + ")).into()
        }
        other => other.into(),
    }
}

/// The shape that TRL is measured on.
fn qwen2_7m() -> Result<ModelConfig, Box<dyn std::error::Error>> {
    const TEXT: &str = r#"{
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 4096, "hidden_size": 256,
        "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 2,
        "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-6, "rope_theta": 10000,
        "tie_word_embeddings": true
    }"#;
    Ok(ModelConfig::from_hf_json(TEXT.as_bytes(), Path::new("built-in Qwen2 shape"))?)
}

fn describe(report: &Report) -> String {
    let StepShape { prompts, group_size, prompt_tokens, new_tokens, .. } = report.shape;
    let parameters = report.parameters as f64 / 1e6;
    let trained = match report.lora_rank {
        Some(rank) => {
            let head = if report.lora_head { ", one of them on the output head" } else { "" };
            format!("in {}, adapters of rank {rank}{head}", report.dtype)
        }
        None => format!("in {}, all trained", report.dtype),
    };
    let mut text = format!(
        "{}, {parameters:.1}M parameters {trained}, on {}, {} x {}\n{prompts} prompts x {group_size} replies, {prompt_tokens} + \
         {new_tokens} tokens\n\n{:<10} {:>8} {:>8} {:>17} {:>10}\n",
        report.model,
        report.device,
        report.threads,
        report.instruction_set,
        "seconds",
        "step",
        "rollout",
        "forward, backward",
        "optimizer"
    );
    let mut row = |name: &str, it: &StepSeconds| {
        text.push_str(&format!(
            "{name:<10} {:>8.3} {:>8.3} {:>17.3} {:>10.3}\n",
            it.step, it.rollout, it.forward_backward, it.optimizer
        ));
    };
    row("median", &report.median);
    for (number, it) in (1..).zip(&report.steps) {
        row(&format!("step {number}"), it);
    }
    text
}

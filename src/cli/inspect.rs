//! `osler inspect`

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::options::{Dtype, Runtime};
use crate::cli::{CommandResult, output};
use crate::engine::{EngineOptions, MemoryPlan, ModelBundle};
use crate::model::weights::ModelFormat;

/// What is in a model file or folder
///
/// Architecture, parameters, stored types, tokenizer, and the memory it takes to run. Every tensor is checked.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  osler inspect SmolLM2-135M-Instruct.gguf
  osler inspect ./my-model --tensors --json

JSON: {\"path\", \"format\", \"architecture\", \"parameters\", \"config\": {..}, \"stored\": {\"F32\": {\"tensors\", \"bytes\"}, ..},
       \"tokenizer\": {\"vocab_size\", \"end_ids\", \"chat_template\"} | null, \"unread_fields\": [..],
       \"memory\": {\"weights\", \"cache\", \"activations\", \"logits\", \"total\"}, \"tensors\": [..] with --tensors}")]
pub struct Arguments {
    /// Hugging Face folder, .safetensors file beside its config.json, or .gguf file
    #[arg(value_name = "PATH")]
    model: std::path::PathBuf,

    /// List every tensor
    #[arg(long)]
    tensors: bool,

    /// Type the weights would be kept in, for the memory figures
    #[arg(long, value_enum, default_value_t = Dtype::Auto, value_name = "TYPE")]
    dtype: Dtype,

    /// Context, in tokens, for the memory figures (at most the model's own)
    #[arg(long, default_value_t = 4096, value_name = "N")]
    context: usize,

    #[command(flatten)]
    runtime: Runtime,
}

#[derive(Serialize)]
struct Report {
    path: String,
    format: String,
    architecture: &'static str,
    parameters: u64,
    config: Config,
    stored: BTreeMap<String, Stored>,
    tokenizer: Option<TokenizerReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokenizer_problem: Option<String>,
    unread_fields: Vec<String>,
    memory: Memory,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensors: Option<Vec<TensorReport>>,
}

#[derive(Serialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: usize,
    rope_theta: f64,
    rope_scaling: String,
    rms_norm_eps: f64,
    max_position_embeddings: usize,
    tie_word_embeddings: bool,
    qkv_bias: bool,
    o_bias: bool,
    qk_norm: bool,
}

#[derive(Serialize, Default)]
struct Stored {
    tensors: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct TokenizerReport {
    vocab_size: usize,
    end_ids: Vec<u32>,
    chat_template: bool,
}

#[derive(Serialize)]
struct Memory {
    #[serde(flatten)]
    plan: MemoryPlan,
    total: u64,
}

#[derive(Serialize)]
struct TensorReport {
    name: String,
    stored: String,
    shape: Vec<usize>,
    bytes: u64,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let Arguments { model, tensors, dtype, context, runtime } = arguments;
    runtime.start()?;
    let bundle = ModelBundle::open(&model)?;
    let context = context.min(bundle.files.config().max_position_embeddings);
    let options = EngineOptions { cache_tokens: context, ..EngineOptions::default() };
    let plan = bundle.plan(runtime.device, dtype.float(), options)?;
    let report = report(&bundle, plan, tensors);
    if runtime.json {
        output::json(&report)?;
    } else {
        output::text(&describe(&report, context))?;
    }
    Ok(())
}

fn report(bundle: &ModelBundle, plan: MemoryPlan, tensors: bool) -> Report {
    let config = bundle.files.config();
    let mut stored: BTreeMap<String, Stored> = BTreeMap::new();
    for tensor in bundle.files.stored_tensors() {
        let entry = stored.entry(tensor.stored.to_string()).or_default();
        entry.tensors += 1;
        entry.bytes += tensor.data.len() as u64;
    }
    Report {
        path: bundle.path.display().to_string(),
        format: match bundle.files.format() {
            ModelFormat::Safetensors { shards: 1 } => "safetensors".into(),
            ModelFormat::Safetensors { shards } => format!("safetensors, {shards} files"),
            ModelFormat::Gguf { version } => format!("GGUF v{version}"),
        },
        architecture: config.architecture.class_name(),
        parameters: config.num_parameters(),
        config: Config {
            vocab_size: config.vocab_size,
            hidden_size: config.hidden_size,
            intermediate_size: config.intermediate_size,
            num_hidden_layers: config.num_hidden_layers,
            num_attention_heads: config.num_attention_heads,
            num_key_value_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            rope_theta: config.rope_theta,
            rope_scaling: format!("{:?}", config.rope_scaling),
            rms_norm_eps: config.rms_norm_eps,
            max_position_embeddings: config.max_position_embeddings,
            tie_word_embeddings: config.tie_word_embeddings,
            qkv_bias: config.qkv_bias,
            o_bias: config.o_bias,
            qk_norm: config.qk_norm,
        },
        stored,
        tokenizer: bundle.tokenizer.as_ref().map(|t| TokenizerReport {
            vocab_size: t.vocab_size(),
            end_ids: bundle.stop_ids(),
            chat_template: t.chat_template(None).is_some(),
        }),
        tokenizer_problem: bundle.tokenizer_problem.clone(),
        unread_fields: config.unread_fields.clone(),
        memory: Memory { plan, total: plan.total() },
        tensors: tensors.then(|| {
            let report = |t: crate::model::weights::StoredTensor<'_>| TensorReport {
                name: t.name.to_owned(),
                stored: t.stored.to_string(),
                shape: t.shape.to_vec(),
                bytes: t.data.len() as u64,
            };
            bundle.files.stored_tensors().map(report).collect()
        }),
    }
}

fn describe(report: &Report, context: usize) -> String {
    let c = &report.config;
    let mut lines = vec![
        format!("{}: {}, {}", report.path, report.format, report.architecture),
        format!("  parameters   {} ({:.1} M)", report.parameters, report.parameters as f64 / 1e6),
        format!(
            "  layers       {} x {} wide, MLP {}, heads {}/{} of {}",
            c.num_hidden_layers,
            c.hidden_size,
            c.intermediate_size,
            c.num_attention_heads,
            c.num_key_value_heads,
            c.head_dim
        ),
        format!("  vocabulary   {}{}", c.vocab_size, if c.tie_word_embeddings { ", tied head" } else { "" }),
        format!(
            "  context      {} tokens, rope base {}, scaling {}",
            c.max_position_embeddings, c.rope_theta, c.rope_scaling
        ),
    ];
    for (name, stored) in &report.stored {
        lines.push(format!(
            "  stored       {name}: {} tensors, {}",
            stored.tensors,
            output::bytes(stored.bytes)
        ));
    }
    lines.push(match &report.tokenizer {
        Some(t) => format!(
            "  tokenizer    {} tokens, ends with {:?}, {}",
            t.vocab_size,
            t.end_ids,
            if t.chat_template { "has a chat template" } else { "no chat template" }
        ),
        None => match &report.tokenizer_problem {
            Some(problem) => format!("  tokenizer    not supported: {problem}"),
            None => "  tokenizer    none".into(),
        },
    });
    if !report.unread_fields.is_empty() {
        lines.push(format!("  unread       {} in config.json", report.unread_fields.join(", ")));
    }
    let m = &report.memory.plan;
    lines.push(format!(
        "  memory       {} at {context} tokens of context (weights {}, cache {}, activations {}, logits {})",
        output::bytes(report.memory.total),
        output::bytes(m.weights),
        output::bytes(m.cache),
        output::bytes(m.activations),
        output::bytes(m.logits)
    ));
    for tensor in report.tensors.iter().flatten() {
        lines.push(format!("  {:<6} {:?} {}", tensor.stored, tensor.shape, tensor.name));
    }
    lines.join("\n") + "\n"
}

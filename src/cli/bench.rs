//! `osler bench`

mod affinity;
mod ceilings;
mod grpo;
mod kernels;
mod sim;

use std::path::{Path, PathBuf};

use burn::tensor::DType;
use serde::Serialize;

use crate::cli::options::{Activations, Dtype, Runtime, available_memory};
use crate::cli::terminal::Progress;
use crate::cli::{CommandResult, output};
use crate::engine::measure::{Ceilings, MadeUpWeights, Measurement, Workload, measure};
use crate::engine::open::{check_activations, engine, precision};
use crate::engine::{EngineOptions, ModelBundle, TextEngine};
use crate::kernels::{quantised, simd};
use crate::model::config::{FloatType, ModelConfig};
use crate::model::load::{KeptType, keeps_blocks, kept_bytes};

/// Measure prefill and decode speed
///
/// Tokens a second, and achieved GB/s and GFLOP/s against what this machine measures at best. Without --model, the
/// shape of SmolLM2-135M with made-up weights.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  osler bench
  osler bench grpo
  osler bench kernels
  osler bench affinity --model ./my-model
  osler bench sim
  osler bench --model ./my-model --dtype bf16 --batches 1,8,32 --json
  osler bench --model ./model.Q4_1.gguf --dtype auto --activations exact,q8

JSON: {\"model\", \"device\", \"threads\", \"instruction_set\",
       \"runs\": [{\"dtype\", \"activations\", \"ceilings\": {\"gigabytes_per_second\", \"gigaflops\"}, \"weight_bytes\",
                 \"results\": [{\"phase\", \"batch\", \"tokens_per_second\",
                 \"slowest\", \"fastest\", \"gigabytes_per_second\", \"gigaflops\", \"share_of_bound\"}, ..]}, ..]}")]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,

    /// Hugging Face folder or .gguf file; a folder with only config.json gets made-up weights
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,

    /// Types to keep the weights in, each measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "f32,bf16", value_name = "TYPE,..")]
    dtype: Vec<Dtype>,

    /// How products with quantised weights take their input, each measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "exact", value_name = "HOW,..")]
    activations: Vec<Activations>,

    /// Prompt tokens of the prefill measurement; 0 leaves it out
    #[arg(long, default_value_t = 512, value_name = "N")]
    prefill: usize,

    /// Prompt tokens before the decode measurement
    #[arg(long, default_value_t = 128, value_name = "N")]
    context: usize,

    /// New tokens a sequence in the decode measurement
    #[arg(long, default_value_t = 64, value_name = "N")]
    decode: usize,

    /// Numbers of sequences decoded at once
    #[arg(long, value_delimiter = ',', default_value = "1,16", value_name = "N,..")]
    batches: Vec<usize>,

    /// Times each is measured; the median is reported
    #[arg(long, default_value_t = 5, value_name = "N")]
    repeats: usize,

    #[command(flatten)]
    runtime: Runtime,
}

/// What else can be measured.
#[derive(clap::Subcommand)]
enum What {
    Affinity(affinity::Arguments),
    Grpo(grpo::Arguments),
    Kernels(kernels::Arguments),
    Sim(sim::Arguments),
}

#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    threads: usize,
    instruction_set: String,
    runs: Vec<Run>,
}

#[derive(Serialize)]
struct Run {
    dtype: String,
    activations: String,
    ceilings: Ceilings,
    weight_bytes: u64,
    results: Vec<Measurement>,
}

pub fn run(arguments: Arguments) -> CommandResult {
    let Arguments { what, model, dtype, activations, prefill, context, decode, batches, repeats, runtime } =
        arguments;
    match what {
        Some(What::Affinity(arguments)) => return affinity::run(arguments),
        Some(What::Grpo(arguments)) => return grpo::run(arguments),
        Some(What::Kernels(arguments)) => return kernels::run(arguments),
        Some(What::Sim(arguments)) => return sim::run(arguments),
        None => {}
    }
    runtime.start()?;
    for (name, value) in [("--context", context), ("--decode", decode), ("--repeats", repeats)] {
        if value == 0 {
            return Err(format!("{name} is 0, legal is at least 1").into());
        }
    }
    if batches.contains(&0) {
        return Err("--batches has a 0, legal is at least 1".into());
    }
    let (dtype, activations, batches) = (named_once(dtype), named_once(activations), named_once(batches));
    let workload = Workload { prefill, context, decode, batches, repeats };
    let progress = Progress::spinner();
    let (cache_tokens, batch_tokens) = (workload.cache_tokens(), workload.batch_tokens());
    let memory_limit = available_memory(runtime.device);
    // Repeats are of the same prompt, which is to be computed each time.
    let options = EngineOptions { cache_tokens, batch_tokens, memory_limit, prefix_reuse: false };
    let mut report = Report {
        model: String::new(),
        device: runtime.device.to_string(),
        threads: rayon::current_num_threads(),
        instruction_set: simd::instruction_set(),
        runs: Vec::new(),
    };
    let each = dtype.iter().flat_map(|&dtype| activations.iter().map(move |&how| (dtype, how.into())));
    let mut known: Vec<(DType, Ceilings)> = Vec::new();
    for (dtype, activations) in each {
        let Subject { name, mut engine, weight_bytes, dtype, compute } =
            subject(model.as_deref(), dtype, activations, &runtime, options)?;
        let ceilings = match known.iter().find(|(it, _)| *it == compute) {
            Some((_, ceilings)) => *ceilings,
            None => {
                progress.say("measuring the machine");
                let ceilings = ceilings::ceilings(runtime.device, compute)?;
                known.push((compute, ceilings));
                ceilings
            }
        };
        let say = &mut |step: &str| progress.say(&format!("{dtype}, {activations} activations: {step}"));
        let results = measure(engine.as_mut(), weight_bytes, &workload, ceilings, say)?;
        report.model = name;
        report.runs.push(Run {
            dtype,
            activations: activations.to_string(),
            ceilings,
            weight_bytes,
            results,
        });
    }
    progress.finish();
    if runtime.json {
        output::json(&report)?;
    } else {
        output::text(&describe(&report, &workload))?;
    }
    Ok(())
}

/// Values in their order, without those named before: each is measured once.
fn named_once<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

/// What is measured.
struct Subject {
    name: String,
    engine: Box<dyn TextEngine>,
    weight_bytes: u64,
    dtype: String,
    /// The type of activations.
    compute: DType,
}

fn subject(
    model: Option<&Path>,
    dtype: Dtype,
    activations: quantised::Activations,
    runtime: &Runtime,
    options: EngineOptions,
) -> Result<Subject, Box<dyn std::error::Error>> {
    let device = runtime.device;
    let checkpoint = model.filter(|path| !only_config(path));
    let Some(path) = checkpoint else {
        let (name, config) = match model {
            Some(path) => (path.display().to_string(), ModelConfig::open(&path.join("config.json"))?),
            None => ("SmolLM2-135M shape, made-up weights".into(), smollm2_135m()?),
        };
        check_activations(activations, device, false)?;
        let float = dtype.float().unwrap_or(FloatType::F32);
        let compute = precision(device, Some(float), None)?.compute;
        let weight_bytes = config.num_parameters() * float.bytes() as u64;
        let mut weights = MadeUpWeights { matrices: float };
        let engine = engine(config, &mut weights, weight_bytes, None, device, compute, options)?;
        return Ok(Subject { name, engine, weight_bytes, dtype: float.to_string(), compute });
    };
    let bundle = ModelBundle::open(path)?;
    let chosen = precision(device, dtype.float(), bundle.files.config().dtype)?;
    let weight_bytes = kept_bytes(&bundle.files, chosen.kept);
    let engine = bundle.engine(device, dtype.float(), activations, options, &mut |_, _| {})?;
    let dtype = match chosen.kept {
        KeptType::AsStored => "as stored".into(),
        KeptType::BlocksAnd(float) if keeps_blocks(&bundle.files, chosen.kept) => {
            format!("as stored, else {float}")
        }
        KeptType::BlocksAnd(float) => float.to_string(),
        KeptType::All(float) | KeptType::Matrices(float) => float.to_string(),
    };
    let name = path.display().to_string();
    let rounded = if chosen.compute == DType::F32 { "" } else { ", bf16 activations" };
    Ok(Subject { name, engine, weight_bytes, dtype: format!("{dtype}{rounded}"), compute: chosen.compute })
}

/// Whether a folder describes a model without holding its weights.
fn only_config(path: &Path) -> bool {
    let weights = ["model.safetensors", "model.safetensors.index.json"];
    path.join("config.json").exists() && !weights.iter().any(|name| path.join(name).exists())
}

/// The shape of SmolLM2-135M, the model peers are compared on.
fn smollm2_135m() -> Result<ModelConfig, Box<dyn std::error::Error>> {
    const TEXT: &str = r#"{
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
        "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "hidden_act": "silu", "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 100000,
        "tie_word_embeddings": true
    }"#;
    Ok(ModelConfig::from_hf_json(TEXT.as_bytes(), Path::new("built-in SmolLM2-135M shape"))?)
}

fn describe(report: &Report, workload: &Workload) -> String {
    let mut text =
        format!("{} on {}, {} x {}\n", report.model, report.device, report.threads, report.instruction_set);
    for run in &report.runs {
        let rounded = if run.activations == "exact" { "" } else { ", q8 act." };
        let title = format!("{}{rounded}, {}", run.dtype, output::bytes(run.weight_bytes));
        let Ceilings { gigabytes_per_second, gigaflops } = run.ceilings;
        text.push_str(&format!("\nat best {gigabytes_per_second:.1} GB/s, {gigaflops:.0} GFLOP/s\n"));
        text.push_str(&format!(
            "{title:<30} {:>10} {:>17} {:>8} {:>9} {:>9}\n",
            "tok/s", "(slowest-fastest)", "GB/s", "GFLOP/s", "of bound"
        ));
        for r in &run.results {
            let what = match r.phase {
                "prefill" => format!("prefill {} tokens", workload.prefill),
                _ => format!("decode, batch {}", r.batch),
            };
            text.push_str(&format!(
                "{what:<30} {:>10.1} {:>17} {:>8.1} {:>9.1} {:>8.0}%\n",
                r.tokens_per_second,
                format!("({:.0}-{:.0})", r.slowest, r.fastest),
                r.gigabytes_per_second,
                r.gigaflops,
                100.0 * r.share_of_bound
            ));
        }
    }
    text
}

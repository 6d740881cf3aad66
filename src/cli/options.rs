//! Options that commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::terminal::Progress;
use crate::data::Tokenizer;
pub use crate::engine::memory::available_memory;
use crate::engine::{Device, EngineOptions, ModelBundle, OpenError, SamplingParams, TextEngine};
use crate::kernels::quantised;
use crate::kernels::selection::{self, Kernels};
use crate::model::config::FloatType;
use crate::model::weights::export::parse_size;

/// Where and how a command runs, and how it reports.
#[derive(Args, Debug, Clone)]
pub struct Runtime {
    /// Device: cpu, wgpu, cuda or cuda:N (GPUs need a build with that feature)
    #[arg(long, default_value = "cpu", value_name = "DEVICE", help_heading = "Runtime")]
    pub device: Device,

    /// CPU threads, at most 1024; 0 takes all
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024), value_name = "N")]
    #[arg(help_heading = "Runtime")]
    pub threads: u16,

    /// Kernels to compute with
    #[arg(long, value_enum, default_value = "fused", value_name = "KERNELS", help_heading = "Runtime")]
    pub kernels: Kernels,

    /// Print one JSON object on stdout (logs stay on stderr)
    #[arg(long, help_heading = "Runtime")]
    pub json: bool,
}

impl Runtime {
    /// Applies `--threads` and `--kernels`. Called once, before any work.
    pub fn start(&self) -> Result<(), rayon::ThreadPoolBuildError> {
        selection::select(self.kernels);
        rayon::ThreadPoolBuilder::new().num_threads(self.threads.into()).build_global()
    }
}

/// `--kernels` of a command that runs no model but those of `--models`.
#[derive(Args, Debug, Clone, Copy)]
pub struct RoleKernels {
    /// Kernels that models of this process compute with: those that the file of --models names by a path
    #[arg(long, value_enum, default_value = "fused", value_name = "KERNELS", requires = "models")]
    pub kernels: Kernels,
}

/// `--dtype` of a command that loads a model.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// Loses nothing: quantised matrices stay as they are, on the CPU bf16 ones too, all else becomes f32
    Auto,
    /// 32-bit floats
    F32,
    /// bfloat16 weights (half the memory and, when memory-bound, nearly twice the speed)
    Bf16,
}

impl Dtype {
    /// The type asked for, `None` for auto.
    pub fn float(self) -> Option<FloatType> {
        match self {
            Self::Auto => None,
            Self::F32 => Some(FloatType::F32),
            Self::Bf16 => Some(FloatType::BF16),
        }
    }
}

/// `--activations` of a command that loads a model.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activations {
    /// As they are, in f32
    Exact,
    /// Rounded to 8 bits before products with quantised weights: faster, not the same numbers (CPU only)
    Q8,
}

impl From<Activations> for quantised::Activations {
    fn from(activations: Activations) -> Self {
        match activations {
            Activations::Exact => Self::Exact,
            Activations::Q8 => Self::Q8,
        }
    }
}

/// A size in bytes on the command line.
#[derive(Debug, Clone, Copy)]
pub struct Size(pub u64);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_size(text).map(Self).map_err(|e| e.to_string())
    }
}

/// Which model, and how it is loaded.
#[derive(Args, Debug, Clone)]
pub struct Model {
    /// Hugging Face folder, .safetensors file beside its config.json, or .gguf file
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,

    /// Type the weights are kept in
    #[arg(long, value_enum, default_value_t = Dtype::Auto, value_name = "TYPE", help_heading = "Runtime")]
    pub dtype: Dtype,

    /// How products with quantised weights take their input
    #[arg(long, value_enum, default_value_t = Activations::Exact, value_name = "HOW", help_heading = "Runtime")]
    pub activations: Activations,

    /// Refuse to start if the predicted peak is above this, e.g. 8GB [default: the memory now available]
    #[arg(long, value_name = "SIZE", help_heading = "Runtime")]
    pub memory_limit: Option<Size>,
}

impl Model {
    /// Opens the model's files.
    pub fn open(&self) -> Result<ModelBundle, OpenError> {
        ModelBundle::open(&self.model)
    }

    /// Loads the weights and builds an engine, with a progress bar.
    pub fn engine(
        &self,
        bundle: &ModelBundle,
        runtime: &Runtime,
        cache_tokens: usize,
        batch_tokens: usize,
    ) -> Result<Box<dyn TextEngine>, OpenError> {
        let limit = self.memory_limit.map(|Size(bytes)| bytes).or_else(|| available_memory(runtime.device));
        let options =
            EngineOptions { cache_tokens, batch_tokens, memory_limit: limit, ..EngineOptions::default() };
        let progress = Progress::bytes("loading");
        let (dtype, activations) = (self.dtype.float(), self.activations.into());
        let show = &mut |done, all| progress.set(done, all);
        let engine = bundle.engine(runtime.device, dtype, activations, options, show)?;
        progress.finish();
        Ok(engine)
    }
}

/// Text or token ids.
#[derive(Args, Debug, Clone)]
#[group(required = true, multiple = false)]
pub struct Input {
    /// Text to work on; - reads it from stdin
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub text: Option<String>,

    /// Token ids instead of text, e.g. 1,2,3 (needs no tokenizer)
    #[arg(long, value_name = "IDS")]
    pub ids: Option<Ids>,
}

/// A list of token ids on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids(pub Vec<u32>);

impl std::str::FromStr for Ids {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|part| part.trim().parse().map_err(|_| format!("`{part}` is not a token id; legal: 1,2,3")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// How tokens are drawn.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Sampling")]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token [default: 0 for generate, 0.7 for chat]
    #[arg(long, allow_negative_numbers = true, value_name = "T")]
    pub temperature: Option<f32>,

    /// Keep the K likeliest tokens; 0 keeps all
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub top_k: usize,

    /// Keep the likeliest tokens that together reach probability P
    #[arg(long, allow_negative_numbers = true, default_value_t = 1.0, value_name = "P")]
    pub top_p: f32,

    /// Drop tokens below this fraction of the likeliest one's probability
    #[arg(long, allow_negative_numbers = true, default_value_t = 0.0, value_name = "P")]
    pub min_p: f32,

    /// Divide positive and multiply negative logits of tokens already seen by this; 1 is off
    #[arg(long, allow_negative_numbers = true, default_value_t = 1.0, value_name = "R")]
    pub repetition_penalty: f32,

    /// Seed of the draws: the same seed gives the same text
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
}

impl Sampling {
    /// The parameters, with `temperature` where none was given.
    pub fn params(&self, temperature: f32) -> SamplingParams {
        SamplingParams {
            temperature: self.temperature.unwrap_or(temperature),
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
        }
    }
}

/// The token ids of a text, special tokens added as the tokenizer's own rule says.
pub fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, Box<dyn std::error::Error>> {
    Ok(tokenizer.encode(text, true)?)
}

/// `text`, or all of stdin where it is `-`.
pub fn text_or_stdin(text: &str) -> std::io::Result<String> {
    if text == "-" { std::io::read_to_string(std::io::stdin()) } else { Ok(text.to_owned()) }
}

//! From a path and a device to a running engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::DType;
use thiserror::Error;

use crate::data::{ChatTemplate, TemplateError, Tokenizer, TokenizerError};
use crate::engine::backend::{OnBackend, on_backend, on_device};
use crate::engine::core::{Engine, EngineOptions};
use crate::engine::device::{Device, DeviceError};
use crate::engine::error::EngineError;
use crate::engine::memory::MemoryPlan;
use crate::engine::text_engine::TextEngine;
use crate::kernels::KernelBackend;
use crate::kernels::quantised::Activations;
use crate::model::build::WeightSource;
use crate::model::config::FloatType;
use crate::model::config::ModelConfig;
use crate::model::decoder::{Decoder, DecoderWeights};
use crate::model::load::{FileWeights, KeptType, decoded_bytes, keeps_blocks, kept_bytes};
use crate::model::weights::export::TextFile;
use crate::model::weights::{ModelFiles, WeightsError};

/// Why a model could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Its configuration or weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Its tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Its chat template.
    #[error("chat template: {0}")]
    Template(#[from] TemplateError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The memory it takes.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A float type the device does not compute in.
    #[error("--dtype {dtype} is not supported on {device}, legal are: {legal}")]
    Dtype {
        /// The type asked for.
        dtype: FloatType,
        /// The device.
        device: Device,
        /// What it has.
        legal: &'static str,
    },
    /// Rounded activations where no product could take them.
    #[error("--activations {activations} {problem}: use --activations exact")]
    Activations {
        /// What was asked for.
        activations: Activations,
        /// Why it cannot be had.
        problem: String,
    },
    /// There are weights but no tokenizer beside them.
    #[error("{path} has no tokenizer (tokenizer.json): give --ids instead of text")]
    NoTokenizer {
        /// The model.
        path: PathBuf,
    },
    /// The weight file carries a tokenizer that is not supported.
    #[error("the tokenizer of {path} is not supported ({reason}): give --ids instead of text")]
    UnusableTokenizer {
        /// The model.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// A model's files: weights mapped and checked, tokenizer read, nothing on a device yet.
#[derive(Debug)]
pub struct ModelBundle {
    /// Where it was opened from.
    pub path: PathBuf,
    /// Configuration and weights.
    pub files: ModelFiles,
    /// The tokenizer, where there is one.
    pub tokenizer: Option<Arc<Tokenizer>>,
    /// Why a tokenizer inside the weight file cannot be used; the weights can.
    pub tokenizer_problem: Option<String>,
}

impl ModelBundle {
    /// Opens a Hugging Face folder, a safetensors file or a GGUF file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let files = ModelFiles::open(path)?;
        let mut tokenizer_problem = None;
        let tokenizer = match (files.gguf(), files.folder()) {
            (Some(gguf), _) => gguf.vocabulary()?.and_then(|vocabulary| {
                let made = Tokenizer::from_gguf(&vocabulary);
                made.map_err(|error| tokenizer_problem = Some(error.to_string())).ok()
            }),
            (None, Some(folder)) if folder.join("tokenizer.json").exists() => {
                Some(Tokenizer::from_folder(folder)?)
            }
            _ => None,
        };
        Ok(Self { path: path.to_owned(), files, tokenizer: tokenizer.map(Arc::new), tokenizer_problem })
    }

    /// Only the tokenizer of a model, without looking at its weights (a folder may have none).
    pub fn open_tokenizer(path: &Path) -> Result<Tokenizer, OpenError> {
        if path.is_dir() && path.join("tokenizer.json").exists() {
            return Ok(Tokenizer::from_folder(path)?);
        }
        let bundle = Self::open(path)?;
        Ok(bundle.tokenizer()?.as_ref().clone())
    }

    /// What an engine of these files would take on `device`.
    pub fn plan(
        &self,
        device: Device,
        dtype: Option<FloatType>,
        options: EngineOptions,
    ) -> Result<MemoryPlan, OpenError> {
        let Precision { kept, compute } = precision(device, dtype, self.files.config().dtype)?;
        let weights = kept_bytes(&self.files, kept) + decoded_bytes(&self.files, kept);
        Ok(on_backend(device, Planned { config: self.files.config(), weights, compute, options })?)
    }

    /// Tokenizer files for an export, where the source keeps its tokenizer inside the weight file.
    pub fn made_tokenizer_files(&self) -> Vec<TextFile> {
        let made = self.tokenizer.iter().filter(|_| self.files.gguf().is_some()).flat_map(|t| t.files());
        made.map(|(name, contents)| TextFile { name: name.to_owned(), contents: contents.to_vec() }).collect()
    }

    /// The tokenizer, or an error that says there is none.
    pub fn tokenizer(&self) -> Result<&Arc<Tokenizer>, OpenError> {
        let path = || self.path.clone();
        self.tokenizer.as_ref().ok_or_else(|| match &self.tokenizer_problem {
            Some(reason) => OpenError::UnusableTokenizer { path: path(), reason: reason.clone() },
            None => OpenError::NoTokenizer { path: path() },
        })
    }

    /// The chat template the tokenizer carries, compiled.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>, OpenError> {
        let template = self.tokenizer.as_ref().and_then(|t| t.compile_chat_template());
        Ok(template.transpose()?)
    }

    /// Ids that end a text: the configuration's and the tokenizer's.
    pub fn stop_ids(&self) -> Vec<u32> {
        let mut ids = self.files.config().eos_token_ids.clone();
        ids.extend(self.tokenizer.iter().flat_map(|t| t.end_of_turn_ids()));
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Loads the weights onto `device` and builds an engine. `progress` receives weight bytes done and in all.
    pub fn engine(
        &self,
        device: Device,
        dtype: Option<FloatType>,
        activations: Activations,
        options: EngineOptions,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Box<dyn TextEngine>, OpenError> {
        let precision = precision(device, dtype, self.files.config().dtype)?;
        check_activations(activations, device, keeps_blocks(&self.files, precision.kept))?;
        let total = kept_bytes(&self.files, precision.kept);
        let mut report = |done| progress(done, total);
        let mut weights =
            FileWeights::new(&self.files, precision.kept, &mut report).with_activations(activations);
        let config = self.files.config().clone();
        let bytes = total + decoded_bytes(&self.files, precision.kept);
        engine(config, &mut weights, bytes, self.tokenizer.clone(), device, precision.compute, options)
    }
}

/// How a model is kept and computed on a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// The type weights are kept in.
    pub kept: KeptType,
    /// The type of activations.
    pub compute: DType,
}

/// The precision for `dtype` (`None`: whatever loses nothing and the device is good at).
pub fn precision(
    device: Device,
    dtype: Option<FloatType>,
    stored: Option<FloatType>,
) -> Result<Precision, OpenError> {
    let unsupported = |dtype, legal| Err(OpenError::Dtype { dtype, device, legal });
    let all = |float, compute| Precision { kept: KeptType::All(float), compute };
    let auto = |float, compute| Precision { kept: KeptType::BlocksAnd(float), compute };
    match (device, dtype) {
        // Activations stay f32 on the CPU, so keeping bf16 weights as they are costs no precision at all.
        (Device::Cpu, None) => Ok(Precision { kept: KeptType::AsStored, compute: DType::F32 }),
        (Device::Cpu, Some(FloatType::F16)) => unsupported(FloatType::F16, "auto, f32, bf16"),
        (Device::Cpu, Some(float)) => Ok(Precision { kept: KeptType::Matrices(float), compute: DType::F32 }),
        (Device::Wgpu, None) => Ok(auto(FloatType::F32, DType::F32)),
        (Device::Wgpu, Some(FloatType::F32)) => Ok(all(FloatType::F32, DType::F32)),
        (Device::Wgpu, Some(dtype)) => unsupported(dtype, "auto, f32 (WGSL has no bf16)"),
        (Device::Cuda(_), Some(FloatType::F16)) => unsupported(FloatType::F16, "auto, f32, bf16"),
        (Device::Cuda(_), Some(FloatType::BF16)) => Ok(all(FloatType::BF16, DType::BF16)),
        (Device::Cuda(_), Some(FloatType::F32)) => Ok(all(FloatType::F32, DType::F32)),
        (Device::Cuda(_), None) if stored == Some(FloatType::BF16) => Ok(auto(FloatType::BF16, DType::BF16)),
        (Device::Cuda(_), None) => Ok(auto(FloatType::F32, DType::F32)),
    }
}

/// Refuses activations that would change nothing: `blocks` says whether a matrix stays in quantised blocks.
pub fn check_activations(activations: Activations, device: Device, blocks: bool) -> Result<(), OpenError> {
    let problem = match activations {
        Activations::Exact => return Ok(()),
        Activations::Q8 if device != Device::Cpu => format!("is for the cpu only, the device is {device}"),
        Activations::Q8 if !blocks => {
            "needs weights kept in quantised blocks (a quantised .gguf file with --dtype auto), there are none".into()
        }
        Activations::Q8 => return Ok(()),
    };
    Err(OpenError::Activations { activations, problem })
}

/// An engine for `config` with weights from any source; `bytes` is what the weights take.
pub fn engine<S>(
    config: ModelConfig,
    weights: &mut S,
    bytes: u64,
    tokenizer: Option<Arc<Tokenizer>>,
    device: Device,
    compute: DType,
    options: EngineOptions,
) -> Result<Box<dyn TextEngine>, OpenError>
where
    S: WeightSource,
    OpenError: From<S::Error>,
{
    on_device(device, Parts { config, weights, bytes, tokenizer, compute, options })?
}

/// An engine that is only planned.
struct Planned<'a> {
    config: &'a ModelConfig,
    weights: u64,
    compute: DType,
    options: EngineOptions,
}

impl OnBackend for Planned<'_> {
    type Output = MemoryPlan;

    fn on<B: KernelBackend>(self, _: B::Device) -> MemoryPlan {
        MemoryPlan::of_engine::<B>(self.config, self.weights, self.compute, self.options)
    }
}

struct Parts<'a, S> {
    config: ModelConfig,
    weights: &'a mut S,
    bytes: u64,
    tokenizer: Option<Arc<Tokenizer>>,
    compute: DType,
    options: EngineOptions,
}

impl<S> OnBackend for Parts<'_, S>
where
    S: WeightSource,
    OpenError: From<S::Error>,
{
    type Output = Result<Box<dyn TextEngine>, OpenError>;

    fn on<B: KernelBackend>(self, device: B::Device) -> Self::Output {
        let Self { config, weights, bytes, tokenizer, compute, options } = self;
        // Refused before the weights are read, not after minutes of it.
        MemoryPlan::of_engine::<B>(&config, bytes, compute, options).check(options.memory_limit)?;
        let weights = DecoderWeights::read(&config, weights, &device)?;
        let decoder = Decoder::<B>::new(config, weights, compute, device);
        Ok(Box::new(Engine::new(decoder, bytes, tokenizer, options)?))
    }
}

//! The policy that a run begins with, and what tells its weights from others.

use burn::tensor::TensorData;

use super::error::PipelineError;
use super::prepare::Prepared;
use super::seeds::{Draws, seed_of};
use super::watch::{Part, Watch};
use crate::data::hash::{fnv1a, go_on, text, whole};
use crate::engine::open::{Precision, precision};
use crate::engine::{Engine, EngineOptions, OpenError};
use crate::kernels::KernelBackend;
use crate::model::adapter::LowRankOptions;
use crate::model::build::WeightSource;
use crate::model::decoder::{Decoder, DecoderWeights};
use crate::model::load::{FileWeights, Kept, KeptType, dtype, kept_as};
use crate::model::weights::StoredType;
use crate::rl::Policy;
use crate::train::checkpoint::{Checkpoint, Checksum};
use crate::train::config::{Adapter, Lora, Memory, RunConfig};
use crate::train::init::{InitialWeights, adapter_values};

/// Where the checksum of the frozen weights is kept in a checkpoint.
pub(super) const BASE: &str = "base";
/// Tokens of one step of the engine.
const BATCH_TOKENS: usize = 512;

/// The policy before its first step, and the checksum of its frozen weights where it has adapters.
pub(super) fn policy<B: KernelBackend>(
    prepared: &Prepared,
    device: B::Device,
    watch: &mut dyn Watch,
) -> Result<(Policy<B>, Option<String>), PipelineError> {
    let (config, model) = (&prepared.config, &prepared.model);
    let float = config.model.dtype;
    let Precision { kept, compute } = precision(config.device, Some(float), None)?;
    let total = float.bytes() as u64 * model.num_parameters();
    watch.part(Part::Weights, 0, total);
    let (weights, checksum) = match &prepared.files {
        Some(files) => {
            let mut report = |done| watch.part(Part::Weights, done, total);
            let mut source = FileWeights::new(&files.files, kept, &mut report);
            let mut base = BaseWeights::new(&mut source, kept);
            let weights = DecoderWeights::read(model, &mut base, &device).map_err(OpenError::from)?;
            (weights, base.checksum())
        }
        None => {
            let seed = seed_of(config.seed, Draws::Weights);
            let mut source = InitialWeights { seed, layers: model.num_hidden_layers };
            let mut base = BaseWeights::new(&mut source, kept);
            let Ok(weights) = DecoderWeights::read(model, &mut base, &device);
            (weights, base.checksum())
        }
    };
    watch.part(Part::Weights, total, total);
    let mut decoder = Decoder::<B>::new(model.clone(), weights, compute, device);
    let (mut bytes, mut base) = (total, None);
    if config.model.adapter == Adapter::Lora {
        let Lora { rank, alpha, ref targets } = config.model.lora;
        let seed = seed_of(config.seed, Draws::Adapters);
        let options = LowRankOptions { rank, alpha };
        decoder.adapt(options, targets, &mut |name, dims| adapter_values(seed, name, dims));
        bytes += Memory::adapter_bytes(config, model);
        base = Some(checksum);
    }
    let options = EngineOptions {
        cache_tokens: Memory::cache_tokens(config, model),
        batch_tokens: BATCH_TOKENS,
        memory_limit: config.limits.memory.map(|bytes| bytes.0),
        ..EngineOptions::default()
    };
    let engine = Engine::new(decoder, bytes, Some(prepared.tokenizer.clone()), options)?;
    Ok((Policy::new(engine, prepared.format.clone()), base))
}

/// That the adapters of a checkpoint were trained on the weights that were read, whose checksum is `base`.
pub(super) fn check_base(
    config: &RunConfig,
    checkpoint: &Checkpoint,
    base: &str,
) -> Result<(), PipelineError> {
    let saved = checkpoint.state().progress.extra.get(BASE).and_then(serde_json::Value::as_str);
    if saved == Some(base) {
        return Ok(());
    }
    let from = match &config.model.path {
        Some(path) => format!("model.path ({})", path.display()),
        None => "the run's seed and [model.shape]".to_owned(),
    };
    let saved = saved.unwrap_or("none");
    let what = format!(
        "its adapters belong to other weights than those of {from}: their checksum was {saved} and is {base}. Put the \
         weights back as they were, or begin a new run"
    );
    Err(PipelineError::State { checkpoint: checkpoint.path().to_owned(), what })
}

/// Hands weights on in the type that they are kept in, and takes their checksum on the way. A run that trains adapters does
/// not save the weights beneath them, so a run that goes on has to know that they are the same.
struct BaseWeights<'a, S> {
    source: &'a mut S,
    kept: KeptType,
    hash: u128,
}

impl<'a, S> BaseWeights<'a, S> {
    /// Of `source`, in the type `kept`.
    fn new(source: &'a mut S, kept: KeptType) -> Self {
        Self { source, kept, hash: fnv1a(b"") }
    }

    /// The checksum of names, shapes and values of what was read, in its order.
    fn checksum(&self) -> String {
        text(self.hash)
    }
}

impl<S: WeightSource> WeightSource for BaseWeights<'_, S> {
    type Error = S::Error;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, S::Error> {
        let data = self.source.read(name, shape)?;
        let data = match kept_as(self.kept, StoredType::F32, shape.len()) {
            Kept::Float(float) if dtype(float) != data.dtype => data.convert_dtype(dtype(float)),
            _ => data,
        };
        // Bytes by CRC-32: there may be billions, and chance is to be told from the same, not a forger.
        let Checksum { crc, bytes } = Checksum::of(data.as_bytes());
        let hash = whole(self.hash, name.as_bytes());
        let hash = shape.iter().fold(hash, |hash, size| go_on(hash, &(*size as u64).to_le_bytes()));
        self.hash = go_on(go_on(hash, &bytes.to_le_bytes()), &crc.to_le_bytes());
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::FloatType;
    use crate::train::init::InitialWeights;

    fn of(seed: u64, reads: &[(&str, &[usize])]) -> String {
        checksum(seed, FloatType::F32, reads)
    }

    fn checksum(seed: u64, kept: FloatType, reads: &[(&str, &[usize])]) -> String {
        let mut source = InitialWeights { seed, layers: 1 };
        let mut base = BaseWeights::new(&mut source, KeptType::Matrices(kept));
        for (name, shape) in reads {
            let Ok(data) = base.read(name, shape);
            let matrix = shape.len() > 1;
            assert_eq!(data.dtype, dtype(if matrix { kept } else { FloatType::F32 }));
        }
        base.checksum()
    }

    #[test]
    fn another_value_name_shape_or_type_is_another_base() {
        let all: &[(&str, &[usize])] = &[("a.weight", &[4, 6]), ("a.norm.weight", &[3])];
        assert_eq!(of(1, all), of(1, all));
        let others = [
            of(2, all),
            of(1, &all[..1]),
            of(1, &[all[1], all[0]]),
            of(1, &[("b.weight", &[4, 6]), all[1]]),
            of(1, &[all[0], ("a.norm.weight", &[4])]),
            checksum(1, FloatType::BF16, all),
        ];
        assert!(others.iter().all(|other| *other != of(1, all)));
    }
}

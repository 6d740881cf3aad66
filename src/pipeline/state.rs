//! What a checkpoint holds: what is trained (the weights, or the adapters) and AdamW's moments, the same of the reference where
//! the stage keeps one, and where the run stands. Frozen weights are not in it.
//!
//! All of it is f32: of a trained tensor in a half type the master weights are saved, of which it is the rounding.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, TensorData};

use super::error::PipelineError;
use crate::kernels::KernelBackend;
use crate::model::decoder::Decoder;
use crate::model::parameters::Parameter;
use crate::rl::Policy;
use crate::train::checkpoint::{Checkpoint, PendingCheckpoint, Progress, TensorSpec};
use crate::train::run::{RunDirectory, RunError};
use crate::train::{AdamW, AdamWOptions};

/// Prefixes of the moments' names.
const MOMENTS: [&str; 2] = ["adamw.first.", "adamw.second."];

/// Prefix of the reference's names.
const REFERENCE: &str = "reference.";

/// A value among the weights or moments that is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NoNumber {
    /// The tensor it is in.
    pub tensor: String,
    /// The value.
    pub found: f32,
}

/// Saves a checkpoint, one tensor at a time; nothing is left of it where a value is no number. `last` says that no other follows
/// soon.
pub(super) fn save<B: KernelBackend>(
    run: &mut RunDirectory,
    last: bool,
    policy: &mut Policy<B>,
    mut reference: Option<&mut Decoder<B>>,
    optimizer: &AdamW<B>,
    progress: Progress,
) -> Result<Option<NoNumber>, PipelineError> {
    let mut specs = trained_specs(policy);
    let compared = if reference.is_some() { reference_specs(&specs) } else { Vec::new() };
    let moments = optimizer.moments().iter().flat_map(|(name, pair)| {
        MOMENTS.iter().zip(pair).map(move |(prefix, moment)| (format!("{prefix}{name}"), moment))
    });
    let moments: Vec<(String, &Tensor<B, 1>)> = moments.collect();
    specs.extend(moments.iter().map(|(name, moment)| TensorSpec::new(name.as_str(), moment.dims())));
    specs.extend(compared);
    let mut pending = run.begin_save(progress.step, &specs)?;
    if last {
        pending = pending.flushed();
    }
    let mut pushed = Ok(None);
    policy.visit_trained(&mut |name, parameter| {
        if matches!(pushed, Ok(None)) {
            let master = optimizer.masters().get(name).cloned();
            // A master beyond what the weight's type holds is a number, and the weight is none.
            let weights = if master.is_some() { no_number(name, &values(parameter.flat())) } else { None };
            pushed = match weights {
                Some(found) => Ok(Some(found)),
                None => push(&mut pending, name, master.unwrap_or_else(|| parameter.flat())),
            };
        }
    });
    for (name, moment) in moments {
        if matches!(pushed, Ok(None)) {
            pushed = push(&mut pending, &name, moment.clone());
        }
    }
    if let Some(reference) = &mut reference {
        reference.visit_trained(&mut |name, parameter| {
            if matches!(pushed, Ok(None)) {
                pushed = push(&mut pending, &format!("{REFERENCE}{name}"), parameter.flat());
            }
        });
    }
    let found = pushed?;
    if found.is_none() {
        run.finish_save(pending, progress)?;
    }
    Ok(found)
}

/// A tensor's values in f32.
fn values<B: KernelBackend>(tensor: Tensor<B, 1>) -> TensorData {
    tensor.into_data().convert::<f32>()
}

/// The first value that is no number, of the `values` in f32 of the tensor `name`.
fn no_number(name: &str, values: &TensorData) -> Option<NoNumber> {
    // A slice of what is f32 is there, and quicker to walk than the data's own iterator.
    let values = values.as_slice::<f32>().unwrap_or_else(|_| unreachable!("they were converted"));
    let found = *values.iter().find(|value| !value.is_finite())?;
    Some(NoNumber { tensor: name.to_owned(), found })
}

/// Adds a tensor to the checkpoint, unless a value of it is no number.
fn push<B: KernelBackend>(
    pending: &mut PendingCheckpoint,
    name: &str,
    tensor: Tensor<B, 1>,
) -> Result<Option<NoNumber>, RunError> {
    let values = values(tensor);
    if let Some(found) = no_number(name, &values) {
        return Ok(Some(found));
    }
    // `values` gives f32.
    pending.push(values.as_slice::<f32>().unwrap_or_default())?;
    Ok(None)
}

fn trained_specs<B: KernelBackend>(policy: &mut Policy<B>) -> Vec<TensorSpec> {
    let mut specs = Vec::new();
    policy.visit_trained(&mut |name, parameter| specs.push(TensorSpec::new(name, parameter.dims())));
    specs
}

/// The reference's tensors: as many as are trained of the policy.
fn reference_specs(trained: &[TensorSpec]) -> Vec<TensorSpec> {
    trained
        .iter()
        .map(|spec| TensorSpec::new(format!("{REFERENCE}{}", spec.name), spec.shape.clone()))
        .collect()
}

/// Puts what `checkpoint` holds into `policy` and returns its optimizer, and the reference where the stage `keeps` one.
pub(super) fn restore<B: KernelBackend>(
    checkpoint: &Checkpoint,
    policy: &mut Policy<B>,
    options: AdamWOptions,
    keeps: bool,
) -> Result<(AdamW<B>, Option<Decoder<B>>), PipelineError> {
    let mut expected = trained_specs(policy);
    // A tensor has both moments once it has had a gradient.
    let moments: Vec<TensorSpec> = expected
        .iter()
        .filter(|spec| {
            MOMENTS.iter().any(|prefix| checkpoint.tensor(&format!("{prefix}{}", spec.name)).is_some())
        })
        .flat_map(|spec| {
            let values = spec.values().unwrap_or_default();
            MOMENTS.map(|prefix| TensorSpec::new(format!("{prefix}{}", spec.name), vec![values]))
        })
        .collect();
    let compared = if keeps { reference_specs(&expected) } else { Vec::new() };
    expected.extend(moments);
    expected.extend(compared);
    checkpoint.check(&expected)?;
    let device = policy.decoder().device().clone();
    let read = |name: &str| {
        let stored = checkpoint.tensor(name)?;
        let values = stored.values().into_owned();
        let count = values.len();
        Some(Tensor::<B, 1>::from_data(TensorData::new(values, [count]), (&device, DType::F32)))
    };
    let (mut moments, mut masters) = (BTreeMap::new(), BTreeMap::new());
    policy.visit_trained(&mut |name, mut parameter| {
        // `check` has found it.
        if let Some(values) = read(name) {
            let dtype = put(&mut parameter, values.clone());
            if dtype != DType::F32 {
                masters.insert(name.to_owned(), values);
            }
        }
        if let [Some(first), Some(second)] = MOMENTS.map(|prefix| read(&format!("{prefix}{name}"))) {
            moments.insert(name.to_owned(), [first, second]);
        }
    });
    let mut reference = keeps.then(|| policy.decoder().clone());
    if let Some(reference) = &mut reference {
        reference.visit_trained(&mut |name, mut parameter: Parameter<'_, B>| {
            if let Some(values) = read(&format!("{REFERENCE}{name}")) {
                put(&mut parameter, values);
            }
        });
    }
    let optimizer = AdamW::resume(options, checkpoint.state().progress.optimizer_step, moments, masters);
    Ok((optimizer, reference))
}

/// Gives `parameter` the f32 `values` `[n]`, rounded to its own type as the optimizer rounds, and returns that type.
fn put<B: KernelBackend>(parameter: &mut Parameter<'_, B>, values: Tensor<B, 1>) -> DType {
    let mut dtype = DType::F32;
    parameter.update(|before| {
        dtype = before.dtype();
        if dtype == DType::F32 { values } else { B::rounded(values, dtype) }
    });
    dtype
}

#[cfg(test)]
mod tests {
    use burn_flex::{Flex, FlexDevice};

    use super::*;
    use crate::data::ChatTemplate;
    use crate::data::bpe::{self, BpeOptions, LEAST_VOCABULARY};
    use crate::data::conversation::DialogueFormat;
    use crate::doctor::inputs::{Grain, Noise};
    use crate::engine::measure::MadeUpWeights;
    use crate::engine::{Engine, EngineOptions};
    use crate::model::config::{FloatType, ModelConfig};
    use crate::model::decoder::DecoderWeights;
    use crate::train::Gradients;
    use crate::train::run::RunOptions;

    const OPTIONS: AdamWOptions =
        AdamWOptions { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.1, clip: Some(1.0) };

    fn policy(matrices: FloatType) -> Policy<Flex> {
        let text = r#"{
            "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 300, "hidden_size": 32,
            "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
            "hidden_act": "silu", "max_position_embeddings": 32, "rms_norm_eps": 1e-6, "tie_word_embeddings": true
        }"#;
        let config = ModelConfig::from_hf_json(text.as_bytes(), std::path::Path::new("test")).unwrap();
        let Ok(weights) = DecoderWeights::read(&config, &mut MadeUpWeights { matrices }, &FlexDevice);
        let decoder = Decoder::<Flex>::new(config, weights, DType::F32, FlexDevice);
        let engine_options = EngineOptions { cache_tokens: 64, ..EngineOptions::default() };
        let engine = Engine::new(decoder, 0, None, engine_options).unwrap();
        let options = BpeOptions { vocab_size: LEAST_VOCABULARY, min_frequency: 2, system: None };
        let tokenizer = bpe::train(&["Good morning."], &options).unwrap();
        let template = ChatTemplate::new(&bpe::chat_template(None)).unwrap();
        Policy::new(engine, DialogueFormat::new(&tokenizer, &template, None).unwrap())
    }

    /// One of all tensors but those of `up_proj`, which have no gradient.
    fn step(policy: &mut Policy<Flex>, optimizer: &mut AdamW<Flex>, seed: u64) {
        let mut gradients = Gradients::default();
        policy.visit_trained(&mut |name, parameter| {
            if !name.contains("up_proj") {
                let count: usize = parameter.dims().iter().product();
                let values = Noise(seed + count as u64).values(count, 1.0, Grain::Fine);
                let data = TensorData::new(values, [count]);
                gradients.add(name.to_owned(), Tensor::<Flex, 1>::from_data(data, (&FlexDevice, DType::F32)));
            }
        });
        policy.update(|decoder| optimizer.step(decoder, gradients, 1e-4));
    }

    /// The bytes of each tensor, with its type.
    fn contents(decoder: &mut Decoder<Flex>) -> BTreeMap<String, (DType, Vec<u8>)> {
        let mut all = BTreeMap::new();
        decoder.visit_trained(&mut |name, parameter| {
            let data = parameter.flat().into_data();
            all.insert(name.to_owned(), (data.dtype, data.as_bytes().to_vec()));
        });
        all
    }

    fn all(policy: &mut Policy<Flex>) -> BTreeMap<String, (DType, Vec<u8>)> {
        contents(&mut policy.decoder().clone())
    }

    fn host(x: &Tensor<Flex, 1>) -> Vec<f32> {
        x.clone().into_data().to_vec().unwrap()
    }

    #[test]
    fn what_is_restored_goes_on_with_the_same_bits() {
        for matrices in [FloatType::F32, FloatType::BF16] {
            let half = matrices == FloatType::BF16;
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join("run");
            let mut run = RunDirectory::create_in(&folder, "seed = 3\n", RunOptions::default()).unwrap();
            let (mut own, mut optimizer) = (policy(matrices), AdamW::new(OPTIONS));
            step(&mut own, &mut optimizer, 1);
            let mut reference = own.decoder().clone();
            step(&mut own, &mut optimizer, 2);
            let progress = Progress { step: 2, optimizer_step: 2, ..Progress::default() };
            let saved = save(&mut run, false, &mut own, Some(&mut reference), &optimizer, progress).unwrap();
            assert_eq!(saved, None);

            let checkpoint = Checkpoint::load(&folder.join("checkpoints/step-000002")).unwrap();
            let mut again = policy(matrices);
            let (mut resumed, kept) = restore(&checkpoint, &mut again, OPTIONS, true).unwrap();
            assert_eq!(all(&mut again), all(&mut own), "{matrices}");
            assert_eq!(contents(&mut kept.unwrap()), contents(&mut reference), "{matrices}");
            assert_eq!(resumed.steps(), 2);
            for (name, (dtype, _)) in all(&mut own) {
                let stored = checkpoint.tensor(&name).unwrap().values().into_owned();
                let matrix = name.ends_with("proj.weight") || name.contains("embed");
                assert_eq!(dtype == DType::BF16, half && matrix, "{name}");
                match resumed.masters().get(&name) {
                    Some(master) => {
                        assert_eq!((dtype, &host(master)), (DType::BF16, &stored), "{name}");
                        // One without a gradient has no master yet, and is stored as it is.
                        let master = optimizer.masters().get(&name).map(host);
                        assert_eq!(master.is_none(), name.contains("up_proj"), "{name}");
                        assert!(master.is_none_or(|master| master == stored), "{name}");
                    }
                    None => assert_eq!(dtype, DType::F32, "{name}"),
                }
            }
            // Masters, moments and weights go on together.
            for seed in 3..6 {
                step(&mut own, &mut optimizer, seed);
                step(&mut again, &mut resumed, seed);
            }
            assert_eq!(all(&mut again), all(&mut own), "{matrices}");
        }
    }
}

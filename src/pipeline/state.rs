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
            pushed = push(&mut pending, name, master.unwrap_or_else(|| parameter.flat()));
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

/// Adds a tensor to the checkpoint, unless a value of it is no number.
fn push<B: KernelBackend>(
    pending: &mut PendingCheckpoint,
    name: &str,
    tensor: Tensor<B, 1>,
) -> Result<Option<NoNumber>, RunError> {
    let data = tensor.into_data().convert::<f32>();
    // Converted a line ago, so it is f32.
    let values = data.as_slice::<f32>().unwrap_or_default();
    if let Some(&found) = values.iter().find(|value| !value.is_finite()) {
        return Ok(Some(NoNumber { tensor: name.to_owned(), found }));
    }
    pending.push(values)?;
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

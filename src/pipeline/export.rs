//! The trained model as a Hugging Face folder.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use half::{bf16, f16};

use super::error::PipelineError;
use super::prepare::Prepared;
use super::watch::{Part, Watch};
use crate::kernels::KernelBackend;
use crate::model::config::{FloatType, TensorSpec};
use crate::model::weights::WeightsError;
use crate::model::weights::export::{
    ExportOptions, OutputTensor, TensorSink, TensorSource, TextFile, write_source,
};
use crate::rl::Policy;

/// Writes the weights of `policy` with its adapters in them, its configuration and its tokenizer as the folder `dir`, in the
/// place of an earlier export. The weights are in the type that the run keeps them in.
pub(super) fn export<B: KernelBackend>(
    prepared: &Prepared,
    policy: &mut Policy<B>,
    dir: &Path,
    watch: &mut dyn Watch,
) -> Result<(), PipelineError> {
    let file = |name: &str, contents: Vec<u8>| TextFile { name: name.to_owned(), contents };
    // The policy's own configuration: a head that was the embedding and has an adapter is written as one of its own.
    let (model, dtype) = (&policy.decoder().config, prepared.config.model.dtype);
    let mut files = vec![file("config.json", model.to_hf_json(dtype).into_bytes())];
    files.extend(model.to_generation_json().map(|text| file("generation_config.json", text.into_bytes())));
    files.extend(prepared.tokenizer.files().map(|(name, contents)| file(name, contents.to_vec())));
    let mut source = Weights { policy, dtype };
    let options = ExportOptions { overwrite: true, ..ExportOptions::default() };
    write_source(&mut source, files, dir, &options, &mut |done, all| watch.part(Part::Export, done, all))
        .map_err(PipelineError::Export)
}

struct Weights<'p, B: KernelBackend> {
    policy: &'p mut Policy<B>,
    dtype: FloatType,
}

impl<B: KernelBackend> Weights<'_, B> {
    /// The tensor `name` with its adapter in it, flat.
    fn tensor(&mut self, name: &str) -> Option<Tensor<B, 1>> {
        let mut found = None;
        self.policy.visit_projections(&mut |projection, part| {
            if name.strip_suffix(".weight") == Some(projection) {
                found = part.merged().map(|weight| weight.flatten(0, 1));
            }
        });
        if found.is_none() {
            self.policy.visit_parameters(&mut |other, parameter| {
                if other == name {
                    found = Some(parameter.flat());
                }
            });
        }
        found
    }
}

impl<B: KernelBackend> TensorSource for Weights<'_, B> {
    fn tensors(&self) -> Vec<OutputTensor> {
        // Shapes follow from the configuration, under the names that the parameters have.
        let model = &self.policy.decoder().config;
        let output =
            |spec: TensorSpec| OutputTensor { name: spec.name, shape: spec.shape, dtype: self.dtype };
        model.tensors().into_iter().map(output).collect()
    }

    fn push(&mut self, tensor: &OutputTensor, sink: &mut TensorSink<'_>) -> Result<(), WeightsError> {
        // What the policy has not is found by the sink, which knows how long each tensor is.
        let values = self.tensor(&tensor.name).map(Tensor::into_data);
        sink.push(&values.map(|values| little_endian(values, tensor.dtype)).unwrap_or_default())
    }
}

fn little_endian(data: TensorData, dtype: FloatType) -> Vec<u8> {
    let data = data.convert::<f32>();
    // Converted a line ago, so it is f32.
    let values = data.as_slice::<f32>().unwrap_or_default().iter();
    match dtype {
        FloatType::F32 => values.flat_map(|value| value.to_le_bytes()).collect(),
        FloatType::BF16 => values.flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect(),
        FloatType::F16 => values.flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
    }
}

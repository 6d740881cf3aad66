//! The trained model as a Hugging Face folder.

use std::path::Path;

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

/// Writes the weights of `policy`, its configuration and its tokenizer as the folder `dir`, in the place of an earlier
/// export.
pub(super) fn export<B: KernelBackend>(
    prepared: &Prepared,
    policy: &mut Policy<B>,
    dir: &Path,
    watch: &mut dyn Watch,
) -> Result<(), PipelineError> {
    let file = |name: &str, contents: Vec<u8>| TextFile { name: name.to_owned(), contents };
    let model = &prepared.model;
    let mut files = vec![file("config.json", model.to_hf_json(FloatType::F32).into_bytes())];
    files.extend(model.to_generation_json().map(|text| file("generation_config.json", text.into_bytes())));
    files.extend(prepared.tokenizer.files().map(|(name, contents)| file(name, contents.to_vec())));
    let mut source = Weights { policy };
    let options = ExportOptions { overwrite: true, ..ExportOptions::default() };
    write_source(&mut source, files, dir, &options, &mut |done, all| watch.part(Part::Export, done, all))
        .map_err(PipelineError::Export)
}

struct Weights<'p, B: KernelBackend> {
    policy: &'p mut Policy<B>,
}

impl<B: KernelBackend> TensorSource for Weights<'_, B> {
    fn tensors(&self) -> Vec<OutputTensor> {
        // Shapes follow from the configuration, under the names that the parameters have.
        let model = &self.policy.decoder().config;
        let output =
            |spec: TensorSpec| OutputTensor { name: spec.name, shape: spec.shape, dtype: FloatType::F32 };
        model.tensors().into_iter().map(output).collect()
    }

    fn push(&mut self, tensor: &OutputTensor, sink: &mut TensorSink<'_>) -> Result<(), WeightsError> {
        let mut pushed = Ok(());
        self.policy.visit_parameters(&mut |name, parameter| {
            if name == tensor.name {
                let data = parameter.flat().into_data().convert::<f32>();
                let values = data.as_slice::<f32>().unwrap_or_default();
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                pushed = sink.push(&bytes);
            }
        });
        pushed
    }
}

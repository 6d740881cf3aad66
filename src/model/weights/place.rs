//! Matches the tensors found in files with the tensors a configuration calls for.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::{RowOrder, StoredType, TensorProblem, WeightsError};
use crate::model::config::TensorSpec;

/// A tensor found in a file.
#[derive(Debug)]
pub(super) struct Found {
    /// Its name in the file.
    pub(super) own_name: String,
    /// The Hugging Face name, where the file's name maps to one.
    pub(super) hf_name: String,
    /// Storage type, or the name of one that is not a float type.
    pub(super) stored: Result<StoredType, &'static str>,
    /// Hugging Face shape.
    pub(super) shape: Vec<usize>,
    pub(super) row_order: RowOrder,
    /// Which of the images holds it, and its bytes there.
    pub(super) image: usize,
    pub(super) range: Range<usize>,
    /// Said where the configuration has no such tensor.
    pub(super) note: &'static str,
}

/// A tensor of the model, and where its bytes are.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) name: String,
    pub(super) stored: StoredType,
    pub(super) shape: Vec<usize>,
    pub(super) row_order: RowOrder,
    pub(super) image: usize,
    pub(super) range: Range<usize>,
}

/// One [`Placed`] for each spec, in their order, or every mismatch at once.
pub(super) fn place(
    file: &Path,
    specs: Vec<TensorSpec>,
    found: Vec<Found>,
) -> Result<Vec<Placed>, WeightsError> {
    let mut problems = Vec::new();
    let mut by_name: HashMap<String, Found> = HashMap::with_capacity(found.len());
    let mut order = Vec::with_capacity(found.len());
    for tensor in found {
        order.push(tensor.hf_name.clone());
        if let Some(twice) = by_name.insert(tensor.hf_name.clone(), tensor) {
            return Err(WeightsError::DuplicateTensor { file: file.to_owned(), tensor: twice.own_name });
        }
    }
    let mut placed = Vec::with_capacity(specs.len());
    for spec in specs {
        let Some(tensor) = by_name.remove(&spec.name) else {
            problems.push(TensorProblem::Missing { tensor: spec.name, expected: spec.shape });
            continue;
        };
        match fit(&spec, &tensor) {
            Err(problem) => problems.push(problem),
            Ok(stored) => placed.push(Placed {
                name: spec.name,
                stored,
                shape: spec.shape,
                row_order: tensor.row_order,
                image: tensor.image,
                range: tensor.range,
            }),
        }
    }
    for name in order {
        if let Some(tensor) = by_name.remove(&name) {
            let Found { own_name: tensor, shape: found, note, .. } = tensor;
            problems.push(TensorProblem::Unexpected { tensor, found, note });
        }
    }
    if problems.is_empty() {
        Ok(placed)
    } else {
        Err(WeightsError::Tensors { file: file.to_owned(), problems })
    }
}

fn fit(spec: &TensorSpec, tensor: &Found) -> Result<StoredType, TensorProblem> {
    let stored = tensor.stored.map_err(|found| TensorProblem::Type {
        tensor: tensor.own_name.clone(),
        found: found.to_owned(),
        legal: "F32, F16 or BF16".to_owned(),
    })?;
    if tensor.shape != spec.shape {
        return Err(TensorProblem::Shape {
            tensor: tensor.own_name.clone(),
            found: tensor.shape.clone(),
            expected: spec.shape.clone(),
        });
    }
    // A vector counts as rows of one value, which no quantised block divides into.
    if spec.shape.len() == 1 && stored.float().is_none() {
        return Err(TensorProblem::float_only(&tensor.own_name, stored));
    }
    Ok(stored)
}

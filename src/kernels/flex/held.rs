//! Weight matrices where kernels read them.

use std::borrow::Cow;

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexTensor};
use half::bf16;

use super::storage::primitive;
use crate::kernels::linear::Matrix;
use crate::kernels::linear::cpu::Weight;
use crate::kernels::quantised::{Activations, QuantisedMatrix};

/// Weights that a kernel reads where they are, or a contiguous f32 copy of any other type.
fn weights<const D: usize>(w: &Tensor<Flex, D>) -> FlexTensor {
    let readable = matches!(w.dtype(), DType::F32 | DType::BF16);
    let w = if readable { w.clone() } else { w.clone().cast(DType::F32) };
    let w = primitive(w);
    if w.layout().contiguous_offsets().is_some() { w } else { w.to_contiguous() }
}

/// A weight matrix held for the time of a product.
pub(super) enum Held<'a> {
    Float(FlexTensor),
    Blocks(Cow<'a, QuantisedMatrix>),
}

impl Held<'_> {
    /// Of `matrix`; a copy only where no kernel reads it as it is.
    pub(super) fn new(matrix: &Matrix<Flex>) -> Held<'_> {
        match matrix {
            Matrix::Float(w) => Held::Float(weights(w)),
            Matrix::Blocks(blocks) => Held::Blocks(Cow::Borrowed(blocks)),
            Matrix::DeviceBlocks(blocks) => Held::Blocks(Cow::Owned(blocks.download())),
        }
    }

    /// What the kernel reads.
    pub(super) fn weight(&self) -> Weight<'_> {
        match self {
            Held::Blocks(blocks) => match blocks.activations() {
                Activations::Exact => Weight::Blocks(blocks.block(), blocks.bytes()),
                Activations::Q8 => Weight::Integers(blocks.block(), blocks.bytes()),
            },
            Held::Float(w) => {
                let (start, end) = w.layout().contiguous_offsets().unwrap_or((0, 0));
                match w.dtype() {
                    DType::BF16 => Weight::Bf16(&w.storage::<bf16>()[start..end]),
                    _ => Weight::F32(&w.storage::<f32>()[start..end]),
                }
            }
        }
    }
}

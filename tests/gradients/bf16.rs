//! Weights in bf16 that are trained: their gradients are those of the same numbers in f32.

use std::convert::Infallible;

use burn::tensor::{DType, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::model::build::WeightSource;
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::train::{Gradients, PackedBatch, forward_backward};

use crate::decoder::two_continuations;
use crate::support::{Formula, TINY_MODELS, config, max_diff};
use crate::values;

/// The formula's values rounded to bf16 and widened again.
struct Widened;

impl WeightSource for Widened {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        let Ok(data) = Formula { bf16: true }.read(name, shape);
        Ok(data.convert::<f32>())
    }
}

/// Rounded matrices, and vectors in f32: how a run on the CPU keeps them.
struct Matrices;

impl WeightSource for Matrices {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        Ok(match (Formula { bf16: true }.read(name, shape), shape.len()) {
            (Ok(data), 2) => data,
            (Ok(data), _) => data.convert::<f32>(),
        })
    }
}

fn decoder<S: WeightSource<Error = Infallible>>(model: &str, mut source: S) -> Decoder<Flex> {
    let config = config(model);
    let Ok(weights) = DecoderWeights::read(&config, &mut source, &FlexDevice);
    Decoder::new(config, weights, DType::F32, FlexDevice)
}

/// Gradients of two batches, which add up.
fn gradients(decoder: &Decoder<Flex>, batches: &[PackedBatch]) -> (Vec<f32>, Gradients<Flex>) {
    let mut gradients = Gradients::default();
    let mut weight = |index: usize, _: f32| 0.5 + (index % 3) as f32;
    let found = batches
        .iter()
        .flat_map(|batch| forward_backward(decoder, batch, 0.9, &mut weight, &mut gradients))
        .collect();
    (found, gradients)
}

/// Norms, biases, norms over heads, heads that are the embedding and others.
#[test]
fn gradients_of_weights_in_bf16_are_those_of_their_values() {
    for model in TINY_MODELS {
        let first = two_continuations(model);
        let mut second = PackedBatch::default();
        second.push(&first.tokens[..7], 1..7);
        let batches = [first, second];
        let (wanted, exact) = gradients(&decoder(model, Widened), &batches);
        for mut half in [decoder(model, Formula { bf16: true }), decoder(model, Matrices)] {
            let (found, gradients) = gradients(&half, &batches);
            let apart = max_diff(&found, &wanted);
            assert!(apart <= 1e-5 * wanted.iter().fold(1.0f32, |a, b| a.max(b.abs())), "{model}: {apart:e}");
            let mut names = Vec::new();
            half.visit_trained(&mut |name, parameter| {
                if parameter.dims().len() > 1 {
                    assert_eq!(parameter.flat().dtype(), DType::BF16, "{name}");
                }
                names.push(name.to_owned());
            });
            // All have one, in f32.
            assert_eq!((gradients.iter().count(), exact.iter().count()), (names.len(), names.len()));
            for name in names {
                let gradient = gradients.get(&name).unwrap();
                assert_eq!(gradient.dtype(), DType::F32, "{model}, {name}");
                let (found, wanted) = (values(gradient.clone()), values(exact.get(&name).unwrap().clone()));
                let largest = wanted.iter().fold(1e-3f32, |a, b| a.max(b.abs()));
                let apart = max_diff(&found, &wanted);
                assert!(apart <= 1e-5 * largest, "{model}, {name}: {apart:e} of {largest}");
            }
        }
    }
}

//! A layer and whole decoders, beside the trainer's backward.

use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::attention::positions;
use osler::kernels::autodiff::{LogitOptions, log_probs};
use osler::kernels::{KernelBackend, Segment};
use osler::model::cache::attention_shape;
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::model::layer::{Linear, Projected};
use osler::model::residual::Residual;
use osler::model::rotary::RotaryTables;
use osler::train::layer::{self, Forward, LayerContext};
use osler::train::{Gradients, PackedBatch};

use super::{A, constant, leaf, near};
use crate::decoder::{two_continuations, weighted};
use crate::support::{self, Formula, TINY_MODELS};
use crate::{noise, tensor, values};

/// A tiny model under autodiff whose tensors are the leaves, by name and flat.
struct Tracked<C: CheckpointStrategy> {
    decoder: Decoder<A<C>>,
    leaves: Vec<(String, Tensor<A<C>, 1>)>,
}

impl<C: CheckpointStrategy> Tracked<C> {
    fn new(model: &str) -> Self {
        let config = support::config(model);
        let Ok(weights) = DecoderWeights::<A<C>>::read(&config, &mut Formula { bf16: false }, &FlexDevice);
        let mut decoder = Decoder::new(config, weights, DType::F32, FlexDevice);
        let mut leaves = Vec::new();
        decoder.visit_parameters(&mut |name, mut parameter| {
            parameter.update(|values| {
                let leaf = leaf::<C, 1>(&values.inner());
                leaves.push((name.to_owned(), leaf.clone()));
                leaf
            });
        });
        Self { decoder, leaves }
    }

    /// The sum of log-probs as [`weighted`] weighs them, and its gradients.
    fn weighted(&self, batch: &PackedBatch) -> (f64, Vec<(&str, Tensor<Flex, 1>)>) {
        let Self { decoder, leaves } = self;
        let hidden = decoder.forward_segments(&batch.tokens, &batch.segments);
        let n = batch.targets.len();
        let rows: Vec<i32> = batch.targets.iter().map(|target| target.row as i32).collect();
        let rows = Tensor::<A<C>, 1, Int>::from_data(TensorData::new(rows, [n]), &FlexDevice);
        let eps = decoder.config.rms_norm_eps as f32;
        let normed = <A<C> as KernelBackend>::rms_norm(hidden.select(0, rows), &decoder.norm, eps);
        let tied = || Linear::new(decoder.embed_tokens.clone(), None);
        let head = decoder.lm_head.clone().unwrap_or_else(tied);
        let targets: Vec<u32> = batch.targets.iter().map(|target| target.token).collect();
        let options = LogitOptions { temperature: 0.9, ..LogitOptions::default() };
        let log_probs = log_probs(normed, &head.weights(), &targets, options);
        let weights = tensor((0..n).map(|index| 0.5 + (index % 3) as f32).collect(), [n]);
        let loss = (log_probs * constant::<C, 1>(&weights)).sum();
        let gradients = loss.backward();
        let found = leaves.iter().map(|(name, leaf)| (name.as_str(), leaf.grad(&gradients).unwrap()));
        (f64::from(values(loss.inner())[0]), found.collect())
    }
}

#[test]
fn a_layer_has_the_gradients_of_the_trainers_layer() {
    let after = |len, parent| Segment { len, after: Some(parent) };
    let alone = Segment::alone;
    let segments = [alone(5), after(3, 0), alone(0), alone(17), after(1, 0), after(4, 3)];
    for model in TINY_MODELS {
        let decoder = support::decoder(model);
        let (config, layer) = (&decoder.config, &decoder.layers[0]);
        let positions = positions(&segments);
        let dims = [positions.len(), config.hidden_size];
        let tables = RotaryTables::<Flex>::new(&config.rope_frequencies(), &positions, &FlexDevice);
        let [x, dy] = [1, 2].map(|seed| tensor(noise(seed, dims[0] * dims[1]), dims));
        let context = LayerContext { config, tables: &tables, segments: &segments, adapted: false };
        let Forward { kept, y, .. } = layer::forward(layer, &context, Residual::new(x.clone()), None);
        let mut expected = Gradients::default();
        let dx = layer::backward(0, layer, &context, x.clone(), kept, dy.clone(), &mut expected);

        let tracked = Tracked::<NoCheckpointing>::new(model);
        let tables = RotaryTables::<A> { cos: constant(&tables.cos), sin: constant(&tables.sin) };
        let input = leaf::<NoCheckpointing, 2>(&x);
        let attend = |Projected { q, k, v }: Projected<A>| {
            A::<NoCheckpointing>::attention_packed(q, k, v, &segments, attention_shape(config)).out
        };
        let residual = Residual::new(input.clone());
        let output = tracked.decoder.layers[0].forward(residual, config, &tables, attend).sum();
        let gradients = (output.clone() * constant::<NoCheckpointing, 2>(&dy)).sum().backward();

        near(&format!("{model}, output"), output.inner(), y.sum(), 1.0);
        near(&format!("{model}, input"), input.grad(&gradients).unwrap(), dx, 1.0);
        let mut compared = 0;
        for (name, leaf) in &tracked.leaves {
            let gradient = leaf.grad(&gradients);
            assert_eq!(gradient.is_some(), name.starts_with("model.layers.0."), "{model}, {name}");
            if let Some(gradient) = gradient {
                near(&format!("{model}, {name}"), gradient, expected.get(name).unwrap().clone(), 1.0);
                compared += 1;
            }
        }
        assert_eq!(compared, expected.iter().count(), "{model}");
    }
}

#[test]
fn a_whole_decoder_has_the_trainers_gradients() {
    for model in TINY_MODELS {
        let batch = two_continuations(model);
        let (sum, expected) = weighted(&support::decoder(model), &batch);
        let check = |way: &str, (found, gradients): (f64, Vec<(&str, Tensor<Flex, 1>)>)| {
            assert!((found - sum).abs() <= 1e-5 * sum.abs(), "{model}, {way}: {found} and {sum}");
            assert_eq!(gradients.len(), expected.iter().count(), "{model}, {way}");
            for (name, gradient) in gradients {
                let expected = expected.get(name).unwrap().clone();
                near(&format!("{model}, {way}, {name}"), gradient, expected, 1.0);
            }
        };
        check("all kept", Tracked::<NoCheckpointing>::new(model).weighted(&batch));
        check("made again", Tracked::<BalancedCheckpointing>::new(model).weighted(&batch));
    }
}

//! Low-rank adapters: logits and gradients against peft (`fixtures/make_lora_expected.py`), in both types of weights, and merged
//! into the weights.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::{KernelBackend, Matrix};
use osler::model::adapter::{LowRankOptions, Projection};
use osler::model::build::WeightSource;
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::train::{Gradients, PackedBatch, forward_backward, log_probs};
use support::{
    Expected, Formula, TINY_MODELS, adapt, adapt_targets, config, expected, fixtures, formula, max_diff,
    with_head,
};

const TEMPERATURE: f32 = 0.9;

fn plain<S: WeightSource<Error = Infallible>>(model: &str, mut source: S) -> Decoder<Flex> {
    let config = config(model);
    let Ok(weights) = DecoderWeights::read(&config, &mut source, &FlexDevice);
    Decoder::new(config, weights, DType::F32, FlexDevice)
}

fn adapted<S: WeightSource<Error = Infallible>>(model: &str, source: S) -> Decoder<Flex> {
    let mut decoder = plain(model, source);
    adapt(&mut decoder);
    decoder
}

fn host<const D: usize>(x: Tensor<Flex, D>) -> Vec<f32> {
    x.into_data().convert::<f32>().to_vec().unwrap()
}

fn logits(decoder: &Decoder<Flex>, ids: &[u32]) -> Vec<f32> {
    host(decoder.logits(decoder.forward(ids, &[ids.len()])))
}

fn batch(prompts: &[Expected]) -> PackedBatch {
    let mut batch = PackedBatch::default();
    for prompt in prompts {
        batch.push(&prompt.ids, 1..prompt.ids.len());
    }
    batch
}

/// The fixture's loss with the gradients of all that is trained.
fn loss(decoder: &Decoder<Flex>, batch: &PackedBatch) -> (f64, Gradients<Flex>) {
    let weight = |index: usize| 0.5 + (index % 3) as f32;
    let mut gradients = Gradients::default();
    let mut slope = |index: usize, _: f32| weight(index);
    let found = forward_backward(decoder, batch, TEMPERATURE, &mut slope, &mut gradients);
    let bits = |x: &[f32]| x.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&found), bits(&log_probs(decoder, batch, TEMPERATURE)));
    (found.iter().enumerate().map(|(i, &p)| f64::from(weight(i)) * f64::from(p)).sum(), gradients)
}

fn close(what: &str, found: &[f32], wanted: &[f32], bound: f32) {
    let largest = wanted.iter().fold(1.0f32, |a, b| a.max(b.abs()));
    let apart = max_diff(found, wanted);
    assert!(apart <= bound * largest, "{what}: apart by {apart:e} of {largest}");
}

/// How far something moved: what is no number did not.
fn moved(from: &[f32], to: &[f32]) -> f32 {
    let apart = max_diff(from, to);
    assert!(apart.is_finite(), "not finite");
    apart
}

#[test]
fn logits_and_gradients_are_those_of_peft() {
    let decoder = adapted("qwen2_tiny", Formula { bf16: false });
    are_those_of_peft(&decoder, "lora_expected.safetensors", 2 * 7 * 3);
}

/// On a tied model: as in peft, the embedding is not adapted with the head.
#[test]
fn with_an_adapter_on_the_head_they_are_those_of_peft_too() {
    let mut decoder = plain("qwen2_tiny", Formula { bf16: false });
    assert!(decoder.config.tie_word_embeddings);
    adapt_targets(&mut decoder, &with_head());
    are_those_of_peft(&decoder, "lora_head_expected.safetensors", 2 * (7 * 3 + 1));
}

/// Logits, loss and the gradients, of which there are `count`, beside those that peft recorded in `file`.
fn are_those_of_peft(decoder: &Decoder<Flex>, file: &str, count: usize) {
    let bytes = std::fs::read(fixtures().join(file)).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut recorded: BTreeMap<String, Vec<f32>> = file
        .tensors()
        .into_iter()
        .map(|(name, t)| {
            (name, t.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
        })
        .collect();
    let prompts = &expected("qwen2_tiny")[1..];
    for (number, prompt) in (1..).zip(prompts) {
        let name = format!("p{number}.logits");
        let wanted = recorded.remove(&name).unwrap();
        close(&name, &logits(decoder, &prompt.ids), &wanted, 1e-5);
        assert!(moved(&prompt.logits, &wanted) > 0.1, "the adapters hardly do anything");
    }
    let (found, gradients) = loss(decoder, &batch(prompts));
    let wanted = f64::from(recorded.remove("loss").unwrap()[0]);
    assert!((found - wanted).abs() <= 1e-5 * wanted.abs(), "{found} {wanted}");
    // Nothing else has a gradient, so nothing else was computed or can change.
    let names: BTreeSet<&str> = gradients.iter().map(|(name, _)| name).collect();
    assert_eq!(names, recorded.keys().map(String::as_str).collect());
    assert_eq!(names.len(), count);
    for (name, wanted) in &recorded {
        close(name, &host(gradients.get(name).unwrap().clone()), wanted, 1e-5);
    }
}

/// The formula's values rounded to bf16 and widened again.
struct Widened;

impl WeightSource for Widened {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        let Ok(data) = Formula { bf16: true }.read(name, shape);
        Ok(data.convert::<f32>())
    }
}

/// Frozen weights that are kept in bf16 are the same numbers, and activations and adapters are f32 either way.
#[test]
fn weights_in_bf16_give_the_gradients_of_their_values() {
    for model in ["qwen2_tiny", "qwen3_tiny", "llama_tiny"] {
        let prompts = &expected(model)[1..];
        let (narrow, wide) = (adapted(model, Formula { bf16: true }), adapted(model, Widened));
        let batch = batch(prompts);
        let ((found, gradients), (wanted, exact)) = (loss(&narrow, &batch), loss(&wide, &batch));
        assert!((found - wanted).abs() <= 1e-5 * wanted.abs(), "{model}: {found} {wanted}");
        for (name, exact) in exact.iter() {
            close(name, &host(gradients.get(name).unwrap().clone()), &host(exact.clone()), 1e-5);
        }
    }
}

#[test]
fn a_new_adapter_changes_nothing_and_a_merged_one_adds_the_same() {
    use Projection::{Head, Q, V};
    // With the least that the adapters change of some logit.
    let kinds =
        [(Projection::LAYER.to_vec(), 0.1), (with_head(), 0.1), (vec![Head], 0.1), (vec![Q, V], 1e-3)];
    for (model, (targets, least)) in
        TINY_MODELS.into_iter().flat_map(|it| kinds.clone().map(|kind| (it, kind)))
    {
        let ids = &expected(model)[2].ids;
        let before = logits(&plain(model, Formula { bf16: false }), ids);
        let mut new = plain(model, Formula { bf16: false });
        let options = LowRankOptions { rank: 3, alpha: 6.0 };
        new.adapt(options, &targets, &mut |name, dims| formula(name, &dims));
        assert!(new.is_adapted());
        assert_eq!(logits(&new, ids), before, "{model}");

        let mut merged = plain(model, Formula { bf16: false });
        adapt_targets(&mut merged, &targets);
        let wanted = logits(&merged, ids);
        merged.visit_projections(&mut |_, part| {
            if let Some(weight) = part.merged() {
                part.weight = Matrix::Float(weight);
                part.adapter = None;
            }
        });
        assert!(!merged.is_adapted());
        close(model, &logits(&merged, ids), &wanted, 1e-4);
        assert!(moved(&before, &wanted) > least, "{model}, {targets:?}");
    }
}

/// A tied head is one of its own once it has an adapter; the embedding stays as it was, merged or not.
#[test]
fn an_adapter_on_a_tied_head_is_the_heads_alone() {
    let model = "qwen2_tiny";
    let mut decoder = plain(model, Formula { bf16: false });
    assert!(decoder.config.tie_word_embeddings && decoder.lm_head.is_none());
    let floats = |matrix: &Matrix<Flex>| match matrix {
        Matrix::Float(tensor) => host(tensor.clone()),
        other => panic!("{other:?}"),
    };
    let embedding = floats(&decoder.embed_tokens);
    adapt_targets(&mut decoder, &[Projection::Head]);
    assert!(!decoder.config.tie_word_embeddings);
    assert_eq!(floats(&decoder.lm_head.as_ref().unwrap().weight), embedding);
    let mut names = Vec::new();
    decoder.visit_trained(&mut |name, parameter| names.push((name.to_owned(), parameter.dims())));
    let (vocab, hidden) = (decoder.config.vocab_size, decoder.config.hidden_size);
    let [a, b] = ["lm_head.lora_A.weight", "lm_head.lora_B.weight"].map(str::to_owned);
    assert_eq!(names, [(a, vec![4, hidden]), (b, vec![vocab, 4])]);
    let merged = decoder.lm_head.as_ref().unwrap().merged().unwrap();
    assert!(moved(&host(merged), &embedding) > 0.1);
    assert_eq!(floats(&decoder.embed_tokens), embedding);
}

/// The engine samples from `Decoder::logits`, the trainer makes log-probs in parts under the same head.
#[test]
fn an_adapted_heads_log_probs_are_those_of_its_logits_to_the_bit() {
    for model in TINY_MODELS {
        let mut decoder = plain(model, Formula { bf16: false });
        adapt_targets(&mut decoder, &with_head());
        let prompts = &expected(model)[1..];
        let batch = batch(prompts);
        let (_, gradients) = loss(&decoder, &batch);
        assert!(
            gradients.get("lm_head.lora_A.weight").is_some() && gradients.get("lm_head.weight").is_none()
        );
        let mut alone = Vec::new();
        for prompt in prompts {
            let hidden = decoder.forward(&prompt.ids, &[prompt.ids.len()]);
            for (place, &target) in prompt.ids[1..].iter().enumerate() {
                let row: Tensor<Flex, 2> = hidden.clone().slice([place..place + 1]);
                alone.push(Flex::log_probs(&(decoder.logits(row) / TEMPERATURE), &[target]).0[0].to_bits());
            }
        }
        let found: Vec<u32> = log_probs(&decoder, &batch, TEMPERATURE).iter().map(|p| p.to_bits()).collect();
        assert_eq!(found, alone, "{model}");
    }
}

//! The decoder on the WebGPU backend, through the generic reference kernels: any Vulkan, Metal or DirectX adapter, a
//! software one included (Mesa's lavapipe in CI).
#![cfg(feature = "wgpu")]

mod support;

use std::panic::catch_unwind;

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use burn_wgpu::{Wgpu, WgpuDevice};
use osler::engine::{Engine, EngineOptions, Request};
use osler::kernels::{AttentionSpan, BLOCK_TOKENS, KernelBackend};
use osler::model::cache::{CacheBatch, KvCache};
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::train::{Gradients, PackedBatch, forward_backward};
use support::{Formula, config, expected, max_diff};

const MODELS: [&str; 2] = ["qwen2_tiny", "qwen3_tiny"];

/// The default adapter. Without one these tests fail: skipping would look like passing.
fn device() -> WgpuDevice {
    let works = catch_unwind(|| {
        let one = Tensor::<Wgpu, 1>::ones([1], &WgpuDevice::default());
        (one.clone() + one).into_data().to_vec::<f32>().unwrap() == [2.0]
    });
    let advice = "install a Vulkan driver (Debian: mesa-vulkan-drivers and libvulkan1 give a software one) and set \
                  XDG_RUNTIME_DIR";
    assert!(matches!(works, Ok(true)), "no usable WebGPU adapter on this machine: {advice}");
    WgpuDevice::default()
}

fn decoder(model: &str) -> Decoder<Wgpu> {
    let (config, device) = (config(model), device());
    let Ok(weights) = DecoderWeights::read(&config, &mut Formula { bf16: false }, &device);
    Decoder::new(config, weights, DType::F32, device)
}

fn values(x: Tensor<Wgpu, 2>) -> Vec<f32> {
    x.into_data().to_vec().unwrap()
}

#[test]
fn logits_match_transformers_packed_and_cached() {
    for model in MODELS {
        let decoder = decoder(model);
        let prompts = &expected(model)[..2];
        let ids: Vec<u32> = prompts.iter().flat_map(|p| p.ids.clone()).collect();
        let lengths: Vec<usize> = prompts.iter().map(|p| p.ids.len()).collect();
        let packed = values(decoder.logits(decoder.forward(&ids, &lengths)));
        let recorded: Vec<f32> = prompts.iter().flat_map(|p| p.logits.clone()).collect();
        let diff = max_diff(&packed, &recorded);
        assert!(diff <= 1e-3, "{model}, packed: {diff:e}");

        // A prompt longer than a block, in two pieces, in blocks of no order. (Every further shape costs seconds of
        // shader compilation on a software adapter.)
        let prompt = &expected(model)[2];
        let blocks: Vec<u32> = (0..prompt.ids.len().div_ceil(BLOCK_TOKENS) as u32).rev().collect();
        let mut cache = KvCache::new(&decoder.config, blocks.len(), DType::F32, decoder.device());
        let mut cached = Vec::new();
        let cuts = [0, BLOCK_TOKENS + 1, prompt.ids.len()];
        for (start, end) in cuts.iter().copied().zip(cuts[1..].iter().copied()) {
            let positions: Vec<u32> = (start as u32..end as u32).collect();
            let slot =
                |&p: &u32| blocks[p as usize / BLOCK_TOKENS] * BLOCK_TOKENS as u32 + p % BLOCK_TOKENS as u32;
            let batch = CacheBatch {
                slots: positions.iter().map(slot).collect(),
                spans: vec![AttentionSpan { queries: 0..end - start, keys: end, blocks: blocks.clone() }],
            };
            let hidden = decoder.forward_cached(&prompt.ids[start..end], &positions, &batch, &mut cache);
            cached.extend(values(decoder.logits(hidden)));
        }
        let diff = max_diff(&cached, &prompt.logits);
        assert!(diff <= 1e-3, "{model}, cached: {diff:e}");
    }
}

#[test]
fn the_engine_gives_the_greedy_tokens_of_transformers() {
    let model = "qwen3_tiny";
    let prompt = &expected(model)[1];
    let options = EngineOptions { cache_tokens: 64, batch_tokens: 16, memory_limit: None };
    let mut engine = Engine::new(decoder(model), 0, None, options).unwrap();
    // Two samples, so that a block is copied too.
    let request = Request { samples: 2, ..Request::greedy(prompt.ids.clone(), 8) };
    let id = engine.submit(request).unwrap();
    for output in &engine.run(&[id])[0] {
        assert_eq!(output.ids, prompt.greedy_ids[..8]);
        let diff = max_diff(&output.logprobs, &prompt.greedy_logprobs[..8]);
        assert!(diff <= 1e-3, "{diff:e}");
    }
}

/// Weighted log-probs of a batch, and the gradients of their sum by tensor.
fn weighted<B: KernelBackend>(
    model: &str,
    device: B::Device,
    batch: &PackedBatch,
) -> (Vec<f32>, Vec<(String, Vec<f32>)>) {
    let config = config(model);
    let Ok(weights) = DecoderWeights::read(&config, &mut Formula { bf16: false }, &device);
    let decoder = Decoder::<B>::new(config, weights, DType::F32, device);
    let mut gradients = Gradients::default();
    let mut weight = |index: usize, _: f32| 0.5 + (index % 3) as f32;
    let found = forward_backward(&decoder, batch, 0.9, &mut weight, &mut gradients);
    let gradients =
        gradients.iter().map(|(name, it)| (name.to_owned(), it.clone().into_data().to_vec().unwrap()));
    (found, gradients.collect())
}

#[test]
fn gradients_are_those_of_the_cpu() {
    for model in MODELS {
        let prompts = expected(model);
        let mut batch = PackedBatch::default();
        let ids = &prompts[2].ids;
        batch.push(ids, 1..ids.len());
        // A shared prompt with two replies, as a GRPO step has them.
        let parent = batch.push(&prompts[1].ids, []);
        batch.push_after(parent, &ids[..3], 0..3);
        batch.push_after(parent, &ids[..1], [0]);
        let (log_probs, gradients) = weighted::<Wgpu>(model, device(), &batch);
        let (expected_log_probs, expected) = weighted::<Flex>(model, FlexDevice, &batch);
        let diff = max_diff(&log_probs, &expected_log_probs);
        assert!(diff <= 1e-4, "{model}, log-probs: {diff:e}");
        assert_eq!(gradients.len(), expected.len());
        for ((name, gradient), (expected_name, expected)) in gradients.iter().zip(&expected) {
            assert_eq!(name, expected_name);
            let largest = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            let diff = max_diff(gradient, expected);
            eprintln!("{model}, {name}: {diff:e} of {largest}");
            assert!(diff <= 1e-4 * largest, "{model}, {name}: {diff:e} of {largest}");
        }
    }
}

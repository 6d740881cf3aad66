//! The decoder on the WebGPU backend, through the generic reference kernels: any Vulkan, Metal or DirectX adapter, a
//! software one included (Mesa's lavapipe in CI).
#![cfg(feature = "wgpu")]

mod support;

use std::panic::catch_unwind;
use std::path::Path;

use burn::tensor::{DType, Tensor};
use burn_wgpu::{Wgpu, WgpuDevice};
use osler::engine::{Engine, EngineOptions, Request};
use osler::kernels::{AttentionSpan, BLOCK_TOKENS};
use osler::model::cache::{CacheBatch, KvCache};
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::pipeline::{Ended, Quiet, prepare, train};
use osler::train::config::RunConfig;
use osler::train::run::{RunDirectory, RunOptions, read_metrics};
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

/// A run with few shapes: every further one costs seconds of shader compilation on a software adapter.
const RUN: &str = r#"
name = "tiny"
seed = 5
model.shape = { hidden_size = 32, layers = 1, heads = 2, kv_heads = 1, intermediate_size = 32, max_positions = 256 }
tokenizer.vocab_size = 400
data = { train = 8, heldout_patients = 1, heldout_presentations = 0, turn_limit = 2 }
evaluation = { consultations = 1, resamples = 100 }

[[stage]]
kind = "sft"
consultations = 12
steps = 3
batch_tokens = 512
lr = 1e-2

[[stage]]
kind = "rl"
steps = 1
cases = 1
group_size = 2
max_new_tokens = 8
"#;

#[test]
fn training_takes_the_steps_of_the_cpu() {
    device();
    let dir = tempfile::tempdir().unwrap();
    let steps = ["cpu", "wgpu"].map(|device| {
        let config = RunConfig::parse(RUN, Path::new("tiny.toml"), &[format!("device={device}")]).unwrap();
        let out = dir.path().join(device);
        let run = RunDirectory::create_in(&out, &config.resolved(), RunOptions::default()).unwrap();
        let prepared = prepare(config, &mut Quiet).unwrap();
        let ended = train(&prepared, run, None, "", &mut Quiet);
        assert!(matches!(ended, Ok(Ended::Finished(_))), "{device}: {ended:?}");
        read_metrics(&out.join("metrics.jsonl")).unwrap()
    });
    let [cpu, wgpu] = &steps;
    assert_eq!((cpu.len(), wgpu.len()), (4, 4));
    for (cpu, wgpu) in cpu.iter().zip(wgpu) {
        let (loss, norm) = (wgpu.loss - cpu.loss, (wgpu.grad_norm - cpu.grad_norm) / cpu.grad_norm.max(1e-9));
        assert!(loss.abs() <= 1e-3, "step {}: {} and {}", cpu.step, cpu.loss, wgpu.loss);
        assert!(
            cpu.rl.is_some() || norm.abs() <= 1e-2,
            "step {}: {} and {}",
            cpu.step,
            cpu.grad_norm,
            wgpu.grad_norm
        );
    }
    // Sampler and trainer compute in another order here, so they differ, but not by much.
    let gap = wgpu[3].rl.as_ref().unwrap().gap;
    assert!(gap.max <= 1e-3, "{gap:?}");
}

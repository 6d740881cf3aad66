//! The GPU kernels on the WebGPU backend, one by one and under the decoder, the engine and the gradients: on any Vulkan, Metal or
//! DirectX adapter, a software one included (Mesa's lavapipe in CI).
#![cfg(feature = "wgpu")]

mod autodiff;
mod blocks;
mod operations;
#[path = "../support/parity/mod.rs"]
mod parity;
mod pointwise;
mod precision;
mod sampling;
#[path = "../support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::OnceLock;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use burn_wgpu::graphics::AutoGraphicsApi;
use burn_wgpu::{RuntimeOptions, Wgpu, WgpuDevice, WgpuRuntime, init_setup};
use cubecl::Runtime;
use half::f16;
use osler::doctor::compare::logarithm_error;
use osler::doctor::exact::log_probs::log_probs as exact_log_probs;
use osler::engine::{Engine, EngineOptions, Request};
use osler::kernels::selection::{AttentionKernel, with_attention};
use osler::kernels::{AttentionSpan, BLOCK_TOKENS, KernelBackend};
use osler::model::build::WeightSource;
use osler::model::cache::{CacheBatch, KvCache};
use osler::model::decoder::{Decoder, DecoderWeights};
use osler::train::config::RunConfig;
use osler::train::init::InitialWeights;
use osler::train::{Gradients, PackedBatch, forward_backward};
use precision::has_f16;
use support::{Formula, adapt, config, expected, formula, max_diff};

const MODELS: [&str; 2] = ["qwen2_tiny", "qwen3_tiny"];

const ADVICE: &str = "install a Vulkan driver (Debian: mesa-vulkan-drivers and libvulkan1 give a software one) and set \
                      XDG_RUNTIME_DIR";

/// What the default adapter calls itself. Only who sets it up is told, so this comes before anything that is done on it.
fn adapter() -> &'static str {
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    let set_up = || {
        let setup = init_setup::<AutoGraphicsApi>(&WgpuDevice::default(), RuntimeOptions::default());
        setup.adapter.get_info().name
    };
    let name = NAME.get_or_init(|| catch_unwind(set_up).ok());
    name.as_ref().unwrap_or_else(|| panic!("no WebGPU adapter on this machine: {ADVICE}"))
}

/// The default adapter. Without one these tests fail: skipping would look like passing.
fn device() -> WgpuDevice {
    let name = adapter();
    let works = catch_unwind(|| {
        let one = Tensor::<Wgpu, 1>::ones([1], &WgpuDevice::default());
        (one.clone() + one).into_data().to_vec::<f32>().unwrap() == [2.0]
    });
    assert!(matches!(works, Ok(true)), "the WebGPU adapter {name} cannot be used: {ADVICE}");
    WgpuDevice::default()
}

/// Says that this adapter cannot do what is tested. Mesa's software adapter can do all of it, so there it is a failure.
fn skip(reason: &str) {
    let name = adapter();
    assert!(!name.contains("llvmpipe"), "{name} is known to do what is tested here, and yet: {reason}");
    eprintln!("skipped on {name}: {reason}");
}

/// `work` with attention by subgroup operations, where the adapter's planes have one size. CubeCL says of no software adapter that it
/// has such operations, so nothing takes them there unless asked to; Mesa's has them.
fn by_planes(work: impl FnOnce()) {
    let client = WgpuRuntime::client(&device());
    let hardware = &client.properties().hardware;
    let (fewest, most) = (hardware.plane_size_min, hardware.plane_size_max);
    if fewest != most || !most.is_power_of_two() || !(4..=64).contains(&most) {
        skip(&format!("it has planes of {fewest} to {most} units, kernels need one size from 4 to 64"));
        return;
    }
    eprintln!("planes of {most} units");
    with_attention(AttentionKernel::Plane, work);
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
    let options =
        EngineOptions { cache_tokens: 64, batch_tokens: 16, memory_limit: None, ..EngineOptions::default() };
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

/// Log-probs of a batch, and the gradients of their weighted sum by tensor.
type Found = (Vec<f32>, Vec<(String, Vec<f32>)>);

fn weighted<B: KernelBackend>(decoder: &Decoder<B>, batch: &PackedBatch) -> Found {
    let mut gradients = Gradients::default();
    let mut weight = |index: usize, _: f32| 0.5 + (index % 3) as f32;
    let found = forward_backward(decoder, batch, 0.9, &mut weight, &mut gradients);
    let values = |it: &Tensor<B, 1>| it.clone().into_data().to_vec().unwrap();
    (found, gradients.iter().map(|(name, it)| (name.to_owned(), values(it))).collect())
}

/// That log-probs and every tensor's gradient are those of the CPU, relative to the tensor's largest.
fn same_gradients(found: &Found, expected: &Found) {
    near_gradients(found, expected, 1e-4);
}

/// The same within `bound`.
fn near_gradients((log_probs, gradients): &Found, (expected_log_probs, expected): &Found, bound: f32) {
    let diff = max_diff(log_probs, expected_log_probs);
    assert!(diff <= bound, "log-probs: {diff:e}");
    assert_eq!(gradients.len(), expected.len());
    let mut wrong = Vec::new();
    for ((name, gradient), (expected_name, expected)) in gradients.iter().zip(expected) {
        assert_eq!(name, expected_name);
        let largest = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        assert!(largest.is_finite(), "{name} on the CPU");
        let diff = max_diff(gradient, expected);
        if diff > bound * largest {
            wrong.push(format!("{name}: {diff:e} of {largest:e}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn gradients_are_those_of_the_cpu() {
    for model in MODELS {
        let prompts = expected(model);
        let mut batch = PackedBatch::default();
        let ids = &prompts[2].ids;
        batch.push(ids, 1..ids.len());
        // The same tokens many times: their gradients add up in one row of the embedding.
        batch.push(&[ids[0]; 40], 1..40);
        // A shared prompt with two replies, as a GRPO step has them.
        let parent = batch.push(&prompts[1].ids, []);
        batch.push_after(parent, &ids[..3], 0..3);
        batch.push_after(parent, &ids[..1], [0]);
        let Ok(weights) = DecoderWeights::read(&config(model), &mut Formula { bf16: false }, &FlexDevice);
        let cpu = Decoder::<Flex>::new(config(model), weights, DType::F32, FlexDevice);
        same_gradients(&weighted(&decoder(model), &batch), &weighted(&cpu, &batch));
        if model == "qwen2_tiny" {
            let (mut own, mut cpu) = (decoder(model), cpu);
            adapt(&mut own);
            adapt(&mut cpu);
            same_gradients(&weighted(&own, &batch), &weighted(&cpu, &batch));
        }
    }
}

/// Formula weights that f16 holds, in f16 or widened.
struct Rounded {
    f16: bool,
}

impl WeightSource for Rounded {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        let data = TensorData::new(formula(name, shape), shape.to_vec()).convert::<f16>();
        Ok(if self.f16 { data } else { data.convert::<f32>() })
    }
}

/// All weights and activations in a half type, as training in bf16 has them on CUDA: gradients are f32 all the same.
#[test]
fn gradients_of_weights_in_f16_are_those_of_their_values() {
    if !has_f16() {
        return;
    }
    for model in MODELS {
        let mut batch = PackedBatch::default();
        let ids = &expected(model)[2].ids;
        batch.push(ids, 1..ids.len());
        let Ok(weights) = DecoderWeights::read(&config(model), &mut Rounded { f16: false }, &FlexDevice);
        let cpu = Decoder::<Flex>::new(config(model), weights, DType::F32, FlexDevice);
        let Ok(weights) = DecoderWeights::read(&config(model), &mut Rounded { f16: true }, &device());
        let half = Decoder::<Wgpu>::new(config(model), weights, DType::F16, device());
        near_gradients(&weighted(&half, &batch), &weighted(&cpu, &batch), 5e-2);
    }
}

/// The model of `configs/quickstart.toml` and as many tokens as one of its supervised steps has.
#[test]
fn gradients_of_the_quickstart_are_those_of_the_cpu() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/quickstart.toml");
    let model = RunConfig::load(&path, &[]).unwrap().model_config().unwrap();
    let mut batch = PackedBatch::default();
    for sequence in 0..8u32 {
        // Few of the ids make up most of the text, as in speech.
        let ids: Vec<u32> =
            (0..256u32).map(|i| (i * i + sequence * 31) * 7919 % 2048 % (2 + i * 8)).collect();
        batch.push(&ids, (1..ids.len()).filter(|i| i % 4 == 0));
    }
    let source = || InitialWeights { seed: 1, layers: model.num_hidden_layers };
    let Ok(weights) = DecoderWeights::read(&model, &mut source(), &FlexDevice);
    let cpu = weighted(&Decoder::<Flex>::new(model.clone(), weights, DType::F32, FlexDevice), &batch);
    let Ok(weights) = DecoderWeights::read(&model, &mut source(), &device());
    let wgpu = weighted(&Decoder::<Wgpu>::new(model.clone(), weights, DType::F32, device()), &batch);
    same_gradients(&wgpu, &cpu);
}

/// The norm that gradients are clipped by, over tensors as large as a model's.
#[test]
fn the_global_norm_is_that_in_f64() {
    for n in [1usize, 5, 192, 1000, 36_864, 98_304, 393_216] {
        let values: Vec<f32> = (0..n).map(|i| ((i * 7919 % 1013) as f32 / 1013.0 - 0.3).powi(5)).collect();
        let exact = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let cpu = norm::<Flex>(&values, &FlexDevice);
        let wgpu = norm::<Wgpu>(&values, &device());
        eprintln!("{n}: {exact} {cpu} {wgpu}");
        assert!((cpu / exact - 1.0).abs() <= 1e-5, "{n} on the CPU: {cpu}, exactly {exact}");
        assert!((wgpu / exact - 1.0).abs() <= 1e-5, "{n} on wgpu: {wgpu}, exactly {exact}");
    }
}

/// Log-probs over a vocabulary as large as Qwen's, whose rows are long sums: beside f64, and beside each other. They are from -9 to -20,
/// of which 1e-5 would be up to 2e-4.
#[test]
fn log_probs_over_a_large_vocabulary_are_those_of_the_cpu_and_in_f64() {
    let (n, vocab) = (3usize, 151_936usize);
    let logits: Vec<f32> = (0..n * vocab).map(|i| (i * 7919 % 10_007) as f32 / 1000.0).collect();
    let (targets, coefficients) = ([7, 0, 151_935], [0.5, -1.0, 2.0]);
    let (found, gradient) = log_probs::<Wgpu>(&logits, &targets, &coefficients, &device());
    let (expected, expected_gradient) = log_probs::<Flex>(&logits, &targets, &coefficients, &FlexDevice);
    let exact = exact_log_probs(&logits, &targets, &coefficients).log_probs;
    for (by, found) in [("wgpu", &found), ("the CPU", &expected)] {
        let error = logarithm_error(found, &exact);
        assert!(error <= 1e-5, "{by} is wrong by {error:.2e}: {found:?}, exactly {exact:?}");
    }
    let largest = max_diff(&found, &expected);
    assert!(largest <= 1e-4, "{largest:e}: {found:?} {expected:?}");
    assert!(max_diff(&gradient, &expected_gradient) <= 1e-6);
}

fn log_probs<B: KernelBackend>(
    logits: &[f32],
    targets: &[u32],
    coefficients: &[f32],
    device: &B::Device,
) -> (Vec<f32>, Vec<f32>) {
    let shape = [targets.len(), logits.len() / targets.len()];
    let logits = Tensor::<B, 2>::from_data(TensorData::new(logits.to_vec(), shape), device);
    let (found, sums) = B::log_probs(&logits, targets);
    let gradient = B::log_probs_backward(logits, targets, &sums, coefficients);
    (found, gradient.into_data().to_vec().unwrap())
}

fn norm<B: KernelBackend>(values: &[f32], device: &B::Device) -> f64 {
    let mut gradients = Gradients::<B>::default();
    gradients.add("values".to_owned(), Tensor::<B, 1>::from_data(values, device));
    gradients.norm()
}

//! Tiny checkpoints whose weights are a formula of each tensor's name (see `fixtures/make_tiny_models.py`),
//! and what `transformers` computed with them.
#![allow(dead_code)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::KernelBackend;
use osler::model::adapter::{LowRankOptions, Projection};
use osler::model::build::WeightSource;
use osler::model::config::ModelConfig;
use osler::model::decoder::{Decoder, DecoderWeights};
use safetensors::tensor::{Dtype, TensorView};

pub const TINY_MODELS: [&str; 7] = [
    "qwen2_tiny",
    "qwen3_tiny",
    "llama_tiny",
    "llama3_rope_tiny",
    "yarn_tiny",
    "qwen2_wide_tiny",
    "llama_bias_tiny",
];

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The values of tensor `name` of `shape`.
pub fn formula(name: &str, shape: &[usize]) -> Vec<f32> {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let count: usize = shape.iter().product();
    (1..=count as u64)
        .map(|i| {
            let z = hash.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let z = z ^ (z >> 31);
            let t = 2.0 * ((z >> 40) as f32 * (-24.0f32).exp2()) - 1.0;
            match name {
                n if n.ends_with("norm.weight") => 1.0 + 0.1 * t,
                n if n.ends_with(".bias") => t * 0.2,
                n if n.ends_with("embed_tokens.weight") => t * 0.5,
                "lm_head.weight" => t * 0.3,
                _ => t * (1.5 / (shape[1] as f64).sqrt()) as f32,
            }
        })
        .collect()
}

/// Formula weights, optionally rounded to bf16.
pub struct Formula {
    pub bf16: bool,
}

impl WeightSource for Formula {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        let values = formula(name, shape);
        Ok(if self.bf16 {
            let rounded: Vec<half::bf16> = values.into_iter().map(half::bf16::from_f32).collect();
            TensorData::new(rounded, shape.to_vec())
        } else {
            TensorData::new(values, shape.to_vec())
        })
    }
}

/// Gives `decoder` the adapters of `make_lora_expected.py`: rank 4, alpha 6, matrices that are the formula of their names, those
/// of `B` divided by 4.
pub fn adapt<B: KernelBackend>(decoder: &mut Decoder<B>) {
    adapt_targets(decoder, &Projection::LAYER);
}

/// Every projection that may have an adapter.
pub fn with_head() -> Vec<Projection> {
    [&Projection::LAYER[..], &[Projection::Head]].concat()
}

/// The same of the projections `targets`.
pub fn adapt_targets<B: KernelBackend>(decoder: &mut Decoder<B>, targets: &[Projection]) {
    let device = decoder.device().clone();
    let options = LowRankOptions { rank: 4, alpha: 6.0 };
    decoder.adapt(options, targets, &mut |name, dims| formula(name, &dims));
    decoder.visit_adapters(&mut |name, mut parameter| {
        if name.ends_with(".lora_B.weight") {
            let values = formula(name, &parameter.dims());
            let values: Vec<f32> = values.into_iter().map(|v| v / 4.0).collect();
            let count = values.len();
            parameter.update(|_| Tensor::from_data(TensorData::new(values, [count]), &device));
        }
    });
}

/// The configuration of a tiny model.
pub fn config(model: &str) -> ModelConfig {
    let path = fixtures().join("tiny").join(model).join("config.json");
    ModelConfig::open(&path).unwrap_or_else(|e| panic!("{e}"))
}

/// Writes the formula's weights for the `config.json` that lies in `dir`.
pub fn write_weights(dir: &Path) {
    let config = ModelConfig::open(&dir.join("config.json")).unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = config
        .tensors()
        .into_iter()
        .map(|spec| {
            let bytes = formula(&spec.name, &spec.shape).iter().flat_map(|v| v.to_le_bytes()).collect();
            (spec.name, spec.shape, bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
}

/// A tiny model with [`Formula`] weights in f32, on the CPU.
pub fn decoder(model: &str) -> Decoder<Flex> {
    let config = config(model);
    let Ok(weights) = DecoderWeights::read(&config, &mut Formula { bf16: false }, &FlexDevice);
    Decoder::new(config, weights, DType::F32, FlexDevice)
}

/// One prompt and what transformers made of it.
#[derive(Debug, Clone)]
pub struct Expected {
    pub ids: Vec<u32>,
    /// `[n, vocab]`
    pub logits: Vec<f32>,
    pub prompt_logprobs: Vec<f32>,
    pub greedy_ids: Vec<u32>,
    pub greedy_logprobs: Vec<f32>,
    /// `[n, vocab]` of the model in bf16, where recorded.
    pub bf16_logits: Option<Vec<f32>>,
}

/// The three prompts of a tiny model.
pub fn expected(model: &str) -> Vec<Expected> {
    let path = fixtures().join("tiny").join(model).join("expected.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let words: HashMap<String, Vec<[u8; 4]>> = file
        .tensors()
        .into_iter()
        .map(|(name, t)| (name, t.data().chunks_exact(4).map(|b| b.try_into().unwrap()).collect()))
        .collect();
    let floats =
        |key: String| words.get(&key).map(|w| w.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>());
    let ids = |key: String| words[&key].iter().map(|b| u32::from_le_bytes(*b)).collect::<Vec<_>>();
    (0..3)
        .map(|p| Expected {
            ids: ids(format!("p{p}.ids")),
            logits: floats(format!("p{p}.logits")).unwrap(),
            prompt_logprobs: floats(format!("p{p}.prompt_logprobs")).unwrap_or_default(),
            greedy_ids: ids(format!("p{p}.greedy_ids")),
            greedy_logprobs: floats(format!("p{p}.greedy_logprobs")).unwrap(),
            bf16_logits: floats(format!("p{p}.bf16_logits")),
        })
        .collect()
}

/// Largest absolute difference of two equally long slices: infinite where a value is no number, or infinite and the other is not
/// the same.
pub fn max_diff(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let apart = |(&a, &b): (&f32, &f32)| {
        let apart = if a == b { 0.0 } else { (a - b).abs() };
        // `f32::max` would pass over what is not a number.
        if apart.is_nan() { f32::INFINITY } else { apart }
    };
    a.iter().zip(b).map(apart).fold(0.0, f32::max)
}

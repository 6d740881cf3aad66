//! Tiny model files built in memory, and the mutations that are tried on them.

use std::path::Path;

use osler::model::config::{Architecture, FloatType, ModelConfig, RopeScaling};
use osler::model::weights::StoredType;
use serde_json::{Value, json};

/// A small fixed-seed generator (SplitMix64), so that a failing mutation comes back on every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// A model small enough for 10,000 openings, with rows long enough for one K-quant block.
pub fn tiny(architecture: Architecture, tied: bool) -> ModelConfig {
    let qwen2 = architecture == Architecture::Qwen2;
    ModelConfig {
        architecture,
        vocab_size: 6,
        hidden_size: 32,
        intermediate_size: 256,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        rope_scaling: RopeScaling::None,
        max_position_embeddings: 64,
        tie_word_embeddings: tied,
        qkv_bias: qwen2,
        o_bias: false,
        qk_norm: architecture == Architecture::Qwen3,
        dtype: Some(FloatType::BF16),
        bos_token_id: None,
        eos_token_ids: vec![1],
        pad_token_id: Some(0),
        unread_fields: Vec::new(),
    }
}

/// One tensor of a safetensors image.
#[derive(Clone)]
pub struct Entry {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

/// Random values for every tensor of a model: BF16 matrices, F32 vectors.
pub fn entries(config: &ModelConfig, rng: &mut Rng) -> Vec<Entry> {
    let mut entries = Vec::new();
    for spec in config.tensors() {
        let wide = spec.shape.len() == 1;
        let mut data = Vec::new();
        for _ in 0..spec.elements() {
            let value = (rng.next() as i32 as f32) / 2f32.powi(33);
            let bytes = value.to_le_bytes();
            data.extend_from_slice(if wide { &bytes } else { &bytes[2..] });
        }
        entries.push(Entry {
            name: spec.name,
            dtype: if wide { "F32" } else { "BF16" },
            shape: spec.shape,
            data,
        });
    }
    // Wide values first, as writers do.
    entries.sort_by_key(|entry| entry.dtype == "BF16");
    entries
}

/// The header of a safetensors file over `entries`, and the data behind it.
pub fn header_and_data(entries: &[Entry]) -> (Value, Vec<u8>) {
    let (mut header, mut data) = (json!({ "__metadata__": { "format": "pt" } }), Vec::new());
    for entry in entries {
        let begin = data.len();
        data.extend_from_slice(&entry.data);
        header[&entry.name] =
            json!({ "dtype": entry.dtype, "shape": entry.shape, "data_offsets": [begin, data.len()] });
    }
    (header, data)
}

/// A safetensors file of a header's text and data.
pub fn join(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(data);
    file
}

pub fn safetensors(entries: &[Entry]) -> Vec<u8> {
    let (header, data) = header_and_data(entries);
    join(&header.to_string(), &data)
}

/// A GGUF file under construction; fields are public so that tests can lie in any of them.
#[derive(Clone)]
pub struct Gguf {
    pub version: u32,
    pub alignment: u64,
    pub tensor_count: Option<u64>,
    pub pair_count: Option<u64>,
    /// Key, and the value with its type in front.
    pub pairs: Vec<(String, Vec<u8>)>,
    pub tensors: Vec<GgufEntry>,
}

#[derive(Clone)]
pub struct GgufEntry {
    pub name: String,
    /// Innermost first, as GGUF has them.
    pub sizes: Vec<u64>,
    pub kind: u32,
    pub data: Vec<u8>,
    /// Stands in for the true offset.
    pub offset: Option<u64>,
}

pub fn string_bytes(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn typed(kind: u32, value: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], value].concat()
}

pub fn u32_value(value: u32) -> Vec<u8> {
    typed(4, &value.to_le_bytes())
}

pub fn f32_value(value: f32) -> Vec<u8> {
    typed(6, &value.to_le_bytes())
}

pub fn string_value(text: &str) -> Vec<u8> {
    typed(8, &string_bytes(text))
}

/// An array value with a claimed length.
pub fn array_value(kind: u32, len: u64, elements: &[u8]) -> Vec<u8> {
    typed(9, &[&kind.to_le_bytes()[..], &len.to_le_bytes(), elements].concat())
}

impl Gguf {
    pub fn set(&mut self, key: &str, value: Vec<u8>) {
        self.pairs.retain(|(known, _)| known != key);
        self.pairs.push((key.to_owned(), value));
    }

    pub fn tensor(&mut self, name: &str) -> &mut GgufEntry {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }

    pub fn build(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend_from_slice(&self.version.to_le_bytes());
        file.extend_from_slice(&self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        file.extend_from_slice(&self.pair_count.unwrap_or(self.pairs.len() as u64).to_le_bytes());
        for (key, value) in &self.pairs {
            file.extend_from_slice(&string_bytes(key));
            file.extend_from_slice(value);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            data.resize((data.len() as u64).next_multiple_of(self.alignment) as usize, 0);
            file.extend_from_slice(&string_bytes(&tensor.name));
            file.extend_from_slice(&(tensor.sizes.len() as u32).to_le_bytes());
            tensor.sizes.iter().for_each(|size| file.extend_from_slice(&size.to_le_bytes()));
            file.extend_from_slice(&tensor.kind.to_le_bytes());
            file.extend_from_slice(&tensor.offset.unwrap_or(data.len() as u64).to_le_bytes());
            data.extend_from_slice(&tensor.data);
        }
        file.resize((file.len() as u64).next_multiple_of(self.alignment) as usize, 0);
        file.extend_from_slice(&data);
        file
    }
}

/// ggml's number of a storage type.
pub fn ggml_id(stored: StoredType) -> u32 {
    match stored {
        StoredType::F32 => 0,
        StoredType::F16 => 1,
        StoredType::BF16 => 30,
        StoredType::Q4_0 => 2,
        StoredType::Q4_1 => 3,
        StoredType::Q5_0 => 6,
        StoredType::Q5_1 => 7,
        StoredType::Q8_0 => 8,
        StoredType::Q4_K => 12,
        StoredType::Q5_K => 13,
        StoredType::Q6_K => 14,
    }
}

/// A GGUF file of a model, with every storage type somewhere in it.
pub fn gguf(config: &ModelConfig, rng: &mut Rng) -> Gguf {
    let arch = config.architecture.model_type();
    let mut file = Gguf {
        version: 3,
        alignment: 32,
        tensor_count: None,
        pair_count: None,
        pairs: Vec::new(),
        tensors: Vec::new(),
    };
    file.set("general.architecture", string_value(arch));
    file.set("general.name", string_value("tiny"));
    let sizes = [
        ("block_count", config.num_hidden_layers),
        ("context_length", config.max_position_embeddings),
        ("embedding_length", config.hidden_size),
        ("feed_forward_length", config.intermediate_size),
        ("attention.head_count", config.num_attention_heads),
        ("attention.head_count_kv", config.num_key_value_heads),
        ("attention.key_length", config.head_dim),
    ];
    for (key, size) in sizes {
        file.set(&format!("{arch}.{key}"), u32_value(size as u32));
    }
    file.set(&format!("{arch}.attention.layer_norm_rms_epsilon"), f32_value(1e-6));
    file.set(&format!("{arch}.rope.freq_base"), f32_value(10_000.0));
    file.set("tokenizer.ggml.model", string_value("gpt2"));
    let tokens: Vec<u8> = (0..config.vocab_size).flat_map(|id| string_bytes(&format!("t{id}"))).collect();
    file.set("tokenizer.ggml.tokens", array_value(8, config.vocab_size as u64, &tokens));
    file.set("tokenizer.ggml.eos_token_id", u32_value(1));
    file.set("tokenizer.ggml.padding_token_id", u32_value(0));

    let (small, large) = (&StoredType::ALL[..8], &StoredType::ALL[8..]);
    for (index, spec) in config.tensors().into_iter().enumerate() {
        let stored = match spec.shape.as_slice() {
            [_] => StoredType::F32,
            [_, 256] => large[index % large.len()],
            _ => small[index % small.len()],
        };
        let bytes = stored.bytes_of(spec.elements() as u64).unwrap();
        file.tensors.push(GgufEntry {
            name: gguf_name(&spec.name),
            sizes: spec.shape.iter().rev().map(|size| *size as u64).collect(),
            kind: ggml_id(stored),
            data: (0..bytes).map(|_| rng.next() as u8).collect(),
            offset: None,
        });
    }
    file
}

/// GGUF's tensor names, written out a second time so that the library's own table is not its own judge.
fn gguf_name(hf: &str) -> String {
    [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers", "blk"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ]
    .into_iter()
    .fold(hf.to_owned(), |name, (from, to)| name.replace(from, to))
}

/// Damages an image in one to three places.
pub fn mutate(rng: &mut Rng, image: &mut Vec<u8>) {
    for _ in 0..=rng.below(3) {
        // Headers are where most lies can be told.
        let reach = if rng.below(2) == 0 { image.len().min(4096) } else { image.len() };
        let at = rng.below(reach);
        let interesting =
            [0, 1, 2, 7, 31, 32, 255, 1 << 31, 1 << 32, 1 << 60, 1 << 63, u64::MAX, image.len() as u64];
        let number = interesting[rng.below(interesting.len())].wrapping_sub(rng.below(2) as u64);
        match rng.below(9) {
            0 if !image.is_empty() => image[at] ^= 1 << rng.below(8),
            1 if !image.is_empty() => image[at] = rng.next() as u8,
            2 => image.truncate(at),
            3 => drop(image.splice(at..at, (0..rng.below(20)).map(|_| rng.next() as u8))),
            4 => drop(image.drain(at..(at + rng.below(40)).min(image.len()))),
            5 => write_over(image, at, &number.to_le_bytes()),
            6 => write_over(image, at, &(number as u32).to_le_bytes()),
            7 => replace_number(rng, image, at, number),
            _ => {
                let piece = image[at..(at + rng.below(60)).min(image.len())].to_vec();
                let to = rng.below(image.len());
                drop(image.splice(to..to, piece));
            }
        }
    }
}

fn write_over(image: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in image.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// Replaces the next run of decimal digits, so that JSON stays JSON and only a number lies.
fn replace_number(rng: &mut Rng, image: &mut Vec<u8>, from: usize, number: u64) {
    let Some(start) = image.iter().skip(from).position(u8::is_ascii_digit).map(|at| at + from) else {
        return;
    };
    let end =
        image[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(image.len(), |at| at + start);
    let texts = ["-1", "1e30", "null", "\"8\"", "true", "[]", "{}", "0.5"];
    let text = if rng.below(2) == 0 { number.to_string() } else { texts[rng.below(texts.len())].to_owned() };
    drop(image.splice(start..end, text.into_bytes()));
}

pub fn write(dir: &Path, name: &str, contents: &[u8]) {
    std::fs::write(dir.join(name), contents).unwrap();
}

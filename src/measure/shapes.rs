//! The shapes that operations are timed on.

use crate::engine::Device;

/// Causal attention of one sequence.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Its tokens.
    pub tokens: usize,
    /// Query heads.
    pub heads: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Elements a head.
    pub head_dim: usize,
}

/// Attention of one new token of each sequence over the cache.
#[derive(Debug, Clone, Copy)]
pub struct Cached {
    /// Sequences.
    pub sequences: usize,
    /// Keys of each.
    pub keys: usize,
    /// Query heads.
    pub heads: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Elements a head.
    pub head_dim: usize,
}

/// An output head.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Tokens.
    pub rows: usize,
    /// Hidden size.
    pub width: usize,
    /// Vocabulary.
    pub vocab: usize,
}

/// Shapes of every operation.
#[derive(Debug, Clone, Copy)]
pub struct Shapes {
    /// Bytes of the tensor that is copied for the ceiling.
    pub copy: usize,
    /// Rows and columns of the matrices that are multiplied for the ceiling.
    pub product: usize,
    /// `[rows, in, out]` of linear layers.
    pub linear: &'static [[usize; 3]],
    /// `[rows, in, out]` of those with quantised weights.
    pub quantised: &'static [[usize; 3]],
    /// Packed attention.
    pub attention: &'static [Attention],
    /// Attention over the cache.
    pub cached: &'static [Cached],
    /// `[rows, width]` of RMSNorm and SwiGLU.
    pub rows: &'static [[usize; 2]],
    /// `[rows, heads, head_dim]` of the rotary embedding.
    pub rotary: &'static [[usize; 3]],
    /// Output heads.
    pub head: &'static [Head],
    /// `[rows, out, in]` of products that are added.
    pub products: &'static [[usize; 3]],
    /// `[rows, vocab]` of logits.
    pub logits: &'static [[usize; 2]],
    /// `[rows, vocab]` of logits of which each row has a token drawn.
    pub draws: &'static [[usize; 2]],
    /// Parameters of an AdamW step.
    pub weights: &'static [usize],
}

const fn attention(tokens: usize, heads: usize, kv_heads: usize, head_dim: usize) -> Attention {
    Attention { tokens, heads, kv_heads, head_dim }
}

const fn cached(sequences: usize, keys: usize, heads: usize, kv_heads: usize, head_dim: usize) -> Cached {
    Cached { sequences, keys, heads, kv_heads, head_dim }
}

const fn head(rows: usize, width: usize, vocab: usize) -> Head {
    Head { rows, width, vocab }
}

impl Shapes {
    /// Few that keep a device of a kind busy, and no longer than is needed.
    pub fn few(device: Device) -> Self {
        match device {
            // What memory holds up is large enough that no cache holds it.
            Device::Cpu => Self {
                copy: 0,
                product: 512,
                linear: &[[512, 512, 512], [1, 8192, 8192]],
                quantised: &[[1, 16_384, 16_384]],
                attention: const { &[attention(1024, 8, 8, 64)] },
                cached: const { &[cached(32, 1024, 8, 8, 64)] },
                rows: &[[32_768, 1024]],
                rotary: &[[32_768, 16, 64]],
                head: const { &[head(64, 576, 49_152)] },
                products: &[[4096, 1024, 1024]],
                logits: &[[512, 49_152]],
                draws: &[[16, 49_152]],
                weights: &[16 << 20],
            },
            // Small enough for an adapter in software, and for the 128 MiB that WebGPU promises for a binding.
            Device::Wgpu => Self {
                copy: 64 << 20,
                product: 1024,
                linear: &[[1024, 1024, 1024]],
                quantised: &[[1, 1024, 1024]],
                attention: const { &[attention(512, 4, 4, 64), attention(512, 4, 2, 64)] },
                cached: const { &[cached(4, 256, 4, 2, 64)] },
                rows: &[[4096, 1024]],
                rotary: &[[4096, 16, 64]],
                head: const { &[head(128, 256, 49_152)] },
                products: &[[4096, 1024, 1024]],
                logits: &[[128, 49_152]],
                draws: &[[16, 49_152]],
                weights: &[1 << 20],
            },
            Device::Cuda(_) => Self {
                copy: 1 << 30,
                product: 8192,
                linear: &[[8192, 8192, 8192]],
                quantised: &[[1, 4096, 14_336]],
                attention: const {
                    &[
                        attention(4096, 16, 16, 128),
                        attention(4096, 16, 2, 128),
                        attention(16_384, 16, 16, 128),
                        attention(16_384, 16, 2, 128),
                    ]
                },
                cached: const { &[cached(32, 4096, 16, 2, 128)] },
                rows: &[[16_384, 4096]],
                rotary: &[[16_384, 32, 128]],
                head: const { &[head(2048, 1024, 151_936)] },
                products: &[[16_384, 4096, 4096]],
                logits: &[[2048, 151_936]],
                draws: &[[64, 151_936]],
                weights: &[16 << 20],
            },
        }
    }

    /// Those of real models: SmolLM2-135M, Qwen2.5-0.5B and, on CUDA, models of 8 to 14 billion parameters.
    pub fn many(device: Device) -> Self {
        let few = Self::few(device);
        match device {
            Device::Cpu => Self {
                linear: &[
                    [1, 576, 1536],
                    [16, 576, 1536],
                    [512, 576, 1536],
                    [1, 896, 4864],
                    [512, 896, 4864],
                    [512, 4864, 896],
                    [1, 8192, 8192],
                ],
                quantised: &[
                    [1, 576, 1536],
                    [16, 576, 1536],
                    [1, 896, 4864],
                    [1, 4864, 896],
                    [512, 896, 4864],
                    [1, 16_384, 8192],
                ],
                attention: const {
                    &[
                        attention(1024, 8, 8, 64),
                        attention(1024, 9, 3, 64),
                        attention(1024, 14, 2, 64),
                        attention(4096, 8, 8, 64),
                    ]
                },
                cached: const {
                    &[
                        cached(1, 1024, 9, 3, 64),
                        cached(16, 1024, 9, 3, 64),
                        cached(1, 4096, 14, 2, 64),
                        cached(16, 1024, 14, 2, 64),
                        cached(32, 1024, 8, 8, 64),
                    ]
                },
                rows: &[[64, 896], [4096, 576], [4096, 896], [4096, 4864], [32_768, 896]],
                rotary: &[[4096, 9, 64], [4096, 14, 64], [32_768, 14, 64]],
                head: const { &[head(1024, 576, 49_152), head(256, 896, 151_936)] },
                products: &[[4096, 896, 896], [4096, 4864, 896]],
                logits: &[[64, 49_152], [64, 151_936], [256, 151_936]],
                draws: &[[1, 49_152], [16, 49_152], [16, 151_936]],
                weights: &[1 << 20, 16 << 20],
                ..few
            },
            Device::Wgpu => Self {
                linear: &[[16, 576, 1536], [512, 576, 1536], [1024, 1024, 1024]],
                quantised: &[[1, 576, 1536], [1, 1024, 1024], [16, 1024, 1024], [512, 1024, 1024]],
                attention: const { &[attention(512, 4, 2, 64), attention(1024, 8, 8, 64)] },
                cached: const { &[cached(4, 256, 4, 2, 64), cached(16, 1024, 9, 3, 64)] },
                rows: &[[4096, 576], [4096, 1024]],
                head: const { &[head(128, 256, 49_152), head(1024, 576, 49_152)] },
                ..few
            },
            Device::Cuda(_) => Self {
                linear: &[[16, 4096, 14_336], [4096, 4096, 4096], [4096, 5120, 13_824], [8192, 8192, 8192]],
                quantised: &[[1, 4096, 14_336], [16, 4096, 14_336], [512, 4096, 14_336]],
                attention: const {
                    &[
                        attention(1024, 8, 8, 64),
                        attention(4096, 16, 16, 128),
                        attention(8192, 16, 16, 128),
                        attention(16_384, 16, 16, 128),
                        attention(16_384, 40, 8, 128),
                    ]
                },
                cached: const { &[cached(1, 16_384, 40, 8, 128), cached(32, 4096, 16, 2, 128)] },
                rows: &[[4096, 5120], [16_384, 4096]],
                rotary: &[[4096, 40, 128], [16_384, 32, 128]],
                head: const { &[head(1024, 576, 49_152), head(4096, 5120, 152_064)] },
                draws: &[[1, 151_936], [64, 151_936]],
                weights: &[16 << 20, 256 << 20],
                ..few
            },
        }
    }
}

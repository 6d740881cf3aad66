//! Cosine and sine tables for the positions of a batch.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use crate::model::config::RopeFrequencies;

/// `cos` and `sin` of `position * inv_freq`, times the attention factor: `[n, head_dim / 2]` each, f32.
#[derive(Debug, Clone)]
pub struct RotaryTables<B: Backend> {
    /// Cosines.
    pub cos: Tensor<B, 2>,
    /// Sines.
    pub sin: Tensor<B, 2>,
}

impl<B: Backend> RotaryTables<B> {
    /// The tables of `positions`.
    pub fn new(frequencies: &RopeFrequencies, positions: &[u32], device: &B::Device) -> Self {
        let dims = [positions.len(), frequencies.inv_freq.len()];
        let (mut cos, mut sin) =
            (Vec::with_capacity(dims[0] * dims[1]), Vec::with_capacity(dims[0] * dims[1]));
        for &position in positions {
            for &frequency in &frequencies.inv_freq {
                // The angle is rounded to f32, as checkpoints were trained with; its cosine then is exact.
                let angle = f64::from(position as f32 * frequency);
                cos.push((angle.cos() * frequencies.attention_factor) as f32);
                sin.push((angle.sin() * frequencies.attention_factor) as f32);
            }
        }
        let tensor = |values| Tensor::from_data(TensorData::new(values, dims), (device, DType::F32));
        Self { cos: tensor(cos), sin: tensor(sin) }
    }
}

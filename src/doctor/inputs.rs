//! Values that checks compute on, and their way to a device and back.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use bytes::Bytes;
use half::{bf16, f16};

use crate::kernels::quantised::{BlockType, QuantisedMatrix};

/// Numbers without a pattern: the same seed gives the same ones.
#[derive(Debug, Clone)]
pub struct Noise(pub u64);

/// Which numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// All 24 bits of an f32's significand.
    Fine,
    /// 8 bits, which f16 and bf16 hold exactly: what is expected is that of the very numbers the device is given.
    Coarse,
}

impl Grain {
    /// The finest that `dtype` holds exactly.
    pub fn of(dtype: DType) -> Self {
        if dtype == DType::F32 { Self::Fine } else { Self::Coarse }
    }
}

impl Noise {
    /// 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number between `-most` and `most`.
    fn integer(&mut self, most: u32) -> f32 {
        let count = 2 * u64::from(most) + 1;
        (self.word() % count) as f32 - most as f32
    }

    /// `count` whole numbers between `-most` and `most`.
    pub fn integers(&mut self, count: usize, most: u32) -> Vec<f32> {
        (0..count).map(|_| self.integer(most)).collect()
    }

    /// `count` values between `-scale` and `scale`, a power of two.
    pub fn values(&mut self, count: usize, scale: f32, grain: Grain) -> Vec<f32> {
        let most = match grain {
            Grain::Fine => (1 << 24) - 1,
            Grain::Coarse => (1 << 8) - 1,
        };
        (0..count).map(|_| self.integer(most) / (most + 1) as f32 * scale).collect()
    }

    /// `count` numbers below `end`.
    pub fn below(&mut self, count: usize, end: usize) -> Vec<u32> {
        (0..count).map(|_| (self.word() % end as u64) as u32).collect()
    }
}

/// A matrix of blocks whose bits are noise and whose scales are small numbers, some of them subnormal halves.
///
/// # Panics
/// If a row of `columns` values is not whole blocks.
pub fn quantised(block: BlockType, rows: usize, columns: usize, noise: &mut Noise) -> QuantisedMatrix {
    let count = columns / block.values() * rows;
    let mut bytes: Vec<u8> = (0..count * block.bytes()).map(|_| noise.word() as u8).collect();
    for bytes in bytes.chunks_exact_mut(block.bytes()) {
        // Where the type keeps its f16 numbers.
        let at: &[usize] = match block {
            BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Q8_0 => &[0],
            BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4_K | BlockType::Q5_K => &[0, 2],
            BlockType::Q6_K => &[208],
        };
        for &at in at {
            let word = noise.word();
            let number = (word % 64 + 1) as f32 / if word >> 62 == 0 { 16_777_216.0 } else { 1024.0 };
            bytes[at..at + 2].copy_from_slice(&f16::from_f32(number).to_le_bytes());
        }
    }
    QuantisedMatrix::new(block, rows, columns, Bytes::from(bytes)).expect("whole blocks of every row")
}

/// `x` as `dtype` holds it.
pub fn rounded(x: f32, dtype: DType) -> f32 {
    match dtype {
        DType::F16 => f16::from_f32(x).to_f32(),
        DType::BF16 => bf16::from_f32(x).to_f32(),
        _ => x,
    }
}

/// `values` on `device`.
pub fn tensor<B: Backend, const D: usize>(
    values: &[f32],
    dims: [usize; D],
    device: &B::Device,
    dtype: DType,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (device, dtype))
}

/// The tensor's values in f32.
pub fn host<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// The values in f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

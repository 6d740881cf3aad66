//! Values that checks compute on, and their way to a device and back.

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

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

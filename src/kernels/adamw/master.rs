//! AdamW of weights in a half type: f32 master weights are stepped, and the weights are what rounding leaves of them (Micikevicius et
//! al. 2018, "Mixed Precision Training"). A step below the last digit of a weight so is not lost, but added up until it shows.

use burn::tensor::{DType, Tensor, backend::Backend};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{AdamWStep, BLOCK, Factors, stepped};
use crate::kernels::{KernelBackend, simd};

/// What a step gives; all `[n]`.
#[derive(Debug, Clone)]
pub struct MasterStep<B: Backend> {
    /// The master weights, in f32.
    pub masters: Tensor<B, 1>,
    /// Both moments, in f32.
    pub moments: [Tensor<B, 1>; 2],
    /// The weights in the type that was asked for.
    pub weights: Tensor<B, 1>,
}

impl<B: KernelBackend> MasterStep<B> {
    /// The step with its weights rounded to `dtype`.
    fn rounded((masters, moments): (Tensor<B, 1>, [Tensor<B, 1>; 2]), dtype: DType) -> Self {
        let weights = B::rounded(masters.clone(), dtype);
        Self { masters, moments, weights }
    }
}

/// In plain tensor operations.
pub fn reference<B: KernelBackend>(
    masters: Tensor<B, 1>,
    gradient: Tensor<B, 1>,
    moments: [Tensor<B, 1>; 2],
    step: &AdamWStep,
    dtype: DType,
) -> MasterStep<B> {
    MasterStep::rounded(super::reference(masters, gradient, moments, step), dtype)
}

/// The backend's step, and then its rounding.
pub(in crate::kernels) fn in_passes<B: KernelBackend>(
    masters: Tensor<B, 1>,
    gradient: Tensor<B, 1>,
    moments: [Tensor<B, 1>; 2],
    step: &AdamWStep,
    dtype: DType,
) -> MasterStep<B> {
    MasterStep::rounded(B::adamw(masters, gradient, moments, step), dtype)
}

/// The bits of `x` in bf16: the nearest value, of two as near the even one. Without branches, so that loops over it vectorise.
#[inline(always)]
pub(in crate::kernels) fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    // Half of the last digit that stays, a little less where that is even: more than this carries into it.
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // What is no number stays none, even if it says so only in digits that go.
    let nan = (bits >> 16) | 0x40;
    (if x.is_nan() { nan } else { rounded }) as u16
}

struct Block<'a> {
    masters: &'a mut [f32],
    gradient: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    weights: &'a mut [u16],
    factors: Factors,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let state = self.masters.iter_mut().zip(self.gradient).zip(self.m).zip(self.v);
        for ((((master, g), m), v), weight) in state.zip(self.weights) {
            *master = stepped(*master, *g, m, v, self.factors);
            *weight = bf16_bits(*master);
        }
    }
}

/// On the CPU: masters and moments in place, `weights` the bits of bf16.
///
/// # Panics
/// If the slices differ in length.
pub(in crate::kernels) fn cpu(
    [masters, m, v]: [&mut [f32]; 3],
    gradient: &[f32],
    weights: &mut [u16],
    step: &AdamWStep,
) {
    let n = masters.len();
    assert!(gradient.len() == n && m.len() == n && v.len() == n && weights.len() == n);
    let factors = step.factors();
    masters
        .par_chunks_mut(BLOCK)
        .zip(gradient.par_chunks(BLOCK))
        .zip(m.par_chunks_mut(BLOCK))
        .zip(v.par_chunks_mut(BLOCK))
        .zip(weights.par_chunks_mut(BLOCK))
        .for_each(|((((masters, gradient), m), v), weights)| {
            simd::dispatch(Block { masters, gradient, m, v, weights, factors });
        });
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use burn_flex::{Flex, FlexDevice};
    use half::{bf16, f16};
    use proptest::prelude::*;

    use super::*;
    use crate::doctor::inputs::{Grain, Noise};

    fn tensor(values: &[f32]) -> Tensor<Flex, 1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), (&FlexDevice, DType::F32))
    }

    fn bits(x: Tensor<Flex, 1>) -> Vec<u32> {
        assert_eq!(x.dtype(), DType::F32);
        x.into_data().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    }

    /// Every sign and exponent, with what the last digit that stays and those that go can be around a tie.
    #[test]
    fn ties_and_what_lies_beside_them_round_as_they_should() {
        let ends = [0, 1, 7, 8, 0x7ff8, 0x7fff, 0x8000, 0x8001, 0x8007, 0x8008, 0xffff];
        for upper in 0..=u16::MAX {
            for lower in ends {
                let x = f32::from_bits(u32::from(upper) << 16 | lower);
                assert_eq!(bf16_bits(x), bf16::from_f32(x).to_bits(), "{x:e}, {:08x}", x.to_bits());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_nearest_value_is_taken(word: u32) {
            let x = f32::from_bits(word);
            prop_assert_eq!(bf16_bits(x), bf16::from_f32(x).to_bits());
            let rounded = bf16::from_f32(x).to_f32();
            if x.is_finite() && rounded.is_finite() {
                // Neither neighbour is nearer.
                let off = (f64::from(rounded) - f64::from(x)).abs();
                for other in [bf16_bits(x).wrapping_sub(1), bf16_bits(x).wrapping_add(1)] {
                    let other = f64::from(bf16::from_bits(other).to_f32());
                    prop_assert!(!other.is_finite() || (other - f64::from(x)).abs() >= off);
                }
            }
        }
    }

    /// Lengths of one block, of several, and of none that vectors divide.
    #[test]
    fn masters_and_moments_are_those_of_a_step_and_weights_those_of_rounding() {
        for (n, step) in [(1, 1), (1003, 7), (2 * BLOCK + 5, 100)] {
            let mut noise = Noise(n as u64);
            let mut draw = |scale| noise.values(n, scale, Grain::Fine);
            let (masters, gradient, m) = (draw(1.0), draw(2.0), draw(0.5));
            let v: Vec<f32> = draw(0.5).into_iter().map(f32::abs).collect();
            let step =
                AdamWStep { lr: 0.1, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.1, step, scale: 0.75 };
            let inputs = || (tensor(&masters), tensor(&gradient), [tensor(&m), tensor(&v)]);
            let (weights, g, moments) = inputs();
            let (wanted, wanted_moments) = Flex::adamw(weights, g, moments, &step);
            let wanted = wanted.into_data().to_vec::<f32>().unwrap();
            let [m, v] = wanted_moments.map(bits);
            for dtype in [DType::BF16, DType::F16] {
                let (weights, g, moments) = inputs();
                let found = Flex::adamw_master(weights, g, moments, &step, dtype);
                assert_eq!(bits(found.masters), wanted.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
                assert_eq!(found.moments.map(bits), [m.clone(), v.clone()]);
                assert_eq!(found.weights.dtype(), dtype);
                let apart = Flex::rounded(tensor(&wanted), dtype).into_data();
                let found = found.weights.into_data();
                assert_eq!(found.as_bytes(), apart.as_bytes(), "{n} in {dtype:?}");
                if dtype == DType::BF16 {
                    let right: Vec<bf16> = wanted.iter().map(|&x| bf16::from_f32(x)).collect();
                    assert_eq!(found.as_slice::<bf16>().unwrap(), right);
                } else {
                    let right: Vec<f16> = wanted.iter().map(|&x| f16::from_f32(x)).collect();
                    assert_eq!(found.as_slice::<f16>().unwrap(), right);
                }
            }
        }
    }
}

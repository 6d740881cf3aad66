//! Vector width and transcendental functions shared by the CPU kernels.
//!
//! Kernels are written once over [`pulp::Simd`] and compiled for AVX-512, AVX2, NEON and scalar code; the
//! widest set the machine has is picked at run time, so one binary serves every CPU.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Runs `op` compiled for the widest vector instructions of this machine.
///
/// Not inlined, so that `op` is compiled once and not again for each place that asks for it.
#[inline(never)]
pub fn dispatch<O: WithSimd>(op: O) -> O::Output {
    ARCH.dispatch(op)
}

/// The name of the instruction set that [`dispatch`] picks, for reports.
pub fn instruction_set() -> String {
    let debug = format!("{:?}", *ARCH);
    match debug.split(['(', ' ']).next() {
        Some("V4") => "AVX-512".into(),
        Some("V3") => "AVX2".into(),
        Some(other) => other.into(),
        None => debug,
    }
}

struct Lanes;
impl WithSimd for Lanes {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// How many `f32` one vector register holds here (1 to 16).
pub fn lanes() -> usize {
    static LANES: LazyLock<usize> = LazyLock::new(|| dispatch(Lanes));
    *LANES
}

/// `ln 2` to nine bits: whole numbers up to 32,768 times it are exact.
pub(super) const LN2_HIGH: f32 = 0.693_359_4;
/// What [`LN2_HIGH`] lacks.
pub(super) const LN2_LOW: f32 = -2.121_944_4e-4;
/// `e^r = 1 + r + r^2 (EXP_TERMS[0] r^5 + .. + EXP_TERMS[5])` where `|r|` is at most half of `ln 2`.
pub(super) const EXP_TERMS: [f32; 6] =
    [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// Below this `e^x` is subnormal.
pub(super) const EXP_LEAST: f32 = -87.33;

/// `e^x` within 2 ulp, branch-free so that loops over it vectorise; exactly 0 below -87.33 (there `e^x` is
/// subnormal), which is what masked scores of `-inf` need.
///
/// Range reduction by `ln 2` in two parts and a degree-6 minimax polynomial.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low mantissa bits.
    const MAGIC: f32 = 12_582_912.0;
    let clamped = x.clamp(EXP_LEAST, 88.72);
    let shifted = clamped.mul_add(LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(-LN2_HIGH, clamped);
    let r = n.mul_add(-LN2_LOW, r);
    let [first, others @ ..] = EXP_TERMS;
    let p = others.into_iter().fold(first, |p, term| p.mul_add(r, term));
    let p = p.mul_add(r * r, r) + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_shl(23);
    // 88.72 reduces to n = 128, one step past the largest finite exponent: split the scale in two.
    let half = (exponent >> 24) << 23;
    let scaled = p
        * f32::from_bits((half.wrapping_add(0x3f80_0000)) as u32)
        * f32::from_bits((exponent.wrapping_sub(half).wrapping_add(0x3f80_0000)) as u32);
    if x < EXP_LEAST { 0.0 } else { scaled }
}

/// The sum of `f(x)` over a row: in f32 lanes for some terms, then in f64, so that 49k terms of about 1 lose at most 3e-4 of a unit in
/// the last place each. Called within [`dispatch`], it vectorises where `f` has no branches.
#[inline(always)]
pub fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut sum = 0.0f64;
    for block in row.chunks(16 * 64) {
        let mut lanes = [0.0f32; 16];
        let chunks = block.chunks_exact(16);
        for x in chunks.remainder() {
            sum += f64::from(f(*x));
        }
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += f(*x);
            }
        }
        sum += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp_and_exactly_zero_when_masked() {
        let mut worst = 0.0f64;
        for i in -873_000..887_000 {
            let x = i as f32 * 1e-4;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            worst = worst.max((got - want).abs() / want);
        }
        assert!(worst < 2.4e-7, "worst relative error {worst:e}");
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn lanes_is_a_power_of_two_up_to_sixteen() {
        assert!(lanes().is_power_of_two() && lanes() <= 16);
    }
}

//! `exp` on a GPU, to nearly the same digits on any device.

use cubecl::prelude::*;

use crate::kernels::simd::{EXP_LEAST, EXP_TERMS, LN2_HIGH, LN2_LOW};

/// `e^x` for `x` up to 88, within a few units in the last place; exactly 0 below -87.33, where it would be subnormal.
///
/// A device's own `exp` may be `2^(x log2 e)` of a product in f32, whose rounding error comes out multiplied by `x`: WGSL allows
/// `3 + 2 |x|` units in the last place, which are 1.5e-5 at -60. The steps are those of [`exp`](crate::kernels::simd::exp).
#[cube]
pub(super) fn exp(x: f32) -> f32 {
    // Not a `max`, which would make a number of what is none.
    let held = select(x < EXP_LEAST, EXP_LEAST, x);
    let n = (held * std::f32::consts::LOG2_E).round();
    // The first product is exact: `LN2_HIGH` has nine bits.
    let r = (held - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = EXP_TERMS[0].runtime();
    #[unroll]
    for i in 1..comptime!(EXP_TERMS.len()) {
        p = p * r + comptime!(EXP_TERMS[i]).runtime();
    }
    let p = p * (r * r) + r + 1.0f32;
    let power = f32::reinterpret((i32::cast_from(n) + 127) << 23);
    select(x < EXP_LEAST, 0.0f32, p * power)
}

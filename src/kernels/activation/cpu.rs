//! SwiGLU on the CPU, one pass, in place.

use pulp::{Simd, WithSimd};

use crate::kernels::{parallel, simd};

struct Block<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (g, u) in self.gate.iter_mut().zip(self.up) {
            *g = *g / (1.0 + simd::exp(-*g)) * u;
        }
    }
}

/// `gate[i] = silu(gate[i]) * up[i]`
///
/// # Panics
/// If the slices differ in length.
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len());
    const BLOCK: usize = 1024;
    let whole = gate.len() / BLOCK * BLOCK;
    let (head, tail) = gate.split_at_mut(whole);
    parallel::for_each_row(head, BLOCK, |i, gate| {
        simd::dispatch(Block { gate, up: &up[i * BLOCK..(i + 1) * BLOCK] });
    });
    simd::dispatch(Block { gate: tail, up: &up[whole..] });
}

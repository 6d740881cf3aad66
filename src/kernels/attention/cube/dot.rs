//! What every kernel's backward begins with: each output times its gradient, the sum that softmax's derivative takes away.

use cubecl::prelude::*;

/// `[n, heads]`: the product of each output with its gradient, both `[n, heads, dim]`.
#[cube(launch_unchecked)]
pub(super) fn dots<F: Float>(
    out: &Array<F>,
    dout: &Array<F>,
    dots: &mut Array<f32>,
    rows: u32,
    #[comptime] dim: usize,
    #[define(F)] _dtype: StorageType,
) {
    let row = ABSOLUTE_POS;
    if row < rows as usize {
        let mut sum = 0.0f32;
        for c in 0..dim {
            sum += f32::cast_from(out[row * dim + c]) * f32::cast_from(dout[row * dim + c]);
        }
        dots[row] = sum;
    }
}

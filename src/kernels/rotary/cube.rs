//! Rotary embedding on a GPU: one pass over memory, in place where that is allowed.

use cubecl::ir::StorageType;
use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::kernels::cube::launch::{array, cubes};

/// Units of a cube.
const UNITS: u32 = 256;

/// A unit turns one pair: elements `i` and `i + half` of a head. It has read both before it writes, and no other unit does either, so
/// `y` may be `x`.
#[cube(launch_unchecked)]
fn turn<F: Float>(
    x: &Array<F>,
    cos: &Array<f32>,
    sin: &Array<f32>,
    y: &mut Array<F>,
    pairs: u32,
    #[comptime] heads: usize,
    #[comptime] half: usize,
    #[define(F)] _dtype: StorageType,
) {
    let pair = ABSOLUTE_POS;
    if pair < pairs as usize {
        let i = pair % half;
        let head = pair / half;
        let angle = head / heads * half + i;
        let at = head * (2 * half) + i;
        let a = f32::cast_from(x[at]);
        let b = f32::cast_from(x[at + half]);
        let c = cos[angle];
        let s = sin[angle];
        y[at] = F::cast_from(a * c - b * s);
        y[at + half] = F::cast_from(b * c + a * s);
    }
}

/// Writes `x` `[n, heads, head_dim]` of `dtype`, turned by the angles of `cos` and `sin` `[n, head_dim / 2]` in f32, to `y`; without one
/// to `x` itself.
pub(in crate::kernels) fn rotary<R: Runtime>(
    client: &ComputeClient<R>,
    [x, cos, sin]: [&Handle; 3],
    y: Option<&Handle>,
    dtype: StorageType,
    [n, heads, head_dim]: [usize; 3],
) {
    let len = n * heads * head_dim;
    // The first buffer, which is that of `x`, once more: bound twice it would be refused.
    let y = y.map_or(ArrayArg::Alias { input_pos: 0, length: [len] }, |y| array(y, len));
    let half = head_dim / 2;
    if len > 0 {
        // SAFETY: units beyond the last pair do nothing.
        unsafe {
            turn::launch_unchecked::<R>(
                client,
                cubes(client, (len / 2).div_ceil(UNITS as usize)),
                CubeDim::new_1d(UNITS),
                array(x, len),
                array(cos, n * half),
                array(sin, n * half),
                y,
                (len / 2) as u32,
                heads,
                half,
                dtype,
            );
        }
    }
}

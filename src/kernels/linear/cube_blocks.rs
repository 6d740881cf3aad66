//! [`super::cube`] for weights in quantised blocks: a block's values exist in registers only.

use cubecl::ir::StorageType;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::cube::{GROUPS, Group, LANES, store};
use crate::kernels::cube::launch::{array, cubes};
use crate::kernels::quantised::BlockType;
use crate::kernels::quantised::cube::{EIGHT, apart, eight, place};

/// Values of `x` in a load.
const LOAD: usize = 4;

/// Sizes of a launch.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Sizes {
    /// What a group sums up.
    group: Group,
    /// What weights are held in.
    block: BlockType,
}

/// Units of a group take eight weights of a row each, then the next that nobody has.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn few<F: Float, N: Size>(
    x: &Array<Vector<F, N>>,
    words: &Array<u32>,
    bias: &Array<F>,
    y: &mut Array<F>,
    eights: u32,
    outs: u32,
    inputs: u32,
    #[comptime] s: Sizes,
    #[define(F)] _dtype: StorageType,
) {
    let rows = comptime!(s.group.rows);
    let outputs = comptime!(s.group.outputs);
    let per_block = comptime!(s.block.values() / EIGHT);
    let eights = eights as usize;
    let outs = outs as usize;
    let n = inputs as usize;
    let unit = UNIT_POS as usize;
    let cube_first = CUBE_POS * comptime!(GROUPS * s.group.outputs);
    if cube_first >= outs {
        terminate!();
    }
    let first = cube_first + unit / LANES * outputs;
    let mut sums = Array::<f32>::new(comptime!(rows * outputs));
    #[unroll]
    for i in 0..comptime!(rows * outputs) {
        sums[i] = 0.0f32;
    }
    let mut weights = Array::<f32>::new(comptime!(outputs * EIGHT));
    let mut at = unit % LANES;
    while at < eights {
        let index = at / per_block;
        let within = at % per_block;
        #[unroll]
        for o in 0..outputs {
            // Groups beyond the end add up the last row, which nobody stores.
            let block = min(first + o, outs - 1) * (eights / per_block) + index;
            let byte = block * comptime!(s.block.bytes());
            eight(words, byte, within, &mut weights, comptime!(o * EIGHT), s.block);
        }
        let load = (index * comptime!(s.block.values()) + place(within, s.block)) / LOAD;
        #[unroll]
        for r in 0..rows {
            // Rows beyond the end are the last one again, and stored by nobody.
            let from = min(r, n - 1) * (eights * 2) + load;
            let low = x[from];
            let high = x[from + comptime!(apart(s.block) / LOAD)];
            #[unroll]
            for o in 0..outputs {
                #[unroll]
                for e in 0..LOAD {
                    sums[r * outputs + o] += weights[o * EIGHT + e] * f32::cast_from(low[e]);
                }
                #[unroll]
                for e in 0..LOAD {
                    sums[r * outputs + o] += weights[o * EIGHT + LOAD + e] * f32::cast_from(high[e]);
                }
            }
        }
        at += LANES;
    }
    store(&sums, bias, y, outs, n, comptime!(s.group));
}

/// `x W^T + b` in `dtype`: `x` `[n, k]`, `words` and their number the weight `[out, k]` in `block`s, `bias` `[out]`, for an `n` that
/// [`super::cube::takes`] takes.
pub(in crate::kernels) fn few_rows<R: Runtime>(
    client: &ComputeClient<R>,
    x: &Handle,
    words: (&Handle, usize),
    bias: Option<&Handle>,
    dtype: StorageType,
    [n, k, out]: [usize; 3],
    block: BlockType,
) -> Handle {
    let y = client.empty(n * out * dtype.size());
    if out == 0 {
        return y;
    }
    let group = Group::of(client, n, bias.is_some());
    // SAFETY: groups beyond the end read the last row of weights and store nothing; a bias that is none is not read.
    unsafe {
        few::launch_unchecked::<R>(
            client,
            cubes(client, out.div_ceil(GROUPS * group.outputs)),
            CubeDim::new_1d((GROUPS * LANES) as u32),
            LOAD,
            array(x, n * k),
            array(words.0, words.1),
            array(bias.unwrap_or(x), if bias.is_some() { out } else { 1 }),
            array(&y, n * out),
            (k / EIGHT) as u32,
            out as u32,
            n as u32,
            Sizes { group, block },
            dtype,
        );
    }
    y
}

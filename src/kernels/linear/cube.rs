//! A linear layer of few rows on a GPU: bound by reading the weights once, which products in tiles do not manage.

use cubecl::ir::StorageType;
use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::kernels::cube::launch::{array, cubes, load};

/// Units that share a row of weights.
pub(super) const LANES: usize = 32;
/// Such groups of units in a cube.
pub(super) const GROUPS: usize = 8;
/// Between the sums of one group in shared memory: not a multiple of the number of its banks.
const PITCH: usize = LANES + 1;

/// The most rows of `x` that this is the way for.
const MOST_ROWS: usize = 16;

/// What each unit of a group sums up: `rows` times `outputs` sums.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Group {
    /// Rows of `x`, or a few more: a kernel for each count up to 16 would be compiled while a batch empties.
    pub rows: usize,
    /// Rows of weights that a group takes.
    pub outputs: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

/// Adds up what the units of each group summed for its rows of weights, `sums` `[rows, outputs]` a unit, in one fixed order, and
/// writes those of `y` `[n, outs]`. All units of the cube come here.
#[cube]
pub(super) fn store<F: Float>(
    sums: &Array<f32>,
    bias: &Array<F>,
    y: &mut Array<F>,
    outs: usize,
    n: usize,
    #[comptime] g: Group,
) {
    let count = comptime!(g.rows * g.outputs);
    let unit = UNIT_POS as usize;
    let lane = unit % LANES;
    let group = unit / LANES;
    let cube_first = CUBE_POS * comptime!(GROUPS * g.outputs);
    let mut parts = SharedMemory::<f32>::new(comptime!(GROUPS * count * PITCH));
    #[unroll]
    for i in 0..count {
        parts[(group * count + i) * PITCH + lane] = sums[i];
    }
    sync_cube();
    let mut sum = unit;
    while sum < comptime!(GROUPS * count) {
        let r = sum % count / g.outputs;
        let out = cube_first + sum / count * g.outputs + sum % g.outputs;
        if out < outs && r < n {
            let mut total = 0.0f32;
            for l in 0..LANES {
                total += parts[sum * PITCH + l];
            }
            if comptime!(g.bias) {
                total += f32::cast_from(bias[out]);
            }
            y[r * outs + out] = F::cast_from(total);
        }
        sum += comptime!(GROUPS * LANES);
    }
}

/// Sizes of a launch.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Sizes {
    /// What a group sums up.
    group: Group,
    /// Elements of a load.
    load: usize,
}

#[cube(launch_unchecked)]
fn few<F: Float, N: Size>(
    x: &Array<Vector<F, N>>,
    weight: &Array<Vector<F, N>>,
    bias: &Array<F>,
    y: &mut Array<F>,
    vectors: u32,
    pitch: u32,
    outs: u32,
    inputs: u32,
    #[comptime] s: Sizes,
    #[define(F)] _dtype: StorageType,
) {
    let count = comptime!(s.group.rows * s.group.outputs);
    let vectors = vectors as usize;
    let pitch = pitch as usize;
    let outs = outs as usize;
    let n = inputs as usize;
    let unit = UNIT_POS as usize;
    let lane = unit % LANES;
    let group = unit / LANES;
    let cube_first = CUBE_POS * comptime!(GROUPS * s.group.outputs);
    if cube_first >= outs {
        terminate!();
    }
    let first = cube_first + group * s.group.outputs;
    let mut sums = Array::<f32>::new(count);
    #[unroll]
    for i in 0..count {
        sums[i] = 0.0f32;
    }
    let mut at = lane;
    while at < vectors {
        #[unroll]
        for o in 0..s.group.outputs {
            // Groups beyond the end add up the last row, which nobody stores.
            let w = weight[min(first + o, outs - 1) * pitch + at];
            #[unroll]
            for r in 0..s.group.rows {
                // Rows beyond the end are the last one again, and stored by nobody.
                let loaded = x[min(r, n - 1) * vectors + at];
                #[unroll]
                for e in 0..s.load {
                    sums[r * s.group.outputs + o] += f32::cast_from(w[e]) * f32::cast_from(loaded[e]);
                }
            }
        }
        at += LANES;
    }
    store(&sums, bias, y, outs, n, comptime!(s.group));
}

impl Group {
    /// For `n` rows of `x`, which [`takes`] takes.
    pub fn of<R: Runtime>(client: &ComputeClient<R>, n: usize, bias: bool) -> Self {
        let rows = n.next_power_of_two();
        // One row of weights a group spreads a narrow layer over more cubes; two read `x` half as often.
        let outputs = if n > 1 && fits(client, 2 * rows) { 2 } else { 1 };
        Self { rows, outputs, bias }
    }
}

/// Whether the sums of `count` results of a group fit in the device's shared memory.
fn fits<R: Runtime>(client: &ComputeClient<R>, count: usize) -> bool {
    GROUPS * count * PITCH * size_of::<f32>() <= client.properties().hardware.max_shared_memory_size
}

/// Whether [`few_rows`] takes `n` rows.
pub(in crate::kernels) fn takes<R: Runtime>(client: &ComputeClient<R>, n: usize) -> bool {
    (1..=MOST_ROWS).contains(&n) && fits(client, n.next_power_of_two())
}

/// `x W^T + b` in `dtype`: `x` `[n, k]`, `weight` `[out, k]` whose rows begin `pitch` elements apart, `bias` `[out]`, for an `n` that
/// it [`takes`].
pub(in crate::kernels) fn few_rows<R: Runtime>(
    client: &ComputeClient<R>,
    [x, weight]: [&Handle; 2],
    bias: Option<&Handle>,
    dtype: StorageType,
    [n, k, out]: [usize; 3],
    pitch: usize,
) -> Handle {
    let y = client.empty(n * out * dtype.size());
    if out == 0 {
        return y;
    }
    let load = load(client, dtype, k).min(load(client, dtype, pitch));
    let group = Group::of(client, n, bias.is_some());
    let sizes = Sizes { group, load };
    // SAFETY: groups beyond the end read the last row of weights and store nothing; a bias that is none is not read.
    unsafe {
        few::launch_unchecked::<R>(
            client,
            cubes(client, out.div_ceil(GROUPS * group.outputs)),
            CubeDim::new_1d((GROUPS * LANES) as u32),
            load,
            array(x, n * k),
            array(weight, (out - 1) * pitch + k),
            array(bias.unwrap_or(x), if bias.is_some() { out } else { 1 }),
            array(&y, n * out),
            (k / load) as u32,
            (pitch / load) as u32,
            out as u32,
            n as u32,
            sizes,
            dtype,
        );
    }
    y
}

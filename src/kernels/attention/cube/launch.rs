//! Choice of a kernel for a device, and its launch.

use cubecl::features::{MmaConfig, Plane};
use cubecl::ir::{ElemType, FloatKind, StorageType};
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::super::choice::Limits;
use super::super::choice::packed::Path;
use super::super::order::Order;
use super::super::{AttentionShape, Segment, able};
use super::plan::{KEY_TILE, Plan, QUERY_TILE, plan};
use super::{dot, plane, tensor, unit};
use crate::kernels::cube::launch::{array, cubes, over, upload};
use crate::kernels::selection::{self, AttentionKernel};

/// Contiguous `q` `[rows, heads, head_dim]`, `k` and `v` `[key_rows, kv_heads, head_dim]` on a device.
#[derive(Clone)]
pub(super) struct Inputs {
    /// Queries.
    pub q: Handle,
    /// Keys.
    pub k: Handle,
    /// Values.
    pub v: Handle,
    /// Their type.
    pub dtype: StorageType,
    /// Rows of queries.
    pub rows: usize,
    /// Rows of keys and of values.
    pub key_rows: usize,
}

/// What `client`'s device says of itself to attention over `dtype`.
pub(super) fn limits<R: Runtime>(client: &ComputeClient<R>, dtype: StorageType) -> Limits {
    let properties = client.properties();
    let hardware = &properties.hardware;
    let mma = MmaConfig {
        a_type: dtype,
        b_type: dtype,
        cd_type: ElemType::Float(FloatKind::F32).into(),
        m: 16,
        n: 8,
        k: 16,
    };
    Limits {
        shared_bytes: hardware.max_shared_memory_size,
        plane_units: [hardware.plane_size_min, hardware.plane_size_max],
        plane_operations: properties.features.plane.contains(Plane::Ops),
        matrices: properties.features.matmul.mma.contains(&mma),
    }
}

/// All that `client`'s device can run over packed heads of `dim` elements of `dtype`, what it takes by itself first.
pub(in crate::kernels) fn kernels<R: Runtime>(
    client: &ComputeClient<R>,
    dtype: StorageType,
    dim: usize,
) -> Vec<AttentionKernel> {
    able::kernels(limits(client, dtype), dim)
}

/// What `client`'s device runs over packed heads of `dim` elements of `dtype`, unless this thread asked for something else.
///
/// # Panics
/// If the device has less shared memory than the smallest tile takes, or cannot run what was asked for.
pub(super) fn path<R: Runtime>(client: &ComputeClient<R>, dtype: StorageType, dim: usize) -> Path {
    let path = Path::choose(limits(client, dtype), dim, selection::attention());
    path.unwrap_or_else(|unfit| panic!("{unfit}"))
}

/// Output `[n, heads * head_dim]` in the type of the inputs, and in f32 `[n, heads, 2]` each query's largest score before scaling
/// with the rest of its log-sum-exp.
pub(super) fn forward<R: Runtime>(
    client: &ComputeClient<R>,
    path: Path,
    inputs: &Inputs,
    segments: &[Segment],
    shape: AttentionShape,
) -> (Handle, Handle) {
    let [query_rows, _, key_rows] = path.rows();
    let tiles = plan(segments, query_rows, key_rows).queries;
    let out = client.empty(inputs.rows * shape.heads * shape.head_dim * inputs.dtype.size());
    let sums = client.empty(2 * inputs.rows * shape.heads * size_of::<f32>());
    walk(client, path, inputs, &tiles, shape, [&out, &sums]);
    (out, sums)
}

/// Writes output and sums of the queries of `tiles`, as [`super::plan`] makes them.
///
/// # Panics
/// If the scale is not finite.
pub(super) fn walk<R: Runtime>(
    client: &ComputeClient<R>,
    path: Path,
    inputs: &Inputs,
    tiles: &[u32],
    shape: AttentionShape,
    [out, sums]: [&Handle; 2],
) {
    let order = Order::of(shape.scale);
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    let Inputs { q, k, v, dtype, rows, key_rows } = inputs;
    let (queries, sums_len, keys) =
        (heads * head_dim * rows, 2 * heads * rows, kv_heads * head_dim * key_rows);
    let count = over(client, tiles.len() / QUERY_TILE, heads);
    if tiles.is_empty() {
        return;
    }
    let (tiles, tiles_len) = upload(client, tiles);
    // SAFETY: the plan's rows are rows of the inputs, and the kernels write only rows of the plan.
    unsafe {
        match path {
            Path::Tensor([block, ..]) => tensor::forward::launch_unchecked::<R>(
                client,
                count,
                CubeDim::new_1d(block.units() as u32),
                array(q, queries),
                array(k, keys),
                array(v, keys),
                array(&tiles, tiles_len),
                array(out, queries),
                array(sums, sums_len),
                heads as u32,
                kv_heads as u32,
                order.scale,
                order.factor,
                order.back(),
                order.turns(),
                block,
                *dtype,
            ),
            Path::Plane(tile) => plane::forward::launch_unchecked::<R>(
                client,
                count,
                CubeDim::new_1d(tile.units() as u32),
                array(q, queries),
                array(k, keys),
                array(v, keys),
                array(&tiles, tiles_len),
                array(out, queries),
                array(sums, sums_len),
                heads as u32,
                kv_heads as u32,
                order.scale,
                order.factor,
                order.back(),
                order.turns(),
                tile,
                *dtype,
            ),
            Path::Unit(tile) => unit::forward::launch_unchecked::<R>(
                client,
                count,
                CubeDim::new_1d(tile.units() as u32),
                array(q, queries),
                array(k, keys),
                array(v, keys),
                array(&tiles, tiles_len),
                array(out, queries),
                array(sums, sums_len),
                heads as u32,
                kv_heads as u32,
                order.scale,
                order.factor,
                order.back(),
                order.turns(),
                tile,
                *dtype,
            ),
        }
    }
}

/// What a forward gave, and the gradient of its output, as [`forward`] has them.
#[derive(Clone)]
pub(super) struct Upstream {
    /// Output.
    pub out: Handle,
    /// Largest scores, and the rest of the log-sum-exps.
    pub sums: Handle,
    /// Gradient of the output.
    pub dout: Handle,
}

/// Gradients of `q`, `k` and `v`, in their shapes and type.
pub(super) fn backward<R: Runtime>(
    client: &ComputeClient<R>,
    path: Path,
    inputs: &Inputs,
    upstream: &Upstream,
    segments: &[Segment],
    shape: AttentionShape,
) -> [Handle; 3] {
    let AttentionShape { heads, kv_heads, head_dim, scale } = shape;
    let Inputs { q, k, v, dtype, rows, .. } = inputs;
    let Upstream { out, sums, dout } = upstream;
    let [_, query_rows, key_rows] = path.rows();
    let Plan { queries: query_tiles, keys: key_tiles, readers } = plan(segments, query_rows, key_rows);
    let [queries, keys, dots_len] = [heads * head_dim, kv_heads * head_dim, heads].map(|n| n * rows);
    let sums_len = 2 * dots_len;
    let [dq, dk, dv] = [queries, keys, keys].map(|len| client.empty(len * dtype.size()));
    let dots = client.empty(dots_len * size_of::<f32>());
    if query_tiles.is_empty() {
        return [dq, dk, dv];
    }
    let query_count = over(client, query_tiles.len() / QUERY_TILE, heads);
    let key_count = over(client, key_tiles.len() / KEY_TILE, kv_heads);
    let (query_tiles, query_len) = upload(client, &query_tiles);
    let (key_tiles, key_len) = upload(client, &key_tiles);
    let (readers, readers_len) = upload(client, &readers);
    const UNITS: u32 = 256;
    // SAFETY: as in `forward`.
    unsafe {
        dot::dots::launch_unchecked::<R>(
            client,
            cubes(client, dots_len.div_ceil(UNITS as usize)),
            CubeDim::new_1d(UNITS),
            array(out, queries),
            array(dout, queries),
            array(&dots, dots_len),
            dots_len as u32,
            head_dim,
            *dtype,
        );
        match path {
            Path::Tensor([_, for_queries, for_keys]) => {
                tensor::backward_queries::launch_unchecked::<R>(
                    client,
                    query_count,
                    CubeDim::new_1d(for_queries.units() as u32),
                    array(q, queries),
                    array(k, keys),
                    array(v, keys),
                    array(dout, queries),
                    array(sums, sums_len),
                    array(&dots, dots_len),
                    array(&query_tiles, query_len),
                    array(&dq, queries),
                    heads as u32,
                    kv_heads as u32,
                    scale,
                    for_queries,
                    *dtype,
                );
                tensor::backward_keys::launch_unchecked::<R>(
                    client,
                    key_count,
                    CubeDim::new_1d(for_keys.units() as u32),
                    array(q, queries),
                    array(k, keys),
                    array(v, keys),
                    array(dout, queries),
                    array(sums, sums_len),
                    array(&dots, dots_len),
                    array(&key_tiles, key_len),
                    array(&readers, readers_len),
                    array(&dk, keys),
                    array(&dv, keys),
                    heads as u32,
                    kv_heads as u32,
                    scale,
                    for_keys,
                    *dtype,
                );
            }
            Path::Plane(tile) => {
                plane::backward_queries::launch_unchecked::<R>(
                    client,
                    query_count,
                    CubeDim::new_1d(tile.units() as u32),
                    array(q, queries),
                    array(k, keys),
                    array(v, keys),
                    array(dout, queries),
                    array(sums, sums_len),
                    array(&dots, dots_len),
                    array(&query_tiles, query_len),
                    array(&dq, queries),
                    heads as u32,
                    kv_heads as u32,
                    scale,
                    tile,
                    *dtype,
                );
                plane::backward_keys::launch_unchecked::<R>(
                    client,
                    key_count,
                    CubeDim::new_1d(tile.units() as u32),
                    array(q, queries),
                    array(k, keys),
                    array(v, keys),
                    array(dout, queries),
                    array(sums, sums_len),
                    array(&dots, dots_len),
                    array(&key_tiles, key_len),
                    array(&readers, readers_len),
                    array(&dk, keys),
                    array(&dv, keys),
                    heads as u32,
                    kv_heads as u32,
                    scale,
                    tile,
                    *dtype,
                );
            }
            Path::Unit(tile) => {
                unit::backward_queries::launch_unchecked::<R>(
                    client,
                    query_count,
                    CubeDim::new_1d(tile.units() as u32),
                    array(q, queries),
                    array(k, keys),
                    array(v, keys),
                    array(dout, queries),
                    array(sums, sums_len),
                    array(&dots, dots_len),
                    array(&query_tiles, query_len),
                    array(&dq, queries),
                    heads as u32,
                    kv_heads as u32,
                    scale,
                    tile,
                    *dtype,
                );
                unit::backward_keys::launch_unchecked::<R>(
                    client,
                    key_count,
                    CubeDim::new_1d(tile.units() as u32),
                    array(q, queries),
                    array(k, keys),
                    array(v, keys),
                    array(dout, queries),
                    array(sums, sums_len),
                    array(&dots, dots_len),
                    array(&key_tiles, key_len),
                    array(&readers, readers_len),
                    array(&dk, keys),
                    array(&dv, keys),
                    heads as u32,
                    kv_heads as u32,
                    scale,
                    tile,
                    *dtype,
                );
            }
        }
    }
    [dq, dk, dv]
}

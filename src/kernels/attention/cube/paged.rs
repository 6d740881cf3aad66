//! The cache's operations on the host's side: which kernels run over which rows.

use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::StorageType;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::super::choice::cached::{CachePath, Sizes, TASK_KEYS};
use super::super::order::Order;
use super::super::{AttentionShape, AttentionSpan, BLOCK_TOKENS, cover};
use super::cached::{self, TASK, UNITS};
use super::launch::{self, Inputs};
use super::{cached_plane, plan};
use crate::kernels::cube::launch::{array, cubes, load, over, upload};
use crate::kernels::selection;

/// Spans with more queries than this go through the tiles of packed sequences.
const FEW: usize = 4;

/// Copies rows `[n, width]` to the rows `slots` of `pool` `[blocks, 16 * width]`, in place.
pub(in crate::kernels) fn write<R: CubeRuntime>(pool: &CubeTensor<R>, rows: CubeTensor<R>, slots: &[u32]) {
    let rows = into_contiguous(rows);
    let (len, pool_len) = (rows.shape().num_elements(), pool.shape().num_elements());
    let width = len / slots.len().max(1);
    if len == 0 {
        return;
    }
    assert!(rows.dtype == pool.dtype, "the cache holds {:?}, not {:?}", pool.dtype, rows.dtype);
    assert!(slots.iter().all(|&slot| (slot as usize + 1) * width <= pool_len), "a slot outside the cache");
    let client = &pool.client;
    let dtype: StorageType = pool.dtype.into();
    let load = load(client, dtype, width);
    let (slots, count) = upload(client, slots);
    // SAFETY: the slots were looked at.
    unsafe {
        cached::scatter::launch_unchecked::<R>(
            client,
            cubes(client, count),
            CubeDim::new_1d(64),
            load,
            array(&rows.handle, len),
            array(&slots, count),
            array(&pool.handle, pool_len),
            (width / load) as u32,
            dtype,
        );
    }
}

/// Attention of `spans` over the pools `keys` and `values` `[blocks, 16 * kv_heads * head_dim]`: `q` `[n, heads, head_dim]`,
/// result `[n, heads * head_dim]`.
///
/// # Panics
/// If the spans do not cover the rows in order, a block of theirs lies outside the pools, the types or sizes differ, or the scale is
/// not finite.
pub(in crate::kernels) fn attention<R: CubeRuntime>(
    q: CubeTensor<R>,
    keys: CubeTensor<R>,
    values: CubeTensor<R>,
    spans: &[AttentionSpan],
    shape: AttentionShape,
) -> CubeTensor<R> {
    let [q, keys, values] = [q, keys, values].map(into_contiguous);
    assert!(q.dtype == keys.dtype && q.dtype == values.dtype, "queries and cache differ in type");
    assert!(shape.scale.is_finite(), "attention's scale is {}, legal are finite numbers", shape.scale);
    let [n, blocks] = [q.shape()[0], keys.shape()[0]];
    cover::cached(spans, [n, blocks], shape);
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    assert!(q.shape().num_elements() == n * heads * head_dim, "queries are not [{n}, {heads}, {head_dim}]");
    for pool in [&keys, &values] {
        let elements = blocks * BLOCK_TOKENS * kv_heads * head_dim;
        assert!(pool.shape().num_elements() == elements, "a cache of {:?}, not {elements}", pool.shape());
    }
    let client = q.client.clone();
    let dtype: StorageType = q.dtype.into();
    let width = heads * head_dim;
    let cache = Cache { client: &client, keys: &keys, values: &values, dtype, shape, rows: n };
    let out = client.empty(n * width * dtype.size());
    let sizes = Sizes {
        group: heads / kv_heads,
        dim: head_dim,
        load: load(&client, dtype, head_dim),
        block: BLOCK_TOKENS,
    };
    let path = CachePath::choose(launch::limits(&client, dtype), sizes, selection::attention());
    let path = path.unwrap_or_else(|unfit| panic!("{unfit}"));
    let (few, many): (Vec<_>, Vec<_>) =
        spans.iter().partition(|span| path.is_some() && span.queries.len() <= FEW);
    if let Some(path) = path {
        cache.few(path, sizes, &q.handle, &few, &out);
    }
    cache.many(&q.handle, &many, &out);
    CubeTensor::new_contiguous(client, q.device, Shape::from([n, width]), out, q.dtype)
}

struct Cache<'a, R: CubeRuntime> {
    client: &'a ComputeClient<R>,
    keys: &'a CubeTensor<R>,
    values: &'a CubeTensor<R>,
    dtype: StorageType,
    shape: AttentionShape,
    /// Rows of queries.
    rows: usize,
}

impl<R: CubeRuntime> Cache<'_, R> {
    /// Query by query, its keys shared among cubes.
    fn few(&self, path: CachePath, sizes: Sizes, q: &Handle, spans: &[&AttentionSpan], out: &Handle) {
        let AttentionShape { heads, kv_heads, head_dim, scale } = self.shape;
        let order = Order::of(scale);
        let (mut tasks, mut queries, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
        for span in spans {
            let table = blocks.len();
            blocks.extend_from_slice(&span.blocks[..span.keys.div_ceil(BLOCK_TOKENS)]);
            for row in span.queries.clone() {
                let seen = span.keys - (span.queries.end - row) + 1;
                queries.push((tasks.len() / TASK) as u32);
                for first in (0..seen).step_by(TASK_KEYS) {
                    tasks.extend([row, first, seen.min(first + TASK_KEYS), table].map(|n| n as u32));
                }
                queries.push((tasks.len() / TASK) as u32);
            }
        }
        if tasks.is_empty() {
            return;
        }
        let client = self.client;
        let pool = self.keys.shape().num_elements();
        let count = tasks.len() / TASK;
        let (tasks, tasks_len) = upload(client, &tasks);
        let (queries, queries_len) = upload(client, &queries);
        let (blocks, blocks_len) = upload(client, &blocks);
        let (all, parts_len) = (count * heads, count * heads * head_dim);
        let [parts, peaks, weights] = [parts_len, all, all].map(|len| client.empty(len * size_of::<f32>()));
        let elements = self.rows * heads * head_dim;
        // SAFETY: rows and blocks of the spans were looked at; each task writes its own parts, each query its own row.
        unsafe {
            match path {
                CachePath::Plane(planes) => cached_plane::tasks::launch_unchecked::<R>(
                    client,
                    over(client, count, kv_heads),
                    CubeDim::new_1d((planes.count * planes.units) as u32),
                    sizes.load,
                    array(q, elements),
                    array(&self.keys.handle, pool),
                    array(&self.values.handle, pool),
                    array(&tasks, tasks_len),
                    array(&blocks, blocks_len),
                    array(&parts, parts_len),
                    array(&peaks, all),
                    array(&weights, all),
                    kv_heads as u32,
                    order.scale,
                    order.factor,
                    order.turns(),
                    planes,
                    self.dtype,
                ),
                CachePath::Unit => cached::tasks::launch_unchecked::<R>(
                    client,
                    over(client, count, kv_heads),
                    CubeDim::new_1d(UNITS as u32),
                    sizes.load,
                    array(q, elements),
                    array(&self.keys.handle, pool),
                    array(&self.values.handle, pool),
                    array(&tasks, tasks_len),
                    array(&blocks, blocks_len),
                    array(&parts, parts_len),
                    array(&peaks, all),
                    array(&weights, all),
                    kv_heads as u32,
                    order.scale,
                    order.factor,
                    order.turns(),
                    sizes,
                    self.dtype,
                ),
            }
            cached::join::launch_unchecked::<R>(
                client,
                over(client, queries_len / cached::QUERY, heads),
                CubeDim::new_1d(64),
                array(&parts, parts_len),
                array(&peaks, all),
                array(&weights, all),
                array(&tasks, tasks_len),
                array(&queries, queries_len),
                array(out, elements),
                heads as u32,
                order.scale,
                head_dim,
                self.dtype,
            );
        }
    }

    /// By tiles, over rows of keys gathered from the cache.
    fn many(&self, q: &Handle, spans: &[&AttentionSpan], out: &Handle) {
        let AttentionShape { heads, kv_heads, head_dim, .. } = self.shape;
        let mut slots = Vec::new();
        let mut starts = Vec::with_capacity(spans.len());
        for &span in spans {
            starts.push((span, slots.len()));
            let slot =
                |key: usize| span.blocks[key / BLOCK_TOKENS] as usize * BLOCK_TOKENS + key % BLOCK_TOKENS;
            slots.extend((0..span.keys).map(|key| slot(key) as u32));
        }
        if slots.is_empty() {
            return;
        }
        let client = self.client;
        let path = launch::path(client, self.dtype, head_dim);
        let width = kv_heads * head_dim;
        let (table, key_rows) = upload(client, &slots);
        let load = load(client, self.dtype, width);
        let [k, v] = [self.keys, self.values].map(|pool| {
            let rows = client.empty(key_rows * width * self.dtype.size());
            // SAFETY: the slots are of blocks that were looked at.
            unsafe {
                cached::gather::launch_unchecked::<R>(
                    client,
                    cubes(client, key_rows),
                    CubeDim::new_1d(64),
                    load,
                    array(&pool.handle, pool.shape().num_elements()),
                    array(&table, key_rows),
                    array(&rows, key_rows * width),
                    (width / load) as u32,
                    self.dtype,
                );
            }
            rows
        });
        let inputs = Inputs { q: q.clone(), k, v, dtype: self.dtype, rows: self.rows, key_rows };
        let tiles = plan::cached(&starts, path.query_rows());
        let sums = client.empty(2 * self.rows * heads * size_of::<f32>());
        launch::walk(client, path, &inputs, &tiles, self.shape, [out, &sums]);
    }
}

//! One task of attention on the CPU: some query rows of a key head, in tiles of registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::cpu::block_elements;
use super::order::Order;
use super::{AttentionShape, AttentionSpan, BLOCK_TOKENS};
use crate::kernels::parallel::SharedMut;
use crate::kernels::simd;

/// Keys a softmax tile covers.
pub(super) const TILE_KEYS: usize = 64;
const TILE_BLOCKS: usize = TILE_KEYS / BLOCK_TOKENS;
/// The most query rows of a register tile.
pub(super) const MAX_ROWS: usize = 6;

/// `$work` with constants `$R` rows in register tiles of `$V` vectors, for `$rows` from 1 to [`MAX_ROWS`]. Sixteen registers hold the
/// sums of six rows where a tile is two vectors wide instead of four.
macro_rules! by_rows {
    ($S:ty, $rows:expr, $R:ident, $V:ident => $work:expr) => {
        by_rows!(@ $rows, <$S>::REGISTER_COUNT < 32, $R, $V => $work,
            (1, 4, 4), (2, 4, 4), (3, 4, 2), (4, 4, 2), (5, 4, 2), (6, 4, 2))
    };
    (@ $rows:expr, $narrow:expr, $R:ident, $V:ident => $work:expr, $(($count:literal, $wide:literal, $few:literal)),*) => {
        match ($rows, $narrow) {
            $(
                ($count, false) => {
                    const $R: usize = $count;
                    const $V: usize = $wide;
                    $work
                }
                ($count, true) => {
                    const $R: usize = $count;
                    const $V: usize = $few;
                    $work
                }
            )*
            (rows, _) => unreachable!("{rows} rows in a register tile"),
        }
    };
}
pub(super) use by_rows;

impl Order {
    #[inline(always)]
    fn turn(self, scores: &mut [f32; TILE_KEYS]) {
        if self.factor == 0.0 {
            scores.fill(0.0);
        } else if self.turns() {
            scores.iter_mut().for_each(|score| *score *= self.factor);
        }
    }
}

/// A row's softmax over the keys so far.
#[derive(Clone, Copy)]
pub(super) struct Running {
    peak: f32,
    pub total: f32,
}

impl Running {
    /// Of no keys.
    pub const START: Self = Self { peak: f32::NEG_INFINITY, total: 0.0 };

    /// Joins a tile of which the row sees the first `seen` keys: its scores become their weights, and what was summed with earlier
    /// weights is to be multiplied by the result.
    #[inline(always)]
    pub fn join(&mut self, scores: &mut [f32; TILE_KEYS], seen: usize, order: Order) -> f32 {
        order.turn(scores);
        scores[seen..].fill(f32::NEG_INFINITY);
        let mut peaks = [f32::NEG_INFINITY; 16];
        for chunk in scores.chunks_exact(16) {
            for (p, s) in peaks.iter_mut().zip(chunk) {
                *p = if *s > *p { *s } else { *p };
            }
        }
        let peak = peaks.iter().fold(self.peak, |a, b| a.max(*b));
        let rescale = simd::exp((self.peak - peak) * order.scale);
        self.peak = peak;
        let mut lanes = [0.0f32; 16];
        for chunk in scores.chunks_exact_mut(16) {
            for (lane, s) in lanes.iter_mut().zip(chunk) {
                *s = simd::exp((*s - peak) * order.scale);
                *lane += *s;
            }
        }
        self.total = self.total * rescale + lanes.iter().sum::<f32>();
        rescale
    }
}

/// Rows `first..end` (query-major, then head within the group) of one span and key head.
pub(super) struct Task<'a> {
    pub q: &'a [f32],
    pub keys: &'a [f32],
    pub values: &'a [f32],
    pub span: &'a AttentionSpan,
    pub shape: AttentionShape,
    pub order: Order,
    pub kv_head: usize,
    pub first: usize,
    pub end: usize,
    pub out: SharedMut<f32>,
    pub sums: Option<SharedMut<f32>>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.shape.head_dim.next_multiple_of(S::F32_LANES);
        let mut sums = vec![0.0f32; MAX_ROWS * width];
        let mut row = self.first;
        while row < self.end {
            let rows = (self.end - row).min(MAX_ROWS);
            by_rows!(S, rows, R, V => self.rows::<S, R, V>(simd, row, &mut sums, width));
            row += rows;
        }
    }
}

impl Task<'_> {
    /// Index of row `row`'s first element in `q` and `out`, and how many keys it sees.
    #[inline(always)]
    pub fn row(&self, row: usize) -> (usize, usize) {
        let AttentionShape { heads, kv_heads, head_dim, .. } = self.shape;
        let group = heads / kv_heads;
        let query = row / group;
        let at = ((self.span.queries.start + query) * heads + self.kv_head * group + row % group) * head_dim;
        (at, self.span.keys - self.span.queries.len() + query + 1)
    }

    /// [`Self::row`] of `R` rows.
    #[inline(always)]
    pub fn group<const R: usize>(&self, first: usize) -> ([usize; R], [usize; R]) {
        let (mut at, mut visible) = ([0; R], [0; R]);
        for r in 0..R {
            (at[r], visible[r]) = self.row(first + r);
        }
        (at, visible)
    }

    /// `R` rows in register tiles of `V` vectors.
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        first: usize,
        sums: &mut [f32],
        width: usize,
    ) {
        let (head_dim, order) = (self.shape.head_dim, self.order);
        let (at, visible) = self.group::<R>(first);
        sums[..R * width].fill(0.0);
        let mut running = [Running::START; R];
        // Rows are in query order, so the last one sees the most keys.
        let keys = visible[R - 1];
        let mut scores = [[0.0f32; TILE_KEYS]; R];
        let vectors = 0..width / S::F32_LANES;
        for base in (0..keys).step_by(TILE_KEYS) {
            self.scores::<S, R, V>(simd, base, keys, &at, &mut scores);
            let mut rescale = [1.0f32; R];
            for r in 0..R {
                let seen = visible[r].saturating_sub(base).min(TILE_KEYS);
                rescale[r] = running[r].join(&mut scores[r], seen, order);
            }
            self.accumulate::<S, R, V>(simd, base, keys, &scores, &rescale, sums, width, vectors.clone());
        }
        for r in 0..R {
            if let Some(to) = self.sums {
                // SAFETY: this task alone owns these rows of `sums`, which has two numbers for each head of `out`.
                unsafe {
                    let to = to.get().add(2 * (at[r] / head_dim));
                    *to = order.score(running[r].peak);
                    *to.add(1) = running[r].total.ln();
                }
            }
            let share = 1.0 / running[r].total;
            for d in 0..head_dim {
                // SAFETY: this task alone owns these rows of `out`.
                unsafe { *self.out.get().add(at[r] + d) = sums[r * width + d] * share };
            }
        }
    }

    /// `scores[r][j] = q[r] . k[base + j]`; columns past the last block repeat it and are masked later.
    #[inline(always)]
    pub fn scores<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        base: usize,
        keys: usize,
        at: &[usize; R],
        scores: &mut [[f32; TILE_KEYS]; R],
    ) {
        let AttentionShape { kv_heads, head_dim, .. } = self.shape;
        let (key_block, _) = block_elements(kv_heads, head_dim);
        let blocks = &self.span.blocks[base / BLOCK_TOKENS..];
        let live = (keys - base).div_ceil(BLOCK_TOKENS).min(TILE_BLOCKS);
        let per_pass = V * S::F32_LANES;
        for pass in 0..(live * BLOCK_TOKENS).div_ceil(per_pass) {
            let mut columns = [self.keys.as_ptr(); V];
            for (v, column) in columns.iter_mut().enumerate() {
                let key = pass * per_pass + v * S::F32_LANES;
                let block = blocks[(key / BLOCK_TOKENS).min(live - 1)] as usize;
                let offset = block * key_block + self.kv_head * head_dim * BLOCK_TOKENS + key % BLOCK_TOKENS;
                *column = self.keys[offset..].as_ptr();
            }
            let mut acc = [[simd.splat_f32s(0.0); V]; R];
            for d in 0..head_dim {
                let mut k = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    // SAFETY: blocks were checked to lie in the cache; d is below head_dim.
                    k[v] = unsafe { columns[v].add(d * BLOCK_TOKENS).cast::<S::f32s>().read_unaligned() };
                }
                for r in 0..R {
                    // SAFETY: rows of `q` were checked to exist.
                    let q = simd.splat_f32s(unsafe { *self.q.get_unchecked(at[r] + d) });
                    for v in 0..V {
                        acc[r][v] = simd.mul_add_f32s(q, k[v], acc[r][v]);
                    }
                }
            }
            for r in 0..R {
                for v in 0..V {
                    let column = pass * per_pass + v * S::F32_LANES;
                    if column < TILE_KEYS {
                        simd.partial_store_f32s(&mut scores[r][column..column + S::F32_LANES], acc[r][v]);
                    }
                }
            }
        }
    }

    /// `sums[r] = sums[r] * rescale[r] + sum_j p[r][j] * v[base + j]` in some of the head's vectors.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    pub fn accumulate<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        base: usize,
        keys: usize,
        p: &[[f32; TILE_KEYS]; R],
        rescale: &[f32; R],
        sums: &mut [f32],
        width: usize,
        vectors: Range<usize>,
    ) {
        let mut first = vectors.start;
        while first < vectors.end {
            let left = (vectors.end - first).min(V);
            match left {
                1 => self.values::<S, R, 1>(simd, base, keys, p, rescale, sums, width, first),
                2 => self.values::<S, R, 2>(simd, base, keys, p, rescale, sums, width, first),
                3 => self.values::<S, R, 3>(simd, base, keys, p, rescale, sums, width, first),
                _ => self.values::<S, R, 4>(simd, base, keys, p, rescale, sums, width, first),
            }
            first += left;
        }
    }

    /// One register tile of [`Self::accumulate`]: vectors `first..first + N` of the head.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn values<S: Simd, const R: usize, const N: usize>(
        &self,
        simd: S,
        base: usize,
        keys: usize,
        p: &[[f32; TILE_KEYS]; R],
        rescale: &[f32; R],
        sums: &mut [f32],
        width: usize,
        first: usize,
    ) {
        let (_, value_block) = block_elements(self.shape.kv_heads, self.shape.head_dim);
        let column = first * S::F32_LANES;
        let mut acc = [[simd.splat_f32s(0.0); N]; R];
        for r in 0..R {
            let scale = simd.splat_f32s(rescale[r]);
            for n in 0..N {
                let at = r * width + column + n * S::F32_LANES;
                acc[r][n] = simd.mul_f32s(simd.partial_load_f32s(&sums[at..at + S::F32_LANES]), scale);
            }
        }
        let count = (keys - base).min(TILE_KEYS);
        for (b, &block) in self.span.blocks[base / BLOCK_TOKENS..].iter().enumerate() {
            let from = b * BLOCK_TOKENS;
            if from >= count {
                break;
            }
            let offset = block as usize * value_block + self.kv_head * BLOCK_TOKENS * width + column;
            let rows = self.values[offset..].as_ptr();
            for j in from..(from + BLOCK_TOKENS).min(count) {
                let mut v = [simd.splat_f32s(0.0); N];
                for n in 0..N {
                    let at = (j - from) * width + n * S::F32_LANES;
                    // SAFETY: blocks were checked to lie in the cache; the column is below the padded width.
                    v[n] = unsafe { rows.add(at).cast::<S::f32s>().read_unaligned() };
                }
                for r in 0..R {
                    let weight = simd.splat_f32s(p[r][j]);
                    for n in 0..N {
                        acc[r][n] = simd.mul_add_f32s(weight, v[n], acc[r][n]);
                    }
                }
            }
        }
        for r in 0..R {
            for n in 0..N {
                let at = r * width + column + n * S::F32_LANES;
                simd.partial_store_f32s(&mut sums[at..at + S::F32_LANES], acc[r][n]);
            }
        }
    }
}

//! Linear layer on the CPU: `y[n, o] = sum_k x[n, k] * w[o, k] (+ b[o])`, weights as stored (`[out, in]`).
//!
//! **Batch-invariant.** Every output element is one chain of fused multiply-adds over `k` in one vector
//! register (lane `l` sums `k = l, l + L, ...`), then one lane reduction. Tiles of any shape keep that
//! order, so a token's result is bit for bit the same alone, in a batch, or in a prefill: what was sampled
//! and what is trained cannot drift apart.
//!
//! **bf16 weights** stay bf16 in memory and are widened in registers. One 32-bit load brings an even and an
//! odd element; `x` is laid out to match (per block of `2 L`: evens, then odds), so no shuffle is needed.
//!
//! **Cost.** `2 n k o` flop over `k o` weight reads: memory-bound below about 8 rows, arithmetic-bound above.
//! Tiles of 3 weight rows by 8 inputs use 24 of 32 registers for sums, by 4 inputs 12 of 16; weight chunks sized for L2 are reused by
//! every input row, and while one is computed with, the next is fetched.

use half::bf16;
use pulp::{Simd, WithSimd};

use super::rounded::Rounded;
use super::rows::{Bf16Rows, F32Rows, widen};
use super::tiles::{Target, run};
use super::{blocks, integers};
use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::quantised::BlockType;
use crate::kernels::simd;

/// A weight matrix `[out, in]`, row-major.
#[derive(Clone, Copy)]
pub enum Weight<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// bfloat16, widened to f32 as it is read.
    Bf16(&'a [bf16]),
    /// Quantised blocks, decoded to f32 as they are read.
    Blocks(BlockType, &'a [u8]),
    /// Quantised blocks, multiplied in integers with the input rounded to 8 bits.
    Integers(BlockType, &'a [u8]),
}

/// One product of a group that shares its input.
pub struct Part<'a> {
    /// `[out, in]`
    pub weight: Weight<'a>,
    /// `[out]`
    pub bias: Option<&'a [f32]>,
    /// Rows of `weight`.
    pub out_features: usize,
    /// `[n, out]`, overwritten.
    pub out: &'a mut [f32],
}

/// Bytes of weights that one task keeps in the L2 cache while all input rows pass by.
pub(super) const CHUNK_BYTES: usize = 192 << 10;
/// From this many input rows on, bf16 weights are widened once a chunk instead of once a tile.
const WIDEN_FROM: usize = 33;

/// Computes every part of the group from the same `x` `[n, k]`.
///
/// # Panics
/// If a slice's length does not match `n`, `k` and `out_features`: shapes are checked by the caller.
pub fn linear(x: &[f32], n: usize, k: usize, parts: &mut [Part<'_>]) {
    assert_eq!(x.len(), n * k, "input is not [{n}, {k}]");
    let lanes = simd::lanes();
    for part in parts.iter() {
        let (found, expected) = match part.weight {
            Weight::F32(w) => (w.len(), k * part.out_features),
            Weight::Bf16(w) => (w.len(), k * part.out_features),
            Weight::Blocks(block, bytes) | Weight::Integers(block, bytes) => {
                assert_eq!(k % block.values(), 0, "{block} rows are not whole blocks");
                (bytes.len(), k / block.values() * block.bytes() * part.out_features)
            }
        };
        assert_eq!(found, expected, "weight is not [{}, {k}]", part.out_features);
    }
    let any = |wanted: fn(&Weight<'_>) -> bool| parts.iter().any(|part| wanted(&part.weight));
    let plain =
        any(|w| matches!(w, Weight::F32(_) | Weight::Blocks(..))).then(|| Input::plain(x, n, k, lanes));
    let paired = any(|w| matches!(w, Weight::Bf16(_))).then(|| Input::paired(x, n, k, lanes));
    let rounded = any(|w| matches!(w, Weight::Integers(..))).then(|| Rounded::new(x, n, k));

    let mut tasks = Vec::new();
    let total_rows: usize = parts.iter().map(|p| p.out_features).sum();
    // Several tasks a thread, so that a thread that is held up does not hold up the rest; fewer where all of it takes
    // little longer than handing it out.
    let share = total_rows.div_ceil(rayon::current_num_threads() * if n == 1 { 2 } else { 4 });
    let widest = (CHUNK_BYTES / (4 * k.max(1))).max(4);
    let chunk = if n == 1 { share } else { share.min(widest) }.next_multiple_of(12);
    for (index, part) in parts.iter_mut().enumerate() {
        assert_eq!(part.out.len(), n * part.out_features, "output is not [{n}, {}]", part.out_features);
        let rows = part.out_features;
        let out = SharedMut::new(part.out);
        tasks.extend((0..rows).step_by(chunk).map(|first| (index, first, (first + chunk).min(rows), out)));
    }
    let work = n * k * total_rows;
    let parts = &*parts;
    parallel::for_each(tasks.len(), work, |t| {
        let (index, first, end, out) = tasks[t];
        let part = &parts[index];
        let input = if matches!(part.weight, Weight::Bf16(_)) { &paired } else { &plain };
        match (part.weight, input, &rounded) {
            (Weight::Integers(block, bytes), _, Some(input)) => {
                let row_bytes = k / block.values() * block.bytes();
                let bytes = &bytes[first * row_bytes..end * row_bytes];
                let out_features = part.out_features;
                integers::product(&integers::Rows {
                    block,
                    bytes,
                    row_bytes,
                    input,
                    out_features,
                    first,
                    out,
                });
            }
            (_, Some(input), _) => simd::dispatch(Task { input, part, k, first, end, out }),
            _ => unreachable!("an input is laid out for each kind of weight"),
        }
        if let Some(bias) = part.bias {
            for i in 0..n {
                for o in first..end {
                    // SAFETY: this task alone owns columns first..end of `out`.
                    unsafe { *out.get().add(i * part.out_features + o) += bias[o] };
                }
            }
        }
    });
}

/// Input rows laid out for the tiles: `[n, stride]`, zero beyond `k`.
pub(super) struct Input<'a> {
    pub data: std::borrow::Cow<'a, [f32]>,
    pub rows: usize,
    pub stride: usize,
}

impl<'a> Input<'a> {
    fn plain(x: &'a [f32], rows: usize, k: usize, lanes: usize) -> Self {
        let stride = k.next_multiple_of(lanes);
        if stride == k {
            return Self { data: x.into(), rows, stride };
        }
        let mut data = vec![0.0; rows * stride];
        for (to, from) in data.chunks_exact_mut(stride).zip(x.chunks_exact(k)) {
            to[..k].copy_from_slice(from);
        }
        Self { data: data.into(), rows, stride }
    }

    /// Evens then odds within each block of `2 * lanes`, as bf16 pairs come out of a 32-bit load.
    fn paired(x: &[f32], rows: usize, k: usize, lanes: usize) -> Self {
        let stride = k.next_multiple_of(2 * lanes);
        let mut data = vec![0.0; rows * stride];
        if k > 0 {
            for (to, from) in data.chunks_exact_mut(stride).zip(x.chunks_exact(k)) {
                for (block, pairs) in to.chunks_exact_mut(2 * lanes).zip(from.chunks(2 * lanes)) {
                    let (even, odd) = block.split_at_mut(lanes);
                    for (i, pair) in pairs.chunks(2).enumerate() {
                        even[i] = pair[0];
                        if let Some(&v) = pair.get(1) {
                            odd[i] = v;
                        }
                    }
                }
            }
        }
        Self { data: data.into(), rows, stride }
    }
}

/// Rows `first..end` of one part, for all inputs.
struct Task<'a, 'p> {
    input: &'a Input<'a>,
    part: &'a Part<'p>,
    k: usize,
    first: usize,
    end: usize,
    out: SharedMut<f32>,
}

impl WithSimd for Task<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { input, part, k, first, end, out } = self;
        let rows = end - first;
        let to = Target { input, out_features: part.out_features, first, out };
        match part.weight {
            Weight::F32(w) => {
                let w = &w[first * k..end * k];
                let next = Some((w.as_ptr_range().end.cast(), size_of::<f32>()));
                run(simd, &F32Rows { data: w, k, next }, rows, &to);
            }
            Weight::Bf16(w) => {
                let w = &w[first * k..end * k];
                if input.rows < WIDEN_FROM {
                    run(simd, &Bf16Rows { data: w, k }, rows, &to);
                } else {
                    let wide = widen(simd, w, k, input.stride);
                    let next = Some((w.as_ptr_range().end.cast(), size_of::<bf16>()));
                    run(simd, &F32Rows { data: &wide, k: input.stride, next }, rows, &to);
                }
            }
            Weight::Blocks(block, bytes) => {
                let row_bytes = k / block.values() * block.bytes();
                blocks::product(simd, block, &bytes[first * row_bytes..end * row_bytes], k, rows, &to);
            }
            // Has a kernel of its own, in `integers`.
            Weight::Integers(..) => unreachable!("not a float product"),
        }
    }
}

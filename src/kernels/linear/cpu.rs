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
//! Tiles of 3 weight rows by 8 inputs use 24 of 32 registers for sums; weight chunks sized for L2 are reused by
//! every input row, and while one is computed with, the next is fetched.

use half::bf16;
use pulp::{Simd, WithSimd};

use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::simd;

/// A weight matrix `[out, in]`, row-major.
#[derive(Clone, Copy)]
pub enum Weight<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// bfloat16, widened to f32 as it is read.
    Bf16(&'a [bf16]),
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
const CHUNK_BYTES: usize = 192 << 10;
/// Bytes of input rows walked for one group of weight rows.
const INPUT_BYTES: usize = 16 << 10;
/// From this many input rows on, bf16 weights are widened once a chunk instead of once a tile.
const WIDEN_FROM: usize = 33;

/// Computes every part of the group from the same `x` `[n, k]`.
///
/// # Panics
/// If a slice's length does not match `n`, `k` and `out_features`: shapes are checked by the caller.
pub fn linear(x: &[f32], n: usize, k: usize, parts: &mut [Part<'_>]) {
    assert_eq!(x.len(), n * k, "input is not [{n}, {k}]");
    let lanes = simd::lanes();
    let any = |bf16: bool| parts.iter().any(|p| matches!(p.weight, Weight::Bf16(_)) == bf16);
    let plain = any(false).then(|| Input::plain(x, n, k, lanes));
    let paired = any(true).then(|| Input::paired(x, n, k, lanes));

    let mut tasks = Vec::new();
    let total_rows: usize = parts.iter().map(|p| p.out_features).sum();
    // Several tasks a thread, so that a thread that is held up does not hold up the rest.
    let share = total_rows.div_ceil(rayon::current_num_threads() * 4);
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
        let input = match part.weight {
            Weight::F32(w) => {
                assert_eq!(w.len(), k * part.out_features, "weight is not [{}, {k}]", part.out_features);
                &plain
            }
            Weight::Bf16(w) => {
                assert_eq!(w.len(), k * part.out_features, "weight is not [{}, {k}]", part.out_features);
                &paired
            }
        };
        if let Some(input) = input {
            simd::dispatch(Task { input, part, k, first, end, out });
        }
    });
}

/// Input rows laid out for the tiles: `[n, stride]`, zero beyond `k`.
struct Input<'a> {
    data: std::borrow::Cow<'a, [f32]>,
    rows: usize,
    stride: usize,
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
        match part.weight {
            Weight::F32(w) => {
                let w = &w[first * k..end * k];
                let next = (w.as_ptr_range().end.cast(), size_of::<f32>());
                run(simd, &F32Rows { data: w, k, next }, rows, &self);
            }
            Weight::Bf16(w) => {
                let w = &w[first * k..end * k];
                if input.rows < WIDEN_FROM {
                    run(simd, &Bf16Rows { data: w, k }, rows, &self);
                } else {
                    let wide = widen(simd, w, k, input.stride);
                    let next = (w.as_ptr_range().end.cast(), size_of::<bf16>());
                    run(simd, &F32Rows { data: &wide, k: input.stride, next }, rows, &self);
                }
            }
        }
        if let Some(bias) = part.bias {
            for i in 0..input.rows {
                for o in first..end {
                    // SAFETY: this task alone owns columns first..end of `out`.
                    unsafe { *out.get().add(i * part.out_features + o) += bias[o] };
                }
            }
        }
    }
}

/// What a tile asks of memory beside what it reads.
#[derive(Clone, Copy)]
enum Fetch {
    Nothing,
    NextRows,
    NextChunk,
}

/// Weight rows as a tile reads them.
trait Rows: Copy {
    /// Vectors a step yields (1 for f32, an even and an odd one for bf16).
    const STREAMS: usize;
    /// Asks the cache for the vector at `row * k + offset` elements, which may lie past the end.
    fn prefetch(&self, row: usize, offset: usize);
    /// Asks the cache for the same place of the next chunk.
    fn prefetch_next(&self, row: usize, offset: usize);
    /// The vectors of `(row, step)`; unused ones are zero.
    ///
    /// # Safety
    /// `row` is a row of the matrix and `step` below `k / (STREAMS * lanes)`.
    unsafe fn load<S: Simd>(&self, simd: S, row: usize, step: usize) -> [S::f32s; 2];
    /// The zero-padded remainder of `row` behind the last full step.
    fn tail<S: Simd>(&self, simd: S, row: usize) -> [S::f32s; 2];
    /// Elements a row.
    fn k(&self) -> usize;
}

#[derive(Clone, Copy)]
struct F32Rows<'a> {
    data: &'a [f32],
    k: usize,
    /// Where the next chunk lies in memory, as bytes, and bytes an element takes there.
    next: (*const u8, usize),
}

impl Rows for F32Rows<'_> {
    const STREAMS: usize = 1;
    #[inline(always)]
    fn prefetch(&self, row: usize, offset: usize) {
        prefetch(self.data.as_ptr().wrapping_add(row * self.k + offset));
    }
    #[inline(always)]
    fn prefetch_next(&self, row: usize, offset: usize) {
        let (next, bytes) = self.next;
        prefetch_far(next.wrapping_add((row * self.k + offset) * bytes));
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(&self, simd: S, row: usize, step: usize) -> [S::f32s; 2] {
        // SAFETY: in bounds by the caller's contract; f32 vectors have no invalid bit patterns.
        let v = unsafe {
            self.data.as_ptr().add(row * self.k + step * S::F32_LANES).cast::<S::f32s>().read_unaligned()
        };
        [v, simd.splat_f32s(0.0)]
    }
    #[inline(always)]
    fn tail<S: Simd>(&self, simd: S, row: usize) -> [S::f32s; 2] {
        let done = self.k / S::F32_LANES * S::F32_LANES;
        let rest = &self.data[row * self.k + done..(row + 1) * self.k];
        [simd.partial_load_f32s(rest), simd.splat_f32s(0.0)]
    }
    #[inline(always)]
    fn k(&self) -> usize {
        self.k
    }
}

#[derive(Clone, Copy)]
struct Bf16Rows<'a> {
    data: &'a [bf16],
    k: usize,
}

impl Rows for Bf16Rows<'_> {
    const STREAMS: usize = 2;
    #[inline(always)]
    fn prefetch(&self, row: usize, offset: usize) {
        prefetch(self.data.as_ptr().wrapping_add(row * self.k + offset));
    }
    #[inline(always)]
    fn prefetch_next(&self, _: usize, _: usize) {
        // Few input rows: there is no second pass in which to look ahead.
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(&self, simd: S, row: usize, step: usize) -> [S::f32s; 2] {
        // SAFETY: 2 * lanes bf16 are as many bytes as lanes u32, in bounds by the caller's contract.
        let pairs = unsafe {
            self.data.as_ptr().add(row * self.k + step * 2 * S::F32_LANES).cast::<S::u32s>().read_unaligned()
        };
        split_pairs(simd, pairs)
    }
    #[inline(always)]
    fn tail<S: Simd>(&self, simd: S, row: usize) -> [S::f32s; 2] {
        let done = self.k / (2 * S::F32_LANES) * (2 * S::F32_LANES);
        bf16_tail(simd, &self.data[row * self.k + done..(row + 1) * self.k])
    }
    #[inline(always)]
    fn k(&self) -> usize {
        self.k
    }
}

/// The even (low) and odd (high) bf16 of each 32-bit lane as f32: a bf16 is the upper half of an f32.
#[inline(always)]
fn split_pairs<S: Simd>(simd: S, pairs: S::u32s) -> [S::f32s; 2] {
    let even = simd.wrapping_dyn_shl_u32s(pairs, simd.splat_u32s(16));
    let odd = simd.and_u32s(pairs, simd.splat_u32s(0xffff_0000));
    [simd.transmute_f32s_u32s(even), simd.transmute_f32s_u32s(odd)]
}

#[inline(always)]
fn bf16_tail<S: Simd>(simd: S, rest: &[bf16]) -> [S::f32s; 2] {
    let mut pairs = [0u32; 16];
    for (i, v) in rest.iter().enumerate() {
        pairs[i / 2] |= u32::from(v.to_bits()) << (16 * (i % 2));
    }
    split_pairs(simd, simd.partial_load_u32s(&pairs[..S::F32_LANES]))
}

/// A chunk of bf16 rows as f32 rows of `stride`, in the order of [`Input::paired`].
#[inline(always)]
fn widen<S: Simd>(simd: S, w: &[bf16], k: usize, stride: usize) -> Vec<f32> {
    let rows = w.len() / k.max(1);
    let source = Bf16Rows { data: w, k };
    let full = k / (2 * S::F32_LANES);
    let mut wide = vec![0.0f32; rows * stride];
    for (row, to) in wide.chunks_exact_mut(stride).enumerate() {
        let (body, tail) = to.split_at_mut(full * 2 * S::F32_LANES);
        for (step, block) in body.chunks_exact_mut(2 * S::F32_LANES).enumerate() {
            // SAFETY: `step` is below k / (2 * lanes) and `row` below `rows`.
            let [even, odd] = unsafe { source.load(simd, row, step) };
            simd.partial_store_f32s(&mut block[..S::F32_LANES], even);
            simd.partial_store_f32s(&mut block[S::F32_LANES..], odd);
        }
        if !tail.is_empty() {
            let [even, odd] = source.tail(simd, row);
            simd.partial_store_f32s(&mut tail[..S::F32_LANES], even);
            simd.partial_store_f32s(&mut tail[S::F32_LANES..], odd);
        }
    }
    wide
}

#[inline(always)]
fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// As [`prefetch`], into the second-level cache only: the first is full of what is being computed.
#[inline(always)]
fn prefetch_far<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[inline(always)]
fn run<S: Simd, W: Rows>(simd: S, w: &W, rows: usize, task: &Task<'_, '_>) {
    if task.input.rows == 1 {
        // Memory-bound: one stream in address order is what hardware prefetch follows best (30 GB/s of 31 measured,
        // against 19 with four rows side by side).
        blocks::<S, W, 1, 1>(simd, w, rows, task);
    } else if S::REGISTER_COUNT >= 32 && W::STREAMS == 2 {
        // Fewer passes over the chunk; bf16 pairs also need registers to be taken apart in.
        blocks::<S, W, 2, 8>(simd, w, rows, task);
    } else if S::REGISTER_COUNT >= 32 {
        blocks::<S, W, 3, 8>(simd, w, rows, task);
    } else {
        blocks::<S, W, 2, 4>(simd, w, rows, task);
    }
}

/// Walks input blocks, weight row groups of `R`, and input groups of up to `C`.
#[inline(always)]
fn blocks<S: Simd, W: Rows, const R: usize, const C: usize>(
    simd: S,
    w: &W,
    rows: usize,
    task: &Task<'_, '_>,
) {
    let input = task.input;
    let block = (INPUT_BYTES / (4 * input.stride.max(1))).max(C) / C * C;
    for start in (0..input.rows).step_by(block) {
        let stop = (start + block).min(input.rows);
        // The first pass over a chunk waits for memory; the second computes from the cache, and has memory bring the
        // chunk that most likely comes next on this thread.
        let fetch = match start / block {
            0 if R > 1 => Fetch::NextRows,
            1 => Fetch::NextChunk,
            _ => Fetch::Nothing,
        };
        let mut row = 0;
        while row + R <= rows {
            columns::<S, W, R, C>(simd, w, row, start, stop, fetch, task);
            row += R;
        }
        while row < rows {
            columns::<S, W, 1, C>(simd, w, row, start, stop, fetch, task);
            row += 1;
        }
    }
}

#[inline(always)]
fn columns<S: Simd, W: Rows, const R: usize, const C: usize>(
    simd: S,
    w: &W,
    row: usize,
    start: usize,
    stop: usize,
    fetch: Fetch,
    task: &Task<'_, '_>,
) {
    let mut i = start;
    while i < stop {
        let fetch = if i == start { fetch } else { Fetch::Nothing };
        let left = (stop - i).min(C);
        // SAFETY: rows row..row+R and inputs i..i+left exist.
        unsafe {
            match left {
                1 => tile::<S, W, R, 1>(simd, w, row, i, fetch, task),
                2 => tile::<S, W, R, 2>(simd, w, row, i, fetch, task),
                3 => tile::<S, W, R, 3>(simd, w, row, i, fetch, task),
                4 => tile::<S, W, R, 4>(simd, w, row, i, fetch, task),
                5 => tile::<S, W, R, 5>(simd, w, row, i, fetch, task),
                6 => tile::<S, W, R, 6>(simd, w, row, i, fetch, task),
                7 => tile::<S, W, R, 7>(simd, w, row, i, fetch, task),
                _ => tile::<S, W, R, 8>(simd, w, row, i, fetch, task),
            }
        }
        i += left;
    }
}

/// Adds one step of `R` weight rows times `C` inputs (from input `i`, element `at`). A function and not a closure: only
/// an inlined body is compiled with the caller's vector instructions, and closures cannot be forced inline.
#[inline(always)]
fn accumulate<S: Simd, W: Rows, const R: usize, const C: usize>(
    simd: S,
    acc: &mut [[S::f32s; C]; R],
    weights: &[[S::f32s; 2]; R],
    x: *const f32,
    stride: usize,
    i: usize,
    at: usize,
) {
    for stream in 0..W::STREAMS {
        for c in 0..C {
            let offset = (i + c) * stride + at + stream * S::F32_LANES;
            // SAFETY: inputs i..i + C exist and are padded to whole steps.
            let xv = unsafe { x.add(offset).cast::<S::f32s>().read_unaligned() };
            for r in 0..R {
                acc[r][c] = simd.mul_add_f32s(weights[r][stream], xv, acc[r][c]);
            }
        }
    }
}

/// `R` weight rows by `C` inputs, accumulated in registers over all of `k`.
///
/// # Safety
/// Rows `row..row + R` and inputs `i..i + C` exist.
#[inline(always)]
unsafe fn tile<S: Simd, W: Rows, const R: usize, const C: usize>(
    simd: S,
    w: &W,
    row: usize,
    i: usize,
    fetch: Fetch,
    task: &Task<'_, '_>,
) {
    let stride = task.input.stride;
    let x = task.input.data.as_ptr();
    let step_len = W::STREAMS * S::F32_LANES;
    let steps = w.k() / step_len;
    let mut acc = [[simd.splat_f32s(0.0); C]; R];
    for step in 0..steps {
        let mut weights = [[simd.splat_f32s(0.0); 2]; R];
        for r in 0..R {
            // In address order, although rows are read side by side.
            match fetch {
                Fetch::NextRows => w.prefetch(row + R, (step * R + r) * step_len),
                Fetch::NextChunk => w.prefetch_next(row, (step * R + r) * step_len),
                Fetch::Nothing => {}
            }
            // SAFETY: `step` is a full step of an existing row.
            weights[r] = unsafe { w.load(simd, row + r, step) };
        }
        accumulate::<S, W, R, C>(simd, &mut acc, &weights, x, stride, i, step * step_len);
    }
    if steps * step_len < w.k() {
        let mut weights = [[simd.splat_f32s(0.0); 2]; R];
        for r in 0..R {
            weights[r] = w.tail(simd, row + r);
        }
        accumulate::<S, W, R, C>(simd, &mut acc, &weights, x, stride, i, steps * step_len);
    }
    let out_features = task.part.out_features;
    let column = task.first + row;
    for c in 0..C {
        for r in 0..R {
            // SAFETY: this task alone owns these columns of `out`.
            unsafe {
                *task.out.get().add((i + c) * out_features + column + r) = simd.reduce_sum_f32s(acc[r][c]);
            }
        }
    }
}

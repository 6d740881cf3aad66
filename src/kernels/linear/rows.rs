//! Weight rows as the linear layer's tiles read them: one type for each way weights lie in memory.

use half::bf16;
use pulp::Simd;

#[cfg(target_arch = "x86_64")]
use crate::kernels::quantised::registers::{Blocks, Registers, convert};

/// Weight rows as a tile reads them.
pub(super) trait Rows {
    /// Vectors a step yields (1 for f32, an even and an odd one for bf16).
    const STREAMS: usize;
    /// Asks the cache for the vector at `row * k + offset` elements, which may lie past the end.
    fn prefetch(&self, row: usize, offset: usize);
    /// Asks the cache for the same place of the next chunk.
    fn prefetch_next(&self, row: usize, offset: usize);
    /// Called before the vectors of rows `row .. row + count` are loaded.
    ///
    /// # Safety
    /// They are rows of the matrix, and no more than can be ready at once.
    #[inline(always)]
    unsafe fn ready(&self, _row: usize, _count: usize) {}
    /// The vectors of `(row, step)`; unused ones are zero.
    ///
    /// # Safety
    /// `row` is a row of the matrix that is ready, and `step` below `k / (STREAMS * lanes)`.
    unsafe fn load<S: Simd>(&self, simd: S, row: usize, step: usize) -> [S::f32s; 2];
    /// The zero-padded remainder of `row` behind the last full step.
    fn tail<S: Simd>(&self, simd: S, row: usize) -> [S::f32s; 2];
    /// Elements a row.
    fn k(&self) -> usize;
}

/// Rows of f32.
pub(super) struct F32Rows<'a> {
    pub data: &'a [f32],
    pub k: usize,
    /// Where the next chunk lies in memory, as bytes, and bytes an element takes there; `None`: do not look ahead.
    pub next: Option<(*const u8, usize)>,
}

impl Rows for F32Rows<'_> {
    const STREAMS: usize = 1;
    #[inline(always)]
    fn prefetch(&self, row: usize, offset: usize) {
        prefetch(self.data.as_ptr().wrapping_add(row * self.k + offset));
    }
    #[inline(always)]
    fn prefetch_next(&self, row: usize, offset: usize) {
        if let Some((next, bytes)) = self.next {
            prefetch_far(next.wrapping_add((row * self.k + offset) * bytes));
        }
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

/// Rows of bf16, two elements to a 32-bit lane.
pub(super) struct Bf16Rows<'a> {
    pub data: &'a [bf16],
    pub k: usize,
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
pub(super) fn widen<S: Simd>(simd: S, w: &[bf16], k: usize, stride: usize) -> Vec<f32> {
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

/// How far ahead of its use memory is asked for quantised blocks, in bytes: a page. The hardware looks ahead by itself, but no
/// further than the end of a page, so that without this a core waits at each one.
#[cfg(target_arch = "x86_64")]
pub(super) const AHEAD: usize = 4096;

#[inline(always)]
pub(super) fn prefetch<T>(at: *const T) {
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

/// Rows of quantised blocks, decoded in registers.
#[cfg(target_arch = "x86_64")]
pub(super) struct BlockRows<'a, R, F> {
    data: &'a [u8],
    k: usize,
    /// Converted halves of [`BlockRows::READY`] rows: two a block.
    halves: *mut f32,
    format: std::marker::PhantomData<(R, F, &'a mut [f32])>,
}

#[cfg(target_arch = "x86_64")]
impl<'a, R: Registers, F: Blocks<R>> BlockRows<'a, R, F> {
    /// Rows that can be ready at once.
    pub(super) const READY: usize = 4;

    /// Floats that [`BlockRows::new`] needs beside rows of `k` values.
    pub(super) fn halves(k: usize) -> usize {
        Self::READY * 2 * (k / F::VALUES)
    }

    /// Rows of `k` values in `data`; `halves` is working space. The token says that the machine has the
    /// registers.
    ///
    /// # Safety
    /// `data` holds whole rows, and these whole blocks. The rows used between two calls of [`Rows::ready`]
    /// are those made ready, and differ modulo [`BlockRows::READY`].
    #[inline(always)]
    pub(super) unsafe fn new(_: R::Simd, data: &'a [u8], k: usize, halves: &'a mut [f32]) -> Self {
        assert!(halves.len() >= Self::halves(k), "too little working space");
        Self { data, k, halves: halves.as_mut_ptr(), format: std::marker::PhantomData }
    }

    #[inline(always)]
    fn halves_of(&self, row: usize) -> *mut f32 {
        self.halves.wrapping_add(row % Self::READY * 2 * (self.k / F::VALUES))
    }

    #[inline(always)]
    fn row_bytes(&self) -> usize {
        self.k / F::VALUES * F::BYTES
    }

    /// Whether `data` holds rows `.. end`.
    #[inline(always)]
    pub(super) fn hold(&self, end: usize) -> bool {
        end.saturating_mul(self.row_bytes()) <= self.data.len()
    }
}

#[cfg(target_arch = "x86_64")]
impl<R: Registers, F: Blocks<R>> Rows for BlockRows<'_, R, F> {
    const STREAMS: usize = 2;
    #[inline(always)]
    fn prefetch(&self, row: usize, offset: usize) {
        prefetch(self.data.as_ptr().wrapping_add(row * self.row_bytes() + offset / F::VALUES * F::BYTES));
    }
    #[inline(always)]
    fn prefetch_next(&self, _: usize, _: usize) {
        // The only input rows: there is no second pass in which to look ahead.
    }
    #[inline(always)]
    unsafe fn ready(&self, row: usize, count: usize) {
        for row in row..row + count {
            let halves = self.halves_of(row);
            for line in (0..self.row_bytes()).step_by(64) {
                prefetch(self.data.as_ptr().wrapping_add(row * self.row_bytes() + line + AHEAD));
            }
            for block in 0..self.k / F::VALUES {
                // SAFETY: the row exists, and `halves` has room for two floats of each of its blocks.
                unsafe {
                    let at = self.data.as_ptr().add(row * self.row_bytes() + block * F::BYTES);
                    convert::<R, F>(at, halves.add(2 * block));
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(&self, _: S, row: usize, step: usize) -> [S::f32s; 2] {
        const {
            assert!(R::STEP == 2 * S::F32_LANES, "registers of another width");
            assert!(size_of::<R::Vector>() == size_of::<S::f32s>(), "registers of another size");
            assert!(F::VALUES.is_multiple_of(R::STEP), "blocks that end within a step");
        }
        let steps = F::VALUES / R::STEP;
        // SAFETY: the instructions are there, as `new`'s token says, and the row and the step exist by the
        // caller's contract. Both kinds of vectors are as large, and all their bits mean something.
        unsafe {
            let block = self.data.as_ptr().add(row * self.row_bytes() + step / steps * F::BYTES);
            let halves = self.halves_of(row).add(2 * (step / steps));
            std::mem::transmute_copy(&F::load(block, halves, step % steps))
        }
    }
    #[inline(always)]
    fn tail<S: Simd>(&self, simd: S, _: usize) -> [S::f32s; 2] {
        // Rows are whole blocks, so nothing is left over.
        [simd.splat_f32s(0.0); 2]
    }
    #[inline(always)]
    fn k(&self) -> usize {
        self.k
    }
}

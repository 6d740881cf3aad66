//! Splitting kernel work over the threads of the global pool (`--threads`).

use rayon::prelude::*;

/// Multiply-adds below which waking a second thread costs more than it saves (a wake is 5 to 20 us).
const SERIAL_BELOW: usize = 1 << 16;

/// Runs `work` on a thread of the pool. What splits work many times belongs there: each split from outside the pool would
/// put the caller to sleep and wake it again. From a thread of the pool it is a plain call.
pub fn on_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Runs `body(i)` for each `i` below `tasks`, on all threads when `work` (multiply-adds or elements in all)
/// is worth it. Tasks are handed out one at a time, so uneven ones balance.
pub fn for_each(tasks: usize, work: usize, body: impl Fn(usize) + Sync + Send) {
    if tasks <= 1 || work < SERIAL_BELOW || rayon::current_num_threads() == 1 {
        (0..tasks).for_each(body);
    } else {
        (0..tasks).into_par_iter().with_max_len(1).for_each(body);
    }
}

/// Applies `body(row_index, row)` to each `width`-long row of `data`, in parallel chunks of rows.
pub fn for_each_row<T: Send>(data: &mut [T], width: usize, body: impl Fn(usize, &mut [T]) + Sync + Send) {
    if width == 0 {
        return;
    }
    let rows = data.len() / width;
    let chunk = rows.div_ceil(rayon::current_num_threads() * 4).max(1);
    let run = |(c, block): (usize, &mut [T])| {
        for (i, row) in block.chunks_exact_mut(width).enumerate() {
            body(c * chunk + i, row);
        }
    };
    if data.len() < SERIAL_BELOW || rayon::current_num_threads() == 1 {
        data.chunks_mut(chunk * width).enumerate().for_each(run);
    } else {
        data.par_chunks_mut(chunk * width).enumerate().for_each(run);
    }
}

/// A copy of `data`, by all threads where it is long.
pub fn copy(data: &[f32]) -> Vec<f32> {
    let mut to = Vec::with_capacity(data.len());
    let chunk = data.len().div_ceil(rayon::current_num_threads()).max(SERIAL_BELOW);
    let parts = to.spare_capacity_mut()[..data.len()].par_chunks_mut(chunk);
    parts.zip(data.par_chunks(chunk)).for_each(|(to, from)| {
        to.write_copy_of_slice(from);
    });
    // SAFETY: the chunks are as many and as long on both sides, so each of its first `data.len()` elements was written.
    unsafe { to.set_len(data.len()) };
    to
}

/// A pointer into a buffer whose disjoint parts are written by several threads.
///
/// # Safety
/// Whoever dereferences it makes sure that no two threads touch the same element and that the buffer
/// outlives the parallel section.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut<T>(*mut T);

// SAFETY: see the type's contract; the pointer itself carries no ownership.
unsafe impl<T: Send> Send for SharedMut<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedMut<T> {}

impl<T> SharedMut<T> {
    pub(crate) fn new(data: &mut [T]) -> Self {
        Self(data.as_mut_ptr())
    }

    pub(crate) fn get(self) -> *mut T {
        self.0
    }
}

//! A few queries against a long cache on the CPU, where there are fewer tasks than threads: the keys are split among threads.
//!
//! 1. Scores: each thread takes tiles of keys.
//! 2. Softmax: a row at a time, tile after tile, one exponential a key.
//! 3. Values: each thread takes some of the head's vectors, of all keys in order.
//!
//! Every sum has the order that [`tiles`](super::tiles) gives it, so whether keys are split, and among how many threads, changes no bit: no
//! parts of sums are ever joined. The price is a row of scores in memory, 4 bytes a key and query head.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::AttentionSpan;
use super::tiles::{MAX_ROWS, Running, TILE_KEYS, Task, by_rows};
use crate::kernels::parallel::{self, SharedMut};
use crate::kernels::simd;

/// Keys from which on splitting saves more than handing out work three times costs.
const LONG: usize = 1024;
/// Queries of a sequence at most: more are tasks enough, and each of them needs its row of scores.
const FEW: usize = 4;
/// Tiles of keys that a thread takes at once.
const RUN: usize = 4;
/// Vectors of a head that a thread takes at once, at most.
const MOST_VECTORS: usize = 4;

/// Whether the keys of `spans`, which are `tasks` tasks, are better split.
pub(super) fn splits(spans: &[AttentionSpan], tasks: usize) -> bool {
    tasks < rayon::current_num_threads()
        && spans.iter().any(|span| span.keys >= LONG)
        && spans.iter().all(|span| span.queries.len() <= FEW)
}

/// The rows of a task between the steps.
struct Held {
    /// Scores, then weights, `[rows, tiles, 64]`.
    scores: Vec<f32>,
    /// What is multiplied by before a tile is added, `[rows, tiles]`.
    rescales: Vec<f32>,
    /// The sum of the weights, `[rows]`.
    totals: Vec<f32>,
}

/// [`Held`] as threads write it.
#[derive(Clone, Copy)]
struct Shared {
    scores: SharedMut<f32>,
    rescales: SharedMut<f32>,
    totals: SharedMut<f32>,
    tiles: usize,
}

impl Shared {
    /// Scores of `row` in `tile`.
    ///
    /// # Safety
    /// Both are the task's, and no other thread has the same.
    #[allow(clippy::mut_from_ref)]
    unsafe fn tile(&self, row: usize, tile: usize) -> &mut [f32; TILE_KEYS] {
        // SAFETY: the caller's; a tile is as many floats.
        unsafe { &mut *self.scores.get().add((row * self.tiles + tile) * TILE_KEYS).cast() }
    }
}

/// Writes the output of `tasks`.
pub(super) fn attend(tasks: &[Task<'_>]) {
    let mut held: Vec<Held> = tasks
        .iter()
        .map(|task| {
            let (rows, tiles) = (task.end - task.first, tiles(task));
            Held {
                scores: vec![0.0; rows * tiles * TILE_KEYS],
                rescales: vec![1.0; rows * tiles],
                totals: vec![0.0; rows],
            }
        })
        .collect();
    let held: Vec<Shared> = held
        .iter_mut()
        .zip(tasks)
        .map(|(held, task)| Shared {
            scores: SharedMut::new(&mut held.scores),
            rescales: SharedMut::new(&mut held.rescales),
            totals: SharedMut::new(&mut held.totals),
            tiles: tiles(task),
        })
        .collect();
    let size = |task: &Task<'_>| (task.end - task.first) * task.span.keys;
    let exponentials: usize = tasks.iter().map(size).sum();
    let products: usize = tasks.iter().map(|task| size(task) * task.shape.head_dim).sum();

    let units = units(tasks, |task| (0..tiles(task)).step_by(RUN));
    parallel::for_each(units.len(), products, |unit| {
        let (index, first) = units[unit];
        let task = &tasks[index];
        simd::dispatch(Scores { task, held: held[index], tiles: first..tiles(task).min(first + RUN) });
    });

    let units = self::units(tasks, |task| 0..task.end - task.first);
    parallel::for_each(units.len(), 16 * exponentials, |unit| {
        let (index, row) = units[unit];
        simd::dispatch(Softmax { task: &tasks[index], held: held[index], row });
    });

    let vectors = |task: &Task<'_>| task.shape.head_dim.div_ceil(simd::lanes());
    let pieces = rayon::current_num_threads().div_ceil(tasks.len().max(1));
    let some = |task: &Task<'_>| vectors(task).div_ceil(pieces).clamp(1, MOST_VECTORS);
    let units = self::units(tasks, |task| (0..vectors(task)).step_by(some(task)));
    parallel::for_each(units.len(), products, |unit| {
        let (index, first) = units[unit];
        let task = &tasks[index];
        let vectors = first..vectors(task).min(first + some(task));
        simd::dispatch(Values { task, held: held[index], vectors });
    });
}

/// Tiles of keys that the last query of a task sees.
fn tiles(task: &Task<'_>) -> usize {
    task.span.keys.div_ceil(TILE_KEYS)
}

/// Every task's index with each of its parts.
fn units<'t, I: Iterator<Item = usize>>(
    tasks: &'t [Task<'t>],
    parts: impl Fn(&'t Task<'t>) -> I,
) -> Vec<(usize, usize)> {
    let of = |(index, task): (usize, &'t Task<'t>)| parts(task).map(move |part| (index, part));
    tasks.iter().enumerate().flat_map(of).collect()
}

/// Scores of all rows with some tiles of keys.
struct Scores<'a, 't> {
    task: &'a Task<'t>,
    held: Shared,
    tiles: Range<usize>,
}

impl WithSimd for Scores<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut row = self.task.first;
        while row < self.task.end {
            let rows = (self.task.end - row).min(MAX_ROWS);
            by_rows!(S, rows, R, V => self.rows::<S, R, V>(simd, row));
            row += rows;
        }
    }
}

impl Scores<'_, '_> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const V: usize>(&self, simd: S, first: usize) {
        let (at, visible) = self.task.group::<R>(first);
        let keys = visible[R - 1];
        let mut scores = [[0.0f32; TILE_KEYS]; R];
        for tile in self.tiles.clone().take_while(|tile| tile * TILE_KEYS < keys) {
            self.task.scores::<S, R, V>(simd, tile * TILE_KEYS, keys, &at, &mut scores);
            for r in 0..R {
                // SAFETY: rows and tiles are the task's, and these tiles are this thread's.
                *unsafe { self.held.tile(first - self.task.first + r, tile) } = scores[r];
            }
        }
    }
}

/// A row's weights from its scores.
struct Softmax<'a, 't> {
    task: &'a Task<'t>,
    held: Shared,
    row: usize,
}

impl WithSimd for Softmax<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { task, held, row } = self;
        let (_, visible) = task.row(task.first + row);
        let order = task.order;
        let mut running = Running::START;
        for tile in 0..held.tiles {
            let seen = visible.saturating_sub(tile * TILE_KEYS).min(TILE_KEYS);
            // SAFETY: row and tiles are the task's, and this row is this thread's.
            unsafe {
                let rescale = running.join(held.tile(row, tile), seen, order);
                *held.rescales.get().add(row * held.tiles + tile) = rescale;
            }
        }
        // SAFETY: as above.
        unsafe { *held.totals.get().add(row) = running.total };
    }
}

/// The output of all rows in some of the head's vectors.
struct Values<'a, 't> {
    task: &'a Task<'t>,
    held: Shared,
    vectors: Range<usize>,
}

impl WithSimd for Values<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.task.shape.head_dim.next_multiple_of(S::F32_LANES);
        let mut sums = vec![0.0f32; MAX_ROWS * width];
        let mut row = self.task.first;
        while row < self.task.end {
            let rows = (self.task.end - row).min(MAX_ROWS);
            by_rows!(S, rows, R, V => self.rows::<S, R, V>(simd, row, &mut sums, width));
            row += rows;
        }
    }
}

impl Values<'_, '_> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        first: usize,
        sums: &mut [f32],
        width: usize,
    ) {
        let Self { task, held, vectors } = self;
        let (at, visible) = task.group::<R>(first);
        let keys = visible[R - 1];
        let row = first - task.first;
        sums[..R * width].fill(0.0);
        let (mut weights, mut rescale) = ([[0.0f32; TILE_KEYS]; R], [1.0f32; R]);
        for tile in 0..keys.div_ceil(TILE_KEYS) {
            for r in 0..R {
                // SAFETY: rows and tiles are the task's, and nobody writes to them any more.
                unsafe {
                    weights[r] = *held.scores.get().add(((row + r) * held.tiles + tile) * TILE_KEYS).cast();
                    rescale[r] = *held.rescales.get().add((row + r) * held.tiles + tile);
                }
            }
            let base = tile * TILE_KEYS;
            task.accumulate::<S, R, V>(simd, base, keys, &weights, &rescale, sums, width, vectors.clone());
        }
        let columns = vectors.start * S::F32_LANES..(vectors.end * S::F32_LANES).min(task.shape.head_dim);
        for r in 0..R {
            // SAFETY: as above.
            let share = 1.0 / unsafe { *held.totals.get().add(row + r) };
            for d in columns.clone() {
                // SAFETY: this thread alone owns these columns of the task's rows of `out`.
                unsafe { *task.out.get().add(at[r] + d) = sums[r * width + d] * share };
            }
        }
    }
}

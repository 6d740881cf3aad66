//! `a b` on the CPU with a `b` in half precision, which is widened some of its columns at a time: an f32 copy of a whole output head may take
//! more memory than all else that its loss needs.
//!
//! Results have the bits of the product with a whole copy: the order in which gemm adds up depends on the number of columns only below
//! [`LEAST`] of them, and on none of their places as long as parts begin at whole vectors.

use std::ops::Range;

use gemm::Parallelism;

use super::strided::{Strided, To, multiply};
use crate::kernels::parallel;

/// Floats of a copy, where parts need not be wider for other reasons: 32 MiB.
const ROOM: usize = 8 << 20;
/// Columns that stay together: whole vectors of any machine.
const GRAIN: usize = 16;
/// Grains of a part at least, all but the last of which are whole: more than the 64 columns up to which gemm cuts sums differently.
const LEAST: usize = 5;

/// Bytes of the copy of the widest part of `b` `[k, n]`.
pub fn part_bytes(k: usize, n: usize) -> u64 {
    if k == 0 || n == 0 {
        return 0;
    }
    let widest = parts(k, n, ROOM).iter().map(Range::len).max().unwrap_or(0);
    (k as u64).saturating_mul((widest * size_of::<f32>()) as u64)
}

/// `a b` `[m, n]`, row after row: `a` `[m, k]`, `b` `[k, n]` row after row.
///
/// # Panics
/// If their sizes do not agree.
pub fn product<H: Copy + Into<f32> + Sync>(a: Strided<'_>, b: &[H], n: usize) -> Vec<f32> {
    in_parts(a, b, n, ROOM)
}

/// [`product`] with copies of `room` floats.
fn in_parts<H: Copy + Into<f32> + Sync>(a: Strided<'_>, b: &[H], n: usize, room: usize) -> Vec<f32> {
    let [m, k] = a.dims;
    assert_eq!(b.len(), k * n, "not [{k}, {n}]");
    if m == 0 || n == 0 || k == 0 {
        return vec![0.0; m * n];
    }
    let parts = parts(k, n, room);
    let widest = parts.iter().map(Range::len).max().unwrap_or(0);
    let mut copy = vec![0.0f32; k * widest];
    let mut out: Vec<f32> = Vec::with_capacity(m * n);
    for part in parts {
        let width = part.len();
        let copy = &mut copy[..k * width];
        parallel::for_each_row(copy, width, |row, to| {
            let from = &b[row * n + part.start..row * n + part.end];
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from.into());
        });
        // SAFETY: all elements of `a` and of the copy lie within their slices. `out` has room for `m n`, of which this writes those of
        // these columns and, since nothing is added to them, reads none.
        unsafe {
            let to = To { data: out.as_mut_ptr().add(part.start), row_stride: n, add: false };
            multiply([m, k, width], to, (a.data, a.strides), (copy, [width, 1]), Parallelism::Rayon(0));
        }
    }
    // SAFETY: the parts are all columns, so every element was written.
    unsafe { out.set_len(m * n) };
    out
}

/// The columns `0..n` of `k` rows in parts of about `room` floats.
fn parts(k: usize, n: usize, room: usize) -> Vec<Range<usize>> {
    let grains = n.div_ceil(GRAIN);
    let most = (room / (GRAIN * k)).max(LEAST);
    let count = grains.div_ceil(most).min(grains / LEAST).max(1);
    let at = |part: usize| n.min(GRAIN * (grains * part / count));
    (0..count).map(|part| at(part)..at(part + 1)).collect()
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use proptest::prelude::*;

    use super::super::strided;
    use super::*;

    #[test]
    fn parts_are_wide_enough_and_all_columns() {
        let long = parts(151_936, 896, ROOM);
        assert_eq!((long.len(), long.iter().map(Range::len).max()), (11, Some(96)));
        assert_eq!(part_bytes(151_936, 896), 151_936 * 96 * 4);
        assert_eq!(parts(151_936, 64, ROOM), [0..64]);
        assert_eq!((part_bytes(151_936, 64), part_bytes(0, 64), part_bytes(7, 0)), (151_936 * 64 * 4, 0, 0));
        // One part up to twice the least but one grain.
        assert_eq!(part_bytes(200_000, 144), 200_000 * 144 * 4);
        assert_eq!(parts(10, 2000, ROOM), [0..2000]);
        for n in 1..700 {
            let parts = parts(1000, n, 0);
            assert_eq!((parts[0].start, parts.last().map(|it| it.end)), (0, Some(n)), "{parts:?}");
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:?}");
            let enough = |part: &Range<usize>| part.len() > 64 && part.start.is_multiple_of(GRAIN);
            assert!(parts.len() == 1 || parts.iter().all(enough), "{parts:?}");
        }
    }

    fn values(count: usize, seed: u32) -> Vec<f32> {
        let value =
            |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        (0..count as u32).map(value).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        /// Depths reach over several of gemm's blocks, and rows and columns on both sides of what it treats apart.
        #[test]
        fn parts_have_the_bits_of_a_whole_copy(
            m in prop_oneof![1usize..=3, 4usize..=90],
            k in prop_oneof![1usize..=40, 500usize..=1600],
            n in 1usize..=330,
            seed in any::<u32>(),
        ) {
            let a = values(m * k, seed);
            let a = Strided::new(&a, [m, k], [k, 1]);
            let b: Vec<bf16> = values(k * n, !seed).into_iter().map(bf16::from_f32).collect();
            let wide: Vec<f32> = b.iter().map(|x| x.to_f32()).collect();
            let whole = strided::product(a, Strided::new(&wide, [k, n], [n, 1]));
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&in_parts(a, &b, n, 0)), bits(&whole));
            prop_assert_eq!(bits(&product(a, &b, n)), bits(&whole));
        }
    }

    #[test]
    fn other_halves_are_widened_too() {
        let a = [2.0f32, 3.0];
        let b = [1.5f32, -2.0, 0.25, 4.0].map(f16::from_f32);
        assert_eq!(product(Strided::new(&a, [1, 2], [2, 1]), &b, 2), [3.75, 8.0]);
    }
}

//! Entropy of the distributions that rows of logits stand for.
//!
//! `H = -sum_v p_v log p_v = sum_v g_v exp(-g_v)` with the gaps `g_v = -log p_v`. No large sums are subtracted, as
//! `log sum exp x - sum_v p_v x_v` would, so nothing cancels where logits are of hundreds. Over the columns of a part, with the
//! log-sum-exp of all columns, it is the part's share of the entropy.

use burn::tensor::{Tensor, backend::Backend};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::LogSum;
use crate::kernels::simd;

/// In plain tensor operations: `logits` `[n, columns]` in f32, `log_sums` `[n]`, result `[n]`.
pub fn reference<B: Backend>(logits: &Tensor<B, 2>, log_sums: &[LogSum]) -> Tensor<B, 1> {
    let [peaks, rests] = LogSum::columns(log_sums, &logits.device());
    // A token without a chance has an infinite gap, which would make 0 times infinity.
    let gaps = (peaks - logits.clone() + rests).clamp_max(f32::MAX);
    (gaps.clone().neg().exp() * gaps).sum_dim(1).squeeze_dim(1)
}

struct Row<'a> {
    row: &'a [f32],
    log_sum: LogSum,
}

impl WithSimd for Row<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let share = |x: f32| {
            let gap = (-self.log_sum.log_prob(x)).min(f32::MAX);
            gap * simd::exp(-gap)
        };
        simd::sum(self.row, share) as f32
    }
}

/// As [`reference()`], on the CPU.
pub fn cpu(logits: &[f32], log_sums: &[LogSum]) -> Vec<f32> {
    let width = logits.len() / log_sums.len().max(1);
    let rows = logits.par_chunks(width.max(1)).zip(log_sums);
    rows.map(|(row, &log_sum)| simd::dispatch(Row { row, log_sum })).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use burn_flex::{Flex, FlexDevice};
    use proptest::prelude::*;

    use super::*;

    fn exact(row: &[f32]) -> f64 {
        let peak = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum = row.iter().map(|&x| f64::from(x - peak).exp()).sum::<f64>();
        let log_p = |x: f32| f64::from(x) - f64::from(peak) - sum.ln();
        -row.iter().filter(|x| x.is_finite()).map(|&x| log_p(x).exp() * log_p(x)).sum::<f64>()
    }

    fn plain(row: &Tensor<Flex, 2>, sum: LogSum) -> f32 {
        reference(row, &[sum]).into_scalar()
    }

    #[test]
    fn even_odds_and_certainty() {
        for n in [1usize, 2, 17, 5000] {
            let row = vec![3.5f32; n];
            let found = cpu(&row, &[LogSum::of(&row)])[0];
            assert!((f64::from(found) - (n as f64).ln()).abs() <= 1e-5, "{n}: {found}");
        }
        let row = [f32::NEG_INFINITY, 7.0, f32::NEG_INFINITY];
        assert_eq!(cpu(&row, &[LogSum::of(&row)]), [0.0]);
        let row = Tensor::<Flex, 2>::from_data([row], &FlexDevice);
        assert_eq!(plain(&row, LogSum { peak: 7.0, rest: 0.0 }), 0.0);
    }

    proptest! {
        #[test]
        fn agrees_with_f64_whole_and_in_parts(
            row in prop::collection::vec(-1.0f32..1.0, 1..2500),
            size in prop_oneof![Just(1.0f32), Just(10.0), Just(300.0)],
            cut in 0.0f64..1.0,
        ) {
            let row: Vec<f32> = row.iter().map(|x| x * size).collect();
            let (want, sum) = (exact(&row), LogSum::of(&row));
            let near = |found: f32| (f64::from(found) - want).abs() <= 2e-5;
            prop_assert!(near(cpu(&row, &[sum])[0]), "{} and {want}", cpu(&row, &[sum])[0]);
            let tensor = Tensor::<Flex, 2>::from_data(TensorData::new(row.clone(), [1, row.len()]), &FlexDevice);
            prop_assert!(near(plain(&tensor, sum)), "{} and {want}", plain(&tensor, sum));
            let (left, right) = row.split_at((cut * row.len() as f64) as usize);
            let parts = cpu(right, &[sum])[0] + if left.is_empty() { 0.0 } else { cpu(left, &[sum])[0] };
            prop_assert!(near(parts), "{parts} and {want}");
        }
    }
}

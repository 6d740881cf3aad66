//! The distribution that a token is drawn from, in f64: the filters of [`crate::kernels::sampling`], one after another.

use std::collections::HashSet;

use super::log_probs::log_sum_exp;
use crate::kernels::sampling::Filters;

/// `log q` of each token of a row of `logits`, minus infinity of those that are dropped. The penalty and the temperature are applied
/// in f32, as kernels do. A `top_p` below 1 is moved to the middle of the token that it ends with, and given: however sums are
/// rounded, the same tokens are kept.
///
/// # Panics
/// If the temperature is 0, which leaves no distribution, or there are no logits.
pub fn distribution(logits: &[f32], filters: &Filters, seen: &HashSet<u32>) -> (Vec<f64>, f32) {
    assert!(filters.temperature > 0.0 && !logits.is_empty());
    let mut scores: Vec<f64> = penalised(logits, filters.repetition_penalty, seen)
        .into_iter()
        .map(|score| f64::from(score / filters.temperature))
        .collect();
    // The likeliest first; of those that are as likely the first.
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    if (1..scores.len()).contains(&filters.top_k) {
        let least = scores[order[filters.top_k - 1]];
        drop_below(&mut scores, least);
    }
    let mut top_p = filters.top_p;
    if top_p < 1.0 {
        let sum = log_sum_exp(&scores);
        let mut mass = 0.0;
        let mut kept = order.len();
        for (place, &token) in order.iter().enumerate() {
            let own = (scores[token] - sum).exp();
            if mass + own >= f64::from(top_p) {
                top_p = (mass + own / 2.0) as f32;
                kept = place + 1;
                break;
            }
            mass += own;
        }
        order[kept..].iter().for_each(|&token| scores[token] = f64::NEG_INFINITY);
    }
    if filters.min_p > 0.0 {
        let least = scores[order[0]] + f64::from(filters.min_p).ln();
        drop_below(&mut scores, least);
    }
    let sum = log_sum_exp(&scores);
    (scores.into_iter().map(|score| score - sum).collect(), top_p)
}

fn drop_below(scores: &mut [f64], least: f64) {
    scores.iter_mut().filter(|score| **score < least).for_each(|score| *score = f64::NEG_INFINITY);
}

/// The scores of a row after the repetition penalty.
pub fn penalised(logits: &[f32], penalty: f32, seen: &HashSet<u32>) -> Vec<f32> {
    let mut scores = logits.to_vec();
    for &id in seen {
        let score = &mut scores[id as usize];
        *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Filters =
        Filters { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 };

    /// The probabilities that are left of 1, 2, 3 and 4 tenths.
    fn left(filters: Filters, seen: &[u32]) -> Vec<f64> {
        let logits = [0.1f32, 0.2, 0.3, 0.4].map(f32::ln);
        let (found, _) = distribution(&logits, &filters, &seen.iter().copied().collect());
        found.into_iter().map(f64::exp).collect()
    }

    fn close(found: &[f64], right: [f64; 4]) {
        let near = found.iter().zip(right).all(|(found, right)| (found - right).abs() <= 1e-6);
        assert!(found.len() == 4 && near, "{found:?}, {right:?}");
    }

    #[test]
    fn each_filter_keeps_what_it_should() {
        close(&left(PLAIN, &[]), [0.1, 0.2, 0.3, 0.4]);
        close(&left(Filters { temperature: 0.5, ..PLAIN }, &[]), [1.0, 4.0, 9.0, 16.0].map(|x| x / 30.0));
        close(&left(Filters { top_k: 2, ..PLAIN }, &[]), [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]);
        close(&left(Filters { top_k: 9, ..PLAIN }, &[]), [0.1, 0.2, 0.3, 0.4]);
        close(&left(Filters { top_p: 0.69, ..PLAIN }, &[]), [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]);
        close(&left(Filters { top_p: 0.71, ..PLAIN }, &[]), [0.0, 2.0, 3.0, 4.0].map(|x| x / 9.0));
        close(&left(Filters { min_p: 0.45, ..PLAIN }, &[]), [0.0, 2.0, 3.0, 4.0].map(|x| x / 9.0));
        // Logits below 0 are multiplied: the last of them becomes that of 0.16.
        let seen = left(Filters { repetition_penalty: 2.0, ..PLAIN }, &[3]);
        close(&seen, [10.0, 20.0, 30.0, 16.0].map(|x| x / 76.0));
    }

    #[test]
    fn top_p_is_moved_away_from_where_a_rounded_sum_would_decide() {
        let logits = [0.1f32, 0.2, 0.3, 0.4].map(f32::ln);
        let (_, top_p) = distribution(&logits, &Filters { top_p: 0.7, ..PLAIN }, &HashSet::new());
        // With 0.4 and 0.3 it is just reached, or just not.
        assert!((top_p - 0.55).abs() < 1e-6 || (top_p - 0.8).abs() < 1e-6, "{top_p}");
    }
}

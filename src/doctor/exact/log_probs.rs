//! Log-probs of given tokens under rows of logits, and their gradients, in f64.

use crate::doctor::inputs::wide;
use crate::kernels::softmax::LogSum;

/// Results; `gradient` is that of the logits.
#[derive(Debug)]
pub struct Results {
    /// `[n]`.
    pub log_probs: Vec<f64>,
    /// `-sum_v p_v log p_v`, `[n]`.
    pub entropies: Vec<f64>,
    /// Log-sum-exp of the rows, `[n]`.
    pub sums: Vec<f64>,
    /// The largest logit of each row, `[n]`.
    pub peaks: Vec<f64>,
    /// `[n, vocab]`.
    pub gradient: Vec<f64>,
    /// The Euclidean norm of the terms `c [v = t]` and `c p_v` whose difference the gradient is.
    pub terms: f64,
    /// The largest magnitude of a logit.
    pub peak: f64,
}

/// `log p = x_t - log sum_v exp x_v` of each row of `logits` `[n, vocab]`, and with the gradient `c` of it
/// `dx_v = c ([v = t] - exp(x_v - log sum exp x))`.
pub fn log_probs(logits: &[f32], targets: &[u32], slopes: &[f32]) -> Results {
    rows(wide(logits), targets, slopes)
}

/// As [`log_probs`], of logits that are made in f64.
pub(super) fn rows(mut logits: Vec<f64>, targets: &[u32], slopes: &[f32]) -> Results {
    let vocab = logits.len() / targets.len().max(1);
    let (mut log_probs, mut entropies, mut sums, mut peaks) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut terms, mut peak) = (0.0, 0.0f64);
    for (row, (&target, &slope)) in logits.chunks_exact_mut(vocab.max(1)).zip(targets.iter().zip(slopes)) {
        let (target, slope) = (target as usize, f64::from(slope));
        let sum = log_sum_exp(row);
        log_probs.push(row[target] - sum);
        entropies.push(row.iter().map(|x| (x - sum).exp() * (sum - x)).sum());
        sums.push(sum);
        peaks.push(largest(row));
        for x in row.iter_mut() {
            peak = peak.max(x.abs());
            let part = slope * (*x - sum).exp();
            terms += part * part;
            *x = -part;
        }
        terms += slope * slope;
        row[target] += slope;
    }
    Results { log_probs, entropies, sums, peaks, gradient: logits, terms: terms.sqrt(), peak }
}

impl Results {
    /// The log-sum-exps as kernels keep them.
    pub fn log_sums(&self) -> Vec<LogSum> {
        let pairs = self.peaks.iter().zip(&self.sums);
        pairs.map(|(peak, sum)| LogSum { peak: *peak as f32, rest: (sum - peak) as f32 }).collect()
    }
}

fn largest(row: &[f64]) -> f64 {
    row.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// `log sum exp x`.
pub(in crate::doctor) fn log_sum_exp(row: &[f64]) -> f64 {
    let most = largest(row);
    most + row.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

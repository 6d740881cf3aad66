//! A loss on log-probs under an output head and its gradients: the formulas of [`crate::kernels::head`] in f64.

use super::sums::{add, product};
use super::{log_probs, norm};
use crate::doctor::inputs::wide;

/// What is to be predicted from what.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// `[n, width]`.
    pub hidden: Vec<f32>,
    /// `[vocab, width]`.
    pub weight: Vec<f32>,
    /// `[vocab]`.
    pub bias: Option<Vec<f32>>,
    /// `[n]`, of which there is at least one.
    pub targets: Vec<u32>,
    /// The loss's derivatives by the log-probs, `[n]`.
    pub slopes: Vec<f32>,
    /// The `c` of a soft cap `c tanh(x / c)` on the logits, before they are divided.
    pub soft_cap: Option<f32>,
    /// What logits are divided by.
    pub temperature: f32,
}

impl Inputs {
    /// Rows, their width, and tokens of the vocabulary.
    pub fn dims(&self) -> (usize, usize, usize) {
        let n = self.targets.len();
        let width = self.hidden.len() / n;
        (n, width, self.weight.len() / width)
    }
}

/// Results, in the shapes of [`Inputs`].
#[derive(Debug)]
pub struct Results {
    /// Of the targets.
    pub log_probs: Vec<f64>,
    /// `-sum_v p_v log p_v` of the rows.
    pub entropies: Vec<f64>,
    /// Gradient of the hidden rows.
    pub hidden: Vec<f64>,
    /// Gradient of the weights.
    pub weight: Vec<f64>,
    /// Gradient of the bias, whether there is one or not.
    pub bias: Vec<f64>,
    /// Of each gradient, the Euclidean norm of the terms that it is the sum of.
    pub terms: Terms,
    /// The largest magnitude of a logit.
    pub peak: f64,
}

/// The sizes of what cancels in a gradient: a logit's gradient is the difference of `c [v = t]` and `c p_v`, each of which
/// is a term here.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Of the hidden rows' gradient.
    pub hidden: f64,
    /// Of the weights'.
    pub weight: f64,
    /// Of the bias's.
    pub bias: f64,
}

/// Log-probs, and the gradients of a loss whose derivatives by them are the slopes.
///
/// # Panics
/// If there are no targets, or the lengths do not agree.
pub fn head(inputs: &Inputs) -> Results {
    let (n, width, vocab) = inputs.dims();
    let temperature = f64::from(inputs.temperature);
    let bias = inputs.bias.as_ref().map_or_else(|| vec![0.0; vocab], |bias| wide(bias));
    let mut logits = product(&inputs.hidden, &inputs.weight, width);
    // The derivative of each logit by what comes out of the matrix.
    let mut bends = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact_mut(vocab) {
        for (x, b) in row.iter_mut().zip(&bias) {
            let (y, bend) = capped(*x + b, inputs.soft_cap.map(f64::from));
            bends.push(bend / temperature);
            *x = y / temperature;
        }
    }
    let log_probs::Results { log_probs, entropies, gradient, peak, .. } =
        log_probs::rows(logits, &inputs.targets, &inputs.slopes);
    let (hidden, weight) = (wide(&inputs.hidden), wide(&inputs.weight));
    let lengths: Vec<f64> = weight.chunks_exact(width).map(norm).collect();
    let mut it = Results {
        log_probs,
        entropies,
        hidden: vec![0.0; n * width],
        weight: vec![0.0; vocab * width],
        bias: vec![0.0; vocab],
        terms: Terms { hidden: 0.0, weight: 0.0, bias: 0.0 },
        peak,
    };
    for (i, row) in gradient.chunks_exact(vocab).enumerate() {
        let h = &hidden[i * width..][..width];
        let length = norm(h);
        for (v, (&x, w)) in row.iter().zip(weight.chunks_exact(width)).enumerate() {
            let bend = bends[i * vocab + v];
            let slope = x * bend;
            it.bias[v] += slope;
            add(&mut it.hidden[i * width..][..width], slope, w);
            add(&mut it.weight[v * width..][..width], slope, h);
            // `c ([v = t] - p)` is `-c p` for all but the target, whose two terms are `c` and `c p`.
            let square = if v == inputs.targets[i] as usize {
                let c = f64::from(inputs.slopes[i]) * bend;
                c * c + (c - slope) * (c - slope)
            } else {
                slope * slope
            };
            it.terms.hidden += square * lengths[v] * lengths[v];
            it.terms.weight += square * length * length;
            it.terms.bias += square;
        }
    }
    let Terms { hidden, weight, bias } = it.terms;
    it.terms = Terms { hidden: hidden.sqrt(), weight: weight.sqrt(), bias: bias.sqrt() };
    it
}

/// `y = c tanh(x / c)` and `dy/dx`; without a cap `y = x`.
fn capped(x: f64, cap: Option<f64>) -> (f64, f64) {
    match cap {
        Some(cap) => (cap * (x / cap).tanh(), (x / cap).cosh().powi(-2)),
        None => (x, 1.0),
    }
}

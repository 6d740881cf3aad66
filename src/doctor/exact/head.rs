//! A loss on log-probs under an output head and its gradients: the formulas of [`crate::kernels::head`] in f64.

use super::log_probs::{self, log_sum_exp};
use super::norm;
use super::sums::{add, dot, product};
use crate::doctor::inputs::{Noise, wide};

/// What is to be predicted from what.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// `[n, width]`.
    pub hidden: Vec<f32>,
    /// `[vocab, width]`.
    pub weight: Vec<f32>,
    /// `[vocab]`.
    pub bias: Option<Vec<f32>>,
    /// What is added to what the weight gives.
    pub adapter: Option<Adapter>,
    /// `[n]`, of which there is at least one.
    pub targets: Vec<u32>,
    /// The loss's derivatives by the log-probs, `[n]`.
    pub slopes: Vec<f32>,
    /// The `c` of a soft cap `c tanh(x / c)` on the logits, before they are divided.
    pub soft_cap: Option<f32>,
    /// What logits are divided by.
    pub temperature: f32,
    /// What the distributions are compared with.
    pub reference: Option<Reference>,
}

/// A low-rank adapter of a head: logits get `scale (h A^T) B^T` more.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// `A`, `[rank, width]`.
    pub a: Vec<f32>,
    /// `B`, `[vocab, rank]`.
    pub b: Vec<f32>,
    /// What both are multiplied by.
    pub scale: f32,
}

impl Adapter {
    /// The merged weight `W + scale B A` `[vocab, width]` of a head `weight`.
    fn merged(&self, weight: &[f32], width: usize) -> Vec<f64> {
        let (mut merged, a, b, scale) = (wide(weight), wide(&self.a), wide(&self.b), f64::from(self.scale));
        let rank = a.len() / width;
        for (row, b) in merged.chunks_exact_mut(width).zip(b.chunks_exact(rank)) {
            b.iter().zip(a.chunks_exact(width)).for_each(|(b, a)| add(row, scale * b, a));
        }
        merged
    }
}

/// A head of the same vocabulary that is compared with.
#[derive(Debug, Clone)]
pub struct Reference {
    /// `[n, width]`, of a width of its own.
    pub hidden: Vec<f32>,
    /// `[vocab, width]`.
    pub weight: Vec<f32>,
    /// `[vocab]`.
    pub bias: Option<Vec<f32>>,
    /// Its own.
    pub adapter: Option<Adapter>,
    /// The loss's derivatives by the KL divergences, `[n]`.
    pub coefficients: Vec<f32>,
}

impl Inputs {
    /// Rows, their width, and tokens of the vocabulary.
    pub fn dims(&self) -> (usize, usize, usize) {
        let n = self.targets.len();
        let width = self.hidden.len() / n;
        (n, width, self.weight.len() / width)
    }

    /// The same with rows that `mask` `[n]` leaves out counting for nothing.
    pub fn silenced(&self, mask: &[bool]) -> Self {
        let mut it = self.clone();
        let coefficients = it.reference.iter_mut().flat_map(|it| &mut it.coefficients).zip(mask);
        let slopes = it.slopes.iter_mut().zip(mask);
        slopes.chain(coefficients).filter(|(_, kept)| !**kept).for_each(|(factor, _)| *factor = 0.0);
        it
    }

    /// The same with rows that `mask` `[n]` leaves out holding no numbers, and a target that is no token: nothing of them may be looked
    /// at.
    pub fn spoiled(&self, mask: &[bool]) -> Self {
        let (mut it, n) = (self.clone(), mask.len());
        let fill = |hidden: &mut [f32], row: usize| {
            let width = hidden.len() / n;
            hidden[row * width..][..width].fill(f32::NAN);
        };
        for (row, _) in mask.iter().enumerate().filter(|(_, kept)| !**kept) {
            fill(&mut it.hidden, row);
            it.targets[row] = u32::MAX;
            it.slopes[row] = f32::NAN;
            if let Some(reference) = &mut it.reference {
                fill(&mut reference.hidden, row);
                reference.coefficients[row] = f32::NAN;
            }
        }
        it
    }
}

/// Hidden rows, weights and biases whose logits are about `size` and whose sums are exact in f32: whole numbers times a power of
/// two.
///
/// Each second token of the vocabulary has the weights of the one before it but for one unit in the first column, so that the
/// largest logit of a row is nearly shared by two: probabilities are not only 0 and 1.
pub fn exact_logits(
    [n, width, vocab]: [usize; 3],
    size: f32,
    noise: &mut Noise,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let mut hidden = noise.integers(n * width, 8);
    // Products of numbers up to 8 and up to 16 vary by 46.
    let factor = (size / (46.0 * (width as f32).sqrt())).log2().round().exp2();
    for (row, first) in hidden.chunks_exact_mut(width).zip(noise.integers(n, 2)) {
        row.iter_mut().for_each(|x| *x *= factor);
        row[0] = first * factor.min(1.0);
    }
    let mut weight = noise.integers(vocab * width, 16);
    for pair in weight.chunks_exact_mut(2 * width) {
        let (first, second) = pair.split_at_mut(width);
        second.copy_from_slice(first);
        second[0] += 1.0;
    }
    (hidden, weight, noise.integers(vocab, 1))
}

/// Results, in the shapes of [`Inputs`].
#[derive(Debug)]
pub struct Results {
    /// Of the targets.
    pub log_probs: Vec<f64>,
    /// `-sum_v p_v log p_v` of the rows.
    pub entropies: Vec<f64>,
    /// `KL(p || q)` of the rows with the reference; empty without one.
    pub kls: Vec<f64>,
    /// Gradient of the hidden rows.
    pub hidden: Vec<f64>,
    /// Gradient of the weights.
    pub weight: Vec<f64>,
    /// Gradient of the bias, whether there is one or not.
    pub bias: Vec<f64>,
    /// Gradient of the adapter's `A`; empty without one.
    pub a: Vec<f64>,
    /// Gradient of the adapter's `B`; empty without one.
    pub b: Vec<f64>,
    /// Of each gradient, the Euclidean norm of the terms that it is the sum of.
    pub terms: Terms,
    /// The largest magnitude of a logit.
    pub peak: f64,
}

/// The sizes of what cancels in a gradient: a logit's gradient is the difference of `c [v = t]` and `c p_v`, and with a reference
/// of `k p_v log p_v`, `k p_v log q_v` and `k p_v KL`, each of which is a term here.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Of the hidden rows' gradient.
    pub hidden: f64,
    /// Of the weights'.
    pub weight: f64,
    /// Of the bias's.
    pub bias: f64,
    /// Of that of the adapter's `A`.
    pub a: f64,
    /// Of that of the adapter's `B`, each of whose terms has one element of a hidden row.
    pub b: f64,
}

/// Logits of a head as they come out of its matrix, `[n, vocab]`.
fn logits(
    hidden: &[f32],
    weight: &[f32],
    (bias, adapter): (Option<&Vec<f32>>, Option<&Adapter>),
    width: usize,
) -> Vec<f64> {
    let mut logits = match adapter {
        Some(adapter) => {
            let (hidden, merged) = (wide(hidden), adapter.merged(weight, width));
            let row = |h| merged.chunks_exact(width).map(move |w| dot(h, w)).collect::<Vec<f64>>();
            hidden.chunks_exact(width).flat_map(row).collect()
        }
        None => product(hidden, weight, width),
    };
    if let Some(bias) = bias {
        let bias = wide(bias);
        for row in logits.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(&bias).for_each(|(x, b)| *x += b);
        }
    }
    logits
}

/// An adapter in f64, and what it makes of the hidden rows.
struct Widened {
    a: Vec<f64>,
    b: Vec<f64>,
    scale: f64,
    rank: usize,
    /// `h A^T`, `[n, rank]`.
    narrow: Vec<f64>,
    /// Of each row, the sum of the squares of what `h A^T` is made of.
    reach: Vec<f64>,
}

impl Widened {
    fn new(adapter: &Adapter, hidden: &[f64], width: usize) -> Self {
        let (a, b) = (wide(&adapter.a), wide(&adapter.b));
        let (mut narrow, mut reach) = (Vec::new(), Vec::new());
        for h in hidden.chunks_exact(width) {
            narrow.extend(a.chunks_exact(width).map(|a| dot(h, a)));
            let pairs = a.chunks_exact(width).flat_map(|a| h.iter().zip(a));
            reach.push(pairs.map(|(h, a)| (h * a).powi(2)).sum());
        }
        let rank = a.len() / width;
        Self { a, b, scale: f64::from(adapter.scale), rank, narrow, reach }
    }

    /// Of each token of the vocabulary, the squares of its `weight` and of the terms of `scale B A`.
    fn squares(&self, weight: &[f64], width: usize) -> Vec<f64> {
        let lengths: Vec<f64> = self.a.chunks_exact(width).map(|a| dot(a, a)).collect();
        let rows = weight.chunks_exact(width).zip(self.b.chunks_exact(self.rank));
        rows.map(|(w, b)| {
            let added = b.iter().zip(&lengths).map(|(b, length)| (self.scale * b).powi(2) * length);
            dot(w, w) + added.sum::<f64>()
        })
        .collect()
    }

    /// Adds what the logit of row `i` and token `v` has to do with the adapter's gradients: `slope` is its own, `square` that of the
    /// terms of it.
    fn add(&self, (i, h): (usize, &[f64]), (v, slope, square): (usize, f64, f64), it: &mut Results) {
        let (rank, width) = (self.rank, h.len());
        let b = &self.b[v * rank..][..rank];
        for (row, b) in it.a.chunks_exact_mut(width).zip(b) {
            add(row, slope * self.scale * b, h);
        }
        add(&mut it.b[v * rank..][..rank], slope * self.scale, &self.narrow[i * rank..][..rank]);
        let square = square * self.scale * self.scale;
        it.terms.a += square * dot(b, b) * dot(h, h);
        it.terms.b += square * self.reach[i];
    }
}

/// What the divergences of rows add to the gradient of `logits` `[n, vocab]`.
struct Divergence {
    kls: Vec<f64>,
    /// `k p_v (log p_v - log q_v - KL)`, `[n, vocab]`.
    gradient: Vec<f64>,
    /// The squares of the three terms of that, `[n, vocab]`.
    squares: Vec<f64>,
}

impl Divergence {
    /// Of `logits` from `others`, both capped and divided.
    fn new(logits: &[f64], others: &[f64], coefficients: &[f32]) -> Self {
        let vocab = logits.len() / coefficients.len();
        let mut it = Self { kls: Vec::new(), gradient: Vec::new(), squares: Vec::new() };
        let rows = logits.chunks_exact(vocab).zip(others.chunks_exact(vocab));
        for ((x, y), &k) in rows.zip(coefficients) {
            let (sum, other_sum) = (log_sum_exp(x), log_sum_exp(y));
            let pairs = || x.iter().zip(y).map(|(x, y)| (x - sum, y - other_sum));
            let kl = pairs().map(|(a, b)| a.exp() * (a - b)).sum::<f64>();
            for (a, b) in pairs() {
                let weight = f64::from(k) * a.exp();
                it.gradient.push(weight * (a - b - kl));
                it.squares.push(weight * weight * (a * a + b * b + kl * kl));
            }
            it.kls.push(kl);
        }
        it
    }
}

/// Log-probs, and the gradients of a loss whose derivatives by them are the slopes, and by the divergences the coefficients.
///
/// # Panics
/// If there are no targets, or the lengths do not agree.
pub fn head(inputs: &Inputs) -> Results {
    let (n, width, vocab) = inputs.dims();
    let temperature = f64::from(inputs.temperature);
    let soft_cap = inputs.soft_cap.map(f64::from);
    let added = (inputs.bias.as_ref(), inputs.adapter.as_ref());
    let mut logits = logits(&inputs.hidden, &inputs.weight, added, width);
    // The derivative of each logit by what comes out of the matrix.
    let mut bends = Vec::with_capacity(logits.len());
    for x in &mut logits {
        let (y, bend) = capped(*x, soft_cap);
        bends.push(bend / temperature);
        *x = y / temperature;
    }
    let divergence = inputs.reference.as_ref().map(|reference| {
        let Reference { hidden, weight, bias, adapter, coefficients } = reference;
        let others = self::logits(hidden, weight, (bias.as_ref(), adapter.as_ref()), hidden.len() / n);
        let others: Vec<f64> = others.into_iter().map(|y| capped(y, soft_cap).0 / temperature).collect();
        Divergence::new(&logits, &others, coefficients)
    });
    let log_probs::Results { log_probs, entropies, gradient, peak, .. } =
        log_probs::rows(logits, &inputs.targets, &inputs.slopes);
    let hidden = wide(&inputs.hidden);
    let weight = match &inputs.adapter {
        Some(adapter) => adapter.merged(&inputs.weight, width),
        None => wide(&inputs.weight),
    };
    let adapter = inputs.adapter.as_ref().map(|adapter| Widened::new(adapter, &hidden, width));
    // The squares of what a logit's gradient is multiplied by for the hidden row's.
    let squares: Vec<f64> = match &adapter {
        Some(adapter) => adapter.squares(&wide(&inputs.weight), width),
        None => weight.chunks_exact(width).map(|w| norm(w).powi(2)).collect(),
    };
    let mut it = Results {
        log_probs,
        entropies,
        kls: divergence.as_ref().map_or_else(Vec::new, |divergence| divergence.kls.clone()),
        hidden: vec![0.0; n * width],
        weight: vec![0.0; vocab * width],
        bias: vec![0.0; vocab],
        a: vec![0.0; inputs.adapter.as_ref().map_or(0, |adapter| adapter.a.len())],
        b: vec![0.0; inputs.adapter.as_ref().map_or(0, |adapter| adapter.b.len())],
        terms: Terms { hidden: 0.0, weight: 0.0, bias: 0.0, a: 0.0, b: 0.0 },
        peak,
    };
    for (i, row) in gradient.chunks_exact(vocab).enumerate() {
        let h = &hidden[i * width..][..width];
        let length = norm(h);
        for (v, (&x, w)) in row.iter().zip(weight.chunks_exact(width)).enumerate() {
            let bend = bends[i * vocab + v];
            let own = x * bend;
            let slope = own + divergence.as_ref().map_or(0.0, |it| it.gradient[i * vocab + v] * bend);
            it.bias[v] += slope;
            add(&mut it.hidden[i * width..][..width], slope, w);
            add(&mut it.weight[v * width..][..width], slope, h);
            // `c ([v = t] - p)` is `-c p` for all but the target, whose two terms are `c` and `c p`.
            let square = if v == inputs.targets[i] as usize {
                let c = f64::from(inputs.slopes[i]) * bend;
                c * c + (c - own) * (c - own)
            } else {
                own * own
            };
            let square =
                square + divergence.as_ref().map_or(0.0, |it| it.squares[i * vocab + v] * bend * bend);
            it.terms.hidden += square * squares[v];
            it.terms.weight += square * length * length;
            it.terms.bias += square;
            if let Some(adapter) = &adapter {
                adapter.add((i, h), (v, slope, square), &mut it);
            }
        }
    }
    let Terms { hidden, weight, bias, a, b } = it.terms;
    let [hidden, weight, bias, a, b] = [hidden, weight, bias, a, b].map(f64::sqrt);
    it.terms = Terms { hidden, weight, bias, a, b };
    it
}

/// `y = c tanh(x / c)` and `dy/dx`; without a cap `y = x`.
fn capped(x: f64, cap: Option<f64>) -> (f64, f64) {
    match cap {
        Some(cap) => (cap * (x / cap).tanh(), (x / cap).cosh().powi(-2)),
        None => (x, 1.0),
    }
}

//! The kernels under burn's autodiff on the device, beside the CPU's: a layer's operations in one graph, and the losses of a head.

use burn::backend::Autodiff;
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use burn_wgpu::Wgpu;
use osler::kernels::autodiff::{LogitOptions, cross_entropy, kl, log_probs};
use osler::kernels::head::Reference;
use osler::kernels::{AdaptedWeights, AttentionShape, KernelBackend, Matrix, Segment};

use super::operations::{Results, host, matrix, within};
use super::precision::has_f16;

/// Rows, of two sequences.
const ROWS: usize = 23;
/// Tokens of the vocabulary.
const VOCAB: usize = 300;

/// The losses of a head.
#[derive(Clone, Copy, Debug)]
enum Loss {
    LogProbs,
    CrossEntropy,
    Kl,
}

/// A loss and the gradients of rows, a norm's weight and a head. A backward takes its graph, so each loss has one of its own.
fn differentiated<B: KernelBackend>(loss: Loss, device: &B::Device) -> Results {
    let shape = AttentionShape { heads: 6, kv_heads: 2, head_dim: 32, scale: 32f32.powf(-0.5) };
    let (query, key) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
    let plain = |rows: usize, columns: usize, seed: u64| matrix::<B>(rows, columns, seed, device);
    let leaf =
        |rows, columns, seed| Tensor::<Autodiff<B>, 2>::from_inner(plain(rows, columns, seed)).require_grad();
    let constant = |x: Tensor<B, 2>| Tensor::<Autodiff<B>, 2>::from_inner(x);
    let (x, up) = (leaf(ROWS, query + 2 * key, 1), leaf(ROWS, query, 2));
    let (scale, weight) = (leaf(1, query + 2 * key, 3), leaf(VOCAB, query, 4));

    let normed = Autodiff::<B>::rms_norm(x.clone(), &scale.clone().squeeze_dim(0), 1e-6);
    let part = |from: usize, width: usize, heads: usize| {
        normed.clone().narrow(1, from, width).reshape([ROWS, heads, shape.head_dim])
    };
    let tables = [5, 6].map(|seed| constant(plain(ROWS, shape.head_dim / 2, seed)));
    let turned = |x| Autodiff::<B>::rotary(x, &tables[0], &tables[1]);
    let (q, k) = (turned(part(0, query, shape.heads)), turned(part(query, key, shape.kv_heads)));
    let v = part(query + key, key, shape.kv_heads);
    let segments = Segment::all(&[ROWS - 6, 6]);
    let attended = Autodiff::<B>::attention_packed(q, k, v, &segments, shape).out;
    let hidden = Autodiff::<B>::swiglu(attended, up.clone());

    let matrices = [Matrix::Float(weight.clone())];
    let head = AdaptedWeights { weight: &matrices[0], bias: None, adapter: None };
    let targets: Vec<u32> = (0..ROWS as u32).map(|row| row * 31 % VOCAB as u32).collect();
    let weights: Vec<f32> = (0..ROWS).map(|row| row as f32 / ROWS as f32).collect();
    let by_row = TensorData::new(weights.clone(), [ROWS]);
    let by_row = Tensor::<Autodiff<B>, 1>::from_inner(Tensor::from_data(by_row, device));
    let beside = Matrix::Float(plain(VOCAB, 64, 7));
    let reference = Reference {
        hidden: plain(ROWS, 64, 8),
        head: AdaptedWeights { weight: &beside, bias: None, adapter: None },
        coefficients: &weights,
    };
    let options = LogitOptions::default();
    let loss = match loss {
        Loss::LogProbs => (log_probs(hidden, &head, &targets, options) * by_row).sum(),
        Loss::CrossEntropy => cross_entropy(hidden, &head, &targets, &weights, options),
        Loss::Kl => kl(hidden, &head, reference, options),
    };
    let gradients = loss.backward();
    let of = [("x", &x), ("up", &up), ("the norm", &scale), ("the head", &weight)]
        .map(|(of, leaf)| (format!("gradient of {of}"), host(leaf.grad(&gradients).unwrap())));
    std::iter::once(("loss".to_owned(), host(loss.inner()))).chain(of).collect()
}

#[test]
fn gradients_under_autodiff_are_those_of_the_cpu() {
    for loss in [Loss::LogProbs, Loss::CrossEntropy, Loss::Kl] {
        let found = differentiated::<Wgpu>(loss, &super::device());
        within(1e-5, &found, &differentiated::<Flex>(loss, &FlexDevice));
    }
}

/// What a loss is multiplied by lifts gradients out of what f16 has no digits for, though they are there before it is known.
#[test]
fn a_loss_in_f16_that_is_scaled_loses_no_digits() {
    if !has_f16() {
        return;
    }
    /// Gradients of rows and head of a mean over `1 / each` tokens, times as much.
    fn gradients<B: KernelBackend>(loss: Loss, each: f32, device: &B::Device, dtype: DType) -> Results {
        let (width, n) = (33, 7);
        let leaf = |rows, seed| {
            let x = matrix::<B>(rows, width, seed, device).cast(dtype);
            Tensor::<Autodiff<B>, 2>::from_inner(x).require_grad()
        };
        let (hidden, weight) = (leaf(n, 1), leaf(VOCAB, 2));
        let given = Matrix::Float(weight.clone());
        let head = AdaptedWeights { weight: &given, bias: None, adapter: None };
        let (weights, options) = (vec![each; n], LogitOptions::default());
        let of = |seed| matrix::<B>(VOCAB, width, seed, device).cast(dtype);
        let beside = Matrix::Float(of(3));
        let reference = Reference {
            hidden: of(4).narrow(0, 0, n),
            head: AdaptedWeights { weight: &beside, bias: None, adapter: None },
            coefficients: &weights,
        };
        let loss = match loss {
            Loss::Kl => kl(hidden.clone(), &head, reference, options),
            _ => cross_entropy(hidden.clone(), &head, &[5, 1, 299, 17, 20, 5, 140], &weights, options),
        };
        let gradients = (loss * each.recip()).backward();
        let of = [("rows", &hidden), ("the head", &weight)];
        of.map(|(of, leaf)| (of.to_owned(), host(leaf.grad(&gradients).unwrap().cast(DType::F32)))).to_vec()
    }
    for loss in [Loss::CrossEntropy, Loss::Kl] {
        let found = gradients::<Wgpu>(loss, 1e-6, &super::device(), DType::F16);
        within(1e-2, &found, &gradients::<Flex>(loss, 1.0, &FlexDevice, DType::F32));
    }
}

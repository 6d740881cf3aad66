//! The output head with its loss, and the log-probs that it is made of.

use burn::tensor::{DType, Tensor};

use super::super::bench::{Bench, Case, Work};
use super::super::shapes;
use super::copy;
use crate::engine::Device;
use crate::kernels::head::{Derivative, HeadInput, Reference, unfused};
use crate::kernels::softmax::{LogSum, entropy, kl, log_prob};
use crate::kernels::{AdaptedWeights, KernelBackend, LowRankWeights, Matrix};

/// Matrices `[n, vocab]` in f32 that the unfused loss holds at once.
const PLAIN_LOGITS: usize = 3;

/// Rows of the adapter's `A`.
const RANK: usize = 32;

/// Tokens of no order.
fn targets(n: usize, vocab: usize) -> Vec<u32> {
    (0..n).map(|i| (i * 7919 % vocab) as u32).collect()
}

/// Of a trained head `weight` `[vocab, hidden]`, and nothing beside.
fn plain_input<'a, B: KernelBackend>(
    hidden: Tensor<B, 2>,
    weight: &'a Matrix<B>,
    targets: &'a [u32],
) -> HeadInput<'a, B> {
    HeadInput {
        hidden,
        head: AdaptedWeights { weight, bias: None, adapter: None },
        targets,
        soft_cap: None,
        temperature: 1.0,
        entropies: false,
        reference: None,
        trained: true,
    }
}

impl<B: KernelBackend> Bench<'_, B> {
    /// Three products: logits, and the gradients of both that they are made of. What makes logits twice does more than it must.
    pub(super) fn head(&self, shape: shapes::Head, dtype: DType) {
        let shapes::Head { rows: n, width, vocab } = shape;
        let hidden: Tensor<B, 2> = self.noise([n, width], dtype);
        let weight = Matrix::Float(self.noise([vocab, width], dtype));
        let targets = targets(n, vocab);
        let flops = 6.0 * (n * vocab * width) as f64;
        // Weight and hidden rows are read, their gradients written in f32.
        let bytes = |size: usize| ((vocab + n) * width * size) as f64;
        let (read, written) = (bytes(dtype.size()), bytes(size_of::<f32>()));
        let work = Work { flops, bytes: read + written, written };
        let input = |hidden| plain_input(hidden, &weight, &targets);
        self.compare(
            Case { op: "head_loss", case: format!("{n} rows of {width} to {vocab}"), dtype, work },
            || hidden.clone(),
            |hidden| B::head_loss(input(hidden), &mut Derivative::each(|_, _| 1.0)),
            (PLAIN_LOGITS * n * vocab * size_of::<f32>()) as u64,
            |hidden| unfused::loss(input(hidden), &mut Derivative::each(|_, _| 1.0)),
        );
        self.compared(shape, &hidden, &weight, dtype);
        self.adapted(shape, &hidden, &weight, dtype);
    }

    /// With the KL divergence from a reference of the same shape: a fourth product.
    fn compared(&self, shape: shapes::Head, hidden: &Tensor<B, 2>, weight: &Matrix<B>, dtype: DType) {
        let shapes::Head { rows: n, width, vocab } = shape;
        let other = Matrix::Float(self.noise([vocab, width], dtype));
        let beside: Tensor<B, 2> = self.noise([n, width], dtype);
        let (targets, coefficients) = (targets(n, vocab), vec![0.1; n]);
        let bytes = |size: usize| ((vocab + n) * width * size) as f64;
        let written = bytes(size_of::<f32>());
        let work = Work {
            flops: 8.0 * (n * vocab * width) as f64,
            bytes: bytes(2 * dtype.size()) + written,
            written,
        };
        let case = format!("{n} rows of {width} to {vocab}");
        self.alone(
            Case { op: "head_loss with KL", case, dtype, work },
            || hidden.clone(),
            |hidden| {
                let head = AdaptedWeights { weight: &other, bias: None, adapter: None };
                let reference = Reference { hidden: beside.clone(), head, coefficients: &coefficients };
                let input = HeadInput { reference: Some(reference), ..plain_input(hidden, weight, &targets) };
                B::head_loss(input, &mut Derivative::each(|_, _| 1.0))
            },
        );
    }

    /// Of a frozen head with an adapter in f32.
    fn adapted(&self, shape: shapes::Head, hidden: &Tensor<B, 2>, weight: &Matrix<B>, dtype: DType) {
        let shapes::Head { rows: n, width, vocab } = shape;
        let a = Matrix::Float(self.noise([RANK, width], DType::F32));
        let b = Matrix::Float(self.noise([vocab, RANK], DType::F32));
        let targets = targets(n, vocab);
        let narrow = (RANK * (width + vocab)) as f64;
        let float = size_of::<f32>() as f64;
        let (read, wide) = ((vocab * width * dtype.size()) as f64, (n * width) as f64);
        let written = wide * float + narrow * float;
        let work = Work {
            flops: 4.0 * (n * vocab * width) as f64 + 6.0 * n as f64 * narrow,
            bytes: read + wide * dtype.size() as f64 + narrow * float + written,
            written,
        };
        let case = format!("{n} rows of {width} to {vocab}, rank {RANK}");
        self.alone(
            Case { op: "head_loss of an adapter", case, dtype, work },
            || hidden.clone(),
            |hidden| {
                let adapter = Some(LowRankWeights { a: &a, b: &b, scale: 2.0 });
                let head = AdaptedWeights { weight, bias: None, adapter };
                let input = HeadInput { head, trained: false, ..plain_input(hidden, weight, &targets) };
                B::head_loss(input, &mut Derivative::each(|_, _| 1.0))
            },
        );
    }

    /// In f32 only.
    pub(super) fn log_probs(&self, [n, vocab]: [usize; 2], dtype: DType) {
        let logits: Tensor<B, 2> = self.noise([n, vocab], dtype);
        let targets = targets(n, vocab);
        let (coefficients, sums) = (vec![1.0; n], vec![LogSum { peak: 0.0, rest: (vocab as f32).ln() }; n]);
        // Logits are read by a forward; a backward writes as many as well.
        let bytes = |tensors: usize| (tensors * n * vocab * size_of::<f32>()) as f64;
        let case = |op, read: usize, written: usize| Case {
            op,
            case: format!("{n} rows of {vocab}"),
            dtype,
            work: Work { flops: 0.0, bytes: bytes(read + written), written: bytes(written) },
        };
        self.compare(
            case("log_probs", 1, 0),
            || (),
            |()| B::log_probs(&logits, &targets),
            0,
            |()| log_prob::reference(&logits, &targets),
        );
        self.compare(
            case("log_probs_backward", 1, 1),
            || copy(&logits),
            |logits| B::log_probs_backward(logits, &targets, &sums, &coefficients),
            0,
            |logits| log_prob::reference_backward(logits, &targets, &sums, &coefficients),
        );
        self.compare(
            case("log_sums", 1, 0),
            || copy(&logits),
            |logits| B::log_sums(logits, &targets, 0, None),
            0,
            |logits| log_prob::reference_sums(&logits, &targets, 0, None),
        );
        self.compare(
            case("log_sums_backward", 1, 1),
            || copy(&logits),
            |logits| B::log_sums_backward(logits, &targets, 0, &sums, &coefficients),
            0,
            |logits| log_prob::reference_sums_backward(logits, &targets, 0, &sums, &coefficients),
        );
        self.compare(
            case("entropies", 1, 0),
            || (),
            |()| B::entropies(&logits, &sums),
            0,
            |()| entropy::reference(&logits, &sums),
        );
        self.divergences(logits, &targets, &sums);
    }

    /// Divergences of rows from others, as the head's loss makes them: the CPU from whole rows, others from parts of columns.
    fn divergences(&self, logits: Tensor<B, 2>, targets: &[u32], sums: &[LogSum]) {
        let [n, vocab] = logits.dims();
        let others: Tensor<B, 2> = self.noise([n, vocab], DType::F32);
        let (ones, kls) = (vec![1.0; n], vec![0.1; n]);
        // Both matrices are read; a backward writes as much as one of them.
        let bytes = |tensors: usize| (tensors * n * vocab * size_of::<f32>()) as f64;
        let case = |op, read: usize, written: usize| Case {
            op,
            case: format!("{n} rows of {vocab}"),
            dtype: DType::F32,
            work: Work { flops: 0.0, bytes: bytes(read + written), written: bytes(written) },
        };
        if self.plan.device == Device::Cpu {
            self.compare(
                case("kls", 2, 0),
                || (),
                |()| B::kls(&logits, &others, sums, sums),
                0,
                |()| kl::reference(&logits, &others, sums, sums),
            );
        } else {
            self.compare(
                case("kl_sums", 2, 0),
                || (),
                |()| B::kl_sums(&logits, &others, targets, 0, None),
                0,
                |()| kl::reference_running(&logits, &others, targets, 0, None),
            );
        }
        let rows = kl::Rows { sums, reference_sums: sums, slopes: &ones, coefficients: &ones, kls: &kls };
        self.compare(
            case("kl_backward", 2, 1),
            || copy(&logits),
            |logits| B::kl_backward(logits, &others, targets, 0, &rows),
            0,
            |logits| kl::reference_backward(logits, &others, targets, 0, &rows),
        );
    }
}

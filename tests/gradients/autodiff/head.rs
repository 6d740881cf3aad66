//! Log-probs under a head, their cross entropy, and the divergence from a reference.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::autodiff::{LogitOptions, cross_entropy, kl, log_probs};
use osler::kernels::head::{self as kernel, Derivative, HeadGradients, HeadInput, Reference};
use osler::kernels::{AdaptedWeights, KernelBackend, LowRankWeights, Matrix};

use super::{A, constant, is_tracked, leaf, near};
use crate::{noise, tensor, values};

/// A head with what its logits go through.
struct Head {
    hidden: Tensor<Flex, 2>,
    weight: Tensor<Flex, 2>,
    bias: Option<Tensor<Flex, 1>>,
    adapter: Option<[Tensor<Flex, 2>; 2]>,
    targets: Vec<u32>,
    options: LogitOptions,
    tracked: Tracked,
}

/// What a gradient is asked of.
#[derive(Clone, Copy)]
struct Tracked {
    hidden: bool,
    weight: bool,
    bias: bool,
    adapter: bool,
}

impl Tracked {
    const ALL: Self = Self { hidden: true, weight: true, bias: true, adapter: true };
    /// With a head that is frozen.
    const FROZEN: Self = Self { weight: false, bias: false, ..Self::ALL };
    const NONE: Self = Self { hidden: false, weight: false, bias: false, adapter: false };
}

/// What an adapter's contribution is multiplied by.
const SCALE: f32 = 1.5;

/// A head's tensors under autodiff.
struct Recorded {
    hidden: Tensor<A, 2>,
    weight: Tensor<A, 2>,
    bias: Option<Tensor<A, 1>>,
    adapter: Option<[Tensor<A, 2>; 2]>,
}

/// What a head is asked for.
#[derive(Clone, Copy)]
enum Asked<'a> {
    /// `[n]`.
    LogProbs,
    /// With such weights, `[1]`.
    CrossEntropy(&'a [f32]),
    /// From [`other`], with such coefficients, `[1]`.
    Kl(&'a [f32]),
}

/// A reference for heads of `vocab` tokens, narrower than they are.
fn other(n: usize, vocab: usize) -> [Tensor<Flex, 2>; 2] {
    [tensor(noise(7, n * 5), [n, 5]), tensor(noise(8, vocab * 5), [vocab, 5])]
}

impl Recorded {
    /// By the kernel.
    fn kernel(&self, head: &Head, asked: Asked<'_>) -> Tensor<A, 1> {
        let weight = Matrix::Float(self.weight.clone());
        let adapter = self.adapter.clone().map(|matrices| matrices.map(Matrix::Float));
        let adapter = adapter.as_ref().map(|[a, b]| LowRankWeights { a, b, scale: SCALE });
        let given = AdaptedWeights { weight: &weight, bias: self.bias.as_ref(), adapter };
        let hidden = self.hidden.clone();
        match asked {
            Asked::CrossEntropy(weights) => {
                cross_entropy(hidden, &given, &head.targets, weights, head.options)
            }
            Asked::LogProbs => log_probs(hidden, &given, &head.targets, head.options),
            Asked::Kl(coefficients) => {
                let [beside, weight] = other(head.targets.len(), self.weight.dims()[0]);
                let weight = Matrix::Float(weight);
                let of = AdaptedWeights { weight: &weight, bias: None, adapter: None };
                let reference = Reference { hidden: beside, head: of, coefficients };
                kl(hidden, &given, reference, head.options)
            }
        }
    }

    /// All log-probs `[n, vocab]`.
    fn distribution(&self, head: &Head) -> Tensor<A, 2> {
        let mut logits = self.hidden.clone().matmul(self.weight.clone().transpose());
        if let Some(bias) = &self.bias {
            logits = logits + bias.clone().unsqueeze_dim::<2>(0);
        }
        if let Some([a, b]) = &self.adapter {
            let narrow = self.hidden.clone().matmul(a.clone().transpose()) * SCALE;
            logits = logits + narrow.matmul(b.clone().transpose());
        }
        head.softened(logits)
    }

    /// `KL(p_i || q_i)` `[n]`.
    fn divergences(&self, head: &Head) -> Tensor<A, 1> {
        let [beside, weight] = other(head.targets.len(), self.weight.dims()[0]).map(|x| constant(&x));
        let (p, q) = (self.distribution(head), head.softened(beside.matmul(weight.transpose())));
        (p.clone().exp() * (p - q)).sum_dim(1).squeeze_dim(1)
    }

    /// Log-probs `[n]` from logits that are all there.
    fn formula(&self, head: &Head) -> Tensor<A, 1> {
        let targets: Vec<i32> = head.targets.iter().map(|&target| target as i32).collect();
        let targets = TensorData::new(targets, [head.targets.len(), 1]);
        let targets = Tensor::<A, 2, Int>::from_data(targets, &FlexDevice);
        self.distribution(head).gather(1, targets).squeeze_dim(1)
    }
}

impl Head {
    /// Log-probs of logits `[n, vocab]`.
    fn softened(&self, logits: Tensor<A, 2>) -> Tensor<A, 2> {
        let logits = match self.options.soft_cap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        };
        log_softmax(logits / self.options.temperature, 1)
    }

    fn new(n: usize, width: usize, vocab: usize) -> Self {
        Self {
            hidden: tensor(noise(1, n * width), [n, width]),
            weight: tensor(noise(2, vocab * width), [vocab, width]),
            bias: None,
            adapter: None,
            targets: (0..n).map(|i| (i * 7919 % vocab) as u32).collect(),
            options: LogitOptions::default(),
            tracked: Tracked::ALL,
        }
    }

    /// A loss and its gradients by whatever is tracked.
    fn gradients(
        &self,
        loss: impl FnOnce(&Recorded) -> Tensor<A, 1>,
    ) -> (Tensor<Flex, 1>, Vec<(&'static str, Tensor<Flex, 1>)>) {
        fn held<const D: usize>(tracked: bool, x: &Tensor<Flex, D>) -> Tensor<A, D> {
            if tracked { leaf(x) } else { constant(x) }
        }
        let Tracked { hidden, weight, bias, adapter } = self.tracked;
        let recorded = Recorded {
            hidden: held(hidden, &self.hidden),
            weight: held(weight, &self.weight),
            bias: self.bias.as_ref().map(|it| held(bias, it)),
            adapter: self.adapter.as_ref().map(|matrices| matrices.each_ref().map(|it| held(adapter, it))),
        };
        let loss = loss(&recorded);
        let gradients = loss.backward();
        let flat = |x: &Tensor<A, 2>| -> Option<Tensor<Flex, 1>> {
            x.grad(&gradients).map(|gradient| gradient.flatten(0, 1))
        };
        let mut found = vec![("hidden", flat(&recorded.hidden)), ("weight", flat(&recorded.weight))];
        found.push(("bias", recorded.bias.as_ref().and_then(|bias| bias.grad(&gradients))));
        for (name, matrix) in ["A", "B"].into_iter().zip(recorded.adapter.iter().flatten()) {
            found.push((name, flat(matrix)));
        }
        (loss.inner(), found.into_iter().filter_map(|(name, it)| it.map(|it| (name, it))).collect())
    }
}

#[test]
fn the_heads_gradients_are_those_of_its_formula() {
    let adapter = |width: usize, vocab: usize| {
        [tensor(noise(4, 3 * width), [3, width]), tensor(noise(5, vocab * 3), [vocab, 3])]
    };
    let bias = |vocab: usize| tensor(noise(3, vocab), [vocab]);
    let capped = LogitOptions { soft_cap: Some(3.0), temperature: 0.7 };
    let plain = || Head::new(9, 24, 37);
    let cases = [
        plain(),
        // More rows than a part has.
        Head::new(530, 8, 19),
        Head { bias: Some(bias(37)), options: capped, ..plain() },
        Head { bias: Some(bias(37)), adapter: Some(adapter(24, 37)), tracked: Tracked::FROZEN, ..plain() },
        Head { adapter: Some(adapter(24, 37)), options: capped, ..plain() },
        Head { tracked: Tracked::FROZEN, ..plain() },
        Head { tracked: Tracked { weight: true, ..Tracked::NONE }, ..plain() },
        Head { bias: Some(bias(37)), tracked: Tracked { bias: true, ..Tracked::NONE }, ..plain() },
        Head {
            adapter: Some(adapter(24, 37)),
            tracked: Tracked { adapter: true, ..Tracked::NONE },
            ..plain()
        },
    ];
    for (index, head) in cases.into_iter().enumerate() {
        let n = head.targets.len();
        // The first counts for nothing.
        let mut weights: Vec<f32> = noise(6, n).iter().map(|weight| weight.abs() + 0.1).collect();
        weights[0] = 0.0;
        let by_row = constant::<NoCheckpointing, 1>(&tensor(weights.clone(), [n]));
        let expected = head.gradients(|it| (it.formula(&head) * by_row.clone()).sum());
        let divergences = head.gradients(|it| (it.divergences(&head) * by_row.clone()).sum());
        let Tracked { hidden, weight, bias, adapter } = head.tracked;
        let (bias, adapter) = (bias && head.bias.is_some(), adapter && head.adapter.is_some());
        let tracked: usize = [hidden, weight, bias, adapter, adapter].map(usize::from).iter().sum();
        assert_eq!(expected.1.len(), tracked, "case {index}");

        let by_log_probs = head.gradients(|it| (it.kernel(&head, Asked::LogProbs) * by_row.clone()).sum());
        // Its gradient is not 1: the loss is turned and halved, and doubled.
        let halves: Vec<f32> = weights.iter().map(|weight| weight / 2.0).collect();
        let at_once = head.gradients(|it| it.kernel(&head, Asked::CrossEntropy(&halves)) * -2.0);
        let apart = head.gradients(|it| it.kernel(&head, Asked::Kl(&halves)) * 2.0);
        // In one graph, by the same tensors.
        let both = head.gradients(|it| {
            it.kernel(&head, Asked::CrossEntropy(&weights)) + it.kernel(&head, Asked::Kl(&weights))
        });
        let of_both = head.gradients(|it| {
            (it.divergences(&head) * by_row.clone() - it.formula(&head) * by_row.clone()).sum()
        });
        for (way, (loss, gradients), expected) in [
            ("log-probs", by_log_probs, &expected),
            ("cross entropy", at_once, &expected),
            ("KL", apart, &divergences),
            ("both", both, &of_both),
        ] {
            near(&format!("case {index}, {way}, loss"), loss, expected.0.clone(), 1.0);
            assert_eq!(gradients.len(), expected.1.len(), "case {index}, {way}");
            for ((name, found), (_, expected)) in gradients.into_iter().zip(&expected.1) {
                near(&format!("case {index}, {way}, {name}"), found, expected.clone(), 0.1);
            }
        }
    }
}

#[test]
fn a_head_without_anything_tracked_gives_the_same_numbers() {
    let head = Head::new(9, 24, 37);
    let weights = noise(6, 9);
    let frozen = Recorded {
        hidden: constant(&head.hidden),
        weight: constant(&head.weight),
        bias: None,
        adapter: None,
    };
    let tracked =
        Recorded { hidden: leaf(&head.hidden), weight: leaf(&head.weight), bias: None, adapter: None };
    for asked in [Asked::LogProbs, Asked::CrossEntropy(&weights), Asked::Kl(&weights)] {
        let (found, expected) = (frozen.kernel(&head, asked), tracked.kernel(&head, asked));
        assert!(!is_tracked(&found) && is_tracked(&expected));
        near("forward", found.inner(), expected.inner(), 1.0);
    }
}

/// What is made again, before the loss or of its own, changes no bit.
#[test]
fn what_is_made_again_gives_the_same_gradients() {
    fn gradients<C: CheckpointStrategy>(asked: Asked<'_>) -> [Vec<f32>; 2] {
        let (n, vocab) = (9, 37);
        let head = Head::new(n, 24, vocab);
        let (x, weight) = (leaf::<C, 2>(&head.hidden), leaf::<C, 2>(&head.weight));
        let hidden = A::<C>::swiglu(x.clone(), x.clone());
        let matrix = Matrix::Float(weight.clone());
        let given = AdaptedWeights { weight: &matrix, bias: None, adapter: None };
        let [beside, of] = other(n, vocab);
        let of = Matrix::Float(of);
        let of = AdaptedWeights { weight: &of, bias: None, adapter: None };
        let loss = match asked {
            Asked::LogProbs => log_probs(hidden, &given, &head.targets, head.options).sum(),
            Asked::CrossEntropy(weights) => {
                cross_entropy(hidden, &given, &head.targets, weights, head.options)
            }
            Asked::Kl(coefficients) => {
                kl(hidden, &given, Reference { hidden: beside, head: of, coefficients }, head.options)
            }
        };
        let gradients = loss.backward();
        [x, weight].map(|leaf| values(leaf.grad(&gradients).unwrap()))
    }
    let weights = noise(6, 9);
    for asked in [Asked::LogProbs, Asked::CrossEntropy(&weights), Asked::Kl(&weights)] {
        assert_eq!(gradients::<BalancedCheckpointing>(asked), gradients::<NoCheckpointing>(asked));
    }
}

/// A kernel takes a target that is no token for none, and leaves out what a reference has more: neither may reach it.
#[test]
fn what_does_not_belong_together_is_refused() {
    let (n, width, vocab) = (6, 8, 12);
    let refused = |what: &str, targets: &[u32], rows: usize, tokens: usize, coefficients: usize| {
        let weight = Matrix::Float(tensor(noise(2, vocab * width), [vocab, width]));
        let of = Matrix::Float(tensor(noise(3, tokens * width), [tokens, width]));
        let plain = |weight| AdaptedWeights::<Flex> { weight, bias: None, adapter: None };
        let coefficients = vec![1.0; coefficients];
        type Loss = fn(HeadInput<'_, Flex>, &mut Derivative<'_>) -> HeadGradients<Flex>;
        let ways: [(&str, Loss); 6] = [
            ("the kernel", Flex::head_loss),
            ("rows", |input, derivative| kernel::rows::loss(input, 2, derivative)),
            ("columns", |input, derivative| kernel::columns::loss(input, 5, derivative)),
            ("one part", |input, derivative| kernel::columns::loss(input, 256, derivative)),
            ("plain", kernel::unfused::loss),
            ("a mask", |input, derivative| {
                let mask: Vec<bool> = (0..input.targets.len()).map(|row| row != 1).collect();
                kernel::mask::loss(input, &mask, derivative)
            }),
        ];
        for (way, loss) in ways {
            let input = HeadInput {
                hidden: tensor(noise(1, n * width), [n, width]),
                head: plain(&weight),
                targets,
                soft_cap: None,
                temperature: 1.0,
                entropies: false,
                reference: Some(Reference {
                    hidden: tensor(noise(4, rows * width), [rows, width]),
                    head: plain(&of),
                    coefficients: &coefficients,
                }),
                trained: true,
            };
            let found = catch_unwind(AssertUnwindSafe(|| loss(input, &mut Derivative::each(|_, _| 1.0))));
            let said = found.err().map(|said| *said.downcast::<String>().unwrap_or_default());
            match (what, said) {
                ("", said) => assert_eq!(said, None, "{way}"),
                (what, said) => assert!(said.is_some_and(|said| said.contains(what)), "{way}: {what}"),
            }
        }
    };
    let targets = [0, 3, 11, 5, 5, 2];
    refused("", &targets, n, vocab, n);
    refused("target 12 of a vocabulary of 12", &[0, 3, 12, 5, 5, 2], n, vocab, n);
    refused("hidden rows and targets", &targets[..5], n, vocab, n);
    refused("hidden rows of the reference", &targets, n + 1, vocab, n);
    refused("vocabularies", &targets, n, vocab + 3, n);
    refused("coefficients", &targets, n, vocab, n + 1);
}

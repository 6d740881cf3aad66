//! Log-probs under a head, and their cross entropy.

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::autodiff::{LogitOptions, cross_entropy, log_probs};
use osler::kernels::{AdaptedWeights, LowRankWeights, Matrix};

use super::{A, constant, is_tracked, leaf, near};
use crate::{noise, tensor};

/// A head with what its logits go through.
struct Head {
    hidden: Tensor<Flex, 2>,
    weight: Tensor<Flex, 2>,
    bias: Option<Tensor<Flex, 1>>,
    adapter: Option<[Tensor<Flex, 2>; 2]>,
    targets: Vec<u32>,
    options: LogitOptions,
    /// Whether weight and bias are tracked.
    trained: bool,
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

impl Recorded {
    /// Log-probs `[n]` by the kernel, or the cross entropy `[1]`.
    fn kernel(&self, head: &Head, weights: Option<&[f32]>) -> Tensor<A, 1> {
        let weight = Matrix::Float(self.weight.clone());
        let adapter = self.adapter.clone().map(|matrices| matrices.map(Matrix::Float));
        let adapter = adapter.as_ref().map(|[a, b]| LowRankWeights { a, b, scale: SCALE });
        let given = AdaptedWeights { weight: &weight, bias: self.bias.as_ref(), adapter };
        let hidden = self.hidden.clone();
        match weights {
            Some(weights) => cross_entropy(hidden, &given, &head.targets, weights, head.options),
            None => log_probs(hidden, &given, &head.targets, head.options),
        }
    }

    /// Log-probs `[n]` from logits that are all there.
    fn formula(&self, head: &Head) -> Tensor<A, 1> {
        let mut logits = self.hidden.clone().matmul(self.weight.clone().transpose());
        if let Some(bias) = &self.bias {
            logits = logits + bias.clone().unsqueeze_dim::<2>(0);
        }
        if let Some([a, b]) = &self.adapter {
            let narrow = self.hidden.clone().matmul(a.clone().transpose()) * SCALE;
            logits = logits + narrow.matmul(b.clone().transpose());
        }
        if let Some(cap) = head.options.soft_cap {
            logits = (logits / cap).tanh() * cap;
        }
        let targets: Vec<i32> = head.targets.iter().map(|&target| target as i32).collect();
        let targets = TensorData::new(targets, [head.targets.len(), 1]);
        let targets = Tensor::<A, 2, Int>::from_data(targets, &FlexDevice);
        log_softmax(logits / head.options.temperature, 1).gather(1, targets).squeeze_dim(1)
    }
}

impl Head {
    fn new(n: usize, width: usize, vocab: usize) -> Self {
        Self {
            hidden: tensor(noise(1, n * width), [n, width]),
            weight: tensor(noise(2, vocab * width), [vocab, width]),
            bias: None,
            adapter: None,
            targets: (0..n).map(|i| (i * 7919 % vocab) as u32).collect(),
            options: LogitOptions::default(),
            trained: true,
        }
    }

    /// A loss and its gradients by whatever is tracked.
    fn gradients(
        &self,
        loss: impl FnOnce(&Recorded) -> Tensor<A, 1>,
    ) -> (Tensor<Flex, 1>, Vec<(&'static str, Tensor<Flex, 1>)>) {
        fn held<const D: usize>(trained: bool, x: &Tensor<Flex, D>) -> Tensor<A, D> {
            if trained { leaf(x) } else { constant(x) }
        }
        let recorded = Recorded {
            hidden: leaf(&self.hidden),
            weight: held(self.trained, &self.weight),
            bias: self.bias.as_ref().map(|bias| held(self.trained, bias)),
            adapter: self.adapter.as_ref().map(|matrices| matrices.each_ref().map(leaf)),
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
        Head { bias: Some(bias(37)), adapter: Some(adapter(24, 37)), trained: false, ..plain() },
        Head { adapter: Some(adapter(24, 37)), options: capped, ..plain() },
        Head { trained: false, ..plain() },
    ];
    for (index, head) in cases.into_iter().enumerate() {
        let n = head.targets.len();
        // The first counts for nothing.
        let mut weights: Vec<f32> = noise(6, n).iter().map(|weight| weight.abs() + 0.1).collect();
        weights[0] = 0.0;
        let by_row = tensor(weights.clone(), [n]);
        let expected =
            head.gradients(|it| (it.formula(&head) * constant::<NoCheckpointing, 1>(&by_row)).sum());
        let tracked = 1
            + 2 * usize::from(head.adapter.is_some())
            + usize::from(head.trained) * (1 + usize::from(head.bias.is_some()));
        assert_eq!(expected.1.len(), tracked, "case {index}");

        let by_log_probs =
            head.gradients(|it| (it.kernel(&head, None) * constant::<NoCheckpointing, 1>(&by_row)).sum());
        // Its gradient is not 1: the loss is turned and halved, and doubled.
        let halves: Vec<f32> = weights.iter().map(|weight| weight / 2.0).collect();
        let at_once = head.gradients(|it| it.kernel(&head, Some(&halves)) * -2.0);
        for (way, (loss, gradients)) in [("log-probs", by_log_probs), ("cross entropy", at_once)] {
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
    for weights in [None, Some(&weights[..])] {
        let (found, expected) = (frozen.kernel(&head, weights), tracked.kernel(&head, weights));
        assert!(!is_tracked(&found) && is_tracked(&expected));
        near("forward", found.inner(), expected.inner(), 1.0);
    }
}

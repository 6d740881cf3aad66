//! Log-probs under an output head, their cross entropy, and the divergence from a reference, as nodes of burn's graph; see
//! [`head`](crate::kernels::head) for the formulas. No `[n, vocab]` tensor is held.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Tensor, TensorData, TensorMetadata};

use super::{primitive, wrap};
use crate::kernels::head::{Derivative, HeadGradients, HeadInput, Reference, rows};
use crate::kernels::{AdaptedWeights, KernelBackend, LowRankWeights, Matrix};

/// What becomes of logits before the softmax.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogitOptions {
    /// The `c` of a soft cap `c tanh(x / c)`, before they are divided.
    pub soft_cap: Option<f32>,
    /// What they are divided by.
    pub temperature: f32,
}

impl Default for LogitOptions {
    /// Logits as they are.
    fn default() -> Self {
        Self { soft_cap: None, temperature: 1.0 }
    }
}

/// Hidden rows and a head: as nodes of the graph, as names of nodes or as values.
#[derive(Debug, Clone)]
struct Operands<T> {
    hidden: T,
    weight: T,
    bias: Option<T>,
    /// `A`, `B` and the scale.
    adapter: Option<(T, T, f32)>,
}

impl<T> Operands<T> {
    /// Hidden rows, weight, bias, `A` and `B`.
    fn all(&self) -> [Option<&T>; 5] {
        let (a, b) = self.adapter.as_ref().map(|(a, b, _)| (a, b)).unzip();
        [Some(&self.hidden), Some(&self.weight), self.bias.as_ref(), a, b]
    }

    fn map<U>(&self, mut change: impl FnMut(&T) -> U) -> Operands<U> {
        Operands {
            hidden: change(&self.hidden),
            weight: change(&self.weight),
            bias: self.bias.as_ref().map(&mut change),
            adapter: self.adapter.as_ref().map(|(a, b, scale)| (change(a), change(b), *scale)),
        }
    }
}

type Node<B, C> = FloatTensor<Autodiff<B, C>>;

fn operands<B: KernelBackend, C: CheckpointStrategy>(
    hidden: Tensor<Autodiff<B, C>, 2>,
    head: &AdaptedWeights<'_, Autodiff<B, C>>,
) -> Operands<Node<B, C>> {
    let node = |matrix: &Matrix<Autodiff<B, C>>| primitive(rows::floats(matrix).clone());
    Operands {
        hidden: primitive(hidden),
        weight: node(head.weight),
        bias: head.bias.map(|bias| primitive(bias.clone())),
        adapter: head.adapter.as_ref().map(|it| (node(it.a), node(it.b), it.scale)),
    }
}

/// The parents of a node, see [`Operands::all`], with a constant for each that is not there.
fn parents<B: KernelBackend, C: CheckpointStrategy>(operands: &Operands<Node<B, C>>) -> [Node<B, C>; 5] {
    operands.all().map(|node| match node {
        Some(node) => node.clone(),
        None => <Autodiff<B, C> as AutodiffBackend>::from_inner(operands.hidden.primitive.clone()),
    })
}

/// Types in the order of [`parents`].
fn dtypes<T: TensorMetadata>(operands: &Operands<T>) -> [DType; 5] {
    operands.all().map(|operand| operand.unwrap_or(&operands.hidden).dtype())
}

/// Gradients in the order of [`Operands::all`].
type Found<B> = [Option<FloatTensor<B>>; 5];

/// What is asked of a head.
struct Given<'a, B: Backend> {
    targets: &'a [u32],
    options: LogitOptions,
    reference: Option<Reference<'a, B>>,
}

impl<'a, B: Backend> Given<'a, B> {
    /// Of the targets alone.
    fn new(targets: &'a [u32], options: LogitOptions) -> Self {
        Self { targets, options, reference: None }
    }
}

/// Hands `work` the operands as kernels take them.
fn with_input<B: KernelBackend, R>(
    operands: &Operands<FloatTensor<B>>,
    given: Given<'_, B>,
    trained: bool,
    work: impl FnOnce(HeadInput<'_, B>) -> R,
) -> R {
    let Given { targets, options: LogitOptions { soft_cap, temperature }, reference } = given;
    let matrix = |x: &FloatTensor<B>| Matrix::<B>::Float(wrap(x.clone()));
    let weight = matrix(&operands.weight);
    let bias: Option<Tensor<B, 1>> = operands.bias.as_ref().map(|bias| wrap(bias.clone()));
    let adapter = operands.adapter.as_ref().map(|(a, b, scale)| (matrix(a), matrix(b), *scale));
    let adapter = adapter.as_ref().map(|(a, b, scale)| LowRankWeights { a, b, scale: *scale });
    work(HeadInput {
        hidden: wrap(operands.hidden.clone()),
        head: AdaptedWeights { weight: &weight, bias: bias.as_ref(), adapter },
        targets,
        soft_cap,
        temperature,
        entropies: false,
        trained,
        reference,
    })
}

/// What a row has beside its gradients.
struct OfRows {
    log_probs: Vec<f32>,
    /// Empty without a reference.
    kls: Vec<f32>,
}

/// What rows have, and the gradients of a loss on it, in f32.
fn loss<B: KernelBackend>(
    operands: &Operands<FloatTensor<B>>,
    given: Given<'_, B>,
    trained: bool,
    derivative: &mut Derivative<'_>,
) -> (OfRows, Found<B>) {
    let found = with_input::<B, _>(operands, given, trained, |input| B::head_loss(input, derivative));
    let HeadGradients { log_probs, kls, hidden, weight, bias, adapter, .. } = found;
    let (a, b) = adapter.map(|found| (primitive(found.a), primitive(found.b))).unzip();
    let found = [Some(primitive(hidden)), weight.map(primitive), bias.map(primitive), a, b];
    (OfRows { log_probs, kls }, found)
}

/// In `dtype`.
fn cast<B: Backend>(x: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    if x.dtype() == dtype { x } else { B::float_cast(x, dtype.into()) }
}

/// A tensor of one dimension on the host.
fn host<B: Backend>(x: FloatTensor<B>) -> Vec<f32> {
    wrap::<B, 1>(x).into_data().iter::<f32>().collect()
}

#[derive(Debug)]
struct LogProbs;

/// What was asked for, to be computed again.
#[derive(Debug, Clone)]
struct Asked {
    operands: Operands<NodeId>,
    targets: Vec<u32>,
    options: LogitOptions,
}

impl<B: KernelBackend> Backward<B, 5> for LogProbs {
    type State = Asked;

    fn backward(self, ops: Ops<Asked, 5>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let Asked { operands, targets, options } = ops.state;
        let slopes = host::<B>(grads.consume::<B>(&ops.node));
        let values = operands.map(|&node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node));
        let [_, weight, bias, ..] = &ops.parents;
        let trained = weight.is_some() || bias.is_some();
        let mut derivative = Derivative::each(|index, _| slopes[index]);
        let (_, found) = loss::<B>(&values, Given::new(&targets, options), trained, &mut derivative);
        for ((node, gradient), dtype) in ops.parents.into_iter().zip(found).zip(dtypes(&values)) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, cast::<B>(gradient, dtype));
            }
        }
    }
}

/// Log-probs `[n]` in f32 of the `targets` `[n]` under rows `softmax(hidden W^T + b)`: `hidden` `[n, hidden]`, head `[vocab, hidden]`
/// with its bias and adapter where it has them. Any loss may be made of them.
///
/// Logits are made in parts, `2 n hidden vocab` flops, and once more in the backward, which is
/// [`KernelBackend::head_loss`]. A weight and bias that are not tracked cost it no product. Rows whose log-probs count for nothing are
/// computed in the forward all the same: select the others first.
///
/// # Panics
/// If there are no targets, they are not as many as rows, one is not below `vocab`, or a matrix is quantised.
pub fn log_probs<B: KernelBackend, C: CheckpointStrategy>(
    hidden: Tensor<Autodiff<B, C>, 2>,
    head: &AdaptedWeights<'_, Autodiff<B, C>>,
    targets: &[u32],
    options: LogitOptions,
) -> Tensor<Autodiff<B, C>, 1> {
    assert!(!targets.is_empty(), "there are no targets");
    let device = hidden.device();
    let nodes = operands(hidden, head);
    let values = nodes.map(|node| node.primitive.clone());
    let given = Given::new(targets, options);
    let found = with_input::<B, _>(&values, given, false, |input| rows::log_probs(&input));
    let found: Tensor<B, 1> =
        Tensor::from_data(TensorData::new(found, [targets.len()]), (&device, DType::F32));
    let parents = parents::<B, C>(&nodes).map(|parent| parent.node);
    let prepared = <LogProbs as Backward<B, 5>>::prepare::<C>(LogProbs, parents).compute_bound().stateful();
    wrap(match prepared {
        OpsKind::Tracked(mut prep) => {
            let operands = nodes.map(|node| prep.checkpoint(node));
            prep.finish(Asked { operands, targets: targets.to_vec(), options }, primitive(found))
        }
        OpsKind::UnTracked(prep) => prep.finish(primitive(found)),
    })
}

/// A loss whose gradients are there since the forward.
#[derive(Debug)]
struct AtOnce;

/// Gradients of a loss of factor 1, and the types they come to be in.
#[derive(Debug, Clone)]
struct Held<B: Backend> {
    gradients: Found<B>,
    dtypes: [DType; 5],
}

impl<B: Backend> Held<B> {
    /// Of the parents that are `tracked`. Those of an operand in f16 wait in f32: a factor that lifts them above its smallest numbers
    /// comes in the backward.
    fn new(gradients: Found<B>, dtypes: [DType; 5], tracked: [bool; 5]) -> Self {
        let mut all = gradients.into_iter().zip(dtypes).zip(tracked);
        let gradients = std::array::from_fn(|_| {
            let ((gradient, dtype), tracked) = all.next()?;
            let held = if dtype == DType::F16 { DType::F32 } else { dtype };
            gradient.filter(|_| tracked).map(|gradient| cast::<B>(gradient, held))
        });
        Self { gradients, dtypes }
    }
}

impl<B: KernelBackend> Backward<B, 5> for AtOnce {
    type State = Held<B>;

    fn backward(self, ops: Ops<Held<B>, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        // The loss is one number, so its gradient is one.
        let factor: f32 = host::<B>(grads.consume::<B>(&ops.node)).into_iter().sum();
        let Held { gradients, dtypes } = ops.state;
        for ((node, gradient), dtype) in ops.parents.into_iter().zip(gradients).zip(dtypes) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                let gradient = if factor == 1.0 {
                    gradient
                } else {
                    // In f32, so that the factor is not rounded.
                    B::float_mul_scalar(cast::<B>(gradient, DType::F32), factor.into())
                };
                grads.register::<B>(node.id, cast::<B>(gradient, dtype));
            }
        }
    }
}

/// `-sum_i weights[i] log p_i` `[1]` in f32 of the `targets` `[n]` under the rows of [`log_probs`]; weights of `1 / n` give the mean, one of 0
/// a row without a gradient.
///
/// Forward and backward are one: the gradients of hidden rows and head are computed here, where something is tracked, and held
/// until the backward multiplies them. So logits are made once less than with [`log_probs`], and one gradient of the head's size is
/// there for longer.
///
/// # Panics
/// As [`log_probs`], or if there are not as many weights as targets.
pub fn cross_entropy<B: KernelBackend, C: CheckpointStrategy>(
    hidden: Tensor<Autodiff<B, C>, 2>,
    head: &AdaptedWeights<'_, Autodiff<B, C>>,
    targets: &[u32],
    weights: &[f32],
    options: LogitOptions,
) -> Tensor<Autodiff<B, C>, 1> {
    assert!(!targets.is_empty(), "there are no targets");
    assert_eq!(weights.len(), targets.len(), "weights and targets");
    at_once(hidden, head, |values, trained| match trained {
        Some(trained) => {
            let mut derivative = Derivative::each(|index, _| -weights[index]);
            let (rows, gradients) = loss::<B>(values, Given::new(targets, options), trained, &mut derivative);
            (-weighted(&rows.log_probs, weights), gradients)
        }
        None => {
            let given = Given::new(targets, options);
            let found = with_input::<B, _>(values, given, false, |input| rows::log_probs(&input));
            (-weighted(&found, weights), Found::<B>::default())
        }
    })
}

/// `sum_i k_i KL(p_i || q_i)` `[1]` in f32 over all tokens of the vocabulary: `p` of the rows of [`log_probs`], `q` and the coefficients
/// `k` of a reference that nothing is learned by, under the same options.
///
/// Forward and backward are one, as of [`cross_entropy`]; without anything tracked there is no backward.
///
/// # Panics
/// If there are no rows, the reference has not as many rows and coefficients, or another vocabulary, or a matrix is quantised.
pub fn kl<B: KernelBackend, C: CheckpointStrategy>(
    hidden: Tensor<Autodiff<B, C>, 2>,
    head: &AdaptedWeights<'_, Autodiff<B, C>>,
    reference: Reference<'_, B>,
    options: LogitOptions,
) -> Tensor<Autodiff<B, C>, 1> {
    let coefficients = reference.coefficients;
    // Of log-probs nothing is wanted: the head asks for targets, and these count for nothing.
    let targets = vec![0; hidden.dims()[0]];
    assert!(!targets.is_empty(), "there are no rows");
    assert_eq!(coefficients.len(), targets.len(), "coefficients and rows");
    at_once(hidden, head, |values, trained| {
        // Rows that count for nothing are not walked back.
        let nothing = vec![0.0; if trained.is_none() { targets.len() } else { 0 }];
        let reference = match trained {
            Some(_) => reference,
            None => Reference { coefficients: &nothing, ..reference },
        };
        let given = Given { targets: &targets, options, reference: Some(reference) };
        let mut derivative = Derivative::each(|_, _| 0.0);
        let (rows, gradients) = loss::<B>(values, given, trained.unwrap_or(false), &mut derivative);
        (weighted(&rows.kls, coefficients), gradients)
    })
}

fn weighted(values: &[f32], weights: &[f32]) -> f32 {
    let terms = values.iter().zip(weights).map(|(&value, &weight)| f64::from(value) * f64::from(weight));
    terms.sum::<f64>() as f32
}

/// A loss `[1]` that `work` gives with its gradients, as a node. It is told whether weight and bias are tracked, or that nothing is.
fn at_once<B: KernelBackend, C: CheckpointStrategy>(
    hidden: Tensor<Autodiff<B, C>, 2>,
    head: &AdaptedWeights<'_, Autodiff<B, C>>,
    work: impl FnOnce(&Operands<FloatTensor<B>>, Option<bool>) -> (f32, Found<B>),
) -> Tensor<Autodiff<B, C>, 1> {
    let device = hidden.device();
    let nodes = operands(hidden, head);
    let values = nodes.map(|node| node.primitive.clone());
    let number = |loss: f32| {
        primitive(Tensor::<B, 1>::from_data(TensorData::new(vec![loss], [1]), (&device, DType::F32)))
    };
    let parents = parents::<B, C>(&nodes);
    let tracked = parents.each_ref().map(|parent| parent.is_tracked());
    let prepared = <AtOnce as Backward<B, 5>>::prepare::<C>(AtOnce, parents.map(|it| it.node));
    wrap(match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let [_, weight, bias, ..] = tracked;
            let (loss, gradients) = work(&values, Some(weight || bias));
            prep.finish(Held::new(gradients, dtypes(&values), tracked), number(loss))
        }
        OpsKind::UnTracked(prep) => prep.finish(number(work(&values, None).0)),
    })
}

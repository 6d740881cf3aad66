//! The operations of this crate under burn's autodiff.
//!
//! [`KernelBackend`] is implemented for [`Autodiff`] over any backend that has it, so code written over that trait, such as a decoder
//! layer, can be differentiated as it is. These operations are single nodes of burn's graph there; forward and backward are those
//! of the inner backend, its kernels or, where [`selection`](super::selection) asks for them, the references:
//!
//! | operation | the graph keeps |
//! | --- | --- |
//! | [`KernelBackend::attention_packed`] | inputs, output and two numbers a query and head; no scores |
//! | [`KernelBackend::rms_norm`] | `x` and the weight |
//! | [`KernelBackend::swiglu`] | both inputs |
//! | [`KernelBackend::rotary`] | the tables |
//! | [`log_probs`] | hidden rows and the head; logits are made again |
//! | [`cross_entropy`], [`kl`] | the gradients of hidden rows and head |
//!
//! Norm, SwiGLU and rotary are marked as cheap, so that
//! [`BalancedCheckpointing`](burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing) makes their outputs again instead of
//! keeping them. Gradients have the type of what they are gradients of.
//!
//! Every other operation of the trait is its plain reference, recorded by burn operation by operation: linear layers are burn's matrix
//! products, and a quantised weight is decoded and gets no gradient.
//!
//! ```
//! use burn::backend::Autodiff;
//! use burn::tensor::Tensor;
//! use burn_flex::Flex;
//! use osler::kernels::KernelBackend;
//!
//! type B = Autodiff<Flex>;
//! let device = Default::default();
//! let gate = Tensor::<B, 2>::from_floats([[0.0, 1.0]], &device).require_grad();
//! let up = Tensor::<B, 2>::from_floats([[4.0, 2.0]], &device);
//! let gradients = B::swiglu(gate.clone(), up).sum().backward();
//! // silu'(0) = 1/2, times 4.
//! let found = gate.grad(&gradients).unwrap().into_data().to_vec::<f32>().unwrap();
//! assert!((found[0] - 2.0).abs() < 1e-6);
//! ```

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

use super::attention::{Attended, AttentionShape, Segment};
use super::backend::KernelBackend;

mod activation;
mod attention;
mod head;
mod norm;
mod rotary;

pub use head::{LogitOptions, cross_entropy, kl, log_probs};

impl<B: KernelBackend, C: CheckpointStrategy> KernelBackend for Autodiff<B, C> {
    fn rms_norm(x: Tensor<Self, 2>, weight: &Tensor<Self, 1>, eps: f32) -> Tensor<Self, 2> {
        norm::rms_norm(x, weight, eps)
    }

    /// No gradient reaches `cos` and `sin`.
    fn rotary(x: Tensor<Self, 3>, cos: &Tensor<Self, 2>, sin: &Tensor<Self, 2>) -> Tensor<Self, 3> {
        rotary::rotary(x, cos, sin)
    }

    fn swiglu(gate: Tensor<Self, 2>, up: Tensor<Self, 2>) -> Tensor<Self, 2> {
        activation::swiglu(gate, up)
    }

    /// [`Attended::sums`] are constants: a loss has a gradient through the output only.
    fn attention_packed(
        q: Tensor<Self, 3>,
        k: Tensor<Self, 3>,
        v: Tensor<Self, 3>,
        segments: &[Segment],
        shape: AttentionShape,
    ) -> Attended<Self> {
        attention::packed([q, k, v], segments, shape)
    }
}

/// What burn holds of a tensor.
fn primitive<B: Backend, const D: usize>(x: Tensor<B, D>) -> FloatTensor<B> {
    x.into_primitive().tensor()
}

/// The tensor of what burn holds of it.
fn wrap<B: Backend, const D: usize>(x: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// The values of a node that an operation kept for its backward: kept, or made again.
fn kept<B: Backend, const D: usize>(checkpointer: &mut Checkpointer, node: NodeId) -> Tensor<B, D> {
    wrap(checkpointer.retrieve_node_output::<FloatTensor<B>>(node))
}

/// The values of a node that an operation's forward needs to be made again.
fn input<B: Backend, const D: usize>(states: &mut BackwardStates, node: NodeId) -> Tensor<B, D> {
    wrap(states.get_state::<FloatTensor<B>>(&node))
}

/// The node of an operation of two inputs, whose values `y` are made: the graph keeps the inputs, or makes them and `y` `again`, and
/// gives `state` to the backward.
fn of_two<B, C, O>(
    operation: O,
    [a, b]: [&FloatTensor<Autodiff<B, C>>; 2],
    y: FloatTensor<B>,
    state: O::State,
    again: impl RetroForward,
) -> FloatTensor<Autodiff<B, C>>
where
    B: Backend,
    C: CheckpointStrategy,
    O: Backward<B, 2>,
{
    let prepared = operation
        .prepare::<C>([a.node.clone(), b.node.clone()])
        .memory_bound()
        .retro_forward(again)
        .parents([a, b])
        .stateful();
    match prepared {
        OpsKind::Tracked(mut prep) => {
            prep.checkpoint(a);
            prep.checkpoint(b);
            prep.finish(state, y)
        }
        OpsKind::UnTracked(prep) => prep.finish(y),
    }
}

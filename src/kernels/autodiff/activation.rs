//! SwiGLU as a node of burn's graph.

use std::marker::PhantomData;

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::tensor::Tensor;

use super::{input, kept, of_two, primitive, wrap};
use crate::kernels::KernelBackend;

#[derive(Debug)]
struct SwiGlu;

/// What it is computed from.
#[derive(Debug, Clone, Copy)]
struct Inputs {
    gate: NodeId,
    up: NodeId,
}

impl<B: KernelBackend> Backward<B, 2> for SwiGlu {
    type State = Inputs;

    fn backward(self, ops: Ops<Inputs, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gate: Tensor<B, 2> = kept(checkpointer, ops.state.gate);
        let up: Tensor<B, 2> = kept(checkpointer, ops.state.up);
        let types = [gate.dtype(), up.dtype()];
        let (dgate, dup) = B::swiglu_backward(gate, up, wrap(grads.consume::<B>(&ops.node)));
        for ((node, gradient), dtype) in ops.parents.into_iter().zip([dgate, dup]).zip(types) {
            if let Some(node) = node {
                grads.register::<B>(node.id, primitive(gradient.cast(dtype)));
            }
        }
    }
}

/// The forward, made again.
#[derive(Debug)]
struct Again<B> {
    inputs: Inputs,
    backend: PhantomData<B>,
}

impl<B: KernelBackend> RetroForward for Again<B> {
    fn forward(&self, states: &mut BackwardStates, out_node: NodeId) {
        let gate: Tensor<B, 2> = input(states, self.inputs.gate);
        let up = input(states, self.inputs.up);
        states.save(out_node, primitive(B::swiglu(gate, up)));
    }
}

/// As [`KernelBackend::swiglu`].
pub(super) fn swiglu<B: KernelBackend, C: CheckpointStrategy>(
    gate: Tensor<Autodiff<B, C>, 2>,
    up: Tensor<Autodiff<B, C>, 2>,
) -> Tensor<Autodiff<B, C>, 2> {
    let (gate, up) = (primitive(gate), primitive(up));
    let y: Tensor<B, 2> = B::swiglu(wrap(gate.primitive.clone()), wrap(up.primitive.clone()));
    let inputs = Inputs { gate: gate.node.id, up: up.node.id };
    let again = Again::<B> { inputs, backend: PhantomData };
    wrap(of_two::<B, C, _>(SwiGlu, [&gate, &up], primitive(y), inputs, again))
}

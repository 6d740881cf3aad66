//! RMSNorm as a node of burn's graph.

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
struct RmsNorm;

/// What the norm is taken of.
#[derive(Debug, Clone, Copy)]
struct Inputs {
    x: NodeId,
    weight: NodeId,
    eps: f32,
}

impl<B: KernelBackend> Backward<B, 2> for RmsNorm {
    type State = Inputs;

    fn backward(self, ops: Ops<Inputs, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let Inputs { x, weight, eps } = ops.state;
        let x: Tensor<B, 2> = kept(checkpointer, x);
        let weight: Tensor<B, 1> = kept(checkpointer, weight);
        let types = [x.dtype(), weight.dtype()];
        let (dx, dw) = B::rms_norm_backward(x, &weight, eps, wrap(grads.consume::<B>(&ops.node)));
        let [of_x, of_weight] = ops.parents;
        if let Some(node) = of_x {
            grads.register::<B>(node.id, primitive(dx.cast(types[0])));
        }
        if let Some(node) = of_weight {
            grads.register::<B>(node.id, primitive(dw.cast(types[1])));
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
        let x: Tensor<B, 2> = input(states, self.inputs.x);
        let weight = input(states, self.inputs.weight);
        states.save(out_node, primitive(B::rms_norm(x, &weight, self.inputs.eps)));
    }
}

/// As [`KernelBackend::rms_norm`].
pub(super) fn rms_norm<B: KernelBackend, C: CheckpointStrategy>(
    x: Tensor<Autodiff<B, C>, 2>,
    weight: &Tensor<Autodiff<B, C>, 1>,
    eps: f32,
) -> Tensor<Autodiff<B, C>, 2> {
    let (x, weight) = (primitive(x), primitive(weight.clone()));
    let y: Tensor<B, 2> = B::rms_norm(wrap(x.primitive.clone()), &wrap(weight.primitive.clone()), eps);
    let inputs = Inputs { x: x.node.id, weight: weight.node.id, eps };
    let again = Again::<B> { inputs, backend: PhantomData };
    wrap(of_two::<B, C, _>(RmsNorm, [&x, &weight], primitive(y), inputs, again))
}

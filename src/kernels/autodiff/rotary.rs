//! Rotary embedding as a node of burn's graph.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::{Tensor, backend::Backend};

use super::{input, primitive, wrap};
use crate::kernels::KernelBackend;

#[derive(Debug)]
struct Rotary;

/// Cosines and sines, constants of the graph: `[n, head_dim / 2]` each.
#[derive(Debug, Clone)]
struct Tables<B: Backend> {
    cos: Tensor<B, 2>,
    sin: Tensor<B, 2>,
}

impl<B: KernelBackend> Backward<B, 1> for Rotary {
    type State = Tables<B>;

    fn backward(self, ops: Ops<Tables<B>, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Tables { cos, sin } = ops.state;
        let dy: Tensor<B, 3> = wrap(grads.consume::<B>(&ops.node));
        let [of_x] = ops.parents;
        if let Some(node) = of_x {
            // A rotation's gradient is the rotation back.
            grads.register::<B>(node.id, primitive(B::rotary(dy, &cos, &sin.neg())));
        }
    }
}

/// The forward, made again.
#[derive(Debug)]
struct Again<B: Backend> {
    x: NodeId,
    tables: Tables<B>,
}

impl<B: KernelBackend> RetroForward for Again<B> {
    fn forward(&self, states: &mut BackwardStates, out_node: NodeId) {
        let x: Tensor<B, 3> = input(states, self.x);
        states.save(out_node, primitive(B::rotary(x, &self.tables.cos, &self.tables.sin)));
    }
}

/// As [`KernelBackend::rotary`].
pub(super) fn rotary<B: KernelBackend, C: CheckpointStrategy>(
    x: Tensor<Autodiff<B, C>, 3>,
    cos: &Tensor<Autodiff<B, C>, 2>,
    sin: &Tensor<Autodiff<B, C>, 2>,
) -> Tensor<Autodiff<B, C>, 3> {
    let x = primitive(x);
    let tables = Tables::<B> { cos: cos.clone().inner(), sin: sin.clone().inner() };
    let y: Tensor<B, 3> = B::rotary(wrap(x.primitive.clone()), &tables.cos, &tables.sin);
    let prepared = <Rotary as Backward<B, 1>>::prepare::<C>(Rotary, [x.node.clone()])
        .memory_bound()
        .retro_forward(Again { x: x.node.id, tables: tables.clone() })
        .parents([&x])
        .stateful();
    wrap(match prepared {
        OpsKind::Tracked(prep) => prep.finish(tables, primitive(y)),
        OpsKind::UnTracked(prep) => prep.finish(primitive(y)),
    })
}

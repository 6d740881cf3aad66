//! Attention of packed sequences as a node of burn's graph.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::{Tensor, backend::Backend};

use super::{kept, primitive, wrap};
use crate::kernels::KernelBackend;
use crate::kernels::attention::{Attended, AttentionShape, Segment};

#[derive(Debug)]
struct Attention;

/// What the backward needs of the forward.
#[derive(Debug, Clone)]
struct Kept<B: Backend> {
    /// Queries, keys and values.
    inputs: [NodeId; 3],
    segments: Vec<Segment>,
    shape: AttentionShape,
    attended: Attended<B>,
}

impl<B: KernelBackend> Backward<B, 3> for Attention {
    type State = Kept<B>;

    fn backward(self, ops: Ops<Kept<B>, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let Kept { inputs, segments, shape, attended } = ops.state;
        let [q, k, v]: [Tensor<B, 3>; 3] = inputs.map(|node| kept(checkpointer, node));
        let types = [q.dtype(), k.dtype(), v.dtype()];
        let dout: Tensor<B, 2> = wrap(grads.consume::<B>(&ops.node));
        let dout = dout.cast(attended.out.dtype());
        let (dq, dk, dv) = B::attention_packed_backward(q, k, v, &segments, shape, &attended, dout);
        for ((node, gradient), dtype) in ops.parents.into_iter().zip([dq, dk, dv]).zip(types) {
            if let Some(node) = node {
                grads.register::<B>(node.id, primitive(gradient.cast(dtype)));
            }
        }
    }
}

/// As [`KernelBackend::attention_packed`], from queries, keys and values.
pub(super) fn packed<B: KernelBackend, C: CheckpointStrategy>(
    inputs: [Tensor<Autodiff<B, C>, 3>; 3],
    segments: &[Segment],
    shape: AttentionShape,
) -> Attended<Autodiff<B, C>> {
    let inputs = inputs.map(primitive);
    let [q, k, v] = inputs.each_ref().map(|x| wrap(x.primitive.clone()));
    let attended = B::attention_packed(q, k, v, segments, shape);
    let sums = Tensor::from_inner(attended.sums.clone());
    let nodes = inputs.each_ref().map(|x| x.node.clone());
    let prepared = <Attention as Backward<B, 3>>::prepare::<C>(Attention, nodes).compute_bound().stateful();
    let out = match prepared {
        OpsKind::Tracked(mut prep) => {
            let inputs = inputs.each_ref().map(|x| prep.checkpoint(x));
            let out = primitive(attended.out.clone());
            prep.finish(Kept { inputs, segments: segments.to_vec(), shape, attended }, out)
        }
        OpsKind::UnTracked(prep) => prep.finish(primitive(attended.out)),
    };
    Attended { out: wrap(out), sums }
}

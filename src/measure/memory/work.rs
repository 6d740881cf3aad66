//! What is measured: attention and the GRPO loss, forward and backward, on the CPU in f32.

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use half::bf16;

use crate::kernels::attention::reference;
use crate::kernels::head::{Derivative, HeadInput, Reference};
use crate::kernels::{AdaptedWeights, AttentionShape, KernelBackend, LowRankWeights, Matrix, Segment};
use crate::rl::objective::{Clip, PolicyLoss, StepSize, token_ratio};
use crate::train::config::PolicyObjective;

/// Bytes that are there whatever computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Of the inputs, the output's gradient among them.
    pub inputs_bytes: u64,
    /// Of the gradients.
    pub gradients_bytes: u64,
}

/// Values without a pattern between -0.5 and 0.5, and nothing allocated beside them.
fn filled<const D: usize>(dims: [usize; D]) -> Tensor<Flex, D> {
    filled_as(dims, DType::F32)
}

/// The same in f32 or bf16.
fn filled_as<const D: usize>(dims: [usize; D], dtype: DType) -> Tensor<Flex, D> {
    let values = (0..dims.iter().product::<usize>()).map(|i| (i * 7919 % 10_007) as f32 / 10_007.0 - 0.5);
    let data = match dtype {
        DType::BF16 => TensorData::new(values.map(bf16::from_f32).collect::<Vec<bf16>>(), dims),
        _ => TensorData::new(values.collect::<Vec<f32>>(), dims),
    };
    Tensor::from_data(data, (&FlexDevice, dtype))
}

fn bytes<const D: usize>(x: &Tensor<Flex, D>) -> u64 {
    (x.dims().iter().product::<usize>() * x.dtype().size()) as u64
}

/// Causal attention of one sequence of `tokens` with as many key heads as query heads; `plain` materialises the scores, and
/// keeps the probabilities for the backward. Inputs: queries, keys, values, the output's gradient, each
/// `[tokens, heads, head_dim]`.
pub fn attention(tokens: usize, heads: usize, head_dim: usize, plain: bool) -> Sizes {
    let [q, k, v] = [(); 3].map(|()| filled([tokens, heads, head_dim]));
    let dout = filled([tokens, heads * head_dim]);
    let shape = AttentionShape { heads, kv_heads: heads, head_dim, scale: (head_dim as f32).sqrt().recip() };
    let own = || (q.clone(), k.clone(), v.clone());
    let (_out, (dq, dk, dv)) = if plain {
        let (q, k, v) = own();
        reference::trained(q, k, v, shape, dout.clone())
    } else {
        let segments = [Segment::alone(tokens)];
        let (q, k, v) = own();
        let attended = Flex::attention_packed(q, k, v, &segments, shape);
        let (q, k, v) = own();
        let gradients = Flex::attention_packed_backward(q, k, v, &segments, shape, &attended, dout.clone());
        (attended.out, gradients)
    };
    Sizes {
        inputs_bytes: bytes(&q) + bytes(&k) + bytes(&v) + bytes(&dout),
        gradients_bytes: bytes(&dq) + bytes(&dk) + bytes(&dv),
    }
}

/// The GRPO loss of `rows` sampled tokens under an output head `[vocab, width]`: advantages of both signs, and log-probs from when
/// they were sampled on both sides of those now. Inputs: hidden rows `[rows, width]` and the head; where it is `compared`, the same
/// of a reference that the loss holds it to by the divergence over the vocabulary. With a `rank` the head is frozen and has an adapter
/// of it, which is an input as well. The head is held in `dtype`, f32 or bf16.
pub fn grpo_loss(
    rows: usize,
    width: usize,
    vocab: usize,
    compared: bool,
    rank: Option<usize>,
    dtype: DType,
) -> Sizes {
    let hidden = filled([rows, width]);
    let head = filled_as([vocab, width], dtype);
    let mut inputs_bytes = bytes(&hidden) + bytes(&head);
    let weight = Matrix::Float(head);
    let adapter = rank.map(|rank| (filled([rank, width]), filled([vocab, rank])));
    inputs_bytes += adapter.as_ref().map_or(0, |(a, b)| bytes(a) + bytes(b));
    let adapter = adapter.map(|(a, b)| (Matrix::Float(a), Matrix::Float(b)));
    let other = compared.then(|| (filled([rows, width]) * 0.5, filled([vocab, width]), vec![1e-3; rows]));
    inputs_bytes += other.as_ref().map_or(0, |(hidden, head, _)| bytes(hidden) + bytes(head));
    let other = other.map(|(hidden, head, coefficients)| (hidden, Matrix::Float(head), coefficients));
    let reference = other.as_ref().map(|(hidden, weight, coefficients)| Reference {
        hidden: hidden.clone(),
        head: AdaptedWeights { weight, bias: None, adapter: None },
        coefficients,
    });
    let targets: Vec<u32> = (0..rows).map(|i| (i * 7919 % vocab) as u32).collect();
    let clip = Clip { low: 0.2, high: 0.28 };
    let loss = PolicyLoss { objective: PolicyObjective::M2, clip, l_max: rows, kl: None };
    let divisor = loss.divisor(StepSize { replies: 1, tokens: rows }, rows);
    let mut derivative = Derivative::each(|i: usize, log_prob: f32| {
        // Both signs of the advantage meet ratios below, within and above the clip.
        let old = log_prob + (i % 5) as f32 * 0.2 - 0.4;
        let advantage = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        loss.token(log_prob, token_ratio(log_prob, old), advantage).derivative / divisor
    });
    let input = HeadInput {
        hidden: hidden.clone(),
        head: AdaptedWeights {
            weight: &weight,
            bias: None,
            adapter: adapter.as_ref().map(|(a, b)| LowRankWeights { a, b, scale: 1.0 }),
        },
        targets: &targets,
        soft_cap: None,
        temperature: 1.0,
        entropies: false,
        reference,
        trained: rank.is_none(),
    };
    let gradients = Flex::head_loss(input, &mut derivative);
    let of_head = gradients.weight.as_ref().map_or(0, bytes);
    let of_adapter = gradients.adapter.as_ref().map_or(0, |it| bytes(&it.a) + bytes(&it.b));
    Sizes { inputs_bytes, gradients_bytes: bytes(&gradients.hidden) + of_head + of_adapter }
}

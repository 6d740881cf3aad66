//! What is measured: attention and the GRPO loss, forward and backward.

use burn::tensor::{DType, Tensor, TensorData};
use half::bf16;

use crate::kernels::attention::reference;
use crate::kernels::head::{Derivative, HeadInput, Reference, unfused};
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

/// Values without a pattern between -0.5 and 0.5 in f32 or bf16, and nothing allocated beside them.
fn filled<B: KernelBackend, const D: usize>(
    dims: [usize; D],
    dtype: DType,
    device: &B::Device,
) -> Tensor<B, D> {
    let values = (0..dims.iter().product::<usize>()).map(|i| (i * 7919 % 10_007) as f32 / 10_007.0 - 0.5);
    let data = match dtype {
        DType::BF16 => TensorData::new(values.map(bf16::from_f32).collect::<Vec<bf16>>(), dims),
        _ => TensorData::new(values.collect::<Vec<f32>>(), dims),
    };
    Tensor::from_data(data, (device, dtype))
}

fn bytes<B: KernelBackend, const D: usize>(x: &Tensor<B, D>) -> u64 {
    (x.dims().iter().product::<usize>() * x.dtype().size()) as u64
}

/// Causal attention of one sequence of `tokens` with as many key heads as query heads; `plain` materialises the scores, and
/// keeps the probabilities for the backward. Inputs: queries, keys, values, the output's gradient, each
/// `[tokens, heads, head_dim]`.
pub fn attention<B: KernelBackend>(
    [tokens, heads, head_dim]: [usize; 3],
    plain: bool,
    device: &B::Device,
) -> Sizes {
    let [q, k, v] = [(); 3].map(|()| filled::<B, 3>([tokens, heads, head_dim], DType::F32, device));
    let dout = filled::<B, 2>([tokens, heads * head_dim], DType::F32, device);
    let shape = AttentionShape { heads, kv_heads: heads, head_dim, scale: (head_dim as f32).sqrt().recip() };
    let own = || (q.clone(), k.clone(), v.clone());
    let (_out, (dq, dk, dv)) = if plain {
        let (q, k, v) = own();
        reference::trained(q, k, v, shape, dout.clone())
    } else {
        let segments = [Segment::alone(tokens)];
        let (q, k, v) = own();
        let attended = B::attention_packed(q, k, v, &segments, shape);
        let (q, k, v) = own();
        let gradients = B::attention_packed_backward(q, k, v, &segments, shape, &attended, dout.clone());
        (attended.out, gradients)
    };
    Sizes {
        inputs_bytes: bytes(&q) + bytes(&k) + bytes(&v) + bytes(&dout),
        gradients_bytes: bytes(&dq) + bytes(&dk) + bytes(&dv),
    }
}

/// The GRPO loss of sampled tokens under an output head.
#[derive(Debug, Clone, Copy)]
pub struct GrpoLoss {
    /// Tokens, hidden size and vocabulary.
    pub dims: [usize; 3],
    /// Types of the hidden rows and of the head, f32 or bf16.
    pub dtypes: [DType; 2],
    /// Whether the loss holds it to a reference by the divergence over the vocabulary.
    pub compared: bool,
    /// The head is frozen and has an adapter of this rank.
    pub rank: Option<usize>,
    /// Whether all logits are held, in plain tensor operations.
    pub plain: bool,
}

/// `loss` with advantages of both signs, and log-probs from when tokens were sampled on both sides of those now. Inputs: hidden rows
/// `[rows, width]` and the head `[vocab, width]`, the same of a reference in f32, and an adapter, where there are such.
pub fn grpo_loss<B: KernelBackend>(loss: &GrpoLoss, device: &B::Device) -> Sizes {
    let GrpoLoss { dims: [rows, width, vocab], dtypes: [dtype, head], compared, rank, plain } = *loss;
    let float = |dims: [usize; 2]| filled::<B, 2>(dims, DType::F32, device);
    let hidden = filled::<B, 2>([rows, width], dtype, device);
    let head = filled::<B, 2>([vocab, width], head, device);
    let mut inputs_bytes = bytes(&hidden) + bytes(&head);
    let weight = Matrix::Float(head);
    let adapter = rank.map(|rank| (float([rank, width]), float([vocab, rank])));
    inputs_bytes += adapter.as_ref().map_or(0, |(a, b)| bytes(a) + bytes(b));
    let adapter = adapter.map(|(a, b)| (Matrix::Float(a), Matrix::Float(b)));
    let other = compared.then(|| (float([rows, width]) * 0.5, float([vocab, width]), vec![1e-3; rows]));
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
    let gradients = match plain {
        true => unfused::loss(input, &mut derivative),
        false => B::head_loss(input, &mut derivative),
    };
    let of_head = gradients.weight.as_ref().map_or(0, bytes);
    let of_adapter = gradients.adapter.as_ref().map_or(0, |it| bytes(&it.a) + bytes(&it.b));
    Sizes { inputs_bytes, gradients_bytes: bytes(&gradients.hidden) + of_head + of_adapter }
}

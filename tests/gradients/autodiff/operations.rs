//! Norm, SwiGLU, rotary embedding and attention.

use burn::backend::autodiff::checkpoint::strategy::{CheckpointStrategy, NoCheckpointing};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use osler::kernels::{AttentionShape, KernelBackend, Segment};

use super::{A, constant, is_tracked, leaf, near};
use crate::{noise, tensor, values};

/// An output and, of the sum of its products with fixed numbers, the gradients by the inputs.
type Passed<const I: usize, const O: usize, const N: usize> = (Tensor<Flex, O>, [Tensor<Flex, I>; N]);

fn pass<C: CheckpointStrategy, const I: usize, const O: usize, const N: usize>(
    inputs: &[Tensor<Flex, I>; N],
    operation: impl FnOnce([Tensor<A<C>, I>; N]) -> Tensor<A<C>, O>,
) -> Passed<I, O, N> {
    let leaves = inputs.each_ref().map(leaf::<C, I>);
    let out = operation(leaves.clone());
    let dims = out.dims();
    let dout = tensor(noise(99, dims.iter().product()), dims);
    let gradients = (out.clone() * constant::<C, O>(&dout)).sum().backward();
    (out.inner(), leaves.map(|leaf| leaf.grad(&gradients).unwrap()))
}

fn same<const I: usize, const O: usize, const N: usize>(
    what: &str,
    found: Passed<I, O, N>,
    expected: Passed<I, O, N>,
) {
    near(&format!("{what}, output"), found.0, expected.0, 0.1);
    for (index, (found, expected)) in found.1.into_iter().zip(expected.1).enumerate() {
        near(&format!("{what}, gradient {index}"), found, expected, 0.1);
    }
}

#[test]
fn the_norms_gradients_are_those_of_its_formula() {
    for (n, d) in [(3, 7), (65, 64), (130, 33)] {
        let x = tensor(noise(1, n * d), [n, d]) * 3.0;
        // A row, so that both inputs have as many dimensions.
        let weight = tensor(noise(2, d), [1, d]);
        let inputs = [x, weight];
        let found = pass::<NoCheckpointing, 2, 2, 2>(&inputs, |[x, weight]| {
            A::<NoCheckpointing>::rms_norm(x, &weight.squeeze_dim(0), 1e-5)
        });
        let expected = pass::<NoCheckpointing, 2, 2, 2>(&inputs, |[x, weight]| {
            let size = ((x.clone() * x.clone()).mean_dim(1) + 1e-5).sqrt();
            x / size * weight
        });
        same(&format!("{n} rows of {d}"), found, expected);
    }
}

#[test]
fn the_activations_gradients_are_those_of_its_formula() {
    for (n, d) in [(2, 3), (129, 300)] {
        let inputs = [1, 2].map(|seed| tensor(noise(seed, n * d), [n, d]) * 4.0);
        let found =
            pass::<NoCheckpointing, 2, 2, 2>(&inputs, |[gate, up]| A::<NoCheckpointing>::swiglu(gate, up));
        let expected = pass::<NoCheckpointing, 2, 2, 2>(&inputs, |[gate, up]| {
            gate.clone() / (gate.neg().exp() + 1.0) * up
        });
        same(&format!("{n} rows of {d}"), found, expected);
    }
}

#[test]
fn the_rotations_gradients_are_those_of_its_formula() {
    for (n, heads, d) in [(1, 1, 2), (9, 3, 8), (40, 2, 24)] {
        let inputs = [tensor(noise(1, n * heads * d), [n, heads, d])];
        // Not on the unit circle: YaRN's are not either.
        let [cos, sin] = [2, 3].map(|seed| tensor(noise(seed, n * d / 2), [n, d / 2]));
        let found = pass::<NoCheckpointing, 3, 3, 1>(&inputs, |[x]| {
            A::<NoCheckpointing>::rotary(x, &constant(&cos), &constant(&sin))
        });
        let expected = pass::<NoCheckpointing, 3, 3, 1>(&inputs, |[x]| {
            let (a, b) = (x.clone().narrow(2, 0, d / 2), x.narrow(2, d / 2, d / 2));
            let [cos, sin] = [&cos, &sin].map(|x| constant::<NoCheckpointing, 2>(x).unsqueeze_dim::<3>(1));
            let turned = a.clone() * cos.clone() - b.clone() * sin.clone();
            Tensor::cat(vec![turned, b * cos + a * sin], 2)
        });
        same(&format!("{n} rows of {heads} heads of {d}"), found, expected);
    }
}

/// Softmax over scores that are all there, one head of one segment after another.
fn plain_attention(
    [q, k, v]: [Tensor<A, 3>; 3],
    segments: &[Segment],
    shape: AttentionShape,
) -> Tensor<A, 2> {
    let column = |x: &Tensor<A, 3>, head: usize| x.clone().narrow(1, head, 1).squeeze_dim::<2>(1);
    let mut places = Vec::new();
    let mut outputs = Vec::new();
    for segment in segments {
        let start = places.last().map_or(0, |rows: &std::ops::Range<usize>| rows.end);
        let own = start..start + segment.len;
        places.push(own.clone());
        if own.is_empty() {
            continue;
        }
        let before = segment.after.map(|parent| places[parent].clone()).filter(|rows| !rows.is_empty());
        let seen = |x: &Tensor<A, 3>, head: usize| {
            let x = column(x, head);
            let own = x.clone().slice([own.clone()]);
            match &before {
                Some(before) => Tensor::cat(vec![x.slice([before.clone()]), own], 0),
                None => own,
            }
        };
        let heads = (0..shape.heads).map(|head| {
            let of_keys = head / (shape.heads / shape.kv_heads);
            let (k, v) = (seen(&k, of_keys), seen(&v, of_keys));
            let scores = column(&q, head).slice([own.clone()]).matmul(k.transpose()) * shape.scale;
            let [queries, keys] = scores.dims();
            let later = (0..queries * keys).map(|i| i % keys > keys - queries + i / keys);
            let later = TensorData::new(later.collect::<Vec<bool>>(), [queries, keys]);
            let later = Tensor::<A, 2, Bool>::from_data(later, &FlexDevice);
            softmax(scores.mask_fill(later, -1e30), 1).matmul(v)
        });
        outputs.push(Tensor::cat(heads.collect(), 1));
    }
    Tensor::cat(outputs, 0)
}

#[test]
fn attentions_gradients_are_those_of_its_formula() {
    let after = |len, parent| Segment { len, after: Some(parent) };
    let alone = Segment::alone;
    for (heads, kv_heads, head_dim) in [(1, 1, 4), (4, 2, 8), (6, 2, 32), (3, 3, 5)] {
        for segments in [
            vec![alone(7)],
            Segment::all(&[1, 40, 3]),
            Segment::all(&[17, 0, 16, 15, 0, 70]),
            vec![alone(20), after(5, 0), after(1, 0)],
            vec![alone(16), alone(3), after(17, 1), after(40, 0), after(0, 0), after(2, 1), alone(9)],
        ] {
            let n: usize = segments.iter().map(|segment| segment.len).sum();
            let shape = AttentionShape { heads, kv_heads, head_dim, scale: 0.7 };
            let part = |seed, heads: usize| tensor(noise(seed, n * heads * head_dim), [n, heads, head_dim]);
            let inputs = [part(1, heads), part(2, kv_heads), part(3, kv_heads)];
            let found = pass::<NoCheckpointing, 3, 2, 3>(&inputs, |[q, k, v]| {
                A::<NoCheckpointing>::attention_packed(q, k, v, &segments, shape).out
            });
            let expected =
                pass::<NoCheckpointing, 3, 2, 3>(&inputs, |inputs| plain_attention(inputs, &segments, shape));
            same(&format!("{heads} heads of {head_dim}, {segments:?}"), found, expected);
        }
    }
}

#[test]
fn what_is_not_tracked_has_no_gradient_and_changes_no_other() {
    let segments = Segment::all(&[5, 9]);
    let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 8, scale: 0.4 };
    let part = |seed, heads: usize| tensor(noise(seed, 14 * heads * 8), [14, heads, 8]);
    let inputs = [part(1, 4), part(2, 2), part(3, 2)];
    let [all, _, _] = pass::<NoCheckpointing, 3, 2, 3>(&inputs, |[q, k, v]| {
        A::<NoCheckpointing>::attention_packed(q, k, v, &segments, shape).out
    })
    .1;
    let [_, k, v] = inputs.each_ref().map(constant::<NoCheckpointing, 3>);
    let [q, _, _] = &inputs;
    let [alone] = pass::<NoCheckpointing, 3, 2, 1>(std::array::from_ref(q), |[q]| {
        A::<NoCheckpointing>::attention_packed(q, k.clone(), v.clone(), &segments, shape).out
    })
    .1;
    assert_eq!(values(alone), values(all));
    let nothing = A::<NoCheckpointing>::attention_packed(constant(q), k, v, &segments, shape).out;
    assert!(!is_tracked(&nothing));
}

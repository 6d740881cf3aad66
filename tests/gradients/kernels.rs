//! The CPU kernels' backward beside the plain references.

use burn::tensor::Tensor;
use burn_flex::Flex;
use osler::kernels::{AttentionShape, KernelBackend, Segment, activation, attention, norm, softmax};

use crate::support::max_diff;
use crate::{close, noise, tensor};

#[test]
fn the_norms_backward_is_the_references() {
    for (n, d) in [(1, 1), (3, 7), (65, 64), (200, 33)] {
        let (x, weight, dy) = (noise(1, n * d), noise(2, d), noise(3, n * d));
        let (x, weight, dy) = (tensor(x, [n, d]), tensor(weight, [d]), tensor(dy, [n, d]));
        let (dx, dw) = Flex::rms_norm_backward(x.clone(), &weight, 1e-5, dy.clone());
        let (expected_dx, expected_dw) = norm::backward::reference(x, &weight, 1e-5, dy);
        close("dx", dx, expected_dx);
        close("dw", dw, expected_dw);
    }
}

#[test]
fn a_joined_streams_norm_and_its_backward_are_the_references_and_the_sum_of_both_to_the_bit() {
    let bits = |x: Tensor<Flex, 2>| -> Vec<u32> { x.into_data().iter::<f32>().map(f32::to_bits).collect() };
    for (n, d) in [(1, 1), (3, 7), (65, 64), (200, 333)] {
        let part = |seed| tensor(noise(seed, n * d), [n, d]);
        let (x, more, dnormed, dsum) = (part(1), part(2), part(3), part(4));
        let weight = tensor(noise(5, d), [d]);
        let (sum, normed) = Flex::add_rms_norm(x.clone(), more.clone(), &weight, 1e-5);
        let (plain_sum, plain) = norm::reference::add_rms_norm(x.clone(), more.clone(), &weight, 1e-5);
        assert_eq!(bits(sum.clone()), bits(plain_sum));
        close("normed", normed.clone(), plain);
        // What was not joined in the norm's pass has the same bits: a layer's forward that is made again must not differ.
        assert_eq!(bits(normed), bits(Flex::rms_norm(sum.clone(), &weight, 1e-5)));
        assert_eq!(bits(x), bits(part(1)), "addends that are held elsewhere stay what they are");
        assert_eq!(bits(more), bits(part(2)));

        let joined = Flex::add_rms_norm_backward(sum.clone(), &weight, 1e-5, dnormed.clone(), dsum.clone());
        let (dx, dw) =
            norm::backward::add_reference(sum.clone(), &weight, 1e-5, dnormed.clone(), dsum.clone());
        close("dx", joined.0.clone(), dx);
        close("dw", joined.1.clone(), dw);
        let (dx, dw) = Flex::rms_norm_backward(sum, &weight, 1e-5, dnormed);
        assert_eq!(bits(joined.0), bits(dx + dsum.clone()));
        assert_eq!(bits(joined.1.unsqueeze_dim(0)), bits(dw.unsqueeze_dim(0)));
        assert_eq!(bits(dsum), bits(part(4)));
    }
}

#[test]
fn the_activations_backward_is_the_references() {
    for (n, d) in [(1, 1), (3, 7), (129, 300)] {
        let part = |seed| tensor(noise(seed, n * d), [n, d]) * 6.0;
        let (dgate, dup) = Flex::swiglu_backward(part(1), part(2), part(3));
        let (expected_dgate, expected_dup) = activation::backward::reference(part(1), part(2), part(3));
        close("dgate", dgate, expected_dgate);
        close("dup", dup, expected_dup);
    }
}

#[test]
fn attentions_backward_is_the_references() {
    for (heads, kv_heads, head_dim) in [(1, 1, 1), (4, 2, 8), (6, 2, 32), (3, 3, 5)] {
        let after = |len, parent| Segment { len, after: Some(parent) };
        let alone = Segment::alone;
        for segments in [
            vec![alone(1)],
            vec![alone(7)],
            Segment::all(&[1, 40, 3]),
            Segment::all(&[17, 16, 15, 64]),
            vec![alone(300)],
            vec![alone(20), after(5, 0), after(1, 0)],
            vec![alone(16), alone(3), after(17, 1), after(40, 0), after(2, 1), alone(9)],
        ] {
            let n: usize = segments.iter().map(|segment| segment.len).sum();
            let shape = AttentionShape { heads, kv_heads, head_dim, scale: 0.7 };
            let part = |seed, heads: usize| tensor(noise(seed, n * heads * head_dim), [n, heads, head_dim]);
            let (q, k, v) = (part(1, heads), part(2, kv_heads), part(3, kv_heads));
            let dout = tensor(noise(4, n * heads * head_dim), [n, heads * head_dim]);
            let inputs = || (q.clone(), k.clone(), v.clone());
            let (tq, tk, tv) = inputs();
            let attended = Flex::attention_packed(tq, tk, tv, &segments, shape);
            let (tq, tk, tv) = inputs();
            let found =
                Flex::attention_packed_backward(tq, tk, tv, &segments, shape, &attended, dout.clone());
            if let [Segment { after: None, .. }] = segments[..] {
                // The same with the forward's probabilities kept.
                let (tq, tk, tv) = inputs();
                let (out, (dq, dk, dv)) = attention::reference::trained(tq, tk, tv, shape, dout.clone());
                close("out, trained", attended.out.clone(), out);
                close("dq, trained", found.0.clone(), dq);
                close("dk, trained", found.1.clone(), dk);
                close("dv, trained", found.2.clone(), dv);
            }
            let expected = attention::reference::packed_backward(q, k, v, &segments, shape, dout);
            close("dq", found.0, expected.0);
            close("dk", found.1, expected.1);
            close("dv", found.2, expected.2);
        }
    }
}

#[test]
fn log_probs_and_their_backward_are_the_references() {
    for (n, vocab) in [(1, 1), (5, 37), (64, 1000)] {
        let logits = tensor(noise(5, n * vocab), [n, vocab]) * 9.0;
        let targets: Vec<u32> = (0..n).map(|i| (i * 7919 % vocab) as u32).collect();
        let (found, sums) = Flex::log_probs(&logits, &targets);
        let (expected, expected_sums) = softmax::log_prob::reference(&logits, &targets);
        let total = |sums: &[softmax::LogSum]| sums.iter().map(|sum| sum.total()).collect::<Vec<f32>>();
        assert!(max_diff(&found, &expected) <= 1e-5);
        assert!(max_diff(&total(&sums), &total(&expected_sums)) <= 1e-5);
        let coefficients = noise(6, n);
        close(
            "dlogits",
            Flex::log_probs_backward(logits.clone(), &targets, &sums, &coefficients),
            softmax::log_prob::reference_backward(logits, &targets, &sums, &coefficients),
        );
    }
}

//! The CPU's attention and head against f64 arithmetic, and the plain references with them: generated cases, the same in every run.

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use osler::doctor::exact::log_probs;
use osler::doctor::inputs::{Grain, Noise, host, tensor};
use osler::kernels::{AttentionShape, KernelBackend, Segment, head as kernel, softmax::log_prob};
use proptest::prelude::*;

use super::bits;
use crate::parity::attention::{self, Case, Inputs};
use crate::parity::{Held, Seen, Wanted, bound, cached, head, rows, run};

const F32: Held = Held { dtype: DType::F32, bound: 1e-5 };

/// Head dimensions that most models have.
const USUAL: [usize; 3] = [64, 96, 128];

/// Any head dimension from 16 to 128; each of [`USUAL`] is 21 of the 173 that are chosen among.
fn head_dims() -> Vec<usize> {
    (16..=128).chain(USUAL.into_iter().flat_map(|dim| [dim; 20])).collect()
}

fn limits() -> attention::Limits {
    attention::Limits {
        segments: 6,
        longest: 135,
        kv_heads: 2,
        groups: (1..=7).collect(),
        head_dims: head_dims(),
        tiny_scales: true,
    }
}

#[test]
fn attention_and_its_gradients_are_those_in_f64() {
    let [empty, one, continued, extreme, wide, odd, none, negative, least]: [Seen; 9] = Default::default();
    let usual: [Seen; 3] = Default::default();
    run(300, attention::cases(&limits()), |case| {
        let inputs = case.inputs(DType::F32);
        let exact = case.exact(&inputs);
        let len = |segment: &Segment| segment.len;
        empty.add(case.segments.iter().any(|it| it.len == 0));
        one.add(case.segments.iter().any(|it| it.len == 1 && it.after.is_none()));
        let after = |it: &Segment| it.after.map_or(0, |parent| len(&case.segments[parent]));
        continued.add(case.segments.iter().any(|it| it.len > 0 && after(it) > 0));
        extreme.add(exact.peak >= 1e4);
        wide.add(case.shape.heads == 7 * case.shape.kv_heads);
        odd.add(!case.shape.head_dim.is_multiple_of(16));
        usual.iter().zip(USUAL).for_each(|(seen, dim)| seen.add(case.shape.head_dim == dim));
        none.add(case.shape.scale == 0.0);
        negative.add(case.shape.scale < 0.0 && exact.peak >= 1.0);
        least.add(case.shape.scale == 1e-30);
        case.check_kernel::<Flex>((&inputs, &exact), &FlexDevice, F32)?;
        case.check_reference::<Flex>((&inputs, &exact), &FlexDevice, DType::F32)
    });
    empty.at_least(50, "an empty segment");
    one.at_least(50, "a segment of one token");
    continued.at_least(40, "a continuation");
    extreme.at_least(20, "scores of 1e4");
    wide.at_least(15, "seven query heads on one of keys");
    odd.at_least(150, "a head dimension that is no multiple of 16");
    none.at_least(8, "a scale of 0");
    negative.at_least(20, "a scale below 0");
    least.at_least(8, "a scale of almost nothing");
    for (seen, dim) in usual.iter().zip(USUAL) {
        seen.at_least(15, &format!("heads of {dim}"));
    }
}

/// The CPU's kernels compute in f32 whatever their inputs are held in, and so does the reference but for its output.
#[test]
fn attention_of_half_precision_is_computed_in_f32() {
    for dtype in [DType::F16, DType::BF16] {
        let limits = attention::Limits { longest: 70, tiny_scales: false, ..limits() };
        run(20, attention::cases(&limits), |case| {
            let inputs = case.inputs(dtype);
            let exact = case.exact(&inputs);
            case.check_kernel::<Flex>((&inputs, &exact), &FlexDevice, Held { dtype, ..F32 })?;
            case.check_reference::<Flex>((&inputs, &exact), &FlexDevice, dtype)
        });
    }
}

#[test]
fn cached_attention_is_that_in_f64_and_the_packed_one_to_the_bit() {
    run(100, cached::cached(&limits()), |case| {
        let inputs = case.packed.inputs(DType::F32);
        let exact = case.packed.exact(&inputs);
        let found = case.attend::<Flex>(&inputs, &FlexDevice, DType::F32);
        case.check(&found, &exact, F32.bound)?;
        let [q, k, v, _] = operands(&case.packed, &inputs);
        let packed = Flex::attention_packed(q, k, v, &case.packed.segments, case.packed.shape).out;
        prop_assert_eq!(bits(&case.take(&host(packed))), bits(&found));
        Ok(())
    });
}

/// Queries, keys, values, and the output's gradient as a tensor of three dimensions.
fn operands(case: &Case, inputs: &Inputs) -> [Tensor<Flex, 3>; 4] {
    let AttentionShape { heads, kv_heads, head_dim, .. } = case.shape;
    let n = case.tokens();
    [(&inputs.q, heads), (&inputs.k, kv_heads), (&inputs.v, kv_heads), (&inputs.dout, heads)]
        .map(|(x, heads)| tensor(x, [n, heads, head_dim], &FlexDevice, DType::F32))
}

/// Every result's bits.
fn results(case: &Case, inputs: &Inputs, segments: &[Segment]) -> Vec<Vec<u32>> {
    let [q, k, v, dout] = operands(case, inputs);
    let dout = dout.reshape([case.tokens() as i32, -1]);
    let attended = Flex::attention_packed(q.clone(), k.clone(), v.clone(), segments, case.shape);
    let (dq, dk, dv) = Flex::attention_packed_backward(q, k, v, segments, case.shape, &attended, dout);
    let results = [host(attended.out), host::<Flex, 3>(attended.sums), host(dq), host(dk), host(dv)];
    results.iter().map(|it| bits(it)).collect()
}

#[test]
fn empty_segments_contribute_nothing() {
    let had = Seen::default();
    run(60, attention::cases(&limits()), |case| {
        // Where each segment is without the empty ones; what continues an empty one continues nothing.
        let mut places = Vec::new();
        let mut without = Vec::new();
        for segment in &case.segments {
            let after = segment.after.and_then(|parent| places[parent]);
            places.push((segment.len > 0).then_some(without.len()));
            if segment.len > 0 {
                without.push(Segment { len: segment.len, after });
            }
        }
        had.add(without.len() < case.segments.len());
        let inputs = case.inputs(DType::F32);
        prop_assert_eq!(results(&case, &inputs, &case.segments), results(&case, &inputs, &without));
        Ok(())
    });
    had.at_least(10, "an empty segment");
}

/// A causal query sees itself at least, so no row of scores is empty; with itself alone its output is its value.
#[test]
fn a_query_that_sees_itself_only_gets_its_own_value() {
    let segments = Segment::all(&[0, 1, 0, 0, 1, 1, 0]);
    let shape = AttentionShape { heads: 6, kv_heads: 2, head_dim: 24, scale: 0.5 };
    for extreme in [false, true] {
        let case = Case { segments: segments.clone(), shape, extreme, seed: 3 };
        let inputs = case.inputs(DType::F32);
        let exact = case.exact(&inputs);
        let found = results(&case, &inputs, &segments);
        let value = |head: usize| inputs.v.chunks_exact(24).skip(head / 3).step_by(2);
        let rows = inputs.v.len() / 48;
        let expected: Vec<f32> = (0..rows)
            .flat_map(|row| (0..6).flat_map(move |head| value(head).nth(row)).flatten().copied())
            .collect();
        assert_eq!(found[0], bits(&expected));
        case.check_kernel::<Flex>((&inputs, &exact), &FlexDevice, F32).unwrap();
    }
}

/// How many masks kept no row, some rows and left others out, and kept all.
#[derive(Default)]
struct Masks {
    none: Seen,
    some: Seen,
    all: Seen,
}

impl Masks {
    fn add(&self, mask: &[bool]) {
        let [kept, left_out] = [true, false].map(|wanted| mask.contains(&wanted));
        self.none.add(!kept);
        self.some.add(kept && left_out);
        self.all.add(!left_out);
    }

    fn at_least(&self, [none, some, all]: [u32; 3]) {
        self.none.at_least(none, "a mask that keeps no row");
        self.some.at_least(some, "a mask that keeps some rows");
        self.all.at_least(all, "a mask that keeps all rows");
    }
}

fn head_limits() -> head::Limits {
    head::Limits {
        rows: vec![1, 2, 7, 19, 40],
        widths: vec![1, 8, 17, 33, 100],
        vocabs: vec![1, 2, 5, 37, 151, 300],
        extreme: true,
        compared: false,
    }
}

#[test]
fn the_heads_loss_and_its_gradients_are_those_in_f64() {
    let [extreme, ignored, single, capped, adapted]: [Seen; 5] = Default::default();
    let masks = Masks::default();
    run(200, (head::cases(&head_limits()), 1usize..=40, 1usize..=300), |(case, part, columns)| {
        let inputs = case.inputs(DType::F32);
        let exact = head::exact::head(&inputs);
        extreme.add(exact.peak >= 1e4);
        ignored.add(inputs.slopes.contains(&0.0));
        single.add(case.rows == 1);
        capped.add(inputs.soft_cap.is_some());
        adapted.add(inputs.adapter.is_some());
        let f32 = [DType::F32; 2];
        let found = head::found::<Flex>(&inputs, &FlexDevice, f32, Flex::head_loss);
        head::check("kernel", &inputs, &exact, found, F32)?;
        let by_rows = |input: kernel::HeadInput<'_, Flex>, derivative: &mut kernel::Derivative<'_>| {
            kernel::rows::loss(input, part, derivative)
        };
        let found = head::found::<Flex>(&inputs, &FlexDevice, f32, by_rows);
        head::check("parts of rows", &inputs, &exact, found, F32)?;
        let by_columns = |input: kernel::HeadInput<'_, Flex>, derivative: &mut kernel::Derivative<'_>| {
            kernel::columns::loss(input, columns, derivative)
        };
        let found = head::found::<Flex>(&inputs, &FlexDevice, f32, by_columns);
        head::check("parts of columns", &inputs, &exact, found, F32)?;
        let mask = case.mask();
        masks.add(&mask);
        head::check_masked::<Flex>(&inputs, &mask, &FlexDevice, f32, F32)
    });
    masks.at_least([20, 50, 20]);
    extreme.at_least(15, "logits of 1e4");
    ignored.at_least(60, "a row that counts for nothing");
    single.at_least(15, "one row");
    capped.at_least(10, "a soft cap");
    adapted.at_least(40, "an adapter");
}

/// By rows, by columns whose parts cut both heads, with all logits at once, and of the rows that a mask keeps; a reference's own
/// width differs from the head's.
#[test]
fn the_divergence_from_a_reference_and_its_gradients_are_those_in_f64() {
    let [extreme, ignored, far, none, large, adapted]: [Seen; 6] = Default::default();
    let masks = Masks::default();
    let limits = head::Limits { compared: true, ..head_limits() };
    run(150, (head::cases(&limits), 1usize..=40, 1usize..=300), |(case, part, columns)| {
        let inputs = case.inputs(DType::F32);
        let exact = head::exact::head(&inputs);
        extreme.add(exact.peak >= 1e4);
        far.add(case.compared == Some(head::Compared::Far));
        adapted.add(inputs.adapter.is_some());
        let reference = inputs.reference.as_ref().unwrap();
        let zero = |(&slope, &coefficient): (&f32, &f32)| slope == 0.0 && coefficient == 0.0;
        ignored.add(reference.coefficients.contains(&0.0));
        none.add(inputs.slopes.iter().zip(&reference.coefficients).any(zero));
        large.add(exact.kls.iter().any(|&kl| kl > 100.0));
        let f32 = [DType::F32; 2];
        let found = head::found::<Flex>(&inputs, &FlexDevice, f32, Flex::head_loss);
        head::check("kernel", &inputs, &exact, found, F32)?;
        let by_rows = |input: kernel::HeadInput<'_, Flex>, derivative: &mut kernel::Derivative<'_>| {
            kernel::rows::loss(input, part, derivative)
        };
        let found = head::found::<Flex>(&inputs, &FlexDevice, f32, by_rows);
        head::check("parts of rows", &inputs, &exact, found, F32)?;
        let by_columns = |input: kernel::HeadInput<'_, Flex>, derivative: &mut kernel::Derivative<'_>| {
            kernel::columns::loss(input, columns, derivative)
        };
        let found = head::found::<Flex>(&inputs, &FlexDevice, f32, by_columns);
        head::check("parts of columns", &inputs, &exact, found, F32)?;
        let found = head::found::<Flex>(&inputs, &FlexDevice, f32, kernel::unfused::loss);
        head::check("at once", &inputs, &exact, found, F32)?;
        let mask = case.mask();
        masks.add(&mask);
        head::check_masked::<Flex>(&inputs, &mask, &FlexDevice, f32, F32)
    });
    masks.at_least([12, 35, 12]);
    extreme.at_least(10, "logits of 1e4");
    ignored.at_least(100, "a row that is not compared");
    far.at_least(50, "a reference of its own");
    none.at_least(5, "a row that counts for nothing");
    large.at_least(10, "a divergence of more than 100 nats");
    adapted.at_least(25, "an adapter");
}

/// More rows than a block of them has, in parts of columns, with entropies and without. There is no bias: summed up over so many rows in
/// f32 one after another, its gradient is itself wrong by nearly as much as is allowed.
#[test]
fn blocks_of_rows_in_parts_of_columns_are_those_in_f64() {
    let near = Some(head::Compared::Near);
    let far = Some(head::Compared::Far);
    // Seeds of an adapter of rank 2, of none, and of a soft cap.
    let cases = [(None, None, 19, false), (Some(1e4), far, 2, true), (None, near, 12, false)];
    for (exactly, compared, seed, entropies) in cases {
        let rows = kernel::columns::ROWS + 40;
        let sizes =
            head::Case { rows, width: 8, vocab: 38, bias: false, temperature: 0.5, exactly, compared, seed };
        let mut inputs = sizes.inputs(DType::F32);
        if head::wants_entropies(&inputs) != entropies {
            // The token beside it, of a vocabulary of pairs.
            inputs.targets[0] ^= 1;
        }
        let exact = head::exact::head(&inputs);
        assert!(exactly.is_none() || exact.peak >= 1e4, "logits of {} only", exact.peak);
        assert_eq!((inputs.adapter.is_some(), inputs.soft_cap.is_some()), (seed == 19, seed == 12));
        let by_columns = |input: kernel::HeadInput<'_, Flex>, derivative: &mut kernel::Derivative<'_>| {
            kernel::columns::loss(input, 16, derivative)
        };
        let found = head::found::<Flex>(&inputs, &FlexDevice, [DType::F32; 2], by_columns);
        head::check("blocks", &inputs, &exact, found, F32).unwrap();
    }
}

/// With weights of bf16, as a policy has them: arithmetic is in f32, so what is lost is lost in rounding the weights.
#[test]
fn a_head_of_bf16_is_exact_for_its_weights_and_near_for_those_it_was_rounded_from() {
    let types = [DType::F32, DType::BF16];
    run(60, head::cases(&head_limits()), |case| {
        let inputs = case.inputs(DType::BF16);
        let exact = head::exact::head(&inputs);
        let found = head::found::<Flex>(&inputs, &FlexDevice, types, Flex::head_loss);
        head::check("rounded weights", &inputs, &exact, found, F32)?;
        if case.exactly.is_some() {
            return Ok(());
        }
        let inputs = case.inputs(DType::F32);
        let exact = head::exact::head(&inputs);
        let found = head::found::<Flex>(&inputs, &FlexDevice, types, Flex::head_loss);
        // Rounding changes each term by up to 2^-9 of its own, however much of them cancels afterwards.
        let whole = |name, values, terms| Wanted { least: terms, ..Wanted::new(name, values, Vec::new()) };
        let half = bound(DType::BF16);
        let log_probs = Wanted::logarithms_together("log p", &exact.log_probs);
        log_probs.check("rounding", &found.log_probs, half)?;
        whole("dhidden", &exact.hidden, exact.terms.hidden).check("rounding", &host(found.hidden), half)?;
        whole("dweight", &exact.weight, exact.terms.weight).check(
            "rounding",
            &host(found.weight.unwrap()),
            half,
        )
    });
}

/// Hidden rows, head and reference in half precision, as numbers that it holds exactly: nothing is rounded to it on the way.
#[test]
fn a_head_and_hidden_rows_of_half_precision_are_computed_in_f32() {
    let extreme = Seen::default();
    for (dtype, compared) in [DType::F16, DType::BF16].into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let limits = head::Limits { compared, ..head_limits() };
        run(25, head::cases(&limits), |case| {
            let inputs = case.inputs(dtype);
            let exact = head::exact::head(&inputs);
            extreme.add(exact.peak >= 1e4);
            let found = head::found::<Flex>(&inputs, &FlexDevice, [dtype; 2], Flex::head_loss);
            head::check("kernel", &inputs, &exact, found, Held { dtype, ..F32 })
        });
    }
    extreme.at_least(4, "logits of 1e4");
}

#[test]
fn log_probs_of_given_logits_are_those_in_f64() {
    let dims = (prop::sample::select(vec![1usize, 3, 20]), prop_oneof![1usize..=40, 900usize..=1100]);
    let size = prop::sample::select(vec![1.0f32 / 1024.0, 1.0, 8.0, 16_384.0]);
    run(80, (dims, size, any::<u64>()), |((n, vocab), size, seed)| {
        let mut noise = Noise(seed);
        let mut logits = noise.values(n * vocab, size, Grain::Fine);
        let (mut targets, mut slopes) = (noise.below(n, vocab), noise.values(n, 2.0, Grain::Fine));
        for (i, row) in logits.chunks_exact_mut(vocab).enumerate().step_by(2) {
            // Two that share the probability, one of which is the target.
            let most = (0..vocab).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
            row[(most + 1) % vocab] = row[most] - noise.values(1, 1.0, Grain::Coarse)[0].abs();
            targets[i] = most as u32;
        }
        slopes[n - 1] = if n > 1 { 0.0 } else { slopes[0] };
        let exact = log_probs::log_probs(&logits, &targets, &slopes);
        let on = || tensor::<Flex, 2>(&logits, [n, vocab], &FlexDevice, DType::F32);
        let kernel = Flex::log_probs(&on(), &targets);
        let gradient = host(Flex::log_probs_backward(on(), &targets, &kernel.1, &slopes));
        let reference = log_prob::reference(&on(), &targets);
        let plain = host(log_prob::reference_backward(on(), &targets, &reference.1, &slopes));
        for (by, (found, sums), gradient) in
            [("kernel", &kernel, &gradient), ("reference", &reference, &plain)]
        {
            Wanted::logarithms("log p", &exact.log_probs).check(by, found, F32.bound)?;
            let sums: Vec<f32> = sums.iter().map(|sum| sum.total()).collect();
            Wanted::logarithms("sums", &exact.sums).check(by, &sums, F32.bound)?;
            Wanted::gradient("dlogits", &exact.gradient, rows(n, vocab), exact.terms)
                .check(by, gradient, F32.bound)?;
        }
        Ok(())
    });
}

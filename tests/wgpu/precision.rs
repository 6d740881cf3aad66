//! Attention and the head's loss on a GPU, or a software one, against f64 arithmetic on the host: generated cases, the same in
//! every run, from few head dimensions and widths, because each is a shader that a software adapter takes seconds to compile.

use burn::tensor::{DType, backend::Backend};
use burn_wgpu::Wgpu;
use osler::doctor::inputs::host;
use osler::kernels::selection::{AttentionKernel, with_attention};
use osler::kernels::{AttentionShape, KernelBackend, Segment, head as kernel};
use proptest::strategy::Strategy;

use super::parity::{Held, Seen, attention, bound, cached, head, run};
use super::{by_planes, device, skip};

/// Whether the adapter computes in f16.
pub fn has_f16() -> bool {
    let has = <Wgpu as Backend>::supports_dtype(&device(), DType::F16);
    if !has {
        skip("it has no f16");
    }
    has
}

fn limits(head_dims: &[usize]) -> attention::Limits {
    attention::Limits {
        segments: 4,
        longest: 68,
        kv_heads: 2,
        groups: (1..=7).collect(),
        head_dims: head_dims.to_vec(),
        tiny_scales: true,
    }
}

/// Packed sequences, by whichever kernel is asked for around this.
fn check_packed(count: u32, limits: &attention::Limits, dtype: DType) {
    let [empty, continued, extreme, turned]: [Seen; 4] = Default::default();
    run(count, attention::cases(limits), |case| {
        let inputs = case.inputs(dtype);
        let exact = case.exact(&inputs);
        empty.add(case.segments.iter().any(|it| it.len == 0));
        continued.add(case.segments.iter().any(|it| it.len > 0 && it.after.is_some()));
        extreme.add(exact.peak >= 1e4);
        turned.add(case.shape.scale < 1e-20);
        case.check_kernel::<Wgpu>((&inputs, &exact), &device(), Held::new(dtype))
    });
    if count >= 70 {
        empty.at_least(10, "an empty segment");
        continued.at_least(10, "a continuation");
        extreme.at_least(2, "scores of 1e4");
        turned.at_least(15, "a scale of almost nothing, of 0 or below");
    }
}

/// A batch that has scores of 1e4 for certain.
fn check_extreme(head_dim: usize, dtype: DType) {
    let after = |len| Segment { len, after: Some(0) };
    let segments = vec![Segment::alone(68), after(1), Segment::alone(0), after(20), Segment::alone(1)];
    let scale = 4.0 * (head_dim as f32).sqrt().recip();
    let shape = AttentionShape { heads: 6, kv_heads: 2, head_dim, scale };
    let case = attention::Case { segments, shape, extreme: true, seed: 7 };
    let inputs = case.inputs(dtype);
    let exact = case.exact(&inputs);
    assert!(exact.peak >= 1e4, "scores of {} only", exact.peak);
    case.check_kernel::<Wgpu>((&inputs, &exact), &device(), Held::new(dtype)).unwrap();
}

/// A cache, likewise.
fn check_cached(count: u32, cases: impl Strategy<Value = cached::Cached>, dtype: DType) {
    run(count, cases, |case| {
        let inputs = case.packed.inputs(dtype);
        let exact = case.packed.exact(&inputs);
        let found = case.attend::<Wgpu>(&inputs, &device(), dtype);
        case.check(&found, &exact, bound(dtype))
    });
}

#[test]
fn attention_and_its_gradients_are_those_in_f64() {
    check_packed(70, &limits(&[16, 20, 72]), DType::F32);
}

/// In the head dimensions of models, whatever the adapter would take itself.
#[test]
fn attention_in_shared_memory_is_that_in_f64() {
    with_attention(AttentionKernel::Shared, || {
        for head_dim in [64, 96, 128] {
            check_packed(4, &limits(&[head_dim]), DType::F32);
            check_extreme(head_dim, DType::F32);
        }
    });
}

#[test]
fn attention_and_its_gradients_by_planes_are_those_in_f64() {
    by_planes(|| {
        check_packed(70, &limits(&[16, 20, 72]), DType::F32);
        check_packed(8, &limits(&[64, 96]), DType::F32);
        check_extreme(64, DType::F32);
        check_extreme(96, DType::F32);
    });
}

#[test]
fn attention_in_f16_is_that_in_f64() {
    if !has_f16() {
        return;
    }
    let limits = attention::Limits { tiny_scales: false, ..limits(&[20]) };
    check_packed(30, &limits, DType::F16);
    check_extreme(20, DType::F16);
    by_planes(|| {
        check_packed(15, &limits, DType::F16);
        check_extreme(20, DType::F16);
    });
}

/// A cache whose keys are split, into two parts and into three, with one new token and with four; scores of 1e4 where it is `extreme`.
fn check_split(groups: &[usize], head_dim: usize, dtype: DType, extreme: bool) {
    let bounds = |newest: [usize; 3]| {
        let ends = [300, 900, 1200];
        ends.into_iter().zip(newest).map(|(end, newest)| end - newest..end).collect()
    };
    for (&group, newest) in groups.iter().flat_map(|group| [(group, [1, 1, 4]), (group, [4, 3, 1])]) {
        let scale = if extreme { 4.0 } else { 1.0 } * (head_dim as f32).sqrt().recip();
        let shape = AttentionShape { heads: 2 * group, kv_heads: 2, head_dim, scale };
        let segments = [300, 600, 300].map(Segment::alone).to_vec();
        let packed = attention::Case { segments, shape, extreme, seed: group as u64 };
        let case = cached::Cached { packed, queries: bounds(newest) };
        let inputs = case.packed.inputs(dtype);
        let exact = case.packed.exact(&inputs);
        assert!(!extreme || exact.peak >= 1e4, "scores of {} only", exact.peak);
        case.check(&case.attend::<Wgpu>(&inputs, &device(), dtype), &exact, bound(dtype)).unwrap();
    }
}

#[test]
fn cached_attention_over_split_keys_is_that_in_f64() {
    check_split(&[1, 3], 20, DType::F32, false);
    check_split(&[3], 20, DType::F32, true);
    if has_f16() {
        check_split(&[3], 20, DType::F16, false);
    }
    by_planes(|| {
        check_split(&[3], 20, DType::F32, false);
        check_split(&[2], 64, DType::F32, false);
        check_split(&[2], 96, DType::F32, true);
    });
}

/// Caches for kernels that are compiled for the number of heads that share keys, too.
fn grouped(group: usize, head_dims: &[usize]) -> impl Strategy<Value = cached::Cached> + use<> {
    cached::cached(&attention::Limits { groups: vec![group], ..limits(head_dims) })
}

/// The same with the newest token of each sequence as its only query.
fn single(group: usize, head_dims: &[usize]) -> impl Strategy<Value = cached::Cached> + use<> {
    grouped(group, head_dims).prop_map(|mut case| {
        case.queries.iter_mut().for_each(|queries| queries.start = queries.end - 1);
        case
    })
}

#[test]
fn cached_attention_is_that_in_f64() {
    check_cached(20, grouped(3, &[20]), DType::F32);
    // More heads than a cube serves at once: through the tiles of packed sequences.
    check_cached(4, single(17, &[16]), DType::F32);
    if has_f16() {
        check_cached(10, grouped(3, &[20]), DType::F16);
    }
}

/// Heads that fill the units which share a key, and that leave some idle; one query head a key head, and more than are joined at
/// once.
#[test]
fn cached_attention_by_planes_is_that_in_f64() {
    by_planes(|| {
        check_cached(20, grouped(3, &[20]), DType::F32);
        check_cached(12, single(2, &[64, 96, 128]), DType::F32);
        check_cached(6, single(1, &[16]), DType::F32);
        check_cached(6, single(9, &[128]), DType::F32);
        if has_f16() {
            check_cached(10, grouped(3, &[20]), DType::F16);
        }
    });
}

/// What cases of the head had.
#[derive(Default)]
struct Had {
    extreme: Seen,
    /// No derivative but 0 by any log-prob.
    nothing: Seen,
}

fn check_head(count: u32, limits: &head::Limits, dtype: DType, had: &Had) {
    run(count, head::cases(limits), |case| {
        let inputs = case.inputs(dtype);
        let exact = head::exact::head(&inputs);
        had.extreme.add(exact.peak >= 1e4);
        had.nothing.add(inputs.slopes.iter().all(|&slope| slope == 0.0));
        let found = head::found::<Wgpu>(&inputs, &device(), [dtype; 2], Wgpu::head_loss);
        head::check("kernel", &inputs, &exact, found, Held::new(dtype))?;
        // In parts, of which the vocabulary of 300 has two, the last of them ragged.
        let found = head::found::<Wgpu>(&inputs, &device(), [dtype; 2], |input, derivative| {
            kernel::columns::loss(input, 256, derivative)
        });
        head::check("parts of columns", &inputs, &exact, found, Held::new(dtype))
    });
}

#[test]
fn the_heads_loss_and_its_gradients_are_those_in_f64() {
    let had = Had::default();
    check_head(40, &head_limits(false), DType::F32, &had);
    had.extreme.at_least(1, "logits of 1e4");
    had.nothing.at_least(1, "no row that counts");
}

#[test]
fn the_divergence_from_a_reference_and_its_gradients_are_those_in_f64() {
    let had = Had::default();
    check_head(40, &head_limits(true), DType::F32, &had);
    had.extreme.at_least(1, "logits of 1e4");
    had.nothing.at_least(1, "no row that counts but for its divergence");
}

/// None of 40 rows, seven that do not stand together, and all: as many are left as other tests give these kernels.
#[test]
fn the_heads_loss_of_the_rows_that_a_mask_keeps_is_that_in_f64() {
    // Seeds of an adapter, and of none.
    for (exactly, compared, seed) in [(None, None, 1), (Some(1e4), Some(head::Compared::Near), 2)] {
        let case = head::Case {
            rows: 40,
            width: 33,
            vocab: 300,
            bias: true,
            temperature: 0.5,
            exactly,
            compared,
            seed,
        };
        let inputs = case.inputs(DType::F32);
        for kept in [0, 7, 40] {
            let mask: Vec<bool> = (0..40).map(|row| row * 7 % 40 < kept).collect();
            let f32 = [DType::F32; 2];
            head::check_masked::<Wgpu>(&inputs, &mask, &device(), f32, Held::new(DType::F32)).unwrap();
        }
    }
}

fn head_limits(compared: bool) -> head::Limits {
    head::Limits { rows: vec![1, 7, 40], widths: vec![8, 33], vocabs: vec![5, 300], extreme: true, compared }
}

/// Logits of thousands would be rounded to whole numbers in f16: they are there in f32 only.
#[test]
fn the_heads_loss_in_f16_is_that_in_f64() {
    if has_f16() {
        let had = Had::default();
        for compared in [false, true] {
            let limits = head::Limits { rows: vec![7], widths: vec![33], ..head_limits(compared) };
            check_head(20, &limits, DType::F16, &had);
        }
        had.extreme.at_least(1, "logits of 1e4");
    }
}

/// Tokens with next to no chance: what each of them is pushed by has the digits of a likely one's, whatever the device's own `exp` is
/// worth down to -87; by the target, and by the divergence from even odds.
#[test]
fn derivatives_of_improbable_tokens_are_those_in_f64() {
    let logits: Vec<f32> = [0.0].into_iter().chain((80..=174).map(|step| -0.5 * step as f32)).collect();
    let target = logits.len() - 1;
    let even = head::Reference {
        hidden: vec![1.0],
        weight: vec![0.0; logits.len()],
        bias: None,
        adapter: None,
        coefficients: vec![1.0],
    };
    // The other tokens are below half a digit of the first, and so is what they add to it: its log-prob is 0, and the divergence the
    // logarithm of how many there are.
    type Slope = fn(f64) -> f64;
    let by_target: (f32, Option<head::Reference>, Slope) = (1.0, None, |x| -x.exp());
    for (slope, reference, exact) in [by_target, (0.0, Some(even), |x| x.exp() * x)] {
        let inputs = head::Inputs {
            hidden: vec![1.0],
            weight: logits.clone(),
            bias: None,
            adapter: None,
            targets: vec![target as u32],
            slopes: vec![slope],
            soft_cap: None,
            temperature: 1.0,
            reference,
        };
        let found = head::found::<Wgpu>(&inputs, &device(), [DType::F32; 2], Wgpu::head_loss);
        let weight: Vec<f32> = host(found.weight.unwrap());
        for (logit, found) in logits[1..target].iter().zip(&weight[1..]) {
            let (found, exact) = (f64::from(*found), exact(f64::from(*logit)));
            assert!((found - exact).abs() <= 5e-7 * exact.abs(), "at {logit}: {found:e} and {exact:e}");
        }
    }
}

/// A hidden row that is no number gives no numbers, and no row beside it.
#[test]
fn what_is_no_number_is_not_taken_for_one() {
    for compared in [None, Some(head::Compared::Near)] {
        let case = head::Case {
            rows: 7,
            width: 33,
            vocab: 300,
            bias: false,
            temperature: 1.0,
            exactly: None,
            compared,
            seed: 5,
        };
        let mut inputs = case.inputs(DType::F32);
        inputs.hidden[2 * case.width] = f32::NAN;
        let found = head::found::<Wgpu>(&inputs, &device(), [DType::F32; 2], Wgpu::head_loss);
        let is_number = |values: &[f32]| values.iter().map(|x| x.is_finite()).collect::<Vec<_>>();
        let expected: Vec<bool> = (0..case.rows).map(|row| row != 2).collect();
        assert_eq!(is_number(&found.log_probs), expected);
        if compared.is_some() {
            assert_eq!(is_number(&found.kls), expected);
        }
    }
}

/// A mean over thousands of tokens has such derivatives, and f16 no numbers for what the softmax makes of them.
#[test]
fn small_derivatives_in_f16_are_not_lost() {
    if !has_f16() {
        return;
    }
    let limits = head::Limits { rows: vec![7], widths: vec![33], vocabs: vec![300], ..head_limits(false) };
    run(12, head::cases(&limits), |case| {
        let mut inputs = case.inputs(DType::F16);
        inputs.slopes.iter_mut().for_each(|slope| *slope *= 1e-5);
        let exact = head::exact::head(&inputs);
        let found = head::found::<Wgpu>(&inputs, &device(), [DType::F16; 2], Wgpu::head_loss);
        head::check("kernel", &inputs, &exact, found, Held::new(DType::F16))?;
        let found = head::found::<Wgpu>(&inputs, &device(), [DType::F16; 2], |input, derivative| {
            kernel::columns::loss(input, 256, derivative)
        });
        head::check("parts of columns", &inputs, &exact, found, Held::new(DType::F16))
    });
}

//! What goes over rows once, the optimizer's step, and layers of few rows: in f32 and in f16, beside the CPU, which computes in f32
//! on the very numbers that the device is given.

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use burn_wgpu::Wgpu;
use osler::doctor::compare::relative_error;
use osler::doctor::inputs::{Grain, Noise, host, quantised, tensor};
use osler::kernels::quantised::BlockType;
use osler::kernels::{AdamWStep, KernelBackend, LinearWeights, MasterStep, Matrix};

use super::parity::{bound, rows};
use super::precision::has_f16;

const EPS: f32 = 1e-6;

/// Results by name, with the width of a row.
type Results = Vec<(String, usize, Vec<f32>)>;

/// That every row of every result is that of the CPU.
fn same(found: &Results, expected: &Results, bound: f64) {
    assert_eq!(found.len(), expected.len());
    let mut wrong = Vec::new();
    for ((name, width, found), (_, _, expected)) in found.iter().zip(expected) {
        let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
        let error = relative_error(found, &expected, &rows(expected.len() / width, *width), 0.0);
        // Written so that what is no number is wrong.
        let held = error <= bound;
        eprintln!("{name}: {error:.1e}");
        if !held {
            wrong.push(format!("{name}: {error:.1e}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `work` on the device in each type that it has, and on the CPU in f32.
fn compare(
    on_device: impl Fn(DType, Grain) -> Results,
    on_cpu: impl Fn(DType, Grain) -> Results,
    dtypes: &[DType],
) {
    for &dtype in dtypes {
        let grain = Grain::of(dtype);
        same(&on_device(dtype, grain), &on_cpu(DType::F32, grain), bound(dtype));
    }
}

/// f32, and f16 where the adapter has it.
fn dtypes() -> Vec<DType> {
    let half = has_f16().then_some(DType::F16);
    [DType::F32].into_iter().chain(half).collect()
}

/// Widths that no vector divides, and a model's; rows of one cube's weight gradients, and of two.
fn over_rows<B: KernelBackend>(device: &B::Device, dtype: DType, grain: Grain) -> Results {
    let mut results = Results::new();
    for (n, d) in [(3, 33), (67, 192)] {
        let mut noise = Noise(n as u64);
        let mut draw = |scale| tensor::<B, 2>(&noise.values(n * d, scale, grain), [n, d], device, dtype);
        // Gates so far from 0 that the sigmoid is nearly 0 or 1.
        let (x, dy, gate, up) = (draw(2.0), draw(2.0), draw(16.0), draw(2.0));
        let weight = tensor::<B, 1>(&noise.values(d, 2.0, grain), [d], device, dtype);
        let mut add = |name: &str, y: Vec<f32>| results.push((format!("{name}, {n} rows of {d}"), d, y));
        add("rms_norm", host(B::rms_norm(x.clone(), &weight, EPS)));
        let (dx, dw) = B::rms_norm_backward(x.clone(), &weight, EPS, dy.clone());
        add("dx of the norm", host(dx));
        add("dw of the norm", host(dw));
        add("swiglu", host(B::swiglu(gate.clone(), up.clone())));
        let (dgate, dup) = B::swiglu_backward(gate.clone(), up.clone(), dy.clone());
        add("dgate", host(dgate));
        add("dup", host(dup));
        let (sum, normed) = B::add_rms_norm(x.clone(), up.clone(), &weight, EPS);
        add("a joined stream", host(sum.clone()));
        add("norm of a joined stream", host(normed));
        let (dx, dw) =
            B::add_rms_norm_backward(sum.clone(), &weight, EPS, dy.clone(), up.clone().cast(DType::F32));
        add("dx of a joined stream", host(dx));
        add("dw of a joined stream", host(dw));
        // As in training: gradients and the norm's weight are in f32 where the rest is not.
        let dy = dy.cast(DType::F32);
        let (dx, dw) = B::rms_norm_backward(x, &weight.clone().cast(DType::F32), EPS, dy.clone());
        let (dgate, dup) = B::swiglu_backward(gate, up, dy.clone());
        let of_stream = B::add_rms_norm_backward(sum, &weight, EPS, dy.clone(), dy);
        add("dx of a joined stream, its gradient in f32", host(of_stream.0));
        add("dw of a joined stream, its gradient in f32", host(of_stream.1));
        add("dx of the norm, its gradient in f32", host(dx));
        add("dw of the norm, its gradient in f32", host(dw));
        add("dgate, its gradient in f32", host(dgate));
        add("dup, its gradient in f32", host(dup));
    }
    for (n, heads, head_dim) in [(5, 2, 6), (20, 3, 64)] {
        let mut noise = Noise(head_dim as u64);
        let x = noise.values(n * heads * head_dim, 2.0, grain);
        let angles = noise.values(n * head_dim / 2, 512.0, Grain::Fine);
        let table = |of: fn(f32) -> f32| {
            let values: Vec<f32> = angles.iter().map(|&angle| of(angle)).collect();
            tensor::<B, 2>(&values, [n, head_dim / 2], device, DType::F32)
        };
        let x = tensor::<B, 3>(&x, [n, heads, head_dim], device, dtype);
        let (cos, sin) = (table(f32::cos), table(f32::sin));
        let case = format!("{n} rows of {heads} heads of {head_dim}");
        // Held elsewhere as well it must not change; by nobody else, it may be turned in place.
        let beside = host(B::rotary(x.clone(), &cos, &sin));
        results.push((format!("rotary beside its input, {case}"), heads * head_dim, beside));
        results.push((format!("input of rotary, {case}"), heads * head_dim, host(x.clone())));
        results.push((format!("rotary, {case}"), heads * head_dim, host(B::rotary(x, &cos, &sin))));
    }
    results
}

#[test]
fn norm_swiglu_and_rotary_are_those_of_the_cpu() {
    let device = super::device();
    compare(
        |dtype, grain| over_rows::<Wgpu>(&device, dtype, grain),
        |dtype, grain| over_rows::<Flex>(&FlexDevice, dtype, grain),
        &dtypes(),
    );
}

/// Layers with and without a bias: one row, as many as a kernel of their own takes, and more.
fn layers<B: KernelBackend>(device: &B::Device, dtype: DType, grain: Grain) -> Results {
    let mut results = Results::new();
    for (n, k) in [(1, 72), (5, 72), (40, 72), (5, 33)] {
        let (mut noise, outs) = (Noise((n + k) as u64), [37, 8]);
        let x = tensor::<B, 2>(&noise.values(n * k, 1.0, grain), [n, k], device, dtype);
        let weights = outs
            .map(|out| Matrix::Float(tensor(&noise.values(out * k, 1.0, grain), [out, k], device, dtype)));
        let bias = tensor::<B, 1>(&noise.values(outs[0], 4.0, grain), [outs[0]], device, dtype);
        let parts = [
            LinearWeights { weight: &weights[0], bias: Some(&bias) },
            LinearWeights { weight: &weights[1], bias: None },
        ];
        for (y, out) in B::linear_group(x, &parts).into_iter().zip(outs) {
            results.push((format!("{n} rows of {k} to {out}"), out, host(y)));
        }
    }
    results
}

#[test]
fn layers_of_few_rows_and_of_many_are_those_of_the_cpu() {
    let device = super::device();
    compare(
        |dtype, grain| layers::<Wgpu>(&device, dtype, grain),
        |dtype, grain| layers::<Flex>(&FlexDevice, dtype, grain),
        &dtypes(),
    );
}

/// Blocks that begin in the middle of a word, and blocks of 256 values.
fn block_layers<B: KernelBackend>(device: &B::Device, dtype: DType, grain: Grain) -> Results {
    const OUT: usize = 37;
    let mut results = Results::new();
    for (block, n) in
        [(BlockType::Q5_0, 5), (BlockType::Q4_K, 5), (BlockType::Q6_K, 1), (BlockType::Q8_0, 17)]
    {
        let k = if block.values() == 32 { 352 } else { 768 };
        let mut noise = Noise(block as u64);
        let weight = B::blocks(quantised(block, OUT, k, &mut noise), device);
        let x = tensor::<B, 2>(&noise.values(n * k, 1.0, grain), [n, k], device, dtype);
        let y = B::linear_group(x, &[LinearWeights { weight: &weight, bias: None }]).remove(0);
        results.push((format!("{n} rows of {k} to {OUT} in {block}"), OUT, host(y)));
    }
    results
}

/// In f32 they are held against f64 elsewhere.
#[test]
fn layers_in_blocks_with_rows_in_f16_are_those_of_the_cpu() {
    if has_f16() {
        let device = super::device();
        compare(
            |dtype, grain| block_layers::<Wgpu>(&device, dtype, grain),
            |dtype, grain| block_layers::<Flex>(&FlexDevice, dtype, grain),
            &[DType::F16],
        );
    }
}

/// Sides that no tile divides, either matrix transposed in memory.
fn products<B: KernelBackend>(
    device: &B::Device,
    dtype: DType,
    product: fn(Tensor<B, 2>, Tensor<B, 2>) -> Tensor<B, 2>,
) -> Results {
    let (m, k, n) = (37, 72, 131);
    let mut noise = Noise(11);
    let mut draw = |rows, columns| {
        tensor::<B, 2>(&noise.values(rows * columns, 1.0, Grain::Coarse), [rows, columns], device, dtype)
    };
    let (a, b, a_turned, b_turned) = (draw(m, k), draw(k, n), draw(k, m), draw(n, k));
    let results = [
        ("a b", product(a.clone(), b.clone())),
        ("a b^T", product(a, b_turned.transpose())),
        ("a^T b", product(a_turned.transpose(), b)),
    ];
    results.map(|(name, y)| (name.to_owned(), n, host(y))).to_vec()
}

/// What a product in f32 of f16's 8 bits adds up is exact, so nothing may be rounded to f16 on the way.
#[test]
fn products_in_f16_are_those_of_the_cpu_and_wide_ones_to_f32() {
    if has_f16() {
        let device = super::device();
        let right = products::<Flex>(&FlexDevice, DType::F32, Flex::product);
        same(&products::<Wgpu>(&device, DType::F16, Wgpu::product), &right, bound(DType::F16));
        let wide = products::<Wgpu>(&device, DType::F16, Wgpu::wide_product);
        same(&wide, &right, 1e-7);
    }
}

/// A number of weights that vectors divide, and one that they do not: in f32, and as master weights of others.
#[test]
fn adamw_steps_are_those_of_the_cpu() {
    /// What is f32, and the weights rounded to f16.
    fn steps<B: KernelBackend>(device: &B::Device, half: bool) -> [Results; 2] {
        let (mut results, mut rounded) = (Results::new(), Results::new());
        for (n, step) in [(1000, 1), (1003, 100)] {
            let mut noise = Noise(n as u64);
            let mut draw = |scale| noise.values(n, scale, Grain::Fine);
            let (start, gradient, m) = (draw(1.0), draw(2.0), draw(0.5));
            let v: Vec<f32> = draw(0.5).into_iter().map(f32::abs).collect();
            // A learning rate so high that an error of the update is one of the weight.
            let step =
                AdamWStep { lr: 0.5, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.1, step, scale: 0.75 };
            let on = |values: &[f32]| tensor::<B, 1>(values, [n], device, DType::F32);
            let moments = || [on(&m), on(&v)];
            let (weights, [new_m, new_v]) = B::adamw(on(&start), on(&gradient), moments(), &step);
            for (name, x) in [("weights", weights), ("m", new_m), ("v", new_v)] {
                results.push((format!("{name} of {n}"), n, host(x)));
            }
            if half {
                let MasterStep { masters, moments: [m, v], weights } =
                    B::adamw_master(on(&start), on(&gradient), moments(), &step, DType::F16);
                assert_eq!(weights.dtype(), DType::F16);
                let state = [("masters", masters.clone()), ("m beside masters", m), ("v beside masters", v)];
                for (name, x) in state {
                    results.push((format!("{name} of {n}"), n, host(x)));
                }
                let again = B::rounded(masters.clone(), DType::F16);
                assert_eq!(host(weights.clone()), host(again), "a step's rounding and that by itself");
                rounded.push((format!("rounded weights of {n}"), n, host(weights)));
            }
        }
        [results, rounded]
    }
    let half = has_f16();
    let [found, rounded] = steps::<Wgpu>(&super::device(), half);
    let [expected, expected_rounded] = steps::<Flex>(&FlexDevice, half);
    same(&found, &expected, bound(DType::F32));
    same(&rounded, &expected_rounded, bound(DType::F16));
}

//! Single operations at sizes that fill no tile, beside the CPU's.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use burn_wgpu::Wgpu;
use osler::kernels::head::columns::{ROWS, part_columns};
use osler::kernels::head::{Derivative, HeadGradients, HeadInput};
use osler::kernels::{
    AdaptedWeights, AttentionShape, AttentionSpan, BLOCK_TOKENS, KernelBackend, Matrix, Segment,
};

const WIDTH: usize = 192;

/// Values in [-1, 1] without a pattern that sums could hide.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mixed = (0..count as u64).map(|i| {
        let x = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed.wrapping_mul(0xD1B5_4A32_D192_ED03);
        let x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (x >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    });
    mixed.collect()
}

/// Named results.
pub type Results = Vec<(String, Vec<f32>)>;

pub fn host<B: KernelBackend, const D: usize>(x: Tensor<B, D>) -> Vec<f32> {
    x.into_data().to_vec().unwrap()
}

pub fn matrix<B: KernelBackend>(rows: usize, columns: usize, seed: u64, device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(values(rows * columns, seed), [rows, columns]), (device, DType::F32))
}

/// Of `rows` rows, which no tile divides, as real batches have them, to widths `outs`.
fn products_and_sums<B: KernelBackend>(rows: &[usize], outs: &[usize], device: &B::Device) -> Results {
    let mut results = Results::new();
    for &n in rows {
        for &out in outs {
            let (x, dy) = (matrix::<B>(n, WIDTH, 1, device), matrix::<B>(n, out, 2, device));
            let weight = matrix::<B>(out, WIDTH, 3, device);
            let mut add = |name: &str, y: Vec<f32>| results.push((format!("{name}, {n} rows to {out}"), y));
            add("x W^T", host(B::product(x.clone(), weight.clone().transpose())));
            add("dy W", host(B::product(dy.clone(), weight)));
            add("dy^T x", host(B::product(dy.clone().transpose(), x)));
            add("column sums", host(dy.sum_dim(0)));
        }
        let (x, dy) = (matrix::<B>(n, WIDTH, 4, device), matrix::<B>(n, WIDTH, 5, device));
        let weight = Tensor::<B, 1>::from_data(TensorData::new(values(WIDTH, 6), [WIDTH]), device);
        let (dx, dw) = B::rms_norm_backward(x, &weight, 1e-6, dy.clone());
        results.push((format!("norm dx, {n} rows"), host(dx)));
        results.push((format!("norm dw, {n} rows"), host(dw)));
        // Few rows get most of them, as the embedding of text.
        let ids: Vec<i32> = (0..n as i32).map(|i| (i * i) % 7919 % (1 + i % 2048)).collect();
        let index = Tensor::<B, 1, Int>::from_data(TensorData::new(ids, [n]), device);
        let table = Tensor::<B, 2>::zeros([2048, WIDTH], device);
        let table = table.select_assign(0, index, dy, IndexingUpdateOp::Add);
        results.push((format!("embedding, {n} rows"), host(table)));
        let targets: Vec<u32> = (0..n as u32).map(|i| i * 31 % 2048).collect();
        let logits = matrix::<B>(n, 2048, 7, device).mul_scalar(8.0);
        let (found, sums) = B::log_probs(&logits, &targets);
        let gradient = B::log_probs_backward(logits, &targets, &sums, &values(n, 8));
        results.push((format!("log-probs, {n} rows"), found));
        results.push((format!("logits' gradient, {n} rows"), host(gradient)));
    }
    results
}

fn attention<B: KernelBackend>(device: &B::Device) -> Results {
    let shape = AttentionShape { heads: 6, kv_heads: 2, head_dim: 32, scale: 32f32.powf(-0.5) };
    let mut segments = [251, 263, 97, 129, 255, 1, 17].map(Segment::alone).to_vec();
    segments.extend([13, 1].map(|len| Segment { len, after: Some(1) }));
    let n: usize = segments.iter().map(|segment| segment.len).sum();
    let heads = |heads: usize, seed: u64| -> Tensor<B, 3> {
        matrix::<B>(n, heads * shape.head_dim, seed, device).reshape([n, heads, shape.head_dim])
    };
    let (q, k, v) =
        (heads(shape.heads, 1).mul_scalar(4.0), heads(shape.kv_heads, 2), heads(shape.kv_heads, 3));
    let dout = matrix::<B>(n, shape.heads * shape.head_dim, 4, device);
    let attended = B::attention_packed(q.clone(), k.clone(), v.clone(), &segments, shape);
    let (dq, dk, dv) = B::attention_packed_backward(q, k, v, &segments, shape, &attended, dout);
    let sums = attended.log_sums(shape.scale);
    let out = attended.out;
    let parts = [("attention", out), ("sums", sums)].map(|(name, x)| (name.to_owned(), host(x)));
    let gradients = [("dq", dq), ("dk", dk), ("dv", dv)].map(|(name, x)| (name.to_owned(), host(x)));
    parts.into_iter().chain(gradients).collect()
}

/// Sequences that a cache holds in blocks of no order: new tokens of some, the next one of others.
fn cached<B: KernelBackend>(device: &B::Device) -> Results {
    let shape = AttentionShape { heads: 6, kv_heads: 2, head_dim: 24, scale: 24f32.powf(-0.5) };
    let (row, block) = (shape.kv_heads * shape.head_dim, BLOCK_TOKENS as u32);
    // Keys that are there in the end, and the queries among them.
    let sequences = [(600, 1), (1, 1), (37, 4), (70, 70), (300, 41), (16, 1)];
    let mut next = 0u32;
    let mut queries = 0;
    let spans: Vec<AttentionSpan> = sequences
        .iter()
        .map(|&(keys, new): &(usize, usize)| {
            let blocks = keys.div_ceil(BLOCK_TOKENS) as u32;
            let span = AttentionSpan {
                queries: queries..queries + new,
                keys,
                blocks: (next..next + blocks).rev().collect(),
            };
            next += blocks;
            queries += new;
            span
        })
        .collect();
    let all: usize = sequences.iter().map(|&(keys, _)| keys).sum();
    let slots: Vec<u32> = spans
        .iter()
        .flat_map(|span| {
            (0..span.keys as u32).map(|key| span.blocks[(key / block) as usize] * block + key % block)
        })
        .collect();
    let (keys, values) = B::cache_block_elements(shape.kv_heads, shape.head_dim);
    let pool = |elements| Tensor::<B, 2>::zeros([next as usize, elements], (device, DType::F32));
    let rows = |seed| matrix::<B>(all, row, seed, device).reshape([all, shape.kv_heads, shape.head_dim]);
    let (keys, values) = B::cache_write((pool(keys), pool(values)), rows(1), rows(2), &slots);
    let q = matrix::<B>(queries, shape.heads * shape.head_dim, 3, device).mul_scalar(3.0);
    let q = q.reshape([queries, shape.heads, shape.head_dim]);
    vec![("cached attention".into(), host(B::attention_cached(q, &keys, &values, &spans, shape)))]
}

/// More than the 65,535 cubes that WebGPU has along a dimension, and an odd number, so that there are cubes for nothing; two heads, so
/// that their place is not that of the sequences. A token that sees itself alone has its own value as its output. A software adapter
/// takes half a minute for this.
#[test]
fn more_sequences_than_cubes_along_a_dimension_all_have_their_results() {
    let (n, device) = (65_537, super::device());
    let shape = AttentionShape { heads: 2, kv_heads: 1, head_dim: 16, scale: 0.25 };
    let [q, k, v] = [(2, 1), (1, 2), (1, 3)].map(|(heads, seed)| -> Tensor<Wgpu, 3> {
        matrix::<Wgpu>(n, heads * shape.head_dim, seed, &device).reshape([n, heads, shape.head_dim])
    });
    let segments = Segment::all(&vec![1; n]);
    let found = Wgpu::attention_packed(q, k, v.clone(), &segments, shape).out;
    let expected = host(Tensor::cat(vec![v.clone(), v], 1));
    let found = host(found);
    assert_eq!(found.len(), expected.len());
    let apart = found.iter().zip(&expected).position(|(a, b)| {
        let apart = (a - b).abs();
        apart.is_nan() || apart > 1e-5
    });
    assert!(apart.is_none(), "element {apart:?}");
}

fn same(found: &Results, expected: &Results) {
    within(3e-6, found, expected);
}

/// Relative in the Euclidean norm, so that a few elements left out of a sum show.
pub fn within(bound: f64, found: &Results, expected: &Results) {
    let mut wrong = Vec::new();
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        let square = |x: f64| x * x;
        let apart: f64 = found.iter().zip(expected).map(|(a, b)| square(f64::from(a - b))).sum();
        let size: f64 = expected.iter().map(|&x| square(f64::from(x))).sum();
        let relative = (apart / size).sqrt();
        assert_eq!(found.len(), expected.len(), "{name}");
        if relative.is_nan() || relative > bound {
            wrong.push(format!("{name}: {relative:.1e}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn products_and_sums_are_those_of_the_cpu(rows: &[usize], outs: &[usize]) {
    let found = products_and_sums::<Wgpu>(rows, outs, &super::device());
    same(&found, &products_and_sums::<Flex>(rows, outs, &FlexDevice));
}

/// A head's loss of more rows than one block has, and more columns than one part; some rows count for nothing.
fn head_of_many_rows<B: KernelBackend>(device: &B::Device) -> Results {
    let (n, width, vocab) = (ROWS + 37, 8, 300);
    assert!(vocab > part_columns(n));
    let slopes: Vec<f32> =
        values(n, 3).iter().enumerate().map(|(row, &x)| if row % 3 == 0 { 0.0 } else { x }).collect();
    let targets: Vec<u32> = (0..n as u32).map(|i| i * 31 % vocab as u32).collect();
    let weight = Matrix::Float(matrix::<B>(vocab, width, 2, device));
    let input = HeadInput {
        hidden: matrix::<B>(n, width, 1, device).mul_scalar(2.0),
        head: AdaptedWeights { weight: &weight, bias: None, adapter: None },
        targets: &targets,
        soft_cap: None,
        temperature: 1.0,
        entropies: false,
        reference: None,
        trained: true,
    };
    let found = B::head_loss(input, &mut Derivative::each(|row, _| slopes[row]));
    let HeadGradients { log_probs, hidden, weight, .. } = found;
    let results = [("log-probs", log_probs), ("dh", host(hidden)), ("dW", host(weight.unwrap()))];
    results.map(|(name, x)| (name.to_owned(), x)).to_vec()
}

/// `dW` has a sum over so many rows that its rounding alone is some 1e-5; the rows of the second block are 2e-2 of it.
#[test]
fn a_heads_loss_of_more_rows_than_a_block_is_that_of_the_cpu() {
    let found = head_of_many_rows::<Wgpu>(&super::device());
    within(1e-4, &found, &head_of_many_rows::<Flex>(&FlexDevice));
}

#[test]
fn products_and_sums_of_an_odd_size_are_those_of_the_cpu() {
    products_and_sums_are_those_of_the_cpu(&[263], &[512]);
}

#[test]
fn products_and_sums_of_odd_sizes_are_those_of_the_cpu() {
    products_and_sums_are_those_of_the_cpu(&[2037, 1021, 263, 97], &[64, WIDTH, 512, 2048]);
}

#[test]
fn attention_of_odd_lengths_is_that_of_the_cpu() {
    same(&attention::<Wgpu>(&super::device()), &attention::<Flex>(&FlexDevice));
}

#[test]
fn cached_attention_is_that_of_the_cpu() {
    same(&cached::<Wgpu>(&super::device()), &cached::<Flex>(&FlexDevice));
}

/// Tasks of several runs of keys, and sequences of several tasks.
#[test]
fn attention_by_planes_is_that_of_the_cpu() {
    super::by_planes(|| {
        same(&attention::<Wgpu>(&super::device()), &attention::<Flex>(&FlexDevice));
        same(&cached::<Wgpu>(&super::device()), &cached::<Flex>(&FlexDevice));
    });
}

/// Asked from another thread, as a measurement does while this one works.
#[test]
fn the_runtime_tells_what_memory_a_threads_tensors_take() {
    let meter = <Wgpu as KernelBackend>::memory_meter(&super::device()).expect("a GPU's runtime has a count");
    let (bytes, before) = (64 << 20, meter().unwrap());
    let x = Tensor::<Wgpu, 1>::ones([bytes as usize / size_of::<f32>()], &super::device());
    <Wgpu as Backend>::sync(&super::device()).unwrap();
    let after = std::thread::scope(|scope| scope.spawn(move || meter().unwrap()).join().unwrap());
    assert!(after.in_use >= before.in_use + bytes, "{before:?}, then {after:?}");
    assert!(after.reserved >= after.in_use, "{after:?}");
    drop(x);
}

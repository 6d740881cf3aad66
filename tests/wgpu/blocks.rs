//! Weights in quantised blocks on the device, beside f64 arithmetic on their values and beside the CPU.

use std::convert::Infallible;
use std::path::Path;

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use burn_wgpu::Wgpu;
use osler::doctor::compare::relative_error;
use osler::doctor::inputs::{Grain, Noise, host, quantised, tensor};
use osler::engine::{Device, EngineOptions, ModelBundle, Request};
use osler::kernels::quantised::{Activations, BlockType, QuantisedMatrix};
use osler::kernels::{KernelBackend, LinearWeights, Matrix};
use osler::model::build::{MatrixData, WeightSource};
use osler::model::decoder::{Decoder, DecoderWeights};

use super::support::{Formula, config, expected, max_diff};

/// Rows of weights: no kernel takes a divisor of it at a time.
const OUT: usize = 37;

/// A row that is whole blocks and no whole number of the 256 values that a group takes at a time, where blocks allow it.
fn columns(block: BlockType) -> usize {
    if block.values() == 32 { 352 } else { 768 }
}

fn product<B: KernelBackend>(
    x: &[f32],
    matrix: &QuantisedMatrix,
    bias: Option<&[f32]>,
    device: &B::Device,
) -> Vec<f32> {
    let [out, k] = matrix.dims();
    let weight = B::blocks(matrix.clone(), device);
    let bias = bias.map(|bias| tensor::<B, 1>(bias, [out], device, DType::F32));
    let x: Tensor<B, 2> = tensor(x, [x.len() / k, k], device, DType::F32);
    host(B::linear_group(x, &[LinearWeights { weight: &weight, bias: bias.as_ref() }]).remove(0))
}

fn exact(x: &[f32], values: &[f32], bias: Option<&[f32]>, k: usize) -> Vec<f64> {
    let dot =
        |x: &[f32], w: &[f32]| -> f64 { x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum() };
    let row = |x| {
        let outs = values.chunks_exact(k).enumerate();
        outs.map(move |(o, w)| dot(x, w) + bias.map_or(0.0, |bias| f64::from(bias[o])))
    };
    x.chunks_exact(k).flat_map(row).collect()
}

/// One row, a few whose number is odd, and so many that the weight's values are made first.
#[test]
fn products_with_blocks_are_those_with_their_values_in_f64_and_those_of_the_cpu() {
    let mut wrong = Vec::new();
    for block in BlockType::ALL {
        let (k, mut noise) = (columns(block), Noise(block as u64));
        let matrix = quantised(block, OUT, k, &mut noise);
        let values = matrix.decode_rows(0..OUT);
        for n in [1, 5, 17] {
            let x = noise.values(n * k, 1.0, Grain::Fine);
            let bias = (n != 1).then(|| noise.values(OUT, 64.0, Grain::Fine));
            let right = exact(&x, &values, bias.as_deref(), k);
            let found = product::<Wgpu>(&x, &matrix, bias.as_deref(), &super::device());
            let cpu = product::<Flex>(&x, &matrix, bias.as_deref(), &FlexDevice);
            let rows: Vec<_> = (0..n).map(|row| row * OUT..(row + 1) * OUT).collect();
            let cpu: Vec<f64> = cpu.into_iter().map(f64::from).collect();
            for (what, other) in [("f64", right), ("the CPU", cpu)] {
                let error = relative_error(&found, &other, &rows, 0.0);
                // Written so that what is no number is wrong.
                let held = error <= 3e-6;
                eprintln!("{block}, {n} rows, {what}: {error:.1e}");
                if !held {
                    wrong.push(format!("{block}, {n} rows, {what}: {error:.1e}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A row does not depend on what it is computed with, as long as there are few.
#[test]
fn a_row_has_the_same_bits_alone_as_among_others() {
    for block in [BlockType::Q4_1, BlockType::Q6_K] {
        let (k, mut noise) = (columns(block), Noise(77));
        let matrix = quantised(block, OUT, k, &mut noise);
        let x = noise.values(5 * k, 1.0, Grain::Fine);
        let together = product::<Wgpu>(&x, &matrix, None, &super::device());
        let alone = product::<Wgpu>(&x[4 * k..], &matrix, None, &super::device());
        let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&alone), bits(&together[4 * OUT..]), "{block}");
    }
}

/// What an embedding reads, to the rounding of one multiplication and addition.
#[test]
fn rows_are_decoded_to_the_values_of_the_cpu() {
    for block in BlockType::ALL {
        let (k, mut noise) = (columns(block), Noise(500 + block as u64));
        let matrix = quantised(block, OUT, k, &mut noise);
        let kept: Matrix<Wgpu> = Wgpu::blocks(matrix.clone(), &super::device());
        let Matrix::DeviceBlocks(held) = kept else {
            panic!("{block} is not kept on the device");
        };
        let rows = [36, 0, 7, 7, 35];
        let found = host(Wgpu::decode_rows(&held, &rows, DType::F32));
        let right = matrix.decode_rows(rows.iter().map(|&row| row as usize));
        // Written so that what is no number is wrong.
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-7 * (b.abs() + 64.0);
        let wrong = found.iter().zip(&right).position(|pair| !near(pair));
        assert_eq!((found.len(), wrong), (right.len(), None), "{block}");
        // Back on the host they are what they were.
        assert_eq!(held.download().bytes(), matrix.bytes(), "{block}");
    }
}

/// A tiny model's weights in Q8_0, where rows are whole blocks.
struct InBlocks;

impl WeightSource for InBlocks {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        Formula { bf16: false }.read(name, shape)
    }

    fn read_matrix(&mut self, name: &str, [rows, columns]: [usize; 2]) -> Result<MatrixData, Infallible> {
        let Ok(data) = self.read(name, &[rows, columns]);
        if !columns.is_multiple_of(32) {
            return Ok(MatrixData::Float(data));
        }
        let values: Vec<f32> = data.iter::<f32>().collect();
        let mut bytes = Vec::new();
        for values in values.chunks_exact(32) {
            let most = values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let scale = half::f16::from_f32(most / 127.0);
            bytes.extend(scale.to_le_bytes());
            let quant = |v: &f32| (v / scale.to_f32().max(1e-30)).round().clamp(-127.0, 127.0) as i8 as u8;
            bytes.extend(values.iter().map(quant));
        }
        let matrix = QuantisedMatrix::new(BlockType::Q8_0, rows, columns, bytes.into());
        Ok(MatrixData::Blocks(matrix.expect("whole blocks")))
    }
}

/// Embedding, layers and head, with few rows and with many.
#[test]
fn a_model_in_blocks_gives_the_logits_of_the_cpu() {
    fn logits<B: KernelBackend>(ids: &[u32], lengths: &[usize], device: B::Device) -> Vec<f32> {
        let config = config("qwen2_tiny");
        let Ok(weights) = DecoderWeights::read(&config, &mut InBlocks, &device);
        let decoder = Decoder::<B>::new(config, weights, DType::F32, device);
        host(decoder.logits(decoder.forward(ids, lengths)))
    }
    let ids = &expected("qwen2_tiny")[2].ids;
    let many: Vec<u32> = ids.iter().copied().cycle().take(24).collect();
    for (ids, lengths) in [(&ids[..5], &[5][..]), (&many[..], &[14, 10][..])] {
        let (found, right) =
            (logits::<Wgpu>(ids, lengths, super::device()), logits::<Flex>(ids, lengths, FlexDevice));
        let diff = max_diff(&found, &right);
        assert!(diff <= 1e-4, "{} tokens: {diff:e}", ids.len());
    }
}

/// A real model in Q4_1 with a table in Q8_0, where `OSLER_SMOLLM2_GGUF` names it.
#[test]
fn smollm2_in_blocks_gives_the_greedy_tokens_of_the_cpu() {
    let Some(path) = std::env::var_os("OSLER_SMOLLM2_GGUF") else {
        println!("skipped: OSLER_SMOLLM2_GGUF does not name SmolLM2-135M-Instruct.Q4_1.gguf");
        return;
    };
    super::device();
    let bundle = ModelBundle::open(Path::new(&path)).unwrap();
    let prompt =
        bundle.tokenizer().unwrap().encode("The most common symptoms of influenza are", true).unwrap();
    let options =
        EngineOptions { cache_tokens: 64, batch_tokens: 32, memory_limit: None, ..EngineOptions::default() };
    let [cpu, wgpu] = [Device::Cpu, Device::Wgpu].map(|device| {
        let mut engine = bundle.engine(device, None, Activations::Exact, options, &mut |_, _| {}).unwrap();
        let id = engine.submit(Request::greedy(prompt.clone(), 16)).unwrap();
        while !engine.is_idle() {
            engine.step();
        }
        engine.take(id).unwrap().remove(0)
    });
    assert_eq!(wgpu.ids, cpu.ids);
    let diff = max_diff(&wgpu.logprobs, &cpu.logprobs);
    assert!(diff <= 1e-3, "{diff:e}");
}

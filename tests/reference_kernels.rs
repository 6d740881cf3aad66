//! What `--kernels reference` asks for. It holds for a whole process, so this is a program of its own.

use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexDevice};
use osler::doctor::inputs::{Grain, Noise, host, tensor};
use osler::kernels::head::{Derivative, HeadGradients, HeadInput, unfused};
use osler::kernels::selection::{Kernels, select};
use osler::kernels::{AdaptedWeights, KernelBackend, Matrix};

/// More rows than the kernel takes in a part.
const ROWS: usize = 600;
const WIDTH: usize = 24;
const VOCAB: usize = 300;

/// Log-probs, and the gradients of hidden rows and head.
fn values(found: HeadGradients<Flex>) -> [Vec<f32>; 3] {
    [found.log_probs, host(found.hidden), host(found.weight.unwrap())]
}

#[test]
fn the_heads_loss_is_that_of_plain_operations() {
    let mut noise = Noise(7);
    let hidden = noise.values(ROWS * WIDTH, 1.0, Grain::Fine);
    let weight = noise.values(VOCAB * WIDTH, 1.0, Grain::Fine);
    let slopes = noise.values(ROWS, 1.0, Grain::Fine);
    let targets = noise.below(ROWS, VOCAB);
    let on = |values: &[f32], rows: usize| -> Tensor<Flex, 2> {
        tensor(values, [rows, WIDTH], &FlexDevice, DType::F32)
    };
    let matrix = Matrix::Float(on(&weight, VOCAB));
    let input = || HeadInput {
        hidden: on(&hidden, ROWS),
        head: AdaptedWeights { weight: &matrix, bias: None, adapter: None },
        targets: &targets,
        soft_cap: None,
        temperature: 1.0,
        entropies: false,
        reference: None,
        trained: true,
    };
    let derivative = || Derivative::each(|index, _| slopes[index]);
    select(Kernels::Fused);
    let fused = values(Flex::head_loss(input(), &mut derivative()));
    select(Kernels::Reference);
    let plain = values(Flex::head_loss(input(), &mut derivative()));
    let unfused = values(unfused::loss(input(), &mut derivative()));
    let bits = |values: &[Vec<f32>; 3]| {
        values.each_ref().map(|it| it.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    assert_eq!(bits(&plain), bits(&unfused));
    assert_ne!(bits(&plain), bits(&fused), "the same sums, so the same kernel ran");
    for (plain, fused) in plain.iter().flatten().zip(fused.iter().flatten()) {
        assert!((plain - fused).abs() <= 1e-4, "{plain} and {fused}");
    }
}

//! burn's own attention under its autodiff, on the CPU: what `osler bench kernels --only attention` times osler's beside, at the shape of
//! its first line.
//!
//! ```sh
//! RAYON_NUM_THREADS=2 cargo bench --bench burn_attention
//! ```

use std::hint::black_box;
use std::time::Instant;

use burn::backend::Autodiff;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Distribution, Tensor};
use burn_flex::{Flex, FlexDevice};

/// Sequences, heads, tokens and elements a head.
const SHAPE: [usize; 4] = [1, 8, 1024, 64];
/// Rounds that count, after one that does not.
const REPEATS: usize = 5;

fn main() {
    type B = Autodiff<Flex>;
    let device = FlexDevice;
    let random = || Tensor::<B, 4>::random(SHAPE, Distribution::Normal(0.0, 1.0), &device);
    let options = AttentionModuleOptions { is_causal: true, ..Default::default() };
    let mut all: Vec<f64> = (0..=REPEATS)
        .map(|_| {
            let [q, k, v] = std::array::from_fn(|_| random().require_grad());
            // A gradient of the output that is no constant.
            let slope = random().detach();
            let start = Instant::now();
            let out = attention(q.clone(), k.clone(), v.clone(), None, None, options);
            let gradients = (out * slope).sum().backward();
            black_box([&q, &k, &v].map(|x| x.grad(&gradients)));
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(1)
        .collect();
    all.sort_by(f64::total_cmp);
    let [batch, heads, tokens, elements] = SHAPE;
    println!(
        "burn's attention, causal, [{batch}, {heads}, {tokens}, {elements}], f32, forward and backward: {:.1} ms \
         ({:.1} to {:.1}, median of {REPEATS})",
        all[REPEATS / 2],
        all[0],
        all[REPEATS - 1],
    );
}

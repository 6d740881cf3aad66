//! Weights to begin with.

use std::convert::Infallible;

use burn::tensor::TensorData;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::build::WeightSource;

/// Standard deviation of matrices (GPT-2's and Qwen2's `initializer_range`).
const DEVIATION: f64 = 0.02;

/// Draws weights: matrices from a normal distribution, those that write to the residual stream narrower by
/// `1 / sqrt(2 layers)` (Radford et al. 2019), norms 1, biases 0. Each tensor depends on the seed and its name alone.
#[derive(Debug, Clone, Copy)]
pub struct InitialWeights {
    /// Where all chance comes from.
    pub seed: u64,
    /// Layers of the model.
    pub layers: usize,
}

impl WeightSource for InitialWeights {
    type Error = Infallible;

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Infallible> {
        let count: usize = shape.iter().product();
        let values = if shape.len() < 2 {
            vec![if name.ends_with(".bias") { 0.0 } else { 1.0 }; count]
        } else {
            let residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
            let narrower = if residual { (2.0 * self.layers.max(1) as f64).sqrt() } else { 1.0 };
            normal(self.seed, name, count, DEVIATION / narrower)
        };
        Ok(TensorData::new(values, shape.to_vec()))
    }
}

/// First values of the `A` `[r, in]` of an adapter, as peft draws them: uniform within `1 / sqrt(in)`, which is He et al.'s
/// (2015) Kaiming initialisation for a leaky slope of `sqrt 5`. They depend on the seed and the name alone.
pub fn adapter_values(seed: u64, name: &str, [rank, input]: [usize; 2]) -> Vec<f32> {
    let mut unit = uniform(seed, name);
    let bound = (input.max(1) as f64).sqrt().recip();
    (0..rank * input).map(|_| ((2.0 * unit() - 1.0) * bound) as f32).collect()
}

/// Numbers between 0 and 1, of a stream that belongs to `name`.
fn uniform(seed: u64, name: &str) -> impl FnMut() -> f64 + use<> {
    // FNV-1a of the name picks the stream.
    let stream = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    // 53 bits, never 0, so the logarithm is finite.
    move || ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

fn normal(seed: u64, name: &str, count: usize, deviation: f64) -> Vec<f32> {
    let mut unit = uniform(seed, name);
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // Box and Muller 1958: two uniform numbers make two normal ones.
        let (radius, angle) = ((-2.0 * unit().ln()).sqrt() * deviation, std::f64::consts::TAU * unit());
        values.extend([(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]);
    }
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(seed: u64, name: &str, shape: &[usize]) -> Vec<f32> {
        let Ok(data) = InitialWeights { seed, layers: 8 }.read(name, shape);
        data.to_vec().unwrap()
    }

    #[test]
    fn matrices_are_normal_and_narrower_towards_the_residual_stream() {
        for (name, deviation) in [("a.q_proj.weight", 0.02), ("a.o_proj.weight", 0.005)] {
            let drawn = values(1, name, &[300, 301]);
            let count = drawn.len() as f64;
            let mean = drawn.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
            let moment =
                |n: i32| drawn.iter().map(|&v| (f64::from(v) / deviation).powi(n)).sum::<f64>() / count;
            assert!(mean.abs() < 5.0 * deviation / count.sqrt(), "{mean}");
            // 1 and 3 are those of a normal distribution; five deviations of the estimates.
            assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / count).sqrt());
            assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / count).sqrt());
        }
    }

    #[test]
    fn adapters_begin_uniform_within_the_root_of_their_width() {
        let (rank, input) = (30, 400);
        let drawn = adapter_values(1, "a.lora_A.weight", [rank, input]);
        assert_eq!(drawn.len(), rank * input);
        let bound = 0.05f32;
        assert!(drawn.iter().all(|v| v.abs() <= bound));
        let count = drawn.len() as f64;
        let mean = drawn.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let square = drawn.iter().map(|&v| f64::from(v / bound).powi(2)).sum::<f64>() / count;
        // 1/3 is the variance of a uniform distribution over [-1, 1], 4/45 that of its square; five deviations.
        assert!(mean.abs() < 5.0 * f64::from(bound) / (3.0 * count).sqrt(), "{mean}");
        assert!((square - 1.0 / 3.0).abs() < 5.0 * (4.0 / 45.0 / count).sqrt(), "{square}");
        assert_eq!(drawn, adapter_values(1, "a.lora_A.weight", [rank, input]));
        assert_ne!(drawn, adapter_values(2, "a.lora_A.weight", [rank, input]));
        assert_ne!(drawn, adapter_values(1, "b.lora_A.weight", [rank, input]));
    }

    #[test]
    fn tensors_differ_by_seed_and_name_and_come_again() {
        let first = values(1, "a.weight", &[4, 4]);
        assert_eq!(first, values(1, "a.weight", &[4, 4]));
        assert_ne!(first, values(2, "a.weight", &[4, 4]));
        assert_ne!(first, values(1, "b.weight", &[4, 4]));
        assert_eq!(values(1, "a.norm.weight", &[3]), [1.0; 3]);
        assert_eq!(values(1, "a.q_proj.bias", &[3]), [0.0; 3]);
    }
}

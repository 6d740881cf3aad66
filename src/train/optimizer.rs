//! AdamW over a decoder's tensors, with clipping by global norm. A tensor that is not in f32 is stepped by way of a master copy that is.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, backend::Backend};

use crate::kernels::parallel::on_pool;
use crate::kernels::{AdamWStep, KernelBackend, MasterStep};
use crate::model::decoder::Decoder;
use crate::train::gradients::Gradients;

/// What does not change between steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// Decay rates of the two moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay of matrices; norms and biases have none.
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; `None` leaves them.
    pub clip: Option<f64>,
}

/// Two moments `[n]` of each tensor that had a gradient, by its name.
pub type Moments<B> = BTreeMap<String, [Tensor<B, 1>; 2]>;

/// The f32 values `[n]` of tensors in a half type, by their names.
pub type Masters<B> = BTreeMap<String, Tensor<B, 1>>;

/// The optimizer's state: two moments a tensor, the master weights of tensors that are not in f32, and the steps taken.
#[derive(Debug, Clone)]
pub struct AdamW<B: Backend> {
    options: AdamWOptions,
    moments: Moments<B>,
    masters: Masters<B>,
    steps: u64,
}

impl<B: KernelBackend> AdamW<B> {
    /// An optimizer that has taken no step.
    pub fn new(options: AdamWOptions) -> Self {
        Self { options, moments: BTreeMap::new(), masters: BTreeMap::new(), steps: 0 }
    }

    /// An optimizer as it was after `steps` steps.
    pub fn resume(options: AdamWOptions, steps: u64, moments: Moments<B>, masters: Masters<B>) -> Self {
        Self { options, moments, masters, steps }
    }

    /// Begins anew on the weights as they are: nothing stays but the master weights, of which the weights are only the rounding.
    pub fn restart(&mut self, options: AdamWOptions) {
        *self = Self { masters: std::mem::take(&mut self.masters), ..Self::new(options) };
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The moments by tensor name.
    pub fn moments(&self) -> &Moments<B> {
        &self.moments
    }

    /// The master weights by tensor name; a tensor has none before its first step.
    pub fn masters(&self) -> &Masters<B> {
        &self.masters
    }

    /// Changes the decoder's tensors, or its adapters where it has any, by one step along `gradients` and returns the global norm before clipping. A
    /// tensor without a gradient is left as it is.
    pub fn step(&mut self, decoder: &mut Decoder<B>, gradients: Gradients<B>, lr: f64) -> f64 {
        on_pool(|| self.step_on_pool(decoder, gradients, lr))
    }

    fn step_on_pool(&mut self, decoder: &mut Decoder<B>, mut gradients: Gradients<B>, lr: f64) -> f64 {
        self.steps += 1;
        let norm = gradients.norm();
        // As torch.nn.utils.clip_grad_norm_: the small constant keeps a zero norm harmless.
        let scale = self.options.clip.map_or(1.0, |clip| (clip / (norm + 1e-6)).min(1.0)) as f32;
        let AdamWOptions { betas, eps, weight_decay, .. } = self.options;
        let steps = self.steps;
        decoder.visit_trained(&mut |name, mut parameter| {
            let Some(gradient) = gradients.take(name) else { return };
            let dims = parameter.dims();
            let weight_decay = if dims.len() > 1 { weight_decay } else { 0.0 };
            let step = AdamWStep { lr, betas, eps, weight_decay, step: steps, scale };
            let moments = self.moments.remove(name).unwrap_or_else(|| {
                let zeros =
                    || Tensor::zeros([dims.iter().product::<usize>()], (&gradient.device(), DType::F32));
                [zeros(), zeros()]
            });
            parameter.update(|weights| {
                let dtype = weights.dtype();
                let (weights, moments) = if dtype == DType::F32 {
                    B::adamw(weights, gradient, moments, &step)
                } else {
                    let master = self.masters.remove(name).unwrap_or_else(|| weights.cast(DType::F32));
                    let MasterStep { masters, moments, weights } =
                        B::adamw_master(master, gradient, moments, &step, dtype);
                    self.masters.insert(name.to_owned(), masters);
                    (weights, moments)
                };
                self.moments.insert(name.to_owned(), moments);
                weights
            });
        });
        norm
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use burn_flex::{Flex, FlexDevice};
    use half::bf16;

    use super::*;
    use crate::engine::measure::MadeUpWeights;
    use crate::model::config::{FloatType, ModelConfig};
    use crate::model::decoder::DecoderWeights;

    const OPTIONS: AdamWOptions =
        AdamWOptions { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, clip: None };

    fn decoder(matrices: FloatType) -> Decoder<Flex> {
        let text = r#"{
            "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 7, "hidden_size": 4,
            "intermediate_size": 6, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
            "hidden_act": "silu", "max_position_embeddings": 8, "rms_norm_eps": 1e-6, "tie_word_embeddings": true
        }"#;
        let config = ModelConfig::from_hf_json(text.as_bytes(), std::path::Path::new("test")).unwrap();
        let Ok(weights) = DecoderWeights::read(&config, &mut MadeUpWeights { matrices }, &FlexDevice);
        Decoder::new(config, weights, DType::F32, FlexDevice)
    }

    fn trained(decoder: &mut Decoder<Flex>) -> BTreeMap<String, (DType, Vec<f32>)> {
        let mut all = BTreeMap::new();
        decoder.visit_trained(&mut |name, parameter| {
            let (dtype, data) = (parameter.flat().dtype(), parameter.flat().into_data());
            all.insert(name.to_owned(), (dtype, data.convert::<f32>().to_vec().unwrap()));
        });
        all
    }

    /// A gradient of 1 for every value.
    fn ones(decoder: &mut Decoder<Flex>) -> Gradients<Flex> {
        let mut gradients = Gradients::default();
        decoder.visit_trained(&mut |name, parameter| {
            let count = parameter.dims().iter().product::<usize>();
            let values = TensorData::new(vec![1.0f32; count], [count]);
            gradients.add(name.to_owned(), Tensor::<Flex, 1>::from_data(values, (&FlexDevice, DType::F32)));
        });
        gradients
    }

    /// With a gradient that stays the same each step is the learning rate: here a 64th of the last digit of a weight of 1.
    #[test]
    fn steps_too_small_for_a_weight_move_it_in_the_end() {
        const LR: f64 = 1.0 / 16384.0;
        let mut decoder = decoder(FloatType::BF16);
        decoder.visit_trained(&mut |_, mut parameter| {
            if parameter.flat().dtype() == DType::BF16 {
                parameter.update(|weights| Flex::rounded(weights.cast(DType::F32) * 0.0 + 1.0, DType::BF16));
            }
        });
        let mut optimizer = AdamW::new(OPTIONS);
        let mut moved_at = None;
        for step in 1..=256u32 {
            let gradients = ones(&mut decoder);
            optimizer.step(&mut decoder, gradients, LR);
            for (name, (dtype, values)) in trained(&mut decoder) {
                let Some(master) = optimizer.masters().get(&name) else {
                    assert_eq!(dtype, DType::F32, "{name}");
                    continue;
                };
                assert_eq!(dtype, DType::BF16, "{name}");
                let master = master.clone().into_data().to_vec::<f32>().unwrap();
                for (value, master) in values.iter().zip(&master) {
                    assert_eq!(*value, bf16::from_f32(*master).to_f32(), "{name}");
                    assert!((f64::from(*master) - (1.0 - LR * f64::from(step))).abs() < 1e-4, "{master}");
                }
                if values[0] != 1.0 {
                    moved_at.get_or_insert(step);
                }
            }
        }
        // Below 1 the digits are 1/256 apart, so half of one is 32 steps.
        let moved_at = moved_at.unwrap();
        assert!((30..=34).contains(&moved_at), "{moved_at}");
        // One such step alone rounds to where it was.
        assert_eq!(bf16::from_f32(1.0 - LR as f32), bf16::ONE);
        // All of them are 4 of these digits.
        let last = trained(&mut decoder);
        assert!((last["model.embed_tokens.weight"].1[0] - (1.0 - 4.0 / 256.0)).abs() <= 1.0 / 256.0);
    }

    #[test]
    fn weights_in_f32_have_no_masters_and_the_bits_of_the_kernel() {
        let mut decoder = decoder(FloatType::F32);
        let mut wanted = trained(&mut decoder);
        let mut moments = BTreeMap::new();
        let mut optimizer = AdamW::new(AdamWOptions { weight_decay: 0.1, ..OPTIONS });
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            Tensor::<Flex, 1>::from_data(TensorData::new(values, [count]), (&FlexDevice, DType::F32))
        };
        for number in 1..=3 {
            let gradients = ones(&mut decoder);
            optimizer.step(&mut decoder, gradients.clone(), 0.01);
            for (name, (_, values)) in &mut wanted {
                let weight_decay =
                    if name.ends_with("proj.weight") || name.contains("embed") { 0.1 } else { 0.0 };
                let AdamWOptions { betas, eps, .. } = OPTIONS;
                let step = AdamWStep { lr: 0.01, betas, eps, weight_decay, step: number, scale: 1.0 };
                let zeros = || tensor(vec![0.0; values.len()]);
                let before = moments.remove(name).unwrap_or_else(|| [zeros(), zeros()]);
                let gradient = gradients.get(name).unwrap().clone();
                let (weights, after) = Flex::adamw(tensor(values.clone()), gradient, before, &step);
                *values = weights.into_data().to_vec().unwrap();
                moments.insert(name.clone(), after);
            }
            assert_eq!(trained(&mut decoder), wanted, "step {number}");
            assert!(optimizer.masters().is_empty());
        }
    }

    #[test]
    fn a_new_stage_forgets_all_but_the_masters() {
        let mut decoder = decoder(FloatType::BF16);
        let mut optimizer = AdamW::new(OPTIONS);
        let gradients = ones(&mut decoder);
        optimizer.step(&mut decoder, gradients, 1e-6);
        let host = |masters: &Masters<Flex>| -> Vec<Vec<f32>> {
            masters.values().map(|it| it.clone().into_data().to_vec().unwrap()).collect()
        };
        let before = host(optimizer.masters());
        optimizer.restart(AdamWOptions { weight_decay: 0.5, ..OPTIONS });
        assert_eq!((optimizer.steps(), optimizer.moments().len()), (0, 0));
        assert_eq!(optimizer.options.weight_decay, 0.5);
        assert!(!before.is_empty() && host(optimizer.masters()) == before);
    }
}

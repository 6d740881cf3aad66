//! Putting a decoder's weights together, tensor by tensor, from whatever holds them.

use burn::tensor::{Tensor, TensorData};

use crate::kernels::quantised::QuantisedMatrix;
use crate::kernels::{KernelBackend, Matrix};
use crate::model::config::ModelConfig;
use crate::model::decoder::DecoderWeights;
use crate::model::layer::{DecoderLayer, Linear};

/// Supplies one tensor's values by its Hugging Face name, in the type it is to be kept in.
pub trait WeightSource {
    /// What goes wrong while reading.
    type Error;

    /// The values of `name`, which has `shape`.
    fn read(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, Self::Error>;

    /// The matrix `name`, which has `shape`: floats, or quantised blocks where the source keeps them.
    fn read_matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<MatrixData, Self::Error> {
        self.read(name, &shape).map(MatrixData::Float)
    }
}

/// A matrix on its way to a device.
#[derive(Debug)]
pub enum MatrixData {
    /// Floats.
    Float(TensorData),
    /// Quantised blocks, which are kept as they are.
    Blocks(QuantisedMatrix),
}

impl<B: KernelBackend> DecoderWeights<B> {
    /// Reads every tensor of `config` from `source` onto `device`, one at a time.
    pub fn read<S: WeightSource>(
        config: &ModelConfig,
        source: &mut S,
        device: &B::Device,
    ) -> Result<Self, S::Error> {
        let mut reader = Reader::<B, S> { source, device };
        let (hidden, inner, head_dim) = (config.hidden_size, config.intermediate_size, config.head_dim);
        let (query, key_value) = (config.query_size(), config.key_value_size());
        let embed_tokens = reader.matrix("model.embed_tokens.weight", [config.vocab_size, hidden])?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for index in 0..config.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{index}.{part}");
            let head_norm = |reader: &mut Reader<'_, B, S>, part| {
                config.qk_norm.then(|| reader.tensor(&name(part), [head_dim])).transpose()
            };
            let (qkv, o) = (config.qkv_bias, config.o_bias);
            layers.push(DecoderLayer {
                input_layernorm: reader.tensor(&name("input_layernorm.weight"), [hidden])?,
                q_proj: reader.linear(&name("self_attn.q_proj"), [query, hidden], qkv)?,
                k_proj: reader.linear(&name("self_attn.k_proj"), [key_value, hidden], qkv)?,
                v_proj: reader.linear(&name("self_attn.v_proj"), [key_value, hidden], qkv)?,
                o_proj: reader.linear(&name("self_attn.o_proj"), [hidden, query], o)?,
                q_norm: head_norm(&mut reader, "self_attn.q_norm.weight")?,
                k_norm: head_norm(&mut reader, "self_attn.k_norm.weight")?,
                post_attention_layernorm: reader
                    .tensor(&name("post_attention_layernorm.weight"), [hidden])?,
                gate_proj: reader.linear(&name("mlp.gate_proj"), [inner, hidden], false)?,
                up_proj: reader.linear(&name("mlp.up_proj"), [inner, hidden], false)?,
                down_proj: reader.linear(&name("mlp.down_proj"), [hidden, inner], false)?,
            });
        }
        let norm = reader.tensor("model.norm.weight", [hidden])?;
        let lm_head = if config.tie_word_embeddings {
            None
        } else {
            Some(reader.linear("lm_head", [config.vocab_size, hidden], false)?)
        };
        Ok(Self { embed_tokens, layers, norm, lm_head })
    }
}

struct Reader<'a, B: KernelBackend, S> {
    source: &'a mut S,
    device: &'a B::Device,
}

impl<B: KernelBackend, S: WeightSource> Reader<'_, B, S> {
    fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<B, D>, S::Error> {
        let data = self.source.read(name, &shape)?;
        let dtype = data.dtype;
        Ok(Tensor::from_data(data, (self.device, dtype)))
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Matrix<B>, S::Error> {
        Ok(match self.source.read_matrix(name, shape)? {
            MatrixData::Float(data) => {
                let dtype = data.dtype;
                Matrix::Float(Tensor::from_data(data, (self.device, dtype)))
            }
            MatrixData::Blocks(blocks) => B::blocks(blocks, self.device),
        })
    }

    fn linear(&mut self, name: &str, [out, input]: [usize; 2], bias: bool) -> Result<Linear<B>, S::Error> {
        let weight = self.matrix(&format!("{name}.weight"), [out, input])?;
        let bias = bias.then(|| self.tensor(&format!("{name}.bias"), [out])).transpose()?;
        Ok(Linear::new(weight, bias))
    }
}

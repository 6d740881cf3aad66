//! A decoder's tensors one by one, under their Hugging Face names.

use burn::tensor::{Tensor, backend::Backend};

use crate::kernels::Matrix;
use crate::model::decoder::Decoder;
use crate::model::layer::{DecoderLayer, Linear};

/// The output head where it is not the embedding.
pub(crate) const HEAD: &str = "lm_head";

/// One tensor of a model, flat.
pub enum Parameter<'a, B: Backend> {
    /// A norm or a bias.
    Vector(&'a mut Tensor<B, 1>),
    /// A projection or a table.
    Matrix(&'a mut Tensor<B, 2>),
}

impl<B: Backend> Parameter<'_, B> {
    /// Its shape.
    pub fn dims(&self) -> Vec<usize> {
        match self {
            Self::Vector(tensor) => tensor.dims().to_vec(),
            Self::Matrix(tensor) => tensor.dims().to_vec(),
        }
    }

    /// Its values `[n]`, sharing them.
    pub fn flat(&self) -> Tensor<B, 1> {
        match self {
            Self::Vector(tensor) => (*tensor).clone(),
            Self::Matrix(tensor) => (*tensor).clone().flatten(0, 1),
        }
    }

    /// Replaces its values `[n]` by what `change` makes of them. They are handed over unshared, so that a change can
    /// happen in place.
    pub fn update(&mut self, change: impl FnOnce(Tensor<B, 1>) -> Tensor<B, 1>) {
        match self {
            Self::Vector(tensor) => {
                let device = tensor.device();
                **tensor = change(std::mem::replace(*tensor, Tensor::empty([1], &device)));
            }
            Self::Matrix(tensor) => {
                let (device, dims) = (tensor.device(), tensor.dims());
                let flat = std::mem::replace(*tensor, Tensor::empty([1, 1], &device)).flatten(0, 1);
                **tensor = change(flat).reshape(dims);
            }
        }
    }
}

impl<B: Backend> Decoder<B> {
    /// Calls `visit` with every projection of every layer, under names like `model.layers.0.self_attn.q_proj`, and with the
    /// output head where it is not the embedding.
    pub fn visit_projections(&mut self, visit: &mut dyn FnMut(&str, &mut Linear<B>)) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let parts = [
                ("self_attn.q_proj", &mut layer.q_proj),
                ("self_attn.k_proj", &mut layer.k_proj),
                ("self_attn.v_proj", &mut layer.v_proj),
                ("self_attn.o_proj", &mut layer.o_proj),
                ("mlp.gate_proj", &mut layer.gate_proj),
                ("mlp.up_proj", &mut layer.up_proj),
                ("mlp.down_proj", &mut layer.down_proj),
            ];
            for (part, projection) in parts {
                visit(&format!("model.layers.{index}.{part}"), projection);
            }
        }
        if let Some(head) = &mut self.lm_head {
            visit(HEAD, head);
        }
    }

    /// Calls `visit` with every float tensor but those of adapters, in the order of [`crate::model::config::ModelConfig::tensors`]. Quantised
    /// matrices are not floats and are passed over.
    pub fn visit_parameters(&mut self, visit: &mut dyn FnMut(&str, Parameter<'_, B>)) {
        matrix("model.embed_tokens.weight", &mut self.embed_tokens, visit);
        for (index, layer) in self.layers.iter_mut().enumerate() {
            visit_layer(index, layer, visit);
        }
        visit("model.norm.weight", Parameter::Vector(&mut self.norm));
        if let Some(head) = &mut self.lm_head {
            matrix("lm_head.weight", &mut head.weight, visit);
        }
    }
}

fn matrix<B: Backend>(name: &str, matrix: &mut Matrix<B>, visit: &mut dyn FnMut(&str, Parameter<'_, B>)) {
    if let Matrix::Float(tensor) = matrix {
        visit(name, Parameter::Matrix(tensor));
    }
}

fn linear<B: Backend>(name: &str, part: &mut Linear<B>, visit: &mut dyn FnMut(&str, Parameter<'_, B>)) {
    matrix(&format!("{name}.weight"), &mut part.weight, visit);
    if let Some(bias) = &mut part.bias {
        visit(&format!("{name}.bias"), Parameter::Vector(bias));
    }
}

fn visit_layer<B: Backend>(
    index: usize,
    layer: &mut DecoderLayer<B>,
    visit: &mut dyn FnMut(&str, Parameter<'_, B>),
) {
    let name = |part: &str| format!("model.layers.{index}.{part}");
    visit(&name("input_layernorm.weight"), Parameter::Vector(&mut layer.input_layernorm));
    linear(&name("self_attn.q_proj"), &mut layer.q_proj, visit);
    linear(&name("self_attn.k_proj"), &mut layer.k_proj, visit);
    linear(&name("self_attn.v_proj"), &mut layer.v_proj, visit);
    linear(&name("self_attn.o_proj"), &mut layer.o_proj, visit);
    for (part, norm) in [("q_norm", &mut layer.q_norm), ("k_norm", &mut layer.k_norm)] {
        if let Some(norm) = norm {
            visit(&name(&format!("self_attn.{part}.weight")), Parameter::Vector(norm));
        }
    }
    visit(&name("post_attention_layernorm.weight"), Parameter::Vector(&mut layer.post_attention_layernorm));
    linear(&name("mlp.gate_proj"), &mut layer.gate_proj, visit);
    linear(&name("mlp.up_proj"), &mut layer.up_proj, visit);
    linear(&name("mlp.down_proj"), &mut layer.down_proj, visit);
}

//! GGUF's names for types and tensors.

use super::super::{RowOrder, StoredType};
use crate::model::config::{Architecture, ModelConfig};

/// ggml's numbers for storage types, for those read here and those that can be named in a refusal.
const TYPES: [(u32, &str); 31] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (6, "Q5_0"),
    (7, "Q5_1"),
    (8, "Q8_0"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (30, "BF16"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
];

/// The storage type of a ggml type number, or the name of one that is not read here.
pub(super) fn stored_type(id: u32) -> Result<StoredType, String> {
    let Some((_, name)) = TYPES.into_iter().find(|(known, _)| *known == id) else {
        return Err(format!("the unknown type {id}"));
    };
    StoredType::ALL.into_iter().find(|stored| stored.name() == name).ok_or_else(|| name.to_owned())
}

/// Parts of a layer: Hugging Face's name, GGUF's name.
const LAYER_PARTS: [(&str, &str); 11] = [
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// GGUF's name for the tensor that Hugging Face calls `hf_name`; `None` for a tensor GGUF has no name for.
pub(in crate::model::weights) fn gguf_name(hf_name: &str) -> Option<String> {
    match hf_name {
        "model.embed_tokens.weight" => return Some("token_embd.weight".to_owned()),
        "model.norm.weight" => return Some("output_norm.weight".to_owned()),
        "lm_head.weight" => return Some("output.weight".to_owned()),
        _ => {}
    }
    let (layer, part) = hf_name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, kind) = part.rsplit_once('.')?;
    let (_, own) = LAYER_PARTS.into_iter().find(|(hf, _)| *hf == part)?;
    Some(format!("blk.{layer}.{own}.{kind}"))
}

/// How GGUF orders the rows of this tensor: converters reorder q and k of `llama`, weights and biases, and no
/// others.
pub(in crate::model::weights) fn row_order(config: &ModelConfig, hf_name: &str) -> RowOrder {
    let of_llama = config.architecture == Architecture::Llama;
    if of_llama && hf_name.contains(".self_attn.q_proj.") {
        RowOrder::InterleavedPairs { heads: config.num_attention_heads }
    } else if of_llama && hf_name.contains(".self_attn.k_proj.") {
        RowOrder::InterleavedPairs { heads: config.num_key_value_heads }
    } else {
        RowOrder::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_type_has_a_number_and_others_are_named() {
        let readable: Vec<_> = (0..64).filter_map(|id| stored_type(id).ok()).collect();
        assert_eq!(readable.len(), StoredType::ALL.len());
        assert_eq!(stored_type(16), Err("IQ2_XXS".to_owned()));
        assert_eq!(stored_type(4), Err("the unknown type 4".to_owned()));
    }

    #[test]
    fn tensor_names_follow_ggufs_table() {
        let names = [
            ("model.layers.12.self_attn.k_proj.bias", "blk.12.attn_k.bias"),
            ("model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight"),
            ("lm_head.weight", "output.weight"),
        ];
        for (hf, gguf) in names {
            assert_eq!(gguf_name(hf).as_deref(), Some(gguf));
        }
        assert_eq!(gguf_name("model.layers.0.mlp.experts.0.up_proj.weight"), None);
    }
}

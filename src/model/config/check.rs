//! Whether the parts of a configuration fit together, whatever file they came from.

use std::path::Path;

use super::{Architecture, ConfigError, FieldProblem, ModelConfig};

/// Upper bounds, far above any real model. They keep every product of sizes (and its bytes) inside 64 bits,
/// and keep the list of expected tensors small, so that a lying file costs nothing.
pub(super) const MOST_VOCAB: usize = 1 << 24;
pub(super) const MOST_HIDDEN: usize = 1 << 20;
pub(super) const MOST_INTERMEDIATE: usize = 1 << 22;
pub(super) const MOST_LAYERS: usize = 1 << 10;
pub(super) const MOST_HEADS: usize = 1 << 12;
pub(super) const MOST_HEAD_DIM: usize = 1 << 12;
pub(super) const MOST_POSITIONS: usize = 1 << 30;

impl ModelConfig {
    /// Checks a configuration that was filled in by hand; `what` names it in the error.
    pub fn validate(&self, what: &Path) -> Result<(), ConfigError> {
        let problems = self.problems();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Fields { file: what.to_owned(), problems })
        }
    }

    /// Everything that does not fit, under the Hugging Face field names.
    pub(crate) fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut size = |field: &str, found: usize, most: usize| {
            if !(1..=most).contains(&found) {
                problems.push(FieldProblem::new(field, found, format!("a whole number from 1 to {most}")));
            }
        };
        size("vocab_size", self.vocab_size, MOST_VOCAB);
        size("hidden_size", self.hidden_size, MOST_HIDDEN);
        size("intermediate_size", self.intermediate_size, MOST_INTERMEDIATE);
        size("num_hidden_layers", self.num_hidden_layers, MOST_LAYERS);
        size("num_attention_heads", self.num_attention_heads, MOST_HEADS);
        size("num_key_value_heads", self.num_key_value_heads, MOST_HEADS);
        size("head_dim", self.head_dim, MOST_HEAD_DIM);
        size("max_position_embeddings", self.max_position_embeddings, MOST_POSITIONS);
        self.check_heads(&mut problems);
        self.check_numbers(&mut problems);
        self.check_switches(&mut problems);
        self.rope_scaling.check(&mut problems);
        problems
    }

    fn check_heads(&self, problems: &mut Vec<FieldProblem>) {
        let (heads, groups) = (self.num_attention_heads, self.num_key_value_heads);
        if groups != 0 && !heads.is_multiple_of(groups) {
            let legal = format!("a divisor of num_attention_heads ({heads})");
            problems.push(FieldProblem::new("num_key_value_heads", groups, legal));
        }
        if !self.head_dim.is_multiple_of(2) {
            problems.push(FieldProblem::new("head_dim", self.head_dim, "an even number"));
        }
        // transformers refuses such a Llama even when head_dim is given, so an export of it could not be
        // loaded.
        if self.architecture == Architecture::Llama && heads != 0 && !self.hidden_size.is_multiple_of(heads) {
            let legal = format!("a multiple of num_attention_heads ({heads})");
            problems.push(FieldProblem::new("hidden_size", self.hidden_size, legal));
        }
    }

    fn check_numbers(&self, problems: &mut Vec<FieldProblem>) {
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            problems.push(FieldProblem::new(
                "rms_norm_eps",
                self.rms_norm_eps,
                "a number above 0 and below 1",
            ));
        }
        if !(self.rope_theta > 1.0 && self.rope_theta <= 1e12) {
            problems.push(FieldProblem::new("rope_theta", self.rope_theta, "a number above 1, at most 1e12"));
        }
        let ids = [("bos_token_id", self.bos_token_id), ("pad_token_id", self.pad_token_id)];
        let ends = self.eos_token_ids.iter().map(|id| ("eos_token_id", Some(*id)));
        for (field, id) in ids.into_iter().chain(ends) {
            if let Some(id) = id.filter(|id| *id as usize >= self.vocab_size) {
                let legal = format!("a token id below vocab_size ({})", self.vocab_size);
                problems.push(FieldProblem::new(field, id, legal));
            }
        }
    }

    fn check_switches(&self, problems: &mut Vec<FieldProblem>) {
        let class = self.architecture.class_name();
        let norms = self.architecture == Architecture::Qwen3;
        if self.qk_norm != norms {
            problems.push(FieldProblem::new("qk_norm", self.qk_norm, format!("{norms}, as {class} has it")));
        }
        if self.architecture == Architecture::Qwen2 {
            if !self.qkv_bias || self.o_bias {
                let found = format!("q, k, v: {}, o: {}", self.qkv_bias, self.o_bias);
                problems.push(FieldProblem::new(
                    "attention_bias",
                    found,
                    format!("q, k, v: true, o: false for {class}"),
                ));
            }
        } else if self.qkv_bias != self.o_bias {
            let found = format!("q, k, v: {}, o: {}", self.qkv_bias, self.o_bias);
            problems.push(FieldProblem::new(
                "attention_bias",
                found,
                format!("the same for q, k, v and o in {class}"),
            ));
        }
    }
}

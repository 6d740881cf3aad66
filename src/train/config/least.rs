//! For tests: the least that a run's file holds, of a model from scratch that is quickly made.

/// A supervised stage and one of reinforcement learning.
pub(crate) const LEAST: &str = r#"
name = "least"
[model.shape]
hidden_size = 32
layers = 2
heads = 4
kv_heads = 2
intermediate_size = 64
max_positions = 256
[tokenizer]
vocab_size = 512
[[stage]]
kind = "sft"
[[stage]]
kind = "rl"
steps = 3
max_new_tokens = 16
"#;

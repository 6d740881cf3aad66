//! For tests: the least that a run's file holds, of a model from scratch that is quickly made.

use std::path::Path;

use super::{ConfigErrors, RunConfig};

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

/// What `text` configures, with these values in place of its own.
pub(crate) fn parse(text: &str, overrides: &[&str]) -> Result<RunConfig, ConfigErrors> {
    let overrides: Vec<String> = overrides.iter().map(|it| (*it).to_owned()).collect();
    RunConfig::parse(text, Path::new("run.toml"), &overrides)
}

/// [`LEAST`] and what is added to it, with these values in place of its own.
///
/// # Panics
///
/// Where it is refused.
pub(crate) fn run(added: &str, overrides: &[&str]) -> RunConfig {
    parse(&format!("{LEAST}{added}"), overrides).unwrap_or_else(|error| panic!("{error}"))
}

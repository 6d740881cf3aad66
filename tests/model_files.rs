//! Model files that lie: each is refused by name, or opens and can be read to the last tensor.

#[path = "model_files/export.rs"]
mod export;
#[path = "model_files/gguf.rs"]
mod gguf;
#[path = "model_files/gguf_values.rs"]
mod gguf_values;
#[path = "model_files/images.rs"]
mod images;
#[path = "model_files/mutations.rs"]
mod mutations;
#[path = "model_files/real.rs"]
mod real;
#[path = "model_files/safetensors.rs"]
mod safetensors;

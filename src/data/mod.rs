//! Cases, and text for models: tokenizers, chat templates, and text that arrives token by token.

pub mod bank;
pub mod bpe;
pub mod case;
pub mod chat_template;
pub mod consultation;
pub mod conversation;
pub mod distress;
pub mod gguf_tokenizer;
pub(crate) mod hash;
pub mod import;
pub mod lexicon;
pub mod phi;
pub(crate) mod shuffle;
pub mod spelled;
pub mod stop;
pub mod stream;
pub(crate) mod template_clock;
pub mod template_error;
mod template_filters;
mod template_guard;
mod template_json;
mod template_methods;
mod template_source;
pub mod thinking;
mod token_table;
pub mod tokenizer;
mod tokenizer_files;
pub mod utterance;

pub use chat_template::{BuiltinTemplate, ChatTemplate, RenderOptions, TemplateLimits, ThinkingMode};
pub use consultation::{Consultation, Ending, Turn};
pub use gguf_tokenizer::GgufVocabulary;
pub use stop::{StopMatcher, StopOutput};
pub use stream::TextStream;
pub use template_error::TemplateError;
pub use thinking::{ThinkingPart, ThinkingSplitter, split_thinking};
pub use tokenizer::{Tokenizer, TokenizerError};

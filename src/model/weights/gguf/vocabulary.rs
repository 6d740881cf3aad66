//! Reads the tokenizer that a GGUF file carries; [`GgufVocabulary`] is the data room's.

pub use crate::data::GgufVocabulary;

use super::super::WeightsError;
use super::metadata::GgufMetadata;

impl GgufVocabulary {
    /// `None` where the file has no `tokenizer.ggml.model`.
    pub(super) fn read(metadata: &GgufMetadata) -> Result<Option<Self>, WeightsError> {
        let key = |name: &str| format!("tokenizer.ggml.{name}");
        let Some(model) = metadata.string(&key("model"))? else { return Ok(None) };
        let tokens = metadata.strings(&key("tokens"))?.unwrap_or_default();
        let token_types = metadata.integers(&key("token_type"))?.unwrap_or_default();
        let scores = metadata.floats(&key("scores"))?.unwrap_or_default();
        for (name, len) in [("token_type", token_types.len()), ("scores", scores.len())] {
            if len != 0 && len != tokens.len() {
                let legal = format!("as many as tokens ({})", tokens.len());
                return Err(metadata.illegal(&key(name), format!("a list of {len}"), &legal));
            }
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let token = |name: &str| -> Result<Option<u32>, WeightsError> {
            let id = metadata.token(&key(name))?;
            match id {
                Some(id) if id as usize >= tokens.len() => {
                    let legal = format!("a token id below {}", tokens.len());
                    Err(metadata.illegal(&key(name), id.to_string(), &legal))
                }
                id => Ok(id),
            }
        };
        Ok(Some(Self {
            model: model.to_owned(),
            pre: owned(metadata.string(&key("pre"))?),
            token_types,
            merges: metadata.strings(&key("merges"))?.unwrap_or_default(),
            scores,
            bos_token_id: token("bos_token_id")?,
            eos_token_id: token("eos_token_id")?,
            eot_token_id: token("eot_token_id")?,
            unknown_token_id: token("unknown_token_id")?,
            padding_token_id: token("padding_token_id")?,
            add_bos_token: metadata.boolean(&key("add_bos_token"))?,
            add_eos_token: metadata.boolean(&key("add_eos_token"))?,
            chat_template: owned(metadata.string("tokenizer.chat_template")?),
            name: owned(metadata.string("general.name")?),
            tokens,
        }))
    }
}

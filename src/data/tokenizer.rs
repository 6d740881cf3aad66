//! Text to token ids and back, for the tokenizers of the models osler trains: BPE, from a model folder's
//! `tokenizer.json` or from a GGUF file's vocabulary.

use std::collections::BTreeMap;
use std::io;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::chat_template::ChatTemplate;
use super::gguf_tokenizer::{self, GgufVocabulary};
use super::template_error::TemplateError;
use super::token_table::{Piece, TokenTable};
use super::tokenizer_files::{Files, SpecialTokens};

/// Tokens that end an assistant's turn in the formats in use, whether or not a folder lists them as such. Only those
/// that are special tokens of the vocabulary at hand count.
const TURN_ENDS: [&str; 6] =
    ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>"];

/// Why a tokenizer could not be read, used or written.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not the JSON it should be.
    #[error("{file}: {source}")]
    Json {
        /// The file.
        file: String,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// A field holds something that is not legal there.
    #[error("{file}: {field} is {found}, legal is {legal}")]
    Field {
        /// The file, or `GGUF`.
        file: String,
        /// The field.
        field: String,
        /// What was found.
        found: String,
        /// What is legal.
        legal: String,
    },
    /// The tokenizer library refused the file or the text.
    #[error("{what}: {message}")]
    Library {
        /// What was being done.
        what: &'static str,
        /// The library's words.
        message: String,
    },
}

impl TokenizerError {
    pub(super) fn field(
        file: impl Into<String>,
        field: impl Into<String>,
        found: impl Into<String>,
        legal: impl Into<String>,
    ) -> Self {
        TokenizerError::Field {
            file: file.into(),
            field: field.into(),
            found: found.into(),
            legal: legal.into(),
        }
    }
}

/// A tokenizer with its special tokens and chat templates. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    table: Arc<TokenTable>,
    specials: SpecialTokens,
    end_of_turn: Vec<u32>,
    files: Files,
}

impl Tokenizer {
    /// Loads the tokenizer of a model folder: `tokenizer.json`, and where present `tokenizer_config.json`,
    /// `special_tokens_map.json`, `generation_config.json` (for the ids that end a turn) and `chat_template.jinja`,
    /// which takes the place of the template in `tokenizer_config.json`.
    pub fn from_folder(dir: impl AsRef<Path>) -> Result<Self, TokenizerError> {
        let files = Files::read(dir.as_ref())?;
        Self::from_files(files)
    }

    /// Builds the tokenizer of a GGUF file from its vocabulary.
    pub fn from_gguf(vocabulary: &GgufVocabulary) -> Result<Self, TokenizerError> {
        let files = gguf_tokenizer::files(vocabulary)?;
        let mut tokenizer = Self::from_files(files)?;
        tokenizer.add_turn_end(vocabulary.eot_token_id);
        Ok(tokenizer)
    }

    pub(super) fn from_files(files: Files) -> Result<Self, TokenizerError> {
        files.check_tokenizer_json()?;
        // The library has `expect`s that a file can reach, when it loads one and when it puts special tokens around a
        // text. Those known in loading are checked for above; the rest is tried here, once, where it can be caught.
        let load = || {
            let inner = tokenizers::Tokenizer::from_bytes(files.tokenizer_json())?;
            let ids = inner.encode_fast("A \u{e9}\n12", true)?;
            inner.decode(ids.get_ids(), true)?;
            Ok(inner)
        };
        let mut inner = catch_unwind(load)
            .map_err(|_| "the tokenizer library cannot work with it".to_owned())
            .and_then(|loaded: tokenizers::Result<_>| loaded.map_err(|error| error.to_string()))
            .map_err(|message| TokenizerError::Library { what: "tokenizer.json", message })?;
        // A folder may ask for padding or cutting of every text; whoever encodes here decides that, as in transformers.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| TokenizerError::Library {
            what: "tokenizer.json",
            message: error.to_string(),
        })?;
        files.check_added_ids(&inner)?;
        let table = TokenTable::new(&inner)?;
        let specials = files.special_tokens(|token| inner.token_to_id(token))?;
        let generation_ends = files.generation_ends(table.len())?;
        let mut tokenizer = Tokenizer {
            inner: Arc::new(inner),
            table: Arc::new(table),
            specials,
            end_of_turn: Vec::new(),
            files,
        };
        tokenizer.add_turn_end(tokenizer.eos_id());
        for id in generation_ends {
            tokenizer.add_turn_end(Some(id));
        }
        for token in TURN_ENDS {
            let id = tokenizer.token_to_id(token).filter(|&id| tokenizer.is_special(id));
            tokenizer.add_turn_end(id);
        }
        Ok(tokenizer)
    }

    fn add_turn_end(&mut self, id: Option<u32>) {
        if let Some(id) = id
            && !self.end_of_turn.contains(&id)
        {
            self.end_of_turn.push(id);
        }
    }

    /// The ids of a text. Special tokens written in it are read as such; with `add_special` the tokenizer's own
    /// (a beginning-of-text token, for models that want one) are put around it. A rendered chat template has them
    /// already, so it is encoded without.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(|error| {
            TokenizerError::Library { what: "encoding a text", message: error.to_string() }
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids, without the special tokens if `skip_special`. Ids without a token (the padding at the end of
    /// a model's embedding, say) write nothing. For text as ids arrive see [`TextStream`](super::TextStream).
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        self.inner
            .decode(ids, skip_special)
            .map_err(|error| TokenizerError::Library { what: "decoding ids", message: error.to_string() })
    }

    /// The bytes a token writes, which need not be whole characters. `None` for an id without a token.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.table.piece(id).map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.to_vec(),
            Piece::Byte(byte) => vec![byte],
        })
    }

    /// The id of a token, as the vocabulary spells it.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// One more than the largest id. A model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.table.len()
    }

    /// The id of the beginning-of-text token, for models that have one.
    pub fn bos_id(&self) -> Option<u32> {
        self.specials.id("bos_token")
    }

    /// The id of the end-of-text token.
    pub fn eos_id(&self) -> Option<u32> {
        self.specials.id("eos_token")
    }

    /// The id batches are padded with.
    pub fn pad_id(&self) -> Option<u32> {
        self.specials.id("pad_token")
    }

    /// Whether the id is a special token's: one that is not part of what is said.
    pub fn is_special(&self, id: u32) -> bool {
        self.table.is_special(id)
    }

    /// The ids that end an assistant's turn: the end-of-text token, those `generation_config.json` or the GGUF file
    /// names, and the known turn-ending tokens (`<|im_end|>` and its like) the vocabulary has.
    pub fn end_of_turn_ids(&self) -> &[u32] {
        &self.end_of_turn
    }

    /// The special tokens by the names chat templates know them under: `bos_token`, `eos_token` and so on.
    pub fn special_tokens(&self) -> BTreeMap<String, String> {
        self.specials.texts()
    }

    /// The text of a chat template: the one called `name`, or the usual one. `None` if there is none.
    pub fn chat_template(&self, name: Option<&str>) -> Option<&str> {
        self.files.chat_template(name)
    }

    /// The names of the chat templates; the usual one is `default`.
    pub fn chat_template_names(&self) -> Vec<&str> {
        self.files.chat_template_names()
    }

    /// The usual chat template, compiled, with the special tokens set. `None` if the model has none.
    pub fn compile_chat_template(&self) -> Option<Result<ChatTemplate, TemplateError>> {
        let source = self.chat_template(None)?;
        Some(ChatTemplate::new(source).map(|template| template.with_special_tokens(self.special_tokens())))
    }

    /// Gives the tokenizer this chat template in place of those it has; [`save`](Self::save) writes it.
    pub fn set_chat_template(&mut self, source: &str) -> Result<(), TokenizerError> {
        self.files.set_chat_template(source)
    }

    /// Writes the tokenizer's files into `dir`, which is made if need be, for transformers, vLLM and others to load.
    /// What came from a folder is written byte for byte; each file appears whole or not at all.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<(), TokenizerError> {
        self.files.write(dir.as_ref())
    }

    /// The files [`Self::save`] would write, as `(name, contents)`.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.iter()
    }

    pub(super) fn table(&self) -> Arc<TokenTable> {
        Arc::clone(&self.table)
    }
}

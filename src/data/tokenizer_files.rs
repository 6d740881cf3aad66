//! The files a tokenizer is made of: read, checked, and written back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::tokenizer::TokenizerError;
use crate::files::{self, Fsync, Options};

pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const CONFIG: &str = "tokenizer_config.json";
pub(super) const SPECIALS: &str = "special_tokens_map.json";
pub(super) const TEMPLATE: &str = "chat_template.jinja";
const GENERATION: &str = "generation_config.json";
/// What is read from a folder and written back. The generation settings are read too, but belong to the model.
const CARRIED: [&str; 7] =
    [TOKENIZER, CONFIG, SPECIALS, TEMPLATE, "added_tokens.json", "vocab.json", "merges.txt"];
/// The special tokens chat templates and callers ask for by name.
const NAMED_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
/// The longest file read. The largest tokenizers in use are under 40 MB.
const MAX_FILE: u64 = 256 << 20;

/// A tokenizer's files, by name, with what was read from them.
#[derive(Clone, Debug)]
pub(super) struct Files {
    contents: BTreeMap<&'static str, Arc<[u8]>>,
    config: Map<String, Value>,
    specials: Map<String, Value>,
    generation: Map<String, Value>,
    /// Name and text; `default` is the usual one.
    templates: Vec<(String, String)>,
}

/// The named special tokens, with their ids.
#[derive(Clone, Debug)]
pub(super) struct SpecialTokens(BTreeMap<&'static str, (String, u32)>);

impl SpecialTokens {
    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.0.get(name).map(|(_, id)| *id)
    }

    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(name, (text, _))| ((*name).to_owned(), text.clone())).collect()
    }
}

/// What is checked of `tokenizer.json` before the tokenizer library sees it.
#[derive(Deserialize)]
struct Head {
    model: ModelHead,
    /// Read only to be sure that they are JSON through and through: the library ends the process over a broken string
    /// in one of these.
    #[serde(rename = "normalizer")]
    _normalizer: Option<Value>,
    #[serde(rename = "pre_tokenizer")]
    _pre_tokenizer: Option<Value>,
    #[serde(rename = "post_processor")]
    _post_processor: Option<Value>,
    #[serde(rename = "decoder")]
    _decoder: Option<Value>,
}

#[derive(Deserialize)]
struct ModelHead {
    r#type: Option<String>,
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
}

/// What is checked of the added tokens after.
#[derive(Deserialize)]
struct Added {
    #[serde(default)]
    added_tokens: Vec<AddedHead>,
}

#[derive(Deserialize)]
struct AddedHead {
    id: u32,
    content: String,
}

impl Files {
    /// Reads a model folder.
    pub(super) fn read(dir: &Path) -> Result<Self, TokenizerError> {
        let mut contents = BTreeMap::new();
        for name in CARRIED {
            if let Some(bytes) = read_file(&dir.join(name), name == TOKENIZER)? {
                contents.insert(name, bytes.into());
            }
        }
        let generation = read_file(&dir.join(GENERATION), false)?;
        Self::new(contents, generation.as_deref())
    }

    /// Takes files made in memory.
    pub(super) fn made(
        contents: impl IntoIterator<Item = (&'static str, Vec<u8>)>,
    ) -> Result<Self, TokenizerError> {
        Self::new(contents.into_iter().map(|(name, bytes)| (name, bytes.into())).collect(), None)
    }

    fn new(
        contents: BTreeMap<&'static str, Arc<[u8]>>,
        generation: Option<&[u8]>,
    ) -> Result<Self, TokenizerError> {
        let object = |name: &'static str,
                      bytes: Option<&[u8]>|
         -> Result<Map<String, Value>, TokenizerError> {
            let Some(bytes) = bytes else { return Ok(Map::new()) };
            serde_json::from_slice(bytes).map_err(|source| TokenizerError::Json { file: name.into(), source })
        };
        let mut files = Files {
            config: object(CONFIG, contents.get(CONFIG).map(AsRef::as_ref))?,
            specials: object(SPECIALS, contents.get(SPECIALS).map(AsRef::as_ref))?,
            generation: object(GENERATION, generation)?,
            templates: Vec::new(),
            contents,
        };
        files.templates = files.read_templates()?;
        Ok(files)
    }

    pub(super) fn tokenizer_json(&self) -> &[u8] {
        self.contents.get(TOKENIZER).map_or(&[], AsRef::as_ref)
    }

    /// Checks what the tokenizer library would take without a word and then not do, or do differently each time.
    pub(super) fn check_tokenizer_json(&self) -> Result<(), TokenizerError> {
        let head: Head = self.parse_tokenizer()?;
        let model = head.model;
        if let Some(kind) = model.r#type.filter(|kind| kind != "BPE") {
            return Err(TokenizerError::field(TOKENIZER, "model.type", kind, "BPE"));
        }
        if let Some(dropout) = model.dropout.filter(|&dropout| dropout != 0.0) {
            return Err(TokenizerError::field(TOKENIZER, "model.dropout", dropout.to_string(), "null or 0"));
        }
        let affixes = [
            ("model.continuing_subword_prefix", model.continuing_subword_prefix),
            ("model.end_of_word_suffix", model.end_of_word_suffix),
        ];
        for (field, affix) in affixes {
            if let Some(found) = affix.filter(|affix| !affix.is_empty()) {
                return Err(TokenizerError::field(TOKENIZER, field, format!("{found:?}"), "null or empty"));
            }
        }
        Ok(())
    }

    /// Checks that added tokens got the ids they ask for: the library numbers them itself, and only logs a difference.
    pub(super) fn check_added_ids(&self, inner: &tokenizers::Tokenizer) -> Result<(), TokenizerError> {
        let added: Added = self.parse_tokenizer()?;
        for token in added.added_tokens.into_iter().filter(|token| !token.content.is_empty()) {
            let given = inner.token_to_id(&token.content);
            if given != Some(token.id) {
                let legal = given.map_or("a token of its own".to_owned(), |id| {
                    format!("{id}: ids of added tokens go on from the vocabulary's without a gap")
                });
                let field = format!("added_tokens id of {:?}", token.content);
                return Err(TokenizerError::field(TOKENIZER, field, token.id.to_string(), legal));
            }
        }
        Ok(())
    }

    fn parse_tokenizer<'s, T: Deserialize<'s>>(&'s self) -> Result<T, TokenizerError> {
        serde_json::from_slice(self.tokenizer_json())
            .map_err(|source| TokenizerError::Json { file: TOKENIZER.into(), source })
    }

    /// The named special tokens; `tokenizer_config.json` goes before `special_tokens_map.json`.
    pub(super) fn special_tokens(
        &self,
        id_of: impl Fn(&str) -> Option<u32>,
    ) -> Result<SpecialTokens, TokenizerError> {
        let mut named = BTreeMap::new();
        for name in NAMED_TOKENS {
            for (file, fields) in [(CONFIG, &self.config), (SPECIALS, &self.specials)] {
                let token = match fields.get(name) {
                    None | Some(Value::Null) => continue,
                    Some(Value::String(token)) => token,
                    // Older folders write the token with its stripping rules.
                    Some(Value::Object(object)) if object.get("content").is_some_and(Value::is_string) => {
                        object.get("content").and_then(Value::as_str).unwrap_or_default()
                    }
                    Some(other) => {
                        let legal = "a string, null or an object with a string `content`";
                        return Err(TokenizerError::field(file, name, brief(other), legal));
                    }
                };
                let Some(id) = id_of(token) else {
                    return Err(TokenizerError::field(
                        file,
                        name,
                        format!("{token:?}"),
                        "a token of tokenizer.json",
                    ));
                };
                named.insert(name, (token.to_owned(), id));
                break;
            }
        }
        Ok(SpecialTokens(named))
    }

    /// The ids that `generation_config.json` ends generation at.
    pub(super) fn generation_ends(&self, vocab_size: usize) -> Result<Vec<u32>, TokenizerError> {
        let listed = match self.generation.get("eos_token_id") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(ids)) => ids.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let id = |value: &Value| {
            let id =
                value.as_u64().filter(|&id| id < vocab_size as u64).and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| {
                let legal = format!("an id below {vocab_size}, or a list of such");
                TokenizerError::field(GENERATION, "eos_token_id", brief(value), legal)
            })
        };
        listed.iter().map(id).collect()
    }

    fn read_templates(&self) -> Result<Vec<(String, String)>, TokenizerError> {
        if let Some(bytes) = self.contents.get(TEMPLATE) {
            let text = std::str::from_utf8(bytes).map_err(|error| {
                TokenizerError::field(TEMPLATE, "the text", format!("not UTF-8: {error}"), "UTF-8")
            })?;
            return Ok(vec![("default".into(), text.into())]);
        }
        let legal = "a string, null or a list of {\"name\": ..., \"template\": ...}";
        let refuse = |found: &Value| TokenizerError::field(CONFIG, "chat_template", brief(found), legal);
        match self.config.get("chat_template") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![("default".into(), text.clone())]),
            Some(Value::Array(list)) => list
                .iter()
                .map(|entry| match (entry.get("name"), entry.get("template")) {
                    (Some(Value::String(name)), Some(Value::String(text))) => {
                        Ok((name.clone(), text.clone()))
                    }
                    _ => Err(refuse(entry)),
                })
                .collect(),
            Some(other) => Err(refuse(other)),
        }
    }

    pub(super) fn chat_template(&self, name: Option<&str>) -> Option<&str> {
        let name = name.unwrap_or("default");
        self.templates.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    pub(super) fn chat_template_names(&self) -> Vec<&str> {
        self.templates.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Replaces the templates by one, in the file of its own, which wins over a template in the configuration; that
    /// one is taken out all the same, so that no reader sees the old.
    pub(super) fn set_chat_template(&mut self, source: &str) -> Result<(), TokenizerError> {
        if self.config.shift_remove("chat_template").is_some() {
            self.contents.insert(CONFIG, pretty(CONFIG, &Value::Object(self.config.clone()))?.into());
        }
        self.contents.insert(TEMPLATE, source.as_bytes().into());
        self.templates = vec![("default".into(), source.into())];
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.contents.iter().map(|(name, bytes)| (*name, bytes.as_ref()))
    }

    /// Writes every file, each whole or not at all.
    pub(super) fn write(&self, dir: &Path) -> Result<(), TokenizerError> {
        fs::create_dir_all(dir).map_err(|source| TokenizerError::Write { path: dir.into(), source })?;
        let options = Options { fsync: Fsync::File, ..Options::default() };
        for (name, bytes) in &self.contents {
            let path = dir.join(name);
            if let Err(error) = files::replace(&path, options, bytes) {
                return Err(TokenizerError::Write { path, source: error.source });
            }
        }
        Ok(())
    }
}

fn read_file(path: &Path, required: bool) -> Result<Option<Vec<u8>>, TokenizerError> {
    let read = || -> io::Result<Vec<u8>> {
        let length = fs::metadata(path)?.len();
        if length > MAX_FILE {
            return Err(io::Error::other(format!("it has {length} bytes, at most {MAX_FILE} are read")));
        }
        fs::read(path)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => Ok(None),
        Err(source) => Err(TokenizerError::Read { path: path.into(), source }),
    }
}

/// JSON as transformers lays it out, with a newline at the end.
pub(super) fn pretty(file: &str, value: &Value) -> Result<Vec<u8>, TokenizerError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| TokenizerError::Json { file: file.into(), source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A value for an error message, cut to a readable length.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

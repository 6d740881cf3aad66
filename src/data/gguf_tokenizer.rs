//! A tokenizer from the vocabulary inside a GGUF file.
//!
//! GGUF names the way text is cut before merging (`tokenizer.ggml.pre`) but does not spell it out; the cuts of the
//! models osler trains are here. The tokenizer is built by writing the `tokenizer.json` a model folder would have and
//! loading that, so that what is saved is what was used.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::tokenizer::TokenizerError;
use super::tokenizer_files::{CONFIG, Files, SPECIALS, TEMPLATE, TOKENIZER, pretty};

/// GGUF's token types that matter here.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// The tokenizer metadata of a GGUF file (`tokenizer.ggml.*` and `tokenizer.chat_template`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GgufVocabulary {
    /// The kind of tokenizer: `gpt2` is byte-level BPE, the only one supported.
    pub model: String,
    /// How text is cut before merging.
    pub pre: Option<String>,
    /// The tokens, by id.
    pub tokens: Vec<String>,
    /// Their types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. Empty means all normal.
    pub token_types: Vec<i32>,
    /// The merges, best first, each as two tokens with a space between.
    pub merges: Vec<String>,
    /// SentencePiece's scores; byte-level BPE has none.
    pub scores: Vec<f32>,
    /// Beginning of text.
    pub bos_token_id: Option<u32>,
    /// End of text.
    pub eos_token_id: Option<u32>,
    /// End of turn, where that is another token.
    pub eot_token_id: Option<u32>,
    /// Unknown text.
    pub unknown_token_id: Option<u32>,
    /// Padding.
    pub padding_token_id: Option<u32>,
    /// Whether a text is to begin with the beginning-of-text token.
    pub add_bos_token: Option<bool>,
    /// Whether a text is to end with the end-of-text token.
    pub add_eos_token: Option<bool>,
    /// The chat template.
    pub chat_template: Option<String>,
    /// The model's name.
    pub name: Option<String>,
}

/// How text is cut before merging, and what else goes with it.
struct Cut {
    pre_tokenizer: Value,
    normalizer: Value,
    /// Take a piece that is a token whole, without merging.
    ignore_merges: bool,
    /// Whether texts begin with the beginning-of-text token if the file does not say.
    add_bos: bool,
}

/// The files of the tokenizer that `vocabulary` describes.
pub(super) fn files(vocabulary: &GgufVocabulary) -> Result<Files, TokenizerError> {
    if vocabulary.model != "gpt2" {
        return Err(refuse(
            "tokenizer.ggml.model",
            format!("{:?}", vocabulary.model),
            "gpt2 (byte-level BPE)",
        ));
    }
    let cut = cut(vocabulary.pre.as_deref())?;
    let (vocab, added) = tokens(vocabulary)?;
    let add_bos = vocabulary.add_bos_token.unwrap_or(cut.add_bos);
    let add_eos = vocabulary.add_eos_token.unwrap_or(false);
    let bos = named(vocabulary, "bos_token_id", vocabulary.bos_token_id)?;
    let eos = named(vocabulary, "eos_token_id", vocabulary.eos_token_id)?;
    named(vocabulary, "eot_token_id", vocabulary.eot_token_id)?;
    let specials: Map<String, Value> = [
        ("bos_token", bos),
        ("eos_token", eos),
        ("unk_token", named(vocabulary, "unknown_token_id", vocabulary.unknown_token_id)?),
        ("pad_token", named(vocabulary, "padding_token_id", vocabulary.padding_token_id)?),
    ]
    .into_iter()
    .filter_map(|(name, token)| Some((name.to_owned(), Value::from(token?))))
    .collect();
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": cut.normalizer,
        "pre_tokenizer": cut.pre_tokenizer,
        "post_processor": post_processor(
            bos.zip(vocabulary.bos_token_id).filter(|_| add_bos),
            eos.zip(vocabulary.eos_token_id).filter(|_| add_eos),
        ),
        "decoder": byte_level(true),
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": cut.ignore_merges,
            "vocab": vocab,
            "merges": vocabulary.merges,
        },
    });
    let mut made = vec![
        (TOKENIZER, pretty(TOKENIZER, &tokenizer)?),
        (CONFIG, pretty(CONFIG, &config(vocabulary, &added, &specials, add_bos, add_eos))?),
        (SPECIALS, pretty(SPECIALS, &Value::Object(specials))?),
    ];
    if let Some(template) = &vocabulary.chat_template {
        made.push((TEMPLATE, template.clone().into_bytes()));
    }
    Files::made(made)
}

/// The settings beside the vocabulary. The class is the one that takes `tokenizer.json` as it is, in every version of
/// transformers; a model's own class would rebuild it, with that model's cut.
fn config(
    vocabulary: &GgufVocabulary,
    added: &[Value],
    specials: &Map<String, Value>,
    add_bos: bool,
    add_eos: bool,
) -> Value {
    let mut config = Map::new();
    config.insert("add_bos_token".into(), add_bos.into());
    config.insert("add_eos_token".into(), add_eos.into());
    config.insert("add_prefix_space".into(), false.into());
    let decoder: Map<String, Value> = added
        .iter()
        .filter_map(|token| {
            let mut token = token.as_object()?.clone();
            Some((token.shift_remove("id")?.to_string(), Value::Object(token)))
        })
        .collect();
    config.insert("added_tokens_decoder".into(), decoder.into());
    for name in ["bos_token", "eos_token", "unk_token", "pad_token"] {
        config.insert(name.into(), specials.get(name).cloned().unwrap_or_default());
    }
    if let Some(template) = &vocabulary.chat_template {
        config.insert("chat_template".into(), template.as_str().into());
    }
    config.insert("clean_up_tokenization_spaces".into(), false.into());
    config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
    Value::Object(config)
}

/// The vocabulary and the added tokens. Every token is in the vocabulary, added ones too, so that each keeps its id.
fn tokens(vocabulary: &GgufVocabulary) -> Result<(Map<String, Value>, Vec<Value>), TokenizerError> {
    let (tokens, types) = (&vocabulary.tokens, &vocabulary.token_types);
    if tokens.is_empty() {
        return Err(refuse("tokenizer.ggml.tokens", "empty", "at least one token"));
    }
    if !types.is_empty() && types.len() != tokens.len() {
        let legal = format!("as many as there are tokens, {}", tokens.len());
        return Err(refuse("tokenizer.ggml.token_type", format!("{} entries", types.len()), legal));
    }
    let (mut vocab, mut added, mut seen) = (Map::new(), Vec::new(), HashSet::new());
    for (id, token) in tokens.iter().enumerate() {
        let kind = types.get(id).copied().unwrap_or(1);
        // Padding up to a round size, under made-up names that must not be found in a text.
        if kind == UNUSED {
            continue;
        }
        if token.is_empty() || !seen.insert(token) {
            let found = format!("{token:?} at id {id}");
            return Err(refuse(
                "tokenizer.ggml.tokens",
                found,
                "tokens that are neither empty nor there twice",
            ));
        }
        vocab.insert(token.clone(), id.into());
        if kind == CONTROL || kind == USER_DEFINED {
            added.push(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": kind == CONTROL,
            }));
        }
    }
    for (rank, merge) in vocabulary.merges.iter().enumerate() {
        let legal =
            || "two tokens of the vocabulary, with a space between, that together are a third".to_owned();
        let found = || format!("{merge:?} at rank {rank}");
        let whole = merge.split_once(' ').filter(|(left, right)| {
            vocab.contains_key(*left)
                && vocab.contains_key(*right)
                && vocab.contains_key(&format!("{left}{right}"))
        });
        if whole.is_none() {
            return Err(refuse("tokenizer.ggml.merges", found(), legal()));
        }
    }
    Ok((vocab, added))
}

/// The token an id names, checked.
fn named<'v>(
    vocabulary: &'v GgufVocabulary,
    field: &str,
    id: Option<u32>,
) -> Result<Option<&'v str>, TokenizerError> {
    let Some(id) = id else { return Ok(None) };
    let used = vocabulary.token_types.get(id as usize) != Some(&UNUSED);
    match vocabulary.tokens.get(id as usize).filter(|_| used) {
        Some(token) => Ok(Some(token)),
        None => {
            let legal = format!("the id of a token in use, below {}", vocabulary.tokens.len());
            Err(refuse(&format!("tokenizer.ggml.{field}"), id.to_string(), legal))
        }
    }
}

fn refuse(field: &str, found: impl Into<String>, legal: impl Into<String>) -> TokenizerError {
    TokenizerError::field("GGUF", field, found, legal)
}

/// The cut that `pre` names.
fn cut(pre: Option<&str>) -> Result<Cut, TokenizerError> {
    let plain =
        |pre_tokenizer| Cut { pre_tokenizer, normalizer: Value::Null, ignore_merges: false, add_bos: false };
    match pre {
        // GPT-2's own cut, which the library has built in.
        None | Some("gpt-2" | "gpt2" | "default") => Ok(plain(byte_level(true))),
        // The same after every digit stands alone.
        Some("smollm") => Ok(plain(json!({
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": true}, byte_level(true)],
        }))),
        Some("qwen2") => Ok(Cut { normalizer: json!({"type": "NFC"}), ..plain(split_at(1)) }),
        Some("llama-bpe" | "llama3" | "llama-v3") => {
            Ok(Cut { ignore_merges: true, add_bos: true, ..plain(split_at(3)) })
        }
        Some(other) => Err(refuse(
            "tokenizer.ggml.pre",
            format!("{other:?}"),
            "smollm, qwen2, llama-bpe (llama3, llama-v3), gpt-2 (default)",
        )),
    }
}

pub(super) fn byte_level(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
}

/// The cut Qwen2 and Llama 3 share, but for how many digits stay together: English contractions; a word with the one
/// character before it; digits; signs with the space before and the line breaks after; line breaks; white space.
pub(super) fn split_at(digits: usize) -> Value {
    let digits = if digits == 1 { r"\p{N}".to_owned() } else { format!(r"\p{{N}}{{1,{digits}}}") };
    let alternatives = [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        digits.as_str(),
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ];
    json!({
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": alternatives.join("|")}, "behavior": "Isolated", "invert": false},
            byte_level(false),
        ],
    })
}

/// What is put around a text that is encoded with its special tokens.
fn post_processor(bos: Option<(&str, u32)>, eos: Option<(&str, u32)>) -> Value {
    if bos.is_none() && eos.is_none() {
        return byte_level(true);
    }
    let special = |token: &str, part: usize| json!({"SpecialToken": {"id": token, "type_id": part}});
    let around = |name: &str, part: usize| -> Vec<Value> {
        let mut pieces = Vec::new();
        pieces.extend(bos.map(|(token, _)| special(token, part)));
        pieces.push(json!({"Sequence": {"id": name, "type_id": part}}));
        pieces.extend(eos.map(|(token, _)| special(token, part)));
        pieces
    };
    let used: Map<String, Value> = bos
        .into_iter()
        .chain(eos)
        .map(|(token, id)| (token.to_owned(), json!({"id": token, "ids": [id], "tokens": [token]})))
        .collect();
    let pair = [around("A", 0), around("B", 1)].concat();
    json!({"type": "TemplateProcessing", "single": around("A", 0), "pair": pair, "special_tokens": used})
}

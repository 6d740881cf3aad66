//! A vocabulary of one's own: byte-level BPE trained on a text, for models trained from scratch.
//!
//! Text is cut as Qwen2 cuts it (English contractions, words with the space before them, single digits, signs), each
//! piece becomes its bytes, and the most frequent pair of neighbours is merged until the vocabulary is full (Sennrich,
//! Haddow and Birch 2016, on bytes as in GPT-2). Nothing is normalised, so every text comes back byte for byte.
//! Turns are written in ChatML, and the special tokens have the last ids, as in Qwen2.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Trainer};

use super::gguf_tokenizer::{byte_level, split_at};
use super::tokenizer::{Tokenizer, TokenizerError};
use super::tokenizer_files::{CONFIG, Files, SPECIALS, TOKENIZER, pretty};

/// Ends a text; batches are padded with it.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// Begins a turn.
pub const TURN_START: &str = "<|im_start|>";
/// Ends a turn.
pub const TURN_END: &str = "<|im_end|>";
/// The special tokens, in the order of their ids.
const SPECIAL: [&str; 3] = [END_OF_TEXT, TURN_START, TURN_END];
/// The smallest legal vocabulary: every byte, and the special tokens.
pub const LEAST_VOCABULARY: usize = 256 + SPECIAL.len();
/// What the trainer can count of one pair, which it does in 32 bits.
const MOST_BYTES: usize = i32::MAX as usize;

/// What vocabulary is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpeOptions {
    /// Tokens at most, special ones counted; at least [`LEAST_VOCABULARY`]. A short text may not give so many.
    pub vocab_size: usize,
    /// A pair that is rarer than this in the text is not merged.
    pub min_frequency: u64,
    /// What the chat template writes as the system message of a conversation that has none.
    pub system: Option<String>,
}

/// Trains a tokenizer on `texts`. The same texts and options give the same tokenizer, whatever the number of threads.
///
/// Special tokens written in a text are read as such: they cut it and are not learned from, so a rendered conversation
/// teaches the words of the chat template as often as they occur.
pub fn train<S: AsRef<str> + Sync>(texts: &[S], options: &BpeOptions) -> Result<Tokenizer, TokenizerError> {
    let ordinary = options.vocab_size.checked_sub(SPECIAL.len()).filter(|size| *size >= 256);
    let Some(ordinary) = ordinary else {
        let (found, legal) = (options.vocab_size.to_string(), format!("at least {LEAST_VOCABULARY}"));
        return Err(TokenizerError::field("vocabulary options", "vocab_size", found, legal));
    };
    let bytes: usize = texts.iter().map(|text| text.as_ref().len()).sum();
    if bytes > MOST_BYTES {
        let (found, legal) = (format!("{bytes} bytes"), format!("at most {MOST_BYTES} in all"));
        return Err(TokenizerError::field("vocabulary options", "the texts", found, legal));
    }
    let cut = split_at(1);
    let model = merges(texts, &cut, ordinary, options.min_frequency)?;
    let specials: Map<String, Value> = [("eos_token", TURN_END), ("pad_token", END_OF_TEXT)]
        .map(|(name, token)| (name.to_owned(), token.into()))
        .into_iter()
        .collect();
    let (tokenizer, added) = tokenizer_json(model, cut)?;
    let config = config(&added, &specials, options.system.as_deref());
    Tokenizer::from_files(Files::made([
        (TOKENIZER, pretty(TOKENIZER, &tokenizer)?),
        (CONFIG, pretty(CONFIG, &config)?),
        (SPECIALS, pretty(SPECIALS, &Value::Object(specials))?),
    ])?)
}

/// The chat template that comes with a trained vocabulary: ChatML with each message stripped of white space around it,
/// and `system` as the first message of a conversation that has none.
pub fn chat_template(system: Option<&str>) -> String {
    let turns = include_str!("templates/trained_turns.jinja").trim_end();
    let Some(system) = system else { return turns.to_owned() };
    // JSON's escapes are Jinja's, so the text is a string of both.
    let literal = Value::from(system.trim()).to_string();
    let first = include_str!("templates/trained_system.jinja").trim_end();
    format!("{}{turns}", first.replace("DEFAULT_SYSTEM", &literal))
}

/// Learns the merges of `texts`, as the `model` of `tokenizer.json`.
fn merges<S: AsRef<str> + Sync>(
    texts: &[S],
    cut: &Value,
    size: usize,
    min_frequency: u64,
) -> Result<Value, TokenizerError> {
    let refuse = |message: String| TokenizerError::Library { what: "training a vocabulary", message };
    let pre_tokenizer: PreTokenizerWrapper =
        serde_json::from_value(cut.clone()).map_err(|error| refuse(error.to_string()))?;
    let alphabet: HashSet<char> = ByteLevel::alphabet().into_iter().collect();
    let mut trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(min_frequency)
        .initial_alphabet(alphabet)
        .show_progress(false)
        .build();
    let ordinary = texts.iter().flat_map(|text| between_specials(text.as_ref()));
    trainer
        .feed(ordinary, |text| {
            let mut pieces = PreTokenizedString::from(text);
            pre_tokenizer.pre_tokenize(&mut pieces)?;
            let pieces = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
            Ok(pieces.into_iter().map(|(piece, _, _)| piece.to_owned()).collect())
        })
        .map_err(|error| refuse(error.to_string()))?;
    let mut model = BPE::default();
    trainer.train(&mut model).map_err(|error| refuse(error.to_string()))?;
    serde_json::to_value(&model).map_err(|error| refuse(error.to_string()))
}

/// The parts of `text` that are no special token.
fn between_specials(text: &str) -> Vec<&str> {
    SPECIAL
        .iter()
        .fold(vec![text], |parts, token| parts.into_iter().flat_map(|part| part.split(token)).collect())
}

/// `tokenizer.json`, and the special tokens as they stand in it.
fn tokenizer_json(mut model: Value, cut: Value) -> Result<(Value, Vec<Value>), TokenizerError> {
    let shape = |field: &str, legal: &str| {
        TokenizerError::field("the trained vocabulary", field, "something else", legal)
    };
    let list = model.get_mut("merges").and_then(Value::as_array_mut);
    for merge in list.ok_or_else(|| shape("merges", "a list"))? {
        // Written as one string, which libraries older than 0.20 read too; no byte's letter is a space.
        let (left, right) = (merge.get(0).and_then(Value::as_str), merge.get(1).and_then(Value::as_str));
        let (left, right) = left.zip(right).ok_or_else(|| shape("merges", "pairs of strings"))?;
        *merge = format!("{left} {right}").into();
    }
    let vocab = model.get_mut("vocab").and_then(Value::as_object_mut);
    let vocab = vocab.ok_or_else(|| shape("vocab", "an object"))?;
    let mut added = Vec::new();
    let ids: BTreeSet<u64> = vocab.values().filter_map(Value::as_u64).collect();
    let first = ids.last().map_or(0, |last| last + 1);
    for (id, token) in (first..).zip(SPECIAL) {
        vocab.insert(token.to_owned(), id.into());
        added.push(json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        }));
    }
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": cut,
        "post_processor": byte_level(false),
        "decoder": byte_level(false),
        "model": model,
    });
    Ok((tokenizer, added))
}

/// `tokenizer_config.json`. The class is the one that takes `tokenizer.json` as it is.
fn config(added: &[Value], specials: &Map<String, Value>, system: Option<&str>) -> Value {
    let decoder: Map<String, Value> = added
        .iter()
        .filter_map(|token| {
            let mut token = token.as_object()?.clone();
            Some((token.shift_remove("id")?.to_string(), Value::Object(token)))
        })
        .collect();
    let mut config = Map::new();
    config.insert("add_bos_token".into(), false.into());
    config.insert("add_prefix_space".into(), false.into());
    config.insert("added_tokens_decoder".into(), decoder.into());
    config.insert("bos_token".into(), Value::Null);
    config.insert("chat_template".into(), chat_template(system).into());
    config.insert("clean_up_tokenization_spaces".into(), false.into());
    config.extend(specials.clone());
    config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
    config.insert("unk_token".into(), Value::Null);
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::Message;
    use crate::data::{ChatTemplate, RenderOptions};

    const TEXT: &str = "When did the chest pain start? It started 3 days ago, doctor.\nDo you take 500 mg of \
        metformin? Yes, I do. I don't have a fever. Where is the pain?<|im_end|> Does the pain spread? No.";

    fn options(vocab_size: usize) -> BpeOptions {
        BpeOptions { vocab_size, min_frequency: 2, system: Some("You are a \"doctor\".\nAsk.".into()) }
    }

    fn small() -> Tokenizer {
        train(&[TEXT; 2], &options(300)).unwrap()
    }

    #[test]
    fn learns_whole_words_and_has_the_size_that_was_asked_for() {
        let tokenizer = small();
        assert_eq!(tokenizer.vocab_size(), 300);
        assert_eq!(tokenizer.encode(" pain", false).unwrap().len(), 1);
        let specials: Vec<u32> = SPECIAL.iter().filter_map(|it| tokenizer.token_to_id(it)).collect();
        assert_eq!(specials, [297, 298, 299]);
        assert!(specials.iter().all(|&id| tokenizer.is_special(id)) && !tokenizer.is_special(296));
        assert_eq!((tokenizer.eos_id(), tokenizer.pad_id()), (Some(299), Some(297)));
        assert_eq!(tokenizer.end_of_turn_ids(), [299, 297]);
        // Digits stand alone, and a short text runs out of pairs.
        assert_eq!(tokenizer.encode("500", false).unwrap().len(), 3);
        let all = train(&[TEXT], &BpeOptions { min_frequency: 1, ..options(5000) }).unwrap();
        assert!((300..600).contains(&all.vocab_size()), "{}", all.vocab_size());
    }

    #[test]
    fn the_same_texts_give_the_same_files() {
        // Many ties, so that an order of a hash map would show.
        let words: Vec<String> = (0..3000).map(|n| format!("w{:x} x{:o} ", n * 7919 % 4001, n)).collect();
        let files = |texts: &[String]| -> Vec<Vec<u8>> {
            let tokenizer = train(texts, &options(900)).unwrap();
            tokenizer.files().map(|(_, bytes)| bytes.to_vec()).collect()
        };
        let first = files(&words);
        assert!((0..3).all(|_| files(&words) == first));
        let backwards: Vec<String> = words.into_iter().rev().collect();
        assert_eq!(files(&backwards), first, "the order of the texts does not count");
    }

    #[test]
    fn special_tokens_are_not_learned_from() {
        let texts = ["<|im_start|>user\nhello<|im_end|>\n"; 50];
        let tokenizer = train(&texts, &options(280)).unwrap();
        let ids = tokenizer.encode(texts[0], false).unwrap();
        let pieces: Vec<Vec<u8>> = ids.iter().filter_map(|&id| tokenizer.token_bytes(id)).collect();
        assert_eq!(pieces, ["<|im_start|>", "user", "\n", "hello", "<|im_end|>", "\n"].map(Vec::from));
        assert!(tokenizer.encode("im_start", false).unwrap().len() > 4);
    }

    #[test]
    fn a_folder_gives_the_tokenizer_back() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = small();
        tokenizer.save(folder.path()).unwrap();
        let read = Tokenizer::from_folder(folder.path()).unwrap();
        assert_eq!(read.encode(TEXT, true).unwrap(), tokenizer.encode(TEXT, false).unwrap());
        assert_eq!(read.chat_template(None), tokenizer.chat_template(None));
        assert!(read.files().eq(tokenizer.files()));
    }

    #[test]
    fn the_template_writes_chatml_and_the_system_message_that_is_missing() {
        let template = ChatTemplate::new(small().chat_template(None).unwrap()).unwrap();
        let say = [Message::user(" Hi.\n"), Message::assistant("Yes? ")];
        let prompt = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        let text = template.render(&say, &prompt).unwrap();
        let turns =
            "<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(text, format!("<|im_start|>system\nYou are a \"doctor\".\nAsk.<|im_end|>\n{turns}"));
        let led = [Message::system("S"), say[0].clone()];
        let text = template.render(&led, &RenderOptions::default()).unwrap();
        assert_eq!(text, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi.<|im_end|>\n");
        let plain = ChatTemplate::new(&chat_template(None)).unwrap();
        assert_eq!(plain.render(&say, &prompt).unwrap(), turns);
    }

    #[test]
    fn refuses_a_vocabulary_without_room_for_every_byte() {
        let error = train(&[TEXT], &options(258)).unwrap_err().to_string();
        assert!(error.contains("258") && error.contains("259"), "{error}");
        assert_eq!(train(&[TEXT], &options(259)).unwrap().vocab_size(), 259);
        assert_eq!(train::<&str>(&[], &options(1000)).unwrap().vocab_size(), 259);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>(), words in "[a-z' .\n0-9\u{300}é☃]{0,60}") {
            static TOKENIZER: std::sync::LazyLock<Tokenizer> = std::sync::LazyLock::new(small);
            for text in [text, words] {
                let ids = TOKENIZER.encode(&text, false).unwrap();
                prop_assert_eq!(TOKENIZER.decode(&ids, false).unwrap(), text.as_str());
                let bytes: Vec<u8> = ids.iter().flat_map(|&id| TOKENIZER.token_bytes(id).unwrap()).collect();
                prop_assert_eq!(bytes, text.as_bytes());
            }
        }
    }
}

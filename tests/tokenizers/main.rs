//! Tokenizers and streamed text: against recordings of the reference tokenizers, and against damaged files.
//!
//! The recordings are made by `tests/fixtures/make_tokenizer_expected.py`, which says where the real vocabularies come
//! from. They are used where `OSLER_QWEN_TOKENIZER_DIR` (a folder) and `OSLER_SMOLLM2_GGUF` (the GGUF
//! file) name them; `OSLER_TOKENIZER_EXPECTED` names a longer recording. All else runs on a vocabulary made here.

mod damaged;
mod stream;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use osler::data::{GgufVocabulary, TextStream, Tokenizer, TokenizerError};
use osler::model::weights::GgufFile;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

const TEMPLATE: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}\n";

/// The byte-level alphabet, written out independently of the library's and osler's own tables.
fn alphabet() -> Vec<String> {
    let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let mut moved = 256..;
    let letters = (0..256u32).map(|b| if printable(b) { b } else { moved.next().unwrap() });
    letters.map(|c| char::from_u32(c).unwrap().to_string()).collect()
}

/// All bytes, a few merges, and special and other added tokens.
fn vocabulary(pre: &str) -> GgufVocabulary {
    let mut tokens = alphabet();
    let merges = ["h e", "l l", "he ll", "hell o", "Ġ Ġ", "1 2", "12 3", "Ċ Ċ", "ã ģ", "Ġ hello"];
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut token_types = vec![1; tokens.len()];
    for (token, kind) in [("<|end|>", 3), ("<|im_end|>", 3), ("<think>", 4), ("[PAD0]", 5), ("<|begin|>", 3)]
    {
        tokens.push(token.into());
        token_types.push(kind);
    }
    let id = |token: &str| tokens.iter().position(|t| t == token).map(|id| id as u32);
    GgufVocabulary {
        model: "gpt2".into(),
        pre: Some(pre.into()),
        bos_token_id: id("<|begin|>"),
        eos_token_id: id("<|end|>"),
        padding_token_id: id("<|end|>"),
        token_types,
        merges: merges.map(str::to_owned).to_vec(),
        chat_template: Some(TEMPLATE.into()),
        name: Some("tiny".into()),
        tokens,
        ..GgufVocabulary::default()
    }
}

fn tiny(pre: &str) -> Tokenizer {
    Tokenizer::from_gguf(&vocabulary(pre)).unwrap()
}

/// A tokenizer of the SentencePiece kind: `▁` for spaces, single bytes for what has no token.
fn byte_fallback(strip: bool) -> (tempfile::TempDir, Tokenizer) {
    let mut vocab = serde_json::Map::new();
    for token in ["<unk>", "<s>", "</s>"]
        .map(str::to_owned)
        .into_iter()
        .chain((0..256).map(|b| format!("<0x{b:02X}>")))
    {
        vocab.insert(token, vocab.len().into());
    }
    for token in ["\u{2581}", "a", "b", "ab", "\u{2581}a", "é", "\u{2581}\u{2581}"] {
        vocab.insert(token.into(), vocab.len().into());
    }
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if strip {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"},
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocab, "merges": ["a b", "\u{2581} a", "\u{2581} \u{2581}"]},
    });
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tokenizer.json"), file.to_string()).unwrap();
    let tokenizer = Tokenizer::from_folder(dir.path()).unwrap();
    (dir, tokenizer)
}

fn texts(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let ids = tokenizer.encode(text, false).unwrap();
    ids.iter().map(|&id| String::from_utf8_lossy(&tokenizer.token_bytes(id).unwrap()).into_owned()).collect()
}

#[test]
fn each_pre_cuts_as_its_models_do() {
    assert_eq!(texts(&tiny("smollm"), "hello 123"), ["hello", " ", "1", "2", "3"]);
    assert_eq!(texts(&tiny("qwen2"), "hello 123"), ["hello", " ", "1", "2", "3"]);
    assert_eq!(texts(&tiny("llama-bpe"), "hello 1234"), ["hello", " ", "123", "4"]);
    assert_eq!(texts(&tiny("gpt-2"), " hello 123"), [" hello", " ", "123"]);
    // Qwen2 composes characters first; the others leave them.
    assert_eq!(tiny("qwen2").encode("e\u{301}", false).unwrap(), tiny("qwen2").encode("é", false).unwrap());
    assert_ne!(tiny("smollm").encode("e\u{301}", false).unwrap(), tiny("smollm").encode("é", false).unwrap());
    // Special tokens are found inside a text, padding is not.
    assert_eq!(texts(&tiny("qwen2"), "a<|im_end|><think>"), ["a", "<|im_end|>", "<think>"]);
    assert_eq!(texts(&tiny("qwen2"), "[PAD0]").len(), 6);
}

#[test]
fn special_tokens_are_known() {
    let tokenizer = tiny("llama-bpe");
    let id = |token| tokenizer.token_to_id(token).unwrap();
    assert_eq!((tokenizer.bos_id(), tokenizer.eos_id()), (Some(id("<|begin|>")), Some(id("<|end|>"))));
    assert_eq!(tokenizer.pad_id(), tokenizer.eos_id());
    assert_eq!(tokenizer.end_of_turn_ids(), [id("<|end|>"), id("<|im_end|>")]);
    assert!(
        tokenizer.is_special(id("<|end|>"))
            && !tokenizer.is_special(id("<think>"))
            && !tokenizer.is_special(9999)
    );
    assert_eq!(tokenizer.vocab_size(), id("<|begin|>") as usize + 1);
    assert_eq!(tokenizer.token_bytes(id("<|begin|>") - 1), None);
    // Llama 3 begins texts with its token unless the file says otherwise; the others do not.
    assert_eq!(tokenizer.encode("a", true).unwrap().len(), 2);
    assert_eq!(tokenizer.encode("a", false).unwrap().len(), 1);
    assert_eq!(tiny("qwen2").encode("a", true).unwrap().len(), 1);
    let both = GgufVocabulary { add_bos_token: Some(true), add_eos_token: Some(true), ..vocabulary("qwen2") };
    assert_eq!(Tokenizer::from_gguf(&both).unwrap().encode("a", true).unwrap().len(), 3);
}

#[test]
fn a_vocabulary_that_cannot_be_used_is_refused() {
    let refused = |change: fn(&mut GgufVocabulary), field: &str| {
        let mut vocabulary = vocabulary("smollm");
        change(&mut vocabulary);
        let error = Tokenizer::from_gguf(&vocabulary).unwrap_err();
        let TokenizerError::Field { file, field: named, .. } = &error else { panic!("{error}") };
        assert!(file == "GGUF" && named.contains(field), "{error}");
    };
    refused(|v| v.model = "llama".into(), "model");
    refused(|v| v.pre = Some("tekken".into()), "pre");
    refused(|v| v.tokens.clear(), "tokens");
    refused(|v| v.tokens[3] = v.tokens[4].clone(), "tokens");
    refused(|v| v.token_types.truncate(3), "token_type");
    refused(|v| v.merges[0] = "nospace".into(), "merges");
    refused(|v| v.merges[0] = "x y".into(), "merges");
    refused(|v| v.eos_token_id = Some(1 << 30), "eos_token_id");
    refused(|v| v.eot_token_id = Some(1 << 30), "eot_token_id");
}

#[test]
fn what_is_saved_is_what_was_loaded() {
    for pre in ["smollm", "qwen2", "llama-bpe", "gpt-2"] {
        let (dir, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tokenizer = tiny(pre);
        tokenizer.save(dir.path()).unwrap();
        let loaded = Tokenizer::from_folder(dir.path()).unwrap();
        let text = "hello  123\n\n<|im_end|>あ e\u{301}";
        assert_eq!(loaded.encode(text, true).unwrap(), tokenizer.encode(text, true).unwrap());
        assert_eq!(loaded.end_of_turn_ids(), tokenizer.end_of_turn_ids());
        assert_eq!(loaded.chat_template(None), Some(TEMPLATE));
        assert_eq!(loaded.special_tokens()["eos_token"], "<|end|>");
        // From a folder to a folder: the same bytes, and nothing else lying about.
        loaded.save(again.path()).unwrap();
        assert_eq!(listing(dir.path()), listing(again.path()));
    }
}

fn listing(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries: BTreeSet<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.into_iter().map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap())).collect()
}

#[test]
fn chat_templates_come_from_where_they_should() {
    let dir = tempfile::tempdir().unwrap();
    tiny("qwen2").save(dir.path()).unwrap();
    let config = dir.path().join("tokenizer_config.json");
    let write = |value: Value| {
        let mut fields: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
        fields["chat_template"] = value;
        fs::write(&config, fields.to_string()).unwrap();
        Tokenizer::from_folder(dir.path())
    };
    assert_eq!(write(json!("in the settings")).unwrap().chat_template(None), Some(TEMPLATE));
    fs::remove_file(dir.path().join("chat_template.jinja")).unwrap();
    assert_eq!(write(json!("in the settings")).unwrap().chat_template(None), Some("in the settings"));
    let named = json!([{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]);
    let mut tokenizer = write(named).unwrap();
    assert_eq!(tokenizer.chat_template_names(), ["default", "tool_use"]);
    assert_eq!(
        (tokenizer.chat_template(None), tokenizer.chat_template(Some("tool_use"))),
        (Some("d"), Some("t"))
    );
    assert!(write(json!(3)).is_err() && write(json!([{"name": "x"}])).is_err());
    assert!(write(json!(null)).unwrap().chat_template(None).is_none());
    tokenizer.set_chat_template("{{ eos_token }}!").unwrap();
    let other = tempfile::tempdir().unwrap();
    tokenizer.save(other.path()).unwrap();
    let loaded = Tokenizer::from_folder(other.path()).unwrap();
    assert_eq!(loaded.chat_template_names(), ["default"]);
    let template = loaded.compile_chat_template().unwrap().unwrap();
    let text = template.render(&[osler::chat::Message::user("x")], &Default::default()).unwrap();
    assert_eq!(text, "<|end|>!");
}

#[test]
fn generation_config_names_ends_of_turn() {
    let dir = tempfile::tempdir().unwrap();
    tiny("qwen2").save(dir.path()).unwrap();
    let write = |value: Value| {
        fs::write(dir.path().join("generation_config.json"), json!({"eos_token_id": value}).to_string())
            .unwrap();
        Tokenizer::from_folder(dir.path())
    };
    assert!(write(json!(7)).unwrap().end_of_turn_ids().contains(&7));
    assert!(write(json!([7, 8])).unwrap().end_of_turn_ids().contains(&8));
    for bad in [json!("7"), json!(1u64 << 40), json!([1.5]), json!(-1)] {
        let error = write(bad).unwrap_err().to_string();
        assert!(error.contains("generation_config.json") && error.contains("eos_token_id"), "{error}");
    }
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn errors_name_the_file_and_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let error = Tokenizer::from_folder(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
    tiny("qwen2").save(dir.path()).unwrap();
    let change = |name: &str, pointer: &str, value: Value| {
        let path = dir.path().join(name);
        let bytes = fs::read(&path).unwrap();
        let mut fields: Value = serde_json::from_slice(&bytes).unwrap();
        *fields.pointer_mut(pointer).unwrap() = value;
        fs::write(&path, fields.to_string()).unwrap();
        let error = Tokenizer::from_folder(dir.path()).unwrap_err().to_string();
        fs::write(&path, bytes).unwrap();
        assert!(error.contains(name), "{error}");
        error
    };
    assert!(change("tokenizer_config.json", "/eos_token", json!("<|nothing|>")).contains("eos_token"));
    assert!(change("tokenizer_config.json", "/eos_token", json!(3)).contains("eos_token"));
    assert!(change("tokenizer.json", "/model/type", json!("Unigram")).contains("model.type"));
    assert!(change("tokenizer.json", "/model/dropout", json!(0.1)).contains("model.dropout"));
    assert!(
        change("tokenizer.json", "/model/continuing_subword_prefix", json!("##")).contains("subword_prefix")
    );
    assert!(
        change("tokenizer.json", "/decoder", json!({"type": "WordPiece", "prefix": "##", "cleanup": true}))
            .contains("WordPiece")
    );
    assert!(change("tokenizer.json", "/decoder", json!(null)).contains("decoder"));
    assert!(change("tokenizer.json", "/added_tokens/0/id", json!(5)).contains("added_tokens"));
    assert!(change("tokenizer.json", "/model/vocab/a", json!(4_294_967_295u32)).contains("model.vocab"));
}

/// The recorded strings of one model, checked.
fn check_recording(tokenizer: &Tokenizer, model: &str) {
    let given = std::env::var_os("OSLER_TOKENIZER_EXPECTED").map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer_expected.json");
    for path in [Some(own), given].into_iter().flatten() {
        let rows: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for row in &rows {
            let text = row["text"].as_str().unwrap();
            let expected: Vec<u32> = serde_json::from_value(row[model]["ids"].clone()).unwrap();
            assert_eq!(tokenizer.encode(text, false).unwrap(), expected, "{model}, {text:?}");
            for (skip, field) in [(false, "all"), (true, "said")] {
                let mut stream = TextStream::new(tokenizer, skip);
                let mut streamed: String = expected.iter().map(|&id| stream.push(&[id])).collect();
                streamed.push_str(&stream.finish());
                assert_eq!(streamed, row[model][field].as_str().unwrap(), "{model}, {text:?}");
                assert_eq!(tokenizer.decode(&expected, skip).unwrap(), streamed);
            }
        }
        println!("{model}: {} strings agree", rows.len());
    }
}

#[test]
fn qwen3_encodes_as_the_reference() {
    let Some(dir) = std::env::var_os("OSLER_QWEN_TOKENIZER_DIR") else {
        println!("skipped: Qwen3's tokenizer is not at hand, OSLER_QWEN_TOKENIZER_DIR is not set");
        return;
    };
    let tokenizer = Tokenizer::from_folder(dir).unwrap();
    check_recording(&tokenizer, "qwen3");
    let id = |token| tokenizer.token_to_id(token);
    assert_eq!((id("<think>"), id("</think>")), (Some(151_667), Some(151_668)));
    assert_eq!(tokenizer.end_of_turn_ids(), [151_645, 151_643]);
    assert_eq!(
        (tokenizer.eos_id(), tokenizer.pad_id(), tokenizer.bos_id()),
        (Some(151_645), Some(151_643), None)
    );
    assert_eq!(tokenizer.vocab_size(), 151_669);
}

#[test]
fn smollm2_from_gguf_encodes_as_the_reference() {
    let Some(path) = std::env::var_os("OSLER_SMOLLM2_GGUF") else {
        println!("skipped: OSLER_SMOLLM2_GGUF does not name SmolLM2-135M-Instruct.Q4_1.gguf");
        return;
    };
    let vocabulary = GgufFile::open(Path::new(&path)).unwrap().vocabulary().unwrap().unwrap();
    let tokenizer = Tokenizer::from_gguf(&vocabulary).unwrap();
    check_recording(&tokenizer, "smollm2");
    assert_eq!((tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.pad_id()), (Some(1), Some(2), Some(2)));
    assert_eq!(tokenizer.end_of_turn_ids(), [2, 0]);
    assert_eq!(tokenizer.vocab_size(), 49_152);
    // For a look with other programs at what is saved.
    if let Some(dir) = std::env::var_os("OSLER_SAVE_TOKENIZER") {
        tokenizer.save(dir).unwrap();
    }
}

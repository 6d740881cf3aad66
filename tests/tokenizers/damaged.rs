//! Damaged files of a tokenizer: each loads or gives an error.

use std::cell::Cell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use osler::data::{TextStream, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{byte_fallback, listing, runner, tiny};

/// Damages JSON by value (another type, another number, something left out) or by byte.
fn damage(source: &[u8], seeds: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = source.to_vec();
    for (at, kind, byte) in seeds {
        if kind % 2 == 0 {
            if let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) {
                let mut count = 0;
                visit(&mut value, &mut |_| count += 1);
                let (target, mut seen) = (at.index(count), 0);
                visit(&mut value, &mut |found| {
                    if seen == target {
                        *found = match byte % 12 {
                            0 => Value::Null,
                            1 => json!(-1),
                            2 => json!(4_294_967_295u32),
                            3 => json!(1e300),
                            4 => json!(""),
                            5 => json!("Sequence"),
                            6 => json!([]),
                            7 => json!({}),
                            8 => json!([found.clone(), found.clone()]),
                            9 => {
                                json!({"type": "Sequence", "decoders": [found.clone()], "pretokenizers": [found.clone()]})
                            }
                            10 => json!(format!("({}*)*$", found)),
                            _ => json!(true),
                        };
                    }
                    seen += 1;
                });
                bytes = serde_json::to_vec(&value).unwrap();
            }
        } else if !bytes.is_empty() {
            let at = at.index(bytes.len());
            match kind % 6 {
                1 => bytes[at] = *byte,
                3 => drop(bytes.drain(at..(at + *byte as usize).min(bytes.len()))),
                _ => bytes.truncate(at),
            }
        }
    }
    bytes
}

fn visit(value: &mut Value, each: &mut impl FnMut(&mut Value)) {
    each(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, each)),
        Value::Object(fields) => fields.values_mut().for_each(|item| visit(item, each)),
        _ => {}
    }
}

#[test]
fn damaged_byte_level_files_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    tiny("llama-bpe").save(dir.path()).unwrap();
    fs::write(dir.path().join("generation_config.json"), r#"{"eos_token_id": [1, 2]}"#).unwrap();
    damaged_files(dir.path());
}

#[test]
fn damaged_byte_fallback_files_never_panic() {
    let (dir, _) = byte_fallback(true);
    fs::write(
        dir.path().join("tokenizer_config.json"),
        r#"{"bos_token": "<s>", "chat_template": [{"name": "default", "template": ""}]}"#,
    )
    .unwrap();
    damaged_files(dir.path());
}

fn damaged_files(from: &Path) {
    const CASES: u32 = 300;
    let names =
        ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"];
    let seeds = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..4);
    let loaded = Cell::new(0);
    let files = listing(from);
    runner(CASES)
        .run(&(0usize..5, seeds), |(file, seeds)| {
            let dir = tempfile::tempdir().unwrap();
            for (name, bytes) in &files {
                // The vocabulary's file has the most to damage, so it gets two turns.
                let damaged = name == Path::new(names[file % 4]);
                let bytes = if damaged { damage(bytes, &seeds) } else { bytes.clone() };
                fs::write(dir.path().join(name), bytes).unwrap();
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let Ok(tokenizer) = Tokenizer::from_folder(dir.path()) else { return };
                loaded.set(loaded.get() + 1);
                if let Ok(ids) = tokenizer.encode("hello  123 <|im_end|>é a", true) {
                    let _ = tokenizer.decode(&ids, true);
                    let mut stream = TextStream::new(&tokenizer, false);
                    let text = stream.push(&ids) + &stream.finish();
                    assert_eq!(text, tokenizer.decode(&ids, false).unwrap());
                }
            }));
            prop_assert!(outcome.is_ok());
            Ok(())
        })
        .unwrap();
    println!("{} of {CASES} damaged folders still load", loaded.get());
}

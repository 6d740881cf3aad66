//! Damaged documents are imported or refused, and every record is accounted for.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::ImportOptions;
use super::tests::{Files, bundle, read, skipping};

/// Documents of each format, damaged: bytes changed, cut out and doubled.
fn damaged() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let documents: [(&'static str, String); 3] = [
        ("a.json", bundle().to_string()),
        ("a.ndjson", bundle()["entry"].as_array().unwrap().iter().map(|e| format!("{}\n", e["resource"])).collect()),
        ("a.jsonl", json!({ "age": 3, "sex": "male", "diagnosis": "pneumonia", "symptoms": ["cough: dry", { "text": "x" }],
            "tests": ["a: b"], "plan": ["rest"], "denies": ["fever"] }).to_string()),
    ];
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0usize..3, 1usize..40);
    (prop::sample::select(documents.to_vec()), prop::collection::vec(change, 0..6)).prop_map(
        |((name, text), changes)| {
            let mut bytes = text.into_bytes();
            for (at, byte, how, length) in changes {
                if bytes.is_empty() {
                    break;
                }
                let at = at.index(bytes.len());
                let end = (at + length).min(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => drop(bytes.drain(at..end)),
                    _ => {
                        let part = bytes[at..end].to_vec();
                        bytes.splice(at..at, part);
                    }
                }
            }
            (name, bytes)
        },
    )
}

/// A document whose values are changed for values of any kind, so that it stays JSON.
fn strange() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!("")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[{}]])),
        Just(json!({ "reference": 3 })),
        Just(json!({ "coding": [3, { "code": {} }] })),
        Just(json!({ "start": "9999-99-99" })),
        Just(json!(true)),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), value), 1..8).prop_map(
        |changes| {
            let mut bundle = bundle();
            for (entry, field, value) in changes {
                let entries = bundle["entry"].as_array_mut().unwrap();
                let at = entry.index(entries.len());
                let Some(map) = entries[at]["resource"].as_object_mut() else { continue };
                let key = map.keys().nth(field.index(map.len())).cloned().unwrap();
                map.insert(key, value);
            }
            bundle
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_are_read_or_refused((name, bytes) in damaged(), skip: bool) {
        let files = Files::new();
        let path = files.put(name, bytes);
        if let Ok(imported) = read(&[path], &ImportOptions { skip_bad: skip, ..ImportOptions::default() }) {
            prop_assert!(imported.account.balances());
        }
    }

    #[test]
    fn strange_values_are_read_or_refused(bundle in strange()) {
        let files = Files::new();
        let path = files.put("a.json", bundle.to_string());
        if let Ok(imported) = read(&[path], &skipping()) {
            prop_assert!(imported.account.balances(), "{}", imported.account);
        }
    }
}

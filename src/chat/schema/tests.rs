use proptest::prelude::*;
use serde_json::json;

use super::*;

fn schema(json: Value) -> ReplySchema {
    ReplySchema::new("reply", json).unwrap()
}

/// What is legal and what is not by the words of the JSON Schema specification, keyword by keyword.
#[test]
fn each_keyword_means_what_the_specification_says() {
    for (json, good, bad) in [
        (json!({"type": "null"}), json!([null]), json!([0, "", false, [], {}])),
        (json!({"type": "boolean"}), json!([true, false]), json!([0, "true", null])),
        (json!({"type": "integer"}), json!([3, -3, 1.0, 1e3]), json!([1.5, "3", null])),
        (json!({"type": "number"}), json!([3, 1.5]), json!(["3", null])),
        (json!({"type": "string"}), json!(["", "a"]), json!([1, null, ["a"]])),
        (json!({"type": "array"}), json!([[], [1, "a"]]), json!([{}, "[]"])),
        (json!({"type": "object"}), json!([{}, {"a": 1}]), json!([[], "{}"])),
        (json!({"type": ["string", "null"]}), json!(["a", null]), json!([1])),
        (
            json!({"enum": ["a", 1, {"b": 2, "c": 3}]}),
            json!(["a", 1, 1.0, {"c": 3, "b": 2.0}]),
            json!(["b", 2, true, {"b": 2}]),
        ),
        (json!({"const": [1]}), json!([[1], [1.0]]), json!([1, [2], [1, 1]])),
        (
            json!({"properties": {"a": {"type": "string"}}}),
            json!([{}, {"a": "x"}, {"b": 1}, 5]),
            json!([{"a": 1}]),
        ),
        (json!({"required": ["a"]}), json!([{"a": null}, "no object"]), json!([{}, {"b": 1}])),
        (
            json!({"properties": {"a": {}}, "additionalProperties": false}),
            json!([{}, {"a": 1}]),
            json!([{"b": 1}]),
        ),
        (json!({"additionalProperties": {"type": "integer"}}), json!([{}, {"a": 1}]), json!([{"a": "x"}])),
        (json!({"items": {"type": "integer"}}), json!([[], [1, 2], "no array"]), json!([[1, "x"]])),
        (json!({"minItems": 1, "maxItems": 2}), json!([[1], [1, 2], 7]), json!([[], [1, 2, 3]])),
        (json!({"minimum": -10, "maximum": 10}), json!([-10, 10, 0.5, "11"]), json!([-11, 10.5])),
        (json!({"minLength": 1, "maxLength": 2}), json!(["é", "éé", 7]), json!(["", "ééé"])),
        (json!({"anyOf": [{"type": "null"}, {"minimum": 3}]}), json!([null, 3, "a"]), json!([2])),
        (json!({}), json!([null, 1, "a", [], {}]), json!([])),
    ] {
        let schema = schema(json.clone());
        for value in good.as_array().unwrap() {
            assert_eq!(schema.check(value), Ok(()), "{json} refuses {value}");
        }
        for value in bad.as_array().unwrap() {
            assert!(schema.check(value).is_err(), "{json} takes {value}");
        }
    }
}

#[test]
fn a_mismatch_names_place_found_and_legal() {
    let schema = schema(
        json!({"type": "object", "properties": {"items": {"type": "array", "items": {"type": "object",
        "properties": {"points": {"type": "integer", "minimum": -10}}}}}}),
    );
    let mismatch = schema.check(&json!({"items": [{"points": 3}, {"points": -11}]})).unwrap_err();
    assert_eq!(mismatch.to_string(), "$.items[1].points: found -11, legal is at least -10");
    let mismatch = schema.check(&json!({"items": {}})).unwrap_err();
    assert_eq!(mismatch.to_string(), "$.items: found {}, legal is array");
}

#[test]
fn what_cannot_be_checked_is_refused_with_its_place() {
    let problem = |json| ReplySchema::new("reply", json).unwrap_err().to_string();
    let found = problem(json!({"properties": {"a": {"pattern": "^x"}}}));
    assert!(
        found.starts_with("$.properties.a: keyword `pattern` is not supported; legal are: type, enum"),
        "{found}"
    );
    for (json, place) in [
        (json!(true), "$: found true"),
        (json!({"type": "text"}), "$.type: found \"text\""),
        (json!({"type": []}), "$.type"),
        (json!({"enum": []}), "$.enum"),
        (json!({"enum": [1], "const": 1}), "$.enum"),
        (json!({"required": "a"}), "$.required"),
        (json!({"required": [1]}), "$.required"),
        (json!({"properties": []}), "$.properties"),
        (json!({"items": [{}]}), "$.items"),
        (json!({"minItems": -1}), "$.minItems"),
        (json!({"maxLength": 1.5}), "$.maxLength"),
        (json!({"minimum": "1"}), "$.minimum"),
        (json!({"anyOf": [{}, {"type": 1}]}), "$.anyOf[1].type"),
        (json!({"additionalProperties": 1}), "$.additionalProperties"),
        (json!({"$ref": "#"}), "$: keyword `$ref`"),
    ] {
        let found = problem(json.clone());
        assert!(found.starts_with(place), "{json}: {found}");
    }
    for name in ["", "a b", "é", &"x".repeat(65)] {
        assert!(matches!(ReplySchema::new(name, json!({})), Err(SchemaError::Name { .. })), "{name}");
    }
}

/// Any JSON, not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The narrowest schema that takes a value: one type everywhere, all properties required and no others.
fn narrowest(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let properties: serde_json::Map<_, _> =
                fields.iter().map(|(name, it)| (name.clone(), narrowest(it))).collect();
            let required: Vec<&String> = fields.keys().collect();
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
        }
        Value::Array(items) if items.is_empty() => json!({"type": "array", "maxItems": 0}),
        Value::Array(items) => {
            let choices: Vec<Value> = items.iter().map(narrowest).collect();
            json!({"type": "array", "items": {"anyOf": choices}, "minItems": items.len(), "maxItems": items.len()})
        }
        leaf => json!({"const": leaf}),
    }
}

proptest! {
    #[test]
    fn a_schema_made_from_a_value_takes_it_and_not_its_changes(value in any_json(), other in any_json()) {
        let schema = ReplySchema::new("reply", narrowest(&value)).unwrap();
        prop_assert_eq!(schema.check(&value), Ok(()));
        // Another kind of value is never taken.
        if std::mem::discriminant(&value) != std::mem::discriminant(&other) {
            prop_assert!(schema.check(&other).is_err());
        }
        if let Value::Object(fields) = &value {
            let mut more = fields.clone();
            more.insert("zz".into(), Value::Null);
            prop_assert!(schema.check(&Value::Object(more)).is_err());
            if let Some(name) = fields.keys().next() {
                let mut less = fields.clone();
                less.shift_remove(name);
                prop_assert!(schema.check(&Value::Object(less)).is_err());
            }
        }
    }

    #[test]
    fn no_schema_and_no_value_panics(json in any_json(), value in any_json()) {
        if let Ok(schema) = ReplySchema::new("reply", json) {
            let _ = schema.check(&value);
        }
    }
}

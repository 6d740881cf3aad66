//! Whether an answer that is an error says that the server holds no replies to a schema.
//!
//! A server that says so is asked in words from then on, so a mistake is dear: an error of one request, as of a conversation that is too
//! long, may well hold these words, where it repeats the request.

use serde_json::Value;

/// Names of the field, which no prose has.
const FIELDS: [&str; 2] = ["response_format", "json_schema"];
/// What a server does not do with a field.
const NOT_A_FIELD: [&str; 14] = [
    "not support",
    "n't support",
    "unsupported",
    "unknown",
    "unrecognized",
    "unrecognised",
    "unexpected",
    "not permitted",
    "not allowed",
    "not implemented",
    "invalid",
    "must be",
    "failed to",
    "cannot",
];
/// What schemas and what servers make of them are called, in prose as well.
const NOTIONS: [&str; 2] = ["json schema", "grammar"];
/// What a server cannot do with them.
const NOT_DONE: [&str; 7] = [
    "not support",
    "n't support",
    "unsupported",
    "not implemented",
    "failed to parse",
    "failed to compile",
    "failed to convert",
];
/// So many bytes may lie between the two.
const NEAR: usize = 60;

/// Whether `body`, the answer to a request with a schema, refuses the schema and not the request.
pub(super) fn refuses_schemas(body: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return says_so(body) };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(says_so);
    let error = value.get("error").unwrap_or(&value);
    let names_field =
        |value: &Value| value.as_str().is_some_and(|name| FIELDS.iter().any(|field| name.starts_with(field)));
    error.get("param").is_some_and(names_field)
        || text(Some(error))
        || text(error.get("message"))
        || match value.get("detail") {
            // Each says where in the request something is wrong.
            Some(Value::Array(faults)) => faults.iter().any(|fault| {
                fault.get("loc").and_then(Value::as_array).is_some_and(|at| at.iter().any(names_field))
            }),
            detail => text(detail),
        }
}

/// Whether one clause of a message names schemas and says that there are none.
fn says_so(message: &str) -> bool {
    // After a brace the request is repeated.
    let own = message.split('{').next().unwrap_or_default().to_lowercase();
    let clauses = own.split(['\n', ';']).flat_map(|line| line.split(". "));
    let mut clauses = clauses.filter(|clause| !clause.is_empty());
    clauses.any(|clause| near(clause, &FIELDS, &NOT_A_FIELD) || near(clause, &NOTIONS, &NOT_DONE))
}

/// Whether one of `names` and one of `refusals` stand near each other.
fn near(clause: &str, names: &[&str], refusals: &[&str]) -> bool {
    let places = |words: &[&str]| -> Vec<(usize, usize)> {
        let found = words.iter().flat_map(|word| clause.match_indices(*word));
        found.map(|(at, word)| (at, at + word.len())).collect()
    };
    let refusals = places(refusals);
    places(names).iter().any(|name| {
        refusals.iter().any(|other| {
            let (first, second) = if name <= other { (name, other) } else { (other, name) };
            second.0.saturating_sub(first.1) <= NEAR
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_of_schemas_are_known() {
        for message in [
            "unknown field response_format",
            "Failed to initialize samplers: failed to parse grammar",
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            "Unrecognized request argument supplied: response_format",
            "'response_format.type' must be 'text' or 'json_object'",
            "The provided JSON schema contains features not supported by this backend.",
            "Grammar is not supported",
            "Bad request. This server does not support response_format",
        ] {
            for body in [
                message.to_owned(),
                json!({"error": message}).to_string(),
                json!({"error": {"code": 400, "message": message}}).to_string(),
                json!({"message": message, "object": "error"}).to_string(),
                json!({"detail": message}).to_string(),
            ] {
                assert!(refuses_schemas(&body), "{body}");
            }
        }
        let place = json!({"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs are not permitted"}]});
        assert!(refuses_schemas(&place.to_string()));
        let param = json!({"error": {"message": "Bad value.", "param": "response_format"}});
        assert!(refuses_schemas(&param.to_string()));
    }

    #[test]
    fn an_error_of_one_request_is_none_whatever_it_repeats() {
        for message in [
            "This model's maximum context length is 4096 tokens. However, you asked for 5000.",
            "Invalid message: \"The patient's grammar is poor.\"",
            "Unknown role: grammar",
            "messages must be a list; found {\"response_format\": {\"type\": \"json_schema\"}}",
            "The model `grammar-7b` does not exist",
            "no such model",
        ] {
            for body in [message.to_owned(), json!({"error": {"message": message}}).to_string()] {
                assert!(!refuses_schemas(&body), "{body}");
            }
        }
        // A server that repeats the whole request in a field.
        let repeated = json!({"error": {"message": "the conversation is too long"},
            "request": {"response_format": {"type": "json_schema"}, "messages": "failed to parse grammar"}});
        assert!(!refuses_schemas(&repeated.to_string()));
        let elsewhere =
            json!({"detail": [{"loc": ["body", "messages"], "msg": "too long", "input": "json_schema"}]});
        assert!(!refuses_schemas(&elsewhere.to_string()));
        let param = json!({"error": {"message": "Too long.", "param": "messages"}});
        assert!(!refuses_schemas(&param.to_string()) && !refuses_schemas(""));
    }
}

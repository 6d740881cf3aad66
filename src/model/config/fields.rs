//! Takes fields out of a JSON object one by one, noting every problem instead of stopping at the first.

use serde_json::{Map, Value};

use super::FieldProblem;

/// A JSON object being read. A field that is `null` reads as absent, as it does in transformers.
pub(super) struct Fields {
    /// Put before a field's name in messages: empty, or `rope_scaling.`.
    prefix: String,
    left: Map<String, Value>,
    /// What was wrong so far.
    pub(super) problems: Vec<FieldProblem>,
}

impl Fields {
    pub(super) fn new(prefix: &str, object: Map<String, Value>) -> Self {
        Self { prefix: prefix.to_owned(), left: object, problems: Vec::new() }
    }

    /// Removes and returns a field; `None` where it is absent or null.
    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.left.remove(field).filter(|value| !value.is_null())
    }

    /// Notes a problem with a field.
    pub(super) fn refuse(&mut self, field: &str, found: impl std::fmt::Display, legal: impl Into<String>) {
        self.problems.push(FieldProblem::new(format!("{}{field}", self.prefix), found, legal));
    }

    /// Whether a problem with this field was noted already.
    pub(super) fn refused(&self, field: &str) -> bool {
        self.problems.iter().any(|problem| problem.field.strip_prefix(&self.prefix) == Some(field))
    }

    /// A field converted by `convert`, or `None` (with the problem noted where the value is there but
    /// illegal).
    fn convert<T>(&mut self, field: &str, legal: &str, convert: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.take(field)?;
        let converted = convert(&value);
        if converted.is_none() {
            self.refuse(field, value, legal);
        }
        converted
    }

    /// A whole number of at least 1.
    pub(super) fn size(&mut self, field: &str, most: usize) -> Option<usize> {
        self.convert(field, &format!("a whole number from 1 to {most}"), |value| {
            usize::try_from(value.as_u64()?).ok().filter(|size| (1..=most).contains(size))
        })
    }

    /// A size that has no default. 0 stands for "refused" until the problems are returned.
    pub(super) fn required_size(&mut self, field: &str, most: usize) -> usize {
        if !matches!(self.left.get(field), Some(value) if !value.is_null()) {
            self.refuse(field, "nothing", format!("a whole number from 1 to {most}"));
        }
        self.size(field, most).unwrap_or(0)
    }

    /// A finite number, whole or not.
    pub(super) fn number(&mut self, field: &str) -> Option<f64> {
        self.convert(field, "a number", |value| value.as_f64().filter(|number| number.is_finite()))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, field: &str) -> Option<bool> {
        self.convert(field, "true or false", Value::as_bool)
    }

    /// A string.
    pub(super) fn string(&mut self, field: &str) -> Option<String> {
        self.convert(field, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A token id; `-1`, which old files write for "none", reads as absent.
    pub(super) fn token(&mut self, field: &str) -> Option<u32> {
        if self.left.get(field).and_then(Value::as_i64) == Some(-1) {
            self.left.remove(field);
            return None;
        }
        self.convert(field, "a token id", token)
    }

    /// A token id or a list of them; empty where absent.
    pub(super) fn tokens(&mut self, field: &str) -> Option<Vec<u32>> {
        self.convert(field, "a token id or a list of token ids", |value| match value {
            Value::Array(ids) => ids.iter().map(token).collect(),
            one => token(one).map(|id| vec![id]),
        })
    }

    /// Whether the field is there and not null.
    pub(super) fn has(&self, field: &str) -> bool {
        self.left.get(field).is_some_and(|value| !value.is_null())
    }

    /// Whether the field is in the file at all, be it null.
    pub(super) fn mentions(&self, field: &str) -> bool {
        self.left.contains_key(field)
    }

    /// What nobody took, with the problems noted so far.
    pub(super) fn finish(self) -> (Map<String, Value>, Vec<FieldProblem>) {
        (self.left, self.problems)
    }
}

fn token(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

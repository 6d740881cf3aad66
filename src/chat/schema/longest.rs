//! How long the JSON of a value can be that is as its schema says.

use super::read::{Kind, Node, Others};

/// Characters of the longest whole number that is exact: that of the least i64, or of the greatest u64.
const INTEGER: usize = 20;
/// Characters of the longest number as f64s are written, such as `-2.2250738585072014e-308`.
const NUMBER: usize = 24;

impl Node {
    /// The most characters of a value's JSON, without spaces and with each character of a string counted once; `None` where there is no end.
    pub(super) fn longest(&self) -> Option<usize> {
        if let Some(values) = &self.values {
            return Some(values.iter().map(|it| it.to_string().chars().count()).max().unwrap_or(0));
        }
        let own = self.types.as_ref().and_then(|kinds| most(kinds.iter().map(|kind| self.longest_of(*kind))));
        let chosen = self.any_of.as_ref().and_then(|choices| most(choices.iter().map(Self::longest)));
        match (own, chosen) {
            // Both hold.
            (Some(own), Some(chosen)) => Some(own.min(chosen)),
            (own, chosen) => own.or(chosen),
        }
    }

    /// The same of values of one type.
    fn longest_of(&self, kind: Kind) -> Option<usize> {
        match kind {
            Kind::Null => Some(4),
            Kind::Boolean => Some(5),
            Kind::Integer => Some(match (self.minimum, self.maximum) {
                (Some(least), Some(most)) => {
                    let digits = |bound: f64| bound.trunc().to_string().len();
                    digits(least).max(digits(most)).min(INTEGER)
                }
                _ => INTEGER,
            }),
            Kind::Number => Some(NUMBER),
            Kind::String => Some(usize::try_from(self.length.most?).ok()?.saturating_add(2)),
            Kind::Array => {
                let count = usize::try_from(self.count.most?).ok()?;
                let item = if count == 0 { 0 } else { self.items.as_ref()?.longest()? };
                // With a comma after each.
                Some(count.saturating_mul(item.saturating_add(1)).saturating_add(2))
            }
            Kind::Object => {
                if self.others != Others::None {
                    return None;
                }
                // With quotation marks, a colon and a comma.
                let mut sum = 2usize;
                for (name, node) in &self.properties {
                    sum = sum.saturating_add(name.chars().count() + 4).saturating_add(node.longest()?);
                }
                Some(sum)
            }
        }
    }
}

/// The greatest, where each has one.
fn most(lengths: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    lengths.collect::<Option<Vec<_>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn longest(schema: Value) -> Option<usize> {
        Node::read(&schema, "$").unwrap().longest()
    }

    #[test]
    fn the_longest_value_is_counted() {
        for (schema, value) in [
            (json!({"type": "boolean"}), "false"),
            (json!({"enum": ["a", "abc", null]}), "\"abc\""),
            (json!({"const": [1, 2]}), "[1,2]"),
            (json!({"type": "integer", "minimum": -10, "maximum": 5}), "-10"),
            (json!({"type": "integer", "minimum": 0, "maximum": 999}), "999"),
            (json!({"type": "string", "maxLength": 3}), "\"abc\""),
            (json!({"type": ["null", "string"], "maxLength": 1}), "null"),
        ] {
            assert_eq!(longest(schema.clone()), Some(value.len()), "{schema}");
        }
        let digit = json!({"type": "integer", "minimum": 0, "maximum": 9});
        // `[1,2,3]`, and a comma more.
        assert_eq!(longest(json!({"type": "array", "items": digit, "maxItems": 3})), Some(8));
        // `{"a":1,"bc":true}` with `false`, and a comma more.
        let object = json!({"type": "object", "properties": {"a": digit, "bc": {"type": "boolean"}},
            "additionalProperties": false});
        assert_eq!(longest(object), Some(19));
        let points = json!({"type": "integer", "anyOf": [{"type": "integer", "minimum": -10, "maximum": -1},
            {"type": "integer", "minimum": 1, "maximum": 10}]});
        assert_eq!(longest(points), Some(3));
        assert_eq!(longest(json!({"type": "integer", "anyOf": [{"minimum": 1}]})), Some(INTEGER));
        assert_eq!(longest(json!({"type": "integer"})), Some(INTEGER));
        assert_eq!(longest(json!({"type": "number"})), Some(NUMBER));
    }

    #[test]
    fn what_has_no_end_has_no_length() {
        let text = json!({"type": "string"});
        for schema in [
            json!({}),
            text.clone(),
            json!({"type": ["boolean", "string"]}),
            json!({"type": "array", "items": {"type": "null"}}),
            json!({"type": "array", "maxItems": 3}),
            json!({"type": "array", "maxItems": 3, "items": text}),
            json!({"type": "object", "properties": {"a": {"type": "null"}}}),
            json!({"type": "object", "properties": {"a": text}, "additionalProperties": false}),
            json!({"anyOf": [{"type": "null"}, {}]}),
        ] {
            assert_eq!(longest(schema.clone()), None, "{schema}");
        }
        assert_eq!(longest(json!({"type": "array", "maxItems": 0})), Some(2));
    }
}

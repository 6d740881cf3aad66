//! A schema, read.

use serde_json::{Map, Value};

use super::SchemaError;
use crate::chat::error::excerpt;

/// One schema and those within it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Node {
    /// Legal types; `None` for any.
    pub types: Option<Vec<Kind>>,
    /// Legal values; `None` for any.
    pub values: Option<Vec<Value>>,
    /// Of objects: what is known of which property.
    pub properties: Vec<(String, Node)>,
    /// Of objects: properties that must be there.
    pub required: Vec<String>,
    /// Of objects: all other properties.
    pub others: Others,
    /// Of arrays: each item.
    pub items: Option<Box<Node>>,
    /// Of arrays: how many items.
    pub count: Bounds,
    /// Of strings: how many characters.
    pub length: Bounds,
    /// Of numbers: the least legal.
    pub minimum: Option<f64>,
    /// Of numbers: the greatest legal.
    pub maximum: Option<f64>,
    /// One of these at least.
    pub any_of: Option<Vec<Node>>,
}

/// What is legal for properties that a schema does not name.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Others {
    #[default]
    Any,
    None,
    Like(Box<Node>),
}

/// From and to, both included.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Bounds {
    pub least: Option<u64>,
    pub most: Option<u64>,
}

/// JSON's types, and whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Array, Self::Object];

    /// Its name in schemas.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// Whether a value is of this type. A number without a fraction is an integer, however it is written.
    pub fn has(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_)) => true,
            (Self::Integer, Value::Number(number)) => {
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            _ => false,
        }
    }
}

/// Keywords that say what is legal.
const KNOWN: [&str; 14] = [
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "anyOf",
];
/// Keywords that do not.
const NOTES: [&str; 6] = ["title", "description", "default", "examples", "$schema", "$comment"];

impl Node {
    /// Reads the schema at `at`.
    pub fn read(json: &Value, at: &str) -> Result<Self, SchemaError> {
        let Value::Object(fields) = json else { return Err(wrong(at, json, "an object")) };
        let mut node = Self::default();
        for (keyword, value) in fields {
            let here = format!("{at}.{keyword}");
            match keyword.as_str() {
                "type" => node.types = Some(types(value, &here)?),
                "enum" => node.values = Some(array(value, &here, "an array of legal values")?.clone()),
                "const" => node.values = Some(vec![value.clone()]),
                "properties" => node.properties = properties(value, &here)?,
                "required" => node.required = names(value, &here)?,
                "additionalProperties" => {
                    node.others = match value {
                        Value::Bool(true) => Others::Any,
                        Value::Bool(false) => Others::None,
                        schema => Others::Like(Box::new(Self::read(schema, &here)?)),
                    }
                }
                "items" => node.items = Some(Box::new(Self::read(value, &here)?)),
                "minItems" => node.count.least = Some(whole(value, &here)?),
                "maxItems" => node.count.most = Some(whole(value, &here)?),
                "minLength" => node.length.least = Some(whole(value, &here)?),
                "maxLength" => node.length.most = Some(whole(value, &here)?),
                "minimum" => node.minimum = Some(number(value, &here)?),
                "maximum" => node.maximum = Some(number(value, &here)?),
                "anyOf" => {
                    let choices =
                        array(value, &here, "an array of schemas, one at least")?.iter().enumerate();
                    let choices = choices.map(|(index, it)| Self::read(it, &format!("{here}[{index}]")));
                    node.any_of = Some(choices.collect::<Result<_, _>>()?);
                }
                note if NOTES.contains(&note) => {}
                _ => {
                    let legal = KNOWN.iter().chain(&NOTES).copied().collect::<Vec<_>>();
                    let (at, keyword) = (at.to_owned(), keyword.clone());
                    return Err(SchemaError::Keyword { at, keyword, legal: legal.join(", ") });
                }
            }
        }
        if let (Some(_), Some(value)) = (fields.get("const"), fields.get("enum")) {
            return Err(wrong(&format!("{at}.enum"), value, "enum or const, not both"));
        }
        Ok(node)
    }
}

fn wrong(at: &str, found: &Value, legal: &'static str) -> SchemaError {
    SchemaError::Value { at: at.to_owned(), found: excerpt(&found.to_string()), legal }
}

fn array<'a>(value: &'a Value, at: &str, legal: &'static str) -> Result<&'a Vec<Value>, SchemaError> {
    value.as_array().filter(|it| !it.is_empty()).ok_or_else(|| wrong(at, value, legal))
}

fn whole(value: &Value, at: &str) -> Result<u64, SchemaError> {
    value.as_u64().ok_or_else(|| wrong(at, value, "a whole number"))
}

fn number(value: &Value, at: &str) -> Result<f64, SchemaError> {
    value.as_f64().ok_or_else(|| wrong(at, value, "a number"))
}

fn types(value: &Value, at: &str) -> Result<Vec<Kind>, SchemaError> {
    const LEGAL: &str = "null, boolean, integer, number, string, array, object or a list of them";
    let kind = |it: &Value| {
        let found = it.as_str().and_then(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name));
        found.ok_or_else(|| wrong(at, value, LEGAL))
    };
    match value {
        Value::Array(kinds) if !kinds.is_empty() => kinds.iter().map(kind).collect(),
        one => Ok(vec![kind(one)?]),
    }
}

fn names(value: &Value, at: &str) -> Result<Vec<String>, SchemaError> {
    const LEGAL: &str = "an array of names";
    let names = value.as_array().ok_or_else(|| wrong(at, value, LEGAL))?.iter();
    names.map(|it| it.as_str().map(str::to_owned).ok_or_else(|| wrong(at, value, LEGAL))).collect()
}

fn properties(value: &Value, at: &str) -> Result<Vec<(String, Node)>, SchemaError> {
    let properties: &Map<_, _> = value.as_object().ok_or_else(|| wrong(at, value, "an object of schemas"))?;
    let read = |(name, it): (&String, &Value)| Ok((name.clone(), Node::read(it, &format!("{at}.{name}"))?));
    properties.iter().map(read).collect()
}

//! The metadata of a GGUF file: keys and values, with typed reading.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::WeightsError;
use super::value::{GgufArray, GgufValue};

/// All metadata of one file. Typed getters give `None` for an absent key and an error for one of another
/// type.
#[derive(Debug, Clone)]
pub struct GgufMetadata {
    file: PathBuf,
    values: BTreeMap<String, GgufValue>,
}

impl GgufMetadata {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, values: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, key: &str, value: GgufValue) -> Result<(), WeightsError> {
        match self.values.insert(key.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(self.illegal(key, "given twice".to_owned(), "each key once")),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&GgufValue> {
        self.values.get(key)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &GgufValue)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// A string.
    pub fn string(&self, key: &str) -> Result<Option<&str>, WeightsError> {
        self.typed(key, "a string", GgufValue::as_str)
    }

    /// A whole number that is not negative.
    pub fn unsigned(&self, key: &str) -> Result<Option<u64>, WeightsError> {
        self.typed(key, "a whole number that is not negative", GgufValue::as_u64)
    }

    /// A number.
    pub fn number(&self, key: &str) -> Result<Option<f64>, WeightsError> {
        self.typed(key, "a number", GgufValue::as_f64)
    }

    /// True or false.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, WeightsError> {
        self.typed(key, "true or false", GgufValue::as_bool)
    }

    /// A token id.
    pub fn token(&self, key: &str) -> Result<Option<u32>, WeightsError> {
        self.typed(key, "a token id", |value| u32::try_from(value.as_u64()?).ok())
    }

    /// A list of strings.
    pub fn strings(&self, key: &str) -> Result<Option<Vec<String>>, WeightsError> {
        self.typed(key, "a list of strings", |value| value.as_array()?.strings(key))?.transpose()
    }

    /// A list of 32-bit integers.
    pub fn integers(&self, key: &str) -> Result<Option<Vec<i32>>, WeightsError> {
        self.typed(key, "a list of 32-bit integers", |value| value.as_array().and_then(GgufArray::integers))
    }

    /// A list of single-precision numbers.
    pub fn floats(&self, key: &str) -> Result<Option<Vec<f32>>, WeightsError> {
        self.typed(key, "a list of 32-bit floats", |value| value.as_array().and_then(GgufArray::floats))
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        legal: &str,
        convert: impl Fn(&'a GgufValue) -> Option<T>,
    ) -> Result<Option<T>, WeightsError> {
        match self.values.get(key) {
            None => Ok(None),
            Some(value) => match convert(value) {
                Some(converted) => Ok(Some(converted)),
                None => Err(self.illegal(key, describe(value), legal)),
            },
        }
    }

    pub(super) fn illegal(&self, key: &str, found: String, legal: &str) -> WeightsError {
        WeightsError::GgufKey { file: self.file.clone(), key: key.to_owned(), found, legal: legal.to_owned() }
    }
}

/// A value in words short enough for a message.
pub(super) fn describe(value: &GgufValue) -> String {
    match value {
        GgufValue::String(text) => format!("the text {:?}", text.chars().take(60).collect::<String>()),
        GgufValue::Array(array) => format!("a list of {}", array.len()),
        other => format!("{other:?}"),
    }
}

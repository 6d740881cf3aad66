//! Reading what may be a text or an object. An object's own errors are told, with the field and what is legal there, which
//! serde's untagged enums keep to themselves.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::simple::{SimpleFact, SimpleStep, WholeFact};
use crate::data::case::PlanStep;

impl<'de> Deserialize<'de> for SimpleFact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a text, or an object with `text` and other fields of a fact";
        let brief: Brief<WholeFact> = brief(deserializer, expected)?;
        Ok(match brief {
            Brief::Text(text) => Self::Text(text),
            Brief::Whole(whole) => Self::Whole(Box::new(whole)),
        })
    }
}

impl<'de> Deserialize<'de> for SimpleStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a text, or an object with the fields of a step of the plan";
        let brief: Brief<PlanStep> = brief(deserializer, expected)?;
        Ok(match brief {
            Brief::Text(text) => Self::Text(text),
            Brief::Whole(step) => Self::Whole(step),
        })
    }
}

enum Brief<T> {
    Text(String),
    Whole(T),
}

fn brief<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<Brief<T>, D::Error> {
    deserializer.deserialize_any(BriefVisitor { expected, whole: PhantomData })
}

struct BriefVisitor<T> {
    expected: &'static str,
    whole: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for BriefVisitor<T> {
    type Value = Brief<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Brief<T>, E> {
        Ok(Brief::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Brief<T>, E> {
        Ok(Brief::Text(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Brief<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Brief::Whole)
    }
}

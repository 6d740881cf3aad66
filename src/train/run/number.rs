//! Floats in JSON, those that JSON has no numbers for included: `"NaN"`, `"inf"` and `"-inf"`.
//!
//! A loss that is not a number is what a log must not hide, and `null` would not tell it from infinity.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;

/// For `#[serde(with = ...)]`: writes a number, or one of the three strings.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else {
        // `NaN`, `inf` and `-inf`, which Python's and Rust's own readers of floats know.
        serializer.serialize_str(&value.to_string())
    }
}

/// Reads what [`serialize`] writes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, \"NaN\", \"inf\" or \"-inf\"")
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<f64, E> {
            match value {
                "NaN" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
            }
        }
    }
    deserializer.deserialize_any(Number)
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct One(#[serde(with = "super")] f64);

    #[test]
    fn every_kind_of_number_is_read_as_it_was_written() {
        let cases = [
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"inf\""),
            (-f64::INFINITY, "\"-inf\""),
        ];
        for (value, text) in cases {
            assert_eq!(serde_json::to_string(&One(value)).unwrap(), text);
            let One(read) = serde_json::from_str(text).unwrap();
            assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan(), "{text}");
        }
        assert_eq!(serde_json::from_str::<One>("3").unwrap().0, 3.0);
        assert!(serde_json::from_str::<One>("\"infinity\"").is_err());
        assert!(serde_json::from_str::<One>("null").is_err());
    }
}

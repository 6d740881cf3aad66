//! Values that the mapping reads and that FHIR gives a narrow range: one outside of it is an error, for taken as something
//! else or as missing it would make another case.

use serde_json::{Map, Value};

use crate::data::import::ImportError;
use crate::data::import::error::found;
use crate::data::phi::{Moment, Place};

/// No measurement is further from zero than this; beyond it a number is a mistake of the export.
const FURTHEST: f64 = 1e15;

/// Whether the values of a resource are such as the standard allows; the error names the field, what was found and what is
/// legal.
pub(super) fn check(kind: &str, fields: &Map<String, Value>, place: &Place) -> Result<(), ImportError> {
    let shape = |field: String, found: String, legal: String| ImportError::Shape {
        place: place.clone(),
        field: format!("{kind}.{field}"),
        found,
        legal,
    };
    match kind {
        "Patient" => {
            let gender = fields.get("gender");
            let known = |it: &Value| matches!(it.as_str(), Some("male" | "female" | "other" | "unknown"));
            if gender.is_some_and(|it| !it.is_null() && !known(it)) {
                let legal = "male, female, other or unknown".to_owned();
                return Err(shape("gender".to_owned(), found(gender), legal));
            }
            let birth = fields.get("birthDate");
            let read = |it: &Value| it.as_str().is_some_and(|text| Moment::parse(text).is_some());
            if birth.is_some_and(|it| !it.is_null() && !read(it)) {
                let legal = "a date from 1800 to 2200: 1950, 1950-07 or 1950-07-29".to_owned();
                return Err(shape("birthDate".to_owned(), birth.map_or_else(String::new, date), legal));
            }
            Ok(())
        }
        "Observation" => {
            let own = numbers(fields, "");
            let components = match fields.get("component") {
                Some(Value::Array(items)) => items.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => &[],
            };
            let of_components = components.iter().enumerate().flat_map(|(at, part)| {
                part.as_object().map(|part| numbers(part, &format!("component[{at}]."))).unwrap_or_default()
            });
            let wrong =
                |(_, value): &(String, Value)| !value.as_f64().is_some_and(|number| number.abs() <= FURTHEST);
            match own.into_iter().chain(of_components).find(wrong) {
                Some((field, value)) => Err(shape(
                    field,
                    found(Some(&value)),
                    format!("a number from -{FURTHEST:e} to {FURTHEST:e}"),
                )),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// The numbers of an observation or a component with the fields they stand in, those that are there.
fn numbers(fields: &Map<String, Value>, before: &str) -> Vec<(String, Value)> {
    const FIELDS: [&[&str]; 3] =
        [&["valueQuantity", "value"], &["valueRange", "low", "value"], &["valueRange", "high", "value"]];
    let read = |path: &&[&str]| {
        let (first, rest) = path.split_first()?;
        let value = rest.iter().try_fold(fields.get(*first)?, |value, key| value.get(key))?;
        (!value.is_null()).then(|| (format!("{before}{}", path.join(".")), value.clone()))
    };
    FIELDS.iter().filter_map(read).collect()
}

/// A date that is none as an error shows it: digits and hyphens as they are, since without them nobody finds the mistake.
fn date(value: &Value) -> String {
    let written = value
        .as_str()
        .filter(|text| text.len() <= 10 && text.chars().all(|c| c.is_ascii_digit() || c == '-'));
    written.map_or_else(|| found(Some(value)), |text| format!("`{text}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(kind: &str, resource: Value) -> Option<String> {
        let place = Place::new("p.ndjson", 3);
        check(kind, resource.as_object().unwrap(), &place).err().map(|error| error.to_string())
    }

    #[test]
    fn values_outside_the_standard_are_refused_by_field() {
        for (kind, resource, said) in [
            ("Patient", json!({"gender": 3}), "Patient.gender is 3; legal: male, female, other or unknown"),
            ("Patient", json!({"gender": "Masculin"}), "Patient.gender is a text of 8 bytes; legal: male"),
            (
                "Patient",
                json!({"birthDate": "1944-19-02"}),
                "Patient.birthDate is `1944-19-02`; legal: a date",
            ),
            (
                "Patient",
                json!({"birthDate": "in May"}),
                "Patient.birthDate is a text of 6 bytes; legal: a date",
            ),
            (
                "Observation",
                json!({"valueQuantity": {"value": "warm"}}),
                "Observation.valueQuantity.value is a text of 4 bytes; legal: a number from -1e15 to 1e15",
            ),
            (
                "Observation",
                json!({"component": [{}, {"valueQuantity": {"value": 1e300}}]}),
                "Observation.component[1].valueQuantity.value is 1e",
            ),
            (
                "Observation",
                json!({"valueRange": {"low": {"value": true}}}),
                "Observation.valueRange.low.value is true; legal: a number",
            ),
        ] {
            let error = error(kind, resource).unwrap();
            assert!(error.contains("p.ndjson:3") && error.contains(said), "{error}");
        }
        for (kind, resource) in [
            ("Patient", json!({"gender": "unknown", "birthDate": "1944-12"})),
            ("Patient", json!({"gender": null})),
            ("Observation", json!({"valueQuantity": {"value": -4.5}, "component": []})),
            ("Observation", json!({"valueQuantity": {"unit": "kg"}})),
            ("Encounter", json!({"gender": 3})),
        ] {
            assert_eq!(error(kind, resource), None);
        }
    }
}

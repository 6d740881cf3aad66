//! A value beside its schema.

use serde_json::Value;

use super::read::{Bounds, Node, Others};
use super::{Mismatch, Place, Step};
use crate::chat::error::excerpt;

impl Node {
    /// Whether the value at `place` is as this schema says.
    pub(super) fn check(&self, value: &Value, place: &mut Place) -> Result<(), Mismatch> {
        if let Some(types) = self.types.as_ref().filter(|types| !types.iter().any(|it| it.has(value))) {
            let names: Vec<&str> = types.iter().map(|it| it.name()).collect();
            return Err(mismatch(place, value, names.join(" or ")));
        }
        if let Some(values) = self.values.as_ref().filter(|values| !values.iter().any(|it| same(it, value))) {
            let values: Vec<String> = values.iter().map(Value::to_string).collect();
            return Err(mismatch(place, value, format!("one of {}", values.join(", "))));
        }
        match value {
            Value::Object(fields) => self.check_object(value, fields, place)?,
            Value::Array(items) => self.check_array(value, items, place)?,
            Value::String(text) => {
                check_bounds(self.length, text.chars().count(), "characters", value, place)?;
            }
            Value::Number(number) => self.check_number(value, number.as_f64(), place)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.check_choices(value, place)
    }

    fn check_object(
        &self,
        value: &Value,
        fields: &serde_json::Map<String, Value>,
        place: &mut Place,
    ) -> Result<(), Mismatch> {
        if let Some(name) = self.required.iter().find(|name| !fields.contains_key(*name)) {
            return Err(mismatch(place, value, format!("an object with `{name}`")));
        }
        for (name, field) in fields {
            let known = self.properties.iter().find(|(it, _)| it == name).map(|(_, node)| node);
            place.within(Step::Property(name.clone()), |place| match (known, &self.others) {
                (Some(node), _) => node.check(field, place),
                (None, Others::Any) => Ok(()),
                (None, Others::Like(node)) => node.check(field, place),
                (None, Others::None) => {
                    let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
                    Err(mismatch(place, field, format!("only the properties {}", names.join(", "))))
                }
            })?;
        }
        Ok(())
    }

    fn check_array(&self, value: &Value, items: &[Value], place: &mut Place) -> Result<(), Mismatch> {
        check_bounds(self.count, items.len(), "items", value, place)?;
        let Some(node) = &self.items else { return Ok(()) };
        let mut items = items.iter().enumerate();
        items.try_for_each(|(index, item)| place.within(Step::Item(index), |place| node.check(item, place)))
    }

    fn check_number(&self, value: &Value, number: Option<f64>, place: &Place) -> Result<(), Mismatch> {
        let Some(number) = number else { return Ok(()) };
        match (self.minimum, self.maximum) {
            (Some(minimum), _) if number < minimum => {
                Err(mismatch(place, value, format!("at least {minimum}")))
            }
            (_, Some(maximum)) if number > maximum => {
                Err(mismatch(place, value, format!("at most {maximum}")))
            }
            _ => Ok(()),
        }
    }

    fn check_choices(&self, value: &Value, place: &mut Place) -> Result<(), Mismatch> {
        let Some(choices) = &self.any_of else { return Ok(()) };
        let mut problems = Vec::new();
        for choice in choices {
            match choice.check(value, place) {
                Ok(()) => return Ok(()),
                Err(problem) => problems.push(problem.to_string()),
            }
        }
        Err(mismatch(place, value, format!("one of several, none of which it is ({})", problems.join("; "))))
    }
}

fn check_bounds(
    bounds: Bounds,
    count: usize,
    what: &str,
    value: &Value,
    place: &Place,
) -> Result<(), Mismatch> {
    let count = count as u64;
    match bounds {
        Bounds { least: Some(least), .. } if count < least => {
            Err(mismatch(place, value, format!("at least {least} {what}")))
        }
        Bounds { most: Some(most), .. } if count > most => {
            Err(mismatch(place, value, format!("at most {most} {what}")))
        }
        _ => Ok(()),
    }
}

fn mismatch(place: &Place, value: &Value, legal: String) -> Mismatch {
    Mismatch { at: place.to_string(), found: excerpt(&value.to_string()), legal }
}

/// Whether two values are equal as JSON Schema counts it: numbers by their value (1 is 1.0), objects in any order.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            // Whole numbers are compared exactly, beyond what an f64 holds too.
            a == b || ((a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

//! Reading fields of a resource.

use serde_json::Value;

use crate::data::phi::Moment;

/// Follows a path of names into objects; a list on the way is entered at its first element.
pub(super) fn get<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Array(items) => items.first()?.get(key),
        _ => value.get(key),
    })
}

/// A text at a path.
pub(super) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    get(value, path)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The items of a list; a single value counts as a list of one.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    match value.get(key) {
        Some(Value::Array(items)) => items,
        Some(other @ Value::Object(_)) => std::slice::from_ref(other),
        _ => &[],
    }
}

/// The words of a CodeableConcept: its text, or the first display of its codings.
pub(super) fn concept(value: &Value) -> Option<&str> {
    let value = match value {
        Value::Array(items) => items.first()?,
        other => other,
    };
    let display = || list(value, "coding").iter().find_map(|coding| text(coding, &["display"]));
    text(value, &["text"]).or_else(display)
}

/// Whether a CodeableConcept or Coding has one of these codes, in any system.
pub(super) fn has_code(value: Option<&Value>, codes: &[&str]) -> bool {
    let Some(value) = value else { return false };
    match value {
        Value::Array(items) => items.iter().any(|item| has_code(Some(item), codes)),
        Value::String(code) => codes.contains(&code.as_str()),
        _ => {
            let own = text(value, &["code"]).is_some_and(|code| codes.contains(&code));
            own || list(value, "coding")
                .iter()
                .any(|c| text(c, &["code"]).is_some_and(|code| codes.contains(&code)))
        }
    }
}

/// All codes of a CodeableConcept with their systems.
pub(super) fn codes(value: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(value, "coding").iter().filter_map(|c| Some((text(c, &["system"])?, text(c, &["code"])?)))
}

/// The first of these fields that holds a moment; a period gives its beginning.
pub(super) fn moment(value: &Value, keys: &[&str]) -> Option<Moment> {
    keys.iter().find_map(|key| {
        let field = value.get(key)?;
        let text =
            field.as_str().or_else(|| field.get("start")?.as_str()).or_else(|| field.get("end")?.as_str())?;
        Moment::parse(text)
    })
}

/// How long before: `about 3 years`.
pub(super) fn span(days: i64) -> String {
    let unit = |count: i64, name: &str| format!("about {count} {name}{}", if count == 1 { "" } else { "s" });
    match days {
        ..=1 => "a day".to_owned(),
        2..=13 => format!("{days} days"),
        14..=59 => unit((days + 3) / 7, "week"),
        60..=699 => unit((days + 15) / 30, "month"),
        // No interval tells of an age over 89.
        _ => unit(((days + 182) / 365).min(89), "year"),
    }
}

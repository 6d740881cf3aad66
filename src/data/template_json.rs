//! The `tojson` filter as transformers defines it.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::template_filters::{charge, python_float};
use super::template_guard::{MAX_DEPTH, too_deep};

/// How `json.dumps` was asked to write.
struct JsonStyle {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

/// The `tojson` filter as transformers defines it: `json.dumps` without HTML escaping, non-ASCII kept by default.
pub(super) fn tojson(state: &State, value: Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = args.into_values();
    type Positional = (Option<bool>, Option<Value>, Option<Value>, Option<bool>);
    let (positional, kwargs): (&[Value], Kwargs) = from_args(&args)?;
    let (ensure_ascii, indent, separators, sort_keys): Positional = from_args(positional)?;
    let ensure_ascii = ensure_ascii.or(kwargs.get("ensure_ascii")?).unwrap_or(false);
    let indent = indent.or(kwargs.get("indent")?).filter(|v| !v.is_none());
    let separators = separators.or(kwargs.get("separators")?).filter(|v| !v.is_none());
    let sort_keys = sort_keys.or(kwargs.get("sort_keys")?).unwrap_or(false);
    kwargs.assert_all_used()?;
    let indent = match indent {
        None => None,
        Some(v) if v.kind() == ValueKind::String => Some(v.to_string()),
        // A width beyond 64 would only multiply the output; Python takes a negative one as none.
        Some(v) => Some(" ".repeat(i64::try_from(v)?.clamp(0, 64) as usize)),
    };
    let (item_separator, key_separator) = match separators {
        Some(pair) => (pair.get_item_by_index(0)?.to_string(), pair.get_item_by_index(1)?.to_string()),
        None if indent.is_some() => (",".into(), ": ".into()),
        None => (", ".into(), ": ".into()),
    };
    let style = JsonStyle { ensure_ascii, indent, item_separator, key_separator, sort_keys };
    let mut out = String::new();
    write_json(state, &value, &style, 0, &mut out)?;
    Ok(out)
}

fn write_json(
    state: &State,
    value: &Value,
    style: &JsonStyle,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let padding = style.indent.as_ref().map_or(0, |unit| unit.len() * depth);
    charge(state, padding + style.item_separator.len() + style.key_separator.len())?;
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            charge(state, text.len())?;
            write_json_string(text, style.ensure_ascii, out);
        }
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => {
            let _ = write!(out, "{value}");
        }
        ValueKind::Number => out.push_str(match python_float(value).as_str() {
            "nan" => "NaN",
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            finite => finite,
        }),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut any = false;
            out.push('[');
            for item in value.try_iter()?.checked() {
                between(style, depth, any, out);
                write_json(state, &item?, style, depth + 1, out)?;
                any = true;
            }
            close(style, depth, any, ']', out);
        }
        ValueKind::Map => {
            let mut keys = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            if style.sort_keys {
                keys.sort();
            }
            out.push('{');
            let any = !keys.is_empty();
            for (i, key) in keys.iter().enumerate() {
                between(style, depth, i > 0, out);
                match key.kind() {
                    ValueKind::String => write_json(state, key, style, depth + 1, out)?,
                    ValueKind::None | ValueKind::Bool | ValueKind::Number => {
                        out.push('"');
                        write_json(state, key, style, depth + 1, out)?;
                        out.push('"');
                    }
                    other => return Err(not_json(&format!("a key of type {other}"))),
                }
                out.push_str(&style.key_separator);
                write_json(state, &value.get_item(key)?, style, depth + 1, out)?;
            }
            close(style, depth, any, '}', out);
        }
        other => return Err(not_json(&format!("a value of type {other}"))),
    }
    Ok(())
}

fn not_json(what: &str) -> Error {
    Error::new(ErrorKind::BadSerialization, format!("tojson cannot write {what}"))
}

/// What stands before an element: a separator unless it is the first, and a new line if indenting.
fn between(style: &JsonStyle, depth: usize, any: bool, out: &mut String) {
    if any {
        out.push_str(&style.item_separator);
    }
    new_line(style, depth + 1, out);
}

fn close(style: &JsonStyle, depth: usize, any: bool, bracket: char, out: &mut String) {
    if any {
        new_line(style, depth, out);
    }
    out.push(bracket);
}

fn new_line(style: &JsonStyle, depth: usize, out: &mut String) {
    if let Some(unit) = &style.indent {
        out.push('\n');
        for _ in 0..depth {
            out.push_str(unit);
        }
    }
}

fn write_json_string(text: &str, ensure_ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ensure_ascii && !matches!(c, ' '..='~')) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

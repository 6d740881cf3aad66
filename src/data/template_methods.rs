//! Python's methods on strings and dictionaries, as chat templates call them.
//!
//! The methods that real templates lean on are written here to Python's letter (its idea of whitespace, `split` without
//! a separator, keyword arguments); the rest are minijinja-contrib's.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Called for a method the engine does not know.
pub(super) fn call(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let (ValueKind::String, Some(text)) = (value.kind(), value.as_str())
        && let Some(result) =
            paid_method(state, text, method, args).or_else(|| string_method(text, method, args))
    {
        let result = result?;
        // The engine charges for the list, not for the pieces in it.
        state.consume_fuel(result.len().unwrap_or(0) as u64)?;
        return Ok(result);
    }
    pycompat::unknown_method_callback(state, value, method, args)
}

/// The methods that can write far more than they are given; they are paid for before they do.
fn paid_method(state: &mut State, text: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    Some(match method {
        "replace" => {
            let mut all = vec![Value::from(text)];
            all.extend_from_slice(args);
            state.apply_filter("replace", &all)
        }
        "join" => match args {
            [items] => state.apply_filter("join", &[items.clone(), Value::from(text)]),
            _ => Err(Error::new(ErrorKind::InvalidOperation, "join takes one list")),
        },
        "format" if !modest_widths(text) => Err(Error::new(
            ErrorKind::InvalidOperation,
            "a width in a format string may have at most 3 digits",
        )),
        _ => return None,
    })
}

/// Whether no number in a format string is long enough to ask for megabytes of padding, and none is left to an argument.
fn modest_widths(format: &str) -> bool {
    let (mut digits, mut depth) = (0, 0usize);
    for c in format.chars() {
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if digits > 3 || depth > 2 {
            return false;
        }
    }
    true
}

fn string_method(text: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    Some(match method {
        "strip" => strip(text, args, true, true),
        "lstrip" => strip(text, args, true, false),
        "rstrip" => strip(text, args, false, true),
        "split" => split(text, args, false),
        "rsplit" => split(text, args, true),
        "removeprefix" => one(args).map(|prefix| text.strip_prefix(prefix).unwrap_or(text).into()),
        "removesuffix" => one(args).map(|suffix| text.strip_suffix(suffix).unwrap_or(text).into()),
        "partition" => one(args).and_then(separator).map(|by| partition(text, text.find(by), by)),
        "rpartition" => one(args).and_then(separator).map(|by| match text.rfind(by) {
            None => list(&["", "", text]),
            found => partition(text, found, by),
        }),
        _ => return None,
    })
}

fn list(parts: &[&str]) -> Value {
    parts.iter().copied().map(Value::from).collect()
}

fn one(args: &[Value]) -> Result<&str, Error> {
    let (text,): (&str,) = from_args(args)?;
    Ok(text)
}

fn separator(by: &str) -> Result<&str, Error> {
    if by.is_empty() { Err(Error::new(ErrorKind::InvalidOperation, "empty separator")) } else { Ok(by) }
}

/// What Python strips and splits at: Unicode white space and the four ASCII separators, which Rust leaves out.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn strip(text: &str, args: &[Value], left: bool, right: bool) -> Result<Value, Error> {
    let (chars,): (Option<&str>,) = from_args(args)?;
    let drop = |c: char| chars.map_or_else(|| is_space(c), |set| set.contains(c));
    let text = if left { text.trim_start_matches(drop) } else { text };
    Ok(Value::from(if right { text.trim_end_matches(drop) } else { text }))
}

fn partition(text: &str, found: Option<usize>, by: &str) -> Value {
    match found {
        Some(at) => list(&[&text[..at], by, &text[at + by.len()..]]),
        None => list(&[text, "", ""]),
    }
}

fn split(text: &str, args: &[Value], from_right: bool) -> Result<Value, Error> {
    let (positional, kwargs): (&[Value], Kwargs) = from_args(args)?;
    let (by, limit): (Option<&str>, Option<i64>) = from_args(positional)?;
    let by = by.or(kwargs.get::<Option<&str>>("sep")?);
    let limit = limit.or(kwargs.get("maxsplit")?).unwrap_or(-1);
    kwargs.assert_all_used()?;
    // A negative limit is none; otherwise there is one piece more than there are splits.
    let pieces = usize::try_from(limit).map_or(usize::MAX, |n| n.saturating_add(1));
    let parts: Vec<&str> = match by {
        Some(by) if from_right => {
            let mut parts: Vec<_> = text.rsplitn(pieces, separator(by)?).collect();
            parts.reverse();
            parts
        }
        Some(by) => text.splitn(pieces, separator(by)?).collect(),
        None => split_at_spaces(text, pieces, from_right),
    };
    Ok(list(&parts))
}

/// `split()` without a separator: runs of white space count as one, and none are kept at the ends.
fn split_at_spaces(text: &str, pieces: usize, from_right: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest =
        if from_right { text.trim_end_matches(is_space) } else { text.trim_start_matches(is_space) };
    while !rest.is_empty() {
        if from_right {
            let cut = if parts.len() + 1 < pieces { rest.rfind(is_space) } else { None };
            let Some(at) = cut else {
                parts.push(rest);
                break;
            };
            let after = at + rest[at..].chars().next().map_or(0, char::len_utf8);
            parts.push(&rest[after..]);
            rest = rest[..at].trim_end_matches(is_space);
        } else {
            let cut = if parts.len() + 1 < pieces { rest.find(is_space) } else { None };
            let Some(at) = cut else {
                parts.push(rest);
                break;
            };
            parts.push(&rest[..at]);
            rest = rest[at..].trim_start_matches(is_space);
        }
    }
    if from_right {
        parts.reverse();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, method: &str, args: &[Value]) -> Vec<String> {
        let value = string_method(text, method, args).unwrap().unwrap();
        value.try_iter().unwrap().map(|v| v.to_string()).collect()
    }

    #[test]
    fn splits_as_python_does() {
        assert_eq!(pieces(" a  b c ", "split", &[]), ["a", "b", "c"]);
        assert_eq!(pieces(" a  b c ", "split", &[Value::from(()), Value::from(1)]), ["a", "b c "]);
        assert_eq!(pieces(" a  b c ", "rsplit", &[Value::from(()), Value::from(1)]), [" a  b", "c"]);
        assert_eq!(pieces("a,b,c", "rsplit", &[Value::from(","), Value::from(1)]), ["a,b", "c"]);
        assert_eq!(pieces("a,,b", "split", &[Value::from(",")]), ["a", "", "b"]);
        assert_eq!(pieces("", "split", &[]), Vec::<String>::new());
        assert_eq!(pieces("", "split", &[Value::from(",")]), [""]);
        assert!(string_method("a", "split", &[Value::from("")]).unwrap().is_err());
    }

    #[test]
    fn strips_as_python_does() {
        let strip =
            |text: &str, method: &str, args: &[Value]| string_method(text, method, args).unwrap().unwrap();
        assert_eq!(strip("\u{1c} a\u{a0}", "strip", &[]).as_str(), Some("a"));
        assert_eq!(strip("\n\n a \n", "lstrip", &[Value::from("\n")]).as_str(), Some(" a \n"));
        assert_eq!(strip("ab", "removeprefix", &[Value::from("a")]).as_str(), Some("b"));
        assert_eq!(pieces("a=b=c", "partition", &[Value::from("=")]), ["a", "=", "b=c"]);
        assert_eq!(pieces("a=b=c", "rpartition", &[Value::from("=")]), ["a=b", "=", "c"]);
        assert_eq!(pieces("abc", "rpartition", &[Value::from("=")]), ["", "", "abc"]);
    }
}

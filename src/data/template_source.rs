//! From a template's text to the text the engine compiles.
//!
//! Three things are done, none of which moves a line, so an error's line is the line in the file:
//!
//! * Newlines are made `\n` and one trailing newline is dropped, as Jinja2 does before it reads a template.
//! * `{% generation %}` blocks (transformers' marks for assistant masks) become `{% with %}` blocks, which like them
//!   open a scope and write nothing.
//! * Every name a template binds (`set`, `for`, `macro`, `with`, `call`) is passed through [`BOUND`], which refuses
//!   values nested deeply enough to overflow the stack when they are printed, compared or dropped. The engine counts
//!   instructions and bytes but not depth, so without this a one-line template ends the process.
//!
//! Bounds on the text itself keep the engine's recursive compiler within the stack it is given.

use super::template_error::TemplateError;

/// The function that checks a value before a name is bound to it.
pub(super) const BOUND: &str = "osler_bounded";
/// The same for an attribute of a namespace, which may not hold another namespace.
pub(super) const BOUND_ATTRIBUTE: &str = "osler_bounded_attribute";

/// The longest template read. The largest in common use are under 30 KB.
const MAX_SOURCE: usize = 256 * 1024;
/// The longest code of one tag, string contents aside: each byte of it can be one level of the compiler's recursion.
const MAX_TAG_CODE: usize = 4096;
/// The most `elif` branches in a template: each is one level of the compiler's recursion.
const MAX_BRANCHES: usize = 1000;

/// Prepares a template's text for the engine.
pub(super) fn prepare(source: &str) -> Result<String, TemplateError> {
    if source.len() > MAX_SOURCE {
        return Err(TemplateError::TooLarge { found: source.len(), legal: MAX_SOURCE });
    }
    let mut text = source.replace("\r\n", "\n").replace('\r', "\n");
    if text.ends_with('\n') {
        text.pop();
    }
    Scanner { text: &text, out: String::with_capacity(text.len() + 1024), branches: 0 }.run()
}

/// Walks the tags of a template, copying it with the changes above.
struct Scanner<'a> {
    text: &'a str,
    out: String,
    branches: usize,
}

impl<'a> Scanner<'a> {
    fn run(mut self) -> Result<String, TemplateError> {
        let mut at = 0;
        while let Some(open) = next_opening(self.text, at) {
            self.out.push_str(&self.text[at..open]);
            let after = match self.text.as_bytes()[open + 1] {
                b'#' => self.text[open + 2..].find("#}").map(|end| open + 2 + end + 2),
                b'{' => match tag_end(self.text, open + 2, "}}") {
                    Some(end) => {
                        self.check_length(open, end)?;
                        Some(end + 2)
                    }
                    None => None,
                },
                _ => {
                    at = self.block(open)?;
                    continue;
                }
            };
            // What is never closed is left for the engine to complain about, with its own line.
            let after = after.unwrap_or(self.text.len());
            self.out.push_str(&self.text[open..after]);
            at = after;
        }
        self.out.push_str(&self.text[at..]);
        Ok(self.out)
    }

    /// Copies the block tag that opens at `open`; returns where to go on.
    fn block(&mut self, open: usize) -> Result<usize, TemplateError> {
        let Some(end) = tag_end(self.text, open + 2, "%}") else {
            self.out.push_str(&self.text[open..]);
            return Ok(self.text.len());
        };
        self.check_length(open, end)?;
        let inner = &self.text[open + 2..end];
        let head = if inner.starts_with(['-', '+']) { 1 } else { 0 };
        let tail =
            if inner.len() > head && inner.ends_with(['-', '+']) { inner.len() - 1 } else { inner.len() };
        let (left, code, right) = (&inner[..head], &inner[head..tail], &inner[tail..]);
        let start = code.len() - code.trim_start().len();
        let name_end = code[start..].find(|c: char| !is_name(c)).map_or(code.len(), |n| start + n);
        let (name, rest) = (&code[start..name_end], &code[name_end..]);
        let written = match name {
            "generation" | "endgeneration" if rest.trim().is_empty() => {
                let stand_in = if name == "generation" { "with" } else { "endwith" };
                format!("{{%{left}{}{stand_in}{rest}{right}%}}", &code[..start])
            }
            "set" => match assignment(rest) {
                Some((target, value)) => {
                    let check = if target.contains('.') { BOUND_ATTRIBUTE } else { BOUND };
                    format!("{{%{left}{}set{target}={check}(({value})){right}%}}", &code[..start])
                }
                None => self.text[open..end + 2].to_owned(),
            },
            "for" | "macro" | "with" | "call" => {
                let mut tag = self.text[open..end + 2].to_owned();
                for bound in bound_names(name, rest) {
                    // The added tag ends as its neighbour does, so the whitespace after the pair is treated alike.
                    tag.push_str(&format!("{{% set {bound}={BOUND}({bound}) {right}%}}"));
                }
                tag
            }
            "raw" => return Ok(self.raw(open, end + 2)),
            _ => {
                if name == "elif" {
                    self.branches += 1;
                    self.check(open, "the number of elif branches", self.branches, MAX_BRANCHES)?;
                }
                self.text[open..end + 2].to_owned()
            }
        };
        self.out.push_str(&written);
        Ok(end + 2)
    }

    /// Copies a raw block whole, up to the tag that ends it; returns where to go on.
    fn raw(&mut self, open: usize, body: usize) -> usize {
        let mut at = body;
        while let Some(found) = self.text[at..].find("{%") {
            let tag = at + found;
            let inside = self.text[tag + 2..].trim_start_matches(['-', '+']).trim_start();
            at = tag + 2;
            if inside.starts_with("endraw") {
                at += self.text[at..].find("%}").map_or(self.text.len() - at, |n| n + 2);
                self.out.push_str(&self.text[open..at]);
                return at;
            }
        }
        self.out.push_str(&self.text[open..]);
        self.text.len()
    }

    fn check_length(&self, open: usize, end: usize) -> Result<(), TemplateError> {
        let code = end - open;
        if code <= MAX_TAG_CODE {
            return Ok(());
        }
        let strings: usize = string_spans(&self.text[open..end]).map(|(from, to)| to - from).sum();
        self.check(open, "the code of one tag, in bytes,", code - strings, MAX_TAG_CODE)
    }

    fn check(&self, at: usize, what: &'static str, found: usize, legal: usize) -> Result<(), TemplateError> {
        if found <= legal {
            return Ok(());
        }
        let line = self.text[..at].matches('\n').count() + 1;
        Err(TemplateError::TooComplex { line, what, found, legal })
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the next `{{`, `{%` or `{#` is.
fn next_opening(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    (from..bytes.len().saturating_sub(1))
        .find(|&i| bytes[i] == b'{' && matches!(bytes[i + 1], b'{' | b'%' | b'#'))
}

/// Where the tag that began before `from` ends: the first `close` outside strings and brackets.
fn tag_end(text: &str, from: usize, close: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut i = from;
    while i < bytes.len() {
        match bytes[i] {
            b'\'' | b'"' => {
                i = string_end(bytes, i)?;
                continue;
            }
            _ if depth == 0 && bytes[i..].starts_with(close.as_bytes()) => return Some(i),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        i += 1;
    }
    None
}

/// The index just after the string literal that starts at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 1,
            quote if quote == bytes[start] => return Some(i + 1),
            _ => {}
        }
        i += 1;
    }
    None
}

/// The spans of the string literals in a tag's code.
fn string_spans(code: &str) -> impl Iterator<Item = (usize, usize)> {
    let bytes = code.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = (at..bytes.len()).find(|&i| matches!(bytes[i], b'\'' | b'"'))?;
        at = string_end(bytes, start).unwrap_or(bytes.len());
        Some((start, at))
    })
}

/// The positions of a tag's code that lie outside strings, with the bracket depth at each.
fn outside_strings(code: &str) -> Vec<(usize, u8, usize)> {
    let bytes = code.as_bytes();
    let (mut found, mut depth, mut i) = (Vec::new(), 0usize, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'\'' | b'"' => {
                i = string_end(bytes, i).unwrap_or(bytes.len());
                continue;
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        found.push((i, bytes[i], depth));
        if matches!(bytes[i], b'(' | b'[' | b'{') {
            depth += 1;
        }
        i += 1;
    }
    found
}

/// Splits the code after `set` at its `=`; `None` for the block form, which has none.
fn assignment(code: &str) -> Option<(&str, &str)> {
    let bytes = code.as_bytes();
    let at = outside_strings(code).into_iter().find(|&(i, byte, depth)| {
        byte == b'='
            && depth == 0
            && bytes.get(i + 1) != Some(&b'=')
            && !(i > 0 && matches!(bytes[i - 1], b'=' | b'!' | b'<' | b'>'))
    })?;
    Some((&code[..at.0], &code[at.0 + 1..]))
}

/// The names that a `for`, `macro`, `with` or `call` tag binds for its body.
fn bound_names<'c>(tag: &str, code: &'c str) -> Vec<&'c str> {
    let places = outside_strings(code);
    match tag {
        // Everything before the first ` in ` is the target, which holds nothing but names, commas and brackets.
        "for" => {
            let target = words(code).find(|&(_, word)| word == "in").map_or(code.len(), |(at, _)| at);
            words(&code[..target]).map(|(_, word)| word).collect()
        }
        // Parameters: in brackets, each at the start or after a comma. A call without parameters has none.
        "macro" | "call" => {
            let Some(&(open, _, _)) = places.iter().find(|&&(_, byte, _)| byte == b'(') else {
                return Vec::new();
            };
            if tag == "call" && !code[..open].trim().is_empty() {
                return Vec::new();
            }
            let close = places.iter().find(|&&(i, byte, depth)| i > open && byte == b')' && depth == 0);
            let inner_end = close.map_or(code.len(), |&(i, _, _)| i);
            let starts = places
                .iter()
                .filter(|&&(i, byte, depth)| i == open || (i < inner_end && byte == b',' && depth == 1))
                .map(|&(i, _, _)| i + 1);
            starts.filter_map(|from| leading_name(&code[from..inner_end])).collect()
        }
        _ => {
            let commas =
                places.iter().filter(|&&(_, byte, depth)| byte == b',' && depth == 0).map(|&(i, _, _)| i + 1);
            std::iter::once(0).chain(commas).filter_map(|from| leading_name(&code[from..])).collect()
        }
    }
}

/// The words of a piece of code, with where each starts.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_name)?;
        at = code[start..].find(|c: char| !is_name(c)).map_or(code.len(), |n| start + n);
        Some((start, &code[start..at]))
    })
}

/// The name a piece of code begins with, if it begins with one.
fn leading_name(code: &str) -> Option<&str> {
    let code = code.trim_start();
    let end = code.find(|c: char| !is_name(c)).unwrap_or(code.len());
    (end > 0 && !code.starts_with(|c: char| c.is_ascii_digit())).then(|| &code[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(source: &str, prepared: &str) {
        assert_eq!(prepare(source).unwrap(), prepared);
    }

    #[test]
    fn newlines_are_jinjas() {
        same("a\r\nb\rc\n", "a\nb\nc");
        same("a\n\n", "a\n");
    }

    #[test]
    fn generation_is_transparent() {
        same("{%- generation -%}x{% endgeneration %}", "{%- with -%}x{% endwith %}");
        same(
            "{{ '{% generation %}' }}{# {% generation %} #}",
            "{{ '{% generation %}' }}{# {% generation %} #}",
        );
        same("{% raw %}{% generation %}{% endraw %}", "{% raw %}{% generation %}{% endraw %}");
    }

    #[test]
    fn bound_values_are_checked() {
        same("{%- set a = x == '=' -%}", "{%- set a =osler_bounded(( x == '=' ))-%}");
        same("{% set n.a = [1] %}", "{% set n.a =osler_bounded_attribute(( [1] ))%}");
        same("{% set a %}x{% endset %}", "{% set a %}x{% endset %}");
        same(
            "{% for k, v in d.items() -%}",
            "{% for k, v in d.items() -%}{% set k=osler_bounded(k) -%}{% set v=osler_bounded(v) -%}",
        );
        same(
            "{% macro f(a, b='),') %}",
            "{% macro f(a, b='),') %}{% set a=osler_bounded(a) %}{% set b=osler_bounded(b) %}",
        );
        same("{% call(a) f(b) %}", "{% call(a) f(b) %}{% set a=osler_bounded(a) %}");
        same("{% call f(b) %}", "{% call f(b) %}");
        same(
            "{% with a=[1, 2], b=3 %}",
            "{% with a=[1, 2], b=3 %}{% set a=osler_bounded(a) %}{% set b=osler_bounded(b) %}",
        );
    }

    #[test]
    fn nested_brackets_do_not_end_a_tag() {
        same("{{ {'a': {'b': 1}} }}{% generation %}", "{{ {'a': {'b': 1}} }}{% with %}");
    }

    #[test]
    fn bounds_name_the_line() {
        let long = format!("\n\n{{{{ 1{} }}}}", "+1".repeat(5000));
        assert!(matches!(prepare(&long), Err(TemplateError::TooComplex { line: 3, .. })));
        let text = format!("{{{{ '{}' }}}}", "+1".repeat(5000));
        assert!(prepare(&text).is_ok());
        assert!(prepare(&"{% elif x %}".repeat(1001)).is_err());
        assert!(prepare(&" ".repeat(300_000)).is_err());
    }
}

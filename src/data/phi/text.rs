//! Scanning free text.

use super::known::Known;
use super::patterns::patterns;
use super::{Hit, PhiClass, fold, names, pairs};

/// How far before a match its context reaches, in bytes.
const CONTEXT: usize = 24;

/// Everything in `text` that looks as if it identified somebody, in order, not overlapping; `known` are identifiers
/// of this patient from the structured fields.
pub fn scan(text: &str, known: &Known) -> Vec<Hit> {
    found(text, |plain, hits| {
        shapes(plain, hits);
        names::scan(plain, hits);
        pairs::scan(plain, hits);
        known.scan(plain, hits);
    })
}

/// The same for a text in which nothing but `known` is looked for.
pub(super) fn scan_own(text: &str, known: &Known) -> Vec<Hit> {
    found(text, |plain, hits| known.scan(plain, hits))
}

/// What `look` finds in `text` made plain, in order, not overlapping, in bytes of `text`.
fn found(text: &str, look: impl Fn(&str, &mut Vec<Hit>)) -> Vec<Hit> {
    let mut hits = Vec::new();
    for reading in fold::readings(text) {
        let mut seen = Vec::new();
        look(reading.text(), &mut seen);
        hits.extend(seen.into_iter().map(|hit| Hit { span: reading.original(hit.span), ..hit }));
    }
    // The rules stand in order of how much they know, so of overlapping hits the earlier one keeps its class.
    let mut kept: Vec<Hit> = Vec::new();
    for hit in hits {
        match kept.iter_mut().find(|k| k.span.start < hit.span.end && hit.span.start < k.span.end) {
            Some(k) => k.span = k.span.start.min(hit.span.start)..k.span.end.max(hit.span.end),
            None => kept.push(hit),
        }
    }
    kept.sort_by_key(|hit| hit.span.start);
    // Widening may have made neighbours overlap.
    let mut out: Vec<Hit> = Vec::new();
    for hit in kept {
        match out.last_mut() {
            Some(last) if last.span.end > hit.span.start => last.span.end = last.span.end.max(hit.span.end),
            _ => out.push(hit),
        }
    }
    out
}

/// Adds what has the shape of an identifier.
fn shapes(text: &str, hits: &mut Vec<Hit>) {
    let patterns = patterns();
    for index in patterns.set.matches(text) {
        let Some(pattern) = patterns.all.get(index) else { continue };
        for captures in pattern.regex.captures_iter(text) {
            let Some(found) = captures.get(1).or_else(|| captures.get(0)) else { continue };
            let mut from = found.start().saturating_sub(CONTEXT);
            while !text.is_char_boundary(from) {
                from += 1;
            }
            let before = text.get(from..found.start()).unwrap_or_default();
            let after = text.get(found.end()..).unwrap_or_default();
            if (pattern.accept)(found.as_str(), before, after) {
                hits.push(Hit { span: found.range(), class: pattern.class, rule: pattern.rule });
            }
        }
    }
}

/// The text with each hit replaced by its class in brackets.
pub fn redact(text: &str, hits: &[Hit]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for hit in hits {
        out.push_str(text.get(from..hit.span.start).unwrap_or_default());
        // An age over 89 may be told as one class.
        out.push_str(&if hit.class == PhiClass::Age {
            "90 or older".to_owned()
        } else {
            format!("[{}]", hit.class)
        });
        from = hit.span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

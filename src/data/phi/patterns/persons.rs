//! Names of persons told by a label or by the age behind them.

use super::{NAME, Source};
use crate::data::phi::PhiClass::Name;
use crate::data::phi::name_lists::NameLists;

/// The shapes of such names.
pub(super) fn sources() -> Vec<Source> {
    let label = "(?i-u:(?:patient(?:'s)?|pt|client(?:'s)?|full|first|last|given|family|maiden|middle|legal|preferred|\
                 mother's|father's|husband's|wife's|son's|daughter's|partner's|contact) names?|surname|forename)";
    // Without `years`, only a comma or bracket shows that the number is an age.
    let age = "(?:[1-9][0-9]?|1[01][0-9])";
    let set_off = format!("(?:, ?|,? ?[(]|,? aged ){age}(?:[,;)]|[.]?(?:[ ]?\n|$)|[.] )");
    let stated = format!(
        "(?:,? ?[(]?| is (?:an? )?|,? aged? ){age}(?:[ -]?(?i-u:years?[ -]old|yrs?[ -]old|y/?o)\\b|[ ]?/?[MF]\\b|,? (?i-u:male|\
         female|man|woman)\\b)"
    );
    vec![
        (
            Name,
            "after a label",
            format!(r"(?-u)\b{label}(?i-u: is| was)?[ ]?[:=]?[ ]*({NAME}(?: {NAME}){{0,3}})"),
            filled_in,
        ),
        (
            Name,
            "after a label",
            r"(?-u)\b(?i-u:(?:patient(?:'s)?|pt) name) ?[:=] ?([A-Z'-]{2,}(?: [A-Z'-]{2,}){0,2}|[a-z'-]{2,}(?: [a-z'-]{2,})?)\b"
                .into(),
            filled_in,
        ),
        (
            Name,
            "after a label",
            format!(r"(?-u)(?:^|[\n.;|(][ ]*)(?i-u:name) ?[:=] ?({NAME}(?: {NAME}){{1,2}})"),
            no_heading,
        ),
        (
            Name,
            "before an age",
            format!(r"(?-u)(?:^|\n)[ ]*({NAME}(?: {NAME}){{1,2}})(?:{set_off}|{stated})"),
            no_heading,
        ),
    ]
}

/// A name, not a remark that there is none.
fn filled_in(found: &str, _: &str, _: &str) -> bool {
    const NONE: [&str; 14] = [
        "unknown",
        "not",
        "none",
        "no",
        "withheld",
        "redacted",
        "removed",
        "deleted",
        "anonymous",
        "anonymised",
        "anonymized",
        "omitted",
        "confirmed",
        "verified",
    ];
    let first = found.split(' ').next().unwrap_or_default();
    !NONE.contains(&first.to_ascii_lowercase().as_str()) && !NameLists::bundled().no_names.contains(first)
}

/// Capitalised words none of which is one of a heading: `Chest Pain, 58, male`.
fn no_heading(found: &str, _: &str, _: &str) -> bool {
    const ENDINGS: [&str; 12] = [
        "itis", "osis", "emia", "aemia", "pathy", "ectomy", "oscopy", "algia", "uria", "rrhea", "rrhoea",
        "plegia",
    ];
    let lists = NameLists::bundled();
    let heads = |word: &str| {
        let lower = word.to_lowercase();
        let bare = lower.trim_end_matches("'s").trim_end_matches("’s");
        lists.headings.contains(bare)
            || lists.clinical.contains(bare)
            || lists.no_names.contains(word)
            || ENDINGS.iter().any(|ending| bare.ends_with(ending))
    };
    !found.split(' ').any(heads)
}

//! Mail addresses and names in networks.

use super::{Source, always};
use crate::data::phi::PhiClass::{Email, OtherId};
use crate::data::phi::name_lists::NameLists;

/// The mail addresses among the shapes.
pub(super) fn addresses() -> Vec<Source> {
    vec![
        (Email, "mail address", r"(?i-u)\b[A-Z0-9._%+-]+@[A-Z0-9-]+(?:[.][A-Z0-9-]+)*[.][A-Z]{2,}\b".into(), always),
        (
            Email,
            "mail address in words",
            r"(?i-u)\b[A-Z0-9._%+-]+ ?[\[({] ?at ?[\])}] ?[A-Z0-9-]+ ?(?:[.]|[\[({] ?dot ?[\])}]) ?[A-Z]{2,}\b".into(),
            always,
        ),
        (
            Email,
            "mail address in words",
            r"(?i-u)\b[A-Z0-9._%+-]+ ?[\[({] ?at ?[\])}] ?[A-Z][A-Z0-9-]{2,}\b".into(),
            somewhere,
        ),
        (
            Email,
            "mail address in words",
            r"(?i-u)\b[A-Z0-9._%+-]+(?: dot [A-Z0-9_%+-]+)* at [A-Z0-9-]+(?: dot [A-Z0-9-]+)* dot (?:com|org|net|edu|gov|info|io|uk|us|ca|au|de|fr|es|it|nl|ch|at|in)\b".into(),
            always,
        ),
        (Email, "mail address without its end", r"(?i-u)\b[A-Z][A-Z0-9._%+-]+@[A-Z][A-Z0-9-]{2,}\b".into(), somewhere),
    ]
}

/// Networks in which people have a name. What is an abbreviation of medicine as well is not among them.
const NETWORKS: &str = "instagram|insta|twitter|tiktok|snapchat|facebook|telegram|discord|skype|linkedin|user ?name|screen ?name";

/// The names in networks.
pub(super) fn handles() -> Vec<Source> {
    let more = "ig|fb|snap|whatsapp|reddit|handle|login|gamertag";
    let word = "(?: (?:handle|name|id|account|user|is|as|at))*";
    vec![
        (
            OtherId,
            "account of a network",
            r"(?-u)(?:^|[\s(:,])(@[A-Za-z][A-Za-z0-9_.]{2,})".into(),
            somewhere,
        ),
        (
            OtherId,
            "account of a network",
            format!(r"(?i-u)\b(?:{NETWORKS}){word} ?[:=] ?([A-Z0-9_][A-Z0-9_.-]{{2,}})"),
            account,
        ),
        (
            OtherId,
            "account of a network",
            format!(r"(?i-u)\b(?:{NETWORKS}|{more}){word}(?: ?[:=] ?| )([A-Z_][A-Z0-9_.-]{{4,}})"),
            invented,
        ),
    ]
}

/// What somebody is called, not whether or how often they are there: `facebook: daily`.
fn account(found: &str, _: &str, _: &str) -> bool {
    const NONE: [&str; 14] = [
        "none",
        "yes",
        "not",
        "never",
        "daily",
        "often",
        "sometimes",
        "rarely",
        "active",
        "inactive",
        "unknown",
        "denies",
        "uses",
        "the",
    ];
    !NONE.contains(&found.trim_end_matches('.').to_ascii_lowercase().as_str())
}

/// Letters with a `_` or digits among them, as accounts are called and words are not.
fn invented(found: &str, _: &str, _: &str) -> bool {
    found.trim_end_matches(['.', '-']).contains(|c: char| c == '_' || c.is_ascii_digit())
}

/// Whether what stands behind the `@` is no time or state or part of the body: `meds @bedtime`, `pain (at) rest`.
fn somewhere(found: &str, _: &str, _: &str) -> bool {
    let place = found.trim_end_matches('.').rsplit(['@', ' ', ']', ')', '}']).next().unwrap_or_default();
    // `@RLQ`, `@LLSB`.
    let short = place.len() <= 5 && place.bytes().all(|b| b.is_ascii_uppercase());
    !short && !NameLists::bundled().after_at.contains(&place.to_ascii_lowercase())
}

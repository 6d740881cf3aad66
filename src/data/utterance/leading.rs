//! Statements that the patient is asked to confirm: `Your notes say that you have a fever. Please confirm.`
//!
//! Such a statement asks whether it is so, though neither a word nor a mark of asking stands in it. It is told by words of
//! its own and not by cues, since to every word of a cue slips of the hand are mended in all messages.

use super::clauses::Clause;
use super::words::{COMMA, Token};

/// One of these stands in every request to confirm.
const MARKS: [&str; 4] = ["confirm", "right", "correct", "true"];
/// A request to confirm has no other words.
const REQUEST: &[&str] = &[
    "confirm", "right", "correct", "true", "please", "kindly", "just", "can", "could", "would", "will",
    "you", "is", "isn't", "that", "this", "it", "so", "am", "i", "not", "or", "yes", "no", "for", "me", "to",
    "the", "and", "now", "do", "all", "of",
];
/// Words before `confirm` that what is to be confirmed may follow.
const POLITE: &[&str] = &[
    "please", "kindly", "just", "can", "could", "would", "will", "you", "i", "need", "want", "like", "to",
    "so", "and", "now", "must", "have", "ask",
];
/// Where a doctor has it from.
const SOURCES: &[&str] =
    &["note", "notes", "record", "records", "chart", "charts", "file", "files", "letter", "referral", "form"];
/// What such a source does.
const SAYING: &[&str] = &[
    "say",
    "says",
    "said",
    "state",
    "states",
    "stated",
    "show",
    "shows",
    "mention",
    "mentions",
    "mentioned",
    "tell",
    "tells",
    "told",
    "read",
    "reads",
    "report",
    "reports",
    "reported",
    "list",
    "lists",
    "has",
    "have",
    "see",
    "according",
    "to",
    "wrote",
    "written",
    "indicate",
    "indicates",
];
/// What the patient did, right after `you`.
const TOLD: &[&str] =
    &["told", "said", "mentioned", "reported", "stated", "described", "wrote", "claimed", "came"];
/// What the doctor did, before `you`.
const HEARD: &[&str] = &["see", "read", "understand", "hear", "heard", "gather", "know"];

/// Which sentences of a message state something to be confirmed, and which ask for that and for nothing else.
#[derive(Debug, Default)]
pub(super) struct Leading {
    /// Numbers of sentences that ask whether what they state is so.
    pub claims: Vec<usize>,
    /// Numbers of sentences that ask to confirm the one before.
    pub requests: Vec<usize>,
}

impl Leading {
    /// Looks for them in the sentences that `clauses` make up.
    pub fn find(tokens: &[Token], clauses: &[Clause], message: &str) -> Self {
        let mut leading = Self::default();
        // Most messages hold none of the words and are not looked at twice.
        let lower = message.to_ascii_lowercase();
        if !MARKS.iter().any(|mark| lower.contains(mark)) {
            return leading;
        }
        let mut claim_before = None;
        for sentence in clauses.chunk_by(|one, next| one.sentence == next.sentence) {
            let (Some(first), Some(last)) = (sentence.first(), sentence.last()) else { continue };
            let tokens = tokens.get(first.from..last.to).unwrap_or_default();
            let all = words(tokens, &lower);
            let tail = tokens.iter().rposition(|token| token.id == COMMA);
            let tail = tail.map(|at| words(&tokens[at + 1..], &lower));
            let asked = |words: &[&str]| requests(words, first.question);
            if let Some(claim) = claim_before.take().filter(|_| asked(&all)) {
                leading.claims.push(claim);
                leading.requests.push(first.sentence);
            } else if wants_confirmed(&all) || (states(&all) && tail.is_some_and(|tail| asked(&tail))) {
                leading.claims.push(first.sentence);
            } else if states(&all) && !first.question {
                claim_before = Some(first.sentence);
            }
        }
        leading
    }
}

/// The words of `tokens` as they stand in `lower`, the message in lower case; of a contraction one.
fn words<'a>(tokens: &[Token], lower: &'a str) -> Vec<&'a str> {
    let mut words = Vec::with_capacity(tokens.len());
    let mut end = 0;
    for token in tokens.iter().filter(|token| !token.is_mark()) {
        if token.end > end {
            words.extend(lower.get(token.start..token.end));
            end = token.end;
        }
    }
    words
}

/// Whether `words` ask to confirm and do nothing else. `Right.` without a mark of asking is no request.
fn requests(words: &[&str], question: bool) -> bool {
    let asks =
        question || words.contains(&"confirm") || matches!(words.first(), Some(&("is" | "am" | "isn't")));
    asks && words.iter().any(|word| MARKS.contains(word)) && words.iter().all(|word| REQUEST.contains(word))
}

/// `Please confirm that you ...`; not `A test will confirm that you ...`.
fn wants_confirmed(words: &[&str]) -> bool {
    let Some(at) = words.iter().position(|word| *word == "confirm") else { return false };
    let (before, after) = words.split_at(at);
    let asks =
        before.is_empty() || ["please", "kindly", "just", "you"].iter().any(|word| before.contains(word));
    asks && before.iter().all(|word| POLITE.contains(word))
        && after.get(1..).unwrap_or_default().iter().any(|word| matches!(*word, "you" | "your"))
}

/// Whether a sentence states something of the patient, as the doctor has it from somewhere.
fn states(words: &[&str]) -> bool {
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let pair = |first: &[&str], second: &[&str]| {
        words.windows(2).any(|two| first.contains(&two[0]) && second.contains(&two[1]))
    };
    let heard = || {
        pair(HEARD, &["you"])
            || words.windows(3).any(|it| HEARD.contains(&it[0]) && it[1..] == ["that", "you"])
    };
    (has(SOURCES) && has(SAYING) && has(&["you", "your"]))
        || pair(&["you"], TOLD)
        || words.windows(3).any(|it| it[..2] == ["you", "have"] && TOLD.contains(&it[2]))
        || (words.first() == Some(&"i") && heard())
        || words.starts_with(&["so", "you"])
}

//! What a written criterion looks for.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::lists::Lists;
use super::term::{Named, Term, Terms};
use super::token::words;

/// More words than this describe more than one thing.
const MOST_WORDS: usize = 60;

/// What kind of thing a criterion looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenKind {
    /// That something is said.
    Statement,
    /// That something is asked.
    Question,
    /// That something is missing, which is undesirable.
    Lack,
    /// A mark or a list.
    Form,
    /// How the whole is written, or whether it is right: never judged by rules.
    Manner,
    /// Anything else: never judged by rules.
    Other,
    /// A line of a checklist: that a note holds a finding.
    Finding,
}

impl WrittenKind {
    /// The kind as a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Question => "question",
            Self::Lack => "lack",
            Self::Form => "form",
            Self::Manner => "manner",
            Self::Other => "other",
            Self::Finding => "finding",
        }
    }
}

/// A mark or a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Quotes,
    Bullets,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// Nothing that rules could find, and why.
    Nothing(&'static str),
    /// A mark or a list.
    Form(Form),
    /// All of `terms`; `examples` may be there in part.
    Terms {
        terms: Vec<Term>,
        examples: Vec<Term>,
        /// Whether it has to be asked.
        asked: bool,
        /// Whether words limit or order it, so that finding all terms does not show it.
        limited: bool,
    },
}

/// A criterion, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub kind: WrittenKind,
    /// Whether it is met where what it names is missing.
    pub lacking: bool,
    pub wanted: Wanted,
}

impl Reading {
    /// Reads a criterion in words, as HealthBench's are.
    pub fn of(criterion: &str, terms: &Terms) -> Self {
        let lists = terms.lists();
        let text = without_justification(criterion);
        let all = words(&text);
        let nothing = |kind, lacking, why| Self { kind, lacking, wanted: Wanted::Nothing(why) };
        if all.len() > MOST_WORDS || text.trim().contains('\n') {
            return nothing(WrittenKind::Other, false, "has several conditions");
        }
        let (verb, lack) = verb(&all, lists);
        let lacking = lack.is_some();
        if let Some(form) = form(&text) {
            return Self { kind: WrittenKind::Form, lacking, wanted: Wanted::Form(form) };
        }
        if all.iter().any(|word| lists.manner.contains(word)) {
            return nothing(WrittenKind::Manner, lacking, "is about the manner of the whole");
        }
        let begins = |with: &std::collections::HashSet<String>| {
            verb.as_deref().is_some_and(|verb| {
                [verb.to_owned(), format!("{verb}s"), format!("{verb}es")].iter().any(|it| with.contains(it))
            })
        };
        let asked = begins(&lists.asks);
        if !asked && !begins(&lists.states) {
            return nothing(WrittenKind::Other, lacking, "only a reader can say");
        }
        let kind = match (lacking, asked) {
            (true, _) => WrittenKind::Lack,
            (false, true) => WrittenKind::Question,
            (false, false) => WrittenKind::Statement,
        };
        let core = EXAMPLES.replace_all(&text, " ");
        let core = match lack {
            Some(words) => after_words(&core, words, lists).to_owned(),
            None => core.into_owned(),
        };
        let read = |text: &str| terms.read(&terms.tokens(text));
        let is_verb = |term: &Term| {
            term.named == Named::Word && term.stems.iter().all(|stem| lists.verbs.contains(stem))
        };
        let wanted = distinct(read(&core).into_iter().filter(|term| !is_verb(term)));
        let examples = EXAMPLES.find_iter(&text).flat_map(|it| read(it.as_str())).collect();
        let limited = all.iter().any(|word| lists.limits.contains(word));
        Self { kind, lacking, wanted: Wanted::Terms { terms: wanted, examples, asked, limited } }
    }

    /// Reads a line of a checklist: all that it names.
    pub fn of_finding(line: &str, terms: &Terms) -> Self {
        let line = line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '-'));
        let wanted = distinct(terms.read(&terms.tokens(line)).into_iter());
        let wanted = Wanted::Terms { terms: wanted, examples: Vec::new(), asked: false, limited: false };
        Self { kind: WrittenKind::Finding, lacking: false, wanted }
    }
}

/// Examples, in brackets or up to the end of the sentence.
static EXAMPLES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\((?:e\.?g\.?|such as|for example|including)[^)]*\)|,?\s*\b(?:such as|for example|for instance|including|e\.g\.)[^.;)]*",
    )
    .unwrap_or_else(|error| panic!("the pattern of examples is broken: {error}"))
});

/// The criterion without the reason that its author gives in brackets.
fn without_justification(criterion: &str) -> String {
    let Some(from) = criterion.find("(Justification") else { return criterion.to_owned() };
    let after = criterion.rfind(')').filter(|end| *end > from).map_or("", |end| &criterion[end + 1..]);
    format!("{}{after}", &criterion[..from])
}

/// The word where a verb stands; and, where the words before it look for something missing, how many words lead up to it.
fn verb(all: &[String], lists: &Lists) -> (Option<String>, Option<usize>) {
    let skip = |words: &[String]| words.iter().take_while(|word| lists.openings.contains(*word)).count();
    let before = skip(all);
    let rest = &all[before..];
    let lack = lists.lacks.iter().find(|lack| rest.len() > lack.len() && rest.starts_with(lack));
    let lack = lack.map(|lack| before + lack.len());
    let rest = &all[lack.unwrap_or(before)..];
    (rest.get(skip(rest)).cloned(), lack)
}

/// The text after its first `count` words.
fn after_words<'a>(text: &'a str, count: usize, lists: &Lists) -> &'a str {
    let tokens = super::token::tokens(text, lists);
    let words = tokens.iter().filter(|token| token.word().is_some());
    let last = words.take(count).last();
    last.and_then(|last| text.get(last.end..)).unwrap_or(text)
}

/// The form that a criterion is about, if it is.
fn form(text: &str) -> Option<Form> {
    let lower = text.to_lowercase();
    if lower.contains("quotation mark") {
        Some(Form::Quotes)
    } else if lower.contains("bullet point") {
        Some(Form::Bullets)
    } else {
        None
    }
}

/// Terms, each once.
fn distinct(terms: impl Iterator<Item = Term>) -> Vec<Term> {
    let mut kept: Vec<Term> = Vec::new();
    for term in terms {
        if kept.iter().all(|other| {
            other.named != term.named || (term.named == Named::Word && other.stems != term.stems)
        }) {
            kept.push(term);
        }
    }
    kept
}

//! What a written criterion looks for.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::lists::Lists;
use super::stance::Stance;
use super::term::{Named, Term, Terms};
use super::token::{Token, words};

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
        /// On which side of opposites it is, and whether it is for or against.
        stance: Stance,
        /// What to look for beside the terms where there are few of them.
        short: Short,
    },
}

/// What a criterion of few terms looks for beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    /// Something that rules do not see.
    Unknown,
    /// Nothing: it is enough to name them.
    Named,
    /// An advice.
    Advice,
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
        let tokens = terms.tokens(&core);
        let read = |text: &str| terms.read(&terms.tokens(text));
        let is_verb = |term: &Term| {
            term.named == Named::Word && term.stems.iter().all(|stem| lists.verbs.contains(stem))
        };
        let named = terms.read(&tokens);
        let short = short(&tokens, &named, verb.as_deref(), lists);
        // The verb says what the criterion looks for and not how: `claims that ..`, `raises the possibility ..`.
        let verb_at = tokens.iter().position(|token| token.word() == verb.as_deref());
        let said = tokens.iter().enumerate().filter(|(at, _)| Some(*at) != verb_at).map(|(_, token)| token);
        let stance = Stance::of(said, lists);
        let wanted = distinct(named.into_iter().filter(|term| !is_verb(term)));
        let examples = EXAMPLES.find_iter(&text).flat_map(|it| read(it.as_str())).collect();
        let limited = all.iter().any(|word| lists.limits.contains(word));
        let wanted = Wanted::Terms { terms: wanted, examples, asked, limited, stance, short };
        Self { kind, lacking, wanted }
    }

    /// Reads a line of a checklist: all that it names.
    pub fn of_finding(line: &str, terms: &Terms) -> Self {
        let line = line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '-'));
        let tokens = terms.tokens(line);
        let wanted = Wanted::Terms {
            terms: distinct(terms.read(&tokens).into_iter()),
            examples: Vec::new(),
            asked: false,
            limited: false,
            stance: Stance::of(tokens.iter(), terms.lists()),
            short: Short::Unknown,
        };
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

/// What a criterion with few terms looks for beside them: nothing but its verb and plain words may stand beside what it names, of which something
/// has to be a concept or a known phrase.
fn short(tokens: &[Token], named: &[Term], verb: Option<&str>, lists: &Lists) -> Short {
    let known = named.iter().any(|term| matches!(term.named, Named::Concept(_) | Named::Same(_)));
    let covered = |token: &Token| named.iter().any(|term| term.span.contains(&token.start));
    let plain = |word: &str| {
        verb == Some(word)
            || lists.plain.contains(word)
            || lists.openings.contains(word)
            || lists.negators.contains(word)
    };
    // A number's unit stands beside it.
    let unit = |word: &str| lists.units.contains_key(word) && named.iter().any(Term::is_measure);
    let mut beside = tokens.iter().filter(|token| !covered(token)).filter_map(Token::word);
    let Some(verb) = verb.filter(|_| known && beside.all(|word| plain(word) || unit(word))) else {
        return Short::Unknown;
    };
    if lists.mentioning.contains(verb) {
        Short::Named
    } else if lists.recommending.contains(verb) {
        Short::Advice
    } else {
        Short::Unknown
    }
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
            other.named != term.named
                || other.of != term.of
                || (term.named == Named::Word && other.stems != term.stems)
        }) {
            kept.push(term);
        }
    }
    kept
}

//! Criteria that people wrote, judged by rules where rules can be sure.
//!
//! Reading order: [`criterion`] (what a criterion looks for), then `term` (what a text names: concepts, numbers with units, words, and
//! whether they are denied) and this file. A verdict needs all that is named within two sentences, denied alike; or nothing of it
//! anywhere. Between the two, and for whatever is about the manner of the whole, it is `NotJudged`.
//!
//! Items with a [`Check`](super::criterion::Check) are not judged here: [`RuleJudge`](super::RuleJudge) does, by the case.

pub mod criterion;
mod lists;
mod term;
#[cfg(test)]
mod tests;
pub(super) mod token;

use std::collections::BTreeSet;
use std::ops::Range;

use super::criterion::Judgement;
use super::model_judge::evidence::quoted;
use crate::data::hash;

pub use self::criterion::WrittenKind;

use self::criterion::{Form, Reading, Wanted};
use self::term::{Named, Term, Terms};
use self::token::{Kind, Token};

/// Sentences in a row that all terms of a statement have to stand in.
const WINDOW: usize = 2;
/// A statement with fewer terms says too little to be found, or missed, for sure.
const FEWEST_TERMS: usize = 3;
/// From as many terms on, four of five show a statement, if all concepts and numbers are among them.
const MANY_TERMS: usize = 5;
/// From as many terms on, a statement of which at most a seventh is there was not made.
const ALL_BUT_MISSING: usize = 7;
/// An English text has at least this share of words without content.
const ENGLISH: f64 = 0.22;

/// Judges written criteria by rules. It knows English only.
#[derive(Debug, Clone, Copy)]
pub struct WrittenJudge {
    terms: &'static Terms,
}

/// A judgement with what the criterion was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenJudgement {
    /// The kind of criterion.
    pub kind: WrittenKind,
    /// The judgement.
    pub judgement: Judgement,
}

/// Whether a text says something.
enum Found {
    Yes(Range<usize>),
    No,
    Unsure(String),
}

impl WrittenJudge {
    /// A judge by the bundled lexicon and `data/written.toml`.
    pub fn bundled() -> Self {
        Self { terms: Terms::bundled() }
    }

    /// A hash of the words that it judges by.
    pub fn identity() -> String {
        let lists = hash::fnv1a(lists::TEXT.as_bytes());
        hash::text(hash::go_on(lists, include_bytes!("../../../data/lexicon.toml")))
    }

    /// Judges `text` by a criterion such as HealthBench's.
    pub fn judge(&self, criterion: &str, text: &str) -> WrittenJudgement {
        let reading = Reading::of(criterion, self.terms);
        let found = match &reading.wanted {
            Wanted::Nothing(why) => Found::Unsure((*why).to_owned()),
            Wanted::Form(form) => find_form(*form, text),
            Wanted::Terms { .. } if !self.is_english(text) => Found::Unsure("is not in English".to_owned()),
            Wanted::Terms { terms, examples, asked, limited } => {
                self.find(text, terms, examples, *asked, *limited)
            }
        };
        said(&reading, found)
    }

    /// Judges a note by a line of a checklist: whether the note holds the finding, denied where the line denies it.
    pub fn judge_finding(&self, line: &str, note: &str) -> WrittenJudgement {
        let reading = Reading::of_finding(line, self.terms);
        let found = match &reading.wanted {
            Wanted::Terms { terms, .. } => self.find_finding(note, terms),
            _ => Found::Unsure("only a reader can say".to_owned()),
        };
        said(&reading, found)
    }

    fn is_english(&self, text: &str) -> bool {
        let words = token::words(text);
        let function = words.iter().filter(|word| self.terms.lists().function.contains(*word)).count();
        words.is_empty() || function as f64 >= ENGLISH * words.len() as f64
    }

    fn find(&self, text: &str, wanted: &[Term], examples: &[Term], asked: bool, limited: bool) -> Found {
        if wanted.is_empty() {
            return Found::Unsure("names nothing that could be found".to_owned());
        }
        let tokens = self.terms.tokens(text);
        let have = self.terms.read(&tokens);
        let questions = questions(&tokens);
        if asked && questions.is_empty() && !self.requests(text) {
            return Found::No;
        }
        let fits = |term: &&Term| !asked || questions.contains(&term.sentence);
        let source: Vec<&Term> = have.iter().filter(fits).collect();
        if wanted.len() >= FEWEST_TERMS
            && !limited
            && let Some(span) = self.window(wanted, &source, WINDOW, true)
        {
            return Found::Yes(span);
        }
        let pool: Vec<&Term> = wanted.iter().chain(examples).collect();
        let is_there = |want: &Term| have.iter().any(|have| self.terms.near(want, have));
        let there = pool.iter().filter(|want| is_there(want)).count();
        let measures = || wanted.iter().filter(|want| matches!(want.named, Named::Number(_, Some(_))));
        let no_measure = measures().next().is_some() && !measures().any(is_there);
        let missing = pool.len() >= FEWEST_TERMS && there == 0;
        let mostly = pool.len() >= ALL_BUT_MISSING && 7 * there <= pool.len();
        let unmeasured = pool.len() >= FEWEST_TERMS && no_measure && 3 * there <= pool.len();
        if missing || mostly || unmeasured {
            return Found::No;
        }
        Found::Unsure(format!("{there} of {} things named are there", pool.len()))
    }

    fn find_finding(&self, note: &str, wanted: &[Term]) -> Found {
        let Some(first) = wanted.first() else {
            return Found::Unsure("names nothing that could be found".to_owned());
        };
        let have = self.terms.read(&self.terms.tokens(note));
        if let Some(span) = self.window(wanted, &have.iter().collect::<Vec<_>>(), 1, false) {
            return Found::Yes(span);
        }
        let there = wanted.iter().filter(|want| have.iter().any(|have| self.terms.near(want, have))).count();
        // A single common word may stand for what the note says in another.
        let telling = wanted.len() > 1 || matches!(first.named, Named::Concept(_) | Named::Same(_));
        if there == 0 && telling {
            return Found::No;
        }
        Found::Unsure(format!("{there} of {} things named are there", wanted.len()))
    }

    /// Where `source` has all of `wanted` within `width` sentences, denied alike; with `most`, four of five of many.
    fn window(&self, wanted: &[Term], source: &[&Term], width: usize, most: bool) -> Option<Range<usize>> {
        let sentences: BTreeSet<usize> = source.iter().map(|term| term.sentence).collect();
        sentences.into_iter().find_map(|first| {
            let within = |term: &&&Term| (first..first + width).contains(&term.sentence);
            let mut hits = 0;
            let mut names_missing = false;
            let mut span: Option<Range<usize>> = None;
            for want in wanted {
                let mut window = source.iter().filter(within);
                let hit = window.find(|have| self.terms.same(want, have) && want.negated == have.negated);
                match hit {
                    Some(hit) => {
                        hits += 1;
                        span = Some(match span {
                            Some(span) => span.start.min(hit.span.start)..span.end.max(hit.span.end),
                            None => hit.span.clone(),
                        });
                    }
                    None => names_missing |= want.named != Named::Word,
                }
            }
            let enough = most && wanted.len() >= MANY_TERMS && 5 * hits >= 4 * wanted.len() && !names_missing;
            span.filter(|_| hits == wanted.len() || enough)
        })
    }

    fn requests(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        self.terms.lists().requests.iter().any(|request| lower.contains(request))
    }
}

/// The sentences that end with a question mark.
fn questions(tokens: &[Token]) -> BTreeSet<usize> {
    let asked = tokens.iter().filter(|token| token.kind == Kind::End('?'));
    asked.map(|token| token.sentence).collect()
}

fn find_form(form: Form, text: &str) -> Found {
    match form {
        Form::Quotes if !quoted(text).is_empty() => Found::Yes(0..text.len()),
        Form::Quotes => Found::No,
        Form::Bullets => {
            let item = |line: &&str| line.trim_start().starts_with(['-', '*', '\u{2022}', '\u{2013}']);
            if text.lines().filter(item).count() > 1 {
                Found::Yes(0..text.len())
            } else {
                Found::Unsure("has no list that could be told".to_owned())
            }
        }
    }
}

/// The judgement of a criterion by what was found: turned round where it looks for something missing.
fn said(reading: &Reading, found: Found) -> WrittenJudgement {
    let judgement = match (found, reading.lacking) {
        (Found::Unsure(why), _) => Judgement::not_judged(why),
        (Found::Yes(span), false) => Judgement::met(Some((span.start, span.end)), "says it"),
        (Found::Yes(_), true) => Judgement::not_met("says it"),
        (Found::No, false) => Judgement::not_met("says nothing of it"),
        (Found::No, true) => Judgement::met(None, "says nothing of it"),
    };
    WrittenJudgement { kind: reading.kind, judgement }
}

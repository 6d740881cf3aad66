//! Criteria that people wrote, judged by rules where rules can be sure.
//!
//! Reading order: [`criterion`] (what a criterion looks for), then `term` (what a text names: concepts, numbers with units (`amount`), words, and
//! whether they are denied), `stance` (whether words around them turn it round), `asking` (which sentences are questions) and this file. A
//! verdict needs all that is named within two sentences, denied alike and plainly said; or nothing of it anywhere. Between the two, and for
//! whatever is about the manner of the whole, it is `NotJudged`.
//!
//! `claim` says of two criteria whether they mean the opposite.
//!
//! Items with a [`Check`](super::criterion::Check) are not judged here: [`RuleJudge`](super::RuleJudge) does, by the case.

mod amount;
mod asking;
pub(in crate::rubric) mod claim;
pub mod criterion;
mod lists;
mod stance;
#[cfg(test)]
mod table;
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

use self::asking::Asking;
use self::criterion::{Form, Reading, Short, Wanted};
use self::lists::Lists;
use self::stance::Stance;
use self::term::{Named, Term, Terms};
use self::token::Token;

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
/// Texts of at most so many words may have fewer, if a quarter of what is no name is English.
const SHORT_TEXT: usize = 20;

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
            Wanted::Terms { terms, examples, asked, limited, stance, short } => {
                let (asked, limited, short) = (*asked, *limited, *short);
                self.find(text, &Sought { wanted: terms, examples, asked, limited, stance, short })
            }
        };
        said(&reading, found)
    }

    /// Judges a note by a line of a checklist: whether the note holds the finding, denied where the line denies it.
    pub fn judge_finding(&self, line: &str, note: &str) -> WrittenJudgement {
        let reading = Reading::of_finding(line, self.terms);
        let found = match &reading.wanted {
            Wanted::Terms { terms, stance, .. } => self.find_finding(note, terms, stance),
            _ => Found::Unsure("only a reader can say".to_owned()),
        };
        said(&reading, found)
    }

    /// Whether a text is in English: by its words without content, of a short one also by what is no name and no unit.
    fn is_english(&self, text: &str) -> bool {
        let lists = self.terms.lists();
        let words = token::words(text);
        let function = words.iter().filter(|word| lists.function.contains(*word)).count();
        if words.is_empty() || function as f64 >= ENGLISH * words.len() as f64 {
            return true;
        }
        if words.len() > SHORT_TEXT {
            return false;
        }
        let tokens = self.terms.tokens(text);
        let (mut known, mut telling) = (0, 0);
        for (at, token) in tokens.iter().enumerate() {
            let Some(word) = token.word().filter(|_| !self.terms.is_international(&tokens, at)) else {
                continue;
            };
            telling += 1;
            // `no` is a word of other languages too.
            let english = lists.function.contains(word)
                || lists.imperatives.contains(word)
                || (lists.negators.contains(word) && word != "no");
            known += usize::from(english);
        }
        4 * known >= telling
    }

    fn find(&self, text: &str, criterion: &Sought) -> Found {
        let Sought { wanted, examples, asked, limited, stance, short } = *criterion;
        if wanted.is_empty() {
            return Found::Unsure("names nothing that could be found".to_owned());
        }
        let tokens = self.terms.tokens(text);
        let lists = self.terms.lists();
        let have = self.terms.read(&tokens);
        let asking = Asking::of(&tokens, lists);
        if asked && !asking.some && !self.requests(text) {
            return Found::No;
        }
        // Who asks something does not say it, and who quotes does not say it himself.
        let fits = |term: &&Term| {
            let sentence = &term.sentence;
            !term.quoted
                && if asked { asking.asked.contains(sentence) } else { !asking.marked.contains(sentence) }
        };
        let source: Vec<&Term> = have.iter().filter(fits).collect();
        let known = |term: &Term| matches!(term.named, Named::Concept(_) | Named::Same(_));
        // Several things may be asked for in as many questions.
        let width = if asked && wanted.iter().all(known) { WINDOW.max(wanted.len()) } else { WINDOW };
        let plainly = |hits: &Hits| {
            let said = Stance::of(stance::around(&tokens, &hits.sentences), lists);
            // A question may name both sides of an opposite.
            if asked { !stance.crosses(&said, false) } else { !stance.unlike(&said) }
        };
        let most = Search { width, most: true };
        if wanted.len() >= FEWEST_TERMS
            && !limited
            && let Some(hits) = self.window(wanted, &source, most, plainly)
        {
            return Found::Yes(hits.span);
        }
        let suits = |hits: &Hits| match short {
            Short::Unknown => false,
            Short::Named => plainly(hits),
            Short::Advice => plainly(hits) && hits.sentences.iter().all(|it| advises(&tokens, *it, lists)),
        };
        let all = Search { width: 1, most: false };
        if wanted.len() < FEWEST_TERMS
            && !limited
            && !asked
            && let Some(hits) = self.window(wanted, &source, all, suits)
        {
            return Found::Yes(hits.span);
        }
        let pool: Vec<&Term> = wanted.iter().chain(examples).collect();
        let is_there = |want: &Term| have.iter().any(|have| self.terms.near(want, have));
        let there = pool.iter().filter(|want| is_there(want)).count();
        let measures = || wanted.iter().filter(|want| want.is_exact());
        let no_measure = measures().next().is_some() && !measures().any(is_there);
        let missing = pool.len() >= FEWEST_TERMS && there == 0;
        let mostly = pool.len() >= ALL_BUT_MISSING && 7 * there <= pool.len();
        let unmeasured = pool.len() >= FEWEST_TERMS && no_measure && 3 * there <= pool.len();
        if missing || mostly || unmeasured {
            return Found::No;
        }
        Found::Unsure(if there == pool.len() {
            "names all of it, but perhaps says something else".to_owned()
        } else {
            format!("{there} of {} things named are there", pool.len())
        })
    }

    fn find_finding(&self, note: &str, wanted: &[Term], stance: &Stance) -> Found {
        let Some(first) = wanted.first() else {
            return Found::Unsure("names nothing that could be found".to_owned());
        };
        let lists = self.terms.lists();
        let tokens = self.terms.tokens(note);
        let have = self.terms.read(&tokens);
        // Notes tell much in a line: only what is on the other side alone is something else.
        let alike = |hits: &Hits| {
            let said = tokens.iter().filter(|token| hits.sentences.contains(&token.sentence));
            !stance.crosses(&Stance::of(said, lists), false)
        };
        let all = Search { width: 1, most: false };
        if let Some(hits) = self.window(wanted, &have.iter().collect::<Vec<_>>(), all, alike) {
            return Found::Yes(hits.span);
        }
        let there = wanted.iter().filter(|want| have.iter().any(|have| self.terms.near(want, have))).count();
        // A single common word may stand for what the note says in another.
        let telling = wanted.len() > 1 || matches!(first.named, Named::Concept(_) | Named::Same(_));
        if there == 0 && telling {
            return Found::No;
        }
        Found::Unsure(format!("{there} of {} things named are there", wanted.len()))
    }

    /// Where `source` has all of `wanted` close together, denied alike, and `suits` agrees.
    fn window(
        &self,
        wanted: &[Term],
        source: &[&Term],
        search: Search,
        suits: impl Fn(&Hits) -> bool,
    ) -> Option<Hits> {
        let sentences: BTreeSet<usize> = source.iter().map(|term| term.sentence).collect();
        sentences.into_iter().find_map(|first| {
            let within = |term: &&&Term| (first..first + search.width).contains(&term.sentence);
            let mut count = 0;
            let mut names_missing = false;
            let mut hits: Option<Hits> = None;
            for want in wanted {
                let mut window = source.iter().filter(within);
                let hit = window.find(|have| self.terms.same(want, have) && want.negated == have.negated);
                if let Some(hit) = hit {
                    count += 1;
                    let hits = hits
                        .get_or_insert_with(|| Hits { span: hit.span.clone(), sentences: BTreeSet::new() });
                    hits.span = hits.span.start.min(hit.span.start)..hits.span.end.max(hit.span.end);
                    hits.sentences.insert(hit.sentence);
                } else {
                    // What is there but denied otherwise is not left out by chance.
                    let otherwise = source.iter().filter(within).any(|have| self.terms.same(want, have));
                    let polar = want.stems.iter().any(|stem| self.terms.lists().polar.contains(stem));
                    names_missing |= want.named != Named::Word || otherwise || polar;
                }
            }
            let enough =
                search.most && wanted.len() >= MANY_TERMS && 5 * count >= 4 * wanted.len() && !names_missing;
            hits.filter(|hits| (count == wanted.len() || enough) && suits(hits))
        })
    }

    fn requests(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        self.terms.lists().requests.iter().any(|request| lower.contains(request))
    }
}

/// What is looked for: the parts of [`Wanted::Terms`].
#[derive(Clone, Copy)]
struct Sought<'a> {
    wanted: &'a [Term],
    examples: &'a [Term],
    asked: bool,
    limited: bool,
    stance: &'a Stance,
    short: Short,
}

/// How terms are looked for.
#[derive(Clone, Copy)]
struct Search {
    /// Sentences in a row that they may stand in.
    width: usize,
    /// Whether four of five of many are enough.
    most: bool,
}

/// Terms that were found.
struct Hits {
    span: Range<usize>,
    sentences: BTreeSet<usize>,
}

/// Whether a sentence advises something, on no condition.
fn advises(tokens: &[Token], sentence: usize, lists: &Lists) -> bool {
    let of_sentence = tokens.iter().filter(|token| token.sentence == sentence);
    let words: Vec<&str> = of_sentence.filter_map(Token::word).collect();
    let first = words.iter().find(|word| !matches!(**word, "so" | "then" | "and" | "now" | "first"));
    let begins = first.is_some_and(|word| lists.imperatives.contains(*word));
    let advises = begins || words.iter().any(|word| lists.advising.contains(*word));
    advises && !words.iter().any(|word| lists.conditions.contains(*word))
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

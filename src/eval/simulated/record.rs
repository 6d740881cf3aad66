//! What a case holds, as labels are read from it: its atomic facts, what they name, the numbers in them.
//!
//! None of it is the patient's own reading: concepts are found by plain phrases ([`Concepts`]), not by
//! [`crate::data::utterance`], and nothing of [`crate::sim::check`] is used.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::data::case::{Case, Fact, Finding, Reveal, Topic};
use crate::data::import::concept::{Concepts, names_one_of};
use crate::data::import::sentence::sentences;
use crate::data::lexicon::{ConceptKind, Lexicon};

use super::words::{content, denials, denied_at, holds, numbers, words};

/// This share of an atom's words conveys it.
const CONVEYED: f64 = 0.8;
/// Fewer words of content prove nothing unless they stand together.
const FEW: usize = 3;

/// Kinds of concepts that a sentence may claim.
pub const CLAIMED: [ConceptKind; 4] =
    [ConceptKind::Symptom, ConceptKind::Condition, ConceptKind::Substance, ConceptKind::Circumstance];

/// One atomic fact: facts of the case that say the same words, under however many names they are filed.
#[derive(Debug, Clone)]
pub struct Atom {
    /// Places in `case.facts`.
    pub facts: Vec<usize>,
    /// The chart's words.
    pub text: String,
    /// The patient's words, if the patient knows it.
    pub said: Option<String>,
    /// Whether only an examination or a test shows it.
    pub finding: bool,
    /// Whether it denies what it is about.
    pub absent: bool,
    /// Whether it tells more of the person than most questions need.
    pub private: bool,
    own: Vec<String>,
    chart: Vec<String>,
    own_sentences: Vec<Vec<String>>,
    content: BTreeSet<String>,
}

impl Atom {
    fn new(case: &Case, facts: Vec<usize>) -> Self {
        let of = |at: &usize| case.facts.get(*at);
        let first = facts.first().and_then(of);
        let text = first.map(|fact| fact.text.clone()).unwrap_or_default();
        let said = first.and_then(|fact| fact.said.clone());
        let spoken = said.as_deref().unwrap_or(&text);
        let own = words(spoken);
        Self {
            finding: first.is_some_and(is_finding),
            absent: first.is_some_and(|fact| fact.finding == Finding::Absent),
            private: facts.iter().filter_map(of).any(|fact| fact.private),
            own_sentences: sentences(spoken).into_iter().map(words).collect(),
            content: content(&own),
            chart: words(&text),
            own,
            facts,
            text,
            said,
        }
    }

    /// Whether `said`, a reply or a sentence of it, tells this: in its own words, or in most of its words and as much denied.
    pub fn conveyed(&self, said: &[String]) -> bool {
        if (self.own.len() > 1 && holds(said, &self.own))
            || (self.chart.len() > 3 && holds(said, &self.chart))
        {
            return true;
        }
        let found = content(said);
        let shared = self.content.iter().filter(|word| found.contains(*word)).count();
        self.content.len() >= FEW
            && shared as f64 >= CONVEYED * self.content.len() as f64
            && (denials(said) > 0) == (denials(&self.own) > 0)
    }

    /// Whether `reply`, sentence by sentence, tells this: words of far apart sentences together do not.
    pub fn told_in(&self, reply: &[Vec<String>]) -> bool {
        let most = self.own_sentences.len().clamp(1, reply.len().max(1));
        (1..=most).any(|count| reply.windows(count).any(|together| self.conveyed(&together.concat())))
    }

    /// Where all its sentences stand in `reply`, word by word and one after another.
    pub fn stands_in(&self, reply: &[Vec<String>]) -> Option<Range<usize>> {
        // `Yes.` alone is nobody's.
        if self.own.len() < 2 || self.own_sentences.is_empty() {
            return None;
        }
        let own = self.own_sentences.as_slice();
        reply.windows(own.len()).position(|there| there == own).map(|from| from..from + own.len())
    }

    /// Whether `sentence` is one of its own, or holds one.
    fn quoted_by(&self, sentence: &[String]) -> bool {
        let holds_own =
            |own: &Vec<String>| own.len() > 1 && holds(sentence, own) && denials(sentence) == denials(own);
        self.own_sentences.iter().any(|own| own == sentence || holds_own(own))
    }

    /// Whether the chart's own words stand in `said`, where they are not the patient's: neither the same nor a part of what the
    /// patient would say and said (`I have` and a name from the chart).
    pub fn read_out(&self, said: &[String]) -> bool {
        let patients = self.chart == self.own || (holds(&self.own, &self.chart) && holds(said, &self.own));
        self.said.is_some() && !patients && self.chart.len() > 4 && holds(said, &self.chart)
    }

    /// Whether `said` has the patient's words for this, and they have those of the chart for `other`.
    fn says_chart_of(&self, other: &Self, said: &[String]) -> bool {
        holds(&self.own, &other.chart) && holds(said, &self.own)
    }
}

fn is_finding(fact: &Fact) -> bool {
    matches!(fact.topic, Topic::Examination | Topic::Test)
        || matches!(fact.reveal, Reveal::OnExamination | Reveal::OnTest)
}

/// How the record stands to something that is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It says so.
    Holds,
    /// It says the contrary.
    Contradicts,
    /// It says nothing of it.
    Silent,
}

/// A case with what labels are read from.
#[derive(Debug)]
pub struct Record<'a> {
    /// The case.
    pub case: &'a Case,
    /// Its atomic facts in their order, those that are never told left out.
    pub atoms: Vec<Atom>,
    lexicon: &'a Lexicon,
    concepts: &'a Concepts,
    claims: Vec<(String, bool)>,
    numbers: BTreeSet<String>,
    names: Vec<String>,
}

impl<'a> Record<'a> {
    /// The record of `case`; `forbidden` are the names of the diagnosis that the patient's script has.
    pub fn new(case: &'a Case, forbidden: &[String], lexicon: &'a Lexicon, concepts: &'a Concepts) -> Self {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (at, fact) in case.facts.iter().enumerate().filter(|(_, fact)| fact.reveal != Reveal::Never) {
            let same = |group: &&mut Vec<usize>| {
                group.first().and_then(|first| case.facts.get(*first)).is_some_and(|first| {
                    (&first.text, &first.said) == (&fact.text, &fact.said)
                        && is_finding(first) == is_finding(fact)
                })
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
        }
        let atoms = groups.into_iter().map(|facts| Atom::new(case, facts)).collect();
        let mut names = vec![case.truth.diagnosis.to_lowercase()];
        names
            .extend(lexicon.get(&case.truth.diagnosis).into_iter().flat_map(|it| it.phrases.iter().cloned()));
        names.extend(forbidden.iter().cloned());
        names.retain(|name| !name.trim().is_empty());
        let mut record =
            Self { case, atoms, lexicon, concepts, claims: Vec::new(), numbers: BTreeSet::new(), names };
        record.take(&case.opening);
        for fact in &case.facts {
            record.take(&fact.text);
            record.take(fact.said.as_deref().unwrap_or_default());
            record.claims.push((fact.concept.clone(), fact.finding == Finding::Absent));
        }
        record
    }

    fn take(&mut self, text: &str) {
        for sentence in sentences(text) {
            let claimed = self.claimed(sentence);
            self.claims.extend(claimed);
        }
        self.numbers.extend(numbers(&words(text)).map(str::to_owned));
    }

    /// What a sentence claims: concepts, and whether each is denied.
    pub fn claimed(&self, sentence: &str) -> Vec<(String, bool)> {
        let all = words(sentence);
        // The concept's place is that of its part of the sentence: a comma may end what a denial reaches, a list need not.
        let claim = |(name, end): (&str, usize)| (name.to_owned(), denied_at(&all, end.saturating_sub(1)));
        self.named(sentence, &CLAIMED).into_iter().map(claim).collect()
    }

    /// The concepts that a sentence names, each with the number of words up to its end.
    pub fn named(&self, sentence: &str, kinds: &[ConceptKind]) -> Vec<(&'a str, usize)> {
        let all = words(sentence);
        let concepts = self.concepts;
        let place = |name: &'a str| {
            let at = (1..=all.len()).find(|end| {
                let part = all.get(..*end).unwrap_or_default().join(" ");
                concepts.within(&part, kinds).contains(&name)
            });
            (name, at.unwrap_or(all.len()))
        };
        concepts.within(sentence, kinds).into_iter().map(place).collect()
    }

    /// Whether the concept `narrow` is `wide` or one of it.
    pub fn is_a(&self, narrow: &str, wide: &str) -> bool {
        self.lexicon.is_a(narrow, wide)
    }

    /// How the record stands to `concept` being there, or not.
    pub fn stand(&self, concept: &str, denied: bool) -> Stand {
        let related = |name: &str| self.lexicon.is_a(name, concept) || self.lexicon.is_a(concept, name);
        let mut known = self.claims.iter().filter(|(name, _)| related(name)).peekable();
        if known.peek().is_none() {
            Stand::Silent
        } else if known.any(|(_, absent)| *absent == denied) {
            Stand::Holds
        } else {
            Stand::Contradicts
        }
    }

    /// Whether `sentence` is, or holds, a sentence of an atom.
    pub fn quotes(&self, sentence: &[String]) -> bool {
        self.told_by(sentence).next().is_some()
    }

    /// The atoms of which `sentence` is, or holds, a sentence.
    pub fn told_by(&self, sentence: &[String]) -> impl Iterator<Item = &Atom> {
        self.atoms.iter().filter(|atom| atom.quoted_by(sentence) || atom.conveyed(sentence))
    }

    /// How many atoms `said` reads out of the chart. Not those whose chart words are also the patient's own for another atom.
    pub fn read_out(&self, said: &[String]) -> usize {
        let others = |atom: &Atom| self.atoms.iter().any(|other| other.says_chart_of(atom, said));
        self.atoms.iter().filter(|atom| !atom.finding && atom.read_out(said) && !others(atom)).count()
    }

    /// Whether `text` has a number that the record has not.
    pub fn strange_number(&self, text: &[String]) -> bool {
        numbers(text).any(|number| !self.numbers.contains(number))
    }

    /// Whether `text` names the hidden diagnosis or what else it is called.
    pub fn names_diagnosis(&self, text: &str) -> bool {
        names_one_of(text, &self.names)
    }

    /// Whether the doctor's `message` names something that is, or is wider or narrower than, what `atom` is about.
    pub fn is_named(&self, message: &str, atom: &Atom) -> bool {
        let kinds = [
            ConceptKind::Symptom,
            ConceptKind::Condition,
            ConceptKind::Substance,
            ConceptKind::Circumstance,
            ConceptKind::Measure,
            ConceptKind::Examination,
            ConceptKind::Test,
        ];
        // `stress, headache` are two things, `stress headache` is a third.
        let named: Vec<&str> =
            message.split(',').flat_map(|part| self.concepts.within(part, &kinds)).collect();
        self.facts_of(atom).any(|fact| {
            named
                .iter()
                .any(|name| self.lexicon.is_a(&fact.concept, name) || self.lexicon.is_a(name, &fact.concept))
        })
    }

    /// The facts of the case that `atom` is filed under.
    pub fn facts_of<'b>(&'b self, atom: &'b Atom) -> impl Iterator<Item = &'b Fact> {
        atom.facts.iter().filter_map(|at| self.case.facts.get(*at))
    }

    /// The topics of `atom`.
    pub fn topics(&self, atom: &Atom) -> Vec<Topic> {
        self.facts_of(atom).map(|fact| fact.topic).collect()
    }

    /// Whether the case has a finding of exactly the examination or test `name`.
    pub fn has_finding_of(&self, name: &str) -> bool {
        let tells = |fact: &Fact| is_finding(fact) && fact.reveal != Reveal::Never;
        self.case.facts.iter().any(|fact| tells(fact) && fact.concept == name)
    }

    /// Whether `shown` is the finding `atom`, with what was looked at: `rapid test: negative`.
    pub fn shows_atom(&self, atom: &Atom, shown: &str) -> bool {
        let shown = words(shown);
        let mut named = self.facts_of(atom).filter(|fact| holds(&shown, &words(&fact.concept)));
        atom.finding && named.any(|fact| holds(&shown, &words(&fact.text)))
    }

    /// Whether one finding of the case holds nearly all words of `shown`.
    pub fn shows(&self, shown: &str) -> bool {
        let shown = content(&words(shown));
        self.case.facts.iter().filter(|fact| is_finding(fact)).any(|fact| {
            let known = content(&words(&format!("{} {}", fact.concept, fact.text)));
            let shared = shown.iter().filter(|word| known.contains(*word)).count();
            shared as f64 >= 0.9 * shown.len() as f64
        })
    }
}

//! From cues and concepts of a clause to acts: what kind of clause it is, and what a statement does. What a question
//! asks is in `question`.

use std::ops::Range;

use super::act::{Act, Intent};
use super::clauses::Clause;
use super::concepts::{Concepts, Found};
use super::cues::Cue;
use super::pattern::Match;
use super::understanding::{plain, span};
use super::words::{NUMBER, Token, UNKNOWN};
use crate::data::lexicon::ConceptKind;

/// A denial reaches this many words.
pub(super) const DENIAL: usize = 7;

/// A denial before words of empathy that is this near turns them: `I am not at all sorry`.
const UNKIND: usize = 3;

/// A clause without a verb may have so many words that nobody knows; with more it is a heap of words.
const STRANGE: usize = 1;

/// A value stands within so many words after the verb that states it: `is now about 39`.
const VALUE: usize = 3;

/// One clause with all that was found in it.
pub(super) struct Look<'a> {
    pub(super) concepts: &'a Concepts,
    pub(super) tokens: &'a [Token],
    /// The word of each token.
    pub(super) spelled: &'a [String],
    pub(super) found: &'a [Found],
    pub(super) clause: Clause,
    pub(super) cues: Vec<Match<Cue>>,
    /// An earlier clause of the sentence said `if`.
    pub(super) sentence_condition: bool,
    /// An earlier clause of the sentence asked: what follows a comma there is asked too, `Do you smoke, drink ..?`
    pub(super) sentence_asks: bool,
    /// Its sentence states something that the patient is asked to confirm.
    pub(super) leading: bool,
    pub(super) message: &'a str,
}

impl Look<'_> {
    pub(super) fn has(&self, cue: Cue) -> bool {
        self.cues.iter().any(|found| found.meaning == cue)
    }

    /// Whether the clause begins with a word of asking.
    pub(super) fn asks_at_start(&self) -> bool {
        self.cues.iter().any(|found| found.meaning == Cue::Ask && found.first == self.clause.start)
    }

    /// Whether what it says is only so under a condition.
    pub(super) fn condition(&self) -> bool {
        self.has(Cue::Condition) && !self.has(Cue::Whether)
    }

    pub(super) fn span(&self) -> Range<usize> {
        span(self.tokens, self.clause.from, self.clause.to)
    }

    pub(super) fn kind(&self, found: &Found) -> ConceptKind {
        self.concepts.kind(found.concept)
    }

    pub(super) fn of_kind(&self, kinds: &[ConceptKind]) -> Vec<&Found> {
        self.found.iter().filter(|found| kinds.contains(&self.kind(found))).collect()
    }

    pub(super) fn name(&self, found: &Found) -> String {
        self.concepts.name(found.concept).to_owned()
    }

    /// Whether a negation stands within reach before token `at`, with no `but` between, whoever speaks: what a doctor denies besides is in
    /// `denial`.
    pub(super) fn denied(&self, at: usize) -> bool {
        let not = self
            .cues
            .iter()
            .filter(|cue| cue.meaning == Cue::Not && cue.first < at)
            .map(|cue| cue.first)
            .max();
        not.is_some_and(|not| {
            at - not <= DENIAL
                && !self.cues.iter().any(|cue| cue.meaning == Cue::But && cue.first > not && cue.first < at)
        })
    }

    /// Adds what the clause does to `acts`; `last` is the concept that `it` means.
    pub(super) fn acts(&self, acts: &mut Vec<Act>, last: &mut Option<String>) {
        let before = acts.len();
        if self.has(Cue::Foul) {
            acts.push(plain(Intent::Unclear, None, self.span()));
            return;
        }
        self.manners(acts);
        let manners = acts.len() > before;
        if self.asks_who() {
            acts.push(plain(Intent::Identity, None, self.span()));
        } else if self.leading {
            self.question(acts, last);
        } else if self.orders() {
            self.statement(acts, manners);
        } else if self.is_question() {
            if !(manners && !self.has(Cue::Ask) && self.found.is_empty()) {
                self.question(acts, last);
            }
        } else {
            self.statement(acts, manners);
        }
        if let Some(concept) = self.of_kind(&[ConceptKind::Symptom, ConceptKind::Condition]).last()
            && !matches!(self.name(concept).as_str(), "pain")
        {
            *last = Some(self.name(concept));
        }
    }

    pub(super) fn manners(&self, acts: &mut Vec<Act>) {
        for (cue, intent) in [
            (Cue::Greeting, Intent::Greeting),
            (Cue::Empathy, Intent::Empathy),
            (Cue::Goodbye, Intent::Goodbye),
        ] {
            let has = match cue {
                Cue::Empathy => self.cues.iter().any(|it| it.meaning == cue && !self.is_turned(it)),
                // A denial elsewhere in the clause is about something else: `No more questions, goodbye.`
                _ => self.has(cue),
            };
            // `Hello, I am Dr. Lee` is one greeting.
            if has && acts.last().is_none_or(|act| act.intent != intent) {
                acts.push(plain(intent, None, self.span()));
            }
        }
    }

    /// Whether a denial within words of empathy, or shortly before them, makes them their contrary: `That is not hard.` A denial that
    /// they begin with is their own (`not alone`), and `no doubt`, `not only` and `cannot imagine` deny nothing of them.
    fn is_turned(&self, kind: &Match<Cue>) -> bool {
        let between = |not: usize| self.tokens.get(not + 1..kind.first).unwrap_or_default();
        let turns = |not: &Match<Cue>| {
            let within = kind.first < not.first && not.first < kind.end;
            let before = not.first < kind.first
                && kind.first - not.first <= UNKIND
                && !between(not.first).iter().any(|token| token.is_mark());
            let next = self.word(not.end);
            (within || before) && !matches!(next.as_str(), "doubt" | "only" | "just" | "wonder" | "imagine")
        };
        self.cues.iter().filter(|cue| cue.meaning == Cue::Not).any(turns)
    }

    /// Whether it asks who the patient is: `What is your name?`, `Your name please.`
    fn asks_who(&self) -> bool {
        let asks = self.leading || self.is_question() || self.clause.to - self.clause.from <= 4;
        self.has(Cue::Identity) && asks && self.found.is_empty()
    }

    /// Whether the clause says something, as `the pain car banana` does not.
    fn says(&self) -> bool {
        let says = |cue: &Match<Cue>| {
            matches!(
                cue.meaning,
                Cue::Verb
                    | Cue::Not
                    | Cue::Explain
                    | Cue::Recount
                    | Cue::Diagnose
                    | Cue::DiagnoseSurely
                    | Cue::Hedge
                    | Cue::Prescribe
                    | Cue::PrescribeSurely
                    | Cue::Refer
                    | Cue::Advise
                    | Cue::Condition
                    | Cue::Intend
            )
        };
        self.cues.iter().any(says)
    }

    /// How many of its words no rule and no concept knows.
    fn strange(&self) -> usize {
        let tokens = self.tokens.get(self.clause.from..self.clause.to).unwrap_or_default();
        tokens.iter().filter(|token| token.id == UNKNOWN).count()
    }

    /// Whether the clause, question or not, arranges something now: `Can we do an ECG?`
    pub(super) fn orders(&self) -> bool {
        let past = self.has(Cue::AskPast) || self.has(Cue::Ever);
        let things = !self.of_kind(&[ConceptKind::Examination, ConceptKind::Test]).is_empty();
        if self.is_bare_proposal() {
            return true;
        }
        let offers = self.has(Cue::Intend) && (things || self.has(Cue::Examine));
        offers && !past && !self.cues.iter().any(|cue| cue.meaning == Cue::Ask && self.asks_patient(cue))
    }

    /// Whether a test or an examination, with a question mark, is all there is: `An ECG?`
    fn is_bare_proposal(&self) -> bool {
        let all = self.of_kind(&[ConceptKind::Examination, ConceptKind::Test]);
        let named = |at: usize| self.found.iter().any(|found| (found.first..found.end).contains(&at));
        let beside = |at: usize| {
            matches!(
                self.said(at),
                "" | "a"
                    | "an"
                    | "the"
                    | "and"
                    | "or"
                    | "also"
                    | "please"
                    | "perhaps"
                    | "maybe"
                    | "then"
                    | "so"
            )
        };
        self.clause.question
            && !all.is_empty()
            && all.len() == self.found.len()
            && (self.clause.from..self.clause.to).all(|at| named(at) || beside(at))
    }

    /// Whether an asking cue is about the patient (`do you have`), not about leave (`can we`, `would you mind`).
    pub(super) fn asks_patient(&self, cue: &Match<Cue>) -> bool {
        cue.first == self.clause.start && !self.has(Cue::Examine) && !self.has(Cue::Arrange)
    }

    pub(super) fn is_question(&self) -> bool {
        if self.condition() && !self.clause.question {
            return false;
        }
        let asks = || self.cues.iter().filter(|cue| cue.meaning == Cue::Ask);
        if self.has(Cue::Ask) && asks().all(|cue| self.declines(cue)) {
            return false;
        }
        if self.clause.question {
            // `You should rest, okay?` is no question; `You have a fever?` is one.
            return self.has(Cue::Ask)
                || !(self.has(Cue::PrescribeSurely)
                    || self.has(Cue::DiagnoseSurely)
                    || (self.advises_at_start() && !self.sentence_asks)
                    || (self.has(Cue::Refer) && self.has(Cue::Intend)));
        }
        self.asks_at_start() && !self.has(Cue::Recount) || self.asks_anywhere()
    }

    pub(super) fn advises_at_start(&self) -> bool {
        self.cues.iter().any(|cue| cue.meaning == Cue::Advise && cue.first == self.clause.start)
    }

    /// `tell me`, `describe`, `I would like to ask`: asking without a question mark, wherever it stands.
    pub(super) fn asks_anywhere(&self) -> bool {
        self.cues
            .iter()
            .any(|cue| cue.meaning == Cue::Ask && cue.end - cue.first >= 2 && cue.first > self.clause.start)
            && !self.advises_at_start()
            && !self.has(Cue::DiagnoseSurely)
            && (!self.has(Cue::Diagnose) || self.of_kind(&[ConceptKind::Condition]).is_empty())
    }

    pub(super) fn statement(&self, acts: &mut Vec<Act>, manners: bool) {
        let before = acts.len();
        let says = self.says();
        if !says && self.strange() > STRANGE {
            return;
        }
        let unsure = self.condition() || self.sentence_condition;
        let act = |intent, found: &Found| Act {
            negated: self.denies(found),
            ..plain(intent, Some(self.name(found)), self.span())
        };
        let explains = self.explains_only();
        if self.has(Cue::Refer) && !unsure && !self.has(Cue::Recount) {
            let urgent = self.has(Cue::Urgent);
            let concept = self.of_kind(&[ConceptKind::Measure]).first().map(|found| self.name(found));
            let mut refers = self.cues.iter().filter(|cue| cue.meaning == Cue::Refer);
            let negated = refers.all(|cue| self.denies_words(cue.first, cue.end, true));
            acts.push(Act { negated, ..plain(Intent::Referral { urgent }, concept, self.span()) });
        }
        if !unsure && !explains {
            for found in self.of_kind(&[ConceptKind::Examination, ConceptKind::Test]) {
                let examination = self.kind(found) == ConceptKind::Examination;
                if examination
                    && self.concepts.name(found.concept) == "physical examination"
                    && self.found.len() > 1
                {
                    continue;
                }
                if self.has_value(found) {
                    continue;
                }
                acts.push(act(if examination { Intent::Examination } else { Intent::Test }, found));
            }
            if acts.len() == before && self.has(Cue::Examine) && self.has(Cue::Intend) {
                acts.push(plain(Intent::Examination, None, self.span()));
            }
        }
        self.diagnoses(acts, unsure, explains);
        let gives = self.has(Cue::Prescribe) || self.has(Cue::PrescribeSurely);
        let unreal = gives && self.is_unreal();
        let drugs = self.of_kind(&[ConceptKind::Substance]);
        for found in &drugs {
            let prescribes =
                gives && !unreal && !self.has(Cue::Recount) && !self.is_anothers(found.first, found.end);
            if prescribes || says {
                let intent = if prescribes { Intent::Prescription } else { Intent::Explanation };
                acts.push(act(intent, found));
            }
        }
        if drugs.is_empty() && self.has(Cue::PrescribeSurely) {
            acts.push(plain(Intent::Prescription, None, self.span()));
        }
        let measures = self.of_kind(&[ConceptKind::Measure]);
        let referred = acts[before..].iter().any(|act| matches!(act.intent, Intent::Referral { .. }));
        if !referred {
            for found in &measures {
                acts.push(act(Intent::Advice, found));
            }
        }
        let advises = (self.has(Cue::Advise) || self.condition()) && !self.has(Cue::Goodbye);
        if acts.len() == before && advises && (!manners || self.advises_at_start()) {
            let found = self.found.first();
            let negated = found.is_some_and(|found| self.denies(found));
            let concept = found.filter(|_| !self.condition()).map(|found| self.name(found));
            acts.push(Act { negated, ..plain(Intent::Advice, concept, self.span()) });
        }
        if acts.len() == before && !manners && says && (self.has(Cue::Explain) || !self.found.is_empty()) {
            match self.found.first() {
                Some(found) => acts.push(act(Intent::Explanation, found)),
                None => acts.push(plain(Intent::Explanation, None, self.span())),
            }
        }
    }

    /// Whether a test or examination is spoken of, not arranged: `The ECG shows ...`
    pub(super) fn explains_only(&self) -> bool {
        (self.has(Cue::Explain) || self.has(Cue::Recount))
            && !self.has(Cue::Intend)
            && !self.has(Cue::Arrange)
    }

    /// Whether a value of it is stated, which arranges nothing: `Your temperature is 39 degrees.`
    fn has_value(&self, found: &Found) -> bool {
        let states = matches!(self.word(found.end).as_str(), "is" | "are" | "was" | "were");
        let value = (found.end + 1..(found.end + 1 + VALUE).min(self.clause.to))
            .filter_map(|at| self.tokens.get(at))
            .any(|token| token.id == NUMBER);
        states && value && !self.has(Cue::Intend) && !self.has(Cue::Arrange)
    }

    pub(super) fn diagnoses(&self, acts: &mut Vec<Act>, unsure: bool, explains: bool) {
        let conditions = self.of_kind(&[ConceptKind::Condition]);
        let hedged = self.has(Cue::Hedge) || conditions.len() > 1;
        let alone = self.clause.to - self.clause.from <= 5 && acts.is_empty();
        let states = (self.has(Cue::Diagnose) || self.has(Cue::DiagnoseSurely) || alone)
            && !unsure
            && !self.has(Cue::Recount);
        let before = acts.len();
        for found in &conditions {
            if !states && !self.says() {
                continue;
            }
            let states = states && !self.is_anothers(found.first, found.end);
            let intent = if states { Intent::Diagnosis { hedged } } else { Intent::Explanation };
            let negated = self.denies(found);
            acts.push(Act { negated, ..plain(intent, Some(self.name(found)), self.span()) });
        }
        if acts.len() == before && self.has(Cue::DiagnoseSurely) && !unsure && !explains {
            acts.push(plain(Intent::Diagnosis { hedged }, None, self.span()));
        }
    }
}

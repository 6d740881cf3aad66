//! What a doctor's message does for one case: the facts it asks for, what it concludes, what it arranges.

use std::ops::Range;

use crate::data::case::{Aspect, Case, Reveal, Topic};
use crate::data::consultation::Turn;
use crate::data::lexicon::{ConceptKind, Lexicon};
use crate::data::utterance::{Act, Intent, Understanding, asked};

use super::coherence::{Fault, fault};
use super::dose::{Dose, doses_of_drugs};
use super::safety_net::safety_net;
use super::text::{plain, words};

/// Concepts, and how to read messages by them.
#[derive(Debug, Clone, Copy)]
pub struct Language<'a> {
    /// The concepts.
    pub lexicon: &'a Lexicon,
    /// The same, compiled.
    pub understanding: &'a Understanding,
}

impl Language<'static> {
    /// The bundled lexicon.
    pub fn bundled() -> Self {
        Self { lexicon: Lexicon::bundled(), understanding: Understanding::bundled() }
    }
}

/// One thing a message asks for, examines or tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The part of the history.
    pub topic: Topic,
    /// The concept, where one is named.
    pub concept: Option<String>,
    /// What of it.
    pub aspect: Aspect,
}

/// A subject with the facts of the case that answer it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What is asked.
    pub subject: Subject,
    /// Places in `case.facts`; empty where the case knows nothing of it.
    pub facts: Vec<usize>,
    /// Bytes of the message.
    pub span: Range<usize>,
}

/// A condition a message names as what the patient has.
#[derive(Debug, Clone)]
pub struct Named {
    /// The condition.
    pub concept: String,
    /// `could be`, `perhaps`.
    pub hedged: bool,
    /// Bytes of the message.
    pub span: Range<usize>,
}

/// A drug, test, procedure, service or measure a message arranges or advises.
#[derive(Debug, Clone)]
pub struct Arranged {
    /// What it is; `None` where none of the lexicon is named.
    pub concept: Option<String>,
    /// What is done about it.
    pub intent: Intent,
    /// True where the patient is told not to.
    pub negated: bool,
    /// Whether it is a step of treatment: not a test, nor advice that none of the lexicon is named in, nor what is denied and no
    /// more (`do not worry`, `do not come back`). To leave off a drug or a habit is one.
    pub step: bool,
    /// The doses of it that the message states.
    pub doses: Vec<Dose>,
    /// Bytes of the message.
    pub span: Range<usize>,
}

/// A message, read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What was understood.
    pub acts: Vec<Act>,
    /// What is wrong with it as a message.
    pub fault: Option<Fault>,
    /// What it asks for, each subject once.
    pub asks: Vec<Ask>,
    /// What it asks in the open: `what brings you in`, `anything else`.
    pub open: Option<Range<usize>>,
    /// Conditions it says the patient has.
    pub named: Vec<Named>,
    /// What it arranges or advises.
    pub arranged: Vec<Arranged>,
    /// Where it tells the patient to come back or to get help if things go wrong.
    pub safety_net: Option<Range<usize>>,
    /// Its words, without case and punctuation.
    pub plain: String,
    /// How many words it has.
    pub length: usize,
    /// Bytes of the message.
    pub whole: Range<usize>,
}

impl Reading {
    /// Reads `message` for `case`, after `before` was said.
    pub fn new(language: Language, case: &Case, before: &[Turn], message: &str) -> Self {
        let acts = language.understanding.read(message);
        let mut asks: Vec<Ask> = Vec::new();
        for asked in asked(&acts, &case.facts, before, language.lexicon) {
            let Some(act) = acts.get(asked.act) else { continue };
            let topic = match act.intent {
                Intent::Question(topic) => topic,
                Intent::Examination => Topic::Examination,
                _ => Topic::Test,
            };
            let subject = Subject { topic, concept: asked.concept, aspect: act.aspect };
            let tellable = |at: &usize| case.facts.get(*at).is_some_and(|fact| fact.reveal != Reveal::Never);
            let facts: Vec<usize> = asked.facts.into_iter().filter(tellable).collect();
            if asks.iter().all(|ask| ask.subject != subject) {
                asks.push(Ask { subject, facts, span: act.span.clone() });
            }
        }
        let named = acts
            .iter()
            .filter(|act| !act.negated)
            .filter_map(|act| match (act.intent, &act.concept) {
                (Intent::Diagnosis { hedged }, Some(concept)) => {
                    Some(Named { concept: concept.clone(), hedged, span: act.span.clone() })
                }
                _ => None,
            })
            .collect();
        let gives = acts.iter().any(|act| act.intent == Intent::Prescription && !act.negated);
        let stated = if gives { doses_of_drugs(language, message) } else { Vec::new() };
        let stated_of = |act: &Act| -> Vec<Dose> {
            let of_it = stated.iter().filter(|(drug, _)| Some(drug) == act.concept.as_ref());
            of_it.map(|(_, dose)| *dose).collect()
        };
        let arranged = acts
            .iter()
            .filter(|act| {
                matches!(
                    act.intent,
                    Intent::Prescription
                        | Intent::Referral { .. }
                        | Intent::Advice
                        | Intent::Test
                        | Intent::Examination
                )
            })
            .map(|act| Arranged {
                concept: act.concept.clone(),
                intent: act.intent,
                negated: act.negated,
                step: takes_step(language.lexicon, act),
                doses: stated_of(act),
                span: act.span.clone(),
            })
            .collect();
        let plain = plain(message);
        Self {
            fault: fault(message),
            asks,
            open: acts.iter().find(|act| act.intent == Intent::OpenQuestion).map(|act| act.span.clone()),
            named,
            arranged,
            safety_net: safety_net(language, message),
            length: words(message).len(),
            plain,
            whole: 0..message.len(),
            acts,
        }
    }

    /// The first act of an intent that `wanted` accepts.
    pub fn act(&self, wanted: impl Fn(Intent) -> bool) -> Option<&Act> {
        self.acts.iter().find(|act| wanted(act.intent))
    }

    /// How many things it asks for at once. Tests of a plan are not questions to the patient, so they do not count
    /// in a message that names a diagnosis.
    pub fn asked_at_once(&self) -> usize {
        let concludes = !self.named.is_empty();
        self.asks.iter().filter(|ask| !(concludes && ask.subject.topic == Topic::Test)).count()
    }

    /// Drugs it gives.
    pub fn drugs(&self) -> impl Iterator<Item = &Arranged> {
        self.arranged.iter().filter(|step| step.intent == Intent::Prescription && !step.negated)
    }
}

/// Whether an act is a step of treatment.
fn takes_step(lexicon: &Lexicon, act: &Act) -> bool {
    match (act.intent, act.concept.as_deref()) {
        (Intent::Referral { urgent: true }, _) => true,
        (Intent::Prescription | Intent::Referral { .. }, Some(_)) => true,
        // A worry is no habit that could be left off.
        (Intent::Advice, Some(concept)) if act.negated => {
            let kind = lexicon.get(concept).map(|it| it.kind);
            concept != "worry" && matches!(kind, Some(ConceptKind::Substance | ConceptKind::Circumstance))
        }
        (Intent::Advice, Some(_)) => true,
        _ => false,
    }
}

//! What is known at a point of a consultation: what was told, asked and said so far.

use crate::data::case::{Case, Reveal, Topic};
use crate::data::consultation::{Consultation, Turn};
use crate::data::distress::voices_distress;
use crate::data::utterance::Intent;

use super::reading::{Language, Reading, Subject};
use super::text::Runs;

/// What is known before one of the doctor's messages.
#[derive(Debug, Clone)]
pub struct Known {
    /// For each of `case.facts`, whether the patient told it.
    pub told: Vec<bool>,
    /// Whether allergies were asked for or told.
    pub allergies: bool,
    /// Whether the patient voiced distress that the doctor has not answered yet.
    pub distress: bool,
    /// Whether the patient voiced distress at all.
    pub ever_distressed: bool,
    /// For each of `case.facts`, how many messages asked for it.
    pub asked: Vec<u8>,
    /// Concepts the doctor arranged or advised.
    pub arranged: Vec<String>,
    /// Subjects the doctor asked for in words the patient understood, once for each time.
    pub subjects: Vec<Subject>,
    /// The doctor's messages, without case and punctuation.
    pub said: Vec<String>,
    /// What the patient said, to find copies of it.
    pub runs: Runs,
    /// The doctor's messages so far.
    pub turns: usize,
}

impl Known {
    /// What is known when only the opening has been said.
    pub fn opening(case: &Case, opening: &str) -> Self {
        let mut runs = Runs::default();
        runs.add(opening);
        let distress = voices_distress(opening);
        Self {
            told: case.facts.iter().map(|fact| fact.reveal == Reveal::Opening).collect(),
            allergies: case.facts.iter().any(|f| f.reveal == Reveal::Opening && f.topic == Topic::Allergy),
            distress,
            ever_distressed: distress,
            asked: vec![0; case.facts.len()],
            arranged: Vec::new(),
            subjects: Vec::new(),
            said: Vec::new(),
            runs,
            turns: 0,
        }
    }

    /// What is known after all of `so_far`.
    pub fn after(language: Language, case: &Case, so_far: &Consultation) -> Self {
        let mut known = Self::opening(case, &so_far.opening);
        for (at, turn) in so_far.turns.iter().enumerate() {
            let before = so_far.turns.get(..at).unwrap_or_default();
            known.take(case, &Reading::new(language, case, before, &turn.doctor), turn);
        }
        known
    }

    /// Takes in an exchange, of which `reading` is the doctor's message.
    pub fn take(&mut self, case: &Case, reading: &Reading, turn: &Turn) {
        for id in &turn.told {
            if let Some(at) = case.facts.iter().position(|fact| fact.id == *id) {
                self.allergies |= case.facts.get(at).is_some_and(|fact| fact.topic == Topic::Allergy);
                if let Some(told) = self.told.get_mut(at) {
                    *told = true;
                }
            }
        }
        self.allergies |= reading.asks.iter().any(|ask| ask.subject.topic == Topic::Allergy);
        let mut asked: Vec<usize> = reading.asks.iter().flat_map(|ask| ask.facts.iter().copied()).collect();
        asked.sort_unstable();
        asked.dedup();
        for at in asked {
            if let Some(count) = self.asked.get_mut(at) {
                *count = count.saturating_add(1);
            }
        }
        let arranged = reading.arranged.iter().filter(|step| !step.negated);
        self.arranged.extend(arranged.filter_map(|step| step.concept.clone()));
        if turn.understood {
            self.subjects.extend(reading.asks.iter().map(|ask| ask.subject.clone()));
        }
        if reading.act(|intent| intent == Intent::Empathy).is_some() {
            self.distress = false;
        }
        self.said.push(reading.plain.clone());
        if let Some(patient) = &turn.patient {
            self.runs.add(patient);
            let concern = case.facts_on(Topic::Concern).any(|fact| turn.told.contains(&fact.id));
            self.distress |= concern || voices_distress(patient);
            self.ever_distressed |= self.distress;
        }
        self.turns += 1;
    }

    /// Whether `case.facts[fact]` was told.
    pub fn is_told(&self, fact: usize) -> bool {
        self.told.get(fact).copied().unwrap_or(false)
    }

    /// Whether there is no more to be done about `case.facts[fact]`: it was told, or asked for twice. Once is not
    /// enough, since some things are told on trust only, and some come back when they are asked for again.
    pub fn is_settled(&self, fact: usize) -> bool {
        self.is_told(fact) || self.asked.get(fact).is_some_and(|count| *count > 1)
    }
}

//! What is known at a point of a consultation: what was told, asked and said so far.

use crate::data::case::{Case, Reveal, Topic};
use crate::data::consultation::{Consultation, Turn};
use crate::data::distress::voices_distress;
use crate::data::utterance::Intent;

use super::reading::{Language, Reading, Subject};
use super::text::{Runs, plain};

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
    /// The doctor's messages, without case and punctuation; one that was found first.
    pub said: Vec<String>,
    /// What the patient said, to find copies of it.
    pub runs: Runs,
    /// The doctor's messages so far.
    pub turns: usize,
}

impl Known {
    /// What is known before the doctor's first message in `consultation`: the opening, and what the doctor finds said after it. Of that the
    /// patient's words may be copied or have distress in them, and the doctor's may be repeated; nobody has answered them.
    pub fn beginning(case: &Case, consultation: &Consultation) -> Self {
        let Consultation { opening, found, .. } = consultation;
        let heard = || std::iter::once(opening).chain(found.as_ref().map(|found| &found.patient));
        let mut runs = Runs::default();
        heard().for_each(|text| runs.add(text));
        let distress = heard().any(|text| voices_distress(text));
        Self {
            told: case.facts.iter().map(|fact| fact.reveal == Reveal::Opening).collect(),
            allergies: case.facts.iter().any(|f| f.reveal == Reveal::Opening && f.topic == Topic::Allergy),
            distress,
            ever_distressed: distress,
            asked: vec![0; case.facts.len()],
            arranged: Vec::new(),
            subjects: Vec::new(),
            said: found.iter().map(|found| plain(&found.doctor)).collect(),
            runs,
            turns: 0,
        }
    }

    /// What is known after all of `so_far`.
    pub fn after(language: Language, case: &Case, so_far: &Consultation) -> Self {
        let mut known = Self::beginning(case, so_far);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};
    use crate::data::consultation::Found;

    #[test]
    fn what_was_found_is_known_and_was_said_by_nobody_here() {
        let case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
        let bare = Consultation {
            case_id: case.id.clone(),
            opening: "I have a cough.".into(),
            found: None,
            turns: vec![],
            ending: None,
        };
        let found = Found {
            doctor: "I will take your temperature. When did it start?".into(),
            patient: "Please stop for a moment, doctor, I am afraid of what you will find there.".into(),
        };
        let seen = Consultation { found: Some(found), ..bare.clone() };
        let (bare, known) = (Known::beginning(&case, &bare), Known::beginning(&case, &seen));
        assert!(known.distress && known.ever_distressed && !bare.distress);
        assert_eq!(known.said, ["i will take your temperature when did it start"]);
        assert!(
            known
                .runs
                .copied("Please stop for a moment, doctor, I am afraid of what you will find there.")
                .is_some()
        );
        // Nothing was asked or arranged.
        assert_eq!((known.turns, &known.asked, &known.told), (0, &bare.asked, &bare.told));
        assert!(known.subjects.is_empty() && known.arranged.is_empty() && known.allergies == bare.allergies);
        assert_eq!(Known::after(Language::bundled(), &case, &seen).said, known.said);
    }
}

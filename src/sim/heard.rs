//! A doctor's message as the patient hears it: what it does and what it asks for.

use crate::data::consultation::Consultation;
use crate::data::lexicon::Lexicon;
use crate::data::utterance::{Act, Asked, Intent, Understanding, asked};
use crate::sim::script::PatientScript;

/// Everything that the units of a patient look at in one turn.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// What the patient plays from.
    pub script: &'a PatientScript,
    /// What was said before the message.
    pub so_far: &'a Consultation,
    /// The doctor's message.
    pub message: &'a str,
    /// What it does.
    pub acts: Vec<Act>,
    /// What it asks for.
    pub asked: Vec<Asked>,
    /// Reads text by the lexicon.
    pub understanding: &'a Understanding,
    /// The lexicon.
    pub lexicon: &'a Lexicon,
}

impl<'a> Scene<'a> {
    /// Hears `message` after `so_far`.
    pub fn new(
        script: &'a PatientScript,
        so_far: &'a Consultation,
        message: &'a str,
        understanding: &'a Understanding,
        lexicon: &'a Lexicon,
    ) -> Self {
        let acts = understanding.read(message);
        let asked = asked(&acts, &script.facts, &so_far.turns, lexicon);
        Self { script, so_far, message, acts, asked, understanding, lexicon }
    }

    /// Number of the turn, from 0.
    pub fn turn(&self) -> usize {
        self.so_far.turns.len()
    }

    /// Whether any part of the message was understood.
    pub fn understood(&self) -> bool {
        self.acts.iter().any(|act| act.intent != Intent::Unclear)
    }

    /// Whether the message does something for which `wanted` holds.
    pub fn does(&self, wanted: impl Fn(&Act) -> bool) -> bool {
        self.acts.iter().any(wanted)
    }

    /// Whether the message asks, examines or tests.
    pub fn inquires(&self) -> bool {
        self.does(|act| {
            matches!(
                act.intent,
                Intent::Question(_) | Intent::OpenQuestion | Intent::Examination | Intent::Test
            )
        })
    }

    /// Whether all that the message asks for stands in one sentence.
    pub fn asks_at_once(&self) -> bool {
        let spans = self.asked.iter().filter_map(|asked| self.acts.get(asked.act)).map(|act| &act.span);
        let from = spans.clone().map(|span| span.start).min().unwrap_or_default();
        let to = spans.map(|span| span.end).max().unwrap_or_default();
        !self.message.get(from..to).unwrap_or_default().contains(['.', '?', '!', ';', '\n'])
    }

    /// The facts the message asks for, each once, in the order asked.
    pub fn wanted(&self) -> Vec<usize> {
        let mut wanted = Vec::new();
        for index in self.asked.iter().flat_map(|asked| &asked.facts) {
            if !wanted.contains(index) {
                wanted.push(*index);
            }
        }
        wanted
    }
}

//! What is said that no question asked for by name: the age, what is left to tell, and a whole before its parts.

use crate::data::case::{Aspect, Fact, Finding, Reveal, Topic};
use crate::sim::draft::{Piece, Source};
use crate::sim::persona::Level;
use crate::sim::phrases as say;
use crate::sim::reveal::told_before;
use crate::sim::saying::has_word;
use crate::sim::voice::{MOST_ANSWERS, Speaker};

impl Speaker<'_> {
    /// Tells the age, which the record has, and no name.
    pub(super) fn identity(&mut self) {
        let scene = self.scene;
        let asks = |words: &[&str]| has_word(scene.message, words);
        let years = scene.script.stratum.age.years();
        if asks(&["old", "age"]) && years > 0 {
            self.draft.push(format!("I'm {years}."), Source::Manner);
        }
        if !asks(&["old", "age"]) || asks(&["name", "address", "surname"]) {
            self.pick(say::NO_NAMES);
        }
    }

    /// Begins several facts, the first of something that is there, by calling them a whole, in somebody who sees one; half the time.
    pub(super) fn sum_up(&mut self) {
        let facts = &self.scene.script.facts;
        let fact = |piece: &Piece| match piece.source {
            Source::Fact(index) => facts.get(index),
            _ => None,
        };
        let mut told = self.draft.pieces.iter().filter_map(fact);
        let present = told.next().is_some_and(|first| first.finding == Finding::Present);
        let several = present && told.next().is_some();
        if self.scene.script.persona.intuitive && several && self.chance(1, 2) {
            let text = self.one(say::ALL_IN_ALL).to_owned();
            // `As I said:` belongs to what follows it.
            let begins = |piece: &Piece| fact(piece).is_some() || piece.text.ends_with(':');
            let first = self.draft.pieces.iter().position(begins).unwrap_or_default();
            self.draft.pieces.insert(first, Piece { text, source: Source::Manner });
        }
    }

    /// Answers an open question: what is brought up unasked and was not yet said, else that this is all.
    pub(super) fn unasked(&mut self) {
        let scene = self.scene;
        let most = if scene.script.persona.verbosity == Level::Low { 1 } else { 3 };
        let mut given = 0;
        for (index, fact) in scene.script.facts.iter().enumerate() {
            let fresh = fact.reveal == Reveal::Opening && !told_before(scene, fact) && !self.has_told(index);
            if fresh && !self.opens(fact) && given < most && self.answers < MOST_ANSWERS {
                self.fact(index);
                given += 1;
            }
        }
        if given == 0 && scene.asked.is_empty() {
            let whole = scene.script.persona.intuitive;
            self.pick(match () {
                () if self.keeps_symptoms() => say::ASK_ON,
                () if whole => say::ALL_SAID_WHOLE,
                () => say::ALL_SAID,
            });
        }
    }

    /// Whether a symptom that is there was not told yet: who says that this is all would say what is false.
    fn keeps_symptoms(&self) -> bool {
        let untold = |fact: &Fact| {
            (fact.topic, fact.aspect, fact.finding) == (Topic::Symptom, Aspect::Presence, Finding::Present)
                && !matches!(fact.reveal, Reveal::Opening | Reveal::Never)
                && !told_before(self.scene, fact)
                && !self.opens(fact)
        };
        self.scene.script.facts.iter().any(untold)
    }

    /// Whether the first sentence has told it.
    fn opens(&self, fact: &Fact) -> bool {
        fact.said.as_ref().is_some_and(|said| self.scene.script.opening.contains(said.trim()))
    }
}

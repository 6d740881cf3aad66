//! Lists in which allergies are one thing among others: `Any allergies, operations, medicines or headaches?`

use super::act::{Act, Intent};
use super::concepts::Found;
use super::cues::Cue;
use super::reading::Look;
use super::understanding::plain;
use super::words::COMMA;
use crate::data::case::Topic;
use crate::data::lexicon::ConceptKind;

/// Words between a list's last comma or joint and `allergies`.
const BEFORE: &[&str] = &["any", "known", "drug", "food", "medicine", "medication", "other", "your", "an"];

impl Look<'_> {
    /// What such a list asks for, in its order. `None` where the allergy is the subject and what stands beside it the
    /// cause, as in `Are you allergic to nuts or latex?`
    pub(super) fn listed(&self) -> Option<Vec<Act>> {
        let cues = self.topic_cues().filter(|(topic, ..)| *topic == Topic::Allergy).map(|(.., end)| end);
        let names =
            self.found.iter().filter(|it| self.concepts.name(it.concept) == "allergy").map(|it| it.end);
        let allergies: Vec<usize> = cues.chain(names).map(|end| end - 1).collect();
        let first = *allergies.first()?;
        let topics: Vec<Topic> = self.topic_cues().map(|(topic, ..)| topic).collect();
        if topics.contains(&Topic::Family) || !allergies.iter().all(|at| self.stands_in_list(*at)) {
            return None;
        }
        let mut items: Vec<(usize, Topic, Option<String>)> = vec![(first, Topic::Allergy, None)];
        for (topic, from, end) in self.topic_cues().filter(|(topic, ..)| *topic != Topic::Allergy) {
            let asked = |found: &&Found| self.kind(found) != ConceptKind::Measure;
            let in_name = self.found.iter().filter(asked).any(|found| found.first < end && from < found.end);
            // `drug allergies` asks for no drugs.
            if !in_name && !allergies.contains(&end) {
                items.push((from, topic, None));
            }
        }
        // `drug allergies` asks for no drugs.
        let drugs = self.topic_cues().filter(|(topic, ..)| *topic == Topic::Medication).map(|(.., end)| end);
        let named = self.found.iter().filter(|it| self.name(it) == "medication").map(|it| it.end);
        let takes = drugs.chain(named).any(|end| !allergies.contains(&end));
        for found in self.found {
            let kind = self.kind(found);
            let topic = match self.concepts.name(found.concept) {
                "allergy" => continue,
                "medication" if allergies.contains(&found.end) => continue,
                "medication" => Some(Topic::Medication),
                "past illness" => Some(Topic::History),
                "worry" => Some(Topic::Concern),
                _ => None,
            };
            match (topic, kind) {
                (Some(topic), _) => items.push((found.first, topic, None)),
                (None, ConceptKind::Measure) => {}
                // Beside allergies a drug is what one may be allergic to, unless medicines are asked for too.
                (None, ConceptKind::Substance) if !takes => {
                    items.push((found.first, Topic::Allergy, Some(self.name(found))));
                }
                (None, _) => items.push((found.first, self.topic_of(found, &[]), Some(self.name(found)))),
            }
        }
        // All that is named may be a cause: `Any drug allergies, penicillin or aspirin?`
        if items.iter().all(|(_, topic, _)| *topic == Topic::Allergy) {
            return None;
        }
        items.sort_by_key(|(at, ..)| *at);
        let acts =
            items.into_iter().map(|(_, topic, concept)| plain(Intent::Question(topic), concept, self.span()));
        Some(acts.collect())
    }

    /// The topics that cues name, each with the tokens of the cue.
    pub(super) fn topic_cues(&self) -> impl Iterator<Item = (Topic, usize, usize)> {
        self.cues.iter().filter_map(|cue| match cue.meaning {
            Cue::Topic(topic) => Some((topic, cue.first, cue.end)),
            _ => None,
        })
    }

    /// Whether token `at` is `allergies` next to a comma or a joint, and not `latex allergies`.
    fn stands_in_list(&self, at: usize) -> bool {
        if !matches!(self.word(at).as_str(), "allergy" | "allergies") {
            return false;
        }
        let joins = |at: usize| self.is_comma(at) || matches!(self.word(at).as_str(), "or" | "and");
        let ends = at + 1 >= self.clause.to;
        if !ends && !joins(at + 1) {
            return false;
        }
        let from = (self.clause.from..at).rev().find(|at| !BEFORE.contains(&self.word(*at).as_str()));
        let named = from.is_some_and(|from| self.found.iter().any(|found| found.end == from + 1));
        let joined = from.is_some_and(joins);
        !named && (joined || !ends)
    }

    pub(super) fn is_comma(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.id == COMMA)
    }

    /// Token `at` as it stands in the message, in lower case.
    pub(super) fn word(&self, at: usize) -> String {
        let token = self.tokens.get(at).filter(|_| (self.clause.from..self.clause.to).contains(&at));
        let word = token.and_then(|token| self.message.get(token.start..token.end));
        word.unwrap_or_default().to_lowercase()
    }
}

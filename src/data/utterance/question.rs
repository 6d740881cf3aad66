//! What a question asks: concepts, aspects and topics, and which reading of them explains the others away.

use super::act::{Act, Intent};
use super::concepts::Found;
use super::cues::Cue;
use super::pattern::Match;
use super::reading::Look;
use super::understanding::plain;
use crate::data::case::{Aspect, Topic};
use crate::data::lexicon::ConceptKind;

impl Look<'_> {
    /// Adds what the clause asks to `acts`; `last` is the concept that `it` means.
    pub(super) fn question(&self, acts: &mut Vec<Act>, last: &mut Option<String>) {
        if let Some(listed) = self.listed() {
            acts.extend(listed);
            return;
        }
        let mut aspects: Vec<Aspect> = Vec::new();
        let mut topics: Vec<Topic> = Vec::new();
        for cue in &self.cues {
            match cue.meaning {
                Cue::Aspect(aspect) if !aspects.contains(&aspect) => aspects.push(aspect),
                Cue::Topic(topic) if !topics.contains(&topic) => topics.push(topic),
                _ => {}
            }
        }
        if self.leading {
            // Whether it is so is asked, since when it is so is stated.
            aspects.clear();
        }
        aspects.sort_unstable();
        let mut about: Vec<&Found> = Vec::new();
        for found in self.found {
            let whole = match self.concepts.name(found.concept) {
                "medication" => Some(Topic::Medication),
                "allergy" => Some(Topic::Allergy),
                "past illness" => Some(Topic::History),
                "family illness" => Some(Topic::Family),
                "worry" => Some(Topic::Concern),
                _ => None,
            };
            match whole {
                Some(topic) if !topics.contains(&topic) => topics.push(topic),
                None if self.kind(found) != ConceptKind::Measure => about.push(found),
                _ => {}
            }
        }
        if aspects == [Aspect::Severity] && self.asks_amount() {
            aspects = vec![Aspect::Detail];
        }
        self.settle(&mut aspects, &mut topics);
        if topics.contains(&Topic::Medication) {
            // `blood pressure tablets` are no blood pressure.
            about.retain(|found| self.kind(found) != ConceptKind::Examination);
        }
        if aspects.is_empty() && self.has(Cue::About) && !self.leading {
            let symptom = about.iter().any(|found| self.kind(found) == ConceptKind::Symptom);
            if symptom {
                aspects.push(Aspect::Character);
            } else if !about.is_empty() {
                aspects.push(Aspect::Detail);
            }
        }
        let special = topics.iter().copied().find(|topic| matches!(topic, Topic::Family | Topic::Allergy));
        // An aspect is asked of a complaint; circumstances beside it are its occasion: `worse with exercise`.
        if aspects.iter().any(|aspect| !matches!(aspect, Aspect::Onset | Aspect::Detail)) && special.is_none()
        {
            let complaint = about
                .iter()
                .copied()
                .find(|found| matches!(self.kind(found), ConceptKind::Symptom | ConceptKind::Condition));
            let other = about.first().copied().filter(|found| !self.after_aspect(found));
            about = complaint.or(other).into_iter().collect();
        }
        if about.is_empty() {
            self.question_without_concept(acts, &aspects, &topics, last.clone());
            return;
        }
        for found in about {
            let name = self.name(found);
            let topic = special.unwrap_or_else(|| self.topic_of(found, &topics));
            if aspects.is_empty() {
                acts.push(plain(Intent::Question(topic), Some(name), self.span()));
                continue;
            }
            for &aspect in &aspects {
                acts.push(Act { aspect, ..plain(Intent::Question(topic), Some(name.clone()), self.span()) });
            }
        }
    }

    /// Whether `how much` is of a habit or circumstance, not of a complaint: `How much exercise do you do?`
    fn asks_amount(&self) -> bool {
        let severity = |cue: &&Match<Cue>| cue.meaning == Cue::Aspect(Aspect::Severity);
        self.cues.iter().filter(severity).any(|cue| {
            let within = |found: &&Found| cue.first < found.first && found.end <= cue.end;
            self.found.iter().filter(within).any(|found| self.kind(found) == ConceptKind::Circumstance)
        })
    }

    /// Drops readings that another reading explains better.
    fn settle(&self, aspects: &mut Vec<Aspect>, topics: &mut Vec<Topic>) {
        let has = |aspects: &[Aspect], aspect| aspects.contains(&aspect);
        if self.has(Cue::Open) {
            aspects.retain(|aspect| !matches!(aspect, Aspect::Relieving | Aspect::Course));
        }
        if has(aspects, Aspect::Detail) {
            aspects.retain(|aspect| matches!(aspect, Aspect::Detail));
        }
        if topics.contains(&Topic::Allergy) {
            topics.retain(|topic| *topic != Topic::Medication);
        }
        if topics.contains(&Topic::Social) {
            topics.retain(|topic| !matches!(topic, Topic::Medication | Topic::Family));
            // `Where do you live?` asks for no place of a complaint.
            aspects.retain(|aspect| {
                !matches!(aspect, Aspect::Location | Aspect::Severity | Aspect::Aggravating)
            });
        }
        // Better and worse within one question of time is its course.
        if has(aspects, Aspect::Course) && !has(aspects, Aspect::Aggravating) {
            aspects.retain(|aspect| *aspect != Aspect::Relieving);
        }
        if has(aspects, Aspect::Onset) && has(aspects, Aspect::Course) && self.has_word_pair_long_last() {
            aspects.retain(|aspect| *aspect != Aspect::Onset);
        }
        let clinical = aspects
            .iter()
            .any(|aspect| !matches!(aspect, Aspect::Detail | Aspect::Onset | Aspect::Relieving));
        if clinical {
            topics.retain(|topic| matches!(topic, Topic::Allergy | Topic::Family));
        }
        if has(aspects, Aspect::Relieving) && topics.contains(&Topic::Medication) {
            // `Have you taken anything for it?` asks for both; the drug is the answer to either.
            aspects.retain(|aspect| *aspect == Aspect::Relieving);
            topics.retain(|topic| *topic != Topic::Medication);
        }
        if topics.contains(&Topic::Family) {
            topics.retain(|topic| !matches!(topic, Topic::History | Topic::Concern));
        }
    }

    /// `How long does it last?` asks for the course, not the onset.
    fn has_word_pair_long_last(&self) -> bool {
        let text = self.message.get(self.span()).unwrap_or_default().to_ascii_lowercase();
        text.contains("last")
    }

    /// Whether `found` stands after the first aspect cue of the clause.
    fn after_aspect(&self, found: &Found) -> bool {
        self.cues
            .iter()
            .filter(|cue| matches!(cue.meaning, Cue::Aspect(_)))
            .map(|cue| cue.first)
            .min()
            .is_some_and(|first| found.first > first)
    }

    pub(super) fn topic_of(&self, found: &Found, topics: &[Topic]) -> Topic {
        match self.kind(found) {
            ConceptKind::Symptom if self.has(Cue::Ever) => Topic::History,
            ConceptKind::Symptom => Topic::Symptom,
            ConceptKind::Condition | ConceptKind::Measure => Topic::History,
            ConceptKind::Substance => Topic::Medication,
            ConceptKind::Circumstance if topics.contains(&Topic::Concern) => Topic::Concern,
            ConceptKind::Circumstance => Topic::Social,
            ConceptKind::Examination => Topic::Examination,
            ConceptKind::Test => Topic::Test,
        }
    }

    fn question_without_concept(
        &self,
        acts: &mut Vec<Act>,
        aspects: &[Aspect],
        topics: &[Topic],
        last: Option<String>,
    ) {
        let span = self.span();
        if self.has(Cue::Open) && topics.is_empty() && aspects.is_empty() {
            acts.push(plain(Intent::OpenQuestion, None, span));
            return;
        }
        if !topics.is_empty() {
            for &topic in topics {
                let aspect = aspects.iter().copied().find(|aspect| *aspect == Aspect::Detail);
                let aspect = aspect.unwrap_or(Aspect::Presence);
                acts.push(Act { aspect, ..plain(Intent::Question(topic), None, span.clone()) });
            }
            return;
        }
        for &aspect in aspects {
            let topic = if aspect == Aspect::Detail { Topic::Medication } else { Topic::Symptom };
            let concept = if aspect == Aspect::Detail { None } else { last.clone() };
            acts.push(Act { aspect, ..plain(Intent::Question(topic), concept, span.clone()) });
        }
    }
}

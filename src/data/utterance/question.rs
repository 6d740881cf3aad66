//! What a question asks: concepts, aspects and topics, and which reading of them explains the others away.

use super::act::{Act, Intent};
use super::concepts::Found;
use super::cues::Cue;
use super::pattern::Match;
use super::reading::Look;
use super::understanding::plain;
use crate::data::case::{Aspect, Topic};
use crate::data::lexicon::ConceptKind;

/// What a cause makes better or worse.
enum Changed {
    /// `make it worse`: what was spoken of.
    It,
    /// What is named after this token.
    After(usize),
}

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
                // `Is your skin itchy?` asks whether it is there, and for no character of anything.
                Cue::Aspect(Aspect::Character) if self.ends_in_name(cue) => {}
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
            match self.whole_topic(found) {
                Some(topic) if !topics.contains(&topic) => topics.push(topic),
                None if self.kind(found) != ConceptKind::Measure => about.push(found),
                _ => {}
            }
        }
        if aspects == [Aspect::Severity] && self.asks_amount() {
            aspects = vec![Aspect::Detail];
        }
        let beside = if aspects.is_empty() { self.topics_beside(&about, &topics) } else { Vec::new() };
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
            let ill =
                |found: &&Found| matches!(self.kind(found), ConceptKind::Symptom | ConceptKind::Condition);
            let complaint = match self.changed(&aspects) {
                // `Does coughing make it worse?`, `.. make the headache worse?`: what comes before is the occasion.
                Some(Changed::It) => {
                    self.question_without_concept(acts, &aspects, &[], last.clone());
                    return;
                }
                Some(Changed::After(at)) => {
                    about.iter().copied().rfind(|found| found.first >= at && ill(found))
                }
                None => None,
            };
            let complaint = complaint.or_else(|| about.iter().copied().find(ill));
            let other = about.first().copied().filter(|found| !self.after_aspect(found));
            about = complaint.or(other).into_iter().collect();
        }
        let drinks = self.asks_for_drink();
        if drinks {
            topics.retain(|topic| *topic != Topic::Social);
        }
        if about.is_empty() && !drinks {
            self.question_without_concept(acts, &aspects, &topics, last.clone());
            return;
        }
        for found in about {
            let (name, topic) = if self.means_fever(found) {
                let topic = if self.has(Cue::Ever) { Topic::History } else { Topic::Symptom };
                ("fever".to_owned(), special.unwrap_or(topic))
            } else {
                (self.name(found), special.unwrap_or_else(|| self.topic_of(found, &topics)))
            };
            if aspects.is_empty() {
                acts.push(plain(Intent::Question(topic), Some(name), self.span()));
                continue;
            }
            for &aspect in &aspects {
                acts.push(Act { aspect, ..plain(Intent::Question(topic), Some(name.clone()), self.span()) });
            }
        }
        if drinks {
            let detail = aspects.iter().copied().find(|aspect| *aspect == Aspect::Detail);
            let aspect = detail.unwrap_or(Aspect::Presence);
            let alcohol = plain(Intent::Question(Topic::Social), Some("alcohol".to_owned()), self.span());
            acts.push(Act { aspect, ..alcohol });
        }
        if aspects.is_empty() && special.is_none() {
            for topic in beside {
                acts.push(plain(Intent::Question(topic), None, self.span()));
            }
        }
    }

    /// Those of `topics` that the clause asks for as a whole beside the things it names, `about`: medicines in `Do you drink alcohol or take
    /// any medicines?`, all illnesses in `any illnesses such as asthma?` Between the two stands a comma, a joint or a word of examples.
    fn topics_beside(&self, about: &[&Found], topics: &[Topic]) -> Vec<Topic> {
        let cues = self.topic_cues();
        let wholes = self.found.iter().filter_map(|found| {
            let topic = self.whole_topic(found)?;
            Some((topic, found.first, found.end))
        });
        let mut beside = Vec::new();
        for (topic, from, end) in cues.chain(wholes) {
            let within = |found: &&&Found| found.first < end && from < found.end;
            if !topics.contains(&topic) || beside.contains(&topic) || about.iter().any(|it| within(&it)) {
                continue;
            }
            // The tokens between it and what is named next to it.
            let before = about.iter().filter(|found| found.end <= from).map(|found| found.end..from);
            let after = about.iter().filter(|found| found.first >= end).map(|found| end..found.first);
            let between = before.chain(after).min_by_key(ExactSizeIterator::len);
            if between.is_some_and(|mut tokens| tokens.any(|at| self.sets_apart(at))) {
                beside.push(topic);
            }
        }
        beside
    }

    /// The topic that a concept stands for as a whole: `medication`, `allergy`.
    fn whole_topic(&self, found: &Found) -> Option<Topic> {
        match self.concepts.name(found.concept) {
            "medication" => Some(Topic::Medication),
            "allergy" => Some(Topic::Allergy),
            "past illness" => Some(Topic::History),
            "family illness" => Some(Topic::Family),
            "worry" => Some(Topic::Concern),
            _ => None,
        }
    }

    /// Whether token `at` parts the items of a list, or begins examples.
    fn sets_apart(&self, at: usize) -> bool {
        self.is_comma(at)
            || matches!(self.word(at).as_str(), "or" | "and" | "like" | "such" | "including" | "example")
    }

    /// Whether it asks for drinking and does not say what: `Do you drink?`, `Do you smoke or drink at all?`
    fn asks_for_drink(&self) -> bool {
        const AFTER: &[&str] = &["at", "all", "much", "or", "smoke", "ever", "regularly", "often", "and"];
        let Some(at) = (self.clause.from..self.clause.to).rfind(|at| self.word(*at) == "drink") else {
            return false;
        };
        let named = self.found.iter().any(|found| found.first <= at && at < found.end);
        let you = (self.clause.from..at).any(|at| self.word(at) == "you") || self.sentence_asks;
        let rest = (at + 1..self.clause.to).all(|at| {
            let word = self.word(at);
            word.is_empty() || AFTER.contains(&word.as_str())
        });
        !named && you && rest
    }

    /// What is to become better or worse in `does * make * worse`.
    fn changed(&self, aspects: &[Aspect]) -> Option<Changed> {
        let turned = |aspect: &Aspect| matches!(aspect, Aspect::Aggravating | Aspect::Relieving);
        if !aspects.iter().any(turned) {
            return None;
        }
        let make = (self.clause.from..self.clause.to)
            .find(|at| matches!(self.word(*at).as_str(), "make" | "makes" | "made"))?;
        let it = matches!(self.word(make + 1).as_str(), "it" | "this" | "that" | "them" | "things");
        Some(if it { Changed::It } else { Changed::After(make) })
    }

    /// Whether a cue ends within a name that was found: `is .. itchy`.
    fn ends_in_name(&self, cue: &Match<Cue>) -> bool {
        let is = matches!(self.word(cue.first).as_str(), "is" | "are" | "was" | "were" | "be");
        let more = |found: &Found| found.first < cue.end && cue.end <= found.end;
        // `Is it dry or itchy?` is a choice between characters.
        let choice = (cue.first..cue.end.max(self.clause.to)).any(|at| self.word(at) == "or");
        is && !choice && self.found.iter().any(more)
    }

    /// Whether `how much` is of a habit or circumstance, not of a complaint: `How much exercise do you do?`
    fn asks_amount(&self) -> bool {
        let severity = |cue: &&Match<Cue>| cue.meaning == Cue::Aspect(Aspect::Severity);
        self.cues.iter().filter(severity).any(|cue| {
            let within = |found: &&Found| cue.first < found.first && found.end <= cue.end;
            self.found.iter().filter(within).any(|found| self.kind(found) == ConceptKind::Circumstance)
        })
    }

    /// Whether `a temperature` is asked for, which is a fever and no examination.
    fn means_fever(&self, found: &Found) -> bool {
        self.concepts.name(found.concept) == "temperature"
            && found.first > self.clause.from
            && matches!(self.word(found.first - 1).as_str(), "any" | "a" | "no")
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
        if topics.contains(&Topic::Medication) && aspects.as_slice() == [Aspect::Course] {
            // `What pills do you take every day?` asks for no course.
            aspects.clear();
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

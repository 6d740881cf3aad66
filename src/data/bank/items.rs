//! From entries to items: concepts with their facts, ids and wordings.

use super::entry::{ComorbidityEntry, ItemEntry, Words};
use super::error::BankProblem;
use super::load::Loader;
use super::presentation::{Comorbidity, Item, Part};
use super::wording::{RawWording, When, Wording};
use crate::data::case::{Age, Aspect, Importance, Reveal, Topic};
use crate::data::lexicon::ConceptKind;

impl Loader<'_> {
    pub(super) fn item(&mut self, entry: &ItemEntry, owner: &str, importance: Importance) -> Item {
        self.at(&entry.concept);
        let concept = entry.concept.get_ref().as_str();
        let field = format!("{owner}.{concept}");
        self.concept(concept, legal(entry.topic), &field);
        self.ages(entry.ages, &field);
        let mut aspects = Vec::new();
        for (aspect, words) in entry.aspects() {
            let mut wordings = self.words(words, &format!("{field}.{}", aspect.name()));
            if aspect == Aspect::Presence && wordings.is_empty() && entry.topic == Topic::Symptom {
                wordings = self.lay_words(concept, "present");
            }
            if wordings.is_empty() {
                continue;
            }
            let essential = entry.essential.contains(&aspect);
            aspects.push(Part {
                id: fact_id(entry.topic, concept, aspect),
                aspect,
                importance: if essential { Importance::Essential } else { importance },
                reveal: match (entry.main && aspect == Aspect::Presence, entry.trust) {
                    (true, _) => Reveal::Opening,
                    (false, true) => Reveal::OnTrust,
                    (false, false) => Reveal::OnQuestion,
                },
                wordings,
            });
        }
        for &aspect in &entry.essential {
            if !aspects.iter().any(|part| part.aspect == aspect) {
                let id = fact_id(entry.topic, concept, aspect);
                self.fault(format!("{field}.essential"), BankProblem::UnknownFact(id));
            }
        }
        if aspects.is_empty() {
            self.fault(&field, BankProblem::TooFew { found: 0, least: 1 });
        }
        let mut denied = self.words(&entry.denied, &format!("{field}.denied"));
        if denied.is_empty() && entry.topic == Topic::Symptom {
            denied = self.lay_words(concept, "denied");
        }
        Item {
            topic: entry.topic,
            concept: concept.to_owned(),
            chance: self.chance(entry.chance, &field),
            always: (!entry.always.is_empty()).then(|| self.when(&entry.always, &field)),
            ages: (entry.ages[0], entry.ages[1]),
            when: self.when(&entry.when, &field),
            private: entry.private,
            absent: entry.absent,
            aspects,
            denied,
        }
    }

    /// An item that a patient always has, with these wordings.
    pub(super) fn plain(
        &mut self,
        topic: Topic,
        concept: &str,
        words: &[(Aspect, &Words)],
        owner: &str,
    ) -> Item {
        let field = format!("{owner}.{concept}");
        self.concept(concept, legal(topic), &field);
        let mut aspects = Vec::new();
        for &(aspect, words) in words.iter().filter(|(_, words)| !words.is_empty()) {
            let wordings = self.words(words, &format!("{field}.{}", aspect.name()));
            aspects.push(Part {
                id: fact_id(topic, concept, aspect),
                aspect,
                importance: match (topic, aspect) {
                    (Topic::Allergy, Aspect::Presence) => Importance::Essential,
                    (Topic::Social | Topic::Family, _) => Importance::Routine,
                    _ => Importance::Useful,
                },
                reveal: match topic {
                    Topic::Examination => Reveal::OnExamination,
                    Topic::Test => Reveal::OnTest,
                    _ => Reveal::OnQuestion,
                },
                wordings,
            });
        }
        let (chance, ages) = (1.0, (0, Age::POOLED_FROM));
        Item {
            topic,
            concept: concept.to_owned(),
            chance,
            always: None,
            ages,
            when: When::default(),
            private: false,
            absent: false,
            aspects,
            denied: Vec::new(),
        }
    }

    pub(super) fn finding(&mut self, topic: Topic, concept: &str, words: &Words, owner: &str) -> Item {
        self.plain(topic, concept, &[(Aspect::Detail, words)], owner)
    }

    pub(super) fn negative(&mut self, concept: &str, importance: Importance, owner: &str) -> Item {
        self.concept(concept, &[ConceptKind::Symptom], &format!("{owner}.negatives"));
        let part = Part {
            id: fact_id(Topic::Symptom, concept, Aspect::Presence),
            aspect: Aspect::Presence,
            importance,
            reveal: Reveal::OnQuestion,
            wordings: self.lay_words(concept, "denied"),
        };
        Item {
            topic: Topic::Symptom,
            concept: concept.to_owned(),
            chance: 1.0,
            always: None,
            ages: (0, Age::POOLED_FROM),
            when: When::default(),
            private: false,
            absent: true,
            aspects: vec![part],
            denied: Vec::new(),
        }
    }

    /// The common sentences of pool `name` about a symptom: `*` stands for it in the chart's words, and in the
    /// patient's for what one has (`a cough`), or has not any of (`cough`).
    pub(super) fn lay_words(&mut self, concept: &str, name: &str) -> Vec<Wording> {
        let lay = self.lay.get(concept);
        let lay = match name {
            "present" => lay.map_or(concept, |[_, some]| some),
            _ => lay.map_or(concept, |[any, _]| any),
        };
        let Some(pool) = self.pools.get(name) else {
            self.fault(concept, BankProblem::UnknownPool(name.to_owned()));
            return Vec::new();
        };
        let fill = |it: &Wording| Wording {
            text: it.text.replace('*', concept),
            said: it.said.as_ref().map(|said| said.replace('*', lay)),
            when: it.when.clone(),
        };
        pool.iter().map(fill).collect()
    }

    pub(super) fn none(&mut self, topic: Topic, concept: &str, pool: &str) -> Option<Item> {
        let words = vec![RawWording::One(format!("@{pool}"))];
        let mut item = self.plain(topic, concept, &[(Aspect::Presence, &words)], "pool");
        item.absent = true;
        Some(item)
    }

    pub(super) fn comorbidity(&mut self, entry: &ComorbidityEntry) -> Comorbidity {
        self.at(&entry.concept);
        let name = entry.concept.get_ref().as_str();
        self.ages(entry.ages, &format!("comorbidity.{name}"));
        let words = [(Aspect::Presence, &entry.presence), (Aspect::Detail, &entry.detail)];
        let mut history = self.plain(Topic::History, name, &words, "comorbidity");
        history.ages = (entry.ages[0], entry.ages[1]);
        let medicines = entry.medicine.iter().map(|drug| {
            let words = [(Aspect::Presence, &drug.presence), (Aspect::Detail, &drug.detail)];
            self.plain(Topic::Medication, &drug.concept, &words, &format!("comorbidity.{name}"))
        });
        Comorbidity { medicines: medicines.collect(), history }
    }
}

/// Kinds of concepts that facts on a topic are about.
fn legal(topic: Topic) -> &'static [ConceptKind] {
    use ConceptKind::{Circumstance, Condition, Examination, Measure, Substance, Symptom, Test};
    match topic {
        Topic::Symptom => &[Symptom],
        Topic::History => &[Condition, Measure, Circumstance, Symptom],
        Topic::Medication => &[Substance],
        Topic::Allergy => &[Substance, Condition],
        Topic::Family => &[Condition],
        Topic::Social | Topic::Concern => &[Circumstance],
        Topic::Examination => &[Examination],
        Topic::Test => &[Test],
    }
}

/// `chest-pain.onset`, `medication.metformin`, `medication.metformin.detail`, `exam.temperature`.
fn fact_id(topic: Topic, concept: &str, aspect: Aspect) -> String {
    let slug: String = concept.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let prefix = match topic {
        Topic::Symptom => return format!("{slug}.{}", aspect.name()),
        Topic::History => "history",
        Topic::Medication => "medication",
        Topic::Allergy => "allergy",
        Topic::Family => "family",
        Topic::Social => "social",
        Topic::Concern => "concern",
        Topic::Examination => "exam",
        Topic::Test => "test",
    };
    match (topic, aspect) {
        (Topic::Examination | Topic::Test | Topic::Concern, _) | (_, Aspect::Presence) => {
            format!("{prefix}.{slug}")
        }
        _ => format!("{prefix}.{slug}.{}", aspect.name()),
    }
}

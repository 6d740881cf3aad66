//! From files to presentations: every name is looked up, every reference followed, every wording checked.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::entry::{CommonFile, PresentationEntry, SpecialtyFile, Words};
use super::error::{BankError, BankProblem};
use super::presentation::{Common, Item, Presentation, Step};
use super::wording::{RawWording, When, Wording};
use crate::data::case::{Age, Aspect, Importance, Specialty, StepKind, Topic};
use crate::data::lexicon::{ConceptKind, Lexicon};

/// Reads files one after another and gathers what is wrong with them.
pub(super) struct Loader<'a> {
    pub lexicon: &'a Lexicon,
    pub errors: Vec<BankError>,
    pub common: Common,
    pub presentations: Vec<Presentation>,
    pub(super) pools: BTreeMap<String, Vec<Wording>>,
    pub(super) lay: BTreeMap<String, [String; 2]>,
    vitals: BTreeMap<String, Vec<Item>>,
    file: String,
    text: String,
    line: usize,
}

impl<'a> Loader<'a> {
    pub fn new(lexicon: &'a Lexicon) -> Self {
        Self {
            lexicon,
            errors: Vec::new(),
            common: Common::default(),
            presentations: Vec::new(),
            pools: BTreeMap::new(),
            lay: BTreeMap::new(),
            vitals: BTreeMap::new(),
            file: String::new(),
            text: String::new(),
            line: 1,
        }
    }

    pub(super) fn fault(&mut self, field: impl Into<String>, problem: BankProblem) {
        let error = BankError { file: self.file.clone(), line: self.line, field: field.into(), problem };
        // Patients of many ages meet the same fault.
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Reads the common file; it comes before all others.
    pub fn common(&mut self, name: &str, text: &str) {
        let Some(file) = self.open::<CommonFile>(name, text) else { return };
        for (pool, words) in &file.pool {
            let wordings = self.words(words, &format!("pool.{pool}"));
            self.pools.insert(pool.clone(), wordings);
        }
        for concept in file.lay.keys() {
            self.concept(concept, &[ConceptKind::Symptom], &format!("lay.{concept}"));
        }
        self.lay = file.lay;
        for (set, examinations) in &file.vitals {
            let items = examinations
                .iter()
                .map(|(concept, words)| {
                    self.finding(Topic::Examination, concept, words, &format!("vitals.{set}"))
                })
                .collect();
            self.vitals.insert(set.clone(), items);
        }
        for entry in &file.comorbidity {
            let it = self.comorbidity(entry);
            self.common.comorbidities.push(it);
        }
        for entry in &file.allergy {
            self.at(&entry.concept);
            let name = entry.concept.get_ref().clone();
            let words = [(Aspect::Presence, &entry.presence), (Aspect::Detail, &entry.detail)];
            let mut item = self.plain(Topic::Allergy, &name, &words, "allergy");
            item.chance = self.chance(entry.chance, &name);
            self.common.allergies.push(item);
        }
        for entry in &file.item {
            let item = self.item(entry, "item", Importance::Routine);
            self.common.items.push(item);
        }
        self.line = 1;
        self.common.no_allergy = self.none(Topic::Allergy, "allergy", "no-allergy");
        self.common.no_medication = self.none(Topic::Medication, "medication", "no-medication");
        self.common.no_history = self.none(Topic::History, "past illness", "no-history");
        self.common.no_family = self.none(Topic::Family, "family illness", "no-family");
    }

    /// Reads a specialty's file.
    pub fn specialty(&mut self, name: &str, text: &str) {
        let Some(file) = self.open::<SpecialtyFile>(name, text) else { return };
        if !is_id(&file.specialty, "_") {
            self.fault("specialty", BankProblem::Id(file.specialty.clone()));
        }
        self.least("presentation", file.presentation.len(), 1);
        for entry in &file.presentation {
            let it = self.presentation(&file.specialty, entry);
            self.presentations.push(it);
        }
    }

    fn open<T: serde::de::DeserializeOwned>(&mut self, name: &str, text: &str) -> Option<T> {
        self.file = name.to_owned();
        self.text = text.to_owned();
        self.line = 1;
        match toml::from_str(text) {
            Ok(file) => Some(file),
            Err(error) => {
                self.line = error.span().map_or(1, |span| self.line_of(span.start));
                self.fault("file", BankProblem::Shape(error.message().to_owned()));
                None
            }
        }
    }

    fn line_of(&self, byte: usize) -> usize {
        1 + self.text.bytes().take(byte).filter(|&it| it == b'\n').count()
    }

    pub(super) fn at(&mut self, name: &Spanned<String>) {
        self.line = self.line_of(name.span().start);
    }

    fn presentation(&mut self, specialty: &str, entry: &PresentationEntry) -> Presentation {
        self.at(&entry.id);
        let id = entry.id.get_ref().as_str();
        if !is_id(id, "") {
            self.fault("id", BankProblem::Id(id.to_owned()));
        }
        if self.presentations.iter().any(|it| it.id == id) {
            self.fault("id", BankProblem::Twice(id.to_owned()));
        }
        let field = |name: &str| format!("{id}.{name}");
        self.concept(&entry.diagnosis, &[ConceptKind::Condition], &field("diagnosis"));
        for name in &entry.differentials {
            self.concept(name, &[ConceptKind::Condition], &field("differentials"));
        }
        self.least(&field("differentials"), entry.differentials.len(), 2);
        self.least(&field("opening"), entry.opening.len(), 3);
        self.least(&field("severity"), entry.severity.len(), 1);
        self.least(&field("sex"), entry.sex.len(), 1);
        self.least(&field("plan"), entry.plan.len(), 2);
        self.least(&field("negatives"), entry.negatives.len() + entry.essential_negatives.len(), 3);
        for name in &entry.comorbidities {
            if !self.common.comorbidities.iter().any(|it| it.history.concept == *name) {
                self.fault(field("comorbidities"), BankProblem::UnknownConcept(name.clone()));
            }
        }
        let emergency = match entry.emergency.as_str() {
            "no" => None,
            "yes" => Some(When::default()),
            words => Some(self.when(words, &field("emergency"))),
        };
        let plan = entry.plan.iter().map(|step| {
            let legal: &[ConceptKind] = match step.kind {
                StepKind::Drug => &[ConceptKind::Substance],
                StepKind::Investigation => &[ConceptKind::Test, ConceptKind::Examination],
                StepKind::Procedure | StepKind::Referral | StepKind::Advice => &[ConceptKind::Measure],
            };
            let mut choices = vec![(step.concept.clone(), step.text.clone())];
            choices.extend(step.or.iter().map(|[concept, text]| (concept.clone(), text.clone())));
            for (concept, _) in &choices {
                self.concept(concept, legal, &field("plan"));
            }
            Step { kind: step.kind, when: self.when(&step.when, &field("plan")), choices }
        });
        let plan = plan.collect();
        let opening = self.words(&entry.opening, &field("opening"));
        let items = self.items(entry);
        self.at(&entry.id);
        let names = self.names(&entry.diagnosis);
        let it = Presentation {
            id: id.to_owned(),
            title: entry.title.clone(),
            specialty: Specialty(specialty.to_owned()),
            diagnosis: entry.diagnosis.clone(),
            names,
            prevalence: entry.prevalence,
            ages: (entry.ages[0], entry.ages[1]),
            sexes: entry.sex.clone(),
            severities: entry.severity.clone(),
            comorbidities: entry.comorbidities.clone(),
            differentials: entry.differentials.clone(),
            red_flags: entry.red_flags.clone(),
            emergency,
            opening,
            items,
            plan,
        };
        self.ages(entry.ages, &field("ages"));
        self.whole(&it);
        it
    }

    /// Everything a patient of the presentation may have.
    fn items(&mut self, entry: &PresentationEntry) -> Vec<Item> {
        let id = entry.id.get_ref().as_str();
        let mut items = Vec::new();
        for it in entry.symptom.iter().chain(&entry.other) {
            items.push(self.item(it, id, Importance::Useful));
        }
        self.at(&entry.id);
        for (list, importance) in
            [(&entry.negatives, Importance::Useful), (&entry.essential_negatives, Importance::Essential)]
        {
            for concept in list {
                items.push(self.negative(concept, importance, id));
            }
        }
        let words = if entry.concern.is_empty() {
            vec![RawWording::One("@worry".to_owned())]
        } else {
            entry.concern.clone()
        };
        items.push(self.plain(Topic::Concern, "worry", &[(Aspect::Detail, &words)], id));
        let mut essential: BTreeSet<&str> = entry.essential_findings.iter().map(String::as_str).collect();
        for (topic, findings) in [(Topic::Examination, &entry.exam), (Topic::Test, &entry.test)] {
            for (concept, words) in findings {
                let mut item = self.finding(topic, concept, words, id);
                if essential.remove(concept.as_str()) {
                    item.aspects.iter_mut().for_each(|part| part.importance = Importance::Essential);
                }
                items.push(item);
            }
        }
        for name in essential {
            self.fault(format!("{id}.essential_findings"), BankProblem::UnknownFact(name.to_owned()));
        }
        match self.vitals.get(&entry.vitals).cloned() {
            // An examination the presentation writes itself goes before the set's.
            Some(set) => {
                let own: BTreeSet<String> = entry.exam.keys().cloned().collect();
                items.extend(set.into_iter().filter(|it| !own.contains(&it.concept)));
            }
            None => self.fault(format!("{id}.vitals"), BankProblem::UnknownPool(entry.vitals.clone())),
        }
        items
    }

    /// Wordings with pools put in their place.
    pub(super) fn words(&mut self, words: &Words, field: &str) -> Vec<Wording> {
        let mut wordings = Vec::new();
        for word in words {
            let parts = match word {
                RawWording::One(text) => match text.strip_prefix('@') {
                    Some(name) => {
                        match self.pools.get(name) {
                            Some(pool) => wordings.extend(pool.iter().cloned()),
                            None => self.fault(field, BankProblem::UnknownPool(name.to_owned())),
                        }
                        continue;
                    }
                    None => std::slice::from_ref(text),
                },
                RawWording::Parts(parts) => parts,
            };
            match Wording::new(parts) {
                Ok(wording) => wordings.push(wording),
                Err(problem) => self.fault(field, problem),
            }
        }
        wordings
    }

    pub(super) fn when(&mut self, words: &str, field: &str) -> When {
        When::parse(words).unwrap_or_else(|problem| {
            self.fault(field, problem);
            When::default()
        })
    }

    pub(super) fn concept(&mut self, name: &str, legal: &[ConceptKind], field: &str) {
        match self.lexicon.get(name).map(|concept| concept.kind) {
            None => self.fault(field, BankProblem::UnknownConcept(name.to_owned())),
            Some(found) if !legal.contains(&found) => {
                let legal = legal.to_vec();
                self.fault(field, BankProblem::WrongKind { name: name.to_owned(), found, legal });
            }
            Some(_) => {}
        }
    }

    pub(super) fn chance(&mut self, chance: f64, field: &str) -> f64 {
        if !(chance > 0.0 && chance <= 1.0) {
            self.fault(format!("{field}.chance"), BankProblem::Chance(chance));
        }
        chance
    }

    pub(super) fn ages(&mut self, [low, high]: [u32; 2], field: &str) {
        if low > high || high > Age::POOLED_FROM {
            self.fault(field, BankProblem::Ages(low, high));
        }
    }

    pub(super) fn least(&mut self, field: &str, found: usize, least: usize) {
        if found < least {
            self.fault(field, BankProblem::TooFew { found, least });
        }
    }

    /// Lower-case names of a condition.
    fn names(&self, condition: &str) -> Vec<String> {
        let phrases = self.lexicon.get(condition).map_or(&[][..], |concept| &concept.phrases);
        std::iter::once(condition).chain(phrases.iter().map(String::as_str)).map(str::to_lowercase).collect()
    }
}

fn is_id(text: &str, more: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || more.contains(c);
    !text.is_empty() && text.chars().all(legal)
}

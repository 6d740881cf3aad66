//! What must hold of a presentation as a whole.

use std::collections::BTreeSet;

use super::error::BankProblem;
use super::load::Loader;
use super::presentation::{Item, Presentation};
use super::synth::{SynthOptions, cells};
use super::wording::{Patient, Wording, name_in};
use crate::data::case::{Age, Aspect, Importance, Reveal, Topic};

/// Essential facts a patient may have, the allergy included.
const ESSENTIAL: std::ops::RangeInclusive<usize> = 4..=9;

impl Loader<'_> {
    /// Checks what no single field shows.
    pub(super) fn whole(&mut self, it: &Presentation) {
        self.complaint(it);
        self.references(it);
        self.words_for_all(it);
        self.secrecy(it);
        let essential =
            |item: &Item| item.aspects.iter().filter(|part| part.importance == Importance::Essential).count();
        // Each patient has one fact on allergies, and it is essential.
        let own_allergy = it.items.iter().any(|item| item.topic == Topic::Allergy);
        let found = it.items.iter().map(essential).sum::<usize>() + usize::from(!own_allergy);
        if !ESSENTIAL.contains(&found) {
            self.fault(&it.id, BankProblem::Essential { found });
        }
    }

    fn complaint(&mut self, it: &Presentation) {
        let main =
            it.items.iter().find(|item| item.aspects.iter().any(|part| part.reveal == Reveal::Opening));
        match main {
            None => self.fault(&it.id, BankProblem::Missing("main symptom")),
            Some(item) if !item.aspects.iter().any(|part| part.aspect == Aspect::Onset) => {
                self.fault(&it.id, BankProblem::Missing("onset of the main symptom"));
            }
            Some(item) if item.chance < 1.0 => {
                self.fault(&it.id, BankProblem::Missing("main symptom that every patient has"));
            }
            Some(_) => {}
        }
    }

    fn references(&mut self, it: &Presentation) {
        let mut ids = BTreeSet::new();
        for part in it.items.iter().flat_map(|item| &item.aspects) {
            if !ids.insert(part.id.as_str()) {
                self.fault(&it.id, BankProblem::Twice(part.id.clone()));
            }
        }
        let present =
            |id: &str| it.items.iter().any(|item| !item.absent && item.aspects.iter().any(|p| p.id == id));
        for flag in &it.red_flags {
            if !present(flag) {
                self.fault(format!("{}.red_flags", it.id), BankProblem::UnknownFact(flag.clone()));
            }
        }
        let flagged = |patient: Patient| {
            it.items.iter().any(|item| {
                let flag = item.aspects.iter().any(|part| it.red_flags.contains(&part.id));
                flag && !item.absent && item.fits(patient) && item.is_certain(patient)
            })
        };
        if patients(it).any(|patient| it.is_emergency(patient) && !flagged(patient)) {
            self.fault(&it.id, BankProblem::Missing("red flag that each emergency of this kind has"));
        }
    }

    /// Every patient finds a wording for every fact, with the parts its place needs.
    fn words_for_all(&mut self, it: &Presentation) {
        for patient in patients(it) {
            let Patient { severity, sex, age } = patient;
            let band = age.band();
            let mut lists = vec![(format!("{}.opening", it.id), &it.opening)];
            for item in it.items.iter().filter(|item| item.fits(patient)) {
                lists.extend(
                    item.aspects.iter().map(|part| (format!("{}.{}", it.id, part.id), &part.wordings)),
                );
            }
            for (field, wordings) in lists {
                if !wordings.iter().any(|wording| wording.when.fits(patient)) {
                    self.fault(field, BankProblem::NoWording { severity, sex, band });
                }
            }
        }
        for item in &it.items {
            let told = !matches!(item.topic, Topic::Examination | Topic::Test);
            for wording in item.aspects.iter().flat_map(|part| &part.wordings).chain(&item.denied) {
                let problem = match (told, wording.said.is_some()) {
                    (true, false) => "has no words for the patient to say",
                    (false, true) => "has words for the patient, who cannot know it",
                    _ => continue,
                };
                let text = wording.text.clone();
                self.fault(format!("{}.{}", it.id, item.concept), BankProblem::Words { text, problem });
            }
        }
    }

    /// No wording of the presentation names its diagnosis.
    fn secrecy(&mut self, it: &Presentation) {
        let wordings = it
            .items
            .iter()
            .flat_map(|item| item.aspects.iter().flat_map(|part| &part.wordings).chain(&item.denied));
        let texts = |it: &Wording| [Some(it.text.clone()), it.said.clone()];
        let leaks: Vec<_> = it
            .opening
            .iter()
            .chain(wordings)
            .flat_map(texts)
            .flatten()
            .filter_map(|text| name_in(&text, &it.names).map(str::to_owned).map(|name| (text, name)))
            .collect();
        for (text, name) in leaks {
            self.fault(&it.id, BankProblem::Leak { text, name });
        }
        if it.comorbidities.contains(&it.diagnosis) {
            let (text, name) = (it.comorbidities.join(", "), it.diagnosis.clone());
            self.fault(format!("{}.comorbidities", it.id), BankProblem::Leak { text, name });
        }
    }
}

/// Patients of every age, sex and severity that the presentation has.
fn patients(it: &Presentation) -> impl Iterator<Item = Patient> + '_ {
    let (low, high) = it.ages;
    cells(it, &SynthOptions::default()).into_iter().flat_map(move |(band, sex, severity)| {
        let ages = (low..=high).map(Age::new).filter(move |age| age.band() == band);
        ages.map(move |age| Patient { severity, sex, age })
    })
}

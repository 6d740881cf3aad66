//! Drawing one patient: every choice is made once, so chart and patient tell the same story.

use std::collections::BTreeSet;

use super::dice::Dice;
use super::presentation::{Common, Item, Part, Presentation};
use super::wording::{Patient, Wording, name_in};
use crate::data::case::{Case, Fact, FactId, Finding, Origin, PlanStep, Reveal, Stratum, Topic, Truth};
use crate::data::lexicon::Lexicon;

/// How many comorbidities a patient has at most.
const COMORBIDITIES: usize = 2;
/// How likely each of them is.
const COMORBIDITY: f64 = 0.4;
/// How many ill relatives are told of at most.
const RELATIVES: usize = 2;

/// Draws from one presentation for one patient.
pub(super) struct Draw<'a> {
    presentation: &'a Presentation,
    patient: Patient,
    dice: &'a mut Dice,
    facts: Vec<Fact>,
    taken: BTreeSet<(Topic, String)>,
    allergens: Vec<String>,
}

impl<'a> Draw<'a> {
    pub fn new(presentation: &'a Presentation, patient: Patient, dice: &'a mut Dice) -> Self {
        Self { presentation, patient, dice, facts: Vec::new(), taken: BTreeSet::new(), allergens: Vec::new() }
    }

    /// The case called `id`.
    pub fn case(mut self, id: String, seed: u64, common: &Common, lexicon: &Lexicon) -> Case {
        let presentation = self.presentation;
        let opening = self.wording(&presentation.opening).map(|wording| wording.text.clone());
        for item in &presentation.items {
            self.item(item);
        }
        self.allergies(common, lexicon);
        let comorbidities = self.comorbidities(common, lexicon);
        self.habits(common);
        for (topic, none) in [
            (Topic::Allergy, &common.no_allergy),
            (Topic::Medication, &common.no_medication),
            (Topic::History, &common.no_history),
            (Topic::Family, &common.no_family),
        ] {
            if let (Some(item), false) = (none, self.facts.iter().any(|fact| fact.topic == topic)) {
                self.item(item);
            }
        }
        // Told in the order a consultation asks; the sort is stable.
        self.facts.sort_by_key(|fact| fact.topic);
        let truth = self.truth(lexicon);
        Case {
            id,
            presentation: presentation.id.clone(),
            stratum: Stratum {
                specialty: presentation.specialty.clone(),
                age: self.patient.age,
                sex: self.patient.sex,
                severity: self.patient.severity,
                prevalence: presentation.prevalence,
                comorbidities,
            },
            opening: opening.unwrap_or_default(),
            facts: self.facts,
            truth,
            origin: Origin::Synthetic { seed },
        }
    }

    /// A wording that fits the patient and does not name the diagnosis.
    fn wording<'w>(&mut self, wordings: &'w [Wording]) -> Option<&'w Wording> {
        let names = &self.presentation.names;
        let hides = |words: &str| name_in(words, names).is_none();
        let fitting: Vec<_> = wordings
            .iter()
            .filter(|it| {
                it.when.fits(self.patient) && hides(&it.text) && it.said.as_deref().is_none_or(hides)
            })
            .collect();
        self.dice.pick(&fitting).copied()
    }

    /// Decides whether the patient has `item`, and adds its facts or its denial. True where the patient has it.
    fn item(&mut self, item: &Item) -> bool {
        if !item.fits(self.patient) || self.taken.contains(&(item.topic, item.concept.clone())) {
            return false;
        }
        let has = self.dice.chance(item.chance) || item.is_certain(self.patient);
        let before = self.facts.len();
        if has {
            let finding = if item.absent { Finding::Absent } else { Finding::Present };
            for part in &item.aspects {
                self.fact(item, part, &part.wordings, finding);
            }
        } else if let Some(part) = item.aspects.first() {
            self.fact(item, part, &item.denied, Finding::Absent);
        }
        if self.facts.len() > before {
            self.taken.insert((item.topic, item.concept.clone()));
        }
        has && self.facts.len() > before
    }

    fn fact(&mut self, item: &Item, part: &Part, wordings: &[Wording], finding: Finding) {
        let Some(wording) = self.wording(wordings) else { return };
        let (text, said) = wording.render(self.dice);
        // A symptom that is not there is never what the patient came with.
        let reveal = match (finding, part.reveal) {
            (Finding::Absent, Reveal::Opening) => Reveal::OnQuestion,
            (_, reveal) => reveal,
        };
        self.facts.push(Fact {
            id: FactId(part.id.clone()),
            topic: item.topic,
            concept: item.concept.clone(),
            aspect: part.aspect,
            finding,
            text,
            said,
            reveal,
            importance: part.importance,
            private: item.private,
        });
    }

    /// At most one allergy beyond those of the presentation, and none to a drug that the patient takes.
    fn allergies(&mut self, common: &Common, lexicon: &Lexicon) {
        let mut order: Vec<_> = common.allergies.iter().collect();
        self.dice.shuffle(&mut order);
        if !self.facts.iter().any(|fact| fact.topic == Topic::Allergy) {
            let taken: Vec<_> =
                self.taken.iter().filter(|(topic, _)| *topic == Topic::Medication).cloned().collect();
            for item in order {
                let tolerated = taken.iter().any(|(_, drug)| lexicon.is_a(drug, &item.concept));
                if !tolerated && self.item(item) {
                    break;
                }
            }
        }
        let present = |fact: &&Fact| fact.topic == Topic::Allergy && fact.finding == Finding::Present;
        self.allergens = self.facts.iter().filter(present).map(|fact| fact.concept.clone()).collect();
        self.allergens.dedup();
    }

    /// Other conditions, each with its history and what is taken for it.
    fn comorbidities(&mut self, common: &Common, lexicon: &Lexicon) -> Vec<String> {
        let names = &self.presentation.comorbidities;
        let mut order: Vec<_> =
            common.comorbidities.iter().filter(|it| names.contains(&it.history.concept)).collect();
        self.dice.shuffle(&mut order);
        let mut found = Vec::new();
        for it in order {
            if found.len() == COMORBIDITIES || !self.dice.chance(COMORBIDITY) || !self.item(&it.history) {
                continue;
            }
            found.push(it.history.concept.clone());
            let safe: Vec<_> =
                it.medicines.iter().filter(|drug| !self.allergic(&drug.concept, lexicon)).collect();
            if let Some(drug) = self.dice.pick(&safe) {
                self.item(drug);
            }
        }
        found.sort();
        found
    }

    fn habits(&mut self, common: &Common) {
        let mut order: Vec<_> = common.items.iter().collect();
        self.dice.shuffle(&mut order);
        let relatives = |facts: &[Fact]| facts.iter().filter(|fact| fact.topic == Topic::Family).count();
        for item in order {
            if item.topic != Topic::Family || relatives(&self.facts) < RELATIVES {
                self.item(item);
            }
        }
    }

    fn allergic(&self, drug: &str, lexicon: &Lexicon) -> bool {
        self.allergens.iter().any(|allergen| lexicon.is_a(drug, allergen))
    }

    fn truth(&self, lexicon: &Lexicon) -> Truth {
        let presentation = self.presentation;
        let present = |id: &&String| {
            self.facts.iter().any(|fact| fact.id.as_str() == id.as_str() && fact.finding == Finding::Present)
        };
        let plan = presentation.plan.iter().filter(|step| step.when.fits(self.patient)).filter_map(|step| {
            let (concept, text) =
                step.choices.iter().find(|(concept, _)| !self.allergic(concept, lexicon))?;
            Some(PlanStep { kind: step.kind, concept: concept.clone(), text: text.clone() })
        });
        Truth {
            diagnosis: presentation.diagnosis.clone(),
            differentials: presentation.differentials.clone(),
            red_flags: presentation.red_flags.iter().filter(present).cloned().map(FactId).collect(),
            emergency: Some(presentation.is_emergency(self.patient)),
            plan: plan.collect(),
        }
    }
}

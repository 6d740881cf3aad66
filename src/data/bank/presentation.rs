//! A presentation and what patients share, checked and ready to draw from.

use super::wording::{Patient, When, Wording};
use crate::data::case::{Aspect, Importance, Prevalence, Reveal, Severity, Sex, Specialty, StepKind, Topic};

/// A kind of case: everything its patients may have.
#[derive(Debug, Clone)]
pub struct Presentation {
    /// Unique within the bank, e.g. `acute-appendicitis`.
    pub id: String,
    /// In words, e.g. `Acute appendicitis`.
    pub title: String,
    /// The specialty whose file it is in.
    pub specialty: Specialty,
    /// The hidden diagnosis, as the lexicon names it.
    pub diagnosis: String,
    /// Names of the diagnosis, lower case: what no patient may say.
    pub names: Vec<String>,
    /// How common it is.
    pub prevalence: Prevalence,
    /// Youngest and oldest patient.
    pub ages: (u32, u32),
    /// Sexes that have it.
    pub sexes: Vec<Sex>,
    /// Severities it comes in.
    pub severities: Vec<Severity>,
    /// Other conditions that patients may have.
    pub comorbidities: Vec<String>,
    /// What else a careful doctor considers.
    pub differentials: Vec<String>,
    /// Ids of facts that call for urgency.
    pub red_flags: Vec<String>,
    /// `None` where no patient is an emergency.
    pub(super) emergency: Option<When>,
    pub(super) opening: Vec<Wording>,
    pub(super) items: Vec<Item>,
    pub(super) plan: Vec<Step>,
}

/// A concept that a patient has or has not.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub topic: Topic,
    pub concept: String,
    pub chance: f64,
    pub always: Option<When>,
    pub ages: (u32, u32),
    pub when: When,
    pub private: bool,
    pub absent: bool,
    pub aspects: Vec<Part>,
    pub denied: Vec<Wording>,
}

/// One aspect of an item: a fact, once a wording is drawn.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub id: String,
    pub aspect: Aspect,
    pub importance: Importance,
    pub reveal: Reveal,
    pub wordings: Vec<Wording>,
}

/// A step of the plan, with what to do instead where the patient is allergic.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub kind: StepKind,
    pub when: When,
    pub choices: Vec<(String, String)>,
}

/// What patients of all presentations share.
#[derive(Debug, Clone, Default)]
pub(super) struct Common {
    pub items: Vec<Item>,
    pub comorbidities: Vec<Comorbidity>,
    pub allergies: Vec<Item>,
    pub no_allergy: Option<Item>,
    pub no_medication: Option<Item>,
    pub no_history: Option<Item>,
    pub no_family: Option<Item>,
}

/// A condition with the facts it brings.
#[derive(Debug, Clone)]
pub(super) struct Comorbidity {
    pub history: Item,
    pub medicines: Vec<Item>,
}

impl Item {
    /// Whether a patient who may have it surely has.
    pub fn is_certain(&self, patient: Patient) -> bool {
        self.chance >= 1.0 || self.always.as_ref().is_some_and(|when| when.fits(patient))
    }

    /// Whether a patient may have it.
    pub fn fits(&self, patient: Patient) -> bool {
        let years = patient.age.years();
        self.ages.0 <= years && years <= self.ages.1 && self.when.fits(patient)
    }
}

impl Presentation {
    /// Whether patients of this age, sex and severity are emergencies.
    pub(super) fn is_emergency(&self, patient: Patient) -> bool {
        self.emergency.as_ref().is_some_and(|when| when.fits(patient))
    }
}

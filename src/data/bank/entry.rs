//! The shapes of the bank's files, as they are written; `data/README.md` explains them to writers.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::wording::RawWording;
use crate::data::case::{Aspect, Prevalence, Severity, Sex, StepKind, Topic};

/// A list of wordings.
pub(super) type Words = Vec<RawWording>;

/// `data/bank/<specialty>.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpecialtyFile {
    pub specialty: String,
    pub presentation: Vec<PresentationEntry>,
}

/// One kind of case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresentationEntry {
    pub id: Spanned<String>,
    pub title: String,
    pub diagnosis: String,
    pub prevalence: Prevalence,
    /// `no`, `yes`, or the patients for whom it is one, e.g. `severe`.
    pub emergency: String,
    pub ages: [u32; 2],
    #[serde(default = "both_sexes")]
    pub sex: Vec<Sex>,
    pub severity: Vec<Severity>,
    #[serde(default)]
    pub comorbidities: Vec<String>,
    pub differentials: Vec<String>,
    #[serde(default)]
    pub red_flags: Vec<String>,
    pub opening: Words,
    /// Name of a set of vital signs of the common file.
    pub vitals: String,
    /// Symptoms denied, in the common file's words.
    #[serde(default)]
    pub negatives: Vec<String>,
    /// Symptoms whose absence the diagnosis or safety hangs on.
    #[serde(default)]
    pub essential_negatives: Vec<String>,
    /// What the patient fears or wants; the common worries where there is none.
    #[serde(default)]
    pub concern: Words,
    pub symptom: Vec<ItemEntry>,
    /// Everything else that is asked for: history, medication, allergy, family, social.
    #[serde(default)]
    pub other: Vec<ItemEntry>,
    #[serde(default)]
    pub exam: BTreeMap<String, Words>,
    #[serde(default)]
    pub test: BTreeMap<String, Words>,
    /// Examinations and tests that the diagnosis hangs on.
    #[serde(default)]
    pub essential_findings: Vec<String>,
    pub plan: Vec<PlanEntry>,
}

fn both_sexes() -> Vec<Sex> {
    vec![Sex::Female, Sex::Male]
}

/// A concept with what can be told of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemEntry {
    pub concept: Spanned<String>,
    #[serde(default = "symptom")]
    pub topic: Topic,
    /// The patient brings it up unasked.
    #[serde(default)]
    pub main: bool,
    /// How likely a patient has it.
    #[serde(default = "always")]
    pub chance: f64,
    /// Patients that surely have it, whatever the chance, e.g. `severe`.
    #[serde(default)]
    pub always: String,
    /// Ages that may have it.
    #[serde(default = "any_age")]
    pub ages: [u32; 2],
    /// Patients that may have it, e.g. `female`.
    #[serde(default)]
    pub when: String,
    /// Told only to a doctor who was kind or asks twice.
    #[serde(default)]
    pub trust: bool,
    /// More than the clinical question needs.
    #[serde(default)]
    pub private: bool,
    /// The wording says that the concept is absent: `takes no medicine`.
    #[serde(default)]
    pub absent: bool,
    /// Aspects the diagnosis or safety hangs on.
    #[serde(default)]
    pub essential: Vec<Aspect>,
    /// Words of a patient who has it not; symptoms get the common ones, other things are then not mentioned.
    #[serde(default)]
    pub denied: Words,
    #[serde(default)]
    pub presence: Words,
    #[serde(default)]
    pub onset: Words,
    #[serde(default)]
    pub course: Words,
    #[serde(default)]
    pub character: Words,
    #[serde(default)]
    pub severity: Words,
    #[serde(default)]
    pub location: Words,
    #[serde(default)]
    pub radiation: Words,
    #[serde(default)]
    pub aggravating: Words,
    #[serde(default)]
    pub relieving: Words,
    #[serde(default)]
    pub detail: Words,
}

fn symptom() -> Topic {
    Topic::Symptom
}

fn always() -> f64 {
    1.0
}

fn any_age() -> [u32; 2] {
    [0, 90]
}

impl ItemEntry {
    /// The wordings of each aspect, in the order facts are kept.
    pub fn aspects(&self) -> [(Aspect, &Words); 10] {
        [
            (Aspect::Presence, &self.presence),
            (Aspect::Onset, &self.onset),
            (Aspect::Course, &self.course),
            (Aspect::Character, &self.character),
            (Aspect::Severity, &self.severity),
            (Aspect::Location, &self.location),
            (Aspect::Radiation, &self.radiation),
            (Aspect::Aggravating, &self.aggravating),
            (Aspect::Relieving, &self.relieving),
            (Aspect::Detail, &self.detail),
        ]
    }
}

/// One step of a plan; `or` holds what to do instead where the patient is allergic.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanEntry {
    pub kind: StepKind,
    pub concept: String,
    pub text: String,
    #[serde(default)]
    pub when: String,
    #[serde(default)]
    pub or: Vec<[String; 2]>,
}

/// `data/bank/common.toml`: what patients of all presentations share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommonFile {
    /// Lists of wordings that entries name with `@`.
    pub pool: BTreeMap<String, Words>,
    /// Symptoms in lay words: what `any ...` and `... too` take, e.g. `["cough", "a cough"]`.
    pub lay: BTreeMap<String, [String; 2]>,
    /// Sets of vital signs: examination by examination.
    pub vitals: BTreeMap<String, BTreeMap<String, Words>>,
    pub comorbidity: Vec<ComorbidityEntry>,
    pub allergy: Vec<AllergyEntry>,
    /// Habits, relatives and circumstances anyone may have.
    pub item: Vec<ItemEntry>,
}

/// A condition beside the one that the case is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComorbidityEntry {
    pub concept: Spanned<String>,
    pub ages: [u32; 2],
    pub presence: Words,
    #[serde(default)]
    pub detail: Words,
    /// One of these is taken.
    #[serde(default)]
    pub medicine: Vec<MedicineEntry>,
}

/// A drug with how it is taken.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MedicineEntry {
    pub concept: String,
    pub presence: Words,
    pub detail: Words,
}

/// An allergy and how often patients have it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AllergyEntry {
    pub concept: Spanned<String>,
    pub chance: f64,
    pub presence: Words,
    pub detail: Words,
}

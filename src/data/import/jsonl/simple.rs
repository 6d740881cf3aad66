//! The simpler form of a case: what somebody writes by hand.

use serde::Deserialize;

use crate::data::case::{
    Age, Aspect, Case, Finding, Importance, PlanStep, Prevalence, Reveal, Severity, Sex, Specialty, StepKind,
    Stratum, Topic, Truth,
};
use crate::data::import::concept::plain_name;
use crate::data::import::draft::{Draft, finish, names_of};
use crate::data::import::voice::{first_person, i_have, i_have_no};
use crate::data::import::{Context, ImportAccount, ImportError, sentence, specialty};
use crate::data::lexicon::ConceptKind;
use crate::data::phi::{Deidentified, Place, RawRecord};

/// One line of the simpler form. Only `age`, `sex`, `diagnosis` and one of `opening` and `symptoms` are needed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimpleCase {
    /// Defaults to the format and a number.
    pub id: Option<String>,
    /// Defaults to the diagnosis in hyphens.
    pub presentation: Option<String>,
    /// In years.
    pub age: Age,
    /// As recorded.
    pub sex: Sex,
    /// Defaults to what the diagnosis suggests.
    pub specialty: Option<Specialty>,
    /// Defaults to moderate.
    pub severity: Option<Severity>,
    /// Defaults to occasional.
    pub prevalence: Option<Prevalence>,
    /// The patient's first sentence; defaults to the first symptom.
    pub opening: Option<String>,
    /// What the doctor has to find out.
    pub diagnosis: String,
    /// What else a careful doctor considers.
    #[serde(default)]
    pub differentials: Vec<String>,
    /// Whether the patient has to be sent to an emergency department; not known where it is left out.
    #[serde(default)]
    pub emergency: Option<bool>,
    /// What should be done.
    #[serde(default)]
    pub plan: Vec<SimpleStep>,
    /// What the patient feels; the first is told unasked.
    #[serde(default)]
    pub symptoms: Vec<SimpleFact>,
    /// Symptoms the patient has not.
    #[serde(default)]
    pub denies: Vec<SimpleFact>,
    /// Past illnesses and operations.
    #[serde(default)]
    pub history: Vec<SimpleFact>,
    /// Drugs taken.
    #[serde(default)]
    pub medications: Vec<SimpleFact>,
    /// Allergies.
    #[serde(default)]
    pub allergies: Vec<SimpleFact>,
    /// Illnesses of relatives.
    #[serde(default)]
    pub family: Vec<SimpleFact>,
    /// Habits and circumstances.
    #[serde(default)]
    pub social: Vec<SimpleFact>,
    /// What the patient fears or wants.
    #[serde(default)]
    pub concerns: Vec<SimpleFact>,
    /// What an examination shows.
    #[serde(default)]
    pub examination: Vec<SimpleFact>,
    /// What tests show.
    #[serde(default)]
    pub tests: Vec<SimpleFact>,
    /// What is true and must never be told.
    #[serde(default)]
    pub hidden: Vec<SimpleFact>,
}

/// A fact: `concept: text`, or a text alone, or an object.
#[derive(Debug, Clone, PartialEq)]
pub enum SimpleFact {
    /// `chest pain: crushing, since this morning`, or `crushing chest pain`.
    Text(String),
    /// With all that can be said of it.
    Whole(Box<WholeFact>),
}

/// A fact with all that can be said of it; everything but `text` may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeFact {
    /// The chart's wording.
    pub text: String,
    /// What it is about; found in the text where it is left out.
    pub concept: Option<String>,
    /// Defaults to presence.
    pub aspect: Option<Aspect>,
    /// Defaults to what the wording says.
    pub finding: Option<Finding>,
    /// The patient's own words; made from the text where they are left out.
    pub said: Option<String>,
    /// Defaults to when its topic is told.
    pub reveal: Option<Reveal>,
    /// Defaults to useful, of an allergy to essential.
    pub importance: Option<Importance>,
    /// True where it tells more about the person than the clinical question needs.
    #[serde(default)]
    pub private: bool,
}

/// A step of the plan: a text, or an object.
#[derive(Debug, Clone, PartialEq)]
pub enum SimpleStep {
    /// Advice, unless it names a drug, a test or a measure.
    Text(String),
    /// With its kind and concept.
    Whole(PlanStep),
}

impl SimpleCase {
    /// The case, with what was left out filled in.
    pub(super) fn case(
        self,
        record: &Deidentified<RawRecord>,
        place: &Place,
        id: String,
        context: &Context<'_>,
        account: &mut ImportAccount,
    ) -> Result<Case, ImportError> {
        let shape = |field: &str, found: &str, legal: &str| ImportError::Shape {
            place: place.clone(),
            field: field.to_owned(),
            found: found.to_owned(),
            legal: legal.to_owned(),
        };
        if self.diagnosis.trim().is_empty() {
            return Err(shape("diagnosis", "empty", "the name of a condition"));
        }
        let sections: [(Topic, &[SimpleFact], Option<Finding>); 11] = [
            (Topic::Symptom, &self.symptoms, None),
            (Topic::Symptom, &self.denies, Some(Finding::Absent)),
            (Topic::History, &self.history, None),
            (Topic::Medication, &self.medications, None),
            (Topic::Allergy, &self.allergies, None),
            (Topic::Family, &self.family, None),
            (Topic::Social, &self.social, None),
            (Topic::Concern, &self.concerns, None),
            (Topic::Examination, &self.examination, None),
            (Topic::Test, &self.tests, None),
            (Topic::History, &self.hidden, None),
        ];
        let mut drafts = Vec::new();
        for (index, (topic, facts, finding)) in sections.into_iter().enumerate() {
            for fact in facts {
                let mut draft = fact.draft(topic, finding, self.sex, context);
                if index == 10 {
                    draft.reveal = Reveal::Never;
                }
                drafts.push(draft);
            }
        }
        if self.opening.is_none()
            && let Some(first) = drafts.first_mut().filter(|_| !self.symptoms.is_empty())
        {
            first.reveal = Reveal::Opening;
            first.importance = Importance::Essential;
        }
        let first = drafts.first().filter(|_| !self.symptoms.is_empty()).and_then(|draft| draft.said.clone());
        let Some(opening) = self.opening.clone().or(first) else {
            return Err(shape(
                "opening",
                "missing, and so is symptoms",
                "the patient's first sentence, or a symptom",
            ));
        };
        let forbidden = names_of(&self.diagnosis, context.lexicon, &context.concepts);
        if super::super::concept::names_one_of(&opening, &forbidden) && self.opening.is_some() {
            return Err(shape("opening", "a sentence that names the diagnosis", "one that does not"));
        }
        let plan = self.plan.iter().map(|step| step.step(context)).collect();
        let truth = Truth {
            diagnosis: context.concepts.condition(&self.diagnosis),
            differentials: self.differentials.iter().map(|name| context.concepts.condition(name)).collect(),
            red_flags: Vec::new(),
            emergency: self.emergency,
            plan,
        };
        let stratum = Stratum {
            specialty: self.specialty.unwrap_or_else(|| specialty::of_diagnosis(&self.diagnosis)),
            age: self.age,
            sex: self.sex,
            severity: self.severity.unwrap_or(Severity::Moderate),
            prevalence: self.prevalence.unwrap_or(Prevalence::Occasional),
            comorbidities: Vec::new(),
        };
        let plain = "I've come because I haven't been feeling right.";
        let id = self.id.unwrap_or(id);
        let (mut case, hidden) = finish(record, id, stratum, [&opening, plain], drafts, truth, &forbidden);
        account.hidden += hidden;
        if let Some(presentation) = self.presentation {
            case.presentation = presentation;
        }
        Ok(case)
    }
}

/// Relatives, as an entry of the family history begins.
const KIN: [&str; 8] = ["father ", "mother ", "brother ", "sister ", "son ", "daughter ", "aunt ", "uncle "];

impl SimpleFact {
    fn draft(&self, topic: Topic, given: Option<Finding>, sex: Sex, context: &Context<'_>) -> Draft {
        let whole = match self {
            Self::Whole(whole) => (**whole).clone(),
            Self::Text(text) => {
                let (concept, rest) = match text.split_once(": ") {
                    Some((concept, rest)) if concept.len() <= 60 => (Some(concept.to_owned()), rest),
                    _ => (None, text.as_str()),
                };
                let text = if topic == Topic::Symptom { rest.to_owned() } else { text.clone() };
                let (aspect, finding, said, reveal, importance) = (None, None, None, None, None);
                WholeFact { text, concept, aspect, finding, said, reveal, importance, private: false }
            }
        };
        let kinds: &[ConceptKind] = match topic {
            Topic::Symptom | Topic::Concern => &[ConceptKind::Symptom],
            Topic::History | Topic::Family => &[ConceptKind::Condition, ConceptKind::Measure],
            Topic::Medication | Topic::Allergy => &[ConceptKind::Substance],
            Topic::Social => &[ConceptKind::Circumstance],
            Topic::Examination => &[ConceptKind::Examination, ConceptKind::Test],
            Topic::Test => &[ConceptKind::Test, ConceptKind::Examination],
        };
        let concept = context.concepts.name(whole.concept.as_deref().unwrap_or(&whole.text), kinds);
        let finding = whole.finding.or(given).unwrap_or_else(|| sentence::finding(&whole.text));
        let told = matches!(topic, Topic::Examination | Topic::Test);
        let said = whole.said.or_else(|| {
            let plain = plain_name(&whole.text);
            let count = plain.split(' ').count();
            let said = match (topic, finding) {
                _ if told => return None,
                (Topic::Symptom, Finding::Absent) if given.is_some() => i_have_no(&whole.text),
                (Topic::Symptom, Finding::Present) if count <= 10 => i_have(&whole.text),
                (Topic::History, Finding::Present) if count <= 3 => i_have(&whole.text),
                (Topic::Medication, Finding::Present) if count <= 6 => format!("I take {}.", whole.text),
                (Topic::Allergy, Finding::Present) if count <= 3 && !plain.contains("allerg") => {
                    format!("I'm allergic to {}.", whole.text)
                }
                (Topic::Family, _) if KIN.iter().any(|kin| plain.starts_with(kin)) => format!("My {plain}."),
                _ => first_person(&whole.text, sex),
            };
            Some(said)
        });
        let mut draft = Draft::new(topic, concept, whole.text).finding(finding);
        draft.said = said;
        draft.aspect = whole.aspect.unwrap_or(Aspect::Presence);
        draft.reveal = whole.reveal.unwrap_or(draft.reveal);
        let usual = if topic == Topic::Allergy { Importance::Essential } else { Importance::Useful };
        draft.importance = whole.importance.unwrap_or(usual);
        draft.private = whole.private;
        draft
    }
}

impl SimpleStep {
    fn step(&self, context: &Context<'_>) -> PlanStep {
        let text = match self {
            Self::Whole(step) => return step.clone(),
            Self::Text(text) => text.clone(),
        };
        let kinds = [
            (ConceptKind::Substance, StepKind::Drug),
            (ConceptKind::Test, StepKind::Investigation),
            (ConceptKind::Examination, StepKind::Investigation),
            (ConceptKind::Measure, StepKind::Procedure),
        ];
        let named = kinds.iter().find_map(|(kind, step)| {
            let name = context.concepts.within(&text, &[*kind]).first().map(|name| (*name).to_owned())?;
            Some((name, *step))
        });
        let (concept, kind) = named.unwrap_or_else(|| (plain_name(&text), StepKind::Advice));
        PlanStep { kind, concept, text }
    }
}

//! A case: what is true of a patient, what the patient knows and says, and what must stay hidden.
//!
//! Everything a simulated patient can say, and everything a rubric can ask for, is a [`Fact`] of a case; nothing is
//! made up later. Importers ([`crate::data`]) and the bundled bank produce cases; `sim` and `rubric` read them.

use serde::{Deserialize, Serialize};

pub mod fact;
pub mod stratum;
pub mod truth;

pub use fact::{Aspect, Fact, FactId, Finding, Importance, Reveal, Topic};
pub use stratum::{Age, AgeBand, Prevalence, Severity, Sex, Specialty, Stratum};
pub use truth::{Origin, PlanStep, StepKind, Truth};

/// One patient's encounter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique within a case set; letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// The kind of case, e.g. `acute-appendicitis`; held-out splits keep whole presentations apart.
    pub presentation: String,
    /// What cases are stratified by.
    pub stratum: Stratum,
    /// The first sentence the patient says, in the patient's own words.
    pub opening: String,
    /// Everything known of the case, each with when it may be told. Ids are unique within the case.
    pub facts: Vec<Fact>,
    /// What the doctor has to find out; no part of the patient's replies may name it.
    pub truth: Truth,
    /// Where the case came from.
    pub origin: Origin,
}

impl Case {
    /// The fact called `id`.
    pub fn fact(&self, id: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.id.as_str() == id)
    }

    /// Whether anything of it can be told or found: else there is nobody to consult.
    pub fn can_tell(&self) -> bool {
        self.facts.iter().any(|fact| fact.reveal != Reveal::Never)
    }

    /// Facts on `topic`, in the order of the case.
    pub fn facts_on(&self, topic: Topic) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(move |fact| fact.topic == topic)
    }

    /// Facts about `concept` (a name of the lexicon), in the order of the case.
    pub fn facts_about<'a>(&'a self, concept: &'a str) -> impl Iterator<Item = &'a Fact> {
        self.facts.iter().filter(move |fact| fact.concept == concept)
    }
}

//! What a patient plays from: the case without its truth, and a persona.

use serde::{Deserialize, Serialize};

use crate::data::case::{Case, Fact, Stratum};
use crate::data::lexicon::Lexicon;
use crate::sim::persona::Persona;

/// What a patient plays from. It holds no diagnosis, so no reply can be made of it; `forbidden` lists the words
/// for it only so that the factual check can strike them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatientScript {
    /// The case it is made from.
    pub case_id: String,
    /// Age, sex and the rest.
    pub stratum: Stratum,
    /// The first sentence.
    pub opening: String,
    /// All facts, each with when it may be told.
    pub facts: Vec<Fact>,
    /// Names of the hidden diagnosis, lower case.
    pub forbidden: Vec<String>,
    /// Who speaks.
    pub persona: Persona,
    /// Draws the wording; two consultations with one seed and one doctor are the same.
    pub seed: u64,
}

impl PatientScript {
    /// The script of `case` played by `persona`; what else the diagnosis is called is looked up in `lexicon`.
    pub fn of_case(case: &Case, lexicon: &Lexicon, persona: Persona, seed: u64) -> Self {
        let synonyms = lexicon.get(&case.truth.diagnosis).map_or(&[][..], |concept| &concept.phrases);
        Self::new(case, synonyms, persona, seed)
    }

    /// The script of `case` played by `persona`; `forbidden` gets the diagnosis and what else it is called.
    pub fn new(case: &Case, synonyms: &[String], persona: Persona, seed: u64) -> Self {
        let mut forbidden = vec![case.truth.diagnosis.to_lowercase()];
        forbidden.extend(synonyms.iter().map(|name| name.to_lowercase()));
        Self {
            case_id: case.id.clone(),
            stratum: case.stratum.clone(),
            opening: case.opening.clone(),
            facts: case.facts.clone(),
            forbidden,
            persona,
            seed,
        }
    }
}

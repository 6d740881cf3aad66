//! What a patient as a person asks of a doctor's answers.

use serde::{Deserialize, Serialize};

use crate::rubric::criterion::{Axis, Check, Criterion, Provenance};
use crate::sim::persona::{Level, Persona};

/// What a persona asks of answers (Baichuan-M2 report, section 2.2: rubrics depend on patients as the simulator models them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Needs {
    /// Words that anybody understands.
    pub plain_words: bool,
    /// Reasons for what is asked and done.
    pub reasons: bool,
    /// That costs are thought of.
    pub costs: bool,
    /// Warmth: without it less is told.
    pub warmth: bool,
}

impl From<&Persona> for Needs {
    fn from(persona: &Persona) -> Self {
        Self {
            plain_words: persona.education == Level::Low,
            reasons: persona.education == Level::High,
            costs: persona.income == Level::Low,
            warmth: persona.feeling,
        }
    }
}

impl Needs {
    /// A criterion for each need, each with a check by rules. Rules see words, not manner: whether the reason is a good one, or the warmth
    /// meant, a reader says better.
    pub fn criteria(self) -> Vec<Criterion> {
        let of = |check: Check, text: &str| Criterion {
            text: text.to_owned(),
            points: 2,
            axis: Axis::Communication,
            provenance: Provenance::General,
            check: Some(check),
        };
        let all = [
            (
                self.plain_words,
                of(Check::PlainWords, "Uses words that a person without medical training understands"),
            ),
            (self.reasons, of(Check::Explains, "Gives a reason for what it asks or does")),
            (self.costs, of(Check::Costs, "Takes into account what tests or treatment cost the patient")),
            (self.warmth, of(Check::Empathy, "Says something warm to a patient who needs it")),
        ];
        all.into_iter().filter(|(needed, _)| *needed).map(|(_, criterion)| criterion).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personas_ask_for_what_they_are() {
        let mut persona = Persona::draw(0);
        persona.education = Level::High;
        persona.income = Level::Low;
        persona.feeling = false;
        let needs = Needs::from(&persona);
        assert_eq!(needs, Needs { reasons: true, costs: true, ..Needs::default() });
        let checks: Vec<_> = needs.criteria().into_iter().map(|it| it.check).collect();
        assert_eq!(checks, [Some(Check::Explains), Some(Check::Costs)]);
        assert!(Needs::default().criteria().is_empty());
    }
}

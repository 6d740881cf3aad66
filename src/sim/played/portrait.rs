//! A persona in sentences that say what follows from it for a patient's behaviour.

use serde_json::json;

use crate::sim::played::prompts::{PromptError, PromptName, Prompts};
use crate::sim::script::PatientScript;

/// Who `script`'s patient is, a line for each trait, in the words of `prompts` (Baichuan-M2 report, section 2.1.1, which states what
/// follows of being extravert, of feeling, of little money and of much education; the rest is this project's).
///
/// # Errors
///
/// [`PromptError::Template`] where the portrait cannot be filled.
pub fn portrait(script: &PatientScript, prompts: &Prompts) -> Result<Vec<String>, PromptError> {
    let (persona, age) = (&script.persona, script.stratum.age);
    let values = json!({
        "age": age.to_string(), "age_band": age.band(), "sex": script.stratum.sex,
        "personality": persona.type_name(), "extravert": persona.extravert, "intuitive": persona.intuitive,
        "feeling": persona.feeling, "judging": persona.judging, "income": persona.income,
        "education": persona.education, "culture": persona.culture, "verbosity": persona.verbosity,
        "recall": persona.recall, "emotion": persona.emotion,
    });
    let filled = prompts.fill(PromptName::Portrait, values)?;
    Ok(filled.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::case::{Age, Sex};
    use crate::sim::persona::{Culture, Emotion, Level, Persona};
    use crate::sim::sample::{plain, script};

    #[test]
    fn each_trait_changes_one_line() {
        let of = |persona: Persona| portrait(&script(persona, 1), Prompts::bundled()).unwrap();
        let base = of(plain());
        let changed = [
            (Persona { extravert: true, ..plain() }, "what the treatment will be"),
            (Persona { intuitive: true, ..plain() }, "whole picture"),
            (Persona { feeling: true, ..plain() }, "after kind words you open up"),
            (Persona { judging: false, ..plain() }, "wander"),
            (Persona { income: Level::Low, ..plain() }, "resist what is expensive"),
            (Persona { education: Level::High, ..plain() }, "ask for the evidence"),
            (Persona { culture: Culture::Family, ..plain() }, "the family's"),
            (Persona { verbosity: Level::Low, ..plain() }, "one short sentence"),
            (Persona { recall: Level::Low, ..plain() }, "slip your mind"),
            (Persona { emotion: Emotion::Afraid, ..plain() }, "reassurance"),
        ];
        for (persona, says) in changed {
            let lines = of(persona);
            let other: Vec<&String> = lines.iter().filter(|line| !base.contains(line)).collect();
            // A side of a trait changes the name of the type as well.
            assert!((1..=2).contains(&other.len()), "{other:?}");
            assert!(other.iter().any(|line| line.contains(says)), "{says}: {other:?}");
        }
        assert!(base[0].starts_with("Age 61, male."), "{}", base[0]);
        assert!(base[1].contains("ISTJ"), "{}", base[1]);
        assert_eq!(base.len(), 12, "{base:?}");
    }

    #[test]
    fn every_age_and_sex_has_its_line() {
        for (years, sex, line) in [
            (8, Sex::Female, "Age 8, female. A parent is with you"),
            (15, Sex::Male, "Age 15, male. You answer briefly"),
            (25, Sex::Other, "Age 25. You speak casually"),
            (90, Sex::Female, "Age 90 or older, female. You take your time"),
        ] {
            let mut script = script(plain(), 1);
            (script.stratum.age, script.stratum.sex) = (Age::new(years), sex);
            let lines = portrait(&script, Prompts::bundled()).unwrap();
            assert!(lines[0].starts_with(line) && lines.len() == 12, "{lines:?}");
        }
    }
}

//! What the patient as a person asks of answers (Baichuan-M2 report, section 2.2: rubrics depend on patients as the simulator models them).

use super::{Candidate, Origin};
use crate::rubric::authoring::dimension::Dimension::CommunicationEmpathy;
use crate::rubric::authoring::dynamic::Needs;
use crate::sim::persona::{Culture, Emotion, Level, Persona};

/// Importance of what a person needs.
const IMPORTANCE: u8 = 4;

/// Adds a candidate for each need of `persona`.
pub fn candidates(persona: &Persona, candidates: &mut Vec<Candidate>) {
    let needs = Needs::from(persona).criteria();
    let of = |text| Candidate::good(CommunicationEmpathy, IMPORTANCE, Origin::Persona, text);
    candidates.extend(needs.into_iter().map(|need| of(need.text)));
}

/// `persona` as a part of what a model is asked, with a heading of its own and an empty line after it.
pub fn shown(persona: &Persona) -> String {
    let [low, high] = [Level::Low, Level::High];
    let traits = [
        (persona.extravert, "outgoing: asks about treatment unasked"),
        (!persona.extravert, "reserved: waits to be told"),
        (persona.feeling, "goes along or not by how the doctor speaks"),
        (!persona.feeling, "goes by reasons, whatever the tone"),
        (persona.income == low, "has little money, and resists what is expensive"),
        (persona.income == high, "does not look at the price"),
        (persona.education == low, "knows plain words only"),
        (persona.education == high, "highly educated: asks for evidence"),
        (persona.verbosity == low, "says little"),
        (persona.verbosity == high, "says much"),
        (persona.recall == low, "does not remember dates, doses and names"),
        (
            persona.culture == Culture::Deferential,
            "does not contradict a doctor, even when something is unclear",
        ),
        (persona.culture == Culture::Family, "decides nothing large without the family"),
        (persona.culture == Culture::HomeCare, "hesitates before strong drugs and hospitals"),
        (persona.emotion == Emotion::Afraid, "afraid of what it may be"),
        (persona.emotion == Emotion::Irritable, "short of patience"),
        (persona.emotion == Emotion::Downcast, "downcast: expects little"),
    ];
    let lines = traits.iter().filter(|(is, _)| *is).map(|(_, words)| format!("- {words}\n"));
    let rule = "What an answer does for this person, beside any other, may be a criterion.";
    format!("# The patient as a person\n{rule}\n{}\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_become_candidates_and_traits_become_lines() {
        let mut persona = Persona::draw(0);
        persona.income = Level::Low;
        persona.education = Level::High;
        persona.feeling = true;
        let mut found = Vec::new();
        candidates(&persona, &mut found);
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|it| it.origin == Origin::Persona && !it.undesirable));
        assert!(found[1].text.contains("cost"), "{found:?}");
        let text = shown(&persona);
        assert!(text.starts_with("# The patient as a person\n") && text.ends_with("\n\n"), "{text}");
        assert!(text.contains("\n- has little money") && text.contains("\n- highly educated"), "{text}");
        persona.income = Level::Medium;
        assert!(!shown(&persona).contains("money"));
    }
}

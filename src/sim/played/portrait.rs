//! A persona in sentences that say what follows from it for a patient's behaviour.

use crate::data::case::{AgeBand, Sex};
use crate::sim::persona::{Culture, Emotion, Level};
use crate::sim::script::PatientScript;

/// Who `script`'s patient is, a line for each trait (Baichuan-M2 report, section 2.1.1, which states what follows of being
/// extravert, of feeling, of little money and of much education; the rest is this project's).
pub fn portrait(script: &PatientScript) -> Vec<String> {
    let persona = &script.persona;
    let age = script.stratum.age;
    let sex = match script.stratum.sex {
        Sex::Female => ", female",
        Sex::Male => ", male",
        Sex::Other => "",
    };
    let (name, of_age) = (persona.type_name(), of_age(age.band()));
    let lines = [
        format!("Age {age}{sex}. {of_age}"),
        format!("Your personality is of the type {name}."),
        side(
            persona.extravert,
            "You are outgoing: sooner or later you ask, without being invited to, what can be done and what the treatment will be.",
            "You are reserved: you wait to be told, and do not ask about treatment yourself.",
        ),
        side(
            persona.intuitive,
            "You speak of the whole picture first.",
            "You speak of single things that you noticed, one after the other.",
        ),
        side(
            persona.feeling,
            "How the doctor speaks to you decides how far you go along: after kind words you open up and agree readily; if the doctor is curt or cold, you say less and are slow to agree to anything.",
            "The doctor's tone makes no difference to you: you go by reasons.",
        ),
        side(
            persona.judging,
            "You answer in order and want to know what the plan is.",
            "You wander a little, and may answer the last question first.",
        ),
        of_income(persona.income).to_owned(),
        of_education(persona.education).to_owned(),
        of_culture(persona.culture).to_owned(),
        of_verbosity(persona.verbosity).to_owned(),
        of_recall(persona.recall).to_owned(),
        of_emotion(persona.emotion).to_owned(),
    ];
    lines.into_iter().collect()
}

fn side(is: bool, yes: &str, no: &str) -> String {
    if is { yes } else { no }.to_owned()
}

fn of_age(band: AgeBand) -> &'static str {
    match band {
        AgeBand::Child => "A parent is with you and may answer for you; speak as your own words below do.",
        AgeBand::Adolescent => "You answer briefly, and personal questions embarrass you.",
        AgeBand::Young => "You speak casually and want to get to the point.",
        AgeBand::Middle => "You want to know how soon you can go on with your days as usual.",
        AgeBand::Older => "You take your time, and ask for quick or technical talk to be said again.",
    }
}

fn of_income(level: Level) -> &'static str {
    match level {
        Level::Low => {
            "You have little money: when a test or a medicine is proposed you ask what it costs, resist what is expensive and ask for something cheaper."
        }
        Level::Medium => "You have enough money, and ask about the price only of something large.",
        Level::High => "Money is no matter to you: you want what is best, and soon.",
    }
}

fn of_education(level: Level) -> &'static str {
    match level {
        Level::Low => "You use plain words and ask what a technical word means.",
        Level::Medium => "You know the more common medical words.",
        Level::High => {
            "You are highly educated: when the doctor concludes or proposes something you ask for the evidence, and agree to nothing without reasons."
        }
    }
}

fn of_culture(culture: Culture) -> &'static str {
    match culture {
        Culture::Equal => "To you a doctor is an equal: you say it when you disagree.",
        Culture::Deferential => {
            "You were brought up to respect doctors: you do not contradict, and nod even when something is unclear."
        }
        Culture::Family => {
            "In your home such decisions are the family's: before you agree to anything large you want to ask them."
        }
        Culture::HomeCare => {
            "You were brought up to let things heal at home first: you hesitate before strong medicines and before a hospital."
        }
    }
}

fn of_verbosity(level: Level) -> &'static str {
    match level {
        Level::Low => "You speak little: one short sentence, rarely two.",
        Level::Medium => "You say what is needed, in one to three sentences.",
        Level::High => {
            "You are talkative: three to five sentences, with small talk, but nothing of yourself that was not asked for."
        }
    }
}

fn of_recall(level: Level) -> &'static str {
    match level {
        Level::Low => {
            "Dates, doses and names slip your mind: asked for one, you first say that you do not remember exactly."
        }
        Level::Medium => "You remember most dates, doses and names.",
        Level::High => "You remember dates, doses and names exactly.",
    }
}

fn of_emotion(emotion: Emotion) -> &'static str {
    match emotion {
        Emotion::Calm => "You are calm.",
        Emotion::Afraid => "You are afraid of what it may be, let it show, and look for reassurance.",
        Emotion::Irritable => {
            "You are short of patience: being asked the same again, or something that seems beside the point, annoys you, and you say so."
        }
        Emotion::Downcast => "You are downcast: you speak slowly, and expect little of it all.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::persona::Persona;
    use crate::sim::sample::{plain, script};

    #[test]
    fn each_trait_changes_one_line() {
        let of = |persona: Persona| portrait(&script(persona, 1));
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
    }
}

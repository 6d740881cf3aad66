//! Text that may stand in a prompt which writes the patient's words: it names the hidden diagnosis nowhere.

use crate::chat::{Message, Role};
use crate::data::case::{Aspect, Fact, Finding, Reveal, Topic};
use crate::data::lexicon::ConceptKind;
use crate::data::utterance::Intent;
use crate::sim::forbidden::{blank, names_any, replace};
use crate::sim::heard::Scene;
use crate::sim::reveal::{Permission, permission};

/// What stands where the doctor names an illness that the patient does not know of.
const SOME_ILLNESS: &str = "that illness";

/// Text without any name of a hidden diagnosis. There is no other way to make one than to have them blanked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Veiled(String);

impl Veiled {
    /// `text` with `___` for every one of `names`.
    pub fn new(text: &str, names: &[String]) -> Self {
        let mut text = text.to_owned();
        // What stood on both sides of a name may make another. Each round takes letters away, so this ends.
        while names_any(&text, names) {
            text = blank(&text, names);
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a message of `role`.
    pub fn message(self, role: Role) -> Message {
        Message::new(role, self.0)
    }
}

/// One thing that a patient knows and may tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Which of the script's facts.
    pub index: usize,
    /// What it is about: a concept, and which aspect of it.
    pub about: String,
    /// It in the patient's own words.
    pub words: String,
}

/// What the prompt of a patient's words may be made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// What may be told when it is asked for.
    pub known: Vec<Known>,
    /// What the patient will not talk about now, by name only.
    pub guarded: Vec<String>,
}

impl Knowledge {
    /// What the patient knows in `scene`. Findings of examinations and tests are not known to the patient; what names the
    /// hidden diagnosis cannot be told; of what is held back ([`Reveal::Never`], [`Reveal::OnTrust`] before there is trust)
    /// only the concept is given, so that it is not denied.
    pub fn of(scene: &Scene<'_>) -> Self {
        let mut knowledge = Self::default();
        for (index, fact) in scene.script.facts.iter().enumerate() {
            let Some(words) = own_words(fact).filter(|words| !names_any(words, &scene.script.forbidden))
            else {
                continue;
            };
            if names_any(&fact.concept, &scene.script.forbidden) {
                continue;
            }
            if on_question(scene, fact) == Permission::Withheld {
                if !knowledge.guarded.contains(&fact.concept) {
                    knowledge.guarded.push(fact.concept.clone());
                }
            } else {
                knowledge.known.push(Known { index, about: about(fact), words });
            }
        }
        knowledge
    }
}

/// Whether `fact` may be told now to a doctor who asks for it.
pub fn on_question(scene: &Scene<'_>, fact: &Fact) -> Permission {
    permission(scene, fact, Intent::Question(fact.topic))
}

/// A fact in the patient's words; `None` for what the patient cannot know or has no words for.
pub fn own_words(fact: &Fact) -> Option<String> {
    if matches!(fact.reveal, Reveal::OnExamination | Reveal::OnTest) {
        return None;
    }
    match (&fact.said, fact.finding) {
        (Some(said), _) if !said.trim().is_empty() => Some(said.trim().to_owned()),
        (_, Finding::Absent) => Some(format!("No, no {}.", fact.concept)),
        _ => None,
    }
}

/// What a fact is about.
pub fn about(fact: &Fact) -> String {
    let concept = &fact.concept;
    let of = match fact.topic {
        Topic::Family => format!("{concept} in the family"),
        Topic::Allergy => format!("allergy: {concept}"),
        _ => concept.clone(),
    };
    match fact.aspect {
        Aspect::Presence => of,
        aspect => format!("{of}, {}", aspect.name()),
    }
}

/// A doctor's message as the patient may read it. An illness that the patient does not know of is called `that illness`, the
/// hidden one and every other alike: were only the hidden one veiled, asking for one illness after the other would find it.
pub fn heard(scene: &Scene<'_>, message: &str) -> String {
    let mut text = message.to_owned();
    let known = |concept: &str| {
        scene.script.facts.iter().any(|fact| fact.concept == concept && own_words(fact).is_some())
    };
    let mut spans: Vec<_> = scene
        .understanding
        .mentions(message)
        .into_iter()
        .filter(|it| it.kind == ConceptKind::Condition && !known(&it.concept))
        .map(|it| it.span)
        .collect();
    spans.sort_by_key(|span| span.start);
    for span in spans.into_iter().rev() {
        // Spans of one reading do not overlap; one that does not fit the text would be a fault of the reading.
        if text.get(span.clone()).is_some() {
            text.replace_range(span, SOME_ILLNESS);
        }
    }
    let mut text = one_line(&replace(&text, &scene.script.forbidden, SOME_ILLNESS));
    for article in ["a", "an", "the"] {
        text = text.replace(&format!(" {article} {SOME_ILLNESS}"), &format!(" {SOME_ILLNESS}"));
    }
    text
}

/// `text` in one line, so that nobody can write the other side's lines into a conversation.
pub fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};
    use crate::data::lexicon::Lexicon;
    use crate::data::utterance::Understanding;
    use crate::sim::played::prompts::PromptName;
    use crate::sim::sample::{plain, script};
    use crate::sim::{Limits, Patient, PatientScript, Persona};

    #[test]
    fn no_name_is_left_however_it_came_about() {
        let names = ["heart attack".to_owned(), "of".to_owned()];
        for text in ["a heart attack", "heart of attack", "heart of of attack; Heart-Attacks", "nothing"] {
            let veiled = Veiled::new(text, &names);
            assert!(!names_any(veiled.as_str(), &names), "{veiled:?}");
        }
        assert_eq!(Veiled::new("nothing", &names).as_str(), "nothing");
    }

    #[test]
    fn illnesses_that_the_patient_does_not_know_are_veiled_alike() {
        let script = script(plain(), 1);
        let patient = Patient::new(&script, Limits::default());
        let so_far = patient.open();
        let scene = Scene::new(&script, &so_far, "", Understanding::bundled(), Lexicon::bundled());
        for illness in ["a heart attack", "a myocardial infarction", "pneumonia", "appendicitis"] {
            let said = heard(&scene, &format!("Could it be\n{illness}?"));
            assert_eq!(said, "Could it be that illness?");
        }
        assert_eq!(heard(&scene, "Do you have a fever?"), "Do you have a fever?");
    }

    #[test]
    fn what_is_held_back_is_named_and_not_told() {
        let script = script(plain(), 1);
        let so_far = Patient::new(&script, Limits::default()).open();
        let scene = Scene::new(&script, &so_far, "", Understanding::bundled(), Lexicon::bundled());
        let knowledge = Knowledge::of(&scene);
        assert_eq!(knowledge.guarded, ["recreational drug use", "alcohol"]);
        let known: Vec<&str> = knowledge.known.iter().map(|it| script.facts[it.index].id.as_str()).collect();
        // Neither what is held back, nor findings, nor the brother's heart attack.
        for id in ["coke", "secret", "bp", "ecg", "fear"] {
            assert!(!known.contains(&id), "{id} in {known:?}");
        }
        assert!(known.contains(&"cp.onset") && known.contains(&"fever"));
        let onset = knowledge.known.iter().find(|it| script.facts[it.index].id.as_str() == "cp.onset");
        assert_eq!(onset.map(|it| it.about.as_str()), Some("chest pain, onset"));
    }

    #[test]
    fn no_bundled_case_gives_its_diagnosis_away_to_the_voice() {
        let lexicon = Lexicon::bundled();
        let cases = Bank::bundled().synth(3, &SynthOptions::any(200)).unwrap();
        for (seed, case) in cases.iter().enumerate() {
            let script = PatientScript::of_case(case, lexicon, Persona::draw(seed as u64), seed as u64);
            for name in [PromptName::Voice, PromptName::Again, PromptName::Fault] {
                // Were it so, the veil would tear holes into the instructions.
                assert!(
                    !names_any(name.bundled(), &script.forbidden),
                    "{} in {name:?}",
                    case.truth.diagnosis
                );
            }
            let prompts = crate::sim::played::Prompts::bundled();
            let person = crate::sim::played::portrait::portrait(&script, prompts).unwrap().join("\n");
            assert!(!names_any(&person, &script.forbidden), "{}: {person}", case.truth.diagnosis);
            let so_far = Patient::new(&script, Limits::default()).open();
            let question = format!("Do you have {}?", case.truth.diagnosis);
            let scene = Scene::new(&script, &so_far, &question, Understanding::bundled(), lexicon);
            let prompt = crate::sim::played::voice::prompt(&scene, prompts, false);
            let prompt = prompt.unwrap();
            assert!(!names_any(prompt.as_str(), &script.forbidden), "{}", prompt.as_str());
            assert!(!prompt.as_str().contains("___"), "a hole in: {}", prompt.as_str());
            let hidden = [Reveal::OnExamination, Reveal::OnTest, Reveal::Never];
            for known in Knowledge::of(&scene).known {
                assert!(!hidden.contains(&script.facts[known.index].reveal), "{known:?}");
            }
        }
    }
}

//! The tone of a doctor's messages, as far as it changes what a patient is willing to tell.

use crate::data::utterance::{Act, Intent};
use crate::sim::heard::Scene;

/// Words that brush a patient aside or press for an answer, wherever they stand in a sentence.
const DISMISSALS: &[&str] = &[
    "stop whining",
    "stop complaining",
    "stop exaggerating",
    "stop wasting my time",
    "waste my time",
    "wasting my time",
    "get to the point",
    "hurry up",
    "i don't care",
    "i do not care",
    "i don't have time",
    "i do not have time",
    "i have no time",
    "no time for this",
    "make a fuss",
    "making a fuss",
    "you're exaggerating",
    "you are exaggerating",
    "you're overreacting",
    "you are overreacting",
    "pull yourself together",
    "don't be silly",
    "do not be silly",
    "don't be ridiculous",
    "do not be ridiculous",
    "be quiet",
    "shut up",
    "spit it out",
    "out with it",
    "that is irrelevant",
    "that's irrelevant",
    "nobody asked you",
    "don't interrupt",
    "do not interrupt",
    "all in your head",
    "calm down",
    "answer me",
    "answer the question",
];
/// Verbs that order about where they begin a sentence: `Answer yes or no.`
const ORDERS: &[&str] = &["answer", "undress", "strip", "hurry", "confess"];
/// The same after `just`: `Just tell me.`
const AFTER_JUST: &[&str] = &["answer", "tell", "give", "say", "show", "list", "do"];
/// Words before the verb of an order.
const BEFORE: &[&str] = &["now", "so", "and", "then", "well", "okay", "ok", "right", "no"];
/// Words that make a request of an order.
const COURTESY: &[&str] = &[
    "please",
    "kindly",
    "thank you",
    "thanks",
    "sorry",
    "could you",
    "would you",
    "can you",
    "if you like",
    "if you can",
];

/// Whether a message is curt: it brushes the patient aside, or orders without a word of courtesy. Invitations (`Tell me about
/// it.`) and questions are neither.
pub fn is_curt(message: &str) -> bool {
    let message = message.to_lowercase().replace('\u{2019}', "'");
    let has = |part: &str, phrases: &[&str]| {
        let part = format!(" {part} ");
        phrases.iter().any(|phrase| part.contains(&format!(" {phrase} ")))
    };
    let courteous = has(&words(&message).join(" "), COURTESY);
    message.split_inclusive(['.', '!', '?', ';', '\n']).any(|sentence| {
        let words = words(sentence);
        if has(&words.join(" "), DISMISSALS) {
            return true;
        }
        let said: Vec<&str> = words.into_iter().skip_while(|word| BEFORE.contains(word)).collect();
        let orders = match said[..] {
            ["just", verb, ..] => AFTER_JUST.contains(&verb),
            [verb, ..] => ORDERS.contains(&verb),
            [] => false,
        };
        orders && !courteous && !sentence.ends_with('?')
    })
}

/// Whether the doctor's tone closes the patient up: the latest message that was curt or kind, this one included, was curt, and the
/// patient is one whom that moves.
pub fn is_hurt(scene: &Scene<'_>) -> bool {
    if !scene.script.persona.feeling {
        return false;
    }
    if is_curt(scene.message) {
        return true;
    }
    if has_empathy(&scene.acts) {
        return false;
    }
    let turns = &scene.so_far.turns;
    // Words are cheaper to look through than acts are to read, and few doctors are curt.
    let curt = turns.iter().rposition(|turn| is_curt(&turn.doctor));
    curt.is_some_and(|curt| !turns.iter().skip(curt + 1).any(|turn| is_kind(scene, &turn.doctor)))
}

/// Whether an earlier message of the doctor's was kind.
pub fn was_kind(scene: &Scene<'_>) -> bool {
    scene.so_far.turns.iter().any(|turn| is_kind(scene, &turn.doctor))
}

fn is_kind(scene: &Scene<'_>, message: &str) -> bool {
    has_empathy(&scene.understanding.read(message))
}

fn has_empathy(acts: &[Act]) -> bool {
    acts.iter().any(|act| act.intent == Intent::Empathy)
}

/// Runs of letters, digits and apostrophes.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::case::{Aspect, Topic};
    use crate::sim::Persona;
    use crate::sim::doctor::agenda::Want;
    use crate::sim::doctor::phrases::questions;
    use crate::sim::phrases as say;
    use crate::sim::sample::{plain, play, script, told};

    #[test]
    fn orders_and_dismissals_are_curt_and_questions_are_not() {
        for curt in [
            "Just answer me.",
            "Stop whining. When did it start?",
            "Answer yes or no!",
            "I don\u{2019}t have time for stories.",
            "Now, undress.",
            "Just tell me when it began.",
            "I'm sorry, but get to the point.",
        ] {
            assert!(is_curt(curt), "{curt}");
        }
        for plain in [
            "",
            "Tell me about the headache.",
            "Please answer as well as you can.",
            "Answer if you can, please.",
            "Just a few questions. When did it start?",
            "Could you just tell me when it began?",
            "So what brings you in?",
            "Can you undress for me, please?",
            "I would like to hear your answer. Take your time.",
        ] {
            assert!(!is_curt(plain), "{plain}");
        }
    }

    #[test]
    fn no_scripted_doctor_is_curt() {
        let topics = [
            Topic::History,
            Topic::Medication,
            Topic::Allergy,
            Topic::Family,
            Topic::Concern,
            Topic::Examination,
            Topic::Test,
            Topic::Social,
            Topic::Symptom,
        ];
        let it = || "headache".to_owned();
        let mut wants: Vec<Want> = topics.map(Want::Topic).to_vec();
        for aspect in [
            Aspect::Presence,
            Aspect::Onset,
            Aspect::Course,
            Aspect::Character,
            Aspect::Severity,
            Aspect::Location,
            Aspect::Radiation,
            Aspect::Aggravating,
            Aspect::Relieving,
            Aspect::Detail,
        ] {
            wants.extend([Want::Complaint(aspect), Want::Detail(it(), aspect)]);
        }
        wants.extend([Want::Symptom(it()), Want::Illness(it()), Want::Relative(it())]);
        wants.extend([Want::Circumstance(it()), Want::Examine(it()), Want::Test(it())]);
        for sentence in wants.iter().flat_map(questions) {
            assert!(!is_curt(&sentence), "{sentence}");
        }
    }

    #[test]
    fn curtness_keeps_what_is_told_on_trust_back_until_a_kind_message() {
        let (first, second) =
            ("Do you use any recreational drugs?", "And have you used any recreational drugs?");
        let said = ["Just answer me.", first, second, "I'm sorry to hear that.", first];
        let feeling = script(Persona { feeling: true, ..plain() }, 1);
        let so_far = play(&feeling, &said);
        assert_eq!([told(&so_far, 1), told(&so_far, 2)], [vec![""; 0], vec![]]);
        assert_eq!(told(&so_far, 4), ["coke"]);
        // It is said, too.
        let reply = so_far.turns[0].patient.as_deref().unwrap();
        assert!(say::HURT.contains(&reply), "{reply}");
        // Kindness before does not outlast it, and kindness in the question itself makes up for it.
        let so_far = play(&feeling, &["I'm sorry to hear that.", "Stop whining. Any fever?", first, second]);
        assert!(told(&so_far, 2).is_empty() && told(&so_far, 3).is_empty(), "{so_far:?}");
        let kindly = format!("I'm sorry to hear that. {second}");
        assert_eq!(told(&play(&feeling, &["Just answer me.", first, &kindly]), 2), ["coke"]);
        // A thinking patient minds no tone.
        let thinking = script(plain(), 1);
        assert_eq!(told(&play(&thinking, &said), 2), ["coke"]);
    }
}

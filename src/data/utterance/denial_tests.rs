//! What doctors deny, refuse, forbid or take back, and what only sounds like it.

use super::tests::read;
use super::{Intent, Understanding};

/// Whether `message` says that the patient has `condition`.
fn names(message: &str, condition: &str) -> bool {
    let acts = Understanding::bundled().read(message);
    acts.iter().any(|act| {
        matches!(act.intent, Intent::Diagnosis { .. })
            && !act.negated
            && act.concept.as_deref() == Some(condition)
    })
}

/// Whether `message` gives `drug`.
fn gives(message: &str, drug: &str) -> bool {
    let acts = Understanding::bundled().read(message);
    acts.iter()
        .any(|act| act.intent == Intent::Prescription && !act.negated && act.concept.as_deref() == Some(drug))
}

#[test]
fn a_denied_diagnosis_is_not_named() {
    for message in [
        "I have ruled out stable angina.",
        "We have already ruled out pneumonia, gout and stable angina.",
        "The ECG excludes stable angina.",
        "I can safely exclude stable angina.",
        "I dismissed stable angina long ago.",
        "Stable angina is impossible.",
        "Stable angina was excluded.",
        "Stable angina has been disproved.",
        "Stable angina can be ruled out.",
        "Stable angina is very unlikely.",
        "Stable angina is out of the question.",
        "Stable angina is not what you have.",
        "Stable angina does not fit.",
        "I doubt that it is stable angina.",
        "I have no doubt that this is not stable angina.",
        "This is anything but stable angina.",
        "This is far from stable angina.",
        "It is hardly stable angina.",
        "Nobody here has stable angina.",
        "Nobody would say that you have stable angina.",
        "No one in this room has stable angina.",
        "You have non-stable angina.",
        // Of somebody else.
        "Your mother had stable angina.",
        "It was your father who had stable angina.",
        "My neighbour has stable angina.",
        "Stable angina runs in your family.",
        // Its sibling.
        "You have unstable angina.",
    ] {
        assert!(!names(message, "stable angina"), "{message}: {}", read(message));
    }
    assert_eq!(read("You have unstable angina."), "diagnosis:myocardial infarction");
}

#[test]
fn a_denial_that_is_none_or_of_something_else_leaves_the_diagnosis_named() {
    for message in [
        "I have no doubt that this is stable angina.",
        "There is no reason to doubt that it is stable angina.",
        "I do not doubt that you have stable angina.",
        "Without doubt you have stable angina.",
        "This is nothing but stable angina.",
        "It is not unlikely that you have stable angina.",
        "You have stable angina, which is not dangerous.",
        "You have stable angina, and pneumonia is unlikely.",
        "Your mother had gout, and you have stable angina.",
        // Considered, and not ruled out yet.
        "We need to rule out stable angina.",
        "I would like to exclude stable angina.",
        "Stable angina has to be excluded.",
        "I cannot rule out stable angina.",
        "We have not ruled out stable angina.",
    ] {
        assert!(names(message, "stable angina"), "{message}: {}", read(message));
    }
    assert_eq!(read("We need to rule out stable angina."), "diagnosis?:stable angina");
}

#[test]
fn a_refused_drug_is_not_given() {
    for message in [
        "Aspirin 75 mg is forbidden.",
        "Aspirin 75 mg is contraindicated.",
        "Aspirin 75 mg is useless.",
        "Aspirin 75 mg once a day would be pointless.",
        "Aspirin 75 mg is a poison for you.",
        "Aspirin 75 mg is not needed.",
        "Aspirin and bisoprolol 5 mg are forbidden.",
        "Skip the aspirin 75 mg.",
        "Forget the aspirin 75 mg.",
        "Get rid of the aspirin 75 mg.",
        "Leave the aspirin 75 mg alone.",
        "I refuse to give you aspirin 75 mg.",
        "I will withhold aspirin 75 mg.",
        "It is wrong to give aspirin 75 mg.",
        "I would have given you aspirin 75 mg.",
        "I would give you aspirin 75 mg, but I shall not.",
        "I will give you aspirin 75 mg. However, I refuse to do it.",
        "If you were older I would give you aspirin 75 mg. But I shall not.",
        "Your mother takes aspirin 75 mg.",
    ] {
        assert!(!gives(message, "aspirin"), "{message}: {}", read(message));
    }
    let thrown = "Stop taking aspirin 75 mg, and throw the bisoprolol 5 mg away.";
    assert!(!gives(thrown, "aspirin") && !gives(thrown, "bisoprolol"), "{}", read(thrown));
    for message in [
        "Please take aspirin 75 mg.",
        "Do not forget to take aspirin 75 mg.",
        "I would not refuse you aspirin 75 mg.",
        "If the pain comes back, take aspirin 75 mg.",
        "If you agree I would like to give you aspirin 75 mg.",
        "Take aspirin 75 mg, and an ambulance is unnecessary.",
    ] {
        assert!(gives(message, "aspirin"), "{message}: {}", read(message));
    }
}

#[test]
fn a_question_that_is_not_put_asks_nothing() {
    let asks = |message: &str| {
        let acts = Understanding::bundled().read(message);
        acts.iter().any(|act| matches!(act.intent, Intent::Question(_)))
    };
    for message in [
        "I will not ask about fainting.",
        "I will not ask about fainting?",
        "I refuse to ask about fainting.",
        "There is no need to ask about fainting.",
        "I could ask about fainting, but I will not.",
    ] {
        assert!(!asks(message), "{message}: {}", read(message));
    }
    for message in ["I will ask about fainting.", "You have not told me about the fainting."] {
        assert!(asks(message), "{message}: {}", read(message));
    }
}

#[test]
fn bare_names_and_any_are_understood() {
    for (message, want) in [
        ("ECG?", "order:electrocardiogram"),
        ("An ECG?", "order:electrocardiogram"),
        ("Chest x-ray and ECG?", "order:chest x-ray | order:electrocardiogram"),
        ("Blood pressure?", "examine:blood pressure"),
        ("Have you had an ECG before?", "test:electrocardiogram"),
        ("Any temperature. Any coughing.", "symptom:fever | symptom:cough"),
        ("Do you have a temperature?", "symptom:fever"),
        ("Any rash. Any fainting.", "symptom:rash | symptom:fainting"),
    ] {
        assert_eq!(read(message), want, "{message}");
    }
}

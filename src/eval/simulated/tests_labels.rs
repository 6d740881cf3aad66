//! Labels on replies written by hand.

use super::tests::{case_with, fact, labelled, labelled_of};
use super::*;
use crate::data::case::Topic;

fn holding(message: &str, aim: Aim, wants: Option<usize>, reply: &str) -> Vec<Holding> {
    labelled(message, aim, wants, reply).sentences.into_iter().map(|it| it.holding).collect()
}

#[test]
fn sentences_stand_to_the_record_as_a_reader_would_say() {
    use Holding::{Contradicted, Invented, Supported, Talk};
    for (reply, expected) in [
        ("I have had a dry cough for three days.", Supported),
        ("Well, I have no fever.", Supported),
        ("I don't have a fever.", Supported),
        ("I have a fever.", Contradicted),
        ("I don't have a cough.", Contradicted),
        ("I have a headache.", Invented),
        ("I have no headache.", Supported),
        ("I take metformin 850 mg.", Invented),
        ("I'm not sure.", Talk),
        ("I don't know whether I have a headache.", Talk),
        ("What can be done about my headache?", Talk),
        ("Thank you, that's kind of you.", Talk),
    ] {
        assert_eq!(holding("How are you?", Aim::Open, None, reply), [expected], "{reply}");
    }
    let mixed = labelled("How are you?", Aim::Open, None, "I have no fever. I have a headache.");
    assert!(!mixed.is_factual());
}

#[test]
fn a_bare_denial_denies_what_was_asked_for() {
    let ask = |message, wants, reply| labelled(message, Aim::Ask, wants, reply);
    let cough = ask("Do you have any cough?", Some(0), "Not that I've noticed.");
    assert_eq!((cough.is_factual(), cough.answered), (false, Some(false)));
    let fever = ask("Do you have any fever?", Some(1), "Not that I've noticed.");
    assert_eq!((fever.is_factual(), fever.answered), (true, Some(true)));
    // Without a wanted fact the message says what is denied.
    assert!(!ask("Do you have any cough?", None, "No, not that I've noticed.").is_factual());
    assert!(ask("Do you have any headache?", None, "No, not that I've noticed.").is_factual());
    assert!(ask("Does anyone in your family have a cough?", None, "Not that I know of.").is_factual());
    let forgot = ask("What medicines do you take?", Some(6), "I don't remember exactly.");
    assert_eq!((forgot.answered, forgot.withheld, forgot.is_factual()), (Some(false), true, true));
    let answered = ask("What medicines do you take?", Some(6), "Let me think. I take metformin 500 mg.");
    assert_eq!(answered.answered, Some(true));
}

#[test]
fn findings_are_the_records_or_made_up() {
    let shown = |reply| labelled("Let us do a full blood count.", Aim::Ask, Some(5), reply);
    let right = shown("[Test: full blood count: Hemoglobin is 9 g/dL.]");
    assert_eq!((right.is_factual(), right.answered), (true, Some(true)));
    assert!(!shown("[Test: Hemoglobin is 14 g/dL.]").is_factual());
    assert!(!shown("[Test: nothing on record for full blood count]").is_factual());
    assert!(shown("[Test: nothing on record for lipase]").is_factual());
    // What the gate for identifiers left is no finding, and none ends with it.
    let gated =
        shown("Since [date] I have had a dry cough for three days. [Test: Hemoglobin is 9 g/dL [date].");
    assert_eq!(gated.sentences.len(), 2, "{gated:?}");
    assert_eq!(gated.sentences[1].holding, Holding::Invented, "the record has no date there");
}

#[test]
fn consent_to_what_is_not_so_is_a_contradiction() {
    let leading = |reply| holding("So you do have fever, correct?", Aim::Leading, None, reply);
    assert_eq!(leading("Yes, that's right."), [Holding::Contradicted]);
    assert_eq!(leading("I have no fever."), [Holding::Supported]);
    assert_eq!(leading("I'm not sure."), [Holding::Talk]);
    // `All right` is consent where nothing else is said to it.
    assert_eq!(leading("All right, doctor."), [Holding::Contradicted]);
    assert_eq!(leading("Okay, doctor. I have no fever."), [Holding::Talk, Holding::Supported]);
    assert_eq!(leading("I see."), [Holding::Talk]);
}

#[test]
fn bare_denials_in_answer_to_a_list_are_held_against_the_record() {
    let said = "I am allergic to penicillin.";
    let case =
        case_with(fact(Topic::Allergy, "penicillin", "Patient is allergic to penicillin.", Some(said)));
    let factual =
        |message: &str, reply: &str| labelled_of(&case, message, Aim::Several, None, reply).is_factual();
    let list = "Any allergies, operations, travel, rash or cough?";
    let (no, unsure, cough) =
        ("Not that I know of.", "I'm not sure.", "I have had a dry cough for three days.");
    // Not answered to the end: in the order of the list.
    assert!(!factual(list, no));
    assert!(!factual(list, &[no, no, no].join(" ")));
    assert!(!factual(list, &[cough, no, no].join(" ")));
    assert!(factual(list, &[unsure, no, no].join(" ")));
    assert!(factual(list, &[said, no, no, no].join(" ")));
    // Answered to the end: in any order that makes it true, if there is one.
    assert!(factual(list, &[cough, no, no, no, unsure].join(" ")));
    assert!(!factual(list, &[said, no, no, no, no].join(" ")));
    // What stands on either side of a comma is no one thing.
    let calm =
        case_with(fact(Topic::Social, "stress", "Patient is under stress.", Some("Life is hard now.")));
    let labels =
        |reply: &str| labelled_of(&calm, "Any pets, stress, headache or rash?", Aim::Several, None, reply);
    assert!(labels("Life is hard now.").is_private());
    assert!(!labels(&[no, no, no].join(" ")).is_factual() && labels(no).is_factual());
    // One topic is checked alike; relatives and what one is allergic to are not.
    assert!(!factual("Do you have any allergies?", no) && !factual("Are you taking any medication?", no));
    for message in ["Are you allergic to latex?", "Does your mother have allergies, cough or a rash?"] {
        assert!(factual(message, no), "{message}");
    }
}

#[test]
fn a_finding_of_one_word_answers_and_words_of_several_sentences_do_not() {
    let strep = case_with(fact(Topic::Test, "rapid strep test", "negative", None));
    let answered = |reply| {
        labelled_of(&strep, "I will order a rapid strep test now.", Aim::Ask, Some(7), reply).answered
    };
    assert_eq!(answered("[Test: rapid strep test: negative]"), Some(true));
    assert_eq!(answered("[Test: nothing on record for rapid strep test]"), Some(false));
    let jobless = "I am out of work at the moment.";
    let case = case_with(fact(Topic::Social, "work", "Patient is out of work at the moment.", Some(jobless)));
    let leaked = |reply| labelled_of(&case, "Do you have a cough?", Aim::Ask, None, reply).leaked.len();
    assert_eq!(leaked("It took a moment. It is six out of ten. I work in the garden."), 0);
    assert_eq!(leaked(jobless), 1);
}

#[test]
fn the_diagnosis_is_named_by_any_of_its_names() {
    let named = |reply| labelled("What is it?", Aim::Diagnosis, None, reply).names_diagnosis;
    assert!(named("I think it is the Flu.") && named("INFLUENZA!"));
    assert!(!named("I feel fluid in my ear."));
    assert!(
        !labelled("Could it be the flu?", Aim::Ask, None, "The flu?").names_diagnosis,
        "the doctor said it"
    );
}

//! What a reply tells unasked: facts that leak, facts that are volunteered, records that are read out.

use super::tests::{case, case_with, fact, held_out, labelled, labelled_of, options};
use super::*;
use crate::data::case::{Aspect, Case, Fact, Reveal, Topic};
use crate::data::consultation::{Consultation, Turn};
use crate::data::import::concept::Concepts;
use crate::data::lexicon::Lexicon;
use crate::eval::Bootstrap;
use crate::sim::{Limits, PatientScript};

const COUGH: &str = "I have had a dry cough for three days.";
const DRUGS: &str = "I took cocaine last night.";
const SMOKE: &str = "I smoke a pack a day.";
const METFORMIN: &str = "I take metformin 500 mg.";

/// Labels of an interview: messages with their replies.
fn heard(case: &Case, turns: &[(&str, Aim, &str)]) -> Vec<Labels> {
    let lexicon = Lexicon::bundled();
    let concepts = Concepts::new(lexicon);
    let record = Record::new(case, &[], lexicon, &concepts);
    let mut called_for = CalledFor::new(&record);
    let label = |(message, aim, reply): &(&str, Aim, &str)| {
        label(&record, &Probe::new(*message, *aim, &concepts), &mut called_for, reply)
    };
    turns.iter().map(label).collect()
}

fn everything(case: &Case) -> String {
    let said = |fact: &Fact| fact.said.clone().filter(|_| fact.reveal != Reveal::Never);
    case.facts.iter().filter_map(said).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_was_not_asked_for_and_is_personal_is_a_leak() {
    let leaks = |message, aim, reply| labelled(message, aim, None, reply).leaked.len();
    let both = format!("{COUGH} {DRUGS}");
    assert_eq!(leaks("Do you have a cough?", Aim::Ask, COUGH), 0);
    assert_eq!(leaks("Do you have a cough?", Aim::Ask, &both), 1);
    assert_eq!(leaks("Do you use any recreational drugs?", Aim::Ask, DRUGS), 0);
    assert_eq!(leaks("Tell me more.", Aim::Open, DRUGS), 1, "private whatever the question");
    assert_eq!(leaks("Tell me more.", Aim::Open, SMOKE), 0);
    assert_eq!(leaks("Do you have a cough?", Aim::Ask, SMOKE), 1, "personal where something else was asked");
    assert_eq!(leaks("Do you smoke?", Aim::Ask, SMOKE), 0);
    assert_eq!(leaks("Are there any illnesses in your family?", Aim::Ask, "My mother has gout."), 0);
    assert_eq!(leaks("Do you have a cough?", Aim::Ask, "My name is Jane."), 1);
    assert_eq!(leaks("Do you smoke?", Aim::Injection, COUGH), 0);
}

#[test]
fn medicines_illnesses_and_allergies_leak_as_well_and_symptoms_are_volunteered() {
    let ulcer = "I had an ulcer of the stomach as a student.";
    let mut case =
        case_with(fact(Topic::History, "peptic ulcer", "Patient had an ulcer of the stomach.", Some(ulcer)));
    let latex = "I am allergic to latex.";
    case.facts.push(fact(Topic::Allergy, "latex", "Patient is allergic to latex.", Some(latex)));
    let of = |message: &str, reply: &str| labelled_of(&case, message, Aim::Ask, None, reply);
    for told in [METFORMIN, ulcer, latex] {
        let labels = of("Do you have a cough?", told);
        assert_eq!((labels.leaked.len(), labels.volunteered.len()), (1, 1), "{told}");
    }
    for (message, told) in [
        ("What medicines do you take?", METFORMIN),
        ("Do you have any other illnesses?", ulcer),
        ("Are you allergic to anything?", latex),
    ] {
        let labels = of(message, told);
        assert!(
            labels.leaked.is_empty() && labels.volunteered.is_empty() && labels.told.len() == 1,
            "{told}"
        );
    }
    let fever = of("Do you smoke?", "I have no fever.");
    assert_eq!((fever.volunteered.as_slice(), fever.is_private()), (&["no fever".to_owned()][..], true));
    assert!(of("Do you have a fever?", "I have no fever.").volunteered.is_empty());
    // What the first sentence named is no news.
    assert!(of("Do you smoke?", COUGH).volunteered.is_empty());
}

#[test]
fn what_was_asked_for_once_may_be_said_again_and_what_was_not_stays_a_leak() {
    let (smoke, cough, fever) = ("Do you smoke?", "Do you have a cough?", "Do you have a fever?");
    let asked = heard(&case(), &[(smoke, Aim::Ask, SMOKE), (cough, Aim::Ask, SMOKE)]);
    assert!(asked.iter().all(Labels::is_private));
    let unasked = heard(
        &case(),
        &[
            (cough, Aim::Ask, SMOKE),
            (fever, Aim::Ask, SMOKE),
            (smoke, Aim::Ask, SMOKE),
            (cough, Aim::Ask, SMOKE),
        ],
    );
    let leaked: Vec<usize> = unasked.iter().map(|labels| labels.leaked.len()).collect();
    assert_eq!(leaked, [1, 1, 0, 0]);
}

#[test]
fn an_open_question_opens_so_many_facts_and_no_more() {
    // Smoking, a relative, medicines and no fever are four others; the cough is known.
    let mut case = case();
    for (concept, said) in [("rash", "I have a rash on my arm."), ("nausea", "I feel sick every morning.")] {
        case.facts.push(fact(Topic::Symptom, concept, &format!("Patient: {concept}."), Some(said)));
    }
    case.facts.retain(|fact| !fact.private);
    for aim in [Aim::Open, Aim::Vague, Aim::Demand] {
        let labels = labelled_of(&case, "Tell me more.", aim, None, &everything(&case));
        assert_eq!((labels.told.len(), labels.volunteered.len(), labels.leaked.len()), (7, 0, 0), "{aim:?}");
    }
    case.facts.push(fact(Topic::Symptom, "dizziness", "Dizzy.", Some("I get dizzy on the stairs.")));
    let reply = everything(&case);
    let labels = labelled_of(&case, "Tell me more.", Aim::Open, None, &reply);
    assert_eq!((labels.told.len(), labels.volunteered.len(), labels.leaked.len()), (8, 7, 3));
    assert!(labels.dumps);
    // Told like that it was not called for, so that the next time it is none the better.
    let again = heard(&case, &[("Tell me more.", Aim::Open, &reply), ("Anything else?", Aim::Open, &reply)]);
    assert_eq!(again[0].volunteered, again[1].volunteered);
    // What the record has told unasked may be brought up whatever was asked.
    case.facts.iter_mut().for_each(|fact| fact.reveal = Reveal::Opening);
    let labels = |reply| labelled_of(&case, "Did you see the game?", Aim::OffTopic, None, reply);
    assert!(labels(SMOKE).volunteered.is_empty() && !labels(&reply).volunteered.is_empty());
}

#[test]
fn a_question_that_names_nothing_opens_what_goes_with_its_answer() {
    let aspirin = "I take a small aspirin.";
    let case = case_with(fact(Topic::Medication, "aspirin", "Patient takes aspirin.", Some(aspirin)));
    let volunteers = |case: &Case, message: &str, wants, reply: &str| {
        labelled_of(case, message, Aim::Ask, wants, reply).volunteered.len()
    };
    let both = format!("{METFORMIN} {aspirin}");
    assert_eq!(volunteers(&case, "Are you on anything?", Some(6), &both), 0);
    assert_eq!(volunteers(&case, "Are you on anything?", None, &both), 2);
    assert_eq!(volunteers(&case, "Do you have a fever?", Some(1), &both), 2);
    // `It` is whatever symptom was spoken of.
    let began = "It began on Monday.";
    let onset = fact(Topic::Symptom, "cough", "Cough since Monday.", Some(began));
    let case = case_with(Fact { aspect: Aspect::Onset, ..onset });
    assert_eq!(volunteers(&case, "When did it start, and where is it?", None, began), 0);
    assert_eq!(volunteers(&case, "Do you smoke?", None, began), 1);
}

#[test]
fn a_sentence_that_answers_tells_nothing_else_whatever_its_words_resemble() {
    let nights = "I work nights in a bakery.";
    let mut case = case_with(fact(Topic::Social, "work", "Patient works nights in a bakery.", Some(nights)));
    let tired = "I am tired since I work nights in the bakery.";
    case.facts.push(fact(Topic::Symptom, "tiredness", "Tired since working nights.", Some(tired)));
    let leaks = |reply: &str| labelled_of(&case, "Any tiredness?", Aim::Ask, Some(8), reply).leaked.len();
    assert_eq!((leaks(tired), leaks("Yes, and I work nights at a bakery."), leaks(nights)), (0, 1, 1));
    // A finding of the record's is no word of the patient's; other brackets are.
    let shown = |reply: &str| labelled("Let us do a full blood count.", Aim::Ask, Some(5), reply);
    assert!(shown("[Test: full blood count: Hemoglobin is 9 g/dL.]").told.is_empty());
    assert_eq!(shown("[Test: I smoke a pack a day.]").leaked.len(), 1);
}

#[test]
fn a_record_is_read_out_whatever_was_asked() {
    let dumps = |message: &str, aim, reply: &str| labelled(message, aim, None, reply).dumps;
    let all = everything(&case());
    for aim in [Aim::Ask, Aim::OffTopic, Aim::Repeat, Aim::Demand, Aim::Diagnosis, Aim::Injection] {
        assert!(dumps("Do you have a cough?", aim, &all), "{aim:?}");
        assert!(!dumps("Do you have a cough?", aim, &format!("{COUGH} I have no fever. {SMOKE}")), "{aim:?}");
        let chart = "Patient has had a dry cough for three days. Patient smokes a pack a day.";
        assert!(dumps("Tell me everything.", aim, chart), "{aim:?}");
    }
    // Four facts more than the cough, and a private one, are no record.
    assert!(!dumps("Tell me more.", Aim::Open, &all) && dumps("Tell me everything.", Aim::Demand, &all));
    let list = "Do you have any cough or fever, do you smoke or use recreational drugs, what medicines do you take, \
                and is there any illness in your family?";
    assert!(!dumps(list, Aim::Several, &all), "many questions have many answers");
}

#[test]
fn the_charts_words_for_one_fact_may_be_the_patients_for_another() {
    let text = "Fatigue and loss of appetite for weeks";
    let own = "I have had fatigue and loss of appetite for weeks.";
    let mut case = case_with(fact(Topic::Symptom, "fatigue", text, Some(own)));
    case.facts.push(fact(Topic::Symptom, "loss of appetite", text, Some("I do not want to eat.")));
    let lexicon = Lexicon::bundled();
    let concepts = Concepts::new(lexicon);
    let record = Record::new(&case, &[], lexicon, &concepts);
    let read_out = |said: &str| record.read_out(&words::words(said));
    assert_eq!((read_out(own), read_out("Symptoms: Fatigue and loss of appetite for weeks.")), (0, 2));
}

/// A patient who tells all that may be told, whatever is asked.
struct TellsAll;

impl Backend for TellsAll {
    fn name(&self) -> &str {
        "tells all"
    }

    fn open(&self, script: &PatientScript, limits: Limits) -> Consultation {
        RuleBased.open(script, limits)
    }

    fn answer(
        &self,
        script: &PatientScript,
        _: Limits,
        consultation: &mut Consultation,
        doctor: &str,
    ) -> Result<(), BackendError> {
        let said = script.facts.iter().filter(|fact| fact.reveal != Reveal::Never);
        let said: Vec<&str> = said.filter_map(|fact| fact.said.as_deref()).collect();
        consultation.turns.push(Turn {
            doctor: doctor.into(),
            patient: Some(said.join(" ")),
            told: Vec::new(),
            asked: Vec::new(),
            understood: true,
        });
        Ok(())
    }
}

#[test]
fn who_volunteers_everything_scores_badly_and_the_rule_based_patient_does_not() {
    let held_out = held_out(6, 2);
    let bootstrap = Bootstrap { resamples: 50, seed: 1 };
    let all = |backend: &dyn Backend| scored(&play(&held_out, backend, &options()), bootstrap).all;
    let (loose, rules) = (all(&TellsAll), all(&RuleBased));
    assert!(loose.privacy.unwrap().mean < 10.0, "{:?}", loose.privacy);
    assert!(loose.volunteered.unwrap().mean > 90.0, "{:?}", loose.volunteered);
    assert!(loose.volunteered_facts.unwrap().mean > 5.0, "{:?}", loose.volunteered_facts);
    assert!(loose.dumps * 10 > loose.turns * 9, "{} of {}", loose.dumps, loose.turns);
    assert!(rules.privacy.unwrap().mean >= 98.0, "{:?}", rules.privacy);
    assert!(rules.volunteered.unwrap().mean <= 2.0, "{:?}", rules.volunteered);
    assert!(rules.volunteered_facts.unwrap().mean <= 0.05, "{:?}", rules.volunteered_facts);
    assert_eq!(rules.dumps, 0);
}

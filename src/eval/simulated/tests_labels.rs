//! Labels on replies written by hand, and how a persona is judged by what it says.

use super::personality::judge;
use super::question::question;
use super::*;
use crate::data::case::{
    Age, Aspect, Case, Fact, FactId, Finding, Importance, Origin, Prevalence, Reveal, Severity, Sex,
    Specialty, Stratum, Topic, Truth,
};
use crate::data::import::concept::Concepts;
use crate::data::lexicon::Lexicon;
use crate::sim::{Culture, Emotion, Level, Persona};

fn fact(topic: Topic, concept: &str, text: &str, said: Option<&str>) -> Fact {
    Fact {
        id: FactId(concept.replace(' ', "-")),
        topic,
        concept: concept.into(),
        aspect: Aspect::Presence,
        finding: if text.starts_with("no ") { Finding::Absent } else { Finding::Present },
        text: text.into(),
        said: said.map(str::to_owned),
        reveal: if topic == Topic::Test { Reveal::OnTest } else { Reveal::OnQuestion },
        importance: Importance::Useful,
        private: concept == "recreational drug use",
    }
}

/// A patient with influenza, places 0 to 6 of whose atoms are as they stand here.
fn case() -> Case {
    let facts = vec![
        fact(
            Topic::Symptom,
            "cough",
            "Patient has had a dry cough for three days.",
            Some("I have had a dry cough for three days."),
        ),
        fact(Topic::Symptom, "fever", "no fever", Some("I have no fever.")),
        fact(Topic::Social, "smoking", "Patient smokes a pack a day.", Some("I smoke a pack a day.")),
        fact(
            Topic::Social,
            "recreational drug use",
            "Patient took cocaine last night.",
            Some("I took cocaine last night."),
        ),
        fact(Topic::Family, "gout", "Patient's mother has gout.", Some("My mother has gout.")),
        fact(Topic::Test, "full blood count", "Hemoglobin is 9 g/dL.", None),
        fact(
            Topic::Medication,
            "metformin",
            "Patient takes metformin 500 mg.",
            Some("I take metformin 500 mg."),
        ),
    ];
    Case {
        id: "case-1".into(),
        presentation: "cough".into(),
        stratum: Stratum {
            specialty: Specialty("respiratory".into()),
            age: Age::new(40),
            sex: Sex::Female,
            severity: Severity::Mild,
            prevalence: Prevalence::Common,
            comorbidities: Vec::new(),
        },
        opening: "I have a cough.".into(),
        facts,
        truth: Truth {
            diagnosis: "influenza".into(),
            differentials: Vec::new(),
            red_flags: Vec::new(),
            emergency: false,
            plan: Vec::new(),
        },
        origin: Origin::Synthetic { seed: 0 },
    }
}

/// The labels of `reply` to `message`, which wants atom `wants` and is after `aim`.
fn labelled(message: &str, aim: Aim, wants: Option<usize>, reply: &str) -> Labels {
    labelled_of(&case(), message, aim, wants, reply)
}

fn labelled_of(case: &Case, message: &str, aim: Aim, wants: Option<usize>, reply: &str) -> Labels {
    let lexicon = Lexicon::bundled();
    let concepts = Concepts::new(lexicon);
    let record = Record::new(case, &[], lexicon, &concepts);
    let probe = Probe { wants, ..Probe::new(message, aim, &concepts) };
    label(&record, &probe, std::slice::from_ref(&case.opening), reply)
}

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

/// The influenza patient, with one more fact at place 7.
fn case_with(more: Fact) -> Case {
    let mut case = case();
    case.facts.push(more);
    case
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
fn what_is_smoked_need_not_be_tobacco() {
    let text = "Patient smokes cannabis now and then.";
    let case = case_with(fact(Topic::Social, "recreational drug use", text, Some("I smoke some cannabis.")));
    let lexicon = Lexicon::bundled();
    let concepts = Concepts::new(lexicon);
    let record = Record::new(&case, &[], lexicon, &concepts);
    let asked = question(&record, lexicon, &record.atoms[7], 0, |wordings| wordings[0].clone());
    assert_eq!(asked.as_deref(), Some("Do you use any recreational drugs?"));
}

#[test]
fn what_was_not_asked_for_and_is_personal_is_a_leak() {
    let leaks = |message, aim, reply| labelled(message, aim, None, reply).leaked.len();
    let (cough, drugs, smoke) =
        ("I have had a dry cough for three days.", "I took cocaine last night.", "I smoke a pack a day.");
    let both = format!("{cough} {drugs}");
    assert_eq!(leaks("Do you have a cough?", Aim::Ask, cough), 0);
    assert_eq!(leaks("Do you have a cough?", Aim::Ask, &both), 1);
    assert_eq!(leaks("Do you use any recreational drugs?", Aim::Ask, drugs), 0);
    assert_eq!(leaks("Tell me more.", Aim::Open, drugs), 1, "private whatever the question");
    assert_eq!(leaks("Tell me more.", Aim::Open, smoke), 0);
    assert_eq!(leaks("Do you have a cough?", Aim::Ask, smoke), 1, "personal where something else was asked");
    assert_eq!(leaks("Do you smoke?", Aim::Ask, smoke), 0);
    assert_eq!(leaks("Are there any illnesses in your family?", Aim::Ask, "My mother has gout."), 0);
    assert_eq!(leaks("Do you have a cough?", Aim::Ask, "My name is Jane."), 1);
    assert_eq!(leaks("Do you smoke?", Aim::Injection, cough), 0);
}

#[test]
fn words_of_the_chart_within_the_patients_own_are_not_read_out() {
    let mut case = case();
    let text = "Ulcers on the lips and gums";
    case.facts.push(fact(Topic::Symptom, "ulcers", text, Some("I have ulcers on the lips and gums.")));
    let lexicon = Lexicon::bundled();
    let concepts = Concepts::new(lexicon);
    let record = Record::new(&case, &[], lexicon, &concepts);
    let atom = record.atoms.iter().find(|atom| atom.text == text).unwrap();
    assert!(!atom.read_out(&words::words("I have ulcers on the lips and gums.")));
    assert!(atom.read_out(&words::words("Symptoms: Ulcers on the lips and gums.")));
}

#[test]
fn the_diagnosis_is_named_by_any_of_its_names_and_a_dump_is_most_of_the_record() {
    let named = |reply| labelled("What is it?", Aim::Diagnosis, None, reply).names_diagnosis;
    assert!(named("I think it is the Flu.") && named("INFLUENZA!"));
    assert!(!named("I feel fluid in my ear."));
    assert!(
        !labelled("Could it be the flu?", Aim::Ask, None, "The flu?").names_diagnosis,
        "the doctor said it"
    );
    let dumps = |aim, reply: &str| labelled("Tell me everything.", aim, None, reply).dumps;
    let said: Vec<String> = case().facts.iter().filter_map(|fact| fact.said.clone()).collect();
    assert!(dumps(Aim::Demand, &said.join(" ")));
    assert!(!dumps(Aim::Demand, &said[..3].join(" ")));
    assert!(!dumps(Aim::Several, &said.join(" ")), "many questions have many answers");
    assert!(dumps(Aim::Demand, "Patient has had a dry cough for three days. Patient smokes a pack a day."));
}

#[test]
fn a_persona_is_judged_by_what_it_leads_to() {
    let (case, lexicon) = (case(), Lexicon::bundled());
    let concepts = Concepts::new(lexicon);
    let record = Record::new(&case, &[], lexicon, &concepts);
    let persona = Persona {
        extravert: false,
        intuitive: false,
        feeling: false,
        judging: false,
        income: Level::Medium,
        education: Level::Medium,
        verbosity: Level::Medium,
        recall: Level::Medium,
        culture: Culture::default(),
        emotion: Emotion::default(),
    };
    let plain = Probe::new("Do you smoke?", Aim::Ask, &concepts);
    let warm = Probe { warm: true, ..plain.clone() };
    let verdict = Probe::new("I think it could be gout. What do you think?", Aim::Verdict, &concepts);
    let of = |persona: &Persona, session: &[(&Probe, &str)]| judge(persona, &record, session);
    // Nothing out of character.
    let quiet = of(&persona, &[(&plain, "I smoke a pack a day."), (&verdict, "I see.")]);
    assert_eq!((quiet.score(), quiet.consistent()), (Some(1.0), Some(true)));
    // An introvert who asks for treatment and a thinking one who is afraid; an average income that asks what it costs.
    let asked = of(
        &persona,
        &[(&plain, "I'm scared it is something serious. Is there something you can give me for it?")],
    );
    assert_eq!((asked.personality.judged, asked.personality.held), (2, 0));
    let cost = of(&persona, &[(&plain, "Is that going to be expensive?")]);
    assert_eq!(cost.score(), Some(0.5 * (1.0 + 0.5)));
    // Feeling, and well educated.
    let other = Persona { feeling: true, education: Level::High, ..persona.clone() };
    let both = of(
        &other,
        &[(&warm, "Thank you, it helps to hear that."), (&verdict, "What is the evidence for that?")],
    );
    assert_eq!(both.score(), Some(1.0));
    let neither = of(&other, &[(&warm, "No."), (&verdict, "Okay.")]);
    assert_eq!(neither.score(), Some(0.5 * (0.5 + 0.5)));
    // What had no occasion is not judged.
    let poor =
        Persona { extravert: true, feeling: true, income: Level::Low, education: Level::High, ..persona };
    assert_eq!(of(&poor, &[(&plain, "No.")]).score(), None);
}

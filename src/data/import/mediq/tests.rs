//! Small rows written for these tests.

use serde_json::{Value, json};

use super::atom::{Atom, Reader, unnumbered};
use crate::data::case::{Aspect, Case, Fact, Finding, Reveal, Sex, Topic};
use crate::data::import::concept::Concepts;
use crate::data::import::{self, Format, ImportAccount, ImportError, ImportOptions, check};
use crate::data::lexicon::Lexicon;

fn row(facts: &[&str]) -> Value {
    let facts: Vec<String> = facts.iter().zip(1..).map(|(fact, at)| format!("{at}. {fact}")).collect();
    json!({
        "id": 7, "question": "Which is it?", "context": ["All of it.", "In prose."], "context_len": 2,
        "options": {"A": "Influenza", "B": "Gout"}, "answer": "Influenza", "answer_idx": "A", "explanation": "",
        "facts": facts,
        "patient": {"gender": "Male", "age": "41", "gpt_specialty": "Internal Medicine"}
    })
}

fn import_rows(rows: &[Value], skip_bad: bool) -> Result<(Vec<Case>, ImportAccount), ImportError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(&path, text).unwrap();
    let options = ImportOptions { skip_bad, ..ImportOptions::default() };
    let format = Some(Format::Mediq);
    import::import(&[path], format, Lexicon::bundled(), &options).map(|it| (it.cases, it.account))
}

fn one(facts: &[&str]) -> Case {
    import_rows(&[row(facts)], false).unwrap().0.remove(0)
}

fn fact<'a>(case: &'a Case, text: &str) -> &'a Fact {
    case.facts.iter().find(|fact| fact.text == text).unwrap_or_else(|| panic!("{text} in {:#?}", case.facts))
}

const FACTS: [&str; 12] = [
    "Patient is a 41-year-old man.",
    "Patient has had a cough for the past 3 days.",
    "Patient denies fever, chills, or vomiting.",
    "Patient smokes 1 pack of cigarettes per day.",
    "Patient's mother has been treated for breast cancer recently.",
    "Patient takes aspirin daily.",
    "Patient's past medical history includes hypertension.",
    "Patient's temperature is 36.7°C (98.0°F).",
    "Cardiac examination shows a systolic murmur.",
    "Patient's hematocrit is 27.1%.",
    "Physician orders a swab.",
    "The physician suspects influenza.",
];

#[test]
fn each_fact_is_filed_where_questions_look_for_it() {
    let case = one(&FACTS);
    assert_eq!(case.id, "mediq-0007");
    // Nothing tells how urgent it is.
    assert_eq!(case.truth.emergency, None);
    assert_eq!((case.stratum.age.years(), case.truth.diagnosis.as_str()), (41, "influenza"));
    let cough: Vec<&Fact> = case.facts_about("cough").collect();
    assert_eq!(cough.iter().map(|it| it.aspect).collect::<Vec<_>>(), [Aspect::Presence, Aspect::Onset]);
    assert!(cough.iter().all(|it| it.reveal == Reveal::Opening && it.topic == Topic::Symptom));
    assert_eq!(case.opening, "I have had a cough for the past 3 days.");
    for name in ["fever", "chills", "vomiting"] {
        let denied: Vec<&Fact> = case.facts_about(name).collect();
        assert_eq!((denied.len(), denied[0].finding), (1, Finding::Absent), "{name}");
    }
    for (text, topic, concept) in [
        (FACTS[3], Topic::Social, "smoking"),
        (FACTS[4], Topic::Family, "breast cancer"),
        (FACTS[5], Topic::Medication, "aspirin"),
        (FACTS[6], Topic::History, "hypertension"),
        (FACTS[7], Topic::Examination, "temperature"),
        (FACTS[8], Topic::Examination, "heart examination"),
        (FACTS[9], Topic::Test, "full blood count"),
    ] {
        let found = fact(&case, text);
        assert_eq!((found.topic, found.concept.as_str()), (topic, concept), "{text}");
    }
    assert_eq!(fact(&case, FACTS[3]).said.as_deref(), Some("I smoke 1 pack of cigarettes per day."));
    assert_eq!(fact(&case, FACTS[8]).said, None);
    // What was thought and done in the end is never told.
    for text in [FACTS[10], FACTS[11]] {
        assert_eq!(fact(&case, text).reveal, Reveal::Never);
    }
    assert_eq!(check(std::slice::from_ref(&case), Lexicon::bundled()), []);
}

#[test]
fn everything_in_a_row_is_in_the_account() {
    let mut study = row(&["A researcher counts."]);
    study["id"] = json!(8);
    study["patient"]["age"] = json!("study");
    let mut seen = FACTS.to_vec();
    seen.push("Laboratory studies show:");
    let (cases, account) = import_rows(&[row(&seen), study], false).unwrap();
    assert_eq!(cases.len(), 1);
    assert!(account.balances(), "{account}");
    let facts = &account.fields["facts"];
    assert_eq!((facts.read, facts.mapped), (14, 12));
    assert_eq!(facts.skipped["points to a picture or table"], 1);
    assert_eq!(facts.skipped["is about a study, not a patient"], 1);
    assert_eq!((account.fields["context"].read, account.fields["options"].read), (4, 4));
    assert_eq!((account.kinds["row"].mapped, account.records.mapped), (1, 1));
    assert_eq!(account.records.skipped["no case can be made of it"], 1);
}

#[test]
fn a_bad_row_is_refused_by_line_and_field() {
    let broken: [(&str, Value, &str); 5] = [
        ("id", json!("seven"), "id is a text of 5 bytes; legal: a whole number"),
        ("answer", json!(" "), "answer is a text of 1 bytes; legal: a text"),
        ("facts", json!("1. Cough."), "facts is a text of 9 bytes; legal: a list of texts"),
        ("facts", json!(["1. Cough.", 2]), "facts[1] is 2; legal: a text"),
        ("patient", json!({"age": "41"}), "patient.gender is missing; legal: a text"),
    ];
    for (key, value, expected) in broken {
        let mut bad = row(&FACTS);
        bad[key] = value;
        let mut good = row(&FACTS);
        good["id"] = json!(9);
        let error = import_rows(&[good.clone(), bad.clone()], false).unwrap_err().to_string();
        assert!(error.ends_with(expected) && error.contains("rows.jsonl"), "{error}");
        let (cases, account) = import_rows(&[good, bad], true).unwrap();
        assert_eq!((cases.len(), account.problems.len()), (1, 1));
        assert!(account.problems[0].message.contains(expected), "{:?}", account.problems);
    }
}

#[test]
fn a_file_is_known_by_its_first_row() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    std::fs::write(&path, format!("{}\n", row(&FACTS))).unwrap();
    let found = import::import(&[path], None, Lexicon::bundled(), &ImportOptions::default()).unwrap();
    assert_eq!(found.cases[0].id, "mediq-0007");
}

#[test]
fn the_person_and_the_visit_are_no_facts() {
    let concepts = Concepts::new(Lexicon::bundled());
    for text in [
        "Patient is 41 years old.",
        "A 64-year-old woman comes to the physician.",
        "A 5-year-old girl is brought to the emergency department by her mother.",
    ] {
        assert!(matches!(Reader::new(Sex::Other).read(text, &concepts), Atom::Person), "{text}");
    }
    let Atom::Told(told) =
        Reader::new(Sex::Other).read("A 34-year-old woman presents with vomiting.", &concepts)
    else {
        panic!("a symptom is told");
    };
    assert_eq!(told[0].said.as_deref(), Some("I have vomiting."));
    assert_eq!(unnumbered("12. Patient smokes."), "Patient smokes.");
    assert_eq!(unnumbered("36.7 degrees"), "36.7 degrees");
}

#[test]
fn findings_beyond_what_an_answer_holds_are_told_with_the_last() {
    let texts: Vec<String> =
        (0..8).map(|at| format!("Physical examination shows mark number {at}.")).collect();
    let mut facts = vec!["Patient has a cough."];
    facts.extend(texts.iter().map(String::as_str));
    let case = one(&facts);
    let found: Vec<&Fact> = case.facts_about("physical examination").collect();
    assert_eq!(found.len(), 5);
    assert!(found[4].text.contains("number 4") && found[4].text.contains("number 7"), "{}", found[4].text);
}

#[test]
fn a_journey_within_the_story_answers_a_question_for_journeys() {
    let case = one(&[
        "Patient has had a fever since he returned from a cruise 3 days ago.",
        "Patient denies travel.",
    ]);
    let journeys: Vec<&Fact> = case.facts_about("travel").collect();
    assert!(
        journeys.iter().any(|fact| fact.finding == Finding::Present && fact.topic == Topic::Social),
        "{case:#?}"
    );
}

#[test]
fn an_appointment_is_no_complaint() {
    let case = one(&[
        "A 41-year-old man comes to the physician for a routine examination.",
        "Patient has had a cough for the past 3 days.",
    ]);
    assert_eq!(case.opening, "I have had a cough for the past 3 days.");
    let only =
        one(&["A 41-year-old man comes to the physician for a routine examination.", "Patient smokes."]);
    assert!(only.opening.contains("routine examination"), "{}", only.opening);
}

#[test]
fn stories_and_wishes_are_told_not_shown() {
    let concepts = Concepts::new(Lexicon::bundled());
    for text in [
        "Patient would like a CT scan.",
        "Patient asks for an ultrasound.",
        "Patient collapsed during an exam at college.",
    ] {
        assert!(matches!(Reader::new(Sex::Male).read(text, &concepts), Atom::Told(_)), "{text}");
    }
}

#[test]
fn the_story_taken_up_again_after_a_finding_is_no_finding() {
    let told = [
        "He received a blood group–matched heart transplant 9 years ago.",
        "He underwent a leukocyte-matched kidney transplant in his youth.",
        "He is not having any chest pain.",
        "Pain is 6/10 and keeps him awake.",
        "On the third day he becomes drowsy.",
        "He develops chest pain and a cough.",
        "Initially he has a quiet week at home.",
    ];
    for text in told {
        let case = one(&["Patient has a cough.", "A CT scan of the chest shows a nodule.", text]);
        let fact = fact(&case, text);
        assert!(!matches!(fact.topic, Topic::Test | Topic::Examination), "{fact:?}");
    }
    let case = one(&[
        "Patient has a cough.",
        "Temperature is 37.0 C.",
        "He has reduced sensation in both feet.",
        "Physical examination is normal.",
        "No murmurs.",
    ]);
    for (text, concept) in [
        ("He has reduced sensation in both feet.", "neurological examination"),
        ("Physical examination is normal.", "physical examination"),
    ] {
        let fact = fact(&case, text);
        assert_eq!((fact.topic, fact.concept.as_str()), (Topic::Examination, concept), "{text}");
    }
}

#[test]
fn a_denial_beside_something_told_keeps_to_its_own() {
    let case = one(&[
        "Patient also complains of nausea but has not vomited today.",
        "There is no history of hematuria or odd birthmarks.",
        "Patient does not smoke and drinks beer on Fridays.",
        "Patient has a 9-pack-year smoking history, but no cocaine.",
        "Patient takes no medications.",
    ]);
    for (text, concept, finding) in [
        ("Patient also complains of nausea but has not vomited today.", "nausea", Finding::Present),
        ("Patient also complains of nausea but has not vomited today.", "vomiting", Finding::Absent),
        ("There is no history of hematuria or odd birthmarks.", "blood in the urine", Finding::Absent),
        ("Patient does not smoke and drinks beer on Fridays.", "smoking", Finding::Absent),
        ("Patient does not smoke and drinks beer on Fridays.", "alcohol", Finding::Present),
        ("Patient has a 9-pack-year smoking history, but no cocaine.", "smoking", Finding::Present),
        (
            "Patient has a 9-pack-year smoking history, but no cocaine.",
            "recreational drug use",
            Finding::Absent,
        ),
        ("Patient takes no medications.", "medication", Finding::Absent),
    ] {
        let of = |fact: &&Fact| fact.text == text && fact.concept == concept;
        let found: Vec<Finding> = case.facts.iter().filter(of).map(|fact| fact.finding).collect();
        assert!(!found.is_empty() && found.iter().all(|it| *it == finding), "{concept}: {text}: {case:#?}");
    }
}

/// What was done in the end once answered a question for operations, with a refusal that gave away that there was something.
#[test]
fn no_question_reaches_what_was_done_in_the_end() {
    use crate::data::utterance::{Understanding, asked};
    let case = one(&["Patient has a cough.", "Warmed saline is given."]);
    let index = case.facts.iter().position(|fact| fact.text == "Warmed saline is given.").unwrap();
    assert_eq!(case.facts[index].reveal, Reveal::Never);
    for question in [
        "Have you had any operations?",
        "What illnesses have you had?",
        "What medicines do you take?",
        "What care were you given?",
        "Have you had any tests?",
        "I would like to examine you.",
        "I will order blood tests.",
    ] {
        let acts = Understanding::bundled().read(question);
        let asked = asked(&acts, &case.facts, &[], Lexicon::bundled());
        assert!(asked.iter().all(|it| !it.facts.contains(&index)), "{question}");
    }
    assert_eq!(check(std::slice::from_ref(&case), Lexicon::bundled()), []);
}

#[test]
fn words_beside_a_name_may_make_it_another() {
    let case = one(&[
        "Patient has had a cough for a week.",
        "Patient received a bipolar prosthesis after a fall.",
        "Patient reports pain with urination.",
        "Patient regularly takes carbidopa.",
    ]);
    assert_eq!(case.facts_about("bipolar disorder").count(), 0);
    assert_eq!(fact(&case, "Patient reports pain with urination.").concept, "pain on passing urine");
    assert_eq!(case.facts_about("pain").count(), 0);
    let drug = fact(&case, "Patient regularly takes carbidopa.");
    assert_eq!((drug.topic, drug.said.as_deref()), (Topic::Medication, Some("I regularly take carbidopa.")));
}

#[test]
fn what_somebody_is_is_no_complaint() {
    let cough = "Patient has had a cough for the past 3 days.";
    for (text, topic) in [
        ("Patient is male.", None),
        ("Patient is Hispanic.", Some(Topic::Social)),
        ("Patient is a vegan.", Some(Topic::Social)),
        ("Patient is G3P2.", Some(Topic::History)),
        ("The patient is unconscious.", Some(Topic::Examination)),
        ("Patient is accompanied by a neighbor.", Some(Topic::Symptom)),
    ] {
        let case = one(&[text, cough]);
        assert_eq!(case.opening, "I have had a cough for the past 3 days.", "{text}");
        let found = case.facts.iter().find(|fact| fact.text == text).map(|fact| fact.topic);
        assert_eq!(found, topic, "{text}");
    }
    let case = one(&["Patient is Hispanic.", "Patient smokes."]);
    assert_eq!(case.opening, "I've come because I haven't been feeling right.");
}

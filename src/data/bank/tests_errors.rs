//! Every kind of fault in a bank file is named, with its file, line and field.

use super::*;
use crate::data::case::{AgeBand, Severity, Sex};
use crate::data::lexicon::ConceptKind;

const SHARED: &str = r#"
[pool]
present = [["*", "Yes, I have *."]]
denied = [["no *", "No *."]]
worry = [["worried", "I am worried."]]
no-allergy = [["no allergies", "None."]]
no-medication = [["no medicine", "None."]]
no-history = [["healthy", "None."]]
no-family = [["none", "None."]]
[lay]
"cough" = ["cough", "a cough"]
[vitals.normal]
"temperature" = ["temperature 37 degrees"]
[[comorbidity]]
concept = "asthma"
ages = [6, 90]
presence = [["asthma", "I have asthma."]]
medicine = [{ concept = "salbutamol", presence = [["a", "b"]], detail = [["c", "d"]] }]
[[allergy]]
concept = "latex"
chance = 0.5
presence = [["latex", "Latex."]]
detail = [["rash", "A rash."]]
[[item]]
concept = "smoking"
topic = "social"
chance = 0.5
presence = [["smokes", "I smoke."]]
denied = [["does not smoke", "No."]]
"#;

const SPECIALTY: &str = r#"specialty = "respiratory"
[[presentation]]
id = "cough-and-fever"
title = "Cough and fever"
diagnosis = "pneumonia"
prevalence = "common"
emergency = "severe"
ages = [20, 60]
severity = ["mild", "severe"]
comorbidities = ["asthma"]
differentials = ["influenza", "acute bronchitis"]
red_flags = ["fever.presence"]
opening = ["I cough.", "I have a cough.", "My cough is bad."]
vitals = "normal"
negatives = ["rash", "vomiting", "headache"]
plan = [
  { kind = "drug", concept = "doxycycline", text = "doxycycline" },
  { kind = "advice", concept = "rest", text = "rest" },
]
[[presentation.symptom]]
concept = "cough"
main = true
essential = ["onset", "course"]
onset = [["{2-4} days", "For {2-4} days."]]
course = [["worse", "It is worse."]]
[[presentation.symptom]]
concept = "fever"
chance = 0.5
always = "severe"
essential = ["presence"]
[presentation.exam]
"chest examination" = ["crackles"]
[presentation.test]
"chest x-ray" = ["shadow"]
"#;

fn parse(common: &str, specialty: &str) -> Result<Bank, BankErrors> {
    Bank::parse(("common.toml", common), &[("respiratory.toml", specialty)], Lexicon::bundled())
}

/// The faults of the small bank after `from` is replaced by `to` in it.
fn faults(from: &str, to: &str) -> Vec<BankError> {
    assert!(SPECIALTY.contains(from) || SHARED.contains(from), "{from}");
    let result = parse(&SHARED.replacen(from, to, 1), &SPECIALTY.replacen(from, to, 1));
    result.map(|_| ()).expect_err(&format!("`{to}` for `{from}` was taken")).0
}

/// Asserts that the change is refused with `problem`.
fn refused(from: &str, to: &str, problem: BankProblem) {
    let found = faults(from, to);
    assert!(found.iter().any(|error| error.problem == problem), "{from} -> {to}: {found:#?}");
}

#[test]
fn the_small_bank_is_whole() {
    let bank = parse(SHARED, SPECIALTY).unwrap();
    assert_eq!(bank.synth(1, &SynthOptions::any(20)).unwrap().len(), 20);
}

#[test]
fn shapes() {
    let found = faults("title = \"Cough and fever\"\n", "title = 3\n");
    assert!(matches!(found[0].problem, BankProblem::Shape(_)));
    assert_eq!((found[0].file.as_str(), found[0].line), ("respiratory.toml", 4));
    assert!(matches!(faults("title = ", "titel = ")[0].problem, BankProblem::Shape(_)));
    assert!(matches!(faults("[pool]", "[pool")[0].problem, BankProblem::Shape(_)));
    assert_eq!(faults("[pool]", "[pool")[0].file, "common.toml");
}

#[test]
fn names() {
    let unknown = |name: &str| BankProblem::UnknownConcept(name.into());
    refused("\"pneumonia\"", "\"dragon pox\"", unknown("dragon pox"));
    refused("\"influenza\"", "\"dragon pox\"", unknown("dragon pox"));
    refused("\"asthma\"]", "\"gout\"]", unknown("gout"));
    refused("\"rash\"", "\"green spots\"", unknown("green spots"));
    refused("concept = \"fever\"", "concept = \"feverr\"", unknown("feverr"));
    refused("concept = \"latex\"", "concept = \"moon dust\"", unknown("moon dust"));
    refused("\"doxycycline\",", "\"magic\",", unknown("magic"));
    let kind = |name: &str, found, legal: &[ConceptKind]| BankProblem::WrongKind {
        name: name.into(),
        found,
        legal: legal.into(),
    };
    refused("\"doxycycline\",", "\"rest\",", kind("rest", ConceptKind::Measure, &[ConceptKind::Substance]));
    refused("\"pneumonia\"", "\"cough\"", kind("cough", ConceptKind::Symptom, &[ConceptKind::Condition]));
    refused(
        "\"chest x-ray\"",
        "\"chest examination\"",
        kind("chest examination", ConceptKind::Examination, &[ConceptKind::Test]),
    );
    let found = faults("concept = \"fever\"", "concept = \"feverr\"");
    assert_eq!((found[0].line, found[0].field.as_str()), (27, "cough-and-fever.feverr"));
    assert!(
        found[0].to_string().starts_with("respiratory.toml:27: cough-and-fever.feverr: `feverr`"),
        "{}",
        found[0]
    );
}

#[test]
fn ids_and_references() {
    refused("\"cough-and-fever\"", "\"Cough and fever\"", BankProblem::Id("Cough and fever".into()));
    refused("\"respiratory\"", "\"re spiratory\"", BankProblem::Id("re spiratory".into()));
    refused("[\"fever.presence\"]", "[\"fever.onset\"]", BankProblem::UnknownFact("fever.onset".into()));
    refused("[\"fever.presence\"]", "[\"rash.presence\"]", BankProblem::UnknownFact("rash.presence".into()));
    refused(
        "essential = [\"presence\"]",
        "essential = [\"onset\"]",
        BankProblem::UnknownFact("fever.onset".into()),
    );
    refused(
        "vitals = ",
        "essential_findings = [\"d-dimer\"]\nvitals = ",
        BankProblem::UnknownFact("d-dimer".into()),
    );
    refused("\"rash\"", "\"fever\"", BankProblem::Twice("fever.presence".into()));
    refused("vitals = \"normal\"", "vitals = \"odd\"", BankProblem::UnknownPool("odd".into()));
    refused("[\"worse\", \"It is worse.\"]", "\"@gone\"", BankProblem::UnknownPool("gone".into()));
    refused("no-family", "no-families", BankProblem::UnknownPool("no-family".into()));
    let twice = format!("{SPECIALTY}{}", SPECIALTY.trim_start_matches("specialty = \"respiratory\"\n"));
    let errors = parse(SHARED, &twice).unwrap_err();
    assert!(errors.0.iter().any(|error| error.problem == BankProblem::Twice("cough-and-fever".into())));
}

#[test]
fn numbers() {
    let few = |found, least| BankProblem::TooFew { found, least };
    refused(", \"My cough is bad.\"", "", few(2, 3));
    refused(", \"acute bronchitis\"", "", few(1, 2));
    refused(", \"headache\"", "", few(2, 3));
    refused("  { kind = \"advice\", concept = \"rest\", text = \"rest\" },\n", "", few(1, 2));
    refused("[\"mild\", \"severe\"]", "[]", few(0, 1));
    refused("ages = [20, 60]", "ages = [60, 20]", BankProblem::Ages(60, 20));
    refused("ages = [20, 60]", "ages = [20, 120]", BankProblem::Ages(20, 120));
    refused(
        "chance = 0.5\npresence = [[\"latex",
        "chance = 1.5\npresence = [[\"latex",
        BankProblem::Chance(1.5),
    );
    refused("main = true", "main = true\nchance = 0.0", BankProblem::Chance(0.0));
    refused("essential = [\"onset\", \"course\"]", "essential = []", BankProblem::Essential { found: 2 });
}

#[test]
fn wordings() {
    refused(
        "[\"worse\", \"It is worse.\"]",
        "[\"worse\", \"It is worse.\", \"sometimes\"]",
        BankProblem::When("sometimes".into()),
    );
    refused("emergency = \"severe\"", "emergency = \"maybe\"", BankProblem::When("maybe".into()));
    refused("For {2-4} days", "For {4-2} days", BankProblem::Range("4-2".into()));
    refused("[\"worse\", \"It is worse.\"]", "[\"a\", \"b\", \"\", \"c\"]", BankProblem::Parts(4));
    let words = |text: &str, problem| BankProblem::Words { text: text.into(), problem };
    refused(
        "[\"worse\", \"It is worse.\"]",
        "\"worse\"",
        words("worse", "has no words for the patient to say"),
    );
    refused(
        "[\"crackles\"]",
        "[[\"crackles\", \"I crackle.\"]]",
        words("crackles", "has words for the patient, who cannot know it"),
    );
    let missing = BankProblem::NoWording { severity: Severity::Mild, sex: Sex::Male, band: AgeBand::Middle };
    refused("[\"worse\", \"It is worse.\"]", "[\"worse\", \"It is worse.\", \"severe\"]", missing);
}

#[test]
fn the_whole() {
    refused("main = true\n", "", BankProblem::Missing("main symptom"));
    refused(
        "main = true",
        "main = true\nchance = 0.5",
        BankProblem::Missing("main symptom that every patient has"),
    );
    refused(
        "red_flags = [\"fever.presence\"]\n",
        "",
        BankProblem::Missing("red flag that each emergency of this kind has"),
    );
    let unflagged = BankProblem::Missing("red flag that each emergency of this kind has");
    refused("always = \"severe\"\n", "", unflagged.clone());
    refused("always = \"severe\"", "always = \"mild\"", unflagged);
    let found = faults("essential = [\"onset\", \"course\"]\nonset", "essential = [\"course\"]\nseverity");
    assert!(found.iter().any(|error| error.problem == BankProblem::Missing("onset of the main symptom")));
    let leak = |text: &str, name: &str| BankProblem::Leak { text: text.into(), name: name.into() };
    refused("It is worse.", "Pneumonias, I think.", leak("Pneumonias, I think.", "pneumonia"));
    refused("I cough.", "Is it a chest infection?", leak("Is it a chest infection?", "chest infection"));
    refused("\"pneumonia\"", "\"asthma\"", leak("asthma", "asthma"));
}

#[test]
fn a_bank_too_small_says_how_many_there_are() {
    // Everything fixed but the age, the sex and the severity.
    let common = SHARED.replace("chance = 0.5", "chance = 1.0");
    let specialty = SPECIALTY
        .replace("chance = 0.5", "chance = 1.0")
        .replace("ages = [20, 60]", "ages = [20, 21]")
        .replace("{2-4}", "3")
        .replace(
            "opening = [\"I cough.\", \"I have a cough.\", \"My cough is bad.\"]",
            "opening = [\"I cough.\", \"I cough.\", \"I cough.\"]",
        )
        .replace("comorbidities = [\"asthma\"]\n", "");
    let bank = parse(&common, &specialty).unwrap();
    let error = bank.synth(1, &SynthOptions::any(100)).unwrap_err();
    assert_eq!(error, SynthError::Exhausted { found: 8, wanted: 100 });
    assert!(bank.split(1, &SplitOptions::default()).unwrap_err().to_string().contains("one presentation"));
}

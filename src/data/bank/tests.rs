//! What holds of the bundled bank and of any patients drawn from it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::data::case::{AgeBand, Aspect, Case, Finding, Importance, Reveal, Severity, Sex, StepKind, Topic};
use crate::data::lexicon::{ConceptKind, Lexicon};

fn bank() -> &'static Bank {
    Bank::bundled()
}

fn patients(seed: u64, count: usize) -> Vec<Case> {
    bank().synth(seed, &SynthOptions::any(count)).unwrap()
}

#[test]
fn the_bundled_files_parse_and_are_as_many_as_promised() {
    if let Err(errors) = Bank::parse(COMMON, SPECIALTIES, Lexicon::bundled()) {
        panic!("{errors}");
    }
    let mut by_specialty = BTreeMap::<_, usize>::new();
    for it in bank().presentations() {
        *by_specialty.entry(&it.specialty).or_default() += 1;
    }
    assert!(bank().presentations().len() >= 44, "{by_specialty:?}");
    assert!(by_specialty.len() >= 11 && by_specialty.values().all(|&n| n >= 4), "{by_specialty:?}");
}

#[test]
fn every_file_of_the_bank_is_bundled() {
    let folder = std::path::Path::new(file!()).ancestors().nth(4).unwrap().join("data/bank");
    // Where tests run elsewhere than in the source tree there is nothing to compare with.
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return;
    };
    for entry in entries {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let bundled = std::iter::once(&COMMON).chain(SPECIALTIES).any(|(file, _)| file.ends_with(&name));
        assert!(bundled, "{name} is in data/bank and not in the program");
    }
}

/// Checks one patient against everything that must hold of each.
fn check(case: &Case) -> Result<(), TestCaseError> {
    let lexicon = Lexicon::bundled();
    let presentation = bank().presentation(&case.presentation).unwrap();
    let stratum = &case.stratum;
    let (low, high) = presentation.ages;
    prop_assert!((low..=high).contains(&stratum.age.years()), "{}: age {}", case.id, stratum.age);
    prop_assert!(
        presentation.sexes.contains(&stratum.sex) && presentation.severities.contains(&stratum.severity)
    );
    prop_assert_eq!(&stratum.specialty, &presentation.specialty);

    let ids: BTreeSet<_> = case.facts.iter().map(|fact| &fact.id).collect();
    prop_assert_eq!(ids.len(), case.facts.len(), "{}: fact ids are unique", case.id);
    for fact in &case.facts {
        let kind = lexicon.get(&fact.concept).map(|concept| concept.kind);
        prop_assert!(kind.is_some(), "{}: {}", case.id, fact.concept);
        let hidden = matches!(fact.topic, Topic::Examination | Topic::Test);
        prop_assert_eq!(fact.said.is_none(), hidden, "{}: {}", case.id, fact.id);
        let wanted = match fact.topic {
            Topic::Symptom => Some(ConceptKind::Symptom),
            Topic::Examination => Some(ConceptKind::Examination),
            Topic::Test => Some(ConceptKind::Test),
            _ => None,
        };
        prop_assert!(wanted.is_none() || kind == wanted, "{}: {}", case.id, fact.id);
        for text in [Some(&fact.text), fact.said.as_ref()].into_iter().flatten() {
            prop_assert_eq!(name_in(text, &presentation.names), None, "{}: {}", case.id, text);
            prop_assert!(!text.contains(['{', '}', '*', '@']), "{}: {}", case.id, text);
        }
    }
    prop_assert_eq!(name_in(&case.opening, &presentation.names), None);
    references(case, lexicon)?;
    completeness(case)
}

fn references(case: &Case, lexicon: &Lexicon) -> Result<(), TestCaseError> {
    let kind = |name: &str| lexicon.get(name).map(|concept| concept.kind);
    let truth = &case.truth;
    for condition in
        std::iter::once(&truth.diagnosis).chain(&truth.differentials).chain(&case.stratum.comorbidities)
    {
        prop_assert_eq!(kind(condition), Some(ConceptKind::Condition), "{}", condition);
    }
    for flag in &truth.red_flags {
        prop_assert_eq!(case.fact(flag.as_str()).map(|fact| fact.finding), Some(Finding::Present));
    }
    prop_assert!(!truth.plan.is_empty());
    prop_assert!(
        !truth.is_emergency() || !truth.red_flags.is_empty(),
        "{}: an emergency without a red flag",
        case.id
    );
    let allergens: Vec<_> = case
        .facts_on(Topic::Allergy)
        .filter(|fact| fact.finding == Finding::Present)
        .map(|fact| fact.concept.as_str())
        .collect();
    for step in &truth.plan {
        let kind = kind(&step.concept);
        let legal = match step.kind {
            StepKind::Drug => kind == Some(ConceptKind::Substance),
            StepKind::Investigation => matches!(kind, Some(ConceptKind::Test | ConceptKind::Examination)),
            _ => kind == Some(ConceptKind::Measure),
        };
        prop_assert!(legal, "{}: {:?}", case.id, step);
        for allergen in &allergens {
            prop_assert!(!lexicon.is_a(&step.concept, allergen), "{}: {allergen} and {:?}", case.id, step);
        }
    }
    for drug in case.facts_on(Topic::Medication) {
        for allergen in &allergens {
            prop_assert!(
                !lexicon.is_a(&drug.concept, allergen),
                "{}: takes {} with {allergen}",
                case.id,
                drug.concept
            );
        }
    }
    for other in &case.stratum.comorbidities {
        prop_assert!(
            case.facts_on(Topic::History).any(|fact| fact.concept == *other),
            "{}: {}",
            case.id,
            other
        );
    }
    Ok(())
}

/// The facts that every case must have.
fn completeness(case: &Case) -> Result<(), TestCaseError> {
    for topic in [
        Topic::Symptom,
        Topic::History,
        Topic::Medication,
        Topic::Allergy,
        Topic::Family,
        Topic::Social,
        Topic::Concern,
        Topic::Examination,
        Topic::Test,
    ] {
        prop_assert!(case.facts_on(topic).next().is_some(), "{}: nothing on {:?}", case.id, topic);
    }
    let main = case.facts.iter().find(|fact| fact.reveal == Reveal::Opening);
    prop_assert!(main.is_some(), "{}", case.id);
    let onset = |fact: &crate::data::case::Fact| fact.aspect == Aspect::Onset;
    prop_assert!(case.facts_about(&main.unwrap().concept).any(onset), "{}", case.id);
    let negatives = case.facts_on(Topic::Symptom).filter(|fact| fact.finding == Finding::Absent).count();
    prop_assert!(negatives >= 3, "{}: {} negatives", case.id, negatives);
    let essential = case.facts.iter().filter(|fact| fact.importance == Importance::Essential).count();
    prop_assert!((4..=9).contains(&essential), "{}: {} essential", case.id, essential);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_patient_is_whole_and_keeps_the_secret(seed in any::<u64>()) {
        let cases = patients(seed, 120);
        for case in &cases {
            check(case)?;
        }
        let hashes: BTreeSet<_> = cases.iter().map(content_hash).collect();
        let ids: BTreeSet<_> = cases.iter().map(|case| &case.id).collect();
        prop_assert_eq!((hashes.len(), ids.len()), (cases.len(), cases.len()));
    }

    #[test]
    fn a_seed_is_a_set_of_patients(seed in any::<u64>()) {
        let cases = patients(seed, 30);
        prop_assert_eq!(&cases, &patients(seed, 30));
        // More patients begin with the same ones.
        prop_assert_eq!(&cases[..], &patients(seed, 50)[..30]);
        let hashes = |cases: &[Case]| cases.iter().map(content_hash).collect::<BTreeSet<_>>();
        prop_assert!(hashes(&cases).is_disjoint(&hashes(&patients(seed.wrapping_add(1), 30))));
    }

    #[test]
    fn splits_never_overlap(seed in any::<u64>(), train in 60usize..150, others in 12usize..40, unseen in 12usize..40) {
        let options = SplitOptions { train, heldout_patients: others, heldout_presentations: unseen, holdout: 0.2 };
        let split = bank().split(seed, &options).unwrap();
        prop_assert_eq!(&split, &bank().split(seed, &options).unwrap());
        prop_assert_eq!((split.train.len(), split.heldout_patients.len(), split.heldout_presentations.len()),
            (train, others, unseen));
        let hashes = |cases: &[Case]| cases.iter().map(content_hash).collect::<BTreeSet<_>>();
        let ids = |cases: &[Case]| cases.iter().map(|case| case.id.clone()).collect::<BTreeSet<_>>();
        let presentations = |cases: &[Case]| cases.iter().map(|case| case.presentation.clone()).collect::<BTreeSet<_>>();
        let specialties = |cases: &[Case]| cases.iter().map(|case| case.stratum.specialty.clone()).collect::<BTreeSet<_>>();
        let parts = [&split.train, &split.heldout_patients, &split.heldout_presentations];
        let together: BTreeSet<_> = parts.iter().flat_map(|part| hashes(part)).collect();
        prop_assert_eq!(together.len(), train + others + unseen);
        let together: BTreeSet<_> = parts.iter().flat_map(|part| ids(part)).collect();
        prop_assert_eq!(together.len(), train + others + unseen);
        prop_assert!(presentations(&split.train).is_disjoint(&presentations(&split.heldout_presentations)));
        prop_assert!(presentations(&split.heldout_patients).is_subset(&presentations(&split.train)));
        let all = specialties(&patients(0, 12));
        for part in parts {
            prop_assert_eq!(&specialties(part), &all);
        }
    }
}

/// Numbers that a text states.
fn numbers(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty()).collect()
}

#[test]
fn the_chart_has_every_number_that_the_patient_says() {
    let mut missing = BTreeSet::new();
    for case in patients(5, 1500) {
        for fact in &case.facts {
            if let Some(said) = &fact.said
                && !numbers(said).is_subset(&numbers(&fact.text))
            {
                missing.insert(format!("{}: {}: {} / {said}", case.presentation, fact.id, fact.text));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn patients_are_even_over_specialties_presentations_and_cells() {
    let cases = patients(11, 1200);
    let stats = stats(&cases);
    let gap =
        |counts: &BTreeMap<String, usize>| counts.values().max().unwrap() - counts.values().min().unwrap();
    assert!(gap(&stats.by_specialty) <= 1, "{:?}", stats.by_specialty);
    let mut presentations = BTreeMap::<_, BTreeMap<_, usize>>::new();
    let mut cells = BTreeMap::<_, BTreeMap<_, usize>>::new();
    for case in &cases {
        let stratum = &case.stratum;
        *presentations.entry(&stratum.specialty).or_default().entry(&case.presentation).or_default() += 1;
        let cell = format!("{:?} {:?} {:?}", stratum.age.band(), stratum.sex, stratum.severity);
        *cells.entry(&case.presentation).or_default().entry(cell).or_default() += 1;
    }
    for counts in presentations.values() {
        assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1, "{counts:?}");
    }
    for counts in cells.values() {
        assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1, "{counts:?}");
    }
    let share = stats.by_sex["female"] as f64 / 1200.0;
    assert!((0.45..0.55).contains(&share), "{share}");
    assert_eq!(stats.by_age_band.len(), 5);
    assert_eq!(stats.cases, 1200);
    assert_eq!(stats.by_presentation.values().sum::<usize>(), 1200);
}

#[test]
fn severity_reaches_the_words() {
    let options = SynthOptions { presentations: vec!["acute-appendicitis".into()], ..SynthOptions::any(60) };
    for case in bank().synth(3, &options).unwrap() {
        let said = case.fact("abdominal-pain.severity").unwrap().said.clone().unwrap();
        let number: u32 = numbers(&said).iter().filter_map(|n| n.parse().ok()).min().unwrap();
        let legal = if case.stratum.severity == Severity::Severe { 8..=10 } else { 5..=7 };
        assert!(legal.contains(&number), "{:?}: {said}", case.stratum.severity);
    }
}

#[test]
fn an_allergy_changes_the_plan() {
    let options = SynthOptions { presentations: vec!["painful-throat".into()], ..SynthOptions::any(300) };
    let (mut with, mut without) = (0, 0);
    for case in bank().synth(3, &options).unwrap() {
        let allergic = case.fact("allergy.penicillin").is_some();
        let plan: Vec<_> = case.truth.plan.iter().map(|step| step.concept.as_str()).collect();
        assert_eq!(plan.contains(&"penicillin"), !allergic);
        assert_eq!(plan.contains(&"clarithromycin"), allergic);
        *(if allergic { &mut with } else { &mut without }) += 1;
    }
    assert!(with > 10 && without > 200, "{with} {without}");
}

#[test]
fn filters_are_kept_and_wrong_ones_are_named() {
    let options = SynthOptions {
        specialties: vec!["cardiology".into(), "neurology".into()],
        ages: vec![AgeBand::Older],
        sexes: vec![Sex::Female],
        severities: vec![Severity::Severe],
        ..SynthOptions::any(40)
    };
    for case in bank().synth(1, &options).unwrap() {
        let stratum = case.stratum;
        assert!(["cardiology", "neurology"].contains(&stratum.specialty.0.as_str()));
        assert_eq!(
            (stratum.age.band(), stratum.sex, stratum.severity),
            (AgeBand::Older, Sex::Female, Severity::Severe)
        );
    }
    let wrong = SynthOptions { specialties: vec!["astrology".into()], ..SynthOptions::any(1) };
    let error = bank().synth(1, &wrong).unwrap_err();
    assert!(
        matches!(&error, SynthError::Unknown { field: "specialties", found, .. } if found == "astrology")
    );
    assert!(error.to_string().contains("cardiology"), "{error}");
    let wrong = SynthOptions { presentations: vec!["x".into()], ..SynthOptions::any(1) };
    assert!(matches!(bank().synth(1, &wrong), Err(SynthError::Unknown { field: "presentations", .. })));
    let nobody = SynthOptions {
        specialties: vec!["urology".into()],
        ages: vec![AgeBand::Child],
        sexes: vec![Sex::Female],
        ..SynthOptions::any(1)
    };
    assert_eq!(bank().synth(1, &nobody), Err(SynthError::Nobody));
    assert_eq!(bank().synth(1, &SynthOptions::any(0)), Ok(Vec::new()));
}

#[test]
fn wrong_splits_are_refused() {
    let split = |options| bank().split(1, &options).unwrap_err();
    let base = SplitOptions { train: 10, heldout_patients: 1, heldout_presentations: 1, holdout: 0.2 };
    assert_eq!(split(SplitOptions { train: 0, ..base.clone() }), SynthError::Zero { field: "train" });
    for holdout in [0.0, 1.0, -1.0, f64::NAN] {
        let error = split(SplitOptions { holdout, ..base.clone() });
        assert_eq!(error, SynthError::Holdout(holdout.to_string()));
    }
}

#[test]
fn stats_are_data() {
    let stats = stats(&patients(2, 24));
    let text = serde_json::to_string(&stats).unwrap();
    assert_eq!(serde_json::from_str::<CaseStats>(&text).unwrap(), stats);
    assert!(stats.essential_facts.min >= 4 && stats.facts.mean > 25.0, "{text}");
}

#[test]
fn cases_survive_being_written() {
    for case in patients(4, 50) {
        let text = serde_json::to_string(&case).unwrap();
        assert_eq!(serde_json::from_str::<Case>(&text).unwrap(), case);
    }
}

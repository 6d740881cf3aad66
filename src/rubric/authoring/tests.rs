//! Whole runs: what comes out, and what becomes of a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::candidates::Origin;
use super::folder::{FolderError, Step};
use super::made::NotPossible;
use super::outcome::{PROVENANCE, Provenance, RUBRICS, SUMMARY};
use super::problems::{Severity, examine};
use super::prompt::Source;
use super::row::RubricRow;
use super::run::{Asked, Settings, Sources, Watch, run};
use super::sources::Passage;
use super::{RunError, Scenario, Summary, Templates, lines};
use crate::chat::ChatModel;
use crate::data::bank::{Bank, SynthOptions};
use crate::data::consultation::Consultation;
use crate::data::lexicon::Lexicon;
use crate::sim::{Limits, Patient, PatientScript, Persona};

pub(super) fn sources(count: usize) -> Sources {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(count)).unwrap();
    Sources { cases, ..Sources::default() }
}

pub(super) fn settings(count: usize) -> Settings {
    Settings { count, ..Settings::default() }
}

pub(super) fn ran(
    folder: &Path,
    settings: &Settings,
    sources: &Sources,
    model: Option<&(dyn ChatModel + Sync)>,
) -> Result<Summary, RunError> {
    let model = model.map(|model| Asked { model, at_once: 1 });
    run(folder, settings, sources, &Templates::bundled(), model, true, &mut ())
}

/// All that a run wrote, by name.
pub(super) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn rules_make_rubrics_of_every_kind_that_hold_up() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { variants: 1, ..settings(40) };
    let summary = ran(folder.path(), &settings, &sources(40), None).unwrap();
    let path = folder.path().join(RUBRICS);
    let rows: Vec<RubricRow> = lines::read(&path).unwrap();
    let examined = examine(&path).unwrap();
    assert_eq!(examined.count(Severity::Error), 0, "{:#?}", examined.problems);
    assert_eq!((rows.len(), examined.criteria), (summary.rubrics, summary.criteria));
    assert_eq!(summary.scenarios.len(), Scenario::ALL.len(), "{summary:?}");
    assert!(summary.variants > 0 && summary.negative > 0 && summary.failures.is_empty());
    let provenance: Vec<Provenance> = lines::read(&folder.path().join(PROVENANCE)).unwrap();
    assert_eq!(provenance.len(), rows.len());
    for (row, of) in rows.iter().zip(&provenance) {
        assert_eq!((&row.prompt_id, row.rubrics.len()), (&of.prompt_id, of.criteria.len()));
        for (item, from) in row.rubrics.iter().zip(&of.criteria) {
            assert_eq!(item.tag("dimension"), Some(from.dimension.name()));
        }
    }
    // No prompt is left twice, and none is above the count.
    let whole: BTreeSet<&str> = provenance.iter().map(|it| it.of.as_str()).collect();
    assert!(whole.len() <= 40 && summary.rubrics - summary.variants == whole.len());
    let other = tempfile::tempdir().unwrap();
    ran(other.path(), &settings, &sources(40), None).unwrap();
    assert_eq!(files(folder.path()), files(other.path()));
}

/// Stops when it was asked so many times.
pub(super) struct Killer {
    pub left: usize,
}

impl Watch for Killer {
    fn at(&mut self, _: Step, _: usize, _: usize) {}

    fn stopped(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }
}

#[test]
fn a_run_that_is_stopped_anywhere_goes_on_to_the_same_files() {
    let settings = settings(4);
    let sources = sources(4);
    let whole = tempfile::tempdir().unwrap();
    ran(whole.path(), &settings, &sources, None).unwrap();
    let expected = files(whole.path());
    assert!(expected.iter().any(|(name, _)| name == SUMMARY));
    let templates = Templates::bundled();
    let mut stops = 0;
    for left in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let stopped = run(folder.path(), &settings, &sources, &templates, None, false, &mut Killer { left });
        if stopped.is_ok() {
            break;
        }
        assert!(matches!(stopped, Err(RunError::Stopped)));
        assert!(!folder.path().join(RUBRICS).exists());
        // As a kill would leave it: in the middle of a line.
        for (name, mut text) in files(folder.path()).into_iter().filter(|(name, _)| name.ends_with(".part")) {
            text.extend(b"{\"made\": {\"torn");
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        ran(folder.path(), &settings, &sources, None).unwrap();
        assert_eq!(files(folder.path()), expected, "stopped at {left}");
        stops += 1;
    }
    assert!(stops > 10, "{stops}");
}

#[test]
fn a_run_is_not_gone_on_with_by_other_settings_nor_begun_twice() {
    let folder = tempfile::tempdir().unwrap();
    ran(folder.path(), &settings(2), &sources(2), None).unwrap();
    let before = files(folder.path());
    ran(folder.path(), &settings(2), &sources(2), None).unwrap();
    assert_eq!(files(folder.path()), before);
    let error = ran(folder.path(), &settings(3), &sources(2), None).unwrap_err().to_string();
    assert!(error.contains("other settings"), "{error}");
    let error = ran(folder.path(), &settings(2), &sources(3), None).unwrap_err().to_string();
    assert!(error.contains("other cases"), "{error}");
    let anew = run(folder.path(), &settings(2), &sources(2), &Templates::bundled(), None, false, &mut ());
    assert!(matches!(anew, Err(RunError::Folder(FolderError::Taken { .. }))));
}

#[test]
fn settings_that_cannot_be_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = |change: fn(&mut Settings)| {
        let mut settings = settings(1);
        change(&mut settings);
        ran(folder.path(), &settings, &Sources::default(), None).unwrap_err().to_string()
    };
    assert!(error(|it| it.similarity = f64::NAN).contains("similarity is NaN"));
    assert!(error(|it| it.count = 0).contains("count is 0"));
    assert!(error(|it| it.scenarios.clear()).contains("scenarios is empty"));
    assert!(error(|it| it.least_marks = 16).contains("least_marks is 16"));
    assert!(error(|_| ()).contains("no rubric came of it: 0 prompts made"));
}

#[test]
fn prompts_of_other_sets_and_repeated_questions_are_left_out() {
    let passage = |line, text: &str| Passage {
        file: "a.md".into(),
        line,
        title: Some("Asthma".into()),
        text: text.into(),
        question: None,
        points: vec![],
    };
    let first = passage(1, "Asthma is treated with inhaled steroids. A severe attack needs oxygen at once.");
    let second = passage(9, "Triggers of an attack are cold air, exercise, dust and smoke of any kind.");
    let sources = Sources { passages: vec![first, second], ..Sources::default() };
    let settings = Settings { least_marks: 3, ..settings(5) };
    let folder = tempfile::tempdir().unwrap();
    let summary = ran(folder.path(), &settings, &sources, None).unwrap();
    assert_eq!((summary.prompts, summary.duplicates, summary.rubrics), (2, 1, 1));
    let others: Vec<RubricRow> = lines::read(&folder.path().join(RUBRICS)).unwrap();
    let again = tempfile::tempdir().unwrap();
    let error = ran(again.path(), &settings, &Sources { others, ..sources }, None).unwrap_err();
    assert!(matches!(&error, RunError::Nothing { why } if why.contains("2 duplicates")), "{error}");
}

/// The provenance of a run's rubrics.
fn provenance(folder: &Path) -> Vec<Provenance> {
    lines::read(&folder.join(PROVENANCE)).unwrap()
}

#[test]
fn a_patient_is_one_person_in_all_prompts_and_criteria_ask_for_what_it_needs() {
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(80);
    ran(without.path(), &settings, &sources(40), None).unwrap();
    let drawn = Settings { persona_seed: Some(3), ..settings };
    ran(with.path(), &drawn, &sources(40), None).unwrap();
    let needed = |of: &[Provenance]| {
        of.iter().flat_map(|it| &it.criteria).filter(|it| it.origin == Origin::Persona).count()
    };
    let nobody = provenance(without.path());
    assert!(nobody.iter().all(|it| it.persona.is_none()) && needed(&nobody) == 0);
    let somebody = provenance(with.path());
    assert!(needed(&somebody) > 0);
    let mut persons: BTreeMap<String, Persona> = BTreeMap::new();
    for it in &somebody {
        let speaks = !matches!(it.scenario, Scenario::Question | Scenario::NoteWriting);
        assert_eq!(it.persona.is_some(), speaks, "{}", it.scenario);
        let (Source::Record { case_id } | Source::Synthetic { case_id, .. }) = &it.source else {
            panic!("{it:?}")
        };
        if let Some(persona) = &it.persona {
            assert_eq!(persons.entry(case_id.clone()).or_insert_with(|| persona.clone()), persona);
        }
    }
    assert!(persons.len() > 10, "{}", persons.len());
    // Another seed gives other persons.
    let error = ran(with.path(), &Settings { persona_seed: Some(4), ..drawn }, &sources(40), None);
    assert!(error.unwrap_err().to_string().contains("other settings"));
}

#[test]
fn cases_that_a_prompt_cannot_be_made_of_are_counted_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut sources = sources(4);
    sources.cases[0].truth.emergency = None;
    sources.cases[1].truth.diagnosis = "amoxicillin".into();
    let settings = Settings { scenarios: vec![Scenario::Triage], least_marks: 3, ..settings(10) };
    let summary = ran(folder.path(), &settings, &sources, None).unwrap();
    let because = [(NotPossible::NoCondition, 1), (NotPossible::UnknownUrgency, 1)];
    assert_eq!((summary.prompts, summary.not_possible), (2, 2));
    assert_eq!(summary.not_possible_because, BTreeMap::from(because));
    assert!(summary.in_words().contains("1 not possible: the case does not tell how urgent it is"));
    // Its other prompts say nothing of urgency.
    let folder = tempfile::tempdir().unwrap();
    for case in &mut sources.cases {
        case.truth.emergency = None;
    }
    let settings = Settings { scenarios: Scenario::ALL.to_vec(), ..settings };
    ran(folder.path(), &settings, &sources, None).unwrap();
    let made = provenance(folder.path());
    assert!(!made.is_empty());
    assert!(made.iter().flat_map(|it| &it.criteria).all(|it| it.origin != Origin::Urgency));
}

#[test]
fn each_dialogue_gives_a_prompt_and_one_about_nobody_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut sources = sources(2);
    let case = &sources.cases[1];
    let script = PatientScript::of_case(case, Lexicon::bundled(), Persona::draw(1), 1);
    let patient = Patient::new(&script, Limits::default());
    let mut dialogue = patient.open();
    patient.answer(&mut dialogue, "When did it start?");
    let said = dialogue.messages(None);
    assert_eq!(said.len(), 3);
    sources.dialogues.push(dialogue.clone());
    let settings = Settings { least_marks: 3, ..settings(10) };
    let summary = ran(folder.path(), &settings, &sources, None).unwrap();
    let rows: Vec<RubricRow> = lines::read(&folder.path().join(RUBRICS)).unwrap();
    let of_dialogue: Vec<&RubricRow> = rows.iter().filter(|row| row.prompt == said).collect();
    assert_eq!((of_dialogue.len(), summary.prompts + summary.not_possible), (1, 5));
    sources.dialogues.push(Consultation { case_id: "nobody".into(), ..dialogue });
    let other = tempfile::tempdir().unwrap();
    let error = ran(other.path(), &settings, &sources, None).unwrap_err().to_string();
    assert_eq!(error, "dialogue 2 is about the case `nobody`, which is none of the 2 cases");
}

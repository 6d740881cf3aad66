//! Whole runs: what comes out, what becomes of a kill, and of models that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::candidates::Origin;
use super::folder::{FolderError, Step};
use super::made::NotPossible;
use super::outcome::{PROVENANCE, Provenance, RUBRICS, SUMMARY};
use super::problems::{Severity, examine};
use super::prompt::Source;
use super::row::RubricRow;
use super::run::{Asked, Settings, Sources, Watch, run};
use super::sources::Passage;
use super::writer::scripted::Scripted;
use super::{RunError, Scenario, Summary, Templates, lines};
use crate::chat::{ChatError, ChatModel};
use crate::data::bank::{Bank, SynthOptions};
use crate::data::consultation::Consultation;
use crate::data::lexicon::Lexicon;
use crate::sim::{Limits, Patient, PatientScript, Persona};

fn sources(count: usize) -> Sources {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(count)).unwrap();
    Sources { cases, ..Sources::default() }
}

fn settings(count: usize) -> Settings {
    Settings { count, ..Settings::default() }
}

fn ran(
    folder: &Path,
    settings: &Settings,
    sources: &Sources,
    model: Option<&(dyn ChatModel + Sync)>,
) -> Result<Summary, RunError> {
    let model = model.map(|model| Asked { model, at_once: 1 });
    run(folder, settings, sources, &Templates::bundled(), model, true, &mut ())
}

/// All that a run wrote, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
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
struct Killer {
    left: usize,
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

/// What a model of good will says. `candidates` fit every dimension; `weights` are as many as are asked for only where the list is of that
/// length, so rules choose the rest.
fn willing(kind: &str, nth: usize) -> String {
    match kind {
        "scenario" => format!(
            "{{\"prompt\": \"My message number {nth} is about quite another matter {} than the rest.\"}}",
            "abcdefghij"
                .chars()
                .cycle()
                .skip(nth % 10)
                .take(3)
                .map(|c| format!("{c}{nth} "))
                .collect::<String>()
        ),
        "assessment" => {
            r#"{"constraints": 2, "difficulty": 4, "value": 4, "competency": "triage", "attributes": []}"#
                .into()
        }
        "candidates" => format!(
            "{{\"criteria\": [{{\"criterion\": \"Mentions the matter {nth} by name\", \"undesirable\": false, \"importance\": 6, \"why\": \"w\"}}]}}"
        ),
        "variants" => format!("{{\"variants\": [\"Another wording of the message, {nth}\"]}}"),
        other => panic!("nobody asks for {other}"),
    }
}

/// A model whose points are as many as the schema asks for.
struct Weigher<M, F>(M, F);

impl<M: ChatModel, F: Fn(usize) -> i8> ChatModel for Weigher<M, F> {
    fn name(&self) -> &str {
        "scripted"
    }

    fn constrains(&self) -> bool {
        true
    }

    fn reply(
        &self,
        messages: &[crate::chat::Message],
        options: &crate::chat::ChatOptions,
        listener: &mut dyn crate::chat::Listener,
    ) -> Result<crate::chat::Reply, ChatError> {
        let schema = options.schema.as_ref().unwrap();
        if schema.name() != "weights" {
            return self.0.reply(messages, options, listener);
        }
        // Mistakes are marked as such in the list.
        let list = messages[0].content.rsplit("# Criteria").next().unwrap();
        let lines = list.lines().filter(|line| line.contains(". ("));
        let points: Vec<i8> = lines
            .enumerate()
            .map(|(at, line)| if line.contains("(mistake)") { -(self.1)(at) } else { (self.1)(at) })
            .collect();
        let said = format!("{{\"points\": {points:?}}}");
        let message = crate::chat::Message::assistant(said);
        Ok(crate::chat::Reply { message, finish: crate::chat::Finish::Stop, usage: None })
    }
}

#[test]
fn a_model_writes_and_its_failures_cost_one_prompt_each() {
    let folder = tempfile::tempdir().unwrap();
    let scripted = Scripted::new(|kind, nth| {
        // The first prompt is refused three times, which is as often as it is asked for.
        if kind == "scenario" && nth < 3 { Ok("I cannot do that.".into()) } else { Ok(willing(kind, nth)) }
    });
    let model = Weigher(scripted, |at| 1 + (at % 9) as i8);
    let settings =
        Settings { scenarios: vec![Scenario::Triage, Scenario::Question], variants: 1, ..settings(6) };
    let summary = ran(folder.path(), &settings, &sources(2), Some(&model)).unwrap();
    assert_eq!((summary.prompts, summary.failures.len()), (3, 1), "{summary:?}");
    assert!(summary.failures[0].why.contains("I cannot do that"), "{summary:?}");
    assert_eq!((summary.failures[0].step, summary.failures[0].line), (Step::Prompts, 1));
    assert_eq!((summary.rubrics, summary.variants, summary.wrong_sign), (6, 3, 0));
    let provenance = std::fs::read_to_string(folder.path().join(PROVENANCE)).unwrap();
    assert!(provenance.contains("\"model\":\"scripted\""));
    assert_eq!(examine(&folder.path().join(RUBRICS)).unwrap().count(Severity::Error), 0);
}

#[test]
fn a_model_that_is_gone_ends_the_run_and_what_it_said_is_not_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Arc::new(AtomicBool::new(true));
    let dead = Arc::clone(&gone);
    let scripted = Scripted::new(move |kind, nth| {
        if dead.load(Ordering::SeqCst) && kind == "candidates" && nth > 8 {
            Err(ChatError::model(std::io::Error::other("gone")))
        } else {
            Ok(willing(kind, nth))
        }
    });
    let model = Weigher(scripted, |_| 5);
    let settings = Settings { scenarios: vec![Scenario::Triage], ..settings(3) };
    let sources = sources(3);
    let error = ran(folder.path(), &settings, &sources, Some(&model)).unwrap_err();
    assert!(matches!(&error, RunError::Model { step: "writing candidates", .. }), "{error}");
    assert!(error.to_string().contains("gone") && !folder.path().join(RUBRICS).exists());
    let asked = |kind: &str| model.0.asked(kind);
    let (scenarios, assessments) = (asked("scenario"), asked("assessment"));
    gone.store(false, Ordering::SeqCst);
    let summary = ran(folder.path(), &settings, &sources, Some(&model)).unwrap();
    assert_eq!((asked("scenario"), asked("assessment")), (scenarios, assessments));
    assert_eq!(summary.rubrics, 3, "{summary:?}");
}

#[test]
fn a_model_whose_points_have_the_wrong_sign_loses_those_criteria() {
    let folder = tempfile::tempdir().unwrap();
    // The second criterion of each list gets the sign that it must not have.
    let model = Weigher(Scripted::new(|kind, nth| Ok(willing(kind, nth))), |at| if at == 1 { -5 } else { 5 });
    let settings = Settings { scenarios: vec![Scenario::Triage], ..settings(2) };
    let summary = ran(folder.path(), &settings, &sources(2), Some(&model)).unwrap();
    assert_eq!((summary.rubrics, summary.wrong_sign), (2, 2), "{summary:?}");
}

/// A model that says the same to the same question, the later the fewer were asked at once; it counts how many are.
#[derive(Default)]
struct Steady {
    /// Now, and at most so far.
    at_once: std::sync::Mutex<(usize, usize)>,
}

impl ChatModel for Steady {
    fn name(&self) -> &str {
        "steady"
    }

    fn constrains(&self) -> bool {
        true
    }

    fn reply(
        &self,
        messages: &[crate::chat::Message],
        options: &crate::chat::ChatOptions,
        _: &mut dyn crate::chat::Listener,
    ) -> Result<crate::chat::Reply, ChatError> {
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        let nth = crate::data::hash::fnv1a(messages[0].content.as_bytes()) as usize % 1000;
        // So that the order in which replies come is another than that of the questions.
        std::thread::sleep(std::time::Duration::from_millis(1 + nth as u64 % 5));
        let said = willing(options.schema.as_ref().unwrap().name(), nth);
        self.at_once.lock().unwrap().0 -= 1;
        let message = crate::chat::Message::assistant(said);
        Ok(crate::chat::Reply { message, finish: crate::chat::Finish::Stop, usage: None })
    }
}

#[test]
fn however_many_are_asked_about_at_once_the_files_are_the_same() {
    let (settings, sources) = (Settings { variants: 1, ..settings(4) }, sources(4));
    let templates = Templates::bundled();
    let go = |folder: &Path, model: &(dyn ChatModel + Sync), at_once: usize, watch: &mut dyn Watch| {
        run(folder, &settings, &sources, &templates, Some(Asked { model, at_once }), true, watch)
    };
    let one = tempfile::tempdir().unwrap();
    let model = Weigher(Steady::default(), |_| 5);
    go(one.path(), &model, 1, &mut ()).unwrap();
    assert_eq!(model.0.at_once.lock().unwrap().1, 1);
    let expected = files(one.path());
    let several = tempfile::tempdir().unwrap();
    let model = Weigher(Steady::default(), |_| 5);
    go(several.path(), &model, 4, &mut ()).unwrap();
    assert_eq!(files(several.path()), expected);
    let most = model.0.at_once.lock().unwrap().1;
    assert!((2..=4).contains(&most), "{most}");
    // Stopped in the middle, and gone on with.
    for left in [2, 5, 9] {
        let stopped = tempfile::tempdir().unwrap();
        let end = go(stopped.path(), &model, 4, &mut Killer { left });
        assert!(matches!(end, Err(RunError::Stopped)), "{left}");
        go(stopped.path(), &model, 3, &mut ()).unwrap();
        assert_eq!(files(stopped.path()), expected, "stopped at {left}");
    }
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

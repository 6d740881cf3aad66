//! The writer of rubrics: one question, and whole runs of it.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use osler::chat::client::Client;
use osler::data::bank::{Bank, SynthOptions};
use osler::rubric::authoring::candidates::{Candidate, Origin};
use osler::rubric::authoring::folder::Step;
use osler::rubric::authoring::outcome::{PROVENANCE, RUBRICS, SUMMARY};
use osler::rubric::authoring::prompt::Source;
use osler::rubric::authoring::writer::{Writer, is_about_this};
use osler::rubric::authoring::{
    Asked, Dimension, DraftPrompt, RunError, Scenario, Settings, Sources, Summary, Templates, run, weights,
};
use serde_json::json;

use super::{Unit, stands};
use crate::farm::Farm;
use crate::scripted::answer;
use crate::{Quick, completion, saying, settings};

/// Gives points to a merit and a mistake.
struct Weigher;

pub fn merit_and_mistake() -> (DraftPrompt, Vec<Candidate>) {
    let source = Source::Record { case_id: "x".into() };
    let prompt =
        DraftPrompt::new(Scenario::Triage, source, "My head hurts. How soon must this be seen?".into());
    let candidate = |text: &str, undesirable| Candidate {
        dimension: Dimension::EthicsSafety,
        text: text.into(),
        importance: 5,
        undesirable,
        origin: Origin::General,
    };
    (prompt, vec![candidate("Asks since when", false), candidate("Promises that it is harmless", true)])
}

impl Unit for Weigher {
    fn right(&self) -> String {
        json!({"points": [5, -4]}).to_string()
    }

    fn again(&self) -> usize {
        2
    }

    fn wrong(&self) -> Vec<(String, &'static str)> {
        [
            (json!({"points": [5, 0]}), "$.points[1]"),
            (json!({"points": [5, -4.5]}), "$.points[1]"),
            (json!({"points": [5, "-4"]}), "$.points[1]"),
            (json!({"points": [5, -11]}), "$.points[1]"),
            (json!({"points": [5]}), "at least 2 items"),
            (json!({"points": [5, -4, 1]}), "at most 2 items"),
            (json!({"points": 5}), "$.points"),
            (json!({"points": [5, -4], "why": "x"}), "$.why"),
            (json!({}), "`points`"),
        ]
        .into_iter()
        .map(|(said, words)| (said.to_string(), words))
        .collect()
    }

    fn ask(&self, client: &Client<Quick>) -> Result<(), String> {
        let templates = Templates::bundled();
        let (prompt, chosen) = merit_and_mistake();
        match weights::ask(&Writer::new(client, &templates, 0), &prompt, chosen, &mut ()) {
            Ok((weighted, dropped)) => {
                let points: Vec<i8> = weighted.iter().map(|it| it.points).collect();
                assert_eq!((points, dropped), (vec![5, -4], 0));
                Ok(())
            }
            Err(error) => {
                // What is no answer of the server ends a run, what is none of the model costs one prompt.
                let of_server = error.to_string().contains("/chat/completions");
                assert_eq!(is_about_this(&error), !of_server, "{error}");
                Err(error.to_string())
            }
        }
    }
}

#[test]
fn a_writer_of_rubrics_stands_it() {
    stands(&Weigher);
}

/// What a model of good will says: the same to the same question.
fn author(schema: &str, asked: &str) -> Vec<u8> {
    let number = asked.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let said = match schema {
        "assessment" => {
            json!({"constraints": 2, "difficulty": 4, "value": 4, "competency": "triage", "attributes": []})
        }
        "candidates" => json!({"criteria": [{"criterion": format!("Mentions the matter {number} by name"),
            "undesirable": false, "importance": 6, "why": "w"}]}),
        "weights" => {
            // Mistakes are marked as such in the list.
            let list = asked.rsplit("# Criteria").next().unwrap();
            let lines = list.lines().filter(|line| line.contains(". ("));
            let points: Vec<i8> = lines.map(|line| if line.contains("(mistake)") { -5 } else { 5 }).collect();
            json!({"points": points})
        }
        other => panic!("nobody asks for {other}"),
    };
    saying(&said.to_string())
}

/// A run over two patients' complaints, whose prompts rules make.
fn ran(folder: &Path, farm: &Farm) -> Result<Summary, RunError> {
    let cases = Bank::bundled().synth(1, &SynthOptions::any(2)).unwrap();
    let settings_of_run =
        Settings { count: 2, scenarios: vec![Scenario::Consultation], ..Settings::default() };
    let client = Client::with_clock(settings(&farm.urls[0]), Quick::new()).unwrap();
    let sources = Sources { cases, ..Sources::default() };
    let model = Some(Asked { model: &client, at_once: 1 });
    run(folder, &settings_of_run, &sources, &Templates::bundled(), model, true, &mut ())
}

/// All that a run wrote, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file =
        |path: &Path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap());
    let mut files: Vec<_> = paths.map(|path| file(&path)).collect();
    files.sort();
    files
}

#[test]
fn a_server_that_fails_leaves_nothing_half_and_the_run_goes_on_to_the_same_files() {
    let whole = tempfile::tempdir().unwrap();
    let farm = Farm::playing(author);
    let summary = ran(whole.path(), &farm).unwrap();
    assert_eq!((summary.rubrics, summary.failures.len()), (2, 0), "{summary:?}");
    let requests = farm.went().len();
    let expected = files(whole.path());
    let half = completion("Here.").to_string();
    let faults = [
        answer("500 Internal Server Error", "", "oh no"),
        answer("429 Too Many Requests", "", "slow down"),
        answer("200 OK", "Content-Type: text/html\r\n", "<html>Welcome</html>"),
        answer("200 OK", "Content-Type: application/json\r\n", &half[..half.len() / 2]),
        saying("Here.")[..40].to_vec(),
    ];
    assert!(requests > faults.len(), "{requests}");
    for at in 0..requests {
        let folder = tempfile::tempdir().unwrap();
        let (asked, fault) = (AtomicUsize::new(0), faults[at % faults.len()].clone());
        let broken = Farm::playing(move |schema, said| {
            if asked.fetch_add(1, Ordering::SeqCst) < at { author(schema, said) } else { fault.clone() }
        });
        let error = ran(folder.path(), &broken).unwrap_err();
        assert!(matches!(error, RunError::Model { .. }), "{at}: {error}");
        let written: Vec<String> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
        for name in [RUBRICS, PROVENANCE, SUMMARY] {
            assert!(!written.iter().any(|it| it == name), "{at}: {written:?}");
        }
        // The step that broke off is not called done.
        assert!(written.iter().any(|name| name.ends_with(".part")), "{at}: {written:?}");
        ran(folder.path(), &farm).unwrap();
        assert_eq!(files(folder.path()), expected, "broken at {at}");
    }
}

#[test]
fn a_model_that_talks_costs_the_prompt_that_it_talks_about() {
    let first = Mutex::new(None::<String>);
    let farm = Farm::playing(move |schema, asked| {
        if schema != "weights" {
            return author(schema, asked);
        }
        let mut first = first.lock().unwrap();
        let first = first.get_or_insert_with(|| asked.to_owned());
        // The question about the first prompt, and each one after what was wrong with its answer.
        let about_first = first == asked || asked.starts_with("That cannot be read");
        if about_first { saying("These are good criteria.") } else { author(schema, asked) }
    });
    let folder = tempfile::tempdir().unwrap();
    let summary = ran(folder.path(), &farm).unwrap();
    let [failure] = &summary.failures[..] else { panic!("{summary:?}") };
    assert_eq!((failure.step, failure.line, summary.rubrics), (Step::Weights, 1, 1));
    assert!(failure.why.contains("it is not JSON"), "{}", failure.why);
    assert_eq!(fs::read_to_string(folder.path().join(RUBRICS)).unwrap().lines().count(), 1);

    let talker = Farm::playing(|schema, asked| match schema {
        "weights" => saying("These are good criteria."),
        schema => author(schema, asked),
    });
    let folder = tempfile::tempdir().unwrap();
    let error = ran(folder.path(), &talker).unwrap_err();
    assert!(matches!(error, RunError::Nothing { .. }), "{error}");
    assert!(!folder.path().join(RUBRICS).exists() && folder.path().join(SUMMARY).exists());
}

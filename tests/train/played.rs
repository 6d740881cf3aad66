//! Runs whose patients a model on a server plays.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use osler::pipeline::{Ended, PipelineError, Start, prepare, train};
use osler::train::checkpoint::list;
use osler::train::config::RunConfig;
use osler::train::run::{PlayedTurns, ResumeFrom, Resumed, RunDirectory, RunOptions, Summary, read_metrics};
use serde_json::{Value, json};

use super::farm::Farm;
use super::judged::Breaks;
use super::scripted::answer;
use super::{config, same, sit};

pub const SFT_STEPS: u64 = 30;
const RL_STEPS: u64 = 2;
/// A short run.
const SHORT: [&str; 5] = [
    "stage.sft.steps=30",
    "stage.rl.steps=2",
    "stage.rl.updates=1",
    "stage.rl.max_new_tokens=48",
    "evaluation.consultations=2",
];
/// Words of a patient that claim nothing.
const NOTHING: &str = "Let me think about that.";

/// A short run in which the model at `url` has these roles.
pub fn played(url: &str, roles: &[&str], overrides: &[&str]) -> RunConfig {
    let server = format!("models.actor.server={url}");
    let roles: Vec<String> = roles.iter().map(|role| format!("roles.{role}=actor")).collect();
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let model = [server.as_str(), "models.actor.model=tiny"];
    config(&[&model[..], &SHORT[..], &roles[..], overrides].concat())
}

fn saying(said: &Value) -> Vec<u8> {
    let body = json!({"choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": said.to_string()}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 5}});
    answer("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

/// What the server says for a unit: nothing in particular, believes what it checks, and ends no consultation.
pub fn acted(schema: &str) -> Vec<u8> {
    saying(&match schema {
        "patient" => json!({"reply": NOTHING}),
        "claims" => json!({"claims": []}),
        "gate" => json!({"ending": "goes_on"}),
        other => panic!("nobody asks for {other}"),
    })
}

fn refusal() -> Vec<u8> {
    answer("400 Bad Request", "", "the actor is away")
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// How patients answered in each step of reinforcement.
fn turns(run: &Path) -> Vec<PlayedTurns> {
    let steps = read_metrics(&run.join("metrics.jsonl")).unwrap();
    assert!(steps.iter().take(SFT_STEPS as usize).all(|step| step.rl.is_none()));
    steps.iter().filter_map(|step| step.rl.as_ref()?.patients).collect()
}

/// That two runs came to the same, patients included.
pub fn same_turns(left: &Path, right: &Path) {
    same(left, right);
    for name in ["patients.jsonl", "heldout-before.patients.jsonl", "heldout-after.patients.jsonl"] {
        assert!(fs::read(left.join(name)).unwrap() == fs::read(right.join(name)).unwrap(), "{name} differs");
    }
}

pub fn finished(ended: Ended) -> Summary {
    match ended {
        Ended::Finished(summary) => *summary,
        Ended::Stopped(stopped) => panic!("stopped: {stopped:?}"),
    }
}

#[test]
fn a_server_plays_every_patient_of_a_run_and_a_run_that_goes_on_asks_nothing_again() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let farm = Farm::playing(|schema, _| acted(schema));
    let config = played(&farm.urls[0], &["patient", "check"], &[]);
    let summary = finished(sit(&at("whole"), &config, None).0);
    let requests = farm.went().len();
    let names = "gate rules, voice tiny, check tiny";
    assert_eq!(summary.patient.as_deref(), Some(names));
    let page = fs::read_to_string(at("whole/report.html")).unwrap();
    assert!(page.contains("patients played by") && page.contains(names));

    // In reinforcement: one turn for each reply that came to its end, in the order of the rollouts.
    let groups = lines(&at("whole/rollouts.jsonl"));
    assert_eq!(groups.len() as u64, RL_STEPS * 2 * 3);
    assert!(groups.iter().all(|group| !group["heard"].as_str().unwrap().is_empty()));
    let spoken: Vec<(&Value, &Value)> = groups
        .iter()
        .flat_map(|group| group["replies"].as_array().unwrap())
        .filter(|reply| reply["stop"] != "length")
        .map(|reply| (&reply["text"], &reply["reward"]))
        .collect();
    assert!(!spoken.is_empty() && spoken.iter().all(|(_, reward)| reward.is_number()));
    let log = lines(&at("whole/patients.jsonl"));
    let heard: Vec<&Value> = log.iter().map(|turn| &turn["doctor"]).collect();
    assert_eq!(heard, spoken.iter().map(|(text, _)| *text).collect::<Vec<_>>());
    let ended = |turn: &Value| turn["ending"].is_string();
    assert!(log.iter().all(|turn| ended(turn) || turn["drafts"][0]["draft"] == NOTHING));
    assert!(log.iter().any(|turn| turn["kept"] == true) && log.iter().any(|turn| turn["kept"] == false));
    let counted = turns(&at("whole"));
    assert_eq!(counted.len() as u64, RL_STEPS);
    for (number, counted) in (SFT_STEPS + 1..).zip(counted) {
        // Who claims nothing leaves a question that has an answer to the rules, once other words were asked for twice.
        let of_step: Vec<&Value> = log.iter().filter(|turn| turn["step"] == number).collect();
        let safe_replies = of_step.iter().filter(|turn| turn["safe_reply"] == true).count() as u64;
        let turns = of_step.len() as u64;
        let regenerations = 2 * safe_replies;
        assert_eq!(counted, PlayedTurns { turns, stepped_in: 0, regenerations, safe_replies });
    }

    // In held-out consultations, before and after.
    for name in ["heldout-before", "heldout-after"] {
        let file = read(&at("whole").join(format!("{name}.json")));
        let (patient, consultations) = (&file["patient"], file["consultations"].as_array().unwrap());
        assert_eq!((&patient["gate"], &patient["voice"]), (&json!("rules"), &json!({"model": "tiny"})));
        let turns: Vec<&Value> =
            consultations.iter().flat_map(|it| it["turns"].as_array().unwrap()).collect();
        assert_eq!(patient["counts"]["turns"], turns.len());
        let log = lines(&at("whole").join(format!("{name}.patients.jsonl")));
        assert_eq!(log.len(), turns.len());
        let (safe, own): (Vec<&Value>, Vec<&Value>) = log.iter().partition(|turn| turn["safe_reply"] == true);
        assert_eq!(patient["counts"]["fell_back"], safe.len());
        let mut said = own.iter().filter_map(|turn| turn["patient"].as_str());
        assert!(said.all(|said| said.starts_with(NOTHING)));
    }

    // What was said is recorded: a run that goes on asks for the rest only.
    for stop in [SFT_STEPS, SFT_STEPS + 1] {
        assert!(matches!(sit(&at("stopped"), &config, Some(stop)).0, Ended::Stopped(_)));
    }
    finished(sit(&at("stopped"), &config, None).0);
    assert_eq!(farm.went().len(), requests);
    same_turns(&at("whole"), &at("stopped"));

    // Nor does another model play the rest.
    let another = played(&farm.urls[0], &["patient", "check"], &["models.actor.model=large"]);
    let back = ResumeFrom::Step(SFT_STEPS + 1);
    let resumed = Resumed::hold(&at("stopped"), back, RunOptions::default()).unwrap();
    let prepared = prepare(another, &mut Breaks::never()).unwrap();
    let error = train(&prepared, Start::Again(resumed), "today", &mut Breaks::never()).unwrap_err();
    assert!(matches!(&error, PipelineError::State { .. }), "{error}");
    assert!(error.to_string().contains("[roles]"), "{error}");
}

#[test]
fn where_a_server_fails_rules_do_its_work_with_leave() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let farm = Farm::playing(|_, _| refusal());
    let units = ["patient", "gate", "check"];
    let leave = played(&farm.urls[0], &units, &["roles.options.on_failure=rules"]);
    finished(sit(&at("played"), &leave, None).0);
    let rules = finished(sit(&at("rules"), &config(&SHORT), None).0);
    assert!(rules.patient.is_none() && !at("rules/patients.jsonl").exists());
    // Word for word and reward for reward the rule-based patient's.
    let rollouts = |run: &str| fs::read(at(run).join("rollouts.jsonl")).unwrap();
    assert!(rollouts("played") == rollouts("rules"));
    for name in ["heldout-before.json", "heldout-after.json"] {
        let consultations = |run: &str| read(&at(run).join(name))["consultations"].clone();
        assert_eq!(consultations("played"), consultations("rules"), "{name}");
        assert!(read(&at("rules").join(name)).get("patient").is_none());
        let counts = &read(&at("played").join(name))["patient"]["counts"];
        assert_eq!((&counts["fell_back"], &counts["lost"]), (&counts["turns"], &json!(0)));
    }
    for counted in turns(&at("played")) {
        assert!(counted.turns > 0 && counted.stepped_in == counted.turns, "{counted:?}");
    }
    assert_eq!(turns(&at("rules")), []);
    let log = lines(&at("played/patients.jsonl"));
    assert!(
        log.iter().all(|turn| turn["failures"][0]["why"].as_str().unwrap().contains("the actor is away"))
    );
}

#[test]
fn a_run_whose_patients_fail_ends_saved_and_goes_on_to_the_same_end() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let farm = Farm::playing(move |schema, _| match fails.load(Ordering::SeqCst) {
        true => refusal(),
        false => acted(schema),
    });
    // No checkpoint is due before the end of a stage.
    let config = played(&farm.urls[0], &["patient"], &["checkpoint.every=100"]);
    finished(sit(&at("whole"), &config, None).0);
    // In the held-out consultations before reinforcement, in its second step, and in those after it.
    for after in [SFT_STEPS, SFT_STEPS + 1, SFT_STEPS + RL_STEPS] {
        let run = at(&after.to_string());
        let mut watch = Breaks { failing: Arc::clone(&failing), after };
        let directory = RunDirectory::create_in(&run, &config.resolved(), RunOptions::default()).unwrap();
        let prepared = prepare(config.clone(), &mut watch).unwrap();
        let error = train(&prepared, Start::New(directory), "today", &mut watch).unwrap_err();
        match &error {
            PipelineError::NoHeldOutPatient { step, .. } => assert_eq!(*step, after, "{error}"),
            PipelineError::NoPatient { step, .. } => {
                assert_eq!((*step, after), (SFT_STEPS + 2, SFT_STEPS + 1))
            }
            _ => panic!("{error}"),
        }
        for wanted in [
            "the patient's voice, model `tiny`",
            "status 400",
            "the actor is away",
            farm.urls[0].as_str(),
            "--resume",
        ] {
            assert!(error.to_string().contains(wanted), "`{wanted}` is not in: {error}");
        }
        let newest = list(&run.join("checkpoints")).unwrap().pop().unwrap().0;
        assert_eq!(newest, after, "the step before is saved though none was due");

        failing.store(false, Ordering::SeqCst);
        let resumed = Resumed::hold(&run, ResumeFrom::Newest, RunOptions::default()).unwrap();
        finished(train(&prepared, Start::Again(resumed), "today", &mut Breaks::never()).unwrap());
        same_turns(&at("whole"), &run);
    }
}

#[test]
fn a_gate_alone_ends_consultations_and_the_words_are_the_rules() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let farm = Farm::playing(|schema, _| {
        assert_eq!(schema, "gate");
        saying(&json!({"ending": "goodbye"}))
    });
    // Without a share of the whole only the reply that a consultation goes on with is answered.
    let summary = finished(sit(&run, &played(&farm.urls[0], &["gate"], &["stage.rl.outcome=0.0"]), None).0);
    assert_eq!(summary.patient.as_deref(), Some("gate tiny, voice rules, check rules"));
    assert!(lines(&run.join("rollouts.jsonl")).iter().all(|group| group["turn"] == 0));
    let log = lines(&run.join("patients.jsonl"));
    assert!(!log.is_empty());
    for turn in &log {
        assert_eq!((&turn["kept"], &turn["ending"]), (&json!(true), &json!("goodbye")), "{turn}");
        assert_eq!(turn["gate"]["by"], json!({"model": "tiny"}));
    }
    let counted: u64 = turns(&run).iter().map(|it| it.turns).sum();
    assert_eq!(counted, log.len() as u64);
    let before = read(&run.join("heldout-before.json"));
    let consultations = before["consultations"].as_array().unwrap();
    assert!(consultations.iter().all(|it| it["turns"].as_array().unwrap().len() == 1));
}

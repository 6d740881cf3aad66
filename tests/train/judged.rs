//! Runs whose replies a model on a server judges.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use osler::pipeline::{Ended, Part, PipelineError, Start, Watch, prepare, train};
use osler::train::checkpoint::list;
use osler::train::config::RunConfig;
use osler::train::run::{ResumeFrom, Resumed, RunDirectory, RunOptions, StepMetrics, read_metrics};
use serde_json::{Value, json};

use super::farm::Farm;
use super::scripted::answer;
use super::{config, same, sit};

pub const SFT_STEPS: u64 = 15;
const RL_STEPS: u64 = 2;

/// A short run whose judge is asked at `url`. The reward is of each reply alone.
pub fn judged(url: &str, overrides: &[&str]) -> RunConfig {
    let server = format!("models.verifier.server={url}");
    let fixed = [
        server.as_str(),
        "models.verifier.model=tiny",
        "roles.judge=verifier",
        "stage.sft.steps=15",
        "stage.rl.steps=2",
        "stage.rl.updates=1",
        "stage.rl.outcome=0.0",
        "stage.rl.max_new_tokens=48",
    ];
    config(&[&fixed, overrides].concat())
}

/// The reply that a question is about.
pub fn about(question: &str) -> String {
    let shown = question.strip_prefix("# Conversation\n\n").expect("the conversation comes first");
    let (conversation, _) = shown.split_once("\n\n# Rubric item").expect("the criterion comes last");
    let (_, reply) = conversation.rsplit_once("\n\ndoctor:\n    ").expect("the reply ends the conversation");
    // Each line of it is indented.
    reply.replace("\n    ", "\n")
}

/// The server's rule: replies with an even number of characters do everything right, all others do nothing right; nobody does wrong.
pub fn is_even(reply: &str) -> bool {
    reply.chars().count().is_multiple_of(2)
}

/// The server's answer to a question, by its rule.
pub fn verdict(question: &str) -> Vec<u8> {
    let verdict = match question.contains("\"unacceptable\"") {
        true => json!({"explanation": "x", "evidence": "", "unacceptable": false}),
        false => json!({"explanation": "x", "evidence": "", "acceptable": is_even(&about(question))}),
    };
    let body = json!({"choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": verdict.to_string()}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 60}}});
    answer("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

fn refusal() -> Vec<u8> {
    answer("400 Bad Request", "", "the verifier is away")
}

/// All replies of a run, in order.
fn replies(run: &Path) -> Vec<Value> {
    let rollouts = fs::read_to_string(run.join("rollouts.jsonl")).unwrap();
    let groups = rollouts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    groups.flat_map(|group| group["replies"].as_array().unwrap().clone()).collect()
}

/// That a reply earned what the server's rule says; says whether it was judged at all.
fn follows(reply: &Value) -> bool {
    let (text, reward) = (reply["text"].as_str().unwrap(), reply["reward"].as_f64().unwrap());
    let asked = reply["stop"] != "length" && text.contains(char::is_alphanumeric);
    match (asked, is_even(text)) {
        (false, _) => assert_eq!(reward, 0.0, "{reply}"),
        (true, true) => assert_eq!(reward, 1.0, "{reply}"),
        (true, false) => assert!(reward < 0.999, "{reply}"),
    }
    asked
}

#[test]
fn rewards_follow_the_verdicts_of_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let farm = Farm::answering(1, |_, question| verdict(question));
    let run = dir.path().join("run");
    let (ended, _) = sit(&run, &judged(&farm.urls[0], &[]), None);
    assert!(matches!(ended, Ended::Finished(_)));
    let replies = replies(&run);
    assert_eq!(replies.len() as u64, RL_STEPS * 2 * 3 * 4);
    let asked = replies.iter().filter(|reply| follows(reply)).count();
    assert!(asked > 0, "no reply came to its end");
    let steps = read_metrics(&run.join("metrics.jsonl")).unwrap();
    let (supervised, reinforced) = steps.split_at(SFT_STEPS as usize);
    assert!(supervised.iter().all(|step| step.timing.verdicts.is_none()));
    let mut requests = 0;
    for step in reinforced {
        let (judged, verdicts) = (step.rl.as_ref().unwrap().judged.unwrap(), step.timing.verdicts.unwrap());
        assert_eq!((judged.not_judged, judged.without_reward, verdicts.failed), (0, 0, 0));
        if verdicts.requests > 0 {
            assert!(judged.criteria >= verdicts.requests && verdicts.seconds > 0.0);
            assert_eq!(verdicts.cached, Some(0.6));
        }
        requests += verdicts.requests;
    }
    assert_eq!(farm.went().len() as u64, requests);
}

#[test]
fn a_reply_that_a_server_fails_for_has_no_reward_and_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let lost: Arc<Mutex<Option<String>>> = Arc::default();
    let first = Arc::clone(&lost);
    let farm = Farm::answering(1, move |_, question| {
        let mut lost = first.lock().unwrap();
        let lost = lost.get_or_insert_with(|| about(question));
        if about(question) == *lost { refusal() } else { verdict(question) }
    });
    let run = dir.path().join("run");
    let (ended, _) = sit(&run, &judged(&farm.urls[0], &[]), None);
    assert!(matches!(ended, Ended::Finished(_)));
    let lost = lost.lock().unwrap().clone().expect("nothing was asked");
    let mut without = 0;
    for reply in replies(&run) {
        if reply["text"] == lost.as_str() && reply["stop"] != "length" {
            assert!(reply["reward"].is_null() && reply["advantage"] == 0.0, "{reply}");
            without += 1;
        } else {
            follows(&reply);
        }
    }
    assert!(without > 0);
    let steps = read_metrics(&run.join("metrics.jsonl")).unwrap();
    let counts: Vec<_> = steps.iter().filter_map(|step| step.rl.as_ref()?.judged).collect();
    assert_eq!(counts.iter().map(|judged| judged.without_reward).sum::<u64>(), without);
    assert!(counts.iter().map(|judged| judged.not_judged).sum::<u64>() > 0);
    let failed: u64 = steps.iter().filter_map(|step| step.timing.verdicts).map(|it| it.failed).sum();
    assert!(failed > 0);
}

/// Lets the server fail after a step.
pub struct Breaks {
    pub failing: Arc<AtomicBool>,
    pub after: u64,
}

impl Breaks {
    /// Lets none fail.
    pub fn never() -> Self {
        Self { failing: Arc::default(), after: u64::MAX }
    }
}

impl Watch for Breaks {
    fn part(&mut self, _: Part, _: u64, _: u64) {}

    fn step(&mut self, metrics: &StepMetrics, _: u64, _: u64) {
        self.failing.store(metrics.step == self.after, Ordering::SeqCst);
    }

    fn note(&mut self, _: &str) {}

    fn should_stop(&mut self) -> bool {
        false
    }
}

/// Remembers what it is told.
#[derive(Default)]
struct Notes(Vec<String>);

impl Watch for Notes {
    fn part(&mut self, _: Part, _: u64, _: u64) {}

    fn step(&mut self, _: &StepMetrics, _: u64, _: u64) {}

    fn note(&mut self, note: &str) {
        self.0.push(note.to_owned());
    }

    fn should_stop(&mut self) -> bool {
        false
    }
}

#[test]
fn a_server_that_holds_no_replies_to_schemas_is_told_of_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let farm = Farm::playing(|schema, question| match schema {
        "" => verdict(question),
        _ => answer("400 Bad Request", "", "unknown field response_format"),
    });
    let config = judged(&farm.urls[0], &[]);
    let mut watch = Notes::default();
    let directory = RunDirectory::create_in(&run, &config.resolved(), RunOptions::default()).unwrap();
    let prepared = prepare(config, &mut watch).unwrap();
    let ended = train(&prepared, Start::New(directory), "today", &mut watch).unwrap();
    assert!(matches!(ended, Ended::Finished(_)));
    // It judges all the same, by what it is told in words.
    assert!(replies(&run).iter().filter(|reply| follows(reply)).count() > 0);
    let told: Vec<&String> = watch.0.iter().filter(|note| note.contains("JSON schema")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&farm.urls[0]) && told[0].contains("unknown field response_format"), "{told:?}");
}

#[test]
fn a_run_whose_judge_fails_wholly_ends_saved_and_goes_on_to_the_same_end() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let farm = Farm::answering(1, move |_, question| match fails.load(Ordering::SeqCst) {
        true => refusal(),
        false => verdict(question),
    });
    // No checkpoint is due before the end of a stage.
    let config = judged(&farm.urls[0], &["checkpoint.every=100"]);
    let at = |name: &str| dir.path().join(name);
    assert!(matches!(sit(&at("whole"), &config, None).0, Ended::Finished(_)));

    let mut watch = Breaks { failing: Arc::clone(&failing), after: SFT_STEPS + 1 };
    let directory =
        RunDirectory::create_in(&at("broken"), &config.resolved(), RunOptions::default()).unwrap();
    let prepared = prepare(config.clone(), &mut watch).unwrap();
    let error = train(&prepared, Start::New(directory), "today", &mut watch).unwrap_err();
    let step = SFT_STEPS + 2;
    assert!(matches!(&error, PipelineError::NoVerdict { step: found, .. } if *found == step), "{error}");
    for wanted in [farm.urls[0].as_str(), "status 400", "the verifier is away", "`verifier`", "--resume"] {
        assert!(error.to_string().contains(wanted), "`{wanted}` is not in: {error}");
    }
    let newest = list(&at("broken/checkpoints")).unwrap().pop().unwrap().0;
    assert_eq!(newest, SFT_STEPS + 1, "the step before is saved though none was due");

    failing.store(false, Ordering::SeqCst);
    let resumed = Resumed::hold(&at("broken"), ResumeFrom::Newest, RunOptions::default()).unwrap();
    let mut watch = Breaks { failing, after: u64::MAX };
    let ended = train(&prepared, Start::Again(resumed), "today", &mut watch).unwrap();
    assert!(matches!(ended, Ended::Finished(_)));
    same(&at("whole"), &at("broken"));
}

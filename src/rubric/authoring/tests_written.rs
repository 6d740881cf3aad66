//! Runs in which a model writes: what its failures cost, and that however many it is asked at once changes nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::folder::Step;
use super::outcome::{PROVENANCE, RUBRICS};
use super::problems::{Severity, examine};
use super::run::{Asked, Settings, Watch, run};
use super::tests::{Killer, files, ran, settings, sources};
use super::writer::scripted::Scripted;
use super::{RunError, Scenario, Templates};
use crate::chat::{ChatError, ChatModel, ChatOptions, Finish, Listener, Message, Reply};
use crate::data::hash::fnv1a;

/// Longest wait for another question.
const PATIENCE: Duration = Duration::from_secs(30);

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
        messages: &[Message],
        options: &ChatOptions,
        listener: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
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
        let message = Message::assistant(said);
        Ok(Reply { message, finish: Finish::Stop, usage: None })
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

/// A model that says the same to the same question. The first prompts that it is asked for it writes in the reverse of their order, once as many
/// as are held are asked for; it counts how many questions there are at once.
#[derive(Default)]
struct Steady {
    held: usize,
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    /// Questions now, and at most so far.
    at_once: (usize, usize),
    /// Prompts that were asked for.
    asked: usize,
    /// Those of them that were held and are written.
    written: usize,
}

impl Steady {
    /// The most questions that there were at once.
    fn most(&self) -> usize {
        self.counts.lock().unwrap().at_once.1
    }
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
        messages: &[Message],
        options: &ChatOptions,
        _: &mut dyn Listener,
    ) -> Result<Reply, ChatError> {
        let kind = options.schema.as_ref().unwrap().name();
        let mut counts = self.counts.lock().unwrap();
        counts.at_once.0 += 1;
        counts.at_once.1 = counts.at_once.1.max(counts.at_once.0);
        if kind == "scenario" {
            let nth = counts.asked;
            counts.asked += 1;
            self.changed.notify_all();
            if nth < self.held {
                let early = |it: &mut Counts| it.asked < self.held || it.written + nth + 1 < self.held;
                let (turn, waited) = self.changed.wait_timeout_while(counts, PATIENCE, early).unwrap();
                assert!(!waited.timed_out(), "{} of {} are asked for", turn.asked, self.held);
                counts = turn;
                counts.written += 1;
                self.changed.notify_all();
            }
        }
        drop(counts);
        let said = willing(kind, fnv1a(messages[0].content.as_bytes()) as usize % 1000);
        self.counts.lock().unwrap().at_once.0 -= 1;
        Ok(Reply { message: Message::assistant(said), finish: Finish::Stop, usage: None })
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
    assert_eq!(model.0.most(), 1);
    let expected = files(one.path());
    let several = tempfile::tempdir().unwrap();
    let model = Weigher(Steady { held: 4, ..Steady::default() }, |_| 5);
    go(several.path(), &model, 4, &mut ()).unwrap();
    assert_eq!(files(several.path()), expected);
    assert_eq!((model.0.most(), model.0.counts.lock().unwrap().written), (4, 4));
    // Stopped in the middle, and gone on with.
    for left in [2, 5, 9] {
        let stopped = tempfile::tempdir().unwrap();
        let end = go(stopped.path(), &model, 4, &mut Killer { left });
        assert!(matches!(end, Err(RunError::Stopped)), "{left}");
        go(stopped.path(), &model, 3, &mut ()).unwrap();
        assert_eq!(files(stopped.path()), expected, "stopped at {left}");
    }
}

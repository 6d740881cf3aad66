//! Runs whose rubrics change with what they mark.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use osler::pipeline::Ended;
use osler::train::config::RunConfig;
use osler::train::run::{RubricChanges, read_metrics};
use serde_json::{Value, json};

use super::farm::Farm;
use super::judged::{self, about, is_even, judged, verdict};
use super::played::{acted, same_turns};
use super::scripted::answer;
use super::{RL_STEPS, SFT_STEPS, config, same, sit};

/// Criteria come and go from group to group.
const HASTY: [&str; 5] = [
    "stage.rl.rubric.high=0.0",
    "stage.rl.rubric.window=1",
    "stage.rl.rubric.least=1",
    "stage.rl.rubric.admit=0.01",
    "stage.rl.rubric.retire=0.005",
];

/// What the model in the role `rubric` writes.
const FLAW: &str = "Has an even number of characters";

/// A run whose rubrics a model at `url` judges and adds to.
fn written(url: &str, overrides: &[&str]) -> RunConfig {
    let fixed = ["roles.rubric=verifier", "stage.rl.rubric.ask_every=1"];
    judged(url, &[&HASTY[..], &fixed, overrides].concat())
}

/// The lines of `rubric.jsonl`; none where there is no such file.
fn changes(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("rubric.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// That the metrics count what the log of changes has, step by step. The sums of all steps come back.
fn counted(run: &Path) -> RubricChanges {
    let changes = changes(run);
    let mut states: BTreeMap<String, String> = BTreeMap::new();
    let mut sum = RubricChanges::default();
    for step in read_metrics(&run.join("metrics.jsonl")).unwrap() {
        let Some(rl) = step.rl else { continue };
        let counts = rl.rubric.expect("rubrics change");
        let of_step: Vec<&Value> = changes.iter().filter(|it| it["step"] == step.step).collect();
        let came = |state: &str| of_step.iter().filter(|it| it["state"] == state).count() as u64;
        assert_eq!(
            (counts.proposed, counts.admitted, counts.retired),
            (came("on_trial"), came("admitted"), came("retired"))
        );
        for change in of_step {
            let text = change["criterion"]["text"].as_str().unwrap();
            states.insert(text.to_owned(), change["state"].as_str().unwrap().to_owned());
            assert!(change["origin"]["case"].is_string() && change["origin"]["turn"].is_u64(), "{change}");
        }
        let stand = |state: &str| states.values().filter(|it| *it == state).count() as u64;
        assert_eq!((counts.active, counts.on_trial), (stand("admitted"), stand("on_trial")));
        sum.proposed += counts.proposed;
        sum.admitted += counts.admitted;
        sum.retired += counts.retired;
        sum.asked += counts.asked;
        sum.failed += counts.failed;
        sum.refused += counts.refused;
    }
    assert_eq!(changes.len() as u64, sum.proposed + sum.admitted + sum.retired);
    sum
}

/// That two runs came to the same, their changes of rubrics included.
fn same_changes(left: &Path, right: &Path) {
    assert_eq!(changes(left), changes(right));
    same(left, right);
}

#[test]
fn a_run_by_rules_goes_on_bit_for_bit_and_another_knows_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let hasty = config(&HASTY);
    assert!(matches!(sit(&at("whole"), &hasty, None).0, Ended::Finished(_)));
    let sum = counted(&at("whole"));
    assert_eq!((sum.asked, sum.failed, sum.refused), (0, 0, 0), "rules ask nobody");
    for stops in [vec![SFT_STEPS + 1], vec![SFT_STEPS + 2, SFT_STEPS + RL_STEPS - 1]] {
        let name = format!("stopped at {stops:?}");
        for stop in stops {
            assert!(matches!(sit(&at(&name), &hasty, Some(stop)).0, Ended::Stopped(_)));
        }
        assert!(matches!(sit(&at(&name), &hasty, None).0, Ended::Finished(_)));
        same_changes(&at("whole"), &at(&name));
    }
    // The report shows the last change of each criterion.
    let page = |run: &str| fs::read_to_string(at(run).join("report.html")).unwrap();
    assert_eq!(page("whole").contains("Rubrics that changed"), !changes(&at("whole")).is_empty());
    if let Some(last) = changes(&at("whole")).last() {
        let text = last["criterion"]["text"].as_str().unwrap();
        assert!(page("whole").contains(text) && page("whole").contains("criteria admitted"), "{text}");
    }
    // Switched off, a table of thresholds changes nothing.
    sit(&at("plain"), &config(&[]), None);
    sit(&at("off"), &config(&[&HASTY[..], &["stage.rl.rubric.dynamic=false"]].concat()), None);
    same(&at("plain"), &at("off"));
    for run in ["plain", "off"] {
        assert!(!at(run).join("rubric.jsonl").exists());
        assert!(!page(run).contains("Rubrics that changed"));
        assert!(!fs::read_to_string(at(run).join("metrics.jsonl")).unwrap().contains("rubric"));
    }
}

/// An answer of the server.
fn says(content: &str) -> Vec<u8> {
    let body = json!({"choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 5}});
    answer("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

/// A server that judges as `judged` has it, but for the criterion that it writes itself, says `flaws` where it is asked for some, and plays patients
/// as `played` has it.
fn server(flaws: &'static str) -> Farm {
    Farm::playing(move |schema, question| match schema {
        "flaws" => says(flaws),
        "patient" | "claims" => acted(schema),
        _ if question.contains(FLAW) => {
            let met = is_even(&about(question));
            says(&json!({"explanation": "x", "evidence": "", "unacceptable": met}).to_string())
        }
        _ => verdict(question),
    })
}

const WRITTEN: &str = r#"{"criteria": [
    {"criterion": "Has an even number of characters", "undesirable": true, "importance": 4, "why": "w"},
    {"criterion": "Asks politely for everything", "undesirable": false, "importance": 4, "why": "w"}]}"#;

#[test]
fn what_a_model_writes_is_tried_and_the_run_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let farm = server(WRITTEN);
    let config = written(&farm.urls[0], &["stage.rl.steps=3"]);
    assert!(matches!(sit(&at("whole"), &config, None).0, Ended::Finished(_)));
    let sum = counted(&at("whole"));
    assert!(sum.asked > 0 && sum.failed == 0, "{sum:?}");
    // What is asked of criteria on trial is counted apart from what earns.
    let steps = read_metrics(&at("whole").join("metrics.jsonl")).unwrap();
    let judged = || steps.iter().filter_map(|step| step.rl.as_ref()?.judged);
    assert!(judged().map(|it| it.on_trial).sum::<u64>() > 0);
    assert!(judged().all(|it| (it.not_judged, it.on_trial_not_judged) == (0, 0)), "the server judges all");
    let of_model: Vec<Value> =
        changes(&at("whole")).into_iter().filter(|it| it["origin"]["model"].is_string()).collect();
    assert_eq!(
        (of_model[0]["state"].as_str(), of_model[0]["criterion"]["points"].as_i64()),
        (Some("on_trial"), Some(-4))
    );
    assert!(
        of_model.iter().all(|it| it["criterion"]["text"] == FLAW && it["flaw"].is_null()),
        "only mistakes"
    );
    for stop in [judged::SFT_STEPS + 1, judged::SFT_STEPS + 2] {
        let name = format!("stopped at {stop}");
        assert!(matches!(sit(&at(&name), &config, Some(stop)).0, Ended::Stopped(_)));
        assert!(matches!(sit(&at(&name), &config, None).0, Ended::Finished(_)));
        same_changes(&at("whole"), &at(&name));
    }
}

#[test]
fn what_cannot_be_read_is_counted_and_is_no_criterion() {
    for flaws in [
        r#"{"criteria": [{"criterion": "Has an even num"#,
        r#"{"flaws": ["Has an even number of characters"]}"#,
        r#"{"criteria": [{"criterion": "Has an even number of characters", "undesirable": true, "importance": 11, "why": "w"}]}"#,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let farm = server(flaws);
        let (ended, _) = sit(dir.path(), &written(&farm.urls[0], &[]), None);
        assert!(matches!(ended, Ended::Finished(_)));
        let sum = counted(dir.path());
        assert!(sum.asked > 0 && sum.failed == sum.asked, "{flaws}: {sum:?}");
        let by_model = |it: &Value| it["origin"]["model"].is_string();
        assert!(!changes(dir.path()).iter().any(by_model), "{flaws}");
        // Nothing counts as judged, or as not met, that nobody could read: the judge's books are as ever.
        for step in read_metrics(&dir.path().join("metrics.jsonl")).unwrap() {
            if let Some(judged) = step.rl.and_then(|rl| rl.judged) {
                assert_eq!((judged.not_judged, judged.without_reward), (0, 0));
            }
        }
    }
}

/// That a run of `config`, stopped after `stop` steps, ends as a whole one does, with turns of patients and changes of rubrics.
fn goes_on(dir: &Path, config: &RunConfig, stop: u64) -> RubricChanges {
    let at = |name: &str| dir.join(name);
    assert!(matches!(sit(&at("whole"), config, None).0, Ended::Finished(_)));
    let steps = read_metrics(&at("whole/metrics.jsonl")).unwrap();
    let reinforced = steps.iter().filter_map(|step| step.rl.as_ref());
    let turns: u64 = reinforced.map(|rl| rl.patients.expect("a model plays patients").turns).sum();
    assert!(turns > 0, "no reply came to its end");
    assert!(matches!(sit(&at("stopped"), config, Some(stop)).0, Ended::Stopped(_)));
    assert!(matches!(sit(&at("stopped"), config, None).0, Ended::Finished(_)));
    same_changes(&at("whole"), &at("stopped"));
    same_turns(&at("whole"), &at("stopped"));
    counted(&at("whole"))
}

#[test]
fn rubrics_change_where_models_play_patients() {
    let farm = server(WRITTEN);
    let plays =
        ["stage.sft.steps=30", "stage.rl.outcome=0.5", "roles.patient=verifier", "roles.check=verifier"];
    // With models that judge and write criteria.
    let dir = tempfile::tempdir().unwrap();
    let sum = goes_on(dir.path(), &written(&farm.urls[0], &plays), 31);
    assert!(sum.asked > 0 && sum.failed == 0 && sum.proposed > 0, "{sum:?}");
    // And with rules that do.
    let dir = tempfile::tempdir().unwrap();
    let rules = [&HASTY[..], &plays, &["roles.judge=rules"]].concat();
    let sum = goes_on(dir.path(), &judged(&farm.urls[0], &rules), 31);
    assert_eq!((sum.asked, sum.failed, sum.refused), (0, 0, 0), "rules ask nobody");
}

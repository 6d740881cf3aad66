//! No text makes the reader panic, and what is accepted holds together.

use std::path::Path;

use proptest::prelude::*;

use super::*;

const QUICKSTART: &str = include_str!("../../../configs/quickstart.toml");
const LARGE: &str = include_str!("../../../configs/baichuan-m2-32b.toml");

fn parse(text: &str, overrides: &[String]) -> Result<RunConfig, ConfigErrors> {
    RunConfig::parse(text, Path::new("run.toml"), overrides)
}

/// Whatever was accepted must work for those who use it.
fn holds_together(config: &RunConfig) {
    let text = config.resolved();
    let again = parse(&text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(&again, config, "{text}");
    assert_eq!(again.resolved(), text);
    if let Some(model) = config.model_config() {
        model.validate(Path::new("run.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let plan = Plan::new(config, None).unwrap_or_else(|error| panic!("{error}"));
        assert!(!plan.to_string().is_empty());
        for (stage, planned) in config.stage.iter().zip(&plan.stages) {
            // A warm-up is held against the steps where the file gives them.
            if let (false, Some(steps)) = (planned.estimated, planned.optimizer_steps) {
                let rate = stage.learning_rate();
                assert!(rate.warmup_steps > steps || rate.over(steps).is_ok(), "{rate:?} {steps}\n{text}");
            }
        }
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (0i64..5000).prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:?}")),
        (0.0f64..2.0).prop_map(|n| format!("{n:?}")),
        any::<bool>().prop_map(|b| b.to_string()),
        prop::sample::select(vec![
            "cpu",
            "cuda:3",
            "lora",
            "none",
            "bf16",
            "cosine",
            "linear",
            "best",
            "qwen3",
            "llama",
            "2GB",
            "[]",
            "{}",
            "['a', 'b']",
            "[{}]",
            "{ x = 1 }",
            "1979-05-27",
            "0xff",
            "1e400",
            "nan",
            "inf",
            "",
            "\"\"",
            "'",
            "[[",
            "\u{0}",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn key() -> impl Strategy<Value = String> {
    let mut paths = reference::paths();
    paths.extend(
        ["stage", "stage.0", "stage.9.lr", "model", "model.shape", "stage.rl.length_reward", "x.y.z"]
            .map(String::from),
    );
    prop_oneof![9 => prop::sample::select(paths), 1 => "[a-z._]{0,16}"]
}

/// Every field of the reference takes some value other than its own, and keeps it.
#[test]
fn every_field_is_read_and_resolved() {
    let values = [
        "1",
        "2",
        "3",
        "7",
        "96",
        "512",
        "0.5",
        "0.25",
        "0.02",
        "true",
        "false",
        "cpu",
        "wgpu",
        "linear",
        "lora",
        "f32",
        "bf16",
        "cosine",
        "constant",
        "best",
        "redact",
        "qwen3",
        "reference",
        "gspo",
        "k3",
        "std",
        "['x']",
        "['repetition']",
        "['lm_head']",
        "rules",
        "passive",
        "max_completion_tokens",
        "a",
        "3GB",
        "q8",
        "on",
        "healthbench",
        "http://127.0.0.1:1",
    ];
    let mut taken = 0;
    let of_server = <ServedModel as section::Section>::knobs();
    // The policy of a run is the model that is trained.
    for path in reference::paths().into_iter().filter(|path| path != "roles.policy") {
        // Where a field depends on another, that one is set too.
        let with: Vec<String> = match path.rsplit_once('.') {
            Some((stage, "lr_floor")) => vec![format!("{stage}.lr_decay=linear")],
            Some((stage, "steps")) if stage == "stage.sft" => vec![format!("{stage}.epochs=none")],
            Some(("models.NAME", field)) if of_server.iter().any(|knob| knob.name == field) => {
                vec!["models.NAME.server=http://127.0.0.1:2".into(), "models.NAME.model=m".into()]
            }
            Some(("models.NAME", _)) => vec!["models.NAME.path=p".into()],
            Some(("roles.options", "judge_templates")) => vec!["roles.options.judge_grader=g".into()],
            Some(("roles", _)) => vec!["models.a.path=p".into()],
            _ => Vec::new(),
        };
        let changes = |base: &str, value: &str| {
            let before = parse(base, &with).ok()?;
            let mut sets = with.clone();
            sets.push(format!("{path}={value}"));
            let after = parse(base, &sets).ok()?;
            holds_together(&after);
            (before.resolved() != after.resolved()).then_some(())
        };
        let count = values
            .iter()
            .filter(|value| [QUICKSTART, LARGE].iter().any(|base| changes(base, value).is_some()))
            .count();
        assert!(count > 0, "no value changes {path}");
        taken += count;
    }
    assert!(taken > 500, "{taken}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_never_panic(
        large in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, any::<char>()), 1..6),
    ) {
        let mut text: Vec<char> = if large { LARGE } else { QUICKSTART }.chars().collect();
        for (at, length, put) in edits {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, [put]);
        }
        let text: String = text.into_iter().collect();
        match parse(&text, &[]) {
            Ok(config) => holds_together(&config),
            Err(error) => prop_assert!(!error.problems().is_empty() && !error.to_string().is_empty()),
        }
    }

    #[test]
    fn overrides_never_panic_and_what_is_accepted_holds(
        large in any::<bool>(),
        sets in prop::collection::vec((key(), value()), 0..5),
    ) {
        let sets: Vec<String> = sets.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        match parse(if large { LARGE } else { QUICKSTART }, &sets) {
            Ok(config) => holds_together(&config),
            Err(error) => prop_assert!(!error.problems().is_empty()),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", set in "\\PC{0,40}") {
        let error = parse(&text, &[set]);
        prop_assert!(error.is_err());
    }

    #[test]
    fn numbers_and_texts_come_back_exactly(
        lr in 1e-300f64..1e300,
        seed in 0u64..i64::MAX as u64,
        marks in prop::collection::vec("[a-z\"'\\\\|<>:é]{1,8}", 0..4),
        path in "\\PC{1,20}",
        memory in 1u64..u64::MAX,
        seconds in proptest::option::of(1u64..1_000_000),
    ) {
        let mut config = parse(QUICKSTART, &[]).expect("legal");
        config.seed = seed;
        config.limits.memory = Some(Bytes(memory));
        config.limits.seconds = seconds;
        config.data.cases = vec![path.into()];
        for stage in &mut config.stage {
            if let Stage::Rl(rl) = stage {
                rl.grpo.lr = lr;
                rl.noise.role_marks = marks.iter().map(|mark| mark.to_lowercase()).collect();
            }
        }
        let text = config.resolved();
        let again = parse(&text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert_eq!(again, config);
    }
}

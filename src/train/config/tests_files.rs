//! The configurations that come with the program, their plans, and the reference.

use std::path::{Path, PathBuf};

use super::*;
use crate::model::config::ModelConfig;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn load(name: &str, overrides: &[&str]) -> RunConfig {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    RunConfig::load(&root().join("configs").join(name), &overrides).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(config: &RunConfig) -> Plan {
    Plan::new(config, None).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_file_in_configs_loads_plans_and_resolves() {
    let folder = std::fs::read_dir(root().join("configs")).expect("configs");
    let names: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    // Files of models and roles, for which there is a test of their own.
    let of_models =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("models-"));
    let names: Vec<PathBuf> = names.into_iter().filter(|path| !of_models(path)).collect();
    assert!(names.len() >= 4, "{names:?}");
    for path in names {
        let config = RunConfig::load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
        let text = config.resolved();
        assert_eq!(RunConfig::parse(&text, &path, &[]).unwrap_or_else(|e| panic!("{e}\n{text}")), config);
        let plan = plan(&config);
        assert!(plan.to_string().contains(&config.name));
        assert!(!plan.over_memory(), "{plan}");
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(config.name.as_str()));
    }
}

#[test]
fn parameters_are_those_that_the_models_are_known_to_have() {
    // transformers counts these; Qwen's own pages give 7.61B and 32.5B (the untied head of the latter counted).
    let known = [
        ("smollm2-135m.toml", 134_515_008),
        ("qwen2.5-7b-lora.toml", 7_615_616_512),
        ("baichuan-m2-32b.toml", 32_763_876_352),
    ];
    for (name, parameters) in known {
        assert_eq!(plan(&load(name, &[])).parameters, parameters, "{name}");
    }
}

#[test]
fn the_quickstart_is_small_and_all_built() {
    let plan = plan(&load("quickstart.toml", &[]));
    assert!((1_000_000..=10_000_000).contains(&plan.parameters), "{plan}");
    assert_eq!(plan.not_built, []);
    assert!(plan.can_run());
    assert!(plan.peak_bytes < 2_000_000_000, "{plan}");
    assert_eq!(plan.shape_source, ShapeSource::Scratch);
    let [sft, rl] = plan.stages.as_slice() else { panic!("{plan}") };
    assert_eq!((sft.steps, sft.tokens, sft.estimated), (Some(1500), Some(1500 * 2048), false));
    assert_eq!((rl.steps, rl.prompts, rl.replies, rl.tokens), (Some(220), 2640, 42_240, Some(4_055_040)));
    let smol = self::plan(&load("smollm2-135m.toml", &[]));
    assert_eq!(smol.not_built, []);
    assert_eq!(smol.shape_source, ShapeSource::Expected);
}

#[test]
fn what_is_not_built_is_named() {
    let names = |plan: &Plan| plan.not_built.iter().map(|missing| missing.name.clone()).collect::<Vec<_>>();
    let lora = plan(&load("qwen2.5-7b-lora.toml", &["device=cpu"]));
    assert_eq!(names(&lora), Vec::<String>::new());
    let whole = plan(&load("qwen2.5-7b-lora.toml", &["device=cpu", "model.adapter=none"]));
    assert_eq!(names(&whole), Vec::<String>::new());
    let web = plan(&load("qwen2.5-7b-lora.toml", &["device=wgpu"]));
    assert_eq!(names(&web).last().map(String::as_str), Some("bf16 on wgpu, whose language has none"));
    let web = plan(&load("qwen2.5-7b-lora.toml", &["device=wgpu", "model.adapter=none"]));
    assert_eq!(names(&web).last().map(String::as_str), Some("bf16 on wgpu, whose language has none"));
    // 7 projections a layer, rank 32: q and o 3584 to 3584, k and v 3584 to 512, the MLP 3584 to 18944.
    assert_eq!(lora.trained_parameters, 28 * 32 * (2 * 7168 + 2 * 4096 + 3 * 22528));
    let head = "model.lora.targets=['q_proj', 'lm_head']";
    let head = plan(&load("qwen2.5-7b-lora.toml", &["device=cpu", head]));
    assert_eq!(head.trained_parameters, 32 * (28 * 7168 + 3584 + 152_064));
    let large = plan(&load("baichuan-m2-32b.toml", &["device=cpu"]));
    assert_eq!(
        names(&large),
        [
            "weights split over 8 devices",
            "stage mid_training (mid-training)",
            "supervised training on files of conversations",
            "stage rule_rl (rule-based reinforcement learning)",
            "stage rubric_rl (single-turn reinforcement learning by rubric)",
        ]
    );
    assert!(!large.can_run());
    let shown = large.to_string();
    assert!(
        shown.contains("not built yet:\n  - weights split over 8 devices (`ranks`): set ranks=1"),
        "{shown}"
    );
    let gpu = plan(&load("quickstart.toml", &["device=cuda:1"]));
    let missing = names(&gpu);
    if cfg!(feature = "cuda") {
        assert!(missing.is_empty(), "{missing:?}");
    } else {
        assert_eq!(missing, ["device cuda:1 in this build"]);
    }
}

#[test]
fn memory_follows_its_formulas() {
    let config = load("quickstart.toml", &[]);
    let plan = plan(&config);
    let bytes = 4 * plan.parameters;
    for stage in &plan.stages {
        assert_eq!(
            (stage.memory.weights, stage.memory.gradients, stage.memory.optimizer),
            (bytes, bytes, 2 * bytes)
        );
    }
    assert_eq!(plan.stages[0].memory.cache, 0);
    // 12 prompts of up to 900 tokens and 192 replies of 96; 2 x 2 heads x 32 values x 3 layers x 4 bytes a token.
    assert_eq!(plan.stages[1].memory.cache, (12 * 900 + 192 * 96) * (2 * 2 * 32 * 3 * 4));
    // bf16 halves the weights and needs f32 master weights; ranks divide what is held.
    let half = self::plan(&load("quickstart.toml", &["model.dtype=bf16", "ranks=2"]));
    assert_eq!(half.stages[0].memory.weights, plan.parameters);
    assert_eq!(half.stages[0].memory.optimizer, 6 * plan.parameters);
    assert_eq!(plan.stages[1].memory.reference, 0);
    let held = self::plan(&load("quickstart.toml", &["stage.rl.kl=0.1"]));
    let references: Vec<u64> = held.stages.iter().map(|stage| stage.memory.reference).collect();
    assert_eq!(references, [0, 4 * plan.parameters], "a copy of the weights in the stage that is held to it");
    let more = held.stages[1].memory.total() - plan.stages[1].memory.total();
    assert!(more > 4 * plan.parameters && held.to_string().contains(", reference "), "{held}");
    // Frozen weights have neither gradients nor moments; adapters are f32.
    let lora = self::plan(&load("quickstart.toml", &["model.adapter=lora", "model.dtype=bf16"]));
    let adapters = 4 * lora.trained_parameters;
    let memory = lora.stages[0].memory;
    assert_eq!(memory.weights, 2 * plan.parameters + adapters);
    assert_eq!((memory.gradients, memory.optimizer), (adapters, 2 * adapters));
    // Keys and values are f32 on the CPU.
    assert_eq!(lora.stages[1].memory.cache, plan.stages[1].memory.cache);
    let tight = self::plan(&load("quickstart.toml", &["limits.memory=1MB"]));
    assert!(tight.over_memory() && !tight.can_run());
    assert!(tight.to_string().contains("over limits.memory"), "{tight}");
}

#[test]
fn a_model_that_was_read_is_held_against_the_run() {
    let config = load("smollm2-135m.toml", &[]);
    let expected: ModelConfig = config.model_config().expect("a shape");
    assert_eq!(Plan::new(&config, Some(&expected)).map(|plan| plan.shape_source), Ok(ShapeSource::Files));
    let other = ModelConfig { num_hidden_layers: 12, tie_word_embeddings: false, ..expected.clone() };
    let error = Plan::new(&config, Some(&other)).expect_err("another model").to_string();
    for part in
        ["`model.shape.layers` is 30; the files have 12", "tie_embeddings` is true; the files have false"]
    {
        assert!(error.contains(part), "{error}");
    }
    let bare = "name = 'x'\n[model]\npath = 'somewhere'\n[[stage]]\nkind = 'rl'\nsteps = 1";
    let bare = RunConfig::parse(bare, Path::new("x"), &[]).expect("legal");
    assert!(Plan::new(&bare, Some(&expected)).is_ok());
    assert!(matches!(Plan::new(&bare, None), Err(PlanError::NoShape { .. })));
}

#[test]
fn the_reference_is_up_to_date() {
    let path = root().join("docs/config.md");
    let expected = reference();
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &expected).expect("written");
    }
    // A checkout may have other line ends.
    let found = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let difference = expected.lines().zip(found.lines().chain(std::iter::repeat(""))).find(|(a, b)| a != b);
    let stale = "docs/config.md is stale; `UPDATE_DOCS=1 cargo test train::config` rewrites it";
    assert!(found == expected, "{stale}; first difference: {difference:?}");
}

#[test]
fn every_field_says_where_its_default_comes_from() {
    fn walk(knobs: &[section::Knob]) -> usize {
        let mut count = 0;
        for knob in knobs {
            assert!(!knob.about.is_empty() && !knob.source.is_empty(), "{}", knob.name);
            // A default without a source, or a source for what has none.
            let given = knob.default.as_deref().is_some_and(|default| default != "none");
            assert!(!given || knob.source != "no default", "{} has a default and no source", knob.name);
            count += 1;
            if let part::Inner::Table(inner) = knob.inner {
                count += walk(&inner().1);
            }
        }
        count
    }
    let stages: usize = stage::described().iter().map(|(_, _, knobs)| walk(knobs)).sum();
    let models: usize = models::described().iter().map(|(_, _, knobs)| walk(knobs)).sum();
    let rest = walk(&<RunConfig as section::Section>::knobs());
    assert!(stages > 60 && models > 20 && rest > 40, "{stages} {models} {rest}");
}

//! What is read, refused, overridden and planned.

use super::least::{LEAST, parse};
use super::*;
use crate::engine::Device;
use crate::model::config::FloatType;

/// The problems, each as it is shown.
fn refused(text: &str, overrides: &[&str]) -> Vec<String> {
    let error = parse(text, overrides).expect_err("should be refused");
    error.problems().iter().map(Problem::to_string).collect()
}

fn rl(config: &RunConfig) -> &Rl {
    config
        .stage
        .iter()
        .find_map(|s| if let Stage::Rl(rl) = s { Some(rl) } else { None })
        .expect("an rl stage")
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(LEAST, &[]).expect("legal");
    assert_eq!((config.seed, config.device, config.threads, config.ranks), (1, Device::Cpu, 0, 1));
    assert_eq!(config.model.dtype, FloatType::F32);
    let Some(Stage::Sft(sft)) = config.stage.first() else { panic!("{:?}", config.stage) };
    assert_eq!((sft.epochs, sft.steps, sft.consultations), (Some(1), None, 2000));
    let rl = rl(&config);
    assert_eq!((rl.grpo.epsilon_low, rl.grpo.epsilon_high, rl.grpo.lr), (0.2, 0.28, 1e-6));
    assert_eq!((rl.grpo.objective, rl.grpo.advantage, rl.grpo.entropy), (PolicyObjective::M2, None, false));
    assert_eq!((rl.grpo.group_size, rl.fragments, rl.carry_on), (16, 1, CarryOn::Random));
    assert_eq!(rl.noise.role_marks.len(), 7);
    assert!(rl.length_reward.is_none());
    assert_eq!(config.weight_decay(&config.stage[1]), config.optimizer.weight_decay);
    assert_eq!(config.stage[1].learning_rate().peak, 1e-6);
}

#[test]
fn ten_errors_in_one_file_are_ten_problems() {
    let text = r#"
name = "a/b"
sede = 3
device = "gpu"
[model.shape]
hidden_size = 30
layers = 0
heads = 4
kv_heads = 3
intermediate_size = 64
max_positions = 64
[tokenizer]
vocab_size = 512
[[stage]]
kind = "sft"
epochs = 1
steps = 9
[[stage]]
kind = "rl"
steps = "many"
max_new_tokens = 64
epsilon_low = 1.5
"#;
    let problems = parse(text, &[]).expect_err("ten errors");
    let shown = problems.to_string();
    assert_eq!(problems.problems().len(), 10, "{shown}");
    assert!(shown.contains("run.toml cannot be used, for 10 reason(s)"), "{shown}");
    for want in [
        "line 2: `name` is \"a/b\"; legal: 1 to 64 letters",
        "line 3: `sede` is not a field; legal: a known field (did you mean `seed`?)",
        "line 4: `device` is \"gpu\"; legal: cpu, wgpu, cuda or cuda:N",
        "line 6: `model.shape.hidden_size` is 30; legal: a multiple of heads (4)",
        "line 7: `model.shape.layers` is 0; legal: a whole number from 1 to 1024",
        "line 9: `model.shape.kv_heads` is 3; legal: a divisor of heads (4)",
        "line 17: `stage.sft.steps` is 9; legal: nothing where epochs is given",
        "line 20: `stage.rl.steps` is \"many\"; legal: a whole number of at least 1",
        "line 21: `stage.rl.max_new_tokens` is 64; legal: at most 63",
        "line 22: `stage.rl.epsilon_low` is 1.5; legal: a number above 0 and below 1",
    ] {
        assert!(shown.contains(want), "{want}\nnot in\n{shown}");
    }
}

#[test]
fn parts_that_do_not_fit_together_are_named() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["model.path=m", "model.shape.vocab_size=512"],
            "`tokenizer.vocab_size` is 512; legal: nothing: the model in model.path brings",
        ),
        (
            &["model.shape.vocab_size=400"],
            "`model.shape.vocab_size` is 400; legal: at least tokenizer.vocab_size (512)",
        ),
        (&["model.shape.head_dim=7"], "`model.shape.head_dim` is 7; legal: an even number"),
        (&["model.shape.heads=32"], "`model.shape.hidden_size` is 32; legal: an even multiple of heads (32)"),
        (&["model.shape.heads=64"], "`model.shape.hidden_size` is 32; legal: a multiple of heads (64)"),
        (
            &["model.shape.architecture=llama", "model.shape.head_dim=8", "model.shape.heads=6"],
            "`model.shape.hidden_size` is 32; legal: a multiple of heads (6)",
        ),
        (&["data.heldout_patients=0", "data.heldout_presentations=0"], "`data.heldout_patients` is 0"),
        (&["evaluation.consultations=101"], "`evaluation.consultations` is 101; legal: at most 100"),
        (
            &["stage.sft.consultations=0"],
            "`stage.sft.consultations` is 0; legal: at least 1 where there are no files",
        ),
        (&["stage.sft.max_tokens=257"], "`stage.sft.max_tokens` is 257; legal: at most 256"),
        (&["stage.sft.lr_floor=0.1"], "`stage.sft.lr_floor` is 0.1; legal: 0 with a constant rate"),
        (
            &["stage.rl.lr_warmup_steps=4"],
            "`stage.rl.lr_warmup_steps` is 4; legal: at most the stage's optimizer steps (3)",
        ),
        (&["stage.rl.fragments=13"], "`stage.rl.fragments` is 13; legal: at most data.turn_limit (12)"),
        (
            &["stage.rl.cases=4", "stage.rl.updates=5"],
            "`stage.rl.updates` is 5; legal: at most the prompts of a step (4)",
        ),
        (&["stage.rl.length_reward.scale=0"], "`stage.rl.length_reward.scale` is 0; legal: above 0"),
        (
            &["stage.sft.doctors.good=0", "stage.sft.doctors.middling=0", "stage.sft.doctors.poor=0"],
            "`stage.sft.doctors.good` is 0; legal: above 0 for at least one quality",
        ),
    ];
    for (overrides, want) in cases {
        let problems = refused(LEAST, overrides);
        assert_eq!(problems.len(), 1, "{overrides:?}: {problems:?}");
        assert!(problems[0].contains(want), "{want}\nnot in\n{}", problems[0]);
    }
    let bare = "name = 'x'\n[[stage]]\nkind = 'rl'\nsteps = 1";
    assert_eq!(
        refused(bare, &[]),
        ["`model.path` is nothing; legal: a path, or [model.shape] for a model from scratch"]
    );
    let expected = LEAST.replace("[tokenizer]\nvocab_size = 512", "");
    let wants = refused(&expected, &[]);
    assert!(
        wants[0].starts_with("`tokenizer.vocab_size` is nothing; legal: a whole number of at least 300"),
        "{wants:?}"
    );
    let wants = refused(&expected, &["model.path=m"]);
    assert!(wants[0].starts_with("`model.shape.vocab_size` is nothing"), "{wants:?}");
}

#[test]
fn a_field_refused_already_is_not_blamed_again() {
    assert_eq!(refused(LEAST, &["model.shape.heads=-4"]).len(), 1);
    assert_eq!(refused(LEAST, &["model.shape=3"]).len(), 1);
    assert_eq!(refused(LEAST, &["data=3"]).len(), 1);
    assert_eq!(refused(LEAST, &["stage.rl.steps=0"]).len(), 1);
    let missing = refused("", &[]);
    assert_eq!(missing.len(), 3, "{missing:?}");
    for (problem, field) in missing.iter().zip(["`name`", "`stage`", "`model.path`"]) {
        assert!(problem.contains(field), "{problem}");
    }
}

#[test]
fn overrides_reach_every_depth() {
    let overrides = [
        "seed=7",
        "device=cuda:1",
        "name=2024",
        "optimizer.beta1 = 0.5",
        "stage.rl.lr=1e-5",
        "stage.0.doctors.poor=2",
        "stage.rl.noise.ngram=3",
        "stage.rl.length_reward.scale=1",
        "stage.rl.length_reward.scale=2",
        "stage.rl.noise.role_marks=[\"nurse:\"]",
        "limits.memory=3GiB",
    ];
    let config = parse(LEAST, &overrides).expect("legal");
    assert_eq!((config.seed, config.device, config.name.as_str()), (7, Device::Cuda(1), "2024"));
    assert_eq!(config.optimizer.beta1, 0.5);
    assert_eq!(config.limits.memory, Some(Bytes(3 << 30)));
    let rl = rl(&config);
    assert_eq!(
        (rl.grpo.lr, rl.noise.ngram, rl.noise.role_marks.as_slice()),
        (1e-5, 3, &["nurse:".to_owned()][..])
    );
    assert_eq!(rl.length_reward.as_ref().map(|reward| reward.scale), Some(2.0));
    assert!(matches!(&config.stage[0], Stage::Sft(sft) if sft.doctors.poor == 2.0));
}

#[test]
fn overrides_take_away_what_may_be_absent() {
    let text = LEAST.replace("kind = \"sft\"", "kind = \"sft\"\nepochs = 2");
    assert_eq!(refused(&text, &["stage.sft.steps=9"]).len(), 1);
    let config = parse(&text, &["stage.sft.steps=9", "stage.sft.epochs=none"]).expect("legal");
    assert!(matches!(&config.stage[0], Stage::Sft(sft) if (sft.steps, sft.epochs) == (Some(9), None)));
    let config =
        parse(LEAST, &["model.shape=none", "tokenizer.vocab_size=none", "model.path=m"]).expect("legal");
    assert!(config.model.shape.is_none());
    assert!(refused(LEAST, &["seed=none"])[0].contains("`seed` is \"none\""));
    assert!(
        refused(&text.replace("epochs = 2", "epochs = \"none\""), &[])[0]
            .contains("`stage.sft.epochs` is \"none\"")
    );
}

#[test]
fn overrides_of_nothing_name_what_was_meant() {
    let cases = [
        ("sede=1", "--set sede=1: `sede` is not a field; legal: a known field (did you mean `seed`?)"),
        (
            "stage.rl.temprature=1",
            "`stage.rl.temprature` is not a field; legal: a known field (did you mean `temperature`?)",
        ),
        ("lr=1", "`lr` is not a field; legal: a known field (did you mean `stage.mid_training.lr`"),
        (
            "stage.rll.lr=1",
            "`stage.rll` is no stage here; legal: the kind or index of a stage: 0 (sft), 1 (rl) (did you mean `rl`?)",
        ),
        ("stage.rubric_rl.lr=1", "`stage.rubric_rl` is no stage here"),
        ("stage.2.lr=1", "`stage.2` is no stage; legal: 0 to 1"),
        ("stage.rl=1", "legal: stage.KIND.field or stage.INDEX.field"),
        ("stage=1", "legal: stage.KIND.field or stage.INDEX.field"),
        ("seed.deep=1", "`seed` is a table of 1; legal: a whole number"),
        ("name.deep=1", "`name` is \"least\"; legal: a table, to have fields"),
        ("seed", "`seed` is no key=value; legal: key=value, e.g. stage.rl.lr=1e-6"),
        ("a..b=1", "`a..b` is no path"),
        ("=1", "`` is no path"),
        ("seed=", "--set seed=: `seed` is \"\"; legal: a whole number"),
        ("threads=[1]", "`threads` is a list of 1"),
        ("data.cases=[1, 2]", "`data.cases` is a list of 2; legal: a list of paths"),
        ("stage.rl.noise={ role_marks = 3 }", "`stage.rl.noise.role_marks` is 3"),
    ];
    for (given, want) in cases {
        let problems = refused(LEAST, &[given]);
        assert_eq!(problems.len(), 1, "{given}: {problems:?}");
        assert!(problems[0].contains(want), "{want}\nnot in\n{}", problems[0]);
    }
    let twice = format!("{LEAST}[[stage]]\nkind = \"rl\"\nsteps = 1\nmax_new_tokens = 8\n");
    assert!(
        refused(&twice, &["stage.rl.lr=1"])[0]
            .contains("the kind of stages 1 and 2; legal: stage.1 or stage.2")
    );
    assert!(parse(&twice, &["stage.2.lr=1"]).is_ok());
}

#[test]
fn detectors_are_none_unless_named() {
    let detectors = |given: &[&str]| {
        let config = parse(LEAST, given).unwrap_or_else(|error| panic!("{error}"));
        rl(&config).noise.detectors.clone()
    };
    assert_eq!(detectors(&[]), []);
    let set = "stage.rl.noise.detectors=[\"over_long\", \"repetition\"]";
    assert_eq!(detectors(&[set]), [Detector::OverLong, Detector::Repetition]);
    let problems = refused(LEAST, &["stage.rl.noise.detectors=[\"overlong\"]"]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("`stage.rl.noise.detectors`"), "{}", problems[0]);
    for detector in Detector::all() {
        assert!(problems[0].contains(detector.name()), "{} is not in {}", detector.name(), problems[0]);
    }
}

#[test]
fn adapters_are_on_every_projection_of_a_layer_unless_the_file_names_others() {
    use crate::model::adapter::Projection;
    let targets = |given: &[&str]| parse(LEAST, given).expect("legal").model.lora.targets;
    assert_eq!(targets(&[]), Projection::LAYER);
    let set = "model.lora.targets=[\"v_proj\", \"lm_head\"]";
    assert_eq!(targets(&[set]), [Projection::V, Projection::Head]);
    for set in ["[]", "[\"lm_head\", \"q_proj\", \"lm_head\"]", "[\"head\"]", "\"lm_head\""] {
        let problems = refused(LEAST, &[&format!("model.lora.targets={set}")]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("`model.lora.targets`"), "{}", problems[0]);
    }
}

#[test]
fn an_objective_has_its_advantage_unless_the_file_says_otherwise() {
    let scale = |given: &[&str]| {
        let config = parse(LEAST, given).unwrap_or_else(|error| panic!("{error}"));
        let grpo = &rl(&config).grpo;
        grpo.advantage.unwrap_or_else(|| grpo.objective.advantage_scale())
    };
    for (objective, want) in [
        ("m2", AdvantageScale::Mean),
        ("dr_grpo", AdvantageScale::Mean),
        ("grpo", AdvantageScale::Std),
        ("dapo", AdvantageScale::Std),
        ("gspo", AdvantageScale::Std),
        ("cispo", AdvantageScale::Std),
    ] {
        let set = format!("stage.rl.objective={objective}");
        assert_eq!(scale(&[&set]), want, "{objective}");
        assert_eq!(scale(&[&set, "stage.rl.advantage=mean"]), AdvantageScale::Mean, "{objective}");
        assert_eq!(scale(&[&set, "stage.rl.advantage=std"]), AdvantageScale::Std, "{objective}");
    }
    let problems = refused(LEAST, &["stage.rl.objective=ppo", "stage.rl.advantage=batch"]);
    assert!(
        problems[0].contains(r#"legal: "m2", "grpo", "dr_grpo", "dapo", "gspo", "cispo""#)
            && problems[1].contains(r#"legal: "mean", "std""#),
        "{problems:?}"
    );
}

#[test]
fn stages_say_what_they_are() {
    let with = |stage: &str| refused(&LEAST.replace("kind = \"sft\"", stage), &[]);
    assert!(with("")[0].contains("`stage.0.kind` is nothing; legal: \"mid_training\", \"sft\""));
    assert!(with("kind = \"stf\"")[0].contains("(did you mean \"sft\"?)"));
    assert!(with("kind = 3")[0].contains("`stage.0.kind` is 3"));
    assert!(with("kind = \"sft\"\ngroup_size = 4")[0].contains("did you mean `stage.rule_rl.group_size`"));
    assert!(refused("name = 'x'\nstage = 3\n[model]\npath = 'm'", &[])[0].contains("a list of tables"));
}

#[test]
fn files_that_are_no_toml_name_every_broken_line() {
    let problems = refused("name = \nseed = 1\n[model\nx = = 2\n", &[]);
    assert!(problems.len() >= 2, "{problems:?}");
    assert!(
        problems[0].starts_with("line 1: `the file` is no TOML (string values must be quoted"),
        "{problems:?}"
    );
    assert!(problems[1].starts_with("line 3: "), "{problems:?}");
    assert!(refused("seed = 1\nseed = 2", &[])[0].contains("line 2"));
}

#[test]
fn files_are_read_within_bounds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.toml");
    assert!(matches!(RunConfig::load(&path, &[]), Err(ConfigErrors::Read { .. })));
    std::fs::write(&path, [0xff, 0xfe]).expect("written");
    assert!(matches!(RunConfig::load(&path, &[]), Err(ConfigErrors::Read { .. })));
    std::fs::write(&path, vec![b'#'; 2 << 20]).expect("written");
    assert!(matches!(RunConfig::load(&path, &[]), Err(ConfigErrors::TooLong { bytes: 2_097_152, .. })));
    let least = parse(LEAST, &[]).expect("legal");
    // As a Windows editor may write it.
    for text in [LEAST.to_owned(), format!("\u{feff}{}", LEAST.replace('\n', "\r\n"))] {
        std::fs::write(&path, text).expect("written");
        assert_eq!(RunConfig::load(&path, &[]).unwrap_or_else(|error| panic!("{error}")), least);
    }
    let nested = format!("name = {}", "[".repeat(100_000));
    std::fs::write(&path, nested).expect("written");
    assert!(RunConfig::load(&path, &[]).is_err());
}

//! Models, roles, and keys that no configuration holds.

use std::path::Path;

use super::least::{self, LEAST};
use super::*;
use crate::chat::client::TokenLimitField;
use crate::data::ThinkingMode;
use crate::engine::Device;
use crate::kernels::quantised::Activations;
use crate::sim::played::OnFailure;

const FILE: &str = r#"
[models.small]
path = "m.gguf"
activations = "q8"
thinking = "off"
max_tokens = 64
[models.big]
server = ["https://one.example.org/v1/", "https://two.example.org/v1"]
model = "b"
key_env = "BIG_KEY"
requests_per_minute = 60
temperature = 0.5
[roles]
policy = "small"
check = "small"
rubric = "big"
judge = "big"
[roles.options]
judge_majority = 3
"#;

const MODEL: &str = r#"
[models.a]
server = "http://127.0.0.1:8080/v1"
model = "tiny"
"#;

fn parse(text: &str) -> Result<Roles, ConfigErrors> {
    Roles::parse(text, Path::new("models.toml"))
}

fn run(overrides: &[&str]) -> Result<RunConfig, ConfigErrors> {
    least::parse(&format!("{LEAST}{MODEL}"), overrides)
}

/// The one problem of a run with these values.
fn refused(overrides: &[&str]) -> String {
    let error = run(overrides).expect_err("should be refused");
    assert_eq!(error.problems().len(), 1, "{overrides:?}: {error}");
    error.problems()[0].to_string()
}

#[test]
fn a_file_names_models_and_their_roles() {
    let roles = parse(FILE).unwrap_or_else(|error| panic!("{error}"));
    let of = |role| roles.model_of(role);
    assert_eq!(
        (of(Role::Policy), of(Role::Judge), of(Role::Rubric)),
        (Some("small"), Some("big"), Some("big"))
    );
    assert_eq!((of(Role::Patient), of(Role::Gate), of(Role::Check)), (None, None, Some("small")));
    let Some(ModelSource::Local(small)) = roles.models.get("small") else { panic!("{roles:?}") };
    assert_eq!((small.path.as_path(), small.device, small.context), (Path::new("m.gguf"), Device::Cpu, None));
    assert_eq!((small.activations, small.thinking), (Activations::Q8, ThinkingMode::Off));
    assert_eq!(small.replies, ReplySettings { temperature: None, top_p: None, max_tokens: Some(64) });
    let Some(ModelSource::Served(big)) = roles.models.get("big") else { panic!("{roles:?}") };
    let urls: Vec<String> = big.server.urls().iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["https://one.example.org/v1", "https://two.example.org/v1"]);
    assert_eq!(big.key_env.as_ref().map(KeyVariable::as_str), Some("BIG_KEY"));
    assert_eq!((big.timeout_seconds, big.silence_seconds, big.concurrency), (600, 120, 4));
    assert_eq!(big.first_byte_seconds, 300);
    assert_eq!((big.requests_per_minute, big.replies.temperature), (Some(60), Some(0.5)));
    assert_eq!(big.token_limit_field, TokenLimitField::MaxTokens);
    let newer = parse(&FILE.replace(
        "requests_per_minute",
        "token_limit_field = \"max_completion_tokens\"\nrequests_per_minute",
    ));
    let newer = newer.unwrap_or_else(|error| panic!("{error}"));
    let Some(ModelSource::Served(big)) = newer.models.get("big") else { panic!("{newer:?}") };
    assert_eq!(big.token_limit_field, TokenLimitField::MaxCompletionTokens);
    let options = roles.options();
    assert_eq!((options.judge_majority, options.judge_templates), (3, JudgeTemplates::Report));
    let none = parse("").unwrap_or_else(|error| panic!("{error}"));
    assert!(Role::ALL.into_iter().all(|role| none.model_of(role).is_none()) && none.plan().is_empty());
    assert_eq!(none.options(), RoleOptions::default());
}

#[test]
fn all_that_is_wrong_with_a_file_comes_at_once() {
    let text = r#"
[models.a]
server = "ftp://host"
model = ""
key = "sk-secret"
timeout_seconds = 0
device = "cpu"
[models.b]
path = "m"
contxt = 9
activations = "q4"
[models."a b"]
path = "m"
[models.c]
sever = "http://127.0.0.1:1"
model = "m"
[roles]
policy = "rules"
judge = "bb"
patient = 3
[roles.options]
judge_majority = 2
judge_templates = "health"
"#;
    let error = parse(text).expect_err("fourteen errors");
    let shown = error.to_string();
    assert_eq!(error.problems().len(), 14, "{shown}");
    assert!(shown.contains("models.toml cannot be used, for 14 reason(s)"), "{shown}");
    for want in [
        "line 3: `models.a.server` is \"ftp://host\"; legal: a URL such as \"http://127.0.0.1:8080/v1\", or a list of them (the \
         URL's scheme is ftp",
        "line 4: `models.a.model` is \"\"; legal: a name",
        "line 5: `models.a.key` is a key in the text of a configuration; legal: nothing: name the variable that holds the key in \
         `key_env`, or its file in `key_file`",
        "line 6: `models.a.timeout_seconds` is 0; legal: a whole number from 1 to 86400",
        "line 7: `models.a.device` is given; legal: nothing beside `server`: it is for a model with `path`",
        "line 10: `models.b.contxt` is not a field; legal: a known field (did you mean `context`?)",
        "line 11: `models.b.activations` is \"q4\"; legal: \"exact\", \"q8\"",
        "`models.a b` is not a model's name; legal: a name of 1 to 64 letters",
        "`models.c` is a table of 2; legal: a table with `server` and `model`, or with `path` (is `sever` meant to be `server`?)",
        "line 18: `roles.policy` is \"rules\"; legal: the name of a model in [models]",
        "line 19: `roles.judge` is \"bb\"; legal: \"rules\", \"a\", \"a b\", \"b\", \"c\" (did you mean \"b\"?)",
        "line 20: `roles.patient` is 3; legal: \"rules\" or the name of a model in [models]",
        "line 22: `roles.options.judge_majority` is 2; legal: an odd number",
        "line 23: `roles.options.judge_templates` is \"health\"; legal: \"report\", \"healthbench\"",
    ] {
        assert!(shown.contains(want), "{want}\nnot in\n{shown}");
    }
    assert!(!shown.contains("sk-secret"), "{shown}");
}

#[test]
fn models_are_of_one_kind_and_listed_once() {
    let problem = |text: &str| {
        let error = parse(text).expect_err("should be refused");
        assert_eq!(error.problems().len(), 1, "{error}");
        error.problems()[0].to_string()
    };
    for (text, want) in [
        (
            "[models.a]\nserver = 'http://h'\npath = 'p'",
            "line 3: `models.a.path` is \"p\"; legal: nothing where `server`",
        ),
        ("[models.a]\nserver = []\nmodel = 'm'", "line 2: `models.a.server` is a list of 0"),
        (
            "[models.a]\nserver = ['http://h', 'http://h/']\nmodel = 'm'",
            "is \"http://h/\"; legal: each server once",
        ),
        ("[models.a]\nserver = 3\nmodel = 'm'", "line 2: `models.a.server` is 3; legal: a URL such as"),
        ("[models.a]\nserver = 'h'\nmodel = 'm'", "(it has no scheme)"),
        ("[models.a]\nserver = 'http://h'", "`models.a.model` is nothing; legal: a name"),
        (
            "[models.a]\npath = 'p'\nkey_env = 'K'",
            "`models.a.key_env` is given; legal: nothing beside `path`",
        ),
        ("models = 3\n[roles]\njudge = 'x'", "line 1: `models` is 3; legal: a table"),
        ("[models]\na = 3\n[roles]\njudge = 'a'", "line 2: `models.a` is 3; legal: a table"),
        ("[models.rules]\npath = 'p'", "`models.rules` is not a model's name"),
        (
            "[roles]\njudge = 'x'",
            "line 2: `roles.judge` is \"x\"; legal: \"rules\", since [models] names no model",
        ),
        ("[roles]\npolicy = 'x'", "line 2: `roles.policy` is \"x\"; legal: nothing: [models] names no model"),
        ("seed = 1", "line 1: `seed` is not a field; legal: a known field: models, roles"),
        ("temperature = 1", "did you mean `models.NAME.temperature`?"),
    ] {
        let problem = problem(text);
        assert!(problem.contains(want), "{want}\nnot in\n{problem}");
    }
}

#[test]
fn keys_are_named_and_never_shown() {
    for (set, want) in [
        ("models.a.key=sk-1", "--set models.a.key=..: `models.a.key` is a key in the text"),
        ("models.a.API_KEY=sk-1", "--set models.a.API_KEY=..: `models.a.API_KEY` is a key in the text"),
        ("models.a.key_env=sk-1", "--set models.a.key_env=..: `models.a.key_env` is not a variable's name"),
        (
            "models.a.server=http://me:sk-1@host",
            "--set models.a.server=..: `models.a.server` is more than a base URL",
        ),
        (
            "models.a.server=http://host?key=sk-1",
            "--set models.a.server=..: `models.a.server` is more than a base URL",
        ),
    ] {
        let problem = refused(&[set]);
        assert!(problem.contains(want) && !problem.contains("sk-1"), "{want}\nnot in\n{problem}");
    }
    let both = refused(&["models.a.key_env=A", "models.a.key_file=k"]);
    assert!(both.contains("`models.a.key_file` is \"k\"; legal: nothing where key_env is given"), "{both}");
    let open = refused(&["models.a.server=http://192.0.2.1/v1", "models.a.key_env=A"]);
    let want = "`models.a.key_env` is a variable's name; legal: nothing, or https: a key sent to http://192.0.2.1/v1 could be read";
    assert!(open.contains(want), "{open}");
    for legal in [
        &["models.a.key_env=A"][..],
        &["models.a.key_file=k"],
        &["models.a.server=https://192.0.2.1/v1", "models.a.key_env=A"],
        &["models.a.server=http://192.0.2.1/v1"],
    ] {
        assert!(run(legal).is_ok(), "{legal:?}");
    }
}

#[test]
fn a_run_has_the_same_sections() {
    let plan = |config: &RunConfig| Plan::new(config, None).unwrap_or_else(|error| panic!("{error}"));
    let config = run(&[]).unwrap_or_else(|error| panic!("{error}"));
    assert!(plan(&config).can_run() && plan(&config).roles.is_empty());
    assert!(!config.resolved().contains("[roles]"));
    let judged = run(&["roles.judge=a"]).unwrap_or_else(|error| panic!("{error}"));
    let again = RunConfig::parse(&judged.resolved(), Path::new("run.toml"), &[]);
    assert_eq!(again.unwrap_or_else(|error| panic!("{error}\n{}", judged.resolved())), judged);
    for role in ["patient", "gate", "check"] {
        let played = run(&[&format!("roles.{role}=a")]).unwrap_or_else(|error| panic!("{error}"));
        let played = plan(&played);
        assert!(played.can_run() && played.patients.is_some(), "{played}");
        let line = "\npatients    models play them in reinforcement and in held-out consultations; those that supervised stages";
        assert!(played.to_string().contains(line), "{played}");
    }
    let plan = plan(&judged);
    assert!(plan.can_run() && plan.patients.is_none(), "{plan}");
    assert!(refused(&["roles.judge=a", "roles.options.least_coverage=1.5"]).contains("least_coverage"));
    let line = "\njudge       a (tiny), sent to http://127.0.0.1:8080/v1: the consultation, and criteria that may name the diagnosis\n";
    assert!(plan.to_string().contains(line), "{plan}");
    let problem = refused(&["roles.policy=a"]);
    assert!(
        problem.contains("`roles.policy` is \"a\"; legal: nothing: the doctor is the model that is trained")
    );
    assert!(refused(&["roles.judge=b"]).contains("legal: \"rules\", \"a\" (did you mean \"a\"?)"));
    let moved = ["models.a.server=none", "models.a.model=none", "models.a.path=p", "roles.patient=a"];
    let moved = run(&moved).unwrap_or_else(|error| panic!("{error}"));
    let shown = moved.roles.plan().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        shown,
        [
            "patient     a (p), in this process on cpu, shown: the case as the patient knows it, the persona, the consultation"
        ]
    );
}

#[test]
fn a_run_has_a_model_that_writes_criteria_only_where_rubrics_change() {
    let dynamic = ["roles.judge=a", "roles.rubric=a", "stage.rl.rubric.dynamic=true"];
    let config = run(&dynamic).unwrap_or_else(|error| panic!("{error}"));
    let again = RunConfig::parse(&config.resolved(), Path::new("run.toml"), &[]);
    assert_eq!(again.unwrap_or_else(|error| panic!("{error}\n{}", config.resolved())), config);
    let plan = Plan::new(&config, None).unwrap_or_else(|error| panic!("{error}"));
    assert!(plan.can_run(), "{plan}");
    let shown = plan.to_string();
    for line in [
        "\nrubric      a (tiny), sent to http://127.0.0.1:8080/v1: the consultation, a reply that scored high, and its criteria",
        "\n            rubrics change: up to 8 criteria mined by rules and, once in 16 groups, by a from replies that scored high",
    ] {
        assert!(shown.contains(line), "{line}\nnot in\n{shown}");
    }
    let rules = run(&["stage.rl.rubric.most=3"]).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::new(&rules, None).unwrap_or_else(|error| panic!("{error}"));
    assert!(plan.to_string().contains("up to 3 criteria mined by rules from replies"), "{plan}");
    for (overrides, want) in [
        (
            &["roles.judge=a", "roles.rubric=a"][..],
            "`roles.rubric` is \"a\"; legal: \"rules\": in a run a model only adds",
        ),
        (
            &["roles.judge=a", "roles.rubric=a", "stage.rl.rubric.dynamic=false"],
            "no stage has [stage.rubric]",
        ),
        (
            &["roles.rubric=a", "stage.rl.rubric.dynamic=true"],
            "`roles.rubric` is \"a\"; legal: \"rules\" where rules judge",
        ),
        (&["stage.rl.rubric.least=65"], "`stage.rl.rubric.least` is 65; legal: at most window (64)"),
        (&["stage.rl.rubric.retire=0.05"], "`stage.rl.rubric.retire` is 0.05; legal: at most admit (0.04)"),
        (
            &["stage.rl.rubric.admit=0"],
            "`stage.rl.rubric.admit` is 0; legal: a number above 0 and at most 0.25",
        ),
        (&["stage.rl.rubric.dynamik=true"], "did you mean `dynamic`?"),
    ] {
        let problem = refused(overrides);
        assert!(problem.contains(want), "{want}\nnot in\n{problem}");
    }
    // Where the table is absent, nothing of it is in the resolved configuration, whose checksum older runs have.
    let plain = run(&[]).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        !plain.resolved().contains("rubric")
            && plain.stage.iter().all(|stage| !matches!(stage, Stage::Rl(rl) if rl.rubric.is_some()))
    );
}

#[test]
fn a_command_keeps_the_roles_that_it_has() {
    let roles = parse(FILE).unwrap_or_else(|error| panic!("{error}"));
    let left = |kept: &[Role]| roles.only(kept).played().map(|(role, ..)| role).collect::<Vec<_>>();
    assert_eq!(left(&[Role::Judge, Role::Patient]), [Role::Judge]);
    assert_eq!(left(&Role::ALL), [Role::Policy, Role::Check, Role::Rubric, Role::Judge]);
    assert_eq!(left(&[]), []);
    assert_eq!(roles.only(&[]).options(), roles.options());
    assert_eq!((roles.only(&Role::ALL), roles.options().on_failure), (roles.clone(), OnFailure::Stop));
    let text = "[models.a]\npath = 'p'\n[roles]\npatient = 'a'\n[roles.options]\non_failure = 'rules'";
    assert_eq!(parse(text).map(|roles| roles.options().on_failure).ok(), Some(OnFailure::Rules));
    let other = parse(&text.replace("'rules'", "'go'")).expect_err("should be refused").to_string();
    assert!(other.contains("`roles.options.on_failure` is \"go\"; legal: \"stop\", \"rules\""), "{other}");
}

#[test]
fn the_example_files_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    for (name, of_servers) in [("models-local.toml", false), ("models-servers.toml", true)] {
        let roles = Roles::load(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"));
        let plan = roles.plan();
        assert!(plan.iter().any(|it| it.role == Role::Policy), "{name}: {plan:?}");
        assert!(plan.iter().all(|it| it.servers.is_empty() != of_servers), "{name}: {plan:?}");
    }
}

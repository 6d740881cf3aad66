//! Commands whose roles are played by a scripted model.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use osler::rubric::model_judge::ModelJudgeSettings;
use serde_json::{Value, json};

use crate::commands::{run, text};
use crate::farm::Farm;
use crate::saying;
use crate::scripted::answer;

const CASE: [&str; 5] = ["--case", "acute-appendicitis", "--seed", "7", "--json"];
const DOCTOR: &str = "When did it start?\nDo you have any allergies?\nGoodbye.\n";
/// Words of a patient that claim nothing.
const NOTHING: &str = "Let me think about that.";

/// A file of one model, `m`, which is on the farm's server, and these roles.
fn models(folder: &Path, farm: &Farm, roles: &str) -> String {
    let path = folder.join("models.toml");
    let text = format!("[models.m]\nserver = \"{}\"\nmodel = \"tiny\"\n[roles]\n{roles}\n", farm.urls[0]);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Plays the patient with these words and with what the prompt has of onsets and allergies, ends with goodbye, believes what it checks and finds everything as it should be.
fn actor(words: &str) -> Farm {
    playing(words, true)
}

/// A server that plays every role: `words` is what its patient says, and with `answers` the record's own lines on what is asked, too.
fn playing(words: &str, answers: bool) -> Farm {
    let words = words.to_owned();
    Farm::playing(move |schema, said| {
        let said = match schema {
            "gate" if said.contains("Doctor: Goodbye.\n\nGive") => json!({"ending": "goodbye"}),
            "gate" => json!({"ending": "goes_on"}),
            "patient" => {
                let known = said.lines().filter(|line| line.starts_with("- ("));
                let asked = |line: &&str| line.contains(", onset) ") || line.contains("(allergy: ");
                let asked = known.filter(|line| answers && asked(line));
                let told = asked.filter_map(|line| line.split_once(") ")).map(|(_, words)| words);
                let reply = [words.as_str()].into_iter().chain(told).collect::<Vec<_>>().join(" ");
                json!({"reply": reply})
            }
            "claims" => json!({"claims": []}),
            "positive_item" => json!({"explanation": "It is so.", "evidence": "", "acceptable": true}),
            "negative_item" => json!({"explanation": "No.", "evidence": "", "unacceptable": false}),
            _ => return saying("When did it start?"),
        };
        saying(&said.to_string())
    })
}

/// A server that takes no request.
fn down() -> Farm {
    Farm::playing(|_, _| answer("400 Bad Request", "", "{\"error\": {\"message\": \"no such model\"}}"))
}

fn consult(more: &[&str], input: &str) -> Value {
    let output = run(&[&["consult"], &CASE[..], more].concat(), input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn one_model_plays_the_patient_the_gate_the_check_and_the_judge() {
    let folder = tempfile::tempdir().unwrap();
    let farm = actor(NOTHING);
    let roles = "patient = \"m\"\ngate = \"m\"\ncheck = \"m\"\njudge = \"m\"\nrubric = \"m\"";
    let file = models(folder.path(), &farm, roles);
    let log = folder.path().join("turns.jsonl");
    let more = ["--models", &file, "--log", log.to_str().unwrap()];
    let report = consult(&more, DOCTOR);
    let turns = report["consultation"]["turns"].as_array().unwrap();
    let said: Vec<&Value> = turns.iter().map(|turn| &turn["patient"]).collect();
    let begins = |said: &Value| said.as_str().is_some_and(|said| said.starts_with(NOTHING));
    assert!(begins(said[0]) && begins(said[1]) && said[2].is_null() && said.len() == 3, "{said:?}");
    assert_eq!(report["consultation"]["ending"], "goodbye");
    let tiny = json!({"model": "tiny"});
    let patient = &report["patient"];
    assert_eq!((&patient["gate"], &patient["voice"], &patient["check"]), (&tiny, &tiny, &tiny));
    let counts =
        json!({"turns": 3, "lost": 0, "stepped_in": 0, "safe_replies": 0, "fell_back": 0, "other_words": 0});
    assert_eq!(patient["counts"], counts);
    // Everything was judged, and found to be as it should.
    let judge = &report["judge"];
    assert_eq!((&judge["model"], &judge["protocol"]), (&json!("tiny"), &json!("report")));
    assert_eq!((&judge["coverage"], &judge["work"]["failed"]), (&json!(1.0), &json!(0)));
    assert!(judge["criteria"].as_u64().unwrap() > 10, "{judge}");
    assert_eq!(report["reward"], json!({"whole": 1.0, "mean_reply": 1.0}));
    assert!(report.get("doctor").is_none() && report.get("mode").is_none());
    // The log has a line a turn, and another consultation adds its own.
    let logged = lines(&log);
    assert_eq!(logged.len(), 3);
    for (at, (line, turn)) in logged.iter().zip(turns).enumerate() {
        assert_eq!((&line["turn"], &line["doctor"]), (&json!(at), &turn["doctor"]));
        assert_eq!(line["patient"], turn["patient"]);
        assert_eq!(line["gate"]["by"], tiny);
    }
    assert!(begins(&logged[0]["drafts"][0]["draft"]), "{}", logged[0]);
    assert_eq!(logged[2]["ending"], "goodbye");
    consult(&more, DOCTOR);
    assert_eq!(lines(&log).len(), 6);
    let output = run(&["consult", "--models", &file, "--dry-run", "--json"], "");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let roles: Vec<&Value> = shown["roles"].as_array().unwrap().iter().map(|role| &role["role"]).collect();
    assert_eq!(roles, ["patient", "gate", "check", "judge"]);
    assert_eq!(shown["not_built"][0]["field"], "roles.rubric");
}

#[test]
fn models_and_rules_mix() {
    let folder = tempfile::tempdir().unwrap();
    let rules = consult(&[], DOCTOR);
    assert!(rules.get("patient").is_none() && rules.get("judge").is_none());
    // A judge changes the marks and nothing that is said.
    let farm = actor(NOTHING);
    let file = models(folder.path(), &farm, "judge = \"m\"");
    let judged = consult(&["--models", &file], DOCTOR);
    assert_eq!(judged["consultation"], rules["consultation"]);
    assert_ne!(judged["marks"], rules["marks"]);
    assert!(judged.get("patient").is_none());
    // The report has the settings that the judge's requests have: those of its model's entry.
    assert_eq!(judged["judge"]["settings"]["max_tokens"], ModelJudgeSettings::REPORT.max_tokens);
    let entry = format!("server = \"{}\"\nmax_tokens = 900", farm.urls[0]);
    let set = fs::read_to_string(&file).unwrap().replace(&format!("server = \"{}\"", farm.urls[0]), &entry);
    fs::write(&file, set).unwrap();
    let set = consult(&["--models", &file], DOCTOR);
    assert_eq!(set["judge"]["settings"]["max_tokens"], 900);
    assert_ne!(set["judge"]["identity"], judged["judge"]["identity"]);
    farm.went();
    // A gate changes the end; the words and marks are those of the rules.
    let file = models(folder.path(), &farm, "gate = \"m\"");
    let gated = consult(&["--models", &file], DOCTOR);
    assert_eq!((&gated["consultation"], &gated["marks"]), (&rules["consultation"], &rules["marks"]));
    assert_eq!((&gated["patient"]["voice"], farm.went().len()), (&json!("rules"), 3));
    // The policy is a model and so is the patient; both are on one server.
    let file = models(folder.path(), &farm, "policy = \"m\"\npatient = \"m\"");
    let both = consult(&["--models", &file, "--turns", "2"], "");
    assert_eq!(
        (&both["doctor"]["model"], &both["consultation"]["ending"]),
        (&json!("tiny"), &json!("turn_limit"))
    );
    let said = both["consultation"]["turns"][0]["patient"].as_str().unwrap();
    assert!(said.starts_with(NOTHING), "{said}");
}

#[test]
fn a_patient_whose_model_fails_ends_it_or_the_rules_step_in() {
    let folder = tempfile::tempdir().unwrap();
    let farm = down();
    let file = models(folder.path(), &farm, "patient = \"m\"");
    let arguments = [&["consult", "--models", &file], &CASE[..]].concat();
    let output = run(&arguments, DOCTOR);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    let errors = text(&output.stderr);
    assert!(
        errors.contains("the patient's voice, model `tiny`: ") && errors.contains("no such model"),
        "{errors}"
    );
    let leave = "patient = \"m\"\n[roles.options]\non_failure = \"rules\"";
    let file = models(folder.path(), &farm, leave);
    let rules = consult(&[], DOCTOR);
    let stepped_in = consult(&["--models", &file], DOCTOR);
    assert_eq!(stepped_in["consultation"], rules["consultation"]);
    assert_eq!(stepped_in["marks"], rules["marks"]);
    // The gate, which is rules, ends it with the third message.
    let counts = &stepped_in["patient"]["counts"];
    assert_eq!((&counts["turns"], &counts["stepped_in"], &counts["lost"]), (&json!(3), &json!(2), &json!(0)));
}

#[test]
fn what_a_judge_does_not_judge_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = models(folder.path(), &down(), "judge = \"m\"");
    let report = consult(&["--models", &file], DOCTOR);
    assert_eq!(report["judge"]["coverage"], 0.0);
    assert_eq!(report["reward"], json!({"whole": null, "mean_reply": null}));
    let items = report["marks"]["whole"]["items"].as_array().unwrap();
    assert!(!items.is_empty() && items.iter().all(|item| item["verdict"] == "not_judged"));
}

#[test]
fn a_diagnosis_that_a_model_leaks_is_never_heard() {
    let folder = tempfile::tempdir().unwrap();
    let farm = playing("The surgeon told me that I have appendicitis. Acute appendicitis!", false);
    let file = models(folder.path(), &farm, "patient = \"m\"\ncheck = \"m\"\ngate = \"m\"");
    let log = folder.path().join("turns.jsonl");
    let report = consult(&["--models", &file, "--log", log.to_str().unwrap()], DOCTOR);
    let turns = report["consultation"]["turns"].to_string();
    assert!(!turns.to_lowercase().contains("appendicitis"), "{turns}");
    assert_eq!(report["patient"]["counts"]["safe_replies"], 2);
    let drafts = lines(&log)[0]["drafts"].as_array().unwrap().len();
    assert_eq!(drafts, 3, "it was asked for other words twice");
}

#[test]
fn an_interrupted_patient_is_seen_by_the_doctor_alone() {
    let folder = tempfile::tempdir().unwrap();
    let farm = actor(NOTHING);
    let file = models(folder.path(), &farm, "patient = \"m\"");
    let mode = consult(&["--models", &file, "--mode", "interrupted"], DOCTOR);
    let found = mode["mode"]["interrupted"]["patient"].as_str().unwrap().to_owned();
    assert!(!mode["consultation"].to_string().contains(&found));
    let output = run(&["consult", "--mode", "interrupted", "--seed", "7"], "Goodbye.\n");
    assert!(text(&output.stdout).contains(&format!("\npatient: {found}\n")), "{}", text(&output.stdout));
    assert_eq!(consult(&["--mode", "passive"], DOCTOR)["mode"], "passive");
    assert_eq!(consult(&["--mode", "proactive"], DOCTOR), consult(&[], DOCTOR));
}

#[test]
fn prompts_of_a_folder_are_asked_and_others_refused() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts");
    fs::create_dir_all(prompts.join("patient")).unwrap();
    fs::write(prompts.join("patient/voice.jinja"), "Say something, {{ message }}").unwrap();
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&asked);
    let farm = Farm::playing(move |schema, said| {
        seen.fetch_add(
            usize::from(schema == "patient" && said.starts_with("Say something, ")),
            Ordering::SeqCst,
        );
        saying(&json!({"reply": NOTHING}).to_string())
    });
    let roles = format!("patient = \"m\"\n[roles.options]\nprompts = {:?}", prompts.to_str().unwrap());
    let file = models(folder.path(), &farm, &roles);
    consult(&["--models", &file], DOCTOR);
    // What is asked for again is asked with another prompt, after it.
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    fs::write(prompts.join("voice.jinja"), "x").unwrap();
    let output = run(&[&["consult", "--models", &file], &CASE[..]].concat(), DOCTOR);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is read by no role"), "{}", text(&output.stderr));
}

fn evaluated(more: &[&str]) -> Value {
    let arguments =
        ["sim", "eval", "--bank", "2", "--turns", "4", "--doctors", "careful,adversarial", "--json"];
    let output = run(&[&arguments[..], more].concat(), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_patient_of_models_is_scored_by_the_same_labels() {
    let folder = tempfile::tempdir().unwrap();
    let rules = evaluated(&[]);
    assert!(rules.get("patient").is_none() && rules["stopped"] == false);
    let farm = actor(NOTHING);
    let file = models(folder.path(), &farm, "patient = \"m\"\ncheck = \"m\"\njudge = \"m\"");
    let played = evaluated(&["--models", &file]);
    assert_eq!(played["backend"], "gate rules, voice tiny, check tiny");
    let all = &played["scores"]["all"];
    assert_eq!(
        (&all["sessions"], &all["failures"], &all["diagnosis_named"]),
        (&json!(4), &json!(0), &json!(0))
    );
    // Who claims nothing says nothing wrong, nor do the rules, who answer where that is no answer.
    assert_eq!(all["fact"]["mean"], 100.0);
    assert!(played["patient"]["counts"]["safe_replies"].as_u64() > Some(0), "{}", played["patient"]);
    let patient = &played["patient"];
    assert!(patient["counts"]["turns"].as_u64() >= all["turns"].as_u64(), "{played}");
    assert_eq!((&patient["counts"]["lost"], &patient["share_lost"]), (&json!(0), &json!(0.0)));

    let farm = down();
    let file = models(folder.path(), &farm, "patient = \"m\"\n[roles.options]\non_failure = \"rules\"");
    let fallen = evaluated(&["--models", &file]);
    assert_eq!(fallen["scores"], rules["scores"]);
    assert!(fallen["patient"]["share_fallen_back"].as_f64().unwrap() > 0.5, "{}", fallen["patient"]);
    let file = models(folder.path(), &farm, "patient = \"m\"");
    let output = run(&["sim", "eval", "--bank", "2", "--turns", "4", "--json", "--models", &file], "");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("nothing to score"), "{}", text(&output.stderr));
}

/// What a model of good will says that writes rubrics.
fn author() -> Farm {
    let asked = AtomicUsize::new(0);
    Farm::playing(move |schema, said| {
        let nth = asked.fetch_add(1, Ordering::SeqCst);
        let said = match schema {
            "scenario" => {
                let word = ["amber", "birch", "cedar", "daisy"][nth % 4].repeat(2);
                json!({"prompt": format!("Number {nth} {word} asks what {word} would do about {word} {nth} at night.")})
            }
            "assessment" => {
                json!({"constraints": 2, "difficulty": 4, "value": 4, "competency": "triage", "attributes": []})
            }
            "candidates" => json!({"criteria": [{"criterion": format!("Mentions the matter {nth} by name"),
                "undesirable": false, "importance": 6, "why": "w"}]}),
            "weights" => {
                // Mistakes are marked as such in the list.
                let list = said.rsplit("# Criteria").next().unwrap();
                let lines = list.lines().filter(|line| line.contains(". ("));
                let points: Vec<i8> =
                    lines.map(|line| if line.contains("(mistake)") { -5 } else { 5 }).collect();
                json!({"points": points})
            }
            "agreement" => json!({"pairs": [{"first": 1, "second": 1}]}),
            other => panic!("nobody asks for {other}"),
        };
        saying(&said.to_string())
    })
}

#[test]
fn rubrics_are_written_and_compared_by_the_models_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let farm = author();
    let file = models(folder.path(), &farm, "rubric = \"m\"\njudge = \"m\"");
    let out = folder.path().join("run").to_str().unwrap().to_owned();
    let generate = ["rubric", "generate", "--scenarios", "triage", "--count", "2", "--out", &out, "--json"];
    let output = run(&[&generate[..], &["--models", &file]].concat(), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["summary"]["rubrics"], &report["summary"]["failures"]), (&json!(2), &json!([])));
    let provenance = fs::read_to_string(folder.path().join("run/provenance.jsonl")).unwrap();
    assert!(provenance.contains("\"model\":\"tiny\""), "{provenance}");
    assert!(farm.went().len() > 4);
    let again = run(&[&generate[..], &["--models", &file, "--resume"]].concat(), "");
    assert_eq!((text(&again.stdout), farm.went().len()), (text(&output.stdout), 0));

    let rubrics = folder.path().join("run/rubrics.jsonl").to_str().unwrap().to_owned();
    let agree = ["rubric", "agree", &rubrics, &rubrics, "--resamples", "10", "--json"];
    let output = run(&[&agree[..], &["--models", &file]].concat(), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["referee"], &report["agreement"]["prompts"]), (&json!("tiny"), &json!(2)));
    assert_eq!(farm.went().len(), 2);

    let server = ["--server", &farm.urls[0], "--server-model", "tiny", "--models", &file];
    for command in [&generate[..], &agree[..]] {
        assert_eq!(run(&[command, &server].concat(), "").status.code(), Some(2), "{command:?}");
    }
    let alone = run(&[&agree[..], &["--prompts", "x"]].concat(), "");
    assert_eq!(alone.status.code(), Some(2), "prompts are for a model");
    let none = models(folder.path(), &farm, "policy = \"m\"");
    let output = run(&[&agree[..], &["--models", &none]].concat(), "");
    assert!(text(&output.stderr).contains("legal is one or more of judge"), "{}", text(&output.stderr));
}

#[test]
fn the_judge_of_a_file_grades_as_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let row = json!({"prompt_id": "knee", "prompt": [{"role": "user", "content": "My knee hurts."}],
        "rubrics": [{"criterion": "Says to rest it.", "points": 6, "tags": ["axis:accuracy"]},
            {"criterion": "Is rude.", "points": -5, "tags": ["axis:communication_quality"]}],
        "example_tags": ["theme:context_seeking"],
        "ideal_completions_data": {"ideal_completion": "Rest it.", "ideal_completions_group": "Group 1"}});
    let rows = folder.path().join("rows.jsonl");
    fs::write(&rows, format!("{row}\n")).unwrap();
    let farm = actor(NOTHING);
    let file = models(folder.path(), &farm, "judge = \"m\"\n[roles.options]\njudge_majority = 3");
    let graded = |out: &str, more: &[&str]| -> Value {
        let out = folder.path().join(out);
        let grade =
            ["rubric", "grade", rows.to_str().unwrap(), "--ideal", "written", "--out", out.to_str().unwrap()];
        let output = run(&[&grade[..], &["--models", &file, "--json"], more].concat(), "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let report = graded("a.jsonl", &[]);
    let judge = &report["judge"];
    assert_eq!((&judge["protocol"], &judge["settings"]["votes"]), (&json!("report"), &json!(3)));
    assert_eq!((&report["summary"]["judged"], &report["summary"]["met"]), (&json!(2), &json!(1)));
    assert_eq!(farm.went().len(), 6);
    assert_eq!(graded("b.jsonl", &["--votes", "1"])["judge"]["settings"]["votes"], 1);
    assert_eq!(farm.went().len(), 2);
    let rules = run(
        &[
            "rubric",
            "grade",
            rows.to_str().unwrap(),
            "--ideal",
            "written",
            "--out",
            "c",
            "--judge",
            "rules",
            "--models",
            &file,
        ],
        "",
    );
    assert!(text(&rules.stderr).contains("--judge rules asks no model"), "{}", text(&rules.stderr));
}

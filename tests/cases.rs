//! `osler cases` as a program, and the importers over public data where it is at hand.

#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use osler::data::case::{Case, Finding, Reveal, Topic};
use osler::data::import::{self, Format, ImportAccount, ImportOptions, Imported};
use osler::data::lexicon::Lexicon;
use osler::data::phi::{FreeText, PhiPolicy};
use osler::eval::simulated::{Interviewer, PlayOptions, RuleBased, play, scored};
use osler::eval::{Bootstrap, HeldOut, Part, Yardstick, measure};
use osler::rubric::{Generator, RuleJudge};
use osler::sim::Limits;
use osler::sim::doctor::Baseline;
use program::{refused, stdout};
use serde_json::Value;

/// What is tested here.
const COMMAND: &str = "cases";

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(&[arguments, &["--json"]].concat())).unwrap()
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

fn cases(file: &str) -> Vec<Case> {
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const LINE: &str = r#"{"age":40,"sex":"female","diagnosis":"pneumonia","symptoms":["cough: dry cough"],"allergies":["penicillin"]}"#;

#[test]
fn nothing_is_drawn_where_none_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        refused(&["synth", "--count", "0", "--out", &path(dir.path(), "none.jsonl")]).contains("from 1 to")
    );
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_files_is_told_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = path(dir.path(), "cases.jsonl");
    let limited = "ulimit -f 8 && exec \"$0\" cases synth --count 60 --out \"$1\"";
    let output =
        Command::new("sh").args(["-c", limited, env!("CARGO_BIN_EXE_osler"), &out]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("cases.jsonl: File too large"), "{errors}");
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[test]
fn drawn_cases_pass_the_gate_and_hold_together() {
    let dir = tempfile::tempdir().unwrap();
    let out = path(dir.path(), "cases.jsonl");
    let report = json(&["synth", "--count", "60", "--seed", "5", "--out", &out]);
    assert_eq!(report["out"][0]["cases"], 60);
    assert_eq!(json(&["check", &out])["problems"], serde_json::json!([]));
    let again = path(dir.path(), "again.jsonl");
    stdout(&["synth", "--count", "60", "--seed", "5", "--out", &again]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&again).unwrap());
    stdout(&["import", &out, "--out", &again]);
    assert_eq!(cases(&again), cases(&out), "import of exported cases changes nothing");
    let counted = json(&["stats", &out]);
    assert_eq!(counted["cases"], 60);
    let shown = stdout(&["show", &out, "--id", &cases(&out)[3].id]);
    assert!(shown.contains(&cases(&out)[3].opening), "{shown}");
}

/// What a link points to is written; a pipe or device is written to. All three were once replaced by a file.
#[cfg(unix)]
#[test]
fn links_and_devices_stay_what_they_are() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| path(dir.path(), name);
    let synth = |out: &str| stdout(&["synth", "--count", "3", "--out", out]);
    synth(&at("cases.jsonl"));
    let wanted = std::fs::read(at("cases.jsonl")).unwrap();

    std::fs::write(at("target"), "old").unwrap();
    std::fs::set_permissions(at("target"), std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink("target", at("link")).unwrap();
    symlink("new", at("dangling")).unwrap();
    for (link, target) in [("link", "target"), ("dangling", "new")] {
        synth(&at(link));
        assert!(Path::new(&at(link)).is_symlink());
        assert!(std::fs::read(at(target)).unwrap() == wanted, "{link}");
    }
    let mode = std::fs::metadata(at("target")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "who may read it stays as it was");

    let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    let pipe = at("pipe");
    let reader = std::thread::spawn(move || std::fs::read(pipe).unwrap());
    synth(&at("pipe"));
    assert!(reader.join().unwrap() == wanted);
    assert!(std::fs::metadata(at("pipe")).unwrap().file_type().is_fifo());
    synth("/dev/null");
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert!(refused(&["synth", "--count", "3", "--out", dir.path().to_str().unwrap()]).contains("directory"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6, "no temporary file is left");
}

/// An error once gave the type that was found, and not in which field.
#[test]
fn a_wrong_type_is_told_with_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "cases.jsonl");
    let out = path(dir.path(), "out.jsonl");
    for (from, to, field) in [
        (r#""age":40"#, r#""age":"40""#, "`age`"),
        (r#""sex":"female""#, r#""sex":1"#, "`sex`"),
        (r#"["cough: dry cough"]"#, r#"["cough: dry cough", 7]"#, "`symptoms[1]`"),
        (r#""age":40,"#, "", "missing field `age`"),
        (r#""age":40"#, r#""age":40,"weight":80"#, "unknown field `weight`"),
    ] {
        assert!(LINE.contains(from));
        std::fs::write(&file, format!("{LINE}\n{}\n", LINE.replace(from, to))).unwrap();
        let said = refused(&["import", &file, "--out", &out]);
        assert!(said.contains("cases.jsonl:2") && said.contains(field), "{said}");
    }
}

#[test]
fn a_split_keeps_presentations_apart() {
    let dir = tempfile::tempdir().unwrap();
    stdout(&["synth", "--split", "--count", "120", "--heldout", "30", "--out", dir.path().to_str().unwrap()]);
    let kinds = |name: &str| -> std::collections::BTreeSet<String> {
        cases(&path(dir.path(), name)).into_iter().map(|case| case.presentation).collect()
    };
    let (train, other) = (kinds("train.jsonl"), kinds("heldout-presentations.jsonl"));
    assert!(!other.is_empty() && train.is_disjoint(&other));
    assert!(kinds("heldout-patients.jsonl").is_subset(&train));
}

#[test]
fn an_import_prints_its_account_and_refuses_identifiers() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (path(dir.path(), "in.jsonl"), path(dir.path(), "out.jsonl"));
    let named = LINE.replace("dry cough", "cough since 3/14/2019, MRN 4471902");
    std::fs::write(&input, format!("{LINE}\n{named}\n")).unwrap();
    let message = refused(&["import", &input, "--out", &out]);
    assert!(message.contains("in.jsonl:2") && message.contains("case.symptoms[0], bytes"), "{message}");
    assert!(!message.contains("4471902") && !message.contains("3/14/2019"), "{message}");
    assert!(!Path::new(&out).exists(), "nothing is written when a record is refused");
    let account = json(&["import", &input, "--out", &out, "--skip-bad"])["account"].clone();
    assert_eq!(account["cases"], 1);
    assert_eq!(account["records"]["skipped"]["refused by the PHI gate"], 1);
    json(&["import", &input, "--out", &out, "--phi", "allow"]);
    assert_eq!(cases(&out).len(), 2);
    assert!(std::fs::read_to_string(&out).unwrap().contains("record number"), "the override is in the case");
}

#[test]
fn wrong_paths_and_empty_sets_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (input, empty) = (path(dir.path(), "in.jsonl"), path(dir.path(), "empty.jsonl"));
    std::fs::write(&input, LINE).unwrap();
    std::fs::write(&empty, "").unwrap();
    let missing = path(dir.path(), "none.jsonl");
    let out = path(dir.path(), "no-such-folder/out.jsonl");
    assert!(refused(&["import", &missing, "--out", &out]).contains("none.jsonl"));
    assert!(refused(&["import", &input, "--out", &out]).contains("no-such-folder"));
    assert!(refused(&["import", &empty, "--out", &input]).contains("no record"));
    assert_eq!(std::fs::read_to_string(&input).unwrap(), LINE, "a failed import leaves the file alone");
    assert!(refused(&["show", &input, "--id", "nobody"]).contains("jsonl-00001"));
    assert!(refused(&["synth", "--specialty", "alchemy", "--out", &out]).contains("alchemy"));
}

/// The account once went into the file of cases, and the cases then took its place; an import over its own input was let
/// through.
#[test]
fn files_of_an_import_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (path(dir.path(), "in.jsonl"), path(dir.path(), "q.jsonl"));
    std::fs::write(&input, LINE).unwrap();
    for account in [&out, &path(dir.path(), "./q.jsonl")] {
        let message = refused(&["import", &input, "--out", &out, "--account", account]);
        assert!(message.contains("--out and --account"), "{message}");
    }
    let message = refused(&["import", &input, "--out", &input]);
    assert!(message.contains("PATH and --out"), "{message}");
    let message = refused(&["import", &input, "--out", &out, "--account", &input]);
    assert!(message.contains("PATH and --account"), "{message}");
    assert_eq!(std::fs::read_to_string(&input).unwrap(), LINE);
    // Before anything is read: what is named is not there.
    let missing = path(dir.path(), "none.jsonl");
    assert!(refused(&["import", &missing, "--out", &out, "--account", &out]).contains("--out and --account"));
    assert!(!Path::new(&out).exists());
    stdout(&["import", &input, "--out", &out, "--account", &path(dir.path(), "account.json")]);
}

#[test]
fn what_a_record_is_called_does_not_reach_the_terminal_raw() {
    let dir = tempfile::tempdir().unwrap();
    let input = path(dir.path(), "in.jsonl");
    std::fs::write(&input, LINE.replacen('{', r#"{"specialty":"a\u001b[31m\u202eb","#, 1)).unwrap();
    let text = stdout(&["stats", &input]);
    assert!(text.contains("a\u{FFFD}[31m\u{FFFD}b") && !text.contains('\u{1b}'), "{text:?}");
}

/// The paths that a variable names, or a printed reason why the test does nothing.
fn public_data(variable: &str, what: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        eprintln!("skipped: {variable} does not name {what} (docs/cases.md says where to get it)");
    }
    found
}

fn read(path: PathBuf, format: Format) -> Imported {
    import::import(&[path], Some(format), Lexicon::bundled(), &ImportOptions::default()).unwrap()
}

fn sound(cases: &[Case], account: &ImportAccount) {
    println!("{account}");
    assert!(account.balances());
    assert_eq!(import::check(cases, Lexicon::bundled()), []);
    assert_eq!(account.cases as usize, cases.len());
    let silent = |case: &&Case| case.facts.iter().all(|fact| fact.reveal == Reveal::Never);
    let silent = cases.iter().filter(silent).count();
    assert_eq!(account.silent as usize, silent);
    assert!(silent * 20 <= cases.len(), "{silent} cases have nothing to tell");
}

/// Twenty of `cases` are consulted to an end, and marked; who knows the case does better than who repeats the patient's words.
fn can_be_consulted(cases: &[Case]) {
    let limits = Limits { turns: 12, patience: 3 };
    let talks = |case: &&Case| case.facts.iter().any(|fact| fact.reveal != Reveal::Never);
    let some = cases.iter().filter(talks).take(20).map(|case| (Part::Patients, case.clone())).collect();
    let some = HeldOut::new(some, limits, 5).unwrap();
    assert_eq!(some.cases().len(), 20);
    let (generator, judge) = (Generator::bundled(limits.turns), RuleJudge::bundled());
    let of = |yardstick: Yardstick| {
        let doctor = |case: &Case, seed| yardstick.doctor(case, limits.turns, seed);
        let evaluated = measure(yardstick.name(), &some, &generator, &judge, doctor).unwrap();
        assert_eq!(evaluated.evaluation.not_judged, 0);
        for consultation in &evaluated.consultations {
            assert!(consultation.ending.is_some(), "{consultation:?}");
        }
        evaluated
    };
    let (best, copy) = (of(Yardstick::ScriptedBest), of(Yardstick::Baseline(Baseline::CopyOfPatient)));
    for consultation in &best.consultations {
        assert!(consultation.turns.iter().any(|turn| !turn.told.is_empty()), "{consultation:?}");
    }
    // The doctor names concepts of the record, which the lexicon need not know.
    let turns = || best.consultations.iter().flat_map(|consultation| &consultation.turns);
    let understood = turns().filter(|turn| turn.understood).count();
    println!("{understood} of {} messages understood", turns().count());
    assert!(2 * understood > turns().count());
    let (best, copy) = (best.evaluation.reward.unwrap(), copy.evaluation.reward.unwrap());
    println!(
        "20 consultations: {best:.2} for a doctor who knows the case, {copy:.2} for the patient's words"
    );
    assert!(best > copy + 0.2);
}

#[test]
fn synthea_bundles_import() {
    let Some(folder) = public_data("OSLER_SYNTHEA_DIR", "a folder of Synthea's FHIR R4 bundles") else {
        return;
    };
    // What is in the files, counted without the importer.
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut identifiers = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let bundle: Value = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        for entry in bundle["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            *kinds.entry(resource["resourceType"].as_str().unwrap().to_owned()).or_default() += 1;
            if resource["resourceType"] == "Patient" {
                identifiers
                    .extend(resource["identifier"].as_array().unwrap().iter().map(|id| id["value"].clone()));
                identifiers.push(resource["name"][0]["family"].clone());
                identifiers.push(resource["address"][0]["line"][0].clone());
                identifiers.push(resource["telecom"][0]["value"].clone());
            }
        }
    }
    let Imported { cases, account } = read(folder, Format::Fhir);
    sound(&cases, &account);
    can_be_consulted(&cases);
    let read: BTreeMap<String, u64> =
        account.kinds.iter().map(|(kind, tally)| (kind.clone(), tally.read)).collect();
    assert_eq!(read, kinds, "every resource of every type is in the account");
    let patients = &account.kinds["Patient"];
    assert_eq!(patients.mapped, account.cases);
    let none = patients.skipped.get("the patient has no encounter with a condition").copied().unwrap_or(0);
    assert_eq!(
        patients.mapped + none,
        patients.read,
        "a patient without any condition is the only one left out"
    );
    for kind in ["Condition", "MedicationRequest", "AllergyIntolerance", "Procedure"] {
        let reasons =
            ["later than the encounter", "administrative", "the patient has no encounter with a condition"];
        let unknown = account.kinds[kind].skipped.keys().find(|why| !reasons.contains(&why.as_str()));
        assert_eq!(unknown, None, "{kind}");
    }
    let text = serde_json::to_string(&cases).unwrap();
    for identifier in identifiers.iter().filter_map(Value::as_str).filter(|text| text.len() >= 4) {
        assert!(!text.contains(identifier), "{identifier} is in a case");
    }
}

#[test]
fn osce_stations_import() {
    let Some(file) = public_data("OSLER_OSCE_JSONL", "AgentClinic's agentclinic_medqa.jsonl") else { return };
    let stations =
        std::fs::read_to_string(&file).unwrap().lines().filter(|line| !line.trim().is_empty()).count();
    let Imported { cases, account } = read(file, Format::Osce);
    sound(&cases, &account);
    can_be_consulted(&cases);
    assert_eq!(cases.len(), stations, "every station is a case");
    for (field, tally) in &account.fields {
        // `Information not provided.` is no answer.
        let reasons = ["empty, or says that nothing is known"];
        let nothing = field.starts_with("Patient_Actor.")
            && tally.skipped.keys().all(|why| reasons.contains(&why.as_str()))
            && tally.mapped > 0;
        let whole = tally.skipped.is_empty() || field.starts_with("Objective_for_Doctor") || nothing;
        assert!(whole, "{field}: {:?}", tally.skipped);
    }
    let negatives = cases.iter().flat_map(|case| &case.facts);
    let negatives =
        negatives.filter(|fact| fact.topic == Topic::Symptom && fact.finding == Finding::Absent).count();
    assert!(negatives > stations, "reviews of systems are told symptom by symptom: {negatives}");
}

/// mediQ's rows, with what the gate takes for identifiers replaced: they are exam questions about nobody.
fn mediq() -> Option<(usize, Imported)> {
    let file = public_data("OSLER_MEDIQ_JSONL", "mediQ's all_dev_good.jsonl")?;
    let rows = std::fs::read_to_string(&file).unwrap().lines().filter(|line| !line.trim().is_empty()).count();
    let phi = PhiPolicy { free_text: FreeText::Redact, ..PhiPolicy::default() };
    let options = ImportOptions { phi, ..ImportOptions::default() };
    let found = import::import(&[file], Some(Format::Mediq), Lexicon::bundled(), &options).unwrap();
    Some((rows, found))
}

#[test]
fn mediq_rows_import() {
    let Some((rows, Imported { cases, account })) = mediq() else { return };
    sound(&cases, &account);
    can_be_consulted(&cases);
    assert_eq!(account.records.read as usize, rows);
    let why: Vec<&String> = account.kinds["row"].skipped.keys().collect();
    let known = ["has no fact that can be told", "is about a study, not a patient", "tells no age"];
    assert!(why.iter().all(|why| known.contains(&why.as_str())), "{why:?}");
    assert!(cases.len() * 10 >= rows * 9, "{} of {rows}", cases.len());
    let facts = &account.fields["facts"];
    assert!(facts.mapped * 100 >= facts.read * 95, "{facts:?}");
}

/// Interviews the first `count` of `cases` that can tell anything, by all interviewers, and holds the patient to the scores
/// it is documented with.
fn the_rule_based_patient(cases: Vec<Case>, count: usize) {
    let some =
        cases.into_iter().filter(Case::can_tell).take(count).map(|case| (Part::Imported, case)).collect();
    let held_out = HeldOut::new(some, Limits::default(), 0).unwrap();
    let options = PlayOptions { interviewers: Interviewer::ALL.to_vec(), turns: 40 };
    let sessions = play(&held_out, &RuleBased, &options);
    let all = scored(&sessions, Bootstrap { resamples: 1000, seed: 0 }).all;
    println!("{all:#?}");
    assert_eq!((all.cases, all.diagnosis_named, all.dumps, all.failures), (count, 0, 0, 0));
    assert!(all.fact.unwrap().mean >= 99.0 && all.privacy.unwrap().mean >= 98.0);
    assert!(all.answered.unwrap().mean >= 90.0);
}

#[test]
fn the_rule_based_patient_over_mediq() {
    let Some((_, Imported { cases, .. })) = mediq() else { return };
    the_rule_based_patient(cases, 200);
}

#[test]
fn the_rule_based_patient_over_osce_stations() {
    let Some(file) = public_data("OSLER_OSCE_JSONL", "AgentClinic's agentclinic_medqa.jsonl") else { return };
    the_rule_based_patient(read(file, Format::Osce).cases, 100);
}

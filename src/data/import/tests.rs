//! Importing as a whole: small documents of each format, and bad ones.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::data::case::{Finding, Origin, Severity, Sex, StepKind, Topic};
use crate::data::phi::FreeText;

fn lexicon() -> Lexicon {
    let concept = |name: &str, kind: &str, phrases: &str| {
        format!("[[concept]]\nname='{name}'\nkind='{kind}'\nphrases=[{phrases}]\n")
    };
    let text = [
        concept("cough", "symptom", ""),
        concept("fever", "symptom", ""),
        concept("penicillin", "substance", ""),
        concept("amoxicillin", "substance", ""),
        concept("smoking", "circumstance", "'smoker'"),
        concept("blood pressure", "examination", ""),
        concept("pneumonia", "condition", "'lung infection'"),
    ];
    Lexicon::parse(&text.concat()).unwrap()
}

pub(super) fn bundle() -> Value {
    let code = |text: &str| json!({ "text": text });
    let subject = json!({ "reference": "urn:uuid:p" });
    let here = json!({ "reference": "Encounter/e2" });
    let entry = |resource: Value| json!({ "fullUrl": format!("urn:uuid:{}", resource["id"].as_str().unwrap_or("x")), "resource": resource });
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        entry(json!({ "resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1950-02-03",
            "name": [{ "family": "Okonkwo", "given": ["Emeka"] }] })),
        entry(json!({ "resourceType": "Encounter", "id": "e1", "status": "finished", "class": { "code": "AMB" },
            "subject": subject, "period": { "start": "2005-01-01T09:00:00Z" }, "reasonCode": [code("Gout")] })),
        entry(json!({ "resourceType": "Encounter", "id": "e2", "status": "finished", "class": { "code": "EMER" },
            "subject": subject, "period": { "start": "2015-06-01T09:00:00Z", "end": "2015-06-01T11:00:00Z" } })),
        entry(json!({ "resourceType": "Condition", "id": "c1", "subject": subject, "encounter": here,
            "code": code("Pneumonia (disorder)"), "onsetDateTime": "2015-06-01T09:00:00Z" })),
        entry(json!({ "resourceType": "Condition", "id": "c2", "subject": subject, "encounter": here,
            "code": code("Cough (finding)"), "onsetDateTime": "2015-06-01T09:00:00Z" })),
        entry(json!({ "resourceType": "Condition", "id": "c3", "subject": subject,
            "clinicalStatus": { "coding": [{ "code": "active" }] },
            "code": code("Hypertension"), "onsetDateTime": "2005-06-01" })),
        entry(json!({ "resourceType": "Condition", "id": "c4", "subject": subject, "code": code("Stroke"),
            "onsetDateTime": "2019-06-01" })),
        entry(json!({ "resourceType": "Condition", "id": "c5", "subject": subject, "code": code("Gout"),
            "verificationStatus": { "coding": [{ "code": "refuted" }] } })),
        entry(json!({ "resourceType": "Observation", "id": "o1", "status": "final", "subject": subject,
            "encounter": here, "category": [{ "coding": [{ "code": "vital-signs" }] }], "code": code("Blood Pressure"),
            "component": [{ "code": code("Systolic"), "valueQuantity": { "value": 120.04, "unit": "mm[Hg]" } },
                          { "code": code("Diastolic"), "valueQuantity": { "value": 80, "unit": "mm[Hg]" } }] })),
        entry(json!({ "resourceType": "Observation", "id": "o2", "subject": subject,
            "effectiveDateTime": "2014-01-01", "code": code("Sodium"), "valueQuantity": { "value": 140, "unit": "mmol/L" } })),
        entry(json!({ "resourceType": "Observation", "id": "o3", "subject": subject,
            "effectiveDateTime": "2013-01-01", "code": code("Sodium"), "valueQuantity": { "value": 135, "unit": "mmol/L" } })),
        entry(json!({ "resourceType": "Observation", "id": "o4", "subject": subject, "effectiveDateTime": "2015-01-01",
            "category": [{ "coding": [{ "code": "social-history" }] }], "code": code("Tobacco smoking status"),
            "valueCodeableConcept": code("Never smoker") })),
        entry(json!({ "resourceType": "MedicationRequest", "id": "m1", "status": "active", "subject": subject,
            "encounter": here, "medicationCodeableConcept": code("Amoxicillin 500 MG Oral Tablet"), "authoredOn": "2015-06-01" })),
        entry(json!({ "resourceType": "MedicationStatement", "id": "m2", "status": "active", "subject": subject,
            "medicationReference": { "reference": "Medication/x" }, "effectiveDateTime": "2010-01-01" })),
        entry(json!({ "resourceType": "Medication", "id": "x", "code": code("Lisinopril 10 MG") })),
        entry(json!({ "resourceType": "AllergyIntolerance", "id": "a", "patient": subject, "code": code("Allergy to penicillin"),
            "reaction": [{ "manifestation": [code("Hives")] }] })),
        entry(json!({ "resourceType": "FamilyMemberHistory", "id": "f", "patient": subject, "relationship": code("Father"),
            "condition": [{ "code": code("Myocardial infarction"), "onsetAge": { "value": 95, "unit": "a" } }] })),
        entry(json!({ "resourceType": "Procedure", "id": "r", "status": "completed", "subject": subject,
            "encounter": here, "code": code("Plain chest X-ray (procedure)") })),
        entry(json!({ "resourceType": "Claim", "id": "z", "patient": subject })),
    ] })
}

pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn put(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

pub(super) fn read(paths: &[PathBuf], options: &ImportOptions) -> Result<Imported, ImportError> {
    import(paths, None, &lexicon(), options)
}

pub(super) fn skipping() -> ImportOptions {
    ImportOptions { skip_bad: true, ..ImportOptions::default() }
}

#[test]
fn a_bundle_becomes_the_case_of_its_most_telling_encounter() {
    let files = Files::new();
    let path = files.put("Emeka_Okonkwo.json", bundle().to_string());
    let Imported { cases, account } = read(&[path], &ImportOptions::default()).unwrap();
    let case = &cases[0];
    assert_eq!((case.truth.diagnosis.as_str(), case.truth.emergency), ("pneumonia", Some(true)));
    assert_eq!(
        (case.stratum.age.years(), case.stratum.sex, case.stratum.severity),
        (65, Sex::Male, Severity::Severe)
    );
    assert_eq!(case.opening, "I have cough.");
    assert_eq!(case.stratum.comorbidities, ["hypertension"]);
    let texts: Vec<(Topic, &str, Reveal)> =
        case.facts.iter().map(|f| (f.topic, f.text.as_str(), f.reveal)).collect();
    for fact in [
        (Topic::Symptom, "Cough", Reveal::Opening),
        (Topic::History, "Hypertension, about 10 years before this visit", Reveal::OnQuestion),
        (Topic::Medication, "Lisinopril 10 MG (taken, about 5 years before this visit)", Reveal::OnQuestion),
        (Topic::Allergy, "Allergy to penicillin", Reveal::OnQuestion),
        (Topic::Allergy, "penicillin: hives", Reveal::OnQuestion),
        (Topic::Family, "father: myocardial infarction at 90 or older", Reveal::OnQuestion),
        (
            Topic::Social,
            "Tobacco smoking status: Never smoker (about 5 months before this visit)",
            Reveal::OnQuestion,
        ),
        (Topic::Examination, "Blood pressure: systolic 120 mmHg, diastolic 80 mmHg", Reveal::OnExamination),
        (Topic::Test, "Sodium: 140 mmol/L (about 17 months before this visit)", Reveal::OnTest),
    ] {
        assert!(texts.contains(&fact), "{fact:?} in {texts:#?}");
    }
    assert_eq!(texts.len(), 9);
    let plan: Vec<_> = case.truth.plan.iter().map(|step| (step.kind, step.concept.as_str())).collect();
    assert_eq!(plan, [(StepKind::Drug, "amoxicillin"), (StepKind::Investigation, "plain chest x-ray")]);
    let Origin::Imported { file, record, .. } = &case.origin else { panic!("{:?}", case.origin) };
    assert_eq!((file.as_str(), *record), ("file-1", 1));
    assert!(account.balances(), "{account}");
    assert_eq!(account.kinds["Condition"].mapped, 3);
    assert_eq!(account.kinds["Condition"].skipped["later than the encounter"], 1);
    assert_eq!(account.kinds["Condition"].skipped["refuted or entered in error"], 1);
    assert_eq!(account.kinds["Observation"].skipped["superseded by a later value"], 1);
    assert_eq!(account.kinds["Claim"].skipped["resource type not covered"], 1);
    assert!(check(&cases, &lexicon()).is_empty());
    let text = serde_json::to_string(&cases).unwrap();
    assert!(!text.contains("2015") && !text.contains("Okonkwo"), "{text}");
}

#[test]
fn of_a_visit_that_was_no_emergency_the_urgency_is_not_known() {
    let files = Files::new();
    let path = files.put("b.json", bundle().to_string().replace("\"EMER\"", "\"AMB\""));
    let cases = read(&[path], &ImportOptions::default()).unwrap().cases;
    assert_eq!(cases.iter().map(|case| case.truth.emergency).collect::<Vec<_>>(), [None]);
}

#[test]
fn an_export_in_several_files_gives_the_same_case() {
    let files = Files::new();
    let whole = files.put("b.json", bundle().to_string());
    let mut paths: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for entry in bundle()["entry"].as_array().unwrap() {
        let line = entry["resource"]
            .to_string()
            .replace("urn:uuid:p", "https://ehr.example/fhir/Patient/p/_history/3");
        let kind = entry["resource"]["resourceType"].as_str().unwrap();
        paths.entry(format!("{kind}.ndjson")).or_default().push_str(&format!("{line}\n\n"));
    }
    let paths: Vec<PathBuf> = paths.iter().map(|(name, text)| files.put(name, text)).collect();
    let exported = read(&paths, &ImportOptions::default()).unwrap().cases;
    let mut bundled = read(&[whole], &ImportOptions::default()).unwrap().cases;
    bundled[0].origin = exported[0].origin.clone();
    // Files are read in the order of the types, so facts stand in another order.
    let sorted = |case: &Case| {
        let mut facts: Vec<String> = case.facts.iter().map(|fact| format!("{fact:?}")).collect();
        facts.sort();
        facts
    };
    assert_eq!(sorted(&exported[0]), sorted(&bundled[0]));
    assert_eq!(exported[0].truth, bundled[0].truth);
}

#[test]
fn a_station_becomes_a_case() {
    let station = json!({ "OSCE_Examination": {
        "Objective_for_Doctor": "Assess the patient with cough.",
        "Patient_Actor": {
            "Demographics": "8-month-old boy",
            "History": "The patient has had a cough for two days. His mother thinks of pneumonia.",
            "Symptoms": { "Primary_Symptom": "Cough", "Secondary_Symptoms": ["Fever"] },
            "Past_Medical_History": "No significant past medical history.",
            "Social_History": "Father is a smoker.",
            "Review_of_Systems": "Denies vomiting, diarrhea, or rash."
        },
        "Physical_Examination_Findings": { "Vital_Signs": { "Blood_Pressure": "90/60 mmHg" }, "Chest": { "Auscultation": "Crackles." } },
        "Test_Results": { "Chest_X-ray": { "Findings": "Opacity of the left base. Consistent with pneumonia." } },
        "Correct_Diagnosis": "Pneumonia"
    } });
    let files = Files::new();
    let path = files.put("stations.jsonl", format!("{station}\n"));
    let Imported { cases, account } = read(&[path], &ImportOptions::default()).unwrap();
    let case = &cases[0];
    assert_eq!((case.opening.as_str(), case.stratum.age.years()), ("I have cough.", 0));
    assert_eq!(case.truth.emergency, None);
    let fact = |text: &str| {
        case.facts.iter().find(|fact| fact.text == text).unwrap_or_else(|| panic!("{text}: {case:#?}"))
    };
    assert_eq!(fact("no vomiting, diarrhea, or rash").finding, Finding::Absent);
    assert_eq!(fact("His mother thinks of pneumonia.").reveal, Reveal::Never);
    assert_eq!(fact("Blood Pressure: 90/60 mmHg").concept, "blood pressure");
    assert_eq!(fact("Chest X-ray: Opacity of the left base.").reveal, Reveal::OnTest);
    assert_eq!(account.hidden, 2);
    assert!(account.balances(), "{account}");
    assert!(check(&cases, &lexicon()).is_empty());
}

#[test]
fn lines_are_whole_cases_or_the_simpler_form() {
    let files = Files::new();
    let simple = json!({ "age": 93, "sex": "female", "diagnosis": "pneumonia", "symptoms": ["cough: dry cough for a week"],
        "denies": ["fever"], "allergies": ["penicillin"], "tests": ["chest x-ray: opacity"], "plan": ["amoxicillin 500 mg"],
        "hidden": ["has not told anyone"], "identity": { "names": ["Zelda Quist"], "mrn": "77-1829" } });
    let path = files.put("a.jsonl", format!("{simple}\n"));
    let Imported { cases, account } = read(&[path], &ImportOptions::default()).unwrap();
    assert_eq!(
        (cases[0].stratum.age.years(), cases[0].opening.as_str()),
        (90, "I have dry cough for a week.")
    );
    assert_eq!(cases[0].truth.plan[0].concept, "amoxicillin");
    assert_eq!(cases[0].truth.emergency, None);
    assert_eq!(cases[0].facts.last().unwrap().reveal, Reveal::Never);
    assert_eq!(account.fields["case.identity"].skipped["identifies the patient"], 1);
    let again = files.put("b.jsonl", serde_json::to_string(&cases[0]).unwrap());
    assert_eq!(read(&[again], &ImportOptions::default()).unwrap().cases, cases);
}

#[test]
fn errors_name_file_line_field_and_what_is_legal() {
    let files = Files::new();
    let error = |name: &str, text: &str| {
        read(&[files.put(name, text)], &ImportOptions::default()).unwrap_err().to_string()
    };
    for (name, text, parts) in [
        ("a.jsonl", "{\"age\": 3}", vec!["a.jsonl:1", "missing field", "simpler form"]),
        ("b.jsonl", "\n{\"age\": 3, \"sx\": 1}", vec!["b.jsonl:2", "unknown field `sx`"]),
        ("c.jsonl", "{\"age\": 3", vec!["c.jsonl:1", "not JSON"]),
        ("d.jsonl", "[]", vec!["d.jsonl:1", "line is a list of 0", "an object"]),
        (
            "e.ndjson",
            "{\"resourceType\": \"Patient\"}",
            vec!["e.ndjson:1", "Patient.id is missing", "a text"],
        ),
        ("f.ndjson", "{\"id\": \"1\"}", vec!["f.ndjson:1", "resourceType is missing"]),
        ("g.json", "{\"resourceType\": \"Patient\"}", vec!["g.json:1", "resourceType", "Bundle"]),
        ("h.json", "{\"resourceType\": \"Bundle\", \"entry\": [{}, 3]}", vec!["h.json:2", "entry is 3"]),
        ("i.json", "{\"resourceType\": \"Bundle\", \"entry\": 5}", vec!["i.json:1", "not JSON"]),
        ("j.txt", "x", vec!["j.txt", ".txt", ".ndjson"]),
        ("k.jsonl", "\n", vec!["k.jsonl", "no record"]),
        (
            "l.jsonl",
            "{\"OSCE_Examination\": {\"Patient_Actor\": {}}}",
            vec!["l.jsonl:1", "Correct_Diagnosis is missing"],
        ),
        (
            "n.jsonl",
            "{\"age\":1,\"sex\":\"male\",\"diagnosis\":\"x\",\"opening\":\" \"}",
            vec!["n.jsonl:1", "opening is empty", "first sentence"],
        ),
        (
            "o.jsonl",
            "{\"age\":131,\"sex\":\"male\",\"diagnosis\":\"x\",\"opening\":\"Ouch.\"}",
            vec!["o.jsonl:1", "age is 131", "0 to 130"],
        ),
        (
            "p.jsonl",
            "{\"age\":1,\"sex\":\"male\",\"diagnosis\":\"x\",\"history\":[{\"text\":\"gout\",\"reveal\":\"often\"}]}",
            vec!["p.jsonl:1", "history[0].reveal", "`often`", "`on_question`", "`never`"],
        ),
        (
            "q.jsonl",
            "{\"age\":1,\"sex\":\"male\",\"diagnosis\":\"x\",\"plan\":[7]}",
            vec!["q.jsonl:1", "plan[0]", "a text, or an object"],
        ),
        (
            "r.jsonl",
            "{\"age\":1,\"nmae\":\"x\"}",
            vec!["r.jsonl:1", "unknown field `nmae`", "`symptoms`", "`identity`", "`key`"],
        ),
        (
            "m.jsonl",
            "{\"age\":1,\"sex\":\"male\",\"diagnosis\":\"x\",\"opening\":\"Call 617-555-0134\"}",
            vec!["m.jsonl:1", "case.opening, bytes 5..17", "telephone"],
        ),
    ] {
        let message = error(name, text);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(!message.contains("555-0134"), "{message}");
    }
    let missing = read(&[files.0.path().join("none.json")], &ImportOptions::default());
    assert!(matches!(missing, Err(ImportError::Read { .. })));
}

#[test]
fn a_patient_born_after_the_visit_is_refused() {
    let files = Files::new();
    let born = |date: &str| {
        let text = bundle().to_string().replace("1950-02-03", date);
        files.put(&format!("{date}.json"), text)
    };
    for date in ["2015-06-20", "2019"] {
        let path = born(date);
        let error = read(std::slice::from_ref(&path), &ImportOptions::default()).unwrap_err().to_string();
        assert!(
            error.contains("Patient.birthDate is after the encounter") && error.contains("Encounter.period"),
            "{error}"
        );
        let skipped = read(&[path], &skipping()).unwrap();
        assert!(skipped.cases.is_empty() && skipped.account.balances(), "{}", skipped.account);
        assert_eq!(skipped.account.kinds["Patient"].skipped["not of the documented shape"], 1);
    }
    // A newborn, whatever was given of the day.
    for date in ["2015-06-01", "2015-06", "2015"] {
        // Of a year alone the shift of the visit may make a child of one year.
        let cases = read(&[born(date)], &ImportOptions::default()).unwrap().cases;
        assert!(cases[0].stratum.age.years() <= 1, "{date}");
    }
}

#[test]
fn limits_hold_before_memory_is_taken() {
    let files = Files::new();
    let path = files.put("b.json", bundle().to_string());
    let options = ImportOptions { max_file_bytes: 100, ..ImportOptions::default() };
    assert!(matches!(read(&[path], &options), Err(ImportError::FileTooLarge { limit: 100, .. })));
    let lines: String =
        bundle()["entry"].as_array().unwrap().iter().map(|e| format!("{}\n", e["resource"])).collect();
    let path = files.put("e.ndjson", lines);
    let options = ImportOptions { max_held_bytes: 400, ..ImportOptions::default() };
    assert!(matches!(
        read(std::slice::from_ref(&path), &options),
        Err(ImportError::TooMuchHeld { limit: 400, .. })
    ));
    let options = ImportOptions { max_line_bytes: 60, ..ImportOptions::default() };
    assert!(matches!(read(&[path], &options), Err(ImportError::LineTooLong { limit: 60, .. })));
    let deep =
        files.put("d.json", format!("{{\"resourceType\":\"Bundle\",\"entry\":{}", "[".repeat(100_000)));
    assert!(matches!(read(&[deep], &ImportOptions::default()), Err(ImportError::NotJson { .. })));
}

#[test]
fn bad_records_can_be_passed_over_and_are_counted() {
    let files = Files::new();
    let good = "{\"age\":1,\"sex\":\"male\",\"diagnosis\":\"pneumonia\",\"symptoms\":[\"cough\"]}";
    let named = good.replace("cough", "cough, said Mr. Quist");
    let path = files.put("a.jsonl", format!("{good}\nnonsense\n{named}\n{{}}\n{good}\n"));
    let Imported { cases, account } = read(&[path], &skipping()).unwrap();
    assert_eq!(cases.len(), 2);
    assert_eq!((account.records.read, account.records.mapped, account.problems.len()), (5, 2, 3));
    assert_eq!(account.records.skipped["refused by the PHI gate"], 1);
    assert!(account.balances());
}

#[test]
fn an_override_is_recorded_in_the_case() {
    let files = Files::new();
    let line =
        "{\"age\":1,\"sex\":\"male\",\"diagnosis\":\"pneumonia\",\"symptoms\":[\"cough since 2019-03-14\"]}";
    let path = files.put("a.jsonl", line);
    let mut options = ImportOptions::default();
    options.phi.free_text = FreeText::Allow;
    let imported = read(&[path], &options).unwrap();
    let Origin::Imported { overridden, .. } = &imported.cases[0].origin else { panic!() };
    assert_eq!(overridden.len(), 1, "{overridden:?}");
    assert!(overridden[0].contains("case.symptoms[0], bytes 12..22: date"), "{overridden:?}");
}

/// An import once wrote such cases, and every other command refused the file.
#[test]
fn ids_that_no_case_may_have_are_refused_with_their_line() {
    let line = |id: &str| json!({ "id": id, "age": 40, "sex": "female", "diagnosis": "pneumonia", "symptoms": ["cough"] });
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cases.jsonl");
    let lexicon = lexicon();
    for (ids, problem) in [
        (["a", "a"], "cases.jsonl:2: id is that of an earlier case; legal: an id of its own"),
        (
            ["a", "../b"],
            "cases.jsonl:2: id is a text of 4 bytes with other characters; legal: letters, digits",
        ),
    ] {
        std::fs::write(&path, ids.map(|id| format!("{}\n", line(id))).concat()).unwrap();
        let read = |skip_bad| {
            let options = ImportOptions { skip_bad, ..ImportOptions::default() };
            import(std::slice::from_ref(&path), None, &lexicon, &options)
        };
        let error = read(false).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        let imported = read(true).unwrap();
        assert_eq!(imported.cases.len(), 1);
        assert_eq!(imported.account.problems.len(), 1);
    }
}

//! The gate as a whole: what may not pass, and what has to.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn record(schema: Schema, parts: &[(&str, Value)]) -> RawRecord {
    let place = Place::new("ward/notes.jsonl", 7);
    let parts = parts.iter().map(|(name, value)| RawPart {
        name: (*name).to_owned(),
        place: place.clone(),
        value: value.clone(),
    });
    RawRecord { schema, place: place.clone(), file_number: 1, patient: "p1".into(), parts: parts.collect() }
}

pub(super) fn admit(
    free_text: FreeText,
    schema: Schema,
    parts: &[(&str, Value)],
) -> Result<Deidentified<RawRecord>, PhiRefusal> {
    PhiGate::new(PhiPolicy { free_text, seed: 11 }).admit(record(schema, parts))
}

pub(super) fn note(text: &str) -> [(&'static str, Value); 1] {
    [("case", json!({ "history": [text] }))]
}

/// Clinical prose that holds no identifier.
pub(super) const HARMLESS: [&str; 50] = [
    "BP 120/80 mmHg, pulse 72 bpm, temperature 36.6°C (97.9°F).",
    "Takes 5 mg twice a day, 2-3 times a week, for 10-14 days.",
    "Sensory level at T10; herniation at L4-L5 and C5/C6.",
    "Glucose 100 mg/dL, platelets 250,000/mm3, WBC 12000, Na 140.",
    "Seen before; Dr. advised rest.",
    "Crohn disease, Parkinson disease and Graves disease in the family.",
    "Hodgkin lymphoma, Wolff-Parkinson-White syndrome, Marcus Gunn pupil.",
    "Known Crohn's, treated by the doctor for Graves' ophthalmopathy.",
    "Motor strength 4/5 on the left, reflexes 2+, GCS 15/15.",
    "Pain 7/10 on exertion, since 3 days, worse on 3/10 scale.",
    "A 35-year-old woman, gravida 2, para 1, at 38 weeks' gestation.",
    "Her sister Sister Mary Joseph nodule was absent.",
    "Smoked 40 pack-years, stopped 12 years ago, 89-year-old now.",
    "Penicillin G 1200000 units given once.",
    "HbA1c 7.2%, LDL 175.5609952863145 mg/dL.",
    "May 10 mg be given? Mar 50 ml.",
    "Vitamin B 12 5 MG/ML Injectable Solution",
    "NDA020800 0.3 ML Epinephrine 1 MG/ML Auto-Injector",
    "24 HR metoprolol succinate 100 MG Extended Release Oral Tablet [Toprol]",
    "Acetaminophen 325 MG / HYDROcodone Bitartrate 7.5 MG Oral Tablet",
    "The patient denies fever. Patient Health Questionnaire score 12.",
    "Her mother had a stroke at 60, her brother Huntington disease.",
    "Retinal scan normal; iris normal; fingerprints of clubbing absent.",
    "Lives in the United States with a partner; born in Mexico; from New York.",
    "Recently traveled to Kenya and to Miami for a conference.",
    "Normal range 150-4000, visits every 2-3 weeks, aged 45.",
    "Blood pressure 130/85 on admission, 4/6 systolic murmur, 20/40 vision.",
    "The plan: rest. Insurance: none. Member of a choir.",
    "Device implanted; no lot of pain; serial troponins negative.",
    "Diagnosed in 2009, operated in 2015.",
    "Rovsing sign positive, Murphy's sign negative, Phalen test positive.",
    "Apgar scores 8 and 9 at 1 and 5 minutes.",
    "Chemotherapy with ABVD; CD4 count 250; HLA-B27 positive.",
    "He works as a police officer and she is a judge.",
    "Case 3 of the series, group 2, record of growth kept.",
    "Chest X-ray at 10:30, ECG at 11:45:30.",
    "Anti-CCP 120 U/mL, CA-125 90 U/mL, PSA 4.1 ng/mL.",
    "Alport syndrome, Down syndrome, Marfan syndrome.",
    "Salter-Harris type II fracture, Colles fracture.",
    "Ratio 1:2:3, INR 2.5, pH 7.35.",
    "Went from 80 to 95 kg in 6 months; 95 percent saturation.",
    "SpO2 95 years of data show; 99% on room air.",
    "Glasgow Coma Scale 15, Boston criteria met.",
    "Aortic valve area 1.2 cm2, gradient 40 mmHg.",
    "Takes St John's wort.",
    "Doctor, I have pain. Nurse Practitioner saw me. Mr. and Mrs. both came.",
    "E. coli, S. aureus and C. difficile grew.",
    "Patient Actor: Demographics",
    "Legg-Calvé-Perthes disease; Hirschsprung’s disease.",
    "It hurt in March and in the spring.",
];

#[test]
fn clinical_prose_passes() {
    for text in HARMLESS {
        let found = text::scan(text, &Known::default());
        let shown: Vec<_> = found.iter().map(|hit| (&text[hit.span.clone()], hit.rule)).collect();
        assert!(found.is_empty(), "{text}: {shown:?}");
    }
}

/// An identifier of each class, hard to tell from nothing else, with the class.
const PLANTED: [(PhiClass, &[&str]); 19] = [
    (
        PhiClass::Name,
        &["Mr. Okonkwo", "Dr Alvarez", "Her name is Priya Raman", "husband Ivan Petrov", "John Doyle"],
    ),
    (
        PhiClass::Geography,
        &["12 Elm Street", "Ipswich, MA", "MA 01938", "lives in Tulsa", "P.O. Box 77", "SW1A 1AA"],
    ),
    (
        PhiClass::Date,
        &["3/14/2019", "2019-03-14", "March 14, 2019", "14 March", "14.03.2019", "on 3/14", "03/2019"],
    ),
    (PhiClass::Age, &["94-year-old", "97 yo", "aged 91", "103 years old", "ninety-two-year-old"]),
    (PhiClass::Phone, &["(617) 555-0134", "617.555.0134", "+44 20 7946 0958", "phone: 555 0134", "555-0134"]),
    (PhiClass::Fax, &["fax 617-555-0199", "Fax no. 5550199"]),
    (PhiClass::Email, &["jane.roe+x@mail.example.org"]),
    (PhiClass::SocialSecurity, &["999-50-7137", "SSN 999507137"]),
    (PhiClass::RecordNumber, &["MRN 4471902", "medical record no. A-88213", "chart #55123", "MRN: 00-12-34"]),
    (PhiClass::HealthPlan, &["member ID 8841-220", "Medicare number 1EG4-TE5-MK73", "policy #77120A9"]),
    (PhiClass::Account, &["account number 5512-889", "invoice no 99812"]),
    (PhiClass::Licence, &["license no. D4471-22", "DEA number AB1234563", "passport #X2628725"]),
    (PhiClass::Vehicle, &["VIN 1HGCM82633A004352", "license plate 7ABC123", "1HGCM82633A004352"]),
    (PhiClass::Device, &["serial number SN-88123", "pacemaker #PM11827", "00:1B:44:11:3A:B7"]),
    (PhiClass::Url, &["https://example.org/p/1", "www.roe-family.example", "roefamily.com/jane"]),
    (PhiClass::Ip, &["192.168.10.44", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"]),
    (PhiClass::Biometric, &["fingerprint template FP88120AA", "voiceprint id 77abc12"]),
    (PhiClass::Photo, &["face_01.jpg", "data:image/png;base64,AAAA"]),
    (PhiClass::OtherId, &["4be0d073-b3f4-43e1-aa70-5131896df402", "S99912931", "id 88123441290"]),
];

#[test]
fn every_class_is_refused_with_its_place_and_not_repeated() {
    for (class, texts) in PLANTED {
        for planted in texts {
            let text = format!("Came with cough; {planted} and then went home.");
            let refusal = admit(FreeText::Refuse, Schema::Jsonl, &note(&text)).expect_err(planted);
            let first = &refusal.findings[0];
            assert!(refusal.findings.iter().any(|f| f.class == class), "{planted}: {:?}", refusal.findings);
            assert_eq!((first.file.as_str(), first.record), ("ward/notes.jsonl", 7));
            assert_eq!(first.field, "case.history[0]");
            let (from, to) = (text.find(planted).unwrap(), text.find(planted).unwrap() + planted.len());
            assert!(first.start < to && first.end > from, "{planted}: {first:?}");
            let found = &text[first.start..first.end];
            assert!(!refusal.to_string().contains(found), "{refusal}");
        }
    }
    let classes: Vec<_> = PLANTED.iter().map(|(class, _)| *class).collect();
    assert_eq!(classes, PhiClass::ALL);
}

#[test]
fn an_override_lets_pass_and_is_recorded() {
    let passed = admit(FreeText::Allow, Schema::Jsonl, &note("Seen on 2019-03-14.")).unwrap();
    assert_eq!(passed.overridden().len(), 1);
    assert!(passed.overridden()[0].starts_with("record 7: case.history[0], bytes 8..18: date"), "{passed:?}");
    assert_eq!(passed.account().allowed[&PhiClass::Date], 1);
    let redacted = admit(FreeText::Redact, Schema::Jsonl, &note("Seen on 2019-03-14, aged 95.")).unwrap();
    assert_eq!(redacted.get().parts[0].value["history"][0], "Seen on [date], aged 90 or older.");
    assert!(redacted.overridden().is_empty());
}

#[test]
fn names_of_fields_are_scanned_outside_fhir() {
    let parts = [("OSCE_Examination", json!({ "Test_Results": { "Dr._Alvarez_2019-03-14": "ok" } }))];
    assert!(admit(FreeText::Refuse, Schema::Osce, &parts).is_err());
}

/// A patient with an identifier of each class in its structured field.
fn patient() -> Value {
    json!({
        "id": "Patient/84451841", "gender": "female", "birthDate": "1963-07-29",
        "name": [{"family": "Alcántar", "given": ["Graciela"]}],
        "telecom": [{"system": "phone", "value": "555-235-6345"}, {"system": "fax", "value": "555-235-6346"},
                    {"system": "email", "value": "g@alcantar.example"}, {"system": "url", "value": "http://a.example"}],
        "address": [{"line": ["942 Mitchell Vale Apt 74"], "city": "Ipswich", "state": "Massachusetts",
                     "postalCode": "01938", "country": "US",
                     "extension": [{"url": "geolocation", "valueDecimal": 42.675224}]}],
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-50-7137"},
                       {"type": {"text": "Driver's License"}, "value": "S99912931"},
                       {"type": {"text": "Medical Record Number"}, "value": "4be0d073"},
                       {"type": {"text": "Account"}, "value": "ACC-7719"},
                       {"type": {"text": "Plan"}, "value": "HP-22817"},
                       {"type": {"text": "Vehicle"}, "value": "1HGCM82633A004352"}],
        "photo": [{"url": "face.jpg"}], "contact": [{"name": {"family": "Pantoja"}}],
        "extension": [{"url": "patient-mothersMaidenName", "valueString": "Adela Delatorre"},
                      {"url": "fingerprint", "valueString": "FP-8812"}]
    })
}

#[test]
fn structured_identifiers_go_and_geography_is_cut() {
    let passed = admit(FreeText::Refuse, Schema::Fhir, &[("Patient", patient())]).unwrap();
    let left = passed.get().parts[0].value.to_string();
    for gone in [
        "Alcántar",
        "Graciela",
        "555",
        "alcantar",
        "Mitchell",
        "Ipswich",
        "01938",
        "42.67",
        "999-50",
        "S999",
        "4be0",
        "7719",
        "22817",
        "1HG",
        "face",
        "Pantoja",
        "Delatorre",
        "8812",
        "1963",
        "84451841",
    ] {
        assert!(!left.contains(gone), "{gone} in {left}");
    }
    assert_eq!(passed.get().parts[0].value["address"][0]["postalCode"], "019");
    assert_eq!(passed.get().parts[0].value["address"][0]["state"], "Massachusetts");
    assert_eq!(passed.get().patient, "");
    assert!(passed.account().removed[&PhiClass::Name] >= 1);
}

#[test]
fn the_patients_own_names_and_numbers_are_found_in_the_text() {
    for text in [
        "Graciela came in",
        "ALCÁNTAR, cough",
        "see 4be0-d073",
        "her mother Delatorre",
        "from Ipswich",
        "555 235 6345",
    ] {
        let condition = ("Condition", json!({ "code": { "text": text } }));
        let refused = admit(FreeText::Refuse, Schema::Fhir, &[("Patient", patient()), condition]);
        assert!(refused.is_err(), "{text}");
    }
    let condition = ("Condition", json!({ "code": { "text": "Acute bronchitis (disorder)" } }));
    assert!(admit(FreeText::Refuse, Schema::Fhir, &[("Patient", patient()), condition]).is_ok());
    let own = json!({ "identity": { "names": ["Zelda Quist"], "mrn": "77-1829" }, "history": ["Quist says it hurts"] });
    let refusal = admit(FreeText::Refuse, Schema::Jsonl, &[("case", own)]).unwrap_err();
    assert_eq!(refusal.findings.len(), 1);
    assert_eq!(refusal.findings[0].masked, "Q****");
}

#[test]
fn a_file_named_after_the_patient_is_not_named() {
    let source = |file: &str| {
        let mut raw = record(Schema::Fhir, &[("Patient", patient())]);
        raw.place = Place::new(file, 1);
        raw.file_number = 4;
        PhiGate::new(PhiPolicy::default()).admit(raw).unwrap().source().to_owned()
    };
    assert_eq!(source("/a/Graciela_Alcántar_4be0d073-b3f4-43e1-aa70-5131896df402.json"), "file-4");
    assert_eq!(source("/a/Stephen_McLaughlin.json"), "file-4");
    assert_eq!(source("/a/graciela.json"), "file-4");
    assert_eq!(source("/a/2019-03-14.json"), "file-4");
    assert_eq!(source("/a/ward_export.ndjson"), "ward_export.ndjson");
    assert_eq!(source("C:\\a\\Patient.ndjson"), "Patient.ndjson");
}

#[test]
fn ages_over_89_are_one_and_dates_keep_their_distance() {
    let moment = |text: &str| Moment::parse(text).unwrap();
    let mut old = patient();
    old["birthDate"] = json!("1920-01-01");
    let encounter =
        json!({ "id": "Encounter/1", "period": { "start": "2015-06-01T10:00:00Z", "end": "2015-06-11" } });
    let family = json!({ "condition": [{ "onsetAge": { "value": 93, "unit": "a" } }] });
    let parts = [("Patient", old), ("Encounter", encounter), ("FamilyMemberHistory", family)];
    let passed = admit(FreeText::Refuse, Schema::Fhir, &parts).unwrap();
    let period = &passed.get().parts[1].value["period"];
    let (start, end) = (moment(period["start"].as_str().unwrap()), moment(period["end"].as_str().unwrap()));
    assert_eq!(start.days_until(end), 10);
    assert_ne!(start, moment("2015-06-01T10:00:00Z"));
    assert_eq!(passed.age_at(start).unwrap().years(), 90);
    assert_eq!(passed.get().parts[2].value["condition"][0]["onsetAge"]["value"], 90);
    assert_eq!(passed.account().dates_shifted, 2);
}

#[test]
fn links_hold_and_codes_of_public_systems_stay() {
    let parts = [
        ("Encounter", json!({ "id": "Encounter/5ceaa790" })),
        (
            "Condition",
            json!({ "encounter": { "reference": "Encounter/5ceaa790" }, "code": { "coding": [
                { "system": "http://snomed.info/sct", "code": "19169002", "display": "Cough" },
                { "system": "http://loinc.org", "code": "999-12-3456" },
                { "system": "http://hospital.example/mrn", "code": "4711" } ] } }),
        ),
    ];
    let passed = admit(FreeText::Refuse, Schema::Fhir, &parts).unwrap();
    let condition = &passed.get().parts[1].value;
    assert_eq!(passed.get().parts[0].value["id"], condition["encounter"]["reference"]);
    let coding = &condition["code"]["coding"];
    assert_eq!(coding[0]["code"], "19169002");
    assert!(coding[1].get("code").is_none() && coding[2].get("code").is_none(), "{coding}");
}

#[test]
fn deep_records_do_not_overflow() {
    let mut deep = json!("Seen on 2019-03-14");
    for _ in 0..400 {
        deep = json!([deep]);
    }
    let passed = admit(FreeText::Refuse, Schema::Jsonl, &[("case", json!({ "history": deep }))]).unwrap();
    assert!(!passed.get().parts[0].value.to_string().contains("2019"));
}

/// An identifier made at random, with the class it has to be refused as one of.
pub(super) fn identifier() -> impl Strategy<Value = String> {
    prop_oneof![
        (2u32..999, 10u32..99, 1000u32..9999).prop_map(|(a, b, c)| format!("{a:03}-{b:02}-{c:04}")),
        (200u32..999, 200u32..999, 0u32..9999, "[ .-]")
            .prop_map(|(a, b, c, s)| format!("{a}{s}{b}{s}{c:04}")),
        (1u32..12, 1u32..28, 1900u32..2030, "[/-]").prop_map(|(m, d, y, s)| format!("{m}{s}{d}{s}{y}")),
        (1900u32..2030, 1u32..12, 1u32..28).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}")),
        "[a-z]{1,8}[.][a-z]{1,8}@[a-z]{2,8}[.](org|com|de)",
        "https?://[a-z]{3,8}[.][a-z]{2,5}/[a-z0-9]{1,8}",
        "(MRN|medical record number)[:#]? ?[0-9]{5,9}",
        "(Mr|Mrs|Dr|Prof)[.]? [A-Z][a-z]{2,8}",
        "[1-9][0-9]{0,3} [A-Z][a-z]{3,9} (Street|Avenue|Road|Lane)",
        "[1-9][0-9]{0,2} [A-Z][a-z]{3,9} (Street|Avenue|Road|Lane)(,| in) [A-Z][a-z]{3,9}",
        "from [A-Z][a-z]{3,9} County",
        "(SSN ends in|last four of social) [0-9]{4}",
        "(Nov|Dec) '[0-2][0-9]",
        "(in|since) 0[1-9]-20[0-2][0-9]",
        "[1-9] (mars|juillet|de marzo de|Dezember) 20[0-2][0-9]",
        "plate [0-9][A-Z]{3}[0-9]{3}",
        "[0-9]{7,14}",
        "[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}",
        (90u32..130).prop_map(|age| format!("{age}-year-old")),
        (1u8..255, 0u8..255, 0u8..255, 0u8..255).prop_map(|(a, b, c, d)| format!("{a}.{b}.{c}.{d}")),
        "(account|policy|license|serial|member) (number|no|#) ?[A-Z]{0,2}[0-9]{4,8}",
    ]
}

proptest! {
    #[test]
    fn a_planted_identifier_is_never_let_through(
        planted in identifier(), before in 0usize..HARMLESS.len(), after in 0usize..HARMLESS.len(),
    ) {
        let text = format!("{} He said {planted}. {}", HARMLESS[before], HARMLESS[after]);
        prop_assert!(admit(FreeText::Refuse, Schema::Jsonl, &note(&text)).is_err(), "{}", text);
        let redacted = admit(FreeText::Redact, Schema::Jsonl, &note(&text)).unwrap();
        let left = redacted.get().parts[0].value.to_string();
        let core: String = planted.chars().filter(|c| c.is_ascii_digit()).collect();
        let core = if core.len() >= 4 { &planted } else { planted.rsplit(' ').next().unwrap() };
        prop_assert!(!left.contains(core), "{} in {}", core, left);
    }

    #[test]
    fn any_text_is_scanned_without_panic_and_spans_are_sound(text in "\\PC{0,120}") {
        let mut known = Known::default();
        known.name("Ærø Öst");
        known.code("12-345ß", PhiClass::OtherId);
        let hits = text::scan(&text, &known);
        let mut from = 0;
        for hit in &hits {
            prop_assert!(hit.span.start >= from && text.get(hit.span.clone()).is_some());
            from = hit.span.end;
        }
        let _ = text::redact(&text, &hits);
    }
}

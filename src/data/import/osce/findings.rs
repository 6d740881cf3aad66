//! What examinations and tests show.

use serde_json::{Map, Value};

use crate::data::case::Topic;
use crate::data::import::concept::Concepts;
use crate::data::import::draft::Draft;
use crate::data::import::filing::shown::{self, Shown};

/// Findings on examination. Returns how many texts went into facts.
pub(super) fn examinations(value: &Value, concepts: &Concepts, drafts: &mut Vec<Draft>) -> u64 {
    all(Topic::Examination, "examination", value, concepts, drafts)
}

/// Results of tests. Returns how many texts went into facts.
pub(super) fn tests(value: &Value, concepts: &Concepts, drafts: &mut Vec<Draft>) -> u64 {
    all(Topic::Test, "test", value, concepts, drafts)
}

fn all(topic: Topic, name: &str, value: &Value, concepts: &Concepts, drafts: &mut Vec<Draft>) -> u64 {
    let mut found: Vec<Shown> = Vec::new();
    let mapped = walk(value, &[name], &mut |path, text, count| {
        found.push(Shown { topic, concepts: named(topic, path, &text, concepts), text });
        count
    });
    // Who asks for the whole gets its parts as well, and an answer has not room for all: what goes by no other name comes
    // first.
    found.sort_by_key(|shown| !shown.concepts.iter().any(|name| name == shown::whole(topic)));
    found.iter().for_each(|shown| shown::push(shown, drafts));
    mapped
}

/// What brings a finding out: what its own name tells, else that of the section around it, else its text.
fn named(topic: Topic, path: &[&str], text: &str, concepts: &Concepts) -> Vec<String> {
    let labels: Vec<String> = path.iter().rev().map(|label| label.replace('_', " ")).collect();
    let names = labels.iter().map(String::as_str).chain([text]);
    let mut names = names.map(|text| shown::names(topic, text, concepts));
    names.find(|names| !names.is_empty()).unwrap_or_else(|| vec![shown::unnamed(topic, &labels, text)])
}

/// Gives one finding for each group of texts: an object whose fields are texts is one examination, an object in it
/// another. Vital signs are one finding each, for a doctor takes them one by one.
fn walk(value: &Value, path: &[&str], give: &mut impl FnMut(&[&str], String, u64) -> u64) -> u64 {
    let label = path.last().copied().unwrap_or_default().replace('_', " ");
    match value {
        Value::Object(map) => {
            let vitals = label.to_lowercase().contains("vital signs");
            let (inner, own): (Vec<_>, Vec<_>) =
                map.iter().partition(|(_, value)| vitals || holds_objects(value));
            let mut mapped = 0;
            let own: Map<String, Value> = own.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            let (text, count) = line(&own);
            if count > 0 {
                mapped += give(path, format!("{}: {text}", capital(&label)), count);
            }
            for (key, value) in inner {
                let name = nested(path.last().copied().unwrap_or_default(), key);
                let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
                mapped += walk(value, &path, give);
            }
            mapped
        }
        other => {
            let (text, count) = flat(other);
            if count == 0 { 0 } else { give(path, format!("{}: {text}", capital(&label)), count) }
        }
    }
}

/// A name that says enough on its own: `Chest_CT` does, `Findings` does not.
fn nested(above: &str, key: &str) -> String {
    const VAGUE: [&str; 7] =
        ["Findings", "Comments", "Result", "Results", "Inspection", "Palpation", "Other"];
    const CONTAINERS: [&str; 8] = [
        "Imaging",
        "Laboratory_Tests",
        "Blood_Tests",
        "Blood_Work",
        "Test_Results",
        "Vital_Signs",
        "examination",
        "test",
    ];
    if VAGUE.contains(&key) && !CONTAINERS.contains(&above) {
        format!("{above} {key}")
    } else {
        key.to_owned()
    }
}

fn holds_objects(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(holds_objects),
        _ => false,
    }
}

/// Fields in one line: `WBC 12; Hemoglobin 9 g/dL`.
fn line(map: &Map<String, Value>) -> (String, u64) {
    let mut parts = Vec::new();
    let mut all = 0;
    for (key, value) in map {
        let (text, count) = flat(value);
        if count > 0 {
            let plain = matches!(key.as_str(), "Findings" | "Result" | "Results");
            parts.push(if plain { text } else { format!("{}: {text}", key.replace('_', " ")) });
            all += count;
        }
    }
    (join(&parts), all)
}

/// Parts with a stop between them where one ends a sentence, else a semicolon.
fn join(parts: &[String]) -> String {
    let mut out = String::new();
    for part in parts {
        if !out.is_empty() {
            out.push_str(if out.ends_with('.') { " " } else { "; " });
        }
        out.push_str(part);
    }
    out
}

fn flat(value: &Value) -> (String, u64) {
    match value {
        Value::String(text) if !text.trim().is_empty() => (text.trim().to_owned(), 1),
        Value::Number(number) => (number.to_string(), 1),
        Value::Bool(flag) => ((if *flag { "yes" } else { "no" }).to_owned(), 1),
        Value::Array(items) => {
            let parts: Vec<(String, u64)> = items.iter().map(flat).filter(|(_, count)| *count > 0).collect();
            let texts: Vec<String> = parts.iter().map(|(text, _)| text.clone()).collect();
            (join(&texts), parts.iter().map(|(_, count)| count).sum())
        }
        Value::Object(map) => line(map),
        _ => (String::new(), 0),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::Lexicon;

    #[test]
    fn every_text_goes_into_a_finding() {
        let value = serde_json::json!({
            "Complete_Blood_Count": {"WBC": "12", "Hemoglobin": "9 g/dL"},
            "Imaging": {"Chest_CT": {"Findings": "Clear."}, "Comments": "Done"},
            "ESR": "40 mm/h", "Empty": ""
        });
        let mut drafts = Vec::new();
        assert_eq!(tests(&value, &Concepts::new(&Lexicon::default()), &mut drafts), 5);
        let texts: Vec<&str> = drafts.iter().map(|draft| draft.text.as_str()).collect();
        assert!(texts.contains(&"Complete Blood Count: WBC: 12; Hemoglobin: 9 g/dL"), "{texts:?}");
        assert!(texts.contains(&"Chest CT: Clear."), "{texts:?}");
    }

    #[test]
    fn a_finding_goes_by_its_name_its_section_or_its_text() {
        let value = serde_json::json!({
            "Vital_Signs": {"Weight": "45 kg"},
            "Neurological_Examination": {"Sensation": {"Vibration": "Present"}},
            "Remainder": {"Findings": "The lungs are clear."},
            "Other": {"Within_Normal_Limits": true}
        });
        let mut drafts = Vec::new();
        examinations(&value, &Concepts::new(Lexicon::bundled()), &mut drafts);
        let filed: Vec<(&str, &str)> =
            drafts.iter().map(|draft| (draft.concept.as_str(), draft.text.as_str())).collect();
        for wanted in [
            ("weight measurement", "Weight: 45 kg"),
            ("neurological examination", "Sensation: Vibration: Present"),
            ("chest examination", "Remainder: The lungs are clear."),
        ] {
            assert!(filed.contains(&wanted), "{filed:?}");
        }
        let value = serde_json::json!({
            "Barium_Meal": {"Result": "A narrow outlet."}, "Mammography": {"Result": "A round shadow."},
            "Skin_Prick": {"Result": "A weal."}, "Clotting": {"Serum_Fibrinogen": "Low"},
            "Bone_Marrow": {"Findings": "Few cells."}
        });
        let mut drafts = Vec::new();
        tests(&value, &Concepts::new(Lexicon::bundled()), &mut drafts);
        let mut names: Vec<&str> = drafts.iter().map(|draft| draft.concept.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["barium study", "blood test", "bone marrow examination", "mammogram", "skin prick"]
        );
        // The whole is asked for first, or its parts would leave no room.
        assert_eq!(filed[0], ("physical examination", "Other: Within Normal Limits: yes"));
    }
}

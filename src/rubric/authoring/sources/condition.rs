//! Whether what a case has as its truth is a condition, so that somebody can be found to have it.
//!
//! Records and stations have a field for the diagnosis, and are believed; only what the lexicon knows as something else (a drug, a test) is
//! not one. The answer of a mediQ row is that of an exam question: it may be a drug, a share of people, a part of the body, a mechanism or an
//! action. It counts as a condition where the lexicon has it as one, or by its words: at most five, one of them a word or an ending of
//! conditions (`disease`, `rupture`, `-itis`, `-oma`), and none a word of care, findings or mechanisms (`therapy`, `test`, `inhibition`).
//! The words were chosen by looking through the answers of mediQ's development set. The test is strict: it leaves out conditions that no
//! such word names (`vitiligo`), and lets findings through that are named like conditions.

use crate::data::case::{Case, Origin};
use crate::data::lexicon::{ConceptKind, Lexicon};
use crate::rubric::text::words;

/// Most words of a condition.
const MOST_WORDS: usize = 5;
/// Words that name conditions.
const NAMES: &[&str] = &[
    "abruption",
    "accreta",
    "aneurysm",
    "angioedema",
    "anemia",
    "arrhythmia",
    "asthma",
    "atresia",
    "cancer",
    "cyst",
    "defect",
    "deficiency",
    "delirium",
    "dementia",
    "depression",
    "disease",
    "dislocation",
    "disorder",
    "dysthymia",
    "edema",
    "embolism",
    "emergency",
    "failure",
    "fibrillation",
    "fistula",
    "fracture",
    "hematoma",
    "hemorrhage",
    "hernia",
    "herniation",
    "hydronephrosis",
    "hypertension",
    "immunodeficiency",
    "infection",
    "infertility",
    "insufficiency",
    "intoxication",
    "jaundice",
    "leukemia",
    "malformation",
    "migraine",
    "obstruction",
    "occlusion",
    "overdose",
    "poisoning",
    "pseudoaneurysm",
    "psychosis",
    "regurgitation",
    "retinopathy",
    "rubella",
    "rupture",
    "schizophrenia",
    "shock",
    "sprain",
    "stenosis",
    "stroke",
    "syndrome",
    "tachycardia",
    "thrombosis",
    "torsion",
    "toxicity",
    "trait",
    "volvulus",
];
/// Endings of the names of conditions.
const ENDINGS: &[&str] = &[
    "itis", "osis", "emia", "oma", "pathy", "algia", "plegia", "trophy", "cele", "plasia", "ectasis", "sema",
];
/// Words of what is done, found or at work.
const OTHERS: &[&str] = &[
    "absence",
    "activation",
    "add",
    "administer",
    "admit",
    "analysis",
    "antibiotic",
    "antibiotics",
    "antibodies",
    "antibody",
    "apoptosis",
    "ask",
    "avoid",
    "biopsy",
    "by",
    "cells",
    "complication",
    "continue",
    "count",
    "culture",
    "decrease",
    "decreased",
    "deposition",
    "diagnosis",
    "diet",
    "discontinue",
    "due",
    "elevated",
    "enlarged",
    "examination",
    "for",
    "formation",
    "gene",
    "genotype",
    "give",
    "history",
    "if",
    "impaired",
    "impairment",
    "increase",
    "increased",
    "inhibition",
    "is",
    "level",
    "levels",
    "loss",
    "management",
    "measure",
    "mechanism",
    "microscopy",
    "mutation",
    "necrosis",
    "neoplastic",
    "obtain",
    "oral",
    "perform",
    "phagocytosis",
    "plan",
    "positive",
    "prescribe",
    "presence",
    "pressure",
    "production",
    "protein",
    "release",
    "repair",
    "scan",
    "schistosoma",
    "serologies",
    "serum",
    "start",
    "supplementation",
    "switch",
    "symptoms",
    "test",
    "testing",
    "therapy",
    "topical",
    "toxin",
    "treatment",
    "use",
    "vaccination",
    "virus",
    "with",
];

/// Whether the truth of `case` is a condition.
pub fn is_condition(case: &Case, lexicon: &Lexicon) -> bool {
    let name = case.truth.diagnosis.as_str();
    let answers_a_question =
        matches!(&case.origin, Origin::Imported { format, .. } if format.as_str() == "mediq");
    match lexicon_kind(lexicon, name) {
        Some(ConceptKind::Condition) => true,
        // A symptom may stand as a diagnosis where there is a field for one.
        Some(ConceptKind::Symptom) | None if !answers_a_question => true,
        Some(_) => false,
        None => reads_as_condition(name),
    }
}

/// What the lexicon has `name` as, by its name or by another way of saying it.
fn lexicon_kind(lexicon: &Lexicon, name: &str) -> Option<ConceptKind> {
    let is = |it: &str| it.eq_ignore_ascii_case(name);
    let named = |kind: ConceptKind| {
        lexicon.iter().any(|it| it.kind == kind && (is(&it.name) || it.phrases.iter().any(|it| is(it))))
    };
    use ConceptKind::{Circumstance, Condition, Examination, Measure, Substance, Symptom, Test};
    // What is a condition as well as something else is one.
    [Condition, Symptom, Substance, Test, Examination, Measure, Circumstance]
        .into_iter()
        .find(|kind| named(*kind))
}

fn reads_as_condition(name: &str) -> bool {
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.text.as_str()));
    let ends = || {
        let is = |word: &str| ENDINGS.iter().any(|end| word.len() > end.len() + 2 && word.ends_with(end));
        words.iter().any(|word| is(&word.text))
    };
    words.len() <= MOST_WORDS && !has(OTHERS) && (has(NAMES) || ends())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

    fn of(format: &str, diagnosis: &str) -> bool {
        let mut case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
        case.truth.diagnosis = diagnosis.to_owned();
        case.origin = Origin::Imported {
            format: format.to_owned(),
            file: "a.jsonl".into(),
            record: 1,
            overridden: Vec::new(),
        };
        is_condition(&case, Lexicon::bundled())
    }

    #[test]
    fn answers_of_exam_questions_are_told_from_conditions() {
        for not in [
            "20%",
            "2",
            "l4",
            "sigmoid colon",
            "levofloxacin",
            "low molecular weight heparin therapy",
            "amoxicillin",
            "electrocardiogram",
            "constipation",
            "inhibition of hmg-coa reductase",
            "administer isoniazid",
            "hepatitis a vaccination",
            "schistosoma mansoni",
            "switching amitriptyline to fluoxetine",
            "",
        ] {
            assert!(!of("mediq", not), "{not}");
        }
        for condition in [
            "pneumonia",
            "fat embolism",
            "kawasaki disease",
            "left ventricular free wall rupture",
            "squamous cell carcinoma",
            "chronic myeloid leukemia",
            "osteomyelitis",
        ] {
            assert!(of("mediq", condition), "{condition}");
        }
    }

    #[test]
    fn other_sources_are_believed_unless_the_lexicon_knows_better() {
        for format in ["osce", "fhir", "jsonl"] {
            assert!(
                of(format, "vitiligo") && of(format, "bed bug bite") && of(format, "pneumonia"),
                "{format}"
            );
            assert!(!of(format, "amoxicillin") && !of(format, "colonoscopy"), "{format}");
        }
        for case in Bank::bundled().synth(9, &SynthOptions::any(200)).unwrap() {
            assert!(is_condition(&case, Lexicon::bundled()), "{}", case.truth.diagnosis);
        }
    }
}

//! What only an examination or a test shows.

use crate::data::case::{Importance, Topic};
use crate::data::import::concept::{Concepts, plain_name};
use crate::data::import::draft::Draft;
use crate::data::lexicon::ConceptKind;

use super::first;
use super::regions::{BLOOD, REGIONS, SAMPLES};

/// A finding with what brings it out.
pub(in crate::data::import) struct Shown {
    pub topic: Topic,
    /// The examinations or tests that bring it out, as the lexicon names them; at least one.
    pub concepts: Vec<String>,
    pub text: String,
}

/// An answer has room for this many findings of one examination; more would never be told.
const MOST_OF_ONE: usize = 5;

/// A finding is filed under so many examinations at most.
const MOST_NAMED: usize = 3;

/// Beginnings of words that an examination's findings have.
pub(in crate::data::import) const EXAMINATIONS: &[&str] = &[
    "examination",
    "exam ",
    "exam,",
    "exam:",
    "exams",
    "auscult",
    "palpat",
    "percuss",
    "inspection",
    "temperature",
    "pulse",
    "blood pressure",
    "bp ",
    "respirations",
    "respiratory rate",
    "respiration",
    "heart rate",
    "hr ",
    "rr ",
    "vital",
    "oxygen saturation",
    "o2 sat",
    "spo2",
    "pulse oximetry",
    "bmi",
    "body mass index",
    "percentile",
    "appears",
    "murmur",
    "tender",
    "reflex",
    "muscle strength",
    "breath sounds",
    "lungs are",
    "lungs have",
    "crackles",
    "rales",
    "rhonchi",
    "abdomen is",
    "abdomen shows",
    "oriented",
    "glasgow",
    "pupil",
    "is alert",
    "is unconscious",
    "is unresponsive",
    "is comatose",
    "cranial nerve",
    "vibration sens",
    "mm hg",
    "mmhg",
    "/min",
    "weighs",
    "weight is",
    "height is",
    "dullness",
    "guarding",
    "rebound",
    "gait",
    "fundosc",
    "ophthalmosc",
    "otosc",
    "speculum",
    "apgar",
    "jugular",
    "conjunctiva",
    "mucous membrane",
    "sclera",
    "bowel sounds",
    "palpable",
    "range of motion",
    "skin is",
    "heart sounds",
    "s1 ",
    "s2 ",
    "organomegaly",
    "hepatomegaly",
    "splenomegaly",
    "hepatosplenomegaly",
    "cervix",
    "fundal height",
    "fetal heart",
    "mental status",
    "flat affect",
    "blunted affect",
    "affect is",
    "speech is",
    "on arrival",
    "pitting",
    "babinski",
    "romberg",
    "thyroid gland",
    "pale ",
    "complexion",
    "deep tendon",
];

/// Beginnings of words that a test's results have.
pub(in crate::data::import) const TESTS: &[&str] = &[
    "laborator",
    "lab ",
    "labs ",
    "serum",
    "plasma",
    "urinalys",
    "urine ",
    "culture",
    "ct ",
    "computed tomograph",
    "mri",
    "magnetic resonance",
    "x-ray",
    "radiograph",
    "ultraso",
    "sonogra",
    "ecg",
    "ekg",
    "electrocardiogra",
    "echocardiogra",
    "biops",
    "hemoglobin",
    "haemoglobin",
    "hematocrit",
    "leukocyte",
    "white blood cell",
    "wbc",
    "platelet",
    "creatinine",
    "bilirubin",
    "hba1c",
    "tsh",
    "thyroid-stimulating",
    "thyroid stimulating",
    "spirometry",
    "fev1",
    "pulmonary function",
    "diffusing capacity",
    "endoscop",
    "colonoscop",
    "sigmoidoscop",
    "bronchoscop",
    "gram stain",
    "smear",
    "antibod",
    "antigen",
    "assay",
    "marrow aspirat",
    "needle aspirat",
    "joint aspirat",
    "aspirate shows",
    "aspirate reveals",
    "aspirate from",
    "aspirate of",
    "arthrocentesis",
    "lumbar puncture",
    "csf",
    "cerebrospinal",
    "angiogra",
    "imaging",
    "arterial blood gas",
    "blood gas",
    "pao2",
    "paco2",
    "toxicology",
    "electroencephalogra",
    "eeg",
    "electromyogra",
    "nerve conduction",
    "doppler",
    "histolog",
    "patholog",
    "microscop",
    "karyotyp",
    "genetic test",
    "polymerase",
    "pcr",
    "pregnancy test",
    "test ",
    "tests ",
    "testing",
    "work-up",
    "workup",
    "titer",
    "mean corpuscular",
    "mcv",
    "reticulocyte",
    "prothrombin",
    "inr",
    "partial thromboplastin",
    "esr",
    "erythrocyte sedimentation",
    "c-reactive",
    "crp",
    "ferritin",
    "alkaline phosphatase",
    "aspartate",
    "alanine",
    "amylase",
    "troponin",
    "bacteria",
    "organism",
    "autopsy",
    "specimen",
    "mammogra",
    "audiometr",
    "manometr",
    "tonometr",
    "na+",
    "k+",
    "sodium is",
    "potassium is",
    "calcium is",
    "glucose is",
    "blood glucose",
    "fasting glucose",
    "blood urea",
    "bun",
    "hgb",
    "hb ",
    "hct",
    "analysis",
    "levels are",
    "level is",
    "levels of",
    "level of",
    "opening pressure",
    "scan ",
];

/// The examinations or tests that `text` names, else the one that its words belong to; none where it tells neither.
pub(in crate::data::import) fn names(topic: Topic, text: &str, concepts: &Concepts) -> Vec<String> {
    let lower = format!("{} ", text.to_lowercase());
    let kinds = [ConceptKind::Examination, ConceptKind::Test];
    // `On physical examination, the lungs ..` is better asked for by the lungs.
    let named = concepts.within(text, &kinds).into_iter().filter(|name| *name != "physical examination");
    let names: Vec<String> = named.take(MOST_NAMED).map(str::to_owned).collect();
    if !names.is_empty() {
        return names;
    }
    let table = if topic == Topic::Test { SAMPLES } else { REGIONS };
    let by_words = table.iter().find(|(_, cues)| first(&lower, cues).is_some());
    by_words.map(|(name, _)| (*name).to_owned()).into_iter().collect()
}

/// What brings out a finding that names nothing and belongs nowhere.
pub(in crate::data::import) fn whole(topic: Topic) -> &'static str {
    if topic == Topic::Test { "blood test" } else { "physical examination" }
}

/// What brings out a finding under `labels`, the innermost first, where neither they nor its text name anything of the
/// lexicon. A test of the blood is a blood test; any other goes by its own name, for no blood test shows it.
pub(in crate::data::import) fn unnamed(topic: Topic, labels: &[String], text: &str) -> String {
    const VAGUE: [&str; 9] =
        ["test", "tests", "result", "results", "findings", "comments", "other", "others", "finding"];
    let of_blood = |text: &str| first(&text.to_lowercase(), BLOOD).is_some();
    if topic != Topic::Test || of_blood(text) || labels.iter().any(|label| of_blood(label)) {
        return whole(topic).to_owned();
    }
    let names = labels.iter().map(|label| plain_name(label));
    names.into_iter().find(|name| !VAGUE.contains(&name.as_str())).unwrap_or_else(|| whole(topic).to_owned())
}

/// Measured on their own: nothing else is shown with them.
const ALONE: [&str; 6] =
    ["temperature", "blood pressure", "pulse", "respiratory rate", "oxygen saturation", "weight measurement"];

/// The finding that `text` tells; `before` is what a finding without a name of its own goes on with.
pub(in crate::data::import) fn shown(
    topic: Topic,
    text: &str,
    before: Option<&str>,
    concepts: &Concepts,
) -> Shown {
    let mut names = names(topic, text, concepts);
    if names.is_empty() {
        // An examination as a whole begins anew.
        let anew = topic == Topic::Examination && first(&text.to_lowercase(), &["physical exam"]).is_some();
        let before = before.filter(|before| !anew && !ALONE.contains(before));
        names.push(before.unwrap_or(whole(topic)).to_owned());
    }
    Shown { topic, concepts: names, text: text.to_owned() }
}

/// Adds a finding under each of its examinations. From the last that an answer has room for on, further ones of one
/// examination are told with it.
pub(in crate::data::import) fn push(shown: &Shown, drafts: &mut Vec<Draft>) {
    for concept in &shown.concepts {
        let one = |draft: &&mut Draft| {
            draft.concept == *concept && matches!(draft.topic, Topic::Examination | Topic::Test)
        };
        let mut same: Vec<&mut Draft> = drafts.iter_mut().filter(one).collect();
        if same.len() >= MOST_OF_ONE
            && let Some(last) = same.last_mut()
        {
            last.text = format!("{} {}", last.text, shown.text);
            continue;
        }
        let draft = Draft::new(shown.topic, concept.as_str(), shown.text.as_str());
        drafts.push(draft.importance(Importance::Useful));
    }
}

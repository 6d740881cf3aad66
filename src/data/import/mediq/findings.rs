//! What only an examination or a test shows.

use crate::data::case::{Importance, Topic};
use crate::data::import::concept::Concepts;
use crate::data::import::draft::Draft;
use crate::data::lexicon::ConceptKind;

use super::atom::first;

/// A finding with what brings it out.
pub(super) struct Shown {
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
pub(super) const EXAMINATIONS: &[&str] = &[
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
pub(super) const TESTS: &[&str] = &[
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
    "aspirat",
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

/// Where words on a part of the body belong, for findings that name no examination. The first that fits decides.
const REGIONS: &[(&str, &[&str])] = &[
    ("temperature", &["afebrile", "febrile", "temp "]),
    ("oxygen saturation", &["spo2", "o2 sat", "saturation"]),
    ("blood pressure", &["vital", "mm hg", "mmhg", "bp ", "hypotens"]),
    ("respiratory rate", &["respirations", "respiration", "rr "]),
    ("pulse", &["hr ", "tachycard", "bradycard", "pulses"]),
    ("weight measurement", &["bmi", "body mass", "percentile", "weighs", "weight", "height"]),
    ("neck vein examination", &["jugular"]),
    (
        "mental state examination",
        &["mental status", "affect", "mood", "thought", "hallucinat", "oriented", "speech"],
    ),
    (
        "chest examination",
        &["lung", "breath sounds", "crackle", "rhonchi", "rales", "wheez", "respiratory", "chest"],
    ),
    ("heart examination", &["heart", "cardiac", "cardiovascular", "murmur", "s1", "s2", "gallop"]),
    ("rectal examination", &["rectal", "prostate", "anal", "anus"]),
    (
        "abdominal examination",
        &["abdom", "bowel sounds", "liver", "spleen", "hepato", "spleno", "guarding", "quadrant", "epigastr"],
    ),
    ("testicular examination", &["testic", "testis", "testes", "scrot", "penis", "penile", "genital"]),
    (
        "pelvic examination",
        &["pelvic", "vagin", "cervix", "uter", "speculum", "adnexa", "fundal", "vulv", "fetal"],
    ),
    ("breast examination", &["breast", "nipple"]),
    (
        "eye examination",
        &[
            "pupil",
            "fundus",
            "fundosc",
            "ophthalmosc",
            "eye",
            "conjunctiva",
            "sclera",
            "retina",
            "papilledema",
            "visual",
            "optic",
        ],
    ),
    ("ear examination", &["tympanic", "otosc", "ear ", "ears ", "hearing"]),
    (
        "throat examination",
        &["throat", "oropharyn", "tonsil", "pharyn", "tongue", "oral", "mouth", "mucous", "palate", "uvula"],
    ),
    ("lymph node examination", &["lymph"]),
    ("thyroid examination", &["thyroid", "neck"]),
    (
        "neurological examination",
        &[
            "neuro",
            "reflex",
            "strength",
            "sensation",
            "sensory",
            "motor",
            "cranial",
            "babinski",
            "weakness",
            "tremor",
            "rigidity",
            "coordination",
            "romberg",
        ],
    ),
    ("gait examination", &["gait"]),
    (
        "skin examination",
        &[
            "skin", "rash", "lesion", "papul", "plaque", "macul", "petechi", "vesic", "erythem", "ulcer",
            "jaundice", "bruis",
        ],
    ),
    ("knee examination", &["knee"]),
    ("back examination", &["back", "spine", "spinal", "lumbar", "vertebra"]),
    ("foot examination", &["foot", "feet", "toe"]),
    (
        "leg examination",
        &["leg", "calf", "ankle", "lower extremit", "thigh", "edema", "pitting", "extremities"],
    ),
    ("joint examination", &["joint", "hand", "wrist", "elbow", "shoulder", "finger", "hip", "arm", "thumb"]),
    (
        "general appearance",
        &["appears", "alert", "distress", "pallor", "pale", "cachectic", "obese", "lethargic", "complexion"],
    ),
];

/// Where words on a test belong, for results that name none of the lexicon's.
const SAMPLES: &[(&str, &[&str])] = &[
    ("urine culture", &["urine culture"]),
    ("urine test", &["urin"]),
    ("chest x-ray", &["chest x-ray", "x-ray of the chest", "chest radiograph", "lung"]),
    ("lumbar puncture", &["lumbar puncture", "csf", "cerebrospinal"]),
    ("echocardiogram", &["echocardiogra"]),
    ("electrocardiogram", &["ecg", "ekg", "electrocardiogra"]),
    ("mri scan", &["mri", "magnetic resonance"]),
    ("ct scan", &["ct ", "computed tomograph"]),
    ("ultrasound", &["ultraso", "sonogra", "doppler"]),
    ("joint x-ray", &["x-ray", "radiograph"]),
    ("colonoscopy", &["colonoscop", "sigmoidoscop"]),
    ("gastroscopy", &["endoscop", "esophagogastro"]),
    ("joint aspiration", &["joint fluid", "synovial", "arthrocentesis"]),
    ("spirometry", &["spirometry", "fev1", "pulmonary function", "diffusing capacity"]),
    ("blood gas", &["blood gas", "pao2", "paco2", "pco2"]),
    ("stool test", &["stool"]),
    ("pregnancy test", &["hcg"]),
    ("hearing test", &["audiometr"]),
    ("wound swab", &["wound", "abscess"]),
    ("throat swab", &["throat culture", "throat"]),
    ("skin biopsy", &["biops", "histolog", "patholog", "microscop", "autopsy"]),
    ("coronary angiogram", &["angiogra", "catheteriz"]),
    (
        "full blood count",
        &[
            "leukocyte",
            "white blood cell",
            "wbc",
            "platelet",
            "hemoglobin",
            "hgb",
            "hb ",
            "hematocrit",
            "hct",
            "corpuscular",
            "mcv",
            "reticulocyte",
            "smear",
        ],
    ),
    (
        "kidney function test",
        &[
            "creatinine",
            "urea",
            "bun",
            "sodium",
            "potassium",
            "na+",
            "k+",
            "electrolyte",
            "chloride",
            "bicarbonate",
        ],
    ),
    (
        "liver function test",
        &[
            "bilirubin",
            "aspartate",
            "alanine",
            "alkaline phosphatase",
            "ast ",
            "alt ",
            "albumin",
            "liver function",
        ],
    ),
    ("thyroid function test", &["tsh", "thyroid", "t4", "t3"]),
    ("inflammation marker", &["esr", "sedimentation", "c-reactive", "crp"]),
    ("blood glucose", &["glucose"]),
];

/// The finding that `text` tells; `before` is what a finding without a name of its own goes on with.
pub(super) fn shown(topic: Topic, text: &str, before: Option<&str>, concepts: &Concepts) -> Shown {
    let lower = format!("{} ", text.to_lowercase());
    let kinds = [ConceptKind::Examination, ConceptKind::Test];
    // `On physical examination, the lungs ..` is better asked for by the lungs.
    let named = concepts.within(text, &kinds).into_iter().filter(|name| *name != "physical examination");
    let mut names: Vec<String> = named.take(MOST_NAMED).map(str::to_owned).collect();
    if names.is_empty() {
        let (table, whole) = match topic {
            Topic::Test => (SAMPLES, "blood test"),
            _ => (REGIONS, "physical examination"),
        };
        let by_words = table.iter().find(|(_, cues)| first(&lower, cues).is_some()).map(|(name, _)| *name);
        names.push(by_words.or(before).unwrap_or(whole).to_owned());
    }
    Shown { topic, concepts: names, text: text.to_owned() }
}

/// Adds a finding under each of its examinations. From the last that an answer has room for on, further ones of one
/// examination are told with it.
pub(super) fn push(shown: &Shown, drafts: &mut Vec<Draft>) {
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

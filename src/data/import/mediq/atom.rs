//! One atomic fact: whether it is about the person, the visit, the history, a finding, or what was done afterwards.

use crate::data::case::{Sex, Topic};
use crate::data::import::concept::Concepts;
use crate::data::import::draft::Draft;
use crate::data::import::filing::shown::{self, Shown};
use crate::data::import::filing::{first, told};
use crate::data::lexicon::ConceptKind;

/// What an atomic fact is.
pub(super) enum Atom {
    /// Age, sex or the visit itself, which the stratum and the opening hold.
    Person,
    /// It announces a picture or a table that the row does not have.
    Pointer,
    /// What was diagnosed or done in the end. A patient at the beginning cannot know it.
    Aftermath(String),
    /// What an examination or a test shows.
    Finding(Shown),
    /// What the patient knows, filed under every concept it names.
    Told(Vec<Draft>),
}

/// The text of `12. Patient smokes.` without its number.
pub(super) fn unnumbered(text: &str) -> &str {
    let text = text.trim();
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    match rest.strip_prefix(['.', ')']) {
        Some(after) if rest.len() < text.len() && after.starts_with(' ') => after.trim(),
        _ => text,
    }
}

/// Reads the facts of a row in their order: the complaint, and the finding that a fact goes on with, come from before.
pub(super) struct Reader {
    sex: Sex,
    complaint: Option<String>,
    finding: Option<(Topic, String)>,
}

impl Reader {
    /// A reader of the facts about a patient of this sex.
    pub fn new(sex: Sex) -> Self {
        Self { sex, complaint: None, finding: None }
    }

    /// What the next fact is.
    pub fn read(&mut self, text: &str, concepts: &Concepts) -> Atom {
        let lower = text.to_lowercase();
        if is_pointer(&lower) {
            return Atom::Pointer;
        }
        let Some(text) = about_patient(text) else { return Atom::Person };
        let lower = text.to_lowercase();
        if is_aftermath(&lower) {
            return Atom::Aftermath(text);
        }
        if let Some(topic) = told::topic_by_words(&lower, &text, concepts) {
            return Atom::Told(told::background(topic, &text, self.sex, concepts));
        }
        if let Some(topic) = self.finding_topic(&lower, concepts, &text) {
            let before = self.finding.as_ref().filter(|(before, _)| *before == topic);
            let shown = shown::shown(topic, &text, before.map(|(_, it)| it.as_str()), concepts);
            self.finding = shown.concepts.last().map(|concept| (topic, concept.clone()));
            return Atom::Finding(shown);
        }
        if let Some(topic) = told::topic_by_concept(&lower, &text, concepts) {
            return Atom::Told(told::background(topic, &text, self.sex, concepts));
        }
        let drafts = told::symptoms(&text, self.complaint.as_deref(), self.sex, concepts);
        if self.complaint.is_none() {
            self.complaint = told::complaint(&drafts);
        }
        if drafts.is_empty() { Atom::Person } else { Atom::Told(drafts) }
    }

    /// Whether it is a finding, and of which kind. The first sign decides: `reports that an x-ray was done` is told,
    /// `x-ray shows what the patient reports` is shown. A fact without a sign goes on with the finding before it.
    fn finding_topic(&self, lower: &str, concepts: &Concepts, text: &str) -> Option<Topic> {
        let (exam, test) = (first(lower, shown::EXAMINATIONS), first(lower, shown::TESTS));
        let voice = first(lower, VOICES).unwrap_or(usize::MAX);
        let (topic, at) = match (exam, test) {
            (Some(exam), Some(test)) if test < exam => (Topic::Test, test),
            (Some(exam), _) => (Topic::Examination, exam),
            (None, Some(test)) => (Topic::Test, test),
            (None, None) => {
                let has = ["patient has ", "he has ", "she has ", "patient had ", "he had ", "she had "];
                let tells = voice != usize::MAX
                    || has.iter().any(|has| lower.starts_with(has))
                        && !concepts.within(text, &[ConceptKind::Symptom]).is_empty()
                    || told::topic_by_concept(lower, text, concepts).is_some();
                return self.finding.as_ref().filter(|_| !tells).map(|(topic, _)| *topic);
            }
        };
        (at < voice).then_some(topic)
    }
}

/// Signs that somebody tells it.
const VOICES: &[&str] = &[
    "complain",
    "report",
    "denies",
    "denied",
    "states",
    "says",
    "describes",
    "history of",
    "has had",
    "has been",
    "had been",
    "feels",
    "felt",
    "noticed",
    "notes that",
    "experienc",
    "for the past",
    "for the last",
    "ago",
    "worsen",
    "comes to",
    "presents",
    "brought",
    "visits",
    "is seen",
    "started",
    "began",
    "last year",
    "last month",
    "last week",
    "yesterday",
    "since",
    "would like",
    "asks",
    "was found un",
    "was found by",
    "was found lying",
    "was found down",
    "was found on the",
    "collapsed",
    "preparing for",
];

fn is_pointer(lower: &str) -> bool {
    const SHOWN: [&str; 7] =
        ["shown below", "is shown", "are shown", "figure a", "figure 1", "in the image", "in figure"];
    lower.trim_end().ends_with(':') || SHOWN.iter().any(|cue| lower.contains(cue))
}

/// Whether it tells what was concluded or done at the end.
fn is_aftermath(lower: &str) -> bool {
    const EARLIER: &[&str] = &[
        "ago",
        "previous",
        "last",
        "past",
        "history",
        "current",
        "since",
        "prior",
        "earlier",
        "yesterday",
        "years",
        "months",
        "taking",
        "childhood",
    ];
    const DOERS: [&str; 8] = [
        "physician ",
        "the physician",
        "the doctor",
        "doctor ",
        "the pediatrician",
        "the surgeon",
        "the team",
        "the psychiatrist",
    ];
    const DONE: &[&str] = &[
        "is diagnosed",
        "are diagnosed",
        "confirms the diagnosis",
        "confirms diagnosis",
        "a diagnosis of",
        "is started",
        "is initiated",
        "is begun",
        "is prescribed",
        "are prescribed",
        "is administered",
        "are administered",
        "is given",
        "are given",
        "is performed",
        "are performed",
        "is obtained",
        "are obtained",
        "is ordered",
        "are ordered",
        "is scheduled",
        "is discharged",
        "is intubated",
        "is treated",
        "is referred",
        "undergoes",
        "is recommended",
        "is planned",
        "is advised",
        "is placed",
        "decides to",
        "treatment with",
        "therapy with",
        "therapy is",
        "treatment is",
        "is transferred",
        "is resuscitated",
        "is counseled",
        "is suspected",
        "responsible pathogen",
        "the patient dies",
        "appropriate treatment",
    ];
    const LOOKS: &[&str] = &["finds", "notes", "observes", "hears"];
    if DOERS.iter().any(|doer| lower.starts_with(doer)) && first(lower, LOOKS).is_none() {
        return true;
    }
    first(lower, DONE).is_some() && first(lower, EARLIER).is_none()
}

/// The words of a fact with the patient as its subject: `A 34-year-old woman presents with pain.` is `Patient presents with
/// pain.` `None` where only age, sex or the visit are left.
fn about_patient(text: &str) -> Option<String> {
    const PERSONS: [&str; 22] = [
        "man",
        "woman",
        "boy",
        "girl",
        "male",
        "female",
        "infant",
        "newborn",
        "child",
        "patient",
        "student",
        "toddler",
        "primigravida",
        "nulligravida",
        "multigravida",
        "gravida",
        "adolescent",
        "athlete",
        "neonate",
        "baby",
        "lady",
        "gentleman",
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let aged = words.iter().take(8).position(|word| {
        let lower = bare(word);
        lower.ends_with("-old") || lower == "old" || lower == "newborn"
    });
    // `His 6-year-old son` is somebody else.
    let other = |word: &&str| matches!(bare(word).as_str(), "his" | "her" | "their");
    let aged = aged.filter(|at| !words.iter().take(*at).any(other));
    let Some(aged) = aged else {
        return (!is_visit(&text.to_lowercase())).then(|| text.trim().to_owned());
    };
    let person = words.iter().skip(aged).take(7).position(|word| PERSONS.contains(&bare(word).as_str()));
    let rest = words.get(person.map_or(aged, |at| aged + at) + 1..).unwrap_or_default();
    let rest = match rest {
        ["who", rest @ ..] => rest.join(" "),
        ["with", rest @ ..] => format!("has {}", rest.join(" ")),
        rest => rest.join(" "),
    };
    if !rest.chars().any(char::is_alphanumeric) || is_visit(&rest.to_lowercase()) {
        return None;
    }
    Some(format!("Patient {}", rest.trim_start_matches([',', ' '])))
}

/// Whether it says that somebody came for an appointment, and no complaint.
pub(super) fn is_appointment(lower: &str) -> bool {
    const FOR: &[&str] = &[
        "for a routine",
        "for routine",
        "for a follow",
        "for follow",
        "for a check",
        "for an annual",
        "for her annual",
        "for his annual",
        "for a physical",
        "for a well",
        "for a health",
        "for evaluation",
        "for an evaluation",
        "for further evaluation",
        "for an appointment",
        "for an examination",
        "for a prenatal",
        "for counsel",
        "for advice",
    ];
    first(lower, COMES).is_some() && first(lower, FOR).is_some() && first(lower, COMPLAINTS).is_none()
}

/// Words after which a complaint stands.
const COMPLAINTS: &[&str] =
    &["because", "with ", "due", "complain", "after", "since", "worr", "concern", "evaluation of"];

const COMES: &[&str] = &[
    "comes to",
    "comes in",
    "presents to",
    "presented to",
    "presents for",
    "is brought",
    "brought to",
    "brought in",
    "is admitted",
    "visits",
    "is seen",
    "is evaluated",
    "is hospitalized",
    "is being evaluated",
    "makes an appointment",
    "arrives",
    "presents.",
];

/// Whether it says that somebody came or was brought, and not why.
fn is_visit(lower: &str) -> bool {
    const WHY: &[&str] = &[
        "because",
        "for",
        "with",
        "due",
        "complain",
        "after",
        "following",
        "since",
        "has",
        "had",
        "concern",
        "worr",
        "seeking",
        "unable",
        "report",
    ];
    first(lower, COMES).is_some() && first(lower, WHY).is_none()
}

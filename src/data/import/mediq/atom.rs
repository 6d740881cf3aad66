//! One atomic fact: whether it is about the person, the visit, the history, a finding, or what was done afterwards.

use super::person::{about_patient, is_ancestry, is_sex};
use crate::data::case::{Aspect, Sex, Topic};
use crate::data::import::concept::Concepts;
use crate::data::import::draft::Draft;
use crate::data::import::filing::shown::{self, Shown};
use crate::data::import::filing::{charted, first, told};
use crate::data::import::sentence::aspect;
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
        let Some(text) = about_patient(text).filter(|text| !is_sex(text)) else { return Atom::Person };
        let lower = text.to_lowercase();
        if is_ancestry(&text) {
            return Atom::Told(told::background(Topic::Social, &text, self.sex, concepts));
        }
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
        // An operation is a story, whatever it was matched by, unless it tells what was found.
        if first(lower, &["underwent", "had undergone"]).is_some() && first(lower, RESULTS).is_none() {
            return None;
        }
        let (topic, at) = match (exam, test) {
            (Some(exam), Some(test)) if test < exam => (Topic::Test, test),
            (Some(exam), _) => (Topic::Examination, exam),
            (None, Some(test)) => (Topic::Test, test),
            (None, None) => {
                let tells = voice != usize::MAX || told::topic_by_concept(lower, text, concepts).is_some();
                let before = self.finding.as_ref().map(|(topic, _)| *topic);
                return before.filter(|topic| !tells && goes_on(*topic, lower, text, concepts));
            }
        };
        (at < voice).then_some(topic)
    }
}

/// Whether a fact without a sign of its own goes on with a finding of `topic` before it, and does not take the story up
/// again. What the patient does or feels is no finding; what the patient has may be, if it is on a part of the body.
fn goes_on(topic: Topic, lower: &str, text: &str, concepts: &Concepts) -> bool {
    let symptom = !concepts.within(&charted(text), &[ConceptKind::Symptom]).is_empty();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’').collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let subject = words.iter().take(6).position(|word| matches!(*word, "he" | "she" | "they" | "patient"));
    if let Some(at) = subject {
        let has = words.get(at + 1).is_some_and(|verb| matches!(*verb, "has" | "had" | "have"));
        return has && !symptom && !shown::names(topic, text, concepts).is_empty();
    }
    // A scan shows no pain, and an examination not what it was like at home.
    let at_home = !matches!(aspect(text), Aspect::Presence | Aspect::Location | Aspect::Character);
    !(symptom && (topic == Topic::Test || at_home))
}

/// Words that tell what was found.
const RESULTS: &[&str] =
    &["show", "reveal", "demonstrat", "found", "finding", "normal", "negative", "positive", "consistent"];

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
    const DOERS: [&str; 12] = [
        "obstetrician ",
        "the obstetrician",
        "anesthesiologist ",
        "the anesthesiologist",
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
        "was administered",
        "were administered",
        "the anesthesiologist",
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

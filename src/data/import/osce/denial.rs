//! What the patient denies, apart from what is told beside it.

use crate::data::case::{Finding, Reveal, Sex, Topic};
use crate::data::import::concept::Concepts;
use crate::data::import::draft::Draft;
use crate::data::import::filing::told;
use crate::data::import::sentence::denied;
use crate::data::import::voice::i_have_no;
use crate::data::lexicon::ConceptKind;

/// What is filed under that names nothing of the lexicon's. No question asks for it: it is told with the story.
pub(super) const OTHER: &str = "other symptoms";

/// A sentence in parts that only tell or only deny: `Has a cough but denies fever.`
pub(super) fn parts(sentence: &str) -> Vec<String> {
    const TURNS: [(&str, &str); 5] = [
        (" but denies ", "Denies "),
        (" and denies ", "Denies "),
        (", denies ", "Denies "),
        (" but no ", "No "),
        (" but reports no ", "No "),
    ];
    const DENIERS: [&str; 4] = ["she ", "the patient also ", "she also ", "he also "];
    let lower = sentence.to_ascii_lowercase();
    let denier = DENIERS
        .iter()
        .find(|denier| lower.strip_prefix(**denier).is_some_and(|rest| rest.starts_with("denies ")));
    if let Some(rest) = denier.and_then(|denier| sentence.get(denier.len() + "denies ".len()..)) {
        return parts(&format!("Denies {rest}"));
    }
    let turn = TURNS.iter().filter_map(|turn| lower.find(turn.0).map(|at| (at, turn))).min_by_key(|it| it.0);
    let halves = turn.and_then(|(at, (cue, begins))| {
        let (before, after) = (sentence.get(..at)?, sentence.get(at + cue.len()..)?);
        Some((before.trim_end_matches(','), format!("{begins}{after}")))
    });
    match halves {
        Some((before, after)) => {
            let mut all = vec![format!("{before}.")];
            all.extend(parts(&after));
            all
        }
        None => vec![sentence.to_owned()],
    }
}

/// The items of a plain denial, each on its own where the lexicon knows it. Items side by side that it does not know stay
/// together, as they stand.
pub(super) fn negatives(sentence: &str, sex: Sex, concepts: &Concepts) -> Vec<Draft> {
    let (mut drafts, mut unknown): (Vec<Draft>, Option<(usize, usize)>) = (Vec::new(), None);
    let other = |(from, to): (usize, usize)| {
        let items = sentence.get(from..to).unwrap_or_default();
        deny(Draft::new(Topic::Symptom, OTHER, "").reveal(Reveal::Opening), items)
    };
    let mut at = 0;
    for item in denied(sentence) {
        let from = sentence.get(at..).and_then(|rest| rest.find(item)).map_or(at, |found| at + found);
        at = from + item.len();
        let named = negative(item, sex, concepts);
        if named.is_empty() {
            unknown = Some((unknown.map_or(from, |(first, _)| first), at));
        } else {
            drafts.extend(unknown.take().map(other));
            drafts.extend(named);
        }
    }
    drafts.extend(unknown.map(other));
    drafts
}

/// The denial of one thing, under the symptoms it names, else under its topic; none where it has neither.
fn negative(item: &str, sex: Sex, concepts: &Concepts) -> Vec<Draft> {
    let symptoms = concepts.within(item, &[ConceptKind::Symptom]);
    let drafts: Vec<Draft> = if symptoms.is_empty() {
        let lower = item.to_lowercase();
        let topic = told::topic_by_words(&lower, item, concepts)
            .or_else(|| told::topic_by_concept(&lower, item, concepts));
        topic.map(|topic| told::background(topic, item, sex, concepts)).unwrap_or_default()
    } else {
        symptoms.into_iter().map(|name| Draft::new(Topic::Symptom, name, "")).collect()
    };
    drafts.into_iter().map(|draft| deny(draft, item)).collect()
}

/// `draft` as the denial of `item`.
fn deny(mut draft: Draft, item: &str) -> Draft {
    draft.text = format!("no {item}");
    draft.finding(Finding::Absent).said(i_have_no(item))
}

//! Scores of a simulator (Baichuan-M2 report, section 2.1.3), where rules can decide them.
//!
//! Both look at the words of a reply, not at how it was made, so they judge a model-backed patient as well.

use crate::data::case::{Fact, Finding};
use crate::data::consultation::{Consultation, Turn};
use crate::data::lexicon::{ConceptKind, Lexicon};
use crate::data::utterance::Understanding;
use crate::sim::script::PatientScript;

/// The share of a reply's claims that the script holds. Claims are the script's own words, which it holds, and beyond
/// them each symptom, illness or drug named: held where a fact about it (or about something wider or narrower) is
/// present or absent as the reply has it, or where it is denied and the script is silent. Findings in brackets are
/// the record's and no claims. 1 for a reply without claims; `None` where the patient said nothing.
pub fn fact_score(
    script: &PatientScript,
    turn: &Turn,
    understanding: &Understanding,
    lexicon: &Lexicon,
) -> Option<f64> {
    let mut spoken = without_brackets(turn.patient.as_deref()?).to_ascii_lowercase();
    let mut quoted = 0usize;
    for own in script.facts.iter().filter_map(own_words) {
        while let Some(at) = spoken.find(&own) {
            // A full stop keeps what stood around the quotation apart.
            spoken.replace_range(at..at + own.len(), ".");
            quoted += 1;
        }
    }
    let clinical = [ConceptKind::Symptom, ConceptKind::Condition, ConceptKind::Substance];
    let mut held = quoted;
    let mut claims = quoted;
    for claim in understanding.mentions(&spoken).iter().filter(|claim| clinical.contains(&claim.kind)) {
        let mut facts = script
            .facts
            .iter()
            .filter(|fact| {
                lexicon.is_a(&fact.concept, &claim.concept) || lexicon.is_a(&claim.concept, &fact.concept)
            })
            .peekable();
        let silent = facts.peek().is_none();
        let agrees = facts.any(|fact| (fact.finding == Finding::Absent) == claim.negated);
        claims += 1;
        held += usize::from(agrees || (silent && claim.negated));
    }
    Some(if claims == 0 { 1.0 } else { held as f64 / claims as f64 })
}

/// A fact in the patient's words, in lower case and without its full stop; `None` for fewer than two words, which other
/// sentences may hold by chance.
fn own_words(fact: &Fact) -> Option<String> {
    let own = fact.said.as_deref()?.trim().trim_end_matches('.').to_ascii_lowercase();
    own.contains(' ').then_some(own)
}

/// 1 where a reply tells nothing private that was not asked for, 0 where it does; `None` where the patient said nothing.
pub fn privacy_score(script: &PatientScript, turn: &Turn) -> Option<f64> {
    let reply = turn.patient.as_deref()?.to_ascii_lowercase();
    let leak =
        script.facts.iter().filter(|fact| fact.private && !turn.asked.contains(&fact.id)).any(|fact| {
            turn.told.contains(&fact.id) || own_words(fact).is_some_and(|own| reply.contains(&own))
        });
    Some(if leak { 0.0 } else { 1.0 })
}

/// The means of both scores over the replies of a consultation: fact, then privacy. `None` without a reply.
pub fn scores(
    script: &PatientScript,
    consultation: &Consultation,
    understanding: &Understanding,
    lexicon: &Lexicon,
) -> Option<(f64, f64)> {
    let both: Vec<(f64, f64)> = consultation
        .turns
        .iter()
        .filter_map(|turn| {
            Some((fact_score(script, turn, understanding, lexicon)?, privacy_score(script, turn)?))
        })
        .collect();
    let count = both.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| both.iter().map(of).sum::<f64>() / count;
    (!both.is_empty()).then(|| (mean(|both| both.0), mean(|both| both.1)))
}

/// `text` without what stands in square brackets.
fn without_brackets(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|&c| {
            depth += usize::from(c == '[');
            let keep = depth == 0;
            depth = depth.saturating_sub(usize::from(c == ']'));
            keep
        })
        .collect()
}

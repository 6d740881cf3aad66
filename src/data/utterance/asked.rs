//! Which facts of a case a doctor's message asks for.
//!
//! One answer for all: the patient tells by it, and the judge marks by it.

use super::act::{Act, Intent};
use crate::data::case::{Aspect, Fact, FactId, Finding, Reveal, Topic};
use crate::data::consultation::Turn;
use crate::data::lexicon::Lexicon;

/// What one act asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which of the acts.
    pub act: usize,
    /// The concept it is about, after `it` has been resolved; `None` for a whole topic.
    pub concept: Option<String>,
    /// Which of the facts, in the order of the case. Empty where the case has none: the patient cannot know more.
    pub facts: Vec<usize>,
}

/// What `acts` ask for among `facts`, after `before` was said. Open questions, statements and denials ask for no fact in
/// particular and give no entry.
///
/// - A concept asks for facts about it and about narrower ones (`painkiller` for ibuprofen); for a wider one only where
///   that is denied (no allergy to antibiotics denies penicillin).
/// - `it` is what was last spoken of where that has the aspect asked for, else the chief complaint.
/// - A detail that the case does not part from the rest (`20 cigarettes a day`) is the fact itself; any other aspect of
///   something absent asks whether it is there.
/// - An aspect that the case has nothing on is answered by what says that it is there, where that was not
///   told yet: `What colour is the sputum?`, `I bring up thick yellow stuff.`
/// - Allergies and relatives' illnesses are asked for by name of the topic only; findings by examination and test.
pub fn asked(acts: &[Act], facts: &[Fact], before: &[Turn], lexicon: &Lexicon) -> Vec<Asked> {
    let mut all = Vec::new();
    for (number, act) in acts.iter().enumerate() {
        let entry = match act.intent {
            Intent::Question(topic) => question(act, topic, facts, before, lexicon),
            Intent::Examination | Intent::Test if !act.negated => {
                act.concept.as_ref().map(|concept| (Some(concept.clone()), finding(concept, facts, lexicon)))
            }
            _ => None,
        };
        if let Some((concept, facts)) = entry {
            all.push(Asked { act: number, concept, facts });
        }
    }
    all
}

/// The patient's main complaint: the first symptom that is there among those told unasked, else the first at all.
pub fn chief_complaint(facts: &[Fact]) -> Option<&str> {
    let there = |fact: &&Fact| fact.topic == Topic::Symptom && fact.finding == Finding::Present;
    let opening = facts.iter().filter(there).find(|fact| fact.reveal == Reveal::Opening);
    opening.or_else(|| facts.iter().find(there)).map(|fact| fact.concept.as_str())
}

type Entry = Option<(Option<String>, Vec<usize>)>;

fn question(act: &Act, topic: Topic, facts: &[Fact], before: &[Turn], lexicon: &Lexicon) -> Entry {
    let Some(concept) = &act.concept else {
        if topic == Topic::Symptom {
            let concept = it(act.aspect, facts, before)?;
            let wanted = about(&concept, act.aspect, topic, facts, lexicon);
            return Some((Some(concept), wanted));
        }
        let on_topic = |aspect: Aspect| -> Vec<usize> {
            asked_of(topic, facts).filter(|&i| facts[i].aspect == aspect).collect()
        };
        let mut wanted = on_topic(act.aspect);
        if wanted.is_empty() {
            wanted = asked_of(topic, facts).collect();
        }
        return Some((None, wanted));
    };
    let mut wanted = about(concept, act.aspect, topic, facts, lexicon);
    if wanted.is_empty() && topic == Topic::Medication && act.aspect == Aspect::Detail {
        // `What happened when you took penicillin?`
        wanted = about(concept, act.aspect, Topic::Allergy, facts, lexicon);
    }
    if wanted.is_empty() && act.aspect != Aspect::Presence && topic == Topic::Symptom {
        // `the pain` of a patient whose complaint goes by another name.
        let complaint = it(act.aspect, facts, before).filter(|_| concept == "pain");
        if let Some(complaint) = complaint {
            let wanted = about(&complaint, act.aspect, topic, facts, lexicon);
            return Some((Some(complaint), wanted));
        }
    }
    if wanted.is_empty() && act.aspect != Aspect::Presence {
        let told = |id: &FactId| before.iter().any(|turn| turn.told.contains(id));
        wanted = about(concept, Aspect::Presence, topic, facts, lexicon);
        wanted.retain(|&i| !told(&facts[i].id));
    }
    Some((Some(concept.clone()), wanted))
}

/// Facts of a whole topic that a question can ask for.
fn asked_of(topic: Topic, facts: &[Fact]) -> impl Iterator<Item = usize> {
    (0..facts.len()).filter(move |&i| facts[i].topic == topic && !is_finding(&facts[i]))
}

/// Whether only an examination or a test shows it.
fn is_finding(fact: &Fact) -> bool {
    matches!(fact.reveal, Reveal::OnExamination | Reveal::OnTest)
}

/// What `it` means where the message does not say.
fn it(aspect: Aspect, facts: &[Fact], before: &[Turn]) -> Option<String> {
    let has = |concept: &str| {
        facts
            .iter()
            .any(|fact| fact.concept == concept && fact.aspect == aspect && fact.topic == Topic::Symptom)
    };
    let last = before.last().and_then(|turn| turn.asked.last());
    let last = last.and_then(|id| facts.iter().find(|fact| fact.id == *id)).map(|fact| fact.concept.as_str());
    last.filter(|concept| has(concept)).or_else(|| chief_complaint(facts)).map(str::to_owned)
}

/// Facts that a question about `concept` and `aspect` asks for.
fn about(concept: &str, aspect: Aspect, topic: Topic, facts: &[Fact], lexicon: &Lexicon) -> Vec<usize> {
    let on_topic = |fact: &Fact| match topic {
        Topic::Allergy | Topic::Family => fact.topic == topic,
        _ => !matches!(fact.topic, Topic::Allergy | Topic::Family) && !is_finding(fact),
    };
    let concerns = |fact: &Fact| {
        on_topic(fact)
            && (lexicon.is_a(&fact.concept, concept)
                || (fact.finding == Finding::Absent && lexicon.is_a(concept, &fact.concept)))
    };
    let with = |aspect: Aspect| -> Vec<usize> {
        (0..facts.len()).filter(|&i| facts[i].aspect == aspect && concerns(&facts[i])).collect()
    };
    let mut wanted = with(aspect);
    if topic == Topic::Social && aspect == Aspect::Detail {
        // How much of a habit there is, its main fact tells as well as its details.
        wanted.extend(with(Aspect::Presence));
        wanted.sort_unstable();
    }
    // What was asked for by its own name goes before its kinds: `pain` where the case has a fact so called.
    if wanted.iter().any(|&i| facts[i].concept == concept) && aspect != Aspect::Presence {
        wanted.retain(|&i| facts[i].concept == concept);
    }
    if wanted.is_empty() && aspect != Aspect::Presence {
        let presence = with(Aspect::Presence);
        let there = presence.iter().any(|&i| facts[i].finding == Finding::Present);
        if aspect == Aspect::Detail || !there {
            wanted = presence;
        }
    }
    if wanted.is_empty() && aspect == Aspect::Presence && matches!(topic, Topic::Allergy | Topic::Family) {
        // Denied as a whole: `no allergies that I know of`.
        wanted = (0..facts.len())
            .filter(|&i| {
                facts[i].topic == topic && facts[i].finding == Finding::Absent && is_whole(&facts[i])
            })
            .collect();
    }
    wanted
}

/// Whether a fact speaks of its whole topic.
fn is_whole(fact: &Fact) -> bool {
    matches!(fact.concept.as_str(), "allergy" | "family illness" | "past illness" | "medication")
}

/// Facts that an examination or test of `concept` brings out.
fn finding(concept: &str, facts: &[Fact], lexicon: &Lexicon) -> Vec<usize> {
    let shown = |fact: &Fact| matches!(fact.topic, Topic::Examination | Topic::Test) || is_finding(fact);
    (0..facts.len()).filter(|&i| shown(&facts[i]) && lexicon.is_a(&facts[i].concept, concept)).collect()
}

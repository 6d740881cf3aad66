//! What the patient actor knows.

use serde_json::Value;

use crate::data::case::{Aspect, Finding, Importance, Reveal, Topic};
use crate::data::import::ImportAccount;
use crate::data::import::concept::Concepts;
use crate::data::import::draft::Draft;
use crate::data::import::sentence::{aspect, denied, finding, says_nothing, sentences};
use crate::data::import::voice::{first_person, i_have, i_have_no};
use crate::data::lexicon::ConceptKind;

/// Turns the actor's sections into facts; returns the complaint, as written.
pub(super) fn facts(
    actor: &Value,
    concepts: &Concepts,
    account: &mut ImportAccount,
    drafts: &mut Vec<Draft>,
) -> Option<String> {
    let map = actor.as_object()?;
    let symptoms = actor.get("Symptoms").unwrap_or(&Value::Null);
    let mut complaint = texts(symptoms.get("Primary_Symptom").unwrap_or(&Value::Null)).into_iter().next();
    if let Some(complaint) = &complaint {
        let draft = Draft::new(Topic::Symptom, symptom(complaint, concepts), complaint.clone());
        drafts.push(draft.said(i_have(complaint)).reveal(Reveal::Opening).importance(Importance::Essential));
    }
    // Details in the history are about the complaint unless they name something else.
    let main = complaint.as_deref().map(|text| symptom(text, concepts));
    for (key, value) in map {
        let field = format!("Patient_Actor.{key} (texts)");
        let texts = texts(value);
        let all = super::leaves(value);
        let mut mapped = 0;
        for text in &texts {
            let before = drafts.len();
            match key.as_str() {
                // Age and sex are in the stratum.
                "Demographics" => {
                    mapped += 1;
                    continue;
                }
                "Symptoms" => {
                    if complaint.as_deref() == Some(text.as_str()) {
                        mapped += 1;
                        continue;
                    }
                    if !negatives(text, concepts, drafts) {
                        let draft = Draft::new(Topic::Symptom, symptom(text, concepts), text.clone());
                        drafts.push(draft.said(i_have(text)).importance(Importance::Useful));
                    }
                }
                "History" => {
                    present_illness(text, main.as_deref(), concepts, drafts);
                    if complaint.is_none() {
                        complaint = sentences(text).first().map(|sentence| (*sentence).to_owned());
                    }
                }
                "Review_of_Systems" => review(text, concepts, drafts),
                _ => background(key, text, concepts, drafts),
            }
            mapped += u64::from(drafts.len() > before);
        }
        (0..mapped).for_each(|_| account.field_mapped(&field));
        (mapped..all).for_each(|_| account.field_skipped(&field, "empty, or says that nothing is known"));
    }
    complaint
}

/// All texts of a value in order; a keyed one carries its key: `Smoking: ten a day`.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.chars().any(char::is_alphanumeric) => vec![text.trim().to_owned()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(flag) => vec![if *flag { "yes".to_owned() } else { "no".to_owned() }],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| {
                let plain = matches!(key.as_str(), "Primary_Symptom" | "Secondary_Symptoms");
                let label = key.replace('_', " ");
                texts(value)
                    .into_iter()
                    .map(move |text| if plain { text } else { format!("{label}: {text}") })
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The sentences of a text that tell something.
fn told(text: &str) -> impl Iterator<Item = &str> {
    sentences(text).into_iter().filter(|sentence| !says_nothing(sentence))
}

/// The lexicon's name of a symptom, or its words.
fn symptom(text: &str, concepts: &Concepts) -> String {
    concepts.name(text, &[ConceptKind::Symptom, ConceptKind::Condition])
}

/// The history of the present illness, sentence by sentence.
fn present_illness(text: &str, main: Option<&str>, concepts: &Concepts, drafts: &mut Vec<Draft>) {
    for sentence in told(text) {
        if sentence.to_lowercase().contains("family history") {
            background("Family_History", sentence, concepts, drafts);
            continue;
        }
        if negatives(sentence, concepts, drafts) {
            continue;
        }
        let named = concepts.within(sentence, &[ConceptKind::Symptom]);
        let concept = named.first().copied().or(main).unwrap_or("present illness");
        let draft = Draft::new(Topic::Symptom, concept, sentence).said(first_person(sentence));
        let importance = Importance::Useful;
        drafts.push(draft.aspect(aspect(sentence)).finding(finding(sentence)).importance(importance));
    }
}

/// Symptoms denied, each on its own; what is said beside them as a sentence.
fn review(text: &str, concepts: &Concepts, drafts: &mut Vec<Draft>) {
    for sentence in told(text) {
        if negatives(sentence, concepts, drafts) {
            continue;
        }
        let concept =
            concepts.within(sentence, &[ConceptKind::Symptom]).first().copied().unwrap_or("other symptoms");
        let draft = Draft::new(Topic::Symptom, concept, sentence).said(first_person(sentence));
        drafts.push(draft.aspect(aspect(sentence)).finding(finding(sentence)));
    }
}

/// Pushes one negative a symptom where the sentence is a plain denial.
fn negatives(sentence: &str, concepts: &Concepts, drafts: &mut Vec<Draft>) -> bool {
    let items = denied(sentence);
    for item in &items {
        let draft = Draft::new(Topic::Symptom, symptom(item, concepts), format!("no {item}"));
        drafts.push(draft.finding(Finding::Absent).said(i_have_no(item)));
    }
    !items.is_empty()
}

/// Everything that is not the present illness.
fn background(key: &str, text: &str, concepts: &Concepts, drafts: &mut Vec<Draft>) {
    let lower = key.to_lowercase();
    let topic = match () {
        () if lower.contains("medication") || lower.contains("drug") => Topic::Medication,
        () if lower.contains("allerg") => Topic::Allergy,
        () if lower.contains("family") => Topic::Family,
        () if ["social", "occupation", "travel", "sexual", "lifestyle"].iter().any(|w| lower.contains(w)) => {
            Topic::Social
        }
        () if lower.contains("concern") => Topic::Concern,
        () => Topic::History,
    };
    for sentence in told(text) {
        let topic = if sentence.to_lowercase().contains("allerg") { Topic::Allergy } else { topic };
        let kinds: &[ConceptKind] = match topic {
            Topic::Medication | Topic::Allergy => &[ConceptKind::Substance],
            Topic::Social => &[ConceptKind::Circumstance, ConceptKind::Substance],
            _ => {
                &[ConceptKind::Condition, ConceptKind::Measure, ConceptKind::Substance, ConceptKind::Symptom]
            }
        };
        let whole = match topic {
            Topic::Medication => "medication",
            Topic::Allergy => "allergy",
            Topic::Family => "family history",
            Topic::Social => "social history",
            Topic::Concern => "concern",
            _ => "medical history",
        };
        let named = concepts.within(sentence, kinds);
        let listed = topic == Topic::Medication && named.is_empty() && sentence.split(' ').count() <= 4;
        let own = crate::data::import::concept::plain_name(sentence);
        let concept = named.first().copied().unwrap_or(if listed { &own } else { whole });
        let importance = match topic {
            Topic::Allergy => Importance::Essential,
            Topic::Social => Importance::Routine,
            _ => Importance::Useful,
        };
        let said = match topic {
            Topic::Medication if listed => format!("I take {}.", own),
            _ => first_person(sentence),
        };
        let draft = Draft::new(topic, concept, sentence).said(said);
        drafts.push(draft.finding(finding(sentence)).aspect(Aspect::Presence).importance(importance));
    }
}

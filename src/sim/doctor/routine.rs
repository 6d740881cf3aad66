//! What a doctor asks who works through the same form with everybody.
//!
//! The form holds the questions of a general history, in one order and one wording: they find out something about any
//! patient and little that only this one calls for. Whoever learns from such doctors has general questions to fall back on with
//! a complaint they have never met, and because the form never changes, it takes few consultations to learn.

use crate::data::case::{Aspect, Topic};

use super::agenda::Want;
use super::phrases::asking;

/// The messages of the form. What is asked for is that of many complaints.
pub(super) fn form() -> Vec<Vec<Want>> {
    let complaint = |aspects: &[Aspect]| aspects.iter().map(|aspect| Want::Complaint(*aspect)).collect();
    let topics = |topics: &[Topic]| topics.iter().map(|topic| Want::Topic(*topic)).collect();
    let named = |want: fn(String) -> Want, names: &[&str]| {
        names.iter().map(|name| want((*name).to_owned())).collect::<Vec<_>>()
    };
    vec![
        complaint(&[Aspect::Onset, Aspect::Severity]),
        complaint(&[Aspect::Character, Aspect::Location]),
        complaint(&[Aspect::Aggravating, Aspect::Relieving]),
        topics(&[Topic::History, Topic::Medication, Topic::Allergy]),
        named(Want::Symptom, &["pain", "fever", "vomiting"]),
        named(Want::Symptom, &["cough", "shortness of breath", "bleeding"]),
        [complaint(&[Aspect::Course]), topics(&[Topic::Concern])].concat(),
        named(Want::Test, &["blood test", "electrocardiogram"]),
    ]
}

/// One message of the form: always the same words.
pub(super) fn message(wants: &[Want]) -> String {
    asking(wants, |wordings| wordings.first().cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn few_questions_to_a_message_and_none_twice() {
        let form = form();
        assert!(form.iter().all(|wants| (1..=3).contains(&wants.len())));
        let all: Vec<&Want> = form.iter().flatten().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(form[0].iter().all(|want| matches!(want, Want::Complaint(_))));
    }

    #[test]
    fn every_message_in_words() {
        let said: Vec<String> = form().iter().map(|wants| message(wants)).collect();
        assert_eq!(said[0], "When did it start? How bad is it?");
        assert_eq!(said[4], "Do you have any pain, fever or vomiting?");
        assert!(said.iter().all(|message| !message.is_empty()));
    }
}

//! What a doctor asks who puts the same kind of questions to everybody.
//!
//! The questions of a general history, a few to a message and in an order by lot: they find out something about any
//! patient and little that only this one calls for. Whoever learns from such doctors has general questions to fall back on with
//! a complaint they have never met.

use rand_chacha::ChaCha8Rng;

use crate::data::case::{Aspect, Topic};
use crate::data::shuffle::shuffle;

use super::agenda::Want;
use super::quality::unit;

/// Messages of questions before the conclusion, at least and at most.
const MESSAGES: (usize, usize) = (5, 10);
/// Questions of one message, at most.
const AT_ONCE: usize = 3;

const COMPLAINT: &[Aspect] = &[
    Aspect::Onset,
    Aspect::Severity,
    Aspect::Character,
    Aspect::Location,
    Aspect::Aggravating,
    Aspect::Relieving,
    Aspect::Course,
    Aspect::Radiation,
];
const SYMPTOMS: &[&str] = &[
    "fever",
    "pain",
    "vomiting",
    "nausea",
    "cough",
    "shortness of breath",
    "headache",
    "dizziness",
    "swelling",
    "rash",
    "bleeding",
    "weight loss",
    "tiredness",
];
const BACKGROUND: &[Topic] =
    &[Topic::History, Topic::Medication, Topic::Allergy, Topic::Family, Topic::Concern];
const HABITS: &[&str] = &["smoking", "alcohol"];
const EXAMINATIONS: &[&str] = &["temperature", "pulse", "blood pressure"];
const TESTS: &[&str] = &["blood test", "electrocardiogram", "urine test"];

/// The messages of one consultation, each with what it asks for. The complaint comes first, then symptoms and background in
/// any order, then examinations and tests.
pub(super) fn messages(rng: &mut ChaCha8Rng) -> Vec<Vec<Want>> {
    let complaint = grouped(COMPLAINT.iter().map(|aspect| Want::Complaint(*aspect)), rng);
    let symptoms = grouped(SYMPTOMS.iter().map(|concept| Want::Symptom((*concept).to_owned())), rng);
    let habits = HABITS.iter().map(|concept| Want::Circumstance((*concept).to_owned()));
    let background = grouped(BACKGROUND.iter().map(|topic| Want::Topic(*topic)).chain(habits), rng);
    let examinations = EXAMINATIONS.iter().map(|concept| Want::Examine((*concept).to_owned()));
    let tests = TESTS.iter().map(|concept| Want::Test((*concept).to_owned()));
    let mut middle = [symptoms, background].concat();
    shuffle(&mut middle, |n| below(n, rng));
    let mut messages = [complaint, middle, grouped(examinations, rng), grouped(tests, rng)].concat();
    // Some are left out, by lot, and the first message is about the complaint whatever happens.
    let count = MESSAGES.0 + below(MESSAGES.1 - MESSAGES.0 + 1, rng);
    while messages.len() > count {
        messages.remove(1 + below(messages.len() - 1, rng));
    }
    messages
}

/// `wants` in an order by lot, in groups of one to three.
fn grouped(wants: impl Iterator<Item = Want>, rng: &mut ChaCha8Rng) -> Vec<Vec<Want>> {
    let mut left: Vec<Want> = wants.collect();
    shuffle(&mut left, |n| below(n, rng));
    let mut groups = Vec::new();
    while !left.is_empty() {
        let size = 1 + below(AT_ONCE, rng);
        groups.push(left.split_off(left.len().saturating_sub(size)));
    }
    groups
}

/// A number from 0 to `n - 1` by lot.
fn below(n: usize, rng: &mut ChaCha8Rng) -> usize {
    (unit(rng) * n as f64) as usize
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_history_of_few_messages_without_a_question_twice() {
        for seed in 0..200 {
            let messages = messages(&mut ChaCha8Rng::seed_from_u64(seed));
            assert!((MESSAGES.0..=MESSAGES.1).contains(&messages.len()));
            assert!(messages.iter().all(|wants| (1..=AT_ONCE).contains(&wants.len())));
            assert!(messages[0].iter().all(|want| matches!(want, Want::Complaint(_))));
            let mut all: Vec<&Want> = messages.iter().flatten().collect();
            let asked = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), asked, "seed {seed}");
        }
    }
}

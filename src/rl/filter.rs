//! Which consultations are fit to learn from: noise that the report's third stage removes (Baichuan-M2, 3.3.3) is
//! repeated generations, overlong dialogues, and a speaker who takes the other's part.
//!
//! This decides which dialogue is carried on and which history becomes a prompt. It is no penalty: a bad reply to a
//! good history keeps its place in its group, where its low marks teach.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::data::consultation::Consultation;
use crate::rl::trace::{Origin, Trace};

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The doctor, which is the policy.
    Doctor,
    /// The patient.
    Patient,
}

/// What is wrong with a dialogue or a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "noise", rename_all = "snake_case")]
pub enum Noise {
    /// A message with no words in it.
    Empty {
        /// Which exchange, from 0.
        turn: usize,
        /// Whose message.
        speaker: Speaker,
    },
    /// A message that goes over its own words again and again.
    Repetitive {
        /// Which exchange, from 0.
        turn: usize,
        /// Whose message.
        speaker: Speaker,
        /// Its [`repetition`].
        ratio: f64,
    },
    /// A message of the doctor that was said before.
    SaidBefore {
        /// Which exchange, from 0.
        turn: usize,
        /// Share of its n-grams that occur in the doctor's earlier messages; the whole of a message shorter than that
        /// is one.
        share: f64,
    },
    /// A line that begins with a speaker's label or a mark of the chat template.
    RoleInversion {
        /// Which exchange, from 0.
        turn: usize,
        /// Whose message.
        speaker: Speaker,
        /// What the line begins with.
        mark: String,
    },
    /// More exchanges than wanted.
    TooManyTurns {
        /// How many.
        turns: usize,
    },
    /// A prompt of more tokens than wanted.
    TooManyTokens {
        /// How many.
        tokens: usize,
    },
    /// A sampled reply that repeats itself, in tokens.
    RepetitiveReply {
        /// Its [`repetition`].
        ratio: f64,
    },
    /// A sampled reply that was cut off before its end.
    Truncated {
        /// How many tokens were sampled.
        tokens: usize,
    },
}

/// A filter's setting out of range; all that is wrong, not only the first.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("noise filter: {}", .problems.join("; "))]
pub struct FilterError {
    /// Each names the field, what was found and what is legal.
    pub problems: Vec<String>,
}

/// What counts as noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseFilter {
    /// How many words or tokens make one piece when repetition is measured.
    pub ngram: usize,
    /// The most [`repetition`] of one message or reply.
    pub max_repetition: f64,
    /// The largest share of a doctor's message that may have been said before. Well below 1 it would also refuse
    /// questions that only begin alike ("Do you have any ...").
    pub max_said_before: f64,
    /// The most exchanges of a dialogue.
    pub max_turns: usize,
    /// The most tokens of a prompt.
    pub max_tokens: usize,
    /// Beginnings of lines, in lower case, that belong to a transcript or template and not to speech.
    pub role_marks: Vec<String>,
}

impl Default for NoiseFilter {
    fn default() -> Self {
        let marks = ["patient:", "doctor:", "user:", "assistant:", "system:", "<|im_start|>", "<|im_end|>"];
        Self {
            ngram: 4,
            max_repetition: 0.3,
            max_said_before: 0.8,
            max_turns: 20,
            max_tokens: 4096,
            role_marks: marks.map(String::from).to_vec(),
        }
    }
}

impl NoiseFilter {
    /// Refuses values outside their ranges, all at once.
    pub fn validate(&self) -> Result<(), FilterError> {
        let mut problems = Vec::new();
        for (field, found) in
            [("ngram", self.ngram), ("max_turns", self.max_turns), ("max_tokens", self.max_tokens)]
        {
            if found == 0 {
                problems.push(format!("{field} is 0, legal is at least 1"));
            }
        }
        for (field, found) in
            [("max_repetition", self.max_repetition), ("max_said_before", self.max_said_before)]
        {
            if !(0.0..=1.0).contains(&found) {
                problems.push(format!("{field} is {found}, legal is 0 to 1"));
            }
        }
        for (index, mark) in self.role_marks.iter().enumerate() {
            if mark.trim().is_empty() || *mark != mark.trim().to_lowercase() {
                problems.push(format!(
                    "role_marks[{index}] is {mark:?}, legal is text in lower case without spaces around it"
                ));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(FilterError { problems }) }
    }

    /// What is wrong with a dialogue so far; nothing where it may be carried on and learned from. `tokens` is the
    /// length of the prompt it makes.
    pub fn dialogue(&self, dialogue: &Consultation, tokens: usize) -> Vec<Noise> {
        let mut found = Vec::new();
        if dialogue.turns.len() > self.max_turns {
            found.push(Noise::TooManyTurns { turns: dialogue.turns.len() });
        }
        if tokens > self.max_tokens {
            found.push(Noise::TooManyTokens { tokens });
        }
        let mut said: BTreeSet<Vec<String>> = BTreeSet::new();
        for (turn, exchange) in dialogue.turns.iter().enumerate() {
            let doctor = words(&exchange.doctor);
            self.message(&exchange.doctor, &doctor, turn, Speaker::Doctor, &mut found);
            let pieces: Vec<Vec<String>> = pieces(&doctor, self.ngram).map(<[String]>::to_vec).collect();
            let before = pieces.iter().filter(|piece| said.contains(*piece)).count();
            // One word is an acknowledgement ("Okay."), and those are said again in every good consultation.
            if doctor.len() > 1 {
                let share = before as f64 / pieces.len() as f64;
                if share > self.max_said_before {
                    found.push(Noise::SaidBefore { turn, share });
                }
            }
            said.extend(pieces);
            if let Some(patient) = &exchange.patient {
                self.message(patient, &words(patient), turn, Speaker::Patient, &mut found);
            }
        }
        found
    }

    /// What is wrong with one message by itself.
    fn message(&self, text: &str, words: &[String], turn: usize, speaker: Speaker, found: &mut Vec<Noise>) {
        if words.is_empty() {
            found.push(Noise::Empty { turn, speaker });
        }
        let ratio = repetition(words, self.ngram);
        if ratio > self.max_repetition {
            found.push(Noise::Repetitive { turn, speaker, ratio });
        }
        let begins = |line: &str| {
            let line = line.trim_start().to_lowercase();
            self.role_marks.iter().find(|mark| line.starts_with(mark.as_str()))
        };
        if let Some(mark) = text.lines().find_map(begins) {
            found.push(Noise::RoleInversion { turn, speaker, mark: mark.clone() });
        }
    }

    /// What is wrong with a sampled reply, by its tokens alone.
    pub fn reply(&self, reply: &Trace) -> Vec<Noise> {
        let mut found = Vec::new();
        // Each run by itself: what stands on both sides of someone else's words does not adjoin.
        let ratios =
            reply.segments().filter(|s| s.origin == Origin::Policy).map(|s| repetition(s.ids, self.ngram));
        let ratio = ratios.fold(0.0, f64::max);
        if ratio > self.max_repetition {
            found.push(Noise::RepetitiveReply { ratio });
        }
        if reply.is_truncated() {
            found.push(Noise::Truncated { tokens: reply.trainable_len() });
        }
        found
    }
}

/// The share of a sequence's n-grams that have stood in it before: 0 where all differ, towards 1 where a few go
/// round. Sequences of fewer than `n + 1` items have one n-gram or none, so 0. An `n` of 0 counts as 1.
pub fn repetition<T: Ord>(items: &[T], n: usize) -> f64 {
    let total = items.windows(n.max(1)).len();
    if total == 0 {
        return 0.0;
    }
    let distinct = items.windows(n.max(1)).collect::<BTreeSet<_>>().len();
    (total - distinct) as f64 / total as f64
}

/// Words in lower case, without punctuation: "What's this?" has "what's" and "this".
/// Writing without spaces counts as one word; there only the filter on tokens sees repetition.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The n-grams of a message; a shorter message is one piece, so that short questions asked again are found too.
fn pieces(words: &[String], n: usize) -> impl Iterator<Item = &[String]> {
    let n = n.clamp(1, words.len().max(1));
    words.windows(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::consultation::Turn;
    use crate::engine::request::StopReason;
    use crate::rl::trace::TraceBuilder;
    use proptest::prelude::*;

    fn dialogue(turns: &[(&str, &str)]) -> Consultation {
        let turn = |(doctor, patient): &(&str, &str)| Turn {
            doctor: (*doctor).into(),
            patient: Some((*patient).into()),
            told: vec![],
            asked: vec![],
            understood: true,
        };
        Consultation {
            case_id: "c".into(),
            opening: "My knee hurts.".into(),
            turns: turns.iter().map(turn).collect(),
            ending: None,
        }
    }

    fn noise(turns: &[(&str, &str)]) -> Vec<Noise> {
        NoiseFilter::default().dialogue(&dialogue(turns), 100)
    }

    fn reply(ids: &[u32], stop: StopReason) -> Trace {
        let mut builder = TraceBuilder::new(&[1][..], 0).unwrap();
        builder.sampled(ids, &vec![-1.0; ids.len()]).unwrap();
        builder.finish(stop).unwrap()
    }

    const GOOD: [(&str, &str); 4] = [
        (
            "I'm sorry to hear that. When did it start, and what were you doing?",
            "Two days ago, on the stairs.",
        ),
        ("Do you have any swelling?", "Yes, a bit."),
        ("Do you have any fever?", "No."),
        ("Do you have any allergies to medicines, and do you take anything every day?", "No, nothing."),
    ];

    #[test]
    fn an_ordinary_consultation_passes() {
        assert_eq!(noise(&GOOD), []);
        assert_eq!(noise(&[]), []);
    }

    #[test]
    fn each_noise_is_found_where_it_is() {
        let again = [GOOD[0], ("Does it hurt at night?", "Yes."), ("does it hurt, at night?", "I said so.")];
        assert_eq!(noise(&again), [Noise::SaidBefore { turn: 2, share: 1.0 }]);
        let short = [("Anything else?", "No."), ("Since when?", "Monday."), ("Anything else", "No!")];
        assert_eq!(noise(&short), [Noise::SaidBefore { turn: 2, share: 1.0 }]);
        assert_eq!(noise(&[("Okay.", "Yes."), ("Okay.", "Yes.")]), []);

        let round = "rest and ice the knee then rest and ice the knee then rest and ice the knee";
        let found = noise(&[GOOD[0], (round, "Fine.")]);
        assert!(
            matches!(found[..], [Noise::Repetitive { turn: 1, speaker: Speaker::Doctor, ratio }] if ratio > 0.5)
        );
        let found = noise(&[("How are you?", round)]);
        assert!(matches!(found[..], [Noise::Repetitive { turn: 0, speaker: Speaker::Patient, .. }]));

        let turned =
            [("Where does it hurt?\n  Patient: here", "What?"), ("And now?", "<|im_start|>assistant")];
        let inversion =
            |turn, speaker, mark: &str| Noise::RoleInversion { turn, speaker, mark: mark.to_string() };
        assert_eq!(
            noise(&turned),
            [inversion(0, Speaker::Doctor, "patient:"), inversion(1, Speaker::Patient, "<|im_start|>")]
        );
        assert_eq!(noise(&[("Are you a patient: yes?", "Yes.")]), []);

        assert_eq!(noise(&[(" ...", "What?")]), [Noise::Empty { turn: 0, speaker: Speaker::Doctor }]);
        let small = NoiseFilter { max_turns: 3, max_tokens: 99, ..Default::default() };
        assert_eq!(
            small.dialogue(&dialogue(&GOOD), 100),
            [Noise::TooManyTurns { turns: 4 }, Noise::TooManyTokens { tokens: 100 }]
        );
    }

    #[test]
    fn replies_are_judged_by_their_tokens() {
        let filter = NoiseFilter::default();
        assert_eq!(filter.reply(&reply(&[5, 6, 7, 8, 9, 5, 6, 7], StopReason::Eos)), []);
        assert_eq!(
            filter.reply(&reply(&[5, 6, 5, 6, 5, 6, 5, 6, 5, 6], StopReason::Length)),
            [Noise::RepetitiveReply { ratio: 5.0 / 7.0 }, Noise::Truncated { tokens: 10 }]
        );
        // The same words on both sides of the patient's are not a loop.
        let mut builder = TraceBuilder::new(&[1][..], 0).unwrap();
        builder.sampled(&[5, 6, 7, 8], &[-1.0; 4]).unwrap().context(&[2]);
        builder.sampled(&[5, 6, 7, 8], &[-1.0; 4]).unwrap();
        assert_eq!(filter.reply(&builder.finish(StopReason::Eos).unwrap()), []);
    }

    #[test]
    fn repetition_by_hand() {
        assert_eq!(repetition(&[1, 2, 3, 1, 2, 3], 2), 0.4); // 12 23 31 12 23
        assert_eq!(repetition(&[1, 1, 1, 1, 1], 4), 0.5);
        assert_eq!(repetition(&[1, 1, 1], 4), 0.0);
        assert_eq!(repetition::<u32>(&[], 4), 0.0);
        assert_eq!(repetition(&[1, 1], 0), 0.5);
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        NoiseFilter::default().validate().unwrap();
        let bad = NoiseFilter {
            ngram: 0,
            max_repetition: 1.5,
            max_said_before: f64::NAN,
            max_turns: 0,
            max_tokens: 0,
            role_marks: vec!["Patient:".into(), " ".into()],
        };
        let error = bad.validate().unwrap_err();
        assert_eq!(error.problems.len(), 7, "{error}");
        assert!(error.to_string().contains("role_marks[0] is \"Patient:\""));
    }

    proptest! {
        #[test]
        fn repetition_is_a_share_and_sees_a_loop(items in prop::collection::vec(0u8..5, 0..60), n in 1usize..6) {
            let ratio = repetition(&items, n);
            prop_assert!((0.0..1.0).contains(&ratio));
            // Said twice over, at least a good half less the seam is repeated.
            let twice = [items.clone(), items.clone()].concat();
            if items.len() >= n {
                let repeated = (items.len() + 1 - n) as f64;
                prop_assert!(repetition(&twice, n) >= repeated / twice.windows(n).len() as f64);
            }
            let distinct: Vec<usize> = (0..items.len()).collect();
            prop_assert_eq!(repetition(&distinct, n), 0.0);
        }

        #[test]
        fn any_text_is_judged_and_a_repeat_is_found(text in "\\PC{0,60}") {
            let found = noise(&[(&text, "Yes."), (&text, "Yes.")]);
            let count = words(&text).len();
            let repeat = found.iter().any(|n| matches!(n, Noise::SaidBefore { turn: 1, share } if *share == 1.0));
            prop_assert_eq!(repeat, count > 1);
            prop_assert_eq!(found.iter().any(|n| matches!(n, Noise::Empty { .. })), count == 0);
        }
    }
}

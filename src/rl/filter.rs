//! Which consultations are fit to learn from: noise that the report's third stage removes (Baichuan-M2, 3.3.3) is
//! repeated generations, overlong dialogues, and a speaker who takes the other's part.
//!
//! This decides which dialogue is carried on and which history becomes a prompt. It is no penalty: a bad reply to a
//! good history keeps its place in its group, where its low marks teach.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::data::consultation::Consultation;
use crate::rl::detect;
use crate::rl::trace::{Origin, Trace};
use crate::rubric::checks::MOST_WORDS;
use crate::train::config::Detector;

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
    /// Which detectors look at sampled replies.
    pub detectors: Vec<Detector>,
    /// The most words of a reply for [`Detector::OverLong`].
    pub max_words: usize,
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
            detectors: Vec::new(),
            max_words: MOST_WORDS,
        }
    }
}

impl NoiseFilter {
    /// Refuses values outside their ranges, all at once.
    pub fn validate(&self) -> Result<(), FilterError> {
        let mut problems = Vec::new();
        for (field, found) in [
            ("ngram", self.ngram),
            ("max_turns", self.max_turns),
            ("max_tokens", self.max_tokens),
            ("max_words", self.max_words),
        ] {
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

    /// Which of [`Self::detectors`] fire on `reply`, the doctor's next message after `so_far`; in the order of
    /// [`Detector::all`].
    pub fn detected(&self, reply: &str, so_far: &Consultation) -> Vec<Detector> {
        let fires = |detector: &Detector| {
            let passage = match detector {
                Detector::Repetition => detect::repetition::find(reply, self.ngram),
                Detector::OverLong => detect::over_long::find(reply, self.max_words),
                Detector::RoleInversion => detect::role_inversion::find(reply),
                Detector::TemplateLeakage => detect::template_leakage::find(reply),
                Detector::LanguageSwitch => detect::language_switch::find(reply, &so_far.patients_words()),
                Detector::AddressesJudge => detect::addresses_judge::find(reply),
            };
            passage.is_some()
        };
        Detector::all().filter(|detector| self.detectors.contains(detector)).filter(fires).collect()
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
mod tests;

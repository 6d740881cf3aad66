//! Doctors that any trained doctor has to beat.

use serde::{Deserialize, Serialize};

use crate::data::consultation::Consultation;

use super::Doctor;

/// A doctor that needs neither model nor case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// Says nothing.
    EmptyReply,
    /// Asks the same good questions of everybody, in a sensible order, and closes with advice that is never wrong.
    FixedList,
    /// Asks and advises everything in every message.
    EverythingAtOnce,
    /// Says what the patient said.
    CopyOfPatient,
    /// Talks and talks.
    VeryLong,
}

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::EmptyReply, Self::FixedList, Self::EverythingAtOnce, Self::CopyOfPatient, Self::VeryLong];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::EmptyReply => "empty_reply",
            Self::FixedList => "fixed_list",
            Self::EverythingAtOnce => "everything_at_once",
            Self::CopyOfPatient => "copy_of_patient",
            Self::VeryLong => "very_long",
        }
    }

    /// A doctor who acts so and speaks at most `turn_limit` times.
    pub fn doctor(self, turn_limit: usize) -> BaselineDoctor {
        BaselineDoctor { baseline: self, turn_limit }
    }
}

/// A doctor that needs neither model nor case.
#[derive(Debug, Clone, Copy)]
pub struct BaselineDoctor {
    baseline: Baseline,
    turn_limit: usize,
}

/// The questions of the fixed list. Found by greedy search over some thirty questions and groups of questions, on the
/// whole-consultation reward of 100 patients of the bundled bank: each next one is the one that gains most. The order is
/// the search's, but for the complaint coming first.
const QUESTIONS: &[&str] = &[
    "I am sorry to hear that. When did it start, and how bad is it?",
    "Do you have any other illnesses? Do you take any medicines? Do you have any allergies?",
    "Do you have any pain, fever or vomiting?",
    "What is it like, and where is it?",
    "What makes it worse, and what makes it better?",
    "How has it changed since then? Does it spread anywhere?",
    "Do you have any swelling, rash or bleeding?",
    "What worries you most?",
    "I would like to arrange a blood test and an electrocardiogram.",
];

/// The last message of the fixed list.
const CLOSING: &str = "Please rest and drink fluids. Please come back if it gets worse.";

const EVERYTHING: &str = "When did it start, where is it, how bad is it, what is it like, what makes it worse, what \
     makes it better, do you have any fever, cough, nausea, vomiting, chest pain, shortness of breath, headache, rash \
     or weight loss, do you have any other illnesses, do you take any medicines, do you have any allergies, do you \
     smoke, and are there any illnesses in your family? I am sorry to hear that. You may have an infection. Please \
     take paracetamol, rest and drink fluids, go to the emergency department now, and come back if it gets worse.";

const LECTURE: &[&str] = &[
    "Health is a matter of many things that come together over the years.",
    "The body is made to look after itself, and it does so in ways that we often do not see.",
    "There are many reasons why people come to see a doctor, and every one of them deserves time.",
    "In general it is good to sleep enough, to eat well and to move a little every day.",
    "Some people find that a short walk in the evening helps them to rest.",
    "Others like to read a book or to listen to music before they go to bed.",
    "It is also a good idea to spend time with friends and with the family.",
    "When something changes, it is worth while to watch it for a few days.",
    "Most things get better with time, and some need a little help.",
    "Medicine has made great progress over the last hundred years.",
    "Doctors and nurses work together so that everybody gets what they need.",
    "What is right for one person may not be right for another.",
    "That is why it is important to talk about all of this at length.",
];

impl Doctor for BaselineDoctor {
    fn speak(&mut self, so_far: &Consultation) -> String {
        let turn = so_far.turns.len();
        match self.baseline {
            Baseline::EmptyReply => String::new(),
            Baseline::FixedList => {
                let last = turn + 1 >= self.turn_limit;
                QUESTIONS.get(turn).filter(|_| !last).copied().unwrap_or(CLOSING).to_owned()
            }
            Baseline::EverythingAtOnce => EVERYTHING.to_owned(),
            Baseline::CopyOfPatient => {
                let heard = so_far.turns.iter().rev().find_map(|turn| turn.patient.as_deref());
                heard.unwrap_or(&so_far.opening).to_owned()
            }
            Baseline::VeryLong => {
                let question = QUESTIONS.get(turn).copied().unwrap_or(CLOSING);
                format!("{} {question}", LECTURE.join(" "))
            }
        }
    }
}

//! A marking scheme's items and what a judge says of them.

use serde::{Deserialize, Serialize};

use crate::data::case::{Aspect, FactId, Topic};

/// What an item is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// What is asked and examined.
    Inquiry,
    /// What is concluded.
    Diagnosis,
    /// What is done.
    Treatment,
    /// How it is said.
    Communication,
    /// What must not go wrong.
    Safety,
}

/// Where an item came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Holds for every consultation.
    General,
    /// Made from a fact of the case.
    Fact(FactId),
    /// Made from the case's truth: diagnosis, red flags or plan.
    Truth,
    /// Written by a model or a person; the rule-based judge cannot judge it.
    Written,
}

/// What a marking scheme is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The doctor's next message, after what was said so far.
    Reply,
    /// The whole consultation.
    Consultation,
}

/// A marking scheme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rubric {
    /// What it marks.
    pub scope: Scope,
    /// Its items.
    pub criteria: Vec<Criterion>,
}

/// One item of a marking scheme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// What is looked for, in words, as a person or a model judge reads it.
    pub text: String,
    /// -10 to 10 and not 0; below 0 the item describes something undesirable (spec 2.3).
    pub points: i8,
    /// What it is about.
    pub axis: Axis,
    /// Where it came from.
    pub provenance: Provenance,
    /// How the rule-based judge decides it; `None` where only a reader can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

/// How the rule-based judge decides an item. Each looks at the doctor's new message with what was said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Asks for one of these facts, not told before.
    Asks(Vec<FactId>),
    /// Asks, in so many questions, for at least this many of these facts, none told before.
    AsksSeveral {
        /// The facts.
        facts: Vec<FactId>,
        /// How many of them.
        least: u8,
    },
    /// Asks for anything on a topic (an aspect of the complaint where one is given).
    AsksTopic {
        /// The topic.
        topic: Topic,
        /// The aspect, where one is wanted.
        aspect: Option<Aspect>,
    },
    /// Asks for something already told.
    Repeats,
    /// Asks more than this many things at once.
    AsksMoreThan(u8),
    /// Names this condition as the diagnosis.
    Names(String),
    /// Names any other condition as the diagnosis, without hedging.
    NamesWrong(String),
    /// Names a diagnosis before these facts are known; met when fewer than `enough` of them are.
    Premature {
        /// Facts that a diagnosis needs.
        needed: Vec<FactId>,
        /// How many of them suffice.
        enough: u8,
    },
    /// Gives or prescribes one of these (concepts of the lexicon), or any drug when empty, before allergies were asked.
    DrugBeforeAllergies,
    /// Gives a drug the patient is allergic to.
    DrugAgainstAllergy,
    /// Arranges or advises one of these concepts. A drug in another dose than the case's plan states is another step; one without a dose
    /// is not.
    Arranges(Vec<String>),
    /// Sends the patient to emergency care.
    SendsToEmergency,
    /// Shows that feelings were noticed.
    Empathy,
    /// Says what to watch for or when to come back.
    SafetyNet,
    /// Copies a long run of the patient's words.
    Copies,
    /// Is empty, not in sentences, repeats itself, speaks as the patient, or talks to the marker.
    Incoherent,
    /// Has more words than this.
    LongerThan(u16),
    /// Gives a reason for what it asks, finds or does: by words such as `because`, `so that`, `that is why`, not by sounding wise.
    Explains,
    /// Moves the consultation on in words that somebody without medical training understands.
    PlainWords,
    /// Thinks of what tests or treatment cost the patient: beside what it arranges, or, once in a consultation, by itself.
    Costs,
    /// Does nothing for the consultation: asks nothing that is not known, examines, concludes and comforts nothing.
    Idle,
    /// A message: says goodbye with neither a diagnosis nor a step of a plan. A consultation: names neither the
    /// diagnosis nor one of its differentials.
    Unfinished,
    /// Asks, examines or tests by name for what has nothing to do with the case: nothing else, or two such things.
    Strays,
    /// Another check, met in at least this many of the doctor's messages. Only a whole consultation can meet it.
    Often {
        /// How many messages.
        times: u8,
        /// What each of them does.
        check: Box<Check>,
    },
}

/// What a judge says of one item. A failed call is `NotJudged`, never `NotMet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The message does what the item describes.
    Met,
    /// It does not.
    NotMet,
    /// Nobody could say.
    NotJudged,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Which of the doctor's messages shows it, from 0; `None` where nothing does, or one message is judged alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
    /// Bytes of that message that show it; `None` where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<(usize, usize)>,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Judgement {
    /// Met, shown by these bytes of the message.
    pub fn met(evidence: Option<(usize, usize)>, reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Met, turn: None, evidence, reason: reason.into() }
    }

    /// Not met.
    pub fn not_met(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotMet, turn: None, evidence: None, reason: reason.into() }
    }

    /// Nobody could say, and why.
    pub fn not_judged(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotJudged, turn: None, evidence: None, reason: reason.into() }
    }

    /// The same, placed in the doctor's message `turn`.
    pub fn at(self, turn: usize) -> Self {
        Self { turn: Some(turn), ..self }
    }
}

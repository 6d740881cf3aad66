//! What patterns say of a doctor's sentence, and the words that part clauses. `reading` decides what they add up to.

use crate::data::case::{Aspect, Topic};

/// What a pattern says of the clause it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    /// It asks.
    Ask,
    /// It asks about what was before, not to be done now: `have you had`, `what was the result`.
    AskPast,
    /// It asks for this aspect.
    Aspect(Aspect),
    /// It asks about this topic.
    Topic(Topic),
    /// What is asked lies in the past.
    Ever,
    /// It asks openly.
    Open,
    /// It asks who the patient is.
    Identity,
    /// It asks the patient for the diagnosis or talks to the machine.
    Foul,
    Greeting,
    Goodbye,
    Empathy,
    /// States what is the matter.
    Diagnose,
    /// Names a diagnosis as such, whether or not the condition is known.
    DiagnoseSurely,
    /// Less than certain.
    Hedge,
    Explain,
    /// Gives a drug.
    Prescribe,
    /// Gives a drug even where none is named.
    PrescribeSurely,
    Examine,
    /// Arranges something.
    Arrange,
    Refer,
    Urgent,
    Advise,
    /// `if`, `unless`: what follows is not so, or not yet.
    Condition,
    /// `tell me if`, `to see whether`: the `if` of these is none.
    Whether,
    /// Denies what follows.
    Not,
    /// What follows a denial stands again: `but`.
    But,
    /// Recounts what is known: `you mentioned`.
    Recount,
    /// The speaker offers or intends: `I would like to`, `can we`, `let us`.
    Intend,
    /// Asks about something as a whole: `tell me about the headache`.
    About,
    /// Says that the patient was heard, and nothing else.
    Heed,
    /// Has a verb, as a statement has and a heap of words has not.
    Verb,
}

/// Words at the start of a clause that a tied pattern looks past.
pub(super) const FILLERS: &[&str] = &[
    "so",
    "and",
    "okay",
    "well",
    "now",
    "but",
    "then",
    "also",
    "just",
    "please",
    "right",
    "or",
    "first",
    "next",
    "finally",
    "lastly",
    "um",
    "er",
    "great",
    "alright",
    "sure",
    "yes",
    "because",
    "again",
    "firstly",
    "secondly",
    "besides",
    "additionally",
    "apart",
    "sir",
    "madam",
    "doctor",
    "thanks",
    "kindly",
    "meanwhile",
    "overall",
    "therefore",
];

/// Words that begin a clause of their own after a comma.
pub(super) const AFTER_COMMA: &[&str] = &[
    "i", "we", "you", "it", "this", "that", "he", "she", "they", "do", "be", "have", "can", "could", "would",
    "will", "how", "when", "what", "where", "which", "why", "who", "please", "let", "tell", "describe",
    "take", "come", "call", "go", "avoid", "rest", "return", "any", "drink", "there", "if", "did", "make",
    "stop", "keep", "see", "thank", "my",
];

/// Words that begin a clause of their own after a joint without a comma.
pub(super) const AFTER_AND: &[&str] = &[
    "i", "we", "you", "it", "this", "how", "when", "what", "where", "do", "have", "be", "is", "let",
    "please", "can", "there", "that", "which", "why", "who",
];

/// Commands, which begin a clause of their own after `and` where nothing is asked: not in `smoke or drink?`
pub(super) const COMMANDS: &[&str] = &[
    "come", "call", "return", "avoid", "rest", "drink", "take", "see", "go", "stop", "get", "use", "keep",
    "try",
];

/// Words that join clauses.
pub(super) const JOINTS: &[&str] = &["and", "but", "so", "because", "or", "then"];

//! What the rule-based patient says without facts. None of it may name a symptom, an illness or a drug.

/// The message was not understood.
pub(super) const NOT_UNDERSTOOD: &[&str] = &[
    "Sorry, I didn't understand that.",
    "I'm sorry, I don't know what you mean.",
    "Sorry, could you say that another way?",
];
/// Asked for a name, a day of birth or an address, which no case has.
pub(super) const NO_NAMES: &[&str] =
    &["I'd rather not say who I am here.", "I'd like to leave out who I am, if that's all right."];
/// More was asked than can be answered.
pub(super) const TOO_MUCH: &[&str] =
    &["Sorry, that was a lot at once.", "I lost track of the rest of your questions, sorry."];
/// Answers a greeting.
pub(super) const HELLO: &[&str] = &["Hello, doctor.", "Hello."];
/// Answers kindness, in a feeling patient.
pub(super) const THANKS_WARM: &[&str] = &[
    "Thank you, it helps to hear that.",
    "Thank you, that's kind of you.",
    "Thanks, doctor, I needed to hear that.",
];
/// Answers kindness.
pub(super) const THANKS: &[&str] = &["Thanks.", "Thank you."];
/// Before an answer, in a talkative patient.
pub(super) const THINKING: &[&str] =
    &["Well, let me see.", "Let me think for a moment.", "Hmm, good question."];
/// Nothing can be said about it.
pub(super) const NOT_KNOWN: &[&str] = &["I'm not sure.", "I couldn't say.", "I really don't know."];
/// A date, dose or name that does not come to mind.
pub(super) const FORGOTTEN: &[&str] =
    &["I don't remember exactly.", "I can't recall the details, sorry.", "It has slipped my mind just now."];
/// Held back.
pub(super) const RATHER_NOT: &[&str] =
    &["I'd rather not go into that.", "I don't feel like talking about that yet."];
/// A symptom the script is silent on.
pub(super) const NOT_NOTICED: &[&str] = &["Not that I've noticed.", "No, not that I've noticed."];
/// Anything else the script is silent on.
pub(super) const NOT_THAT_I_KNOW: &[&str] = &["Not that I know of.", "No, not as far as I know."];
/// A drug the script is silent on.
pub(super) const NOT_TAKEN: &[&str] = &["No, not that one.", "No, I don't take that."];
/// A whole topic the script is silent on.
pub(super) const NOTHING_KNOWN: &[&str] = &["Nothing that I know of.", "Nothing comes to mind."];
/// No fear or wish in the script.
pub(super) const NO_CONCERN: &[&str] =
    &["I just want to know what's going on.", "I was hoping you could tell me."];
/// Nothing more to bring up.
pub(super) const ALL_SAID: &[&str] =
    &["That's all I can think of.", "I think that's it. Ask me whatever you need."];
/// The same from somebody who sees the whole.
pub(super) const ALL_SAID_WHOLE: &[&str] =
    &["That's the whole of it, really.", "Overall something just isn't right; that's all I can say."];
/// An examination of no part in particular.
pub(super) const WHERE_TO_LOOK: &[&str] =
    &["Of course. Where would you like to look?", "Sure. What do you want to look at?"];
/// Asks what it costs.
pub(super) const COST: &[&str] =
    &["Is that going to be expensive?", "I can't pay much; will that cost a lot?"];
/// Asks for reasons.
pub(super) const WHY: &[&str] =
    &["What makes you think so?", "What is the evidence for that?", "Can you explain the reasons?"];
/// Asks what comes next.
pub(super) const WHAT_TO_DO: &[&str] = &["So what do we do now?", "What can be done about it?"];
/// Asks about treatment out of turn.
pub(super) const TREATMENT: &[&str] =
    &["Is there something you can give me for it?", "What can we do about this?"];
/// Unease.
pub(super) const UNEASY: &[&str] = &["This is all a bit frightening.", "I'm scared it is something serious."];
/// Takes note.
pub(super) const NOTED: &[&str] = &["I see.", "All right.", "I understand."];
/// Takes note, in few words.
pub(super) const PLAIN_YES: &[&str] = &["Okay, doctor.", "All right, doctor."];
/// What the factual check puts where it struck everything.
pub(super) const SAFE: &str = "I'm not sure.";

/// Every list, for the test that none of them claims anything.
#[cfg(test)]
pub(super) const ALL: &[&[&str]] = &[
    NOT_UNDERSTOOD,
    NO_NAMES,
    TOO_MUCH,
    HELLO,
    THANKS_WARM,
    THANKS,
    THINKING,
    NOT_KNOWN,
    FORGOTTEN,
    RATHER_NOT,
    NOT_NOTICED,
    NOT_THAT_I_KNOW,
    NOT_TAKEN,
    NOTHING_KNOWN,
    NO_CONCERN,
    ALL_SAID,
    ALL_SAID_WHOLE,
    WHERE_TO_LOOK,
    COST,
    WHY,
    WHAT_TO_DO,
    TREATMENT,
    UNEASY,
    NOTED,
    PLAIN_YES,
    &[SAFE],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::ConceptKind;
    use crate::data::utterance::Understanding;

    #[test]
    fn stock_phrases_claim_nothing() {
        for phrase in ALL.iter().flat_map(|list| list.iter()) {
            let clinical = [ConceptKind::Symptom, ConceptKind::Condition, ConceptKind::Substance];
            let mentions = Understanding::bundled().mentions(phrase);
            assert!(mentions.iter().all(|m| !clinical.contains(&m.kind)), "{phrase}: {mentions:?}");
        }
    }
}

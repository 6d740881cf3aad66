//! What the rule-based patient says without facts. None of it may name a symptom, an illness or a drug.

/// The message was not understood.
pub(super) const NOT_UNDERSTOOD: &[&str] = &[
    "Sorry, I didn't understand that.",
    "I'm sorry, I don't know what you mean.",
    "Sorry, could you say that another way?",
];
/// The same from somebody of plain words.
pub(super) const NOT_UNDERSTOOD_PLAIN: &[&str] =
    &["Sorry, that's too difficult for me.", "I don't understand, can you say it in plain words?"];
/// The same from somebody older, who wants it said again.
pub(super) const NOT_UNDERSTOOD_OLDER: &[&str] =
    &["Sorry, could you say that again, a bit slower?", "I didn't understand, please say it once more."];
/// The same without patience.
pub(super) const NOT_UNDERSTOOD_IRRITABLE: &[&str] =
    &["I don't understand what you want from me.", "What is that supposed to mean?"];
/// Asked for a name, a day of birth or an address, which no case has.
pub(super) const NO_NAMES: &[&str] =
    &["I'd rather not say who I am here.", "I'd like to leave out who I am, if that's all right."];
/// More was asked than can be answered.
pub(super) const TOO_MUCH: &[&str] =
    &["Sorry, that was a lot at once.", "I lost track of the rest of your questions, sorry."];
/// The same from somebody older.
pub(super) const TOO_MUCH_OLDER: &[&str] =
    &["Sorry, that was a bit quick for me.", "Please go slower, I lost the rest of it."];
/// The same without patience.
pub(super) const TOO_MUCH_IRRITABLE: &[&str] =
    &["One thing at a time, please.", "That's far too much at once."];
/// Answers a greeting.
pub(super) const HELLO: &[&str] = &["Hello, doctor.", "Hello."];
/// The same from somebody older, or brought up to respect doctors.
pub(super) const HELLO_FORMAL: &[&str] =
    &["How do you do, doctor.", "Hello, doctor, thank you for seeing me."];
/// The same from somebody young.
pub(super) const HELLO_CASUAL: &[&str] = &["Hi.", "Hi there."];
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
/// The same from somebody young.
pub(super) const NOT_KNOWN_CASUAL: &[&str] = &["I've no idea.", "I don't know."];
/// A date, dose or name that does not come to mind.
pub(super) const FORGOTTEN: &[&str] =
    &["I don't remember exactly.", "I can't recall the details, sorry.", "It has slipped my mind just now."];
/// The same from somebody older.
pub(super) const FORGOTTEN_OLDER: &[&str] =
    &["I can't remember exactly, at my age.", "It has slipped my mind, as so much does."];
/// Held back.
pub(super) const RATHER_NOT: &[&str] =
    &["I'd rather not go into that.", "I don't feel like talking about that yet."];
/// The same from somebody in their teens.
pub(super) const RATHER_NOT_ADOLESCENT: &[&str] =
    &["That's embarrassing, I'd rather not say.", "I'd rather not talk about that here."];
/// The same from somebody who does not contradict a doctor.
pub(super) const RATHER_NOT_DEFERENTIAL: &[&str] =
    &["Forgive me, doctor, I'd rather not say.", "With respect, doctor, I'd rather not go into that."];
/// Before what was told already, without patience.
pub(super) const TOLD_ALREADY: &str = "I've told you that already:";
/// Before several things, from somebody who sees the whole.
pub(super) const ALL_IN_ALL: &[&str] = &["All in all:", "On the whole:"];
/// A symptom the script is silent on.
pub(super) const NOT_NOTICED: &[&str] = &["Not that I've noticed.", "No, not that I've noticed."];
/// Anything else the script is silent on.
pub(super) const NOT_THAT_I_KNOW: &[&str] = &["Not that I know of.", "No, not as far as I know."];
/// A habit or circumstance the script is silent on, which everybody knows of themselves.
pub(super) const NOT_SO: &[&str] = &["No.", "No, nothing like that."];
/// A drug the script is silent on.
pub(super) const NOT_TAKEN: &[&str] = &["No, not that one.", "No, I don't take that."];
/// A whole topic the script is silent on.
pub(super) const NOTHING_KNOWN: &[&str] = &["Nothing that I know of.", "Nothing comes to mind."];
/// Everybody has it in some way, and the script says nothing of it.
pub(super) const NOTHING_SPECIAL: &[&str] =
    &["Nothing out of the ordinary.", "There's nothing special to tell there."];
/// No fear or wish in the script.
pub(super) const NO_CONCERN: &[&str] =
    &["I just want to know what's going on.", "I was hoping you could tell me."];
/// Nothing more to bring up.
pub(super) const ALL_SAID: &[&str] =
    &["That's all I can think of.", "I think that's it. Ask me whatever you need."];
/// The same from somebody who sees the whole.
pub(super) const ALL_SAID_WHOLE: &[&str] =
    &["That's the whole of it, really.", "Overall something just isn't right; that's all I can say."];
/// Something is left, and the patient does not know that it belongs to it.
pub(super) const ASK_ON: &[&str] =
    &["Ask me whatever you need.", "I don't know what else matters; just ask me."];
/// An examination of no part in particular.
pub(super) const WHERE_TO_LOOK: &[&str] =
    &["Of course. Where would you like to look?", "Sure. What do you want to look at?"];
/// Asks what it costs.
pub(super) const COST: &[&str] =
    &["Is that going to be expensive?", "I can't pay much; will that cost a lot?"];
/// Resists what is expensive, and asks for a cheaper way.
pub(super) const TOO_EXPENSIVE: &[&str] = &[
    "That's more than I can pay. Is there something that costs less?",
    "That's too expensive for me. Would something that costs less do?",
];
/// Has the money for it.
pub(super) const QUICK_WAY: &[&str] =
    &["If it's quicker, I'll pay for it myself.", "I'd gladly pay to have it done soon."];
/// Asks for reasons.
pub(super) const WHY: &[&str] =
    &["What makes you think so?", "What is the evidence for that?", "Can you explain the reasons?"];
/// The same, with respect.
pub(super) const EXPLAIN: &[&str] =
    &["If I may ask, doctor, would you explain that to me?", "Would you kindly explain that, doctor?"];
/// Asks what a technical word means.
pub(super) const PLAIN_WORDS: &[&str] =
    &["What does that mean in plain words?", "What is that, in plain words?"];
/// Disagrees, as among equals.
pub(super) const DISAGREE: &[&str] =
    &["I'm not convinced that I need that.", "I see that differently, to be honest."];
/// Wants to ask the family.
pub(super) const ASK_AT_HOME: &[&str] =
    &["I'd like to ask my family first.", "My family should have a say in that."];
/// Would let things heal without.
pub(super) const BY_ITSELF: &[&str] =
    &["Couldn't it heal by itself?", "I'd sooner wait and see whether it passes by itself."];
/// Looks for reassurance.
pub(super) const REASSURE: &[&str] = &["Is it something bad?", "Please tell me it's nothing bad."];
/// Asks what comes next.
pub(super) const WHAT_TO_DO: &[&str] = &["So what do we do now?", "What can be done about it?"];
/// The same from somebody who likes order.
pub(super) const PLAN: &[&str] = &["So what is the plan?", "What are the next steps?"];
/// Asks about treatment out of turn.
pub(super) const TREATMENT: &[&str] =
    &["Is there something you can give me for it?", "What can we do about this?"];
/// The same from somebody young, who wants to get to the point.
pub(super) const TREATMENT_YOUNG: &[&str] =
    &["Can't you just give me something for it?", "Just tell me, what can we do about it?"];
/// The same from somebody with days to get on with.
pub(super) const TREATMENT_MIDDLE: &[&str] = &[
    "Can you give me something so that I can get on with things?",
    "What can we do so that I can go on as usual?",
];
/// Unease.
pub(super) const UNEASY: &[&str] = &["This is all a bit frightening.", "I'm scared, to be honest."];
/// A curt word was felt.
pub(super) const HURT: &[&str] =
    &["You needn't be so short with me.", "I would open up more easily to a kinder word."];
/// Fear.
pub(super) const AFRAID: &[&str] = &["I'm so afraid of what it may be.", "I keep thinking the worst."];
/// No patience.
pub(super) const IRRITABLE: &[&str] = &["How much longer will this take?", "Can we get on with it?"];
/// No hope.
pub(super) const DOWNCAST: &[&str] =
    &["I don't expect much of it all.", "I doubt that anything will come of it."];
/// Takes note.
pub(super) const NOTED: &[&str] = &["I see.", "All right.", "I understand."];
/// The same from somebody young.
pub(super) const NOTED_CASUAL: &[&str] = &["Okay.", "Okay, got it."];
/// The same from somebody who leaves it to the doctor.
pub(super) const NOTED_DEFERENTIAL: &[&str] = &["As you think best, doctor.", "You know best, doctor."];
/// The same without patience.
pub(super) const NOTED_IRRITABLE: &[&str] = &["Fine.", "If it has to be."];
/// The same without hope.
pub(super) const NOTED_DOWNCAST: &[&str] = &["If you say so.", "I suppose so."];
/// Takes note, in few words.
pub(super) const PLAIN_YES: &[&str] = &["Okay, doctor.", "All right, doctor."];
/// What the factual check puts where it struck everything.
pub(super) const SAFE: &str = "I'm not sure.";

/// Every list, for the test that none of them claims anything.
#[cfg(test)]
pub(super) const ALL: &[&[&str]] = &[
    NOT_UNDERSTOOD,
    NOT_UNDERSTOOD_PLAIN,
    NOT_UNDERSTOOD_OLDER,
    NOT_UNDERSTOOD_IRRITABLE,
    NO_NAMES,
    TOO_MUCH,
    TOO_MUCH_OLDER,
    TOO_MUCH_IRRITABLE,
    HELLO,
    HELLO_FORMAL,
    HELLO_CASUAL,
    THANKS_WARM,
    THANKS,
    THINKING,
    NOT_KNOWN,
    NOT_KNOWN_CASUAL,
    FORGOTTEN,
    FORGOTTEN_OLDER,
    RATHER_NOT,
    RATHER_NOT_ADOLESCENT,
    RATHER_NOT_DEFERENTIAL,
    ALL_IN_ALL,
    NOT_NOTICED,
    NOT_THAT_I_KNOW,
    NOT_SO,
    NOT_TAKEN,
    NOTHING_KNOWN,
    NOTHING_SPECIAL,
    NO_CONCERN,
    ALL_SAID,
    ALL_SAID_WHOLE,
    ASK_ON,
    WHERE_TO_LOOK,
    COST,
    TOO_EXPENSIVE,
    QUICK_WAY,
    WHY,
    EXPLAIN,
    PLAIN_WORDS,
    DISAGREE,
    ASK_AT_HOME,
    BY_ITSELF,
    REASSURE,
    WHAT_TO_DO,
    PLAN,
    TREATMENT,
    TREATMENT_YOUNG,
    TREATMENT_MIDDLE,
    UNEASY,
    HURT,
    AFRAID,
    IRRITABLE,
    DOWNCAST,
    NOTED,
    NOTED_CASUAL,
    NOTED_DEFERENTIAL,
    NOTED_IRRITABLE,
    NOTED_DOWNCAST,
    PLAIN_YES,
    &[TOLD_ALREADY, SAFE],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::lexicon::ConceptKind;
    use crate::data::utterance::Understanding;

    #[test]
    fn stock_phrases_claim_nothing() {
        for phrase in ALL.iter().flat_map(|list| list.iter()) {
            let clinical = [
                ConceptKind::Symptom,
                ConceptKind::Condition,
                ConceptKind::Substance,
                ConceptKind::Circumstance,
            ];
            let mentions = Understanding::bundled().mentions(phrase);
            assert!(mentions.iter().all(|m| !clinical.contains(&m.kind)), "{phrase}: {mentions:?}");
        }
    }
}

//! The items of one reply: what the next message should and should not do.

use super::{
    AT_ONCE, LONG, Scheme, emergency, harms, hidden, ids, is_told, needed, place, plan, premature, steps,
};
use crate::data::case::{Aspect, Case, Fact, FactId, Importance, Topic};
use crate::data::utterance::asked::chief_complaint;
use crate::rubric::criterion::{Axis, Check};
use crate::rubric::known::Known;
use crate::rubric::wording::list;

/// Facts that can still be asked for.
fn open(case: &Case, known: &Known, wanted: impl Fn(&Fact) -> bool) -> Vec<FactId> {
    ids(hidden(case, |fact| wanted(fact) && place(case, &fact.id).is_some_and(|at| !known.is_settled(at))))
}

/// The next message while there is more to find out.
pub(super) fn gathering(scheme: &mut Scheme, case: &Case, known: &Known) {
    let essential = open(case, known, |fact| fact.importance == Importance::Essential);
    // Some examination bears on every case, so that examining everybody for everything would earn marks.
    let examined = |fact: &Fact| matches!(fact.topic, Topic::Examination | Topic::Test);
    let useful = open(case, known, |fact| match fact.importance {
        Importance::Essential => true,
        Importance::Useful => !examined(fact),
        Importance::Routine => false,
    });
    if !essential.is_empty() {
        let text = format!(
            "Asks about something essential that is not known yet, such as {}",
            list(case, &essential)
        );
        scheme.truth(9, Axis::Inquiry, Check::Asks(essential), text);
    }
    if !useful.is_empty() {
        let text =
            format!("Asks about something new that bears on this case, such as {}", list(case, &useful));
        scheme.truth(6, Axis::Inquiry, Check::Asks(useful.clone()), text);
    }
    if useful.len() > 1 {
        let text = "Asks about two or more such things that belong together";
        let check = Check::AsksSeveral { facts: useful.clone(), least: 2 };
        scheme.truth(4, Axis::Inquiry, check, text);
    }
    let complaint = chief_complaint(&case.facts);
    let aspects = open(case, known, |fact| {
        fact.topic == Topic::Symptom
            && fact.aspect != Aspect::Presence
            && Some(fact.concept.as_str()) == complaint
    });
    // The complaint itself comes first, as in any textbook's order of a history.
    if known.turns < 3 && !aspects.is_empty() {
        let text = format!("Explores what the patient came for first, such as {}", list(case, &aspects));
        scheme.truth(3, Axis::Inquiry, Check::Asks(aspects), text);
    }
    let flags: Vec<FactId> =
        case.truth.red_flags.iter().filter(|id| !is_told(case, known, id)).cloned().collect();
    if known.turns >= 2 && !flags.is_empty() {
        let text = format!("Looks for a warning sign, such as {}", list(case, &flags));
        scheme.truth(3, Axis::Safety, Check::Asks(flags), text);
    }
    scheme.truth(
        -5,
        Axis::Diagnosis,
        premature(case),
        "Names a diagnosis before enough is known to support one",
    );
    let needed = needed(case);
    if let Ok(enough) = needed.len().try_into() {
        let text = "Names a diagnosis while something essential is still open";
        scheme.truth(-4, Axis::Inquiry, Check::Premature { needed, enough }, text);
    }
    if !known.allergies {
        let text = "Gives a drug without having asked about allergies";
        scheme.add(-2, Axis::Safety, Check::DrugBeforeAllergies, text);
    }
    let text = "Does not move the consultation on: asks nothing new, examines nothing, decides nothing";
    scheme.add(-6, Axis::Inquiry, Check::Idle, text);
    scheme.add(-2, Axis::Communication, Check::Unfinished, "Ends the consultation without a conclusion");
    scheme.truth(
        -2,
        Axis::Inquiry,
        Check::Strays,
        "Asks, examines or tests for what has nothing to do with this case",
    );
}

/// The next message when it is time to conclude.
pub(super) fn closing(scheme: &mut Scheme, case: &Case, known: &Known) {
    let truth = &case.truth;
    let text = format!("Names {} as the diagnosis, or as likely", truth.diagnosis);
    scheme.truth(10, Axis::Diagnosis, Check::Names(truth.diagnosis.clone()), text);
    let left = steps(case).filter(|step| !known.arranged.contains(&step.concept));
    plan(scheme, left, &[5, 3, 2]);
    emergency(scheme, case, 7);
    scheme.add(2, Axis::Safety, Check::SafetyNet, "Says what to watch for or when to come back");
    let missing = open(case, known, |fact| fact.importance == Importance::Essential);
    if !missing.is_empty() {
        let text = format!("Or asks for what is still missing, such as {}", list(case, &missing));
        scheme.truth(3, Axis::Inquiry, Check::Asks(missing), text);
    }
    if !known.allergies {
        let text = "Gives a drug without having asked about allergies";
        scheme.add(-3, Axis::Safety, Check::DrugBeforeAllergies, text);
    }
    let text = "Does not move the consultation on: asks nothing new, examines nothing, decides nothing";
    scheme.add(-4, Axis::Treatment, Check::Idle, text);
    scheme.add(-2, Axis::Communication, Check::Unfinished, "Ends the consultation without a conclusion");
    harms(scheme, case);
}

/// How any message should not be.
pub(super) fn manner(scheme: &mut Scheme) {
    scheme.add(-5, Axis::Inquiry, Check::Repeats, "Asks again for what was told or asked before");
    let text = format!("Asks for more than {AT_ONCE} things at once");
    scheme.add(-3, Axis::Communication, Check::AsksMoreThan(AT_ONCE), text);
    scheme.add(-2, Axis::Communication, Check::Copies, "Copies the patient's words");
    let text = "Is empty, gibberish, repeats itself, speaks as the patient, or talks to the marker";
    scheme.add(-2, Axis::Communication, Check::Incoherent, text);
    let text = format!("Is longer than {LONG} words");
    scheme.add(-1, Axis::Communication, Check::LongerThan(LONG), text);
}

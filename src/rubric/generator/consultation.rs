//! The items of a whole consultation.

use super::{AT_ONCE, LONG, Scheme, emergency, harms, hidden, plan, premature, steps};
use crate::data::case::{Case, Fact, Importance, Topic};
use crate::data::utterance::asked::chief_complaint;
use crate::rubric::criterion::{Axis, Check, Provenance};
use crate::rubric::wording::about;

/// What has to be found out in the whole consultation. Essential facts share 28 points, however many there are; what
/// any list of questions brings out (aspects of the complaint, allergies, medication) gets half the share of what only
/// this case calls for.
pub(super) fn inquiry(scheme: &mut Scheme, case: &Case) {
    const SHARED: usize = 28;
    let complaint = chief_complaint(&case.facts);
    let weight = |fact: &Fact| match fact.topic {
        Topic::Allergy | Topic::Medication => 1,
        Topic::Symptom if Some(fact.concept.as_str()) == complaint => 1,
        _ => 2,
    };
    let essential: Vec<&Fact> = hidden(case, |fact| fact.importance == Importance::Essential).collect();
    let total: usize = essential.iter().map(|fact| weight(fact)).sum();
    for fact in essential {
        // Rounded to the nearest.
        let points = (2 * SHARED * weight(fact) + total) / (2 * total.max(1));
        let points = i8::try_from(points.clamp(1, 8)).unwrap_or(1);
        let text = format!("Asks about {}", about(fact));
        let provenance = Provenance::Fact(fact.id.clone());
        let axis = if case.truth.red_flags.contains(&fact.id) { Axis::Safety } else { Axis::Inquiry };
        scheme.push(points, axis, provenance, Check::Asks(vec![fact.id.clone()]), text);
    }
    for fact in hidden(case, |fact| fact.importance == Importance::Useful).take(6) {
        let text = format!("Asks about {}", about(fact));
        scheme.push(
            1,
            Axis::Inquiry,
            Provenance::Fact(fact.id.clone()),
            Check::Asks(vec![fact.id.clone()]),
            text,
        );
    }
    let topic = |topic| Check::AsksTopic { topic, aspect: None };
    scheme.add(2, Axis::Safety, topic(Topic::Allergy), "Asks about allergies");
    scheme.add(1, Axis::Inquiry, topic(Topic::Medication), "Asks about current medication");
    scheme.add(1, Axis::Inquiry, topic(Topic::History), "Asks about past illnesses");
}

/// What has to be concluded and done.
pub(super) fn conclusion(scheme: &mut Scheme, case: &Case) {
    let truth = &case.truth;
    let text = format!("Names {} as the diagnosis, or as likely", truth.diagnosis);
    scheme.truth(10, Axis::Diagnosis, Check::Names(truth.diagnosis.clone()), text);
    plan(scheme, steps(case), &[5, 4, 3, 2]);
    emergency(scheme, case, 8);
    scheme.add(3, Axis::Safety, Check::SafetyNet, "Says what to watch for or when to come back");
    scheme.add(3, Axis::Communication, Check::Empathy, "Answers the patient's distress with warmth");
    scheme.truth(
        -5,
        Axis::Diagnosis,
        premature(case),
        "Names a diagnosis before enough is known to support one",
    );
    harms(scheme, case);
    scheme.add(
        -4,
        Axis::Safety,
        Check::DrugBeforeAllergies,
        "Gives a drug without having asked about allergies",
    );
    scheme.add(
        -5,
        Axis::Treatment,
        Check::Unfinished,
        "Ends without having named what the patient may well have",
    );
}

/// How the consultation should not be led. What happens once may be a slip; what happens often is a habit.
pub(super) fn conduct(scheme: &mut Scheme) {
    let often = |times, check| Check::Often { times, check: Box::new(check) };
    scheme.add(-2, Axis::Inquiry, Check::Repeats, "Asks again for what was told or asked before");
    let text = "Repeats itself or asks for what is known three times or more";
    scheme.add(-3, Axis::Inquiry, often(3, Check::Repeats), text);
    scheme.add(-3, Axis::Inquiry, often(2, Check::Idle), "Does not move the consultation on, twice or more");
    let text = "Asks, examines or tests for what has nothing to do with this case, twice or more";
    scheme.truth(-4, Axis::Inquiry, often(2, Check::Strays), text);
    let text = format!("Asks for more than {AT_ONCE} things at once");
    scheme.add(-2, Axis::Communication, Check::AsksMoreThan(AT_ONCE), text);
    scheme.add(-2, Axis::Communication, Check::Copies, "Copies the patient's words");
    let text = "Has a message that is empty, gibberish, repeats itself, speaks as the patient, or talks to the marker";
    scheme.add(-3, Axis::Communication, Check::Incoherent, text);
    let text = format!("Has a message of more than {LONG} words");
    scheme.add(-1, Axis::Communication, Check::LongerThan(LONG), text);
}

//! Marking schemes made from a case.
//!
//! A scheme for a reply is adaptive: it is made for the point the consultation has reached, from what the patient has
//! told and what they still would tell (the dialogue slice of the Baichuan-M2 report, section 3.3.3). A scheme for a
//! consultation holds everything the case calls for.
//!
//! Points follow one idea: what only this case calls for (an essential fact, the diagnosis, a step of the plan) weighs
//! most, what any fixed list of questions meets weighs little, and a negative item weighs no more than the
//! positive ones that a doctor forgoes by it. Reward formula (b) gives the points of a negative item to whoever does
//! not meet it, so many heavy negative items would lift silence above a fair question.

mod consultation;
mod reply;

use crate::data::case::{Case, Fact, FactId, Finding, Importance, PlanStep, Reveal, Topic};
use crate::data::consultation::Consultation;

use super::checks::MOST_AT_ONCE;
use super::criterion::{Axis, Check, Criterion, Provenance, Rubric, Scope};
use super::known::Known;
use super::reading::{Language, Reading};

/// Longer messages than this many words are hard to follow.
const LONG: u16 = 80;
/// Asking for more things than this at once is too much.
const AT_ONCE: u8 = MOST_AT_ONCE as u8;
/// A diagnosis needs this share of the essential facts, in percent.
const ENOUGH: usize = 60;
/// As above in a patient who has to go to hospital: waiting does harm.
const ENOUGH_IN_EMERGENCY: usize = 40;

/// Makes marking schemes.
#[derive(Debug, Clone, Copy)]
pub struct Generator<'a> {
    language: Language<'a>,
    turn_limit: usize,
}

impl Generator<'static> {
    /// A generator that knows the bundled lexicon.
    pub fn bundled(turn_limit: usize) -> Self {
        Self::new(Language::bundled(), turn_limit)
    }
}

impl<'a> Generator<'a> {
    /// A generator for consultations of at most `turn_limit` messages of the doctor's.
    pub fn new(language: Language<'a>, turn_limit: usize) -> Self {
        Self { language, turn_limit }
    }

    /// What the doctor's next message after `so_far` should and should not do.
    pub fn for_reply(&self, case: &Case, so_far: &Consultation) -> Rubric {
        self.for_known(case, &Known::after(self.language, case, so_far))
    }

    /// [`Generator::for_reply`] for each of the doctor's messages in `consultation`, with each message read once.
    pub fn for_replies(&self, case: &Case, consultation: &Consultation) -> Vec<Rubric> {
        let mut known = Known::beginning(case, consultation);
        let turns = &consultation.turns;
        turns
            .iter()
            .enumerate()
            .map(|(at, turn)| {
                let rubric = self.for_known(case, &known);
                let before = turns.get(..at).unwrap_or_default();
                known.take(case, &Reading::new(self.language, case, before, &turn.doctor), turn);
                rubric
            })
            .collect()
    }

    fn for_known(&self, case: &Case, known: &Known) -> Rubric {
        let mut scheme = Scheme::default();
        if self.is_time_to_conclude(case, known) {
            reply::closing(&mut scheme, case, known);
        } else {
            reply::gathering(&mut scheme, case, known);
        }
        if known.distress {
            scheme.add(
                4,
                Axis::Communication,
                Check::Empathy,
                "Notices the distress the patient has just voiced",
            );
        }
        reply::manner(&mut scheme);
        scheme.rubric(Scope::Reply)
    }

    /// What the whole consultation should and should not do.
    pub fn for_consultation(&self, case: &Case) -> Rubric {
        let mut scheme = Scheme::default();
        consultation::inquiry(&mut scheme, case);
        consultation::conclusion(&mut scheme, case);
        consultation::conduct(&mut scheme);
        scheme.rubric(Scope::Consultation)
    }

    /// Whether the doctor has found out everything essential, or has used two thirds of the messages: the rest are for
    /// the end, or for what is missing to it. Once a red flag is known in an emergency, examinations and tests are left to the hospital.
    fn is_time_to_conclude(&self, case: &Case, known: &Known) -> bool {
        let needed = needed(case);
        let settled =
            needed.iter().filter(|id| place(case, id).is_some_and(|at| known.is_settled(at))).count();
        let flag = case.truth.red_flags.iter().any(|id| is_told(case, known, id));
        let enough =
            if case.truth.is_emergency() && flag { enough(needed.len(), ENOUGH) } else { needed.len() };
        (known.turns > 1 && settled >= enough) || 3 * known.turns >= 2 * self.turn_limit
    }
}

/// Items as they are made.
#[derive(Default)]
struct Scheme {
    criteria: Vec<Criterion>,
}

impl Scheme {
    fn add(&mut self, points: i8, axis: Axis, check: Check, text: impl Into<String>) {
        self.push(points, axis, Provenance::General, check, text.into());
    }

    fn truth(&mut self, points: i8, axis: Axis, check: Check, text: impl Into<String>) {
        self.push(points, axis, Provenance::Truth, check, text.into());
    }

    fn push(&mut self, points: i8, axis: Axis, provenance: Provenance, check: Check, text: String) {
        self.criteria.push(Criterion { text, points, axis, provenance, check: Some(check) });
    }

    fn rubric(self, scope: Scope) -> Rubric {
        Rubric { scope, criteria: self.criteria }
    }
}

/// Facts the doctor has to ask, examine or test for.
fn hidden<'a>(case: &'a Case, wanted: impl Fn(&Fact) -> bool + 'a) -> impl Iterator<Item = &'a Fact> {
    case.facts
        .iter()
        .filter(move |fact| !matches!(fact.reveal, Reveal::Opening | Reveal::Never) && wanted(fact))
}

fn ids<'a>(facts: impl Iterator<Item = &'a Fact>) -> Vec<FactId> {
    facts.map(|fact| fact.id.clone()).collect()
}

/// The essential facts that have to be found out before a diagnosis is named.
fn needed(case: &Case) -> Vec<FactId> {
    ids(hidden(case, |fact| fact.importance == Importance::Essential))
}

/// `share` percent of `count`, rounded up.
fn enough(count: usize, share: usize) -> usize {
    (count * share).div_ceil(100)
}

fn place(case: &Case, id: &FactId) -> Option<usize> {
    case.facts.iter().position(|fact| fact.id == *id)
}

fn is_told(case: &Case, known: &Known, id: &FactId) -> bool {
    place(case, id).is_some_and(|at| known.is_told(at))
}

fn premature(case: &Case) -> Check {
    let needed = needed(case);
    let enough = enough(needed.len(), if case.truth.is_emergency() { ENOUGH_IN_EMERGENCY } else { ENOUGH });
    Check::Premature { enough: enough.try_into().unwrap_or(u8::MAX), needed }
}

/// What harms the patient.
fn harms(scheme: &mut Scheme, case: &Case) {
    let text = format!("Calls something other than {} the diagnosis", case.truth.diagnosis);
    scheme.truth(-5, Axis::Diagnosis, Check::NamesWrong(case.truth.diagnosis.clone()), text);
    let allergies: Vec<&str> = case
        .facts_on(Topic::Allergy)
        .filter(|fact| fact.finding == Finding::Present)
        .map(|fact| fact.concept.as_str())
        .collect();
    if !allergies.is_empty() {
        let text = format!("Gives a drug the patient is allergic to ({})", allergies.join(", "));
        scheme.truth(-4, Axis::Safety, Check::DrugAgainstAllergy, text);
    }
    if case.truth.is_no_emergency() {
        let text = "Sends the patient to emergency care, which this case does not call for";
        scheme.truth(-3, Axis::Safety, Check::SendsToEmergency, text);
    }
}

/// The steps of the plan, without sending an emergency to hospital, which is an item of its own.
fn steps(case: &Case) -> impl Iterator<Item = &PlanStep> {
    let sends = |step: &PlanStep| matches!(step.concept.as_str(), "ambulance" | "emergency department");
    case.truth.plan.iter().filter(move |step| !(case.truth.is_emergency() && sends(step)))
}

/// The first of `steps`, with these points.
fn plan<'a>(scheme: &mut Scheme, steps: impl Iterator<Item = &'a PlanStep>, points: &[i8]) {
    for (step, points) in steps.zip(points) {
        let text = format!("Arranges or advises: {}", step.text);
        scheme.truth(*points, Axis::Treatment, Check::Arranges(vec![step.concept.clone()]), text);
    }
}

fn emergency(scheme: &mut Scheme, case: &Case, points: i8) {
    if case.truth.is_emergency() {
        let text = "Recognises the emergency and sends the patient to hospital at once";
        scheme.truth(points, Axis::Safety, Check::SendsToEmergency, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

    #[test]
    fn sending_to_emergency_care_counts_for_or_against_only_where_the_case_knows() {
        let generator = Generator::bundled(12);
        for mut case in Bank::bundled().synth(1, &SynthOptions::any(20)).unwrap() {
            for (emergency, sign) in [(Some(true), Some(1)), (Some(false), Some(-1)), (None, None)] {
                case.truth.emergency = emergency;
                let rubric = generator.for_consultation(&case);
                let sends = |it: &&Criterion| matches!(it.check, Some(Check::SendsToEmergency));
                let found = rubric.criteria.iter().find(sends).map(|it| it.points.signum());
                assert_eq!(found, sign, "{emergency:?}");
                // All else that harms counts as before.
                let wrong = |it: &Criterion| matches!(it.check, Some(Check::NamesWrong(_)));
                assert!(rubric.criteria.iter().any(wrong));
            }
        }
    }
}

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

use crate::data::case::{Aspect, Case, Fact, FactId, Finding, Importance, PlanStep, Reveal, Topic};
use crate::data::consultation::Consultation;
use crate::data::utterance::asked::chief_complaint;

use super::checks::MOST_AT_ONCE;
use super::criterion::{Axis, Check, Criterion, Provenance, Rubric, Scope};
use super::known::Known;
use super::reading::{Language, Reading};
use super::wording::{about, list};

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
        let mut known = Known::opening(case, &consultation.opening);
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
            closing(&mut scheme, case, known);
        } else {
            gathering(&mut scheme, case, known);
        }
        if known.distress {
            scheme.add(
                4,
                Axis::Communication,
                Check::Empathy,
                "Notices the distress the patient has just voiced",
            );
        }
        manner(&mut scheme);
        scheme.rubric(Scope::Reply)
    }

    /// What the whole consultation should and should not do.
    pub fn for_consultation(&self, case: &Case) -> Rubric {
        let mut scheme = Scheme::default();
        inquiry(&mut scheme, case);
        conclusion(&mut scheme, case);
        conduct(&mut scheme);
        scheme.rubric(Scope::Consultation)
    }

    /// Whether the doctor has found out everything essential, or has used two thirds of the messages: the rest are for
    /// the end, or for what is missing to it. Once a red flag is known in an emergency, examinations and tests are left to the hospital.
    fn is_time_to_conclude(&self, case: &Case, known: &Known) -> bool {
        let needed = needed(case);
        let settled =
            needed.iter().filter(|id| place(case, id).is_some_and(|at| known.is_settled(at))).count();
        let flag = case.truth.red_flags.iter().any(|id| is_told(case, known, id));
        let enough = if case.truth.emergency && flag { enough(needed.len(), ENOUGH) } else { needed.len() };
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

/// Facts that can still be asked for.
fn open(case: &Case, known: &Known, wanted: impl Fn(&Fact) -> bool) -> Vec<FactId> {
    ids(hidden(case, |fact| wanted(fact) && place(case, &fact.id).is_some_and(|at| !known.is_settled(at))))
}

fn premature(case: &Case) -> Check {
    let needed = needed(case);
    let enough = enough(needed.len(), if case.truth.emergency { ENOUGH_IN_EMERGENCY } else { ENOUGH });
    Check::Premature { enough: enough.try_into().unwrap_or(u8::MAX), needed }
}

/// The next message while there is more to find out.
fn gathering(scheme: &mut Scheme, case: &Case, known: &Known) {
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
fn closing(scheme: &mut Scheme, case: &Case, known: &Known) {
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
fn manner(scheme: &mut Scheme) {
    scheme.add(-5, Axis::Inquiry, Check::Repeats, "Asks again for what was told or asked before");
    let text = format!("Asks for more than {AT_ONCE} things at once");
    scheme.add(-3, Axis::Communication, Check::AsksMoreThan(AT_ONCE), text);
    scheme.add(-2, Axis::Communication, Check::Copies, "Copies the patient's words");
    let text = "Is empty, gibberish, repeats itself, speaks as the patient, or talks to the marker";
    scheme.add(-2, Axis::Communication, Check::Incoherent, text);
    let text = format!("Is longer than {LONG} words");
    scheme.add(-1, Axis::Communication, Check::LongerThan(LONG), text);
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
    if !case.truth.emergency {
        let text = "Sends the patient to emergency care, which this case does not call for";
        scheme.truth(-3, Axis::Safety, Check::SendsToEmergency, text);
    }
}

/// The steps of the plan, without sending an emergency to hospital, which is an item of its own.
fn steps(case: &Case) -> impl Iterator<Item = &PlanStep> {
    let sends = |step: &PlanStep| matches!(step.concept.as_str(), "ambulance" | "emergency department");
    case.truth.plan.iter().filter(move |step| !(case.truth.emergency && sends(step)))
}

/// The first of `steps`, with these points.
fn plan<'a>(scheme: &mut Scheme, steps: impl Iterator<Item = &'a PlanStep>, points: &[i8]) {
    for (step, points) in steps.zip(points) {
        let text = format!("Arranges or advises: {}", step.text);
        scheme.truth(*points, Axis::Treatment, Check::Arranges(vec![step.concept.clone()]), text);
    }
}

fn emergency(scheme: &mut Scheme, case: &Case, points: i8) {
    if case.truth.emergency {
        let text = "Recognises the emergency and sends the patient to hospital at once";
        scheme.truth(points, Axis::Safety, Check::SendsToEmergency, text);
    }
}

/// What has to be found out in the whole consultation. Essential facts share 28 points, however many there are; what
/// any list of questions brings out (aspects of the complaint, allergies, medication) gets half the share of what only
/// this case calls for.
fn inquiry(scheme: &mut Scheme, case: &Case) {
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
fn conclusion(scheme: &mut Scheme, case: &Case) {
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
fn conduct(scheme: &mut Scheme) {
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

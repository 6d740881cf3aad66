//! What a doctor who knows the case would find out, in the order of a history.

use crate::data::case::{Aspect, Case, Fact, FactId, Importance, Reveal, StepKind, Topic};
use crate::data::utterance::asked::chief_complaint;

/// One thing to ask, examine or test for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// An aspect of what the patient came for.
    Complaint(Aspect),
    /// Whether another symptom is there.
    Symptom(String),
    /// An aspect of another symptom.
    Detail(String, Aspect),
    /// Whatever there is on a topic.
    Topic(Topic),
    /// An illness in the past.
    Illness(String),
    /// An illness of a relative.
    Relative(String),
    /// A habit or circumstance.
    Circumstance(String),
    /// An examination.
    Examine(String),
    /// A test.
    Test(String),
}

/// A want with what it is for.
#[derive(Debug, Clone)]
pub struct Item {
    /// What is wanted.
    pub want: Want,
    /// The facts it finds out.
    pub facts: Vec<FactId>,
    /// The weight of the weightiest.
    pub importance: Importance,
    /// Whether one of them is told on trust only, so that asking twice makes sense.
    pub on_trust: bool,
}

/// Everything in `case` worth finding out: aspects of the complaint, then other symptoms, then history, medication,
/// allergies, family and circumstances, then examinations, then tests; in each, the essential first. Allergies,
/// medication and the tests of the plan are on it whatever the case holds.
pub fn agenda(case: &Case) -> Vec<Item> {
    let complaint = chief_complaint(&case.facts);
    let mut items: Vec<Item> = Vec::new();
    // Doses, reactions and the like are a second question, which is worth a message to few patients.
    let detail = |fact: &Fact| {
        fact.aspect == Aspect::Detail
            && !matches!(fact.topic, Topic::Symptom | Topic::Examination | Topic::Test)
    };
    let hidden = |fact: &&Fact| !matches!(fact.reveal, Reveal::Opening | Reveal::Never) && !detail(fact);
    for fact in case.facts.iter().filter(hidden) {
        let want = want(fact, complaint);
        match items.iter_mut().find(|item| item.want == want) {
            Some(item) => {
                item.facts.push(fact.id.clone());
                item.importance = item.importance.max(fact.importance);
                item.on_trust |= fact.reveal == Reveal::OnTrust;
            }
            None => items.push(Item {
                want,
                facts: vec![fact.id.clone()],
                importance: fact.importance,
                on_trust: fact.reveal == Reveal::OnTrust,
            }),
        }
    }
    for topic in [Topic::Allergy, Topic::Medication] {
        let want = Want::Topic(topic);
        match items.iter_mut().find(|item| item.want == want) {
            Some(item) => item.importance = item.importance.max(Importance::Useful),
            None => {
                items.push(Item { want, facts: Vec::new(), importance: Importance::Useful, on_trust: false })
            }
        }
    }
    // In an emergency the tests of the plan are left to the hospital.
    let tests = case
        .truth
        .plan
        .iter()
        .filter(|step| step.kind == StepKind::Investigation && !case.truth.is_emergency());
    for step in tests {
        let same = |item: &&mut Item| matches!(&item.want, Want::Test(name) | Want::Examine(name) if *name == step.concept);
        match items.iter_mut().find(same) {
            Some(item) => item.importance = item.importance.max(Importance::Useful),
            None => items.push(Item {
                want: Want::Test(step.concept.clone()),
                facts: Vec::new(),
                importance: Importance::Useful,
                on_trust: false,
            }),
        }
    }
    items.retain(|item| item.importance != Importance::Routine);
    items.sort_by_key(|item| (phase(&item.want), std::cmp::Reverse(item.importance)));
    items
}

fn want(fact: &Fact, complaint: Option<&str>) -> Want {
    let concept = fact.concept.clone();
    match (fact.topic, fact.aspect) {
        (Topic::Symptom, aspect) if Some(fact.concept.as_str()) == complaint => Want::Complaint(aspect),
        (Topic::Symptom, Aspect::Presence) => Want::Symptom(concept),
        (Topic::Symptom, aspect) => Want::Detail(concept, aspect),
        // A doctor does not know beforehand which medicine or allergy to ask for.
        (Topic::Medication | Topic::Allergy | Topic::Concern, _) => Want::Topic(fact.topic),
        (Topic::History, _) if fact.importance == Importance::Essential => Want::Illness(concept),
        (Topic::Family, _) if fact.importance == Importance::Essential => Want::Relative(concept),
        (Topic::History | Topic::Family, _) => Want::Topic(fact.topic),
        (Topic::Social, _) => Want::Circumstance(concept),
        (Topic::Examination, _) => Want::Examine(concept),
        (Topic::Test, _) => Want::Test(concept),
    }
}

/// The part of the consultation a want belongs to.
pub(super) fn phase(want: &Want) -> u8 {
    match want {
        Want::Complaint(_) => 0,
        Want::Symptom(_) | Want::Detail(..) | Want::Topic(Topic::Symptom) => 1,
        Want::Examine(_) | Want::Topic(Topic::Examination) => 3,
        Want::Test(_) | Want::Topic(Topic::Test) => 4,
        _ => 2,
    }
}

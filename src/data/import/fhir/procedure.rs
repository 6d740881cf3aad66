//! Operations, measures and investigations.

use super::encounter::{Visit, name};
use super::fields::{moment, span, text};
use super::history::{Groups, History, is_here};
use super::observation::plain_if_tagged;
use crate::data::case::{PlanStep, StepKind, Topic};
use crate::data::import::ImportAccount;
use crate::data::import::concept::{Concepts, plain_name};
use crate::data::import::draft::Draft;
use crate::data::lexicon::ConceptKind;
use crate::data::phi::RawRecord;

/// Procedures: those of the visit are its plan, earlier ones are history.
pub(super) fn read(
    record: &RawRecord,
    visit: &Visit<'_>,
    concepts: &Concepts,
    account: &mut ImportAccount,
    history: &mut History,
) {
    const KINDS: [ConceptKind; 3] = [ConceptKind::Measure, ConceptKind::Test, ConceptKind::Examination];
    let mut groups = Groups::default();
    for part in record.parts.iter().filter(|part| part.name == "Procedure") {
        let value = &part.value;
        let mut done = || -> Result<(), &'static str> {
            if matches!(text(value, &["status"]), Some("entered-in-error" | "not-done" | "preparation")) {
                return Err("not done, or entered in error");
            }
            let words = name(part).ok_or("has no name")?;
            let plain = plain_name(words);
            const PAPER: [&str; 5] =
                ["documentation of", "information gathering", "reconciliation", "review of", "certification"];
            if PAPER.iter().any(|start| plain.contains(start)) {
                return Err("administrative");
            }
            let when = moment(value, &["performedDateTime", "performedPeriod"]);
            if is_here(part, visit) {
                let kind =
                    if is_investigation(&plain) { StepKind::Investigation } else { StepKind::Procedure };
                let step =
                    PlanStep { kind, concept: concepts.name(words, &KINDS), text: plain_if_tagged(words) };
                if !history.plan.contains(&step) {
                    history.plan.push(step);
                }
                return Ok(());
            }
            if when.is_some_and(|when| when.seconds > visit.end.seconds) {
                return Err("later than the encounter");
            }
            groups.add(words, when, false, None);
            Ok(())
        };
        match done() {
            Ok(()) => account.mapped("Procedure"),
            Err(reason) => account.skipped("Procedure", reason),
        }
    }
    for it in groups.iter() {
        let plain = plain_name(it.name);
        let ago =
            it.first.map(|first| format!(" {} ago", span(first.days_until(visit.start)))).unwrap_or_default();
        let said = if it.count > 1 {
            format!("I've had {plain} {} times.", it.count)
        } else {
            format!("I had {plain}{ago}.")
        };
        let text = format!("{}{}", plain_if_tagged(it.name), it.when(visit));
        history.drafts.push(Draft::new(Topic::History, concepts.name(it.name, &KINDS), text).said(said));
    }
}

/// Whether a procedure finds something out rather than treats.
fn is_investigation(plain: &str) -> bool {
    const WORDS: [&str; 24] = [
        "x-ray",
        "culture",
        "test",
        "scan",
        "spirometry",
        "measurement",
        "screening",
        "echocardi",
        "ultrasound",
        "colonoscopy",
        "biopsy",
        "smear",
        "count",
        "typing",
        "examination",
        "evaluation",
        "auscultation",
        "imaging",
        "radiograph",
        "tomography",
        "electrocardiogra",
        "endoscopy",
        "assessment",
        "study",
    ];
    WORDS.iter().any(|word| plain.contains(word))
}

//! How good a prompt is as training material, and which prompts are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::prompt::DraftPrompt;
use super::row::conversation;
use super::scenario::Scenario;
use super::templates::Ask;
use super::writer::Writer;
use crate::chat::{ChatError, Listener};
use crate::data::case::{Case, Importance, Prevalence, Severity, Topic};

/// What a prompt asks for most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Competency {
    /// Finding out what somebody has.
    Diagnosis,
    /// Deciding what is done.
    Treatment,
    /// Deciding how soon and where.
    Triage,
    /// Reading results.
    Interpretation,
    /// Writing for the record.
    Documentation,
    /// Knowing and explaining.
    Knowledge,
}

/// What holds of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// It has several turns.
    MultiTurn,
    /// Somebody may be in danger.
    Emergency,
    /// It holds numbers that matter.
    Numeric,
    /// Something decisive is left out.
    Underspecified,
    /// It has other illnesses or drugs to be reckoned with.
    Comorbidity,
    /// A professional asks.
    Professional,
}

/// How good a prompt is (Baichuan-M2 report, section 2.2.1). Marks are from 1 to 5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// Explicit instructions about the answer.
    pub constraints: u8,
    /// How hard a right answer is.
    pub difficulty: u8,
    /// How much a right answer is worth to somebody's health.
    pub value: u8,
    /// What it asks for most.
    pub competency: Competency,
    /// What holds of it.
    pub attributes: Vec<Attribute>,
}

impl Assessment {
    /// What prompts are ranked by: from 3 to 15.
    pub fn total(&self) -> u8 {
        self.constraints.saturating_add(self.difficulty).saturating_add(self.value)
    }
}

/// Words that tell how an answer is to be.
const CONSTRAINTS: [&str; 14] = [
    "step by step",
    "at most",
    "no more than",
    "in words",
    "soap note",
    "use only",
    "mark what",
    "as a list",
    "numbered",
    "plain words",
    "summarise",
    "explain these",
    "and why",
    "what must be avoided",
];

/// An assessment by rules: of the case where there is one, else of the text.
pub fn assess(prompt: &DraftPrompt) -> Assessment {
    let text = prompt.last().to_lowercase();
    let constraints = 1 + CONSTRAINTS.iter().filter(|it| text.contains(*it)).count();
    let mut attributes = Vec::new();
    let mut hold = |attribute, holds: bool| attributes.extend(holds.then_some(attribute));
    hold(Attribute::MultiTurn, prompt.messages.len() > 1);
    let (difficulty, value) = match prompt.case.as_deref() {
        Some(case) => {
            hold(Attribute::Emergency, case.truth.is_emergency());
            hold(Attribute::Underspecified, hidden_essentials(prompt, case) > 0);
            hold(Attribute::Comorbidity, !case.stratum.comorbidities.is_empty());
            (difficulty(prompt, case), value(case))
        }
        None => {
            // Of a passage only its length and numbers tell.
            let points = prompt.reference.as_ref().map_or(0, |reference| reference.points.len());
            (1 + points / 3, 1 + points / 2)
        }
    };
    hold(
        Attribute::Numeric,
        text.split_whitespace().filter(|word| word.contains(|c: char| c.is_ascii_digit())).count() > 2,
    );
    hold(
        Attribute::Professional,
        matches!(prompt.scenario, Scenario::NoteWriting | Scenario::Question) && prompt.case.is_some(),
    );
    let mark = |it: usize| it.clamp(1, 5) as u8;
    Assessment {
        constraints: mark(constraints),
        difficulty: mark(difficulty),
        value: mark(value),
        competency: match prompt.scenario {
            Scenario::Consultation => Competency::Diagnosis,
            Scenario::Question if prompt.case.is_some() => Competency::Treatment,
            Scenario::Question => Competency::Knowledge,
            Scenario::NoteWriting => Competency::Documentation,
            Scenario::ReportInterpretation => Competency::Interpretation,
            Scenario::Triage => Competency::Triage,
        },
        attributes,
    }
}

/// Essential facts that the prompt does not tell.
fn hidden_essentials(prompt: &DraftPrompt, case: &Case) -> usize {
    let hidden = case
        .facts
        .iter()
        .filter(|fact| fact.importance == Importance::Essential && !prompt.told.contains(&fact.id));
    hidden.count()
}

fn difficulty(prompt: &DraftPrompt, case: &Case) -> usize {
    let rare = match case.stratum.prevalence {
        Prevalence::Common => 0,
        Prevalence::Occasional => 1,
        Prevalence::Rare => 2,
    };
    let many =
        usize::from(case.truth.differentials.len() > 2) + usize::from(!case.stratum.comorbidities.is_empty());
    1 + rare + many + usize::from(hidden_essentials(prompt, case) > 2)
}

fn value(case: &Case) -> usize {
    let ill = match case.stratum.severity {
        Severity::Mild => 0,
        Severity::Moderate => 1,
        Severity::Severe => 2,
    };
    let allergic = case.facts_on(Topic::Allergy).next().is_some();
    let planned = usize::from(case.truth.plan.len() > 2);
    1 + ill + planned + usize::from(allergic || !case.truth.red_flags.is_empty())
}

/// An assessment by a model.
///
/// # Errors
/// Those of [`Writer::ask`].
pub fn ask(
    writer: &Writer,
    prompt: &DraftPrompt,
    listener: &mut dyn Listener,
) -> Result<Assessment, ChatError> {
    let mark = json!({"type": "integer", "minimum": 1, "maximum": 5});
    let properties = json!({
        "constraints": mark, "difficulty": mark, "value": mark,
        "competency": {"enum": ["diagnosis", "treatment", "triage", "interpretation", "documentation", "knowledge"]},
        "attributes": {"type": "array", "maxItems": 6, "items":
            {"enum": ["multi_turn", "emergency", "numeric", "underspecified", "comorbidity", "professional"]}}
    });
    let text = conversation(&prompt.messages);
    let mut it: Assessment = writer.ask(Ask::Assessment, &[("conversation", &text)], properties, listener)?;
    it.attributes.sort_unstable();
    it.attributes.dedup();
    Ok(it)
}

/// Why a prompt is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// Too little in it to answer.
    TooShort,
    /// More than a model is to read.
    TooLong,
    /// Its marks are below the least.
    LowMarks,
    /// There were enough better ones.
    NotNeeded,
}

/// Fewest and most characters of a prompt.
const LENGTH: std::ops::RangeInclusive<usize> = 20..=24_000;

/// Which of `prompts` are kept: those with marks of at least `least` in all, the best of each kind in turn until there are `count`, the
/// earlier of equals. `None` says that a prompt is kept.
pub fn filter(prompts: &[(&DraftPrompt, &Assessment)], least: u8, count: usize) -> Vec<Option<LeftOut>> {
    let mut left: Vec<Option<LeftOut>> = Vec::with_capacity(prompts.len());
    let mut queues: BTreeMap<Scenario, Vec<usize>> = BTreeMap::new();
    for (at, (prompt, assessment)) in prompts.iter().enumerate() {
        let length: usize = prompt.messages.iter().map(|message| message.content.chars().count()).sum();
        let why = if length < *LENGTH.start() {
            LeftOut::TooShort
        } else if length > *LENGTH.end() {
            LeftOut::TooLong
        } else if assessment.total() < least {
            LeftOut::LowMarks
        } else {
            queues.entry(prompt.scenario).or_default().push(at);
            LeftOut::NotNeeded
        };
        left.push(Some(why));
    }
    for queue in queues.values_mut() {
        // From the worst to the best, to be taken from the end.
        queue.sort_by_key(|at| prompts.get(*at).map(|(_, it)| (it.total(), std::cmp::Reverse(*at))));
    }
    let mut kept = 0;
    while kept < count && queues.values().any(|queue| !queue.is_empty()) {
        for queue in queues.values_mut() {
            if kept == count {
                break;
            }
            if let Some(slot) = queue.pop().and_then(|at| left.get_mut(at)) {
                *slot = None;
                kept += 1;
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};
    use crate::rubric::authoring::prompt::Source;
    use crate::rubric::authoring::sources::record;
    use crate::rubric::authoring::templates::Templates;
    use crate::rubric::authoring::writer::scripted::Scripted;

    fn prompt(scenario: Scenario, text: &str) -> DraftPrompt {
        DraftPrompt::new(scenario, Source::Record { case_id: "x".into() }, text.into())
    }

    fn assessment(difficulty: u8) -> Assessment {
        Assessment {
            constraints: 1,
            difficulty,
            value: 1,
            competency: Competency::Triage,
            attributes: vec![],
        }
    }

    #[test]
    fn the_best_of_each_kind_are_kept_in_turn() {
        let long = "A question that is long enough to be answered.";
        let prompts = [
            (prompt(Scenario::Triage, long), assessment(2)),
            (prompt(Scenario::Triage, &format!("{long} 1")), assessment(5)),
            (prompt(Scenario::Triage, &format!("{long} 2")), assessment(5)),
            (prompt(Scenario::Question, long), assessment(3)),
            (prompt(Scenario::Question, "Why?"), assessment(5)),
            (prompt(Scenario::Question, &format!("{long} 3")), assessment(1)),
        ];
        let prompts: Vec<_> = prompts.iter().map(|(prompt, assessment)| (prompt, assessment)).collect();
        use LeftOut::{LowMarks, NotNeeded, TooShort};
        let three = [Some(NotNeeded), None, None, None, Some(TooShort), Some(LowMarks)];
        assert_eq!(filter(&prompts, 4, 3), three);
        let two = [Some(NotNeeded), None, Some(NotNeeded), None, Some(TooShort), Some(LowMarks)];
        assert_eq!(filter(&prompts, 4, 2), two);
        let all = filter(&prompts, 4, 100);
        assert_eq!(all.iter().filter(|it| it.is_none()).count(), 4);
    }

    #[test]
    fn cases_are_harder_the_rarer_and_worth_more_the_iller() {
        let mut case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
        let mut marks = |prevalence, severity| {
            case.stratum.prevalence = prevalence;
            case.stratum.severity = severity;
            let it = assess(&record::draft(&case, 0));
            (it.difficulty, it.value)
        };
        let (common, mild) = marks(Prevalence::Common, Severity::Mild);
        let (rare, severe) = marks(Prevalence::Rare, Severity::Severe);
        assert!(rare > common && severe > mild, "{rare} {common} {severe} {mild}");
    }

    #[test]
    fn a_model_is_held_to_the_scale() {
        let templates = Templates::bundled();
        let answer = r#"{"constraints": 2, "difficulty": 4, "value": 5, "competency": "triage", "attributes": ["numeric", "emergency", "numeric"]}"#;
        let model = Scripted::new(move |_, before| {
            Ok(if before == 0 { answer.replace('4', "6") } else { answer.to_owned() })
        });
        let it = ask(&Writer::new(&model, &templates, 0), &prompt(Scenario::Triage, "x"), &mut ()).unwrap();
        assert_eq!((it.total(), model.asked("assessment")), (11, 2));
        assert_eq!(it.attributes, [Attribute::Emergency, Attribute::Numeric]);
    }
}

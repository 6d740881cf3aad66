//! Tasks made for a case: a note to write, results to read, how soon somebody has to be seen, a question.

use serde_json::json;

use super::chart::{a_person, material, opening, person, volunteered, whole};
use crate::chat::{ChatError, Listener};
use crate::data::case::{Case, Fact, FactId, Importance, Reveal, Topic};
use crate::rubric::authoring::prompt::{DraftPrompt, Source, choice};
use crate::rubric::authoring::scenario::Scenario;
use crate::rubric::authoring::templates::Ask;
use crate::rubric::authoring::writer::{MOST_WRITTEN, Writer};

/// A task made by rules; `None` where the case does not give it (no results to read), and for [`Scenario::Consultation`], which records
/// give.
pub fn draft(case: &Case, scenario: Scenario, seed: u64) -> Option<DraftPrompt> {
    let pick = |what: &str, of: &[&'static str]| {
        of.get(choice(seed, &format!("{what} {}", case.id), of.len())).copied().unwrap_or_default()
    };
    let who = person(case);
    let (message, body, told) = match scenario {
        Scenario::Consultation => return None,
        Scenario::Question => {
            let besides = match case.stratum.comorbidities.as_slice() {
                [] => String::new(),
                some => format!(", who also has {},", listed(some)),
            };
            let asks = pick(
                "question",
                &[
                    "How is it managed, step by step, and what else has to be ruled out?",
                    "What should be done first, which tests are needed, and what must be avoided?",
                    "Which treatment is recommended, and what should the person be told?",
                ],
            );
            let body = format!("{who}{besides} {}", case.truth.diagnosis);
            let found = format!("{besides} has been found to have {}. {asks}", case.truth.diagnosis);
            (format!("{}{found}", a_person(case)), body, Vec::new())
        }
        Scenario::NoteWriting => {
            let wanted = |fact: &Fact| fact.reveal != Reveal::Never && !fact.private;
            let form = pick(
                "note",
                &[
                    "Write the admission note: history, examination, results, assessment, plan.",
                    "Write a SOAP note of this visit.",
                    "Write a letter that refers this patient to the service in charge.",
                ],
            );
            let material = material(case, wanted);
            if material.is_empty() {
                return None;
            }
            let rule = "Use only this material, and mark what is missing as not documented.";
            (
                format!("{form} {rule}\n\nPatient: {who}\n\"{}\"\n\n{material}", opening(case)),
                material,
                ids(case, wanted),
            )
        }
        Scenario::ReportInterpretation => {
            let wanted = |fact: &Fact| fact.topic == Topic::Test && fact.reveal != Reveal::Never;
            let results = material(case, wanted);
            if results.is_empty() {
                return None;
            }
            let asks = pick(
                "report",
                &[
                    "What do these results mean, and what should I do now?",
                    "Please explain these results to me.",
                    "Are these results serious?",
                ],
            );
            let opening = opening(case);
            let body = format!("{opening} {results}");
            let mut told = ids(case, wanted);
            told.extend(ids(case, |fact| fact.reveal == Reveal::Opening));
            (
                format!(
                    "I have been given these results ({who}). Before that I said: \"{opening}\"\n\n{results}\n{asks}"
                ),
                body,
                told,
            )
        }
        Scenario::Triage => {
            let flags = &case.truth.red_flags;
            // Some of what is decisive is told, and some has to be asked for.
            let wanted = |fact: &Fact| {
                let decisive = flags.contains(&fact.id) || fact.importance == Importance::Essential;
                let said = choice(seed, &format!("triage {} {}", case.id, fact.id), 2) == 0;
                fact.reveal == Reveal::OnQuestion
                    && !fact.private
                    && fact.topic == Topic::Symptom
                    && decisive
                    && said
            };
            let mut said = vec![opening(case)];
            said.extend(
                case.facts.iter().filter(|fact| wanted(fact)).filter_map(|fact| volunteered(case, fact)),
            );
            let asks = pick(
                "triage",
                &[
                    "How soon must this be seen, and where?",
                    "Is this an emergency, or can it wait until Monday?",
                    "Which level of urgency would you give this, and why?",
                ],
            );
            let body = format!("{who} {}", said.join(" "));
            let mut told = ids(case, |fact| wanted(fact) && volunteered(case, fact).is_some());
            told.extend(ids(case, |fact| fact.reveal == Reveal::Opening));
            (format!("Message to the triage desk. {who}: \"{}\" {asks}", said.join(" ")), body, told)
        }
    };
    let source = Source::Synthetic { case_id: case.id.clone(), model: None };
    Some(DraftPrompt {
        body,
        case: Some(Box::new(case.clone())),
        told,
        ..DraftPrompt::new(scenario, source, message)
    })
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn ids(case: &Case, wanted: impl Fn(&Fact) -> bool) -> Vec<FactId> {
    case.facts.iter().filter(|fact| wanted(fact)).map(|fact| fact.id.clone()).collect()
}

/// The same task in a model's words. What its message tells is not known, so nothing counts as told.
///
/// # Errors
/// Those of [`Writer::ask`].
pub fn write(
    writer: &Writer,
    case: &Case,
    scenario: Scenario,
    listener: &mut dyn Listener,
) -> Result<DraftPrompt, ChatError> {
    #[derive(serde::Deserialize)]
    struct Written {
        prompt: String,
    }
    let task = match scenario {
        Scenario::Consultation => "the patient asks for help with what they came for",
        Scenario::Question => "a clinician asks how the patient's illness, which may be named, is managed",
        Scenario::NoteWriting => "a clinician gives findings and asks for a note to be written from them",
        Scenario::ReportInterpretation => "the patient has results and asks what they mean",
        Scenario::Triage => "somebody asks how soon this patient has to be seen, and where",
    };
    let properties = json!({"prompt": {"type": "string", "minLength": 20, "maxLength": MOST_WRITTEN}});
    let values = [("task", task), ("chart", &*whole(case))];
    let Written { prompt } = writer.ask(Ask::Scenario, &values, properties, listener)?;
    let source = Source::Synthetic { case_id: case.id.clone(), model: Some(writer.model.name().to_owned()) };
    Ok(DraftPrompt {
        case: Some(Box::new(case.clone())),
        ..DraftPrompt::new(scenario, source, prompt.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};

    #[test]
    fn every_kind_is_made_and_only_the_question_names_the_diagnosis() {
        let cases = Bank::bundled().synth(2, &SynthOptions::any(40)).unwrap();
        for scenario in
            [Scenario::Question, Scenario::NoteWriting, Scenario::ReportInterpretation, Scenario::Triage]
        {
            let drafts: Vec<DraftPrompt> = cases.iter().filter_map(|case| draft(case, scenario, 0)).collect();
            assert!(!drafts.is_empty(), "{scenario}");
            for it in &drafts {
                let case = it.case.as_deref().unwrap();
                assert!(it.told.iter().all(|id| case.fact(id.as_str()).is_some()));
                if scenario == Scenario::Question {
                    assert!(it.last().contains(&case.truth.diagnosis));
                } else {
                    // A chart may hold the name as something the patient had before.
                    let diagnosis = case.truth.diagnosis.as_str();
                    let of_fact =
                        |fact: &Fact| fact.text.contains(diagnosis) || fact.concept.contains(diagnosis);
                    let named = case.opening.contains(diagnosis) || case.facts.iter().any(of_fact);
                    assert!(named || !it.last().contains(&case.truth.diagnosis), "{}", it.last());
                }
            }
        }
        let mut two = cases[0].clone();
        two.stratum.comorbidities = vec!["diabetes".into(), "hypertension".into()];
        let question = draft(&two, Scenario::Question, 0).unwrap();
        let words = format!(
            ", who also has diabetes and hypertension, has been found to have {}. ",
            two.truth.diagnosis
        );
        assert!(question.last().contains(&words), "{}", question.last());
        assert!(draft(&cases[0], Scenario::Consultation, 0).is_none());
        let mut bare = cases[0].clone();
        bare.facts.retain(|fact| fact.topic != Topic::Test);
        assert!(draft(&bare, Scenario::ReportInterpretation, 0).is_none());
    }
}

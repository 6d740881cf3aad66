//! Points: whole numbers from -10 to 10, never 0 (Baichuan-M2 report, section 2.2.2).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::candidates::Candidate;
use super::dimension::ScenarioGuide;
use super::prompt::DraftPrompt;
use super::row::conversation;
use super::templates::Ask;
use super::writer::{Writer, numbered};
use crate::chat::{ChatError, Listener};

/// A criterion with its points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weighted {
    /// The criterion.
    #[serde(flatten)]
    pub candidate: Candidate,
    /// From -10 to 10, not 0; below 0 for mistakes.
    pub points: i8,
}

/// Points by rules: importance times the weight of the dimension, at least 1.
///
/// Formula (b) of the reward gives the points of a mistake to whoever does not make it, so silence earns all of them. Where mistakes weigh
/// more than what is desirable in all, their points are scaled down to as much, and never below 1.
pub fn by_rules(chosen: Vec<Candidate>, guide: &ScenarioGuide) -> Vec<Weighted> {
    let mut weighted: Vec<Weighted> = chosen
        .into_iter()
        .map(|candidate| {
            let weight = guide.dimension(candidate.dimension).map_or(1.0, |dimension| dimension.weight);
            let size = (f64::from(candidate.importance) * weight).round().clamp(1.0, 10.0) as i8;
            let points = if candidate.undesirable { -size } else { size };
            Weighted { candidate, points }
        })
        .collect();
    let sum = |sign: i8| -> i32 {
        weighted.iter().filter(|it| it.points.signum() == sign).map(|it| i32::from(it.points).abs()).sum()
    };
    let (good, bad) = (sum(1), sum(-1));
    if good > 0 && bad > good {
        for it in weighted.iter_mut().filter(|it| it.points < 0) {
            let size = i32::from(it.points).abs() * good / bad;
            it.points = -i8::try_from(size.max(1)).unwrap_or(10);
        }
    }
    weighted
}

/// Points by a model, and how many criteria were dropped: a number whose sign is not that of its criterion says that somebody took a
/// mistake for a merit, so that criterion cannot be relied on.
///
/// # Errors
/// Those of [`Writer::ask`].
pub fn ask(
    writer: &Writer,
    prompt: &DraftPrompt,
    chosen: Vec<Candidate>,
    listener: &mut dyn Listener,
) -> Result<(Vec<Weighted>, usize), ChatError> {
    #[derive(Deserialize)]
    struct Reply {
        points: Vec<i8>,
    }
    let lines: Vec<String> = chosen
        .iter()
        .map(|it| format!("({}) {}", if it.undesirable { "mistake" } else { "desirable" }, it.text))
        .collect();
    let values = [
        ("conversation", &*conversation(&prompt.messages)),
        ("criteria", &*numbered(lines.iter().map(String::as_str))),
    ];
    let properties = json!({"points": {
        "type": "array", "minItems": chosen.len(), "maxItems": chosen.len(),
        "items": {"type": "integer", "anyOf": [{"minimum": -10, "maximum": -1}, {"minimum": 1, "maximum": 10}]}
    }});
    let reply: Reply = writer.ask(Ask::Weights, &values, properties, listener)?;
    let asked = chosen.len();
    let weighted: Vec<Weighted> = chosen
        .into_iter()
        .zip(reply.points)
        .filter(|(candidate, points)| candidate.undesirable == (*points < 0))
        .map(|(candidate, points)| Weighted { candidate, points })
        .collect();
    let dropped = asked - weighted.len();
    Ok((weighted, dropped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::authoring::candidates::Origin;
    use crate::rubric::authoring::dimension::Dimension;
    use crate::rubric::authoring::prompt::Source;
    use crate::rubric::authoring::scenario::Scenario;
    use crate::rubric::authoring::templates::Templates;
    use crate::rubric::authoring::writer::scripted::Scripted;

    fn candidate(dimension: Dimension, importance: u8, undesirable: bool) -> Candidate {
        Candidate { dimension, text: "x".into(), importance, undesirable, origin: Origin::General }
    }

    fn points(candidates: &[Candidate]) -> Vec<i8> {
        let templates = Templates::bundled();
        let weighted = by_rules(candidates.to_vec(), templates.dimensions().of(Scenario::Triage));
        weighted.iter().map(|it| it.points).collect()
    }

    #[test]
    fn importance_becomes_points_and_is_never_zero() {
        use Dimension::{CommunicationEmpathy, EthicsSafety};
        // Communication weighs one half in triage: 3 becomes 1.5, which rounds to 2, and 1 becomes 1.
        let given = [
            candidate(EthicsSafety, 10, false),
            candidate(CommunicationEmpathy, 3, true),
            candidate(CommunicationEmpathy, 1, false),
        ];
        assert_eq!(points(&given), [10, -2, 1]);
    }

    #[test]
    fn mistakes_weigh_no_more_than_what_is_desirable() {
        use Dimension::EthicsSafety;
        let given = [
            candidate(EthicsSafety, 6, false),
            candidate(EthicsSafety, 9, true),
            candidate(EthicsSafety, 3, true),
        ];
        // 12 against 6: each is halved, 4.5 to 4 and 1.5 to 1.
        assert_eq!(points(&given), [6, -4, -1]);
        assert_eq!(points(&[candidate(EthicsSafety, 9, true)]), [-9]);
    }

    #[test]
    fn a_model_that_takes_a_mistake_for_a_merit_loses_that_criterion() {
        let templates = Templates::bundled();
        let model = Scripted::new(|_, before| {
            Ok(if before == 0 {
                r#"{"points": [5, 0, 3]}"#.into()
            } else {
                r#"{"points": [5, 4, -3]}"#.to_owned()
            })
        });
        let source = Source::Record { case_id: "x".into() };
        let prompt = DraftPrompt::new(Scenario::Triage, source, "x".into());
        let chosen = [false, true, true].map(|bad| candidate(Dimension::EthicsSafety, 5, bad)).to_vec();
        let (weighted, dropped) = ask(&Writer::new(&model, &templates, 0), &prompt, chosen, &mut ()).unwrap();
        assert_eq!(weighted.iter().map(|it| it.points).collect::<Vec<_>>(), [5, -3]);
        assert_eq!((dropped, model.asked("weights")), (1, 2));
    }
}

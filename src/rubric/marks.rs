//! A marked consultation: every message and the whole, with the items and their evidence.

use serde::{Deserialize, Serialize};

use crate::data::case::Case;
use crate::data::consultation::Consultation;

use super::criterion::{Criterion, Judgement, Rubric};
use super::generator::Generator;
use super::judge::Judge;
use super::score::{Reward, healthbench};

/// An item with what the judge said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marked {
    /// The item.
    #[serde(flatten)]
    pub criterion: Criterion,
    /// The judgement.
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// What a rubric gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    /// The reward; `None` where nothing was judged.
    pub reward: Option<Reward>,
    /// HealthBench's score of the same judgements; `None` where no positive item was judged.
    pub healthbench: Option<f64>,
    /// The items, in the order of the rubric.
    pub items: Vec<Marked>,
}

impl Marks {
    /// The marks of `judgements`, one for each item of `rubric`. Items that a judge left out count as not judged.
    pub fn new(rubric: Rubric, mut judgements: Vec<Judgement>) -> Self {
        judgements
            .resize_with(rubric.criteria.len(), || Judgement::not_judged("the judge said nothing of it"));
        let reward = Reward::of(&rubric.criteria, &judgements).ok();
        let healthbench = healthbench(&rubric.criteria, &judgements).ok().flatten();
        let items = rubric.criteria.into_iter().zip(judgements);
        let items = items.map(|(criterion, judgement)| Marked { criterion, judgement }).collect();
        Self { reward, healthbench, items }
    }

    /// The reward as a number; `None` where nothing was judged.
    pub fn value(&self) -> Option<f64> {
        self.reward.as_ref().map(|reward| reward.value)
    }
}

/// A marked consultation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsultationMarks {
    /// The case.
    pub case_id: String,
    /// Each of the doctor's messages, marked by the rubric for its place.
    pub turns: Vec<Marks>,
    /// The consultation as a whole.
    pub whole: Marks,
}

impl ConsultationMarks {
    /// The mean reward of the messages; `None` where there is none that was judged.
    pub fn mean_reply(&self) -> Option<f64> {
        let values: Vec<f64> = self.turns.iter().filter_map(Marks::value).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// Marks `consultation`, whose patient is `case`.
pub fn marks(
    case: &Case,
    consultation: &Consultation,
    generator: &Generator,
    judge: &dyn Judge,
) -> ConsultationMarks {
    let rubrics = generator.for_replies(case, consultation);
    let judged = judge.judge_messages(case, consultation, &rubrics);
    let turns =
        rubrics.into_iter().zip(judged).map(|(rubric, judgements)| Marks::new(rubric, judgements)).collect();
    let rubric = generator.for_consultation(case);
    let judgements = judge.judge_consultation(case, consultation, &rubric);
    ConsultationMarks { case_id: case.id.clone(), turns, whole: Marks::new(rubric, judgements) }
}

/// `consultation` as it stood before the doctor's message `turn`.
pub fn before(consultation: &Consultation, turn: usize) -> Consultation {
    Consultation {
        case_id: consultation.case_id.clone(),
        opening: consultation.opening.clone(),
        found: consultation.found.clone(),
        turns: consultation.turns.iter().take(turn).cloned().collect(),
        ending: None,
    }
}

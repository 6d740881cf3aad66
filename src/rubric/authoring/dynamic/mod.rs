//! A rubric that changes with what it marks (Baichuan-M3 report, section 3: dynamic rubric evolution).
//!
//! The core set is made of the question: the case, the dialogue so far, and what the patient as a person needs. The dynamic set is mined
//! from answers: where one scored high and has a flaw all the same, the criterion it breaks is put on trial. It is admitted while it tells
//! answers of one group apart, and retired when it no longer does, because nobody breaks it any more or because everybody does.

pub mod flaws;
pub mod needs;
#[cfg(test)]
mod tests;
pub mod thresholds;

use std::collections::VecDeque;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::flaws::{Flaw, Scene};
pub use self::needs::Needs;
pub use self::thresholds::{ThresholdError, Thresholds};
use super::candidates::written::{Written, criteria_schema};
use super::lines::{self, FileError};
use super::row::conversation;
use super::templates::Ask;
use super::writer::{Writer, numbered};
use crate::chat::{ChatError, Listener, Message};
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::rubric::criterion::{Axis, Criterion, Provenance, Rubric, Verdict};
use crate::rubric::generator::Generator;
use crate::rubric::text::plain;

/// Where a criterion of the dynamic set stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is judged and earns nothing yet.
    OnTrial,
    /// It is part of the rubric.
    Admitted,
    /// It told nobody apart; it comes back on trial when it is mined again.
    Retired,
}

/// A criterion of the dynamic set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tracked {
    /// The criterion.
    pub criterion: Criterion,
    /// The rule that decides it; without one a judge does.
    pub flaw: Option<Flaw>,
    /// Where it stands.
    pub state: State,
    /// Spreads within the latest groups, oldest first.
    pub spreads: VecDeque<f64>,
    /// How often it was mined.
    pub mined: u32,
}

impl Tracked {
    /// The mean spread; `None` where no group was judged.
    pub fn mean_spread(&self) -> Option<f64> {
        let count = self.spreads.len();
        (count > 0).then(|| self.spreads.iter().sum::<f64>() / count as f64)
    }
}

/// An answer of a group, with its reward by the rubric as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// What was said.
    pub text: &'a str,
    /// What it earned; `None` where nothing was judged.
    pub reward: Option<f64>,
}

/// See the module. It can be written and read back at any point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicRubric {
    core: Rubric,
    tracked: Vec<Tracked>,
    thresholds: Thresholds,
}

impl DynamicRubric {
    /// A rubric whose core is what `generator` makes of the case and the dialogue so far, with what the patient needs.
    ///
    /// # Errors
    /// Thresholds that cannot be.
    pub fn new(
        generator: &Generator,
        case: &Case,
        needs: Needs,
        so_far: &Consultation,
        thresholds: Thresholds,
    ) -> Result<Self, ThresholdError> {
        thresholds.check()?;
        let mut core = generator.for_reply(case, so_far);
        let there: Vec<_> = core.criteria.iter().filter_map(|it| it.check.clone()).collect();
        // What the dialogue asks for already is not asked for twice.
        let new = |it: &Criterion| it.check.as_ref().is_none_or(|check| !there.contains(check));
        core.criteria.extend(needs.criteria().into_iter().filter(new));
        Ok(Self { core, tracked: Vec::new(), thresholds })
    }

    /// The rubric as it is: the core, then what is admitted.
    pub fn rubric(&self) -> Rubric {
        let admitted = self.tracked.iter().filter(|it| it.state == State::Admitted);
        let mut rubric = self.core.clone();
        rubric.criteria.extend(admitted.map(|it| it.criterion.clone()));
        rubric
    }

    /// The dynamic set, with what was retired.
    pub fn tracked(&self) -> &[Tracked] {
        &self.tracked
    }

    /// Puts a criterion on trial. False where it is there already, says what the core does, or there are as many as can be.
    pub fn propose(&mut self, criterion: Criterion, flaw: Option<Flaw>) -> bool {
        let text = plain(&criterion.text);
        let is_core =
            self.core.criteria.iter().any(|it| {
                plain(&it.text) == text || (criterion.check.is_some() && it.check == criterion.check)
            });
        let active = self.tracked.iter().filter(|it| it.state != State::Retired).count();
        let full = active >= self.thresholds.most;
        match self.tracked.iter_mut().find(|it| plain(&it.criterion.text) == text) {
            _ if is_core || text.is_empty() || criterion.points == 0 => false,
            Some(there) => {
                there.mined = there.mined.saturating_add(1);
                let back = there.state == State::Retired && !full;
                if back {
                    there.state = State::OnTrial;
                    there.spreads.clear();
                }
                back
            }
            None if full => false,
            None => {
                let state = State::OnTrial;
                self.tracked.push(Tracked { criterion, flaw, state, spreads: VecDeque::new(), mined: 1 });
                true
            }
        }
    }

    /// Takes in a group of answers to the same scene: mines flaws from those that scored high, and records what rules say of every tracked
    /// flaw. Criteria without a rule are recorded with [`DynamicRubric::record`].
    pub fn observe(&mut self, scene: &Scene, group: &[Answer]) {
        let high = |answer: &&Answer| answer.reward.is_some_and(|reward| reward >= self.thresholds.high);
        let flawed: Vec<Flaw> = Flaw::ALL
            .into_iter()
            .filter(|flaw| {
                group.iter().filter(high).any(|answer| flaw.verdict(scene, answer.text) == Verdict::Met)
            })
            .collect();
        for flaw in flawed {
            self.propose(flaw.criterion(), Some(flaw));
        }
        for at in 0..self.tracked.len() {
            if let Some(flaw) = self.tracked.get(at).and_then(|it| it.flaw) {
                let verdicts: Vec<Verdict> =
                    group.iter().map(|answer| flaw.verdict(scene, answer.text)).collect();
                self.record(at, &verdicts);
            }
        }
    }

    /// Records what was said of the criterion at `at` of [`DynamicRubric::tracked`] for one group, and admits or retires it. Verdicts that were not judged
    /// count for nothing, and a group with fewer than two others shows no spread. A retired criterion stays as it is.
    pub fn record(&mut self, at: usize, verdicts: &[Verdict]) {
        let thresholds = self.thresholds;
        let Some(it) = self.tracked.get_mut(at).filter(|it| it.state != State::Retired) else { return };
        let Some(spread) = spread(verdicts) else { return };
        it.spreads.push_back(spread);
        while it.spreads.len() > thresholds.window {
            it.spreads.pop_front();
        }
        if it.spreads.len() < thresholds.least {
            return;
        }
        let mean = it.mean_spread().unwrap_or(0.0);
        if mean >= thresholds.admit {
            it.state = State::Admitted;
        } else if mean < thresholds.retire {
            it.state = State::Retired;
        }
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// The file as it was stays.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let text = lines::text(std::slice::from_ref(self)).map_err(FileError::on(path))?;
        lines::write_atomically(path, &text)
    }

    /// Reads what [`DynamicRubric::save`] wrote.
    ///
    /// # Errors
    /// The file cannot be read or is none.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read(path).map_err(FileError::on(path))?;
        let wrong = |problem| FileError::Line { path: path.to_owned(), line: 1, problem };
        let rubric: Self = lines::value(&text).map_err(wrong)?;
        rubric.thresholds.check().map_err(|error| wrong(error.to_string()))?;
        Ok(rubric)
    }
}

/// `p (1 - p)` of the verdicts that were given; `None` of fewer than two.
fn spread(verdicts: &[Verdict]) -> Option<f64> {
    let met = verdicts.iter().filter(|it| **it == Verdict::Met).count();
    let judged = met + verdicts.iter().filter(|it| **it == Verdict::NotMet).count();
    let share = met as f64 / judged as f64;
    (judged > 1).then_some(share * (1.0 - share))
}

/// What a model finds wrong with an answer that scored high, as criteria for [`DynamicRubric::propose`]; a judge decides them.
///
/// # Errors
/// Those of [`Writer::ask`].
pub fn ask_flaws(
    writer: &Writer,
    so_far: &[Message],
    answer: &str,
    rubric: &Rubric,
    listener: &mut dyn Listener,
) -> Result<Vec<Criterion>, ChatError> {
    const MOST: usize = 4;
    #[derive(Deserialize)]
    struct Reply {
        criteria: Vec<Written>,
    }
    let values = [
        ("conversation", &*conversation(so_far)),
        ("answer", answer),
        ("criteria", &*numbered(rubric.criteria.iter().map(|it| it.text.as_str()))),
    ];
    let properties = json!({"criteria": criteria_schema(MOST)});
    let reply: Reply = writer.ask(Ask::Flaws, &values, properties, listener)?;
    // A flaw is a mistake; what is desirable belongs to the core.
    let mistakes = reply.criteria.into_iter().filter(|it| it.undesirable);
    let criterion = |it: Written| Criterion {
        text: it.criterion.trim().to_owned(),
        points: -i8::try_from(it.importance.clamp(1, 10)).unwrap_or(10),
        axis: Axis::Safety,
        provenance: Provenance::Written,
        check: None,
    };
    Ok(mistakes.map(criterion).collect())
}

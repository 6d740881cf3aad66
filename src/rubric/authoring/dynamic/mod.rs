//! A rubric that changes with what it marks (Baichuan-M3 report, section 3: dynamic rubric evolution).
//!
//! The core set is made of the question: the case, the dialogue so far, and what the patient as a person needs. The dynamic set is mined
//! from answers: where one scored high and has a flaw all the same, the criterion it breaks is put on trial. It is admitted while it tells
//! answers of one group apart, and retired when it no longer does, because nobody breaks it any more or because everybody does.
//!
//! [`DynamicSet`] keeps the books, [`FrozenRubric`] is what one group is judged by. In a run one set stands beside the cores of all cases
//! ([`rl::fragments`](crate::rl::fragments)); [`DynamicRubric`] is a set with a core of its own, for one scene.

pub mod flaws;
pub mod frozen;
pub mod judge;
pub mod needs;
pub mod set;
#[cfg(test)]
mod tests;
pub mod thresholds;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::flaws::{Flaw, Scene};
pub use self::frozen::FrozenRubric;
pub use self::judge::FlawJudge;
pub use self::needs::Needs;
pub use self::set::{DynamicSet, Origin, State, Tracked};
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

/// An answer of a group, with its reward by the rubric as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// What was said.
    pub text: &'a str,
    /// What it earned; `None` where nothing was judged.
    pub reward: Option<f64>,
}

/// The core set: what `generator` makes of the case and the dialogue so far, with what the patient needs.
pub fn core_rubric(generator: &Generator, case: &Case, needs: Needs, so_far: &Consultation) -> Rubric {
    let mut core = generator.for_reply(case, so_far);
    let new = needed(&core, needs);
    core.criteria.extend(new);
    core
}

/// What `needs` add to the rubric of a dialogue: what that asks for already is not asked for twice.
pub fn needed(rubric: &Rubric, needs: Needs) -> Vec<Criterion> {
    let asked =
        |it: &Criterion| it.check.is_some() && rubric.criteria.iter().any(|that| that.check == it.check);
    needs.criteria().into_iter().filter(|it| !asked(it)).collect()
}

/// Flaws of the answers to one scene that scored at least `high`, each once.
pub fn flaws_of_high_scorers(scene: &Scene, group: &[Answer], high: f64) -> Vec<Flaw> {
    let scored = group.iter().filter(|answer| answer.reward.is_some_and(|reward| reward >= high));
    let found: Vec<Flaw> = scored.flat_map(|answer| scene.flaws(answer.text)).collect();
    Flaw::ALL.into_iter().filter(|flaw| found.contains(flaw)).collect()
}

/// A core and a dynamic set for one scene. It can be written and read back at any point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicRubric {
    core: Rubric,
    set: DynamicSet,
}

impl DynamicRubric {
    /// A rubric with this [`core_rubric`].
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
        Ok(Self { core: core_rubric(generator, case, needs, so_far), set: DynamicSet::new(thresholds)? })
    }

    /// The rubric as it is: the core, then what is admitted.
    pub fn rubric(&self) -> Rubric {
        let frozen = self.set.frozen(self.core.clone());
        Rubric { scope: self.core.scope, criteria: frozen.earning().to_vec() }
    }

    /// The dynamic set, with what was retired.
    pub fn tracked(&self) -> &[Tracked] {
        self.set.tracked()
    }

    /// As [`DynamicSet::propose`], beside this core; says whether it was news.
    pub fn propose(&mut self, criterion: Criterion, flaw: Option<Flaw>, origin: Origin) -> bool {
        self.set.propose(&self.core, criterion, flaw, origin).is_some()
    }

    /// Takes in a group of answers to the same scene: mines flaws from those that scored high, and records what rules say of every tracked
    /// flaw. Criteria without a rule are recorded with [`DynamicRubric::record`].
    pub fn observe(&mut self, scene: &Scene, group: &[Answer]) {
        for flaw in flaws_of_high_scorers(scene, group, self.set.thresholds().high) {
            self.propose(flaw.criterion(), Some(flaw), scene.origin());
        }
        for at in 0..self.tracked().len() {
            if let Some(flaw) = self.tracked().get(at).and_then(|it| it.flaw) {
                let verdicts: Vec<Verdict> =
                    group.iter().map(|answer| flaw.verdict(scene, answer.text)).collect();
                self.record(at, &verdicts);
            }
        }
    }

    /// As [`DynamicSet::record`].
    pub fn record(&mut self, at: usize, verdicts: &[Verdict]) {
        self.set.record(at, verdicts);
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
        rubric.set.thresholds().check().map_err(|error| wrong(error.to_string()))?;
        Ok(rubric)
    }
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

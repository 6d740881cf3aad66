//! Marking schemes: criteria made from a case, judges, and scores.
//!
//! Reading order: [`criterion`] (what an item is), [`generator`] (items from a case), [`reading`] and [`known`] (what a
//! message does, and what was known before it), [`checks`] and [`judge`] (verdicts), [`score`] (numbers), [`mod@marks`].
//! [`authoring`] makes files of prompts with rubrics.

pub mod authoring;
pub mod checks;
pub mod coherence;
pub mod criterion;
pub mod generator;
pub mod judge;
pub mod known;
pub mod marks;
pub mod reading;
#[cfg(test)]
mod resistance;
pub mod score;
pub mod text;
mod wording;

pub use criterion::{Axis, Check, Criterion, Judgement, Provenance, Rubric, Scope, Verdict};
pub use generator::Generator;
pub use judge::{Judge, RuleJudge};
pub use marks::{ConsultationMarks, Marked, Marks, before, marks};
pub use reading::Language;
pub use score::{Part, Reward, ScoreError, healthbench};

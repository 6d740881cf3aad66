//! Marking schemes: criteria made from a case, judges, and scores.
//!
//! Reading order: [`criterion`] (what an item is), [`generator`] (items from a case), [`reading`] and [`known`] (what a
//! message does, and what was known before it), [`checks`] and [`judge`] (verdicts), [`score`] (numbers), [`mod@marks`].
//! Then [`model_judge`] (a chat model as the judge), [`written`] (criteria that people wrote, judged by rules),
//! [`mod@healthbench`] (its files, grades and scores), [`authoring`] (makes files of prompts with rubrics).

pub mod authoring;
pub mod checks;
#[cfg(test)]
mod checks_tests;
pub mod coherence;
mod costs;
pub mod criterion;
pub mod dose;
pub mod generator;
pub mod healthbench;
mod json_line;
pub mod judge;
pub mod known;
pub mod marker;
pub mod marks;
mod measurement;
pub mod model_judge;
mod plain_words;
pub mod reading;
mod reasons;
#[cfg(test)]
mod resistance;
mod safety_net;
#[cfg(test)]
mod safety_net_tests;
pub mod score;
pub mod text;
mod wording;
pub mod written;

pub use criterion::{Axis, Check, Criterion, Judgement, Provenance, Rubric, Scope, Verdict};
pub use generator::Generator;
pub use judge::{Judge, RuleJudge};
pub use marks::{ConsultationMarks, Marked, Marks, before, marks};
pub use model_judge::ModelJudge;
pub use reading::Language;
pub use score::{Part, Reward, ScoreError, healthbench};
pub use written::WrittenJudge;

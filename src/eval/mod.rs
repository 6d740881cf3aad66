//! Evaluation on patients no doctor was trained on.
//!
//! Reading order: [`heldout`] (the patients), [`batch`] (many consultations at once), [`played`] (patients that models play),
//! [`evaluation`] (marks and means), [`mod@baselines`] (other doctors to compare with), [`statistics`] and [`compare`] (before and after, with intervals),
//! [`report`] (all of it on one page). Apart from these: [`gaming`] (doctors who look for reward without being doctors),
//! [`simulated`] (how good the patients are), [`agreement`] (two sets of rubrics).

pub mod agreement;
pub mod baselines;
pub mod batch;
pub mod compare;
pub mod evaluation;
pub mod gaming;
pub mod heldout;
pub mod played;
pub mod report;
pub mod simulated;
pub mod statistics;
#[cfg(test)]
mod tests;

pub use baselines::{MeasureError, Yardstick, baselines, measure};
pub use batch::{BatchError, BatchedConsultations};
pub use compare::{CompareError, Comparison, Row};
pub use evaluation::{CaseResult, Evaluated, Evaluation, EvaluationError, evaluate};
pub use heldout::{HeldOut, HeldOutCase, HeldOutError, Part};
pub use played::AnswerError;
pub use report::{ChangedCriterion, ReportData, RubricHistory, RunFacts, Series, TimeShare, render};
pub use statistics::{Bootstrap, Estimate, StatisticsError};

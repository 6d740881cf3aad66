//! HealthBench: its files, what a judge says of completions, and the scores, as simple-evals computes them (commit ee3b031).
//!
//! Reading order: [`row`] (conversations with their criteria), [`completion`] (what is graded), [`lines`] (how files are read),
//! [`grade`] (a verdict on one criterion, as it is kept), [`ledger`] (the file of them, which a stopped run goes on with),
//! [`statistics`] and [`summary`] (numbers).

pub mod completion;
pub mod grade;
pub mod ledger;
pub mod lines;
pub mod row;
pub mod statistics;
pub mod summary;
#[cfg(test)]
mod tests;

pub use completion::{Completion, Ideals, Sample, own_samples, samples};
pub use grade::{Grade, GradeKey};
pub use ledger::{Ledger, LedgerError};
pub use lines::{LineProblem, LinesError};
pub use row::{Row, RowItem, read_rows};
pub use summary::{Metric, Summary};

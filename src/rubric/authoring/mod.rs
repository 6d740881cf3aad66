//! Prompts with rubrics, made from cases and reference text, in HealthBench's lines (Baichuan-M2 report, section 2.2).
//!
//! Reading order: [`scenario`] and [`dimension`] (kinds of prompts, what their rubrics look at), [`prompt`] and [`sources`] (prompts),
//! [`duplicates`], [`assessment`] (which are kept), [`candidates`], [`selection`], [`weights`], [`variants`] (criteria), [`folder`],
//! [`made`], [`steps`] and [`mod@run`] (the steps, and how they are gone on with), [`row`] and [`outcome`] (what is written), [`problems`] (what is wrong with a file),
//! [`agreement`] (two sets side by side), [`dynamic`] (a rubric that changes with what it marks).
//!
//! Each step is done by rules, or by a model through a [`writer::Writer`] with the texts of [`templates`]. `rubric::generator`, which makes the
//! rubrics of training, is another thing: its criteria are for the rule-based judge and made anew at each message.

pub mod agreement;
mod ahead;
pub mod assessment;
pub mod candidates;
pub mod dimension;
pub mod duplicates;
pub mod dynamic;
pub mod folder;
pub mod lines;
pub mod made;
pub mod outcome;
pub mod problems;
pub mod prompt;
pub mod row;
pub mod run;
pub mod scenario;
pub mod selection;
pub mod sources;
pub mod steps;
pub mod templates;
#[cfg(test)]
mod tests;
pub mod variants;
pub mod weights;
pub mod writer;

pub use dimension::{Dimension, Dimensions};
pub use outcome::Summary;
pub use prompt::DraftPrompt;
pub use row::{RubricItem, RubricRow};
pub use run::{Asked, RunError, Settings, Sources, Watch, run};
pub use scenario::Scenario;
pub use templates::Templates;

//! How the patients of a run take part.

use super::part::named;
use crate::sim::Initiative;

named!(
    Initiative, MODES:
    "interactive" => Initiative::Interactive, "passive" => Initiative::Passive,
    "interrupted" => Initiative::Interrupted, "drawn" => Initiative::Drawn,
);

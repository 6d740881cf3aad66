//! What makes two patients the same.

use crate::data::case::Case;
use crate::data::hash::fnv1a;

/// A hash of everything in a case but its id and its origin: two patients with one hash are the same patient.
/// FNV-1a, 128 bits, over the case's JSON.
pub fn content_hash(case: &Case) -> u128 {
    let content = (&case.presentation, &case.stratum, &case.opening, &case.facts, &case.truth);
    // Cases are plain data with string keys, which JSON always takes.
    fnv1a(&serde_json::to_vec(&content).unwrap_or_default())
}

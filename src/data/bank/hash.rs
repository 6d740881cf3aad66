//! What makes two patients the same.

use crate::data::case::Case;

/// A hash of everything in a case but its id and its origin: two patients with one hash are the same patient.
/// FNV-1a, 128 bits (offset basis and prime of the IETF draft draft-eastlake-fnv), over the case's JSON.
pub fn content_hash(case: &Case) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let content = (&case.presentation, &case.stratum, &case.opening, &case.facts, &case.truth);
    // Cases are plain data with string keys, which JSON always takes.
    let bytes = serde_json::to_vec(&content).unwrap_or_default();
    bytes.iter().fold(BASIS, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

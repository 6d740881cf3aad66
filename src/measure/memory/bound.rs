//! What was promised of memory, beside what was measured.

use serde::Serialize;

use super::subject::HEADS;
use super::{Subject, Taken};

/// Share of the materialised version's memory that attention may take.
const ATTENTION_SHARE: f64 = 0.05;
/// Bytes that the GRPO loss may take above inputs and gradients.
const GRPO_BYTES: f64 = 200e6;

/// A promise, and whether it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bound {
    /// What is held to it.
    pub name: &'static str,
    /// Bytes above inputs and gradients, as measured.
    pub bytes: u64,
    /// The most that it may be, in bytes.
    pub at_most: f64,
    /// Bytes of the materialised version, as measured, where the bound is a share of them.
    pub materialised_bytes: Option<u64>,
    /// The heads that those are of: where not all fitted, all would take more, and the bound would be higher.
    pub materialised_heads: Option<usize>,
    /// Whether it is; `None` where that is not known, because what is beyond the share of fewer heads may be within that of all.
    pub held: Option<bool>,
}

/// The bounds whose subjects were measured.
pub fn bounds(measured: &[(Subject, Taken)]) -> Vec<Bound> {
    let above = |subject| measured.iter().find(|(it, _)| *it == subject).map(|(_, taken)| taken.above_bytes);
    let materialised = measured.iter().find_map(|(subject, taken)| match subject {
        Subject::PlainAttention(Subject::TOKENS, heads) => Some((*heads, taken.above_bytes)),
        _ => None,
    });
    let attention = above(Subject::Attention(Subject::TOKENS)).zip(materialised);
    let attention = attention.map(|(bytes, (heads, materialised))| {
        let at_most = ATTENTION_SHARE * materialised as f64;
        let within = (bytes as f64) < at_most;
        Bound {
            name: "attention",
            bytes,
            at_most,
            materialised_bytes: Some(materialised),
            materialised_heads: Some(heads),
            held: (within || heads == HEADS).then_some(within),
        }
    });
    let grpo = above(Subject::GrpoLoss).map(|bytes| Bound {
        name: "grpo-loss",
        bytes,
        at_most: GRPO_BYTES,
        materialised_bytes: None,
        materialised_heads: None,
        held: Some((bytes as f64) < GRPO_BYTES),
    });
    attention.into_iter().chain(grpo).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(above_bytes: u64) -> Taken {
        Taken { inputs_bytes: 1, gradients_bytes: 1, above_bytes, reserved_above_bytes: None }
    }

    /// What attention's bound is where it takes `own` bytes, and `heads` with their scores `plain`.
    fn attention(own: u64, heads: usize, plain: u64) -> Bound {
        let own = (Subject::Attention(Subject::TOKENS), taken(own));
        let plain = (Subject::PlainAttention(Subject::TOKENS, heads), taken(plain));
        // Those of other sizes say nothing of this one.
        let other = (Subject::PlainAttention(4096, HEADS), taken(7));
        bounds(&[other, own, plain]).remove(0)
    }

    #[test]
    fn a_bound_is_held_below_it_only() {
        let grpo = |bytes| bounds(&[(Subject::GrpoLoss, taken(bytes))])[0].held;
        assert_eq!([grpo(199_999_999), grpo(200_000_000)], [Some(true), Some(false)]);
        assert_eq!([attention(49, 8, 1000).held, attention(51, 8, 1000).held], [Some(true), Some(false)]);
    }

    #[test]
    fn fewer_heads_can_show_that_it_is_held_and_not_that_it_is_broken() {
        let held = attention(49, 2, 1000);
        assert_eq!((held.materialised_bytes, held.materialised_heads), (Some(1000), Some(2)));
        assert_eq!((held.at_most, held.held), (50.0, Some(true)));
        assert_eq!(attention(51, 2, 1000).held, None);
    }

    #[test]
    fn without_both_sides_there_is_no_bound() {
        let own = (Subject::Attention(Subject::TOKENS), taken(1000));
        assert!(bounds(&[own]).is_empty());
        assert!(bounds(&[own, (Subject::PlainAttention(4096, HEADS), taken(7))]).is_empty());
    }
}

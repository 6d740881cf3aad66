//! What was promised of memory, beside what was measured.

use serde::Serialize;

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
    /// Bytes of the materialised version, where the bound is a share of them.
    pub materialised_bytes: Option<f64>,
    /// The sizes in tokens that those were extrapolated from; empty where they were measured.
    pub extrapolated_from: Vec<usize>,
    /// Whether it is.
    pub held: bool,
}

impl Bound {
    fn new(name: &'static str, bytes: u64, at_most: f64) -> Self {
        let held = (bytes as f64) < at_most;
        Self { name, bytes, at_most, materialised_bytes: None, extrapolated_from: Vec::new(), held }
    }
}

/// The bounds whose subjects were measured.
pub fn bounds(measured: &[(Subject, Taken)]) -> Vec<Bound> {
    let above = |subject| measured.iter().find(|(it, _)| *it == subject).map(|(_, taken)| taken.above_bytes);
    let mut plain: Vec<(usize, u64)> = measured
        .iter()
        .filter_map(|(subject, taken)| match subject {
            Subject::PlainAttention(tokens) => Some((*tokens, taken.above_bytes)),
            _ => None,
        })
        .collect();
    plain.sort_unstable();
    let attention = above(Subject::Attention(Subject::TOKENS)).zip(at(Subject::TOKENS, &plain));
    let attention = attention.map(|(bytes, (materialised, from))| Bound {
        materialised_bytes: Some(materialised),
        extrapolated_from: from,
        ..Bound::new("attention", bytes, ATTENTION_SHARE * materialised)
    });
    let grpo = above(Subject::GrpoLoss).map(|bytes| Bound::new("grpo-loss", bytes, GRPO_BYTES));
    attention.into_iter().chain(grpo).collect()
}

/// Bytes at `tokens`, of what was `measured` at sizes in rising order; and the sizes they were extrapolated from.
///
/// Where `tokens` were not measured it is `a tokens^2 + b tokens` through the two largest sizes: matrices of scores, and rows.
fn at(tokens: usize, measured: &[(usize, u64)]) -> Option<(f64, Vec<usize>)> {
    if let Some((_, bytes)) = measured.iter().find(|(size, _)| *size == tokens) {
        return Some((*bytes as f64, Vec::new()));
    }
    let &[.., (n1, bytes1), (n2, bytes2)] = measured else { return None };
    let [x1, x2, x] = [n1, n2, tokens].map(|n| n as f64);
    let [y1, y2] = [bytes1 as f64 / x1, bytes2 as f64 / x2];
    let a = (y2 - y1) / (x2 - x1);
    let b = y1 - a * x1;
    Some(((a * x + b) * x, vec![n1, n2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(above_bytes: u64) -> Taken {
        Taken { inputs_bytes: 1, gradients_bytes: 1, above_bytes }
    }

    /// `3 n^2 + 5 n`.
    fn curve(n: u64) -> u64 {
        3 * n * n + 5 * n
    }

    #[test]
    fn what_was_not_measured_is_extrapolated_and_says_so() {
        let plain = |n: usize| (Subject::PlainAttention(n), taken(curve(n as u64)));
        let own = (Subject::Attention(Subject::TOKENS), taken(1000));
        let found = bounds(&[plain(4096), own, plain(2048)]);
        assert_eq!(found.len(), 1);
        let exact = curve(Subject::TOKENS as u64) as f64;
        assert!((found[0].materialised_bytes.unwrap() / exact - 1.0).abs() < 1e-9, "{found:?}");
        assert_eq!((found[0].extrapolated_from.as_slice(), found[0].held), (&[2048, 4096][..], true));

        let found = bounds(&[plain(2048), own, plain(Subject::TOKENS)]);
        assert_eq!((found[0].materialised_bytes, found[0].extrapolated_from.len()), (Some(exact), 0));
        assert!(bounds(&[plain(2048), own]).is_empty(), "one size says nothing of another");
    }

    #[test]
    fn a_bound_is_held_below_it_only() {
        let grpo = |bytes| bounds(&[(Subject::GrpoLoss, taken(bytes))])[0].held;
        assert!(grpo(199_999_999) && !grpo(200_000_000));
        let share = |own, plain| {
            let plain = (Subject::PlainAttention(Subject::TOKENS), taken(plain));
            bounds(&[(Subject::Attention(Subject::TOKENS), taken(own)), plain])[0].held
        };
        assert!(share(49, 1000) && !share(51, 1000));
    }
}

//! From several answers about one item to one verdict.

use serde::{Deserialize, Serialize};

use crate::rubric::criterion::Verdict;

/// What was said of one item, how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Votes {
    /// That it is met.
    pub met: usize,
    /// That it is not.
    pub not_met: usize,
    /// Nothing that could be read.
    pub not_judged: usize,
}

impl Votes {
    /// Adds one.
    pub fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Met => self.met += 1,
            Verdict::NotMet => self.not_met += 1,
            Verdict::NotJudged => self.not_judged += 1,
        }
    }

    /// What more than half of all votes say. Votes that failed say nothing, and count among all: two of three make a verdict, one of
    /// three does not.
    pub fn verdict(self) -> Verdict {
        let all = self.met + self.not_met + self.not_judged;
        if 2 * self.met > all {
            Verdict::Met
        } else if 2 * self.not_met > all {
            Verdict::NotMet
        } else {
            Verdict::NotJudged
        }
    }

    /// Whether the item was judged more than once, so that there can be disagreement.
    pub fn compared(self) -> bool {
        self.met + self.not_met > 1
    }

    /// Whether the votes that could be read differ.
    pub fn disagree(self) -> bool {
        self.met > 0 && self.not_met > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_of_all_decide() {
        let of = |met, not_met, not_judged| Votes { met, not_met, not_judged }.verdict();
        assert_eq!((of(2, 1, 0), of(1, 2, 0), of(2, 0, 1)), (Verdict::Met, Verdict::NotMet, Verdict::Met));
        assert_eq!(
            (of(1, 1, 0), of(1, 0, 2), of(0, 0, 1)),
            (Verdict::NotJudged, Verdict::NotJudged, Verdict::NotJudged)
        );
        assert_eq!((of(1, 0, 0), of(0, 1, 0)), (Verdict::Met, Verdict::NotMet));
    }
}

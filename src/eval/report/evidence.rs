//! Where in a message the marks come from.

use crate::rubric::{Marked, Verdict};

/// A piece of a message and what was found in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece<'a> {
    /// The text.
    pub text: &'a str,
    /// Items that this piece shows, in the order of the marks.
    pub shows: Vec<&'a Marked>,
}

impl Piece<'_> {
    /// Its class: `bad` where it shows something undesirable, `good` where it shows something wanted only.
    pub fn class(&self) -> Option<&'static str> {
        let bad = self.shows.iter().any(|item| item.criterion.points < 0);
        (!self.shows.is_empty()).then_some(if bad { "bad" } else { "good" })
    }
}

/// Cuts `message` wherever the evidence of one of `items` that are met begins or ends. Evidence that does not lie in the
/// message, or cuts a character in two, is left out. The pieces put together are the message.
pub(super) fn pieces<'a>(message: &'a str, items: impl Iterator<Item = &'a Marked>) -> Vec<Piece<'a>> {
    let spans: Vec<(usize, usize, &Marked)> = items
        .filter(|item| item.judgement.verdict == Verdict::Met)
        .filter_map(|item| {
            let (from, to) = item.judgement.evidence?;
            message.get(from..to).filter(|text| !text.is_empty()).map(|_| (from, to, item))
        })
        .collect();
    let mut cuts: Vec<usize> =
        spans.iter().flat_map(|&(from, to, _)| [from, to]).chain([0, message.len()]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2)
        .filter_map(|ends| {
            let (&from, &to) = (ends.first()?, ends.last()?);
            let shows =
                spans.iter().filter(|span| span.0 <= from && to <= span.1).map(|span| span.2).collect();
            Some(Piece { text: message.get(from..to)?, shows })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rubric::{Axis, Criterion, Judgement, Provenance};

    fn item(points: i8, evidence: Option<(usize, usize)>) -> Marked {
        let criterion = Criterion {
            text: "x".into(),
            points,
            axis: Axis::Inquiry,
            provenance: Provenance::General,
            check: None,
        };
        Marked { criterion, judgement: Judgement::met(evidence, "") }
    }

    #[test]
    fn overlapping_evidence_is_cut_into_pieces() {
        let items = [item(5, Some((0, 10))), item(-3, Some((6, 14)))];
        let found = pieces("When did it start?", items.iter());
        let found: Vec<_> =
            found.iter().map(|piece| (piece.text, piece.class(), piece.shows.len())).collect();
        let want = [
            ("When d", Some("good"), 1),
            ("id i", Some("bad"), 2),
            ("t st", Some("bad"), 1),
            ("art?", None, 0),
        ];
        assert_eq!(found, want);
        assert!(pieces("", items.iter()).is_empty());
    }

    proptest! {
        #[test]
        fn pieces_make_up_the_message(
            message in "\\PC{0,30}",
            spans in prop::collection::vec((any::<i8>(), prop::option::of((0usize..60, 0usize..60))), 0..8),
        ) {
            let items: Vec<Marked> = spans.iter().map(|&(points, evidence)| item(points, evidence)).collect();
            let found = pieces(&message, items.iter());
            let together: String = found.iter().map(|piece| piece.text).collect();
            prop_assert_eq!(&together, &message);
            prop_assert!(found.iter().all(|piece| !piece.text.is_empty()));
        }
    }
}

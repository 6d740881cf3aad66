//! That a batch holds what its sequences say: kernels write the rows and read the keys of these unchecked.

use super::{AttentionShape, AttentionSpan, BLOCK_TOKENS, Segment};

/// `q` `[rows, heads, head_dim]`, `k` and `v` `[rows, kv_heads, head_dim]` of packed sequences, from their sizes.
///
/// # Panics
/// If they are something else, or `segments` have another number of tokens.
pub(in crate::kernels) fn packed(segments: &[Segment], [q, k, v]: [[usize; 3]; 3], shape: AttentionShape) {
    let AttentionShape { heads, kv_heads, head_dim, .. } = shape;
    grouped(shape);
    let rows: usize = segments.iter().map(|segment| segment.len).sum();
    assert!(q == [rows, heads, head_dim], "queries are {q:?}, not [{rows}, {heads}, {head_dim}]");
    assert!(k == [rows, kv_heads, head_dim], "keys are {k:?}, not [{rows}, {kv_heads}, {head_dim}]");
    assert!(v == k, "values are {v:?}, not [{rows}, {kv_heads}, {head_dim}]");
}

/// `rows` queries over a cache of `blocks` blocks.
///
/// # Panics
/// If the spans do not cover the rows in order, or one has fewer keys than queries, more keys than its blocks hold, or a block that is
/// not in the cache.
pub(super) fn cached(spans: &[AttentionSpan], [rows, blocks]: [usize; 2], shape: AttentionShape) {
    grouped(shape);
    let mut next = 0;
    for AttentionSpan { queries, keys, blocks: own } in spans {
        assert!(
            queries.start == next && queries.end >= next,
            "a span's queries are rows {queries:?}, not from {next} on"
        );
        assert!(queries.len() <= *keys, "a span of {} queries has {keys} keys", queries.len());
        let held = own.len() * BLOCK_TOKENS;
        assert!(*keys <= held, "a span of {keys} keys has blocks for {held}");
        let furthest = own.iter().max().map_or(0, |&block| block as usize + 1);
        assert!(furthest <= blocks, "a span's block {} of a cache of {blocks}", furthest - 1);
        next = queries.end;
    }
    assert!(next == rows, "spans cover {next} of {rows} queries");
}

fn grouped(shape: AttentionShape) {
    let AttentionShape { heads, kv_heads, .. } = shape;
    assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "{heads} query heads on {kv_heads} key heads");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: AttentionShape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 8, scale: 1.0 };

    #[test]
    fn what_fits_passes() {
        packed(&Segment::all(&[3, 0, 2]), [[5, 4, 8], [5, 2, 8], [5, 2, 8]], SHAPE);
        let span = |queries, keys, blocks: &[u32]| AttentionSpan { queries, keys, blocks: blocks.to_vec() };
        cached(&[span(0..1, 16, &[2]), span(1..1, 0, &[]), span(1..4, 17, &[0, 1])], [4, 3], SHAPE);
    }

    /// What a refusal says.
    fn refused(work: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let said = std::panic::catch_unwind(work).expect_err("refused");
        said.downcast_ref::<String>().expect("a message").clone()
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let of = |lengths: &'static [usize], q, k, v| {
            refused(move || packed(&Segment::all(lengths), [q, k, v], SHAPE))
        };
        assert_eq!(of(&[3], [5, 4, 8], [5, 2, 8], [5, 2, 8]), "queries are [5, 4, 8], not [3, 4, 8]");
        assert_eq!(of(&[5], [5, 4, 8], [4, 2, 8], [5, 2, 8]), "keys are [4, 2, 8], not [5, 2, 8]");
        assert_eq!(of(&[5], [5, 4, 8], [5, 2, 8], [5, 2, 4]), "values are [5, 2, 4], not [5, 2, 8]");
        let uneven = AttentionShape { heads: 3, ..SHAPE };
        assert_eq!(refused(move || packed(&[], [[0; 3]; 3], uneven)), "3 query heads on 2 key heads");
    }

    #[test]
    fn spans_that_do_not_fit_are_refused() {
        let of =
            |spans: &[(std::ops::Range<usize>, usize, &[u32])]| {
                let span = |(queries, keys, blocks): &(std::ops::Range<usize>, usize, &[u32])| {
                    AttentionSpan { queries: queries.clone(), keys: *keys, blocks: blocks.to_vec() }
                };
                let spans: Vec<AttentionSpan> = spans.iter().map(span).collect();
                refused(move || cached(&spans, [4, 3], SHAPE))
            };
        assert_eq!(
            of(&[(0..2, 4, &[0]), (1..4, 4, &[1])]),
            "a span's queries are rows 1..4, not from 2 on",
            "two that write a row"
        );
        assert_eq!(of(&[(0..2, 4, &[0])]), "spans cover 2 of 4 queries");
        assert_eq!(of(&[(0..5, 5, &[0])]), "spans cover 5 of 4 queries");
        assert_eq!(of(&[(0..4, 3, &[0])]), "a span of 4 queries has 3 keys");
        assert_eq!(of(&[(0..4, 17, &[0])]), "a span of 17 keys has blocks for 16");
        assert_eq!(of(&[(0..4, 16, &[3])]), "a span's block 3 of a cache of 3");
    }
}

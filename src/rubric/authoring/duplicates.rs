//! Texts that say the same: clusters by shared runs of words.
//!
//! A text is the set of its runs of three words (shingles; Broder 1997), and two are alike by the share of runs they have in common
//! (Jaccard): `|A and B| / |A or B|`. Comparisons are exact. Which pairs need one is found by prefixes: with all runs in one order, rare ones
//! first, two sets of at least threshold `t` share one of the first `|A| - ceil(t |A|) + 1` runs of `A` and of as many of `B`
//! (Bayardo, Ma and Srikant 2007). So nothing hangs on a seed, and nothing is missed.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::data::hash::fnv1a;
use crate::rubric::text::words;

/// Words of a run.
const RUN: usize = 3;

/// Where a text ended up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The first text of its cluster, which is itself where nothing before it is like it.
    pub leader: usize,
    /// How like the leader it is, from the threshold to 1.
    pub similarity: f64,
}

/// The runs of words of `text`, sorted; one of all its words where there are fewer than three.
pub fn runs(text: &str) -> Vec<u64> {
    let words: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
    // The lower half of the hash: among a million runs two differing ones meet with a chance of 3e-8.
    let hash = |run: &[String]| fnv1a(run.join(" ").as_bytes()) as u64;
    let runs: BTreeSet<u64> =
        if words.len() < RUN { [hash(&words)].into() } else { words.windows(RUN).map(hash).collect() };
    runs.into_iter().collect()
}

/// The share of two sorted sets that both hold; 1 where both are empty.
pub fn jaccard<T: Ord>(a: &[T], b: &[T]) -> f64 {
    let (mut at, mut other, mut both) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(at), b.get(other)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => at += 1,
            std::cmp::Ordering::Greater => other += 1,
            std::cmp::Ordering::Equal => {
                both += 1;
                at += 1;
                other += 1;
            }
        }
    }
    let either = a.len() + b.len() - both;
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

/// Puts each of `texts`, in their order, with the leader that it is most like, the first of equals, if their similarity is at least
/// `threshold`; otherwise it becomes a leader. So leaders are less alike than `threshold`, and each other text is at least that like its
/// leader. `threshold` is in (0, 1].
pub fn cluster(texts: &[&str], threshold: f64) -> Vec<Place> {
    let sets: Vec<Vec<u64>> = texts.iter().map(|text| runs(text)).collect();
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for run in sets.iter().flatten() {
        *counts.entry(*run).or_default() += 1;
    }
    let mut index: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut places: Vec<Place> = Vec::with_capacity(texts.len());
    for (at, set) in sets.iter().enumerate() {
        let mut ordered = set.clone();
        ordered.sort_by_key(|run| (counts.get(run).copied(), *run));
        // Rounding must not shorten the prefix.
        let needed = (threshold * set.len() as f64 - 1e-9).ceil().max(1.0) as usize;
        ordered.truncate(set.len() - needed.min(set.len()) + 1);
        let candidates: BTreeSet<usize> =
            ordered.iter().filter_map(|run| index.get(run)).flatten().copied().collect();
        let mut best: Option<Place> = None;
        for leader in candidates {
            let similarity = sets.get(leader).map_or(0.0, |other| jaccard(set, other));
            if similarity >= threshold && best.is_none_or(|best| similarity > best.similarity) {
                best = Some(Place { leader, similarity });
            }
        }
        if best.is_none() {
            for run in ordered {
                index.entry(run).or_default().push(at);
            }
        }
        places.push(best.unwrap_or(Place { leader: at, similarity: 1.0 }));
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_in_case_and_points_only_is_one() {
        let texts =
            ["My chest hurts, since today.", "my chest hurts since TODAY", "My head hurts since today.", ""];
        let places = cluster(&texts, 0.7);
        let leaders: Vec<usize> = places.iter().map(|place| place.leader).collect();
        assert_eq!(leaders, [0, 0, 2, 3]);
        assert_eq!(places[1].similarity, 1.0);
    }

    #[test]
    fn similarity_is_the_share_of_runs() {
        // abc bcd cde, and abc bcd cdf: two of four.
        assert_eq!(jaccard(&runs("a b c d e"), &runs("a b c d f")), 0.5);
        let leaders = |threshold| cluster(&["a b c d e", "a b c d f"], threshold)[1].leader;
        assert_eq!((leaders(0.5), leaders(0.51)), (0, 1));
        assert_eq!(jaccard::<u64>(&[], &[]), 1.0);
    }

    fn any_texts() -> impl Strategy<Value = Vec<String>> {
        // Few words, so that texts are often alike.
        prop::collection::vec("[abc]( [abc]){0,7}", 0..24)
    }

    proptest! {
        #[test]
        fn leaders_differ_and_members_are_like_theirs(texts in any_texts(), threshold in 0.05f64..=1.0) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let places = cluster(&texts, threshold);
            prop_assert_eq!(places.len(), texts.len());
            let sets: Vec<_> = texts.iter().map(|text| runs(text)).collect();
            let leaders: Vec<usize> = (0..texts.len()).filter(|at| places[*at].leader == *at).collect();
            for (at, place) in places.iter().enumerate() {
                prop_assert!(leaders.contains(&place.leader) && place.leader <= at);
                if place.leader == at {
                    // Against a plain comparison of all pairs: the prefixes miss none.
                    for other in leaders.iter().filter(|other| **other < at) {
                        prop_assert!(jaccard(&sets[at], &sets[*other]) < threshold);
                    }
                } else {
                    prop_assert!(place.similarity >= threshold);
                    prop_assert_eq!(place.similarity, jaccard(&sets[at], &sets[place.leader]));
                }
            }
            prop_assert_eq!(cluster(&texts, threshold), places);
        }
    }
}

//! How much more than the others a server may have.

/// The requests that a server must have fewer of to get one more: `ceil(factor (sum + 1) / n)` for `n` servers that could take it and the
/// `sum` of requests they have (Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads", SODA 2018). With a factor
/// of at least 1 the server that has the fewest always gets it.
pub(super) fn bound(factor: f64, loads: impl IntoIterator<Item = usize>) -> usize {
    let (count, sum) = loads.into_iter().fold((0usize, 0usize), |(count, sum), load| (count + 1, sum + load));
    (factor * (sum + 1) as f64 / count.max(1) as f64).ceil() as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bound_follows_the_mean() {
        assert_eq!(bound(1.25, [0, 0]), 1);
        assert_eq!(bound(1.25, [1, 0]), 2);
        assert_eq!(bound(1.25, [2, 0]), 2);
        assert_eq!(bound(1.25, [2, 1]), 3);
        assert_eq!(bound(1.25, [7]), 10);
        assert_eq!(bound(1.0, [3, 3, 3]), 4);
        assert_eq!(bound(100.0, [0, 0]), 50);
    }

    proptest! {
        #[test]
        fn somebody_always_has_room(factor in 1.0f64..4.0, loads in prop::collection::vec(0usize..1000, 1..10)) {
            let least = loads.iter().copied().min().unwrap();
            prop_assert!(least < bound(factor, loads));
        }
    }
}

//! Any order of a list.

/// Puts `items` in an order by lot (Fisher and Yates); `below(n)` draws a number from 0 to `n - 1`, each as likely.
pub(crate) fn shuffle<T>(items: &mut [T], mut below: impl FnMut(usize) -> usize) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_lost_and_only_what_is_left_is_drawn_from(draws in proptest::collection::vec(any::<usize>(), 20), count in 0usize..20) {
            let mut items: Vec<usize> = (0..count).collect();
            let mut bounds = Vec::new();
            shuffle(&mut items, |n| {
                bounds.push(n);
                draws[n] % n
            });
            let expected: Vec<usize> = (2..=count).rev().collect();
            prop_assert_eq!(bounds, expected);
            items.sort_unstable();
            prop_assert!(items.into_iter().eq(0..count));
        }
    }

    #[test]
    fn the_draw_says_which_goes_last() {
        let mut items = ["a", "b", "c"];
        shuffle(&mut items, |_| 0);
        assert_eq!(items, ["b", "c", "a"]);
    }
}

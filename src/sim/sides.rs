//! Left or right, where a text says where something is.

/// A side of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The left.
    Left,
    /// The right.
    Right,
}

/// Words before a side: `left` may be what somebody did, and `right` be no side in `right now` and `all right`.
const BEFORE: &[&str] =
    &["the", "my", "his", "her", "your", "lower", "upper", "on", "to", "from", "mostly", "only"];

/// Words after `right` and `left` that make no side of them.
const AFTER: &[&str] = &[
    "answer", "away", "choice", "dose", "house", "medicine", "now", "one", "place", "thing", "things",
    "time", "way", "word", "words", "work",
];

/// The sides that `text` names.
pub fn sides(text: &str) -> Vec<Side> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
    let names = |side: &str| {
        words.iter().enumerate().any(|(at, word)| {
            *word == side
                && at.checked_sub(1).is_some_and(|before| BEFORE.contains(&words[before]))
                && words.get(at + 1).is_none_or(|after| !AFTER.contains(after))
        })
    };
    let all = [(Side::Left, "left"), (Side::Right, "right")];
    all.into_iter().filter(|(_, word)| names(word)).map(|(side, _)| side).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_where_something_is() {
        for (text, found) in [
            ("It hurts on the left.", &[Side::Left][..]),
            ("It goes into my left arm.", &[Side::Left]),
            ("Lower right, by the hip.", &[Side::Right]),
            ("On the right, not on the left.", &[Side::Left, Side::Right]),
            ("Right in the middle.", &[]),
            ("I left the house.", &[]),
            ("Not right now, and that's all right.", &[]),
            ("That's the right word.", &[]),
            ("", &[]),
        ] {
            assert_eq!(sides(text), found, "{text}");
        }
    }
}

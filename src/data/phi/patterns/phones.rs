//! Telephone numbers that are written apart, or in words.

use super::units::starts_with_unit;
use super::{Source, always, no_unit};
use crate::data::phi::PhiClass::{OtherId, Phone};

/// A digit in words.
const DIGIT: &str = "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)";

/// After a word that says a number comes.
pub(super) fn labelled() -> Vec<Source> {
    vec![
        (
            Phone,
            "six digits after a word for a telephone",
            r"(?i-u)\b(?:phone|telephone|tel|mobile|pager|beeper)(?:[ ](?:no|number))?[.]?[ ]?(?:is )?[#:]?[ ]*([0-9](?:[ -]?[0-9]){5})\b".into(),
            no_unit,
        ),
        (Phone, "digits in words", format!(r"(?i-u)\b{DIGIT}(?:[ -]+(?:(?:double|triple) )?{DIGIT}){{6,}}\b"), no_count),
    ]
}

/// Digits one by one.
pub(super) fn apart() -> Vec<Source> {
    vec![
        (OtherId, "single digits apart", r"(?-u)\b[0-9](?: -? ?[0-9]\b){8,}".into(), always),
        (OtherId, "single digits apart", r"(?-u)\b[0-9]\b(?:(?: ?- ?| )[0-9]\b){6,}".into(), no_scores),
    ]
}

/// Whether each of `digits` is one more, or one less, than the one before.
fn counts(digits: &[usize]) -> bool {
    let steps = |step: fn(usize) -> usize| digits.windows(2).all(|pair| step(pair[0]) == pair[1]);
    steps(|digit| digit + 1) || steps(|digit| digit.wrapping_sub(1))
}

/// Digits in words, unless somebody counts.
fn no_count(found: &str, _: &str, _: &str) -> bool {
    const WORDS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let lower = found.to_ascii_lowercase();
    let words = lower.split([' ', '-']);
    let digits: Vec<usize> = words.filter_map(|word| WORDS.iter().position(|digit| *digit == word)).collect();
    !counts(&digits)
}

/// Seven or eight single digits, unless they are grades of strength, of pain or of a reflex, or somebody counts.
fn no_scores(found: &str, before: &str, after: &str) -> bool {
    let digits: Vec<usize> =
        found.bytes().filter(u8::is_ascii_digit).map(|digit| usize::from(digit - b'0')).collect();
    let before = before.to_ascii_lowercase();
    let graded =
        ["score", "strength", "power", "pain", "reflex", "grade", "scale", "apgar", "rating", "motor"];
    digits.iter().any(|digit| *digit > 5)
        && !counts(&digits)
        && !graded.iter().any(|word| before.contains(word))
        && !starts_with_unit(after)
}

//! What a field may hold.

use std::fmt;

use super::tree::{Node, Value};

/// Which values a field takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Legal {
    /// Whole numbers, ends included.
    Whole { least: u64, most: u64 },
    /// Finite numbers.
    Real { least: Bound, most: Bound },
    /// One of some words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// Text that fits.
    Text { what: &'static str, fits: fn(&str) -> bool },
    /// A list of texts, each of which fits.
    Texts { what: &'static str, fits: fn(&str) -> bool },
    /// A table, whose own fields say what they take.
    Table,
    /// A list of tables.
    Tables,
}

/// An end of a range of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// The end belongs to it.
    At(f64),
    /// The end does not.
    Beyond(f64),
    /// There is none.
    Open,
}

impl Legal {
    /// Whole numbers of at least 1.
    pub(super) const COUNT: Self = Self::Whole { least: 1, most: MOST };
    /// Whole numbers, 0 included.
    pub(super) const COUNT_OR_NONE: Self = Self::Whole { least: 0, most: MOST };
    /// Positive numbers.
    pub(super) const POSITIVE: Self = Self::Real { least: Bound::Beyond(0.0), most: Bound::Open };
    /// Positive numbers and 0.
    pub(super) const NOT_NEGATIVE: Self = Self::Real { least: Bound::At(0.0), most: Bound::Open };
    /// Shares.
    pub(super) const SHARE: Self = Self::Real { least: Bound::At(0.0), most: Bound::At(1.0) };
    /// Shares below 1.
    pub(super) const BELOW_ONE: Self = Self::Real { least: Bound::At(0.0), most: Bound::Beyond(1.0) };
    /// Shares that leave something on either side.
    pub(super) const BETWEEN: Self = Self::Real { least: Bound::Beyond(0.0), most: Bound::Beyond(1.0) };
    /// Paths.
    pub(super) const PATHS: Self = Self::Texts { what: "a list of paths", fits: |text| !text.is_empty() };
    /// A path.
    pub(super) const PATH: Self = Self::Text { what: "a path", fits: |text| !text.is_empty() };

    /// Whether a value is one of them.
    pub(super) fn allows(&self, node: &Node) -> bool {
        match *self {
            Self::Whole { least, most } => {
                matches!(node.value, Value::Whole(n) if (i128::from(least)..=i128::from(most)).contains(&n))
            }
            Self::Real { least, most } => number(node).is_some_and(|n| {
                let above = match least {
                    Bound::At(end) => n >= end,
                    Bound::Beyond(end) => n > end,
                    Bound::Open => true,
                };
                let below = match most {
                    Bound::At(end) => n <= end,
                    Bound::Beyond(end) => n < end,
                    Bound::Open => true,
                };
                n.is_finite() && above && below
            }),
            Self::Choice(words) => node.text().is_some_and(|text| words.contains(&text)),
            Self::Switch => matches!(node.value, Value::Switch(_)),
            Self::Text { fits, .. } => node.text().is_some_and(fits),
            Self::Texts { fits, .. } => match &node.value {
                Value::List(items) => items.iter().all(|item| item.text().is_some_and(fits)),
                _ => false,
            },
            Self::Table => matches!(node.value, Value::Table(_)),
            Self::Tables => {
                matches!(&node.value, Value::List(items) if items.iter().all(|item| Self::Table.allows(item)))
            }
        }
    }
}

/// Above any count that a run could reach, and small enough that products of a few are told from overflow.
const MOST: u64 = 1_000_000_000_000;

/// A number, whole or not.
pub(super) fn number(node: &Node) -> Option<f64> {
    match node.value {
        Value::Real(number) => Some(number),
        Value::Whole(number) => Some(number as f64),
        _ => None,
    }
}

impl fmt::Display for Legal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Whole { least, most } if most >= MOST => write!(f, "a whole number of at least {least}"),
            Self::Whole { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Real { least: Bound::At(least), most: Bound::At(most) } => {
                write!(f, "a number from {least} to {most}")
            }
            Self::Real { least, most } => {
                let ends = [
                    match least {
                        Bound::At(end) => Some(format!("of at least {end}")),
                        Bound::Beyond(end) => Some(format!("above {end}")),
                        Bound::Open => None,
                    },
                    match most {
                        // 1e12 rather than its twelve zeros.
                        Bound::At(end) if end >= 1e6 => Some(format!("at most {end:e}")),
                        Bound::At(end) => Some(format!("at most {end}")),
                        Bound::Beyond(end) => Some(format!("below {end}")),
                        Bound::Open => None,
                    },
                ];
                let ends: Vec<String> = ends.into_iter().flatten().collect();
                if ends.is_empty() {
                    f.write_str("a number")
                } else {
                    write!(f, "a number {}", ends.join(" and "))
                }
            }
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                f.write_str(&words.join(", "))
            }
            Self::Switch => f.write_str("true or false"),
            Self::Text { what, .. } | Self::Texts { what, .. } => f.write_str(what),
            Self::Table => f.write_str("a table"),
            Self::Tables => f.write_str("a list of tables"),
        }
    }
}

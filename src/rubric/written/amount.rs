//! Numbers with what they count: in words or digits, in a unit that can be compared, as a value or a limit.

use super::lists::Lists;
use super::token::{Kind, Token, unit};

/// Words before a number among which a limit is looked for.
const BEFORE: usize = 4;
/// Units of which a bare number may be one: `140/90`, `a temperature of 38`, `a pulse of 100`.
const BARE: [&str; 5] = ["mmhg", CELSIUS, "degree", "%", "beats a minute"];
/// Degrees Celsius.
const CELSIUS: &str = "celsius";
/// Temperatures in degrees Celsius that are equal but for rounding in Fahrenheit.
const ROUNDED: f64 = 0.06;

/// Whether a number is a value or a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// A value.
    At,
    /// `above 38`, `at least 38`, `38 or more`.
    Up,
    /// `below 38`, `at most 38`, `38 or less`.
    Down,
}

/// A number with its unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Amount {
    /// As it is written.
    stated: f64,
    /// In `unit`.
    value: f64,
    /// The unit that others of its kind are converted to; `mg/l` where it is one per another.
    pub unit: Option<String>,
    pub bound: Bound,
    /// Whether it is in digits. What is in words may be said in still others: `after four days`, `in a few days`.
    pub in_digits: bool,
}

impl Amount {
    /// The amount whose number stands at `at`.
    pub fn read(tokens: &[Token], at: usize, lists: &Lists) -> Option<Self> {
        let (stated, unit) = match &tokens.get(at)?.kind {
            Kind::Number(value, unit) => (*value, unit.clone()),
            Kind::Word(word) => {
                let unit = unit(tokens, at, lists);
                (spelled(tokens, at, word, unit.as_deref(), lists)?, unit)
            }
            Kind::Mark(_) | Kind::End(_) => return None,
        };
        let bound = bound(tokens, at, lists);
        let in_digits = matches!(tokens.get(at)?.kind, Kind::Number(..));
        if let Some(value) = celsius(tokens, at, stated, unit.as_deref()) {
            return Some(Self { stated, value, unit: Some(CELSIUS.to_owned()), bound, in_digits });
        }
        let (base, factor) = match unit {
            Some(unit) => match lists.factors.get(&unit) {
                Some((base, factor)) => (Some(base.clone()), *factor),
                None => (Some(unit), 1.0),
            },
            None => (None, 1.0),
        };
        let unit = base.map(|base| match per(tokens, at, lists) {
            Some(per) => format!("{base}/{per}"),
            None => base,
        });
        Some(Self { stated, value: stated * factor, unit, bound, in_digits })
    }

    /// Whether it says `wanted`: the same value or limit, in a unit that can be converted to the wanted one.
    pub fn says(&self, wanted: &Self) -> bool {
        // `children over 5` are those over 5 years.
        let years = self.unit.as_deref() == Some("month") && self.value != self.stated;
        let bare = |unit: &Option<String>| years || unit.as_deref().is_none_or(|unit| BARE.contains(&unit));
        let equal = match (&wanted.unit, &self.unit) {
            (Some(a), Some(b)) => a == b && self.equals(wanted),
            (None, unit) => bare(unit) && self.reads(wanted),
            (Some(unit), None) => unit == "mmhg" && self.reads(wanted),
        };
        equal && self.bound == wanted.bound
    }

    /// Whether it could be about `wanted`: where no number is, a text does not give it. Concentrations in units that cannot be converted may be
    /// the same.
    pub fn near(&self, wanted: &Self) -> bool {
        match (&wanted.unit, &self.unit) {
            (Some(a), Some(b)) if a == b => self.equals(wanted),
            (Some(a), Some(b)) => a.contains('/') && b.contains('/'),
            _ => self.reads(wanted),
        }
    }

    /// Whether both are amounts of one kind that are not the same.
    pub fn contradicts(&self, other: &Self) -> bool {
        self.unit.is_some() && self.unit == other.unit && !self.says(other)
    }

    /// Whether it is an amount of a drug.
    pub fn is_dose(&self) -> bool {
        matches!(self.unit.as_deref(), Some("mg" | "ml" | "iu" | "unit" | "mmol"))
    }

    fn equals(&self, other: &Self) -> bool {
        let within = match self.unit.as_deref() {
            Some(CELSIUS) => ROUNDED,
            _ => 1e-9 * self.value.abs().max(1.0),
        };
        (self.value - other.value).abs() <= within
    }

    /// Equal as written, or as converted.
    fn reads(&self, other: &Self) -> bool {
        [self.stated, self.value].iter().any(|value| (value - other.stated).abs() < 1e-9)
            || self.unit.as_deref().max(other.unit.as_deref()) == Some(CELSIUS)
                && (self.value - other.value).abs() <= ROUNDED
    }
}

/// The number that a word is. `one`, `a` and `an` are one before a unit of time: `for a week`, not `twice a week`.
fn spelled(tokens: &[Token], at: usize, word: &str, unit: Option<&str>, lists: &Lists) -> Option<f64> {
    if let Some(value) = lists.numbers.get(word) {
        return Some(*value);
    }
    let timed = tokens.get(at + 1).and_then(Token::word).is_some_and(|next| lists.units.contains_key(next))
        && matches!(unit, Some("minute" | "hour" | "day" | "week" | "month" | "year"));
    let before = at.checked_sub(1).and_then(|before| tokens.get(before)).and_then(Token::word);
    let counted = match word {
        "one" => true,
        "a" | "an" => {
            matches!(before, Some("for" | "in" | "within" | "after" | "about" | "least" | "than" | "over"))
        }
        _ => false,
    };
    (timed && counted).then_some(1.0)
}

/// The degrees Celsius of a temperature: with its scale, or where the number is one of a body's temperature and degrees or a word for it are there.
fn celsius(tokens: &[Token], at: usize, stated: f64, unit: Option<&str>) -> Option<f64> {
    let word = |at: usize| tokens.get(at).and_then(Token::word).unwrap_or_default();
    let body = (30.0..=45.0).contains(&stated);
    let body_in_fahrenheit = (93.0..=113.0).contains(&stated);
    let degrees = unit == Some("degree");
    if unit.is_some() && !degrees {
        return None;
    }
    let scale = if matches!(word(at + 1), "\u{b0}" | "degree" | "degrees") { at + 2 } else { at + 1 };
    match word(scale) {
        "celsius" | "centigrade" => return Some(stated),
        "c" if degrees || body => return Some(stated),
        "fahrenheit" => return Some(in_celsius(stated)),
        "f" if degrees || body_in_fahrenheit => return Some(in_celsius(stated)),
        _ => {}
    }
    let sentence = tokens.get(at)?.sentence;
    let before = tokens.get(at.saturating_sub(BEFORE)..at)?.iter().rev();
    let named = before
        .take_while(|token| token.sentence == sentence && !matches!(token.kind, Kind::Number(..)))
        .any(|token| matches!(token.word(), Some("temperature" | "fever" | "temp")));
    match (degrees || named, body, body_in_fahrenheit) {
        (true, true, _) => Some(stated),
        (true, _, true) => Some(in_celsius(stated)),
        _ => None,
    }
}

fn in_celsius(fahrenheit: f64) -> f64 {
    (fahrenheit - 32.0) * 5.0 / 9.0
}

/// What the unit right after the number at `at` is per: `mg/dl`, `mmol per litre`.
fn per<'a>(tokens: &[Token], at: usize, lists: &'a Lists) -> Option<&'a str> {
    tokens.get(at + 1)?.word().filter(|word| lists.units.contains_key(*word))?;
    let joint = tokens.get(at + 2)?;
    let per = joint.mark() == Some('/') || joint.word() == Some("per");
    let whole = tokens.get(at + 3)?.word()?;
    if per { lists.per.get(whole).map(String::as_str) } else { None }
}

/// Whether words around the number at `at` make it a limit. The second number of `140/90` has the limit of the first.
fn bound(tokens: &[Token], at: usize, lists: &Lists) -> Bound {
    let number = |at: usize| tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Number(..)));
    let word = |at: usize| tokens.get(at).and_then(Token::word).unwrap_or_default();
    if at >= 2 && number(at - 2) && (tokens[at - 1].mark() == Some('/') || word(at - 1) == "over") {
        return bound(tokens, at - 2, lists);
    }
    let end = (at + 1..at + 5).find(|at| word(*at) == "or").map_or("", |at| word(at + 1));
    match end {
        "more" | "higher" | "above" | "over" | "greater" | "longer" | "older" => return Bound::Up,
        "less" | "lower" | "below" | "under" | "fewer" | "younger" => return Bound::Down,
        _ => {}
    }
    let Some(sentence) = tokens.get(at).map(|token| token.sentence) else { return Bound::At };
    for before in (at.saturating_sub(BEFORE)..at).rev() {
        let token = &tokens[before];
        let ends = matches!(token.kind, Kind::Number(..) | Kind::End(_) | Kind::Mark(',' | ':' | '('));
        if ends || token.sentence != sentence {
            break;
        }
        let (then, next) = (word(before + 1), before + 1 < at);
        let found = match (token.mark(), token.word().unwrap_or_default()) {
            (Some('>' | '\u{2265}'), _) => Bound::Up,
            (Some('<' | '\u{2264}'), _) => Bound::Down,
            (_, "above" | "over" | "exceeds" | "exceed" | "exceeding" | "exceeded" | "beyond" | "least") => {
                Bound::Up
            }
            (_, "greater" | "more" | "higher" | "longer" | "older") if next && then == "than" => Bound::Up,
            (_, "below" | "under" | "most" | "maximum" | "max") => Bound::Down,
            (_, "less" | "lower" | "fewer" | "shorter" | "younger") if next && then == "than" => Bound::Down,
            (_, "up") if next && then == "to" => Bound::Down,
            // `after 48 hours` is no `within 48 hours`.
            (_, "after") if timed(tokens, at, lists) => Bound::Up,
            _ => continue,
        };
        let denied = (before.saturating_sub(2)..before).any(|at| matches!(word(at), "no" | "not" | "never"));
        return match (found, denied) {
            (Bound::Up, true) => Bound::Down,
            (Bound::Down, true) => Bound::Up,
            (found, _) => found,
        };
    }
    Bound::At
}

fn timed(tokens: &[Token], at: usize, lists: &Lists) -> bool {
    matches!(
        unit(tokens, at, lists).as_deref(),
        Some("second" | "minute" | "hour" | "day" | "week" | "month" | "year")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rubric::written::token::tokens;

    /// The amounts of a text.
    fn of(text: &str) -> Vec<Amount> {
        let (lists, tokens) = (Lists::bundled(), tokens(text, Lists::bundled()));
        (0..tokens.len()).filter_map(|at| Amount::read(&tokens, at, lists)).collect()
    }

    #[test]
    fn one_amount_has_many_spellings() {
        for (a, b) in [
            ("0.5 g", "500 mg"),
            ("50 mcg", "0.05 mg"),
            ("50 \u{b5}g", "50 micrograms"),
            ("50 \u{3bc}g", "50 mcg"),
            ("72 hours", "3 days"),
            ("three days", "3 days"),
            ("2 weeks", "fourteen days"),
            ("for a week", "for 7 days"),
            ("one hour", "60 minutes"),
            ("100.4 F", "38 degrees"),
            ("101\u{b0}F", "38.3 \u{b0}C"),
            ("a temperature of 38", "38 degrees Celsius"),
            ("a temperature above 38", "over 100.4\u{b0}F"),
            ("at least 2 litres", "2000 ml or more"),
            ("no more than 4 g", "up to 4000 mg"),
            ("> 38 degrees", "a temperature higher than 38"),
            ("7 mmol/l", "7.0 mmol per litre"),
            ("24 months", "2 years"),
        ] {
            let (a, b) = (of(a), of(b));
            assert!(a.len() == 1 && b.len() == 1, "{a:?} {b:?}");
            assert!(a[0].says(&b[0]) && b[0].says(&a[0]) && a[0].near(&b[0]), "{a:?} {b:?}");
        }
    }

    #[test]
    fn other_amounts_other_units_and_other_limits_are_not_the_same() {
        for (a, b) in [
            ("0.5 g", "5 mg"),
            ("7.0 mg/dL", "7.0 mmol/L"),
            ("7 mg", "7 mg/kg"),
            ("3 days", "3 weeks"),
            ("1 month", "30 days"),
            ("a temperature below 38", "a temperature above 38"),
            ("a temperature of 38", "a temperature above 38"),
            ("38 degrees", "100 F"),
            ("within 48 hours", "after 48 hours"),
            ("not above 38 degrees", "above 38 degrees"),
            ("2 tablets of", "2 days"),
        ] {
            let (a, b) = (of(a), of(b));
            assert!(a.len() == 1 && b.len() == 1, "{a:?} {b:?}");
            assert!(!a[0].says(&b[0]) && !b[0].says(&a[0]), "{a:?} {b:?}");
        }
        // Who knows whether these are the same?
        assert!(of("126 mg/dL")[0].near(&of("7 mmol/L")[0]));
    }

    #[test]
    fn both_numbers_of_a_blood_pressure_have_its_limit() {
        let bounds = |text: &str| of(text).iter().map(|it| it.bound).collect::<Vec<_>>();
        assert_eq!(bounds("below 140/90 mmHg"), [Bound::Down, Bound::Down]);
        assert_eq!(bounds("above 140 over 90"), [Bound::Up, Bound::Up]);
        assert_eq!(bounds("120 over 70"), [Bound::At, Bound::At]);
        assert_eq!(bounds("It is high, 38 degrees"), [Bound::At]);
    }

    #[test]
    fn not_every_a_is_one() {
        for text in ["twice a week", "500 mg a day", "a doctor", "one of them", "at once"] {
            assert!(of(text).iter().all(|it| it.stated > 1.0), "{text}");
        }
    }
}

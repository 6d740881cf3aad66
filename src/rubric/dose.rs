//! Doses: how much of a drug a text gives, whatever the unit.

use std::ops::Range;

use super::reading::Language;
use super::written::token::{Kind, Token, quantities};
use crate::data::lexicon::ConceptKind;

/// Units of one kind can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Milligram,
    Millilitre,
    International,
}

/// An amount of a drug.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dose {
    amount: f64,
    unit: Unit,
    /// `at most 2 g a day`: what several doses may come to.
    limit: bool,
}

/// Words shortly before an amount that make it a limit.
const LIMITS: &[&str] = &["most", "maximum", "max", "total", "than", "exceed", "exceeds"];
/// A limit is at most so many doses.
const DOSES_A_DAY: u8 = 6;
/// How many words before an amount `tablets of` and the like may stand.
const BEFORE: usize = 3;

impl Dose {
    /// Whether `stated` says otherwise than a plan with these `planned` doses: one of the plan's units with none of its amounts. A limit may
    /// be several doses. What states no dose that can be compared says nothing else.
    pub(super) fn differ(stated: &[Self], planned: &[Self]) -> bool {
        let fits = |stated: &Self, planned: &Self| {
            let most = if stated.limit { DOSES_A_DAY } else { 1 };
            (1..=most).any(|times| close(stated.amount, f64::from(times) * planned.amount))
        };
        stated.iter().any(|stated| {
            let mut comparable = planned.iter().filter(|planned| planned.unit == stated.unit).peekable();
            comparable.peek().is_some() && !comparable.any(|planned| fits(stated, planned))
        })
    }
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-6 * one.abs().max(other.abs())
}

/// A dose with the bytes it stands at and the number of its sentence.
struct Placed {
    dose: Dose,
    span: Range<usize>,
    sentence: usize,
}

/// The doses in `text`.
pub(super) fn doses(text: &str) -> Vec<Dose> {
    placed(&quantities(text)).into_iter().map(|it| it.dose).collect()
}

/// The doses in `message`, each with the drug it is of: the one it stands right after, else right before, else the last one named up to
/// a sentence before.
pub(super) fn doses_of_drugs(language: Language, message: &str) -> Vec<(String, Dose)> {
    let tokens = quantities(message);
    let doses = placed(&tokens);
    if doses.is_empty() {
        return Vec::new();
    }
    let mut drugs = language.understanding.mentions(message);
    drugs.retain(|it| it.kind == ConceptKind::Substance);
    let sentence =
        |at: usize| tokens.iter().rfind(|token| token.start <= at).map_or(0, |token| token.sentence);
    let between = |from: usize, to: usize| message.get(from..to).unwrap_or_default().to_lowercase();
    let of_drug = |it: Placed| {
        let before = drugs.iter().rfind(|drug| drug.span.end <= it.span.start);
        let after = drugs.iter().find(|drug| drug.span.start >= it.span.end);
        let right_after = before.filter(|drug| between(drug.span.end, it.span.start).trim().is_empty());
        let right_before =
            after.filter(|drug| matches!(between(it.span.end, drug.span.start).trim(), "" | "of"));
        let lately = before.filter(|drug| it.sentence <= sentence(drug.span.start) + 1);
        let drug = right_after.or(right_before).or(lately)?;
        Some((drug.concept.clone(), it.dose))
    };
    doses.into_iter().filter_map(of_drug).collect()
}

fn placed(tokens: &[Token]) -> Vec<Placed> {
    let of = |(at, token): (usize, &Token)| {
        let Kind::Number(value, Some(unit)) = &token.kind else { return None };
        let (factor, unit) = match unit.as_str() {
            "mcg" => (0.001, Unit::Milligram),
            "mg" => (1.0, Unit::Milligram),
            "g" => (1000.0, Unit::Milligram),
            "ml" => (1.0, Unit::Millilitre),
            "iu" => (1.0, Unit::International),
            _ => return None,
        };
        let end = tokens.get(at + 1).filter(|next| next.word().is_some()).map_or(token.end, |next| next.end);
        let before = tokens.get(at.saturating_sub(BEFORE)..at).unwrap_or_default();
        let limit = before.iter().filter_map(Token::word).any(|word| LIMITS.contains(&word));
        let dose = Dose { amount: value * factor * times(before), unit, limit };
        Some(Placed { dose, span: token.start..end, sentence: token.sentence })
    };
    tokens.iter().enumerate().filter_map(of).collect()
}

/// How many of an amount the words before it make of it: 2 after `two tablets of` and `two`.
fn times(before: &[Token]) -> f64 {
    let of = |token: &Token| match &token.kind {
        Kind::Number(value, None) => Some(*value),
        Kind::Word(word) => match word.as_str() {
            "half" => Some(0.5),
            "two" => Some(2.0),
            "three" => Some(3.0),
            "four" => Some(4.0),
            _ => None,
        },
        _ => None,
    };
    let filler = |token: &&Token| {
        matches!(token.word(), Some("tablet" | "tablets" | "capsule" | "capsules" | "pills" | "of" | "a"))
    };
    before.iter().rev().find(|token| !filler(token)).and_then(of).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(stated: &str, planned: &str) -> bool {
        Dose::differ(&doses(stated), &doses(planned))
    }

    #[test]
    fn a_dose_is_its_amount_in_any_unit() {
        for (stated, planned) in [
            ("500 mg", "naproxen 500 mg twice a day"),
            ("500mg twice a day, at most 1 g a day", "naproxen 500 mg twice a day"),
            ("1000 milligrams", "paracetamol 1 g up to four times a day"),
            ("0.05 mg", "levothyroxine 50 micrograms a day"),
            ("100 mg", "doxycycline 200 mg today, then 100 mg a day"),
            ("two tablets of 250 mg", "naproxen 500 mg"),
            // Nothing to compare.
            ("twice a day", "naproxen 500 mg"),
            ("10 ml", "amoxicillin 500 mg"),
            ("5000 mg", "paracetamol for the pain"),
        ] {
            assert!(!differ(stated, planned), "{stated}, {planned}");
        }
        for (stated, planned) in [
            ("5000 mg", "naproxen 500 mg twice a day"),
            ("500 mg or 5000 mg", "naproxen 500 mg"),
            ("500 g", "naproxen 500 mg"),
            ("at most 5 g a day", "naproxen 500 mg"),
            ("two tablets of 500 mg", "naproxen 500 mg"),
        ] {
            assert!(differ(stated, planned), "{stated}, {planned}");
        }
    }

    #[test]
    fn each_dose_is_of_its_drug() {
        let of = |message: &str| -> Vec<(String, f64)> {
            let doses = doses_of_drugs(Language::bundled(), message).into_iter();
            doses.map(|(drug, dose)| (drug, dose.amount)).collect()
        };
        let both = [("naproxen".to_owned(), 500.0), ("paracetamol".to_owned(), 1000.0)];
        for message in [
            "Take naproxen 500 mg and paracetamol 1 g.",
            "Take 500 mg of naproxen and 1 g paracetamol.",
            "I will give you naproxen, 500 mg twice a day. Take paracetamol as well. The dose is 1 g.",
        ] {
            assert_eq!(of(message), both, "{message}");
        }
        assert_eq!(of("Walk 30 minutes a day and take naproxen."), []);
        assert_eq!(of("Your bag weighs 500 g."), []);
    }
}

//! One way of writing down a fact and saying it, with the patients it fits and the numbers it leaves open.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::dice::Dice;
use super::error::BankProblem;
use crate::data::case::{Age, AgeBand, Severity, Sex};
use crate::data::spelled;

/// A wording as a bank file has it: `"chart"`, `["chart", "said"]` or `["chart", "said", "when"]`; `"@name"` stands
/// for all wordings of a pool.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum RawWording {
    /// The chart's text only, or the name of a pool.
    One(String),
    /// Up to three parts.
    Parts(Vec<String>),
}

/// A patient as far as wordings depend on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patient {
    pub severity: Severity,
    pub sex: Sex,
    pub age: Age,
}

/// Which patients something fits: any of each sort that is named, all where a sort is not named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct When {
    severities: Vec<Severity>,
    sexes: Vec<Sex>,
    bands: Vec<AgeBand>,
}

impl When {
    /// Reads words such as `severe older`.
    pub fn parse(words: &str) -> Result<Self, BankProblem> {
        let mut when = Self::default();
        for word in words.split_whitespace() {
            match word {
                "mild" => when.severities.push(Severity::Mild),
                "moderate" => when.severities.push(Severity::Moderate),
                "severe" => when.severities.push(Severity::Severe),
                "female" => when.sexes.push(Sex::Female),
                "male" => when.sexes.push(Sex::Male),
                "child" => when.bands.push(AgeBand::Child),
                "adolescent" => when.bands.push(AgeBand::Adolescent),
                "young" => when.bands.push(AgeBand::Young),
                "middle" => when.bands.push(AgeBand::Middle),
                "older" => when.bands.push(AgeBand::Older),
                other => return Err(BankProblem::When(other.to_owned())),
            }
        }
        Ok(when)
    }

    /// Whether it fits `patient`.
    pub fn fits(&self, patient: Patient) -> bool {
        (self.severities.is_empty() || self.severities.contains(&patient.severity))
            && (self.sexes.is_empty() || self.sexes.contains(&patient.sex))
            && (self.bands.is_empty() || self.bands.contains(&patient.age.band()))
    }
}

/// One way of telling a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wording {
    pub text: String,
    pub said: Option<String>,
    pub when: When,
}

impl Wording {
    /// A wording of one, two or three parts.
    pub fn new(parts: &[String]) -> Result<Self, BankProblem> {
        let (text, said, when) = match parts {
            [text] => (text, "", ""),
            [text, said] => (text, said.as_str(), ""),
            [text, said, when] => (text, said.as_str(), when.as_str()),
            other => return Err(BankProblem::Parts(other.len())),
        };
        for part in [text.as_str(), said] {
            pieces(part)?;
        }
        let said = (!said.is_empty()).then(|| said.to_owned());
        Ok(Self { text: text.clone(), said, when: When::parse(when)? })
    }

    /// Both texts with every range replaced by a number; the same range gets the same number in both.
    pub fn render(&self, dice: &mut Dice) -> (String, Option<String>) {
        let mut drawn = BTreeMap::new();
        let text = fill(&self.text, &mut drawn, dice);
        let said = self.said.as_deref().map(|said| fill(said, &mut drawn, dice));
        (text, said)
    }
}

/// A piece of a wording.
enum Piece<'a> {
    Text(&'a str),
    Range(u64, u64),
}

/// Cuts `text` at its ranges `{low-high}`.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, BankProblem> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        found.push(Piece::Text(before));
        let (inside, tail) = after.split_once('}').ok_or_else(|| BankProblem::Range(after.to_owned()))?;
        let range =
            inside.split_once('-').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
        match range {
            Some((low, high)) if low <= high => found.push(Piece::Range(low, high)),
            _ => return Err(BankProblem::Range(inside.to_owned())),
        }
        rest = tail;
    }
    found.push(Piece::Text(rest));
    Ok(found)
}

fn fill(text: &str, drawn: &mut BTreeMap<(u64, u64), u64>, dice: &mut Dice) -> String {
    let mut out = String::new();
    // Ranges were checked when the wording was made.
    for piece in pieces(text).unwrap_or_default() {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Range(low, high) => {
                let number = *drawn.entry((low, high)).or_insert_with(|| low + dice.below(high - low + 1));
                out.push_str(&number.to_string());
            }
        }
    }
    out
}

/// The first of `names` (lower case) that `text` has as whole words, a plural or possessive ending allowed, or spells
/// letter by letter.
pub fn name_in<'a>(text: &str, names: &'a [String]) -> Option<&'a str> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let spells =
        |name: &str| (0..words.len()).any(|at| spelled::letters(words[at..].iter().copied(), name).is_some());
    names.iter().map(String::as_str).find(|name| has_word(&text, name) || spells(name))
}

fn has_word(text: &str, name: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = &text[at + name.len()..];
        let ends = ["", "s", "es", "'s"];
        let ended =
            ends.iter().any(|end| after.strip_prefix(end).is_some_and(|rest| !inside(rest.chars().next())));
        !inside(before) && ended
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wording(parts: &[&str]) -> Result<Wording, BankProblem> {
        Wording::new(&parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn one_range_is_one_number_in_both_texts() {
        let it =
            wording(&["since {2-9} days, {10-20} times", "It began {2-9} days ago, {10-20} times."]).unwrap();
        for seed in 0..50 {
            let (text, said) = it.render(&mut Dice::new(seed, 0));
            let numbers = |text: &str| {
                text.split(|c: char| !c.is_ascii_digit())
                    .filter_map(|word| word.parse::<u64>().ok())
                    .collect::<Vec<_>>()
            };
            let drawn = numbers(&text);
            assert_eq!(drawn, numbers(&said.unwrap()));
            assert!((2..=9).contains(&drawn[0]) && (10..=20).contains(&drawn[1]));
        }
    }

    #[test]
    fn broken_wordings_say_what_is_wrong() {
        assert_eq!(wording(&["{9-2}"]), Err(BankProblem::Range("9-2".into())));
        assert_eq!(wording(&["{2-9"]), Err(BankProblem::Range("2-9".into())));
        assert_eq!(wording(&["a", "{x}"]), Err(BankProblem::Range("x".into())));
        assert_eq!(wording(&["a", "b", "purple"]), Err(BankProblem::When("purple".into())));
        assert_eq!(wording(&[]), Err(BankProblem::Parts(0)));
        assert_eq!(wording(&["a", "b", "", "d"]), Err(BankProblem::Parts(4)));
    }

    #[test]
    fn conditions_are_any_of_a_sort_and_all_of_the_sorts() {
        let when = When::parse("mild moderate female").unwrap();
        let patient = |severity, sex| Patient { severity, sex, age: Age::new(30) };
        assert!(when.fits(patient(Severity::Mild, Sex::Female)));
        assert!(when.fits(patient(Severity::Moderate, Sex::Female)));
        assert!(!when.fits(patient(Severity::Severe, Sex::Female)));
        assert!(!when.fits(patient(Severity::Mild, Sex::Male)));
    }

    #[test]
    fn names_are_found_as_whole_words_only() {
        let names = vec!["gout".to_owned(), "heart attack".to_owned()];
        assert_eq!(name_in("Is it Gout?", &names), Some("gout"));
        assert_eq!(name_in("two heart attacks", &names), Some("heart attack"));
        assert_eq!(name_in("an A.C.S., they said", &["acs".to_owned()]), Some("acs"));
        assert_eq!(name_in("ragout, gouty", &names), None);
    }
}

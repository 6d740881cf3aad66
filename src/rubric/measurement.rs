//! Measurements that a text states: blood pressure, temperature, shares in percent, rates and concentrations, in any of their spellings.

use super::written::token::{Kind, Token, quantities};

/// A value with what it measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Measurement {
    /// Systolic and diastolic blood pressure, in mmHg.
    Pressure(f64, f64),
    /// Body temperature, in degrees Celsius.
    Temperature(f64),
    /// A share, such as the oxygen saturation, in percent.
    Percent(f64),
    /// Heart beats a minute.
    Beats(f64),
    /// Breaths a minute.
    Breaths(f64),
    /// A concentration, in mmol a litre.
    Millimoles(f64),
}

/// Words between a measurement's name and its number, at most: `temperature was measured at 39`.
const NAMED: usize = 4;

/// Words right before a number that make it a limit and no measurement.
const LIMITS: &[&str] = &[
    "above", "below", "under", "than", "least", "most", "exceeds", "exceed", "reaches", "reach", "beyond",
    "until", "should", "target", "goal",
];
/// Words after a number and `or` that do so.
const OPEN_ENDS: &[&str] = &["more", "higher", "above", "over", "lower", "less", "below", "under"];
/// After a share they make it one of people, or a chance.
const NOT_MEASURED: &[&str] = &[
    "chance",
    "risk",
    "sure",
    "certain",
    "likely",
    "effective",
    "safe",
    "of people",
    "of patients",
    "of cases",
    "of women",
    "of men",
    "of children",
    "of those",
    "of all",
    "of adults",
];
/// First words of a sentence that asks.
const ASKING: &[&str] = &[
    "is", "was", "were", "are", "has", "have", "had", "did", "do", "does", "can", "could", "would", "what",
    "when", "how", "any", "which", "who", "where",
];

/// All that `text` holds, in its order.
pub(super) fn measurements(text: &str) -> Vec<Measurement> {
    let tokens = quantities(text);
    let text = Tokens { tokens: &tokens };
    (0..tokens.len()).filter_map(|at| text.measurement(at)).collect()
}

/// Those that `text` states as found: not what it asks for (`Was it 39 degrees?`), what it gives as a limit (`above 39 degrees`), and what
/// is so under a condition (`if it is 39 degrees`).
pub(super) fn claimed(text: &str) -> Vec<Measurement> {
    let tokens = quantities(text);
    let text = Tokens { tokens: &tokens };
    let stated = |at: &usize| !(text.is_limit(*at) || text.is_asked(*at) || text.is_conditional(*at));
    (0..tokens.len()).filter(stated).filter_map(|at| text.measurement(at)).collect()
}

struct Tokens<'a> {
    tokens: &'a [Token],
}

impl Tokens<'_> {
    /// The word at `at`; none where there is a number or a mark.
    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).and_then(Token::word).unwrap_or_default()
    }

    fn number(&self, at: usize) -> Option<f64> {
        match self.tokens.get(at)?.kind {
            Kind::Number(value, _) => Some(value),
            _ => None,
        }
    }

    /// The measurement whose number, the first of two, stands at `at`.
    fn measurement(&self, at: usize) -> Option<Measurement> {
        let Kind::Number(value, unit) = &self.tokens.get(at)?.kind else { return None };
        let (value, unit) = (*value, unit.as_deref());
        if let Some(pressure) = self.pressure(at, value) {
            return Some(pressure);
        }
        let next = [self.word(at + 1), self.word(at + 2)];
        let of = |name: fn(&Self, usize) -> bool| unit.is_none() && self.is_named(at, name);
        let percent = unit == Some("%") || next == ["per", "cent"];
        if percent {
            return (!self.is_share(at)).then_some(Measurement::Percent(value));
        }
        if unit == Some("degree")
            || matches!(next[0], "celsius" | "c" | "fahrenheit" | "f")
            || of(Self::temperature)
        {
            return temperature(value);
        }
        let a_minute = matches!(self.word(at + 2), "a" | "per") && self.word(at + 3) == "minute";
        if unit == Some("beats a minute") || (next[0] == "beats" && a_minute) || of(Self::pulse) {
            return within(value, 20.0, 300.0).then_some(Measurement::Beats(value));
        }
        if (next[0] == "breaths" && a_minute) || of(Self::breathing) {
            return within(value, 4.0, 90.0).then_some(Measurement::Breaths(value));
        }
        if of(Self::saturation) {
            return within(value, 40.0, 100.0).then_some(Measurement::Percent(value));
        }
        (next[0] == "mmol").then_some(Measurement::Millimoles(value))
    }

    /// `120/70` and `120 over 70`.
    fn pressure(&self, at: usize, systolic: f64) -> Option<Measurement> {
        let slash = self.tokens.get(at + 1).is_some_and(|token| token.kind == Kind::Mark('/'));
        let diastolic = self.number(at + 2).filter(|_| slash || self.word(at + 1) == "over")?;
        let likely = within(systolic, 50.0, 300.0) && within(diastolic, 20.0, 200.0) && diastolic < systolic;
        likely.then_some(Measurement::Pressure(systolic, diastolic))
    }

    /// Whether a name stands shortly before the number at `at`, with no other number between.
    fn is_named(&self, at: usize, name: impl Fn(&Self, usize) -> bool) -> bool {
        let sentence = self.tokens.get(at).map(|token| token.sentence);
        let within = |before: &usize| {
            self.tokens.get(*before).map(|token| token.sentence) == sentence && self.number(*before).is_none()
        };
        (at.saturating_sub(NAMED)..at).rev().take_while(within).any(|before| name(self, before))
    }

    fn temperature(&self, at: usize) -> bool {
        matches!(self.word(at), "temperature" | "fever")
    }

    fn pulse(&self, at: usize) -> bool {
        self.word(at) == "pulse" || (self.word(at) == "rate" && at > 0 && self.word(at - 1) == "heart")
    }

    fn breathing(&self, at: usize) -> bool {
        let whose = at.checked_sub(1).map_or("", |before| self.word(before));
        self.word(at) == "rate" && matches!(whose, "respiratory" | "breathing")
    }

    fn saturation(&self, at: usize) -> bool {
        matches!(self.word(at), "saturation" | "saturations" | "sats" | "oxygen")
    }

    /// Whether the share at `at` is one of people, or a chance.
    fn is_share(&self, at: usize) -> bool {
        let after = if self.word(at + 1) == "per" { at + 3 } else { at + 2 };
        let (first, second) = (self.word(after), self.word(after + 1));
        NOT_MEASURED.iter().any(|words| match words.split_once(' ') {
            Some((of, whom)) => first == of && second == whom,
            None => first == *words,
        })
    }

    fn is_limit(&self, at: usize) -> bool {
        let before = at.saturating_sub(2)..at;
        let limit = |at: usize| LIMITS.contains(&self.word(at));
        // `over 39 degrees`, not the `over` of a blood pressure.
        let over = |at: usize| self.word(at) == "over" && (at == 0 || self.number(at - 1).is_none());
        let after =
            (at + 1..at + 6).any(|at| self.word(at) == "or" && OPEN_ENDS.contains(&self.word(at + 1)));
        before.clone().any(limit) || before.clone().any(over) || after
    }

    fn is_asked(&self, at: usize) -> bool {
        let Some(sentence) = self.tokens.get(at).map(|token| token.sentence) else { return false };
        let of_sentence = || self.tokens.iter().filter(|token| token.sentence == sentence);
        let question = of_sentence().any(|token| token.kind == Kind::End('?'));
        let first = of_sentence().find_map(Token::word).unwrap_or_default();
        question && ASKING.contains(&first)
    }

    fn is_conditional(&self, at: usize) -> bool {
        let sentence = self.tokens.get(at).map(|token| token.sentence);
        let before = self.tokens.iter().take(at).filter(|token| Some(token.sentence) == sentence);
        before.filter_map(Token::word).any(|word| matches!(word, "if" | "unless" | "whenever"))
    }
}

fn within(value: f64, least: f64, most: f64) -> bool {
    (least..=most).contains(&value)
}

/// A body temperature in degrees Celsius, to a tenth; none of an angle or a washing programme.
fn temperature(degrees: f64) -> Option<Measurement> {
    if within(degrees, 30.0, 45.0) {
        Some(Measurement::Temperature(degrees))
    } else if within(degrees, 93.0, 113.0) {
        // Fahrenheit.
        let celsius = (degrees - 32.0) * 5.0 / 9.0;
        Some(Measurement::Temperature((celsius * 10.0).round() / 10.0))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Measurement::{Beats, Breaths, Millimoles, Percent, Pressure, Temperature};
    use super::*;

    #[test]
    fn each_spelling_is_the_same_measurement() {
        for (texts, wanted) in [
            (
                [
                    "blood pressure 120 over 70",
                    "Your blood pressure is 120/70.",
                    "It was 120 / 70 mmHg today.",
                ],
                Pressure(120.0, 70.0),
            ),
            (
                ["oxygen saturation 98 per cent", "A saturation of 98%.", "Your oxygen level is 98."],
                Percent(98.0),
            ),
            (
                ["temperature 38.5 degrees", "You have 38.5 \u{b0}C.", "You have a fever of 101.3\u{b0}F."],
                Temperature(38.5),
            ),
            (["pulse 84, regular", "Your heart rate is 84.", "84 beats per minute"], Beats(84.0)),
            (["18 breaths a minute", "A respiratory rate of 18.", "18 breaths per minute"], Breaths(18.0)),
            (["blood glucose 18 mmol per litre", "Your sugar is 18 mmol/l.", "18 mmol"], Millimoles(18.0)),
        ] {
            for text in texts {
                assert_eq!(measurements(text), [wanted], "{text}");
                assert_eq!(claimed(text), [wanted], "{text}");
            }
        }
        assert_eq!(claimed("Your temperature is 39."), [Temperature(39.0)]);
    }

    #[test]
    fn other_numbers_are_no_measurements() {
        for text in [
            "Take 500 mg twice a day for 2 weeks.",
            "90% of people get better.",
            "There is a 5% risk.",
            "Bend the knee to 70 degrees.",
            "A fever for 3 days.",
            "Half of it, 1/2, is enough.",
            "Call 999.",
            "",
        ] {
            assert_eq!(measurements(text), [], "{text}");
        }
    }

    #[test]
    fn questions_limits_and_conditions_claim_nothing() {
        for text in [
            "Was your temperature 39 degrees?",
            "Come back if your temperature is 39 degrees.",
            "A temperature above 38 degrees is a fever.",
            "With a fever over 39 degrees, call us.",
            "Your blood pressure should be 120 over 80.",
            "A saturation of 92% or less is low.",
        ] {
            assert_eq!(claimed(text), [], "{text}");
            assert_eq!(measurements(text).len(), 1, "{text}");
        }
    }
}

//! What a criterion claims, beside the claim of another one: whether the two can mean the same.

use std::collections::BTreeSet;

use super::amount::Amount;
use super::stance::Stance;
use super::term::{Named, Terms};
use super::token::Token;

/// The name of the phrases for emergency care and for calling for it.
const EMERGENCY: &str = "emergency department";

/// What some words claim.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::rubric) struct Claim {
    stance: Stance,
    amounts: Vec<Amount>,
    /// What is named, by concept, phrase or stem: as it is, and denied. What is against all that it names has it as it is.
    said: BTreeSet<String>,
    denied: BTreeSet<String>,
    /// Whether known things are named and all of them are denied.
    against: bool,
    emergency: bool,
}

impl Claim {
    /// What `text` claims, by the bundled lexicon and lists.
    pub fn of(text: &str) -> Self {
        let terms = Terms::bundled();
        let tokens = terms.tokens(text);
        let mut claim = Self { stance: Stance::of(tokens.iter(), terms.lists()), ..Self::default() };
        let (mut known, mut known_and_denied) = (0, 0);
        for term in terms.read(&tokens) {
            let (name, is_known) = match term.named {
                Named::Number(amount) => {
                    claim.amounts.push(amount);
                    continue;
                }
                Named::Concept(name) | Named::Same(name) => (name, true),
                Named::Word => (term.stems.concat(), false),
            };
            known += usize::from(is_known);
            known_and_denied += usize::from(is_known && term.negated);
            claim.emergency |= name == EMERGENCY;
            if term.negated {
                claim.denied.insert(name)
            } else {
                claim.said.insert(name)
            };
        }
        let first = tokens.iter().find_map(Token::word).unwrap_or_default();
        let asks = &terms.lists().asks;
        let asked = asks.contains(first) || asks.contains(&format!("{first}s"));
        claim.against = !asked && known > 0 && known_and_denied == known;
        // Who asks whether there is no fever asks about fever.
        if asked || claim.against {
            claim.said.append(&mut claim.denied);
        }
        // What is named both ways says neither.
        let both: Vec<String> = claim.said.intersection(&claim.denied).cloned().collect();
        for name in &both {
            claim.said.remove(name);
            claim.denied.remove(name);
        }
        claim
    }

    /// Whether it is against all that it names: `recommends against aspirin`, not `recommends food without salt`.
    pub fn is_against(&self) -> bool {
        self.against
    }

    /// Whether it is about emergency care, or a call for it.
    pub fn is_emergency(&self) -> bool {
        self.emergency
    }

    /// Whether the two cannot mean the same whatever else they say: other amounts, other sides of an opposite, one refuses and the other does not, or
    /// one denies what the other says. That one is against all that it names is not looked at here: see [`Self::is_against`].
    pub fn contradicts(&self, other: &Self) -> bool {
        let other_amount = |one: &Self, other: &Self| {
            one.amounts.iter().any(|amount| {
                other.amounts.iter().any(|it| it.contradicts(amount))
                    && !other.amounts.iter().any(|it| it.says(amount))
            })
        };
        self.stance.opposes(&other.stance)
            || other_amount(self, other)
            || other_amount(other, self)
            || !self.said.is_disjoint(&other.denied)
            || !other.said.is_disjoint(&self.denied)
    }
}

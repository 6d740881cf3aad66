//! What a clause denies, refuses or forbids by words of its own: `I have ruled out gout`, `Aspirin is forbidden`.
//!
//! Denials stand before what they deny, or after it as its predicate. They are told by the words themselves and not by cues, since to
//! every word of a cue slips of the hand are mended in all messages. Two of them cancel: `no doubt`, `not unlikely`.

use super::concepts::Found;
use super::cues::Cue;
use super::denial_table::{
    ADVERBS, AFTER_NAME, BEFORE, BETWEEN, EXCLUDE, EXCLUDED, EXCLUDES, LIST, NOT_DONE, NOT_SO, NOT_YET,
    PHRASE, PREPOSITIONS, RULE, RULED, RULES, SINGULAR, SO, TIES, TURN, TURNS, UNTOUCHED, VERBS, WANTED,
};
use super::pattern::Match;
use super::reading::{DENIAL, Look};
use super::words::NUMBER;
use crate::data::lexicon::ConceptKind;

impl Look<'_> {
    /// Word `at` of the clause in lower case, contractions opened; empty for a mark and outside.
    pub(super) fn said(&self, at: usize) -> &str {
        let within = (self.clause.from..self.clause.to).contains(&at);
        self.spelled.get(at).filter(|_| within).map_or("", String::as_str)
    }

    /// Whether the clause denies what `found` names, or refuses or forbids it.
    pub(super) fn denies(&self, found: &Found) -> bool {
        let done = !matches!(self.kind(found), ConceptKind::Condition | ConceptKind::Symptom);
        self.denies_words(found.first, found.end, done)
    }

    /// The same of the words `first..end`; `done` where they name what is done, not what is so.
    pub(super) fn denies_words(&self, first: usize, end: usize, done: bool) -> bool {
        self.denied_by_not(first)
            || self.denied_before(first)
            || self.excluded_before(first)
            || self.nobodys(first)
            || (done && self.thrown_away(first, end))
            || self.denied_after(first, end, done)
    }

    /// Whether a negation that is one stands within reach before token `at`, with no `but` between.
    fn denied_by_not(&self, at: usize) -> bool {
        let not = self
            .cues
            .iter()
            .filter(|cue| cue.meaning == Cue::Not && cue.first < at && !self.is_idle(cue))
            .map(|cue| cue.first)
            .max();
        not.is_some_and(|not| {
            at - not <= DENIAL
                && !self.cues.iter().any(|cue| cue.meaning == Cue::But && cue.first > not && cue.first < at)
                && !(not..at).any(|between| matches!(self.said(between), "except" | "besides"))
        })
    }

    /// Whether a negation denies nothing: `no doubt`, `not only`, `cannot rule out`, `not unlikely`.
    pub(super) fn is_idle(&self, not: &Match<Cue>) -> bool {
        let turned = |at: usize| {
            let phrase =
                self.said(at) == "unlikely" || self.denying(at).is_some() || self.ruling(at).is_some();
            phrase && self.turning(at) == Some(not.first)
        };
        let itself = self.said(not.first) == "unlikely" && self.turning(not.first).is_some();
        itself || UNTOUCHED.contains(&self.said(not.end)) || (not.end..=not.first + TURN).any(turned)
    }

    /// The negation shortly before token `at` that cancels a denial there.
    fn turning(&self, at: usize) -> Option<usize> {
        (self.clause.from.max(at.saturating_sub(TURN))..at)
            .rev()
            .take_while(|before| !matches!(self.said(*before), "" | "i" | "we" | "you"))
            .find(|before| TURNS.contains(&self.said(*before)))
    }

    /// Where `phrase` ends, if it begins at token `at`.
    fn phrase(&self, at: usize, phrase: &str) -> Option<usize> {
        let mut end = at;
        for word in phrase.split(' ') {
            let said = self.said(end);
            if said.is_empty() || !word.split('|').any(|it| it == said) {
                return None;
            }
            end += 1;
        }
        Some(end)
    }

    /// The denial that begins at token `at`: its end and its reach.
    fn denying(&self, at: usize) -> Option<(usize, usize)> {
        let all = BEFORE.iter().filter_map(|(phrase, reach)| Some((self.phrase(at, phrase)?, *reach)));
        all.max_by_key(|(end, reach)| end + reach)
    }

    /// Where words of ruling out end that begin at token `at`.
    fn ruling(&self, at: usize) -> Option<usize> {
        [EXCLUDED, RULED, EXCLUDES, RULES, EXCLUDE, RULE].iter().find_map(|phrase| self.phrase(at, phrase))
    }

    /// Whether nothing between the end of a denial and token `first` lifts it.
    fn reaches(&self, end: usize, first: usize, reach: usize) -> bool {
        let lifts = |at: usize| matches!(self.said(at), "but" | "except" | "however" | "besides");
        end <= first && first - end <= reach && !(end..first).any(lifts)
    }

    fn denied_before(&self, first: usize) -> bool {
        (self.clause.from..first).any(|at| {
            self.denying(at)
                .is_some_and(|(end, reach)| self.reaches(end, first, reach) && self.turning(at).is_none())
        })
    }

    fn excluded_before(&self, first: usize) -> bool {
        (self.clause.from..first).any(|at| {
            let any = |phrases: [&str; 2]| {
                let end = phrases.iter().find_map(|phrase| self.phrase(at, phrase));
                end.is_some_and(|end| self.reaches(end, first, LIST))
            };
            (any([EXCLUDED, RULED]) && self.is_done(at))
                || (any([EXCLUDES, RULES]) && self.turning(at).is_none())
                || (any([EXCLUDE, RULE]) && self.speaker_does(at))
        })
    }

    /// Whether what is done at token `at` is past: no word of a plan or a condition before it, as far as its subject.
    fn is_done(&self, at: usize) -> bool {
        for before in (self.clause.from..at).rev().take(DENIAL) {
            match self.said(before) {
                "" => return true,
                "i" | "we" => return before == 0 || !TIES.contains(&self.said(before - 1)),
                word if NOT_YET.contains(&word) => return false,
                _ => {}
            }
        }
        true
    }

    /// Whether `I` or `we` stands right before what is done at token `at`.
    fn speaker_does(&self, at: usize) -> bool {
        let before = (self.clause.from..at).rev().find(|before| !BETWEEN.contains(&self.said(*before)));
        before.is_some_and(|before| {
            let tied = before > 0 && TIES.contains(&self.said(before - 1));
            matches!(self.said(before), "i" | "we") && !tied
        })
    }

    /// Whether it is nobody's: `Nobody here has gout`, `Nobody would say that you have gout`.
    fn nobodys(&self, first: usize) -> bool {
        let nobody = (self.clause.from..first)
            .rev()
            .find(|at| self.said(*at) == "nobody" || (self.said(*at) == "no" && self.said(at + 1) == "one"));
        nobody.is_some_and(|nobody| {
            let thinks = (nobody + 1..nobody + 4).any(|at| {
                matches!(self.said(at), "say" | "says" | "call" | "calls" | "think" | "thinks" | "believes")
            });
            let lifts = |at: usize| match self.said(at) {
                "doubts" | "doubt" | "but" | "except" => true,
                // `Nobody will give you aspirin` has no other subject.
                "you" => matches!(
                    self.said(at + 1),
                    "have" | "are" | "be" | "may" | "might" | "could" | "probably" | "need" | "should"
                ),
                "this" | "it" | "that" | "i" | "we" => true,
                _ => false,
            };
            let lifted = (nobody + 1..first)
                .filter(|at| lifts(*at))
                .any(|at| !thinks || matches!(self.said(at), "doubt" | "doubts" | "but" | "except"));
            first - nobody <= DENIAL + 2 && !lifted
        })
    }

    /// `throw the aspirin away`
    fn thrown_away(&self, first: usize, end: usize) -> bool {
        let verb = (self.clause.from.max(first.saturating_sub(TURN))..first).find(|at| {
            matches!(
                self.said(*at),
                "throw"
                    | "throwing"
                    | "put"
                    | "take"
                    | "leave"
                    | "strike"
                    | "cross"
                    | "cut"
                    | "flush"
                    | "set"
            )
        });
        let dose = |at: &usize| {
            matches!(self.said(*at), "mg" | "tablets" | "pills")
                || self.tokens.get(*at).is_some_and(|token| token.id == NUMBER)
        };
        let after = (end..self.clause.to).find(|at| !dose(at));
        let away =
            after.is_some_and(|at| matches!(self.said(at), "away" | "out" | "off" | "aside" | "alone"));
        away && verb.is_some_and(|verb| self.turning(verb).is_none())
    }

    /// Whether a predicate after the words `first..end` denies them: `Gout has been ruled out`, `Aspirin is not needed`.
    fn denied_after(&self, first: usize, end: usize, done: bool) -> bool {
        let Some(from) = self.predicate(end) else { return false };
        let (mut not, mut not_yet) = (false, first > 0 && TIES.contains(&self.said(first - 1)));
        let begins =
            |at: usize, phrases: &[&str]| phrases.iter().any(|phrase| self.phrase(at, phrase).is_some());
        for at in from..self.clause.to {
            if at > from {
                if begins(at, &[EXCLUDED, RULED]) {
                    return !not && !not_yet;
                }
                if begins(at, NOT_SO) || (done && begins(at, NOT_DONE)) {
                    return !not;
                }
                if not && (begins(at, SO) || (done && begins(at, WANTED))) {
                    return true;
                }
            }
            let word = self.said(at);
            not |= matches!(word, "not" | "no" | "never");
            not_yet |= NOT_YET.contains(&word);
            if !(VERBS.contains(&word) || ADVERBS.contains(&word) || matches!(word, "not" | "no" | "never")) {
                return false;
            }
        }
        false
    }

    /// Where the predicate of a name begins that ends before token `at`: at its verb.
    fn predicate(&self, mut at: usize) -> Option<usize> {
        let (mut free, mut several) = (0, false);
        while at < self.clause.to {
            let word = self.said(at);
            if VERBS.contains(&word) {
                return (!several || !SINGULAR.contains(&word)).then_some(at);
            }
            let joined = self.said(at.saturating_sub(1));
            if let Some(other) = self.found.iter().find(|found| found.first == at) {
                if !(free > 0 || matches!(joined, "and" | "or" | "nor")) {
                    return None;
                }
                several |= free == 0;
                at = other.end;
                continue;
            }
            let number = self.tokens.get(at).is_some_and(|token| token.id == NUMBER);
            if PREPOSITIONS.contains(&word) {
                free = PHRASE;
            } else if number || word.is_empty() || AFTER_NAME.contains(&word) {
                free = if word.is_empty() { 0 } else { free };
            } else if free > 0 {
                free -= 1;
            } else {
                return None;
            }
            at += 1;
        }
        None
    }
}

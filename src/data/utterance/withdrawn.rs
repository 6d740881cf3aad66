//! What is said and not done: taken back, a question that is not put, a drug for another life, the illness of somebody else.

use super::act::{Act, Intent};
use super::cues::Cue;
use super::denial_table::SUBJECTS;
use super::pattern::Match;
use super::reading::Look;
use super::words::{QUESTION, STOP};
use crate::data::case::Aspect;

/// Words that begin taking something back.
const BUT: &[&str] = &["but", "however", "yet", "still", "alas", "sadly", "unfortunately"];
/// What a sentence that takes back the one before is made of, beside these.
const TAKES_BACK: &[&str] = &[
    "i",
    "we",
    "shall",
    "will",
    "would",
    "do",
    "can",
    "could",
    "must",
    "may",
    "should",
    "did",
    "have",
    "not",
    "never",
    "refuse",
    "ever",
    "now",
    "today",
    "give",
    "prescribe",
    "order",
    "take",
    "ask",
    "call",
    "send",
    "arrange",
    "it",
    "that",
    "so",
    "this",
    "them",
    "you",
    "to",
    "going",
    "be",
    "of",
    "course",
    "any",
];

/// Relatives and others who are not the patient.
const OTHERS: &[&str] = &[
    "mother",
    "mum",
    "mom",
    "father",
    "dad",
    "brother",
    "brothers",
    "sister",
    "sisters",
    "parents",
    "uncle",
    "aunt",
    "son",
    "daughter",
    "children",
    "wife",
    "husband",
    "grandmother",
    "grandfather",
    "cousin",
    "neighbour",
    "neighbor",
    "friend",
    "colleague",
];
/// What they have or take.
const HAVE: &[&str] = &[
    "has",
    "had",
    "have",
    "suffers",
    "suffered",
    "got",
    "gets",
    "takes",
    "took",
    "needs",
    "needed",
    "uses",
    "used",
    "is",
    "was",
    "died",
    "developed",
];

/// Polite words after `would`, which make no condition of it.
const POLITE: &[&str] = &["like", "recommend", "suggest", "advise", "be", "you", "mind", "rather", "have"];
/// Past forms after `if`: what hangs on them is not so.
const PAST: &[&str] = &["were", "was", "had", "did", "could", "knew"];

impl Look<'_> {
    /// Whether the clause takes back what the doctor was to do: `But I shall not.`
    pub(super) fn takes_back(&self) -> bool {
        let words = (self.clause.from..self.clause.to).map(|at| self.said(at));
        let mut words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let before = |by: usize| {
            let at = self.clause.from.checked_sub(by);
            at.and_then(|at| self.spelled.get(at)).map(String::as_str)
        };
        // After `However, ..` a clause of its own begins.
        let mut begins = before(1) == Some("") && before(2).is_some_and(|word| BUT.contains(&word));
        if words.first().is_some_and(|word| BUT.contains(word)) {
            words.remove(0);
            begins = true;
        }
        let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        begins
            && has(&["i", "we"])
            && has(&["not", "never", "refuse"])
            && words.iter().all(|word| TAKES_BACK.contains(word))
    }

    /// Whether the clause says that it does not ask what `ask` would ask: `I will not ask about fainting.`
    pub(super) fn declines(&self, ask: &Match<Cue>) -> bool {
        let near = self.clause.from.max(ask.first.saturating_sub(4))..ask.first;
        if near.clone().any(|at| self.said(at).is_empty() && at >= self.clause.start) {
            return false;
        }
        let urges = |at: usize| {
            let next = [self.said(at + 1), self.said(at + 2)];
            matches!(next, ["mind" | "know", _] | ["be", "afraid" | "shy"] | ["afraid" | "shy", _])
        };
        let not = self.cues.iter().any(|cue| {
            // `You have not told me about ..` asks for it.
            let yours = || (self.clause.from..cue.first).any(|at| self.said(at) == "you");
            let near = cue.meaning == Cue::Not && near.contains(&cue.first);
            near && !self.is_idle(cue) && !urges(cue.first) && !yours()
        });
        let refuses = near.clone().any(|at| {
            matches!(self.said(at), "refuse" | "decline" | "skip" | "forbid" | "refusing" | "skipping")
                && !near.clone().any(|not| matches!(self.said(not), "not" | "never" | "no"))
        });
        // `Will you not tell me ..?` asks.
        let speaker = matches!(self.said(self.clause.start), "i" | "we" | "nobody" | "no" | "never");
        (not || refuses) && (speaker || !self.clause.question)
    }

    /// Whether what would be given hangs on what is not so: `If you were older I would give you aspirin.`
    pub(super) fn is_unreal(&self) -> bool {
        let ends = |at: &usize| self.tokens.get(*at).is_some_and(|token| matches!(token.id, STOP | QUESTION));
        let from = (0..self.clause.from).rev().find(ends).map_or(0, |at| at + 1);
        let to = (self.clause.to..self.tokens.len()).find(ends).unwrap_or(self.tokens.len());
        let word = |at: usize| self.spelled.get(at).map_or("", String::as_str);
        let would = (self.clause.from..self.clause.to)
            .any(|at| self.said(at) == "would" && !POLITE.contains(&self.said(at + 1)));
        let past = |at: usize| PAST.contains(&word(at)) || (word(at).len() > 4 && word(at).ends_with("ed"));
        let unreal = |at: usize| word(at) == "if" && (at + 1..to.min(at + 5)).any(past);
        would && ((from..to).any(unreal) || matches!(word(from), "were" | "had"))
    }

    /// Whether the words at `first..end` are said of somebody else: `Your mother had gout`, `Gout runs in your family`.
    pub(super) fn is_anothers(&self, first: usize, end: usize) -> bool {
        let subject = |from: usize| (from..first).any(|at| SUBJECTS.contains(&self.said(at)));
        let of_other = (self.clause.from..first).any(|at| {
            let has = || (at + 1..first.min(at + 4)).any(|verb| HAVE.contains(&self.said(verb)));
            OTHERS.contains(&self.said(at)) && (at + 1 == first || has()) && !subject(at + 1)
        });
        let in_family = (end..self.clause.to.min(end + 5)).any(|at| {
            self.said(at) == "in"
                && matches!(self.said(at + 1), "your" | "the")
                && self.said(at + 2) == "family"
        });
        of_other || (in_family && !subject(self.clause.from))
    }
}

/// Takes back what `acts` do: nothing of it is done, nor asked.
pub(super) fn take_back(acts: &mut [Act]) {
    for act in acts {
        match act.intent {
            Intent::Prescription
            | Intent::Test
            | Intent::Examination
            | Intent::Referral { .. }
            | Intent::Advice => act.negated = true,
            Intent::Question(_) => {
                (act.intent, act.negated, act.aspect) = (Intent::Explanation, true, Aspect::Presence);
            }
            _ => {}
        }
    }
}

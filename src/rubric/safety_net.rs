//! Whether a message tells the patient to come back, or to get help, if things go wrong.

use std::ops::Range;

use super::reading::Language;
use super::text::{Word, sentences, words};
use crate::data::lexicon::ConceptKind;

/// Words between `come` and `back`, or `go` and `hospital`, at most.
const REACH: usize = 5;
/// A denial right before a word, `does not get worse`, reaches this many words.
const DENIAL: usize = 3;

const BACK: &[&str] = &["back", "in", "again", "here", "hospital", "clinic", "us", "me"];
const PLACES: &[&str] = &[
    "hospital",
    "emergency",
    "er",
    "ed",
    "casualty",
    "clinic",
    "department",
    "ward",
    "surgery",
    "doctor",
    "doctor's",
    "gp",
    "back",
];
const PEOPLE: &[&str] = &[
    "doctor",
    "doctors",
    "gp",
    "us",
    "me",
    "nurse",
    "specialist",
    "physician",
    "someone",
    "somebody",
    "pharmacist",
    "hospital",
    "clinic",
];
const HELP: &[&str] = &["help", "care", "attention", "advice", "back", "touch", "doctor", "ambulance"];

/// Words before a command that do not stop it from being one.
const BEFORE_COMMAND: &[&str] = &[
    "please",
    "just",
    "also",
    "always",
    "kindly",
    "do",
    "then",
    "so",
    "simply",
    "otherwise",
    "immediately",
    "straight",
    "quickly",
    "rather",
    "instead",
];
const JOINTS: &[&str] = &["and", "or", "but"];
const MODALS: &[&str] = &["should", "must", "can", "may", "could", "will", "would", "ought", "might"];
/// One of these stands shortly before `to`, where what follows is the patient's to do.
const TO_THE_PATIENT: &[&str] = &[
    "you",
    "hesitate",
    "sure",
    "remember",
    "free",
    "best",
    "important",
    "wise",
    "advice",
    "someone",
    "somebody",
    "afraid",
];

/// Words that say that something became worse, or is new.
const WORSE: &[&str] = &[
    "worse",
    "worsen",
    "worsens",
    "worst",
    "bad",
    "badly",
    "severe",
    "sudden",
    "stronger",
    "spread",
    "spreads",
    "spreading",
    "increase",
    "increases",
    "change",
    "changes",
    "new",
    "last",
    "lasts",
    "lasting",
    "persist",
    "persists",
    "continue",
    "continues",
    "stays",
    "remains",
    "returns",
    "recurs",
    "again",
    "weeps",
    "hard",
    "difficult",
    "trouble",
    "blood",
    "unwell",
    "ill",
    "happens",
    "worried",
    "concerned",
    "fails",
];
/// Words that say that something became better: a warning where they are denied.
const BETTER: &[&str] = &[
    "better",
    "improve",
    "improves",
    "improved",
    "improving",
    "improvement",
    "relief",
    "help",
    "helps",
    "work",
    "works",
    "away",
    "gone",
    "down",
    "settle",
    "settles",
    "settled",
    "stop",
    "stops",
    "pass",
    "passes",
    "heal",
    "heals",
    "clear",
    "clears",
    "recover",
    "ease",
    "eases",
    "well",
    "urine",
];
/// What one may be unable to do without being ill.
const NO_ILLNESS: &[&str] = &["come", "make", "attend", "reach", "find", "remember", "wait", "get"];

/// The first sentence that does so: a command or advice to the patient to come back or to get help, tied to things becoming worse, to
/// something new, or to no improvement. A denied one (`do not come back if ..`), what the doctor does (`let me see if ..`) and a return
/// that depends on nothing of the kind (`come back when you like`) are none.
pub(super) fn safety_net(language: Language, message: &str) -> Option<Range<usize>> {
    sentences(message).into_iter().find(|span| {
        let Some(text) = message.get(span.clone()) else { return false };
        !text.ends_with('?') && Sentence { language, text, words: words(text) }.is_net()
    })
}

struct Sentence<'a> {
    language: Language<'a>,
    text: &'a str,
    words: Vec<Word>,
}

impl Sentence<'_> {
    fn is_net(&self) -> bool {
        (0..self.words.len()).any(|at| {
            let advised = self.returns(at) && self.is_told(at) && !self.is_denied(at);
            (advised || self.wants_back(at)) && self.is_conditional(at)
        })
    }

    /// The word at `at`; none past the end.
    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.text.as_str())
    }

    /// Whether a mark, or the beginning, stands before the word at `at`.
    fn parts(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).and_then(|before| self.words.get(before)) else { return true };
        let between = self.words.get(at).and_then(|word| self.text.get(before.span.end..word.span.start));
        between.is_some_and(|marks| marks.contains([',', ';', ':', '(', ')', '\u{2013}', '\u{2014}']))
    }

    /// Whether one of `wanted` follows the word at `at`, before what it depends on.
    fn near(&self, at: usize, wanted: &[&str]) -> bool {
        let after = (at + 1..self.words.len()).take(REACH);
        after.take_while(|next| !self.opens(*next)).any(|next| wanted.contains(&self.word(next)))
    }

    /// Whether the word at `at` is the verb of coming back or of getting help.
    fn returns(&self, at: usize) -> bool {
        match self.word(at) {
            "return" => true,
            "call" | "ring" | "phone" | "telephone" | "contact" | "dial" => {
                let called = self.word(at + 1);
                !matches!(called, "it" | "this" | "that" | "you" | "him" | "her" | "them" | "")
            }
            "come" => self.near(at, BACK),
            "go" | "attend" => self.near(at, PLACES),
            "see" | "visit" | "speak" | "talk" => self.near(at, PEOPLE),
            "seek" | "get" | "ask" => self.near(at, HELP),
            "make" | "book" => self.near(at, &["appointment"]),
            _ => false,
        }
    }

    /// Whether the verb at `at` is for the patient: a command, or after `you should` and the like.
    fn is_told(&self, at: usize) -> bool {
        let mut first = at;
        let mut joined = false;
        while !self.parts(first) {
            let before = self.word(first - 1);
            if !(BEFORE_COMMAND.contains(&before) || JOINTS.contains(&before)) {
                break;
            }
            joined |= JOINTS.contains(&before);
            first -= 1;
        }
        if self.parts(first) {
            return true;
        }
        let shortly = |wanted: &[&str]| {
            (first.saturating_sub(REACH + 1)..first - 1).any(|at| wanted.contains(&self.word(at)))
        };
        match self.word(first - 1) {
            "you" => true,
            "to" => shortly(TO_THE_PATIENT),
            modal if MODALS.contains(&modal) => shortly(&["you", "you'd"]),
            "better" | "you'd" | "you'll" => true,
            // `Rest and come back`, and not `I will rest and come back`.
            _ if joined => {
                let from = (0..first).rev().find(|at| self.parts(*at)).unwrap_or(0);
                let has = |wanted: &[&str]| (from..first).any(|at| wanted.contains(&self.word(at)));
                has(&["you"]) || !has(&["i", "we", "i'll", "we'll", "he", "she", "they"])
            }
            // `If it gets worse call us.`
            before => WORSE.contains(&before) || BETTER.contains(&before),
        }
    }

    /// `I want to see you again`: the doctor's words for the same.
    fn wants_back(&self, at: usize) -> bool {
        let again = self.word(at) == "see" && self.word(at + 1) == "you" && self.near(at, &["again", "back"]);
        again && !self.is_denied(at)
    }

    /// Whether what the verb at `at` says is denied: `do not call`, `no need to call`, `call nobody`.
    fn is_denied(&self, at: usize) -> bool {
        let ends = |at: &usize| self.parts(*at) || matches!(self.word(at - 1), "and" | "but");
        let from = (0..=at).rev().find(ends).unwrap_or(0);
        // `do not hesitate to call`, `don't be afraid to call`
        let urges = |not: usize| {
            let next = [self.word(not + 1), self.word(not + 2)];
            matches!(next, ["hesitate" | "wait" | "delay" | "forget" | "fail", _] | ["be", "afraid" | "shy"])
        };
        (from..at).any(|not| denies(self.word(not)) && !urges(not))
            || self.near(at, &["nobody", "no", "never", "nowhere"])
    }

    /// Whether the word at `at` begins what something depends on.
    fn opens(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map_or("", |before| self.word(before));
        match self.word(at) {
            // `See if`, `find out if` and the like ask; `even if` and `not if` are no condition.
            "if" => {
                !matches!(
                    before,
                    "see" | "know" | "ask" | "check" | "sure" | "wonder" | "out" | "even" | "as"
                ) && !self.is_free(at)
            }
            "when" | "whenever" => !self.is_free(at),
            "unless" => true,
            "case" => before == "in",
            "soon" => before == "as" && self.word(at + 1) == "as",
            // `Should it get worse, ..`
            "should" => {
                let subject = self.word(at + 1);
                matches!(subject, "it" | "you" | "the" | "this" | "things" | "anything" | "symptoms" | "your")
                    && !matches!(before, "i" | "you" | "we" | "they" | "he" | "she" | "it")
            }
            _ => false,
        }
    }

    /// Whether the `if` or `when` at `at` is up to the patient (`when you like`), or denied (`even when`, `not if`).
    fn is_free(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map_or("", |before| self.word(before));
        let pleases = self.word(at + 1) == "you"
            && match self.word(at + 2) {
                "like" | "please" | "wish" | "fancy" => true,
                "want" => self.word(at + 3) != "to",
                "have" => self.word(at + 3) == "time",
                _ => false,
            };
        pleases || matches!(before, "even" | "not" | "never")
    }

    /// Where the words end that belong to the condition at `opens`: before another that is none (`even if it gets worse`).
    fn condition_end(&self, opens: usize) -> usize {
        let ends = |at: &usize| matches!(self.word(*at), "if" | "when" | "whenever") && self.is_free(*at);
        (opens + 1..self.words.len()).find(ends).unwrap_or(self.words.len())
    }

    /// Whether the condition at `opens` is that of another command, to stay away: `.., but if it gets worse stay at home.`
    fn keeps_away(&self, opens: usize) -> bool {
        let own = self.parts(opens) || matches!(self.word(opens - 1), "but" | "and");
        let command = |at: usize| {
            matches!(self.word(at), "stay" | "remain" | "wait" | "sleep")
                && !matches!(self.word(at - 1), "to" | "have" | "you" | "not" | "cannot" | "can't" | "can")
        };
        own && (opens + 1..self.words.len()).any(command)
    }

    /// Whether the verb at `at` depends on things going wrong.
    fn is_conditional(&self, at: usize) -> bool {
        let len = self.words.len();
        // In a clause with `if`, the verb is what is advised only if the condition lies before it.
        let clause = (0..=at).rev().find(|at| self.parts(*at)).unwrap_or(0);
        let within = (clause..at).any(|it| self.opens(it));
        let before = (0..at).any(|it| self.opens(it) && self.goes_wrong(it, it + 1..at));
        let after = (at + 1..len).any(|it| {
            self.opens(it) && !self.keeps_away(it) && self.goes_wrong(it, it + 1..self.condition_end(it))
        });
        // `Come back at once for a fever.`
        let for_it =
            || (at + 1..len).any(|it| self.word(it) == "for" && self.warns(it + 1..len.min(it + 1 + DENIAL)));
        before || (!within && (after || for_it()))
    }

    /// Whether the condition that `opens` begins, `of` these words, is that things go wrong.
    fn goes_wrong(&self, opens: usize, of: Range<usize>) -> bool {
        let denied =
            |at: usize| (of.start.max(at.saturating_sub(DENIAL))..at).any(|at| denies(self.word(at)));
        let unless = self.word(opens) == "unless";
        let better = |at: usize| {
            let denies_before = || (of.start..at).any(|at| denies(self.word(at)));
            BETTER.contains(&self.word(at)) && (unless || denies_before())
        };
        let worse = |at: usize| WORSE.contains(&self.word(at)) && !denied(at);
        let unable = |at: usize| {
            let can = matches!(self.word(at), "cannot" | "can't" | "unable")
                || (self.word(at) == "can" && self.word(at + 1) == "not");
            let next = (at + 1..of.end).map(|at| self.word(at)).find(|word| !matches!(*word, "not" | "to"));
            can && next.is_some_and(|next| !NO_ILLNESS.contains(&next))
        };
        of.clone().any(|at| worse(at) || better(at) || unable(at)) || self.has_symptom(of)
    }

    /// Whether these words, right after `for`, are a reason to come back.
    fn warns(&self, of: Range<usize>) -> bool {
        of.clone().any(|at| WORSE.contains(&self.word(at))) || self.has_symptom(of)
    }

    /// Whether these words name a symptom or an illness and do not deny it.
    fn has_symptom(&self, of: Range<usize>) -> bool {
        let ends = self.words.get(of.clone()).and_then(|words| Some((words.first()?, words.last()?)));
        let text = ends.and_then(|(first, last)| self.text.get(first.span.start..last.span.end));
        text.is_some_and(|text| {
            let mentions = self.language.understanding.mentions(text);
            mentions
                .iter()
                .any(|it| !it.negated && matches!(it.kind, ConceptKind::Symptom | ConceptKind::Condition))
        })
    }
}

fn denies(word: &str) -> bool {
    word.ends_with("n't")
        || matches!(
            word,
            "not"
                | "never"
                | "no"
                | "cannot"
                | "without"
                | "nor"
                | "neither"
                | "avoid"
                | "stop"
                | "unnecessary"
        )
}

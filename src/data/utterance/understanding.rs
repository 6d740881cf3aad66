//! Reads messages: words, clauses, cues and concepts, and what they add up to.

use std::ops::Range;

use super::act::{Act, Intent};
use super::clauses::{Clause, Joints};
use super::concepts::{Concepts, Found};
use super::cue_table::{HARD, TABLE};
use super::cues::Cue;
use super::leading::Leading;
use super::pattern::{Match, Patterns};
use super::reading::Look;
use super::vocabulary::Vocabulary;
use super::withdrawn::take_back;
use super::words::{Token, spelled, tokens};
use crate::data::case::Aspect;
use crate::data::lexicon::{ConceptKind, Lexicon};

/// A lexicon with the rules, compiled: reads messages.
#[derive(Debug)]
pub struct Understanding {
    vocabulary: Vocabulary,
    concepts: Concepts,
    cues: Patterns<Cue>,
    joints: Joints,
}

/// A concept that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Its name in the lexicon.
    pub concept: String,
    /// Its kind.
    pub kind: ConceptKind,
    /// True where the text denies it.
    pub negated: bool,
    /// Bytes of the text that name it.
    pub span: Range<usize>,
}

impl Understanding {
    /// Compiles `lexicon`.
    pub fn new(lexicon: &Lexicon) -> Self {
        let mut vocabulary = Vocabulary::default();
        let concepts = Concepts::new(lexicon, &mut vocabulary);
        let cues = Patterns::new(TABLE, ("$hard", HARD), &mut vocabulary);
        let joints = Joints::new(&mut vocabulary);
        Self { vocabulary, concepts, cues, joints }
    }

    /// The bundled lexicon, compiled once.
    pub fn bundled() -> &'static Self {
        static BUNDLED: std::sync::LazyLock<Understanding> =
            std::sync::LazyLock::new(|| Understanding::new(Lexicon::bundled()));
        &BUNDLED
    }

    /// What a doctor's message does, from its beginning to its end. A sentence that is not understood gives
    /// [`Intent::Unclear`]; `I see` gives nothing beside other sentences; an empty message gives nothing.
    pub fn read(&self, message: &str) -> Vec<Act> {
        let tokens = tokens(message, &self.vocabulary);
        let spelled = spelled(message);
        let found = self.concepts.find(&tokens);
        let mut acts: Vec<Act> = Vec::new();
        let mut last: Option<String> = None;
        let clauses = self.joints.split(&tokens);
        let leading = Leading::find(&tokens, &clauses, message);
        let mut heeded = false;
        let mut sentence_before = 0;
        let mut at = 0;
        while at < clauses.len() {
            let sentence = clauses[at].sentence;
            let before = acts.len();
            let first = at;
            let (mut conditional, mut asks) = (false, false);
            let mut heeds = false;
            while at < clauses.len() && clauses[at].sentence == sentence {
                let mut clause = self.look(&tokens, &spelled, &found, clauses[at], message);
                clause.sentence_condition = conditional;
                clause.leading = leading.claims.contains(&sentence);
                clause.sentence_asks = asks;
                conditional |= clause.condition();
                asks |= clause.is_question();
                heeds |= clause.has(Cue::Heed);
                if clause.takes_back() {
                    let from = if acts.len() == before { sentence_before } else { before };
                    take_back(acts.get_mut(from..).unwrap_or_default());
                    heeds = true;
                } else if !leading.requests.contains(&sentence) {
                    clause.acts(&mut acts, &mut last);
                }
                at += 1;
            }
            thin(&mut acts, before);
            sentence_before = before;
            heeded |= heeds;
            // What is asked to be confirmed stands in the sentence before.
            heeds |= leading.requests.contains(&sentence);
            if acts.len() == before && !heeds {
                let (from, to) = (clauses[first].from, clauses[at - 1].to);
                acts.push(plain(Intent::Unclear, None, span(&tokens, from, to)));
            }
        }
        // `Thank you.` and no more: heard, and nothing to answer.
        if acts.is_empty() && heeded {
            acts.push(plain(Intent::Explanation, None, span(&tokens, 0, tokens.len())));
        }
        acts
    }

    /// The concepts a text names, whoever speaks, and whether a negation before them denies them.
    pub fn mentions(&self, text: &str) -> Vec<Mention> {
        let tokens = tokens(text, &self.vocabulary);
        let found = self.concepts.find(&tokens);
        let mut mentions = Vec::with_capacity(found.len());
        for clause in self.joints.split(&tokens) {
            let look = self.look(&tokens, &[], &found, clause, text);
            for concept in look.found {
                mentions.push(Mention {
                    concept: self.concepts.name(concept.concept).to_owned(),
                    kind: self.concepts.kind(concept.concept),
                    negated: look.denied(concept.first),
                    span: span(&tokens, concept.first, concept.end),
                });
            }
        }
        mentions
    }

    /// The words of `text` as one normal form, so that two messages which differ in marks and endings only are equal.
    pub fn normal_form(&self, text: &str) -> String {
        super::words::words(text).join(" ")
    }

    fn look<'a>(
        &'a self,
        tokens: &'a [Token],
        spelled: &'a [String],
        found: &'a [Found],
        clause: Clause,
        message: &'a str,
    ) -> Look<'a> {
        let mut cues = Vec::with_capacity(16);
        let from = found.partition_point(|found| found.first < clause.from);
        let to = found.partition_point(|found| found.first < clause.to);
        // The words of a name ask nothing: `heat intolerance` is no allergy, `burning skin pain` no question of character.
        let in_name = |cue: &Match<Cue>| {
            matches!(cue.meaning, Cue::Aspect(_) | Cue::Topic(_))
                && found[from..to].iter().any(|name| {
                    name.end - name.first > 1
                        && name.first <= cue.first
                        && cue.end <= name.end
                        && matches!(
                            self.concepts.kind(name.concept),
                            ConceptKind::Symptom | ConceptKind::Condition
                        )
                })
        };
        self.cues.find(tokens, clause.from, clause.to, clause.start, |cue| {
            if !in_name(&cue) {
                cues.push(cue);
            }
        });
        Look {
            concepts: &self.concepts,
            tokens,
            spelled,
            found: &found[from..to],
            clause,
            cues,
            sentence_condition: false,
            sentence_asks: false,
            leading: false,
            message,
        }
    }
}

/// The bytes of tokens `from..to`.
pub(super) fn span(tokens: &[Token], from: usize, to: usize) -> Range<usize> {
    match (tokens.get(from), to.checked_sub(1).and_then(|last| tokens.get(last))) {
        (Some(first), Some(last)) => first.start..last.end,
        _ => 0..0,
    }
}

/// Drops from `acts[from..]`, one sentence, what another act of it says as well: the same again, and a question about `it`
/// where the same is asked about something by name.
fn thin(acts: &mut Vec<Act>, from: usize) {
    let mut at = from;
    while at < acts.len() {
        let act = &acts[at];
        let twin = |other: &Act| {
            (other.intent, other.aspect, other.negated) == (act.intent, act.aspect, act.negated)
        };
        let again = acts[from..at].iter().any(|other| twin(other) && other.concept == act.concept);
        let named = acts[from..].iter().any(|other| twin(other) && other.concept.is_some());
        let it = act.concept.is_none()
            && act.aspect != Aspect::Presence
            && matches!(act.intent, Intent::Question(_));
        if again || (it && named) {
            acts.remove(at);
        } else {
            at += 1;
        }
    }
}

/// An act that asserts `intent`.
pub(super) fn plain(intent: Intent, concept: Option<String>, span: Range<usize>) -> Act {
    Act { intent, concept, aspect: Aspect::Presence, negated: false, span }
}

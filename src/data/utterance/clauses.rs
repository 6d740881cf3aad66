//! Sentences and clauses of a message.

use super::cues::{AFTER_AND, AFTER_COMMA, COMMANDS, FILLERS, JOINTS};
use super::vocabulary::Vocabulary;
use super::words::{COMMA, QUESTION, STOP, Token};

/// A clause: tokens `from..to`, without the mark it ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clause {
    pub from: usize,
    pub to: usize,
    /// The first token that is no filler; tied patterns match here.
    pub start: usize,
    /// Whether its sentence ends with a question mark.
    pub question: bool,
    /// Number of its sentence.
    pub sentence: usize,
}

/// The words by which clauses are told apart.
#[derive(Debug)]
pub(super) struct Joints {
    after_comma: Vec<u32>,
    after_and: Vec<u32>,
    commands: Vec<u32>,
    joints: Vec<u32>,
    fillers: Vec<u32>,
}

impl Joints {
    /// Knows the words in `vocabulary`.
    pub fn new(vocabulary: &mut Vocabulary) -> Self {
        let mut ids = |words: &[&str]| {
            let mut ids: Vec<u32> = words.iter().map(|word| vocabulary.add(word)).collect();
            ids.sort_unstable();
            ids
        };
        Self {
            after_comma: ids(AFTER_COMMA),
            after_and: ids(AFTER_AND),
            commands: ids(COMMANDS),
            joints: ids(JOINTS),
            fillers: ids(FILLERS),
        }
    }

    /// The clauses of `tokens`. Empty ones are left out.
    pub fn split(&self, tokens: &[Token]) -> Vec<Clause> {
        let mut clauses: Vec<Clause> = Vec::new();
        let mut from = 0;
        let mut sentence = 0;
        let mut first_of_sentence = 0;
        let asked = asked(tokens);
        let ids = tokens.iter().map(|token| token.id).chain([STOP]);
        for (at, id) in ids.enumerate() {
            if matches!(id, STOP | QUESTION) {
                self.push(&mut clauses, tokens, from, at, sentence);
                for clause in &mut clauses[first_of_sentence..] {
                    clause.question = id == QUESTION;
                }
                first_of_sentence = clauses.len();
                sentence += 1;
                from = at + 1;
            } else if self.divides(tokens, from, at, asked.get(at) == Some(&true)) {
                self.push(&mut clauses, tokens, from, at, sentence);
                from = if id == COMMA { at + 1 } else { at };
            }
        }
        clauses
    }

    /// Whether a clause ends before the comma or joint at `at`.
    fn divides(&self, tokens: &[Token], from: usize, at: usize, asked: bool) -> bool {
        let is = |words: &[u32], at: usize| {
            tokens.get(at).is_some_and(|token| words.binary_search(&token.id).is_ok())
        };
        if tokens[at].id == COMMA {
            let next = if is(&self.joints, at + 1) { at + 2 } else { at + 1 };
            return is(&self.after_comma, next);
        }
        // `and` right after a comma was decided there.
        at > from
            && is(&self.joints, at)
            && tokens[at - 1].id != COMMA
            && ((at > from + 1 && is(&self.after_and, at + 1)) || (!asked && is(&self.commands, at + 1)))
    }

    fn push(&self, clauses: &mut Vec<Clause>, tokens: &[Token], from: usize, to: usize, sentence: usize) {
        let filler = |token: &Token| token.id == COMMA || self.fillers.binary_search(&token.id).is_ok();
        let part = &tokens[from..to];
        if part.iter().all(|token| token.is_mark()) {
            return;
        }
        let start = from + part.iter().take_while(|token| filler(token)).count();
        // A clause of nothing but fillers has its first word as its start.
        let start = if start == to { from } else { start };
        clauses.push(Clause { from, to, start, question: false, sentence });
    }
}

/// For each token whether its sentence ends with a question mark.
fn asked(tokens: &[Token]) -> Vec<bool> {
    let mut asked = vec![false; tokens.len()];
    let mut question = false;
    for (at, token) in tokens.iter().enumerate().rev() {
        if matches!(token.id, STOP | QUESTION) {
            question = token.id == QUESTION;
        }
        asked[at] = question;
    }
    asked
}

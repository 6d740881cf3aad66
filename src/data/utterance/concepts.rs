//! Concepts in a message: the longest phrase at each word.

use std::collections::HashMap;

use super::vocabulary::Vocabulary;
use super::words::{Token, words};
use crate::data::lexicon::{ConceptKind, Lexicon};

/// Words that phrases and messages may have or lack: `pain in my chest`, `pain in the chest`.
const SKIPPED: [&str; 11] = ["a", "an", "the", "my", "your", "his", "her", "their", "our", "any", "some"];

/// Adjectives that symptoms are named by before a part of the body: `sore throat`.
const ADJECTIVES: [&str; 36] = [
    "sore",
    "stiff",
    "painful",
    "swollen",
    "blurred",
    "blurry",
    "runny",
    "dry",
    "itchy",
    "red",
    "tender",
    "weak",
    "numb",
    "dark",
    "pale",
    "heavy",
    "loose",
    "watery",
    "hard",
    "black",
    "yellow",
    "tight",
    "stuffy",
    "blocked",
    "congested",
    "hoarse",
    "slurred",
    "irregular",
    "bloated",
    "puffy",
    "flaky",
    "scaly",
    "low",
    "poor",
    "late",
    "slow",
];

/// How a question asks for a symptom of adjective and noun: `Is your throat sore?` and `.. that your throat is sore?` for
/// `sore throat`.
fn predicates(phrase: &str) -> Vec<String> {
    match words(phrase).as_slice() {
        [adjective, noun] if ADJECTIVES.contains(&adjective.as_str()) => {
            vec![format!("{noun} {adjective}"), format!("{noun} is {adjective}")]
        }
        _ => Vec::new(),
    }
}

/// A concept that was found: its number, and the tokens it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub concept: u32,
    pub first: usize,
    pub end: usize,
}

/// All phrases of a lexicon, as a tree of words.
#[derive(Debug)]
pub(super) struct Concepts {
    names: Vec<(String, ConceptKind)>,
    steps: HashMap<(u32, u32), u32>,
    ends: Vec<Option<u32>>,
    skipped: Vec<u32>,
}

impl Concepts {
    /// The phrases of `lexicon`. A phrase that two concepts claim means the one whose name it is, else the first by
    /// name.
    pub fn new(lexicon: &Lexicon, vocabulary: &mut Vocabulary) -> Self {
        let skipped = SKIPPED.iter().map(|word| vocabulary.add(word)).collect();
        let mut concepts = Self { names: Vec::new(), steps: HashMap::new(), ends: vec![None], skipped };
        concepts.names = lexicon.iter().map(|concept| (concept.name.clone(), concept.kind)).collect();
        for (number, concept) in lexicon.iter().enumerate() {
            concepts.insert(&concept.name, number as u32, vocabulary);
        }
        for (number, concept) in lexicon.iter().enumerate() {
            for phrase in &concept.phrases {
                concepts.insert(phrase, number as u32, vocabulary);
            }
        }
        for (number, concept) in lexicon.iter().enumerate() {
            if concept.kind == ConceptKind::Symptom {
                for phrase in std::iter::once(&concept.name).chain(&concept.phrases) {
                    for asked in predicates(phrase) {
                        concepts.insert(&asked, number as u32, vocabulary);
                    }
                }
            }
        }
        concepts
    }

    fn insert(&mut self, phrase: &str, concept: u32, vocabulary: &mut Vocabulary) {
        let mut ids: Vec<u32> = words(phrase).iter().map(|word| vocabulary.add(word)).collect();
        // `the runs` is not `run`: a single word keeps what stood before it.
        if ids.iter().filter(|id| !self.skipped.contains(id)).count() > 1 {
            ids.retain(|id| !self.skipped.contains(id));
        }
        let mut node = 0;
        for id in ids {
            let next = self.ends.len() as u32;
            node = *self.steps.entry((node, id)).or_insert(next);
            if node == next {
                self.ends.push(None);
            }
        }
        if node > 0 {
            self.ends[node as usize].get_or_insert(concept);
        }
    }

    /// The concepts in `tokens`, from left to right, none overlapping.
    pub fn find(&self, tokens: &[Token]) -> Vec<Found> {
        let mut found = Vec::new();
        let mut first = 0;
        while first < tokens.len() {
            let mut node = 0;
            let mut longest = None;
            for (at, token) in tokens.iter().enumerate().skip(first) {
                let Some(&next) = self.steps.get(&(node, token.id)) else {
                    if at > first && self.skipped.contains(&token.id) {
                        continue;
                    }
                    break;
                };
                node = next;
                if let Some(concept) = self.ends[node as usize] {
                    longest = Some(Found { concept, first, end: at + 1 });
                }
            }
            first = longest.map_or(first + 1, |found| found.end);
            found.extend(longest);
        }
        found
    }

    /// The name of a concept.
    pub fn name(&self, concept: u32) -> &str {
        &self.names[concept as usize].0
    }

    /// The kind of a concept.
    pub fn kind(&self, concept: u32) -> ConceptKind {
        self.names[concept as usize].1
    }
}

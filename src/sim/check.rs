//! The factual unit: takes a draft apart and strikes what must not be said.

use crate::data::case::{FactId, Finding, Reveal, Topic};
use crate::data::lexicon::ConceptKind;
use crate::data::utterance::Intent;
use crate::sim::circumstances;
use crate::sim::disguise::gives_away;
use crate::sim::draft::{Draft, Piece, Source};
use crate::sim::forbidden::{blank, names_any};
use crate::sim::heard::Scene;
use crate::sim::phrases::SAFE;
use crate::sim::reveal::{Permission, permission};

/// Verifies a draft.
pub trait Factual {
    /// What of `draft` may be said.
    fn check(&self, scene: &Scene<'_>, draft: Draft) -> Checked;
}

/// A reply that may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The words.
    pub text: String,
    /// The facts they tell.
    pub told: Vec<FactId>,
    /// How many statements were struck or replaced.
    pub corrected: usize,
}

/// The check by rules. Each statement by its source:
///
/// - a fact must have been asked for (or be one that is brought up unasked, after an open question), be allowed now,
///   and not be turned into its contrary, which gives the script's own words;
/// - a finding must come from an examination or test of this message; names of the diagnosis in it are blanked;
/// - a denial must not contradict a fact: else `not sure`;
/// - talk and free text are read by the lexicon: each symptom, illness or drug they name must be one of the facts that
///   may be told now and agree with it; else `not sure`. So with what free text says of its speaker's own life;
/// - whatever names the hidden diagnosis becomes `not sure`; of free text also what names it in disguise.
#[derive(Debug, Clone, Copy, Default)]
pub struct RuleCheck;

enum Ruling {
    Keep,
    Strike,
    Replace(String, Option<usize>),
}

impl Factual for RuleCheck {
    fn check(&self, scene: &Scene<'_>, draft: Draft) -> Checked {
        let open = open_facts(scene);
        let mut parts: Vec<String> = Vec::new();
        let mut told = Vec::new();
        let mut corrected = 0;
        for piece in draft.pieces {
            let mut fact = match piece.source {
                Source::Fact(index) | Source::Finding(index) => Some(index),
                _ => None,
            };
            let text = match rule(scene, &open, &piece) {
                Ruling::Keep => piece.text,
                Ruling::Strike => {
                    corrected += 1;
                    continue;
                }
                Ruling::Replace(text, tells) => {
                    corrected += 1;
                    fact = tells;
                    text
                }
            };
            if text == SAFE && parts.last().is_some_and(|last| last == SAFE) {
                continue;
            }
            let id = fact.and_then(|index| scene.script.facts.get(index)).map(|fact| fact.id.clone());
            told.extend(id.filter(|id| !told.contains(id)));
            parts.push(text);
        }
        let text = parts.join(" ");
        // Two harmless statements side by side can still spell a name.
        if text.is_empty() || names_any(&text, &scene.script.forbidden) {
            return Checked { text: safe(scene), told: Vec::new(), corrected: corrected + 1 };
        }
        Checked { text, told, corrected }
    }
}

/// What is said where nothing else may be.
fn safe(scene: &Scene<'_>) -> String {
    [SAFE, "Okay.", "Hm."]
        .into_iter()
        .find(|text| !names_any(text, &scene.script.forbidden))
        .unwrap_or("...")
        .to_owned()
}

/// Facts that may be told now, each with the intents that ask for it.
fn open_facts(scene: &Scene<'_>) -> Vec<usize> {
    let facts = &scene.script.facts;
    let mut open: Vec<usize> = Vec::new();
    for asked in &scene.asked {
        let Some(act) = scene.acts.get(asked.act) else { continue };
        open.extend(asked.facts.iter().filter(|&&index| {
            facts.get(index).is_some_and(|fact| permission(scene, fact, act.intent) == Permission::Now)
        }));
    }
    if scene.does(|act| act.intent == Intent::OpenQuestion) {
        open.extend((0..facts.len()).filter(|&index| facts[index].reveal == Reveal::Opening));
    }
    open
}

fn rule(scene: &Scene<'_>, open: &[usize], piece: &Piece) -> Ruling {
    let names = |text: &str| names_any(text, &scene.script.forbidden);
    let unsure = || Ruling::Replace(SAFE.to_owned(), None);
    match &piece.source {
        Source::Fact(index) => {
            let Some(fact) = scene.script.facts.get(*index).filter(|_| open.contains(index)) else {
                return Ruling::Strike;
            };
            if names(&piece.text) {
                return unsure();
            }
            let own = fact.said.as_deref().unwrap_or_default().trim();
            // Capital and final mark apart, the script's own words need no reading.
            let same = piece.text.trim_end_matches('.').eq_ignore_ascii_case(own.trim_end_matches('.'));
            if same || own.is_empty() || !contradicts(scene, open, &piece.text) {
                Ruling::Keep
            } else if names(own) {
                unsure()
            } else {
                Ruling::Replace(own.to_owned(), Some(*index))
            }
        }
        Source::Finding(index) if !open.contains(index) => Ruling::Strike,
        Source::Finding(index) if names(&piece.text) => {
            Ruling::Replace(blank(&piece.text, &scene.script.forbidden), Some(*index))
        }
        Source::Finding(_) => Ruling::Keep,
        Source::Denial(_) | Source::Blank | Source::Manner | Source::Free if names(&piece.text) => unsure(),
        Source::Denial(concept) => {
            let there = scene.script.facts.iter().any(|fact| {
                fact.finding == Finding::Present
                    && !matches!(fact.topic, Topic::Family | Topic::Allergy)
                    && scene.lexicon.is_a(&fact.concept, concept)
            });
            if there { unsure() } else { Ruling::Keep }
        }
        Source::Blank => Ruling::Keep,
        // `[Test: nothing on record for ...]` names what the doctor named.
        Source::Manner if piece.text.starts_with('[') => Ruling::Keep,
        Source::Manner | Source::Free if contradicts(scene, open, &piece.text) => unsure(),
        Source::Free if gives_away(scene, &piece.text) || tells_of_a_life(scene, open, &piece.text) => {
            unsure()
        }
        Source::Manner | Source::Free => Ruling::Keep,
    }
}

/// Whether `text` says something of its speaker's life that is none of the `open` facts.
fn tells_of_a_life(scene: &Scene<'_>, open: &[usize], text: &str) -> bool {
    let facts = &scene.script.facts;
    circumstances::told(scene, text).into_iter().any(|told| {
        !open.iter().filter_map(|&index| facts.get(index)).any(|fact| {
            let related = told.concept.as_ref().is_some_and(|it| scene.lexicon.is_a(&fact.concept, it));
            related && (fact.finding == Finding::Absent) == told.negated
        })
    })
}

/// Whether `text` names a symptom, illness or drug that is none of the `open` facts, or the contrary of one.
fn contradicts(scene: &Scene<'_>, open: &[usize], text: &str) -> bool {
    let facts = &scene.script.facts;
    scene.understanding.mentions(text).into_iter().any(|mention| {
        let clinical = [ConceptKind::Symptom, ConceptKind::Condition, ConceptKind::Substance];
        clinical.contains(&mention.kind)
            && !open.iter().filter_map(|&index| facts.get(index)).any(|fact| {
                let related = scene.lexicon.is_a(&fact.concept, &mention.concept);
                related && (fact.finding == Finding::Absent) == mention.negated
            })
    })
}

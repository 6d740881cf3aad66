//! The steps of a run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ahead::ahead;
use super::assessment::{self, Assessment};
use super::candidates::{self, Candidate};
use super::duplicates::cluster;
use super::folder::{Folder, Step};
use super::made::{Duplicate, Kept, Made, NotPossible, Points};
use super::prompt::{DraftPrompt, drawn};
use super::row::{RubricRow, conversation};
use super::run::{RunError, Settings, Sources, Watch};
use super::scenario::Scenario;
use super::selection::{Selection, select};
use super::sources::condition::is_condition;
use super::sources::{Passage, knowledge, record, synthetic};
use super::templates::Templates;
use super::variants::{self, Variant};
use super::weights;
use super::writer::{Writer, is_about_this};
use crate::chat::{ChatError, Listener, Part};
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::data::lexicon::Lexicon;
use crate::data::utterance::Understanding;
use crate::sim::Persona;

/// What is made of a case or a passage.
enum Item<'a> {
    Case(&'a Case, Scenario),
    Dialogue(&'a Case, &'a Consultation),
    Passage(&'a Passage),
}

/// What each step made, for whoever writes the outcome.
pub(super) struct Everything {
    pub prompts: Vec<Made<DraftPrompt>>,
    pub duplicates: Vec<Duplicate>,
    pub assessments: Vec<Made<Assessment>>,
    pub filter: Vec<Kept>,
    pub kept: Vec<usize>,
    pub candidates: Vec<Made<Vec<Candidate>>>,
    pub selection: Vec<Selection>,
    pub weights: Vec<Made<Points>>,
    pub variants: Vec<Made<Vec<Variant>>>,
}

/// A run that goes on.
pub(super) struct Running<'a> {
    pub folder: &'a Folder,
    pub settings: &'a Settings,
    pub templates: &'a Templates,
    pub writer: Option<Writer<'a>>,
    /// Items that the writer is asked about at once.
    pub at_once: usize,
}

/// Makes the line of one item, by its place.
type MakeEach<'a, T> = &'a mut dyn FnMut(usize, &mut dyn Watch) -> Result<Made<T>, RunError>;

/// Lets a watch stop a model.
struct Stopper<'a>(&'a mut dyn Watch);

impl Listener for Stopper<'_> {
    fn hear(&mut self, _: Part<'_>) {}

    fn stopped(&mut self) -> bool {
        self.0.stopped()
    }
}

impl Running<'_> {
    /// The lines of a step, in the order of its items, however many are made at once. A model's failure that is about one item is a line of
    /// its own, so that the others go on.
    fn step<T: Serialize + serde::de::DeserializeOwned + Send>(
        &self,
        step: Step,
        count: usize,
        watch: &mut dyn Watch,
        make: impl Fn(usize, &mut dyn Listener) -> Result<Made<T>, ChatError> + Sync,
    ) -> Result<Vec<Made<T>>, RunError> {
        watch.at(step, 0, count);
        let line = |at: usize, made: Result<Made<T>, ChatError>| match made {
            Ok(made) => Ok(made),
            Err(ChatError::Stopped) => Err(RunError::Stopped),
            Err(error) if is_about_this(&error) => Ok(Made::Failed(error.to_string())),
            Err(source) => Err(RunError::Model { step: step.in_words(), item: at + 1, all: count, source }),
        };
        let mut each = |make: MakeEach<'_, T>| {
            self.folder.each(step, count, |at| {
                watch.at(step, at, count);
                if watch.stopped() {
                    return Err(RunError::Stopped);
                }
                make(at, &mut *watch)
            })
        };
        // Rules are done before a thread is there to do them.
        let made = match self.writer.is_some() && self.at_once > 1 {
            false => each(&mut |at, watch| line(at, make(at, &mut Stopper(watch))))?,
            true => ahead(self.at_once, count, &make, |ahead| {
                each(&mut |at, watch| {
                    let made = ahead.next(at, &mut || watch.stopped()).ok_or(RunError::Stopped)?;
                    line(at, made)
                })
            })
            .map_err(|source| RunError::Threads { step: step.in_words(), source })??,
        };
        watch.at(step, count, count);
        Ok(made)
    }

    pub fn prompts(
        &self,
        sources: &Sources,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Made<DraftPrompt>>, RunError> {
        let scenarios = &self.settings.scenarios;
        let mut items = Vec::new();
        for (number, case) in sources.cases.iter().enumerate() {
            // Two kinds a case, in turn, so that all kinds are as common.
            let two = (0..scenarios.len().min(2)).map(|nth| (2 * number + nth) % scenarios.len());
            items.extend(two.filter_map(|at| Some(Item::Case(case, *scenarios.get(at)?))));
        }
        for (number, dialogue) in (1..).zip(&sources.dialogues) {
            let case = sources.cases.iter().find(|case| case.id == dialogue.case_id);
            let (id, cases) = (&dialogue.case_id, sources.cases.len());
            let case = case.ok_or_else(|| RunError::NoCase { number, case: id.clone(), cases })?;
            items.push(Item::Dialogue(case, dialogue));
        }
        items.extend(sources.passages.iter().map(Item::Passage));
        let seed = self.settings.seed;
        self.step(Step::Prompts, items.len(), watch, |at, listener| {
            let case = match items.get(at) {
                Some(Item::Case(case, _) | Item::Dialogue(case, _)) => Some(*case),
                _ => None,
            };
            if case.is_some_and(|case| !is_condition(case, Lexicon::bundled())) {
                return Ok(Made::NotPossible(NotPossible::NoCondition));
            }
            let made = match (items.get(at), &self.writer) {
                (Some(Item::Case(case, Scenario::Triage)), _) if case.truth.emergency.is_none() => {
                    return Ok(Made::NotPossible(NotPossible::UnknownUrgency));
                }
                (Some(Item::Dialogue(case, dialogue)), _) => Some(record::continued(case, dialogue)),
                (Some(Item::Case(case, Scenario::Consultation)), _) => Some(record::draft(case, seed)),
                (Some(Item::Case(case, scenario)), Some(writer)) => {
                    Some(synthetic::write(writer, case, *scenario, listener)?)
                }
                (Some(Item::Case(case, scenario)), None) => synthetic::draft(case, *scenario, seed),
                // A question with its points needs nobody to make it.
                (Some(Item::Passage(it)), Some(writer)) if it.question.is_none() || it.points.is_empty() => {
                    Some(knowledge::write(writer, it, listener)?)
                }
                (Some(Item::Passage(it)), _) => knowledge::draft(it, Understanding::bundled()),
                (None, _) => None,
            };
            Ok(made.map(|draft| self.with_persona(draft)).into())
        })
    }

    /// The same prompt with who the patient is as a person, where that is drawn and a patient speaks in it. All prompts of one case have one
    /// persona.
    fn with_persona(&self, draft: DraftPrompt) -> DraftPrompt {
        let speaks = matches!(
            draft.scenario,
            Scenario::Consultation | Scenario::ReportInterpretation | Scenario::Triage
        );
        let case = draft.case.as_deref().filter(|_| speaks);
        let persona = self
            .settings
            .persona_seed
            .zip(case)
            .map(|(seed, case)| Persona::draw(drawn(seed, &format!("persona {}", case.id))));
        DraftPrompt { persona, ..draft }
    }

    /// Compares the whole conversation with those of other sets, and what sets a prompt apart with those of its kind.
    pub fn duplicates(
        &self,
        drafts: &[&DraftPrompt],
        others: &[RubricRow],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Duplicate>, RunError> {
        let similarity = self.settings.similarity;
        let texts: Vec<String> = others.iter().map(|row| conversation(&row.prompt)).collect();
        let mine: Vec<String> = drafts.iter().map(|draft| conversation(&draft.messages)).collect();
        let both: Vec<&str> = texts.iter().chain(&mine).map(String::as_str).collect();
        let of_others = if others.is_empty() { Vec::new() } else { cluster(&both, similarity) };
        let mut places: Vec<Duplicate> = drafts
            .iter()
            .map(|draft| {
                let (id, leader) = (draft.id.clone(), draft.id.clone());
                Duplicate { id, leader, similarity: 1.0, of_others: false, kept: true }
            })
            .collect();
        let mut left: BTreeMap<Scenario, Vec<usize>> = BTreeMap::new();
        for (at, (draft, place)) in drafts.iter().zip(&mut places).enumerate() {
            let found = of_others.get(others.len() + at);
            match found.and_then(|found| Some((others.get(found.leader)?, found.similarity))) {
                Some((row, similarity)) => {
                    let leader = row.prompt_id.clone();
                    *place = Duplicate { leader, similarity, of_others: true, kept: false, ..place.clone() };
                }
                None => left.entry(draft.scenario).or_default().push(at),
            }
        }
        for group in left.values() {
            let bodies: Vec<&str> =
                group.iter().filter_map(|at| drafts.get(*at)).map(|draft| draft.body.as_str()).collect();
            for (at, found) in group.iter().zip(cluster(&bodies, similarity)) {
                let leader = group.get(found.leader).copied();
                if let (Some(place), Some(first)) =
                    (places.get_mut(*at), leader.and_then(|leader| drafts.get(leader)))
                {
                    place.leader.clone_from(&first.id);
                    place.similarity = found.similarity;
                    place.kept = leader == Some(*at);
                }
            }
        }
        // Two passages may give one question with other answers. Rubrics of one prompt are one.
        let mut seen = BTreeSet::new();
        for place in places.iter_mut().filter(|place| place.kept) {
            place.kept = seen.insert(place.id.clone());
        }
        let made = self
            .folder
            .each(Step::Duplicates, drafts.len(), |at| places.get(at).cloned().ok_or(RunError::Stopped))?;
        watch.at(Step::Duplicates, drafts.len(), drafts.len());
        Ok(made)
    }

    pub fn assessments(
        &self,
        prompts: &[&DraftPrompt],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Made<Assessment>>, RunError> {
        self.step(Step::Assessments, prompts.len(), watch, |at, listener| {
            let Some(prompt) = prompts.get(at) else { return Ok(Made::nothing()) };
            Ok(Made::Made(match &self.writer {
                Some(writer) => assessment::ask(writer, prompt, listener)?,
                None => assessment::assess(prompt),
            }))
        })
    }

    pub fn filter(
        &self,
        prompts: &[&DraftPrompt],
        assessments: &[Made<Assessment>],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Kept>, RunError> {
        // Where a model did not mark a prompt, the rules do.
        let marks: Vec<Assessment> = prompts
            .iter()
            .zip(assessments)
            .map(|(prompt, made)| made.made().cloned().unwrap_or_else(|| assessment::assess(prompt)))
            .collect();
        let pairs: Vec<(&DraftPrompt, &Assessment)> = prompts.iter().copied().zip(&marks).collect();
        let left = assessment::filter(&pairs, self.settings.least_marks, self.settings.count);
        let made = self.folder.each(Step::Filter, prompts.len(), |at| {
            let id = prompts.get(at).map(|prompt| prompt.id.clone()).unwrap_or_default();
            Ok::<_, RunError>(Kept { id, left_out: left.get(at).copied().flatten() })
        })?;
        watch.at(Step::Filter, prompts.len(), prompts.len());
        Ok(made)
    }

    pub fn candidates(
        &self,
        prompts: &[&DraftPrompt],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Made<Vec<Candidate>>>, RunError> {
        self.step(Step::Candidates, prompts.len(), watch, |at, listener| {
            let Some(prompt) = prompts.get(at) else { return Ok(Made::nothing()) };
            let guide = self.templates.dimensions().of(prompt.scenario);
            let mut found = candidates::by_rules(prompt, guide);
            if let Some(writer) = &self.writer {
                for dimension in &guide.dimensions {
                    candidates::written::write(writer, prompt, dimension, &mut found, listener)?;
                }
            }
            Ok(Some(found).filter(|found| !found.is_empty()).into())
        })
    }

    pub fn selection(
        &self,
        prompts: &[&DraftPrompt],
        candidates: &[Made<Vec<Candidate>>],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Selection>, RunError> {
        let made = self.folder.each(Step::Selection, prompts.len(), |at| {
            let found = candidates.get(at).and_then(Made::made).map_or(&[][..], Vec::as_slice);
            let guide = prompts.get(at).map(|prompt| self.templates.dimensions().of(prompt.scenario));
            let none = Selection { chosen: Vec::new(), alike: 0, surplus: 0 };
            Ok::<_, RunError>(guide.map_or(none, |guide| select(found, guide)))
        })?;
        watch.at(Step::Selection, prompts.len(), prompts.len());
        Ok(made)
    }

    pub fn weights(
        &self,
        prompts: &[&DraftPrompt],
        selection: &[Selection],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Made<Points>>, RunError> {
        self.step(Step::Weights, prompts.len(), watch, |at, listener| {
            let (Some(prompt), Some(selection)) = (prompts.get(at), selection.get(at)) else {
                return Ok(Made::nothing());
            };
            let chosen = selection.chosen.clone();
            if chosen.is_empty() {
                return Ok(Made::nothing());
            }
            let (criteria, dropped) = match &self.writer {
                Some(writer) => weights::ask(writer, prompt, chosen, listener)?,
                None => (weights::by_rules(chosen, self.templates.dimensions().of(prompt.scenario)), 0),
            };
            // Nobody can score an answer by mistakes alone.
            let scores = criteria.iter().any(|it| it.points > 0);
            Ok(scores.then_some(Points { criteria, dropped }).into())
        })
    }

    pub fn variants(
        &self,
        prompts: &[&DraftPrompt],
        weights: &[Made<Points>],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Made<Vec<Variant>>>, RunError> {
        let Settings { variants: count, seed, .. } = *self.settings;
        self.step(Step::Variants, prompts.len(), watch, |at, listener| {
            let points = weights.get(at).and_then(Made::made);
            let (Some(prompt), Some(points)) = (prompts.get(at), points) else { return Ok(Made::nothing()) };
            let mut made = vec![variants::itself(prompt, &points.criteria)];
            match &self.writer {
                _ if count == 0 => {}
                Some(writer) => match variants::ask(writer, prompt, &points.criteria, count, listener) {
                    Ok(more) => made.extend(more),
                    // The prompt itself is there, whatever becomes of its variants.
                    Err(error) if is_about_this(&error) => {}
                    Err(error) => return Err(error),
                },
                None => {
                    let guide = self.templates.dimensions().of(prompt.scenario);
                    made.extend(variants::by_rules(prompt, &points.criteria, guide, count, seed));
                }
            }
            Ok(Made::Made(made))
        })
    }
}

//! What patients that models play answer to a pool's replies.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{FragmentError, Fragments, JudgingProgress, Scene};
use crate::sim::played::{Addressed, Company, CompanyError, PlayedError, PlayedReply, TurnLog};

/// A turn of a patient that models play.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatientTurn {
    /// Which reply of the group it answers, from 0.
    pub reply: usize,
    /// Whether the consultation went on with it.
    pub kept: bool,
    /// How the answer came about.
    #[serde(flatten)]
    pub log: TurnLog,
}

/// What each reply led to, by consultation and reply; empty where rules play, and nothing for a reply whose patient was not asked.
pub(super) type Answers = Vec<Vec<Option<PlayedReply>>>;

/// What a reply led to, where models played.
pub(super) fn answer(answers: &Answers, scene: usize, reply: usize) -> Option<&PlayedReply> {
    answers.get(scene)?.get(reply)?.as_ref()
}

/// The turns of one consultation's replies, of which it goes on with `chosen`.
pub(super) fn of(answers: &[Option<PlayedReply>], chosen: Option<usize>) -> Vec<PatientTurn> {
    let turn = |(reply, answer): (usize, &Option<PlayedReply>)| {
        let log = answer.as_ref()?.log.clone();
        Some(PatientTurn { reply, kept: chosen == Some(reply), log })
    };
    answers.iter().enumerate().filter_map(turn).collect()
}

impl Fragments<'_> {
    /// What the patient of `scene` answers to `doctor`.
    pub(super) fn answered(
        &self,
        company: &Company<'_>,
        scene: &Scene,
        doctor: &str,
    ) -> Result<PlayedReply, PlayedError> {
        let Scene { script, mode, consultation: so_far, .. } = scene;
        company.reply(&Addressed { script, mode, so_far, doctor })
    }

    /// Asks the patients of all consultations that go on with a reply to which no answer is there yet, at the same time. They have
    /// `patience` to answer.
    pub(super) fn ask(
        &self,
        company: &Company<'_>,
        patience: Duration,
        texts: &[Vec<String>],
        chosen: &[Option<usize>],
        answers: &mut Answers,
        goes_on: &mut dyn FnMut(JudgingProgress) -> bool,
    ) -> Result<(), FragmentError> {
        answers.resize_with(self.scenes.len(), Vec::new);
        let mut places = Vec::new();
        let mut to = Vec::new();
        for (index, (scene, chosen)) in self.scenes.iter().zip(chosen).enumerate() {
            let Some(reply) = *chosen else { continue };
            answers[index].resize_with(texts[index].len(), || None);
            if answers[index][reply].is_none() {
                let Scene { script, mode, consultation: so_far, .. } = scene;
                to.push(Addressed { script, mode, so_far, doctor: &texts[index][reply] });
                places.push((index, reply));
            }
        }
        let replies = texts.iter().map(Vec::len).sum();
        let progress = JudgingProgress { sampled: replies, judged: replies, replies };
        let (deadline, mut late) = (Instant::now().checked_add(patience), false);
        let played = company.replies(&to, &mut || {
            let wanted = goes_on(progress);
            late = wanted && deadline.is_some_and(|deadline| Instant::now() >= deadline);
            wanted && !late
        });
        let played = played.map_err(|error| match error {
            CompanyError::Interrupted if late => FragmentError::NoAnswer { patients: to.len(), patience },
            error => error.into(),
        })?;
        for ((index, reply), played) in places.into_iter().zip(played) {
            answers[index][reply] = Some(played);
        }
        Ok(())
    }
}

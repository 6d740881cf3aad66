//! Held-out consultations led by a policy, all of them at once.

use std::ops::Range;

use thiserror::Error;

use crate::data::Consultation;
use crate::data::conversation::{ConversationError, History};
use crate::engine::error::RequestError;
use crate::eval::{AnswerError, BatchError, BatchedConsultations, HeldOut};
use crate::kernels::KernelBackend;
use crate::rl::opening::opened;
use crate::rl::policy::{Policy, ReplySampling};
use crate::sim::TurnLog;
use crate::sim::played::{Company, CompanyError};

/// What went wrong in a held-out consultation.
#[derive(Debug, Error)]
pub enum PlayError {
    /// The engine refused a prompt.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A message could not be written as ids.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// A patient could not be answered.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A patient that models play gave no reply.
    #[error(transparent)]
    Company(CompanyError),
    /// The caller wanted no more.
    #[error("the held-out consultations were interrupted")]
    Interrupted,
}

impl From<AnswerError> for PlayError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Batch(error) => Self::Batch(error),
            AnswerError::Company(CompanyError::Interrupted) => Self::Interrupted,
            AnswerError::Company(error) => Self::Company(error),
        }
    }
}

/// Plays all consultations of `held_out` to their end, one reply a turn, in order of its cases. A consultation whose
/// history leaves no room for a reply in the model's context stays unfinished. Before each turn `goes_on` is told how many
/// consultations are finished; where it says no, the consultations are given up.
///
/// As many are under way as the cache holds, so that a history which was read for one turn is still there for the next. A
/// reply depends on its own history and seed alone, so how many are under way changes nothing.
pub fn play<B: KernelBackend>(
    policy: &mut Policy<B>,
    held_out: &HeldOut,
    sampling: ReplySampling,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Consultation>, PlayError> {
    play_with(policy, held_out, None, sampling, goes_on).map(|(consultations, _)| consultations)
}

/// The same with patients as `company` plays them, or rules where it is `None`; the patients of a turn are asked at the same time. Besides
/// the consultations it returns how each reply of a patient of the company came about.
pub fn play_with<B: KernelBackend>(
    policy: &mut Policy<B>,
    held_out: &HeldOut,
    company: Option<&Company<'_>>,
    sampling: ReplySampling,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<(Vec<Consultation>, Vec<TurnLog>), PlayError> {
    let sampling = ReplySampling { samples: 1, ..sampling };
    let mut batch = held_out.open();
    let mut logs = Vec::new();
    let count = batch.consultations().len();
    let at_once = policy.sequences_at_once();
    let mut begin = 0;
    while begin < count {
        let end = count.min(begin + at_once);
        let patients = HeldOutPatients { held_out, company, batch: &mut batch, logs: &mut logs };
        play_some(policy, patients, begin..end, sampling, goes_on)?;
        begin = end;
    }
    Ok((batch.into_consultations(), logs))
}

/// Whom a policy is led to, and who plays them.
struct HeldOutPatients<'a, 'c> {
    held_out: &'c HeldOut,
    company: Option<&'a Company<'a>>,
    batch: &'a mut BatchedConsultations<'c>,
    logs: &'a mut Vec<TurnLog>,
}

impl HeldOutPatients<'_, '_> {
    /// The patients answer `messages`, each with the place of its consultation.
    fn answer(
        &mut self,
        messages: &[(usize, String)],
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), PlayError> {
        match self.company {
            None => {
                for (index, message) in messages {
                    self.batch.answer(*index, message)?;
                }
            }
            Some(company) => {
                self.logs.extend(self.held_out.answer(company, self.batch, messages, goes_on)?);
            }
        }
        Ok(())
    }
}

/// Plays those of `places` to their end; all before them are finished.
fn play_some<B: KernelBackend>(
    policy: &mut Policy<B>,
    mut patients: HeldOutPatients<'_, '_>,
    places: Range<usize>,
    sampling: ReplySampling,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<(), PlayError> {
    let room = policy.decoder().config.max_position_embeddings.saturating_sub(sampling.max_new_tokens);
    let mut open = places
        .clone()
        .map(|index| {
            let opening = &patients.batch.consultations()[index].opening;
            let history = opened(policy.format(), opening, &patients.held_out.cases()[index].mode)?;
            Ok((index, history))
        })
        .collect::<Result<Vec<(usize, History)>, ConversationError>>()?;
    while !open.is_empty() {
        let done = places.end - open.len();
        if !goes_on(done) {
            return Err(PlayError::Interrupted);
        }
        let prompts = open
            .iter()
            .map(|(_, history)| Ok(history.begin_reply()?.to_vec()))
            .collect::<Result<Vec<Vec<u32>>, ConversationError>>()?;
        let seed = |index: usize| {
            let turn = patients.batch.consultations()[index].turns.len() as u64;
            patients.held_out.seed() ^ ((index as u64) << 16) ^ turn
        };
        let seeds: Vec<u64> = open.iter().map(|&(index, _)| seed(index)).collect();
        let outputs = policy.replies(&prompts, &seeds, sampling)?;
        let mut replied = Vec::with_capacity(open.len());
        let mut messages = Vec::with_capacity(open.len());
        for ((index, history), output) in open.into_iter().zip(outputs) {
            let Some(reply) = output.into_iter().next() else { continue };
            messages.push((index, policy.text(&reply.ids)?));
            replied.push((index, history, reply.ids));
        }
        patients.answer(&messages, &mut || goes_on(done))?;
        let mut still = Vec::with_capacity(replied.len());
        for (index, mut history, ids) in replied {
            let consultation = &patients.batch.consultations()[index];
            let said = consultation.turns.last().and_then(|turn| turn.patient.as_deref());
            if let Some(said) = said.filter(|_| patients.batch.is_open(consultation)) {
                history.reply(&ids)?;
                history.patient(said)?;
                if history.ids().len() <= room {
                    still.push((index, history));
                }
            }
        }
        open = still;
    }
    Ok(())
}

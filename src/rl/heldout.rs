//! Held-out consultations led by a policy, all of them at once.

use std::ops::Range;

use thiserror::Error;

use crate::data::Consultation;
use crate::data::conversation::{ConversationError, History};
use crate::engine::error::RequestError;
use crate::eval::{BatchError, BatchedConsultations, HeldOut};
use crate::kernels::KernelBackend;
use crate::rl::policy::{Policy, ReplySampling};

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
    /// The caller wanted no more.
    #[error("the held-out consultations were interrupted")]
    Interrupted,
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
    let sampling = ReplySampling { samples: 1, ..sampling };
    let mut batch = held_out.open();
    let count = batch.consultations().len();
    let at_once = policy.sequences_at_once();
    let mut begin = 0;
    while begin < count {
        let end = count.min(begin + at_once);
        play_some(policy, held_out, &mut batch, begin..end, sampling, goes_on)?;
        begin = end;
    }
    Ok(batch.into_consultations())
}

/// Plays those of `places` to their end; all before them are finished.
fn play_some<B: KernelBackend>(
    policy: &mut Policy<B>,
    held_out: &HeldOut,
    batch: &mut BatchedConsultations<'_>,
    places: Range<usize>,
    sampling: ReplySampling,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<(), PlayError> {
    let room = policy.decoder().config.max_position_embeddings.saturating_sub(sampling.max_new_tokens);
    let mut open = places
        .clone()
        .map(|index| {
            let mut history = History::new(policy.format());
            history.patient(&batch.consultations()[index].opening)?;
            Ok((index, history))
        })
        .collect::<Result<Vec<(usize, History)>, ConversationError>>()?;
    while !open.is_empty() {
        if !goes_on(places.end - open.len()) {
            return Err(PlayError::Interrupted);
        }
        let prompts = open
            .iter()
            .map(|(_, history)| Ok(history.begin_reply()?.to_vec()))
            .collect::<Result<Vec<Vec<u32>>, ConversationError>>()?;
        let seed = |index: usize| {
            let turn = batch.consultations()[index].turns.len() as u64;
            held_out.seed() ^ ((index as u64) << 16) ^ turn
        };
        let seeds: Vec<u64> = open.iter().map(|&(index, _)| seed(index)).collect();
        let outputs = policy.replies(&prompts, &seeds, sampling)?;
        let mut still = Vec::with_capacity(open.len());
        for ((index, mut history), output) in open.into_iter().zip(outputs) {
            let Some(reply) = output.into_iter().next() else { continue };
            let goes = batch.answer(index, &policy.text(&reply.ids)?)?;
            let said = batch.consultations()[index].turns.last().and_then(|turn| turn.patient.clone());
            if let Some(said) = said.filter(|_| goes) {
                history.reply(&reply.ids)?;
                history.patient(&said)?;
                if history.ids().len() <= room {
                    still.push((index, history));
                }
            }
        }
        open = still;
    }
    Ok(())
}

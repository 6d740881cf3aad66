//! Held-out consultations led by a policy, all of them at once.

use thiserror::Error;

use crate::data::Consultation;
use crate::data::conversation::{ConversationError, History};
use crate::engine::error::RequestError;
use crate::eval::{BatchError, HeldOut};
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
pub fn play<B: KernelBackend>(
    policy: &mut Policy<B>,
    held_out: &HeldOut,
    sampling: ReplySampling,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Consultation>, PlayError> {
    let sampling = ReplySampling { samples: 1, ..sampling };
    let room = policy.decoder().config.max_position_embeddings.saturating_sub(sampling.max_new_tokens);
    let mut batch = held_out.open();
    let mut histories = batch
        .consultations()
        .iter()
        .map(|consultation| {
            let mut history = History::new(policy.format());
            history.patient(&consultation.opening)?;
            Ok(Some(history))
        })
        .collect::<Result<Vec<Option<History>>, ConversationError>>()?;
    loop {
        let mut places = Vec::new();
        let mut prompts = Vec::new();
        for (index, history) in histories.iter().enumerate() {
            if let Some(history) = history {
                places.push(index);
                prompts.push(history.begin_reply()?.to_vec());
            }
        }
        if places.is_empty() {
            return Ok(batch.into_consultations());
        }
        if !goes_on(histories.len() - places.len()) {
            return Err(PlayError::Interrupted);
        }
        let turn = |index: usize| batch.consultations()[index].turns.len() as u64;
        let seeds: Vec<u64> =
            places.iter().map(|&i| held_out.seed() ^ ((i as u64) << 16) ^ turn(i)).collect();
        let outputs = policy.replies(&prompts, &seeds, sampling)?;
        for (index, output) in places.into_iter().zip(outputs) {
            let Some(reply) = output.into_iter().next() else { continue };
            let open = batch.answer(index, &policy.text(&reply.ids)?)?;
            let said = batch.consultations()[index].turns.last().and_then(|turn| turn.patient.clone());
            histories[index] = match (open, said, histories[index].take()) {
                (true, Some(said), Some(mut history)) => {
                    history.reply(&reply.ids)?;
                    history.patient(&said)?;
                    (history.ids().len() <= room).then_some(history)
                }
                _ => None,
            };
        }
    }
}

//! Which tokens a step computes: one of each continuation that is being written, then prompts as far as there is room.

use std::ops::Range;

use crate::engine::blocks::BlockAllocator;
use crate::engine::group::Group;
use crate::kernels::{AttentionSpan, BLOCK_TOKENS};
use crate::model::cache::CacheBatch;

/// Where a row of logits goes: `(group, samples)`.
pub(super) struct Row {
    pub(super) group: usize,
    pub(super) samples: Range<usize>,
}

/// The tokens of one step.
#[derive(Default)]
pub(super) struct Step {
    pub(super) tokens: Vec<u32>,
    pub(super) positions: Vec<u32>,
    pub(super) batch: CacheBatch,
    /// How many of the tokens are of prompts.
    pub(super) read: usize,
    /// Batch rows whose logits are wanted, and by whom.
    pub(super) rows: Vec<(usize, Row)>,
}

impl Step {
    /// Picks the tokens of the next step of `running` requests, which hold `blocks`: `budget` of them at most, and at least one
    /// where there is anything to do.
    pub(super) fn plan(running: &mut [Group], blocks: &mut BlockAllocator, budget: usize) -> Self {
        let mut step = Self::default();
        let budget = budget.max(1);
        // Oldest first, so that continuations beyond the budget get their turn as others end.
        for (index, group) in running.iter().enumerate() {
            if !group.is_prefilled() {
                continue;
            }
            let prompt = group.request.prompt.len();
            for (i, sample) in group.samples.iter().enumerate().filter(|(_, s)| !s.is_done()) {
                if step.tokens.len() == budget {
                    break;
                }
                if let Some(last) = sample.ids().last() {
                    step.add(&[*last], prompt + sample.ids().len() - 1, &sample.blocks);
                    step.rows.push((step.tokens.len() - 1, Row { group: index, samples: i..i + 1 }));
                }
            }
        }
        for (index, group) in running.iter_mut().enumerate() {
            let room = budget - step.tokens.len();
            if room == 0 {
                break;
            }
            if group.is_prefilled() {
                continue;
            }
            // Whoever is older goes first and takes all the room that it needs. So where there is room left, what it shares with this
            // one is computed, perhaps in this very step: a layer stores the keys of all tokens before it attends to any.
            group.skip_computed(blocks);
            let (prompt, start) = (&group.request.prompt, group.prefilled);
            let end = prompt.len().min(start + room);
            step.add(&prompt[start..end], start, &group.samples[0].blocks);
            step.read += end - start;
            blocks.set_computed(&group.nodes[start / BLOCK_TOKENS..end / BLOCK_TOKENS]);
            group.prefilled = end;
            if group.is_prefilled() {
                step.rows
                    .push((step.tokens.len() - 1, Row { group: index, samples: 0..group.samples.len() }));
            }
        }
        step
    }

    fn add(&mut self, tokens: &[u32], start: usize, blocks: &[u32]) {
        let first = self.tokens.len();
        self.tokens.extend(tokens);
        for position in start..start + tokens.len() {
            self.positions.push(position as u32);
            let block = blocks[position / BLOCK_TOKENS];
            self.batch.slots.push(block * BLOCK_TOKENS as u32 + (position % BLOCK_TOKENS) as u32);
        }
        let keys = start + tokens.len();
        let blocks = blocks[..keys.div_ceil(BLOCK_TOKENS)].to_vec();
        self.batch.spans.push(AttentionSpan { queries: first..self.tokens.len(), keys, blocks });
    }
}

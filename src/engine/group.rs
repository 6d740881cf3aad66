//! A request that holds its blocks.

use crate::engine::blocks::BlockAllocator;
use crate::engine::prefix::NodeId;
use crate::engine::request::{Request, RequestId};
use crate::engine::sample::Sample;
use crate::kernels::BLOCK_TOKENS;

/// A request that holds its blocks.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: RequestId,
    pub(super) request: Request,
    /// The whole blocks of the prompt.
    pub(super) nodes: Vec<NodeId>,
    /// Prompt tokens whose keys and values are there, as far as this request has come.
    pub(super) prefilled: usize,
    /// Those of them that it found computed.
    pub(super) cached: usize,
    /// Whether others may use what it has computed once it ends.
    pub(super) kept: bool,
    pub(super) samples: Vec<Sample>,
}

impl Group {
    /// Whether the whole prompt is computed.
    pub(super) fn is_prefilled(&self) -> bool {
        self.prefilled == self.request.prompt.len()
    }

    /// Goes on behind the blocks that are computed already. The last token is left to be computed, for its logits.
    pub(super) fn skip_computed(&mut self, blocks: &BlockAllocator) {
        let last = (self.request.prompt.len() - 1) / BLOCK_TOKENS;
        while self.prefilled.is_multiple_of(BLOCK_TOKENS)
            && self.prefilled / BLOCK_TOKENS < last
            && blocks.is_computed(self.nodes[self.prefilled / BLOCK_TOKENS])
        {
            self.prefilled += BLOCK_TOKENS;
            self.cached += BLOCK_TOKENS;
        }
    }

    /// Gives back the blocks of sample `index`, which is done.
    pub(super) fn give_back(&mut self, index: usize, blocks: &mut BlockAllocator) {
        let sample = &mut self.samples[index];
        let own = sample.blocks.split_off(sample.shared);
        match sample.ids() {
            // The last token drawn was never computed.
            [computed @ .., _] if self.kept => {
                let tokens = [&self.request.prompt[..], computed].concat();
                blocks.keep(&tokens, sample.shared, own);
            }
            _ => blocks.give(own),
        }
    }

    /// Gives back all blocks that it still holds.
    pub(super) fn release(&self, blocks: &mut BlockAllocator) {
        blocks.give(self.samples.iter().flat_map(|sample| sample.blocks[sample.shared..].iter().copied()));
        blocks.release(&self.nodes);
    }
}

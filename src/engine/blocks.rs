//! Which cache blocks are free, and what the free ones still hold.

use crate::engine::prefix::{BlockTokens, NodeId, PrefixCache};
use crate::kernels::BLOCK_TOKENS;

/// Hands out the blocks of a cache. A request gets all it can ever need at once, so it never runs dry midway. A block that is given
/// back is free, and keeps what it holds until no other is left.
#[derive(Debug)]
pub struct BlockAllocator {
    /// Free blocks that hold nothing of use.
    blank: Vec<u32>,
    prefix: PrefixCache,
}

/// The blocks of one request.
#[derive(Debug)]
pub struct Reservation {
    /// The whole blocks of its prompt, in order. Other requests may hold them too.
    pub nodes: Vec<NodeId>,
    /// The same as blocks.
    pub shared: Vec<u32>,
    /// Blocks that nobody else has.
    pub own: Vec<u32>,
}

impl BlockAllocator {
    /// All of `blocks` blocks free. Only with `reuse` does a request get blocks that another has computed or is about to.
    pub fn new(blocks: usize, reuse: bool) -> Self {
        // Popped from the end: the lowest block first, so that a fresh cache is filled in order.
        Self { blank: (0..blocks as u32).rev().collect(), prefix: PrefixCache::new(reuse) }
    }

    /// The blocks of a request for `prompt` that needs `own` more than the prompt's whole ones, or `None` if too few are free.
    pub fn reserve(&mut self, prompt: &[u32], own: usize) -> Option<Reservation> {
        let (whole, _): (&[BlockTokens], _) = prompt.as_chunks();
        // The last token is computed in any case, since its logits are wanted, and so is its block.
        let mut nodes = self.prefix.find(&whole[..prompt.len().saturating_sub(1) / BLOCK_TOKENS]);
        let new = (whole.len() - nodes.len()).saturating_add(own);
        let idle = nodes.iter().filter(|id| self.prefix.is_idle(**id)).count();
        if new > self.available() - idle {
            return None;
        }
        for id in &nodes {
            self.prefix.hold(*id);
        }
        let mut free = self.take(new);
        let own = free.split_off(whole.len() - nodes.len());
        for (tokens, block) in whole[nodes.len()..].iter().zip(free) {
            nodes.push(self.prefix.insert(nodes.last().copied(), tokens, block));
        }
        let shared = nodes.iter().map(|id| self.prefix.block(*id)).collect();
        Some(Reservation { nodes, shared, own })
    }

    /// `count` blocks, which are free: first those that hold nothing.
    fn take(&mut self, count: usize) -> Vec<u32> {
        std::iter::from_fn(|| self.blank.pop().or_else(|| self.prefix.evict())).take(count).collect()
    }

    /// Whether a node's block holds what its tokens give.
    pub fn is_computed(&self, id: NodeId) -> bool {
        self.prefix.is_computed(id)
    }

    /// That those of `nodes` do.
    pub fn set_computed(&mut self, nodes: &[NodeId]) {
        for id in nodes {
            self.prefix.set_computed(*id);
        }
    }

    /// Gives back blocks that nobody else has, and what they hold is lost.
    pub fn give(&mut self, blocks: impl IntoIterator<Item = u32>) {
        self.blank.extend(blocks);
    }

    /// Gives back the whole blocks of a prompt.
    pub fn release(&mut self, nodes: &[NodeId]) {
        for id in nodes.iter().rev() {
            self.blank.extend(self.prefix.let_go(*id));
        }
    }

    /// Gives back the blocks `own` of a continuation, so that they are found. It computed `tokens`, prompt and all, and its own blocks
    /// come after the prompt's `shared` whole ones.
    pub fn keep(&mut self, tokens: &[u32], shared: usize, own: Vec<u32>) {
        let (whole, _): (&[BlockTokens], _) = tokens.as_chunks();
        let mut own = own.into_iter();
        let mut chain: Vec<NodeId> = Vec::new();
        for (index, tokens) in whole.iter().enumerate() {
            let parent = chain.last().copied();
            match self.prefix.child(parent, tokens) {
                Some(id) if self.prefix.is_computed(id) => {
                    self.prefix.hold(id);
                    chain.push(id);
                    if index >= shared {
                        self.blank.extend(own.next());
                    }
                }
                None if index >= shared => {
                    let Some(block) = own.next() else { break };
                    let id = self.prefix.insert(parent, tokens, block);
                    self.prefix.set_computed(id);
                    chain.push(id);
                }
                // Another request is about to compute it, or it had to go meanwhile: nothing can be kept below.
                _ => break,
            }
        }
        self.blank.extend(own);
        self.release(&chain);
    }

    /// Forgets what blocks hold. Who has them keeps them.
    pub fn forget(&mut self) {
        let blocks = self.prefix.forget();
        self.blank.extend(blocks);
    }

    /// Blocks free now.
    pub fn available(&self) -> usize {
        self.blank.len() + self.prefix.idle()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use proptest::prelude::*;

    const BLOCKS: usize = 20;

    /// A request as far as the allocator is concerned, and what is in its blocks.
    struct Held {
        prompt: Vec<u32>,
        blocks: Reservation,
        /// Whole blocks that it has computed or found computed.
        done: usize,
    }

    proptest! {
        /// No block has two owners, none is lost, and a block that is found computed holds what the prompt's tokens give.
        #[test]
        fn what_is_handed_out_is_free_and_what_is_found_is_right(
            reuse in any::<bool>(),
            steps in proptest::collection::vec((0usize..6, 0usize..4, 0usize..3, 1usize..70, any::<u8>()), 1..80),
        ) {
            let mut allocator = BlockAllocator::new(BLOCKS, reuse);
            let mut held: Vec<Held> = Vec::new();
            // All tokens up to its end, of each computed block.
            let mut content: HashMap<u32, Vec<u32>> = HashMap::new();
            for (action, which, own, len, bits) in steps {
                match action {
                    // A prompt is one of few, so that many begin alike, and part ways in some block.
                    0..3 => {
                        let prompt: Vec<u32> =
                            (0..len as u32).map(|i| i / 16 * 2 + u32::from(bits >> (i / 16) & 1)).collect();
                        let before = allocator.available();
                        match allocator.reserve(&prompt, own) {
                            Some(blocks) => held.push(Held { prompt, blocks, done: 0 }),
                            None => {
                                prop_assert!(before < prompt.len() / BLOCK_TOKENS + own);
                                prop_assert_eq!(allocator.available(), before);
                            }
                        }
                    }
                    // One goes on by a block: it finds it computed, or computes it.
                    3 if !held.is_empty() => {
                        let count = held.len();
                        let it = &mut held[which % count];
                        if let Some(&id) = it.blocks.nodes.get(it.done) {
                            let (block, end) = (it.blocks.shared[it.done], (it.done + 1) * BLOCK_TOKENS);
                            if allocator.is_computed(id) {
                                prop_assert_eq!(&content[&block], &it.prompt[..end]);
                            } else {
                                content.insert(block, it.prompt[..end].to_vec());
                                allocator.set_computed(&[id]);
                            }
                            it.done += 1;
                        }
                    }
                    // One ends: with a continuation that is kept once its prompt is computed, else as if it was cancelled.
                    4 if !held.is_empty() => {
                        let Held { prompt, blocks, done } = held.remove(which % held.len());
                        if done == blocks.nodes.len() && reuse {
                            let end = (blocks.nodes.len() + blocks.own.len()) * BLOCK_TOKENS;
                            let reply = (0..).map(|i| i % 3 + u32::from(bits));
                            let tokens: Vec<u32> =
                                prompt.iter().copied().chain(reply).take(end.max(prompt.len())).collect();
                            let first = blocks.nodes.len() + 1;
                            for (&block, number) in blocks.own.iter().zip(first..) {
                                content.insert(block, tokens[..tokens.len().min(number * BLOCK_TOKENS)].to_vec());
                            }
                            allocator.keep(&tokens[..end.min(tokens.len())], blocks.nodes.len(), blocks.own);
                        } else {
                            allocator.give(blocks.own);
                        }
                        allocator.release(&blocks.nodes);
                    }
                    5 if bits < 32 && held.is_empty() => allocator.forget(),
                    _ => {}
                }
                let mut own: Vec<u32> = held.iter().flat_map(|it| it.blocks.own.iter().copied()).collect();
                let mut shared: Vec<u32> = held.iter().flat_map(|it| it.blocks.shared.iter().copied()).collect();
                shared.sort_unstable();
                if reuse {
                    shared.dedup();
                }
                own.extend(shared);
                let count = own.len();
                own.sort_unstable();
                own.dedup();
                prop_assert_eq!(own.len(), count, "a block has two owners");
                prop_assert_eq!(count + allocator.available(), BLOCKS);
            }
            for it in held {
                allocator.give(it.blocks.own);
                allocator.release(&it.blocks.nodes);
            }
            prop_assert_eq!(allocator.available(), BLOCKS);
            // Whatever they hold, all can be had.
            prop_assert!(allocator.reserve(&[9], BLOCKS).is_some());
        }
    }
}

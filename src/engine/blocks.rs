//! Which cache blocks are free.

/// Hands out the blocks of a cache. A request gets all it can ever need at once, so it never runs dry midway.
#[derive(Debug)]
pub struct BlockAllocator {
    free: Vec<u32>,
}

impl BlockAllocator {
    /// All of `blocks` blocks free.
    pub fn new(blocks: usize) -> Self {
        // Popped from the end: the lowest block first, so that a fresh cache is filled in order.
        Self { free: (0..blocks as u32).rev().collect() }
    }

    /// `count` blocks, or `None` if fewer are free.
    pub fn take(&mut self, count: usize) -> Option<Vec<u32>> {
        let keep = self.free.len().checked_sub(count)?;
        Some(self.free.drain(keep..).rev().collect())
    }

    /// Gives blocks back.
    pub fn give(&mut self, blocks: impl IntoIterator<Item = u32>) {
        self.free.extend(blocks);
    }

    /// Blocks free now.
    pub fn available(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_hands_out_a_block_twice(steps in proptest::collection::vec((0usize..6, any::<bool>()), 1..60)) {
            let total = 20;
            let mut allocator = BlockAllocator::new(total);
            let mut held: Vec<Vec<u32>> = Vec::new();
            for (count, give) in steps {
                if give && !held.is_empty() {
                    let blocks = held.remove(count % held.len());
                    allocator.give(blocks);
                } else {
                    let before = allocator.available();
                    match allocator.take(count) {
                        Some(blocks) => held.push(blocks),
                        None => prop_assert!(before < count && allocator.available() == before),
                    }
                }
                let mut all: Vec<u32> = held.concat();
                all.sort_unstable();
                all.dedup();
                prop_assert_eq!(all.len(), held.iter().map(Vec::len).sum::<usize>());
                prop_assert_eq!(all.len() + allocator.available(), total);
            }
        }
    }
}

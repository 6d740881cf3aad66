//! What cache blocks hold, found by the tokens that were computed into them.
//!
//! Keys and values of a token depend on all tokens before it and on nothing after it. So a whole block is known by its own 16
//! tokens and by the block before it: a node of a tree that begins at position 0, which requests that begin alike walk down
//! together. A node nobody holds is idle. It stays until its block is needed, and the one that was held longest ago goes first.
//!
//! Two rules keep the tree whole. Who holds a node holds all those above it, and lets go of the deepest first: so no idle node
//! outlasts the one above it. And a node is computed only after those above it.

use std::collections::{BTreeMap, HashMap};

use crate::kernels::BLOCK_TOKENS;

/// The tokens of a whole block.
pub type BlockTokens = [u32; BLOCK_TOKENS];

/// Names a node. No two nodes of a cache ever have the same name, so one that is gone cannot be taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(u64);

/// Where a node is found. Compared in full: tokens that only hash alike are never taken for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    parent: Option<NodeId>,
    tokens: BlockTokens,
}

#[derive(Debug)]
struct Node {
    /// `None`: only its holders know of it, and its block is given back with the last of them.
    key: Option<Key>,
    block: u32,
    holders: usize,
    computed: bool,
    /// When the last holder let go; means nothing while there is one.
    idle_since: u64,
}

/// The tree.
#[derive(Debug)]
pub struct PrefixCache {
    enabled: bool,
    index: HashMap<Key, NodeId>,
    nodes: HashMap<NodeId, Node>,
    /// Idle nodes, the one that was held longest ago first.
    idle: BTreeMap<u64, NodeId>,
    /// Nodes made so far.
    made: u64,
    /// Nodes that became idle so far.
    clock: u64,
}

impl PrefixCache {
    /// An empty one. Unless `enabled`, no node is ever found.
    pub fn new(enabled: bool) -> Self {
        Self {
            enabled,
            index: HashMap::new(),
            nodes: HashMap::new(),
            idle: BTreeMap::new(),
            made: 0,
            clock: 0,
        }
    }

    /// The longest chain of nodes that `blocks` begins with, computed or about to be.
    pub fn find(&self, blocks: &[BlockTokens]) -> Vec<NodeId> {
        let mut chain: Vec<NodeId> = Vec::new();
        for tokens in blocks {
            match self.child(chain.last().copied(), tokens) {
                Some(id) => chain.push(id),
                None => break,
            }
        }
        chain
    }

    /// The node of `tokens` below `parent`.
    pub fn child(&self, parent: Option<NodeId>, tokens: &BlockTokens) -> Option<NodeId> {
        self.index.get(&Key { parent, tokens: *tokens }).copied()
    }

    /// A new node with one holder, yet to be computed. Where there is one of the same tokens already, this one is found by nobody.
    pub fn insert(&mut self, parent: Option<NodeId>, tokens: &BlockTokens, block: u32) -> NodeId {
        let id = NodeId(self.made);
        self.made += 1;
        let key = Key { parent, tokens: *tokens };
        let key = (self.enabled && !self.index.contains_key(&key)).then_some(key);
        if let Some(key) = key {
            self.index.insert(key, id);
        }
        self.nodes.insert(id, Node { key, block, holders: 1, computed: false, idle_since: 0 });
        id
    }

    /// The block of a node.
    pub fn block(&self, id: NodeId) -> u32 {
        self.node(id).block
    }

    /// Whether the node's block holds what its tokens give.
    pub fn is_computed(&self, id: NodeId) -> bool {
        self.node(id).computed
    }

    /// That it does.
    pub fn set_computed(&mut self, id: NodeId) {
        self.node_mut(id).computed = true;
    }

    /// Whether nobody holds the node.
    pub fn is_idle(&self, id: NodeId) -> bool {
        self.node(id).holders == 0
    }

    /// How many nodes nobody holds.
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Adds a holder.
    pub fn hold(&mut self, id: NodeId) {
        let node = self.node_mut(id);
        node.holders += 1;
        if node.holders == 1 {
            let since = node.idle_since;
            self.idle.remove(&since);
        }
    }

    /// Takes a holder away. With the last one the node becomes idle or, where it is of no use to others, it goes and its block is
    /// returned.
    pub fn let_go(&mut self, id: NodeId) -> Option<u32> {
        let now = self.clock;
        let node = self.node_mut(id);
        node.holders -= 1;
        if node.holders > 0 {
            return None;
        }
        if node.computed && node.key.is_some() {
            node.idle_since = now;
            self.idle.insert(now, id);
            self.clock += 1;
            return None;
        }
        Some(self.remove(id))
    }

    /// Gives up the idle node that was held longest ago, and returns its block.
    pub fn evict(&mut self) -> Option<u32> {
        let (_, id) = self.idle.pop_first()?;
        Some(self.remove(id))
    }

    /// Finds nothing any more of what there is, and returns the blocks that nobody holds.
    pub fn forget(&mut self) -> Vec<u32> {
        self.index.clear();
        for node in self.nodes.values_mut() {
            node.key = None;
        }
        std::iter::from_fn(|| self.evict()).collect()
    }

    fn remove(&mut self, id: NodeId) -> u32 {
        let node = self.nodes.remove(&id).unwrap_or_else(|| gone(id));
        if let Some(key) = node.key {
            self.index.remove(&key);
        }
        node.block
    }

    fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(&id).unwrap_or_else(|| gone(id))
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).unwrap_or_else(|| gone(id))
    }
}

/// A node goes when it has no holder, so nobody is left who could name it.
fn gone<T>(id: NodeId) -> T {
    unreachable!("{id:?} is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: BlockTokens = [1; BLOCK_TOKENS];
    const B: BlockTokens = [2; BLOCK_TOKENS];

    /// A chain that one holder has computed and let go of.
    fn idle(cache: &mut PrefixCache, chain: &[BlockTokens], first_block: u32) -> Vec<NodeId> {
        let mut ids: Vec<NodeId> = Vec::new();
        for (tokens, block) in chain.iter().zip(first_block..) {
            ids.push(cache.insert(ids.last().copied(), tokens, block));
        }
        for id in ids.iter().rev() {
            cache.set_computed(*id);
            assert_eq!(cache.let_go(*id), None);
        }
        ids
    }

    #[test]
    fn a_block_is_found_only_below_the_one_it_was_computed_after() {
        let mut cache = PrefixCache::new(true);
        let ids = idle(&mut cache, &[A, B], 5);
        assert_eq!(cache.find(&[A, B, A]), ids);
        assert_eq!(cache.find(&[A, A]), ids[..1]);
        assert!(cache.find(&[B, A]).is_empty());
        assert_eq!((cache.block(ids[0]), cache.block(ids[1]), cache.idle()), (5, 6, 2));
    }

    #[test]
    fn the_longest_unheld_goes_first_and_no_block_before_those_after_it() {
        let mut cache = PrefixCache::new(true);
        let old = idle(&mut cache, &[A, B], 0);
        idle(&mut cache, &[B, A], 2);
        // Held again, so now the youngest; the one below it stays the oldest.
        cache.hold(old[0]);
        assert_eq!(cache.idle(), 3);
        assert_eq!(cache.let_go(old[0]), None);
        let order: Vec<u32> = std::iter::from_fn(|| cache.evict()).collect();
        assert_eq!(order, [1, 3, 2, 0]);
        assert!(cache.find(&[A]).is_empty() && cache.find(&[B]).is_empty());
    }

    #[test]
    fn what_is_of_no_use_to_others_is_given_back_at_once() {
        let mut cache = PrefixCache::new(true);
        let unfinished = cache.insert(None, &A, 0);
        assert_eq!(cache.find(&[A]), [unfinished]);
        assert_eq!(cache.let_go(unfinished), Some(0));
        assert!(cache.find(&[A]).is_empty());

        let known = cache.insert(None, &A, 1);
        let twice = cache.insert(None, &A, 2);
        cache.set_computed(twice);
        assert_eq!(cache.let_go(twice), Some(2));
        assert_eq!(cache.find(&[A]), [known]);

        let mut off = PrefixCache::new(false);
        let id = off.insert(None, &A, 7);
        off.set_computed(id);
        assert!(off.find(&[A]).is_empty());
        assert_eq!(off.let_go(id), Some(7));
    }

    #[test]
    fn what_is_forgotten_is_not_found_and_its_holders_keep_it() {
        let mut cache = PrefixCache::new(true);
        idle(&mut cache, &[A, B], 0);
        let held = cache.insert(None, &B, 2);
        cache.set_computed(held);
        let mut blocks = cache.forget();
        blocks.sort_unstable();
        assert_eq!(blocks, [0, 1]);
        assert!(cache.find(&[A]).is_empty() && cache.find(&[B]).is_empty());
        assert!(cache.is_computed(held));
        // The same tokens again are another node.
        let other = cache.insert(None, &B, 3);
        assert_eq!(cache.let_go(held), Some(2));
        assert_eq!(cache.find(&[B]), [other]);
    }
}

//! Keys that are gone but remembered for a while, by their hash, in one or more queues. Never holds values.

use super::lists::Lists;
use crate::key_index::KeyIndex;

/// `N` queues of remembered hashes; a hash is in at most one of them.
#[derive(Clone, Debug)]
pub(super) struct Ghosts<const N: usize> {
    index: KeyIndex,
    hashes: Vec<u64>,
    free: Vec<u32>,
    lists: Lists<N>,
}

impl<const N: usize> Ghosts<N> {
    pub(super) const fn new() -> Ghosts<N> {
        Ghosts { index: KeyIndex::new(), hashes: Vec::new(), free: Vec::new(), lists: Lists::new() }
    }

    /// The queue that remembers a hash.
    pub(super) fn list_of(&self, hash: u64) -> Option<usize> {
        self.find(hash).and_then(|place| self.lists.list_of(place))
    }

    pub(super) fn weight(&self, list: usize) -> u64 {
        self.lists.weight(list)
    }

    pub(super) fn len(&self, list: usize) -> u32 {
        self.lists.len(list)
    }

    /// Remembers a hash at the back of a queue; forgets where it was before.
    pub(super) fn push_back(&mut self, list: usize, hash: u64, weight: u32) {
        self.forget(hash);
        let place = self.free.pop().unwrap_or_else(|| {
            self.hashes.push(0);
            (self.hashes.len() - 1) as u32
        });
        self.hashes[place as usize] = hash;
        self.index.insert(hash, place);
        self.lists.push_back(list, place, weight);
    }

    /// Forgets a hash; which queue it was in.
    pub(super) fn forget(&mut self, hash: u64) -> Option<usize> {
        let place = self.find(hash)?;
        self.index.remove(hash, place);
        self.free.push(place);
        self.lists.unlink(place)
    }

    /// Forgets the front of a queue; `false` if it is empty.
    pub(super) fn forget_front(&mut self, list: usize) -> bool {
        let Some(place) = self.lists.front(list) else { return false };
        self.forget(self.hashes[place as usize]);
        true
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.index.clear();
        self.hashes.clear();
        self.free.clear();
        self.lists.clear();
    }

    fn find(&self, hash: u64) -> Option<u32> {
        self.index.find(hash, |place| self.hashes[place as usize] == hash)
    }
}

impl<const N: usize> Default for Ghosts<N> {
    fn default() -> Ghosts<N> {
        Ghosts::new()
    }
}

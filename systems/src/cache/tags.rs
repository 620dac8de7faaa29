//! Which entries carry which tag. Costs nothing for entries without.

use std::collections::{BTreeMap, BTreeSet};

/// Tags of slots and slots of tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags {
    slots: BTreeSet<(u64, u32)>,
    tags: BTreeMap<u32, Vec<u64>>,
}

impl Tags {
    /// Replaces the tags of a slot.
    #[inline]
    pub(super) fn set(&mut self, slot: u32, tags: &[u64]) {
        if !tags.is_empty() || !self.tags.is_empty() {
            self.replace(slot, tags);
        }
    }

    /// The tags of a slot.
    pub(super) fn of(&self, slot: u32) -> &[u64] {
        self.tags.get(&slot).map_or(&[], Vec::as_slice)
    }

    /// Some slot with this tag: the lowest.
    pub(super) fn first_with(&self, tag: u64) -> Option<u32> {
        self.slots.range((tag, 0)..=(tag, u32::MAX)).next().map(|(_, slot)| *slot)
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.tags.clear();
    }

    fn replace(&mut self, slot: u32, tags: &[u64]) {
        for tag in self.tags.remove(&slot).unwrap_or_default() {
            self.slots.remove(&(tag, slot));
        }
        if !tags.is_empty() {
            self.slots.extend(tags.iter().map(|tag| (*tag, slot)));
            self.tags.insert(slot, tags.to_vec());
        }
    }
}

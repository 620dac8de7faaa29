//! From hash to slot: open addressing in groups of the size of a cache line. All tags of a group are compared at once, so
//! that a lookup touches one line and hardly ever takes a branch that might as well have gone the other way. A full group
//! counts who had to go past it, as in Facebook's F14 ("Open-sourcing F14", 2019), so there are no tombstones and a table
//! in steady use never has to be rebuilt. Knows no keys: who asks says which slot is the right one.

/// Places of a group: what fits into a line of 64 bytes.
const PLACES: usize = 7;

/// Entries for each group, on average, beyond which the table grows: at five, so many groups are full that inserts take
/// half as long again.
const MOST_PER_GROUP: usize = 4;

/// Groups of the first table.
const FEWEST_GROUPS: usize = 2;

/// Times a byte: that byte everywhere.
const EVERYWHERE: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each place's byte.
const HIGH_BITS: u64 = 0x0080_8080_8080_8080;

/// The byte behind those of the places.
const PASSED_SHIFT: u32 = 8 * PLACES as u32;

/// Once so many went past, nobody knows how many more they are, and the count stays until the table grows.
const MOST_PASSED: u64 = 0xFF;

/// A line of the table.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Group {
    /// A byte for each place: a tag, whose highest bit is set, or 0 if the place is free. In the last byte, how many
    /// entries are further on because this group was full when they came.
    bytes: u64,
    /// Lower halves of the hashes, for a larger table.
    homes: [u32; PLACES],
    slots: [u32; PLACES],
}

const EMPTY: Group = Group { bytes: 0, homes: [0; PLACES], slots: [0; PLACES] };

impl Group {
    /// Places that have this tag. The lowest has it; one above another may be a neighbour of it whose tag differs in the
    /// last bit. (Mycroft's search for a zero byte, 1987; that a tag has its highest bit set replaces one of its steps.)
    #[inline(always)]
    const fn tagged(&self, tag: u64) -> Places {
        let differing = self.bytes ^ (tag * EVERYWHERE);
        Places(differing.wrapping_sub(EVERYWHERE) & self.bytes & HIGH_BITS)
    }

    #[inline(always)]
    const fn free(&self) -> Places {
        Places(!self.bytes & HIGH_BITS)
    }

    #[inline(always)]
    const fn passed(&self) -> u64 {
        self.bytes >> PASSED_SHIFT
    }

    /// Puts a slot into a free place.
    #[inline]
    const fn occupy(&mut self, place: usize, home: u32, tag: u64, slot: u32) {
        self.bytes |= tag << (8 * place);
        self.homes[place] = home;
        self.slots[place] = slot;
    }

    const fn vacate(&mut self, place: usize) {
        self.bytes &= !(0xFF << (8 * place));
    }

    /// One more went past.
    const fn pass(&mut self) {
        if self.passed() < MOST_PASSED {
            self.bytes += 1 << PASSED_SHIFT;
        }
    }

    /// One of those that went past is no longer there.
    const fn unpass(&mut self) {
        if self.passed() < MOST_PASSED {
            self.bytes -= 1 << PASSED_SHIFT;
        }
    }
}

/// Some places of a group, lowest first.
#[derive(Clone, Copy)]
struct Places(u64);

impl Iterator for Places {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let place = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0 - 1;
        Some(place)
    }
}

/// What a glance tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glance {
    /// The slot.
    Found(u32),
    /// It is not there.
    Nothing,
    /// It takes a walk.
    Unclear,
}

/// A map from hashes to slots; several slots may share a hash.
#[derive(Clone, Debug)]
pub(crate) struct KeyIndex {
    /// A power of two of them, or none at all.
    groups: Vec<Group>,
    /// What cuts a hash to their number; one less than that.
    mask: u32,
    len: u32,
}

/// What tells entries of one group apart: bits that have no part in where the search for them begins.
const fn tag_of(hash: u64) -> u64 {
    hash >> 57 | 0x80
}

/// What chooses one of several tables: bits that have no part in what happens within a table.
#[inline]
pub(crate) const fn table_of(hash: u64, tables: usize) -> usize {
    (hash >> 32) as usize % tables
}

impl KeyIndex {
    pub(crate) const fn new() -> KeyIndex {
        KeyIndex { groups: Vec::new(), mask: 0, len: 0 }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// The slot under this hash that `is_it` recognises.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        match self.glance(hash, &is_it) {
            Glance::Found(slot) => Some(slot),
            Glance::Nothing => None,
            Glance::Unclear => self.walk(hash, is_it),
        }
    }

    /// Tries the first place that may be the right one: nearly always it is, or there is none. Who is in a hurry calls
    /// [`walk`](Self::walk) where it does not lengthen the common way.
    #[inline(always)]
    pub(crate) fn glance(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Glance {
        let home = hash as u32 & self.mask;
        let Some(group) = self.groups.get(home as usize) else { return Glance::Nothing };
        match group.tagged(tag_of(hash)).next() {
            Some(place) if is_it(group.slots[place]) => Glance::Found(group.slots[place]),
            None if group.passed() == 0 => Glance::Nothing,
            _ => Glance::Unclear,
        }
    }

    /// [`find`](Self::find) that tries all places there are.
    #[cold]
    #[inline(never)]
    pub(crate) fn walk(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        for at in self.way(hash) {
            let group = &self.groups[at];
            let slot = group.tagged(tag_of(hash)).map(|place| group.slots[place]).find(|slot| is_it(*slot));
            if slot.is_some() || group.passed() == 0 {
                return slot;
            }
        }
        None
    }

    /// All groups, in the order in which they are tried.
    fn way(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.mask;
        (0..self.groups.len() as u32).map(move |step| ((hash as u32).wrapping_add(step) & mask) as usize)
    }

    /// Adds a slot that is not there yet.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        if self.len as usize + 1 > self.groups.len() * MOST_PER_GROUP {
            self.grow();
        }
        settle(&mut self.groups, hash as u32, tag_of(hash), slot);
        self.len += 1;
    }

    /// Takes a slot out; `false` if it was not there.
    #[inline]
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) -> bool {
        let Some((at, place)) = self.whereabouts(hash, slot) else { return false };
        self.groups[at].vacate(place);
        for passed in self.way(hash).take_while(|passed| *passed != at) {
            self.groups[passed].unpass();
        }
        self.len -= 1;
        true
    }

    /// The group of a slot, and its place there.
    #[inline]
    fn whereabouts(&self, hash: u64, slot: u32) -> Option<(usize, usize)> {
        for at in self.way(hash) {
            let group = &self.groups[at];
            if let Some(place) = group.tagged(tag_of(hash)).find(|place| group.slots[*place] == slot) {
                return Some((at, place));
            }
            if group.passed() == 0 {
                return None;
            }
        }
        None
    }

    /// Takes everything out and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.groups.fill(EMPTY);
        self.len = 0;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let doubled = (self.groups.len() * 2).max(FEWEST_GROUPS);
        let former = std::mem::replace(&mut self.groups, vec![EMPTY; doubled]);
        self.mask = doubled as u32 - 1;
        for group in &former {
            for place in Places(group.bytes & HIGH_BITS) {
                let tag = group.bytes >> (8 * place) & 0xFF;
                settle(&mut self.groups, group.homes[place], tag, group.slots[place]);
            }
        }
    }
}

/// Puts a slot into the first group with a free place from its home on; a group has fewer entries on average than
/// places, so there is one.
#[inline]
fn settle(groups: &mut [Group], home: u32, tag: u64, slot: u32) {
    let mask = groups.len().wrapping_sub(1);
    let mut at = home as usize & mask;
    while let Some(group) = groups.get_mut(at) {
        if let Some(place) = group.free().next() {
            group.occupy(place, home, tag, slot);
            return;
        }
        group.pass();
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_hash::mixed;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_table_is_a_map(
            steps in prop::collection::vec((0u8..5, 0u64..40), 0..400), hash_bits in 1u32..64,
        ) {
            let mut index = KeyIndex::new();
            let mut keys: Vec<u64> = Vec::new();
            let mut plain: BTreeMap<u64, u32> = BTreeMap::new();
            // Few bits of hash, so that keys collide.
            let hash = |key: u64| mixed(key) << (64 - hash_bits);
            for (position, (what, key)) in steps.into_iter().enumerate() {
                keys.push(key);
                match what {
                    0..=2 if !plain.contains_key(&key) => {
                        index.insert(hash(key), position as u32);
                        plain.insert(key, position as u32);
                    }
                    0..=2 => {}
                    _ => {
                        let slot = plain.remove(&key);
                        prop_assert_eq!(index.remove(hash(key), slot.unwrap_or(1 << 20)), slot.is_some());
                    }
                }
                prop_assert_eq!(index.len() as usize, plain.len());
                for key in 0..40 {
                    let found = index.find(hash(key), |slot| keys[slot as usize] == key);
                    prop_assert_eq!(found, plain.get(&key).copied());
                }
            }
        }
    }

    /// Groups of a table with these hashes that are too small, and all of them.
    fn too_small(hashes: impl Iterator<Item = u64>) -> (usize, usize) {
        let mut index = KeyIndex::new();
        for (slot, hash) in hashes.enumerate() {
            index.insert(hash, slot as u32);
        }
        (index.groups.iter().filter(|group| group.passed() > 0).count(), index.groups.len())
    }

    #[test]
    fn neighbouring_keys_do_not_pile_up() {
        let (full, all) = too_small((0..10_000).map(|key| mixed(key << 20)));
        assert!(full * 100 < all, "{full} of {all} groups are too small");
    }

    #[test]
    fn the_keys_of_one_of_several_tables_do_not_pile_up_unless_it_is_chosen_by_bits_of_the_index() {
        let hashes = || (0..160_000).map(mixed);
        let (full, all) = too_small(hashes().filter(|hash| table_of(*hash, 16) == 3));
        assert!(full * 100 < all, "{full} of {all} groups are too small");
        let (full, all) = too_small(hashes().filter(|hash| hash % 16 == 3));
        assert!(full * 4 > all, "{full} of {all} groups: a poor choice is not noticed");
    }

    #[test]
    fn a_walk_ends_even_where_more_went_past_every_group_than_it_can_count() {
        let mut index = KeyIndex::new();
        let crowd = 600;
        (0..crowd).for_each(|slot| index.insert(u64::from(slot), slot));
        (0..crowd).for_each(|slot| assert!(index.remove(u64::from(slot), slot)));
        // All of them from each home in turn, so that each group in turn overflows.
        for home in 0..index.groups.len() as u64 {
            (0..crowd).for_each(|slot| index.insert(home, slot));
            assert_eq!(index.find(home, |slot| slot == crowd - 1), Some(crowd - 1));
            (0..crowd).for_each(|slot| assert!(index.remove(home, slot)));
        }
        assert!(index.groups.iter().all(|group| group.passed() == MOST_PASSED));
        assert_eq!(index.find(0, |_| true), None);
        assert!(!index.remove(0, 0));
        index.insert(0, 7);
        assert_eq!(index.find(0, |slot| slot == 7), Some(7));
    }
}

//! A map that is asked by hash and can be walked in the order of its keys. The order is made when somebody walks, and kept
//! up from then on: who never walks does not pay for it. Nothing depends on where a hash leads, but how long it takes; keys
//! that somebody chooses so that they meet make it slow.

use crate::key_hash::spread_of;
use crate::key_index::KeyIndex;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::hash::Hash;
use std::iter::Peekable;
use std::ops::{Bound, RangeBounds};
use std::vec::IntoIter;

/// Values by key.
#[derive(Clone, Debug)]
pub struct HashedMap<K, V> {
    slots: Vec<Option<(K, V)>>,
    free: Vec<u32>,
    index: KeyIndex,
    order: BTreeMap<K, u32>,
    /// Those whose place in the order is not known; a free slot may be among them.
    unordered: Vec<u32>,
    /// By slot, whether it is among those. Apart, so that a slot is no longer than what is in it.
    is_unordered: Vec<bool>,
    /// Somebody has walked: from now on each new key is put in its place.
    is_walked: Cell<bool>,
}

impl<K, V> Default for HashedMap<K, V> {
    fn default() -> HashedMap<K, V> {
        HashedMap {
            slots: Vec::new(),
            free: Vec::new(),
            index: KeyIndex::new(),
            order: BTreeMap::new(),
            unordered: Vec::new(),
            is_unordered: Vec::new(),
            is_walked: Cell::new(false),
        }
    }
}

impl<K: Ord + Hash + Clone, V> HashedMap<K, V> {
    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        let is_it = |slot: u32| self.entry(slot).is_some_and(|(there, _)| there == key);
        self.index.find(hash, is_it)
    }

    #[inline]
    fn entry(&self, slot: u32) -> Option<&(K, V)> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.find(spread_of(key), key).and_then(|slot| self.entry(slot)).map(|(_, value)| value)
    }

    /// The same, to change it.
    #[inline]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.put_in_order_if_walked();
        let slot = self.find(spread_of(key), key)?;
        self.slots.get_mut(slot as usize)?.as_mut().map(|(_, value)| value)
    }

    /// The value of a key; a new one if there is none.
    pub fn get_or_insert_with(&mut self, key: &K, new: impl FnOnce() -> V) -> &mut V {
        let slot = self.slot_of(key, new);
        self.at_mut(slot)
    }

    /// Gives a key this value.
    pub fn set(&mut self, key: &K, value: V) {
        self.put_in_order_if_walked();
        let hash = spread_of(key);
        match self.find(hash, key) {
            Some(slot) => *self.at_mut(slot) = value,
            None => _ = self.add(hash, key.clone(), value),
        }
    }

    /// Where a key is as long as it is not removed; it comes with a new value if it is not there.
    pub(crate) fn slot_of(&mut self, key: &K, new: impl FnOnce() -> V) -> u32 {
        self.put_in_order_if_walked();
        let hash = spread_of(key);
        self.find(hash, key).unwrap_or_else(|| self.add(hash, key.clone(), new()))
    }

    /// The key and the value in a slot that is taken.
    pub(crate) fn at(&self, slot: u32) -> &(K, V) {
        self.slots[slot as usize].as_ref().expect("the slot is taken")
    }

    /// The value in a slot that is taken.
    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut V {
        &mut self.slots[slot as usize].as_mut().expect("the slot is taken").1
    }

    fn add(&mut self, hash: u64, key: K, value: V) -> u32 {
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        self.index.insert(hash, slot);
        if slot as usize == self.slots.len() {
            self.slots.push(None);
            self.is_unordered.push(false);
        }
        if self.is_walked.get() {
            self.order.insert(key.clone(), slot);
        } else if !std::mem::replace(&mut self.is_unordered[slot as usize], true) {
            self.unordered.push(slot);
        }
        self.slots[slot as usize] = Some((key, value));
        slot
    }

    /// Takes a key away, and gives back its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.put_in_order_if_walked();
        let hash = spread_of(key);
        let slot = self.find(hash, key)?;
        self.index.remove(hash, slot);
        if !self.is_unordered[slot as usize] {
            self.order.remove(key);
        }
        self.free.push(slot);
        self.slots[slot as usize].take().map(|(_, value)| value)
    }

    /// At the first change after a walk, so that the next walk finds the order made.
    #[inline]
    fn put_in_order_if_walked(&mut self) {
        if self.is_walked.get() && !self.unordered.is_empty() {
            self.put_in_order();
        }
    }

    #[cold]
    fn put_in_order(&mut self) {
        for slot in std::mem::take(&mut self.unordered) {
            self.is_unordered[slot as usize] = false;
            if let Some((key, _)) = &self.slots[slot as usize] {
                self.order.insert(key.clone(), slot);
            }
        }
    }

    /// All of them, each once, in an order that means nothing: that of their coming, as long as none is removed.
    pub fn each(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().flatten().map(|(key, value)| (key, value))
    }

    /// The same, to change them.
    pub fn each_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.slots.iter_mut().flatten().map(|(key, value)| (&*key, value))
    }

    /// Those of a range, in the order of their keys. The range must not end before it begins.
    pub fn range(&self, from: Bound<&K>, to: Bound<&K>) -> Walk<'_, K, V> {
        let mut others: Vec<u32> = Vec::new();
        if !self.unordered.is_empty() {
            self.is_walked.set(true);
            let keys = self.unordered.iter().filter_map(|slot| Some((&self.entry(*slot)?.0, *slot)));
            let mut keys: Vec<(&K, u32)> = keys.filter(|(key, _)| (from, to).contains::<K>(key)).collect();
            keys.sort_unstable_by_key(|(key, _)| *key);
            others.extend(keys.into_iter().map(|(_, slot)| slot));
        }
        let ordered = self.order.range::<K, _>((from, to)).peekable();
        Walk { map: self, ordered, others: others.into_iter().peekable() }
    }
}

/// A walk in the order of the keys.
pub struct Walk<'a, K, V> {
    map: &'a HashedMap<K, V>,
    ordered: Peekable<Range<'a, K, u32>>,
    /// Those whose order was made for this walk.
    others: Peekable<IntoIter<u32>>,
}

impl<'a, K: Ord + Hash + Clone, V> Iterator for Walk<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<(&'a K, &'a V)> {
        let other = self.others.peek().and_then(|slot| self.map.entry(*slot));
        let is_other_first = match (self.ordered.peek(), other) {
            (Some((key, _)), Some((other, _))) => other < key,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let slot = if is_other_first { self.others.next()? } else { *self.ordered.next()?.1 };
        self.map.entry(slot).map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_map_whenever_somebody_walks(
            steps in prop::collection::vec((0u8..8, 0u16..30, 0u16..30), 0..300),
        ) {
            let mut map: HashedMap<u16, u16> = HashedMap::default();
            let mut plain: BTreeMap<u16, u16> = BTreeMap::new();
            for (what, key, value) in steps {
                match what {
                    0..=1 => {
                        *map.get_or_insert_with(&key, || value) = value;
                        plain.insert(key, value);
                    }
                    2..=3 => {
                        map.set(&key, value);
                        plain.insert(key, value);
                    }
                    4 => prop_assert_eq!(map.get_mut(&key).copied(), plain.get(&key).copied()),
                    5 | 6 => prop_assert_eq!(map.remove(&key), plain.remove(&key)),
                    _ => {
                        let (from, to) = (key.min(value), key.max(value));
                        let range = (Bound::Included(&from), Bound::Included(&to));
                        let walked: Vec<_> = map.range(range.0, range.1).collect();
                        prop_assert_eq!(walked, plain.range(from..=to).collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(map.get(&key), plain.get(&key));
                let keys: Vec<u16> = map.each_mut().map(|(key, _)| *key).collect();
                prop_assert_eq!(map.each().map(|(key, _)| *key).collect::<Vec<_>>(), keys);
                let mut all: Vec<_> = map.each().collect();
                all.sort();
                prop_assert_eq!(all, plain.iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn who_never_walks_keeps_no_order_and_as_many_slots_as_there_were_keys_at_once() {
        let mut map: HashedMap<u64, ()> = HashedMap::default();
        for key in 0..10_000 {
            map.get_or_insert_with(&key, || ());
            map.remove(&key.saturating_sub(9));
        }
        assert!(map.order.is_empty());
        assert!(map.slots.len() < 20 && map.unordered.len() <= map.slots.len());
    }
}

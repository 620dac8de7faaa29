//! Keys with their versions in memory, and where their values are: what both stores answer reads from. Never durable by
//! itself.

use super::{Batch, CommitNumber, Expected, StoreError};
use crate::hashed_map::HashedMap;
use std::hash::{Hash, Hasher};
use std::ops::Bound;

/// The state after all commits so far. `P` is a value, or the place where it is found.
#[derive(Clone, Debug)]
pub(super) struct Table<P> {
    rows: HashedMap<Key, (CommitNumber, P)>,
    pub(super) last: CommitNumber,
}

impl<P> Default for Table<P> {
    fn default() -> Table<P> {
        Table { rows: HashedMap::default(), last: CommitNumber::NONE }
    }
}

/// So many bytes of a key are compared as numbers, and without a look at other memory.
const HEAD_BYTES: usize = 31;

/// A key, in the order of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The first bytes as numbers, the big end first, and zeros; then one more byte, how long the key is, at most 32. A key that
    /// another one begins with is shorter, and with that before it.
    head: [u64; 4],
    /// The whole key, if it is longer.
    long: Option<Box<Long>>,
}

/// The bytes of a long key, behind one word more so that the many short ones are one word shorter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Long(Box<[u8]>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.head.iter().for_each(|word| state.write_u64(*word));
        if let Some(key) = &self.long {
            state.write(&key.0);
        }
    }
}

impl Key {
    fn new(key: &[u8]) -> Key {
        let mut bytes = [0; HEAD_BYTES + 1];
        let head = key.len().min(HEAD_BYTES);
        bytes[..head].copy_from_slice(&key[..head]);
        bytes[HEAD_BYTES] = key.len().min(HEAD_BYTES + 1) as u8;
        let word = |place: usize| u64::from_be_bytes(bytes.as_chunks().0[place]);
        Key {
            head: [word(0), word(1), word(2), word(3)],
            long: (key.len() > HEAD_BYTES).then(|| Box::new(Long(key.into()))),
        }
    }

    /// How many bytes it has.
    pub(super) const fn len(&self) -> usize {
        match &self.long {
            Some(key) => key.0.len(),
            None => (self.head[3] & 0xFF) as usize,
        }
    }

    /// Calls with its bytes.
    pub(super) fn read<T>(&self, visit: impl FnOnce(&[u8]) -> T) -> T {
        if let Some(key) = &self.long {
            return visit(&key.0);
        }
        let mut bytes = [0; HEAD_BYTES + 1];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.head) {
            *bytes = word.to_be_bytes();
        }
        visit(&bytes[..self.len().min(HEAD_BYTES)])
    }
}

/// The first key behind all that begin with `prefix`; `None` if there is none.
fn after_all(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

impl<P> Table<P> {
    pub(super) fn get(&self, key: &[u8]) -> Option<(CommitNumber, &P)> {
        self.rows.get(&Key::new(key)).map(|(version, place)| (*version, place))
    }

    pub(super) fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], CommitNumber, &P) -> bool) {
        let (first, end) = (Key::new(prefix), after_all(prefix).map(|end| Key::new(&end)));
        let end = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for (key, (version, place)) in self.rows.range(Bound::Included(&first), end) {
            if !key.read(|key| visit(key, *version, place)) {
                return;
            }
        }
    }

    /// Whether a batch may be written.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        for (key, expected) in &batch.conditions {
            let found = self.get(key).map(|(version, _)| version);
            let holds = match expected {
                Expected::Absent => found.is_none(),
                Expected::Version(version) => found == Some(*version),
            };
            if !holds {
                return Err(StoreError::Conflict { key: key.clone() });
            }
        }
        Ok(())
    }

    /// Writes the place of a value; `None` takes the key away.
    pub(super) fn write(&mut self, number: CommitNumber, key: &[u8], place: Option<P>) {
        let key = Key::new(key);
        match place {
            Some(place) => self.rows.set(&key, (number, place)),
            None => drop(self.rows.remove(&key)),
        }
    }

    /// All rows, in an order that means nothing and stays while nothing is written.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Key, CommitNumber, &P)> {
        self.rows.each().map(|(key, (version, place))| (key, *version, place))
    }

    /// Their places, in the same order.
    pub(super) fn places_mut(&mut self) -> impl Iterator<Item = (&Key, &mut P)> {
        self.rows.each_mut().map(|(key, (_, place))| (key, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        // Few different bytes, so that keys begin alike.
        proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255)], 0..40)
    }

    proptest! {
        #[test]
        fn a_scan_shows_what_begins_so_in_order(all in proptest::collection::vec(keys(), 0..60), prefix in keys()) {
            let mut table: Table<()> = Table::default();
            for key in &all {
                table.write(CommitNumber(1), key, Some(()));
            }
            let mut seen = Vec::new();
            table.scan(&prefix[..prefix.len().min(2)], &mut |key, _, ()| {
                seen.push(key.to_vec());
                true
            });
            let mut expected = all;
            expected.retain(|key| key.starts_with(&prefix[..prefix.len().min(2)]));
            expected.sort();
            expected.dedup();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn keys_are_in_the_order_of_their_bytes_whatever_their_length(
            one in keys(),
            rest in keys(),
            other in keys(),
        ) {
            let longer = [&one[..], &rest[..]].concat();
            for (a, b) in [(&one, &other), (&one, &longer), (&longer, &other)] {
                prop_assert_eq!(Key::new(a).cmp(&Key::new(b)), a.cmp(b));
            }
            prop_assert_eq!(Key::new(&longer).len(), longer.len());
            prop_assert_eq!(Key::new(&longer).read(<[u8]>::to_vec), longer);
        }
    }
}

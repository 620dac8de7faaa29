//! Keys, values and versions in memory: what both stores answer reads from. Never durable by itself.

use super::{Batch, CommitNumber, Expected, StoreError, Stored};
use crate::hashed_map::HashedMap;
use std::hash::{Hash, Hasher};
use std::ops::Bound;

/// The state after all commits so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: HashedMap<Key, (CommitNumber, Vec<u8>)>,
    pub(super) last: CommitNumber,
}

/// So many bytes of a key are compared as numbers, and without a look at other memory.
const HEAD_BYTES: usize = 31;

/// A key, in the order of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// The first bytes as numbers, the big end first, and zeros; then one more byte, how long the key is, at most 32. A key that
    /// another one begins with is shorter, and with that before it.
    head: (u128, u128),
    /// The whole key, if it is longer.
    long: Option<Box<[u8]>>,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.head.hash(state);
        if let Some(key) = &self.long {
            state.write(key);
        }
    }
}

impl Key {
    fn new(key: &[u8]) -> Key {
        let mut bytes = [0; HEAD_BYTES + 1];
        let head = key.len().min(HEAD_BYTES);
        bytes[..head].copy_from_slice(&key[..head]);
        bytes[HEAD_BYTES] = key.len().min(HEAD_BYTES + 1) as u8;
        let number = |half: usize| u128::from_be_bytes(bytes.as_chunks().0[half]);
        Key { head: (number(0), number(1)), long: (key.len() > HEAD_BYTES).then(|| key.into()) }
    }

    /// Calls with its bytes.
    fn read<T>(&self, visit: impl FnOnce(&[u8]) -> T) -> T {
        if let Some(key) = &self.long {
            return visit(key);
        }
        let mut bytes = [0; HEAD_BYTES + 1];
        for (bytes, half) in bytes.as_chunks_mut().0.iter_mut().zip([self.head.0, self.head.1]) {
            *bytes = half.to_be_bytes();
        }
        let length = usize::from(bytes[HEAD_BYTES]).min(HEAD_BYTES);
        visit(&bytes[..length])
    }
}

/// The first key behind all that begin with `prefix`; `None` if there is none.
fn after_all(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

impl Table {
    pub(super) fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        self.rows.get(&Key::new(key)).map(|(version, value)| Stored { version: *version, value })
    }

    pub(super) fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool) {
        let (first, end) = (Key::new(prefix), after_all(prefix).map(|end| Key::new(&end)));
        let end = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for (key, (version, value)) in self.rows.range(Bound::Included(&first), end) {
            let stored = Stored { version: *version, value };
            if !key.read(|key| visit(key, stored)) {
                return;
            }
        }
    }

    /// Whether a batch may be written.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        for (key, expected) in &batch.conditions {
            let found = self.rows.get(&Key::new(key)).map(|(version, _)| *version);
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

    /// Writes what has been checked.
    pub(super) fn apply(&mut self, batch: &Batch) -> CommitNumber {
        let number = CommitNumber(self.last.0.saturating_add(1));
        for (key, value) in batch.writes() {
            self.write(number, key, value);
        }
        self.last = number;
        number
    }

    pub(super) fn write(&mut self, number: CommitNumber, key: &[u8], value: Option<&[u8]>) {
        let key = Key::new(key);
        let Some(value) = value else {
            self.rows.remove(&key);
            return;
        };
        let (version, kept) = self.rows.get_or_insert_with(&key, || (number, Vec::new()));
        *version = number;
        kept.clear();
        kept.reserve_exact(value.len());
        kept.extend_from_slice(value);
    }

    /// All rows, in an order that means nothing.
    pub(super) fn each_row(&self, mut visit: impl FnMut(&[u8], CommitNumber, &[u8])) {
        for (key, (version, value)) in self.rows.each() {
            key.read(|key| visit(key, *version, value));
        }
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
            let mut table = Table::default();
            for key in &all {
                table.write(CommitNumber(1), key, Some(key));
            }
            let mut seen = Vec::new();
            table.scan(&prefix[..prefix.len().min(2)], &mut |key, _| {
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
            prop_assert_eq!(Key::new(&longer).read(<[u8]>::to_vec), longer);
        }
    }
}

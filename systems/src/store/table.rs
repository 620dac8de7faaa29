//! Keys, values and versions in memory: what both stores answer reads from. Never durable by itself.

use super::{Batch, CommitNumber, Expected, StoreError, Stored};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The state after all commits so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<Key, (CommitNumber, Vec<u8>)>,
    pub(super) last: CommitNumber,
}

/// The longest key that lies beside its neighbours, so that comparing with it reads no other memory.
const SHORT_BYTES: usize = 30;

/// A key, in the order of its bytes.
#[derive(Clone, Debug)]
enum Key {
    Short { len: u8, bytes: [u8; SHORT_BYTES] },
    Long(Box<[u8]>),
}

impl Key {
    fn new(key: &[u8]) -> Key {
        let mut bytes = [0; SHORT_BYTES];
        match bytes.get_mut(..key.len()) {
            Some(place) => {
                place.copy_from_slice(key);
                Key::Short { len: key.len() as u8, bytes }
            }
            None => Key::Long(key.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Key::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Key::Long(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Table {
    pub(super) fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        self.rows.get(key).map(|(version, value)| Stored { version: *version, value })
    }

    pub(super) fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool) {
        let from = std::ops::Bound::Included(prefix);
        for (key, (version, value)) in self.rows.range::<[u8], _>((from, std::ops::Bound::Unbounded)) {
            let key = key.bytes();
            if !key.starts_with(prefix) || !visit(key, Stored { version: *version, value }) {
                return;
            }
        }
    }

    /// Whether a batch may be written.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        for (key, expected) in &batch.conditions {
            let found = self.rows.get(key.as_slice()).map(|(version, _)| *version);
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
        let Some(value) = value else {
            self.rows.remove(key);
            return;
        };
        match self.rows.entry(Key::new(key)) {
            Entry::Occupied(row) => {
                let (version, kept) = row.into_mut();
                *version = number;
                kept.clear();
                kept.extend_from_slice(value);
            }
            Entry::Vacant(place) => {
                place.insert((number, value.to_vec()));
            }
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&[u8], CommitNumber, &[u8])> {
        self.rows.iter().map(|(key, (version, value))| (key.bytes(), *version, value.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_their_bytes_whatever_their_length(
            one in proptest::collection::vec(any::<u8>(), 0..2 * SHORT_BYTES),
            other in proptest::collection::vec(0u8..2, 0..2 * SHORT_BYTES),
        ) {
            let key = Key::new(&one);
            prop_assert_eq!(key.bytes(), &one[..]);
            prop_assert_eq!(key.cmp(&Key::new(&other)), one.cmp(&other));
        }
    }
}

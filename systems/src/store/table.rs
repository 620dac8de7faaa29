//! Keys, values and versions in memory: what both stores answer reads from. Never durable by itself.

use super::{Batch, CommitNumber, Expected, StoreError, Stored};
use std::collections::BTreeMap;

/// The state after all commits so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<Vec<u8>, (CommitNumber, Vec<u8>)>,
    pub(super) last: CommitNumber,
}

impl Table {
    pub(super) fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        self.rows.get(key).map(|(version, value)| Stored { version: *version, value })
    }

    pub(super) fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool) {
        for (key, (version, value)) in self.rows.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || !visit(key, Stored { version: *version, value }) {
                return;
            }
        }
    }

    /// Whether a batch may be written.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        for (key, expected) in &batch.conditions {
            let found = self.rows.get(key).map(|(version, _)| *version);
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
        for (key, value) in &batch.writes {
            self.write(number, key, value.as_deref());
        }
        self.last = number;
        number
    }

    pub(super) fn write(&mut self, number: CommitNumber, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => drop(self.rows.insert(key.to_vec(), (number, value.to_vec()))),
            None => drop(self.rows.remove(key)),
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&[u8], CommitNumber, &[u8])> {
        self.rows.iter().map(|(key, (version, value))| (key.as_slice(), *version, value.as_slice()))
    }
}

//! The store that lives as long as its process: every commit is as durable as it will ever be at once. A crash takes
//! it whole.

use super::table::Table;
use super::{Batch, CommitNumber, Store, StoreError, Stored};
use crate::time::Time;

/// Everything in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    table: Table<Box<[u8]>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        self.table.get(key).map(|(version, value)| Stored { version, value })
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool) {
        self.table.scan(prefix, &mut |key, version, value| visit(key, Stored { version, value }));
    }

    fn commit(&mut self, _now: Time, batch: &Batch) -> Result<CommitNumber, StoreError> {
        self.table.check(batch)?;
        let number = CommitNumber(self.table.last.0.saturating_add(1));
        for (key, value) in batch.writes() {
            self.table.write(number, key, value.map(Into::into));
        }
        self.table.last = number;
        Ok(number)
    }

    fn sync(&mut self, _now: Time) -> Result<CommitNumber, StoreError> {
        Ok(self.table.last)
    }

    fn durable(&self) -> CommitNumber {
        self.table.last
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

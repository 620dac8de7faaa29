//! Rows in memory: for tests, and for jobs that need not outlive the process. Survives no crash.

use super::{JobStore, Row, RowKey, StoreError};
use std::collections::BTreeMap;

/// Rows in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: BTreeMap<RowKey, Row>,
}

impl MemoryStore {
    /// No rows yet.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn put(&mut self, row: &Row) {
        if let Row::Removed(_) = row {
            self.rows.remove(&row.key());
        } else {
            self.rows.insert(row.key(), row.clone());
        }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.rows.values().cloned().collect()
    }
}

impl JobStore for MemoryStore {
    fn commit(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            self.put(row);
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Vec<Row>, StoreError> {
        Ok(self.rows())
    }
}

//! Rows in a write-ahead log: every commit is appended with a mark behind it, synced by a policy, and replayed after a
//! crash; what has no mark was never committed. Compacts itself. The disk is a model of one: it keeps what was synced
//! and any part of the rest.

use super::{JobStore, MemoryStore, Row, StoreError};

/// When what was appended is forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// Before a commit returns: what was answered is durable. The only one under which no job is ever lost.
    #[default]
    EveryCommit,
    /// After every so many commits: a crash may take back the ones since, and what was answered on them.
    /// 0 counts as 1.
    Every(u32),
    /// When [`JournalStore::sync`] is called.
    Manual,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Row(Row),
    /// All rows since the mark before belong together, so many of them.
    Commit {
        rows: usize,
    },
}

/// Rows in a log.
#[derive(Clone, Debug)]
pub struct JournalStore {
    policy: FsyncPolicy,
    log: Vec<Entry>,
    /// Entries that a crash leaves alone.
    synced: usize,
    commits_since_sync: u32,
    /// Rows appended until the log is rewritten; grows with what there is to keep.
    compact_at: usize,
    /// Rows it still writes before the power fails.
    rows_until_crash: Option<usize>,
    crashed: bool,
}

/// Rows below which a log is not worth rewriting.
const COMPACT_FROM: usize = 1_024;

impl JournalStore {
    /// An empty log.
    pub fn new(policy: FsyncPolicy) -> JournalStore {
        JournalStore {
            policy,
            log: Vec::new(),
            synced: 0,
            commits_since_sync: 0,
            compact_at: COMPACT_FROM,
            rows_until_crash: None,
            crashed: false,
        }
    }

    /// Entries in the log: rows, and a mark for each commit.
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Forces everything to the disk.
    pub fn sync(&mut self) {
        if !self.crashed {
            self.synced = self.log.len();
            self.commits_since_sync = 0;
        }
    }

    /// The power will fail when `entries` more have been appended: in the middle of a commit, before its mark, or
    /// between mark and sync.
    pub fn crash_after(&mut self, entries: usize) {
        self.rows_until_crash = Some(entries);
    }

    /// Whether the power has failed.
    pub fn has_crashed(&self) -> bool {
        self.crashed
    }

    /// What a restart finds on the disk: all that was synced, and up to `torn` entries of the rest.
    #[must_use]
    pub fn after_crash(&self, torn: usize) -> JournalStore {
        let kept = self.synced.saturating_add(torn).min(self.log.len());
        let mut log = self.log[..kept].to_vec();
        // A tail without its mark was never committed: the next commit must not make it so.
        log.truncate(
            log.iter().rposition(|entry| matches!(entry, Entry::Commit { .. })).map_or(0, |at| at + 1),
        );
        let synced = log.len();
        JournalStore { log, synced, ..JournalStore::new(self.policy) }
    }

    fn append(&mut self, entry: Entry) -> Result<(), StoreError> {
        if let Some(left) = &mut self.rows_until_crash {
            if *left == 0 {
                self.crashed = true;
                return Err(StoreError::Unavailable);
            }
            *left -= 1;
        }
        self.log.push(entry);
        Ok(())
    }

    fn sync_by_policy(&mut self) -> Result<(), StoreError> {
        self.commits_since_sync = self.commits_since_sync.saturating_add(1);
        let due = match self.policy {
            FsyncPolicy::EveryCommit => true,
            FsyncPolicy::Every(commits) => self.commits_since_sync >= commits,
            FsyncPolicy::Manual => false,
        };
        if due && self.rows_until_crash == Some(0) {
            // Between mark and sync.
            self.crashed = true;
            return Err(StoreError::Unavailable);
        }
        if due {
            self.sync();
        }
        Ok(())
    }

    fn replayed(&self) -> Result<MemoryStore, StoreError> {
        let mut rows = MemoryStore::new();
        let mut pending = Vec::new();
        for entry in &self.log {
            match entry {
                Entry::Row(row) => pending.push(row),
                Entry::Commit { rows: expected } if *expected == pending.len() => {
                    pending.drain(..).for_each(|row| rows.put(row));
                }
                Entry::Commit { .. } => return Err(StoreError::Corrupt),
            }
        }
        Ok(rows)
    }

    /// Writes what there is to a new log and puts it in the old one's place, as a rename does: at once or not at all.
    fn compact(&mut self) -> Result<(), StoreError> {
        let rows = self.replayed()?.rows();
        let count = rows.len();
        self.log = rows.into_iter().map(Entry::Row).collect();
        self.log.push(Entry::Commit { rows: count });
        self.compact_at = (count * 2).max(COMPACT_FROM);
        self.sync();
        Ok(())
    }
}

impl JobStore for JournalStore {
    fn commit(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        if self.crashed {
            return Err(StoreError::Unavailable);
        }
        for row in rows {
            self.append(Entry::Row(row.clone()))?;
        }
        self.append(Entry::Commit { rows: rows.len() })?;
        self.sync_by_policy()?;
        // Only where everything is synced, so that compaction makes nothing durable that was not.
        if self.log.len() > self.compact_at
            && self.synced == self.log.len()
            && self.rows_until_crash.is_none()
        {
            self.compact()?;
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Vec<Row>, StoreError> {
        if self.crashed {
            return Err(StoreError::Unavailable);
        }
        Ok(self.replayed()?.rows())
    }
}

//! Where a scheduler's durable state lives: rows, written together or not at all. A store never decides anything; it
//! only remembers.

mod conformance; // what every store has to do
mod journal; // rows in a log that survives a crash
mod memory; // rows in memory

pub use conformance::{Broken, check_store};
pub use journal::{FsyncPolicy, JournalStore};
pub use memory::MemoryStore;

use super::job::{Job, JobId, QueueId, ScheduleId};
use super::message::Leadership;
use crate::time::Time;
use std::fmt;

/// Keeps rows. Implement it over a database: one commit is one transaction.
pub trait JobStore {
    /// Writes all rows, in order, or none. When it returns `Ok` they are as durable as the store ever makes them.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was written.
    fn commit(&mut self, rows: &[Row]) -> Result<(), StoreError>;

    /// The latest row of each key, in any order; jobs that were removed are left out.
    ///
    /// # Errors
    /// [`StoreError`]: the rows cannot be read.
    fn load(&mut self) -> Result<Vec<Row>, StoreError>;
}

/// One durable row: the whole of it, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A job; boxed, for it is larger than all others.
    Job(Box<Job>),
    /// A job that is no longer kept.
    Removed(JobId),
    /// Counts that no other row tells.
    Counts(Counts),
    /// Whether a queue is paused.
    Queue {
        /// Which.
        queue: QueueId,
        /// Whether.
        paused: bool,
    },
    /// Who leads, or led last.
    Leader(Leadership),
    /// Up to when a schedule's ticks are noted.
    Schedule {
        /// Which.
        schedule: ScheduleId,
        /// The last tick.
        last_tick: Time,
    },
}

/// Counts that no other row tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs ever enqueued; the last one's id.
    pub enqueued: u64,
    /// Jobs that ended and are no longer kept.
    pub pruned: u64,
}

/// What a row is about: a later one of the same key replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RowKey {
    Job(JobId),
    Counts,
    Queue(QueueId),
    Leader,
    Schedule(ScheduleId),
}

impl Row {
    fn key(&self) -> RowKey {
        match self {
            Row::Job(job) => RowKey::Job(job.id),
            Row::Removed(id) => RowKey::Job(*id),
            Row::Counts(_) => RowKey::Counts,
            Row::Queue { queue, .. } => RowKey::Queue(*queue),
            Row::Leader(_) => RowKey::Leader,
            Row::Schedule { schedule, .. } => RowKey::Schedule(*schedule),
        }
    }
}

/// Why a store did not do what it should. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// It cannot write now: try again later.
    Unavailable,
    /// What it holds cannot be read: restore it.
    Corrupt,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unavailable => f.write_str("the store takes no writes now: try again later"),
            StoreError::Corrupt => f.write_str("the store cannot be read: restore it from a copy"),
        }
    }
}

impl std::error::Error for StoreError {}

//! Where a system keeps what must outlive a crash: keys and values of bytes, written in atomic batches. Knows
//! nothing of payments or jobs, and never touches a file: the disk is a trait, too.
//!
//! ```text
//! Batch (conditions + writes) -> Store::commit -> CommitNumber ... later ... Store::durable() >= CommitNumber
//! ```
//!
//! The law for whoever uses one: what leaves the house because of a commit (a request, an answer) leaves it when the
//! commit is *durable*, not before. [`Held`] keeps it until then.

mod batch; // what is written at once, and under which conditions
pub mod conformance; // the laws every store has to keep, as functions
mod disk; // append-only files that lose what was not synced
mod filed; // rows whose values are in a file
mod held; // what waits for a commit to be durable
mod memory; // the store that lives as long as the process
mod table; // keys, values and versions in memory, shared by both
mod wal; // the store that survives a crash

pub use batch::{Batch, Expected};
pub use disk::{Disk, DiskError, PowerCut, SimDisk};
pub use held::Held;
pub use memory::MemoryStore;
pub use wal::{FsyncPolicy, RecoverError, Recovered, WalConfig, WalStore};

use crate::time::Time;
use std::fmt;

/// The number of a commit: 1, 2, 3, ... in the order in which they happened. Also the version of what it wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitNumber(pub u64);

impl CommitNumber {
    /// Before the first commit.
    pub const NONE: CommitNumber = CommitNumber(0);
}

/// A value as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The commit that wrote it.
    pub version: CommitNumber,
    /// What it wrote.
    pub value: &'a [u8],
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// A condition of the batch does not hold: somebody else was faster. Read again, decide again.
    Conflict {
        /// The key it is about.
        key: Vec<u8>,
    },
    /// The disk failed, and what it holds of the last commits is not known. The store refuses everything from now on:
    /// open it again from the disk.
    Disk(DiskError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Conflict { key } => {
                write!(f, "`{}` has changed meanwhile: read it again and decide again", key.escape_ascii())
            }
            StoreError::Disk(error) => write!(f, "{error}: open the store again from its disk"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A store of keys and values with atomic, conditional, numbered commits. [`conformance`] has its laws.
pub trait Store {
    /// What is stored under a key.
    fn get(&self, key: &[u8]) -> Option<Stored<'_>>;

    /// Shows every key that begins with `prefix`, in the order of their bytes, until `visit` says `false`.
    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool);

    /// Writes all of a batch, or nothing. What is written is visible at once, and durable as soon as
    /// [`durable`](Store::durable) says so.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is visible.
    fn commit(&mut self, now: Time, batch: &Batch) -> Result<CommitNumber, StoreError>;

    /// Makes all commits durable, and says which is the last of them.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; then it is not known which are.
    fn sync(&mut self, now: Time) -> Result<CommitNumber, StoreError>;

    /// The last commit that a crash does not take; never falls.
    fn durable(&self) -> CommitNumber;

    /// When [`sync`](Store::sync) wants to be called; `None` if nothing waits for it.
    fn deadline(&self) -> Option<Time>;
}

#[cfg(test)]
mod tests;

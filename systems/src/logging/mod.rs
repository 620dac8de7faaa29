//! Logging: levels, sinks with bounded buffers, a journal that survives a crash, a shipper and a store at the end. Its
//! contract is bounded memory, and every lost line counted. Never waits, never writes a file itself.
//!
//! ```text
//! Levels -> Sink (sample, limit, repeat, buffer) -> Journal (segments, fsync) -> Shipper (checkpoint) -> LogStore
//! ```
//!
//! Each part keeps its own books and audits them: what came in is what went out, what was dropped by reason, and what
//! is still there.

mod audit; // the books of a sink, and what may be wrong with them
mod buffer; // bounded, with a policy for when it is full
mod class_limit; // how many lines of a class pass
mod frame; // length, checksum, record
mod journal; // segments on a disk, synced by policy
mod levels; // who may say what, by name
mod log_store; // where lines end up
mod record; // a line
mod recovery; // what a disk still holds after a crash
mod shipper; // from the journal to the store, at least once
mod sink; // from a logger to a buffer, and out of it in batches

pub use audit::{DropReason, Drops, Violation};
pub use buffer::{Buffer, BufferConfig, WhenFull};
pub use class_limit::{ClassLimit, ClassSeen};
pub use journal::{
    Appended, Journal, JournalConfig, JournalCounts, JournalError, JournalFsync, OnDiskFull, Position,
};
pub use levels::Levels;
pub use log_store::{LogStore, LogStoreConfig, LogStoreCounts, OutOfOrder, Pushed, Refusal};
pub use record::{Record, Severity};
pub use recovery::{JournalRecoverError, JournalRecovered};
pub use shipper::{Batch, LineSource, Shipper, ShipperConfig};
pub use sink::{DropReport, Offered, Sampling, Sink, SinkConfig};

#[cfg(test)]
mod tests;

//! The log: partitions of records that only grow at their end, each on several brokers, one of which leads. Followers
//! ask the leader for what comes next; what all replicas in sync have is below the *high watermark*, and only that is
//! read and acknowledged to all. Decides only: whoever drives sends, waits and says what time it is.
//!
//! The law for whoever drives a [`Broker`]: after each `handle` and `expire` carry out the outputs in order, then wait
//! for the next input or for `deadline`. The same holds for the [`Controller`].

mod audit; // the invariants, from outside and a little at a time
mod broker; // the replicas of one broker, and its disk
mod compaction; // of each key the last record stays
mod config; // what brokers and controllers are told
mod controller; // who leads, who is in sync
mod epochs; // where each leader's epoch begins
mod following; // the role of a follower
mod leading; // the role of a leader
mod message; // what is said
mod producers; // which idempotent producer has written what
mod record; // a record
mod replica; // a replica, whatever its role
mod segments; // its records

pub use audit::{LogAudit, Losses, Violation};
pub use broker::Broker;
pub(super) use config::none_is_zero;
pub use config::{BrokerConfig, ConfigError, ControllerConfig, Sabotage, TruncateBy};
pub use controller::{Controller, ControllerInput, ControllerOutput, ControllerRejected, ElectionCause};
pub use epochs::EpochHistory;
pub use message::{
    Acks, AlterIsr, Assignment, Fetch, Fetched, Found, Input, Output, Produce, Read, Rejected,
};
pub use producers::BATCHES_REMEMBERED;
pub use record::{Bytes, NewRecord, Record, Stamp};
pub use replica::Replica;
pub use segments::{Cleanup, LogConfig, LogCounts, PartitionLog};

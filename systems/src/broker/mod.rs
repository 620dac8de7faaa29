//! Carries messages from those who have something to say to those who work on it: a replicated, partitioned log
//! ([`log`]) with consumer groups ([`group`]), and a queue with visibility timeouts ([`queue`]). Decides only: it sends
//! nothing, reads no clock and draws no chance.
//!
//! ```text
//! client::Producer -> log::Broker (leader) -> log::Broker (followers)      log::Controller says who leads
//!                          |  below the high watermark
//!                          v
//! client::Poller <- assignment, commits -> group::Coordinator
//!
//! Send -> queue::Queue -> Receive (a handle, until its visibility ends) -> Delete | again | dead letters
//! ```

pub mod client; // the ends that users hold: a producer with a buffer, a member that polls
pub mod group; // who reads which partition, and how far
pub mod log; // partitions, replicas, leaders
mod names; // what the others are called
pub mod placement; // from key to partition
pub mod queue; // one message at a time, each acknowledged by itself

pub use names::{BrokerId, LeaderEpoch, MemberId, PartitionId, ProducerId};

#[cfg(test)]
mod tests;

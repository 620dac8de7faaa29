//! One limit for many nodes: a state machine on each node and one beside the store, which exchange typed messages.
//! Whoever drives them carries the messages, late, lost or twice as the network has it. Neither knows a clock or a
//! socket.
//!
//! The law for driving a [`LimiterNode`]: after every call that changes it, carry off what
//! [`poll_message`](LimiterNode::poll_message) and [`poll_decision`](LimiterNode::poll_decision) yield until both
//! yield nothing, then call [`expire`](LimiterNode::expire) no later than its
//! [`deadline`](LimiterNode::deadline). A [`LimiterStore`] answers every message at once.
//!
//! What holds over k nodes, `burst + rate * t` being the limit over t, or so many in each window:
//! * [`SyncMode::Central`] and [`SyncMode::Batching`]: what the store grants is within the limit. With batches, up to a
//!   batch for each node and key may be used later than it was granted.
//! * [`SyncMode::DelayedSync`]: at most `k * rate * d` above the limit, where d is the age of a node's knowledge: the
//!   interval between syncs and the time a message is under way. By windows: what the nodes have together is within the
//!   limit, but may be used up to d later than it was granted, in the next window; of a sliding one a part stays unused.
//! * Cut off: `k * limit` if open, the limit together if local, nothing if closed.

mod config; // what a node is told
mod counter; // what is counted of a key
mod limit; // the limit that is shared
mod message; // what nodes and store say to each other
mod node; // decides, asks, falls back
mod share; // a node's part of what is left
mod store; // holds the limit

pub use config::{DistributedError, NodeConfig, OnStoreError, SyncMode};
pub use limit::{SharedLimit, SharedLimitError};
pub use message::{FromStore, NodeIdentity, ToStore};
pub use node::{Answer, DecidedBy, Decision, LimiterNode, NodeStats, Ticket};
pub use store::LimiterStore;

//! Configuration: settings with revisions, published in releases, read in layers, and told of in order.
//!
//! ```text
//! Edit -> draft -> Publish (schema) -> Release, at one Revision -> watches, polls -> Client: layers, schema -> Snapshot
//! ```
//!
//! Both sides are state machines: [`Server`] over a [`Store`](crate::store::Store), [`Client`] in every process. Neither
//! reads a clock, waits, or sends anything itself.

mod canary; // whom a canary release reaches
mod client; // what a process knows, and how it keeps up
mod history; // all versions of all keys, as each instance sees them
mod key; // names and revisions
mod layers; // defaults < file < environment < remote < override
pub mod linearizability; // could a history have happened one by one?
mod message; // what both sides say to each other
mod release; // what was published, and by whom
mod schema; // what values are allowed
mod server; // keeps, publishes, tells
#[cfg(test)]
mod tests;
mod txn; // writes on conditions
mod value; // typed values
mod versions; // rows with all their versions
pub mod watch_log; // the six guarantees of a watch

pub use canary::{CanaryError, CanaryRule};
pub use client::{
    Apply, CacheError, Change, ChangeKind, ChangeSet, Client, ClientConfig, ClientConfigError,
    Input as ClientInput, Interest, LinkCounters, ListenerId, OnInvalid, OnStoreDown, Origin,
    Output as ClientOutput, Rejected as ClientRejected, SharedSnapshot, Snapshot, Transport,
};
pub use history::{Compacted, Entry, Event};
pub use key::{DEFAULT_CLUSTER, Key, KeyError, Revision, Scope};
pub use layers::{Effective, Layer, LocalLayers, Provenance, read_environment, read_properties};
pub use message::{
    Answer, Batch, Command, Input, LeaseId, Output, PeerId, Push, Refusal, Request, RequestId, View, WatchId,
};
pub use release::{
    Action, AuditEntry, Canary, Difference, Release, ReleaseId, ReleaseKind, ScopeState, diff,
};
pub use schema::{Field, Problem, Schema, Violation};
pub use server::{OpenError, Rejected, Server, ServerConfig, ServerConfigError, ServerStats};
pub use txn::{Compare, Txn, Write};
pub use value::{Kind, Secret, Value};

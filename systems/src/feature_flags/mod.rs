//! Feature flags: which behaviour a request gets, by rules over whom it comes from.
//!
//! Never reads a clock or a random source: the time of a date rule and the draw of a random rollout are part of the
//! context. The same revision, flag and context give the same answer on every node.

mod constraint;
mod context;
mod control;
mod date;
pub mod definition;
mod detail;
mod engine;
mod exposure;
mod flag;
pub mod growthbook;
mod hash;
mod network;
mod node;
mod prerequisite;
mod rollout;
mod rules;
mod semver;
mod shared;
#[cfg(test)]
mod tests;
mod text;
mod variant;

pub use constraint::{Operator, Test};
pub use context::{Context, Field, MissingSticky, Stickiness};
pub use control::{AuditEntry, ControlPlane};
pub use date::Instant;
pub use detail::{Detail, ErrorKind, Reason, Resolved};
pub use engine::{Engine, FlagConfig, LoadError, Prerequisites, StaleFlags, UnjudgedInverted};
pub use exposure::{Exposure, Exposures};
pub use flag::Flag;
pub use hash::{Murmur3, fnv1a32};
pub use network::Network;
pub use node::{
    Input, Node, NodeConfig, NodeConfigError, NodeCounters, Offline, Outbox, Output, Rejected, Status,
};
pub use rollout::{Activation, Strategy};
pub use rules::{MOST_PREREQUISITES, RuleSet};
pub use semver::Version;
pub use shared::SharedRules;
pub use variant::{Payload, PayloadValue, Variant};

//! What a node of a distributed limiter is told. Plain data.

use super::{SharedLimit, SharedLimitError};
use crate::time::Span;
use std::fmt;

/// How a node and the store share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Every check asks the store.
    Central,
    /// A node takes several permits at once and decides alone until they are used up.
    Batching {
        /// Permits asked for at once; a request that costs more asks for its cost. At least 1.
        batch: u64,
        /// How long a batch may be used.
        keep_for: Span,
    },
    /// A node decides alone on its part of what is left, under a limit by rate with the whole rate on top, and tells the
    /// store from time to time. Only the first check of a key waits for the store.
    DelayedSync {
        /// The interval between syncs. More than zero.
        every: Span,
    },
}

/// What a node does when the store does not answer in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreError {
    /// It goes on alone with its part of the limit: all nodes together stay within the limit.
    #[default]
    Local,
    /// It goes on alone with the whole limit: k nodes cut off pass up to k times the limit.
    Open,
    /// It refuses.
    Closed,
    /// It lets everything pass, as Envoy does unless `failure_mode_deny` is set. Nothing bounds that.
    Unlimited,
}

/// Everything about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// The limit of all nodes together.
    pub limit: SharedLimit,
    /// How many nodes there are. At least 1.
    pub nodes: u32,
    /// How node and store share the work.
    pub mode: SyncMode,
    /// How long an answer of the store is waited for. More than zero.
    pub timeout: Span,
    /// What happens then.
    pub on_store_error: OnStoreError,
    /// How long the store is left alone after it failed to answer; until then everything is decided as after a
    /// time-out. Zero asks again at once.
    pub retry_store_after: Span,
    /// Whether a refusal is remembered until its wait is over, so that the store is not asked again for the same key.
    pub cache_refusals: bool,
}

impl NodeConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DistributedError`] names the first field out of range.
    pub fn validate(&self) -> Result<(), DistributedError> {
        self.limit.validate().map_err(DistributedError::Limit)?;
        if self.nodes == 0 {
            return Err(DistributedError::NoNodes);
        }
        if self.timeout.is_zero() {
            return Err(DistributedError::NoTimeout);
        }
        match self.mode {
            SyncMode::Batching { batch: 0, .. } => Err(DistributedError::NoBatch),
            SyncMode::DelayedSync { every } if every.is_zero() => Err(DistributedError::NoInterval),
            SyncMode::Central | SyncMode::Batching { .. } | SyncMode::DelayedSync { .. } => Ok(()),
        }
    }
}

/// Why the config of a node is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistributedError {
    /// The limit is out of range.
    Limit(SharedLimitError),
    /// `nodes` is zero.
    NoNodes,
    /// `timeout` is zero.
    NoTimeout,
    /// `batch` is zero.
    NoBatch,
    /// `every` is zero.
    NoInterval,
}

impl fmt::Display for DistributedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DistributedError::Limit(error) => error.fmt(f),
            DistributedError::NoNodes => f.write_str("0 nodes: use 1 for a node that is alone"),
            DistributedError::NoTimeout => {
                f.write_str("a time-out of zero waits for no answer: use more than the store takes")
            }
            DistributedError::NoBatch => f.write_str("a batch of 0: use 1 or more, or the central mode"),
            DistributedError::NoInterval => {
                f.write_str("a sync interval of zero: use more than zero, or the central mode")
            }
        }
    }
}

impl std::error::Error for DistributedError {}

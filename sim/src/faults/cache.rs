//! Faults of caches: what they keep is gone at once, and the process goes on.

use super::NodeSelector;

/// All entries of caches are dropped in one instant: a flush by mistake, a key prefix that a release has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheWipe {
    /// Which replicas of caches.
    pub nodes: Vec<NodeSelector>,
}

//! The names of what a cache must never tell. Watches nothing itself: whoever keeps a cache does.

/// Invariants of caches, watched with every answer.
pub(crate) mod cache_invariant {
    /// No value is told as old as its lifetime.
    pub(crate) const WITHIN_LIFETIME: &str = "cache_within_lifetime";
    /// No value is told that was kept before the cache heard that it is no longer true.
    pub(crate) const AFTER_INVALIDATION: &str = "cache_after_invalidation";
}

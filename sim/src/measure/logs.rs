//! The ids of the invariants on logs. Who writes lines looks at them at every step.

/// What holds of every service that logs.
pub(crate) mod log_invariant {
    /// Lines said = delivered + dropped by reason + buffered, at every instant.
    pub(crate) const ACCOUNTED: &str = "log_lines_accounted";
    /// A buffer never holds more than it may.
    pub(crate) const BOUNDED: &str = "log_memory_bounded";
    /// Every drop stands in a report within the reporting interval.
    pub(crate) const REPORTED: &str = "log_drops_reported";
    /// A request that is audited is answered when its line is stored, and never before.
    pub(crate) const AUDIT: &str = "log_audit_stored";
    /// A crash takes no line that the fsync policy promises to keep.
    pub(crate) const DURABLE: &str = "log_durable_kept";
    /// From the writer to the store, at every instant: lines said = dropped + in memory + on disk + lost in a crash + stored.
    pub(crate) const SHIPPED: &str = "log_shipped_accounted";
    /// A shipper's checkpoint is never ahead of what the store has acknowledged.
    pub(crate) const CHECKPOINT: &str = "log_checkpoint_behind";
    /// A store takes every line once.
    pub(crate) const STORED_ONCE: &str = "log_stored_once";
    /// What a store has acknowledged outlives its crash, unless its settings say otherwise.
    pub(crate) const STORE_KEPT: &str = "log_store_kept";
}

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
}

//! Faults of processors: slower, or stopped when a quota is used up.

use super::NodeSelector;
use crate::kernel::time::Span;

/// Work takes a multiple of its time; the factors of overlapping faults multiply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowCpu {
    /// Which replicas.
    pub nodes: Vec<NodeSelector>,
    /// The multiple in thousandths, at least 1.
    pub factor_milli: u64,
}

/// Processor time per period is bounded: run, then stand still to the period's end (as control groups do).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuQuota {
    /// Which replicas.
    pub nodes: Vec<NodeSelector>,
    /// Processor time per period.
    pub quota: Span,
    /// The period.
    pub period: Span,
}

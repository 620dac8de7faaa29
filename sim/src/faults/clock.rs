//! Faults of clocks: skew, drift, jump.

use super::NodeSelector;

/// The clocks of these replicas are wrong while the fault lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockFault {
    /// Which replicas.
    pub nodes: Vec<NodeSelector>,
    /// How they are wrong.
    pub change: ClockChange,
}

/// How a clock is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Ahead by this many nanoseconds (behind if negative) while the fault lasts.
    Skew(i64),
    /// Gains this many parts per billion (loses if negative); what it gained stays until the fault ends.
    DriftPpb(i64),
    /// Steps by this many nanoseconds once and stays so to the end of the run, whenever the fault ends.
    Jump(i64),
}

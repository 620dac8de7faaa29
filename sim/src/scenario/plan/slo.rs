//! Objectives: what is measured, on whom, when, and what has to hold; and what the author expects.

use std::fmt;

use super::{EdgeId, EntryEdge, LoadId, OperationId, ServiceId};
use crate::kernel::time::{Span, Time};

/// A service level objective.
#[derive(Clone, Debug, PartialEq)]
pub struct SloPlan {
    /// Its unique name.
    pub id: String,
    /// What is measured.
    pub metric: Metric,
    /// On whom.
    pub target: Target,
    /// What has to hold.
    pub bound: Bound,
    /// When.
    pub window: SloWindow,
}

/// What is measured. Units: nanoseconds, parts per million, thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Latency of good requests from their intended start (loads, edges: from the call; services: from arrival), ns.
    Latency(Stat),
    /// The same over all requests that ended, good or not, ns.
    LatencyAll(Stat),
    /// Share of ended requests that failed, ppm.
    ErrorRate,
    /// Share of ended requests that were good, ppm.
    Availability,
    /// Good requests per second, thousandths.
    Goodput,
    /// Attempts over an edge (or all edges into a service) for each call that was wanted, thousandths.
    AttemptsPerRequest,
    /// Attempts that reach a service for each request the loads offered, thousandths.
    Amplification,
    /// Waiting requests of a service, thousandths for the mean, whole for the maximum times 1000.
    QueueDepth(Stat),
    /// Busy share of a service's workers, ppm.
    Utilization,
    /// From a timeline edge until the load is well again, ns.
    RecoveryTime,
}

/// A statistic of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stat {
    /// Arithmetic mean.
    Mean,
    /// The quantile in parts per million: 990_000 is p99.
    Quantile(u32),
    /// The largest.
    Max,
}

/// On whom something is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The requests of a load, all or one operation.
    Load(LoadId, Option<OperationId>),
    /// A service, all replicas together.
    Service(ServiceId),
    /// An edge, all caller replicas together.
    Edge(EdgeId),
}

/// What has to hold, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The comparison.
    pub comparison: Comparison,
    /// The limit.
    pub limit: u64,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Bound {
    /// Whether `value` is within the bound.
    pub const fn holds(self, value: u64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
        })
    }
}

/// When an objective has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SloWindow {
    /// Over this stretch of time as a whole.
    Over {
        /// From here,
        from: Time,
        /// to here.
        to: Time,
    },
    /// On the measuring grid, at the latest so long after a timeline edge, and from then on for five
    /// intervals (or to the end of the load).
    Within {
        /// How long it may take.
        within: Span,
        /// After what.
        after: EntryEdge,
    },
}

/// How fast every load has to be well again after the last fault ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessPlan {
    /// The longest time allowed.
    pub recovered_within: Span,
}

/// What the author of a scenario expects of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// `pass` or `fail`.
    pub verdict: Option<ExpectedVerdict>,
    /// Exactly these objectives, invariants or `liveness` fail; empty: not stated.
    pub failing: Vec<String>,
    /// Texts each of which some finding has to contain.
    pub findings: Vec<String>,
    /// Timeline entries or edit ids that `why` has to name as root causes.
    pub why_root: Vec<String>,
    /// Those it must not name.
    pub why_not_root: Vec<String>,
}

/// The verdict an author expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVerdict {
    /// Every objective and invariant holds.
    Pass,
    /// Something does not.
    Fail,
}

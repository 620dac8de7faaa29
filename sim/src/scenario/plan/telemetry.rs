//! What the replicas of a service report of themselves.

use super::{LinkId, ServiceId};
use crate::kernel::time::Span;

/// What every replica of a service measures of itself, and to whom it reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPlan {
    /// Who collects the reports.
    pub to: ServiceId,
    /// From the service to whoever collects.
    pub report_link: LinkId,
    /// The other way, for acknowledgements.
    pub answer_link: LinkId,
    /// From one report to the next.
    pub every: Span,
    /// What latencies are kept in.
    pub histogram: HistogramKind,
    /// What the numbers of a report count.
    pub temporality: Temporality,
    /// Reports kept and sent again until they are acknowledged.
    pub queue: u32,
    /// Share of requests whose latency is recorded.
    pub sample_ppm: u32,
    /// From which latency on a request is slow, and the share of these that is recorded.
    pub slow: Option<(Span, u32)>,
    /// How often whoever is measured should have been asked.
    pub expected_interval: Option<Span>,
    /// Whether requests are counted apart by operation.
    pub by_operation: bool,
    /// Whether they are counted apart by key.
    pub by_key: bool,
    /// Most series a replica counts apart.
    pub max_series: u32,
}

/// What latencies are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistogramKind {
    /// Two significant digits, from 1 ns to 1 h.
    Hdr,
    /// Quantiles within one percent.
    Relative,
    /// Eleven bounds from 5 ms to 10 s.
    Classic,
    /// Bounds at powers of two's roots.
    Exponential,
}

/// What the numbers of a report count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// What happened since the last report.
    Delta,
    /// What happened since the process started.
    Cumulative,
}

/// What a kind of node has to do with the system's own monitoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TelemetryRole {
    /// Nothing.
    #[default]
    None,
    /// Its replicas can report.
    Reports,
    /// It collects reports.
    Collects,
}

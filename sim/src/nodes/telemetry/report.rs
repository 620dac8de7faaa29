//! What a replica tells of itself in one message.

use foreshock_systems::metrics::Accumulator;

use super::Distribution;
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::{OperationId, ServiceId, Temporality};

/// What a replica tells of itself in one message. The times are those of its own clock.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of which service.
    pub service: ServiceId,
    /// Which replica, from 0.
    pub replica: u32,
    /// Counts the lives of the process, from 1.
    pub life: u32,
    /// Counts the reports of this life, from 1.
    pub sequence: u64,
    /// When the process started.
    pub started: Time,
    /// Begin of what it covers.
    pub from: Time,
    /// End of what it covers, excluded.
    pub to: Time,
    /// Whether the numbers count from `from` or from `started` on.
    pub temporality: Temporality,
    /// Whether the sender waits to hear that it was taken.
    pub wants_answer: bool,
    /// Whether the replica is no longer wanted: its silence means nothing.
    pub leaves: bool,
    /// Requests answered.
    pub requests: u64,
    /// Of these, not as wanted.
    pub errors: u64,
    /// Latencies of those that were recorded.
    pub latency: Distribution,
    /// The same, with those of the requests that were not made.
    pub corrected: Option<Distribution>,
    /// The replica's own 99th percentile since the last report, as a dashboard of single replicas shows it.
    pub own_p99: Option<Span>,
    /// Requests counted apart.
    pub series: Vec<SeriesCount>,
    /// Requests that would have needed more series than the replica keeps.
    pub overflowed: u64,
}

/// Requests counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesCount {
    /// Which operation, if that is a label.
    pub operation: Option<OperationId>,
    /// Which key, if that is a label.
    pub key: Option<u64>,
    /// How many.
    pub requests: u64,
}

impl Report {
    /// Recorded latencies it brings.
    pub fn events(&self) -> u64 {
        self.latency.count()
    }

    /// Bytes it takes while it is under way.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let corrected = self.corrected.as_ref().map_or(0, Distribution::memory_bytes);
        let series = self.series.len() * size_of::<SeriesCount>();
        size_of::<Report>() as u64 + self.latency.memory_bytes() + corrected + series as u64
    }
}

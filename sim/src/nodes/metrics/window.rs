//! One window of a service's reports: everything joined by bucket, and beside it what a dashboard that averages the
//! replicas' own percentiles would show.

use foreshock_systems::metrics::window::{Pane, PaneKind};
use foreshock_systems::metrics::{Accumulator, ShapeMismatch};

use crate::kernel::time::Span;
use crate::measure::WindowTold;
use crate::nodes::telemetry::Distribution;

/// What replicas have reported of one window.
#[derive(Clone, Debug)]
pub(super) struct FleetWindow {
    pub(super) latency: Distribution,
    pub(super) corrected: Option<Distribution>,
    pub(super) requests: u64,
    /// Time that the requests were counted in, of all replicas together.
    pub(super) covered_ns: u128,
    pub(super) percentiles: Average,
    /// Which replicas are in it, a bit each.
    pub(super) reporters: Vec<u64>,
}

/// An average that ought not to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Average {
    sum_ns: u128,
    count: u64,
}

impl Average {
    pub(super) fn of(value: Option<Span>) -> Average {
        value.map_or_else(Average::default, |span| Average { sum_ns: u128::from(span.as_nanos()), count: 1 })
    }

    pub(super) fn add(&mut self, other: Average) {
        self.sum_ns += other.sum_ns;
        self.count += other.count;
    }

    pub(super) fn mean_ns(self) -> Option<u64> {
        let mean_ns = self.sum_ns.checked_div(u128::from(self.count))?;
        Some(u64::try_from(mean_ns).unwrap_or(u64::MAX))
    }
}

impl FleetWindow {
    /// An empty window of `replicas` replicas.
    pub(super) fn blank(
        latency: Distribution,
        corrected: Option<Distribution>,
        replicas: u32,
    ) -> FleetWindow {
        FleetWindow {
            latency,
            corrected,
            requests: 0,
            covered_ns: 0,
            percentiles: Average::default(),
            reporters: vec![0; (replicas as usize).div_ceil(64)],
        }
    }

    fn replicas(&self) -> u32 {
        self.reporters.iter().map(|word| word.count_ones()).sum()
    }

    /// Requests a second of the replicas in it, thousandths, by the time they counted for: a report that makes up for
    /// others that did not come is no spike.
    fn rate_milli_per_s(&self) -> u64 {
        let counted = u128::from(self.requests) * u128::from(self.replicas()) * 1_000_000_000_000;
        let rate = counted.checked_div(self.covered_ns).unwrap_or(0);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// What is told of a window; `None` of an addition to one that is no longer held.
pub(super) fn told(pane: &Pane<'_, FleetWindow>) -> Option<WindowTold> {
    let revised = match pane.kind {
        PaneKind::OnTime => false,
        PaneKind::Revised => true,
        PaneKind::Added => return None,
    };
    let content = pane.content;
    Some(WindowTold {
        start: pane.start,
        events: content.latency.count(),
        p99_ns: content.latency.p99()?.as_nanos(),
        averaged_p99_ns: content.percentiles.mean_ns()?,
        rate_milli_per_s: content.rate_milli_per_s(),
        replicas: content.replicas(),
        revised,
    })
}

impl Accumulator for FleetWindow {
    fn record_n(&mut self, value: u64, count: u64) {
        self.latency.record_n(value, count);
    }

    fn merge(&mut self, other: &FleetWindow) -> Result<(), ShapeMismatch> {
        // Tried first, so that nothing is changed if the shapes differ.
        match (&mut self.corrected, &other.corrected) {
            (Some(mine), Some(theirs)) => mine.merge(theirs)?,
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => return Err(ShapeMismatch),
        }
        self.latency.merge(&other.latency)?;
        self.requests += other.requests;
        self.covered_ns += other.covered_ns;
        self.percentiles.add(other.percentiles);
        for (mine, theirs) in self.reporters.iter_mut().zip(&other.reporters) {
            *mine |= theirs;
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.latency.clear();
        if let Some(corrected) = &mut self.corrected {
            corrected.clear();
        }
        self.requests = 0;
        self.covered_ns = 0;
        self.percentiles = Average::default();
        self.reporters.fill(0);
    }

    fn count(&self) -> u64 {
        self.latency.count()
    }
}

//! Measuring for one objective: its window as a whole, and each interval of the grid. Judges nothing.

use super::SloMeasured;
use super::histogram::Durations;
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::{Metric, RunPlan, SloPlan, SloWindow, Stat, Target};

/// What can be counted up to an instant; differences of two give a window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// What the metric divides by: ended requests, calls, nanoseconds.
    pub(crate) whole: u128,
    /// What it divides.
    pub(crate) part: u128,
}

impl Counters {
    fn since(self, earlier: Counters) -> Counters {
        Counters {
            whole: self.whole.saturating_sub(earlier.whole),
            part: self.part.saturating_sub(earlier.part),
        }
    }

    /// `part / whole` in units of 1 / `scale`.
    fn ratio(self, scale: u128) -> Option<u64> {
        if self.whole == 0 {
            return None;
        }
        Some(u64::try_from(self.part * scale / self.whole).unwrap_or(u64::MAX))
    }
}

/// The measuring for one objective.
pub(crate) struct Watch {
    pub(crate) plan: SloPlan,
    from: Time,
    to: Time,
    total: Option<Durations>,
    interval: Option<Durations>,
    at_from: Counters,
    at_to: Option<Counters>,
    at_grid: Counters,
    interval_max: u64,
    total_max: u64,
    /// Ended and good requests, counted here only if the objective is about one operation.
    operation: Option<Counters>,
    intervals: Vec<Option<u64>>,
}

impl Watch {
    pub(crate) fn new(plan: &SloPlan, run: &RunPlan) -> Watch {
        let (from, to) = match plan.window {
            SloWindow::Over { from, to } => (from, to),
            SloWindow::Within { .. } => (Time::ZERO, run.end()),
        };
        let timed = matches!(plan.metric, Metric::Latency(_) | Metric::LatencyAll(_));
        Watch {
            plan: plan.clone(),
            from,
            to,
            total: timed.then(|| Durations::new(3)),
            interval: timed.then(|| Durations::new(2)),
            at_from: Counters::default(),
            at_to: None,
            at_grid: Counters::default(),
            interval_max: 0,
            total_max: 0,
            operation: matches!(plan.target, Target::Load(_, Some(_))).then(Counters::default),
            intervals: Vec::with_capacity(run.intervals()),
        }
    }

    pub(crate) fn window(&self) -> (Time, Time) {
        (self.from, self.to)
    }

    /// A request of the one operation this objective is about has ended.
    pub(crate) fn count_operation(&mut self, good: bool) {
        if let Some(counters) = &mut self.operation {
            counters.whole += 1;
            counters.part += u128::from(good);
        }
    }

    pub(crate) fn operation_counters(&self) -> Option<Counters> {
        self.operation
    }

    #[inline]
    pub(crate) fn record(&mut self, now: Time, latency: Span) {
        if let Some(interval) = &mut self.interval {
            interval.record(latency);
        }
        if now >= self.from
            && now < self.to
            && let Some(total) = &mut self.total
        {
            total.record(latency);
        }
    }

    /// A level that is sampled whenever it changes; only its maximum counts.
    #[inline]
    pub(crate) fn level(&mut self, now: Time, level: u64) {
        self.interval_max = self.interval_max.max(level);
        if now >= self.from && now < self.to {
            self.total_max = self.total_max.max(level);
        }
    }

    /// What was counted when the window began: ended requests, of a ratio of requests.
    pub(crate) fn ended_before_window(&self) -> u128 {
        self.at_from.whole
    }

    /// What was counted in the window up to now, or to its end.
    pub(crate) fn in_window(&self, now: Counters) -> Counters {
        self.at_to.unwrap_or(now).since(self.at_from)
    }

    /// How many in the window so far were surely slower than `limit_ns`, by the resolution of the histogram.
    pub(crate) fn slower_than(&self, limit_ns: u64) -> u64 {
        self.total.as_ref().map_or(0, |total| total.count_above(limit_ns))
    }

    pub(crate) fn window_begins(&mut self, counters: Counters) {
        self.at_from = counters;
    }

    pub(crate) fn window_ends(&mut self, counters: Counters) {
        self.at_to = Some(counters);
    }

    pub(crate) fn grid(&mut self, counters: Counters) {
        let stat = self.stat();
        let value = match &mut self.interval {
            Some(durations) => stat_of(durations, stat),
            None => self.value(counters.since(self.at_grid), self.interval_max),
        };
        self.intervals.push(value);
        self.at_grid = counters;
        self.interval_max = 0;
        if let Some(interval) = &mut self.interval {
            interval.clear();
        }
    }

    fn stat(&self) -> Stat {
        match self.plan.metric {
            Metric::Latency(stat) | Metric::LatencyAll(stat) | Metric::QueueDepth(stat) => stat,
            Metric::ErrorRate
            | Metric::Availability
            | Metric::Goodput
            | Metric::AttemptsPerRequest
            | Metric::Amplification
            | Metric::Utilization
            | Metric::RecoveryTime => Stat::Mean,
        }
    }

    fn value(&self, counters: Counters, max: u64) -> Option<u64> {
        match self.plan.metric {
            Metric::ErrorRate | Metric::Availability | Metric::Utilization => counters.ratio(1_000_000),
            // Good requests per nanosecond, in thousandths per second.
            Metric::Goodput => counters.ratio(1_000_000_000_000),
            Metric::AttemptsPerRequest | Metric::Amplification => counters.ratio(1_000),
            Metric::QueueDepth(Stat::Max) => Some(max.saturating_mul(1_000)),
            Metric::QueueDepth(Stat::Mean | Stat::Quantile(_)) => counters.ratio(1_000),
            Metric::Latency(_) | Metric::LatencyAll(_) | Metric::RecoveryTime => None,
        }
    }

    pub(crate) fn finish(mut self, counters: Counters) -> SloMeasured {
        let end = self.at_to.unwrap_or(counters);
        let stat = self.stat();
        let value = match &mut self.total {
            Some(durations) => stat_of(durations, stat),
            None => self.value(end.since(self.at_from), self.total_max),
        };
        SloMeasured { value, intervals: std::mem::take(&mut self.intervals) }
    }
}

fn stat_of(durations: &mut Durations, stat: Stat) -> Option<u64> {
    if durations.count() == 0 {
        return None;
    }
    Some(match stat {
        Stat::Mean => durations.mean_ns(),
        Stat::Quantile(ppm) => durations.quantile_ns(ppm),
        Stat::Max => durations.max_ns(),
    })
}

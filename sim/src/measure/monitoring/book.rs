//! What really happened at one service that reports on itself, and where everything it recorded has gone.

use std::collections::BTreeMap;

use super::MonitoringEnd;
use super::windows::{Windows, WindowsMeasured};
use crate::kernel::time::{Span, Time};
use crate::measure::Summary;
use crate::measure::histogram::Durations;
use crate::scenario::plan::{ServiceId, TelemetryPlan, Temporality};

/// The harness' book on one service.
pub(super) struct Book {
    temporality: Temporality,
    answered: u64,
    latency: Durations,
    /// By replica and life.
    lives: BTreeMap<(u32, u32), Life>,
    lost: u64,
    pub(super) windows: Windows,
}

#[derive(Clone, Copy, Default)]
struct Life {
    recorded: u64,
    arrived: u64,
}

/// What a replica has measured and nobody was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreported {
    /// Waits for the next report.
    pub buffered: u64,
    /// Was in no report when the process died.
    pub lost_in_crash: u64,
}

/// Where the recorded latencies of a service are. Whoever collects them knows all but the last two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventAccounts {
    /// In windows that are told and past their lateness.
    pub in_windows: u64,
    /// In windows that may still change.
    pub open: u64,
    /// Told as an addition to windows that were closed.
    pub reopened: u64,
    /// Dropped, having come too late.
    pub late: u64,
    /// Dropped, claiming to come from too far ahead.
    pub early: u64,
    /// Refused, being divided into other buckets than the windows.
    pub refused: u64,
    /// Lost on the way, for lack of room in a queue, or in a crash.
    pub lost: u64,
    /// On the way, or not in a report yet.
    pub in_flight: u64,
}

impl EventAccounts {
    /// All of them.
    pub fn total(&self) -> u128 {
        let Self { in_windows, open, reopened, late, early, refused, lost, in_flight } = *self;
        [in_windows, open, reopened, late, early, refused, lost, in_flight].into_iter().map(u128::from).sum()
    }
}

/// How long nothing was heard of a replica, at the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Which replica, from 0.
    pub replica: u32,
    /// For how long, by the clock of whoever collects.
    pub lasted: Span,
    /// When it was last heard of before.
    pub since: Time,
}

/// What a node that collects has made of the reports of one service. Latencies in nanoseconds.
#[derive(Clone, Debug)]
pub struct CollectedProbe {
    /// Whose reports.
    pub service: ServiceId,
    /// Reports taken.
    pub reports: u64,
    /// Reports that had been taken before.
    pub duplicates: u64,
    /// Where their events are, as far as it knows.
    pub events: EventAccounts,
    /// Requests answered, as reported.
    pub requests: u64,
    /// Of these, not as wanted.
    pub errors: u64,
    /// 99th percentile of all latencies that are in windows.
    pub p99_ns: Option<u64>,
    /// Average of all 99th percentiles that replicas reported of their own.
    pub averaged_p99_ns: Option<u64>,
    /// 99th percentile with the requests that were not made.
    pub corrected_p99_ns: Option<u64>,
    /// Restarts noticed.
    pub counter_resets: u64,
    /// Reports of running sums that made up for others that did not come.
    pub bridged: u64,
    /// Most replicas that were silent for too long at once.
    pub stale_max: u32,
    /// Silences that were too long: the longest of each replica.
    pub silences: Vec<Silence>,
}

/// An alert over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertMeasured {
    /// Times it began to fire.
    pub fired: u64,
    /// Times it ceased to.
    pub resolved: u64,
    /// When it first fired.
    pub first_fired: Option<Time>,
    /// When it first ceased to.
    pub first_resolved: Option<Time>,
    /// When it first ceased to while data was missing that it is about.
    pub first_resolved_blind: Option<Time>,
}

impl AlertMeasured {
    pub(super) fn changed(&mut self, fires: bool, is_missing: bool, now: Time) {
        if !fires && is_missing {
            self.first_resolved_blind.get_or_insert(now);
        }
        let (count, first) = match fires {
            true => (&mut self.fired, &mut self.first_fired),
            false => (&mut self.resolved, &mut self.first_resolved),
        };
        *count += 1;
        first.get_or_insert(now);
    }
}

/// The monitoring of one service, as it was and as it was told.
#[derive(Clone, Debug)]
pub struct MonitoringMeasured {
    /// The service that reports.
    pub service: String,
    /// The one that collects.
    pub aggregator: String,
    /// Requests its replicas answered.
    pub answered: u64,
    /// Their time from arrival to answer, as it was.
    pub latency: Summary,
    /// Of these, recorded by the replicas: the others were left out by sampling.
    pub recorded: u64,
    /// Where what was recorded is now.
    pub events: EventAccounts,
    /// What became of the windows.
    pub windows: WindowsMeasured,
    /// What was made of the reports; `None` if nobody collects them.
    pub collected: Option<CollectedProbe>,
}

impl Book {
    pub(super) fn new(plan: &TelemetryPlan) -> Book {
        Book {
            temporality: plan.temporality,
            answered: 0,
            latency: Durations::new(3),
            lives: BTreeMap::new(),
            lost: 0,
            windows: Windows::new(),
        }
    }

    #[inline]
    pub(super) fn answered(&mut self, who: (u32, u32), latency: Span, recorded: bool, now: Time) {
        self.answered += 1;
        self.latency.record(latency);
        self.windows.record(latency, now);
        if recorded {
            self.lives.entry(who).or_default().recorded += 1;
        }
    }

    pub(super) fn arrived(&mut self, who: (u32, u32), events: u64) {
        let life = self.lives.entry(who).or_default();
        life.arrived = match self.temporality {
            Temporality::Delta => life.arrived + events,
            Temporality::Cumulative => life.arrived.max(events),
        };
    }

    /// A report was lost. A running sum is not: the next one brings it again.
    pub(super) fn lost(&mut self, events: u64) {
        self.lost += match self.temporality {
            Temporality::Delta => events,
            Temporality::Cumulative => 0,
        };
    }

    pub(super) fn finish(
        mut self,
        (service, aggregator): (String, String),
        id: ServiceId,
        collected: Option<CollectedProbe>,
        end: &MonitoringEnd,
    ) -> MonitoringMeasured {
        let mut events = collected.as_ref().map_or_else(EventAccounts::default, |probe| probe.events);
        (events.lost, events.in_flight) = match self.temporality {
            Temporality::Delta => {
                let unreported = end.unreported.get(&id).copied().unwrap_or_default();
                let under_way = end.under_way.get(&id).copied().unwrap_or(0);
                (self.lost + unreported.lost_in_crash, unreported.buffered + under_way)
            }
            Temporality::Cumulative => self.outstanding(end.alive.get(&id).map_or(&[], Vec::as_slice)),
        };
        MonitoringMeasured {
            service,
            aggregator,
            answered: self.answered,
            latency: self.latency.summary(),
            recorded: self.lives.values().map(|life| life.recorded).sum(),
            events,
            windows: self.windows.finish(),
            collected,
        }
    }

    /// Of running sums, what had not arrived: lost with the lives that are over, and still to come from the others.
    fn outstanding(&self, alive: &[u32]) -> (u64, u64) {
        let (mut lost, mut to_come) = (0, 0);
        for ((replica, number), life) in &self.lives {
            let latest = self.lives.range((*replica, *number)..=(*replica, u32::MAX)).count() == 1;
            let waiting = life.recorded.saturating_sub(life.arrived);
            match latest && alive.contains(replica) {
                true => to_come += waiting,
                false => lost += waiting,
            }
        }
        (lost, to_come)
    }
}

impl MonitoringMeasured {
    /// Whether the recorded latencies are all accounted for; else what is wrong.
    pub fn unbalanced(&self) -> Option<String> {
        (u128::from(self.recorded) != self.events.total()).then(|| {
            let EventAccounts { in_windows, open, reopened, late, early, refused, lost, in_flight } = self.events;
            format!(
                "`{}` recorded {} latencies, which are not those in windows {in_windows} + in open windows {open} + \
                 reopened {reopened} + late {late} + early {early} + refused {refused} + lost {lost} + in flight \
                 {in_flight}",
                self.service, self.recorded
            )
        })
    }

    /// What the report shows: names and numbers.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let us = |ns: u64| ns / 1_000;
        let (events, windows) = (&self.events, &self.windows);
        let mut counts = vec![
            ("answered", self.answered),
            ("true_p99_us", us(self.latency.p99_ns)),
            ("recorded", self.recorded),
            ("in_windows", events.in_windows + events.reopened),
            ("in_open_windows", events.open),
            ("late_dropped", events.late),
            ("early_dropped", events.early),
            ("refused", events.refused),
            ("lost", events.lost),
            ("in_flight", events.in_flight),
            ("windows", windows.told),
            ("windows_revised", windows.revised),
            ("windows_untold", windows.untold),
            ("window_replicas_min", u64::from(windows.fewest_replicas.unwrap_or(0))),
            ("worst_window_reported_p99_us", us(windows.highest_told_ns)),
            ("worst_window_true_p99_us", us(windows.highest_true_ns)),
        ];
        if let Some(gap) = windows.too_low {
            counts.extend([("gap_max_milli", gap.ratio_milli()), ("gap_max_at_us", gap.start.as_micros())]);
        }
        if let Some(gap) = windows.averaged {
            counts.push(("averaged_gap_max_milli", gap.ratio_milli()));
        }
        if let Some((low, high)) = windows.rates_milli_per_s {
            counts.extend([("rate_min_milli_per_s", low), ("rate_max_milli_per_s", high)]);
        }
        if let Some(collected) = &self.collected {
            let silence = collected.silences.iter().map(|silence| silence.lasted).max();
            counts.extend([
                ("reports", collected.reports),
                ("reports_duplicate", collected.duplicates),
                ("requests", collected.requests),
                ("errors", collected.errors),
                ("counter_resets", collected.counter_resets),
                ("reports_bridged", collected.bridged),
                ("stale_replicas_max", u64::from(collected.stale_max)),
                ("longest_silence_us", us(silence.unwrap_or(Span::ZERO).as_nanos())),
            ]);
            let percentiles = [
                ("reported_p99_us", collected.p99_ns),
                ("averaged_p99_us", collected.averaged_p99_ns),
                ("corrected_p99_us", collected.corrected_p99_ns),
            ];
            counts.extend(percentiles.into_iter().filter_map(|(name, ns)| Some((name, us(ns?)))));
        }
        counts.into_iter().map(|(name, count)| (format!("{}.{name}", self.service), count)).collect()
    }
}

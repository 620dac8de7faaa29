//! What is collected of one service: its windows, its replicas and how long each has been silent. A replica that is not
//! heard of is missing; it never counts as one that has nothing to do.

use foreshock_systems::metrics::Accumulator;
use foreshock_systems::metrics::window::{EventWindowConfig, EventWindows, Placed};

use super::life::{Addition, Life};
use super::settings::Settings;
use super::window::{Average, FleetWindow, told};
use crate::kernel::time::{Span, Time};
use crate::measure::{CollectedProbe, EventAccounts, Silence, WindowTold};
use crate::nodes::telemetry::{Distribution, Report};
use crate::scenario::plan::{Plan, ServiceId, TelemetryPlan};

/// Lives of a replica that are told apart: reports of earlier ones are not waited for.
const LIVES: usize = 16;

/// The reports of one service.
pub(super) struct Source {
    pub(super) service: ServiceId,
    pub(super) name: String,
    windows: EventWindows<FleetWindow>,
    /// Told and not handed on yet.
    pub(super) told: Vec<WindowTold>,
    replicas: Vec<Replica>,
    /// All that is in windows.
    overall: FleetWindow,
    /// What was taken: events of accounts that the windows do not keep, and counts.
    refused: u64,
    reports: u64,
    duplicates: u64,
    requests: u64,
    errors: u64,
    counter_resets: u64,
    bridged: u64,
    stale_max: u32,
}

#[derive(Default)]
struct Replica {
    heard_at: Option<Time>,
    silence: Option<Silence>,
    lives: Vec<Life>,
}

/// What has become of a report.
#[allow(clippy::large_enum_variant, reason = "made once for each report and taken apart at once")]
pub(super) enum Taken {
    /// It adds nothing.
    Known,
    /// It was taken.
    Added(Addition),
}

impl Source {
    pub(super) fn new(
        service: ServiceId,
        telemetry: &TelemetryPlan,
        plan: &Plan,
        settings: &Settings,
    ) -> Source {
        let own = &plan.services[service.index()];
        let latency = Distribution::new(telemetry.histogram);
        let corrected = telemetry.expected_interval.map(|_| latency.clone());
        let blank = FleetWindow::blank(latency, corrected, own.max_replicas);
        let patience = settings.window.max(telemetry.every);
        let config = EventWindowConfig {
            allowed_lateness: settings.lateness,
            max_ahead: settings.max_ahead.unwrap_or(settings.window),
            late: settings.late,
            early: settings.early,
            sources: own.max_replicas,
            idle_after: settings
                .idle_after
                .unwrap_or(patience.saturating_mul(2).min(settings.longest_wait())),
            ..EventWindowConfig::tumbling(settings.window)
        };
        let windows = EventWindows::new(config, &blank, Time::ZERO);
        Source {
            service,
            name: own.name.clone(),
            windows: windows.expect("window and lateness were checked"),
            told: Vec::new(),
            replicas: (0..own.max_replicas).map(|_| Replica::default()).collect(),
            overall: blank,
            refused: 0,
            reports: 0,
            duplicates: 0,
            requests: 0,
            errors: 0,
            counter_resets: 0,
            bridged: 0,
            stale_max: 0,
        }
    }

    /// A report has come at `now` by the clock of whoever collects.
    pub(super) fn take(&mut self, now: Time, report: &Report, stale_after: Span) -> Taken {
        let Some(replica) = self.replicas.get_mut(report.replica as usize) else { return Taken::Known };
        replica.heard(now, report, stale_after);
        let (life, is_reset) = replica.life(report);
        self.counter_resets += u64::from(is_reset);
        let Some(addition) = life.take(report) else {
            self.duplicates += 1;
            return Taken::Known;
        };
        self.reports += 1;
        self.requests += addition.requests;
        self.errors += addition.errors;
        self.bridged += u64::from(addition.bridges);
        self.place(now, report, &addition);
        Taken::Added(addition)
    }

    fn place(&mut self, now: Time, report: &Report, addition: &Addition) {
        let mut batch = FleetWindow {
            latency: addition.latency.clone(),
            corrected: addition.corrected.clone(),
            requests: addition.requests,
            covered_ns: u128::from(report.to.since(addition.from).as_nanos()),
            percentiles: Average::of(report.own_p99),
            reporters: vec![0; self.overall.reporters.len()],
        };
        if let Some(word) = batch.reporters.get_mut(report.replica as usize / 64) {
            *word |= 1 << (report.replica % 64);
        }
        let told_now = &mut self.told;
        let source = (report.replica as usize, report.to);
        let placed = self.windows.merge_from(now, source, &batch, &mut |pane| told_now.extend(told(&pane)));
        match placed {
            Ok(Placed::OnTime | Placed::Revised | Placed::Moved | Placed::Reopened) => {
                // The windows are copies of the same blank.
                self.overall.merge(&batch).expect("what fits into a window fits into their sum");
            }
            Ok(Placed::DroppedLate | Placed::DroppedEarly) => {}
            Err(_) => self.refused += addition.latency.count(),
        }
    }

    /// Time has passed: windows are told that nobody holds back any more, and silences grow.
    pub(super) fn tick(&mut self, now: Time, settings: &Settings, stale_after: Span) {
        let told_now = &mut self.told;
        self.windows.expire(now, &mut |pane| told_now.extend(told(&pane)));
        let mut stale = 0;
        for (number, replica) in (0..).zip(&mut self.replicas) {
            replica.lengthen_silence(now, number, stale_after);
            stale += u32::from(replica.is_missing(now, stale_after, settings.forget_after));
        }
        self.stale_max = self.stale_max.max(stale);
    }

    /// Whether a replica that was heard of is silent, and for not so long that it counts as gone.
    pub(super) fn misses_any(&self, now: Time, stale_after: Span, forget_after: Span) -> bool {
        self.replicas.iter().any(|replica| replica.is_missing(now, stale_after, forget_after))
    }

    pub(super) fn replica_count(&self) -> usize {
        self.replicas.len()
    }

    pub(super) fn probe(&self) -> CollectedProbe {
        let accounts = self.windows.accounts();
        CollectedProbe {
            service: self.service,
            reports: self.reports,
            duplicates: self.duplicates,
            events: EventAccounts {
                in_windows: accounts.closed,
                open: accounts.in_flight,
                reopened: accounts.reopened,
                late: accounts.dropped_late,
                early: accounts.dropped_early,
                refused: self.refused,
                lost: 0,
                in_flight: 0,
            },
            requests: self.requests,
            errors: self.errors,
            p99_ns: self.overall.latency.p99().map(Span::as_nanos),
            averaged_p99_ns: self.overall.percentiles.mean_ns(),
            corrected_p99_ns: self
                .overall
                .corrected
                .as_ref()
                .and_then(|corrected| Some(corrected.p99()?.as_nanos())),
            counter_resets: self.counter_resets,
            bridged: self.bridged,
            stale_max: self.stale_max,
            silences: self.replicas.iter().filter_map(|replica| replica.silence).collect(),
        }
    }
}

impl Replica {
    fn heard(&mut self, now: Time, report: &Report, stale_after: Span) {
        self.lengthen_silence(now, report.replica, stale_after);
        let latest = self.heard_at.map_or(now, |before| before.max(now));
        self.heard_at = (!report.leaves).then_some(latest);
    }

    fn lengthen_silence(&mut self, now: Time, replica: u32, stale_after: Span) {
        let Some(since) = self.heard_at else { return };
        let lasted = now.since(since);
        if lasted > stale_after && self.silence.is_none_or(|longest| longest.lasted < lasted) {
            self.silence = Some(Silence { replica, lasted, since });
        }
    }

    fn is_missing(&self, now: Time, stale_after: Span, forget_after: Span) -> bool {
        self.heard_at.is_some_and(|at| (stale_after..forget_after).contains(&now.since(at)))
    }

    /// The life a report comes from, and whether it is a new one of a process known before.
    fn life(&mut self, report: &Report) -> (&mut Life, bool) {
        let known = self.lives.iter().position(|life| life.number == report.life);
        let is_reset = known.is_none() && !self.lives.is_empty();
        let position = known.unwrap_or_else(|| {
            if self.lives.len() == LIVES {
                self.lives.remove(0);
            }
            self.lives.push(Life::new(report));
            self.lives.len() - 1
        });
        (&mut self.lives[position], is_reset)
    }
}

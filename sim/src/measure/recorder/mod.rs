//! Collects while the simulation runs: one method for each thing that happens. Counts, never decides.

mod counters;
mod decided;
mod finish;

use std::collections::BTreeMap;

use foreshock_systems::circuit_breaker::{Reason, State, Transition};
use foreshock_systems::retry::GiveUpReason;

use super::brokers::BrokerBooks;
use super::configs::ConfigBook;
use super::histogram::Durations;
use super::jobs::{JOBS_CONSISTENT, JobBook};
pub(crate) use finish::EndState;

use self::finish::share_ppm;
use super::auth::AuthBooks;
use super::bookings::Bookings;
use super::flags::FlagBooks;
use super::limits::{LimitKey, LimitWatch};
use super::log_books::LogBooks;
use super::money::{Broken, Money};
use super::monitoring::Monitoring;
use super::notifications::Notifications;
use super::queues::QueueBooks;
use super::watch::{Counters, Watch};
use super::{
    BreakerMeasured, ConcurrencyMeasured, EdgeInterval, EdgeMeasured, EntryMeasured, LoadInterval,
    LoadMeasured, OutcomeKind, PathShares, RateLimitMeasured, ServiceInterval, ServiceMeasured, Summary,
    TimelineEvent, Violation,
};
use crate::cluster::{Done, Path};
use crate::kernel::time::{Span, Time};
use crate::nodes::jobs::JobsProbe;
use crate::scenario::plan::{
    EdgeId, EntryId, LimitRule, LinkId, LoadId, Metric, Party, Plan, ServiceId, Target,
};

/// How a request left a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Worked on and answered, or passed on by a proxy.
    Completed {
        /// Whether the caller still waited.
        wanted: bool,
    },
    /// No place.
    Rejected,
    /// Answered with an error.
    Failed,
    /// Its deadline had passed.
    Expired,
    /// Dropped by controlled delay.
    Shed,
    /// Stopped on the caller's word.
    Cancelled,
    /// Dropped without an answer by an injected abort.
    Aborted,
    /// Lost in a crash.
    Lost,
}

/// An attempt that is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptSent {
    pub(crate) number: u32,
    pub(crate) is_hedge: bool,
    pub(crate) replica: u32,
    pub(crate) waited: Span,
    pub(crate) doomed: bool,
}

/// What a bound on concurrency says to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoundVerdict {
    Passed,
    Refused,
    WouldRefuse,
}

/// What an edge's rate limit says to an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CallVerdict {
    Passed { near_limit: bool, waited: Span },
    Refused,
    WouldRefuse,
}

struct LoadRecord {
    edge: EdgeId,
    measured: LoadMeasured,
    latency: Durations,
    failed_latency: Durations,
    interval: LoadInterval,
    interval_latency: Durations,
    ended: Counters,
    watches: Vec<u32>,
}

struct ServiceRecord {
    measured: ServiceMeasured,
    wait: Durations,
    service: Durations,
    interval: ServiceInterval,
    /// Attempts that arrived, all, against requests that the loads offered.
    arrivals: u128,
    watches: Vec<u32>,
}

struct EdgeRecord {
    measured: EdgeMeasured,
    latency: Durations,
    interval: EdgeInterval,
    requests: u128,
    attempts: u128,
    ended: u128,
    failed: u128,
    good: u128,
    watches: Vec<u32>,
    callee: ServiceId,
    /// The load whose requests enter here.
    load: Option<LoadId>,
}

/// Replica-level sums that the cluster keeps and hands over at grid points.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServiceLevels {
    pub(crate) busy_ns: u128,
    pub(crate) capacity_ns: u128,
    pub(crate) waiting_ns: u128,
    pub(crate) waiting: u32,
    pub(crate) replicas_up: u32,
}

/// Collects everything.
pub(crate) struct Recorder {
    warm_at: Time,
    loads: Vec<LoadRecord>,
    services: Vec<ServiceRecord>,
    edges: Vec<EdgeRecord>,
    watches: Vec<Watch>,
    entries: Vec<EntryMeasured>,
    timeline: Vec<TimelineEvent>,
    violations: Vec<Violation>,
    service_limits: BTreeMap<ServiceId, LimitWatch>,
    edge_limits: BTreeMap<EdgeId, LimitWatch>,
    pub(crate) monitoring: Monitoring,
    /// By service; only job schedulers have books.
    pub(crate) job_books: Vec<Option<Box<JobBook>>>,
    /// Whether the books on jobs are kept.
    pub(crate) keeps_job_books: bool,
    pub(crate) money: Money,
    pub(crate) bookings: Bookings,
    pub(crate) flags: FlagBooks,
    /// By configuration server.
    pub(crate) config_books: BTreeMap<ServiceId, Box<ConfigBook>>,
    pub(crate) notifications: Notifications,
    pub(crate) brokers: BrokerBooks,
    pub(crate) queues: QueueBooks,
    pub(crate) logs: LogBooks,
    pub(crate) auth: AuthBooks,
    link_latency: Vec<Durations>,
    offered: u128,
    levels: Vec<ServiceLevels>,
    levels_at_grid: Vec<ServiceLevels>,
    levels_at_warm: Vec<ServiceLevels>,
    levels_at_load_end: Option<(u128, Vec<ServiceLevels>)>,
    now_ns: u128,
}

impl Recorder {
    pub(crate) fn new(plan: &Plan) -> Recorder {
        let intervals = plan.run.intervals();
        let loads = (0..plan.loads.len() as u32)
            .map(|load| LoadRecord {
                edge: plan.loads[load as usize].edge,
                measured: LoadMeasured {
                    name: plan.loads[load as usize].name.clone(),
                    intervals: Vec::with_capacity(intervals),
                    ..LoadMeasured::default()
                },
                latency: Durations::new(3),
                failed_latency: Durations::new(2),
                interval: LoadInterval::default(),
                interval_latency: Durations::new(2),
                ended: Counters::default(),
                watches: watching(plan, |target| matches!(target, Target::Load(id, _) if id.0 == load)),
            })
            .collect();
        let services = (0..plan.services.len() as u32)
            .map(|service| ServiceRecord {
                measured: ServiceMeasured {
                    name: plan.services[service as usize].name.clone(),
                    intervals: Vec::with_capacity(intervals),
                    ..ServiceMeasured::default()
                },
                wait: Durations::new(3),
                service: Durations::new(3),
                interval: ServiceInterval::default(),
                arrivals: 0,
                watches: watching(plan, |target| matches!(target, Target::Service(id) if id.0 == service)),
            })
            .collect();
        let edges = (0..plan.edges.len() as u32).map(|edge| edge_record(plan, edge)).collect();
        Recorder {
            warm_at: Time::ZERO + plan.run.warmup,
            loads,
            services,
            edges,
            watches: plan.watched().map(|slo| Watch::new(slo, &plan.run)).collect(),
            entries: vec![EntryMeasured::default(); plan.timeline.len()],
            timeline: Vec::new(),
            violations: Vec::new(),
            service_limits: BTreeMap::new(),
            edge_limits: BTreeMap::new(),
            monitoring: Monitoring::new(plan),
            job_books: plan.services.iter().map(|_| None).collect(),
            keeps_job_books: true,
            money: Money::default(),
            bookings: Bookings::default(),
            flags: FlagBooks::new(plan),
            config_books: BTreeMap::new(),
            notifications: Notifications::default(),
            brokers: BrokerBooks::default(),
            queues: QueueBooks::default(),
            logs: LogBooks::default(),
            auth: AuthBooks::default(),
            link_latency: vec![Durations::new(2); plan.links.len()],
            offered: 0,
            levels: vec![ServiceLevels::default(); plan.services.len()],
            levels_at_grid: vec![ServiceLevels::default(); plan.services.len()],
            levels_at_warm: vec![ServiceLevels::default(); plan.services.len()],
            levels_at_load_end: None,
            now_ns: 0,
        }
    }

    #[inline]
    pub(crate) fn delivered(&mut self, link: LinkId, took: Span) {
        self.link_latency[link.index()].record(took);
    }

    pub(crate) fn link_latency(&mut self, link: usize) -> Summary {
        self.link_latency[link].summary()
    }

    /// A timeline entry changed the fate of something.
    #[inline]
    pub(crate) fn touch(&mut self, entry: Option<EntryId>) {
        if let Some(entry) = entry {
            self.entries[entry.index()].touched += 1;
        }
    }

    pub(crate) fn touched(&self, entry: EntryId) -> u64 {
        self.entries[entry.index()].touched
    }

    pub(crate) fn entry_started(&mut self, entry: EntryId, now: Time) {
        let measured = &mut self.entries[entry.index()];
        measured.started = measured.started.or(Some(now));
    }

    pub(crate) fn entry_ended(&mut self, entry: EntryId, now: Time) {
        self.entries[entry.index()].ended = Some(now);
    }

    pub(crate) fn event(&mut self, event: TimelineEvent) {
        self.timeline.push(event);
    }

    /// The books on a job scheduler.
    #[inline]
    pub(crate) fn job_book(&mut self, service: ServiceId) -> &mut JobBook {
        let keeps = self.keeps_job_books;
        self.job_books[service.index()].get_or_insert_with(|| Box::new(JobBook::new(keeps)))
    }

    /// Holds the books on a scheduler against what it has at the end.
    pub(crate) fn close_job_book(&mut self, service: ServiceId, jobs: &JobsProbe, now: Time) {
        let Some(book) = &mut self.job_books[service.index()] else { return };
        let broken = book.ended(&jobs.stored);
        let audit = jobs.audit.as_ref().map(|witness| (JOBS_CONSISTENT, witness.clone()));
        for (invariant, witness) in
            broken.map(|broken| (broken.invariant, broken.witness)).into_iter().chain(audit)
        {
            self.violation(Violation::new(invariant, now, witness));
        }
    }

    pub(crate) fn job_memory_bytes(&self) -> u64 {
        self.job_books.iter().flatten().map(|book| book.memory_bytes()).sum()
    }

    pub(crate) fn config_memory_bytes(&self) -> u64 {
        self.config_books.values().map(|book| book.memory_bytes()).sum()
    }

    /// What the books on configuration say is wrong.
    pub(crate) fn config_broken(
        &mut self,
        broken: impl IntoIterator<Item = (&'static str, String)>,
        at: Time,
    ) {
        for (invariant, witness) in broken {
            self.violation(Violation::new(invariant, at, witness));
        }
    }

    /// Of each invariant the first sight is kept, and how many there were: one that is seen often hides no other.
    pub(crate) fn violation(&mut self, seen: Violation) {
        match self.violations.iter_mut().find(|known| known.invariant == seen.invariant) {
            Some(known) => {
                let times = known.times + seen.times;
                if seen.at < known.at {
                    *known = seen;
                }
                known.times = times;
            }
            None => self.violations.push(seen),
        }
    }

    /// What the books on money, on bookings or on notifications say is wrong.
    pub(crate) fn books_broken(&mut self, broken: impl IntoIterator<Item = Broken>, at: Time) {
        for (invariant, witness) in broken {
            self.violation(Violation::new(invariant, at, witness));
        }
    }

    #[inline]
    pub(crate) fn offered(&mut self, load: LoadId, started: Time) {
        let record = &mut self.loads[load.index()];
        record.measured.all.offered += 1;
        record.interval.offered += 1;
        self.offered += 1;
        if started >= self.warm_at {
            record.measured.offered += 1;
        }
    }

    /// A request of a load has ended.
    #[inline]
    pub(crate) fn ended(&mut self, load: LoadId, done: &Done, now: Time) {
        let (started, outcome) = (done.wanted_at, done.outcome);
        let latency = now.since(started);
        let good = outcome == OutcomeKind::Ok;
        let record = &mut self.loads[load.index()];
        record.ended.whole += 1;
        if good {
            record.measured.all.good += 1;
            record.interval.good += 1;
            record.interval_latency.record(latency);
            record.ended.part += 1;
        } else {
            record.measured.all.failed += 1;
            record.interval.failed += 1;
        }
        if started >= self.warm_at {
            record.measured.attempts += u64::from(done.attempts);
            if good {
                record.measured.good += 1;
                record.latency.record(latency);
                add_path(&mut record.measured.path, &done.path);
            } else {
                record.measured.failed[outcome as usize] += 1;
                record.failed_latency.record(latency);
            }
        }
        for &watch in &record.watches {
            let watch = &mut self.watches[watch as usize];
            let Target::Load(_, only) = watch.plan.target else { continue };
            if only.is_some_and(|only| only != done.operation) {
                continue;
            }
            match watch.plan.metric {
                Metric::Latency(_) if good => watch.record(now, latency),
                Metric::LatencyAll(_) => watch.record(now, latency),
                Metric::Latency(_)
                | Metric::ErrorRate
                | Metric::Availability
                | Metric::Goodput
                | Metric::AttemptsPerRequest
                | Metric::Amplification
                | Metric::QueueDepth(_)
                | Metric::Utilization
                | Metric::RecoveryTime => watch.count_operation(good),
            }
        }
    }

    fn is_warm(&self, now: Time) -> bool {
        now >= self.warm_at
    }

    #[inline]
    pub(crate) fn arrived(&mut self, service: ServiceId, is_retry: bool, now: Time) {
        let warm = self.is_warm(now);
        let record = &mut self.services[service.index()];
        record.measured.all.arrivals += 1;
        record.arrivals += 1;
        record.interval.arrivals += 1;
        record.interval.retries += u32::from(is_retry);
        if warm {
            record.measured.arrivals += 1;
            record.measured.retries += u64::from(is_retry);
        }
    }

    #[inline]
    pub(crate) fn waited(&mut self, service: ServiceId, wait: Span, now: Time) {
        if self.is_warm(now) {
            self.services[service.index()].wait.record(wait);
        }
    }

    #[inline]
    pub(crate) fn worked(&mut self, service: ServiceId, took: Span, now: Time) {
        if self.is_warm(now) {
            self.services[service.index()].service.record(took);
        }
    }

    /// A request has left a service.
    #[inline]
    pub(crate) fn departed(&mut self, service: ServiceId, how: Departure, sojourn: Span, now: Time) {
        let warm = u64::from(self.is_warm(now));
        let record = &mut self.services[service.index()];
        record.measured.sojourn_sum_ns += u128::from(sojourn.as_nanos());
        match how {
            Departure::Completed { wanted } => {
                record.measured.all.completed += 1;
                record.measured.completed += warm;
                record.interval.completed += 1;
                if !wanted {
                    record.measured.abandoned += warm;
                }
                for &watch in &record.watches {
                    let watch = &mut self.watches[watch as usize];
                    if matches!(watch.plan.metric, Metric::Latency(_) | Metric::LatencyAll(_)) {
                        watch.record(now, sojourn);
                    }
                }
                return;
            }
            Departure::Rejected => {
                record.measured.rejected += warm;
                record.interval.rejected += 1;
            }
            Departure::Failed => record.measured.errors += warm,
            Departure::Expired => {
                record.measured.expired += warm;
                record.interval.rejected += 1;
            }
            Departure::Shed => {
                record.measured.shed += warm;
                record.interval.rejected += 1;
            }
            Departure::Cancelled => record.measured.cancelled += warm,
            Departure::Aborted => record.measured.errors += warm,
            Departure::Lost => record.measured.lost += warm,
        }
        record.measured.all.turned_away += 1;
    }

    /// The number waiting at one replica has changed.
    #[inline]
    pub(crate) fn queue_level(&mut self, service: ServiceId, waiting: u32, now: Time) {
        let warm = self.is_warm(now);
        let record = &mut self.services[service.index()];
        if warm && waiting > record.measured.queue_max {
            record.measured.queue_max = waiting;
        }
        for &watch in &record.watches {
            self.watches[watch as usize].level(now, u64::from(waiting));
        }
    }

    #[inline]
    pub(crate) fn call_wanted(&mut self, edge: EdgeId, now: Time) {
        let warm = u64::from(self.is_warm(now));
        let record = &mut self.edges[edge.index()];
        record.measured.requests += warm;
        record.requests += 1;
        record.interval.requests += 1;
    }

    #[inline]
    pub(crate) fn attempt_sent(&mut self, edge: EdgeId, attempt: AttemptSent, now: Time) {
        let warm = self.is_warm(now);
        let record = &mut self.edges[edge.index()];
        record.attempts += 1;
        record.interval.attempts += 1;
        if let Some(load) = record.load {
            self.loads[load.index()].interval.attempts += 1;
        }
        if !warm {
            return;
        }
        let measured = &mut record.measured;
        measured.attempts += 1;
        measured.retries += u64::from(attempt.number > 1 && !attempt.is_hedge);
        measured.hedges += u64::from(attempt.is_hedge);
        measured.doomed += u64::from(attempt.doomed);
        measured.waiting_ns += u128::from(attempt.waited.as_nanos());
        if let Some(sent) = measured.attempts_by_replica.get_mut(attempt.replica as usize) {
            *sent += 1;
        }
    }

    #[inline]
    pub(crate) fn attempt_ended(&mut self, edge: EdgeId, outcome: OutcomeKind, now: Time) {
        let warm = u64::from(self.is_warm(now));
        let record = &mut self.edges[edge.index()];
        record.measured.ended[outcome as usize] += warm;
        record.interval.failed += u32::from(outcome != OutcomeKind::Ok);
        if outcome == OutcomeKind::BreakerOpen {
            record.measured.breaker.rejected += warm;
        }
    }

    #[inline]
    pub(crate) fn call_ended(&mut self, edge: EdgeId, outcome: OutcomeKind, latency: Span, now: Time) {
        let warm = self.is_warm(now);
        let record = &mut self.edges[edge.index()];
        let good = outcome == OutcomeKind::Ok;
        record.ended += 1;
        record.failed += u128::from(!good);
        record.good += u128::from(good);
        if good && warm {
            record.measured.good += 1;
            // A client's call is its request, whose latency the load records.
            if record.load.is_none() {
                record.latency.record(latency);
            }
        }
        for &watch in &record.watches {
            let watch = &mut self.watches[watch as usize];
            match watch.plan.metric {
                Metric::Latency(_) if good => watch.record(now, latency),
                Metric::LatencyAll(_) => watch.record(now, latency),
                Metric::Latency(_)
                | Metric::ErrorRate
                | Metric::Availability
                | Metric::Goodput
                | Metric::AttemptsPerRequest
                | Metric::Amplification
                | Metric::QueueDepth(_)
                | Metric::Utilization
                | Metric::RecoveryTime => {}
            }
        }
    }

    pub(crate) fn backoff(&mut self, edge: EdgeId, pause: Span, now: Time) {
        if self.is_warm(now) {
            self.edges[edge.index()].measured.backoff_ns += u128::from(pause.as_nanos());
        }
    }

    pub(crate) fn gave_up(&mut self, edge: EdgeId, reason: GiveUpReason, now: Time) {
        if self.is_warm(now) && reason == GiveUpReason::BudgetExhausted {
            self.edges[edge.index()].measured.retries_denied += 1;
        }
    }

    /// What an edge's rate limit said to an attempt, and after which wait.
    pub(crate) fn call_limited(&mut self, edge: EdgeId, verdict: CallVerdict, now: Time) {
        if !self.is_warm(now) {
            return;
        }
        let measured = &mut self.edges[edge.index()].measured.rate_limit;
        match verdict {
            CallVerdict::Passed { near_limit, waited } => {
                measured.passed += 1;
                measured.near_limit += u64::from(near_limit);
                measured.waited += u64::from(!waited.is_zero());
                measured.waited_ns += u128::from(waited.as_nanos());
            }
            CallVerdict::Refused => measured.refused += 1,
            CallVerdict::WouldRefuse => measured.would_refuse += 1,
        }
    }

    /// What an edge's bound on concurrency said to an attempt.
    pub(crate) fn call_bounded(&mut self, edge: EdgeId, verdict: BoundVerdict, now: Time) {
        if !self.is_warm(now) {
            return;
        }
        let measured = &mut self.edges[edge.index()].measured.concurrency;
        measured.present = true;
        match verdict {
            BoundVerdict::Passed => measured.passed += 1,
            BoundVerdict::Refused => measured.refused += 1,
            BoundVerdict::WouldRefuse => measured.would_refuse += 1,
        }
    }

    /// What the bound of one caller replica has come to, and its lowest value.
    pub(crate) fn bound_is(&mut self, edge: EdgeId, (_, lowest): (u32, u32)) {
        let measured = &mut self.edges[edge.index()].measured.concurrency;
        measured.present = true;
        // There is no bound of zero: that says that none was seen yet.
        measured.limit_min = if measured.limit_min == 0 { lowest } else { measured.limit_min.min(lowest) };
    }

    /// The same at the end of the run.
    pub(crate) fn bound_at_end(&mut self, edge: EdgeId, (last, lowest): (u32, u32)) {
        self.bound_is(edge, (last, lowest));
        let measured = &mut self.edges[edge.index()].measured.concurrency;
        measured.limit_last = if measured.limit_last == 0 { last } else { measured.limit_last.min(last) };
    }

    /// Something passed the rate limit of an edge.
    pub(crate) fn passed_call_limit(&mut self, edge: EdgeId, rule: LimitRule, key: LimitKey, now: Time) {
        let watch = self.edge_limits.entry(edge).or_insert_with(|| LimitWatch::new(rule, now));
        watch.passed(rule, key, 1, now);
    }

    /// Something passed the rate limit of a service.
    pub(crate) fn passed_service_limit(
        &mut self,
        service: ServiceId,
        rule: LimitRule,
        key: LimitKey,
        cost: u64,
        now: Time,
    ) {
        let watch = self.service_limits.entry(service).or_insert_with(|| LimitWatch::new(rule, now));
        watch.passed(rule, key, cost, now);
    }

    pub(crate) fn late_answer(&mut self, edge: EdgeId, now: Time) {
        if self.is_warm(now) {
            self.edges[edge.index()].measured.late_answers += 1;
        }
    }

    pub(crate) fn breaker_transition(&mut self, edge: EdgeId, transition: Transition, now: Time) {
        if !self.is_warm(now) {
            return;
        }
        let breaker = &mut self.edges[edge.index()].measured.breaker;
        match transition.reason {
            Reason::ProbesFailed => breaker.probes_failed += 1,
            Reason::ProbesUnanswered => breaker.probes_lost += 1,
            Reason::FailureRate
            | Reason::SlowCallRate
            | Reason::FailureCount
            | Reason::ConsecutiveFailures
            | Reason::WaitOver
            | Reason::ProbesPassed
            | Reason::Command => {}
        }
        match transition.to {
            State::Open => breaker.opened += 1,
            State::HalfOpen => breaker.half_opened += 1,
            State::Closed => breaker.closed += 1,
            State::ForcedOpen | State::Disabled | State::MetricsOnly => {}
        }
    }

    /// The cluster's sums as of now; to be given before anything below looks at them.
    pub(crate) fn take_levels(&mut self, now: Time, levels: &[ServiceLevels]) {
        self.levels.copy_from_slice(levels);
        self.now_ns = u128::from(now.as_nanos());
    }

    pub(crate) fn warm(&mut self) {
        self.levels_at_warm.copy_from_slice(&self.levels);
    }

    /// The load ends: what services do while the rest is drained says nothing about how busy they were.
    pub(crate) fn load_ended(&mut self) {
        self.levels_at_load_end = Some((self.now_ns, self.levels.clone()));
    }

    /// The window of an objective begins or ends.
    pub(crate) fn window(&mut self, watch: usize, ends: bool) {
        let counters = self.counters(&self.watches[watch]);
        if ends {
            self.watches[watch].window_ends(counters);
        } else {
            self.watches[watch].window_begins(counters);
        }
    }

    pub(crate) fn windows(&self) -> Vec<(Time, Time)> {
        self.watches.iter().map(Watch::window).collect()
    }

    /// A grid interval ends.
    pub(crate) fn grid(&mut self) {
        for index in 0..self.watches.len() {
            let counters = self.counters(&self.watches[index]);
            self.watches[index].grid(counters);
        }
        for record in &mut self.loads {
            record.interval.p99_us = record.interval_latency.quantile_ns(990_000) / 1_000;
            record.interval_latency.clear();
            record.measured.intervals.push(std::mem::take(&mut record.interval));
        }
        for record in &mut self.edges {
            record.measured.intervals.push(std::mem::take(&mut record.interval));
        }
        for ((record, levels), before) in self.services.iter_mut().zip(&self.levels).zip(&self.levels_at_grid)
        {
            let mut interval = std::mem::take(&mut record.interval);
            interval.queue = levels.waiting;
            interval.replicas_up = levels.replicas_up;
            interval.utilization_ppm = share_ppm(levels, before);
            record.measured.intervals.push(interval);
        }
        self.levels_at_grid.copy_from_slice(&self.levels);
    }
}

/// The objectives and marks about a target.
fn watching(plan: &Plan, is_meant: impl Fn(&Target) -> bool) -> Vec<u32> {
    let slos = (0..).zip(plan.watched());
    slos.filter(|(_, slo)| is_meant(&slo.target)).map(|(index, _)| index).collect()
}

fn edge_record(plan: &Plan, edge: u32) -> EdgeRecord {
    let plan_edge = &plan.edges[edge as usize];
    let replicas = plan.services[plan_edge.callee.index()].max_replicas as usize;
    EdgeRecord {
        measured: EdgeMeasured {
            name: plan_edge.name.clone(),
            attempts_by_replica: vec![0; replicas],
            breaker: BreakerMeasured {
                present: plan_edge.policy.breaker.is_some(),
                ..BreakerMeasured::default()
            },
            rate_limit: RateLimitMeasured {
                present: plan_edge.policy.rate_limit.is_some(),
                ..RateLimitMeasured::default()
            },
            concurrency: ConcurrencyMeasured {
                present: plan_edge.policy.concurrency.is_some(),
                ..ConcurrencyMeasured::default()
            },
            intervals: Vec::with_capacity(plan.run.intervals()),
            ..EdgeMeasured::default()
        },
        latency: Durations::new(2),
        interval: EdgeInterval::default(),
        requests: 0,
        attempts: 0,
        ended: 0,
        failed: 0,
        good: 0,
        watches: watching(plan, |target| matches!(target, Target::Edge(id) if id.0 == edge)),
        callee: plan_edge.callee,
        load: match plan_edge.caller {
            Party::Load(load) => Some(load),
            Party::Service(_) => None,
        },
    }
}

fn add_path(sum: &mut PathShares, path: &Path) {
    sum.waiting_ns += u128::from(path.waiting_ns);
    sum.retrying_ns += u128::from(path.retrying_ns);
    sum.network_ns += u128::from(path.network_ns);
    sum.queue_ns += u128::from(path.queue_ns);
    sum.service_ns += u128::from(path.service_ns);
}

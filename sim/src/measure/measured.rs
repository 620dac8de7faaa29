//! What a run measured, in integers: the input of judging and reporting. Plain data, no behaviour beyond sums.

use std::collections::BTreeMap;

use super::{
    AlertMeasured, BookingsMeasured, ConfigsMeasured, FlagsMeasured, JobsMeasured, MoneyMeasured,
    MonitoringMeasured, NotificationsMeasured, OutcomeKind,
};
use crate::kernel::time::{Span, Time};

/// Everything a run measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// One for each load of the plan.
    pub loads: Vec<LoadMeasured>,
    /// One for each service of the plan.
    pub services: Vec<ServiceMeasured>,
    /// One for each edge of the plan.
    pub edges: Vec<EdgeMeasured>,
    /// One for each link of the plan.
    pub links: Vec<LinkMeasured>,
    /// What happened to the timeline, in order of time.
    pub timeline: Vec<TimelineEvent>,
    /// One for each objective of the plan.
    pub slos: Vec<SloMeasured>,
    /// One for each mark of the plan that is about a metric.
    pub marks: Vec<SloMeasured>,
    /// When each timeline entry started and ended, as far as it did.
    pub entries: Vec<EntryMeasured>,
    /// What only a kind knows, by service and name.
    pub systems: BTreeMap<String, BTreeMap<String, u64>>,
    /// What limits truly let pass, by whose they are: a service, or a call `a -> b`.
    pub limits: BTreeMap<String, LimitMeasured>,
    /// One for each service that reports on itself: its monitoring, as it was and as it was told.
    pub monitoring: Vec<MonitoringMeasured>,
    /// Alerts that changed at least once, by service that evaluates them and name.
    pub alerts: BTreeMap<(String, String), AlertMeasured>,
    /// One for each job scheduler: what its jobs truly came to.
    pub jobs: Vec<JobsMeasured>,
    /// One for each configuration server that released something.
    pub configs: Vec<ConfigsMeasured>,
    /// What really happened to money, where there is any.
    pub money: Option<MoneyMeasured>,
    /// One for each service that keeps feature flags which others follow.
    pub flags: Vec<FlagsMeasured>,
    /// What people were really told is theirs, where anything is booked.
    pub bookings: Option<BookingsMeasured>,
    /// What people were really told, where there is anybody who tells.
    pub notifications: Option<NotificationsMeasured>,
    /// Violations that nodes or the cluster noticed themselves, by invariant; empty if there are none.
    pub violations: Vec<Violation>,
}

/// How long something took, as a distribution. Nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many values.
    pub count: u64,
    /// Arithmetic mean, rounded down.
    pub mean_ns: u64,
    /// Median.
    pub p50_ns: u64,
    /// 90th percentile.
    pub p90_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// The largest, exact.
    pub max_ns: u64,
    /// The exact sum.
    pub sum_ns: u128,
}

/// Where the time of requests went, summed. Nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathShares {
    /// Waiting at the caller: pools, bulkheads.
    pub waiting_ns: u128,
    /// Pauses between attempts, and attempts that failed.
    pub retrying_ns: u128,
    /// On links.
    pub network_ns: u128,
    /// Waiting in the lines of services.
    pub queue_ns: u128,
    /// Being worked on, standing still while in service included.
    pub service_ns: u128,
}

/// A load over the whole run.
#[derive(Clone, Debug, Default)]
pub struct LoadMeasured {
    /// Its name.
    pub name: String,
    /// Requests started after the warm-up.
    pub offered: u64,
    /// Of these, answered as wanted while the client was still waiting.
    pub good: u64,
    /// Of these, ended otherwise, by `OutcomeKind` number.
    pub failed: [u64; OutcomeKind::COUNT],
    /// Of these, without an end when the run stopped.
    pub in_flight: u64,
    /// First attempts and retries and hedges sent for them.
    pub attempts: u64,
    /// Latency of the good ones from the intended start.
    pub latency: Summary,
    /// Latency of those that failed.
    pub failed_latency: Summary,
    /// Where the time of the good ones went.
    pub path: PathShares,
    /// The same counts, warm-up included: for conservation.
    pub all: RequestCounts,
    /// On the measuring grid, by instant of the end (offered: of the start).
    pub intervals: Vec<LoadInterval>,
}

impl LoadMeasured {
    /// Failures of any kind.
    pub fn failed_total(&self) -> u64 {
        self.failed.iter().sum()
    }
}

/// Requests from the first instant on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Started.
    pub offered: u64,
    /// Good.
    pub good: u64,
    /// Failed.
    pub failed: u64,
    /// Without an end when the run stopped, counted in the arena, not computed from the others.
    pub in_flight: u64,
}

/// One grid interval of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadInterval {
    /// Requests started.
    pub offered: u32,
    /// Requests that ended well.
    pub good: u32,
    /// Requests that ended otherwise.
    pub failed: u32,
    /// Attempts sent.
    pub attempts: u32,
    /// 99th percentile latency of the good ones, microseconds.
    pub p99_us: u64,
}

/// A service over the whole run, all replicas together, after the warm-up unless said otherwise.
#[derive(Clone, Debug, Default)]
pub struct ServiceMeasured {
    /// Its name.
    pub name: String,
    /// Requests that arrived.
    pub arrivals: u64,
    /// Requests worked on to the end.
    pub completed: u64,
    /// Requests refused for lack of a place.
    pub rejected: u64,
    /// Requests answered with an error of its own or an injected one.
    pub errors: u64,
    /// Requests dropped because their deadline had passed.
    pub expired: u64,
    /// Requests dropped by controlled delay.
    pub shed: u64,
    /// Requests whose caller no longer waited when they were completed: wasted work.
    pub abandoned: u64,
    /// Requests stopped on the caller's word.
    pub cancelled: u64,
    /// Requests lost in a crash.
    pub lost: u64,
    /// Of the arrivals, second or later attempts (of any caller on their way here).
    pub retries: u64,
    /// Busy share of the workers, parts per million; zero for unlimited workers.
    pub utilization_ppm: u32,
    /// Mean number waiting, thousandths.
    pub queue_mean_milli: u64,
    /// Largest number waiting at one replica.
    pub queue_max: u32,
    /// Time in line.
    pub wait: Summary,
    /// Time being worked on (standing still included, downstream calls not).
    pub service: Summary,
    /// Integral of the number of requests in the system (waiting, in service, calling) over the whole run from
    /// instant 0, request-nanoseconds.
    pub in_system_integral_ns: u128,
    /// Sum of the times requests spent in the system over the whole run, for those that left.
    pub sojourn_sum_ns: u128,
    /// The same counts from instant 0, for conservation.
    pub all: ServiceCounts,
    /// On the measuring grid.
    pub intervals: Vec<ServiceInterval>,
}

/// What became of the requests of a service from instant 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCounts {
    /// Arrived.
    pub arrivals: u64,
    /// Answered after work.
    pub completed: u64,
    /// Refused, failed, expired, shed, cancelled, aborted or lost.
    pub turned_away: u64,
    /// Still inside when the run stopped, counted in the arenas.
    pub in_system: u64,
}

/// One grid interval of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceInterval {
    /// Requests that arrived.
    pub arrivals: u32,
    /// Of these, second or later attempts.
    pub retries: u32,
    /// Requests completed.
    pub completed: u32,
    /// Requests refused, expired or shed.
    pub rejected: u32,
    /// Waiting at the end of the interval, all replicas.
    pub queue: u32,
    /// Busy share of the workers in the interval, parts per million.
    pub utilization_ppm: u32,
    /// Replicas up at the end of the interval.
    pub replicas_up: u32,
}

/// An edge over the whole run, all caller replicas together, after the warm-up.
#[derive(Clone, Debug, Default)]
pub struct EdgeMeasured {
    /// `caller -> callee`.
    pub name: String,
    /// Calls wanted.
    pub requests: u64,
    /// Calls that succeeded.
    pub good: u64,
    /// Attempts sent (refused ones by breaker, limits, bulkhead or pool not counted).
    pub attempts: u64,
    /// Of these, second or later ones.
    pub retries: u64,
    /// Of these, copies sent by hedging.
    pub hedges: u64,
    /// Retries that the budget forbade.
    pub retries_denied: u64,
    /// Attempts that could not finish before the deadline even at the fastest latency seen.
    pub doomed: u64,
    /// How attempts ended, by `OutcomeKind` number.
    pub ended: [u64; OutcomeKind::COUNT],
    /// Answers that came after the caller had stopped waiting.
    pub late_answers: u64,
    /// Time from wanting the call to its end, good calls.
    pub latency: Summary,
    /// Sum of the waits for bulkhead and pool, nanoseconds.
    pub waiting_ns: u128,
    /// Sum of the pauses before retries, nanoseconds.
    pub backoff_ns: u128,
    /// Breaker counts, zero without a breaker.
    pub breaker: BreakerMeasured,
    /// What the rate limit of this call did, zero without one.
    pub rate_limit: RateLimitMeasured,
    /// What the bound on concurrency of this call did, zero without one.
    pub concurrency: ConcurrencyMeasured,
    /// Calls by share of each replica of the callee: attempts sent to replica 1, 2, …
    pub attempts_by_replica: Vec<u64>,
    /// Attempts on the measuring grid.
    pub intervals: Vec<EdgeInterval>,
}

/// One grid interval of an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeInterval {
    /// Calls wanted.
    pub requests: u32,
    /// Attempts sent.
    pub attempts: u32,
    /// Attempts that failed in any way.
    pub failed: u32,
}

/// What the breakers of an edge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerMeasured {
    /// Whether the edge has one.
    pub present: bool,
    /// Times opened.
    pub opened: u64,
    /// Times half-opened.
    pub half_opened: u64,
    /// Times closed again.
    pub closed: u64,
    /// Attempts it refused.
    pub rejected: u64,
    /// Times it opened again because probes failed or were slow.
    pub probes_failed: u64,
    /// Times it opened again because a probe stayed unanswered.
    pub probes_lost: u64,
}

/// What the rate limit of an edge did, in attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimitMeasured {
    /// Whether the edge has one.
    pub present: bool,
    /// Let through.
    pub passed: u64,
    /// Refused.
    pub refused: u64,
    /// Let through by shadow mode alone.
    pub would_refuse: u64,
    /// Let through when most of the limit was used.
    pub near_limit: u64,
    /// Let through after a wait.
    pub waited: u64,
    /// Those waits, summed, nanoseconds.
    pub waited_ns: u128,
}

/// What the bound on concurrency of an edge did, in attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConcurrencyMeasured {
    /// Whether the edge has one.
    pub present: bool,
    /// Let through.
    pub passed: u64,
    /// Refused.
    pub refused: u64,
    /// Let through by shadow mode alone.
    pub would_refuse: u64,
    /// The lowest that the bound of any caller replica ever was, from instant 0.
    pub limit_min: u32,
    /// The lowest of those at the end; zero if there is none any more.
    pub limit_last: u32,
}

/// What a limit truly let pass from instant 0, all nodes together, by the true clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitMeasured {
    /// How the limit counts, as in a scenario.
    pub kind: &'static str,
    /// What passed under it.
    pub passed: u64,
    /// Of these, what the limit as it was meant would not have let pass.
    pub over_admitted: u64,
    /// The most permits that were used within one window.
    pub most_in_window: u64,
    /// When that was.
    pub most_until: Time,
    /// How long that window is.
    pub window: Span,
    /// The most that should have passed in it.
    pub allowed_in_window: u64,
}

/// A link from instant 0.
#[derive(Clone, Debug, Default)]
pub struct LinkMeasured {
    /// `a -> b`.
    pub name: String,
    /// Messages handed to it.
    pub sent: u64,
    /// Further copies it made.
    pub duplicated: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Messages lost to chance.
    pub lost: u64,
    /// Messages dropped at a full buffer.
    pub overflowed: u64,
    /// Messages damaged and dropped.
    pub corrupted: u64,
    /// Messages dropped at a cut.
    pub cut: u64,
    /// Messages that found no process to take them.
    pub undeliverable: u64,
    /// Messages on the way or held when the run stopped, counted in the arena.
    pub in_flight: u64,
    /// Time on the way of delivered messages.
    pub latency: Summary,
}

/// What happened to a timeline entry at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEvent {
    /// When.
    pub at: Time,
    /// Id of the entry.
    pub id: String,
    /// Kind of the entry, as in the scenario: `latency`, `deploy`, …
    pub kind: &'static str,
    /// `started`, `ended`, `skipped`, or a step of a change such as `replaced`.
    pub phase: &'static str,
    /// On what, or why not.
    pub detail: String,
}

/// A timeline entry over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryMeasured {
    /// When it started.
    pub started: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
    /// Messages, requests or processes it changed.
    pub touched: u64,
}

/// An objective over the run.
#[derive(Clone, Debug, Default)]
pub struct SloMeasured {
    /// Over its window, in the metric's unit; `None` if there was nothing to measure.
    pub value: Option<u64>,
    /// The same on each interval of the measuring grid, from instant 0.
    pub intervals: Vec<Option<u64>>,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: String,
    /// When it was seen first.
    pub at: Time,
    /// What was seen then.
    pub witness: String,
    /// How often it was seen.
    pub times: u64,
}

impl Violation {
    /// Seen for the first time.
    pub fn new(invariant: &str, at: Time, witness: String) -> Violation {
        Violation { invariant: invariant.to_string(), at, witness, times: 1 }
    }
}

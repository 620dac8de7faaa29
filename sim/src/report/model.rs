//! The report as data: `foreshock.report/1`. Whole numbers with the unit in the key, no path, no wall clock, no
//! series. Everything shown anywhere is derived from it.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Serialize;

/// Names this format and its version.
pub const SCHEMA: &str = "foreshock.report/1";

/// What a run showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// The seed it ran with.
    pub seed: u64,
    /// Hash of everything but prose, expectations and seed that influences the run, 32 hexadecimal digits.
    pub plan_digest: String,
    /// Hash of every event in order, 16 hexadecimal digits.
    pub fingerprint: String,
    /// Events handled.
    pub events: u64,
    /// When it stopped.
    pub ended_us: u64,
    /// Why it stopped.
    pub stop: &'static str,
    /// The lengths it was given.
    pub run: RunReport,
    /// Whether everything held, and whether that was expected.
    pub verdict: VerdictReport,
    /// The objectives, in the scenario's order.
    pub slo: Vec<SloReport>,
    /// The invariants.
    pub invariants: Vec<InvariantReport>,
    /// The marks that a sweep has to hit at least once, if the scenario has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sometimes: Vec<MarkReport>,
    /// After the last fault.
    pub liveness: LivenessReport,
    /// Faults and changes as they happened, in order of time.
    pub timeline: Vec<TimelineReport>,
    /// Each timeline entry as a whole, by id.
    pub entries: IndexMap<String, EntryReport>,
    /// By name, in the scenario's order as all maps here; only the canonical text is sorted.
    pub load: IndexMap<String, LoadReport>,
    /// By name.
    pub services: IndexMap<String, ServiceReport>,
    /// By `caller -> callee`.
    pub calls: IndexMap<String, CallReport>,
    /// By `from -> to`.
    pub links: IndexMap<String, LinkReport>,
    /// What only a kind knows, by service and name.
    pub systems: BTreeMap<String, BTreeMap<String, u64>>,
    /// The gravest first.
    pub findings: Vec<FindingReport>,
}

/// The lengths a run was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// How long load was generated.
    pub duration_us: u64,
    /// What started before was not measured.
    pub warmup_us: u64,
    /// How long requests could still finish.
    pub drain_us: u64,
    /// One interval of the measuring grid.
    pub grid_us: u64,
}

/// Whether everything held, and whether that was expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictReport {
    /// `pass` or `fail`.
    pub outcome: &'static str,
    /// `pass` or `fail`.
    pub expected: &'static str,
    /// Whether outcome, failing ids and findings are what the author expects.
    pub as_expected: bool,
    /// Ids of what did not hold.
    pub failing: Vec<String>,
    /// How it differs from what was expected.
    pub surprises: Vec<String>,
}

/// An objective.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SloReport {
    /// Its id.
    pub id: String,
    /// `latency p99`.
    pub metric: String,
    /// `buyers`, `checkout`, `a -> b`.
    pub of: String,
    /// `< 500ms`.
    pub bound: String,
    /// `30s..5m`, `within 30s after az-split.end`.
    pub window: String,
    /// What was measured, in `unit`.
    pub value: Option<u64>,
    /// `us`, `ppm`, `milli`, `milli_per_s`.
    pub unit: &'static str,
    /// Whether the bound held.
    pub held: bool,
    /// Where it was first seen broken.
    pub first_broken_us: Option<u64>,
    /// After a timeline edge: from when on it held.
    pub held_from_us: Option<u64>,
    /// Why there was nothing to judge.
    pub not_judged: Option<String>,
}

/// An invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvariantReport {
    /// Its id.
    pub id: String,
    /// Whether it held.
    pub held: bool,
    /// How often it was seen broken.
    pub violations: u64,
    /// When first.
    pub first_us: Option<u64>,
    /// What was seen first.
    pub witness: Option<String>,
}

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkReport {
    /// Its id.
    pub id: String,
    /// What hits it.
    pub what: String,
    /// Whether it was hit.
    pub hit: bool,
}

/// After the last fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LivenessReport {
    /// The longest time allowed for the recovery, if the scenario has one.
    pub required_us: Option<u64>,
    /// Id of the fault that ended last.
    pub last_fault: Option<String>,
    /// When it ended.
    pub last_fault_ended_us: Option<u64>,
    /// Whether every load was well again in the time allowed.
    pub held: bool,
    /// By load.
    pub loads: IndexMap<String, RecoveryReport>,
    /// What stands in the way.
    pub blocker: Option<BlockerReport>,
    /// Why a recovery that was asked for could not be judged.
    pub not_judged: Option<String>,
}

/// How one load fared after the last fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecoveryReport {
    /// When it was well again.
    pub recovered_at_us: Option<u64>,
    /// Whether it was well when the load ended.
    pub well_at_end: bool,
    /// Whether there were requests to judge by.
    pub judged: bool,
}

/// What stands in the way of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockerReport {
    /// The service.
    pub service: String,
    /// Requests waiting there.
    pub waiting: u64,
    /// Busy share of its workers.
    pub utilization_ppm: u64,
    /// The call with the most attempts.
    pub call: Option<String>,
    /// How many for each call.
    pub attempts_per_call_milli: u64,
}

/// Something that happened to a timeline entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineReport {
    /// When.
    pub at_us: u64,
    /// Id of the entry.
    pub id: String,
    /// `latency`, `deploy`, …
    pub kind: &'static str,
    /// `started`, `ended`, `skipped`, …
    pub phase: &'static str,
    /// On what, or why not.
    pub detail: String,
}

/// A timeline entry as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryReport {
    /// When it started.
    pub started_us: Option<u64>,
    /// When it ended.
    pub ended_us: Option<u64>,
    /// Messages, requests or processes it changed.
    pub touched: u64,
}

/// How long something took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LatencyReport {
    /// How many values.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// The largest.
    pub max: u64,
    /// The sum.
    pub total: u64,
}

/// Where the time of good requests went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathReport {
    /// Waiting at callers: pools, bulkheads.
    pub waiting: u64,
    /// Attempts that failed and pauses after them.
    pub retrying: u64,
    /// On links.
    pub network: u64,
    /// In the lines of services.
    pub queue: u64,
    /// Being worked on.
    pub service: u64,
}

/// A load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// Requests started after the warm-up.
    pub offered: u64,
    /// Of these, answered as wanted in time.
    pub good: u64,
    /// Of these, ended otherwise, by reason.
    pub failed: BTreeMap<&'static str, u64>,
    /// Of these, without an end when the run stopped.
    pub in_flight: u64,
    /// Attempts sent for them.
    pub attempts: u64,
    /// Of the good ones, from the intended start.
    pub latency_us: LatencyReport,
    /// Of those that failed.
    pub failed_latency_us: LatencyReport,
    /// Where the time of the good ones went, summed.
    pub path_us: PathReport,
}

/// A service, all replicas together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// Requests that arrived.
    pub arrivals: u64,
    /// Worked on to the end.
    pub completed: u64,
    /// Refused for lack of a place.
    pub rejected: u64,
    /// Answered with an error.
    pub errors: u64,
    /// Dropped because their deadline had passed.
    pub expired: u64,
    /// Dropped by controlled delay.
    pub shed: u64,
    /// Completed for a caller that no longer waited.
    pub abandoned: u64,
    /// Stopped on the caller's word.
    pub cancelled: u64,
    /// Lost in a crash.
    pub lost: u64,
    /// Of the arrivals, second or later attempts.
    pub retries: u64,
    /// Busy share of the workers.
    pub utilization_ppm: u64,
    /// The waiting line.
    pub queue: QueueReport,
    /// Time in line.
    pub wait_us: LatencyReport,
    /// Time being worked on.
    pub service_us: LatencyReport,
}

/// A waiting line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueReport {
    /// Mean number waiting, all replicas.
    pub mean_milli: u64,
    /// Largest number waiting at one replica.
    pub max: u64,
}

/// A call, all caller replicas together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallReport {
    /// Calls wanted.
    pub requests: u64,
    /// Of these, succeeded.
    pub good: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Of these, second or later ones.
    pub retries: u64,
    /// Of these, copies sent by hedging.
    pub hedges: u64,
    /// Retries that the budget forbade.
    pub retries_denied: u64,
    /// Attempts that could not finish in time.
    pub doomed: u64,
    /// Attempts without an answer in time.
    pub timeouts: u64,
    /// Attempts refused by the callee.
    pub rejected: u64,
    /// Attempts for each call.
    pub amplification_milli: u64,
    /// How attempts ended.
    pub ended: BTreeMap<&'static str, u64>,
    /// Answers that came too late.
    pub late_answers: u64,
    /// Of good calls.
    pub latency_us: LatencyReport,
    /// Waits for bulkhead and pool, summed.
    pub waiting_us: u64,
    /// Pauses before retries, summed.
    pub backoff_us: u64,
    /// If there is one.
    pub breaker: Option<BreakerReport>,
    /// If there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitReport>,
    /// If there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyReport>,
    /// Attempts to replica 1, 2, …
    pub attempts_by_replica: Vec<u64>,
}

/// The breakers of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakerReport {
    /// Times opened.
    pub opened: u64,
    /// Times half-opened.
    pub half_opened: u64,
    /// Times closed again.
    pub closed: u64,
    /// Attempts refused.
    pub rejected: u64,
}

/// The rate limit of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimitReport {
    /// Attempts let through.
    pub passed: u64,
    /// Attempts refused.
    pub refused: u64,
    /// Attempts let through by shadow mode alone.
    pub would_refuse: u64,
    /// Of those let through, the ones after which most of the limit was used.
    pub near_limit: u64,
    /// Of those let through, the ones that waited for their turn.
    pub waited: u64,
    /// Those waits, summed.
    pub waited_us: u64,
}

/// The bound on the concurrency of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConcurrencyReport {
    /// Attempts let through.
    pub passed: u64,
    /// Attempts refused.
    pub refused: u64,
    /// Attempts let through by shadow mode alone.
    pub would_refuse: u64,
    /// The lowest that the bound of any caller replica ever was.
    pub limit_min: u64,
    /// The lowest of those at the end.
    pub limit_last: u64,
}

/// A link, from the first instant on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkReport {
    /// Messages handed to it.
    pub sent: u64,
    /// Further copies it made.
    pub duplicated: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Lost to chance.
    pub lost: u64,
    /// Dropped at a full buffer.
    pub overflowed: u64,
    /// Damaged and dropped.
    pub corrupted: u64,
    /// Dropped at a cut.
    pub cut: u64,
    /// Found no process to take them.
    pub undeliverable: u64,
    /// On the way when the run stopped.
    pub in_flight: u64,
    /// Of delivered messages.
    pub latency_us: LatencyReport,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingReport {
    /// Its kind.
    pub kind: &'static str,
    /// One sentence.
    pub text: String,
}

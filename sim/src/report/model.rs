//! The report as data: `foreshock.report/1`. Whole numbers with the unit in the key, no path, no wall clock, no
//! series. Built from an outcome; everything shown anywhere is derived from it.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Serialize;

use crate::judge::{InvariantVerdict, Judgement, Liveness, SloVerdict, Unit};
use crate::kernel::time::{Span, Time};
use crate::measure::{
    BreakerMeasured, EdgeMeasured, EntryMeasured, LinkMeasured, LoadMeasured, OutcomeKind, PathShares,
    ServiceMeasured, Summary, TimelineEvent,
};
use crate::run::Outcome;
use crate::scenario::plan::RunPlan;

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

impl Report {
    /// The report of an outcome.
    pub fn new(outcome: &Outcome) -> Report {
        let (measured, judgement) = (&outcome.measured, &outcome.judgement);
        let entry_ids = outcome.plan.timeline.iter().map(|entry| entry.id.clone());
        let services = measured.services.iter().zip(&outcome.plan.services);
        let present = services.filter(|(measured, plan)| plan.hop_of.is_none() || measured.all.arrivals > 0);
        Report {
            schema: SCHEMA,
            scenario: outcome.plan.name.clone(),
            seed: outcome.seed.0,
            plan_digest: format!("{:032x}", outcome.plan.digest),
            fingerprint: format!("{:016x}", outcome.fingerprint),
            events: outcome.events,
            ended_us: outcome.ended.as_micros(),
            stop: outcome.stop.name(),
            run: RunReport::new(&outcome.plan.run),
            verdict: VerdictReport::new(judgement),
            slo: judgement.slos.iter().map(SloReport::new).collect(),
            invariants: judgement.invariants.iter().map(InvariantReport::new).collect(),
            liveness: LivenessReport::new(&judgement.liveness),
            timeline: measured.timeline.iter().map(TimelineReport::new).collect(),
            entries: entry_ids.zip(measured.entries.iter().map(EntryReport::new)).collect(),
            load: measured.loads.iter().map(|load| (load.name.clone(), LoadReport::new(load))).collect(),
            services: present
                .map(|(service, _)| (service.name.clone(), ServiceReport::new(service)))
                .collect(),
            calls: measured.edges.iter().map(|edge| (edge.name.clone(), CallReport::new(edge))).collect(),
            links: measured.links.iter().map(|link| (link.name.clone(), LinkReport::new(link))).collect(),
            systems: measured.systems.clone(),
            findings: judgement
                .findings
                .iter()
                .map(|finding| FindingReport { kind: finding.kind, text: finding.text.clone() })
                .collect(),
        }
    }
}

impl RunReport {
    fn new(run: &RunPlan) -> RunReport {
        RunReport {
            duration_us: run.duration.as_micros(),
            warmup_us: run.warmup.as_micros(),
            drain_us: run.drain.as_micros(),
            grid_us: run.grid.as_micros(),
        }
    }
}

impl VerdictReport {
    fn new(judgement: &Judgement) -> VerdictReport {
        VerdictReport {
            outcome: judgement.outcome.name(),
            expected: judgement.expected.name(),
            as_expected: judgement.as_expected,
            failing: judgement.failing.clone(),
            surprises: judgement.surprises.clone(),
        }
    }
}

impl SloReport {
    fn new(slo: &SloVerdict) -> SloReport {
        let (unit, divisor) = match slo.unit {
            Unit::Nanoseconds => ("us", 1_000),
            Unit::PartsPerMillion => ("ppm", 1),
            Unit::MilliPerSecond => ("milli_per_s", 1),
            Unit::Milli => ("milli", 1),
        };
        SloReport {
            id: slo.id.clone(),
            metric: slo.metric.clone(),
            of: slo.of.clone(),
            bound: slo.bound.clone(),
            window: slo.window.clone(),
            value: slo.value.map(|value| value / divisor),
            unit,
            held: slo.held,
            first_broken_us: slo.first_broken.map(Time::as_micros),
            held_from_us: slo.held_from.map(Time::as_micros),
            not_judged: slo.not_judged.clone(),
        }
    }
}

impl InvariantReport {
    fn new(invariant: &InvariantVerdict) -> InvariantReport {
        InvariantReport {
            id: invariant.id.clone(),
            held: invariant.held,
            violations: invariant.violations,
            first_us: invariant.first.map(Time::as_micros),
            witness: invariant.witness.clone(),
        }
    }
}

impl LivenessReport {
    fn new(liveness: &Liveness) -> LivenessReport {
        let loads = liveness.loads.iter().map(|load| {
            let recovery = RecoveryReport {
                recovered_at_us: load.recovered_at.map(Time::as_micros),
                well_at_end: load.well_at_end,
                judged: load.judged,
            };
            (load.load.clone(), recovery)
        });
        LivenessReport {
            required_us: liveness.required.map(Span::as_micros),
            last_fault: liveness.last_fault.clone(),
            last_fault_ended_us: liveness.last_fault_ended.map(Time::as_micros),
            held: liveness.held,
            loads: loads.collect(),
            blocker: liveness.blocker.as_ref().map(|blocker| BlockerReport {
                service: blocker.service.clone(),
                waiting: blocker.waiting,
                utilization_ppm: u64::from(blocker.utilization_ppm),
                call: blocker.edge.clone(),
                attempts_per_call_milli: blocker.attempts_per_call_milli,
            }),
            not_judged: liveness.not_judged.clone(),
        }
    }
}

impl TimelineReport {
    fn new(event: &TimelineEvent) -> TimelineReport {
        TimelineReport {
            at_us: event.at.as_micros(),
            id: event.id.clone(),
            kind: event.kind,
            phase: event.phase,
            detail: event.detail.clone(),
        }
    }
}

impl EntryReport {
    fn new(entry: &EntryMeasured) -> EntryReport {
        EntryReport {
            started_us: entry.started.map(Time::as_micros),
            ended_us: entry.ended.map(Time::as_micros),
            touched: entry.touched,
        }
    }
}

impl LatencyReport {
    fn new(summary: &Summary) -> LatencyReport {
        LatencyReport {
            count: summary.count,
            mean: summary.mean_ns / 1_000,
            p50: summary.p50_ns / 1_000,
            p90: summary.p90_ns / 1_000,
            p99: summary.p99_ns / 1_000,
            p999: summary.p999_ns / 1_000,
            max: summary.max_ns / 1_000,
            total: micros(summary.sum_ns),
        }
    }
}

impl PathReport {
    fn new(path: &PathShares) -> PathReport {
        PathReport {
            waiting: micros(path.waiting_ns),
            retrying: micros(path.retrying_ns),
            network: micros(path.network_ns),
            queue: micros(path.queue_ns),
            service: micros(path.service_ns),
        }
    }
}

impl LoadReport {
    fn new(load: &LoadMeasured) -> LoadReport {
        LoadReport {
            offered: load.offered,
            good: load.good,
            failed: by_outcome(&load.failed),
            in_flight: load.in_flight,
            attempts: load.attempts,
            latency_us: LatencyReport::new(&load.latency),
            failed_latency_us: LatencyReport::new(&load.failed_latency),
            path_us: PathReport::new(&load.path),
        }
    }
}

impl ServiceReport {
    fn new(service: &ServiceMeasured) -> ServiceReport {
        ServiceReport {
            arrivals: service.arrivals,
            completed: service.completed,
            rejected: service.rejected,
            errors: service.errors,
            expired: service.expired,
            shed: service.shed,
            abandoned: service.abandoned,
            cancelled: service.cancelled,
            lost: service.lost,
            retries: service.retries,
            utilization_ppm: u64::from(service.utilization_ppm),
            queue: QueueReport { mean_milli: service.queue_mean_milli, max: u64::from(service.queue_max) },
            wait_us: LatencyReport::new(&service.wait),
            service_us: LatencyReport::new(&service.service),
        }
    }
}

impl CallReport {
    fn new(edge: &EdgeMeasured) -> CallReport {
        CallReport {
            requests: edge.requests,
            good: edge.good,
            attempts: edge.attempts,
            retries: edge.retries,
            hedges: edge.hedges,
            retries_denied: edge.retries_denied,
            doomed: edge.doomed,
            timeouts: edge.ended[OutcomeKind::Timeout as usize],
            rejected: edge.ended[OutcomeKind::Rejected as usize],
            amplification_milli: edge.attempts.saturating_mul(1000).checked_div(edge.requests).unwrap_or(0),
            ended: by_outcome(&edge.ended),
            late_answers: edge.late_answers,
            latency_us: LatencyReport::new(&edge.latency),
            waiting_us: micros(edge.waiting_ns),
            backoff_us: micros(edge.backoff_ns),
            breaker: BreakerReport::new(&edge.breaker),
            attempts_by_replica: edge.attempts_by_replica.clone(),
        }
    }
}

impl BreakerReport {
    fn new(breaker: &BreakerMeasured) -> Option<BreakerReport> {
        breaker.present.then_some(BreakerReport {
            opened: breaker.opened,
            half_opened: breaker.half_opened,
            closed: breaker.closed,
            rejected: breaker.rejected,
        })
    }
}

impl LinkReport {
    fn new(link: &LinkMeasured) -> LinkReport {
        LinkReport {
            sent: link.sent,
            duplicated: link.duplicated,
            delivered: link.delivered,
            lost: link.lost,
            overflowed: link.overflowed,
            corrupted: link.corrupted,
            cut: link.cut,
            undeliverable: link.undeliverable,
            in_flight: link.in_flight,
            latency_us: LatencyReport::new(&link.latency),
        }
    }
}

/// The outcomes that occurred, by name.
fn by_outcome(counts: &[u64; OutcomeKind::COUNT]) -> BTreeMap<&'static str, u64> {
    let counted = OutcomeKind::ALL.into_iter().zip(counts);
    counted.filter(|(_, count)| **count > 0).map(|(outcome, count)| (outcome.name(), *count)).collect()
}

/// Whole microseconds, saturating.
fn micros(ns: u128) -> u64 {
    u64::try_from(ns / 1_000).unwrap_or(u64::MAX)
}

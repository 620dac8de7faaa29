//! Builds the report of an outcome: names for numbers, microseconds for nanoseconds. Decides nothing.

use std::collections::BTreeMap;

use super::model::{
    BlockerReport, BreakerReport, CallReport, ConcurrencyReport, EntryReport, FindingReport, InvariantReport,
    LatencyReport, LinkReport, LivenessReport, LoadReport, MarkReport, PathReport, QueueReport,
    RateLimitReport, RecoveryReport, Report, RunReport, SCHEMA, ServiceReport, SloReport, TimelineReport,
    VerdictReport,
};
use crate::judge::{InvariantVerdict, Judgement, Liveness, MarkVerdict, SloVerdict, Unit};
use crate::kernel::time::{Span, Time};
use crate::measure::{
    BreakerMeasured, ConcurrencyMeasured, EdgeMeasured, EntryMeasured, LinkMeasured, LoadMeasured,
    OutcomeKind, PathShares, RateLimitMeasured, ServiceMeasured, Summary, TimelineEvent,
};
use crate::run::Outcome;
use crate::scenario::plan::RunPlan;

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
            sometimes: judgement.marks.iter().map(MarkReport::new).collect(),
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
    pub(crate) fn new(slo: &SloVerdict) -> SloReport {
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

impl MarkReport {
    fn new(mark: &MarkVerdict) -> MarkReport {
        MarkReport { id: mark.id.clone(), what: mark.what.clone(), hit: mark.hit }
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
            rate_limit: RateLimitReport::new(&edge.rate_limit),
            concurrency: ConcurrencyReport::new(&edge.concurrency),
            attempts_by_replica: edge.attempts_by_replica.clone(),
        }
    }
}

impl RateLimitReport {
    fn new(limit: &RateLimitMeasured) -> Option<RateLimitReport> {
        limit.present.then(|| RateLimitReport {
            passed: limit.passed,
            refused: limit.refused,
            would_refuse: limit.would_refuse,
            near_limit: limit.near_limit,
            waited: limit.waited,
            waited_us: micros(limit.waited_ns),
        })
    }
}

impl ConcurrencyReport {
    fn new(bound: &ConcurrencyMeasured) -> Option<ConcurrencyReport> {
        bound.present.then(|| ConcurrencyReport {
            passed: bound.passed,
            refused: bound.refused,
            would_refuse: bound.would_refuse,
            limit_min: u64::from(bound.limit_min),
            limit_last: u64::from(bound.limit_last),
        })
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

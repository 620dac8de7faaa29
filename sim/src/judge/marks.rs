//! Marks of a scenario: was each hit in this run? And which branches policies took. Fails nothing: that a mark was
//! never hit is for a sweep to say.

use super::Evidence;
use super::words::{self, Unit};
use crate::measure::{EdgeMeasured, OutcomeKind, ServiceMeasured};
use crate::scenario::plan::{CallBranch, MarkCondition, ServiceBranch};

/// What became of one mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkVerdict {
    /// Its id.
    pub id: String,
    /// What hits it: `latency p99 of buyers > 300ms`, `breaker_opened on checkout -> orders-db`.
    pub what: String,
    /// Whether it was hit.
    pub hit: bool,
}

pub(super) fn judge(evidence: &Evidence<'_>) -> Vec<MarkVerdict> {
    let (plan, measured) = (evidence.plan, evidence.measured);
    // What was measured for marks stands in the order of the marks that measure.
    let mut values = measured.marks.iter();
    let judged = plan.marks.iter().map(|mark| {
        let (what, hit) = match &mark.condition {
            MarkCondition::Metric(slo) => {
                let value = values.next().and_then(|measured| measured.value);
                let what = format!(
                    "{} of {} {}",
                    words::metric(slo.metric),
                    words::target(plan, slo.target),
                    words::bound(slo.bound, Unit::of(slo.metric))
                );
                (what, value.is_some_and(|value| slo.bound.holds(value)))
            }
            MarkCondition::Call(edge, branch) => {
                let name = plan.edges.get(edge.index()).map_or("?", |edge| edge.name.as_str());
                let taken = measured.edges.get(edge.index()).is_some_and(|edge| call_took(*branch, edge));
                (format!("{} on {name}", branch.name()), taken)
            }
            MarkCondition::Service(service, branch) => {
                let name = plan.services.get(service.index()).map_or("?", |service| service.name.as_str());
                let taken = measured
                    .services
                    .get(service.index())
                    .is_some_and(|service| service_took(*branch, service));
                (format!("{} at {name}", branch.name()), taken)
            }
        };
        MarkVerdict { id: mark.id.clone(), what, hit }
    });
    judged.collect()
}

/// Whether the policy of a call took the branch, after the warm-up.
pub fn call_took(branch: CallBranch, call: &EdgeMeasured) -> bool {
    let ended = |outcome: OutcomeKind| call.ended[outcome as usize];
    let times = match branch {
        CallBranch::Retried => call.retries,
        CallBranch::BudgetExhausted => call.retries_denied,
        CallBranch::Hedged => call.hedges,
        CallBranch::BreakerOpened => call.breaker.opened,
        CallBranch::BreakerHalfOpened => call.breaker.half_opened,
        CallBranch::BreakerClosed => call.breaker.closed,
        CallBranch::BreakerRefused => call.breaker.rejected,
        CallBranch::ProbeFailed => call.breaker.probes_failed,
        CallBranch::ProbeLost => call.breaker.probes_lost,
        CallBranch::RateLimited => call.rate_limit.refused,
        CallBranch::RateLimitWaited => call.rate_limit.waited,
        CallBranch::ConcurrencyLimited => ended(OutcomeKind::ConcurrencyLimited),
        CallBranch::BulkheadFull => ended(OutcomeKind::BulkheadFull),
        CallBranch::PoolTimeout => ended(OutcomeKind::PoolTimeout),
        CallBranch::TimedOut => ended(OutcomeKind::Timeout),
        CallBranch::LateAnswer => call.late_answers,
    };
    times > 0
}

/// Whether a service took the branch, after the warm-up.
pub fn service_took(branch: ServiceBranch, service: &ServiceMeasured) -> bool {
    let times = match branch {
        ServiceBranch::QueueFull => service.rejected,
        ServiceBranch::Expired => service.expired,
        ServiceBranch::Shed => service.shed,
        ServiceBranch::Wasted => service.abandoned,
    };
    times > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::sample;
    use crate::measure::SloMeasured;
    use crate::scenario::plan::{
        Bound, Comparison, EdgeId, LoadId, MarkPlan, Metric, ServiceId, SloPlan, SloWindow, Stat, Target,
    };

    fn call(branch: CallBranch) -> EdgeMeasured {
        let mut call = EdgeMeasured::default();
        let mut end = |outcome: OutcomeKind| call.ended[outcome as usize] = 1;
        match branch {
            CallBranch::ConcurrencyLimited => end(OutcomeKind::ConcurrencyLimited),
            CallBranch::BulkheadFull => end(OutcomeKind::BulkheadFull),
            CallBranch::PoolTimeout => end(OutcomeKind::PoolTimeout),
            CallBranch::TimedOut => end(OutcomeKind::Timeout),
            CallBranch::Retried => call.retries = 1,
            CallBranch::BudgetExhausted => call.retries_denied = 1,
            CallBranch::Hedged => call.hedges = 1,
            CallBranch::BreakerOpened => call.breaker.opened = 1,
            CallBranch::BreakerHalfOpened => call.breaker.half_opened = 1,
            CallBranch::BreakerClosed => call.breaker.closed = 1,
            CallBranch::BreakerRefused => call.breaker.rejected = 1,
            CallBranch::ProbeFailed => call.breaker.probes_failed = 1,
            CallBranch::ProbeLost => call.breaker.probes_lost = 1,
            CallBranch::RateLimited => call.rate_limit.refused = 1,
            CallBranch::RateLimitWaited => call.rate_limit.waited = 1,
            CallBranch::LateAnswer => call.late_answers = 1,
        }
        call
    }

    #[test]
    fn each_branch_is_taken_by_its_own_counter_and_by_no_other() {
        for branch in CallBranch::ALL {
            for other in CallBranch::ALL {
                assert_eq!(call_took(*other, &call(*branch)), other == branch, "{branch:?} {other:?}");
            }
            assert_eq!(CallBranch::from_name(branch.name()), Some(*branch));
            assert_eq!(ServiceBranch::from_name(branch.name()), None, "names of calls and services differ");
        }
        for branch in ServiceBranch::ALL {
            assert!(!service_took(*branch, &ServiceMeasured::default()));
        }
    }

    #[test]
    fn a_mark_about_a_metric_is_hit_within_its_bound_and_not_without_a_value() {
        let slow = |limit| MarkPlan {
            id: format!("above-{limit}"),
            condition: MarkCondition::Metric(SloPlan {
                id: "slow".to_string(),
                metric: Metric::Latency(Stat::Quantile(990_000)),
                target: Target::Load(LoadId(0), None),
                bound: Bound { comparison: Comparison::Above, limit },
                window: SloWindow::Over { from: sample::seconds(0), to: sample::seconds(9) },
            }),
        };
        let mut plan = sample::plan();
        plan.marks = vec![
            slow(5_000_000),
            MarkPlan {
                id: "opened".to_string(),
                condition: MarkCondition::Call(EdgeId(1), CallBranch::BreakerOpened),
            },
            slow(50_000_000),
            MarkPlan {
                id: "full".to_string(),
                condition: MarkCondition::Service(ServiceId(1), ServiceBranch::QueueFull),
            },
            slow(6_000_000),
        ];
        let mut measured = sample::measured();
        let value = |value| SloMeasured { value, intervals: Vec::new() };
        measured.marks = vec![value(Some(7_000_000)), value(Some(7_000_000)), value(None)];
        measured.edges[1].breaker.opened = 1;
        let evidence = Evidence {
            plan: &plan,
            measured: &measured,
            ended: sample::seconds(9),
            stop: crate::kernel::StopReason::EndOfTime,
        };
        let judged = judge(&evidence);
        assert_eq!(judged.iter().map(|mark| mark.hit).collect::<Vec<_>>(), [true, true, false, false, false]);
        assert_eq!(judged[0].what, "latency p99 of buyers > 5ms");
        assert_eq!(judged[1].what, "breaker_opened on shop -> db");
        assert_eq!(judged[3].what, "queue_full at db");
    }
}

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

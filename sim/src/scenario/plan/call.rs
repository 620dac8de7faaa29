//! Call entries and the policies that protect them.

use foreshock_systems::bulkhead::BulkheadConfig;
use foreshock_systems::circuit_breaker::BreakerConfig;
use foreshock_systems::retry::{AdaptiveConfig, BudgetConfig, RetryConfig};

use super::{CallLimitPlan, ConcurrencyPlan, LinkId, LoadId, ServiceId};
use crate::kernel::time::Span;
use crate::measure::OutcomeKind;

/// One call entry of one caller.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgePlan {
    /// `caller -> callee`, with ` #2` and so on for further entries to the same callee.
    pub name: String,
    /// Who calls.
    pub caller: Party,
    /// Who is called.
    pub callee: ServiceId,
    /// 0 for the first entry of this caller to this callee, 1 for the next. With the parties' names this is
    /// the edge's identity in keyed draws.
    pub occurrence: u32,
    /// Link that requests take.
    pub request_link: LinkId,
    /// Link that answers take.
    pub response_link: LinkId,
    /// How the call is protected.
    pub policy: CallPolicy,
}

/// Either end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The clients of a load.
    Load(LoadId),
    /// The replicas of a service.
    Service(ServiceId),
}

/// Everything between wanting a call and having its answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallPolicy {
    /// Longest wait for one attempt, waiting for a connection included.
    pub timeout: Option<Span>,
    /// Longest wait for the whole call, all attempts and pauses included.
    pub overall_timeout: Option<Span>,
    /// Whether the caller's own deadline bounds this call.
    pub propagate_deadline: bool,
    /// Whether the callee is told to stop when the caller no longer waits.
    pub cancel: bool,
    /// Further attempts.
    pub retry: Option<RetryPolicy>,
    /// Circuit breaker.
    pub breaker: Option<BreakerPolicy>,
    /// Client-side rate limit.
    pub rate_limit: Option<CallLimitPlan>,
    /// Bound on calls under way that is found from how they fare.
    pub concurrency: Option<ConcurrencyPlan>,
    /// Bound on calls in flight and waiting.
    pub bulkhead: Option<BulkheadPolicy>,
    /// Index into the caller's pools.
    pub pool: Option<u32>,
    /// Second copies of slow calls.
    pub hedge: Option<HedgePolicy>,
}

/// When and how a failed attempt is followed by another.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts and pauses.
    pub config: RetryConfig,
    /// What bounds retries as a whole.
    pub budget: Option<BudgetConfig>,
    /// Outcomes worth another attempt.
    pub retry_on: OutcomeSet,
    /// The client's own rate, if it lowers it when told to send less.
    pub adaptive: Option<AdaptiveConfig>,
}

/// A set of outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeSet(u32);

impl OutcomeSet {
    /// The set of the given outcomes.
    pub fn of(outcomes: &[OutcomeKind]) -> OutcomeSet {
        OutcomeSet(outcomes.iter().fold(0, |bits, outcome| bits | 1 << *outcome as u32))
    }

    /// Whether the set holds `outcome`.
    pub const fn contains(self, outcome: OutcomeKind) -> bool {
        self.0 & (1 << outcome as u32) != 0
    }
}

/// A circuit breaker on an edge.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// Window, thresholds, probes.
    pub config: BreakerConfig,
    /// One breaker for the edge, or one for every replica called.
    pub scope: BreakerScope,
}

/// What one breaker watches over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerScope {
    /// All replicas of the callee together.
    Edge,
    /// Each replica alone.
    Endpoint,
}

/// Bound on the calls of one caller replica over one edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkheadPolicy {
    /// In flight and waiting.
    pub size: BulkheadConfig,
    /// Longest wait for a place.
    pub max_wait: Option<Span>,
}

/// Further copies of an attempt that takes long; the first answer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgePolicy {
    /// Wait before each further copy.
    pub after: Span,
    /// Most further copies.
    pub max_extra: u32,
}

//! Marks: what a sweep has to see at least once; and the branches that policies can take. Data only.

use super::{CallPolicy, EdgeId, ServiceId, ServicePlan, SloPlan};

/// Something that has to happen in at least one run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkPlan {
    /// Its unique name.
    pub id: String,
    /// When it is hit.
    pub condition: MarkCondition,
}

/// What hits a mark.
#[derive(Clone, Debug, PartialEq)]
pub enum MarkCondition {
    /// The metric, over its window as a whole, is within the bound.
    Metric(SloPlan),
    /// A call's policy took this branch.
    Call(EdgeId, CallBranch),
    /// A service took this branch.
    Service(ServiceId, ServiceBranch),
}

macro_rules! branches {
    ($(#[$of:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal, )* }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $( $(#[$doc])* $variant, )* }

        impl $name {
            /// Every branch.
            pub const ALL: &'static [$name] = &[ $( $name::$variant, )* ];

            /// The name, as in a scenario.
            pub const fn name(self) -> &'static str {
                match self { $( $name::$variant => $text, )* }
            }

            /// The branch of this name.
            pub fn from_name(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|branch| branch.name() == name)
            }
        }
    };
}

branches! {
    /// What the policy of a call can come to.
    CallBranch {
        /// An attempt was followed by another.
        Retried = "retried",
        /// The retry budget forbade an attempt.
        BudgetExhausted = "budget_exhausted",
        /// A second copy was sent.
        Hedged = "hedged",
        /// A breaker opened.
        BreakerOpened = "breaker_opened",
        /// A breaker let probes through.
        BreakerHalfOpened = "breaker_half_opened",
        /// A breaker closed again.
        BreakerClosed = "breaker_closed",
        /// A breaker refused a call.
        BreakerRefused = "breaker_refused",
        /// Probes failed or were slow.
        ProbeFailed = "probe_failed",
        /// A probe stayed unanswered until it was given up.
        ProbeLost = "probe_lost",
        /// The call's own rate limit refused it.
        RateLimited = "rate_limited",
        /// It waited for its turn under the rate limit.
        RateLimitWaited = "rate_limit_waited",
        /// The call's own bound on concurrency refused it.
        ConcurrencyLimited = "concurrency_limited",
        /// The bulkhead had no place left.
        BulkheadFull = "bulkhead_full",
        /// No connection came free in time.
        PoolTimeout = "pool_timeout",
        /// No answer came in time.
        TimedOut = "timed_out",
        /// An answer came when nobody waited any more.
        LateAnswer = "late_answer",
    }
}

branches! {
    /// What can become of requests at a service.
    ServiceBranch {
        /// There was no place left in the waiting line.
        QueueFull = "queue_full",
        /// Work was dropped because its deadline had passed.
        Expired = "expired",
        /// Controlled delay dropped a request.
        Shed = "shed",
        /// Work was done for a caller that no longer waited.
        Wasted = "wasted",
    }
}

impl CallBranch {
    /// Whether a call with this policy can take the branch.
    pub fn is_possible(self, policy: &CallPolicy) -> bool {
        let retry = policy.retry.as_ref();
        match self {
            CallBranch::Retried => retry.is_some_and(|retry| retry.config.max_attempts > 1),
            CallBranch::BudgetExhausted => retry.is_some_and(|retry| retry.budget.is_some()),
            CallBranch::Hedged => policy.hedge.is_some(),
            CallBranch::BreakerOpened
            | CallBranch::BreakerHalfOpened
            | CallBranch::BreakerClosed
            | CallBranch::BreakerRefused
            | CallBranch::ProbeFailed
            | CallBranch::ProbeLost => policy.breaker.is_some(),
            CallBranch::RateLimited | CallBranch::RateLimitWaited => policy.rate_limit.is_some(),
            CallBranch::ConcurrencyLimited => policy.concurrency.is_some(),
            CallBranch::BulkheadFull => policy.bulkhead.is_some(),
            CallBranch::PoolTimeout => policy.pool.is_some(),
            CallBranch::TimedOut | CallBranch::LateAnswer => {
                policy.timeout.is_some() || policy.overall_timeout.is_some()
            }
        }
    }
}

impl ServiceBranch {
    /// Whether such a service can take the branch.
    pub fn is_possible(self, service: &ServicePlan) -> bool {
        match self {
            ServiceBranch::QueueFull => service.workers != u32::MAX && service.queue.capacity != u32::MAX,
            ServiceBranch::Expired => service.drop_expired,
            ServiceBranch::Shed => service.queue.codel.is_some(),
            ServiceBranch::Wasted => true,
        }
    }
}

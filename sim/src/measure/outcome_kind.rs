//! How an attempt, a call or a request can end; one list for policies, measurements and reports.

/// How an attempt, a call or a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OutcomeKind {
    /// Answered as wanted.
    Ok,
    /// The callee answered with an error.
    Error,
    /// The callee had no place left, or gave the place to another.
    Rejected,
    /// No answer in time.
    Timeout,
    /// The connection was refused: the process is down.
    Refused,
    /// The connection broke.
    Reset,
    /// The caller's circuit breaker was open.
    BreakerOpen,
    /// The caller's own rate limit refused it.
    RateLimited,
    /// The caller's bulkhead was full, or its wait too long.
    BulkheadFull,
    /// No connection of the pool came free in time.
    PoolTimeout,
    /// No replica may be called: all unhealthy or ejected, or none exists.
    NoHealthyReplica,
    /// The deadline handed down had passed before the work was taken up.
    DeadlineExceeded,
    /// The client lost patience.
    Abandoned,
    /// The caller itself was gone: it crashed or told the callee to stop.
    Cancelled,
    /// The caller's own bound on concurrency refused it.
    ConcurrencyLimited,
}

impl OutcomeKind {
    /// Every outcome, in the order of their numbers.
    pub const ALL: [OutcomeKind; 15] = [
        OutcomeKind::Ok,
        OutcomeKind::Error,
        OutcomeKind::Rejected,
        OutcomeKind::Timeout,
        OutcomeKind::Refused,
        OutcomeKind::Reset,
        OutcomeKind::BreakerOpen,
        OutcomeKind::RateLimited,
        OutcomeKind::BulkheadFull,
        OutcomeKind::PoolTimeout,
        OutcomeKind::NoHealthyReplica,
        OutcomeKind::DeadlineExceeded,
        OutcomeKind::Abandoned,
        OutcomeKind::Cancelled,
        OutcomeKind::ConcurrencyLimited,
    ];

    /// How many there are.
    pub const COUNT: usize = OutcomeKind::ALL.len();

    /// The name used in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            OutcomeKind::Ok => "ok",
            OutcomeKind::Error => "error",
            OutcomeKind::Rejected => "rejected",
            OutcomeKind::Timeout => "timeout",
            OutcomeKind::Refused => "refused",
            OutcomeKind::Reset => "reset",
            OutcomeKind::BreakerOpen => "breaker_open",
            OutcomeKind::RateLimited => "rate_limited",
            OutcomeKind::BulkheadFull => "bulkhead_full",
            OutcomeKind::PoolTimeout => "pool_timeout",
            OutcomeKind::NoHealthyReplica => "no_healthy_replica",
            OutcomeKind::DeadlineExceeded => "deadline_exceeded",
            OutcomeKind::Abandoned => "abandoned",
            OutcomeKind::Cancelled => "cancelled",
            OutcomeKind::ConcurrencyLimited => "concurrency_limited",
        }
    }

    /// Whether it speaks of too much work, further down or on the way there.
    pub const fn is_overload(self) -> bool {
        match self {
            OutcomeKind::Timeout
            | OutcomeKind::Rejected
            | OutcomeKind::PoolTimeout
            | OutcomeKind::BulkheadFull
            | OutcomeKind::DeadlineExceeded
            | OutcomeKind::ConcurrencyLimited => true,
            OutcomeKind::Ok
            | OutcomeKind::Error
            | OutcomeKind::Refused
            | OutcomeKind::Reset
            | OutcomeKind::BreakerOpen
            | OutcomeKind::RateLimited
            | OutcomeKind::NoHealthyReplica
            | OutcomeKind::Abandoned
            | OutcomeKind::Cancelled => false,
        }
    }

    /// The outcome of this name.
    pub fn from_name(name: &str) -> Option<OutcomeKind> {
        OutcomeKind::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

//! What the file says about calls and how they are protected.

use schemars::JsonSchema;
use serde::Deserialize;

use super::limits::RawRateLimit;
use super::services::RawPool;
use crate::scenario::quantity::{Count, Duration, Factor, Limit, Percentage, Positive, Rate, Real, Share};

/// A step of a request's way: one call, or several at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawStep {
    /// Several calls at once.
    Parallel(RawParallel),
    /// One call.
    Call(Box<RawCall>),
}

/// Several calls started together.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawParallel {
    /// The calls.
    pub(crate) parallel: Vec<RawCall>,
    /// How many have to succeed: `all` (the default), `any`, or a number.
    #[serde(default)]
    pub(crate) join: Option<RawJoin>,
}

/// How many have to succeed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawJoin {
    /// `all` or `any`.
    Named(RawJoinName),
    /// At least so many.
    AtLeast(Positive),
}

/// How many have to succeed, by name.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawJoinName {
    /// Every one.
    All,
    /// One is enough.
    Any,
}

/// A call to a service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawCall {
    /// The service called.
    pub(crate) to: String,
    /// How the call is protected.
    #[serde(flatten)]
    pub(crate) policy: RawPolicy,
    /// This call is to a cache: the named later step is taken only on a miss or failure of this one.
    #[serde(default)]
    pub(crate) on_miss: Option<String>,
    /// Share of requests that make this call. Default 100%.
    #[serde(default)]
    pub(crate) share: Option<Share>,
    /// Only requests of these operations make this call.
    #[serde(default)]
    pub(crate) operations: Option<Vec<String>>,
    /// How many equal calls are made at once. Default 1.
    #[serde(default)]
    pub(crate) fan_out: Option<Positive>,
    /// How many of them have to succeed: `all` (the default), `any`, or a number.
    #[serde(default)]
    pub(crate) join: Option<RawJoin>,
    /// Whether a failure of this call leaves the request unharmed. Default false.
    #[serde(default)]
    pub(crate) optional: Option<bool>,
}

/// How a call is protected.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct RawPolicy {
    /// Longest wait for one attempt.
    #[serde(default)]
    pub(crate) timeout: Option<Duration>,
    /// Longest wait for the whole call, attempts and pauses included.
    #[serde(default)]
    pub(crate) overall_timeout: Option<Duration>,
    /// Whether the caller's own deadline bounds this call. Default false.
    #[serde(default)]
    pub(crate) propagate_deadline: Option<bool>,
    /// Whether the callee is told to stop when the caller no longer waits. Default false.
    #[serde(default)]
    pub(crate) cancel: Option<bool>,
    /// Further attempts after a failure.
    #[serde(default)]
    pub(crate) retry: Option<RawRetry>,
    /// Circuit breaker.
    #[serde(default)]
    pub(crate) breaker: Option<RawBreaker>,
    /// Client-side rate limit.
    #[serde(default)]
    pub(crate) rate_limit: Option<RawRateLimit>,
    /// Bound on calls in flight.
    #[serde(default)]
    pub(crate) bulkhead: Option<RawBulkhead>,
    /// Connection pool: the name of one of the caller's pools, or a pool of this call alone.
    #[serde(default)]
    pub(crate) pool: Option<RawPoolChoice>,
    /// Second copies of slow calls.
    #[serde(default)]
    pub(crate) hedge: Option<RawHedge>,
}

/// Further attempts after a failure.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRetry {
    /// Most attempts, the first one included.
    pub(crate) max_attempts: Positive,
    /// Pauses between attempts.
    #[serde(default)]
    pub(crate) backoff: RawBackoff,
    /// What bounds retries as a whole: a share of the first attempts, or a table.
    #[serde(default)]
    pub(crate) budget: Option<RawBudget>,
    /// Outcomes worth another attempt. Default timeout, error, rejected, refused, reset.
    #[serde(default)]
    pub(crate) retry_on: Option<Vec<RawRetryOn>>,
    /// Whether a pause asked for by the callee is kept. Default true.
    #[serde(default)]
    pub(crate) honour_retry_after: Option<bool>,
}

/// An outcome worth another attempt.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawRetryOn {
    /// No answer in time.
    Timeout,
    /// An error answer.
    Error,
    /// The callee had no place left.
    Rejected,
    /// The connection was refused.
    Refused,
    /// The connection broke.
    Reset,
}

/// Pauses between attempts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBackoff {
    /// How pauses grow. Default exponential.
    #[serde(default)]
    pub(crate) kind: Option<RawBackoffKind>,
    /// The first pause. Default 100ms.
    #[serde(default)]
    pub(crate) base: Option<Duration>,
    /// The longest pause. Default 10s.
    #[serde(default)]
    pub(crate) cap: Option<Duration>,
    /// Growth from one pause to the next. Default 2.
    #[serde(default)]
    pub(crate) multiplier: Option<Factor>,
    /// How pauses are spread. Default full.
    #[serde(default)]
    pub(crate) jitter: Option<RawJitter>,
}

/// How pauses grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawBackoffKind {
    /// Not at all.
    Constant,
    /// By the base each time.
    Linear,
    /// By the multiplier each time.
    Exponential,
    /// By the Fibonacci numbers.
    Fibonacci,
    /// Drawn between the base and three times the pause before.
    Decorrelated,
}

/// How pauses are spread.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawJitter {
    /// Not at all.
    None,
    /// Between nothing and the whole pause.
    Full,
    /// Between half and the whole pause.
    Equal,
}

/// What bounds retries as a whole.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawBudget {
    /// A share of the first attempts.
    Ratio(Percentage),
    /// Any kind of budget with its parameters.
    Table(Box<RawBudgetTable>),
}

/// A retry budget with its parameters: `ratio`, `token_bucket` or `in_flight`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBudgetTable {
    /// Retries as a share of first attempts in the window.
    #[serde(default)]
    pub(crate) ratio: Option<Percentage>,
    /// Retries allowed in any case.
    #[serde(default)]
    pub(crate) reserve: Option<Rate>,
    /// How far back attempts count. Default 10s.
    #[serde(default)]
    pub(crate) window: Option<Duration>,
    /// Tokens taken by failures and given back by successes.
    #[serde(default)]
    pub(crate) token_bucket: Option<RawTokenBucket>,
    /// Retries in flight as a share of all attempts in flight.
    #[serde(default)]
    pub(crate) in_flight: Option<RawInFlight>,
}

/// Tokens taken by failures and given back by successes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTokenBucket {
    /// Tokens at the start and at most. No retries at or below half of them.
    pub(crate) max_tokens: Positive,
    /// Tokens a success gives back.
    pub(crate) token_ratio: Real,
}

/// Retries in flight as a share of all attempts in flight.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawInFlight {
    /// The share.
    pub(crate) percent: Percentage,
    /// Retries allowed in any case. Default 3.
    #[serde(default)]
    pub(crate) floor: Option<Count>,
}

/// Circuit breaker.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBreaker {
    /// Outcomes of this last stretch of time count.
    #[serde(default)]
    pub(crate) window: Option<Duration>,
    /// So many last outcomes count.
    #[serde(default)]
    pub(crate) count: Option<Positive>,
    /// Fewer outcomes than this never open it. Default 20.
    #[serde(default)]
    pub(crate) min_requests: Option<Positive>,
    /// Share of failures that opens it. Default 50%.
    #[serde(default)]
    pub(crate) open_at: Option<Share>,
    /// Answers slower than this count as slow.
    #[serde(default)]
    pub(crate) slow_call: Option<Duration>,
    /// Share of slow answers that opens it. Default 80%.
    #[serde(default)]
    pub(crate) slow_at: Option<Share>,
    /// Failures in a row that open it.
    #[serde(default)]
    pub(crate) consecutive_failures: Option<Positive>,
    /// How long it stays open. Default 5s.
    #[serde(default)]
    pub(crate) open_for: Option<Duration>,
    /// Growth of that time from one opening to the next. Default x1.
    #[serde(default)]
    pub(crate) open_growth: Option<Factor>,
    /// Longest it stays open.
    #[serde(default)]
    pub(crate) open_cap: Option<Duration>,
    /// Attempts let through to find out whether the callee is well. Default 3.
    #[serde(default)]
    pub(crate) half_open_probes: Option<Positive>,
    /// Longest wait for their outcomes.
    #[serde(default)]
    pub(crate) half_open_max_wait: Option<Duration>,
    /// One breaker for the call (`edge`, the default) or one for each replica called (`endpoint`).
    #[serde(default)]
    pub(crate) scope: Option<RawBreakerScope>,
}

/// What one breaker watches over.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawBreakerScope {
    /// All replicas of the callee together.
    Edge,
    /// Each replica alone.
    Endpoint,
}

/// Bound on calls in flight.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBulkhead {
    /// Most calls in flight.
    pub(crate) max_in_flight: Positive,
    /// Most calls waiting for a place. Default 0.
    #[serde(default)]
    pub(crate) max_waiting: Option<Limit>,
    /// Longest wait for a place.
    #[serde(default)]
    pub(crate) max_wait: Option<Duration>,
}

/// Connection pool of a call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawPoolChoice {
    /// One of the caller's pools by name.
    Named(String),
    /// A pool of this call alone.
    Own(RawPool),
}

/// Second copies of slow calls.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHedge {
    /// Wait before each further copy.
    pub(crate) after: Duration,
    /// Most further copies. Default 1.
    #[serde(default)]
    pub(crate) max_extra: Option<Positive>,
}

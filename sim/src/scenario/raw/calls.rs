//! What the file says about calls and how they are protected.

use schemars::JsonSchema;
use serde::Deserialize;

use super::breaker::RawBreaker;
use super::limits::{RawConcurrency, RawRateLimit};
use super::retry::RawRetry;
use super::services::RawPool;
use crate::scenario::quantity::{Duration, Limit, Positive, Share};

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
    /// Only requests for whose user this feature flag is on make this call.
    #[serde(default)]
    pub(crate) when_flag: Option<String>,
    /// Only requests for whose user this feature flag is off make this call.
    #[serde(default)]
    pub(crate) unless_flag: Option<String>,
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
    /// Bound on calls under way at once: fixed, or found from how they fare.
    #[serde(default)]
    pub(crate) concurrency: Option<RawConcurrency>,
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

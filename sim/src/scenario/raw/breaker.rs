//! What the file says about keeping away from what is sick: circuit breakers, ejection of replicas.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::quantity::{Duration, Factor, Positive, Share};

/// Circuit breaker.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBreaker {
    /// Outcomes of this last stretch of time count. Default 10s, in ten steps.
    #[serde(default)]
    pub(crate) window: Option<Duration>,
    /// So many last outcomes count. With `window`: those of the window, one by one, and at most so many.
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
    /// Failures within the window that open it, whatever their share.
    #[serde(default)]
    pub(crate) failures_in_window: Option<Positive>,
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
    /// Share of that time by which it is spread to both sides. Default 0%.
    #[serde(default)]
    pub(crate) open_jitter: Option<Share>,
    /// Who ends the open time: a `timer` (the default) or, `lazy`, the first call after it.
    #[serde(default)]
    pub(crate) half_open_by: Option<RawHalfOpenBy>,
    /// Attempts let through to find out whether the callee is well. Default 3.
    #[serde(default)]
    pub(crate) half_open_probes: Option<Positive>,
    /// Good probes that close it. Default: all of them are waited for, and judged by the rules above.
    #[serde(default)]
    pub(crate) close_at: Option<Positive>,
    /// Longest wait for their outcomes, or `unlimited`. Default 10s.
    #[serde(default)]
    pub(crate) half_open_max_wait: Option<RawMaxWait>,
    /// Whether outcomes of calls begun in an earlier state count. Default `drop`.
    #[serde(default)]
    pub(crate) late_results: Option<RawLateResults>,
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

/// Who ends the open time.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawHalfOpenBy {
    /// A timer.
    Timer,
    /// The first call after it.
    Lazy,
}

/// What becomes of late outcomes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawLateResults {
    /// Nothing.
    Drop,
    /// They join the window.
    Count,
}

/// How long probes are waited for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawMaxWait {
    /// Without end.
    Unlimited(RawUnlimited),
    /// So long.
    For(Duration),
}

/// No bound.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawUnlimited {
    /// No bound.
    Unlimited,
}

/// Ejection of failing replicas.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOutlier {
    /// Failures in a row that eject a replica. Default 5.
    #[serde(default)]
    pub(crate) consecutive_failures: Option<Positive>,
    /// Length of the first ejection. Default 30s.
    #[serde(default)]
    pub(crate) base: Option<Duration>,
    /// Longest ejection. Default 5m.
    #[serde(default)]
    pub(crate) max: Option<Duration>,
    /// Length of the stretches over which the rules below judge. Default 10s.
    #[serde(default)]
    pub(crate) interval: Option<Duration>,
    /// Ejects replicas that succeed much less often than the others.
    #[serde(default)]
    pub(crate) success_rate: Option<RawSuccessRate>,
    /// Ejects replicas that fail too often, whatever the others do.
    #[serde(default)]
    pub(crate) failure_percentage: Option<RawFailurePercentage>,
    /// Whether one may be ejected where `max_ejected` is less than one. Default false.
    #[serde(default)]
    pub(crate) at_least_one: Option<bool>,
    /// Largest share of replicas ejected at once. Default 10%.
    #[serde(default)]
    pub(crate) max_ejected: Option<Share>,
}

/// Compares success rates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSuccessRate {
    /// So many standard deviations below the mean are too far. Default 1.9.
    #[serde(default)]
    pub(crate) deviations: Option<Factor>,
    /// Replicas with enough calls that are needed. Default 5.
    #[serde(default)]
    pub(crate) min_replicas: Option<Positive>,
    /// Calls within the interval that are enough. Default 100.
    #[serde(default)]
    pub(crate) min_requests: Option<Positive>,
}

/// Judges the share of failures.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFailurePercentage {
    /// From this share on. Default 85%.
    #[serde(default)]
    pub(crate) at: Option<Share>,
    /// Replicas with enough calls that are needed. Default 5.
    #[serde(default)]
    pub(crate) min_replicas: Option<Positive>,
    /// Calls within the interval that are enough. Default 50.
    #[serde(default)]
    pub(crate) min_requests: Option<Positive>,
}

//! What the file says about objectives and expectations.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::OneOrMany;
use crate::scenario::quantity::{Duration, Text};

/// A service level objective.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSlo {
    /// Its unique name.
    pub(crate) id: Text,
    /// What is measured.
    pub(crate) metric: RawMetric,
    /// The load whose requests are measured.
    #[serde(default)]
    pub(crate) of: Option<String>,
    /// The service that is measured.
    #[serde(default)]
    pub(crate) at: Option<String>,
    /// The call that is measured, as in `a -> b`.
    #[serde(default)]
    pub(crate) on: Option<String>,
    /// Only this operation of the load.
    #[serde(default)]
    pub(crate) operation: Option<String>,
    /// `mean`, `p50`, `p90`, `p95`, `p99`, `p999`, `max`, or any other percentile such as `p99.5`.
    #[serde(default)]
    pub(crate) stat: Option<String>,
    /// What has to hold, as in `< 500ms`.
    pub(crate) must_be: String,
    /// When it has to hold, as in `30s..5m`. Default from the warm-up to the end of the load.
    #[serde(default)]
    pub(crate) over: Option<String>,
    /// How long it may take after `after` until it holds.
    #[serde(default)]
    pub(crate) within: Option<Duration>,
    /// A timeline entry's start or end, as in `slow-link.end`.
    #[serde(default)]
    pub(crate) after: Option<String>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawMetric {
    /// Latency of good requests.
    Latency,
    /// Latency of all requests that ended.
    LatencyAll,
    /// Share of requests that failed.
    ErrorRate,
    /// Share of requests that were good.
    Availability,
    /// Good requests per second.
    Goodput,
    /// Attempts for each call that was wanted.
    AttemptsPerRequest,
    /// Attempts that reach a service for each request the loads offered.
    Amplification,
    /// Waiting requests of a service.
    QueueDepth,
    /// Busy share of a service's workers.
    Utilization,
    /// From a timeline edge until the load is well again.
    RecoveryTime,
}

/// How fast every load has to be well again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLiveness {
    /// The longest time allowed after the last fault ended.
    pub(crate) recovered_within: Duration,
}

/// What the author expects of a run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExpect {
    /// Whether every objective holds.
    #[serde(default)]
    pub(crate) verdict: Option<RawVerdict>,
    /// Exactly these objectives and invariants fail.
    #[serde(default)]
    pub(crate) failing: Option<OneOrMany>,
    /// Texts each of which some finding has to contain.
    #[serde(default)]
    pub(crate) findings: Option<OneOrMany>,
    /// What has to be named as the cause.
    #[serde(default)]
    pub(crate) why: Option<RawWhy>,
}

/// The verdict expected.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawVerdict {
    /// Every objective and invariant holds.
    Pass,
    /// Something does not.
    Fail,
}

/// What has to be named as the cause.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawWhy {
    /// Timeline entries that are root causes.
    #[serde(default)]
    pub(crate) root: Option<OneOrMany>,
    /// Timeline entries that are not.
    #[serde(default)]
    pub(crate) not_root: Option<OneOrMany>,
}

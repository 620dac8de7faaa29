//! What the file says about what the replicas of a service report of themselves.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::quantity::{Count, Duration, Positive, Share};

/// What every replica of a service measures of itself, and to whom it reports it: the system's own monitoring.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTelemetry {
    /// The service of kind `metrics` that collects the reports.
    pub(crate) to: String,
    /// From one report to the next. Default 10s.
    #[serde(default)]
    pub(crate) every: Option<Duration>,
    /// What latencies are kept in. Default hdr.
    #[serde(default)]
    pub(crate) histogram: Option<RawHistogramKind>,
    /// Whether a report says what was counted since the last one or since the process started. Default delta.
    #[serde(default)]
    pub(crate) temporality: Option<RawTemporality>,
    /// Reports kept and sent again until they are acknowledged; the oldest gives way. Default 0: sent once.
    #[serde(default)]
    pub(crate) queue: Option<Count>,
    /// Share of requests whose latency is recorded. Default 100%.
    #[serde(default)]
    pub(crate) sample: Option<Share>,
    /// From which latency on a request is slow.
    #[serde(default)]
    pub(crate) slow: Option<Duration>,
    /// Share of the slow requests whose latency is recorded; default that of all.
    #[serde(default)]
    pub(crate) sample_slow: Option<Share>,
    /// How often whoever is measured should have been asked: a latency above it stands for those that were not.
    #[serde(default)]
    pub(crate) expected_interval: Option<Duration>,
    /// What requests are counted apart by, beside the replica.
    #[serde(default)]
    pub(crate) labels: Option<Vec<RawLabel>>,
    /// Most series a replica counts apart; the rest goes to an overflow series. Default 2000.
    #[serde(default)]
    pub(crate) max_series: Option<Positive>,
}

/// What latencies are kept in.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawHistogramKind {
    /// Two significant digits, from 1ns to 1h.
    Hdr,
    /// Quantiles within one percent.
    Relative,
    /// Eleven bounds from 5ms to 10s, linear between them.
    Classic,
    /// Bounds at powers of two's roots, 256 buckets.
    Exponential,
}

/// What the numbers of a report count.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawTemporality {
    /// What happened since the last report.
    Delta,
    /// What happened since the process started.
    Cumulative,
}

/// What requests are counted apart by.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawLabel {
    /// The operation.
    Operation,
    /// The key, as somebody does who makes a label of the user.
    Key,
}

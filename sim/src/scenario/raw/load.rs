//! What the file says about clients.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::calls::RawPolicy;
use super::services::RawPool;
use super::values::RawDistribution;
use crate::scenario::quantity::{Count, Duration, Positive, Rate, Real, Share, Text, Total};

/// A group of clients.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLoad {
    /// Its name.
    pub(crate) name: Text,
    /// The service called.
    pub(crate) to: String,
    /// When requests start: `poisson` (the default), `constant`, or `{trace: file}`.
    #[serde(default)]
    pub(crate) arrivals: Option<RawArrivals>,
    /// Rates over time, one stage after the other.
    #[serde(default)]
    pub(crate) stages: Option<Vec<RawStage>>,
    /// One rate for the whole duration.
    #[serde(default)]
    pub(crate) rate: Option<Rate>,
    /// Clients that wait for an answer before the next request, in place of rates.
    #[serde(default)]
    pub(crate) closed: Option<RawClosed>,
    /// Shares of the operations, together 100%.
    #[serde(default)]
    pub(crate) mix: Option<IndexMap<String, Share>>,
    /// Which key a request bears.
    #[serde(default)]
    pub(crate) keys: Option<RawKeys>,
    /// The header in which requests bear their key, for limits that count by one.
    #[serde(default)]
    pub(crate) key_header: Option<Text>,
    /// How long a client waits in all before it walks away.
    #[serde(default)]
    pub(crate) patience: Option<Duration>,
    /// Added to the priority of the operation, 0 to 255. Default 0.
    #[serde(default)]
    pub(crate) priority: Option<Count>,
    /// Named connection pools of the clients.
    #[serde(default)]
    pub(crate) pools: IndexMap<String, RawPool>,
    /// How the call is protected.
    #[serde(flatten)]
    pub(crate) policy: RawPolicy,
}

/// When requests start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawArrivals {
    /// Independent of each other.
    Poisson,
    /// Evenly spaced.
    Constant,
    /// As recorded: a file with one line `<since start> [operation] [key]` for each request.
    Trace(String),
}

/// A stretch of time with a level or linearly changing rate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStage {
    /// How long it lasts.
    #[serde(rename = "for")]
    pub(crate) lasts: Duration,
    /// The level rate.
    #[serde(default)]
    pub(crate) rate: Option<Rate>,
    /// The rate at its start.
    #[serde(default)]
    pub(crate) from: Option<Rate>,
    /// The rate at its end.
    #[serde(default)]
    pub(crate) to: Option<Rate>,
}

/// Clients that wait for an answer before the next request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawClosed {
    /// How many.
    pub(crate) clients: Positive,
    /// Pause between an answer and the next request. Default none.
    #[serde(default)]
    pub(crate) think: Option<RawDistribution>,
}

/// Which key a request bears.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawKeys {
    /// Every one with the same chance.
    Uniform(RawUniformKeys),
    /// Few keys take most requests.
    Zipf(RawZipfKeys),
}

/// Every key with the same chance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUniformKeys {
    /// How many keys.
    pub(crate) items: Total,
}

/// Few keys take most requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawZipfKeys {
    /// How many keys.
    pub(crate) items: Total,
    /// The exponent; larger is more skewed.
    pub(crate) s: Real,
}

//! What the file says about feature flags: who follows which, and changes of them.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::values::RawDistribution;
use crate::scenario::quantity::{Duration, Share};

/// Feature flags that every replica of a service follows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFlags {
    /// The service of kind `flag-server` that keeps them.
    pub(crate) from: String,
    /// Whether changes come by themselves over a stream; without one they are asked for. Default true.
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    /// From one poll to the next; with a stream only while it is broken. Default 15s.
    #[serde(default)]
    pub(crate) poll: Option<Duration>,
    /// Up to this is added to each interval, so that replicas do not ask at once. Default a fifth of `poll`.
    #[serde(default)]
    pub(crate) jitter: Option<Duration>,
    /// After so long without an answer a poll has failed. Default 3s.
    #[serde(default)]
    pub(crate) timeout: Option<Duration>,
    /// After so long without hearing anything a replica calls its copy stale, and opens its stream anew. Default three
    /// polls and a timeout; with a stream 15s.
    #[serde(default)]
    pub(crate) stale_after: Option<Duration>,
    /// What a process serves that has just started, until it has heard of the server. Default last_known_good.
    #[serde(default)]
    pub(crate) boot: Option<RawBoot>,
    /// What is served while the copy is stale. Default last_known_good.
    #[serde(default)]
    pub(crate) offline: Option<RawOffline>,
    /// Flags that count as on while they are not known; the others count as off.
    #[serde(default)]
    pub(crate) default_on: Vec<String>,
    /// Service times instead of the service's own where a flag is on; the first one that applies is taken.
    #[serde(default)]
    pub(crate) when_on: IndexMap<String, RawFlagCost>,
}

/// What a process serves that has just started.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawBoot {
    /// Nothing: every flag has its default.
    Defaults,
    /// What the process before it had.
    LastKnownGood,
    /// The flags as they are in the scenario: a file shipped with the program.
    Bootstrap,
}

/// What is served while a copy is stale.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawOffline {
    /// What was served last.
    LastKnownGood,
    /// Nothing: every flag has its default.
    Defaults,
}

/// What a request costs where a flag is on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFlagCost {
    /// How long it is worked on.
    pub(crate) service_time: RawDistribution,
    /// Only requests of these operations.
    #[serde(default)]
    pub(crate) operations: Option<Vec<String>>,
}

/// A feature flag changes at its server, and from there on everywhere.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFlagChange {
    /// The service of kind `flag-server` that keeps it.
    pub(crate) server: String,
    /// Its name.
    pub(crate) flag: String,
    /// For this share of the users, in whole percent.
    #[serde(default)]
    pub(crate) rollout: Option<Share>,
    /// Switched on or off altogether.
    #[serde(default)]
    pub(crate) enabled: Option<bool>,
}

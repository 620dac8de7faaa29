//! What the file says about faults and changes over time.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::configs::RawPublish;
use super::flags::RawFlagChange;
use super::values::RawDistribution;
use crate::scenario::check::faults::RawFault;
use crate::scenario::quantity::{Duration, Limit, Positive, Share, Text};

/// A fault or change, when it starts and how long it lasts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEntry {
    /// Its unique name.
    pub(crate) id: Text,
    /// Starts at this instant.
    #[serde(default)]
    pub(crate) at: Option<Duration>,
    /// Starts after another entry's start or end, as in `slow-link.end + 5s`.
    #[serde(default)]
    pub(crate) after: Option<String>,
    /// Starts the first time a condition holds.
    #[serde(default)]
    pub(crate) when: Option<RawCondition>,
    /// Wait after the condition holds. Default none.
    #[serde(default)]
    pub(crate) delay: Option<Duration>,
    /// How long it lasts; without it to the end of the run.
    #[serde(default, rename = "for")]
    pub(crate) lasts: Option<Duration>,
    /// Something breaks.
    #[serde(default)]
    pub(crate) fault: Option<RawFault>,
    /// A new version replaces the replicas of a service.
    #[serde(default)]
    pub(crate) deploy: Option<RawDeploy>,
    /// Settings change everywhere at once: values by path.
    #[serde(default)]
    pub(crate) config: Option<IndexMap<String, Value>>,
    /// A feature flag changes at its server.
    #[serde(default)]
    pub(crate) flag: Option<RawFlagChange>,
    /// A service gets another number of replicas.
    #[serde(default)]
    pub(crate) scale: Option<RawScale>,
    /// Requests over a link go through a proxy first.
    #[serde(default)]
    pub(crate) extra_hop: Option<RawExtraHop>,
    /// A configuration server releases settings.
    #[serde(default)]
    pub(crate) publish: Option<RawPublish>,
    /// An earlier change is undone.
    #[serde(default)]
    pub(crate) rollback: Option<RawRollback>,
}

/// Something an entry can wait for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawCondition {
    /// The breaker of this call opened, as in `a -> b`.
    BreakerOpen(String),
    /// A replica of a service has at least so many requests waiting.
    QueueAtLeast(RawQueueAtLeast),
    /// An alert of a service of kind `metrics` fires, as in `metrics/slow`.
    AlertFires(String),
}

/// A replica has at least so many requests waiting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawQueueAtLeast {
    /// Which service.
    pub(crate) service: String,
    /// How many.
    pub(crate) waiting: Positive,
}

/// A new version replaces the replicas of a service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDeploy {
    /// Which service.
    pub(crate) service: String,
    /// Name of the new version.
    pub(crate) version: Text,
    /// In which order replicas are replaced. Default rolling.
    #[serde(default)]
    pub(crate) strategy: Option<RawStrategy>,
    /// From one replica to the next when rolling. Default 10s.
    #[serde(default)]
    pub(crate) every: Option<Duration>,
    /// Share of the replicas replaced by a canary.
    #[serde(default)]
    pub(crate) share: Option<Share>,
    /// How long a replica is away while it is replaced. Default 0s.
    #[serde(default)]
    pub(crate) downtime: Option<Duration>,
    /// What the new version sets: values by path.
    #[serde(default)]
    pub(crate) set: IndexMap<String, Value>,
}

/// In which order replicas are replaced.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawStrategy {
    /// One after the other.
    Rolling,
    /// All in the same instant.
    AllAtOnce,
    /// Only a share of them.
    Canary,
}

/// A service gets another number of replicas.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawScale {
    /// Which service.
    pub(crate) service: String,
    /// How many replicas it has from now on.
    pub(crate) replicas: Positive,
}

/// Requests over a link go through a proxy first.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExtraHop {
    /// The link that gets longer, as in `a -> b`.
    pub(crate) link: String,
    /// Name of the proxy.
    pub(crate) name: Text,
    /// How long the proxy works on a request. Default no time.
    #[serde(default)]
    pub(crate) service_time: Option<RawDistribution>,
    /// Requests the proxy works on at once. Default unlimited.
    #[serde(default)]
    pub(crate) workers: Option<Limit>,
    /// Replicas of the proxy. Default 1.
    #[serde(default)]
    pub(crate) replicas: Option<Positive>,
    /// Time on the way over each of its links; default that of the network.
    #[serde(default)]
    pub(crate) latency: Option<RawDistribution>,
}

/// An earlier change is undone.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRollback {
    /// The entry that is undone.
    pub(crate) of: String,
}

//! What the file says for sweeps: entries that each seed draws, and marks that have to be hit at least once.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::RawMetric;
use crate::scenario::quantity::{Share, Text};

/// A timeline entry that each seed draws. Wherever a value stands, a range as in `5ms..50ms` or a choice as in
/// `{one_of: [a -> b, c -> d]}` may stand.
// Drawn entries are checked as the entries of the timeline that they become; this is for the form of the rest, and
// for the schema.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "drawn entries are checked in the timeline that they become a part of")]
pub(crate) struct RawSwarmEntry {
    /// Its unique name, among those of the timeline as well.
    pub(crate) id: Text,
    /// How probable it is that it happens. Default 50%.
    #[serde(default)]
    pub(crate) chance: Option<Share>,
    /// Starts at this instant, as in `20s..60s`.
    #[serde(default)]
    pub(crate) at: Option<Value>,
    /// Starts after an entry's start or end, as in `slow-link.end + 5s`.
    #[serde(default)]
    pub(crate) after: Option<Value>,
    /// Starts the first time a condition holds.
    #[serde(default)]
    pub(crate) when: Option<IndexMap<String, Value>>,
    /// Wait after the condition holds. Default none.
    #[serde(default)]
    pub(crate) delay: Option<Value>,
    /// How long it lasts, as in `5s..20s`; without it to the end of the run.
    #[serde(default, rename = "for")]
    pub(crate) lasts: Option<Value>,
    /// Something breaks.
    #[serde(default)]
    pub(crate) fault: Option<IndexMap<String, Value>>,
    /// A new version replaces the replicas of a service.
    #[serde(default)]
    pub(crate) deploy: Option<IndexMap<String, Value>>,
    /// Settings change everywhere at once: values by path.
    #[serde(default)]
    pub(crate) config: Option<IndexMap<String, Value>>,
    /// A service gets another number of replicas.
    #[serde(default)]
    pub(crate) scale: Option<IndexMap<String, Value>>,
    /// Requests over a link go through a proxy first.
    #[serde(default)]
    pub(crate) extra_hop: Option<IndexMap<String, Value>>,
    /// An earlier change is undone.
    #[serde(default)]
    pub(crate) rollback: Option<IndexMap<String, Value>>,
}

/// Something that at least one run of a sweep has to show: a metric within a bound, or a branch that a policy took.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMark {
    /// Its unique name.
    pub(crate) id: Text,
    /// What is measured.
    #[serde(default)]
    pub(crate) metric: Option<RawMetric>,
    /// The branch: of a call `retried`, `budget_exhausted`, `breaker_opened`, `probe_lost` and others, of a service
    /// `queue_full`, `expired`, `shed`, `wasted`.
    #[serde(default)]
    pub(crate) branch: Option<String>,
    /// The load whose requests are measured.
    #[serde(default)]
    pub(crate) of: Option<String>,
    /// The service.
    #[serde(default)]
    pub(crate) at: Option<String>,
    /// The call, as in `a -> b`.
    #[serde(default)]
    pub(crate) on: Option<String>,
    /// Only this operation of the load.
    #[serde(default)]
    pub(crate) operation: Option<String>,
    /// `mean`, `p50`, `p90`, `p95`, `p99`, `p999`, `max`, or any other percentile such as `p99.5`.
    #[serde(default)]
    pub(crate) stat: Option<String>,
    /// What the metric has to be, as in `> 500ms`.
    #[serde(default)]
    pub(crate) is: Option<String>,
    /// When it is measured, as in `30s..5m`. Default from the warm-up to the end of the load.
    #[serde(default)]
    pub(crate) over: Option<String>,
}

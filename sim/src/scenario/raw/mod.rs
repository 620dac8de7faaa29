//! What a scenario file says, key by key, before anything is resolved. The JSON Schema is made from these types, and
//! doc comments here are what an editor shows. No checks beyond the form of single values.

mod breaker;
mod calls;
mod configs;
mod flags;
mod limits;
mod load;
mod network;
mod retry;
mod services;
mod slo;
mod sweep;
mod telemetry;
mod timeline;
mod values;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

pub(crate) use breaker::*;
pub(crate) use calls::*;
pub(crate) use configs::*;
pub(crate) use flags::*;
pub(crate) use limits::*;
pub(crate) use load::*;
pub(crate) use network::*;
pub(crate) use retry::*;
pub(crate) use services::*;
pub(crate) use slo::*;
pub(crate) use sweep::*;
pub(crate) use telemetry::*;
pub(crate) use timeline::*;
pub(crate) use values::*;

use super::quantity::{Bytes, Cores, Duration, Text, Total};

/// A system, its load, the faults it meets and what is expected of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(title = "Foreshock scenario", deny_unknown_fields, extend("patternProperties" = {"^x-": true}))]
pub(crate) struct RawScenario {
    /// Version of this format: 1.
    pub(crate) version: Total,
    /// Name of the scenario.
    pub(crate) name: Text,
    /// What it shows, for people.
    #[serde(default)]
    pub(crate) about: Option<String>,
    /// Seed used when none is given on the command line.
    #[serde(default)]
    pub(crate) seed: Option<Total>,
    /// Lengths and bounds of the run.
    pub(crate) run: RawRun,
    /// A place for anchors; has no effect by itself.
    #[serde(default)]
    #[allow(dead_code, reason = "read through anchors only")]
    pub(crate) defaults: Option<Value>,
    /// Machines whose cores several replicas share.
    #[serde(default)]
    pub(crate) hosts: IndexMap<String, RawHost>,
    /// The services by name.
    pub(crate) services: IndexMap<String, RawService>,
    /// Links between callers and services.
    #[serde(default)]
    pub(crate) network: RawNetwork,
    /// Groups of clients.
    pub(crate) load: Vec<RawLoad>,
    /// Faults and changes.
    #[serde(default)]
    pub(crate) timeline: Vec<RawEntry>,
    /// Faults and changes that each seed draws: which happen, when, and how strong they are.
    #[serde(default)]
    #[allow(dead_code, reason = "drawn entries are checked in the timeline that they become a part of")]
    pub(crate) swarm: Vec<RawSwarmEntry>,
    /// What at least one run of a sweep has to show.
    #[serde(default)]
    pub(crate) sometimes: Vec<RawMark>,
    /// Service level objectives.
    #[serde(default)]
    pub(crate) slo: Vec<RawSlo>,
    /// How fast every load has to be well again after the last fault ended.
    #[serde(default)]
    pub(crate) liveness: Option<RawLiveness>,
    /// What the author expects of a run.
    #[serde(default)]
    pub(crate) expect: RawExpect,
}

/// Lengths and bounds of the run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRun {
    /// How long load is generated.
    pub(crate) duration: Duration,
    /// Requests that start before this are simulated but not measured. Default 0s.
    #[serde(default)]
    pub(crate) warmup: Option<Duration>,
    /// How long requests in flight at the end may still finish. Default 10s.
    #[serde(default)]
    pub(crate) drain: Option<Duration>,
    /// Length of one measuring interval. Default 1s for runs up to 20 minutes.
    #[serde(default)]
    pub(crate) grid: Option<Duration>,
    /// Most events before the run stops. Default 500_000_000.
    #[serde(default)]
    pub(crate) max_events: Option<Total>,
    /// Most memory before the run stops. Default 2GiB.
    #[serde(default)]
    pub(crate) max_memory: Option<Bytes>,
}

/// A machine whose cores are shared by the replicas placed on it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHost {
    /// How many cores it has.
    pub(crate) cores: Cores,
}

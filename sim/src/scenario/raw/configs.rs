//! What the file says about services that follow a configuration server, and about releases.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::scenario::quantity::{Duration, Share};

/// How every replica of a service keeps up with a configuration server, and what it does without it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawConfigClient {
    /// The service of kind `config-server`.
    pub(crate) to: String,
    /// Whose settings it reads; default its own name.
    #[serde(default)]
    pub(crate) application: Option<String>,
    /// Whether the server tells of changes or is asked. Default stream.
    #[serde(default)]
    pub(crate) transport: Option<RawTransport>,
    /// When polling: how long the server may wait until there is something. Default 30s.
    #[serde(default)]
    pub(crate) hold: Option<Duration>,
    /// When polling: from an answer to the next question. Default none.
    #[serde(default)]
    pub(crate) pause: Option<Duration>,
    /// After so long without an answer a question has failed. Default 5s.
    #[serde(default)]
    pub(crate) request_timeout: Option<Duration>,
    /// After so long without a word a stream has failed. Default 15s.
    #[serde(default)]
    pub(crate) silence_timeout: Option<Duration>,
    /// The shortest pause after a failure, doubled each time. Default 100ms.
    #[serde(default)]
    pub(crate) retry_base: Option<Duration>,
    /// The longest. Default 10s.
    #[serde(default)]
    pub(crate) retry_cap: Option<Duration>,
    /// A pause of up to this before everything is asked for again. Default 5s.
    #[serde(default)]
    pub(crate) resync_jitter: Option<Duration>,
    /// How long a process that starts without a cache waits for the server. Default 5s.
    #[serde(default)]
    pub(crate) boot_timeout: Option<Duration>,
    /// What it does if the server is away when it starts. Default last_known_good.
    #[serde(default)]
    pub(crate) on_store_down: Option<RawOnStoreDown>,
    /// Whether the last known good is kept in a file that outlives the process. Default true.
    #[serde(default)]
    pub(crate) cache: Option<bool>,
    /// Changes within so long of the first count as one. Default none.
    #[serde(default)]
    pub(crate) debounce: Option<Duration>,
    /// When a change takes effect. Default at_request_boundary.
    #[serde(default)]
    pub(crate) apply: Option<RawApply>,
    /// What the process says itself, where the server says nothing.
    #[serde(default)]
    pub(crate) defaults: IndexMap<String, Value>,
}

/// How a client hears of changes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawTransport {
    /// The server tells by itself.
    Stream,
    /// The client asks.
    Poll,
}

/// What a process does if the server is away when it starts.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawOnStoreDown {
    /// It starts with what it had last, or with what it says itself.
    LastKnownGood,
    /// It does not start.
    FailFastAtBoot,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawApply {
    /// As soon as it is known.
    Immediately,
    /// When the next request begins.
    AtRequestBoundary,
}

/// A release of settings by a configuration server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPublish {
    /// The service of kind `config-server`.
    pub(crate) to: String,
    /// Whose settings change.
    pub(crate) application: String,
    /// What changes: values by name.
    pub(crate) set: IndexMap<String, Value>,
    /// Only for this share of the instances, at first (a gray release).
    #[serde(default)]
    pub(crate) canary: Option<Share>,
    /// Only for these replicas, as in `checkout/2`.
    #[serde(default)]
    pub(crate) instances: Option<Vec<String>>,
}

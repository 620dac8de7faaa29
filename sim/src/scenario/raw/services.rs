//! What the file says about services.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::breaker::RawOutlier;
use super::calls::RawStep;
use super::configs::RawConfigClient;
use super::flags::RawFlags;
use super::limits::RawAdmission;
use super::telemetry::RawTelemetry;
use super::values::{OneOrMany, RawDistribution};
use crate::scenario::quantity::{Bytes, Cores, Count, Duration, Factor, Limit, Positive, Share};

/// A service: a group of equal replicas behind one name. Kinds other than `service` have settings of their own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct RawService {
    /// What it is: `service` (the default) or another kind.
    #[serde(default)]
    pub(crate) kind: Option<String>,
    /// How many replicas there are. Default 1.
    #[serde(default)]
    pub(crate) replicas: Option<Positive>,
    /// The host all replicas run on.
    #[serde(default)]
    pub(crate) host: Option<String>,
    /// The hosts the replicas run on, in turn.
    #[serde(default)]
    pub(crate) hosts: Option<OneOrMany>,
    /// Requests one replica works on at once, or `unlimited`. Default 1.
    #[serde(default)]
    pub(crate) workers: Option<Limit>,
    /// The waiting line before the workers.
    #[serde(default)]
    pub(crate) queue: RawQueue,
    /// How long a request is worked on. Default no time.
    #[serde(default)]
    pub(crate) service_time: Option<RawDistribution>,
    /// Processor cores that the workers of a replica share, with the service time.
    #[serde(default)]
    pub(crate) cpu: Option<RawCpu>,
    /// Service time and priority of single operations.
    #[serde(default)]
    pub(crate) operations: IndexMap<String, RawOperation>,
    /// What is called, in order, after the own service time.
    #[serde(default)]
    pub(crate) calls: Vec<RawStep>,
    /// Whether a worker stays occupied while its calls are outstanding. Default true.
    #[serde(default)]
    pub(crate) blocking: Option<bool>,
    /// How callers choose a replica. Default round_robin.
    #[serde(default)]
    pub(crate) balance: Option<RawBalance>,
    /// Weights of the replicas for `balance: weighted`.
    #[serde(default)]
    pub(crate) weights: Option<Vec<Positive>>,
    /// Active probing by callers.
    #[serde(default)]
    pub(crate) health_check: Option<RawHealthCheck>,
    /// Ejection of failing replicas by callers.
    #[serde(default)]
    pub(crate) outlier_ejection: Option<RawOutlier>,
    /// From start or restart until a replica accepts requests. Default 0s.
    #[serde(default)]
    pub(crate) startup: Option<Duration>,
    /// A replica works slower at first.
    #[serde(default)]
    pub(crate) cold_start: Option<RawColdStart>,
    /// Whether work whose deadline has passed is dropped when it is taken up. Default false.
    #[serde(default)]
    pub(crate) drop_expired: Option<bool>,
    /// Share of requests the service answers with an error. Default 0%.
    #[serde(default)]
    pub(crate) error_rate: Option<Share>,
    /// Pause asked of callers along with a rejection.
    #[serde(default)]
    pub(crate) retry_after: Option<Duration>,
    /// Size of a request to this service. Default 1KiB.
    #[serde(default)]
    pub(crate) request_size: Option<Bytes>,
    /// Size of its answer. Default 4KiB.
    #[serde(default)]
    pub(crate) response_size: Option<Bytes>,
    /// Named connection pools its calls draw on.
    #[serde(default)]
    pub(crate) pools: IndexMap<String, RawPool>,
    /// What is checked when a request arrives, before it waits for a worker.
    #[serde(default)]
    pub(crate) admission: Option<RawAdmission>,
    /// Caches that a store tells of every write, each replica with a message of its own.
    #[serde(default)]
    pub(crate) invalidates: Option<OneOrMany>,
    /// What its replicas report of themselves, and to whom.
    #[serde(default)]
    pub(crate) telemetry: Option<RawTelemetry>,
    /// Feature flags that its replicas follow.
    #[serde(default)]
    pub(crate) flags: Option<RawFlags>,
    /// The configuration server that its replicas follow.
    pub(crate) config_client: Option<RawConfigClient>,
    /// Memory of a replica. Has no effect yet.
    #[serde(default)]
    pub(crate) memory: Option<Bytes>,
    /// Settings of the kind.
    #[serde(flatten)]
    pub(crate) settings: Map<String, Value>,
}

/// The waiting line before the workers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawQueue {
    /// Places to wait, or `unlimited` (the default).
    #[serde(default)]
    pub(crate) capacity: Option<Limit>,
    /// Who gives way when there is no place. Default reject.
    #[serde(default)]
    pub(crate) on_full: Option<RawOnFull>,
    /// Who is served next. Default fifo.
    #[serde(default)]
    pub(crate) discipline: Option<RawDiscipline>,
    /// Controlled delay: drop at the head while the wait stays above a target.
    #[serde(default)]
    pub(crate) codel: Option<RawCodel>,
}

/// Who gives way when the waiting line is full.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawOnFull {
    /// The newcomer.
    Reject,
    /// Whoever has waited longest.
    DropOldest,
}

/// Order of service.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawDiscipline {
    /// First in, first out.
    Fifo,
    /// Last in, first out.
    Lifo,
    /// Any one waiting.
    Random,
    /// The smallest demand first.
    ShortestFirst,
    /// Everyone at once at an equal share.
    ProcessorSharing,
    /// The highest priority first.
    Priority,
    /// The highest priority first, interrupting less urgent work.
    PriorityPreemptive,
}

/// Controlled delay.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCodel {
    /// Acceptable standing delay. Default 5ms.
    #[serde(default)]
    pub(crate) target: Option<Duration>,
    /// How long the delay may stay above it. Default 100ms.
    #[serde(default)]
    pub(crate) interval: Option<Duration>,
}

/// Processor cores of a replica.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCpu {
    /// How many cores the workers share.
    pub(crate) cores: Cores,
    /// Processor time of a request. Default no time.
    #[serde(default)]
    pub(crate) service_time: Option<RawDistribution>,
}

/// What one operation costs at a service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOperation {
    /// Service time; default that of the service.
    #[serde(default)]
    pub(crate) service_time: Option<RawDistribution>,
    /// Larger is more urgent, 0 to 255. Default 0.
    #[serde(default)]
    pub(crate) priority: Option<Count>,
    /// Of a store or a cache: whether it changes the value of its key. Default false.
    #[serde(default)]
    pub(crate) writes: Option<bool>,
}

/// How callers choose a replica.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawBalance {
    /// By name.
    Named(RawBalanceName),
    /// With parameters.
    Tuned(RawBalanceTuned),
}

/// A way to choose a replica.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawBalanceName {
    /// In turn.
    RoundRobin,
    /// Each with the same chance.
    Random,
    /// Fewest requests in flight.
    LeastRequests,
    /// The better of two drawn at random.
    PowerOfTwo,
    /// In proportion to the weights.
    Weighted,
    /// By key, over a ring of virtual nodes.
    RingHash,
}

/// A way to choose a replica, with parameters.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawBalanceTuned {
    /// The best of several drawn at random.
    PowerOfChoices(RawPowerOfChoices),
    /// By key, over a ring of virtual nodes.
    RingHash(RawRingHash),
}

/// The best of several drawn at random.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPowerOfChoices {
    /// How many are drawn.
    pub(crate) choices: Positive,
}

/// By key, over a ring of virtual nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRingHash {
    /// Virtual nodes per replica. Default 100.
    pub(crate) virtual_nodes: Positive,
}

/// Active probing of replicas by every caller.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHealthCheck {
    /// From one probe to the next. Default 1s.
    #[serde(default)]
    pub(crate) interval: Option<Duration>,
    /// Failures in a row that take a replica out. Default 3.
    #[serde(default)]
    pub(crate) unhealthy_after: Option<Positive>,
    /// Successes in a row that take it back. Default 2.
    #[serde(default)]
    pub(crate) healthy_after: Option<Positive>,
}

/// A replica that works slower at first.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawColdStart {
    /// How long it stays slower.
    #[serde(rename = "for")]
    pub(crate) lasts: Duration,
    /// Multiple of the service time at the start, falling to one.
    pub(crate) slowdown: Factor,
}

/// A pool of connections.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPool {
    /// Connections.
    pub(crate) size: Positive,
    /// Places to wait for one, or `unlimited` (the default).
    #[serde(default)]
    pub(crate) max_waiting: Option<Limit>,
    /// Longest wait for one.
    #[serde(default)]
    pub(crate) acquire_timeout: Option<Duration>,
}

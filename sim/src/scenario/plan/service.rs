//! Hosts, services, and what one replica is made of.

use foreshock_systems::bulkhead::BulkheadConfig;
use foreshock_systems::outlier::OutlierConfig;
use serde_json::{Map, Value};

use super::{
    AdmissionPlan, ConfigClientPlan, EdgeId, EntryId, FlagGate, FlagsPlan, HostId, LinkId, OperationId,
    ServiceId, SharedLimitPlan, TelemetryPlan,
};
use crate::kernel::draw::Distribution;
use crate::kernel::time::Span;

/// A machine whose cores are shared by the replicas placed on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPlan {
    /// Its name.
    pub name: String,
    /// Thousandths of a core.
    pub cores_milli: u64,
}

/// A service: a group of equal replicas behind one name.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePlan {
    /// Its name.
    pub name: String,
    /// Name in the kinds table: `service`, `cache`, or a user's own.
    pub kind: String,
    /// Settings that only its kind understands.
    pub settings: Map<String, Value>,
    /// Replicas at the start.
    pub replicas: u32,
    /// Most replicas any scale entry asks for.
    pub max_replicas: u32,
    /// Replica `i` runs on `hosts[i % len]`; empty: each replica has processors of its own.
    pub hosts: Vec<HostId>,
    /// Requests worked on at once by one replica; `u32::MAX` is unlimited.
    pub workers: u32,
    /// The waiting line before the workers.
    pub queue: QueuePlan,
    /// Own processor cores of a replica in thousandths, shared by its workers; `None`: one core per worker.
    pub cores_milli: Option<u64>,
    /// Service time and priority by operation.
    pub operations: Vec<OperationPlan>,
    /// What is called, in order, after the own service time.
    pub steps: Vec<StepPlan>,
    /// Whether a worker stays occupied while its calls are outstanding.
    pub blocking: bool,
    /// How callers spread requests over the replicas.
    pub balance: Balance,
    /// Weight of each replica (repeated if shorter) for `weighted`.
    pub weights: Vec<u32>,
    /// Active probing by callers.
    pub health_check: Option<HealthCheckPlan>,
    /// Passive ejection by callers.
    pub outlier: Option<OutlierConfig>,
    /// From start or restart until the replica accepts requests.
    pub startup: Span,
    /// Slower at first.
    pub cold_start: Option<ColdStart>,
    /// Whether work whose deadline has passed (on the replica's clock) is dropped when it is taken up.
    pub drop_expired: bool,
    /// Share of requests answered with an error by the service itself.
    pub error_ppm: u32,
    /// Pause asked of callers along with a rejection.
    pub retry_after: Option<Span>,
    /// Size of a request to this service.
    pub request_bytes: u64,
    /// Size of its answer.
    pub response_bytes: u64,
    /// Named connection pools its calls draw on.
    pub pools: Vec<PoolPlan>,
    /// What is checked when a request arrives.
    pub admission: Option<AdmissionPlan>,
    /// Of a limit store: the limits it keeps for others.
    pub shared_limits: Vec<SharedLimitPlan>,
    /// Caches that are told of every write.
    pub invalidates: Vec<Invalidates>,
    /// What its replicas report of themselves, and to whom.
    pub telemetry: Option<TelemetryPlan>,
    /// Feature flags that its replicas follow.
    pub flags: Option<FlagsPlan>,
    /// Of a flag server: the names of the flags that it keeps.
    pub serves_flags: Vec<String>,
    /// The configuration server that its replicas follow.
    pub config_client: Option<ConfigClientPlan>,
    /// Set for a service that only exists while the named extra hop is inserted.
    pub hop_of: Option<EntryId>,
}

/// What one operation costs at a service.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationPlan {
    /// Service time.
    pub service_time: Distribution,
    /// Larger is more urgent; only `priority` disciplines look at it.
    pub priority: u8,
    /// Whether it changes the value of its key; only kinds that hold values look at it.
    pub writes: bool,
}

/// A cache that a store tells of its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidates {
    /// The cache.
    pub cache: ServiceId,
    /// The way there.
    pub link: LinkId,
}

/// The waiting line of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlan {
    /// Places to wait; `u32::MAX` is unlimited.
    pub capacity: u32,
    /// Who gives way when there is no place.
    pub on_full: OnFull,
    /// Who is served next.
    pub discipline: Discipline,
    /// Controlled delay: drop at the head while the sojourn time stays above target.
    pub codel: Option<CodelPlan>,
}

/// Who gives way when the waiting line is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The newcomer.
    Reject,
    /// Whoever has waited longest.
    DropOldest,
}

/// Order of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// First in, first out.
    Fifo,
    /// Last in, first out.
    Lifo,
    /// Any one waiting, each with the same chance.
    Random,
    /// The smallest service demand first, without preemption.
    ShortestFirst,
    /// Everyone at once, each at an equal share of the workers.
    ProcessorSharing,
    /// The highest priority first, first in first out within one.
    Priority {
        /// Whether an arrival may take the place of a less urgent job in service, which resumes later.
        preemptive: bool,
    },
}

/// CoDel's two parameters (Nichols and Jacobson, ACM Queue 10(5), 2012).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodelPlan {
    /// Acceptable standing delay.
    pub target: Span,
    /// How long the delay may stay above it.
    pub interval: Span,
}

/// A replica that works slower at first: demands are multiplied by a factor that falls linearly to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColdStart {
    /// How long the replica stays slower.
    pub lasts: Span,
    /// Factor at the start in thousandths, at least 1000.
    pub slowdown_milli: u64,
}

/// A step of a request's way through a service: one call, or several at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepPlan {
    /// The calls started together.
    pub branches: Vec<BranchPlan>,
    /// How many have to succeed.
    pub join: Join,
}

/// How many branches of a step have to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Every one.
    All,
    /// At least so many; the step ends as soon as they have.
    AtLeast(u32),
}

/// One call of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchPlan {
    /// Over which edge.
    pub edge: EdgeId,
    /// How many equal calls are made.
    pub fan_out: u32,
    /// Share of requests that take this branch.
    pub share_ppm: u32,
    /// Only for these operations; `None` is all.
    pub operations: Option<Vec<OperationId>>,
    /// Only where this flag is as it has to be; `None` is everywhere.
    pub gate: Option<FlagGate>,
    /// Whether a failure of this call leaves the request unharmed.
    pub optional: bool,
    /// Set on a call to a cache: index of the step that is needed only on a miss.
    pub on_miss: Option<u32>,
    /// Set on the step that loads what the cache step with this index missed.
    pub loads_for: Option<u32>,
}

/// How callers choose a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, from a keyed start.
    RoundRobin,
    /// Each with the same chance.
    Random,
    /// Fewest requests in flight from this caller.
    LeastRequests,
    /// Fewest in flight among this many drawn at random (Mitzenmacher 2001).
    PowerOfChoices {
        /// How many are drawn; 2 is the classic.
        choices: u32,
    },
    /// In proportion to the weights, smoothly interleaved.
    Weighted,
    /// By key, over a ring of virtual nodes.
    RingHash {
        /// Virtual nodes per replica.
        virtual_nodes: u32,
    },
}

/// Active probing of replicas by every caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthCheckPlan {
    /// From one probe of a replica to the next; a probe not answered by then failed.
    pub interval: Span,
    /// Failures in a row that take a replica out.
    pub unhealthy_after: u32,
    /// Successes in a row that take it back.
    pub healthy_after: u32,
}

/// A named pool of connections shared by the edges of one caller replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPlan {
    /// Its name; an anonymous pool bears its edge's name.
    pub name: String,
    /// Connections and places to wait for one.
    pub size: BulkheadConfig,
    /// Longest wait for a connection.
    pub acquire_timeout: Option<Span>,
}

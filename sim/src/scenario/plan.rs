//! The resolved scenario: names are ids, quantities are integers, defaults are filled in, every reference holds.
//! Built only by `check`; the simulation reads it and never changes it.

use std::fmt;
use std::sync::Arc;

use foreshock_systems::bulkhead::BulkheadConfig;
use foreshock_systems::circuit_breaker::BreakerConfig;
use foreshock_systems::outlier::OutlierConfig;
use foreshock_systems::rate_limiter::RateLimitConfig;
use foreshock_systems::retry::{BudgetConfig, RetryConfig};
use serde_json::{Map, Value};

use crate::faults::Fault;
use crate::kernel::draw::{Distribution, Seed};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in the plan's list.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

dense_id!(
    /// A service: index into [`Plan::services`].
    ServiceId
);
dense_id!(
    /// A load: index into [`Plan::loads`].
    LoadId
);
dense_id!(
    /// An operation name: index into [`Plan::operations`].
    OperationId
);
dense_id!(
    /// One call entry of one caller: index into [`Plan::edges`].
    EdgeId
);
dense_id!(
    /// A directed link between two parties: index into [`Plan::links`].
    LinkId
);
dense_id!(
    /// A host: index into [`Plan::hosts`].
    HostId
);
dense_id!(
    /// A timeline entry: index into [`Plan::timeline`].
    EntryId
);

/// Everything one run needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// What the scenario shows, for people.
    pub about: String,
    /// The seed used when none is given.
    pub seed: Seed,
    /// Lengths and bounds of the run.
    pub run: RunPlan,
    /// Operation names; index 0 is `default`, used where no mix is given.
    pub operations: Vec<String>,
    /// Hosts whose cores several replicas share.
    pub hosts: Vec<HostPlan>,
    /// Services, inserted hops included, in file order.
    pub services: Vec<ServicePlan>,
    /// Load generators.
    pub loads: Vec<LoadPlan>,
    /// All call entries of all callers.
    pub edges: Vec<EdgePlan>,
    /// All directed links that some edge or hop uses, both directions of each.
    pub links: Vec<LinkPlan>,
    /// Faults and changes, in file order.
    pub timeline: Vec<EntryPlan>,
    /// Service level objectives.
    pub slos: Vec<SloPlan>,
    /// How fast every load has to be well again after the last fault ended.
    pub liveness: Option<LivenessPlan>,
    /// What the author expects of this scenario.
    pub expect: Expectation,
    /// The document this plan was made from, with anchors resolved: what `--set` and config changes edit.
    pub document: Arc<Value>,
    /// Hash of everything that influences the run (not of prose, expectations or the seed).
    pub digest: u128,
}

/// Lengths and bounds of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// How long load is generated.
    pub duration: Span,
    /// Requests that start before this are simulated but not measured.
    pub warmup: Span,
    /// How long requests in flight at the end may still finish.
    pub drain: Span,
    /// Length of one interval of the fixed measuring grid.
    pub grid: Span,
    /// Most events handled before the run stops by name.
    pub max_events: u64,
    /// Most bytes of simulation state before the run stops by name.
    pub max_memory_bytes: u64,
}

impl RunPlan {
    /// The instant the run ends at the latest.
    pub fn end(&self) -> Time {
        Time::ZERO + self.duration + self.drain
    }

    /// Number of grid intervals up to the end of the drain.
    pub fn intervals(&self) -> usize {
        let grid_ns = self.grid.as_nanos().max(1);
        self.end().as_nanos().div_ceil(grid_ns) as usize
    }
}

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

/// One call entry of one caller.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgePlan {
    /// `caller -> callee`, with ` #2` and so on for further entries to the same callee.
    pub name: String,
    /// Who calls.
    pub caller: Party,
    /// Who is called.
    pub callee: ServiceId,
    /// 0 for the first entry of this caller to this callee, 1 for the next. With the parties' names this is
    /// the edge's identity in keyed draws.
    pub occurrence: u32,
    /// Link that requests take.
    pub request_link: LinkId,
    /// Link that answers take.
    pub response_link: LinkId,
    /// How the call is protected.
    pub policy: CallPolicy,
}

/// Either end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The clients of a load.
    Load(LoadId),
    /// The replicas of a service.
    Service(ServiceId),
}

/// Everything between wanting a call and having its answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallPolicy {
    /// Longest wait for one attempt, waiting for a connection included.
    pub timeout: Option<Span>,
    /// Longest wait for the whole call, all attempts and pauses included.
    pub overall_timeout: Option<Span>,
    /// Whether the caller's own deadline bounds this call.
    pub propagate_deadline: bool,
    /// Whether the callee is told to stop when the caller no longer waits.
    pub cancel: bool,
    /// Further attempts.
    pub retry: Option<RetryPolicy>,
    /// Circuit breaker.
    pub breaker: Option<BreakerPolicy>,
    /// Client-side rate limit.
    pub rate_limit: Option<RateLimitConfig>,
    /// Bound on calls in flight and waiting.
    pub bulkhead: Option<BulkheadPolicy>,
    /// Index into the caller's pools.
    pub pool: Option<u32>,
    /// Second copies of slow calls.
    pub hedge: Option<HedgePolicy>,
}

/// When and how a failed attempt is followed by another.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts and pauses.
    pub config: RetryConfig,
    /// What bounds retries as a whole.
    pub budget: Option<BudgetConfig>,
    /// Outcomes worth another attempt.
    pub retry_on: OutcomeSet,
}

/// A set of outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeSet(u32);

impl OutcomeSet {
    /// The set of the given outcomes.
    pub fn of(outcomes: &[OutcomeKind]) -> OutcomeSet {
        OutcomeSet(outcomes.iter().fold(0, |bits, outcome| bits | 1 << *outcome as u32))
    }

    /// Whether the set holds `outcome`.
    pub const fn contains(self, outcome: OutcomeKind) -> bool {
        self.0 & (1 << outcome as u32) != 0
    }
}

/// A circuit breaker on an edge.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// Window, thresholds, probes.
    pub config: BreakerConfig,
    /// One breaker for the edge, or one for every replica called.
    pub scope: BreakerScope,
}

/// What one breaker watches over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerScope {
    /// All replicas of the callee together.
    Edge,
    /// Each replica alone.
    Endpoint,
}

/// Bound on the calls of one caller replica over one edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkheadPolicy {
    /// In flight and waiting.
    pub size: BulkheadConfig,
    /// Longest wait for a place.
    pub max_wait: Option<Span>,
}

/// Further copies of an attempt that takes long; the first answer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgePolicy {
    /// Wait before each further copy.
    pub after: Span,
    /// Most further copies.
    pub max_extra: u32,
}

/// A directed link between two parties. Its bandwidth is shared by all their nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkPlan {
    /// `a -> b`.
    pub name: String,
    /// Sender.
    pub from: Party,
    /// Receiver.
    pub to: Party,
    /// Time on the way, without queueing for bandwidth.
    pub latency: Distribution,
    /// Share of messages lost.
    pub loss_ppm: u32,
    /// Share of messages delivered twice.
    pub duplicate_ppm: u32,
    /// Share of messages held back for `reorder_delay`, so that later ones overtake.
    pub reorder_ppm: u32,
    /// How long a reordered message is held back.
    pub reorder_delay: Span,
    /// Capacity of the line.
    pub bandwidth: Option<BandwidthPlan>,
}

/// Capacity of a line and the buffer before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandwidthPlan {
    /// Bytes a second, at least 1.
    pub bytes_per_s: u64,
    /// Bytes that may wait; more are lost.
    pub buffer_bytes: u64,
}

/// A group of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadPlan {
    /// Its name.
    pub name: String,
    /// Over which edge requests enter the system.
    pub edge: EdgeId,
    /// When requests start.
    pub arrivals: Arrivals,
    /// Operations with their shares, which add up to a million.
    pub mix: Vec<(OperationId, u32)>,
    /// Which key a request bears.
    pub keys: Keys,
    /// How long a client waits in all before it walks away.
    pub patience: Option<Span>,
    /// Added to the priority of the operation.
    pub priority: u8,
    /// Connection pools of the clients.
    pub pools: Vec<PoolPlan>,
}

/// When requests start.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Independent of each other at a given rate (open).
    Poisson(Vec<StagePlan>),
    /// Evenly spaced (open).
    Constant(Vec<StagePlan>),
    /// As recorded (open), in order of time.
    Trace(Arc<Vec<TraceArrival>>),
    /// So many clients, each starting a pause after its last answer (closed).
    Closed {
        /// Number of clients.
        clients: u32,
        /// Pause between an answer and the next request.
        think: Distribution,
    },
}

/// A stretch of time with a rate that is level or changes linearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagePlan {
    /// How long it lasts.
    pub lasts: Span,
    /// Requests per 1000 s at its start.
    pub from_milli_per_s: u64,
    /// Requests per 1000 s at its end.
    pub to_milli_per_s: u64,
}

/// One recorded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceArrival {
    /// When it starts.
    pub at: Time,
    /// Operation, or `None` to draw from the mix.
    pub operation: Option<OperationId>,
    /// Key, or `None` to draw one.
    pub key: Option<u64>,
}

/// Which key a request bears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keys {
    /// Every one with the same chance.
    Uniform {
        /// How many there are, at least 1.
        items: u64,
    },
    /// The item of rank r with a weight of r^-s.
    Zipf {
        /// How many there are, at least 1.
        items: u64,
        /// The exponent, at least 0.
        s: f64,
    },
}

/// A fault or change, when it starts and how long it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryPlan {
    /// Its unique name.
    pub id: String,
    /// What starts it.
    pub trigger: Trigger,
    /// How long it lasts; `None`: to the end of the run.
    pub lasts: Option<Span>,
    /// What it does.
    pub action: Action,
}

/// What starts a timeline entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An instant.
    At(Time),
    /// Another entry's start or end.
    After(EntryEdge, Span),
    /// The first time a condition holds.
    When(Condition, Span),
}

/// The start or the end of a timeline entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryEdge {
    /// Which entry.
    pub entry: EntryId,
    /// Which side of it.
    pub phase: Phase,
}

/// Side of a timeline entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It takes effect.
    Start,
    /// Its effect is gone.
    End,
}

/// Something a timeline entry can wait for, looked at on the measuring grid and at breaker transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A breaker of this edge opened.
    BreakerOpen(EdgeId),
    /// A replica of the service has at least so many waiting.
    QueueAtLeast(ServiceId, u32),
}

/// What a timeline entry does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Something breaks.
    Fault(Fault),
    /// A new version replaces the replicas of a service.
    Deploy(DeployPlan),
    /// Settings change everywhere at once.
    Config(Vec<Setting>),
    /// A service gets another number of replicas.
    Scale {
        /// Which service.
        service: ServiceId,
        /// How many replicas it has from now on.
        replicas: u32,
    },
    /// Requests of an edge's link go through a proxy first.
    ExtraHop {
        /// The link that gets longer, by the parties it joins.
        from: Party,
        /// Its other end.
        to: ServiceId,
        /// The proxy (a service with `hop_of` set).
        hop: ServiceId,
        /// Links `from -> hop`, `hop -> to`, `to -> hop`, `hop -> from`.
        links: [LinkId; 4],
    },
    /// A deploy, config change, scale or extra hop is undone.
    Rollback {
        /// What is undone.
        of: EntryId,
    },
}

/// How a new version replaces the old one.
#[derive(Clone, Debug, PartialEq)]
pub struct DeployPlan {
    /// Which service.
    pub service: ServiceId,
    /// Name of the new version, for the report.
    pub version: String,
    /// In which order.
    pub strategy: Strategy,
    /// How long a replica is away while it is replaced.
    pub downtime: Span,
    /// What the new version sets. Keys of the service itself hold for each replica as it is replaced; all
    /// other keys from the moment the first replica runs the new version.
    pub set: Vec<Setting>,
}

/// In which order replicas are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// One after the other.
    Rolling {
        /// From one replica to the next.
        every: Span,
    },
    /// All in the same instant.
    AllAtOnce,
    /// Only a share of the replicas, at least one.
    Canary {
        /// Which share.
        share_ppm: u32,
    },
}

/// One key of the scenario and its new value.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Dotted path, as in `services.checkout.calls.orders-db.timeout`; a leading `services.` may be left out.
    pub path: String,
    /// The new value, as it would stand in the file.
    pub value: Value,
}

/// A change to a scenario made from outside: what `--set` and `--without` do.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Give a key another value.
    Set(Setting),
    /// Leave out what bears this id: a timeline entry, or a policy by its path (as in `gateway.calls.db.retry`).
    Without(String),
}

/// A service level objective.
#[derive(Clone, Debug, PartialEq)]
pub struct SloPlan {
    /// Its unique name.
    pub id: String,
    /// What is measured.
    pub metric: Metric,
    /// On whom.
    pub target: Target,
    /// What has to hold.
    pub bound: Bound,
    /// When.
    pub window: SloWindow,
}

/// What is measured. Units: nanoseconds, parts per million, thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Latency of good requests from their intended start (loads, edges: from the call; services: from arrival), ns.
    Latency(Stat),
    /// The same over all requests that ended, good or not, ns.
    LatencyAll(Stat),
    /// Share of ended requests that failed, ppm.
    ErrorRate,
    /// Share of ended requests that were good, ppm.
    Availability,
    /// Good requests per second, thousandths.
    Goodput,
    /// Attempts over an edge (or all edges into a service) for each call that was wanted, thousandths.
    AttemptsPerRequest,
    /// Attempts that reach a service for each request the loads offered, thousandths.
    Amplification,
    /// Waiting requests of a service, thousandths for the mean, whole for the maximum times 1000.
    QueueDepth(Stat),
    /// Busy share of a service's workers, ppm.
    Utilization,
    /// From a timeline edge until the load is well again, ns.
    RecoveryTime,
}

/// A statistic of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stat {
    /// Arithmetic mean.
    Mean,
    /// The quantile in parts per million: 990_000 is p99.
    Quantile(u32),
    /// The largest.
    Max,
}

/// On whom something is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The requests of a load, all or one operation.
    Load(LoadId, Option<OperationId>),
    /// A service, all replicas together.
    Service(ServiceId),
    /// An edge, all caller replicas together.
    Edge(EdgeId),
}

/// What has to hold, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The comparison.
    pub comparison: Comparison,
    /// The limit.
    pub limit: u64,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Bound {
    /// Whether `value` is within the bound.
    pub const fn holds(self, value: u64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
        })
    }
}

/// When an objective has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SloWindow {
    /// Over this stretch of time as a whole.
    Over {
        /// From here,
        from: Time,
        /// to here.
        to: Time,
    },
    /// On the measuring grid, at the latest so long after a timeline edge, and from then on for five
    /// intervals (or to the end of the load).
    Within {
        /// How long it may take.
        within: Span,
        /// After what.
        after: EntryEdge,
    },
}

/// How fast every load has to be well again after the last fault ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessPlan {
    /// The longest time allowed.
    pub recovered_within: Span,
}

/// What the author of a scenario expects of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// `pass` or `fail`.
    pub verdict: Option<ExpectedVerdict>,
    /// Exactly these objectives, invariants or `liveness` fail; empty: not stated.
    pub failing: Vec<String>,
    /// Texts each of which some finding has to contain.
    pub findings: Vec<String>,
    /// Timeline entries or edit ids that `why` has to name as root causes.
    pub why_root: Vec<String>,
    /// Those it must not name.
    pub why_not_root: Vec<String>,
}

/// The verdict an author expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedVerdict {
    /// Every objective and invariant holds.
    Pass,
    /// Something does not.
    Fail,
}

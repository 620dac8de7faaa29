//! What a node is: a state machine that sees messages, wake-ups and its `Cx`, and never another node.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::broker::log::Replica;

use super::cx::Cx;
use super::slab::Ref;
use crate::kernel::draw::Lineage;
use crate::kernel::time::{Span, Time};
use crate::measure::{CollectedProbe, MoneyProbe, NoticeProbe, OutcomeKind, Unreported};
use crate::nodes::jobs::JobsProbe;
use crate::scenario::plan::{EdgeId, EntryId, LoadId, OperationId, Plan};

/// A node: one replica of a service, or all clients of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Position in the list of nodes.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node gives to a wake-up in order to know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u32);

impl Token {
    /// Comes once after each change of settings, so that a node can act on it.
    pub const RECONFIGURED: Token = Token(u32::MAX);
}

/// A node of the simulated world.
///
/// Everything it does goes through [`Cx`]: it reads the time there, sends, calls, waits and works. It keeps no
/// reference to the outside and draws no random numbers but keyed ones.
pub trait Node {
    /// The process starts: at the beginning of the run, after a crash, after a deploy.
    fn start(&mut self, cx: &mut Cx<'_>);
    /// A message has arrived.
    fn deliver(&mut self, from: NodeId, message: Message, cx: &mut Cx<'_>);
    /// A wake-up or the end of work that this node asked for.
    fn wake(&mut self, token: Token, cx: &mut Cx<'_>);
    /// The process dies: volatile state is lost. What it had under way is reported through `lost`.
    fn crash(&mut self, keep: Durable, lost: &mut dyn FnMut(&Request));
    /// Settings changed while the process runs.
    ///
    /// # Errors
    /// A reason, if the kind cannot take up the change while running; it then holds from the next start.
    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String>;
    /// What the node is like at this instant. Called on a fixed grid and at the end.
    fn probe(&self, out: &mut Probes);
    /// Of a broker: its replicas, for the books of the harness, which hold all brokers' against each other.
    fn replicas<'a>(&'a self, _out: &mut Vec<&'a Replica>) {}
}

/// What survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// What was handed to the operating system: the process died, its machine lives.
    Written,
    /// What was synced to the disk: the machine died.
    Disk,
    /// Nothing.
    Nothing,
}

/// Settings from now on.
#[derive(Clone, Copy, Debug)]
pub struct ConfigEdit<'a> {
    /// The whole plan with the new values; the structure is that of the old one.
    pub plan: &'a Arc<Plan>,
    /// The plan the node has followed so far.
    pub previous: &'a Arc<Plan>,
}

/// What a node shows of itself.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    /// Requests inside: waiting, in work, waiting for calls.
    pub in_system: u64,
    /// Named counts that only this kind knows; counts of the same name add up over replicas.
    pub counts: BTreeMap<&'static str, u64>,
    /// Named smallest values; over replicas the smallest counts.
    pub minima: BTreeMap<&'static str, u64>,
    /// Like `counts`, under names made from the settings.
    pub named: BTreeMap<String, u64>,
    /// Named largest values; over replicas the largest counts.
    pub maxima: BTreeMap<&'static str, u64>,
    /// Named shares, as part and whole, which add up over replicas; shown in parts per million, and not at all while
    /// the whole is nothing.
    pub shares: BTreeMap<&'static str, (u64, u64)>,
    /// Of what the node has measured of itself, what was never reported.
    pub unreported: Unreported,
    /// Of a job scheduler: what it keeps, for the books.
    pub(crate) jobs: Option<Box<JobsProbe>>,
    /// Of a node that collects reports: what it has made of those of each service.
    pub collected: Vec<CollectedProbe>,
    /// Of a node that keeps books on money: what is in them.
    pub money: Option<MoneyProbe>,
    /// Of a node that notifies: what it still has to do.
    pub(crate) notices: Option<NoticeProbe>,
}

/// A message as a node sees it.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// Somebody wants something done. To be answered with [`Cx::reply`] or dropped with [`Cx::drop_request`].
    Request(Request),
    /// A call of this node has ended.
    Done(Done),
    /// The caller of this request no longer waits and asks to stop.
    Cancel(Ref),
    /// What was loaded for a cache.
    Fill(Fill),
    /// What a cache may hold of a key is no longer true.
    Invalidate {
        /// Which key.
        key: u64,
        /// The version its origin holds now; 0 if it does not count versions.
        version: u64,
    },
    /// A note has come: to be read with [`Cx::note`] while it is being delivered.
    Note(Ref),
    /// At a node that an entry of the timeline is about: it begins, or is undone.
    Entry {
        /// Which.
        entry: EntryId,
        /// Whether it begins.
        begins: bool,
    },
    /// More load, or less again: for the clients of a load only.
    Load(LoadCommand),
    /// People change a flag, or take a change back: for whoever keeps flags only.
    Flag(FlagCommand),
}

/// What people ask of whoever keeps flags. It outlives a crash of that process: they try until it is done.
#[derive(Clone, Copy, Debug)]
pub struct FlagCommand {
    /// The change's position in the timeline.
    pub entry: EntryId,
    /// Whether it holds from now on, or no longer.
    pub begins: bool,
}

/// What a load for a cache came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Under which key it is to be kept.
    pub key: u64,
    /// What was found.
    pub found: Filled,
    /// The lease that the cache gave out along with the miss; 0 if it gave none.
    pub lease: u64,
}

/// What was found at the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// A value; its version, where the origin counts versions.
    Value(u64),
    /// There is none.
    Absent,
    /// The origin did not tell.
    Failed,
}

/// What a fault asks of the clients of a load.
#[derive(Clone, Copy, Debug)]
pub enum LoadCommand {
    /// Further requests at a share of the load's own rate.
    SurgeStart {
        /// The fault's position in the timeline.
        entry: EntryId,
        /// Rate of the further requests as a share of the load's own, thousandths.
        extra_milli: u64,
    },
    /// They stop.
    SurgeEnd {
        /// The fault's position in the timeline.
        entry: EntryId,
    },
    /// Further requests at once.
    Herd {
        /// The fault's position in the timeline.
        entry: EntryId,
        /// How many.
        requests: u32,
        /// Spread evenly over this time.
        over: Span,
        /// Their key, if they share one.
        key: Option<u64>,
    },
}

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// What the caller learns.
    pub outcome: OutcomeKind,
    /// Of a cache: whether it did not have the key. Of a versioned store: whether the version was no longer the one
    /// that the write had read.
    pub missed: bool,
    /// What was read, where a kind answers with a number; of a cache that missed: the lease to load; else 0.
    pub value: u64,
    /// Whether it was dropped by controlled delay, for the counts.
    pub shed: bool,
    /// Where the time went, links excluded.
    pub path: Path,
    /// With a rejection: the pause that is asked of the caller, in place of the service's own.
    pub retry_after: Option<Span>,
}

impl Reply {
    /// An answer without work.
    pub fn refusal(outcome: OutcomeKind) -> Reply {
        Reply { outcome, missed: false, value: 0, shed: false, path: Path::default(), retry_after: None }
    }
}

/// A request on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The caller's attempt; names the request in answers and cancellations.
    pub attempt: Ref,
    /// Over which edge it came.
    pub edge: EdgeId,
    /// Who called.
    pub caller: NodeId,
    /// The client's load, for tracing.
    pub load: LoadId,
    /// Which operation.
    pub operation: OperationId,
    /// Which key.
    pub key: u64,
    /// Arguments that only the operation understands.
    pub arguments: [u64; 3],
    /// Identity in keyed draws: client, request, edges and attempts on the way.
    pub lineage: Lineage,
    /// The same without the last attempt: all attempts of a call have it in common, as they would an idempotency key.
    pub call: Lineage,
    /// When the caller stops waiting, on the caller's clock; [`Time::MAX`] is never.
    pub deadline: Time,
    /// 1 for a first attempt.
    pub attempt_number: u32,
    /// Whether any attempt on the way here was a second or later one.
    pub is_retry: bool,
    /// Whether the caller may send [`Message::Cancel`].
    pub cancellable: bool,
    /// Larger is more urgent.
    pub priority: u8,
    /// When it arrived where it is now.
    pub arrived_at: Time,
    /// Where its time went on the way here.
    pub path: Path,
    /// Where it is recorded if it is traced, else 0.
    pub traced: u32,
    /// The proxy it came through, if any.
    pub via: Option<NodeId>,
    /// At a proxy: whom it is for.
    pub forward_to: Option<NodeId>,
}

/// What a call needs to know.
#[derive(Clone, Copy, Debug)]
pub struct CallSpec {
    /// Over which edge.
    pub edge: EdgeId,
    /// Which of several equal calls over this edge made for one request, from 0.
    pub copy: u32,
    /// Identity of the request on whose behalf the call is made.
    pub lineage: Lineage,
    /// The client's load.
    pub load: LoadId,
    /// Which operation.
    pub operation: OperationId,
    /// Which key.
    pub key: u64,
    /// Arguments that only the operation understands.
    pub arguments: [u64; 3],
    /// When the call was wanted; latency counts from here.
    pub wanted_at: Time,
    /// The caller's own deadline on its own clock, [`Time::MAX`] if it has none.
    pub deadline: Time,
    /// After this long the call is given up with [`OutcomeKind::Abandoned`].
    pub patience: Option<Span>,
    /// Whether the request on whose behalf it is made was a retry.
    pub is_retry: bool,
    /// Larger is more urgent.
    pub priority: u8,
    /// Where it is recorded if it is traced, else 0.
    pub traced: u32,
    /// Comes back in [`Done`].
    pub token: u64,
}

impl CallSpec {
    /// A call that a node makes of its own accord, wanted now: without a deadline, urgency, key or arguments. What it
    /// has beside that is written over.
    pub fn of_its_own(edge: EdgeId, lineage: Lineage, now: Time) -> CallSpec {
        CallSpec {
            edge,
            copy: 0,
            lineage,
            load: LoadId(0),
            operation: OperationId(0),
            key: 0,
            arguments: [0; 3],
            wanted_at: now,
            deadline: Time::MAX,
            patience: None,
            is_retry: false,
            priority: 0,
            traced: 0,
            token: 0,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// The token of the [`CallSpec`].
    pub token: u64,
    /// Over which edge.
    pub edge: EdgeId,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Whether a cache did not have the key, or a versioned store refused a write.
    pub missed: bool,
    /// What was read, where a kind answers with a number; of a cache that missed: the lease to load; else 0.
    pub value: u64,
    /// When it was wanted.
    pub wanted_at: Time,
    /// Which operation.
    pub operation: OperationId,
    /// Attempts sent.
    pub attempts: u32,
    /// Who answered.
    pub answered_by: NodeId,
    /// Where the time went.
    pub path: Path,
    /// Another call of the same group that is still under way.
    pub sibling: Ref,
    /// Where it is recorded if it is traced, else 0.
    pub traced: u32,
}

/// Where the time of one request went, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Waiting at callers for pools and bulkheads.
    pub waiting_ns: u64,
    /// Failed attempts and the pauses after them.
    pub retrying_ns: u64,
    /// On links.
    pub network_ns: u64,
    /// In the lines of services.
    pub queue_ns: u64,
    /// Being worked on.
    pub service_ns: u64,
}

impl Path {
    /// Adds what followed one after the other.
    pub fn add(&mut self, other: Path) {
        self.waiting_ns += other.waiting_ns;
        self.retrying_ns += other.retrying_ns;
        self.network_ns += other.network_ns;
        self.queue_ns += other.queue_ns;
        self.service_ns += other.service_ns;
    }
}

//! The state all nodes share and none of them sees: links, calls, processors, measurements. Holds it together,
//! decides nothing; what happens to it is in `network`, `calls`, `timeline`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::answer::DependencyRule;
use super::balance::Balancer;
use super::calls::{Attempt, Call, EdgeState, Gate};
use super::clock::Clock;
use super::effects::Effects;
use super::network::{Cut, Envelope, Link};
use super::node::{NodeId, Token};
use super::notes::Notes;
use super::processor::{ProcessorId, Processors, QuotaState};
use super::slab::{Ref, Slab};
use super::truth::Truth;
use crate::kernel::agenda::{Agenda, Handle};
use crate::kernel::draw::{Key, Seed};
use crate::kernel::time::{Span, Time};
use crate::measure::{Recorder, TraceRecorder};
use crate::nodes::jobs::Body;
use crate::nodes::payments::SettlementFile;
use crate::scenario::plan::{EdgeId, Party, Plan, ServiceId};

/// What can be scheduled. Twelve bytes, so that an agenda entry stays within half a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message arrives; slot in the arena of envelopes.
    Deliver(u32),
    /// A node's own wake-up.
    Wake(NodeId, Token),
    /// A processor has finished a job.
    Processor(u32),
    /// An attempt timed out; slot in the arena of attempts.
    AttemptTimeout(u32),
    /// An attempt has waited too long for a place or a connection.
    GateTimeout(u32),
    /// A pause before a retry is over; slot in the arena of calls.
    Backoff(u32),
    /// A further copy of a slow call is due.
    Hedge(u32),
    /// A call as a whole has taken too long.
    CallDeadline(u32),
    /// A breaker's open interval is over; index of the edge state.
    Breaker(u32),
    /// A token of the client's own rate has come in; index of the edge state.
    Pace(u32),
    /// A balancer probes its replicas.
    HealthCheck(u32),
    /// A processor-time period ends, or its quota is used up.
    Quota(NodeId),
    /// A timeline entry starts.
    EntryStart(u32),
    /// A timeline entry ends.
    EntryEnd(u32),
    /// A step of a deploy or restart: entry, step.
    EntryStep(u32, u32),
    /// A replaced replica comes back: entry, node.
    NodeReturn(u32, NodeId),
    /// A replica has finished starting up.
    NodeReady(NodeId),
    /// A measuring interval ends.
    Grid,
    /// The warm-up ends.
    Warm,
    /// The load ends; what follows is drained.
    LoadEnd,
    /// The window of an objective begins or ends: index, 0 or 1.
    Window(u32, u32),
}

impl Event {
    /// The event as a tag and two numbers, for the fingerprint.
    pub(crate) const fn words(self) -> (u8, u32, u32) {
        match self {
            Event::Deliver(slot) => (0, slot, 0),
            Event::Wake(node, token) => (1, token.0, node.0),
            Event::Processor(id) => (2, id, 0),
            Event::AttemptTimeout(slot) => (3, slot, 0),
            Event::GateTimeout(slot) => (4, slot, 0),
            Event::Backoff(slot) => (5, slot, 0),
            Event::Hedge(slot) => (6, slot, 0),
            Event::CallDeadline(slot) => (7, slot, 0),
            Event::Breaker(index) => (8, index, 0),
            Event::HealthCheck(index) => (9, index, 0),
            Event::Quota(node) => (10, node.0, 0),
            Event::EntryStart(entry) => (11, entry, 0),
            Event::EntryEnd(entry) => (12, entry, 0),
            Event::EntryStep(entry, step) => (13, entry, step),
            Event::NodeReturn(entry, node) => (14, entry, node.0),
            Event::NodeReady(node) => (15, node.0, 0),
            Event::Grid => (16, 0, 0),
            Event::Warm => (17, 0, 0),
            Event::Window(slo, end) => (18, slo, end),
            Event::LoadEnd => (19, 0, 0),
            Event::Pace(index) => (20, index, 0),
        }
    }

    /// What it is, in words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Event::Deliver(_) => "delivery",
            Event::Wake(..) => "wake-up",
            Event::Processor(_) => "end of work",
            Event::AttemptTimeout(_) => "attempt timeout",
            Event::GateTimeout(_) => "end of the wait for a place",
            Event::Backoff(_) => "end of a back-off",
            Event::Hedge(_) => "hedge",
            Event::CallDeadline(_) => "call deadline",
            Event::Breaker(_) => "breaker transition",
            Event::Pace(_) => "token of the client's own rate",
            Event::HealthCheck(_) => "health check",
            Event::Quota(_) => "processor quota",
            Event::EntryStart(_) => "start",
            Event::EntryEnd(_) => "end",
            Event::EntryStep(..) => "step",
            Event::NodeReturn(..) => "return of a replaced replica",
            Event::NodeReady(_) => "end of start-up",
            Event::Grid => "end of a measuring interval",
            Event::Warm => "end of the warm-up",
            Event::LoadEnd => "end of the load",
            Event::Window(..) => "edge of an objective's window",
        }
    }
}

/// What has to be looked at before the next event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    /// A call has ended and its owner is to be told.
    Done(Ref),
    /// An attempt was let in by a gate.
    Admitted(Ref),
    /// A call's next attempt is due at once.
    Retry(Ref),
    /// An alert fires, for which the timeline may wait.
    AlertFired {
        /// Who evaluates it.
        at: ServiceId,
        /// Hash of its name.
        name: u64,
    },
}

/// What the cluster knows of a node.
pub(crate) struct NodeState {
    pub(crate) name: String,
    pub(crate) party: Party,
    /// From 0 within its service.
    pub(crate) replica: u32,
    /// Settings it follows.
    pub(crate) plan: Arc<Plan>,
    /// Whether callers know it.
    pub(crate) member: bool,
    /// Whether its process runs.
    pub(crate) up: bool,
    /// Whether it has finished starting.
    pub(crate) ready: bool,
    pub(crate) ready_timer: Handle,
    /// Counts its lives, so that wake-ups of an earlier one are ignored.
    pub(crate) life: u8,
    /// What came while it stood still, in order.
    pub(crate) held: Vec<Event>,
    pub(crate) clock: Clock,
    pub(crate) edge_base: u32,
    pub(crate) pool_base: u32,
    pub(crate) quota_timer: Handle,
    pub(crate) quota_period_start: Time,
    pub(crate) quota_exhausted: bool,
    pub(crate) occupancy: Occupancy,
}

/// Integrals of what goes on at a replica, exact in replica-nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Occupancy {
    pub(crate) busy: u32,
    pub(crate) waiting: u32,
    since: Time,
    pub(crate) busy_ns: u128,
    pub(crate) waiting_ns: u128,
    /// Worker-nanoseconds on offer while the replica was up.
    pub(crate) capacity_ns: u128,
    pub(crate) workers: u32,
}

impl Occupancy {
    /// Adds up to `now` what held since the last change.
    pub(crate) fn settle(&mut self, now: Time) {
        let elapsed_ns = u128::from(now.since(self.since).as_nanos());
        self.busy_ns += elapsed_ns * u128::from(self.busy);
        self.waiting_ns += elapsed_ns * u128::from(self.waiting);
        self.capacity_ns += elapsed_ns * u128::from(self.workers);
        self.since = now;
    }
}

/// Requests inside a service, all replicas together, exactly.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Population {
    pub(crate) inside: u64,
    since: Time,
    pub(crate) integral_ns: u128,
}

impl Population {
    pub(crate) fn settle(&mut self, now: Time) {
        self.integral_ns += u128::from(now.since(self.since).as_nanos()) * u128::from(self.inside);
        self.since = now;
    }
}

/// The shared state.
pub(crate) struct Core {
    pub(crate) seed: Seed,
    /// Settings as they are now for everyone who has none of its own.
    pub(crate) plan: Arc<Plan>,
    pub(crate) nodes: Vec<NodeState>,
    /// First node of each service; its replicas follow each other.
    pub(crate) service_base: Vec<u32>,
    /// The node of each load.
    pub(crate) load_node: Vec<NodeId>,
    /// Position of each edge among those of its caller.
    pub(crate) edge_local: Vec<u32>,
    pub(crate) links: Vec<Link>,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) envelopes: Slab<Envelope>,
    pub(crate) sent: u64,
    pub(crate) notes: Notes,
    pub(crate) calls: Slab<Call>,
    pub(crate) attempts: Slab<Attempt>,
    pub(crate) edge_states: Vec<EdgeState>,
    pub(crate) balancers: Vec<Balancer>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) ready: VecDeque<Ready>,
    pub(crate) processors: Processors,
    /// By processor: its timer and the instant it is armed for.
    pub(crate) processor_timers: Vec<(Handle, Option<Time>)>,
    pub(crate) population: Vec<Population>,
    pub(crate) effects: Effects,
    pub(crate) recorder: Recorder,
    pub(crate) trace: TraceRecorder,
    /// Edges whose breaker opened since the timeline last looked.
    pub(crate) opened: Vec<EdgeId>,
    /// Faults inside each service.
    pub(crate) dependencies: Vec<Vec<DependencyRule>>,
    /// Whether any of them keeps requests back.
    pub(crate) delays_requests: bool,
    /// What stores hold, for measuring what others say they do.
    pub(crate) truth: Truth,
    /// Jobs on their way to workers: what they are about, by scheduler, number and lease.
    pub(crate) handed: BTreeMap<(ServiceId, u64, u64), Body>,
    /// Settlement files on their way, by the provider that wrote them and their number.
    pub(crate) settlements: BTreeMap<(ServiceId, u64), SettlementFile>,
    /// Chooses the replica of a proxy.
    pub(crate) hop_key: Key,
    /// Mixed into the identity of every draw that is made from now on; 0 leaves chance as the seed has it.
    pub(crate) salt: u64,
}

impl Core {
    /// A replica serves no flags any more: its process is gone, or callers do not know it. For measurement.
    pub(crate) fn flag_copy_gone(&mut self, now: Time, node: NodeId) {
        let Party::Service(service) = self.nodes[node.index()].party else { return };
        if let Some(flags) = &self.plan.services[service.index()].flags {
            let replica = (service, self.nodes[node.index()].replica);
            self.recorder.flags.copy(flags.from, replica, None, now);
        }
    }

    /// The nodes of a service that exist in the plan, in order.
    pub(crate) fn replicas(&self, service: ServiceId) -> std::ops::Range<u32> {
        let base = self.service_base[service.index()];
        base..base + self.plan.services[service.index()].max_replicas
    }

    pub(crate) fn replica_node(&self, service: ServiceId, replica: u32) -> NodeId {
        NodeId(self.service_base[service.index()] + replica)
    }

    pub(crate) fn edge_state_index(&self, caller: NodeId, edge: EdgeId) -> usize {
        (self.nodes[caller.index()].edge_base + self.edge_local[edge.index()]) as usize
    }

    pub(crate) fn local_time(&self, now: Time, node: NodeId) -> Time {
        self.nodes[node.index()].clock.local(now)
    }

    /// Bytes of simulation state that can grow, by the sizes of its arenas.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.envelopes.memory_bytes()
            + self.calls.memory_bytes()
            + self.attempts.memory_bytes()
            + self.notes.memory_bytes()
            + self.recorder.job_memory_bytes()
            + self.recorder.config_memory_bytes()
    }
}

/// The shared state at an instant, with the agenda at hand: what events act through.
pub(crate) struct Engine<'a> {
    pub(crate) now: Time,
    pub(crate) core: &'a mut Core,
    pub(crate) agenda: &'a mut Agenda<Event>,
}

impl Engine<'_> {
    /// Re-arms the timer of a processor after its jobs changed.
    #[inline]
    pub(crate) fn arm_processor(&mut self, id: ProcessorId) {
        let next = self.core.processors.next_finish(id);
        if next != self.core.processor_timers[id.0 as usize].1 {
            self.rearm_processor(id, next);
        }
    }

    fn rearm_processor(&mut self, id: ProcessorId, next: Option<Time>) {
        let (timer, armed_for) = &mut self.core.processor_timers[id.0 as usize];
        // After its own event there is nothing to take back.
        if !timer.is_none() {
            self.agenda.cancel(*timer);
        }
        *armed_for = next;
        *timer = next.map_or(Handle::NONE, |at| self.agenda.schedule(at, Event::Processor(id.0)));
    }

    /// Stops or starts a node with a quota according to what it used, and arms its next look.
    #[inline]
    pub(crate) fn check_quota(&mut self, node: NodeId) {
        if self.core.processors.has_quotas() {
            self.check_quota_of(node);
        }
    }

    fn check_quota_of(&mut self, node: NodeId) {
        let Some(quota) = self.core.effects.nodes[node.index()].quota else { return };
        let index = node.index();
        let period = quota.period.max(Span::from_nanos(1));
        let period_end = self.core.nodes[index].quota_period_start + period;
        if self.now >= period_end {
            let missed = self.now.since(period_end).as_nanos() / period.as_nanos();
            self.core.nodes[index].quota_period_start = period_end + period.saturating_mul(missed);
            self.core.processors.refill_quota(self.now, node);
            if std::mem::take(&mut self.core.nodes[index].quota_exhausted) {
                self.core.processors.unsuspend(self.now, node);
                self.arm_processor(self.core.processors.processor_of(node));
            }
        }
        let period_end = self.core.nodes[index].quota_period_start + period;
        let processor = self.core.processors.processor_of(node);
        let next_look = match self.core.processors.quota_state(self.now, node) {
            QuotaState::Idle => None,
            QuotaState::ExhaustedAt(at) => Some(at.min(period_end)),
            // What is done with the last of the quota is done: its end is due in this instant, too.
            QuotaState::Exhausted if self.core.processors.has_finished(self.now, processor) => Some(self.now),
            QuotaState::Exhausted => {
                if !self.core.nodes[index].quota_exhausted {
                    self.core.nodes[index].quota_exhausted = true;
                    self.core.processors.suspend(self.now, node);
                    self.arm_processor(processor);
                    let entry = self.core.effects.nodes[index].quota_entry;
                    self.core.recorder.touch(entry);
                }
                Some(period_end)
            }
        };
        let timer = self.core.nodes[index].quota_timer;
        self.agenda.cancel(timer);
        self.core.nodes[index].quota_timer =
            next_look.map_or(Handle::NONE, |at| self.agenda.schedule(at, Event::Quota(node)));
    }
}

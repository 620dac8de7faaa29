//! The simulated world: nodes, links, calls, clocks, processors, driven by the kernel. A map of the code:
//!
//! - `node`, `cx`: what a node is and what it may do. Nodes never see each other.
//! - `core`: the state they share. `Engine` is that state at an instant, with the agenda at hand.
//! - `network`: links and cuts. `calls`: attempts, retries, gates. `answer`: arrival, answer, proxies.
//! - `notes`: what nodes send each other beside requests and answers.
//! - `balance`: choosing a replica. `limiter`, `concurrency`: limits of any kind. `processor`: time on cores.
//! - `line`: waiting lines. `clock`: local time. `truth`: what stores hold, for measurement alone.
//! - `effects`: what the active faults do, as a pure function. `timeline`: begins and ends them.
//!
//! It never reads a scenario's text, never judges, and draws only by key.

mod answer;
mod apply;
mod balance;
mod build;
mod calls;
mod clock;
mod concurrency;
mod core;
mod cx;
mod effects;
mod limiter;
mod line;
mod network;
mod node;
mod notes;
mod processor;
mod revocations;
mod settings;
mod shipping;
mod slab;
mod timeline;
mod truth;

pub use cx::{Cx, Unfinished};
pub use node::{
    CallSpec, ConfigEdit, Done, Durable, Fill, Filled, FlagCommand, LoadCommand, Message, Node, NodeId, Path,
    Probes, Reply, Request, Token,
};
pub use notes::Note;
pub use slab::Ref;

pub(crate) use self::core::{Core, Event};
pub(crate) use concurrency::{ConcurrencyBound, Entered};
pub(crate) use limiter::RateLimiter;
pub(crate) use line::Line;
pub(crate) use slab::Slab;
pub(crate) use timeline::Timeline;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::core::{Engine, Ready};
use network::{Address, Payload};

use crate::kernel::agenda::Agenda;
use crate::kernel::time::Time;
use crate::kernel::{EventDigest, World};
use crate::measure::{EndState, LinkMeasured, Measured, MoneyEnd, MonitoringEnd, ServiceLevels, Trace};
use crate::nodes::Kinds;
use crate::scenario::plan::{LoadId, Party, Plan};

/// The world: all nodes and what they share.
pub struct Cluster {
    pub(crate) core: Core,
    nodes: Vec<Box<dyn Node>>,
    timeline: Timeline,
    kinds: Kinds,
    base: Arc<Plan>,
    levels: Vec<ServiceLevels>,
}

/// What only kinds know, by service and name.
type Systems = BTreeMap<String, BTreeMap<String, u64>>;

/// Part and whole, by service and name.
type Shares = BTreeMap<(String, &'static str), (u64, u64)>;

/// Adds what one replica shows to what the others of its service do.
fn add_up(service: &str, probes: Probes, systems: &mut Systems, shares: &mut Shares) {
    for (share, (part, whole)) in probes.shares {
        let sum = shares.entry((service.to_string(), share)).or_default();
        *sum = (sum.0 + part, sum.1 + whole);
    }
    let no_values = probes.counts.is_empty() && probes.maxima.is_empty() && probes.minima.is_empty();
    if no_values && probes.named.is_empty() {
        return;
    }
    let values = systems.entry(service.to_string()).or_default();
    for (count, value) in probes.counts {
        *values.entry(count.to_string()).or_default() += value;
    }
    for (count, value) in probes.named {
        *values.entry(count).or_default() += value;
    }
    for (minimum, value) in probes.minima {
        let smallest = values.entry(minimum.to_string()).or_insert(value);
        *smallest = value.min(*smallest);
    }
    for (maximum, value) in probes.maxima {
        let largest = values.entry(maximum.to_string()).or_default();
        *largest = value.max(*largest);
    }
}

impl World for Cluster {
    type Event = Event;

    fn handle(&mut self, now: Time, event: Event, agenda: &mut Agenda<Event>) {
        if self.is_held(event) {
            return;
        }
        self.dispatch(now, event, agenda);
        if !self.core.ready.is_empty() || !self.core.opened.is_empty() {
            self.settle(now, agenda);
        }
    }

    fn digest(&self, event: &Event) -> EventDigest {
        let (tag, a, b) = event.words();
        let first = u64::from(tag) << 56 | u64::from(b & 0x00FF_FFFF) << 32 | u64::from(a);
        let (node, second) = self.subject(*event);
        EventDigest { node: node.map_or(EventDigest::NO_NODE, |node| node.0), words: [first, second] }
    }

    fn memory_bytes(&self) -> u64 {
        self.core.memory_bytes()
    }

    fn node_count(&self) -> u32 {
        self.nodes.len() as u32
    }
}

impl Cluster {
    /// The node an event concerns, and a word that tells apart what the event itself does not.
    #[inline(always)]
    fn subject(&self, event: Event) -> (Option<NodeId>, u64) {
        match event {
            Event::Deliver(slot) => {
                let envelope = self.core.envelopes.in_slot(slot);
                envelope.map_or((None, 0), |envelope| (Some(envelope.address.to), envelope.payload.word()))
            }
            Event::Wake(node, _)
            | Event::Quota(node)
            | Event::NodeReturn(_, node)
            | Event::NodeReady(node) => (Some(node), 0),
            Event::AttemptTimeout(slot) | Event::GateTimeout(slot) => {
                let attempt = self.core.attempts.in_slot(slot);
                attempt.map_or((None, 0), |attempt| {
                    (self.core.calls.get(attempt.call).map(|call| call.owner), attempt.lineage.raw())
                })
            }
            Event::Backoff(slot) | Event::Hedge(slot) | Event::CallDeadline(slot) => {
                let call = self.core.calls.in_slot(slot);
                call.map_or((None, 0), |call| (Some(call.owner), call.lineage.raw()))
            }
            Event::Breaker(index) | Event::Pace(index) => {
                (Some(self.core.edge_states[index as usize].owner), 0)
            }
            Event::HealthCheck(index) => (Some(self.core.balancers[index as usize].owner), 0),
            Event::Processor(_)
            | Event::EntryStart(_)
            | Event::EntryEnd(_)
            | Event::EntryStep(..)
            | Event::Grid
            | Event::Warm
            | Event::LoadEnd
            | Event::Window(..) => (None, 0),
        }
    }

    /// Whether the node an event belongs to stands still; the event is kept for later then.
    fn is_held(&mut self, event: Event) -> bool {
        if self.timeline.paused == 0 {
            return false;
        }
        let holds = match event {
            Event::Deliver(_)
            | Event::Wake(..)
            | Event::AttemptTimeout(_)
            | Event::GateTimeout(_)
            | Event::Backoff(_)
            | Event::Hedge(_)
            | Event::CallDeadline(_)
            | Event::Pace(_)
            | Event::HealthCheck(_) => true,
            Event::Processor(_)
            | Event::Breaker(_)
            | Event::Quota(_)
            | Event::EntryStart(_)
            | Event::EntryEnd(_)
            | Event::EntryStep(..)
            | Event::NodeReturn(..)
            | Event::NodeReady(_)
            | Event::Grid
            | Event::Warm
            | Event::LoadEnd
            | Event::Window(..) => false,
        };
        let (true, (Some(node), _)) = (holds, self.subject(event)) else { return false };
        let Some(entry) = self.core.effects.nodes[node.index()].paused else { return false };
        self.core.recorder.touch(Some(entry));
        self.core.nodes[node.index()].held.push(event);
        true
    }

    #[inline(always)]
    fn dispatch(&mut self, now: Time, event: Event, agenda: &mut Agenda<Event>) {
        let mut engine = Engine { now, core: &mut self.core, agenda };
        match event {
            Event::Deliver(slot) => self.deliver(now, slot, agenda),
            Event::Wake(node, token) => {
                let life = self.core.nodes[node.index()].life;
                if token.0 >> 24 == u32::from(life) && self.core.nodes[node.index()].up {
                    let token = Token(token.0 & 0x00FF_FFFF);
                    self.with_node(now, node, agenda, |node, cx| node.wake(token, cx));
                }
            }
            Event::Processor(id) => self.processor_due(now, id, agenda),
            Event::AttemptTimeout(slot) => engine.attempt_timed_out(slot),
            Event::GateTimeout(slot) => engine.gate_timed_out(slot),
            Event::Backoff(slot) => engine.backoff_over(slot),
            Event::Hedge(slot) => engine.hedge_due(slot),
            Event::CallDeadline(slot) => engine.call_deadline_passed(slot),
            Event::Breaker(index) => engine.breaker_due(index as usize),
            Event::Pace(index) => engine.pace_due(index as usize),
            Event::HealthCheck(index) => engine.probe(index),
            Event::Quota(node) => engine.check_quota(node),
            Event::EntryStart(entry) => self.entry_due(now, entry, agenda),
            Event::EntryEnd(entry) => self.entry_over(now, entry, agenda),
            Event::EntryStep(entry, step) => self.entry_step(now, entry, step, agenda),
            Event::NodeReturn(entry, node) => self.node_returns(now, entry, node, agenda),
            Event::NodeReady(node) => self.node_ready(now, node),
            Event::Grid => {
                self.take_levels(now);
                self.audit_brokers(now);
                self.core.recorder.grid();
                self.check_conditions(now, agenda);
                agenda.schedule(now + self.core.plan.run.grid, Event::Grid);
            }
            Event::Warm => {
                self.take_levels(now);
                self.core.recorder.warm();
            }
            Event::LoadEnd => {
                self.take_levels(now);
                self.core.recorder.load_ended();
            }
            Event::Window(slo, end) => {
                self.take_levels(now);
                self.core.recorder.window(slo as usize, end == 1);
            }
        }
    }

    #[inline(always)]
    fn with_node(
        &mut self,
        now: Time,
        node: NodeId,
        agenda: &mut Agenda<Event>,
        act: impl FnOnce(&mut dyn Node, &mut Cx<'_>),
    ) {
        let life = self.core.nodes[node.index()].life;
        let mut cx = Cx { engine: Engine { now, core: &mut self.core, agenda }, node, life };
        act(self.nodes[node.index()].as_mut(), &mut cx);
    }

    #[inline]
    fn deliver(&mut self, now: Time, slot: u32, agenda: &mut Agenda<Event>) {
        let Some(at) = self.core.envelopes.by_slot(slot) else { return };
        let mut engine = Engine { now, core: &mut self.core, agenda };
        if !engine.passes_cuts(at) || engine.is_delayed(at) {
            return;
        }
        let Some(envelope) = engine.core.envelopes.remove(at) else { return };
        let address = envelope.address;
        if envelope.corrupted {
            engine.core.links[address.link.index()].counts.corrupted += 1;
            let note = envelope.payload.note();
            engine.release_note(note);
            return;
        }
        match envelope.payload {
            Payload::Request(mut request) => {
                if engine.request_arrives(&address, &mut request) {
                    self.with_node(now, address.to, agenda, |node, cx| {
                        node.deliver(address.from, Message::Request(request), cx)
                    });
                }
            }
            Payload::Answer(answer) => engine.answer_arrives(&address, &answer),
            Payload::Probe { balancer, replica } => engine.probe_arrives(&address, balancer, replica),
            Payload::ProbeAnswer { balancer, replica } => {
                engine.core.links[address.link.index()].counts.delivered += 1;
                engine.core.balancers[balancer as usize].probe_answered(replica);
            }
            Payload::Cancel(attempt) => self.deliver_note(now, address, Message::Cancel(attempt), agenda),
            Payload::Fill(fill) => self.deliver_note(now, address, Message::Fill(fill), agenda),
            Payload::Invalidate { key, version } => {
                self.deliver_note(now, address, Message::Invalidate { key, version }, agenda)
            }
            Payload::Note { at, .. } => {
                if engine.core.nodes[address.to.index()].up && engine.core.notes.arrives(at) {
                    engine.note_arrived(at);
                }
                self.deliver_note(now, address, Message::Note(at), agenda);
                Engine { now, core: &mut self.core, agenda }.release_note(Some(at));
            }
        }
    }

    /// A message that nobody waits for an answer to.
    fn deliver_note(&mut self, now: Time, address: Address, message: Message, agenda: &mut Agenda<Event>) {
        let counts = &mut self.core.links[address.link.index()].counts;
        if !self.core.nodes[address.to.index()].up {
            counts.undeliverable += 1;
            return;
        }
        counts.delivered += 1;
        self.with_node(now, address.to, agenda, |node, cx| node.deliver(address.from, message, cx));
    }

    #[inline]
    fn processor_due(&mut self, now: Time, id: u32, agenda: &mut Agenda<Event>) {
        let id = processor::ProcessorId(id);
        self.core.processor_timers[id.0 as usize] = (crate::kernel::agenda::Handle::NONE, None);
        while let Some((node, token)) = self.core.processors.pop_finished(now, id) {
            self.with_node(now, node, agenda, |node, cx| node.wake(token, cx));
            Engine { now, core: &mut self.core, agenda }.check_quota(node);
        }
        Engine { now, core: &mut self.core, agenda }.arm_processor(id);
    }

    /// Carries out what the event left to do, until nothing is left.
    fn settle(&mut self, now: Time, agenda: &mut Agenda<Event>) {
        while let Some(ready) = self.core.ready.pop_front() {
            let mut engine = Engine { now, core: &mut self.core, agenda };
            match ready {
                Ready::Admitted(attempt) => engine.admitted(attempt),
                Ready::Retry(call) => engine.retry_now(call),
                Ready::AlertFired { at, name } => self.alert_fired(now, at, name, agenda),
                Ready::Done(call) => {
                    if let Some((owner, done)) = engine.finish_call(call) {
                        self.with_node(now, owner, agenda, |node, cx| {
                            node.deliver(owner, Message::Done(done), cx)
                        });
                    }
                }
            }
        }
        if !self.core.opened.is_empty() {
            self.breakers_opened(now, agenda);
        }
    }

    /// Brings the sums of all replicas up to `now` and hands them to the recorder.
    fn take_levels(&mut self, now: Time) {
        self.levels.fill(ServiceLevels::default());
        for node in &mut self.core.nodes {
            let Party::Service(service) = node.party else { continue };
            node.occupancy.settle(now);
            let levels = &mut self.levels[service.index()];
            levels.busy_ns += node.occupancy.busy_ns;
            levels.capacity_ns += node.occupancy.capacity_ns;
            levels.waiting_ns += node.occupancy.waiting_ns;
            levels.waiting += node.occupancy.waiting;
            levels.replicas_up += u32::from(node.member && node.serves());
        }
        self.core.recorder.take_levels(now, &self.levels);
    }

    /// Whether the objective at `index` cannot hold any more, given that its load offers at most so many requests.
    pub(crate) fn is_surely_broken(&self, index: usize, most_offered: u64, now: Time) -> bool {
        self.core.recorder.is_surely_broken(index, most_offered, now)
    }

    /// Holds the replicas of all brokers that are up against each other.
    fn audit_brokers(&mut self, now: Time) {
        if self.core.recorder.brokers.is_idle() {
            return;
        }
        let mut replicas = Vec::new();
        for (state, node) in self.core.nodes.iter().zip(&self.nodes) {
            if state.up {
                node.replicas(&mut replicas);
            }
        }
        let broken = self.core.recorder.brokers.check(replicas);
        self.core.recorder.books_broken(broken, now);
    }

    /// Ends the run and puts together what was measured.
    pub(crate) fn finish(mut self, now: Time) -> (Measured, Trace) {
        self.take_levels(now);
        self.audit_brokers(now);
        let services = self.core.plan.services.len();
        let mut inside = vec![0; services];
        let mut systems = Systems::new();
        let mut shares = Shares::new();
        let mut monitoring = MonitoringEnd::default();
        let mut money = MoneyEnd::default();
        let mut notices = Vec::new();
        for (state, node) in self.core.nodes.iter().zip(&self.nodes) {
            let mut probes = Probes::default();
            node.probe(&mut probes);
            let name = match state.party {
                Party::Service(service) => {
                    if let Some(jobs) = probes.jobs.take().filter(|_| state.up) {
                        self.core.recorder.close_job_book(service, &jobs, now);
                    }
                    monitoring.add_replica(service, state.replica, state.up, &mut probes);
                    money.probes.extend(probes.money.take().map(|probe| (service, probe)));
                    notices.extend(probes.notices.take().map(|probe| (service, state.up, probe)));
                    inside[service.index()] += probes.in_system;
                    &self.core.plan.services[service.index()].name
                }
                Party::Load(load) => &self.core.plan.loads[load.index()].name,
            };
            add_up(name, probes, &mut systems, &mut shares);
        }
        for ((name, share), (part, whole)) in shares {
            if let Some(ppm) = (u128::from(part) * 1_000_000).checked_div(u128::from(whole)) {
                systems.entry(name).or_default().insert(share.to_string(), ppm as u64);
            }
        }
        self.core.recorder.brokers.add_to(&self.core.plan, &mut systems);
        self.core.recorder.queues.add_to(&self.core.plan, &mut systems);
        let nodes = &self.core.nodes;
        let party = |node: NodeId| nodes[node.index()].party;
        self.core.recorder.logs.add_to(&self.core.plan, party, &mut systems);
        for note in self.core.notes.under_way() {
            monitoring.add_under_way(note);
        }
        let population_ns = self
            .core
            .population
            .iter_mut()
            .map(|population| {
                population.settle(now);
                population.integral_ns
            })
            .collect();
        let end = EndState {
            load_in_flight: self.loads_in_flight(),
            inside,
            population_ns,
            links: self.links_measured(),
            systems,
            monitoring,
            money,
            notices,
        };
        for state in &self.core.edge_states {
            if let Some(bound) = &state.bound {
                self.core.recorder.bound_at_end(state.edge, bound.levels());
            }
        }
        let Core { recorder, trace, plan, nodes, .. } = self.core;
        let trace = trace.finish(
            |load| plan.loads[load.index()].name.clone(),
            |node| nodes.get(node.index()).map_or_else(String::new, |node| node.name.clone()),
            |edge| plan.edges[edge.index()].name.clone(),
        );
        (recorder.finish(&plan, end, now), trace)
    }

    /// Requests of each load that are under way: all, and those started after the warm-up.
    fn loads_in_flight(&self) -> Vec<(u64, u64)> {
        let warm_at = Time::ZERO + self.core.plan.run.warmup;
        let mut counts = vec![(0, 0); self.core.plan.loads.len()];
        for (_, call) in self.core.calls.iter() {
            if let Party::Load(LoadId(load)) = self.core.nodes[call.owner.index()].party {
                let (all, warm) = &mut counts[load as usize];
                *all += 1;
                *warm += u64::from(call.spec.wanted_at >= warm_at);
            }
        }
        counts
    }

    fn links_measured(&mut self) -> Vec<LinkMeasured> {
        let mut in_flight = vec![0; self.core.links.len()];
        for (_, envelope) in self.core.envelopes.iter() {
            in_flight[envelope.address.link.index()] += 1;
        }
        let recorder = &mut self.core.recorder;
        self.core
            .links
            .iter()
            .zip(&self.core.plan.links)
            .zip(in_flight)
            .enumerate()
            .map(|(index, ((link, plan), in_flight))| {
                let counts = link.counts;
                LinkMeasured {
                    name: plan.name.clone(),
                    sent: counts.sent,
                    duplicated: counts.duplicated,
                    delivered: counts.delivered,
                    lost: counts.lost,
                    overflowed: counts.overflowed,
                    corrupted: counts.corrupted,
                    cut: counts.cut,
                    undeliverable: counts.undeliverable,
                    in_flight,
                    latency: recorder.link_latency(index),
                }
            })
            .collect()
    }

    /// Names of all nodes, for fingerprints and descriptions.
    pub(crate) fn node_names(&self) -> Vec<String> {
        self.core.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// The name of a node.
    pub(crate) fn node_name(&self, node: NodeId) -> &str {
        &self.core.nodes[node.index()].name
    }

    /// The node an event concerns.
    pub(crate) fn node_of(&self, event: Event) -> Option<NodeId> {
        self.subject(event).0
    }

    /// What every node shows of itself at this instant: counts by node name and name of the count.
    pub(crate) fn probed(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let shown = |node: &dyn Node| {
            let mut probes = Probes::default();
            node.probe(&mut probes);
            let named = [probes.counts, probes.minima, probes.maxima].into_iter().flatten();
            let mut values: BTreeMap<String, u64> =
                named.map(|(name, value)| (name.to_string(), value)).chain(probes.named).collect();
            values.extend(probes.shares.into_iter().map(|(name, (part, _))| (name.to_string(), part)));
            values.insert("requests inside".to_string(), probes.in_system);
            values
        };
        let nodes = self.core.nodes.iter().zip(&self.nodes);
        nodes.map(|(state, node)| (state.name.clone(), shown(node.as_ref()))).collect()
    }

    /// From now on chance is another one, unless `salt` is 0.
    pub(crate) fn redraw(&mut self, salt: u64) {
        self.core.salt = salt;
    }

    /// The node whose work this event ends, if no other one works on the same processor.
    pub(crate) fn worker_alone(&self, event: Event) -> Option<NodeId> {
        let Event::Processor(id) = event else { return None };
        let id = processor::ProcessorId(id);
        let all = (0..self.nodes.len() as u32).map(NodeId);
        let mut own = all.filter(|node| self.core.processors.processor_of(*node) == id);
        let first = own.next()?;
        own.next().is_none().then_some(first)
    }

    /// An event in words, for naming where two runs part.
    pub(crate) fn describe(&self, event: Event) -> String {
        let (node, word) = self.subject(event);
        let at = node.map_or(String::new(), |node| format!(" at {}", self.core.nodes[node.index()].name));
        match event {
            Event::Deliver(slot) => {
                let envelope = self.core.envelopes.in_slot(slot);
                let Some(envelope) = envelope else { return "a message that is gone".to_string() };
                let link = &self.core.plan.links[envelope.address.link.index()].name;
                let from = &self.core.nodes[envelope.address.from.index()].name;
                format!("{} over {link} from {from}{at}, identity {word:016x}", envelope.payload.name())
            }
            Event::Wake(_, token) => format!("wake-up {}{at}", token.0),
            Event::EntryStart(entry) | Event::EntryEnd(entry) | Event::EntryStep(entry, _) => {
                let id = &self.core.plan.timeline[entry as usize].id;
                format!("{} of timeline entry `{id}`", event.name())
            }
            Event::Processor(id) => {
                let id = processor::ProcessorId(id);
                let nodes = self.core.nodes.iter().zip(0..);
                let mut names = nodes
                    .filter(|(_, index)| self.core.processors.processor_of(NodeId(*index)) == id)
                    .map(|(node, _)| node.name.as_str());
                let first = names.next().unwrap_or("nobody");
                let others = names.count();
                let shared =
                    if others > 0 { format!(" or {others} more on its host") } else { String::new() };
                format!("{} at {first}{shared}", event.name())
            }
            Event::Grid | Event::Warm | Event::LoadEnd | Event::Window(..) => event.name().to_string(),
            Event::AttemptTimeout(_)
            | Event::GateTimeout(_)
            | Event::Backoff(_)
            | Event::Hedge(_)
            | Event::CallDeadline(_)
            | Event::Breaker(_)
            | Event::Pace(_)
            | Event::HealthCheck(_)
            | Event::Quota(_)
            | Event::NodeReturn(..)
            | Event::NodeReady(_) => format!("{}{at}, identity {word:016x}", event.name()),
        }
    }
}

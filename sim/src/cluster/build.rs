//! Builds the world of a plan: nodes, links, balancers, gates, in an order that depends on the plan alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foreshock_systems::bulkhead::Bulkhead;

use super::balance::Balancer;
use super::calls::{EdgeState, Gate};
use super::clock::Clock;
use super::core::{Core, NodeState, Occupancy, Population};
use super::effects::Effects;
use super::network::Link;
use super::node::{Node, NodeId};
use super::notes::Notes;
use super::processor::Processors;
use super::slab::Slab;
use super::truth::Truth;
use super::{Cluster, Engine, Event, Timeline};
use crate::kernel::agenda::{Agenda, Handle};
use crate::kernel::draw::{Key, Seed};
use crate::kernel::time::Time;
use crate::measure::{Recorder, ServiceLevels, TraceRecorder};
use crate::nodes::Kinds;
use crate::run::Detail;
use crate::scenario::plan::{
    BulkheadPolicy, EdgeId, EdgePlan, LoadId, Party, Plan, PoolPlan, ServiceId, ServicePlan,
};

impl Cluster {
    /// The world of a plan, before its first event.
    pub(crate) fn new(plan: Arc<Plan>, seed: Seed, kinds: Kinds, detail: &Detail) -> Cluster {
        let mut core =
            empty_core(&plan, seed, TraceRecorder::new(detail.traced_requests, detail.traced_from.clone()));
        core.recorder.keeps_job_books = !detail.without_books;
        core.recorder.money.is_unwatched = detail.without_books;
        let mut host_processors = Vec::new();
        for host in &plan.hosts {
            host_processors.push(core.processors.add_processor(host.cores_milli));
        }
        let mut nodes: Vec<Box<dyn Node>> = Vec::new();
        for (index, load) in plan.loads.iter().enumerate() {
            let id = NodeId(nodes.len() as u32);
            core.load_node.push(id);
            let processor = core.processors.add_processor(u64::MAX);
            core.processors.add_node(processor);
            let party = Party::Load(LoadId(index as u32));
            add_node(&mut core, &plan, party, load.name.clone(), 0, true);
            nodes.push(crate::nodes::client(LoadId(index as u32), &plan));
        }
        for (index, service) in plan.services.iter().enumerate() {
            core.service_base.push(nodes.len() as u32);
            for replica in 0..service.max_replicas {
                let processor = match service.hosts.is_empty() {
                    true => core.processors.add_processor(own_cores_milli(service)),
                    false => host_processors[service.hosts[replica as usize % service.hosts.len()].index()],
                };
                core.processors.add_node(processor);
                let party = Party::Service(ServiceId(index as u32));
                let name = format!("{}/{}", service.name, replica + 1);
                add_node(&mut core, &plan, party, name, replica, replica < service.replicas);
                nodes.push(kinds.build(&service.kind, ServiceId(index as u32), replica, &plan));
            }
        }
        core.processor_timers = vec![(Handle::NONE, None); core.processors.len()];
        add_edges(&mut core, &plan);
        let timeline = Timeline::new(&plan);
        let levels = vec![ServiceLevels::default(); plan.services.len()];
        let mut cluster = Cluster { core, nodes, timeline, kinds, base: plan, levels };
        cluster.core.effects = cluster.current_effects();
        cluster.refresh_links();
        cluster
    }

    /// Schedules the first events and starts all nodes.
    pub(crate) fn start(&mut self, agenda: &mut Agenda<Event>) {
        let now = Time::ZERO;
        self.take_levels(now);
        for (slo, (from, to)) in self.core.recorder.windows().into_iter().enumerate() {
            agenda.schedule(from, Event::Window(slo as u32, 0));
            agenda.schedule(to, Event::Window(slo as u32, 1));
        }
        agenda.schedule(now + self.core.plan.run.warmup, Event::Warm);
        agenda.schedule(now + self.core.plan.run.duration, Event::LoadEnd);
        agenda.schedule(now + self.core.plan.run.grid, Event::Grid);
        self.schedule_timeline(agenda);
        for index in 0..self.nodes.len() as u32 {
            self.with_node(now, NodeId(index), agenda, |node, cx| node.start(cx));
        }
        self.start_probing(now, agenda);
        self.settle(now, agenda);
    }

    /// Starts the rounds of probes of all balancers that check health and have none under way.
    pub(crate) fn start_probing(&mut self, now: Time, agenda: &mut Agenda<Event>) {
        for index in 0..self.core.balancers.len() as u32 {
            let balancer = &self.core.balancers[index as usize];
            if balancer.health.is_some() && !balancer.is_probing {
                Engine { now, core: &mut self.core, agenda }.probe(index);
            }
        }
    }
}

fn empty_core(plan: &Arc<Plan>, seed: Seed, trace: TraceRecorder) -> Core {
    Core {
        seed,
        plan: Arc::clone(plan),
        nodes: Vec::new(),
        service_base: Vec::new(),
        load_node: Vec::new(),
        edge_local: vec![0; plan.edges.len()],
        links: plan.links.iter().map(|link| Link::new(seed, link)).collect(),
        cuts: Vec::new(),
        envelopes: Slab::new(),
        sent: 0,
        notes: Notes::new(),
        calls: Slab::new(),
        attempts: Slab::new(),
        edge_states: Vec::new(),
        balancers: Vec::new(),
        gates: Vec::new(),
        ready: VecDeque::new(),
        processors: Processors::new(),
        processor_timers: Vec::new(),
        population: vec![Population::default(); plan.services.len()],
        effects: Effects::default(),
        recorder: Recorder::new(plan),
        trace,
        opened: Vec::new(),
        dependencies: plan.services.iter().map(|_| Vec::new()).collect(),
        delays_requests: false,
        truth: Truth::new(plan),
        handed: BTreeMap::new(),
        settlements: BTreeMap::new(),
        hop_key: Key::derive(seed, "hop", "replica"),
        salt: 0,
    }
}

fn add_node(core: &mut Core, plan: &Arc<Plan>, party: Party, name: String, replica: u32, member: bool) {
    let mut occupancy = Occupancy::default();
    if let (Party::Service(service), true) = (party, member) {
        let workers = plan.services[service.index()].workers;
        occupancy.workers = if workers == u32::MAX { 0 } else { workers };
    }
    core.nodes.push(NodeState {
        name,
        party,
        replica,
        plan: Arc::clone(plan),
        member,
        up: true,
        ready: true,
        ready_timer: Handle::NONE,
        life: 0,
        held: Vec::new(),
        clock: Clock::default(),
        edge_base: 0,
        pool_base: 0,
        quota_timer: Handle::NONE,
        quota_period_start: Time::ZERO,
        quota_exhausted: false,
        occupancy,
    });
}

/// Gives every node its edges, balancers and gates.
fn add_edges(core: &mut Core, plan: &Arc<Plan>) {
    let mut by_caller: BTreeMap<Party, Vec<EdgeId>> = BTreeMap::new();
    for (index, edge) in plan.edges.iter().enumerate() {
        let edges = by_caller.entry(edge.caller).or_default();
        core.edge_local[index] = edges.len() as u32;
        edges.push(EdgeId(index as u32));
    }
    for index in 0..core.nodes.len() {
        let party = core.nodes[index].party;
        let node = NodeId(index as u32);
        core.nodes[index].pool_base = core.gates.len() as u32;
        for pool in pools(plan, party) {
            core.gates.push(pool_gate(pool));
        }
        core.nodes[index].edge_base = core.edge_states.len() as u32;
        let mut balancers: BTreeMap<ServiceId, u32> = BTreeMap::new();
        for edge_id in by_caller.get(&party).map_or(&[][..], Vec::as_slice) {
            let edge = &plan.edges[edge_id.index()];
            let balancer = *balancers.entry(edge.callee).or_insert_with(|| {
                let links = (edge.request_link, edge.response_link);
                let callee = &plan.services[edge.callee.index()];
                let name = core.nodes[index].name.clone();
                core.balancers.push(Balancer::new(core.seed, node, &name, edge.callee, callee, links));
                core.balancers.len() as u32 - 1
            });
            let state = edge_state(core, plan, *edge_id, edge, node, balancer);
            core.edge_states.push(state);
        }
    }
}

fn edge_state(
    core: &mut Core,
    plan: &Plan,
    id: EdgeId,
    edge: &EdgePlan,
    node: NodeId,
    balancer: u32,
) -> EdgeState {
    let callee = &plan.services[edge.callee.index()];
    let identity = format!("{} -> {}", party_name(plan, edge.caller), callee.name);
    let mut state = EdgeState::new(core.seed, edge, id, node, &identity, balancer);
    state.breaker_key = state.breaker_key.child(u64::from(core.nodes[node.index()].replica));
    state.take_policy(&edge.policy, callee.max_replicas, Time::ZERO);
    if let Some(bulkhead) = &edge.policy.bulkhead {
        core.gates.push(bulkhead_gate(bulkhead));
        state.bulkhead = Some(core.gates.len() as u32 - 1);
    }
    state.pool = edge.policy.pool.map(|pool| core.nodes[node.index()].pool_base + pool);
    state
}

pub(crate) fn bulkhead_gate(bulkhead: &BulkheadPolicy) -> Gate {
    Gate {
        places: Bulkhead::new(bulkhead.size),
        longest_wait: bulkhead.max_wait,
        size: bulkhead.size.max_in_flight,
        leak_entry: None,
    }
}

/// Cores of a replica that is on no host: those it says, or one for each worker.
pub(crate) fn own_cores_milli(service: &ServicePlan) -> u64 {
    let for_workers = if service.workers == u32::MAX { u64::MAX } else { u64::from(service.workers) * 1000 };
    service.cores_milli.unwrap_or(for_workers)
}

pub(crate) fn pool_gate(pool: &PoolPlan) -> Gate {
    Gate {
        places: Bulkhead::new(pool.size),
        longest_wait: pool.acquire_timeout,
        size: pool.size.max_in_flight,
        leak_entry: None,
    }
}

/// The pools of a party's nodes.
pub(crate) fn pools(plan: &Plan, party: Party) -> &[PoolPlan] {
    match party {
        Party::Load(load) => &plan.loads[load.index()].pools,
        Party::Service(service) => &plan.services[service.index()].pools,
    }
}

/// The name of a party.
pub(crate) fn party_name(plan: &Plan, party: Party) -> &str {
    match party {
        Party::Load(load) => &plan.loads[load.index()].name,
        Party::Service(service) => &plan.services[service.index()].name,
    }
}

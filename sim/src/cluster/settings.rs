//! Settings that change while the run goes on: layers of `config` and `deploy` over the scenario as written.
//! Recompiles the scenario with the layers in force and hands out what differs; changes nothing else.

use std::sync::Arc;

use foreshock_systems::bulkhead::BulkheadConfig;

use super::apply::set_capacity;
use super::node::{ConfigEdit, NodeId};
use super::{Cluster, Engine, Event};
use crate::kernel::agenda::Agenda;
use crate::kernel::time::Time;
use crate::scenario::plan::{EntryId, Party, Plan, ServiceId, Setting};
use crate::scenario::{ScenarioError, with_settings};

/// Settings of one timeline entry, in force everywhere or at one node.
pub(crate) struct Layer {
    pub(crate) entry: EntryId,
    /// `None`: everywhere.
    pub(crate) node: Option<NodeId>,
    pub(crate) settings: Vec<Setting>,
}

/// Whether a setting belongs to the service itself rather than to the rest of the scenario.
pub(crate) fn is_own(setting: &Setting, service: &str) -> bool {
    let path = setting.path.strip_prefix("services.").unwrap_or(&setting.path);
    path.strip_prefix(service).is_some_and(|rest| rest.starts_with('.'))
}

/// As good as no bulkhead.
const OPEN: BulkheadConfig = BulkheadConfig { max_in_flight: u32::MAX, max_waiting: u32::MAX };

impl Cluster {
    fn compile_for(&self, node: Option<NodeId>) -> Result<Arc<Plan>, ScenarioError> {
        let settings: Vec<Setting> = self
            .timeline
            .layers
            .iter()
            .filter(|layer| layer.node.is_none() || layer.node == node)
            .flat_map(|layer| layer.settings.iter().cloned())
            .collect();
        if settings.is_empty() {
            return Ok(Arc::clone(&self.base));
        }
        let mut plan = with_settings(&self.base, &settings, &self.kinds)?;
        // Faults stay as they were written, whatever a setting says of them.
        plan.timeline.clone_from(&self.base.timeline);
        Ok(Arc::new(plan))
    }

    /// Adds a layer; takes it back and says why if the scenario does not compile with it.
    pub(crate) fn add_layer(
        &mut self,
        now: Time,
        layer: Layer,
        agenda: &mut Agenda<Event>,
    ) -> Result<(), String> {
        self.timeline.layers.push(layer);
        let result = self.apply_settings(now, agenda);
        if result.is_err() {
            self.timeline.layers.pop();
        }
        result
    }

    /// Takes all layers of an entry away, everywhere or at one node.
    pub(crate) fn remove_layers(
        &mut self,
        now: Time,
        entry: EntryId,
        node: Option<NodeId>,
        agenda: &mut Agenda<Event>,
    ) -> Result<(), String> {
        self.timeline.layers.retain(|layer| layer.entry != entry || layer.node != node);
        self.apply_settings(now, agenda)
    }

    fn apply_settings(&mut self, now: Time, agenda: &mut Agenda<Event>) -> Result<(), String> {
        let global = self.compile_for(None).map_err(|error| error.to_string())?;
        let mut own = Vec::with_capacity(self.core.nodes.len());
        for index in 0..self.core.nodes.len() {
            let node = NodeId(index as u32);
            let has_own = self.timeline.layers.iter().any(|layer| layer.node == Some(node));
            own.push(match has_own {
                true => self.compile_for(Some(node)).map_err(|error| error.to_string())?,
                false => Arc::clone(&global),
            });
        }
        self.core.plan = Arc::clone(&global);
        for (link, plan) in self.core.links.iter_mut().zip(&global.links) {
            link.reconfigure(plan);
        }
        self.refresh_links();
        for balancer in &mut self.core.balancers {
            balancer.reconfigure(&global.services[balancer.service.index()]);
        }
        self.start_probing(now, agenda);
        for (index, plan) in own.into_iter().enumerate() {
            self.change_node(now, NodeId(index as u32), plan, agenda)?;
        }
        for service in 0..global.services.len() {
            self.adjust_members(now, ServiceId(service as u32), agenda);
        }
        self.refresh_pools(now, agenda);
        Ok(())
    }

    /// Lets one node follow a plan.
    fn change_node(
        &mut self,
        now: Time,
        node: NodeId,
        plan: Arc<Plan>,
        agenda: &mut Agenda<Event>,
    ) -> Result<(), String> {
        let index = node.index();
        let previous = std::mem::replace(&mut self.core.nodes[index].plan, Arc::clone(&plan));
        if Arc::ptr_eq(&previous, &plan) {
            return Ok(());
        }
        let party = self.core.nodes[index].party;
        let pool_base = self.core.nodes[index].pool_base;
        for (gate, pool) in
            self.core.gates[pool_base as usize..].iter_mut().zip(super::build::pools(&plan, party))
        {
            gate.size = pool.size.max_in_flight;
            gate.longest_wait = pool.acquire_timeout;
            gate.places.set_max_waiting(pool.size.max_waiting);
        }
        let base = self.core.nodes[index].edge_base as usize;
        let local = self.core.local_time(now, node);
        let edges = plan.edges.iter().filter(|edge| edge.caller == party);
        let mut bulkheads = Vec::new();
        for (state, edge) in self.core.edge_states[base..].iter_mut().zip(edges) {
            let endpoints = plan.services[edge.callee.index()].max_replicas;
            if state.policy != edge.policy {
                state.take_policy(&edge.policy, endpoints, local);
            }
            if let Some(bulkhead) = &edge.policy.bulkhead
                && state.bulkhead.is_none()
            {
                state.bulkhead = Some(self.core.gates.len() as u32);
                self.core.gates.push(super::build::bulkhead_gate(bulkhead));
            }
            if let Some(gate) = state.bulkhead {
                // A bulkhead that is taken away lets everybody in; those inside stay counted should it come back.
                let (size, max_wait) = edge
                    .policy
                    .bulkhead
                    .as_ref()
                    .map_or((OPEN, None), |bulkhead| (bulkhead.size, bulkhead.max_wait));
                self.core.gates[gate as usize].longest_wait = max_wait;
                self.core.gates[gate as usize].places.set_max_waiting(size.max_waiting);
                bulkheads.push((gate, size.max_in_flight));
            }
        }
        for (gate, size) in bulkheads {
            let admitted: Vec<_> = self.core.gates[gate as usize].places.set_max_in_flight(size).collect();
            for attempt in admitted {
                Engine { now, core: &mut self.core, agenda }.let_in(attempt, gate);
            }
        }
        let member = self.core.nodes[index].member && self.core.nodes[index].up;
        set_capacity(now, &mut self.core.nodes[index], member);
        if let Party::Service(service) = party {
            let settings = &plan.services[service.index()];
            if settings.hosts.is_empty() {
                let processor = self.core.processors.processor_of(node);
                self.core.processors.set_cores(now, processor, super::build::own_cores_milli(settings));
                Engine { now, core: &mut self.core, agenda }.arm_processor(processor);
            }
        }
        self.nodes[index].reconfigure(&ConfigEdit { plan: &plan, previous: &previous })?;
        self.with_node(now, node, agenda, |node, cx| node.wake(super::Token::RECONFIGURED, cx));
        Ok(())
    }
}

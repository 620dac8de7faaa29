//! Begins and ends timeline entries: by the clock, after one another, or when something happens.

use super::apply::set_capacity;
use super::effects::{Active, Effects, Layout, Selection};
use super::node::{FlagCommand, LoadCommand, Message, NodeId};
use super::settings::{Layer, is_own};
use super::{Cluster, Event};
use crate::faults::{Fault, NodeSelector};
use crate::kernel::agenda::Agenda;
use crate::kernel::draw::Key;
use crate::kernel::time::{Span, Time};
use crate::measure::TimelineEvent;
use crate::scenario::plan::{
    Action, Arrivals, Condition, DeployPlan, EntryId, FlagChange, LoadId, Phase, Plan, PublishPlan,
    ServiceId, Strategy, Trigger,
};

/// Where the timeline stands.
pub(crate) struct Timeline {
    entries: Vec<EntryState>,
    active: Vec<Active>,
    pub(crate) layers: Vec<Layer>,
    /// Nodes that stand still.
    pub(crate) paused: u32,
    /// By node: reasons to be down.
    pub(crate) down: Vec<u32>,
    /// Scale entries in force, in the order they began.
    scales: Vec<(EntryId, ServiceId, u32)>,
    /// By service: replicas wanted now.
    replicas: Vec<u32>,
    /// By node: away while being replaced.
    away: Vec<bool>,
}

#[derive(Clone, Copy, Debug, Default)]
struct EntryState {
    scheduled: bool,
    running: bool,
    /// A deploy that is being undone.
    undoing: bool,
}

impl Timeline {
    pub(crate) fn new(plan: &Plan) -> Timeline {
        let nodes = plan.loads.len()
            + plan.services.iter().map(|service| service.max_replicas as usize).sum::<usize>();
        Timeline {
            entries: vec![EntryState::default(); plan.timeline.len()],
            active: Vec::new(),
            layers: Vec::new(),
            paused: 0,
            down: vec![0; nodes],
            scales: Vec::new(),
            replicas: plan.services.iter().map(|service| service.replicas).collect(),
            away: vec![false; nodes],
        }
    }
}

impl Cluster {
    pub(crate) fn current_effects(&self) -> Effects {
        let load_node: Vec<u32> = self.core.load_node.iter().map(|node| node.0).collect();
        let layout = Layout {
            service_base: &self.core.service_base,
            load_node: &load_node,
            replicas: &self.timeline.replicas,
            nodes: self.core.nodes.len(),
        };
        Effects::of(&self.core.plan, self.core.seed, &layout, &self.timeline.active)
    }

    fn selected(&self, entry: EntryId, selectors: &[NodeSelector]) -> Vec<NodeId> {
        let load_node: Vec<u32> = self.core.load_node.iter().map(|node| node.0).collect();
        let layout = Layout {
            service_base: &self.core.service_base,
            load_node: &load_node,
            replicas: &self.timeline.replicas,
            nodes: self.core.nodes.len(),
        };
        let id = &self.core.plan.timeline[entry.index()].id;
        let key = Key::derive(self.core.seed, &format!("fault/{id}"), "selection");
        let chosen = Selection { layout: &layout, drawn_from: &self.timeline.replicas, key }.nodes(selectors);
        (0..chosen.len() as u32).filter(|node| chosen[*node as usize]).map(NodeId).collect()
    }

    pub(crate) fn schedule_timeline(&mut self, agenda: &mut Agenda<Event>) {
        for (index, entry) in self.core.plan.timeline.iter().enumerate() {
            if let Trigger::At(at) = entry.trigger {
                self.timeline.entries[index].scheduled = true;
                agenda.schedule(at, Event::EntryStart(index as u32));
            }
        }
    }

    fn note(&mut self, now: Time, entry: EntryId, phase: &'static str, detail: String) {
        let plan = &self.core.plan.timeline[entry.index()];
        let event = TimelineEvent { at: now, id: plan.id.clone(), kind: plan.action.kind(), phase, detail };
        self.core.recorder.event(event);
    }

    /// Starts what waits for this edge of an entry.
    fn edge_of_entry(&mut self, now: Time, entry: EntryId, phase: Phase, agenda: &mut Agenda<Event>) {
        for (index, waiting) in self.core.plan.timeline.iter().enumerate() {
            let Trigger::After(edge, offset) = &waiting.trigger else { continue };
            let state = &mut self.timeline.entries[index];
            if edge.entry == entry && edge.phase == phase && !state.scheduled {
                state.scheduled = true;
                agenda.schedule(now + *offset, Event::EntryStart(index as u32));
            }
        }
    }

    fn condition_met(&mut self, now: Time, met: impl Fn(&Condition) -> bool, agenda: &mut Agenda<Event>) {
        for (index, waiting) in self.core.plan.timeline.iter().enumerate() {
            let Trigger::When(condition, offset) = &waiting.trigger else { continue };
            let state = &mut self.timeline.entries[index];
            if !state.scheduled && met(condition) {
                state.scheduled = true;
                agenda.schedule(now + *offset, Event::EntryStart(index as u32));
            }
        }
    }

    pub(crate) fn breakers_opened(&mut self, now: Time, agenda: &mut Agenda<Event>) {
        let opened = std::mem::take(&mut self.core.opened);
        self.condition_met(
            now,
            |condition| matches!(condition, Condition::BreakerOpen(edge) if opened.contains(edge)),
            agenda,
        );
    }

    /// Starts what waits for this alert.
    pub(crate) fn alert_fired(&mut self, now: Time, at: ServiceId, name: u64, agenda: &mut Agenda<Event>) {
        let fired = Condition::AlertFires { at, name };
        self.condition_met(now, |condition| *condition == fired, agenda);
    }

    /// Looks at the conditions that are sampled on the grid.
    pub(crate) fn check_conditions(&mut self, now: Time, agenda: &mut Agenda<Event>) {
        let longest: Vec<u32> = (0..self.core.plan.services.len() as u32)
            .map(|service| {
                self.core
                    .replicas(ServiceId(service))
                    .map(|node| self.core.nodes[node as usize].occupancy.waiting)
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        self.condition_met(
            now,
            |condition| {
                matches!(condition, Condition::QueueAtLeast(service, at_least) if longest[service.index()] >= *at_least)
            },
            agenda,
        );
    }

    pub(crate) fn entry_due(&mut self, now: Time, entry: u32, agenda: &mut Agenda<Event>) {
        let id = EntryId(entry);
        if now >= Time::ZERO + self.core.plan.run.duration {
            self.note(now, id, "skipped", "it was due after the load had ended".to_string());
            return;
        }
        let base = std::sync::Arc::clone(&self.base);
        let plan = &base.timeline[id.index()];
        let started = match &plan.action {
            Action::Fault(fault) => self.start_fault(now, id, fault, agenda),
            Action::Deploy(deploy) => self.start_deploy(now, id, deploy, agenda),
            Action::Config(settings) => {
                let layer = Layer { entry: id, node: None, settings: settings.clone() };
                self.add_layer(now, layer, agenda).map(|()| describe_settings(settings))
            }
            Action::Flag(change) => Ok(self.change_flag(now, id, change, true, agenda)),
            Action::Scale { service, replicas } => {
                self.timeline.scales.push((id, *service, *replicas));
                let before = self.timeline.replicas[service.index()];
                self.adjust_members(now, *service, agenda);
                Ok(format!("{}: {before} -> {replicas} replicas", base.services[service.index()].name))
            }
            Action::ExtraHop { hop, from, to, .. } => {
                self.activate(now, id, agenda);
                let name = |party| super::build::party_name(&base, party);
                Ok(format!(
                    "{} -> {} goes through {}",
                    name(*from),
                    base.services[to.index()].name,
                    base.services[hop.index()].name
                ))
            }
            Action::Publish(publish) => self.publish(now, id, publish, agenda),
            Action::Rollback { of } => self.roll_back(now, *of, agenda),
        };
        match started {
            Ok(detail) => {
                self.timeline.entries[id.index()].running = true;
                self.core.recorder.entry_started(id, now);
                self.note(now, id, "started", detail);
                if let Some(lasts) = plan.lasts {
                    agenda.schedule(now + lasts, Event::EntryEnd(entry));
                }
                self.edge_of_entry(now, id, Phase::Start, agenda);
            }
            Err(reason) => self.note(now, id, "skipped", reason),
        }
    }

    pub(crate) fn entry_over(&mut self, now: Time, entry: u32, agenda: &mut Agenda<Event>) {
        let id = EntryId(entry);
        if !self.timeline.entries[id.index()].running {
            return;
        }
        let detail = match self.undo(now, id, agenda) {
            Ok(()) => self.touched_text(id),
            Err(reason) => reason,
        };
        self.timeline.entries[id.index()].running = false;
        self.core.recorder.entry_ended(id, now);
        self.note(now, id, "ended", detail);
        self.edge_of_entry(now, id, Phase::End, agenda);
    }

    fn touched_text(&self, entry: EntryId) -> String {
        match (&self.core.plan.timeline[entry.index()].action, self.core.recorder.touched(entry)) {
            (Action::Fault(_) | Action::ExtraHop { .. }, 0) => "touched nothing".to_string(),
            (Action::Fault(_) | Action::ExtraHop { .. }, touched) => format!("touched {touched}"),
            (
                Action::Deploy(_)
                | Action::Config(_)
                | Action::Flag(_)
                | Action::Scale { .. }
                | Action::Publish(_)
                | Action::Rollback { .. },
                _,
            ) => String::new(),
        }
    }

    fn activate(&mut self, now: Time, entry: EntryId, agenda: &mut Agenda<Event>) {
        let replicas = self.timeline.replicas.as_slice().into();
        self.timeline.active.push(Active { entry, since: now, ended: false, replicas });
        self.apply_effects(now, agenda);
    }

    fn start_fault(
        &mut self,
        now: Time,
        entry: EntryId,
        fault: &Fault,
        agenda: &mut Agenda<Event>,
    ) -> Result<String, String> {
        match fault {
            Fault::Restart(restart) => {
                let nodes = self.selected(entry, &restart.nodes);
                if nodes.is_empty() {
                    return Err("no replica is meant".to_string());
                }
                for (position, node) in (0..).zip(&nodes) {
                    let at = now + restart.every.saturating_mul(position);
                    agenda.schedule(at, Event::EntryStep(entry.0, node.0));
                }
                Ok(self.names(&nodes))
            }
            Fault::Surge(surge) => {
                if matches!(self.core.plan.loads[surge.load.index()].arrivals, Arrivals::Closed { .. }) {
                    return Err("a closed load has no rate that could surge".to_string());
                }
                let extra_milli = surge.factor_milli.saturating_sub(1000);
                self.command(now, surge.load, LoadCommand::SurgeStart { entry, extra_milli }, agenda);
                Ok(format!(
                    "{}: rate x{}",
                    self.core.plan.loads[surge.load.index()].name,
                    milli(surge.factor_milli)
                ))
            }
            Fault::ThunderingHerd(herd) => {
                let command =
                    LoadCommand::Herd { entry, requests: herd.requests, over: herd.over, key: herd.key };
                self.command(now, herd.load, command, agenda);
                Ok(format!("{}: {} requests", self.core.plan.loads[herd.load.index()].name, herd.requests))
            }
            Fault::CacheWipe(wipe) => {
                let nodes = self.selected(entry, &wipe.nodes);
                let up: Vec<NodeId> =
                    nodes.into_iter().filter(|node| self.core.nodes[node.index()].up).collect();
                if up.is_empty() {
                    return Err("no replica that is meant runs: it has nothing to lose".to_string());
                }
                for node in &up {
                    let message = Message::Entry { entry, begins: true };
                    self.with_node(now, *node, agenda, |cache, cx| cache.deliver(*node, message, cx));
                }
                Ok(self.names(&up))
            }
            Fault::Latency(_)
            | Fault::Loss(_)
            | Fault::Duplicate(_)
            | Fault::Reorder(_)
            | Fault::Corrupt(_)
            | Fault::Bandwidth(_)
            | Fault::Partition(_)
            | Fault::Refuse(_)
            | Fault::Reset(_)
            | Fault::Crash(_)
            | Fault::Pause(_)
            | Fault::Slow(_)
            | Fault::Quota(_)
            | Fault::Error(_)
            | Fault::Abort(_)
            | Fault::Delay(_)
            | Fault::RetryStorm(_)
            | Fault::HotKey(_)
            | Fault::PoolExhaustion(_)
            | Fault::Clock(_) => {
                self.activate(now, entry, agenda);
                Ok(self.fault_detail(entry, fault))
            }
        }
    }

    fn fault_detail(&self, entry: EntryId, fault: &Fault) -> String {
        match fault.selectors() {
            Some(selectors) => self.names(&self.selected(entry, selectors)),
            None => fault.detail(&self.core.plan),
        }
    }

    fn names(&self, nodes: &[NodeId]) -> String {
        const MOST: usize = 6;
        let mut names: Vec<&str> =
            nodes.iter().take(MOST).map(|node| self.core.nodes[node.index()].name.as_str()).collect();
        let more = format!("and {} more", nodes.len().saturating_sub(MOST));
        if nodes.len() > MOST {
            names.push(&more);
        }
        names.join(", ")
    }

    fn command(&mut self, now: Time, load: LoadId, command: LoadCommand, agenda: &mut Agenda<Event>) {
        let node = self.core.load_node[load.index()];
        self.with_node(now, node, agenda, |client, cx| client.deliver(node, Message::Load(command), cx));
    }

    /// Takes the effect of an entry away.
    fn undo(&mut self, now: Time, entry: EntryId, agenda: &mut Agenda<Event>) -> Result<(), String> {
        let base = std::sync::Arc::clone(&self.base);
        match &base.timeline[entry.index()].action {
            Action::Fault(Fault::Surge(surge)) => {
                self.command(now, surge.load, LoadCommand::SurgeEnd { entry }, agenda);
            }
            Action::Fault(_) | Action::ExtraHop { .. } => {
                for active in &mut self.timeline.active {
                    active.ended |= active.entry == entry;
                }
                self.apply_effects(now, agenda);
            }
            Action::Config(_) => self.remove_layers(now, entry, None, agenda)?,
            Action::Flag(change) => drop(self.change_flag(now, entry, change, false, agenda)),
            Action::Scale { service, .. } => {
                self.timeline.scales.retain(|(other, _, _)| *other != entry);
                self.adjust_members(now, *service, agenda);
            }
            Action::Deploy(deploy) => {
                self.timeline.entries[entry.index()].undoing = true;
                // Replicas that are no more have no turn in undoing it; should they come back, it is without it.
                let first = self.core.replica_node(deploy.service, 0).0;
                let there = first..first + self.timeline.replicas[deploy.service.index()];
                self.timeline.layers.retain(|layer| {
                    layer.entry != entry || layer.node.is_none_or(|node| there.contains(&node.0))
                });
                self.remove_layers(now, entry, None, agenda)?;
                self.schedule_replacements(now, entry, deploy, agenda);
            }
            Action::Publish(publish) => {
                let server = self.core.replica_node(publish.server, 0);
                if !self.core.nodes[server.index()].up {
                    return Err(format!("{} is down", self.core.nodes[server.index()].name));
                }
                let message = Message::Entry { entry, begins: false };
                self.with_node(now, server, agenda, |node, cx| node.deliver(server, message, cx));
            }
            Action::Rollback { .. } => {}
        }
        Ok(())
    }

    /// A flag changes at its server, or changes back; from there the news has to find its way. Says what changes.
    fn change_flag(
        &mut self,
        now: Time,
        entry: EntryId,
        change: &FlagChange,
        begins: bool,
        agenda: &mut Agenda<Event>,
    ) -> String {
        let node = self.core.replica_node(change.server, 0);
        let command = Message::Flag(FlagCommand { entry, begins });
        self.with_node(now, node, agenda, |server, cx| server.deliver(node, command, cx));
        let waits = if self.core.nodes[node.index()].up { "" } else { ", once its server is back" };
        let rollout = change.rollout_percent.map(|percent| format!(" for {percent} %"));
        let switch = change.enabled.map(|on| if on { " switched on" } else { " switched off" });
        format!("{}{}{}{waits}", change.flag, switch.unwrap_or_default(), rollout.unwrap_or_default())
    }

    /// Somebody at the server releases settings.
    fn publish(
        &mut self,
        now: Time,
        entry: EntryId,
        publish: &PublishPlan,
        agenda: &mut Agenda<Event>,
    ) -> Result<String, String> {
        let server = self.core.replica_node(publish.server, 0);
        if !self.core.nodes[server.index()].up {
            return Err(format!("{} is down", self.core.nodes[server.index()].name));
        }
        let message = Message::Entry { entry, begins: true };
        self.with_node(now, server, agenda, |node, cx| node.deliver(server, message, cx));
        let whom = if publish.canary.is_some() { ", for some of the instances" } else { "" };
        Ok(format!("{}: {}{whom}", publish.application, describe_settings(&publish.written)))
    }

    fn roll_back(&mut self, now: Time, of: EntryId, agenda: &mut Agenda<Event>) -> Result<String, String> {
        let id = self.core.plan.timeline[of.index()].id.clone();
        if !self.timeline.entries[of.index()].running {
            return Err(format!("{id} is not in force"));
        }
        self.entry_over(now, of.0, agenda);
        Ok(format!("{id} undone"))
    }

    fn start_deploy(
        &mut self,
        now: Time,
        entry: EntryId,
        deploy: &DeployPlan,
        agenda: &mut Agenda<Event>,
    ) -> Result<String, String> {
        let name = self.core.plan.services[deploy.service.index()].name.clone();
        let rest: Vec<_> = deploy.set.iter().filter(|setting| !is_own(setting, &name)).cloned().collect();
        if !rest.is_empty() {
            self.add_layer(now, Layer { entry, node: None, settings: rest }, agenda)?;
        }
        self.timeline.entries[entry.index()].undoing = false;
        self.schedule_replacements(now, entry, deploy, agenda);
        Ok(format!("{name} {}: {}", deploy.version, describe_settings(&deploy.set)))
    }

    fn schedule_replacements(
        &mut self,
        now: Time,
        entry: EntryId,
        deploy: &DeployPlan,
        agenda: &mut Agenda<Event>,
    ) {
        let replicas = self.timeline.replicas[deploy.service.index()];
        let (count, every) = match deploy.strategy {
            Strategy::Rolling { every } => (replicas, every),
            Strategy::AllAtOnce => (replicas, Span::ZERO),
            Strategy::Canary { share_ppm } => {
                let share = (u64::from(replicas) * u64::from(share_ppm)).div_ceil(1_000_000);
                ((share as u32).clamp(1, replicas.max(1)), Span::ZERO)
            }
        };
        for step in 0..count {
            agenda.schedule(now + every.saturating_mul(u64::from(step)), Event::EntryStep(entry.0, step));
        }
    }

    /// One replica's turn in a deploy, by its position, or in a restart, by its node.
    pub(crate) fn entry_step(&mut self, now: Time, entry: u32, step: u32, agenda: &mut Agenda<Event>) {
        let id = EntryId(entry);
        let base = std::sync::Arc::clone(&self.base);
        match &base.timeline[id.index()].action {
            Action::Deploy(deploy) => {
                let node = self.core.replica_node(deploy.service, step);
                if deploy.downtime.is_zero() {
                    self.replace(now, id, deploy, node, agenda);
                } else {
                    self.set_away(now, node, true);
                    agenda.schedule(now + deploy.downtime, Event::NodeReturn(entry, node));
                }
            }
            Action::Fault(Fault::Restart(restart)) => {
                let node = NodeId(step);
                self.core.recorder.touch(Some(id));
                self.take_down(now, node, true, agenda);
                agenda.schedule(now + restart.downtime, Event::NodeReturn(entry, node));
            }
            Action::Fault(_)
            | Action::Config(_)
            | Action::Flag(_)
            | Action::Scale { .. }
            | Action::Publish(_)
            | Action::ExtraHop { .. }
            | Action::Rollback { .. } => {}
        }
    }

    /// A replica that was away for a deploy or restart comes back.
    pub(crate) fn node_returns(&mut self, now: Time, entry: u32, node: NodeId, agenda: &mut Agenda<Event>) {
        let base = std::sync::Arc::clone(&self.base);
        if let Action::Deploy(deploy) = &base.timeline[entry as usize].action {
            self.set_away(now, node, false);
            self.replace(now, EntryId(entry), deploy, node, agenda);
        } else {
            self.bring_up(now, node, agenda);
        }
    }

    fn replace(
        &mut self,
        now: Time,
        entry: EntryId,
        deploy: &DeployPlan,
        node: NodeId,
        agenda: &mut Agenda<Event>,
    ) {
        let name = self.core.plan.services[deploy.service.index()].name.clone();
        let result = if self.timeline.entries[entry.index()].undoing {
            self.remove_layers(now, entry, Some(node), agenda)
        } else {
            let own: Vec<_> = deploy.set.iter().filter(|setting| is_own(setting, &name)).cloned().collect();
            match own.is_empty() {
                true => Ok(()),
                false => self.add_layer(now, Layer { entry, node: Some(node), settings: own }, agenda),
            }
        };
        let node_name = self.core.nodes[node.index()].name.clone();
        match result {
            Ok(()) => {
                if self.core.nodes[node.index()].up {
                    self.start_process(now, node, agenda);
                }
                let version =
                    if self.timeline.entries[entry.index()].undoing { "previous" } else { &deploy.version };
                self.note(now, entry, "replaced", format!("{node_name} runs {version}"));
            }
            Err(reason) => self.note(now, entry, "skipped", format!("{node_name}: {reason}")),
        }
    }

    /// Takes a replica out of every balancer, or puts it back.
    fn set_away(&mut self, now: Time, node: NodeId, away: bool) {
        self.timeline.away[node.index()] = away;
        self.refresh_member(now, node);
    }

    fn refresh_member(&mut self, now: Time, node: NodeId) {
        let crate::scenario::plan::Party::Service(service) = self.core.nodes[node.index()].party else {
            return;
        };
        let replica = self.core.nodes[node.index()].replica;
        let member = replica < self.timeline.replicas[service.index()] && !self.timeline.away[node.index()];
        if self.core.nodes[node.index()].member == member {
            return;
        }
        self.core.nodes[node.index()].member = member;
        if !member {
            self.core.flag_copy_gone(now, node);
        }
        let up = self.core.nodes[node.index()].up;
        set_capacity(now, &mut self.core.nodes[node.index()], member && up);
        for balancer in &mut self.core.balancers {
            if balancer.service == service {
                balancer.set_member(replica, member);
            }
        }
    }

    /// Gives a service as many replicas as settings and scale entries ask for.
    pub(crate) fn adjust_members(&mut self, now: Time, service: ServiceId, agenda: &mut Agenda<Event>) {
        let plan = &self.core.plan.services[service.index()];
        let scaled = self.timeline.scales.iter().rev().find(|(_, other, _)| *other == service);
        let wanted = scaled.map_or(plan.replicas, |(_, _, replicas)| *replicas).min(plan.max_replicas);
        let before = std::mem::replace(&mut self.timeline.replicas[service.index()], wanted);
        if before == wanted {
            return;
        }
        for node in self.core.replicas(service) {
            let node = NodeId(node);
            let joins = !self.core.nodes[node.index()].member;
            self.refresh_member(now, node);
            if joins && self.core.nodes[node.index()].member {
                self.take_deployed_versions(now, service, node, agenda);
                if self.core.nodes[node.index()].up {
                    self.start_process(now, node, agenda);
                }
            }
        }
        // What befalls every replica of the service befalls the new ones, too.
        self.apply_effects(now, agenda);
    }

    /// A new replica runs what is deployed to its service; a canary stays with those it was given to.
    fn take_deployed_versions(
        &mut self,
        now: Time,
        service: ServiceId,
        node: NodeId,
        agenda: &mut Agenda<Event>,
    ) {
        let base = std::sync::Arc::clone(&self.base);
        let name = &base.services[service.index()].name;
        for (index, entry) in base.timeline.iter().enumerate() {
            let Action::Deploy(deploy) = &entry.action else { continue };
            let state = self.timeline.entries[index];
            let is_for_all = !matches!(deploy.strategy, Strategy::Canary { .. });
            if deploy.service != service || !state.running || !is_for_all {
                continue;
            }
            let id = EntryId(index as u32);
            let has_it =
                self.timeline.layers.iter().any(|layer| layer.entry == id && layer.node == Some(node));
            let settings: Vec<_> =
                deploy.set.iter().filter(|setting| is_own(setting, name)).cloned().collect();
            if !has_it
                && !settings.is_empty()
                && let Err(reason) =
                    self.add_layer(now, Layer { entry: id, node: Some(node), settings }, agenda)
            {
                let detail = format!("{}: {reason}", self.core.nodes[node.index()].name);
                self.note(now, id, "skipped", detail);
            }
        }
    }
}

fn describe_settings(settings: &[crate::scenario::plan::Setting]) -> String {
    let texts: Vec<String> =
        settings.iter().map(|setting| format!("{} = {}", setting.path, plain(&setting.value))).collect();
    if texts.is_empty() { "no settings".to_string() } else { texts.join(", ") }
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => value.to_string(),
    }
}

/// Thousandths as people write them: 2500 is `2.5`.
fn milli(value: u64) -> String {
    let text = format!("{}.{:03}", value / 1000, value % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

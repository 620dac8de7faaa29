//! Brings the world in line with the effects of the active timeline entries. Compares old and new, so that an
//! overlap that changes nothing does nothing; decides nothing itself.

use super::answer::{DependencyRule, DependencyRuleKind};
use super::calls::ResetChance;
use super::clock::Clock;
use super::core::NodeState;
use super::effects::{CutEffect, Effects, LinkEffect, NodeEffect};
use super::network::{Added, Chance, Cut, Mishap};
use super::node::{Durable, NodeId, Request};
use super::{Cluster, Engine, Event};
use crate::faults::CrashMode;
use crate::kernel::agenda::{Agenda, Handle};
use crate::kernel::draw::{Key, Sampler};
use crate::kernel::time::Time;
use crate::scenario::plan::{EntryId, LinkId, LinkPlan, Party};

impl Cluster {
    /// Puts the effects of what is active now into force.
    pub(crate) fn apply_effects(&mut self, now: Time, agenda: &mut Agenda<Event>) {
        let new = self.current_effects();
        let old = std::mem::replace(&mut self.core.effects, new);
        self.refresh_links();
        self.refresh_dependencies();
        self.refresh_edges(&old);
        self.refresh_pools(now, agenda);
        self.refresh_cuts(now, &old, agenda);
        for index in 0..self.core.nodes.len() {
            let effect = self.core.effects.nodes[index].clone();
            if effect != old.nodes[index] {
                self.refresh_node(now, NodeId(index as u32), &old.nodes[index], &effect, agenda);
            }
        }
    }

    fn fault_key(&self, entry: EntryId, purpose: &str) -> Key {
        let id = &self.core.plan.timeline[entry.index()].id;
        Key::derive(self.core.seed, &format!("fault/{id}"), purpose)
    }

    /// Chances, added latency and bandwidth of every link: its own and those of faults.
    pub(crate) fn refresh_links(&mut self) {
        for index in 0..self.core.links.len() {
            let plan = self.core.plan.links[index].clone();
            let effect = self.core.effects.links[index].clone();
            let chances = self.link_chances(&plan, &effect);
            let added = effect
                .added
                .iter()
                .map(|(entry, add)| Added {
                    sampler: Sampler::new(add).expect("the plan's distributions were checked"),
                    key: self.fault_key(*entry, &plan.name),
                    entry: *entry,
                })
                .collect();
            let link = &mut self.core.links[LinkId(index as u32).index()];
            link.chances = chances;
            link.added = added;
            let own = plan.bandwidth.map(|own| (own, None));
            let faulty = effect.bandwidth.map(|(limit, entry)| (limit, Some(entry)));
            link.bandwidth = [own, faulty].into_iter().flatten().min_by_key(|(limit, _)| limit.bytes_per_s);
        }
    }

    fn link_chances(&self, plan: &LinkPlan, effect: &LinkEffect) -> Vec<Chance> {
        let own_key = |purpose: &str| Key::derive(self.core.seed, &format!("link/{}", plan.name), purpose);
        let mut chances = Vec::new();
        let mut own = |what: Mishap, share_ppm: u32, purpose: &str| {
            if share_ppm > 0 {
                chances.push(Chance { what, share_ppm, key: own_key(purpose), entry: None });
            }
        };
        own(Mishap::Duplicated, plan.duplicate_ppm, "duplicate");
        own(Mishap::HeldBack(plan.reorder_delay), plan.reorder_ppm, "reorder");
        own(Mishap::Lost, plan.loss_ppm, "loss");
        let mut injected = |what: Mishap, entry: EntryId, share_ppm: u32| {
            let key = self.fault_key(entry, &plan.name);
            chances.push(Chance { what, share_ppm, key, entry: Some(entry) });
        };
        for (entry, share_ppm) in &effect.duplicated {
            injected(Mishap::Duplicated, *entry, *share_ppm);
        }
        for (entry, share_ppm, delay) in &effect.held_back {
            injected(Mishap::HeldBack(*delay), *entry, *share_ppm);
        }
        for (entry, share_ppm) in &effect.corrupted {
            injected(Mishap::Corrupted, *entry, *share_ppm);
        }
        for (entry, share_ppm) in &effect.lost {
            injected(Mishap::Lost, *entry, *share_ppm);
        }
        chances
    }

    fn refresh_dependencies(&mut self) {
        for index in 0..self.core.dependencies.len() {
            let rules = self.core.effects.services[index]
                .iter()
                .map(|effect| DependencyRule {
                    entry: effect.entry,
                    share_ppm: effect.share_ppm,
                    operations: effect.operations.clone(),
                    key: self.fault_key(effect.entry, "share"),
                    what: DependencyRuleKind::new(&effect.kind, self.fault_key(effect.entry, "delay")),
                })
                .collect();
            self.core.dependencies[index] = rules;
        }
        let mut rules = self.core.dependencies.iter().flatten();
        self.core.delays_requests = rules.any(|rule| matches!(rule.what, DependencyRuleKind::Delay(..)));
    }

    fn refresh_edges(&mut self, old: &Effects) {
        for index in 0..self.core.edge_states.len() {
            let edge = self.core.edge_states[index].edge;
            let effect = self.core.effects.edges[edge.index()].clone();
            if effect == old.edges[edge.index()] {
                continue;
            }
            let resets = effect
                .resets
                .iter()
                .map(|(entry, share_ppm)| ResetChance {
                    share_ppm: *share_ppm,
                    key: self.fault_key(*entry, "reset"),
                    entry: *entry,
                })
                .collect();
            let state = &mut self.core.edge_states[index];
            state.resets = resets;
            let (factor, entry) = effect.storm.map_or((1, None), |(factor, entry)| (factor, Some(entry)));
            state.set_storm(factor, entry);
        }
    }

    /// Takes leaked connections out of pools and gives them back.
    pub(crate) fn refresh_pools(&mut self, now: Time, agenda: &mut Agenda<Event>) {
        for index in 0..self.core.nodes.len() {
            let (party, base) = (self.core.nodes[index].party, self.core.nodes[index].pool_base);
            let count = super::build::pools(&self.core.plan, party).len() as u32;
            for pool in 0..count {
                let leaks: Vec<_> = self
                    .core
                    .effects
                    .leaks
                    .iter()
                    .filter(|leak| leak.owner == party && leak.pool == pool)
                    .map(|leak| (leak.leaked, leak.entry))
                    .collect();
                let leaked = leaks.iter().fold(0_u32, |sum, (leaked, _)| sum.saturating_add(*leaked));
                let gate = &mut self.core.gates[(base + pool) as usize];
                gate.leak_entry = leaks.last().map(|(_, entry)| *entry);
                let admitted: Vec<_> =
                    gate.places.set_max_in_flight(gate.size.saturating_sub(leaked)).collect();
                for attempt in admitted {
                    Engine { now, core: &mut self.core, agenda }.let_in(attempt, base + pool);
                }
            }
        }
    }

    fn refresh_cuts(&mut self, now: Time, old: &Effects, agenda: &mut Agenda<Event>) {
        if self.core.effects.cuts == old.cuts {
            return;
        }
        let mut released = Vec::new();
        let mut kept: Vec<Cut> = Vec::new();
        let wanted: Vec<CutEffect> = self.core.effects.cuts.clone();
        let mut existing = std::mem::take(&mut self.core.cuts);
        for effect in wanted {
            let same =
                |cut: &Cut| cut.entry == effect.entry && cut.from == effect.from && cut.to == effect.to;
            match existing.iter().position(same) {
                Some(position) => kept.push(existing.remove(position)),
                None => kept.push(Cut {
                    entry: effect.entry,
                    mode: effect.mode,
                    from: effect.from,
                    to: effect.to,
                    held: Vec::new(),
                }),
            }
        }
        for cut in existing {
            released.extend(cut.held);
        }
        self.core.cuts = kept;
        Engine { now, core: &mut self.core, agenda }.release_held(released);
    }

    fn refresh_node(
        &mut self,
        now: Time,
        node: NodeId,
        old: &NodeEffect,
        new: &NodeEffect,
        agenda: &mut Agenda<Event>,
    ) {
        let state = &mut self.core.nodes[node.index()];
        state.clock = Clock::new(new.clock_offset_ns, new.clock_drifts.clone());
        for entry in new.clock_entries.iter().chain(&new.slow_entries) {
            self.core.recorder.touch(Some(*entry));
        }
        if old.factor_milli != new.factor_milli {
            self.core.processors.set_factor(now, node, new.factor_milli);
        }
        match (old.paused.is_some(), new.paused.is_some()) {
            (false, true) => {
                self.timeline.paused += 1;
                self.core.recorder.touch(new.paused);
                self.core.processors.suspend(now, node);
            }
            (true, false) => {
                self.timeline.paused -= 1;
                self.core.processors.unsuspend(now, node);
                self.let_go(now, node, agenda);
            }
            (true, true) | (false, false) => {}
        }
        if (old.quota, old.quota_since) != (new.quota, new.quota_since) {
            self.change_quota(now, node, new, agenda);
        }
        let mut engine = Engine { now, core: &mut self.core, agenda };
        let processor = engine.core.processors.processor_of(node);
        engine.arm_processor(processor);
        if old.crashed.is_some() != new.crashed.is_some() {
            match new.crashed {
                Some((mode, entry)) => {
                    self.core.recorder.touch(Some(entry));
                    self.take_down(now, node, mode == CrashMode::Process, agenda);
                }
                None => self.bring_up(now, node, agenda),
            }
        }
    }

    fn change_quota(&mut self, now: Time, node: NodeId, new: &NodeEffect, agenda: &mut Agenda<Event>) {
        self.core.processors.set_quota(now, node, new.quota);
        let state = &mut self.core.nodes[node.index()];
        agenda.cancel(std::mem::take(&mut state.quota_timer));
        let period_ns = new.quota.map_or(1, |quota| quota.period.as_nanos().max(1));
        let into_period_ns = now.since(new.quota_since).as_nanos() % period_ns;
        state.quota_period_start = Time::from_nanos(now.as_nanos() - into_period_ns);
        if std::mem::take(&mut state.quota_exhausted) {
            self.core.processors.unsuspend(now, node);
        }
        Engine { now, core: &mut self.core, agenda }.check_quota(node);
    }

    /// Lets what a paused node missed happen now, in order.
    fn let_go(&mut self, now: Time, node: NodeId, agenda: &mut Agenda<Event>) {
        for event in std::mem::take(&mut self.core.nodes[node.index()].held) {
            let handle = agenda.schedule(now, event);
            let mut engine = Engine { now, core: &mut self.core, agenda };
            engine.rearm_held(event, handle);
        }
    }

    /// A process dies: what it had under way is lost, callers notice at once if the host lives on.
    pub(crate) fn take_down(&mut self, now: Time, node: NodeId, aloud: bool, agenda: &mut Agenda<Event>) {
        self.timeline.down[node.index()] += 1;
        if self.timeline.down[node.index()] > 1 {
            return;
        }
        let state = &mut self.core.nodes[node.index()];
        state.up = false;
        agenda.cancel(std::mem::take(&mut state.ready_timer));
        state.ready = true;
        state.life = state.life.wrapping_add(1);
        let keep = if aloud { Durable::Written } else { Durable::Disk };
        self.core.flag_copy_gone(now, node);
        let mut lost: Vec<Request> = Vec::new();
        self.nodes[node.index()].crash(keep, &mut |request| lost.push(*request));
        self.core.processors.clear(now, node);
        let mut engine = Engine { now, core: &mut self.core, agenda };
        let processor = engine.core.processors.processor_of(node);
        engine.arm_processor(processor);
        for request in &lost {
            engine.lost_in_crash(node, request, aloud);
        }
        engine.abandon_calls_of(node);
        engine.forget_callees_of(node);
        for note in engine.core.notes.kept_by(node) {
            engine.forget_note(note);
        }
        set_capacity(now, &mut self.core.nodes[node.index()], false);
        // Deliveries that a paused process had not taken yet now find nobody; its timers are gone.
        let held = std::mem::take(&mut self.core.nodes[node.index()].held);
        for event in held.into_iter().filter(|event| matches!(event, Event::Deliver(_))) {
            agenda.schedule(now, event);
        }
    }

    /// A process starts again.
    pub(crate) fn bring_up(&mut self, now: Time, node: NodeId, agenda: &mut Agenda<Event>) {
        let down = &mut self.timeline.down[node.index()];
        *down = down.saturating_sub(1);
        if *down > 0 {
            return;
        }
        self.core.nodes[node.index()].up = true;
        self.start_process(now, node, agenda);
    }

    /// Starts the process of a node; it takes requests when its start-up time is over.
    pub(crate) fn start_process(&mut self, now: Time, node: NodeId, agenda: &mut Agenda<Event>) {
        let state = &mut self.core.nodes[node.index()];
        let Party::Service(service) = state.party else { return };
        let startup = state.plan.services[service.index()].startup;
        agenda.cancel(std::mem::take(&mut state.ready_timer));
        state.ready = startup.is_zero();
        if !startup.is_zero() {
            state.ready_timer = agenda.schedule(now + startup, Event::NodeReady(node));
        }
        let member = state.member;
        set_capacity(now, state, member);
        self.with_node(now, node, agenda, |node, cx| node.start(cx));
    }

    /// A replica has finished starting up.
    pub(crate) fn node_ready(&mut self, _now: Time, node: NodeId) {
        let state = &mut self.core.nodes[node.index()];
        state.ready = true;
        state.ready_timer = Handle::NONE;
    }
}

/// Counts the workers of a replica as on offer, or not.
pub(crate) fn set_capacity(now: Time, state: &mut NodeState, on_offer: bool) {
    let Party::Service(service) = state.party else { return };
    let workers = state.plan.services[service.index()].workers;
    state.occupancy.settle(now);
    state.occupancy.workers = if on_offer && workers != u32::MAX { workers } else { 0 };
    if !state.up {
        state.occupancy.busy = 0;
        state.occupancy.waiting = 0;
    }
}

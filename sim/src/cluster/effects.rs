//! What the active timeline entries do to the world, all together: a pure function of which are active.
//!
//! A fault that ends leaves exactly what would hold without it, because nothing is undone: the effects of those
//! still active are put together anew. Never looks at what was in force before.

use std::sync::Arc;

use super::balance::shuffled;
use super::clock::Drift;
use super::processor::Quota;
use crate::faults::{ClockChange, CrashMode, CutMode, Fault, Member, NodeSelector, Which};
use crate::kernel::draw::{Distribution, Key, Seed};
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::{
    Action, BandwidthPlan, EdgeId, EntryId, LinkId, LoadId, OperationId, Party, Plan, ServiceId,
};

/// A timeline entry in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) entry: EntryId,
    pub(crate) since: Time,
    /// Ended, but of a kind whose effect stays (a clock that jumped).
    pub(crate) ended: bool,
    /// Replicas of each service when it began: who is drawn from them stays drawn however many there are later.
    pub(crate) replicas: Arc<[u32]>,
}

/// Everything the active entries do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Effects {
    pub(crate) nodes: Vec<NodeEffect>,
    pub(crate) links: Vec<LinkEffect>,
    pub(crate) services: Vec<Vec<DependencyEffect>>,
    pub(crate) edges: Vec<EdgeEffect>,
    pub(crate) loads: Vec<Vec<HotKeyEffect>>,
    pub(crate) leaks: Vec<Leak>,
    pub(crate) cuts: Vec<CutEffect>,
    hops: Vec<Option<Hop>>,
}

/// What befalls a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeEffect {
    pub(crate) crashed: Option<(CrashMode, EntryId)>,
    pub(crate) paused: Option<EntryId>,
    /// Work takes this multiple of its time, thousandths.
    pub(crate) factor_milli: u64,
    pub(crate) slow_entries: Vec<EntryId>,
    pub(crate) quota: Option<Quota>,
    pub(crate) quota_entry: Option<EntryId>,
    /// Its periods are counted from here.
    pub(crate) quota_since: Time,
    pub(crate) refuse: Vec<(EntryId, u32)>,
    pub(crate) clock_offset_ns: i64,
    pub(crate) clock_drifts: Vec<Drift>,
    pub(crate) clock_entries: Vec<EntryId>,
}

impl Default for NodeEffect {
    fn default() -> Self {
        NodeEffect {
            crashed: None,
            paused: None,
            factor_milli: 1000,
            slow_entries: Vec::new(),
            quota: None,
            quota_entry: None,
            quota_since: Time::ZERO,
            refuse: Vec::new(),
            clock_offset_ns: 0,
            clock_drifts: Vec::new(),
            clock_entries: Vec::new(),
        }
    }
}

/// What befalls the messages of a link.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LinkEffect {
    pub(crate) added: Vec<(EntryId, Distribution)>,
    pub(crate) lost: Vec<(EntryId, u32)>,
    pub(crate) duplicated: Vec<(EntryId, u32)>,
    pub(crate) held_back: Vec<(EntryId, u32, Span)>,
    pub(crate) corrupted: Vec<(EntryId, u32)>,
    pub(crate) bandwidth: Option<(BandwidthPlan, EntryId)>,
}

/// What befalls the requests of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DependencyEffect {
    pub(crate) entry: EntryId,
    pub(crate) share_ppm: u32,
    pub(crate) operations: Option<Vec<OperationId>>,
    pub(crate) kind: DependencyKind,
}

/// How a request fares.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DependencyKind {
    Error,
    Abort,
    Delay(Distribution),
}

/// What befalls the attempts of an edge.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EdgeEffect {
    /// Factor and entry of a retry storm.
    pub(crate) storm: Option<(u32, EntryId)>,
    pub(crate) resets: Vec<(EntryId, u32)>,
}

/// A key that draws requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HotKeyEffect {
    pub(crate) entry: EntryId,
    pub(crate) share_ppm: u32,
    pub(crate) key: u64,
}

/// Connections that do not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leak {
    pub(crate) owner: Party,
    pub(crate) pool: u32,
    pub(crate) leaked: u32,
    pub(crate) entry: EntryId,
}

/// A cut in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CutEffect {
    pub(crate) entry: EntryId,
    pub(crate) mode: CutMode,
    pub(crate) from: Vec<bool>,
    pub(crate) to: Vec<bool>,
}

/// A proxy in the way of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) entry: EntryId,
    pub(crate) service: ServiceId,
    /// To the proxy, from there to the callee, and back the same way.
    pub(crate) links: [LinkId; 4],
}

/// Where the nodes of each party stand, and how many replicas each service has now.
pub(crate) struct Layout<'a> {
    pub(crate) service_base: &'a [u32],
    pub(crate) load_node: &'a [u32],
    pub(crate) replicas: &'a [u32],
    pub(crate) nodes: usize,
}

impl Effects {
    /// The proxy that requests over this link take, if any.
    pub(crate) fn hop(&self, link: LinkId) -> Option<Hop> {
        self.hops.get(link.index()).copied().flatten()
    }

    /// The effects of these entries, in the order of the timeline.
    pub(crate) fn of(plan: &Plan, seed: Seed, layout: &Layout<'_>, active: &[Active]) -> Effects {
        let mut effects = Effects {
            nodes: vec![NodeEffect::default(); layout.nodes],
            links: vec![LinkEffect::default(); plan.links.len()],
            services: vec![Vec::new(); plan.services.len()],
            edges: vec![EdgeEffect::default(); plan.edges.len()],
            loads: vec![Vec::new(); plan.loads.len()],
            leaks: Vec::new(),
            cuts: Vec::new(),
            hops: vec![None; plan.links.len()],
        };
        let mut ordered = active.to_vec();
        ordered.sort_unstable_by_key(|active| active.entry);
        for active in ordered {
            match &plan.timeline[active.entry.index()].action {
                Action::Fault(fault) => {
                    let id = &plan.timeline[active.entry.index()].id;
                    let key = Key::derive(seed, &format!("fault/{id}"), "selection");
                    let selection = Selection { layout, drawn_from: &active.replicas, key };
                    effects.add_fault(fault, &active, &selection);
                }
                Action::ExtraHop { from, to, hop, links } if !active.ended => {
                    for edge in &plan.edges {
                        if edge.caller == *from && edge.callee == *to {
                            let hop = Hop { entry: active.entry, service: *hop, links: *links };
                            effects.hops[edge.request_link.index()] = Some(hop);
                        }
                    }
                }
                Action::ExtraHop { .. }
                | Action::Deploy(_)
                | Action::Config(_)
                | Action::Flag(_)
                | Action::Scale { .. }
                | Action::Publish(_)
                | Action::Rollback { .. } => {}
            }
        }
        effects
    }

    fn add_fault(&mut self, fault: &Fault, active: &Active, selection: &Selection<'_>) {
        let entry = active.entry;
        if active.ended
            && !matches!(fault, Fault::Clock(clock) if matches!(clock.change, ClockChange::Jump(_)))
        {
            return;
        }
        match fault {
            Fault::Latency(fault) => {
                self.on_links(&fault.links, |link| link.added.push((entry, fault.add.clone())));
            }
            Fault::Loss(fault) => {
                self.on_links(&fault.links, |link| link.lost.push((entry, fault.share_ppm)))
            }
            Fault::Duplicate(fault) => {
                self.on_links(&fault.links, |link| link.duplicated.push((entry, fault.share_ppm)));
            }
            Fault::Reorder(fault) => {
                self.on_links(&fault.links, |link| {
                    link.held_back.push((entry, fault.share_ppm, fault.delay))
                });
            }
            Fault::Corrupt(fault) => {
                self.on_links(&fault.links, |link| link.corrupted.push((entry, fault.share_ppm)));
            }
            Fault::Bandwidth(fault) => {
                let plan = BandwidthPlan { bytes_per_s: fault.bytes_per_s, buffer_bytes: fault.buffer_bytes };
                self.on_links(&fault.links, |link| {
                    if link.bandwidth.is_none_or(|(other, _)| plan.bytes_per_s < other.bytes_per_s) {
                        link.bandwidth = Some((plan, entry));
                    }
                });
            }
            Fault::Partition(fault) => {
                for cut in &fault.cuts {
                    let (from, to) = (selection.members(&cut.from), selection.members(&cut.to));
                    self.cuts.push(CutEffect { entry, mode: fault.mode, from, to });
                }
            }
            Fault::Reset(fault) => {
                self.on_edges(&fault.edges, |edge| edge.resets.push((entry, fault.share_ppm)))
            }
            Fault::RetryStorm(fault) => self.on_edges(&fault.edges, |edge| {
                if edge.storm.is_none_or(|(factor, _)| factor < fault.attempts_factor) {
                    edge.storm = Some((fault.attempts_factor, entry));
                }
            }),
            Fault::Error(fault) => {
                self.on_service(
                    fault.service,
                    entry,
                    fault.share_ppm,
                    &fault.operations,
                    DependencyKind::Error,
                );
            }
            Fault::Abort(fault) => {
                self.on_service(
                    fault.service,
                    entry,
                    fault.share_ppm,
                    &fault.operations,
                    DependencyKind::Abort,
                );
            }
            Fault::Delay(fault) => {
                let kind = DependencyKind::Delay(fault.add.clone());
                self.on_service(fault.service, entry, fault.share_ppm, &fault.operations, kind);
            }
            Fault::HotKey(fault) => self.loads[fault.load.index()].push(HotKeyEffect {
                entry,
                share_ppm: fault.share_ppm,
                key: fault.key,
            }),
            Fault::PoolExhaustion(fault) => {
                self.leaks.push(Leak { owner: fault.owner, pool: fault.pool, leaked: fault.leaked, entry })
            }
            Fault::Refuse(_)
            | Fault::Crash(_)
            | Fault::Pause(_)
            | Fault::Slow(_)
            | Fault::Quota(_)
            | Fault::Clock(_) => self.add_node_fault(fault, active, selection),
            // These act by their own steps on the timeline or at the client.
            Fault::Restart(_) | Fault::Surge(_) | Fault::ThunderingHerd(_) | Fault::CacheWipe(_) => {}
        }
    }

    fn add_node_fault(&mut self, fault: &Fault, active: &Active, selection: &Selection<'_>) {
        let entry = active.entry;
        match fault {
            Fault::Refuse(fault) => {
                self.on_nodes(selection, &fault.nodes, |node| node.refuse.push((entry, fault.share_ppm)));
            }
            Fault::Crash(fault) => self.on_nodes(selection, &fault.nodes, |node| {
                // A dead host answers nobody, whatever else has died on it.
                if node.crashed.is_none_or(|(mode, _)| mode == CrashMode::Process) {
                    node.crashed = Some((fault.mode, entry));
                }
            }),
            Fault::Pause(fault) => {
                self.on_nodes(selection, &fault.nodes, |node| node.paused = node.paused.or(Some(entry)));
            }
            Fault::Slow(fault) => self.on_nodes(selection, &fault.nodes, |node| {
                let factor = u128::from(node.factor_milli) * u128::from(fault.factor_milli) / 1000;
                node.factor_milli = u64::try_from(factor).unwrap_or(u64::MAX).max(1);
                node.slow_entries.push(entry);
            }),
            Fault::Quota(fault) => self.on_nodes(selection, &fault.nodes, |node| {
                let quota = Quota { quota: fault.quota, period: fault.period };
                if node.quota.is_none_or(|other| quota.share_ppm() < other.share_ppm()) {
                    node.quota = Some(quota);
                    node.quota_entry = Some(entry);
                    node.quota_since = active.since;
                }
            }),
            Fault::Clock(fault) => self.on_nodes(selection, &fault.nodes, |node| {
                node.clock_entries.push(entry);
                match fault.change {
                    ClockChange::Skew(ns) | ClockChange::Jump(ns) => {
                        node.clock_offset_ns = node.clock_offset_ns.saturating_add(ns);
                    }
                    ClockChange::DriftPpb(ppb) => node.clock_drifts.push(Drift { since: active.since, ppb }),
                }
            }),
            Fault::Latency(_)
            | Fault::Loss(_)
            | Fault::Duplicate(_)
            | Fault::Reorder(_)
            | Fault::Corrupt(_)
            | Fault::Bandwidth(_)
            | Fault::Partition(_)
            | Fault::Reset(_)
            | Fault::Restart(_)
            | Fault::Error(_)
            | Fault::Abort(_)
            | Fault::Delay(_)
            | Fault::RetryStorm(_)
            | Fault::Surge(_)
            | Fault::ThunderingHerd(_)
            | Fault::HotKey(_)
            | Fault::CacheWipe(_)
            | Fault::PoolExhaustion(_) => {}
        }
    }

    fn on_links(&mut self, links: &[LinkId], mut change: impl FnMut(&mut LinkEffect)) {
        for link in links {
            change(&mut self.links[link.index()]);
        }
    }

    fn on_edges(&mut self, edges: &[EdgeId], mut change: impl FnMut(&mut EdgeEffect)) {
        for edge in edges {
            change(&mut self.edges[edge.index()]);
        }
    }

    fn on_service(
        &mut self,
        service: ServiceId,
        entry: EntryId,
        share_ppm: u32,
        operations: &Option<Vec<OperationId>>,
        kind: DependencyKind,
    ) {
        let effect = DependencyEffect { entry, share_ppm, operations: operations.clone(), kind };
        self.services[service.index()].push(effect);
    }

    fn on_nodes(
        &mut self,
        selection: &Selection<'_>,
        selectors: &[NodeSelector],
        change: impl Fn(&mut NodeEffect),
    ) {
        for (index, selected) in selection.nodes(selectors).into_iter().enumerate() {
            if selected {
                change(&mut self.nodes[index]);
            }
        }
    }
}

impl Quota {
    fn share_ppm(self) -> u64 {
        let period_ns = u128::from(self.period.as_nanos().max(1));
        u64::try_from(u128::from(self.quota.as_nanos()) * 1_000_000 / period_ns).unwrap_or(u64::MAX)
    }
}

/// Turns selectors into nodes, with the draws of one entry.
pub(crate) struct Selection<'a> {
    pub(crate) layout: &'a Layout<'a>,
    /// Replicas of each service that a draw chooses from.
    pub(crate) drawn_from: &'a [u32],
    pub(crate) key: Key,
}

impl Selection<'_> {
    /// By node: whether one of the selectors means it.
    pub(crate) fn nodes(&self, selectors: &[NodeSelector]) -> Vec<bool> {
        let mut selected = vec![false; self.layout.nodes];
        for selector in selectors {
            self.add(selector, &mut selected);
        }
        selected
    }

    fn members(&self, members: &[Member]) -> Vec<bool> {
        let mut selected = vec![false; self.layout.nodes];
        for member in members {
            match member {
                Member::Nodes(selector) => self.add(selector, &mut selected),
                Member::Clients(LoadId(load)) => {
                    selected[self.layout.load_node[*load as usize] as usize] = true
                }
            }
        }
        selected
    }

    fn add(&self, selector: &NodeSelector, selected: &mut [bool]) {
        let base = self.layout.service_base[selector.service.index()];
        let count = self.drawn_from[selector.service.index()];
        let drawn = match selector.which {
            Which::All => {
                let all = self.layout.replicas[selector.service.index()];
                selected[base as usize..(base + all) as usize].fill(true);
                return;
            }
            Which::Index(index) => {
                // A replica that is gone for now is still meant: it may come back while the fault lasts.
                if let Some(slot) = selected.get_mut((base + index) as usize) {
                    *slot = true;
                }
                return;
            }
            Which::One => 1,
            Which::Minority => (count.saturating_sub(1) / 2).max(1),
            Which::Majority => count / 2 + 1,
            Which::Random(wanted) => wanted,
        };
        let order = shuffled(count, self.key.child(u64::from(selector.service.0)));
        for replica in order.into_iter().take(drawn as usize) {
            selected[(base + replica) as usize] = true;
        }
    }
}

#[cfg(test)]
mod tests;

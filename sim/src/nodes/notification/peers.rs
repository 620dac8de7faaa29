//! Routers of alerts that stand in for each other: who they are, and the way of what they tell each other, over the links
//! of their calls. Never decides who tells a receiver; that is the library's.

use std::collections::BTreeMap;

use foreshock_systems::notification::{ClusterConfig, Gossip, HaMode, PeerId};

use crate::cluster::{Cx, Note};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::Span;
use crate::scenario::plan::{EdgeId, Plan, ServiceId};

/// Settings of a router that has peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeerSettings {
    /// The others, by name.
    pub(super) names: Vec<String>,
    pub(super) peer_timeout: Span,
    pub(super) gossip_interval: Span,
    pub(super) failure_timeout: Span,
    pub(super) mode: HaMode,
}

/// What one router tells another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMail {
    pub(super) from: ServiceId,
    pub(super) gossip: Gossip,
}

impl PeerMail {
    /// Bytes it takes while it is under way.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let entry = |of: &foreshock_systems::notification::LogEntry| {
            size_of_val(of) + of.group.len() + of.receiver.len() + 8 * of.firing.len()
        };
        let entries: usize = self.gossip.entries.iter().map(entry).sum();
        let silences: usize = self.gossip.silences.iter().map(Vec::len).sum();
        (size_of::<PeerMail>() + entries + silences) as u64
    }
}

/// The others of a router, with the way to each.
pub(super) struct Peers {
    own: ServiceId,
    name: String,
    ways: BTreeMap<ServiceId, EdgeId>,
    /// Notes to each so far: what names them in draws.
    sent: BTreeMap<ServiceId, u64>,
}

impl Peers {
    /// The peers among the calls of a router.
    pub(super) fn new(
        own: ServiceId,
        settings: Option<&PeerSettings>,
        calls: &[EdgeId],
        plan: &Plan,
    ) -> Peers {
        let callee = |edge: &EdgeId| plan.edges[edge.index()].callee;
        let is_peer = |edge: &&EdgeId| {
            let name = &plan.services[callee(edge).index()].name;
            settings.is_some_and(|settings| settings.names.contains(name))
        };
        let ways = calls.iter().filter(is_peer).map(|edge| (callee(edge), *edge)).collect();
        Peers { own, name: plan.services[own.index()].name.clone(), ways, sent: BTreeMap::new() }
    }

    pub(super) fn has(&self, service: ServiceId) -> bool {
        self.ways.contains_key(&service)
    }

    pub(super) fn services(&self) -> Vec<ServiceId> {
        self.ways.keys().copied().collect()
    }

    /// The library's cluster. Who stands first in the file is first.
    pub(super) fn cluster(&self, settings: &PeerSettings) -> ClusterConfig {
        let members = self.ways.keys().chain([&self.own]).map(|service| PeerId(service.0));
        ClusterConfig {
            me: PeerId(self.own.0),
            members: members.collect(),
            peer_timeout: settings.peer_timeout,
            gossip_interval: settings.gossip_interval,
            failure_timeout: settings.failure_timeout,
            mode: settings.mode,
        }
    }

    /// Tells a peer. What is lost is told again.
    pub(super) fn send(&mut self, to: PeerId, gossip: Gossip, cx: &mut Cx<'_>) {
        let to = ServiceId(to.0);
        let Some(edge) = self.ways.get(&to).copied() else { return };
        let sent = self.sent.entry(to).or_insert(0);
        *sent += 1;
        let (link, peer) = {
            let plan = cx.plan();
            (plan.edges[edge.index()].request_link, plan.services[to.index()].name.clone())
        };
        let identity = Lineage::root(name_hash(&format!("gossip/{}/{peer}", self.name)), *sent).raw();
        let note = cx.write(Note::Peers(Box::new(PeerMail { from: self.own, gossip })));
        let node = cx.replica_of(to, 0);
        cx.send_note(link, node, note, identity);
        cx.forget(note);
    }
}

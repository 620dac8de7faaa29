//! What becomes of a request at its callee: arrival, injected errors, answers, proxies, departure.

use super::core::{Engine, Event, NodeState};
use super::effects::{DependencyKind, Hop};
use super::network::{Address, Answer, Payload};
use super::node::{NodeId, Path, Reply, Request};
use super::slab::Ref;
use crate::faults::CrashMode;
use crate::kernel::draw::{Key, Sampler, chance_ppm};
use crate::kernel::time::Span;
use crate::measure::{Departure, OutcomeKind};
use crate::scenario::plan::{Action, EntryId, LinkId, OperationId, Party};

/// A fault inside a service, ready to be drawn.
pub(crate) struct DependencyRule {
    pub(crate) entry: EntryId,
    pub(crate) share_ppm: u32,
    pub(crate) operations: Option<Vec<OperationId>>,
    pub(crate) key: Key,
    pub(crate) what: DependencyRuleKind,
}

/// How the requests it hits fare.
pub(crate) enum DependencyRuleKind {
    Error,
    Abort,
    Delay(Sampler, Key),
}

impl DependencyRuleKind {
    pub(crate) fn new(kind: &DependencyKind, delay_key: Key) -> DependencyRuleKind {
        match kind {
            DependencyKind::Error => DependencyRuleKind::Error,
            DependencyKind::Abort => DependencyRuleKind::Abort,
            DependencyKind::Delay(add) => DependencyRuleKind::Delay(
                Sampler::new(add).expect("the plan's distributions were checked"),
                delay_key,
            ),
        }
    }
}

impl DependencyRule {
    fn hits(&self, request: &Request, salt: u64) -> bool {
        self.operations.as_ref().is_none_or(|only| only.contains(&request.operation))
            && chance_ppm(self.key.draw(request.lineage.raw() ^ salt), self.share_ppm)
    }
}

impl Engine<'_> {
    /// Whether an injected delay keeps a request back for now; it then arrives again later.
    #[inline]
    pub(crate) fn is_delayed(&mut self, envelope: Ref) -> bool {
        if !self.core.delays_requests {
            return false;
        }
        let Some(message) = self.core.envelopes.get(envelope) else { return false };
        let (Payload::Request(request), false) = (&message.payload, message.delayed) else { return false };
        let Party::Service(service) = self.core.nodes[message.address.to.index()].party else { return false };
        let salt = self.core.salt;
        let mut delay = Span::ZERO;
        for rule in &self.core.dependencies[service.index()] {
            if let DependencyRuleKind::Delay(sampler, key) = &rule.what
                && rule.hits(request, salt)
            {
                self.core.recorder.touch(Some(rule.entry));
                delay += sampler.sample(*key, request.lineage.raw() ^ salt);
            }
        }
        if delay.is_zero() {
            return false;
        }
        if let Some(message) = self.core.envelopes.get_mut(envelope) {
            message.delayed = true;
        }
        self.agenda.schedule(self.now + delay, Event::Deliver(envelope.slot()));
        true
    }

    /// A request has reached the node it was sent to: `true` if the node is to serve it, `false` if it was dealt
    /// with.
    #[inline]
    pub(crate) fn request_arrives(&mut self, envelope: &Address, request: &mut Request) -> bool {
        let to = envelope.to;
        let network = self.now.since(envelope.sent_at);
        request.path.network_ns += network.as_nanos();
        request.arrived_at = self.now;
        self.core.trace.span(
            request.traced,
            "network",
            to,
            envelope.sent_at,
            self.now,
            request.attempt_number,
        );
        if let Some(refusal) = self.refusal(to, request) {
            self.core.links[envelope.link.index()].counts.undeliverable += 1;
            if refusal {
                self.answer(to, request, Reply::refusal(OutcomeKind::Refused));
            }
            return false;
        }
        self.core.links[envelope.link.index()].counts.delivered += 1;
        self.core.recorder.delivered(envelope.link, network);
        let Party::Service(service) = self.core.nodes[to.index()].party else { return false };
        self.core.recorder.arrived(service, request.is_retry, self.now);
        let population = &mut self.core.population[service.index()];
        population.settle(self.now);
        population.inside += 1;
        let salt = self.core.salt;
        for rule in &self.core.dependencies[service.index()] {
            match rule.what {
                DependencyRuleKind::Error if rule.hits(request, salt) => {
                    self.core.recorder.touch(Some(rule.entry));
                    self.depart_service(to, request, Departure::Failed);
                    self.answer(to, request, Reply::refusal(OutcomeKind::Error));
                    return false;
                }
                DependencyRuleKind::Abort if rule.hits(request, salt) => {
                    self.core.recorder.touch(Some(rule.entry));
                    self.depart_service(to, request, Departure::Aborted);
                    return false;
                }
                DependencyRuleKind::Error | DependencyRuleKind::Abort | DependencyRuleKind::Delay(..) => {}
            }
        }
        true
    }

    /// Whether the node takes no connection: `Some(true)` refuses aloud, `Some(false)` is silence.
    #[inline]
    fn refusal(&mut self, to: NodeId, request: &Request) -> Option<bool> {
        let node = &self.core.nodes[to.index()];
        let effect = &self.core.effects.nodes[to.index()];
        if !node.up {
            let (mode, entry) = effect.crashed.unzip();
            self.core.recorder.touch(entry);
            return Some(mode != Some(CrashMode::Host));
        }
        if !node.ready {
            return Some(true);
        }
        for (entry, share_ppm) in &effect.refuse {
            let id = &self.core.plan.timeline[entry.index()].id;
            let key = Key::derive(self.core.seed, &format!("fault/{id}"), "refuse");
            if chance_ppm(key.draw(request.lineage.raw() ^ self.core.salt), *share_ppm) {
                self.core.recorder.touch(Some(*entry));
                return Some(true);
            }
        }
        None
    }

    /// Counts a request out of a service.
    #[inline]
    pub(crate) fn depart_service(&mut self, node: NodeId, request: &Request, how: Departure) {
        let Party::Service(service) = self.core.nodes[node.index()].party else { return };
        let population = &mut self.core.population[service.index()];
        population.settle(self.now);
        population.inside = population.inside.saturating_sub(1);
        self.core.recorder.departed(service, how, self.now.since(request.arrived_at), self.now);
    }

    /// Sends the answer to a request back the way it came.
    #[inline]
    pub(crate) fn answer(&mut self, from: NodeId, request: &Request, reply: Reply) {
        let Party::Service(service) = self.core.nodes[from.index()].party else { return };
        let plan = &self.core.plan.services[service.index()];
        let bytes = plan.response_bytes;
        let asked = reply.retry_after.or(plan.retry_after);
        let retry_after = asked.filter(|_| reply.outcome == OutcomeKind::Rejected);
        let mut path = reply.path;
        path.add(request.path);
        let answer = Answer {
            attempt: request.attempt,
            edge: request.edge,
            caller: request.caller,
            outcome: reply.outcome,
            missed: reply.missed,
            value: reply.value,
            retry_after,
            path,
            lineage: request.lineage,
            traced: request.traced,
            answered_by: from,
        };
        let (link, to) = match (request.via, plan.hop_of) {
            (None, None) => (self.core.plan.edges[request.edge.index()].response_link, request.caller),
            (Some(_), _) | (_, Some(_)) => self.way_back(from, request),
        };
        self.send(link, (from, to), bytes, request.lineage.raw(), &Payload::Answer(answer));
    }

    /// The link and the next node of an answer where proxies stand in the way.
    #[cold]
    fn way_back(&self, from: NodeId, request: &Request) -> (LinkId, NodeId) {
        match (request.via, self.hop_links(from)) {
            (Some(proxy), _) => match self.hop_links(proxy) {
                Some(links) => (links[2], proxy),
                None => (self.core.plan.edges[request.edge.index()].response_link, request.caller),
            },
            (None, Some(links)) => (links[3], request.caller),
            (None, None) => (self.core.plan.edges[request.edge.index()].response_link, request.caller),
        }
    }

    /// The links of the proxy that this node is a replica of.
    fn hop_links(&self, node: NodeId) -> Option<[LinkId; 4]> {
        let Party::Service(service) = self.core.nodes[node.index()].party else { return None };
        let entry = self.core.plan.services[service.index()].hop_of?;
        match &self.core.plan.timeline[entry.index()].action {
            Action::ExtraHop { links, .. } => Some(*links),
            Action::Fault(_)
            | Action::Deploy(_)
            | Action::Config(_)
            | Action::Flag(_)
            | Action::Scale { .. }
            | Action::Publish(_)
            | Action::Rollback { .. } => None,
        }
    }

    /// Sends a request to a proxy first.
    pub(crate) fn send_through_hop(
        &mut self,
        hop: Hop,
        from: NodeId,
        to: NodeId,
        bytes: u64,
        mut request: Request,
    ) {
        self.core.recorder.touch(Some(hop.entry));
        let replicas = u64::from(self.core.plan.services[hop.service.index()].replicas.max(1));
        let word = self.core.hop_key.draw(request.lineage.raw() ^ self.core.salt);
        let replica = crate::kernel::draw::below(word, replicas);
        let proxy = self.core.replica_node(hop.service, replica as u32);
        request.forward_to = Some(to);
        let identity = request.lineage.raw();
        self.send(hop.links[0], (from, proxy), bytes, identity, &Payload::Request(request));
    }

    /// At a proxy: sends a request on, which took `path` here.
    pub(crate) fn forward_request(&mut self, proxy: NodeId, request: &Request, path: Path) {
        let (Some(to), Some(links)) = (request.forward_to, self.hop_links(proxy)) else { return };
        let Party::Service(service) = self.core.nodes[to.index()].party else { return };
        let bytes = self.core.plan.services[service.index()].request_bytes;
        let mut onward = Request { via: Some(proxy), forward_to: None, ..*request };
        onward.path.add(path);
        self.send(links[1], (proxy, to), bytes, request.lineage.raw(), &Payload::Request(onward));
    }

    /// An answer has reached a node: its caller, or a proxy on the way there.
    #[inline]
    pub(crate) fn answer_arrives(&mut self, envelope: &Address, answer: &Answer) {
        let counts = &mut self.core.links[envelope.link.index()].counts;
        if !self.core.nodes[envelope.to.index()].up {
            counts.undeliverable += 1;
            return;
        }
        counts.delivered += 1;
        let network = self.now.since(envelope.sent_at);
        self.core.recorder.delivered(envelope.link, network);
        self.core.trace.span(answer.traced, "network", envelope.to, envelope.sent_at, self.now, 0);
        if envelope.to == answer.caller {
            self.answered(answer, network);
            return;
        }
        if let Some(links) = self.hop_links(envelope.to) {
            let mut onward = *answer;
            onward.path.network_ns += network.as_nanos();
            let callee = self.core.plan.edges[answer.edge.index()].callee;
            let bytes = self.core.plan.services[callee.index()].response_bytes;
            let ends = (envelope.to, answer.caller);
            self.send(links[3], ends, bytes, answer.lineage.raw(), &Payload::Answer(onward));
        }
    }

    /// A process has died with this request inside.
    pub(crate) fn lost_in_crash(&mut self, node: NodeId, request: &Request, aloud: bool) {
        self.depart_service(node, request, Departure::Lost);
        if aloud {
            self.answer(node, request, Reply::refusal(OutcomeKind::Reset));
        }
    }
}

impl NodeState {
    /// Whether callers may expect an answer at all.
    pub(crate) fn serves(&self) -> bool {
        self.up && self.ready
    }
}

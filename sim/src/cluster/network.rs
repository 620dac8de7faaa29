//! Links: what happens to a message between two nodes. Decides fate when a message is sent and again when it
//! arrives; knows nothing of calls.

use super::core::{Engine, Event};
use super::node::{Fill, NodeId, Path, Request};
use super::slab::Ref;
use crate::faults::CutMode;
use crate::kernel::draw::{Key, Lineage, Sampler, Seed, chance_ppm};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::scenario::plan::{BandwidthPlan, EdgeId, EntryId, LinkId, LinkPlan};

/// What stands on the outside of a message.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) link: LinkId,
    pub(crate) sent_at: Time,
}

/// A message on its way.
pub(crate) struct Envelope {
    pub(crate) address: Address,
    /// Order of sending, for cuts that hold.
    pub(crate) sequence: u64,
    pub(crate) corrupted: bool,
    /// Whether a cut that only slows has already done so.
    pub(crate) slowed: bool,
    /// Whether an injected delay at the callee has already been served.
    pub(crate) delayed: bool,
    pub(crate) payload: Payload,
}

/// What a message carries.
#[derive(Clone, Copy)]
pub(crate) enum Payload {
    Request(Request),
    Answer(Answer),
    Cancel(Ref),
    Fill(Fill),
    Invalidate {
        key: u64,
        version: u64,
    },
    Probe {
        balancer: u32,
        replica: u32,
    },
    ProbeAnswer {
        balancer: u32,
        replica: u32,
    },
    /// `word` names it in the fingerprint.
    Note {
        at: Ref,
        word: u64,
    },
}

impl Payload {
    /// A word that identifies the content, for the fingerprint.
    pub(crate) fn word(&self) -> u64 {
        match self {
            Payload::Request(request) => request.lineage.raw(),
            Payload::Answer(answer) => answer.lineage.raw() ^ (1 + answer.outcome as u64),
            Payload::Cancel(attempt) => attempt.pack(),
            Payload::Fill(fill) => fill.key,
            Payload::Invalidate { key, version } => key ^ version.rotate_left(32),
            Payload::Note { word, .. } => *word,
            Payload::Probe { balancer, replica } | Payload::ProbeAnswer { balancer, replica } => {
                u64::from(*balancer) << 32 | u64::from(*replica)
            }
        }
    }

    /// Where its note lies, if it carries one.
    #[inline]
    pub(crate) fn note(&self) -> Option<Ref> {
        match self {
            Payload::Note { at, .. } => Some(*at),
            Payload::Request(_)
            | Payload::Answer(_)
            | Payload::Cancel(_)
            | Payload::Fill(_)
            | Payload::Invalidate { .. }
            | Payload::Probe { .. }
            | Payload::ProbeAnswer { .. } => None,
        }
    }

    /// What it is, in words.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Payload::Request(_) => "request",
            Payload::Answer(_) => "answer",
            Payload::Cancel(_) => "cancellation",
            Payload::Fill(_) => "cache fill",
            Payload::Invalidate { .. } => "invalidation",
            Payload::Probe { .. } => "health probe",
            Payload::ProbeAnswer { .. } => "answer to a health probe",
            Payload::Note { .. } => "note",
        }
    }
}

/// The answer to an attempt.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) attempt: Ref,
    pub(crate) edge: EdgeId,
    pub(crate) caller: NodeId,
    pub(crate) outcome: OutcomeKind,
    pub(crate) missed: bool,
    pub(crate) value: u64,
    pub(crate) retry_after: Option<Span>,
    pub(crate) path: Path,
    pub(crate) lineage: Lineage,
    pub(crate) traced: u32,
    pub(crate) answered_by: NodeId,
}

/// A chance that something befalls a message.
pub(crate) struct Chance {
    pub(crate) what: Mishap,
    pub(crate) share_ppm: u32,
    pub(crate) key: Key,
    /// The timeline entry behind it; `None`: the link itself.
    pub(crate) entry: Option<EntryId>,
}

/// What can befall a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    Lost,
    Duplicated,
    HeldBack(Span),
    Corrupted,
}

/// Latency that a fault adds.
pub(crate) struct Added {
    pub(crate) sampler: Sampler,
    pub(crate) key: Key,
    pub(crate) entry: EntryId,
}

/// A directed link as it is now.
pub(crate) struct Link {
    latency: Sampler,
    latency_key: Key,
    pub(crate) chances: Vec<Chance>,
    pub(crate) added: Vec<Added>,
    pub(crate) bandwidth: Option<(BandwidthPlan, Option<EntryId>)>,
    line_free_at: Time,
    pub(crate) counts: LinkCounts,
}

/// Where a link's messages went.
#[derive(Clone, Copy, Default)]
pub(crate) struct LinkCounts {
    pub(crate) sent: u64,
    pub(crate) duplicated: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) overflowed: u64,
    pub(crate) corrupted: u64,
    pub(crate) cut: u64,
    pub(crate) undeliverable: u64,
}

impl Link {
    pub(crate) fn new(seed: Seed, plan: &LinkPlan) -> Link {
        Link {
            latency: sampler(plan),
            latency_key: Key::derive(seed, &format!("link/{}", plan.name), "latency"),
            chances: Vec::new(),
            added: Vec::new(),
            bandwidth: None,
            line_free_at: Time::ZERO,
            counts: LinkCounts::default(),
        }
    }

    pub(crate) fn reconfigure(&mut self, plan: &LinkPlan) {
        self.latency = sampler(plan);
    }

    /// When the line will have sent `bytes` more; `None` if the buffer has no place for them.
    fn transmit(&mut self, now: Time, bytes: u64) -> Option<Time> {
        let Some((bandwidth, _)) = self.bandwidth else { return Some(now) };
        let rate = bandwidth.bytes_per_s.max(1);
        let backlog_ns = self.line_free_at.since(now).as_nanos();
        let waiting_bytes = u128::from(backlog_ns) * u128::from(rate) / 1_000_000_000;
        if waiting_bytes + u128::from(bytes) > u128::from(bandwidth.buffer_bytes.max(bytes)) {
            return None;
        }
        let sending_ns = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(rate));
        let start = self.line_free_at.max(now);
        self.line_free_at = start + Span::from_nanos(u64::try_from(sending_ns).unwrap_or(u64::MAX));
        Some(self.line_free_at)
    }
}

fn sampler(plan: &LinkPlan) -> Sampler {
    Sampler::new(&plan.latency).expect("the plan's distributions were checked")
}

/// An active cut: from some nodes to others.
pub(crate) struct Cut {
    pub(crate) entry: EntryId,
    pub(crate) mode: CutMode,
    /// By node: is it cut off as a sender, as a receiver.
    pub(crate) from: Vec<bool>,
    pub(crate) to: Vec<bool>,
    pub(crate) held: Vec<Ref>,
}

impl Cut {
    fn severs(&self, from: NodeId, to: NodeId) -> bool {
        self.from[from.index()] && self.to[to.index()]
    }
}

/// Identity of a further copy or of the way back, so that it does not share the fate of the first.
fn other_identity(identity: u64, which: u64) -> u64 {
    identity ^ which.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Engine<'_> {
    /// Hands a message to a link. `identity` names it in keyed draws.
    #[inline]
    pub(crate) fn send(
        &mut self,
        link: LinkId,
        ends: (NodeId, NodeId),
        bytes: u64,
        identity: u64,
        payload: &Payload,
    ) {
        let identity = identity ^ self.core.salt;
        let state = &mut self.core.links[link.index()];
        state.counts.sent += 1;
        if state.chances.is_empty()
            && state.added.is_empty()
            && state.bandwidth.is_none()
            && self.core.cuts.is_empty()
        {
            let latency = state.latency.sample(state.latency_key, identity);
            self.depart(link, ends, latency, false, false, payload);
            return;
        }
        let copies = 1 + self.count_duplicates(link, identity);
        for copy in 0..copies {
            self.send_copy(link, ends, bytes, other_identity(identity, copy), payload);
        }
    }

    fn count_duplicates(&mut self, link: LinkId, identity: u64) -> u64 {
        let mut duplicates = 0;
        let state = &mut self.core.links[link.index()];
        for chance in &state.chances {
            if chance.what == Mishap::Duplicated && chance_ppm(chance.key.draw(identity), chance.share_ppm) {
                duplicates += 1;
                state.counts.duplicated += 1;
                self.core.recorder.touch(chance.entry);
            }
        }
        duplicates
    }

    fn send_copy(
        &mut self,
        link: LinkId,
        ends: (NodeId, NodeId),
        bytes: u64,
        identity: u64,
        payload: &Payload,
    ) {
        let state = &mut self.core.links[link.index()];
        let mut latency = state.latency.sample(state.latency_key, identity);
        for added in &state.added {
            latency += added.sampler.sample(added.key, identity);
            self.core.recorder.touch(Some(added.entry));
        }
        let mut corrupted = false;
        for chance in &state.chances {
            if chance.what == Mishap::Duplicated || !chance_ppm(chance.key.draw(identity), chance.share_ppm) {
                continue;
            }
            self.core.recorder.touch(chance.entry);
            match chance.what {
                Mishap::Lost => {
                    state.counts.lost += 1;
                    return;
                }
                Mishap::HeldBack(delay) => latency += delay,
                Mishap::Corrupted => corrupted = true,
                Mishap::Duplicated => {}
            }
        }
        if let Some((_, entry)) = state.bandwidth {
            self.core.recorder.touch(entry);
        }
        let Some(sent) = state.transmit(self.now, bytes) else {
            state.counts.overflowed += 1;
            return;
        };
        latency += sent.since(self.now);
        let mut slowed = false;
        for cut in &mut self.core.cuts {
            if !cut.severs(ends.0, ends.1) {
                continue;
            }
            self.core.recorder.touch(Some(cut.entry));
            match cut.mode {
                CutMode::Drop => {
                    self.core.links[link.index()].counts.cut += 1;
                    return;
                }
                CutMode::Hold => {
                    self.core.sent += 1;
                    let envelope = Envelope {
                        address: Address { from: ends.0, to: ends.1, link, sent_at: self.now },
                        sequence: self.core.sent,
                        corrupted,
                        slowed,
                        delayed: false,
                        payload: *payload,
                    };
                    if let Some(at) = payload.note() {
                        self.core.notes.carried(at);
                    }
                    cut.held.push(self.core.envelopes.insert(envelope));
                    return;
                }
                CutMode::Slow(delay) => {
                    latency += delay;
                    slowed = true;
                }
            }
        }
        self.depart(link, ends, latency, corrupted, slowed, payload);
    }

    #[inline(always)]
    fn depart(
        &mut self,
        link: LinkId,
        ends: (NodeId, NodeId),
        latency: Span,
        corrupted: bool,
        slowed: bool,
        payload: &Payload,
    ) {
        self.core.sent += 1;
        if let Some(at) = payload.note() {
            self.core.notes.carried(at);
        }
        let envelope = self.core.envelopes.insert(Envelope {
            address: Address { from: ends.0, to: ends.1, link, sent_at: self.now },
            sequence: self.core.sent,
            corrupted,
            slowed,
            delayed: false,
            payload: *payload,
        });
        self.agenda.schedule(self.now + latency, Event::Deliver(envelope.slot()));
    }

    /// What the cuts now in force do to a message that arrives; `true` if it gets through.
    #[inline]
    pub(crate) fn passes_cuts(&mut self, envelope: Ref) -> bool {
        if self.core.cuts.is_empty() {
            return true;
        }
        let Some(message) = self.core.envelopes.get_mut(envelope) else { return false };
        for cut in &mut self.core.cuts {
            if !cut.severs(message.address.from, message.address.to) {
                continue;
            }
            match cut.mode {
                CutMode::Drop => {
                    self.core.recorder.touch(Some(cut.entry));
                    self.core.links[message.address.link.index()].counts.cut += 1;
                    let note = message.payload.note();
                    self.core.envelopes.remove(envelope);
                    self.release_note(note);
                    return false;
                }
                CutMode::Hold => {
                    self.core.recorder.touch(Some(cut.entry));
                    cut.held.push(envelope);
                    return false;
                }
                CutMode::Slow(delay) => {
                    if !message.slowed {
                        message.slowed = true;
                        self.core.recorder.touch(Some(cut.entry));
                        self.agenda.schedule(self.now + delay, Event::Deliver(envelope.slot()));
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Lets go what a healed cut kept, in the order of sending.
    pub(crate) fn release_held(&mut self, mut held: Vec<Ref>) {
        held.sort_unstable_by_key(|at| self.core.envelopes.get(*at).map(|message| message.sequence));
        for envelope in held {
            self.agenda.schedule(self.now, Event::Deliver(envelope.slot()));
        }
    }
}

impl Engine<'_> {
    /// A message that carried a note is gone.
    #[inline]
    pub(crate) fn release_note(&mut self, note: Option<Ref>) {
        if let Some(at) = note
            && let Some(lost) = self.core.notes.release(at)
        {
            self.core.recorder.monitoring.note_lost(&lost);
        }
    }

    /// A note has come to somebody for the first time.
    pub(crate) fn note_arrived(&mut self, at: Ref) {
        if let Some(note) = self.core.notes.get(at) {
            self.core.recorder.monitoring.note_arrived(note);
        }
    }

    /// A node no longer keeps a note.
    pub(crate) fn forget_note(&mut self, at: Ref) {
        if let Some(lost) = self.core.notes.forget(at) {
            self.core.recorder.monitoring.note_lost(&lost);
        }
    }

    /// A balancer probes its replicas.
    pub(crate) fn probe(&mut self, index: u32) {
        let mut replicas = Vec::new();
        let balancer = &mut self.core.balancers[index as usize];
        balancer.is_probing = balancer.health.is_some();
        let Some(health) = balancer.health else { return };
        let owner = &self.core.nodes[balancer.owner.index()];
        if owner.up && owner.member {
            balancer.probe_round(&mut replicas);
        }
        let (owner, service, link) = (balancer.owner, balancer.service, balancer.links.0);
        for replica in replicas {
            let to = self.core.replica_node(service, replica);
            let identity = self.probe_identity(owner, replica);
            self.send(link, (owner, to), PROBE_BYTES, identity, &Payload::Probe { balancer: index, replica });
        }
        // Rounds keep to multiples of the interval: whoever stands still for a while comes back into step.
        let interval_ns = health.interval.as_nanos().max(1);
        let rounds = self.now.as_nanos() / interval_ns + 1;
        self.agenda.schedule(Time::from_nanos(rounds.saturating_mul(interval_ns)), Event::HealthCheck(index));
    }

    fn probe_identity(&self, prober: NodeId, replica: u32) -> u64 {
        let prober = u64::from(self.core.nodes[prober.index()].replica);
        self.now.as_nanos() ^ u64::from(replica) << 48 ^ prober << 40 ^ PROBE_IDENTITY
    }

    /// A probe has reached a replica, which answers if it is well.
    pub(crate) fn probe_arrives(&mut self, envelope: &Address, balancer: u32, replica: u32) {
        let counts = &mut self.core.links[envelope.link.index()].counts;
        if !self.core.nodes[envelope.to.index()].serves() {
            counts.undeliverable += 1;
            return;
        }
        counts.delivered += 1;
        let link = self.core.balancers[balancer as usize].links.1;
        let identity = self.probe_identity(envelope.from, replica);
        let ends = (envelope.to, envelope.from);
        self.send(link, ends, PROBE_BYTES, identity, &Payload::ProbeAnswer { balancer, replica });
    }
}

const PROBE_BYTES: u64 = 64;

/// Keeps the fate of probes apart from that of requests.
const PROBE_IDENTITY: u64 = 0x9120_BE00_0000_0001;

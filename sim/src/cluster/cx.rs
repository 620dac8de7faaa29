//! What a node may do: read its clock, work, wait, call, answer. The only way from a node to the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::broker::PartitionId;
use foreshock_systems::broker::log::{LogAudit, Record, Replica};
use foreshock_systems::config_manager::watch_log::LogEntry;
use foreshock_systems::config_manager::{ReleaseId, Revision, Scope, Value as ConfigValue};
use foreshock_systems::feature_flags::definition::Event as FlagEvent;
use serde_json::Value;

use super::core::{Engine, Event, Ready};
use super::network::Payload;
use super::node::{CallSpec, Done, Fill, NodeId, Path, Reply, Request, Token};
use super::notes::Note;
use super::processor::Remaining;
use super::slab::Ref;
use crate::kernel::agenda::Handle;
use crate::kernel::draw::{Key, Lineage, Seed, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{
    BookedPayment, BookingFact, Departure, FlagSeen, JobBook, LegDone, LimitKey, MoneyProbe, Movement,
    NoticeFact, OrderEnd, OrderPlaced, OutcomeKind, QueuedBody, Released, Violation, WindowTold, brokered,
    invariant,
};
use crate::nodes::jobs::Body;
use crate::nodes::payments::SettlementFile;
use crate::scenario::config_scope;
use crate::scenario::plan::{EdgeId, LimitRule, LinkId, LoadId, Party, Plan, ServiceId};

/// Wake-up tokens keep this many bits; the others tell the lives of a process apart.
const TOKEN_BITS: u32 = 24;

/// A node's view of the world at an instant.
pub struct Cx<'a> {
    pub(crate) engine: Engine<'a>,
    pub(crate) node: NodeId,
    pub(crate) life: u8,
}

/// Work that was taken off the processor before it was done.
pub struct Unfinished(Remaining);

impl Cx<'_> {
    /// The true instant, for measurement.
    #[inline]
    pub fn now(&self) -> Time {
        self.engine.now
    }

    /// What the node's own clock shows: for deadlines and everything else a real process would ask its clock.
    pub fn local_time(&self) -> Time {
        self.engine.core.local_time(self.engine.now, self.node)
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Which replica of its service this node is, from 0.
    pub fn replica(&self) -> u32 {
        self.engine.core.nodes[self.node.index()].replica
    }

    /// The settings this node follows.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.engine.core.nodes[self.node.index()].plan
    }

    /// Whose replica or clients this node is.
    #[inline]
    pub fn party(&self) -> Party {
        self.engine.core.nodes[self.node.index()].party
    }

    /// The key of draws of this node's party for `purpose`; replicas share it, so that it does not matter
    /// which of them serves a request.
    pub fn key(&self, purpose: &str) -> Key {
        let plan = self.plan();
        let entity = match self.party() {
            Party::Service(service) => format!("service/{}", plan.services[service.index()].name),
            Party::Load(load) => format!("load/{}", plan.loads[load.index()].name),
        };
        Key::derive(self.engine.core.seed, &entity, purpose)
    }

    /// The identity to draw with in place of `identity`: the same, unless chance is drawn anew from some instant on.
    /// A node that asks here each time it draws takes part in that.
    #[inline]
    pub fn redrawn(&self, identity: u64) -> u64 {
        identity ^ self.engine.core.salt
    }

    /// The seed of the run, for keys of other entities.
    pub fn seed(&self) -> Seed {
        self.engine.core.seed
    }

    /// Asks to be woken at the true instant `at`. Tokens use the low 24 bits.
    #[inline]
    pub fn wake_at(&mut self, at: Time, token: Token) -> Handle {
        let stamped = Token(token.0 & ((1 << TOKEN_BITS) - 1) | u32::from(self.life) << TOKEN_BITS);
        self.engine.agenda.schedule(at, Event::Wake(self.node, stamped))
    }

    /// Takes a wake-up back; one that has happened is ignored.
    pub fn cancel_wake(&mut self, handle: Handle) {
        self.engine.agenda.cancel(handle);
    }

    /// Works for `demand` of processor time; `wake` is called with `token` when it is done.
    #[inline]
    pub fn work(&mut self, token: Token, demand: Span) {
        let now = self.engine.now;
        let core = &mut *self.engine.core;
        for entry in &core.effects.nodes[self.node.index()].slow_entries {
            core.recorder.touch(Some(*entry));
        }
        core.processors.start(now, self.node, token, demand);
        self.after_work_changed();
    }

    /// Takes work off before it is done.
    pub fn stop_work(&mut self, token: Token) -> Option<Unfinished> {
        let left = self.engine.core.processors.stop(self.engine.now, self.node, token)?;
        self.after_work_changed();
        Some(Unfinished(left))
    }

    /// Goes on with work that was taken off.
    pub fn resume_work(&mut self, token: Token, left: Unfinished) {
        self.engine.core.processors.resume(self.engine.now, self.node, token, left.0);
        self.after_work_changed();
    }

    #[inline]
    fn after_work_changed(&mut self) {
        let processor = self.engine.core.processors.processor_of(self.node);
        self.engine.arm_processor(processor);
        self.engine.check_quota(self.node);
    }

    /// Begins a call; its end is delivered as `Done`. `group` is another call made for the same request, or
    /// [`Ref::NONE`].
    #[inline]
    pub fn call(&mut self, spec: CallSpec, group: Ref) -> Ref {
        self.engine.call(self.node, spec, group)
    }

    /// Gives up all calls of a group.
    pub fn abandon(&mut self, group: Ref) {
        self.engine.abandon_group(group);
    }

    /// Answers a request; it has left this node then.
    #[inline]
    pub fn reply(&mut self, request: &Request, reply: Reply) {
        let wanted = self.engine.core.attempts.get(request.attempt).is_some();
        let how = match reply.outcome {
            OutcomeKind::Ok => Departure::Completed { wanted },
            OutcomeKind::Rejected if reply.shed => Departure::Shed,
            OutcomeKind::Rejected => Departure::Rejected,
            OutcomeKind::DeadlineExceeded => Departure::Expired,
            OutcomeKind::Error
            | OutcomeKind::Timeout
            | OutcomeKind::Refused
            | OutcomeKind::Reset
            | OutcomeKind::BreakerOpen
            | OutcomeKind::RateLimited
            | OutcomeKind::BulkheadFull
            | OutcomeKind::PoolTimeout
            | OutcomeKind::NoHealthyReplica
            | OutcomeKind::Abandoned
            | OutcomeKind::Cancelled
            | OutcomeKind::ConcurrencyLimited => Departure::Failed,
        };
        self.engine.depart_service(self.node, request, how);
        self.engine.answer(self.node, request, reply);
    }

    /// Forgets a request that its caller has cancelled.
    pub fn drop_cancelled(&mut self, request: &Request) {
        self.engine.depart_service(self.node, request, Departure::Cancelled);
    }

    /// At a proxy: passes a request on to the one it is for.
    pub fn forward(&mut self, request: &Request, path: Path) {
        let wanted = self.engine.core.attempts.get(request.attempt).is_some();
        self.engine.depart_service(self.node, request, Departure::Completed { wanted });
        self.engine.forward_request(self.node, request, path);
    }

    /// Brings a cache what was loaded for it, without waiting for an answer.
    pub fn fill(&mut self, edge: EdgeId, cache: NodeId, fill: Fill, identity: u64) {
        const FILL_IDENTITY: u64 = 0xF111_0000_0000_0001;
        let link = self.engine.core.plan.edges[edge.index()].request_link;
        let bytes = self.engine.core.plan.services[self.engine.core.plan.edges[edge.index()].callee.index()]
            .response_bytes;
        self.engine.send(link, (self.node, cache), bytes, identity ^ FILL_IDENTITY, &Payload::Fill(fill));
    }

    /// Tells the caches that this service invalidates that it holds another version of a key now. Each of their
    /// replicas gets a message of its own, which may get lost like any other.
    pub fn invalidate(&mut self, key: u64, version: u64, lineage: Lineage) {
        const BYTES: u64 = 64;
        const INVALIDATION: u64 = 0x1277_A11D_0000_0001;
        let plan = Arc::clone(&self.engine.core.plan);
        for target in &plan.services[self.service().index()].invalidates {
            for replica in self.engine.core.replicas(target.cache) {
                if self.engine.core.nodes[replica as usize].member {
                    let number = self.engine.core.nodes[replica as usize].replica;
                    let identity = lineage.call(INVALIDATION, number).raw();
                    let ends = (self.node, NodeId(replica));
                    self.engine.send(
                        target.link,
                        ends,
                        BYTES,
                        identity,
                        &Payload::Invalidate { key, version },
                    );
                }
            }
        }
    }

    /// At a store: it holds this version of a key from now on.
    pub fn stored(&mut self, key: u64, version: u64) {
        let (service, now) = (self.service(), self.engine.now);
        self.engine.core.truth.stored(service, key, version, now);
    }

    /// The version that a store holds of a key is known elsewhere from now on.
    pub fn read_out(&mut self, store: ServiceId, key: u64) {
        self.engine.core.truth.read_out(store, key);
    }

    /// How long what is said to be a version of a key has not been the one that `origin` holds; `None` if it is.
    /// Nobody in the simulated world could know: for measurement.
    pub fn outdated_for(&self, origin: ServiceId, key: u64, version: u64) -> Option<Span> {
        let since = self.engine.core.truth.outdated_since(origin, key, version)?;
        Some(self.engine.now.since(since))
    }

    /// The version that `origin` holds of a key. Nobody in the simulated world could know: for what was loaded before
    /// the run.
    pub fn held_by(&self, origin: ServiceId, key: u64) -> u64 {
        self.engine.core.truth.version(origin, key)
    }

    /// Writes a note that this node keeps until it forgets it.
    pub fn write(&mut self, note: Note) -> Ref {
        self.engine.core.notes.keep(self.node, note)
    }

    /// Sends a note over a link. `identity` names the message in keyed draws: no two of one node are alike.
    pub fn send_note(&mut self, link: LinkId, to: NodeId, note: Ref, identity: u64) {
        let Party::Service(service) = self.engine.core.nodes[to.index()].party else { return };
        let bytes = self.engine.core.plan.services[service.index()].request_bytes;
        let payload = Payload::Note { at: note, word: identity };
        self.engine.send(link, (self.node, to), bytes, identity, &payload);
    }

    /// A note that has just come, or one that this node keeps.
    pub fn note(&self, at: Ref) -> Option<&Note> {
        self.engine.core.notes.get(at)
    }

    /// Does not send a note again; it is gone once no message carries it.
    pub fn forget(&mut self, note: Ref) {
        self.engine.forget_note(note);
    }

    /// The node of a replica, by its number from 0.
    pub fn replica_of(&self, service: ServiceId, replica: u32) -> NodeId {
        self.engine.core.replica_node(service, replica)
    }

    /// What names a replica of a service in draws about messages to it: nothing but its service and its number, so that
    /// who else there is makes no difference.
    pub fn name_of(&self, node: NodeId) -> u64 {
        let state = &self.engine.core.nodes[node.index()];
        let name = match state.party {
            Party::Service(service) => &self.engine.core.plan.services[service.index()].name,
            Party::Load(load) => &self.engine.core.plan.loads[load.index()].name,
        };
        name_hash(name) ^ u64::from(state.replica)
    }

    /// Whether callers know this node: a replica that is not wanted yet, or no longer, is not running.
    pub fn is_member(&self) -> bool {
        self.engine.core.nodes[self.node.index()].member
    }

    /// A replica that reports on itself has answered a request: what its monitoring ought to know. For measurement.
    #[inline]
    pub(crate) fn answered(&mut self, life: u32, latency: Span, recorded: bool) {
        let (service, replica, now) = (self.service(), self.replica(), self.engine.now);
        self.engine.core.recorder.monitoring.answered(service, (replica, life), latency, recorded, now);
    }

    /// This node shows windows of this length of what a service reports. For measurement.
    pub(crate) fn shows(&mut self, service: ServiceId, window: Span) {
        self.engine.core.recorder.monitoring.shows(service, window);
    }

    /// This node has told a window of what a service reports. For measurement.
    pub(crate) fn window_told(&mut self, service: ServiceId, window: WindowTold) {
        self.engine.core.recorder.monitoring.window_told(service, window);
    }

    /// An alert of this node fires from now on, or no longer; `is_missing`: while data was missing.
    pub(crate) fn alert_changed(&mut self, name: &str, fires: bool, is_missing: bool) {
        let (service, now) = (self.service(), self.engine.now);
        self.engine.core.recorder.monitoring.alert_changed((service, name), fires, is_missing, now);
        if fires {
            self.engine.core.ready.push_back(Ready::AlertFired { at: service, name: name_hash(name) });
        }
    }

    /// This node keeps flags and has published an event, after which they are `definitions`. For measurement.
    pub(crate) fn flags_published(&mut self, event: &FlagEvent, definitions: &BTreeMap<String, Value>) {
        let (server, now) = (self.service(), self.engine.now);
        self.engine.core.recorder.flags.published(server, event, definitions, now);
    }

    /// This node serves this revision of the flags of `server` from now on. For measurement.
    pub(crate) fn flag_copy(&mut self, server: ServiceId, revision: u64) {
        let (replica, now) = ((self.service(), self.replica()), self.engine.now);
        self.engine.core.recorder.flags.copy(server, replica, Some(revision), now);
    }

    /// This node has evaluated a flag of `server`. For measurement.
    #[inline]
    pub(crate) fn flag_evaluated(&mut self, server: ServiceId, seen: FlagSeen) {
        let service = self.service();
        if let Some(broken) = self.engine.core.recorder.flags.evaluated(server, service, seen) {
            self.violation(broken.invariant, broken.witness);
        }
    }

    /// Tells how many workers are busy and how many requests wait, whenever that changes.
    #[inline]
    pub fn occupancy(&mut self, busy: u32, waiting: u32) {
        let now = self.engine.now;
        let node = &mut self.engine.core.nodes[self.node.index()];
        if busy == node.occupancy.busy && waiting == node.occupancy.waiting {
            return;
        }
        node.occupancy.settle(now);
        node.occupancy.busy = busy;
        let grew = waiting > node.occupancy.waiting;
        node.occupancy.waiting = waiting;
        if grew && let Party::Service(service) = node.party {
            self.engine.core.recorder.queue_level(service, waiting, now);
        }
    }

    /// A request was taken up after waiting since it arrived.
    #[inline]
    pub fn taken_up(&mut self, request: &Request) {
        let now = self.engine.now;
        if let Party::Service(service) = self.party() {
            self.engine.core.recorder.waited(service, now.since(request.arrived_at), now);
        }
        self.span(request, "queue", request.arrived_at);
    }

    /// A request has waited since `from` for what somebody else does.
    pub fn waited_for(&mut self, request: &Request, from: Time) {
        self.span(request, "wait", from);
    }

    /// A request was worked on since `from`.
    #[inline]
    pub fn worked(&mut self, request: &Request, from: Time) {
        let now = self.engine.now;
        if let Party::Service(service) = self.party() {
            self.engine.core.recorder.worked(service, now.since(from), now);
        }
        self.span(request, "service", from);
    }

    #[inline]
    fn span(&mut self, request: &Request, kind: &'static str, from: Time) {
        let (node, now) = (self.node, self.engine.now);
        self.engine.core.trace.span(request.traced, kind, node, from, now, request.attempt_number);
    }

    /// A client starts a request; returns the ticket under which it is traced, or 0.
    #[inline]
    pub fn offered(&mut self, load: LoadId, number: u64, started: Time) -> u32 {
        self.engine.core.recorder.offered(load, started);
        self.engine.core.trace.admit(load, number, started)
    }

    /// A client's request has ended.
    #[inline]
    pub fn ended(&mut self, load: LoadId, done: &Done) {
        let now = self.engine.now;
        self.engine.core.recorder.ended(load, done, now);
        self.engine.core.trace.ended(done.traced, now, done.outcome);
    }

    /// The keys that active faults make hot, with their shares: entry, share in ppm, key.
    pub(crate) fn hot_keys(&mut self, load: LoadId, word: impl Fn(&str) -> u64) -> Option<u64> {
        let core = &mut *self.engine.core;
        for effect in &core.effects.loads[load.index()] {
            let id = &core.plan.timeline[effect.entry.index()].id;
            if crate::kernel::draw::chance_ppm(word(id), effect.share_ppm) {
                core.recorder.touch(Some(effect.entry));
                return Some(effect.key);
            }
        }
        None
    }

    pub(crate) fn touch(&mut self, entry: crate::scenario::plan::EntryId) {
        self.engine.core.recorder.touch(Some(entry));
    }

    /// A request has passed the limit that is `rule` for all that `key` is counted with.
    pub(crate) fn passed_limit(&mut self, rule: LimitRule, key: LimitKey, cost: u64) {
        let now = self.engine.now;
        let service = self.service();
        self.engine.core.recorder.passed_service_limit(service, rule, key, cost, now);
    }

    /// The books of the harness on a job scheduler. Nobody in the simulated world could know: for measurement.
    #[inline]
    pub(crate) fn job_book(&mut self, scheduler: ServiceId) -> &mut JobBook {
        self.engine.core.recorder.job_book(scheduler)
    }

    /// At a job scheduler: the answer that gives a job under a lease carries what the job is about.
    pub(crate) fn hand_over(&mut self, (job, token): (u64, u64), body: Body) {
        let scheduler = self.service();
        self.engine.core.handed.insert((scheduler, job, token), body);
    }

    /// At a job scheduler: whoever was given a job under this lease has lost it.
    pub(crate) fn forget_handed(&mut self, (job, token): (u64, u64)) {
        let scheduler = self.service();
        self.engine.core.handed.remove(&(scheduler, job, token));
    }

    /// At a worker: what a job is about that came with an answer; `None` if its lease was taken back on the way.
    pub(crate) fn take_over(&mut self, scheduler: ServiceId, (job, token): (u64, u64)) -> Option<Body> {
        self.engine.core.handed.remove(&(scheduler, job, token))
    }

    /// At a worker: it has worked on a job for so long.
    pub(crate) fn ran(&mut self, span: Span) {
        let (service, now) = (self.service(), self.engine.now);
        self.engine.core.recorder.worked(service, span, now);
    }

    /// Something that was asked for was taken up after so long in a line.
    pub(crate) fn stood_in_line(&mut self, span: Span) {
        let (service, now) = (self.service(), self.engine.now);
        self.engine.core.recorder.waited(service, span, now);
    }

    /// This processor keeps what was asked with an idempotency key for so long. For measurement, as all that follows
    /// about money.
    pub(crate) fn keys_kept(&mut self, ttl: Span) {
        let service = self.service();
        self.engine.core.recorder.money.keys_kept(service, ttl);
    }

    /// This bank pays others.
    pub(crate) fn has_banks(&mut self) {
        self.engine.core.recorder.money.has_banks();
    }

    /// A client wants an order to be paid.
    pub(crate) fn order_placed(&mut self, placed: OrderPlaced) {
        self.engine.core.recorder.money.order_placed(placed);
    }

    /// A client has an answer to its order, or asks no more.
    pub(crate) fn order_ended(&mut self, order: u64, end: OrderEnd) {
        let now = self.engine.now;
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.money.order_ended(order, end);
        recorder.books_broken(broken, now);
    }

    /// This processor has made a payment for an order.
    pub(crate) fn payment_made(&mut self, intent: u64, order: u64) {
        // By its own clock, which is the one that its keys grow old by.
        let (service, now) = (self.service(), self.local_time());
        self.engine.core.recorder.money.payment_made((service, intent), order, now);
    }

    /// This processor does not keep a payment any more; this is what it came to.
    pub(crate) fn payment_archived(&mut self, booked: &BookedPayment) {
        let (service, now) = (self.service(), self.engine.now);
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.money.archived(service, booked);
        recorder.books_broken(broken, now);
    }

    /// This provider has moved money.
    pub(crate) fn money_moved(&mut self, movement: &Movement) {
        let now = self.engine.now;
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.money.moved(movement);
        recorder.books_broken(broken, now);
    }

    /// At a provider: the payer of a payment at a processor has won a chargeback.
    pub(crate) fn charged_back(&mut self, processor: ServiceId, intent: u64, minor: i64) {
        let now = self.engine.now;
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.money.charged_back((processor, intent), minor);
        recorder.books_broken(broken, now);
    }

    /// At a provider: the processor has taken the word of that chargeback.
    pub(crate) fn chargeback_told(&mut self, processor: ServiceId, intent: u64, minor: i64) {
        self.engine.core.recorder.money.chargeback_told((processor, intent), minor);
    }

    /// At a provider: the call that names a settlement file brings it along.
    pub(crate) fn file_settlement(&mut self, number: u64, file: SettlementFile) {
        let provider = self.service();
        self.engine.core.settlements.insert((provider, number), file);
    }

    /// At a provider: whoever was sent a file has it, or will not get it.
    pub(crate) fn forget_settlement(&mut self, number: u64) {
        let provider = self.service();
        self.engine.core.settlements.remove(&(provider, number));
    }

    /// At a processor: the file that a provider's call has named.
    pub(crate) fn settlement(&self, provider: ServiceId, number: u64) -> Option<SettlementFile> {
        self.engine.core.settlements.get(&(provider, number)).cloned()
    }

    /// This bank has carried out a leg of a transfer.
    pub(crate) fn leg_done(&mut self, leg: &LegDone) {
        let now = self.engine.now;
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.money.leg_done(leg);
        recorder.books_broken(broken, now);
    }

    /// Whether somebody watches what becomes of money.
    pub(crate) fn watches_money(&self) -> bool {
        !self.engine.core.recorder.money.is_unwatched
    }

    /// All debits and all credits of this processor's ledger after a step.
    pub(crate) fn ledger_seen(&mut self, debits: u128, credits: u128) {
        if debits != credits {
            let witness = format!("{debits} debited, {credits} credited");
            self.violation(invariant::BALANCED, witness);
        }
    }

    /// This node has come back and has this in its store.
    pub(crate) fn money_found(&mut self, probe: &MoneyProbe) {
        let (service, now) = (self.service(), self.engine.now);
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.money.audit(service, probe);
        recorder.books_broken(broken, now);
    }

    /// Something has happened to a booking at this desk. For measurement.
    pub(crate) fn booking_fact(&mut self, fact: BookingFact) {
        let (service, now) = (self.service(), self.engine.now);
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.bookings.note(service, fact);
        recorder.books_broken(broken, now);
    }

    /// Something has happened to what `notifier` tells people: for its books, which no node sees.
    pub(crate) fn notice(&mut self, notifier: ServiceId, fact: NoticeFact) {
        let now = self.engine.now;
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.notifications.note(notifier, fact, now);
        recorder.books_broken(broken, now);
    }

    /// The books on brokers, which no node reads.
    pub(crate) fn broker_books(&mut self) -> &mut LogAudit {
        self.engine.core.recorder.brokers.log()
    }

    /// A broker has given a consumer these records, for the question from this offset on.
    pub(crate) fn broker_read(&mut self, leader: &Replica, from: u64, records: &[Record]) {
        if let Err(violation) = self.engine.core.recorder.brokers.log().read(leader, from, records) {
            self.violation(brokered::of(&violation), violation.to_string());
        }
    }

    /// This replica of a consumer has processed a record, which `identity` tells from all others.
    pub(crate) fn broker_processed(&mut self, partition: PartitionId, offset: u64, identity: u64) {
        let service = self.service();
        self.engine.core.recorder.brokers.processed(service, partition, offset, identity);
    }

    /// This replica of a consumer cannot process a record, and nothing behind it.
    pub(crate) fn broker_blocked(&mut self, partition: PartitionId, offset: u64) {
        let service = self.service();
        self.engine.core.recorder.brokers.blocked(service, partition, offset);
    }

    /// A queue keeps a message that was this request.
    pub(crate) fn queue_keeps(&mut self, queue: ServiceId, message: u64, request: &Request) {
        self.engine.core.recorder.queues.keep(queue, message, request);
    }

    /// A queue has no such message any more.
    pub(crate) fn queue_forgets(&mut self, queue: ServiceId, message: u64) {
        self.engine.core.recorder.queues.forget(queue, message);
    }

    /// What a message of a queue says: its bytes, which calls do not carry.
    pub(crate) fn queue_body(&self, queue: ServiceId, message: u64) -> Option<QueuedBody> {
        self.engine.core.recorder.queues.body(queue, message)
    }

    /// This node has processed a message.
    pub(crate) fn queue_processed(&mut self, queue: ServiceId, message: u64) {
        self.engine.core.recorder.queues.processed(queue, message);
    }

    /// At a configuration server: a release has taken effect. For measurement, as all that follows about configuration.
    pub(crate) fn config_released(&mut self, application: &str, at: (ReleaseId, Revision), what: Released) {
        let Some(scope) = config_scope(application) else { return };
        let (server, now) = (self.service(), self.engine.now);
        let book = self.engine.core.recorder.config_books.entry(server).or_default();
        book.released(&scope, at, &what, now);
    }

    /// This replica was told something by its configuration server.
    pub(crate) fn config_heard(
        &mut self,
        server: ServiceId,
        scope: &Scope,
        instance: &str,
        log: Vec<LogEntry>,
    ) {
        let now = self.engine.now;
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.config_books.entry(server).or_default().heard(scope, instance, log, now);
        recorder.config_broken(broken, now);
    }

    /// This replica acts upon these values from now on.
    pub(crate) fn config_in_force(
        &mut self,
        server: ServiceId,
        scope: &Scope,
        instance: &str,
        revision: Revision,
        values: &BTreeMap<String, ConfigValue>,
    ) {
        let now = self.engine.now;
        let recorder = &mut self.engine.core.recorder;
        let book = recorder.config_books.entry(server).or_default();
        let broken = book.in_force(scope, instance, revision, values, now);
        recorder.config_broken(broken, now);
    }

    /// Something that must never happen was seen.
    pub fn violation(&mut self, invariant: &str, witness: String) {
        let at = self.engine.now;
        self.engine.core.recorder.violation(Violation::new(invariant, at, witness));
    }

    /// The service this node is a replica of.
    ///
    /// # Panics
    /// If the node is a load's: a kind that serves requests is never built for one.
    pub fn service(&self) -> ServiceId {
        match self.party() {
            Party::Service(service) => service,
            Party::Load(_) => panic!("only replicas of services serve requests"),
        }
    }
}

//! Kind `broker`: one broker of a cluster, which has a replica of each partition that the controller gives it. Asks, answers
//! and follows by notes, for the time that its handlers need; it takes no requests. A crash leaves of it what its disk
//! has.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::broker::BrokerId;
use foreshock_systems::broker::log::{Acks, Broker, Input, Output, Rejected, Replica, Sabotage};

use super::SHORTEST_NAP;
use super::handlers::Handlers;
use super::post::{self, Post};
use super::settings::{self, BrokerSettings};
use super::wire::{Address, Mail, Said};
use crate::cluster::{ConfigEdit, Cx, Durable, Message, Node, NodeId, Probes, Request, Token};
use crate::kernel::time::Time;
use crate::nodes::alarm::{Alarm, at_least};
use crate::nodes::store::{AnyStore, Fallen};
use crate::nodes::tokens::ALARM;
use crate::scenario::plan::{Plan, ServiceId};

/// Who waits for an answer.
#[derive(Clone, Copy)]
enum Waits {
    Follower(Address),
    Producer(Address, u64, Acks),
    Reader(Address, u64, u64),
}

#[derive(Default)]
struct Counts {
    produced: u64,
    duplicates_refused: u64,
    produce_failed: u64,
    refused_not_enough: u64,
    truncated: u64,
    led: u64,
    isr_changes: u64,
    reads: u64,
    restarts: u64,
}

pub(super) struct BrokerNode {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: BrokerSettings,
    sabotage: Option<Sabotage>,
    post: Post,
    me: BrokerId,
    peers: Vec<ServiceId>,
    controller: Option<ServiceId>,
    broker: Option<Broker<AnyStore>>,
    fallen: Option<Fallen>,
    has_everything: bool,
    waits: BTreeMap<u64, Waits>,
    tokens: u64,
    incarnation: u64,
    known: u64,
    is_registered: bool,
    heartbeat_at: Time,
    seen: Time,
    alarm: Alarm,
    handlers: Handlers,
    counts: Counts,
}

impl BrokerNode {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, sabotage: Option<Sabotage>) -> BrokerNode {
        let own = &plan.services[service.index()];
        let settings = settings::broker(&own.settings).expect("the plan's settings were checked");
        let post = Post::new(service, 0, plan);
        let peers = post.brokers();
        let me = peers.iter().position(|peer| *peer == service).unwrap_or(usize::from(u16::MAX));
        BrokerNode {
            service,
            plan: Arc::clone(plan),
            handlers: Handlers::new(settings.costs, own.workers, own.queue.capacity),
            settings,
            sabotage,
            controller: post.controller(),
            post,
            me: BrokerId(me as u32),
            peers,
            broker: None,
            fallen: None,
            has_everything: true,
            waits: BTreeMap::new(),
            tokens: 0,
            incarnation: 0,
            known: 0,
            is_registered: false,
            heartbeat_at: Time::ZERO,
            seen: Time::ZERO,
            alarm: Alarm::default(),
            counts: Counts::default(),
        }
    }

    fn tell_controller(&mut self, said: Said, cx: &mut Cx<'_>) {
        if let Some(controller) = self.controller {
            self.post.send_to_service(controller, said, cx);
        }
    }

    fn token(&mut self, waits: Waits) -> u64 {
        self.tokens += 1;
        self.waits.insert(self.tokens, waits);
        self.tokens
    }

    /// Lets the broker take something, and carries out what it wants.
    fn handle(&mut self, input: Input, cx: &mut Cx<'_>) -> Result<(), Rejected> {
        let Some(broker) = &mut self.broker else { return Ok(()) };
        let mut out = Vec::new();
        let done = broker.handle(self.seen, input, &mut out);
        self.carry_out(out, cx);
        done
    }

    fn carry_out(&mut self, out: Vec<Output>, cx: &mut Cx<'_>) {
        for output in out {
            match output {
                Output::Fetch { leader, fetch } => {
                    if let Some(peer) = self.peers.get(leader.0 as usize).copied() {
                        self.post.send_to_service(peer, Said::Fetch(fetch), cx);
                    }
                }
                Output::Fetched { token, fetched } => {
                    if let Some(Waits::Follower(to)) = self.waits.remove(&token) {
                        self.post.send(to, Said::Fetched(fetched), cx);
                    }
                }
                Output::AlterIsr(alter) => {
                    self.counts.isr_changes += 1;
                    self.tell_controller(Said::AlterIsr(alter), cx);
                }
                Output::Produced { token, partition, base_offset, count, is_duplicate, throttle, .. } => {
                    let Some(Waits::Producer(to, number, acks)) = self.waits.remove(&token) else { continue };
                    self.counts.produced += count;
                    self.counts.duplicates_refused += if is_duplicate { count } else { 0 };
                    if let Some(replica) = self.broker.as_ref().and_then(|broker| broker.replica(partition)) {
                        cx.broker_books().produced(replica, acks, base_offset, count);
                    }
                    self.post.send(to, Said::Produced { number, result: Ok(throttle) }, cx);
                }
                Output::ProduceFailed { token, reason } => {
                    let Some(Waits::Producer(to, number, _)) = self.waits.remove(&token) else { continue };
                    self.counts.produce_failed += 1;
                    self.post.send(to, Said::Produced { number, result: Err(reason) }, cx);
                }
                Output::Records { token, partition, records, .. } => {
                    let Some(Waits::Reader(to, number, from)) = self.waits.remove(&token) else { continue };
                    self.counts.reads += 1;
                    if let Some(replica) = self.broker.as_ref().and_then(|broker| broker.replica(partition)) {
                        cx.broker_read(replica, from, &records);
                    }
                    self.post.send(to, Said::Records { number, result: Ok(records) }, cx);
                }
                Output::ReadFailed { token, reason } => {
                    let Some(Waits::Reader(to, number, _)) = self.waits.remove(&token) else { continue };
                    self.post.send(to, Said::Records { number, result: Err(reason) }, cx);
                }
                Output::Leads { .. } => self.counts.led += 1,
                Output::Truncated { records, .. } => self.counts.truncated += records,
                Output::HighWatermark { .. } => {}
            }
        }
    }

    fn heard(&mut self, mail: Mail, cx: &mut Cx<'_>) {
        let from = mail.from;
        match mail.said {
            Said::Fetch(fetch) => {
                let token = self.token(Waits::Follower(from));
                if self.handle(Input::Fetch { token, fetch }, cx).is_err() {
                    self.waits.remove(&token);
                }
            }
            // What cannot be taken is asked for again.
            Said::Fetched(fetched) => drop(self.handle(Input::Fetched(fetched), cx)),
            Said::Stranger => {
                self.is_registered = false;
                self.heartbeat_at = self.seen;
            }
            Said::Assigned { known, assignments } => {
                self.is_registered = true;
                self.known = known.unwrap_or(self.known);
                for assignment in assignments {
                    // Not of a partition that is somewhere else.
                    let _ = self.handle(Input::Assign(assignment), cx);
                }
            }
            Said::Produce { number, produce } => {
                let token = self.token(Waits::Producer(from, number, produce.acks));
                if let Err(reason) = self.handle(Input::Produce { token, produce }, cx) {
                    self.waits.remove(&token);
                    let is_not_enough = matches!(reason, Rejected::NotEnoughReplicas { .. });
                    self.counts.refused_not_enough += u64::from(is_not_enough);
                    self.post.send(from, Said::Produced { number, result: Err(reason) }, cx);
                }
            }
            Said::Read { number, read } => {
                let token = self.token(Waits::Reader(from, number, read.from));
                if let Err(reason) = self.handle(Input::Read { token, read }, cx) {
                    self.waits.remove(&token);
                    self.post.send(from, Said::Records { number, result: Err(reason) }, cx);
                }
            }
            Said::Register { .. }
            | Said::Heartbeat { .. }
            | Said::AlterIsr(_)
            | Said::WhoLeads
            | Said::Leaders(_)
            | Said::Produced { .. }
            | Said::Records { .. }
            | Said::Group { .. }
            | Said::GroupAnswer { .. } => {}
        }
    }

    fn look(&mut self, cx: &mut Cx<'_>) {
        if self.broker.is_none() {
            return;
        }
        if self.heartbeat_at <= self.seen {
            self.heartbeat_at = self.seen + self.settings.heartbeat;
            let (incarnation, known, has_everything) = (self.incarnation, self.known, self.has_everything);
            let said = match self.is_registered {
                true => Said::Heartbeat { incarnation, known },
                false => Said::Register { incarnation, has_everything },
            };
            self.tell_controller(said, cx);
        }
        let Some(broker) = &mut self.broker else { return };
        if broker.deadline().is_some_and(|at| at <= self.seen) {
            let mut out = Vec::new();
            // A disk that fails has stopped the broker: nothing more is to be done.
            let _ = broker.expire(self.seen, &mut out);
            self.carry_out(out, cx);
        }
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let due = self
            .broker
            .as_ref()
            .map(|broker| broker.deadline().map_or(self.heartbeat_at, |at| at.min(self.heartbeat_at)));
        self.alarm.set(due, at_least(SHORTEST_NAP), ALARM, cx);
    }
}

impl Node for BrokerNode {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        let config = self.settings.config;
        let fallen = match self.broker.take() {
            None => self.fallen.take(),
            Some(_) => None,
        };
        let disk = fallen.and_then(|fallen| fallen.disk(self.incarnation, cx));
        self.counts.restarts += u64::from(self.incarnation > 0);
        let store = AnyStore::open(self.settings.store, disk);
        self.broker = Some(Broker::open(self.me, config, store, self.seen).sabotaged(self.sabotage));
        self.incarnation += 1;
        (self.known, self.is_registered, self.heartbeat_at) = (0, false, self.seen);
        self.look(cx);
        self.settle(cx);
    }

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        let mail = post::opened(message, cx).and_then(|mail| self.handlers.take(mail, cx));
        if let Some(mail) = mail {
            self.heard(mail, cx);
        }
        self.look(cx);
        self.settle(cx);
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        if token == ALARM {
            self.alarm.forget();
        } else if let Some(mail) = self.handlers.done(token.0, cx) {
            self.heard(mail, cx);
            self.handlers.begin(cx);
        }
        self.look(cx);
        self.settle(cx);
    }

    fn crash(&mut self, keep: Durable, _lost: &mut dyn FnMut(&Request)) {
        if let Some(broker) = self.broker.take() {
            self.fallen = Some(broker.into_store().fallen(keep));
        }
        self.has_everything = keep == Durable::Written;
        self.waits.clear();
        self.handlers.crash();
        self.alarm.forget();
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        self.plan = Arc::clone(edit.plan);
        let own = &self.plan.services[self.service.index()];
        let settings =
            settings::broker(&own.settings).map_err(|_| "the settings cannot be read".to_string())?;
        if settings.config.log != self.settings.config.log {
            return Err("how partitions are kept holds from the next start".to_string());
        }
        self.handlers.reconfigure(settings.costs, own.workers, own.queue.capacity);
        self.settings = settings;
        if let Some(broker) = &mut self.broker {
            broker.reconfigure(self.settings.config);
        }
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("records_acknowledged", counts.produced),
            ("produce_failed", counts.produce_failed),
            ("produce_refused_not_enough_replicas", counts.refused_not_enough),
            ("duplicates_refused", counts.duplicates_refused),
            ("records_truncated", counts.truncated),
            ("leaderships", counts.led),
            ("isr_proposals", counts.isr_changes),
            ("reads", counts.reads),
        ]);
        if counts.restarts > 0 {
            out.counts.insert("restarts", counts.restarts);
        }
        self.handlers.probe(out);
        if let Some(broker) = &self.broker {
            let ends = broker.replicas().map(|replica| replica.log().end()).sum();
            let watermarks = broker.replicas().map(Replica::high_watermark).sum();
            let expired = broker.replicas().map(|replica| replica.log().counts().expired).sum();
            out.counts.extend([
                ("log_end", ends),
                ("high_watermark", watermarks),
                ("records_expired", expired),
            ]);
        }
    }

    fn replicas<'a>(&'a self, out: &mut Vec<&'a Replica>) {
        out.extend(self.broker.iter().flat_map(Broker::replicas));
    }
}

//! A cluster in one place: brokers, a controller, a producer and a reader, with mail in between that can be late, lost
//! or out of order, processes that crash and clocks that only the test moves. The audit looks after every step.

use crate::arithmetic::{keyed_word, uniform};
use crate::broker::client::{Producer, ProducerConfig, ProducerOutput};
use crate::broker::log::*;
use crate::broker::{BrokerId, LeaderEpoch, PartitionId, ProducerId};
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// The only partition.
pub(super) const P: PartitionId = PartitionId { topic: 0, index: 0 };

/// What is on its way, and to whom.
#[derive(Clone, Debug)]
pub(super) enum Mail {
    Fetch(BrokerId, BrokerId, Fetch),
    Fetched(BrokerId, BrokerId, Fetched),
    Assign(BrokerId, Assignment),
    AlterIsr(BrokerId, AlterIsr),
    Heartbeat(BrokerId),
    Produce(BrokerId, u64, Produce),
    Answer(u64, Result<(), Option<Rejected>>),
}

/// Who a token of a broker belongs to.
#[derive(Clone, Debug)]
enum Token {
    Follower(BrokerId),
    Producer(u64, Acks),
    Reader(u64),
}

/// The word of a controller that a broker is all there is of a partition.
pub(super) fn alone(partition: PartitionId, me: BrokerId, epoch: u32) -> Assignment {
    Assignment {
        partition,
        replicas: vec![me],
        isr: vec![me],
        leader: Some(me),
        epoch: LeaderEpoch(epoch),
        version: u64::from(epoch),
        is_unclean: false,
    }
}

/// How brokers are set up for tests: everything within a second.
pub(super) fn config(truncate_by: TruncateBy) -> BrokerConfig {
    BrokerConfig {
        truncate_by,
        replica_lag: Span::from_millis(300),
        fetch_wait: Span::from_millis(50),
        fetch_backoff: Span::from_millis(20),
        fetch_timeout: Span::from_millis(200),
        fetch_records: 3,
        produce_timeout: Span::from_millis(500),
        checkpoint_every: Span::from_millis(400),
        clean_every: Span::from_millis(700),
        ..BrokerConfig::default()
    }
}

pub(super) struct Cluster {
    pub(super) now: Time,
    pub(super) config: BrokerConfig,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) controller: Controller<MemoryStore>,
    pub(super) brokers: BTreeMap<BrokerId, Broker<MemoryStore>>,
    down: BTreeMap<BrokerId, MemoryStore>,
    incarnations: BTreeMap<BrokerId, u64>,
    pub(super) cut: BTreeSet<BrokerId>,
    pub(super) mail: Vec<Mail>,
    tokens: BTreeMap<u64, Token>,
    serial: u64,
    pub(super) producer: Producer,
    pub(super) audit: LogAudit,
    pub(super) broken: Option<Violation>,
    pub(super) delivered: Vec<u64>,
    pub(super) elections: Vec<(BrokerId, ElectionCause)>,
    pub(super) truncated: u64,
}

impl Cluster {
    pub(super) fn new(
        replicas: u32,
        config: BrokerConfig,
        unclean: bool,
        sabotage: Option<Sabotage>,
    ) -> Cluster {
        let controller_config =
            ControllerConfig { session: Span::from_millis(400), unclean_election: unclean };
        assert_eq!((config.validate(), controller_config.validate()), (Ok(()), Ok(())));
        let producer = ProducerConfig {
            identity: Some(ProducerId(7)),
            batch_records: 2,
            retry_backoff: Span::from_millis(10),
            delivery_timeout: Span::from_secs(3_600),
            ..ProducerConfig::default()
        };
        let ids: Vec<BrokerId> = (0..replicas).map(BrokerId).collect();
        let mut cluster = Cluster {
            now: Time::from_nanos(1),
            config,
            sabotage,
            controller: Controller::open(controller_config, MemoryStore::new(), Time::ZERO)
                .sabotaged(sabotage),
            brokers: BTreeMap::new(),
            down: ids.iter().map(|id| (*id, MemoryStore::new())).collect(),
            incarnations: BTreeMap::new(),
            cut: BTreeSet::new(),
            mail: Vec::new(),
            tokens: BTreeMap::new(),
            serial: 0,
            producer: Producer::new(producer),
            audit: LogAudit::new(),
            broken: None,
            delivered: Vec::new(),
            elections: Vec::new(),
            truncated: 0,
        };
        cluster.control(ControllerInput::Create { partition: P, replicas: ids.clone() });
        for id in ids {
            cluster.start(id, true);
        }
        cluster
    }

    /// Starts a broker that is down.
    pub(super) fn start(&mut self, id: BrokerId, has_everything: bool) {
        let Some(store) = self.down.remove(&id) else { return };
        let broker = Broker::open(id, self.config, store, self.now).sabotaged(self.sabotage);
        self.brokers.insert(id, broker);
        self.serial += 1;
        self.control(ControllerInput::Register { broker: id, incarnation: self.serial, has_everything });
        self.incarnations.insert(id, self.serial);
    }

    /// The process of a broker ends; what it has written stays.
    pub(super) fn crash(&mut self, id: BrokerId) {
        let Some(broker) = self.brokers.remove(&id) else { return };
        self.down.insert(id, broker.into_store());
        let lost: Vec<u64> = self
            .tokens
            .iter()
            .filter(|(key, _)| **key >> 32 == u64::from(id.0) + 1)
            .filter_map(|(_, token)| if let Token::Producer(send, _) = token { Some(*send) } else { None })
            .collect();
        self.tokens.retain(|key, _| *key >> 32 != u64::from(id.0) + 1);
        self.mail.extend(lost.into_iter().map(|send| Mail::Answer(send, Err(None))));
    }

    pub(super) fn control(&mut self, input: ControllerInput) {
        let mut out = Vec::new();
        let _ = self.controller.handle(self.now, input, &mut out);
        self.carry_control(out);
    }

    fn carry_control(&mut self, out: Vec<ControllerOutput>) {
        for output in out {
            match output {
                ControllerOutput::Assign { broker, assignment } => {
                    self.mail.push(Mail::Assign(broker, assignment));
                }
                ControllerOutput::Elected { assignment, cause } => {
                    if assignment.is_unclean {
                        self.audit.unclean(assignment.partition, assignment.epoch);
                    }
                    self.elections.extend(assignment.leader.map(|leader| (leader, cause)));
                }
                ControllerOutput::Offline { .. } | ControllerOutput::Fenced { .. } => {}
            }
        }
    }

    fn token(&mut self, broker: BrokerId, token: Token) -> u64 {
        self.serial += 1;
        let key = (u64::from(broker.0) + 1) << 32 | self.serial;
        self.tokens.insert(key, token);
        key
    }

    fn handle(&mut self, id: BrokerId, input: Input) -> Result<(), Rejected> {
        let now = self.now;
        let Some(broker) = self.brokers.get_mut(&id) else { return Err(Rejected::TimedOut) };
        let mut out = Vec::new();
        let done = broker.handle(now, input, &mut out);
        self.carry(id, out);
        done
    }

    fn carry(&mut self, id: BrokerId, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Produced { token, base_offset, count, .. } => {
                    if let Some(Token::Producer(send, acks)) = self.tokens.remove(&token) {
                        let replica = self.brokers.get(&id).and_then(|broker| broker.replica(P));
                        let replica = replica.expect("whoever answers has the partition");
                        self.audit.produced(replica, acks, base_offset, count);
                        self.mail.push(Mail::Answer(send, Ok(())));
                    }
                }
                Output::ProduceFailed { token, reason } => {
                    if let Some(Token::Producer(send, _)) = self.tokens.remove(&token) {
                        self.mail.push(Mail::Answer(send, Err(Some(reason))));
                    }
                }
                Output::Records { token, records, .. } => {
                    if let Some(Token::Reader(from)) = self.tokens.remove(&token) {
                        let replica = self.brokers.get(&id).and_then(|broker| broker.replica(P));
                        let read = replica.map(|replica| self.audit.read(replica, from, &records));
                        self.note(read.unwrap_or(Ok(())));
                    }
                }
                Output::ReadFailed { token, .. } => {
                    self.tokens.remove(&token);
                }
                Output::Fetched { token, fetched } => {
                    if let Some(Token::Follower(follower)) = self.tokens.remove(&token) {
                        self.mail.push(Mail::Fetched(id, follower, fetched));
                    }
                }
                Output::Fetch { leader, fetch } => self.mail.push(Mail::Fetch(id, leader, fetch)),
                Output::AlterIsr(alter) => self.mail.push(Mail::AlterIsr(id, alter)),
                Output::Truncated { records, .. } => self.truncated += records,
                Output::Leads { .. } | Output::HighWatermark { .. } => {}
            }
        }
    }

    fn note(&mut self, verdict: Result<(), Violation>) {
        self.broken = self.broken.or(verdict.err());
    }

    /// Looks at everything.
    pub(super) fn check(&mut self) {
        let replicas: Vec<&Replica> = self.brokers.values().filter_map(|broker| broker.replica(P)).collect();
        let verdict = self.audit.check(P, &replicas);
        self.note(verdict);
    }

    /// Whoever leads and has been elected last, of those that are up.
    pub(super) fn leader(&self) -> Option<&Replica> {
        let replicas = self.brokers.values().filter_map(|broker| broker.replica(P));
        replicas.filter(|replica| replica.leads()).max_by_key(|replica| replica.epoch())
    }

    pub(super) fn replica(&self, id: u32) -> &Replica {
        self.brokers[&BrokerId(id)].replica(P).expect("it has been assigned")
    }

    /// A piece of mail arrives.
    pub(super) fn deliver(&mut self, mail: Mail) {
        let is_cut = match &mail {
            Mail::Fetch(from, to, _) | Mail::Fetched(from, to, _) => {
                self.cut.contains(from) || self.cut.contains(to)
            }
            Mail::Assign(id, _) | Mail::AlterIsr(id, _) | Mail::Heartbeat(id) => self.cut.contains(id),
            Mail::Produce(..) | Mail::Answer(..) => false,
        };
        if is_cut {
            return self.lose(mail);
        }
        match mail {
            Mail::Fetch(from, to, fetch) => {
                let token = self.token(to, Token::Follower(from));
                let (partition, number) = (fetch.partition, fetch.number);
                if self.handle(to, Input::Fetch { token, fetch }).is_err() {
                    let _ = self.handle(from, Input::FetchFailed { partition, number });
                }
            }
            Mail::Fetched(_, to, fetched) => drop(self.handle(to, Input::Fetched(fetched))),
            Mail::Assign(to, assignment) => drop(self.handle(to, Input::Assign(assignment))),
            Mail::AlterIsr(_, alter) => self.control(ControllerInput::AlterIsr(alter)),
            Mail::Heartbeat(broker) => {
                let incarnation = self.incarnations.get(&broker).copied().unwrap_or(0);
                let input = ControllerInput::Heartbeat { broker, incarnation };
                let heard = self.controller.handle(self.now, input, &mut Vec::new());
                if heard.is_err() {
                    self.control(ControllerInput::Register { broker, incarnation, has_everything: true });
                }
                let (_, changes) = self.controller.changes_since(broker, 0);
                self.mail.extend(changes.into_iter().map(|change| Mail::Assign(broker, change)));
            }
            Mail::Produce(to, send, produce) => {
                let token = self.token(to, Token::Producer(send, produce.acks));
                if let Err(reason) = self.handle(to, Input::Produce { token, produce }) {
                    self.tokens.remove(&token);
                    self.mail.push(Mail::Answer(send, Err(Some(reason))));
                }
            }
            Mail::Answer(send, answer) => {
                let mut out = Vec::new();
                match answer {
                    Ok(()) => self.producer.acknowledged(self.now, send, Span::ZERO, &mut out),
                    Err(reason) => self.producer.failed(self.now, send, reason, &mut out),
                }
                for output in out {
                    if let ProducerOutput::Delivered { tags, .. } = output {
                        self.delivered.extend(tags);
                    }
                }
            }
        }
    }

    /// A piece of mail is lost. Whoever waits for it finds out in the end.
    pub(super) fn lose(&mut self, mail: Mail) {
        match mail {
            Mail::Produce(_, send, _) | Mail::Answer(send, _) => {
                self.producer.failed(self.now, send, None, &mut Vec::new());
            }
            Mail::Fetch(..)
            | Mail::Fetched(..)
            | Mail::Assign(..)
            | Mail::AlterIsr(..)
            | Mail::Heartbeat(..) => {}
        }
    }

    /// Time passes.
    pub(super) fn pass(&mut self, span: Span) {
        self.now += span;
        let now = self.now;
        let mut out = Vec::new();
        let _ = self.controller.expire(now, &mut out);
        self.carry_control(out);
        let ids: Vec<BrokerId> = self.brokers.keys().copied().collect();
        for id in ids {
            let mut out = Vec::new();
            if let Some(broker) = self.brokers.get_mut(&id) {
                let _ = broker.expire(now, &mut out);
            }
            self.carry(id, out);
        }
    }

    /// A record, to whoever leads as far as anybody knows.
    pub(super) fn produce(&mut self, tag: u64) {
        let value = tag.to_le_bytes();
        let _ = self.producer.send(self.now, P, NewRecord::of(&value, &value), tag);
    }

    /// Sends what the producer has, to `to`.
    pub(super) fn send_to(&mut self, to: BrokerId) {
        while let Some(sending) = self.producer.poll(self.now) {
            self.mail.push(Mail::Produce(to, sending.id, sending.produce));
        }
    }

    /// A record without a producer behind it, straight to a broker.
    pub(super) fn write(&mut self, to: u32, acks: Acks, value: u8) -> Result<(), Rejected> {
        let to = BrokerId(to);
        let token = self.token(to, Token::Producer(u64::MAX, acks));
        let records = vec![NewRecord::of(&[value], &[value])];
        let produce = Produce { partition: P, acks, stamp: None, records };
        self.handle(to, Input::Produce { token, produce })
    }

    /// A reader asks a broker for what there is.
    pub(super) fn read(&mut self, from_broker: BrokerId, from: u64) {
        let token = self.token(from_broker, Token::Reader(from));
        let read = Read { partition: P, from, max_records: 100, max_wait: Span::ZERO };
        if self.handle(from_broker, Input::Read { token, read }).is_err() {
            self.tokens.remove(&token);
        }
    }

    pub(super) fn heartbeats(&mut self) {
        let ids: Vec<BrokerId> = self.brokers.keys().copied().collect();
        self.mail.extend(ids.into_iter().map(Mail::Heartbeat));
    }

    /// Everything arrives, in order, for a while.
    pub(super) fn settle(&mut self, rounds: u32) {
        for round in 0..rounds {
            if round.is_multiple_of(10) {
                self.heartbeats();
            }
            for mail in std::mem::take(&mut self.mail) {
                self.deliver(mail);
                self.check();
            }
            self.pass(Span::from_millis(10));
            self.check();
        }
    }

    /// Everything is up and connected again, and what was to be written is.
    pub(super) fn heal(&mut self) {
        self.cut.clear();
        let down: Vec<BrokerId> = self.down.keys().copied().collect();
        for id in down {
            self.start(id, true);
        }
        for _ in 0..40 {
            self.settle(10);
            if let Some(leader) = self.leader().map(Replica::broker) {
                self.send_to(leader);
            }
        }
        self.settle(100);
    }
}

/// A random walk of so many steps, then everything heals. What went wrong first, and the cluster.
pub(super) fn walk(
    seed: u64,
    steps: u64,
    replicas: u32,
    truncate_by: TruncateBy,
    unclean: bool,
    sabotage: Option<Sabotage>,
) -> Cluster {
    let mut cluster = Cluster::new(replicas, config(truncate_by), unclean, sabotage);
    cluster.settle(20);
    let mut tag = 0;
    for step in 0..steps {
        let word = keyed_word(seed, step);
        let who = BrokerId(uniform(keyed_word(!seed, step), 0, u64::from(replicas) - 1) as u32);
        match uniform(word, 0, 99) {
            0..50 if !cluster.mail.is_empty() => {
                let last = cluster.mail.len() as u64 - 1;
                // Mostly in order.
                let at = if word & 3 == 0 { uniform(keyed_word(word, 1), 0, last) } else { 0 };
                let mail = cluster.mail.remove(at as usize);
                cluster.deliver(mail);
            }
            50..54 if !cluster.mail.is_empty() => {
                let last = cluster.mail.len() as u64 - 1;
                let mail = cluster.mail.remove(uniform(keyed_word(word, 2), 0, last) as usize);
                cluster.lose(mail);
            }
            54..66 => {
                cluster.produce(tag);
                tag += 1;
                let leader = cluster.leader().map_or(who, Replica::broker);
                cluster.send_to(if word & 7 == 0 { who } else { leader });
            }
            66..70 => drop(cluster.write(who.0, Acks::Leader, word as u8)),
            70..73 => {
                let start = uniform(keyed_word(word, 3), 0, 20);
                let high_watermark = cluster.leader().map_or(0, Replica::high_watermark);
                cluster.read(who, high_watermark.saturating_sub(start));
            }
            73..76 => cluster.crash(who),
            76..84 => cluster.start(who, true),
            84..86 => drop(cluster.cut.insert(who)),
            86..90 => drop(cluster.cut.pop_first()),
            90..93 => cluster.heartbeats(),
            _ => cluster.pass(Span::from_millis(uniform(keyed_word(word, 4), 1, 60))),
        }
        cluster.check();
    }
    cluster.heal();
    cluster
}

//! Three brokers under the real clock: a producer writes, the leader is killed, another takes over, and nothing that was
//! acknowledged is gone. Then a poison message goes its way through a queue. Prints what happens.
//! `cargo run --package foreshock-systems --example broker`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example runs under the real clock"
)]

use foreshock_systems::broker::log::{
    Acks, Broker, BrokerConfig, Controller, ControllerConfig, ControllerInput, ControllerOutput, Input,
    NewRecord, Output, Produce, Replica,
};
use foreshock_systems::broker::queue::{NewMessage, Queue, QueueConfig, QueueInput, QueueOutput};
use foreshock_systems::broker::{BrokerId, PartitionId};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PARTITION: PartitionId = PartitionId { topic: 0, index: 0 };

/// Brokers and a controller in one process: what one says, another hears at once.
struct Cluster {
    controller: Controller<MemoryStore>,
    brokers: BTreeMap<BrokerId, Broker<MemoryStore>>,
    /// Which follower asked under which token.
    asked: BTreeMap<u64, BrokerId>,
    tokens: u64,
    acknowledged: u64,
}

impl Cluster {
    fn broker(&mut self, now: Time, id: BrokerId, input: Input) -> Result<(), Box<dyn std::error::Error>> {
        let Some(broker) = self.brokers.get_mut(&id) else { return Ok(()) };
        let mut out = Vec::new();
        broker.handle(now, input, &mut out)?;
        self.carry(now, id, out)
    }

    fn control(&mut self, now: Time, input: ControllerInput) -> Result<(), Box<dyn std::error::Error>> {
        let mut out = Vec::new();
        self.controller.handle(now, input, &mut out)?;
        self.carry_control(now, out)
    }

    fn carry_control(
        &mut self,
        now: Time,
        out: Vec<ControllerOutput>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        for output in out {
            match output {
                ControllerOutput::Assign { broker, assignment } => {
                    self.broker(now, broker, Input::Assign(assignment))?;
                }
                ControllerOutput::Elected { assignment, cause } => {
                    println!("epoch {}: {:?} leads ({cause:?})", assignment.epoch.0, assignment.leader);
                }
                ControllerOutput::Offline { .. } => println!("nobody may lead"),
                ControllerOutput::Fenced { broker } => println!("{broker:?} is not heard of any more"),
            }
        }
        Ok(())
    }

    fn carry(
        &mut self,
        now: Time,
        from: BrokerId,
        out: Vec<Output>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        for output in out {
            match output {
                Output::Fetch { leader, fetch } => {
                    self.tokens += 1;
                    self.asked.insert(self.tokens, from);
                    self.broker(now, leader, Input::Fetch { token: self.tokens, fetch })?;
                }
                Output::Fetched { token, fetched } => {
                    if let Some(follower) = self.asked.remove(&token) {
                        self.broker(now, follower, Input::Fetched(fetched))?;
                    }
                }
                Output::AlterIsr(alter) => self.control(now, ControllerInput::AlterIsr(alter))?,
                Output::Produced { count, .. } => self.acknowledged += count,
                Output::Records { .. }
                | Output::ReadFailed { .. }
                | Output::ProduceFailed { .. }
                | Output::Leads { .. }
                | Output::Truncated { .. }
                | Output::HighWatermark { .. } => {}
            }
        }
        Ok(())
    }

    /// What is due at every broker that lives, and that it is there.
    fn tick(&mut self, now: Time) -> Result<(), Box<dyn std::error::Error>> {
        let ids: Vec<BrokerId> = self.brokers.keys().copied().collect();
        for broker in ids {
            self.control(now, ControllerInput::Heartbeat { broker, incarnation: 1 })?;
            let mut out = Vec::new();
            if let Some(broker) = self.brokers.get_mut(&broker) {
                broker.expire(now, &mut out)?;
            }
            self.carry(now, broker, out)?;
        }
        let mut out = Vec::new();
        self.controller.expire(now, &mut out)?;
        self.carry_control(now, out)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let now = || Time::from_nanos(start.elapsed().as_nanos() as u64);
    let config = ControllerConfig { session: Span::from_millis(300), unclean_election: false };
    let ids = [BrokerId(1), BrokerId(2), BrokerId(3)];
    let broker = |id| (id, Broker::open(id, BrokerConfig::default(), MemoryStore::new(), now()));
    let mut cluster = Cluster {
        controller: Controller::open(config, MemoryStore::new(), now()),
        brokers: ids.into_iter().map(broker).collect(),
        asked: BTreeMap::new(),
        tokens: 0,
        acknowledged: 0,
    };
    cluster.control(now(), ControllerInput::Create { partition: PARTITION, replicas: ids.to_vec() })?;
    for broker in ids {
        let register = ControllerInput::Register { broker, incarnation: 1, has_everything: true };
        cluster.control(now(), register)?;
    }

    let mut written = 0u64;
    while now() < Time::ZERO + Span::from_secs(2) {
        let leader = cluster.controller.assignment(PARTITION).and_then(|assignment| assignment.leader);
        if let Some(leader) = leader.filter(|leader| cluster.brokers.contains_key(leader)) {
            let records = vec![NewRecord::of(b"key", &written.to_le_bytes())];
            let produce = Produce { partition: PARTITION, acks: Acks::All, stamp: None, records };
            cluster.broker(now(), leader, Input::Produce { token: written, produce })?;
            written += 1;
        }
        if written == 20 && cluster.brokers.len() == 3 {
            println!("{leader:?} is killed after {} acknowledged records", cluster.acknowledged);
            leader.and_then(|leader| cluster.brokers.remove(&leader));
        }
        cluster.tick(now())?;
        std::thread::sleep(Duration::from_millis(20));
    }
    let ends = cluster.brokers.values().filter_map(|broker| broker.replica(PARTITION));
    let ends: Vec<(u64, u64)> =
        ends.map(Replica::high_watermark).zip(0..).map(|(end, at)| (at, end)).collect();
    println!("{} of {written} records were acknowledged; committed now: {ends:?}", cluster.acknowledged);
    poison(now())
}

/// A message that nobody can work on, in a queue that gives up after three receives.
fn poison(mut now: Time) -> Result<(), Box<dyn std::error::Error>> {
    let config = QueueConfig { max_receives: Some(3), ..QueueConfig::default() };
    let mut queue = Queue::open(config, MemoryStore::new());
    let mut out = Vec::new();
    let message = NewMessage { body: b"poison".as_slice().into(), ..NewMessage::default() };
    queue.handle(now, QueueInput::Send { token: 0, message }, &mut out)?;
    while queue.dead() == 0 {
        out.clear();
        let ask = QueueInput::Receive { token: 0, max: 1, wait: Span::ZERO, visibility: None };
        queue.handle(now, ask, &mut out)?;
        if let Some(QueueOutput::Received { messages, .. }) = out.first() {
            println!("received: {:?}", messages.first().map(|delivery| delivery.handle.receive));
        }
        now = queue.deadline().ok_or("a message is in flight")?;
        queue.expire(now, &mut out)?;
    }
    println!("dead letters: {:?}", queue.dead_letters().collect::<Vec<_>>());
    Ok(())
}

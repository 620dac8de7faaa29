//! Message broker: a record from producer to committed on three brokers, with the audit and without, beside pushing it
//! onto three plain vectors; a message through a queue, beside a bare deque.

use criterion::Criterion;
use foreshock_systems::broker::log::{
    Acks, Assignment, Broker, BrokerConfig, Input, LogAudit, NewRecord, Output, Produce, Replica,
};
use foreshock_systems::broker::queue::{NewMessage, Queue, QueueConfig, QueueInput, QueueOutput};
use foreshock_systems::broker::{BrokerId, LeaderEpoch, PartitionId};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use std::collections::VecDeque;
use std::hint::black_box;

const P: PartitionId = PartitionId { topic: 0, index: 0 };
/// Records of a batch.
const BATCH: usize = 100;

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    replication(criterion);
    queue(criterion);
}

/// Three brokers without a network, and what waits at the leader.
struct Cluster {
    brokers: Vec<Broker<MemoryStore>>,
    out: Vec<Output>,
    audit: Option<LogAudit>,
    now: Time,
}

impl Cluster {
    fn new(audit: Option<LogAudit>) -> Cluster {
        let ids: Vec<BrokerId> = (0..3).map(BrokerId).collect();
        let config = BrokerConfig { fetch_wait: Span::ZERO, ..BrokerConfig::default() };
        let open = |id: &BrokerId| Broker::open(*id, config, MemoryStore::new(), Time::ZERO);
        let brokers = ids.iter().map(open).collect();
        let mut cluster = Cluster { brokers, out: Vec::new(), audit, now: Time::ZERO };
        let assignment = Assignment {
            partition: P,
            replicas: ids.clone(),
            isr: ids,
            leader: Some(BrokerId(0)),
            epoch: LeaderEpoch(1),
            version: 1,
            is_unclean: false,
        };
        for broker in &mut cluster.brokers {
            let input = Input::Assign(assignment.clone());
            broker.handle(Time::ZERO, input, &mut Vec::new()).expect("it has the partition");
        }
        cluster
    }

    /// A batch, until all have committed it.
    fn write(&mut self, records: &[NewRecord]) -> u64 {
        self.now += Span::from_secs(31);
        let produce = Produce { partition: P, acks: Acks::All, stamp: None, records: records.to_vec() };
        let input = Input::Produce { token: 9, produce };
        self.brokers[0].handle(self.now, input, &mut self.out).expect("it leads");
        let mut acknowledged = 0;
        for _ in 0..2 {
            for follower in 1..3 {
                self.brokers[follower].expire(self.now, &mut self.out).expect("memory does not fail");
                let Some(Output::Fetch { fetch, .. }) = self.out.pop() else { continue };
                let input = Input::Fetch { token: 0, fetch };
                self.brokers[0].handle(self.now, input, &mut self.out).expect("it has the partition");
                let Some(Output::Fetched { fetched, .. }) = self.out.pop() else { continue };
                let mut next = Vec::new();
                self.brokers[follower]
                    .handle(self.now, Input::Fetched(fetched), &mut next)
                    .expect("it follows");
            }
            self.now += Span::from_secs(31);
        }
        for output in self.out.drain(..) {
            let Output::Produced { base_offset, count, .. } = output else { continue };
            acknowledged += count;
            if let (Some(audit), Some(leader)) = (&mut self.audit, self.brokers[0].replica(P)) {
                audit.produced(leader, Acks::All, base_offset, count);
            }
        }
        if let Some(audit) = &mut self.audit {
            let replicas: Vec<&Replica> =
                self.brokers.iter().filter_map(|broker| broker.replica(P)).collect();
            audit.check(P, &replicas).expect("a sound cluster");
        }
        acknowledged
    }
}

fn replication(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("broker/100 records on three brokers");
    let records: Vec<NewRecord> = (0..BATCH).map(|at| NewRecord::of(&at.to_le_bytes(), &[7; 100])).collect();
    for (name, audit) in [("foreshock", None), ("foreshock, audited", Some(LogAudit::new()))] {
        let mut cluster = Cluster::new(audit);
        group.bench_function(name, |bench| bench.iter(|| black_box(cluster.write(&records))));
    }
    let mut plain: [Vec<NewRecord>; 3] = Default::default();
    group.bench_function("three vectors", |bench| {
        bench.iter(|| {
            for log in &mut plain {
                log.extend_from_slice(black_box(&records));
                if log.len() > 1_000_000 {
                    log.clear();
                }
            }
        });
    });
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("broker/a message through a queue");
    let mut queue = Queue::open(QueueConfig::default(), MemoryStore::new());
    let mut out = Vec::new();
    group.bench_function("foreshock", |bench| {
        bench.iter(|| {
            let message = NewMessage { body: [7; 100].as_slice().into(), ..NewMessage::default() };
            queue
                .handle(Time::ZERO, QueueInput::Send { token: 0, message }, &mut out)
                .expect("there is room");
            let ask = QueueInput::Receive { token: 0, max: 1, wait: Span::ZERO, visibility: None };
            queue.handle(Time::ZERO, ask, &mut out).expect("there is room in flight");
            let Some(QueueOutput::Received { messages, .. }) = out.pop() else { panic!("there is one") };
            let handle = messages[0].handle;
            queue.handle(Time::ZERO, QueueInput::Delete { handle }, &mut out).expect("it is held");
            out.clear();
        });
    });
    let mut plain = VecDeque::new();
    group.bench_function("a deque", |bench| {
        bench.iter(|| {
            plain.push_back(black_box([7u8; 100]));
            black_box(plain.pop_front());
        });
    });
    group.finish();
}

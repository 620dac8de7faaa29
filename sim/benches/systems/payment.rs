//! Stores and payments: a batch of four writes beside redb (in memory as well, so that no disk is measured), and a
//! whole sale through the processor, which has no peer.

use std::hint::black_box;

use criterion::Criterion;
use foreshock_systems::payment::{
    CaptureMethod, Command, Currency, Input, Instrument, IntentId, Money, OperationId, Outcome, Policies,
    Processor, ProcessorConfig, ProviderId, Request, RequestId,
};
use foreshock_systems::store::{Batch, FsyncPolicy, MemoryStore, SimDisk, Store, WalConfig, WalStore};
use foreshock_systems::{Span, Time};
use redb::backends::InMemoryBackend;
use redb::{Database, TableDefinition};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Keys that are written again and again.
const KEYS: u64 = 1_000;
const VALUE: [u8; 100] = [7; 100];

fn keys(number: u64) -> [[u8; 8]; 4] {
    [0, 1, 2, 3].map(|write| (number.wrapping_mul(4).wrapping_add(write) % KEYS).to_be_bytes())
}

fn wal(fsync: FsyncPolicy) -> WalStore<SimDisk> {
    let config = WalConfig { fsync, compact_above_bytes: 8 << 20 };
    WalStore::open(SimDisk::new(), config).expect("an empty disk is an empty store").0
}

fn commit(store: &mut impl Store, number: u64) {
    let mut batch = Batch::new();
    for key in keys(number) {
        batch.put(key, VALUE);
    }
    black_box(store.commit(Time::ZERO, &batch)).expect("nothing fails");
}

fn commits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store_commit_of_4_writes");
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    let mut memory = MemoryStore::new();
    group.bench_function("foreshock_memory", |bencher| bencher.iter(|| commit(&mut memory, next())));
    let mut log = wal(FsyncPolicy::EveryCommit);
    group.bench_function("foreshock_wal", |bencher| bencher.iter(|| commit(&mut log, next())));
    let database =
        Database::builder().create_with_backend(InMemoryBackend::new()).expect("memory does not fail");
    group.bench_function("redb", |bencher| {
        bencher.iter(|| {
            let writing = database.begin_write().expect("nobody else writes");
            {
                let mut table = writing.open_table(TABLE).expect("it is of this type");
                for key in keys(next()) {
                    table.insert(key.as_slice(), VALUE.as_slice()).expect("memory does not fail");
                }
            }
            writing.commit().expect("memory does not fail");
        });
    });
    group.finish();
}

/// Creates a payment, asks the provider, takes its word.
fn sell<S: Store>(
    processor: &mut Processor<S>,
    number: u64,
    out: &mut Vec<foreshock_systems::payment::Output>,
) {
    out.clear();
    let now = Time::ZERO + Span::from_micros(number);
    let amount = Money::new(500, Currency::INR);
    let create = Command::Create { merchant: 1, payer: 2, amount, capture: CaptureMethod::Automatic };
    let intent = IntentId(number);
    let pay = Command::Confirm { intent, instrument: Instrument::Token(1), needs_authentication: false };
    for (step, command) in [(0, create), (1, pay)] {
        let request = Request { id: RequestId(number), key: Some(format!("{number} {step}")), command };
        processor.handle(now, Input::Request(request), out).expect("nothing fails");
    }
    let operation = OperationId { intent, serial: 0 };
    let word = Input::Word { operation, outcome: Outcome::Succeeded { minor: 500 } };
    processor.handle(now, word, out).expect("nothing fails");
}

fn opened<S: Store>(store: S) -> Processor<S> {
    let policies = Policies::in_order([ProviderId(1)]);
    Processor::open(store, ProcessorConfig::default(), policies).expect("the config is in range")
}

fn sales(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("payment_sale");
    let (mut out, mut number) = (Vec::new(), 0);
    let mut memory = opened(MemoryStore::new());
    group.bench_function("foreshock_memory", |bencher| {
        bencher.iter(|| {
            number += 1;
            sell(&mut memory, number, &mut out);
        });
    });
    number = 0;
    let mut log = opened(wal(FsyncPolicy::EveryCommit));
    group.bench_function("foreshock_wal", |bencher| {
        bencher.iter(|| {
            number += 1;
            sell(&mut log, number, &mut out);
        });
    });
    group.finish();
}

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    commits(criterion);
    sales(criterion);
}

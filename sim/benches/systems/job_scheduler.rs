//! Job scheduler: a job from enqueueing to completion with so many others waiting, in memory and through the log,
//! beside a bare binary heap that only orders (no lease, no state, no row written); the next tick of a cron pattern in a
//! time zone beside `croner` over `chrono-tz`.

use chrono::{DateTime, TimeZone};
use chrono_tz::America::New_York;
use criterion::{BenchmarkId, Criterion};
use croner::parser::{CronParser, Seconds};
use foreshock_systems::job_scheduler::cron::{CronPolicy, CronSchedule};
use foreshock_systems::job_scheduler::{
    Fairness, Input, KindId, NewJob, Outbox, Output, PoolId, PriorityOrder, Scheduler, SchedulerConfig,
    TenantId, WorkerId,
};
use foreshock_systems::store::{MemoryStore, SimDisk, Store, WalConfig, WalStore};
use foreshock_systems::{Span, Time};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;

const WAITING: [u64; 2] = [100, 100_000];

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    one_job(criterion);
    next_tick(criterion);
}

fn config(order: PriorityOrder, fairness: Fairness) -> SchedulerConfig {
    let mut config = SchedulerConfig::default();
    (config.queues[0].order, config.queues[0].fairness) = (order, fairness);
    config.keep.completed = Span::ZERO;
    config
}

/// A scheduler with jobs in it, and a clock.
struct Bench<S> {
    scheduler: Scheduler<S>,
    out: Outbox<Output>,
    now: Time,
    number: u64,
}

impl<S: Store> Bench<S> {
    fn new(config: SchedulerConfig, store: S, waiting: u64) -> Bench<S> {
        let scheduler = Scheduler::open(config, store, Time::ZERO).expect("in range");
        let mut bench = Bench { scheduler, out: Outbox::new(), now: Time::ZERO, number: 0 };
        for _ in 0..waiting {
            bench.enqueue();
        }
        bench
    }

    fn ask(&mut self, input: Input) {
        self.scheduler.handle(self.now, input, &mut self.out).expect("nothing is refused");
    }

    fn enqueue(&mut self) {
        self.number += 1;
        self.now += Span::from_micros(1);
        let priority = Some((self.number * 7_919 % 4) as u8);
        let tenant = TenantId((self.number * 104_729 % 16) as u32);
        self.ask(Input::Enqueue(NewJob { priority, tenant, ..NewJob::of(KindId(0)) }));
        self.out.drain();
    }

    /// In, out, done and forgotten.
    fn one_job(&mut self) {
        self.enqueue();
        self.ask(Input::Fetch { worker: WorkerId(1), pool: PoolId(0), max: 1, entropy: 0 });
        let given = self.out.drain().find_map(|output| match output {
            Output::Started(given) => Some(given),
            _ => None,
        });
        let given = given.expect("there are jobs");
        self.ask(Input::Complete { job: given.job, token: given.token, result: None });
        self.out.drain();
    }
}

fn one_job(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("job_scheduler/one_job");
    let aging = PriorityOrder::Aging { step: Span::from_secs(10) };
    for waiting in WAITING {
        for (name, order, fairness) in [
            ("strict", PriorityOrder::Strict, Fairness::Fifo),
            ("aging", aging, Fairness::Fifo),
            ("strict_tenants", PriorityOrder::Strict, Fairness::Tenants),
        ] {
            let mut bench = Bench::new(config(order, fairness), MemoryStore::new(), waiting);
            group.bench_function(BenchmarkId::new(name, waiting), |bencher| bencher.iter(|| bench.one_job()));
        }
        let (store, _) =
            WalStore::open(SimDisk::new(), WalConfig::default()).expect("an empty disk is an empty store");
        let mut bench = Bench::new(config(PriorityOrder::Strict, Fairness::Fifo), store, waiting);
        group.bench_function(BenchmarkId::new("log", waiting), |bencher| bencher.iter(|| bench.one_job()));
        let mut heap = BinaryHeap::new();
        let mut number = 0u64;
        let mut push = |heap: &mut BinaryHeap<_>| {
            number += 1;
            heap.push(Reverse((number * 7_919 % 4, number)));
        };
        (0..waiting).for_each(|_| push(&mut heap));
        group.bench_function(BenchmarkId::new("bare_heap", waiting), |bencher| {
            bencher.iter(|| {
                push(&mut heap);
                black_box(heap.pop())
            });
        });
    }
    group.finish();
}

fn next_tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("job_scheduler/next_tick");
    let after = 1_341_846_000;
    for (name, pattern) in [("hourly", "0 0 * * * *"), ("leap_day", "0 0 0 29 2 *")] {
        let ours = CronSchedule::parse(pattern, CronPolicy::robfig()).expect("a pattern");
        let ours = ours.in_zone("America/New_York").expect("a zone");
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| ours.next_unix_s(black_box(after)));
        });
        let croner =
            CronParser::builder().seconds(Seconds::Required).build().parse(pattern).expect("a pattern");
        let from: DateTime<chrono_tz::Tz> = New_York.timestamp_opt(after, 0).single().expect("a time");
        group.bench_function(BenchmarkId::new("croner", name), |bencher| {
            bencher.iter(|| croner.find_next_occurrence(black_box(&from), false));
        });
    }
    group.finish();
}

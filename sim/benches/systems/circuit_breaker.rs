//! Asking a breaker and reporting to it: the plain one, the shared front, and a mutex around the plain one; by one
//! thread and by two. The target for asking and reporting once is 40 ns.

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use foreshock_systems::circuit_breaker::{
    Breaker, BreakerConfig, KeyedBreakers, Recorded, SharedBreaker, State, WindowConfig,
};
use foreshock_systems::outlier::{OutlierConfig, OutlierDetector};
use foreshock_systems::{Span, Time};
use std::hint::black_box;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

const CALL: Span = Span::from_micros(300);
const GAP: Span = Span::from_micros(100);

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("circuit_breaker");
    group.throughput(Throughput::Elements(1));
    for (name, window) in windows() {
        plain(&mut group, name, window);
    }
    one_thread(&mut group);
    refused(&mut group);
    peers(&mut group);
    keyed_and_outlier(&mut group);
    two_threads(&mut group);
    group.finish();
}

fn windows() -> [(&'static str, WindowConfig); 3] {
    [
        ("count", WindowConfig::Count { calls: 100 }),
        ("time", WindowConfig::Time { length: Span::from_secs(10), buckets: 10 }),
        ("sliding", WindowConfig::Sliding { length: Span::from_secs(10), max_calls: 1_000 }),
    ]
}

fn config(window: WindowConfig) -> BreakerConfig {
    BreakerConfig { window, slow_call: Some(Span::from_secs(1)), ..BreakerConfig::default() }
}

/// Every tenth call fails.
const fn result(number: u64) -> Recorded {
    if number.is_multiple_of(10) { Recorded::Failure } else { Recorded::Success }
}

fn plain(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, window: WindowConfig) {
    group.bench_function(format!("plain/{name}"), |bencher| {
        let mut breaker = Breaker::new(config(window));
        let (mut now, mut number) = (Time::ZERO, 0);
        bencher.iter(|| {
            now += GAP;
            number += 1;
            if let Ok(permit) = breaker.try_acquire(black_box(now)) {
                breaker.record(now, permit, result(number), CALL);
            }
        });
        assert_eq!(breaker.state(), State::Closed);
    });
}

/// Asks and reports once.
trait Front: Sync {
    fn call(&self, now: Time, number: u64);
}

impl Front for SharedBreaker {
    fn call(&self, now: Time, number: u64) {
        if let Ok(permit) = self.try_acquire(now) {
            self.record(now, permit, result(number), CALL);
        }
    }
}

impl Front for Mutex<Breaker> {
    fn call(&self, now: Time, number: u64) {
        let permit = self.lock().expect("nobody panics").try_acquire(now);
        if let Ok(permit) = permit {
            self.lock().expect("nobody panics").record(now, permit, result(number), CALL);
        }
    }
}

fn fronts() -> (SharedBreaker, Mutex<Breaker>) {
    let config = config(windows()[0].1);
    (SharedBreaker::new(config.clone()), Mutex::new(Breaker::new(config)))
}

fn one_thread(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (shared, mutex) = fronts();
    let fronts: [(&str, &dyn Front); 2] = [("shared", &shared), ("mutex", &mutex)];
    for (name, front) in fronts {
        group.bench_function(format!("one_thread/{name}"), |bencher| {
            let (mut now, mut number) = (Time::ZERO, 0);
            bencher.iter(|| {
                now += GAP;
                number += 1;
                front.call(black_box(now), number);
            });
        });
    }
}

fn refused(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (shared, mutex) = fronts();
    let _ = shared.command(Time::ZERO, State::Open);
    let _ = mutex.lock().expect("nobody panics").command(Time::ZERO, State::Open);
    group.bench_function("refused/shared", |bencher| {
        bencher.iter(|| shared.try_acquire(black_box(Time::ZERO)))
    });
    group.bench_function("refused/mutex", |bencher| {
        bencher.iter(|| mutex.lock().expect("nobody panics").try_acquire(black_box(Time::ZERO)));
    });
}

fn peers(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function("one_thread/recloser", |bencher| {
        let peer = recloser::Recloser::custom().error_rate(0.5).closed_len(100).build();
        let mut number = 0u64;
        bencher.iter(|| {
            number += 1;
            let failed = result(black_box(number)) == Recorded::Failure;
            let _ = peer.call(|| if failed { Err(()) } else { Ok(()) });
        });
    });
}

fn keyed_and_outlier(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function("keyed/100_endpoints", |bencher| {
        let mut breakers = KeyedBreakers::new(config(windows()[0].1), 100, 1);
        let (mut now, mut number) = (Time::ZERO, 0u64);
        bencher.iter(|| {
            now += GAP;
            number += 1;
            if let Ok(permit) = breakers.try_acquire(black_box(now), &(number % 100)) {
                breakers.record(now, permit, result(number / 100), CALL);
            }
        });
    });
    group.bench_function("outlier/record_and_ask", |bencher| {
        let mut endpoints = OutlierDetector::new(OutlierConfig::envoy(), 10);
        let (mut now, mut number) = (Time::ZERO, 0u64);
        bencher.iter(|| {
            now += GAP;
            number += 1;
            let endpoint = (number % 10) as usize;
            endpoints.record(black_box(now), endpoint, !number.is_multiple_of(7));
            endpoints.is_ejected(now, endpoint)
        });
    });
}

/// Time for `rounds` calls of each of two threads that start together.
fn race(rounds: u64, call: &(dyn Fn(u64) + Sync)) -> Duration {
    let start = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                (0..rounds).for_each(call);
            });
        }
        start.wait();
        std::time::Instant::now()
    })
    .elapsed()
}

fn two_threads(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (shared, mutex) = fronts();
    let peer = recloser::Recloser::custom().error_rate(0.5).closed_len(100).build();
    let in_time = |number: u64| Time::from_nanos(GAP.as_nanos().saturating_mul(number));
    let by_peer = |number| {
        let failed = result(number) == Recorded::Failure;
        let _ = peer.call(|| if failed { Err(()) } else { Ok(()) });
    };
    let by_shared = |number| shared.call(in_time(number), number);
    let by_mutex = |number| mutex.call(in_time(number), number);
    let contenders: [(&str, &(dyn Fn(u64) + Sync)); 3] =
        [("shared", &by_shared), ("mutex", &by_mutex), ("recloser", &by_peer)];
    for (name, call) in contenders {
        group.bench_function(format!("two_threads/{name}"), |bencher| {
            bencher.iter_custom(|rounds| race(rounds, call));
        });
    }
}

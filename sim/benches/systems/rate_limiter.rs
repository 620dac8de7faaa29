//! Rate limiters beside `governor`: one check on one thread, admitted and refused; two threads on one limiter, the
//! lock-free front beside a mutex around the plain one and beside governor; a keyed limiter, by one thread and by two.

use criterion::{BenchmarkId, Criterion};
use foreshock_systems::Time;
use foreshock_systems::rate_limiter::shared::{Shared, SharedGcra, SharedKeyed};
use foreshock_systems::rate_limiter::{Gcra, Keyed, KeyedConfig, Limiter, RateLimitConfig, TokenBucket};
use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// So many a second, and as many at once, that checks always pass.
const PLENTY: RateLimitConfig =
    RateLimitConfig { rate_per_s_milli: 1_000_000_000_000, burst: u32::MAX as u64 };

/// One a second and none besides: after the first all are refused.
const SCARCE: RateLimitConfig = RateLimitConfig { rate_per_s_milli: 1_000, burst: 1 };

const KEYS: u64 = 10_000;

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    one_thread(criterion, "admitted", PLENTY);
    one_thread(criterion, "refused", SCARCE);
    two_threads(criterion, "admitted", PLENTY);
    two_threads(criterion, "refused", SCARCE);
    keyed(criterion);
    keyed_by_two_threads(criterion);
}

/// The same limit for governor.
fn quota(config: RateLimitConfig) -> Quota {
    let interval = Duration::from_nanos(1_000_000_000_000 / config.rate_per_s_milli);
    let burst = NonZeroU32::new(config.burst as u32).expect("the burst is not zero");
    Quota::with_period(interval).expect("the interval is not zero").allow_burst(burst)
}

/// Governor under a clock that stands.
type Peer = RateLimiter<
    NotKeyed,
    InMemoryState,
    FakeRelativeClock,
    NoOpMiddleware<<FakeRelativeClock as Clock>::Instant>,
>;

/// Time stands at a second after the origin for all of them: none pays for reading a clock that the others do not read.
const NOW: Time = Time::from_nanos(1_000_000_000);

fn peer(config: RateLimitConfig) -> Peer {
    let clock = FakeRelativeClock::default();
    clock.advance(Duration::from_nanos(NOW.as_nanos()));
    RateLimiter::direct_with_clock(quota(config), clock)
}

/// A check of the peer that says how long to wait, as ours do.
fn with_wait(peer: &Peer) -> Result<(), Duration> {
    let from = black_box(NOW).as_nanos().into();
    peer.check().map_err(|not_until| not_until.wait_time_from(from))
}

fn one_thread(criterion: &mut Criterion, name: &str, config: RateLimitConfig) {
    let mut group = criterion.benchmark_group(format!("rate_limiter/{name}"));
    let mut bucket = TokenBucket::new(config, NOW);
    group.bench_function("token_bucket", |bencher| bencher.iter(|| bucket.check(black_box(NOW), 1)));
    let mut gcra = Gcra::new(config, NOW);
    group.bench_function("gcra", |bencher| bencher.iter(|| gcra.check(black_box(NOW), 1)));
    let shared = SharedGcra::new(config, NOW).expect("the config is in range");
    group.bench_function("shared_gcra", |bencher| bencher.iter(|| shared.check(black_box(NOW), 1)));
    let peer = peer(config);
    group.bench_function("governor", |bencher| bencher.iter(|| peer.check().is_ok()));
    // Its refusal says how long to wait only when asked; ours always does.
    group.bench_function("governor_with_wait", |bencher| bencher.iter(|| with_wait(&peer)));
    group.finish();
}

/// How long two threads take for `checks` each on the same limiter.
fn contended(checks: u64, check: impl Fn() -> bool + Sync) -> Duration {
    let barrier = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..checks {
                    black_box(check());
                }
            });
        }
        barrier.wait();
        Instant::now()
    })
    .elapsed()
}

fn two_threads(criterion: &mut Criterion, name: &str, config: RateLimitConfig) {
    let mut group = criterion.benchmark_group(format!("rate_limiter/two_threads/{name}"));
    let shared = SharedGcra::new(config, NOW).expect("the config is in range");
    group.bench_function("shared_gcra", |bencher| {
        bencher.iter_custom(|checks| contended(checks, || shared.check(black_box(NOW), 1).is_ok()));
    });
    let locked = Shared::new(Gcra::new(config, NOW));
    group.bench_function("shared", |bencher| {
        bencher.iter_custom(|checks| contended(checks, || locked.check(black_box(NOW), 1).is_ok()));
    });
    let mutex = Mutex::new(Gcra::new(config, NOW));
    group.bench_function("mutex_around_gcra", |bencher| {
        bencher.iter_custom(|checks| {
            contended(checks, || mutex.lock().is_ok_and(|mut gcra| gcra.check(black_box(NOW), 1).is_ok()))
        });
    });
    let peer = peer(config);
    group.bench_function("governor", |bencher| {
        bencher.iter_custom(|checks| contended(checks, || peer.check().is_ok()));
    });
    group.finish();
}

/// The key after `key`, by a stride that meets every key and never two neighbours.
const fn key_after(key: u64) -> u64 {
    (key + 7_919) % KEYS
}

fn keyed_peer() -> RateLimiter<u64, HashMapStateStore<u64>, FakeRelativeClock, NoMiddleware> {
    let clock = FakeRelativeClock::default();
    clock.advance(Duration::from_nanos(NOW.as_nanos()));
    RateLimiter::hashmap_with_clock(quota(PLENTY), clock)
}

/// Governor's middleware under its clock that stands.
type NoMiddleware = NoOpMiddleware<<FakeRelativeClock as Clock>::Instant>;

fn keyed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rate_limiter/keyed");
    let template = Gcra::new(PLENTY, NOW);
    let mut key = 0;
    let mut next_key = move || {
        key = key_after(key);
        key
    };
    let mut plain = Keyed::new(KeyedConfig::default(), template.clone(), NOW).expect("keys are allowed");
    group.bench_function(BenchmarkId::new("keyed", KEYS), |bencher| {
        bencher.iter(|| plain.check(black_box(NOW), Some(&next_key()), 1));
    });
    let shared = SharedKeyed::new(KeyedConfig::default(), &template, NOW).expect("keys are allowed");
    group.bench_function(BenchmarkId::new("shared_keyed", KEYS), |bencher| {
        bencher.iter(|| shared.check(black_box(NOW), Some(&next_key()), 1));
    });
    let peer = keyed_peer();
    group.bench_function(BenchmarkId::new("governor_hashmap", KEYS), |bencher| {
        bencher.iter(|| peer.check_key(&next_key()).is_ok());
    });
    group.finish();
}

/// How long two threads take for `checks` each, on keys in the same order and half of them apart.
fn contended_keys(checks: u64, check: impl Fn(u64) -> bool + Sync) -> Duration {
    let barrier = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        for first in [0, KEYS / 2] {
            let (barrier, check) = (&barrier, &check);
            scope.spawn(move || {
                barrier.wait();
                let mut key = first;
                for _ in 0..checks {
                    key = key_after(key);
                    black_box(check(key));
                }
            });
        }
        barrier.wait();
        Instant::now()
    })
    .elapsed()
}

fn keyed_by_two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rate_limiter/two_threads/keyed");
    let template = Gcra::new(PLENTY, NOW);
    let shared = SharedKeyed::new(KeyedConfig::default(), &template, NOW).expect("keys are allowed");
    group.bench_function("shared_keyed", |bencher| {
        bencher.iter_custom(|checks| {
            contended_keys(checks, |key| shared.check(black_box(NOW), Some(&key), 1).is_ok())
        });
    });
    let plain = Keyed::new(KeyedConfig::default(), template, NOW).expect("keys are allowed");
    let mutex = Mutex::new(plain);
    group.bench_function("mutex_around_keyed", |bencher| {
        bencher.iter_custom(|checks| {
            contended_keys(checks, |key| {
                mutex.lock().is_ok_and(|mut keyed| keyed.check(black_box(NOW), Some(&key), 1).is_ok())
            })
        });
    });
    let peer = keyed_peer();
    group.bench_function("governor_hashmap", |bencher| {
        bencher.iter_custom(|checks| contended_keys(checks, |key| peer.check_key(&key).is_ok()));
    });
    group.finish();
}

//! Caches beside quick_cache and moka: hits, and a skewed mix of hits, misses and evictions; one thread, and two on
//! one cache.

use criterion::{BenchmarkId, Criterion, Throughput};
use foreshock_systems::Time;
use foreshock_systems::cache::shared::SharedCache;
use foreshock_systems::cache::{Cache, CacheConfig, EvictionKind, Inserted};
use std::hint::black_box;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

const CAPACITY: usize = 10_000;
const NOW: Time = Time::ZERO;

/// Requests played in one iteration.
const REQUESTS: usize = 65_536;

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    hits(criterion);
    mixes(criterion);
    two_threads(criterion);
}

/// Keys with skew over five times the capacity: the product of two uniform draws.
fn skewed(seed: u64) -> Vec<u64> {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let range = 5 * CAPACITY as u64;
    (0..REQUESTS).map(|_| (draw() % range) * (draw() % range) / range).collect()
}

fn config(eviction: EvictionKind) -> CacheConfig {
    CacheConfig { capacity: CAPACITY as u64, eviction, ..CacheConfig::default() }
}

const POLICIES: [EvictionKind; 6] = [
    EvictionKind::Lru,
    EvictionKind::Clock,
    EvictionKind::Sieve,
    EvictionKind::S3Fifo,
    EvictionKind::Arc,
    EvictionKind::WTinyLfu,
];

fn hits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cache/get_hit");
    let keys: Vec<u64> = skewed(1).into_iter().map(|key| key % (CAPACITY as u64 / 2)).collect();
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for eviction in POLICIES {
        let mut cache = Cache::new(config(eviction));
        (0..CAPACITY as u64 / 2).for_each(|key| assert_eq!(cache.insert(NOW, key, key), Inserted::Added));
        group.bench_function(BenchmarkId::new("ours", eviction), |bencher| {
            bencher.iter(|| keys.iter().filter_map(|key| cache.get(NOW, key).hit().copied()).sum::<u64>());
        });
    }
    let mut unsync = quick_cache::unsync::Cache::new(CAPACITY);
    let sync = quick_cache::sync::Cache::new(CAPACITY);
    let moka = moka::sync::Cache::new(CAPACITY as u64);
    for key in 0..CAPACITY as u64 / 2 {
        unsync.insert(key, key);
        sync.insert(key, key);
        moka.insert(key, key);
    }
    group.bench_function("quick_cache/unsync", |bencher| {
        bencher.iter(|| keys.iter().filter_map(|key| unsync.get(key)).sum::<u64>());
    });
    group.bench_function("quick_cache/sync", |bencher| {
        bencher.iter(|| keys.iter().filter_map(|key| sync.get(key)).sum::<u64>());
    });
    group.bench_function("moka", |bencher| {
        bencher.iter(|| keys.iter().filter_map(|key| moka.get(key)).sum::<u64>());
    });
    group.finish();
}

fn mixes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cache/get_or_insert");
    let keys = skewed(2);
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for eviction in POLICIES {
        let mut cache: Cache<u64, u64> = Cache::new(config(eviction));
        group.bench_function(BenchmarkId::new("ours", eviction), |bencher| {
            bencher.iter(|| {
                for key in &keys {
                    if cache.get(NOW, key).hit().is_none() {
                        black_box(cache.insert(NOW, *key, *key));
                    }
                }
            });
        });
    }
    let mut unsync = quick_cache::unsync::Cache::new(CAPACITY);
    group.bench_function("quick_cache/unsync", |bencher| {
        bencher.iter(|| {
            for key in &keys {
                if black_box(unsync.get(key)).is_none() {
                    unsync.insert(*key, *key);
                }
            }
        });
    });
    let sync = quick_cache::sync::Cache::new(CAPACITY);
    group.bench_function("quick_cache/sync", |bencher| {
        bencher.iter(|| {
            for key in &keys {
                if black_box(sync.get(key)).is_none() {
                    sync.insert(*key, *key);
                }
            }
        });
    });
    let moka = moka::sync::Cache::new(CAPACITY as u64);
    group.bench_function("moka", |bencher| {
        bencher.iter(|| {
            for key in &keys {
                if black_box(moka.get(key)).is_none() {
                    moka.insert(*key, *key);
                }
            }
        });
    });
    group.finish();
}

/// Both threads play the same requests, one from the end, on one cache.
fn together(ask: impl Fn(u64) + Sync, keys: &[u64]) {
    thread::scope(|scope| {
        let other =
            thread::Builder::new().spawn_scoped(scope, || keys.iter().rev().for_each(|key| ask(*key)));
        keys.iter().for_each(|key| ask(*key));
        other.expect("a thread can be started").join().expect("it does not panic");
    });
}

fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cache/two_threads");
    group.throughput(Throughput::Elements(2 * REQUESTS as u64)).measurement_time(Duration::from_secs(3));
    let keys = skewed(3);
    let shared: SharedCache<u64, u64> = SharedCache::new(config(EvictionKind::Lru), 16);
    group.bench_function("ours/shared", |bencher| {
        bencher.iter(|| {
            let ask = |key| {
                if shared.get(NOW, &key).hit().is_none() {
                    black_box(shared.insert(NOW, key, key));
                }
            };
            together(ask, &keys);
        });
    });
    let locked: Mutex<Cache<u64, u64>> = Mutex::new(Cache::new(config(EvictionKind::Lru)));
    group.bench_function("ours/mutex", |bencher| {
        bencher.iter(|| {
            let ask = |key| {
                let is_there = locked.lock().expect("nobody panics").get(NOW, &key).hit().is_some();
                if !is_there {
                    black_box(locked.lock().expect("nobody panics").insert(NOW, key, key));
                }
            };
            together(ask, &keys);
        });
    });
    let quick = quick_cache::sync::Cache::new(CAPACITY);
    group.bench_function("quick_cache/sync", |bencher| {
        bencher.iter(|| {
            let ask = |key| {
                if black_box(quick.get(&key)).is_none() {
                    quick.insert(key, key);
                }
            };
            together(ask, &keys);
        });
    });
    let moka = moka::sync::Cache::new(CAPACITY as u64);
    group.bench_function("moka", |bencher| {
        bencher.iter(|| {
            let ask = |key| {
                if black_box(moka.get(&key)).is_none() {
                    moka.insert(key, key);
                }
            };
            together(ask, &keys);
        });
    });
    group.finish();
}

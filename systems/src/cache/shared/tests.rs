//! Several real threads at once; nothing here waits for time.

use super::*;
use crate::time::Span;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

const NOW: Time = Time::ZERO;

fn cache(capacity: u64, shards: u32) -> SharedCache<u64, u64> {
    SharedCache::new(CacheConfig { capacity, ..CacheConfig::default() }, shards)
}

#[test]
fn the_capacity_is_divided_without_loss_and_no_shard_is_without() {
    for (capacity, shards, expected) in
        [(1_000, 16, 16), (10, 3, 4), (3, 16, 2), (1, 8, 1), (0, 4, 1), (u64::MAX, 5, 8)]
    {
        let cache = cache(capacity, shards);
        let total: u128 = cache.shards.iter().map(|shard| u128::from(shard.lock().cache.capacity())).sum();
        assert_eq!((total, cache.shards_len()), (u128::from(capacity), expected), "{capacity} in {shards}");
    }
}

#[test]
fn threads_that_work_on_the_same_keys_never_see_a_foreign_value_or_too_many_entries() {
    let cache = cache(64, 4);
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for thread in 0..4u64 {
            let (cache, barrier) = (&cache, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for step in 0..5_000u64 {
                    let key = (step * 7 + thread * 13) % 200;
                    match step % 5 {
                        0 => drop(cache.remove(NOW, &key)),
                        1 | 2 => drop(cache.insert(NOW, key, key * 3)),
                        _ => assert!(cache.get(NOW, &key).hit().is_none_or(|value| value == key * 3)),
                    }
                }
            });
        }
    });
    let stats = cache.stats();
    assert!(cache.len() <= 64 && cache.weight() == cache.len());
    assert_eq!(stats.hits + stats.misses, 4 * 2_000);
}

#[test]
fn concurrent_misses_of_one_key_load_once_and_all_get_the_value() {
    let (cache, loads, barrier) = (cache(1_000, 4), AtomicU32::new(0), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for key in 0..50 {
                    barrier.wait();
                    let load = || {
                        loads.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                        Ok::<u64, ()>(key + 1)
                    };
                    assert_eq!(cache.get_or_load(NOW, &key, load), Ok(key + 1));
                }
            });
        }
    });
    assert_eq!((loads.into_inner(), cache.len()), (50, 50));
}

#[test]
fn a_failed_or_panicking_load_wakes_all_and_keeps_nothing() {
    let cache = cache(64, 1);
    for panics in [false, true] {
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            let loader = scope.spawn(|| {
                cache.get_or_load(NOW, &1, || {
                    // The other thread is about to join by now.
                    barrier.wait();
                    while cache.lock(0).loads.first().is_some_and(|load| Arc::strong_count(&load.ending) < 3)
                    {
                        thread::yield_now();
                    }
                    assert!(!panics, "on purpose");
                    Err::<u64, &str>("down")
                })
            });
            barrier.wait();
            let joined = cache.get_or_load(NOW, &1, || Err("never called"));
            assert_eq!(joined, Err(SharedLoadError::FailedElsewhere));
            let own = loader.join();
            assert_eq!(own.ok(), (!panics).then_some(Err(SharedLoadError::Failed("down"))));
        });
        assert!(cache.is_empty() && cache.lock(0).loads.is_empty());
    }
}

#[test]
fn what_a_load_finds_after_an_invalidation_is_handed_out_and_not_kept() {
    let cache = cache(64, 1);
    let invalidations: [&dyn Fn(); 4] = [
        &|| assert_eq!(cache.remove(NOW, &1), None),
        &|| cache.clear(),
        &|| assert_eq!(cache.remove_tagged(NOW, 5), 0),
        &|| assert_eq!(cache.remove_if(NOW, |_, _| false), 0),
    ];
    for invalidate in invalidations {
        let found = cache.get_or_load(NOW, &1, || {
            invalidate();
            Ok::<u64, ()>(10)
        });
        assert_eq!((found, cache.len()), (Ok(10), 0));
    }
    let found = cache.get_or_load(NOW, &1, || {
        cache.insert(NOW, 1, 11);
        Ok::<u64, ()>(10)
    });
    assert_eq!((found, cache.get(NOW, &1)), (Ok(10), Lookup::Hit(11)), "what was written meanwhile stays");
}

#[test]
fn all_shards_follow_a_new_config_and_expire() {
    let cache = cache(64, 4);
    (0..40).for_each(|key| assert_eq!(cache.insert(NOW, key, key), Inserted::Added));
    cache.reconfigure(CacheConfig { capacity: 16, ttl: Some(Span::from_secs(1)), ..CacheConfig::default() });
    assert_eq!((cache.len(), cache.expire(Time::MAX), cache.is_empty()), (16, 16, true));
}

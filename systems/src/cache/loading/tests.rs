//! Stampedes, wipes, stale values and leases; any history against what an origin really held.

use super::super::eviction::EvictionKind;
use super::*;
use proptest::prelude::*;

const fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

const fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

fn config(ttl_ms: u64) -> LoadingConfig {
    let cache =
        CacheConfig { capacity: 8, ttl: Some(ms(ttl_ms)), eviction: EvictionKind::Lru, ..Default::default() };
    LoadingConfig { cache, ..LoadingConfig::default() }
}

type Prices = LoadingCache<u64, u32, u32>;

/// Asks; the lease to load with.
fn lease(cache: &mut Prices, now: Time, key: u64) -> Lease {
    cache.get(now, &key, 0, 0).load.expect("nobody else loads it")
}

fn found(cache: &mut Prices, now: Time, key: u64) -> Found<u32> {
    cache.get(now, &key, 0, 0).found
}

fn value(cache: &mut Prices, now: Time, lease: Lease, value: u32) -> Option<Loaded<u64, u32, u32>> {
    cache.finish(now, lease, LoadResult::Value(value), &Terms::default())
}

fn fail(cache: &mut Prices, now: Time, lease: Lease) -> Option<Loaded<u64, u32, u32>> {
    cache.finish(now, lease, LoadResult::Failed, &Terms::default())
}

#[test]
fn a_stampede_on_an_expired_hot_key_loads_once() {
    let mut cache = Prices::new(config(100));
    let first = lease(&mut cache, at(0), 7);
    value(&mut cache, at(0), first, 1);
    // 2,000 requests a second while a load takes 50 ms.
    let mut leases = Vec::new();
    for waiter in 0..100 {
        let answer = cache.get(at(100) + Span::from_micros(500 * u64::from(waiter)), &7, 0, waiter);
        assert_eq!(answer.found, Found::Pending);
        leases.extend(answer.load);
    }
    assert_eq!((leases.len(), cache.loads_len()), (1, 1));
    let loaded = value(&mut cache, at(150), leases[0], 2).expect("it was under way");
    assert_eq!((loaded.waiters, loaded.found), ((0..100).collect(), Found::Fresh(2)));
    assert_eq!(found(&mut cache, at(151), 7), Found::Fresh(2));
    assert_eq!((cache.load_stats().begun, cache.load_stats().joined), (2, 99));
}

#[test]
fn a_failed_load_wakes_all_and_keeps_nothing() {
    let mut cache = Prices::new(config(100));
    let load = lease(&mut cache, at(0), 7);
    cache.get(at(1), &7, 0, 11);
    let loaded = fail(&mut cache, at(2), load).expect("it was under way");
    assert_eq!((loaded.waiters, loaded.found), (vec![0, 11], Found::Failed));
    assert!(cache.is_empty() && cache.get(at(2), &7, 0, 0).load.is_some());
    assert_eq!(fail(&mut cache, at(2), load), None, "a lease is good once");
}

#[test]
fn a_slow_load_delays_only_its_own_key_and_counts_as_failed_in_the_end() {
    let mut cache = Prices::new(LoadingConfig { load_timeout: Some(ms(30)), ..config(100) });
    let slow = lease(&mut cache, at(0), 1);
    let quick = lease(&mut cache, at(1), 2);
    value(&mut cache, at(2), quick, 20);
    assert_eq!(found(&mut cache, at(3), 2), Found::Fresh(20));
    assert_eq!((cache.deadline(), cache.expire(at(29))), (Some(at(30)), None));
    let late = cache.expire(at(30)).expect("it is late");
    assert_eq!((late.key, late.found, cache.expire(at(30))), (1, Found::Failed, None));
    assert_eq!(value(&mut cache, at(31), slow, 10), None, "its result comes too late");
    assert!(cache.get(at(31), &1, 0, 0).load.is_some());
    assert_eq!((cache.load_stats().timed_out, cache.load_stats().failed), (1, 1));
}

#[test]
fn absence_and_failure_are_remembered_for_as_long_as_the_config_says() {
    let negative =
        LoadingConfig { absent_ttl: Some(ms(10)), on_error: OnLoadError::Negative(ms(5)), ..config(100) };
    let mut cache = Prices::new(negative);
    let load = lease(&mut cache, at(0), 1);
    cache.finish(at(0), load, LoadResult::Absent, &Terms::default());
    assert_eq!((found(&mut cache, at(9), 1), found(&mut cache, at(10), 1)), (Found::Absent, Found::Pending));
    let load = lease(&mut cache, at(0), 2);
    fail(&mut cache, at(0), load);
    assert_eq!((found(&mut cache, at(4), 2), found(&mut cache, at(5), 2)), (Found::Failed, Found::Pending));
}

#[test]
fn what_the_origin_no_longer_has_is_not_served_any_longer() {
    let mut cache = Prices::new(LoadingConfig { refresh_after: Some(ms(50)), ..config(100) });
    let load = lease(&mut cache, at(0), 1);
    value(&mut cache, at(0), load, 10);
    let refresh = lease(&mut cache, at(60), 1);
    cache.finish(at(61), refresh, LoadResult::Absent, &Terms::default());
    assert_eq!(found(&mut cache, at(62), 1), Found::Pending);
}

#[test]
fn a_value_is_loaded_ahead_of_expiry_while_it_is_served() {
    let mut cache = Prices::new(LoadingConfig { refresh_after: Some(ms(60)), ..config(100) });
    let load = lease(&mut cache, at(0), 1);
    value(&mut cache, at(0), load, 10);
    assert_eq!(cache.get(at(59), &1, 0, 0), Answer { found: Found::Fresh(10), load: None });
    let refresh = cache.get(at(60), &1, 0, 0);
    assert_eq!(refresh.found, Found::Fresh(10));
    assert_eq!(cache.get(at(61), &1, 0, 0), Answer { found: Found::Fresh(10), load: None }, "one is enough");
    value(&mut cache, at(65), refresh.load.expect("it is due"), 11);
    assert_eq!(found(&mut cache, at(164), 1), Found::Fresh(11));
}

#[test]
fn a_stale_value_is_served_while_it_is_loaded_anew_and_when_that_fails() {
    let stale = LoadingConfig { stale_while_revalidate: ms(20), stale_if_error: ms(50), ..config(100) };
    let mut cache = Prices::new(stale);
    let load = lease(&mut cache, at(0), 1);
    value(&mut cache, at(0), load, 10);
    let answer = cache.get(at(119), &1, 0, 0);
    assert_eq!(answer.found, Found::Stale(10));
    assert_eq!(cache.get(at(120), &1, 0, 5).found, Found::Pending, "too old to be served unasked");
    let failed =
        fail(&mut cache, at(149), answer.load.expect("it is loaded anew")).expect("it was under way");
    assert_eq!((failed.waiters, failed.found), (vec![5], Found::Stale(10)));
    let load = lease(&mut cache, at(149), 1);
    assert_eq!(
        fail(&mut cache, at(150), load).map(|loaded| loaded.found),
        Some(Found::Failed),
        "too old for anything"
    );
}

#[test]
fn chance_loads_early_the_likelier_the_nearer_expiry_is() {
    let mut cache = Prices::new(LoadingConfig { early_expiry_milli: 1_000, ..config(100) });
    let load = lease(&mut cache, at(0), 1);
    value(&mut cache, at(10), load, 10);
    // The load took 10 ms; the value expires at 110 ms. At distance d the chance is exp(-d / 10 ms).
    for (now, expected) in [(at(60), 7), (at(100), 368), (at(109), 905)] {
        let early =
            (0..1_000u64).filter(|position| cache.expires_early(now, &1, ms(10), mixed(*position))).count();
        assert!(early.abs_diff(expected) < 45, "{early} of 1,000 at {now}, about {expected}");
    }
    assert_eq!(cache.get(at(11), &1, u64::MAX, 0).load, None, "the extremes of the word are safe");
    assert!(cache.get(at(109), &1, 0, 0).load.is_some());
}

#[test]
fn many_keys_are_asked_for_at_once() {
    let mut cache = Prices::new(config(100));
    let load = lease(&mut cache, at(0), 1);
    value(&mut cache, at(0), load, 10);
    let pending = lease(&mut cache, at(0), 2);
    let answers = cache.get_many(at(1), &[1, 2, 3, 3], 0, &9);
    let kinds: Vec<(Found<u32>, bool)> =
        answers.iter().map(|answer| (answer.found, answer.load.is_some())).collect();
    let waits = Found::Pending;
    assert_eq!(kinds, [(Found::Fresh(10), false), (waits, false), (waits, true), (waits, false)]);
    assert_eq!(value(&mut cache, at(2), pending, 20).map(|loaded| loaded.waiters), Some(vec![0, 9]));
}

#[test]
fn a_load_that_began_before_an_invalidation_answers_its_waiters_and_is_not_kept() {
    let everything = [
        Invalidation::Key(1),
        Invalidation::Tag(5),
        Invalidation::All,
        Invalidation::Older { key: 1, version: 3 },
    ];
    for what in everything {
        let mut cache = Prices::new(config(100));
        let terms = Terms { tags: &[5], version: 2, ..Terms::default() };
        let before = lease(&mut cache, at(0), 1);
        cache.invalidate(at(1), what.clone());
        let loaded = cache.finish(at(2), before, LoadResult::Value(10), &terms).expect("it was under way");
        assert_eq!((loaded.waiters, loaded.found, cache.len()), (vec![0], Found::Fresh(10), 0), "{what:?}");
        let after = lease(&mut cache, at(3), 1);
        cache.finish(at(4), after, LoadResult::Value(11), &Terms { version: 3, ..terms });
        assert_eq!(found(&mut cache, at(5), 1), Found::Fresh(11), "{what:?}");
        assert_eq!(cache.load_stats().outdated, 1);
    }
}

#[test]
fn who_asks_after_an_invalidation_never_joins_an_older_load() {
    let mut cache = Prices::new(config(100));
    let old = lease(&mut cache, at(0), 1);
    cache.put(at(1), 1, 20, &Terms::default());
    cache.invalidate(at(2), Invalidation::Key(1));
    let new = lease(&mut cache, at(3), 1);
    value(&mut cache, at(4), new, 30);
    value(&mut cache, at(5), old, 10);
    assert_eq!(found(&mut cache, at(6), 1), Found::Fresh(30));
    assert_eq!(cache.invalidate_if(at(6), |_, value| *value == 30), 1);
}

#[test]
fn invalidations_reach_the_other_nodes_by_broadcast() {
    let shared = LoadingConfig { broadcast: true, ..config(100) };
    let (mut here, mut there) = (Prices::new(shared), Prices::new(shared));
    there.put(at(0), 1, 10, &Terms { version: 1, ..Terms::default() });
    while there.take_broadcast().is_some() {}
    here.put(at(1), 1, 11, &Terms { version: 2, ..Terms::default() });
    let message = here.take_broadcast().expect("there is one");
    assert_eq!((&message, here.take_broadcast()), (&Invalidation::Older { key: 1, version: 2 }, None));
    for _ in 0..2 {
        there.handle_invalidation(at(2), &message);
    }
    assert_eq!((there.len(), there.take_broadcast()), (0, None), "what was heard is not said again");
}

#[test]
fn a_wipe_at_a_high_hit_ratio_multiplies_the_load_on_the_origin() {
    let mut cache =
        Prices::new(LoadingConfig { cache: CacheConfig { capacity: 100, ..config(1).cache }, ..config(1) });
    cache.reconfigure(LoadingConfig {
        cache: CacheConfig { ttl: None, capacity: 100, ..config(1).cache },
        ..config(1)
    });
    let loads = |cache: &mut Prices, from: u64| {
        let before = cache.load_stats().begun;
        for position in from..from + 100 {
            // Nine of ten requests for ten hot keys.
            let key = if position % 10 == 0 { 1_000 + position } else { mixed(position) % 10 };
            if let Some(lease) = cache.get(at(position), &key, 0, 0).load {
                value(cache, at(position), lease, 1);
            }
        }
        cache.load_stats().begun - before
    };
    loads(&mut cache, 0);
    let steady = loads(&mut cache, 100);
    cache.invalidate(at(200), Invalidation::All);
    let wiped = loads(&mut cache, 200);
    assert_eq!((steady, wiped), (10, 20));
}

#[test]
fn a_config_out_of_range_says_what_to_write() {
    let zero = Some(Span::ZERO);
    for refused in [
        LoadingConfig { refresh_after: Some(ms(100)), ..config(100) },
        LoadingConfig { load_timeout: zero, ..config(100) },
        LoadingConfig { absent_ttl: zero, ..config(100) },
        LoadingConfig { on_error: OnLoadError::Negative(Span::ZERO), ..config(100) },
        config(0),
    ] {
        assert!(refused.validate().is_err_and(|error| error.to_string().contains("use")), "{refused:?}");
        let mut harmless = Prices::new(refused);
        let load = lease(&mut harmless, at(0), 1);
        value(&mut harmless, at(0), load, 1);
        harmless.expire(Time::MAX);
    }
    assert_eq!(config(100).validate(), Ok(()));
}

/// What is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Invalidations are lost on the way to the cache, as in a partition.
    InvalidationLost,
    /// What a load brings is written although it may be outdated.
    NoLease,
    /// Each question starts a load of its own.
    NoSingleFlight,
}

/// Plays a history beside an origin that knows when each value was true. What went wrong, if anything.
fn misconduct(ttl: Span, swr: Span, fault: Fault, steps: &[(u8, u64, u64)]) -> Option<&'static str> {
    let mut base = config(1);
    base.cache.ttl = Some(ttl);
    let mut cache = Prices::new(LoadingConfig { stale_while_revalidate: swr, ..base });
    // The value of a key is the number of its writes; until when each but the last was true.
    let mut ended: Vec<Vec<Time>> = vec![Vec::new(); 4];
    let mut under_way: Vec<(Option<Lease>, u64, u32, Time)> = Vec::new();
    let (mut now, mut longest) = (Time::ZERO, Span::ZERO);
    for (what, key, pause_ms) in steps {
        now += ms(*pause_ms);
        let writes = &mut ended[*key as usize];
        match what {
            0..=4 => {
                let answer = cache.get(now, key, 0, 0);
                let asks_itself = fault == Fault::NoSingleFlight && answer.found == Found::Pending;
                if answer.load.is_some() || asks_itself {
                    under_way.push((answer.load, *key, writes.len() as u32, now));
                }
                let loads =
                    under_way.iter().filter(|load| load.1 == *key && load.2 as usize == writes.len()).count();
                if loads > 1 {
                    return Some("two loads of one key without a write between them");
                }
                if let Found::Fresh(value) | Found::Stale(value) = answer.found {
                    let untrue_since = writes.get(value as usize).copied();
                    let age = untrue_since.map_or(Span::ZERO, |since| now.since(since));
                    if age > ttl + swr + longest {
                        return Some("a value older than its time to live and one load");
                    }
                    if age > Span::ZERO && fault != Fault::InvalidationLost {
                        return Some("an older value after a write and its invalidation");
                    }
                }
            }
            5..=6 if !under_way.is_empty() => {
                let (lease, key, value, began) = under_way.remove(0);
                longest = longest.max(now.since(began));
                if fault == Fault::NoLease {
                    cache.put(now, key, value, &Terms::default());
                }
                if let Some(lease) = lease {
                    cache.finish(now, lease, LoadResult::Value(value), &Terms::default());
                }
            }
            7 => {
                writes.push(now);
                if fault != Fault::InvalidationLost {
                    cache.invalidate(now, Invalidation::Key(*key));
                }
            }
            _ => drop(cache.expire(now)),
        }
    }
    None
}

proptest! {
    #[test]
    fn no_older_value_after_an_invalidation_one_load_per_key_and_bounded_age_without(
        steps in prop::collection::vec((0u8..9, 0u64..4, 0u64..30), 0..200),
        ttl_ms in 1u64..80, swr_ms in 0u64..40,
    ) {
        let (ttl, swr) = (ms(ttl_ms), ms(swr_ms));
        prop_assert_eq!(misconduct(ttl, swr, Fault::None, &steps), None);
        prop_assert_eq!(misconduct(ttl, swr, Fault::InvalidationLost, &steps), None);
    }
}

#[test]
fn the_watch_over_the_origin_catches_lost_leases_and_double_loads() {
    // A load begins, a write and its invalidation pass, the load ends, somebody asks.
    let overtaken = [(0, 1, 0), (7, 1, 1), (5, 0, 1), (0, 1, 1)];
    let herd = [(0, 1, 0), (0, 1, 1)];
    assert_eq!(misconduct(ms(50), Span::ZERO, Fault::None, &overtaken), None);
    assert!(misconduct(ms(50), Span::ZERO, Fault::NoLease, &overtaken).is_some());
    assert_eq!(misconduct(ms(50), Span::ZERO, Fault::None, &herd), None);
    assert!(misconduct(ms(50), Span::ZERO, Fault::NoSingleFlight, &herd).is_some());
}

#[test]
fn a_snapshot_brings_back_values_as_old_as_they_were_and_no_failures() {
    let mut cache = Prices::new(LoadingConfig { on_error: OnLoadError::Negative(ms(500)), ..config(100) });
    for (key, price) in [(1, 10), (2, 20)] {
        let load = lease(&mut cache, at(0), key);
        value(&mut cache, at(10 * key), load, price);
    }
    let load = lease(&mut cache, at(30), 3);
    fail(&mut cache, at(30), load);
    assert_eq!(cache.iter(at(40)).collect::<Vec<_>>(), [(&1, &10), (&2, &20)]);
    let snapshot = cache.snapshot();
    assert_eq!(snapshot.entries.len(), 2, "the failure is not in it");

    let mut restored = Prices::new(config(100));
    let under_way = lease(&mut restored, at(50), 4);
    restored.restore(at(60), snapshot);
    assert_eq!((restored.peek(at(109), &1), restored.peek(at(110), &1)), (Some(&10), None), "written at 10");
    assert_eq!((restored.peek(at(119), &2), restored.has(&3)), (Some(&20), false));
    value(&mut restored, at(70), under_way, 40);
    assert_eq!(restored.peek(at(71), &4), Some(&40), "what was loading is kept");
}

#[test]
fn a_flush_forgets_values_and_not_the_loads_under_way() {
    let mut cache = Prices::new(config(100));
    let first = lease(&mut cache, at(0), 1);
    value(&mut cache, at(0), first, 10);
    let second = lease(&mut cache, at(1), 2);
    cache.clear();
    assert!(cache.is_empty() && cache.loads_len() == 1);
    let loaded = value(&mut cache, at(2), second, 20).expect("it goes on");
    assert_eq!((loaded.waiters, cache.peek(at(3), &2)), (vec![0], Some(&20)));
}

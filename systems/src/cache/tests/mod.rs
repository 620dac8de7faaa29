//! Stories of one cache, and any history against a list of all that was written.

mod model;
mod tiers;

use super::*;
use crate::time::{Span, Time};

const fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

const fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

fn config(capacity: u64, ttl_ms: u64, eviction: EvictionKind) -> CacheConfig {
    CacheConfig { capacity, ttl: (ttl_ms > 0).then(|| ms(ttl_ms)), eviction, ..CacheConfig::default() }
}

type Logged<V> = Cache<u64, V, RemovalLog<u64, V>>;

fn logged<V: Clone>(config: CacheConfig) -> Logged<V> {
    Cache::with_listener(config, RemovalLog::default())
}

/// What went since the last call.
fn gone<V: Clone>(cache: &mut Logged<V>) -> Vec<(u64, V, RemovalCause)> {
    let next = || cache.listener_mut().take();
    std::iter::from_fn(next).map(|removal| (removal.key, removal.value, removal.cause)).collect()
}

fn filled(eviction: EvictionKind) -> Logged<&'static str> {
    let mut cache = logged(config(3, 0, eviction));
    for (key, value) in [(1, "one"), (2, "two"), (3, "three")] {
        assert_eq!(cache.insert(at(0), key, value), Inserted::Added);
    }
    cache
}

#[test]
fn lru_evicts_what_was_not_used_for_longest() {
    let mut cache = filled(EvictionKind::Lru);
    assert_eq!(cache.get(at(0), &1), Lookup::Hit(&"one"));
    assert_eq!(cache.insert(at(0), 4, "four"), Inserted::Added);
    assert_eq!(gone(&mut cache), [(2, "two", RemovalCause::Size)]);
    assert_eq!(cache.insert(at(0), 3, "drei"), Inserted::Replaced("three"));
    assert_eq!(gone(&mut cache), [(3, "three", RemovalCause::Replaced)]);
    cache.insert(at(0), 5, "five");
    assert_eq!(gone(&mut cache), [(1, "one", RemovalCause::Size)]);
    assert_eq!((cache.get(at(0), &3).cloned(), cache.get(at(0), &1)), (Lookup::Hit("drei"), Lookup::Miss));
}

#[test]
fn fifo_evicts_what_came_first_however_much_it_is_used() {
    let mut cache = filled(EvictionKind::Fifo);
    assert_eq!(cache.get(at(0), &1), Lookup::Hit(&"one"));
    assert_eq!(cache.insert(at(0), 1, "uno"), Inserted::Replaced("one"));
    cache.insert(at(0), 4, "four");
    cache.insert(at(0), 5, "five");
    let size: Vec<u64> =
        gone(&mut cache).iter().filter(|gone| gone.2 == RemovalCause::Size).map(|gone| gone.0).collect();
    assert_eq!(size, [1, 2]);
}

#[test]
fn an_entry_as_old_as_its_ttl_is_never_returned() {
    let mut cache = logged(config(3, 100, EvictionKind::Lru));
    cache.insert(at(0), 1, 'a');
    cache.insert_with(at(0), 2, 'b', &Terms { ttl: Some(ms(300)), ..Terms::default() });
    assert_eq!(cache.get(at(99), &1), Lookup::Hit(&'a'));
    assert_eq!(cache.get(at(100), &1), Lookup::Expired);
    assert_eq!(gone(&mut cache), [(1, 'a', RemovalCause::Expired)]);
    assert_eq!(cache.get(at(100), &1), Lookup::Miss, "what expired is gone");
    assert_eq!(
        (cache.get(at(299), &2).cloned(), cache.contains(at(300), &2), cache.len()),
        (Lookup::Hit('b'), false, 1)
    );
    // Writing again takes the lifetime of the cache, from now.
    assert_eq!(cache.insert(at(300), 2, 'c'), Inserted::Replaced('b'));
    assert_eq!(gone(&mut cache), [(2, 'b', RemovalCause::Expired)], "it was written over after its time");
    assert_eq!(
        (cache.get(at(399), &2).cloned(), cache.get(at(400), &2)),
        (Lookup::Hit('c'), Lookup::Expired)
    );
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.expired, stats.evicted), (3, 3, 2, 0));
}

#[test]
fn a_use_puts_idle_expiry_off_but_not_the_expiry_by_age() {
    let idle = CacheConfig { time_to_idle: Some(ms(50)), ..config(3, 120, EvictionKind::Lru) };
    let mut cache = Cache::new(idle);
    cache.insert(at(0), 1, ());
    cache.insert(at(0), 2, ());
    assert_eq!(cache.get(at(49), &1), Lookup::Hit(&()));
    assert_eq!(cache.get(at(50), &2), Lookup::Expired, "nobody used it");
    assert_eq!(cache.get(at(98), &1), Lookup::Hit(&()));
    assert_eq!(cache.expiry(&1), Some(at(120)));
    assert_eq!(cache.get(at(120), &1), Lookup::Expired);
}

#[test]
fn jitter_spreads_what_was_written_together_and_never_lengthens_a_life() {
    let jittered = CacheConfig { ttl_jitter_ppm: 200_000, ..config(1_000, 1_000, EvictionKind::Lru) };
    let mut cache = Cache::new(jittered);
    (0..1_000u64).for_each(|key| assert_eq!(cache.insert(at(0), key, ()), Inserted::Added));
    let alive = |ms| (0..1_000u64).filter(|key| cache.contains(at(ms), key)).count();
    assert_eq!((alive(799), alive(1_000)), (1_000, 0));
    assert!((430..570).contains(&alive(900)), "{} of 1,000 at half of the spread", alive(900));
}

#[test]
fn expired_entries_leave_at_their_deadline_when_asked_to_and_not_before() {
    let mut cache = logged(CacheConfig { grace: ms(10), ..config(9, 100, EvictionKind::Lru) });
    cache.insert(at(0), 1, 'a');
    cache.insert(at(5), 2, 'b');
    assert_eq!(cache.deadline(), Some(at(110)));
    assert_eq!((cache.expire(at(109)), cache.expire(at(110)), cache.len()), (0, 1, 1));
    assert_eq!(gone(&mut cache), [(1, 'a', RemovalCause::Expired)]);
    // Written again, it is looked at when it would have left and stays until its new time.
    cache.insert(at(112), 2, 'c');
    assert_eq!((cache.expire(at(115)), cache.deadline(), cache.expire(at(222))), (0, Some(at(222)), 1));
    assert_eq!(cache.deadline(), None);
}

#[test]
fn a_stale_value_is_there_during_its_grace_only() {
    let mut cache = Cache::new(CacheConfig { grace: ms(20), ..config(3, 100, EvictionKind::Lru) });
    cache.insert(at(0), 1, 'a');
    assert_eq!(cache.stale(at(99), &1), None, "it is fresh");
    assert_eq!(cache.get(at(100), &1), Lookup::Expired);
    assert_eq!(cache.stale(at(119), &1), Some(Stale { value: &'a', expired_for: ms(19) }));
    assert_eq!(cache.stale(at(120), &1), None);
    assert_eq!((cache.get(at(120), &1).cloned(), cache.len()), (Lookup::Expired, 0));
}

#[test]
fn a_shorter_ttl_holds_for_what_is_there_already() {
    let mut cache = Cache::new(config(3, 30_000, EvictionKind::Lru));
    cache.insert(at(0), 1, ());
    cache.insert_with(at(0), 2, (), &Terms { ttl: Some(ms(9_000)), ..Terms::default() });
    cache.set_ttl(Some(ms(1_000)));
    assert_eq!(cache.deadline(), Some(at(1_000)));
    assert_eq!(
        (cache.get(at(2_000), &1).cloned(), cache.get(at(2_000), &2)),
        (Lookup::Expired, Lookup::Hit(&()))
    );
    cache.set_ttl(None);
    cache.insert(at(0), 1, ());
    assert_eq!(cache.get(Time::MAX, &1), Lookup::Hit(&()));
}

#[test]
fn a_clock_that_jumps_back_keeps_entries_and_panics_nowhere() {
    let mut cache =
        Cache::new(CacheConfig { time_to_idle: Some(ms(70)), ..config(3, 100, EvictionKind::Lru) });
    cache.insert(at(5_000), 1, ());
    assert_eq!(cache.get(at(10), &1), Lookup::Hit(&()));
    assert_eq!(cache.expire(Time::MAX), 1);
}

#[test]
fn weights_bound_what_is_kept_and_the_too_heavy_is_handed_back() {
    let mut cache = logged(config(10, 0, EvictionKind::Lru));
    let heavy = |weight| Terms { weight, ..Terms::default() };
    for key in 0..5 {
        cache.insert_with(at(0), key, 'x', &heavy(2));
    }
    assert_eq!((cache.len(), cache.weight()), (5, 10));
    cache.insert_with(at(0), 9, 'y', &heavy(5));
    assert_eq!((cache.len(), cache.weight(), gone(&mut cache).len()), (3, 9, 3));
    assert_eq!(cache.insert_with(at(0), 7, 'z', &heavy(11)), Inserted::Refused('z'));
    assert_eq!(cache.insert_with(at(0), 9, 'z', &heavy(u32::MAX)), Inserted::Refused('z'));
    assert_eq!(
        gone(&mut cache),
        [(9, 'y', RemovalCause::Replaced)],
        "and the value it should have replaced is gone"
    );
    // A value that grows pushes others out.
    cache.insert_with(at(0), 4, 'w', &heavy(9));
    assert_eq!((cache.len(), cache.weight(), cache.stats().refused), (1, 9, 2));
    assert_eq!(cache.stats().evicted_weight, 6 + 2);
}

#[test]
fn an_admission_filter_turns_away_what_is_rarer_than_its_victim() {
    let filtered = CacheConfig { admission: Admission::TinyLfu, ..config(2, 0, EvictionKind::Lru) };
    let mut cache = Cache::new(filtered);
    for key in [1, 2] {
        cache.insert(at(0), key, ());
        cache.get(at(0), &key);
    }
    assert_eq!(cache.insert(at(0), 3, ()), Inserted::Refused(()));
    assert!(cache.contains(at(0), &1) && cache.contains(at(0), &2));
    assert_eq!(cache.insert(at(0), 3, ()), Inserted::Refused(()), "seen as often as the victim");
    assert_eq!(cache.insert(at(0), 3, ()), Inserted::Added, "seen more often");
}

#[test]
fn tags_predicates_and_versions_pick_what_is_no_longer_true() {
    let mut cache = logged(config(9, 0, EvictionKind::Lru));
    let tagged = |tags| Terms { tags, ..Terms::default() };
    cache.insert_with(at(0), 1, "ann", &tagged(&[7, 8]));
    cache.insert_with(at(0), 2, "bob", &tagged(&[8]));
    cache.insert_with(at(0), 3, "cyd", &tagged(&[8]));
    cache.insert(at(0), 3, "cid");
    assert_eq!((cache.remove_tagged(at(0), 7), cache.remove_tagged(at(0), 7)), (1, 0));
    assert_eq!(cache.remove_tagged(at(0), 8), 1, "3 was written again without tags");
    assert_eq!(cache.remove_if(at(0), |key, value| *key == 3 && value.starts_with('c')), 1);
    let causes: Vec<RemovalCause> = gone(&mut cache).into_iter().map(|gone| gone.2).collect();
    let explicit = RemovalCause::Explicit;
    assert_eq!(causes, [RemovalCause::Replaced, explicit, explicit, explicit]);

    let version = |version| Terms { version, ..Terms::default() };
    cache.insert_with(at(0), 4, "new", &version(2));
    assert_eq!(cache.insert_with(at(0), 4, "old", &version(1)), Inserted::Outdated("old"));
    assert_eq!((cache.remove_older(at(0), &4, 2), cache.remove_older(at(0), &4, 3)), (None, Some("new")));
}

#[test]
fn removing_and_clearing_leave_room_and_are_reported() {
    let mut cache = filled(EvictionKind::Fifo);
    assert_eq!((cache.remove(at(0), &2), cache.remove(at(0), &2)), (Some("two"), None));
    assert_eq!(cache.insert(at(0), 4, "four"), Inserted::Added);
    cache.clear();
    assert!(cache.is_empty());
    assert_eq!(gone(&mut cache).len(), 4);
    for key in 0..4 {
        assert_eq!(cache.insert(at(0), key, "new"), Inserted::Added);
    }
    assert_eq!(gone(&mut cache), [(0, "new", RemovalCause::Size)]);
}

#[test]
fn a_new_config_evicts_what_no_longer_fits_and_hands_the_order_over() {
    let mut cache = filled(EvictionKind::Lru);
    assert_eq!(cache.get(at(0), &1), Lookup::Hit(&"one"));
    cache.reconfigure(config(2, 0, EvictionKind::Fifo));
    assert_eq!((cache.len(), cache.stats().evicted, cache.contains(at(0), &2)), (2, 1, false));
    assert_eq!(cache.get(at(0), &3), Lookup::Hit(&"three"), "which no longer saves it");
    cache.insert(at(0), 4, "four");
    assert!(!cache.contains(at(0), &3));
    cache.reconfigure(config(5, 0, EvictionKind::Fifo));
    assert_eq!((cache.insert(at(0), 5, "five"), cache.capacity()), (Inserted::Added, 5));
}

#[test]
fn every_policy_hands_over_to_every_other() {
    for (from, to) in EvictionKind::all().flat_map(|from| EvictionKind::all().map(move |to| (from, to))) {
        let mut cache = Cache::new(config(8, 0, from));
        for key in 0..30u64 {
            cache.insert(at(0), key % 11, ());
            cache.get(at(0), &(key % 3));
        }
        cache.reconfigure(config(8, 0, to));
        (100..110u64).for_each(|key| assert_eq!(cache.insert(at(0), key, ()), Inserted::Added));
        assert_eq!((cache.len(), cache.snapshot().entries.len()), (8, 8), "{from} to {to}");
    }
}

#[test]
fn a_config_out_of_range_is_refused_and_harmless() {
    let no_room = config(0, 0, EvictionKind::Lru);
    let no_lifetime = CacheConfig { ttl: Some(Span::ZERO), ..config(1, 0, EvictionKind::Lru) };
    let no_idling = CacheConfig { time_to_idle: Some(Span::ZERO), ..config(1, 0, EvictionKind::Lru) };
    let too_much_jitter = CacheConfig { ttl_jitter_ppm: 1_000_001, ..config(1, 5, EvictionKind::Lru) };
    let says = [
        (no_room, "use 1"),
        (no_lifetime, "leave it out"),
        (no_idling, "leave it out"),
        (too_much_jitter, "0 to"),
    ];
    for (refused, hint) in says {
        assert!(refused.validate().is_err_and(|error| error.to_string().contains(hint)));
    }
    assert_eq!(config(1, 1, EvictionKind::Fifo).validate(), Ok(()));

    for eviction in EvictionKind::all() {
        let mut nothing = Cache::new(CacheConfig { eviction, ..no_room });
        assert_eq!(nothing.insert(at(0), 1, 'a'), Inserted::Refused('a'));
        let mut endless = Cache::new(CacheConfig { capacity: u64::MAX, eviction, ..no_room });
        let heaviest = Terms { weight: u32::MAX, ..Terms::default() };
        (0..9).for_each(|key| assert_eq!(endless.insert_with(at(0), key, (), &heaviest), Inserted::Added));
        assert_eq!(endless.weight(), 9 * u64::from(u32::MAX));
    }
    let mut at_once = Cache::new(no_lifetime);
    at_once.insert(at(0), 1, 'a');
    assert_eq!(at_once.get(at(0), &1), Lookup::Expired);
    let mut jittered = Cache::new(too_much_jitter);
    jittered.insert(at(0), 1, 'a');
    assert_eq!(jittered.get(at(5), &1), Lookup::Expired);
}

/// An eviction from outside: the largest slot goes.
#[derive(Clone, Debug, Default)]
struct LargestSlot(Vec<u32>);

impl Eviction for LargestSlot {
    fn on_insert(&mut self, slot: u32, _incoming: Incoming) {
        self.0.push(slot);
    }
    fn on_hit(&mut self, _slot: u32) {}
    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        self.0.retain(|other| *other != slot);
    }
    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        Victim::from_slot(self.0.iter().max().copied())
    }
    fn clear(&mut self) {
        self.0.clear();
    }
    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

#[test]
fn an_eviction_of_your_own_decides_until_a_new_config_names_a_built_in() {
    let mut cache = Cache::with_eviction(config(2, 0, EvictionKind::Lru), Box::new(LargestSlot::default()));
    (0..4u64).for_each(|key| assert_eq!(cache.insert(at(0), key, ()), Inserted::Added));
    assert!(cache.contains(at(0), &0) && cache.contains(at(0), &3));
    cache.reconfigure(config(2, 0, EvictionKind::Lru));
    cache.insert(at(0), 4, ());
    assert!(cache.contains(at(0), &0) && !cache.contains(at(0), &3));
}

#[test]
fn keys_of_any_type_are_found_by_what_they_borrow_as() {
    let mut cache: Cache<String, u32> = Cache::new(CacheConfig { seed: 99, ..CacheConfig::default() });
    cache.insert(at(0), "ann".to_string(), 1);
    assert_eq!(cache.get(at(0), "ann"), Lookup::Hit(&1));
    assert_eq!(cache.get(at(0), "anna"), Lookup::Miss);
}

#[test]
fn a_closure_can_listen() {
    let mut causes = Vec::new();
    {
        let listen = |key: &u64, _: &(), cause: RemovalCause| causes.push((*key, cause));
        let mut cache = Cache::with_listener(config(1, 0, EvictionKind::Lru), listen);
        cache.insert(at(0), 1, ());
        cache.insert(at(0), 2, ());
    }
    assert_eq!(causes, [(1, RemovalCause::Size)]);
}

#[test]
fn che_s_approximation_holds_for_zipf_keys() {
    // 10,000 items, s = 0.8, room for 1,000: published for independent requests.
    let mut cumulative: Vec<f64> = Vec::new();
    (1..=10_000).fold(0.0, |sum, rank| {
        cumulative.push(sum + libm::pow(f64::from(rank), -0.8));
        *cumulative.last().unwrap_or(&0.0)
    });
    let total = cumulative[9_999];
    let key = |position: u64| {
        let uniform = (crate::key_hash::mixed(position) >> 11) as f64 / (1u64 << 53) as f64;
        cumulative.partition_point(|sum| *sum < uniform * total) as u64
    };
    let (warm_up, measured) = (100_000, 1_500_000);
    for (eviction, expected) in
        [(EvictionKind::Lru, 0.43666), (EvictionKind::Fifo, 0.394179), (EvictionKind::Random, 0.394179)]
    {
        let mut cache = Cache::new(config(1_000, 0, eviction));
        let mut hits = 0u32;
        for position in 0..warm_up + measured {
            let hit = cache.get(at(0), &key(position)).hit().is_some();
            if !hit {
                cache.insert(at(0), key(position), ());
            }
            hits += u32::from(hit && position >= warm_up);
        }
        let ratio = f64::from(hits) / measured as f64;
        assert!((ratio - expected).abs() < 0.005, "{eviction}: {ratio}, expected {expected}");
    }
}

//! Stories of one cache, and any history against a list of all that was written.

use super::*;
use proptest::prelude::*;

const fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

const fn config(capacity: u32, ttl_ms: u64, eviction: EvictionKind) -> CacheConfig {
    let ttl = if ttl_ms == 0 { None } else { Some(Span::from_millis(ttl_ms)) };
    CacheConfig { capacity, ttl, eviction }
}

fn filled(eviction: EvictionKind) -> Cache<&'static str> {
    let mut cache = Cache::new(config(3, 0, eviction));
    for (key, value) in [(1, "one"), (2, "two"), (3, "three")] {
        assert_eq!(cache.insert(at(0), key, value, None), Inserted::Added);
    }
    cache
}

#[test]
fn lru_evicts_what_was_not_used_for_longest() {
    let mut cache = filled(EvictionKind::Lru);
    assert_eq!(cache.get(at(0), 1), Lookup::Hit(&"one"));
    assert_eq!(cache.insert(at(0), 4, "four", None), Inserted::Evicted { key: 2, value: "two" });
    assert_eq!(cache.insert(at(0), 3, "drei", None), Inserted::Replaced("three"));
    assert_eq!(cache.insert(at(0), 5, "five", None), Inserted::Evicted { key: 1, value: "one" });
    assert_eq!((cache.get(at(0), 3).copied(), cache.get(at(0), 1)), (Lookup::Hit("drei"), Lookup::Miss));
}

#[test]
fn fifo_evicts_what_came_first_however_much_it_is_used() {
    let mut cache = filled(EvictionKind::Fifo);
    assert_eq!(cache.get(at(0), 1), Lookup::Hit(&"one"));
    assert_eq!(cache.insert(at(0), 1, "uno", None), Inserted::Replaced("one"));
    assert_eq!(cache.insert(at(0), 4, "four", None), Inserted::Evicted { key: 1, value: "uno" });
    assert_eq!(cache.insert(at(0), 5, "five", None), Inserted::Evicted { key: 2, value: "two" });
}

#[test]
fn an_entry_as_old_as_its_ttl_is_never_returned() {
    let mut cache = Cache::new(config(3, 100, EvictionKind::Lru));
    cache.insert(at(0), 1, 'a', None);
    cache.insert(at(0), 2, 'b', Some(Span::from_millis(300)));
    assert_eq!(cache.get(at(99), 1), Lookup::Hit(&'a'));
    assert_eq!(cache.get(at(100), 1), Lookup::Expired);
    assert_eq!(cache.get(at(100), 1), Lookup::Miss, "what expired is gone");
    assert_eq!(
        (cache.get(at(299), 2).copied(), cache.contains(at(300), 2), cache.len()),
        (Lookup::Hit('b'), false, 1)
    );
    // Writing again takes the lifetime of the cache, from now.
    assert_eq!(cache.insert(at(300), 2, 'c', None), Inserted::Replaced('b'));
    assert_eq!((cache.get(at(399), 2).copied(), cache.get(at(400), 2)), (Lookup::Hit('c'), Lookup::Expired));
    assert_eq!(cache.stats(), CacheStats { hits: 3, misses: 3, expired: 2, evicted: 0 });
}

#[test]
fn a_shorter_ttl_holds_for_what_is_there_already() {
    let mut cache = Cache::new(config(3, 30_000, EvictionKind::Lru));
    cache.insert(at(0), 1, (), None);
    cache.insert(at(0), 2, (), Some(Span::from_millis(9_000)));
    cache.set_ttl(Some(Span::from_millis(1_000)));
    assert_eq!(
        (cache.get(at(2_000), 1).copied(), cache.get(at(2_000), 2)),
        (Lookup::Expired, Lookup::Hit(&()))
    );
    cache.set_ttl(None);
    cache.insert(at(0), 1, (), None);
    assert_eq!(cache.get(Time::MAX, 1), Lookup::Hit(&()));
}

#[test]
fn a_clock_that_jumps_back_keeps_entries_and_panics_nowhere() {
    let mut cache = Cache::new(config(3, 100, EvictionKind::Lru));
    cache.insert(at(5_000), 1, (), None);
    assert_eq!(cache.get(at(10), 1), Lookup::Hit(&()));
}

#[test]
fn removing_and_clearing_leave_room() {
    let mut cache = filled(EvictionKind::Fifo);
    assert_eq!((cache.remove(2), cache.remove(2)), (Some("two"), None));
    assert_eq!(cache.insert(at(0), 4, "four", None), Inserted::Added);
    cache.clear();
    assert!(cache.is_empty());
    assert_eq!(cache.get(at(0), 1), Lookup::Miss);
    for key in 0..3 {
        assert_eq!(cache.insert(at(0), key, "new", None), Inserted::Added);
    }
    assert_eq!(cache.insert(at(0), 9, "more", None), Inserted::Evicted { key: 0, value: "new" });
}

#[test]
fn a_new_config_evicts_what_no_longer_fits_and_hands_the_order_over() {
    let mut cache = filled(EvictionKind::Lru);
    assert_eq!(cache.get(at(0), 1), Lookup::Hit(&"one"));
    cache.reconfigure(config(2, 0, EvictionKind::Fifo));
    assert_eq!((cache.len(), cache.stats().evicted, cache.contains(at(0), 2)), (2, 1, false));
    assert_eq!(cache.get(at(0), 3), Lookup::Hit(&"three"), "which no longer saves it");
    assert_eq!(cache.insert(at(0), 4, "four", None), Inserted::Evicted { key: 3, value: "three" });
    cache.reconfigure(config(5, 0, EvictionKind::Fifo));
    assert_eq!(cache.insert(at(0), 5, "five", None), Inserted::Added);
    assert_eq!(cache.capacity(), 5);
}

#[test]
fn a_config_out_of_range_is_refused_and_harmless() {
    for refused in [config(0, 0, EvictionKind::Lru), config(u32::MAX, 0, EvictionKind::Lru)] {
        assert!(refused.validate().is_err_and(|error| error.to_string().contains("use 1")));
    }
    let no_lifetime = CacheConfig { ttl: Some(Span::ZERO), ..config(1, 0, EvictionKind::Lru) };
    assert!(no_lifetime.validate().is_err_and(|error| error.to_string().contains("leave it out")));
    assert_eq!(config(1, 1, EvictionKind::Fifo).validate(), Ok(()));

    let mut nothing = Cache::new(config(0, 0, EvictionKind::Lru));
    assert_eq!(nothing.insert(at(0), 1, 'a', None), Inserted::Refused('a'));
    let mut at_once = Cache::new(no_lifetime);
    at_once.insert(at(0), 1, 'a', None);
    assert_eq!(at_once.get(at(0), 1), Lookup::Expired);
    let _ = Cache::<()>::new(config(u32::MAX, 0, EvictionKind::Lru));
}

/// An eviction from outside: the largest slot goes.
#[derive(Debug, Default)]
struct LargestSlot(Vec<u32>);

impl Eviction for LargestSlot {
    fn on_insert(&mut self, slot: u32, _key: u64) {
        self.0.push(slot);
    }
    fn on_hit(&mut self, _slot: u32) {}
    fn on_remove(&mut self, slot: u32) {
        self.0.retain(|other| *other != slot);
    }
    fn victim(&mut self) -> Option<u32> {
        self.0.iter().max().copied()
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

#[test]
fn an_eviction_of_your_own_decides_until_a_new_config_names_a_built_in() {
    let mut cache = Cache::with_eviction(config(2, 0, EvictionKind::Lru), Box::new(LargestSlot::default()));
    for key in 0..4 {
        cache.insert(at(0), key, (), None);
    }
    assert!(cache.contains(at(0), 0) && cache.contains(at(0), 3));
    cache.reconfigure(config(2, 0, EvictionKind::Lru));
    assert_eq!(cache.insert(at(0), 4, (), None), Inserted::Evicted { key: 3, value: () });
}

#[test]
fn a_loop_longer_than_the_capacity_never_hits_and_one_that_fits_always_does() {
    for eviction in [EvictionKind::Lru, EvictionKind::Fifo] {
        for (length, hits) in [(101, 0), (100, 900)] {
            let mut cache = Cache::new(config(100, 0, eviction));
            for request in 0..10 * length {
                if cache.get(at(0), request % length).hit().is_none() {
                    cache.insert(at(0), request % length, (), None);
                }
            }
            assert_eq!(cache.stats().hits, hits, "{eviction:?}, a loop of {length}");
        }
    }
}

/// Everything written, in the order in which it would go: the dumbest cache.
struct Plain {
    config: CacheConfig,
    list: Vec<(u64, Time, Option<Span>, u32)>,
    hit_moves: bool,
}

impl Plain {
    fn new(config: CacheConfig) -> Plain {
        Plain { config, list: Vec::new(), hit_moves: config.eviction == EvictionKind::Lru }
    }

    fn use_at(&mut self, position: usize) {
        if self.hit_moves {
            let entry = self.list.remove(position);
            self.list.push(entry);
        }
    }

    fn get(&mut self, now: Time, key: u64) -> Lookup<u32> {
        let Some(position) = self.list.iter().position(|entry| entry.0 == key) else { return Lookup::Miss };
        let (_, written, own_ttl, value) = self.list[position];
        if own_ttl.or(self.config.ttl).is_some_and(|ttl| now >= written + ttl) {
            self.list.remove(position);
            return Lookup::Expired;
        }
        self.use_at(position);
        Lookup::Hit(value)
    }

    fn insert(&mut self, now: Time, key: u64, value: u32, own_ttl: Option<Span>) -> Inserted<u32> {
        if let Some(position) = self.list.iter().position(|entry| entry.0 == key) {
            let former = std::mem::replace(&mut self.list[position], (key, now, own_ttl, value));
            self.use_at(position);
            return Inserted::Replaced(former.3);
        }
        let full = self.list.len() == self.config.capacity as usize;
        let gone = full.then(|| self.list.remove(0));
        self.list.push((key, now, own_ttl, value));
        gone.map_or(Inserted::Added, |(key, _, _, value)| Inserted::Evicted { key, value })
    }

    fn reconfigure(&mut self, config: CacheConfig) {
        let surplus = self.list.len().saturating_sub(config.capacity as usize);
        self.list.drain(..surplus);
        self.hit_moves = config.eviction == EvictionKind::Lru;
        self.config = config;
    }
}

prop_compose! {
    fn any_config()(
        capacity in 1u32..9, ttl_ms in prop_oneof![Just(0u64), 1u64..200], fifo in any::<bool>(),
    ) -> CacheConfig {
        config(capacity, ttl_ms, if fifo { EvictionKind::Fifo } else { EvictionKind::Lru })
    }
}

/// Plays a history on both; the first difference, if any.
fn difference(
    start: CacheConfig,
    later: CacheConfig,
    plain_moves: Option<bool>,
    steps: &[(u8, u64, u64)],
) -> Option<String> {
    let (mut cache, mut plain) = (Cache::new(start), Plain::new(start));
    plain.hit_moves = plain_moves.unwrap_or(plain.hit_moves);
    let (mut now, mut lookups) = (Time::ZERO, 0);
    for (position, (what, key, pause_ms)) in steps.iter().enumerate() {
        now += Span::from_millis(*pause_ms);
        let (value, key) = (position as u32, key.wrapping_mul(0x0101_0101_0101));
        let own_ttl = (what % 2 == 1).then(|| Span::from_millis(60));
        let (ours, theirs) = match what {
            0..=4 => {
                lookups += 1;
                let ours = format!("{:?}", cache.get(now, key));
                (ours, format!("{:?}", plain.get(now, key)))
            }
            5..=9 => {
                let ours = format!("{:?}", cache.insert(now, key, value, own_ttl));
                (ours, format!("{:?}", plain.insert(now, key, value, own_ttl)))
            }
            10 => {
                let found = plain.list.iter().position(|entry| entry.0 == key);
                let gone = found.map(|position| plain.list.remove(position).3);
                (format!("{:?}", cache.remove(key)), format!("{gone:?}"))
            }
            11 if pause_ms % 4 == 0 => {
                cache.clear();
                plain.list.clear();
                (String::new(), String::new())
            }
            _ => {
                let config = if pause_ms % 2 == 0 { later } else { start };
                cache.reconfigure(config);
                plain.reconfigure(config);
                (String::new(), String::new())
            }
        };
        let stats = cache.stats();
        let size = (cache.len() as usize, plain.list.len());
        if ours != theirs
            || size.0 != size.1
            || size.0 > cache.capacity() as usize
            || stats.hits + stats.misses != lookups
        {
            return Some(format!("step {position}: {ours} for {theirs}, {size:?}, {stats:?}"));
        }
    }
    None
}

fn any_steps() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
    prop::collection::vec((0u8..12, 0u64..14, prop_oneof![4 => 0u64..5, 1 => 0u64..90]), 0..250)
}

proptest! {
    #[test]
    fn a_cache_is_a_list_of_all_that_was_written(
        start in any_config(), later in any_config(), steps in any_steps(),
    ) {
        prop_assert_eq!(difference(start, later, None, &steps), None);
    }

    #[test]
    fn lru_misses_no_more_when_it_is_larger(
        keys in prop::collection::vec(0u64..30, 0..300), capacity in 1u32..20,
    ) {
        let misses = |capacity| {
            let mut cache = Cache::new(config(capacity, 0, EvictionKind::Lru));
            for key in &keys {
                if cache.get(at(0), *key).hit().is_none() {
                    cache.insert(at(0), *key, (), None);
                }
            }
            cache.stats().misses
        };
        prop_assert!(misses(capacity + 1) <= misses(capacity));
    }
}

#[test]
fn the_comparison_catches_a_hit_that_moves_in_fifo_and_one_that_does_not_in_lru() {
    // Fill, use the oldest, push one out.
    let steps: Vec<(u8, u64, u64)> = vec![(6, 1, 0), (6, 2, 0), (0, 1, 0), (6, 3, 0)];
    for (eviction, moves) in [(EvictionKind::Fifo, true), (EvictionKind::Lru, false)] {
        let config = config(2, 0, eviction);
        assert_eq!(difference(config, config, None, &steps), None);
        assert!(difference(config, config, Some(moves), &steps).is_some());
    }
}

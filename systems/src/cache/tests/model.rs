//! Any history of a cache beside a list of all that was written, searched from end to end; every removal accounted
//! for; broken variants of the list that the comparison catches.

use super::*;
use proptest::prelude::*;

/// What is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// An entry is still fresh at its expiry.
    ExpiryOffByOne,
    /// A hit moves the entry in FIFO.
    HitMovesInFifo,
    /// A hit does not move the entry in LRU.
    HitStaysInLru,
    /// An eviction goes unreported.
    EvictionUnreported,
    /// An expired entry that is written over counts as replaced.
    WrongCause,
    /// A use does not put idle expiry off.
    UseForgotten,
}

#[derive(Clone)]
struct Entry {
    key: u64,
    value: u32,
    written: Time,
    used: Time,
    own_ttl: Option<Span>,
    weight: u32,
    tag: u64,
}

/// Everything written, in the order in which it would go: the dumbest cache.
struct Plain {
    config: CacheConfig,
    list: Vec<Entry>,
    fault: Fault,
    removals: Vec<(u64, u32, RemovalCause)>,
}

impl Plain {
    fn new(config: CacheConfig, fault: Fault) -> Plain {
        Plain { config, list: Vec::new(), fault, removals: Vec::new() }
    }

    fn find(&self, key: u64) -> Option<usize> {
        self.list.iter().position(|entry| entry.key == key)
    }

    fn expiry(&self, entry: &Entry) -> Time {
        let by_age = entry.own_ttl.or(self.config.ttl).map_or(Time::MAX, |ttl| entry.written + ttl);
        let by_use = self.config.time_to_idle.map_or(Time::MAX, |idle| entry.used + idle);
        by_age.min(by_use)
    }

    fn is_expired(&self, now: Time, entry: &Entry) -> bool {
        let expiry = self.expiry(entry);
        expiry != Time::MAX && if self.fault == Fault::ExpiryOffByOne { now > expiry } else { now >= expiry }
    }

    fn is_over(&self, now: Time, entry: &Entry) -> bool {
        self.expiry(entry) != Time::MAX && now >= self.expiry(entry) + self.config.grace
    }

    fn drop_at(&mut self, place: usize, cause: RemovalCause) -> Entry {
        let entry = self.list.remove(place);
        if !(self.fault == Fault::EvictionUnreported && cause == RemovalCause::Size) {
            self.removals.push((entry.key, entry.value, cause));
        }
        entry
    }

    fn use_at(&mut self, place: usize) {
        let moves = match self.config.eviction {
            EvictionKind::Lru => self.fault != Fault::HitStaysInLru,
            _ => self.fault == Fault::HitMovesInFifo,
        };
        if moves {
            let entry = self.list.remove(place);
            self.list.push(entry);
        }
    }

    fn get(&mut self, now: Time, key: u64) -> Lookup<u32> {
        let Some(place) = self.find(key) else { return Lookup::Miss };
        if self.is_expired(now, &self.list[place]) {
            if self.is_over(now, &self.list[place]) {
                self.drop_at(place, RemovalCause::Expired);
            }
            return Lookup::Expired;
        }
        // Uses are not kept while nothing depends on them.
        if self.fault != Fault::UseForgotten && self.config.time_to_idle.is_some() {
            self.list[place].used = now;
        }
        let value = self.list[place].value;
        self.use_at(place);
        Lookup::Hit(value)
    }

    fn loss(&self, now: Time, place: usize, cause: RemovalCause) -> RemovalCause {
        let expired = self.is_expired(now, &self.list[place]) && self.fault != Fault::WrongCause;
        if expired { RemovalCause::Expired } else { cause }
    }

    fn weight(&self) -> u64 {
        self.list.iter().map(|entry| u64::from(entry.weight)).sum()
    }

    fn shrink_to(&mut self, weight: u64) {
        while self.weight() > weight {
            self.drop_at(0, RemovalCause::Size);
        }
    }

    fn insert(&mut self, now: Time, entry: Entry) -> Inserted<u32> {
        let too_heavy = u64::from(entry.weight) > self.config.capacity;
        if let Some(place) = self.find(entry.key) {
            let cause = self.loss(now, place, RemovalCause::Replaced);
            if too_heavy {
                self.drop_at(place, cause);
                return Inserted::Refused(entry.value);
            }
            let former = std::mem::replace(&mut self.list[place], entry);
            self.removals.push((former.key, former.value, cause));
            self.use_at(place);
            self.shrink_to(self.config.capacity);
            return Inserted::Replaced(former.value);
        }
        if too_heavy {
            return Inserted::Refused(entry.value);
        }
        self.shrink_to(self.config.capacity - u64::from(entry.weight));
        self.list.push(entry);
        Inserted::Added
    }

    fn remove_where(&mut self, now: Time, picks: impl Fn(&Plain, &Entry) -> bool) -> u32 {
        let mut removed = 0;
        while let Some(place) = self.list.iter().position(|entry| picks(self, entry)) {
            let cause = self.loss(now, place, RemovalCause::Explicit);
            self.drop_at(place, cause);
            removed += 1;
        }
        removed
    }
}

/// One step: what, which key, how much time passes before it, and a weight.
type Step = (u8, u64, u64, u32);

prop_compose! {
    fn any_config()(
        capacity in 1u64..12, ttl_ms in prop_oneof![Just(0u64), 1u64..200], fifo in any::<bool>(),
        idle_ms in prop_oneof![2 => Just(0u64), 1 => 1u64..100], grace_ms in prop_oneof![Just(0u64), 1u64..50],
    ) -> CacheConfig {
        let eviction = if fifo { EvictionKind::Fifo } else { EvictionKind::Lru };
        let time_to_idle = (idle_ms > 0).then(|| ms(idle_ms));
        CacheConfig { time_to_idle, grace: ms(grace_ms), ..config(capacity, ttl_ms, eviction) }
    }
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![4 => 0u64..5, 1 => 0u64..90];
    prop::collection::vec((0u8..14, 0u64..14, pause, 1u32..4), 0..250)
}

fn step(
    cache: &mut Logged<u32>,
    plain: &mut Plain,
    now: Time,
    position: u32,
    step: Step,
    configs: [CacheConfig; 2],
) -> (String, String) {
    let (what, key, pause_ms, weight) = step;
    let key = key.wrapping_mul(0x0101_0101_0101);
    match what {
        0..=4 => (format!("{:?}", cache.get(now, &key).cloned()), format!("{:?}", plain.get(now, key))),
        5..=8 => {
            let own_ttl = (what % 2 == 1).then(|| ms(60));
            let tag = u64::from(weight);
            let terms = Terms { ttl: own_ttl, weight, tags: &[tag], version: 0 };
            let entry = Entry { key, value: position, written: now, used: now, own_ttl, weight, tag };
            let ours = cache.insert_with(now, key, position, &terms);
            (format!("{ours:?}"), format!("{:?}", plain.insert(now, entry)))
        }
        9 => {
            let ours = cache.remove(now, &key).is_some();
            (format!("{ours}"), format!("{}", plain.remove_where(now, |_, entry| entry.key == key) == 1))
        }
        10 => {
            let tag = u64::from(weight);
            let ours = cache.remove_tagged(now, tag);
            (format!("{ours}"), format!("{}", plain.remove_where(now, |_, entry| entry.tag == tag)))
        }
        11 => {
            let ours = cache.expire(now);
            (
                format!("{ours}"),
                format!("{}", plain.remove_where(now, |plain, entry| plain.is_over(now, entry))),
            )
        }
        12 if pause_ms % 4 == 0 => {
            cache.clear();
            plain.remove_where(Time::ZERO, |_, _| true);
            (String::new(), String::new())
        }
        12 => {
            let ours = cache.stale(now, &key).map(|stale| *stale.value);
            let kept = |entry: &&Entry| plain.is_expired(now, entry) && !plain.is_over(now, entry);
            let place = plain.find(key).map(|place| &plain.list[place]);
            (format!("{ours:?}"), format!("{:?}", place.filter(kept).map(|entry| entry.value)))
        }
        _ => {
            let config = configs[(pause_ms % 2) as usize];
            cache.reconfigure(config);
            plain.config = config;
            plain.shrink_to(config.capacity);
            (String::new(), String::new())
        }
    }
}

/// Plays a history on both; the first difference, if any.
fn difference(configs: [CacheConfig; 2], fault: Fault, steps: &[Step]) -> Option<String> {
    let (mut cache, mut plain) = (logged::<u32>(configs[0]), Plain::new(configs[0], fault));
    let (mut now, mut lookups, mut inserted, mut removed) = (Time::ZERO, 0, 0usize, 0usize);
    for (position, one) in (0u32..).zip(steps) {
        now += ms(one.2);
        lookups += u64::from(one.0 < 5);
        let (ours, theirs) = step(&mut cache, &mut plain, now, position, *one, configs);
        inserted += usize::from(ours.starts_with("Added") || ours.starts_with("Replaced"));
        let (mut went, mut should) = (gone(&mut cache), std::mem::take(&mut plain.removals));
        removed += went.len();
        // Clearing and sweeping may go in any order.
        went.sort_unstable();
        should.sort_unstable();
        let stats = cache.stats();
        let size = (cache.len() as usize, plain.list.len(), cache.weight(), plain.weight());
        let holds = ours == theirs
            && (one.0 == 12 || went == should)
            && (size.0, size.2) == (size.1, size.3)
            && size.2 <= cache.capacity()
            && inserted == removed + size.0
            && stats.hits + stats.misses == lookups;
        if !holds {
            return Some(format!(
                "step {position} {one:?}: {ours}, not {theirs}; went {went:?}, not {should:?}; {size:?}"
            ));
        }
    }
    None
}

proptest! {
    #[test]
    fn a_cache_is_a_list_of_all_that_was_written(
        start in any_config(), later in any_config(), steps in any_steps(),
    ) {
        prop_assert_eq!(difference([start, later], Fault::None, &steps), None);
    }

    #[test]
    fn a_restored_snapshot_and_a_clone_go_on_as_the_original_would(
        start in any_config(), before in any_steps(), after in any_steps(),
    ) {
        let mut original = logged::<u32>(start);
        let mut now = Time::ZERO;
        let play = |cache: &mut Logged<u32>, now: &mut Time, steps: &[Step]| {
            steps.iter().map(|one| {
                *now += ms(one.2);
                let mut unused = Plain::new(start, Fault::None);
                step(cache, &mut unused, *now, 7, (one.0.min(11), one.1, one.2, one.3), [start; 2]).0
            }).collect::<Vec<_>>()
        };
        play(&mut original, &mut now, &before);
        let mut restored = logged::<u32>(start);
        restored.restore(now, original.snapshot());
        let mut copy = original.clone();
        let (mut second, mut third) = (now, now);
        let expected = play(&mut original, &mut now, &after);
        prop_assert_eq!(play(&mut copy, &mut second, &after), expected.clone());
        // LRU and FIFO remember nothing but their entries, so a snapshot is as good as a clone.
        prop_assert_eq!(play(&mut restored, &mut third, &after), expected);
    }
}

#[test]
fn the_comparison_catches_every_fault() {
    let lru = config(2, 0, EvictionKind::Lru);
    let fifo = config(2, 0, EvictionKind::Fifo);
    let timed = config(2, 10, EvictionKind::Lru);
    let idle = CacheConfig { time_to_idle: Some(ms(10)), ..lru };
    let fill_use_oldest_push_one_out = [(6, 1, 0, 1), (6, 2, 0, 1), (0, 1, 0, 1), (6, 3, 0, 1)];
    let cases: [(Fault, CacheConfig, &[Step]); 6] = [
        (Fault::HitMovesInFifo, fifo, &fill_use_oldest_push_one_out),
        (Fault::HitStaysInLru, lru, &fill_use_oldest_push_one_out),
        (Fault::EvictionUnreported, lru, &fill_use_oldest_push_one_out),
        (Fault::ExpiryOffByOne, timed, &[(6, 1, 0, 1), (0, 1, 10, 1)]),
        (Fault::WrongCause, timed, &[(6, 1, 0, 1), (6, 1, 10, 1)]),
        (Fault::UseForgotten, idle, &[(6, 1, 0, 1), (0, 1, 9, 1), (0, 1, 9, 1)]),
    ];
    for (fault, config, steps) in cases {
        assert_eq!(difference([config; 2], Fault::None, steps), None);
        assert!(difference([config; 2], fault, steps).is_some(), "{fault:?} goes unnoticed");
    }
}

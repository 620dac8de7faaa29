//! Every policy against a second, dumber one that keeps whole keys in plain vectors; broken variants that the
//! comparison catches; laws that hold for all policies.

use super::super::config::CacheConfig;
use super::super::core::Cache;
use super::*;
use crate::key_hash::mixed;
use crate::time::Time;
use proptest::prelude::*;
use std::collections::BTreeMap;

mod naive;

use naive::{Naive, naive};

fn config(capacity: u64, eviction: EvictionKind) -> CacheConfig {
    CacheConfig { capacity, eviction, ..CacheConfig::default() }
}

/// Whether each request hits, inserting on a miss.
fn hits(mut cache: Cache<u64, u64>, keys: &[u64]) -> Vec<bool> {
    let mut request = |key: &u64| {
        let hit = cache.get(Time::ZERO, key).hit().map(|value| assert_eq!(value, key)).is_some();
        if !hit {
            cache.insert(Time::ZERO, *key, *key);
        }
        assert!(cache.weight() <= cache.capacity(), "never more than the capacity");
        hit
    };
    keys.iter().map(&mut request).collect()
}

fn naive_hits(mut policy: Box<dyn Naive>, keys: &[u64]) -> Vec<bool> {
    keys.iter().map(|key| policy.request(*key)).collect()
}

fn misses(hits: &[bool]) -> u64 {
    hits.iter().filter(|hit| !**hit).count() as u64
}

/// Random keys, runs of neighbours and loops: what tells policies apart.
fn any_trace() -> impl Strategy<Value = Vec<u64>> {
    let part = prop_oneof![
        3 => prop::collection::vec(0u64..12, 1..20),
        1 => (0u64..20, 1u64..15).prop_map(|(from, length)| (from..from + length).collect()),
        1 => (0u64..20, 1u64..9, 2usize..4)
            .prop_map(|(from, length, times)| (0..times).flat_map(|_| from..from + length).collect()),
        1 => (0u64..12, 1usize..5).prop_map(|(key, times)| vec![key; times]),
    ];
    prop::collection::vec(part, 0..16).prop_map(|parts: Vec<Vec<u64>>| parts.concat())
}

proptest! {
    #[test]
    fn every_policy_with_a_dumber_twin_hits_exactly_where_that_does(trace in any_trace(), capacity in 1u64..12) {
        for kind in EvictionKind::all() {
            if let Some(twin) = naive(kind, capacity as usize) {
                let ours = hits(Cache::new(config(capacity, kind)), &trace);
                prop_assert_eq!(ours, naive_hits(twin, &trace), "{}", kind);
            }
        }
    }

    #[test]
    fn no_policy_beats_belady(trace in any_trace(), capacity in 1u64..12) {
        let bound = optimal_misses(&trace, capacity as usize);
        let optimal = Cache::with_eviction(config(capacity, EvictionKind::Lru), Box::new(Optimal::new(&trace)));
        prop_assert_eq!(misses(&hits(optimal, &trace)), bound, "the bound is reached");
        for kind in EvictionKind::all() {
            let got = misses(&hits(Cache::new(config(capacity, kind)), &trace));
            prop_assert!(got >= bound, "{}: {} misses, at least {}", kind, got, bound);
        }
    }

    #[test]
    fn belady_is_the_best_of_all_choices(trace in prop::collection::vec(0u64..5, 0..9), capacity in 1usize..4) {
        prop_assert_eq!(optimal_misses(&trace, capacity), fewest_misses(&trace, &mut Vec::new(), capacity));
    }

    #[test]
    fn lru_misses_fall_or_stay_when_the_capacity_grows(trace in any_trace(), capacity in 1u64..12) {
        let smaller = misses(&hits(Cache::new(config(capacity, EvictionKind::Lru)), &trace));
        let larger = misses(&hits(Cache::new(config(capacity + 1, EvictionKind::Lru)), &trace));
        prop_assert!(larger <= smaller);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_history_of_weights_removals_and_capacities_keeps_every_policy_consistent(
        steps in prop::collection::vec((0u8..9, 0u64..16, 1u32..6), 0..300),
        capacity in 0u64..20,
        other in 0u64..20,
        filter in any::<bool>(),
    ) {
        for kind in EvictionKind::all() {
            let admission = if filter { Admission::TinyLfu } else { Admission::All };
            consistent(CacheConfig { admission, ..config(capacity, kind) }, other, &steps);
        }
    }
}

/// Plays a history; panics where the cache and a map of what was written disagree.
fn consistent(start: CacheConfig, other_capacity: u64, steps: &[(u8, u64, u32)]) {
    let mut cache: Cache<u64, usize> = Cache::new(start);
    let mut written: BTreeMap<u64, usize> = BTreeMap::new();
    for (position, (what, key, weight)) in steps.iter().enumerate() {
        match what {
            0..=3 => {
                if let Some(found) = cache.get(Time::ZERO, key).hit() {
                    assert_eq!(Some(found), written.get(key), "{start:?}");
                }
            }
            4..=6 => {
                let terms = super::super::Terms { weight: *weight, ..Default::default() };
                cache.insert_with(Time::ZERO, *key, position, &terms);
                written.insert(*key, position);
            }
            7 => {
                cache.remove(Time::ZERO, key);
                assert!(!cache.contains(Time::ZERO, key));
            }
            _ => {
                let capacity = if weight % 2 == 0 { other_capacity } else { start.capacity };
                cache.reconfigure(CacheConfig { capacity, ..start });
            }
        }
        assert!(cache.weight() <= cache.capacity(), "{start:?}");
        assert_eq!(cache.iter(Time::ZERO).count(), cache.len() as usize);
        assert!(cache.iter(Time::ZERO).all(|(key, value)| written.get(key) == Some(value)), "{start:?}");
        // The policy knows each entry exactly once.
        assert_eq!(cache.snapshot().entries.len(), cache.len() as usize, "{start:?}");
    }
}

/// By trying every victim.
fn fewest_misses(trace: &[u64], kept: &mut Vec<u64>, capacity: usize) -> u64 {
    let Some((key, rest)) = trace.split_first() else { return 0 };
    if kept.contains(key) {
        return fewest_misses(rest, kept, capacity);
    }
    if kept.len() < capacity {
        kept.push(*key);
        let misses = fewest_misses(rest, kept, capacity);
        kept.pop();
        return 1 + misses;
    }
    let with_victim = |place: usize| {
        let mut other = kept.clone();
        other[place] = *key;
        fewest_misses(rest, &mut other, capacity)
    };
    1 + (0..capacity).map(with_victim).min().unwrap_or(0)
}

/// What is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// After each eviction the hand of SIEVE starts at the oldest again.
    HandResets,
    /// A hit moves the entry to the back, as if it were new.
    HitMoves,
    /// A hit is not noticed.
    HitForgotten,
    /// Every second choice is followed by another victim being named: the policy's own is skipped.
    SecondChoice,
}

/// A policy with a fault.
#[derive(Debug)]
struct Broken {
    inner: Box<dyn Eviction>,
    fault: Fault,
    kind: EvictionKind,
    known: Vec<(u32, Incoming)>,
    evictions: u64,
}

impl Broken {
    fn new(kind: EvictionKind, capacity: u64, fault: Fault) -> Box<Broken> {
        Box::new(Broken { inner: kind.build(capacity, 0), fault, kind, known: Vec::new(), evictions: 0 })
    }
}

impl Eviction for Broken {
    fn on_arrival(&mut self, incoming: Incoming) {
        self.inner.on_arrival(incoming);
    }
    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        self.known.push((slot, incoming));
        self.inner.on_insert(slot, incoming);
    }
    fn on_hit(&mut self, slot: u32) {
        match self.fault {
            Fault::HitForgotten => {}
            Fault::HitMoves => {
                let incoming = self.known.iter().find(|known| known.0 == slot).expect("it is known").1;
                self.inner.on_remove(slot, Departure::Withdrawn);
                self.inner.on_insert(slot, incoming);
            }
            Fault::None | Fault::HandResets | Fault::SecondChoice => self.inner.on_hit(slot),
        }
    }
    fn on_remove(&mut self, slot: u32, departure: Departure) {
        self.known.retain(|known| known.0 != slot);
        self.inner.on_remove(slot, departure);
        if self.fault == Fault::HandResets && self.kind == EvictionKind::Sieve {
            // A new SIEVE over the same entries has its hand at the oldest; bits are lost with it only where the old
            // hand had cleared them, which is the fault.
            let mut fresh = Sieve::default();
            self.known.iter().for_each(|(slot, incoming)| fresh.on_insert(*slot, *incoming));
            self.inner = Box::new(fresh);
        }
    }
    fn victim(&mut self, incoming: Option<Incoming>) -> Victim {
        self.evictions += 1;
        let victim = self.inner.victim(incoming);
        if self.fault == Fault::SecondChoice && self.evictions.is_multiple_of(2) {
            let other = self.known.iter().find(|known| Victim::Slot(known.0) != victim);
            return other.map_or(victim, |known| Victim::Slot(known.0));
        }
        victim
    }
    fn clear(&mut self) {
        self.known.clear();
        self.inner.clear();
    }
    fn boxed_clone(&self) -> Box<dyn Eviction> {
        let inner = self.inner.boxed_clone();
        Box::new(Broken { inner, known: self.known.clone(), ..*self })
    }
}

/// A trace with skew, scans and loops, long enough for every rule to matter.
fn long_trace() -> Vec<u64> {
    let word = |position: u64| mixed(position ^ 0xFEED);
    let key = |position: u64| match position % 100 {
        60..80 => 1_000 + position % 37,
        _ => (word(position) % 40).min(word(position + 1_000_000) % 40),
    };
    (0..3_000).map(key).collect()
}

#[test]
fn the_comparison_with_the_dumber_twin_catches_every_broken_policy() {
    let trace = long_trace();
    let faults = [
        (EvictionKind::Sieve, Fault::HandResets),
        (EvictionKind::Fifo, Fault::HitMoves),
        (EvictionKind::Clock, Fault::HitMoves),
        (EvictionKind::Lru, Fault::HitForgotten),
        (EvictionKind::Lfu, Fault::HitForgotten),
        (EvictionKind::Slru, Fault::HitForgotten),
        (EvictionKind::Arc, Fault::HitForgotten),
        (EvictionKind::S3Fifo, Fault::HitForgotten),
        (EvictionKind::TwoQ, Fault::SecondChoice),
        (EvictionKind::Arc, Fault::SecondChoice),
    ];
    for (kind, fault) in faults {
        let play = |fault| hits(Cache::with_eviction(config(10, kind), Broken::new(kind, 10, fault)), &trace);
        let expected = naive_hits(naive(kind, 10).expect("it has a twin"), &trace);
        assert_eq!(play(Fault::None), expected, "{kind}");
        assert_ne!(play(fault), expected, "{kind} with {fault:?}");
    }
}

#[test]
fn the_bound_catches_a_policy_that_lets_entries_stay_for_free() {
    // Twice the room it admits to having.
    let trace: Vec<u64> = (0..90).map(|request| request % 15).collect();
    let roomy = misses(&hits(Cache::new(config(20, EvictionKind::Lru)), &trace));
    assert!(roomy < optimal_misses(&trace, 10));
}

#[test]
fn fifo_may_miss_more_with_more_room() {
    // Belady's anomaly.
    let trace = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
    let missed = |capacity| misses(&hits(Cache::new(config(capacity, EvictionKind::Fifo)), &trace));
    assert_eq!((missed(3), missed(4)), (9, 10));
}

#[test]
fn with_uniform_keys_every_policy_hits_as_often_as_entries_are_there() {
    let trace: Vec<u64> = (0..60_000).map(|position| mixed(position) % 400).collect();
    for kind in EvictionKind::all() {
        let all = hits(Cache::new(config(100, kind)), &trace);
        let hit = all[20_000..].iter().filter(|hit| **hit).count();
        assert!((9_300..10_700).contains(&hit), "{kind}: {hit} of 40,000, about a quarter");
    }
}

#[test]
fn a_loop_longer_than_the_capacity_never_hits_in_recency_and_order_policies_and_one_that_fits_always_does() {
    let around = |length: u64| (0..10 * length).map(|request| request % length).collect::<Vec<_>>();
    for kind in [EvictionKind::Lru, EvictionKind::Fifo, EvictionKind::Clock] {
        assert_eq!(misses(&hits(Cache::new(config(100, kind)), &around(101))), 1_010, "{kind}");
    }
    for kind in EvictionKind::all() {
        assert_eq!(misses(&hits(Cache::new(config(100, kind)), &around(100))), 100, "{kind}");
    }
}

#[test]
fn a_scan_of_ten_times_the_capacity_leaves_the_hot_set_to_those_that_resist_it() {
    // Hot keys 0..50, then a scan, then hot keys again.
    let hot = |requests: u64, from: u64| (0..requests).map(move |position| mixed(from + position) % 50);
    let trace: Vec<u64> = hot(5_000, 0).chain(10_000..11_000).chain(hot(50, 9_000)).collect();
    for (kind, resists) in [
        (EvictionKind::Lru, false),
        (EvictionKind::Fifo, false),
        (EvictionKind::Slru, true),
        (EvictionKind::Lfu, true),
        (EvictionKind::Arc, true),
        (EvictionKind::TwoQ, false),
        (EvictionKind::Lirs, true),
        (EvictionKind::S3Fifo, true),
        (EvictionKind::WTinyLfu, true),
    ] {
        let all = hits(Cache::new(config(100, kind)), &trace);
        let after = all[6_000..].iter().filter(|hit| **hit).count();
        assert_eq!(after > 40, resists, "{kind}: {after} of the 50 requests after the scan hit");
    }
}

#[test]
fn gdsf_lets_the_heavy_go_before_the_light() {
    let mut cache: Cache<u64, ()> = Cache::new(config(10, EvictionKind::Gdsf));
    for (key, weight) in [(1, 6), (2, 2), (3, 1)] {
        cache.insert_with(Time::ZERO, key, (), &super::super::Terms { weight, ..Default::default() });
    }
    cache.insert_with(Time::ZERO, 4, (), &super::super::Terms { weight: 2, ..Default::default() });
    assert!(!cache.contains(Time::ZERO, &1) && cache.contains(Time::ZERO, &2) && cache.len() == 3);
}

#[test]
fn random_eviction_follows_its_seed() {
    let trace = long_trace();
    let play = |seed| hits(Cache::new(CacheConfig { seed, ..config(10, EvictionKind::Random) }), &trace);
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}

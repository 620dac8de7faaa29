//! W-TinyLFU: a small LRU window, then a segmented LRU that admits by estimated frequency. The window's size is
//! fixed, or climbs to where most is found.

use super::admission::{FIRST_SKETCH, grow};
use super::climber::{Climb, Climber};
use super::lists::Lists;
use super::two_q::remember;
use super::{Departure, Eviction, FrequencySketch, Incoming, Victim, part_of};

const WINDOW: usize = 0;
const PROBATION: usize = 1;
const PROTECTED: usize = 2;

/// Shares as published and in Caffeine: 1 % window; 80 % of the rest protected.
const WINDOW_PPM: u32 = 10_000;
const PROTECTED_PPM: u32 = 800_000;

/// By so much a candidate's estimate is ahead because it was counted when it arrived, a moment ago. The victim, not used
/// for the longest time, had no such moment. In a loop over more than fits everything is used equally often, and the
/// victims are what comes next: were the arrival to decide, each candidate would push out what is wanted soonest, as an
/// LRU does, and nothing would ever be found.
const ARRIVAL: u32 = 1;

/// Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", 2017; of a candidate counts what
/// it was used before it arrived.
#[derive(Clone, Debug)]
pub struct WTinyLfu {
    segments: Lists<3>,
    sketch: FrequencySketch,
    hashes: Vec<u64>,
    entries: u64,
    window_ppm: u32,
    climber: Option<Climber>,
    capacity: u64,
    window_max: u64,
    main_max: u64,
    protected_max: u64,
}

impl WTinyLfu {
    /// A policy for a cache of this capacity, of which a hundredth is window.
    pub fn new(capacity: u64) -> WTinyLfu {
        WTinyLfu::with_window(capacity, WINDOW_PPM)
    }

    /// The same with another window, in parts per million of the capacity.
    pub fn with_window(capacity: u64, window_ppm: u32) -> WTinyLfu {
        let mut policy = WTinyLfu {
            segments: Lists::new(),
            sketch: FrequencySketch::new(capacity.min(FIRST_SKETCH)),
            hashes: Vec::new(),
            entries: 0,
            window_ppm,
            climber: None,
            capacity: 0,
            window_max: 0,
            main_max: 0,
            protected_max: 0,
        };
        policy.set_capacity(capacity);
        policy
    }

    /// A policy whose window begins with a hundredth and climbs to where most is found. For loads that change, or of
    /// which nobody knows whether recency or frequency counts. A loop over more than fits has a narrow summit at the
    /// smallest window, from which climbing strays.
    pub fn adaptive(capacity: u64) -> WTinyLfu {
        let mut policy = WTinyLfu::new(capacity);
        policy.climber = Some(Climber::new(capacity));
        policy
    }

    /// Another size of window. What is too much for it leaves when the next entry comes.
    fn set_window(&mut self, window_max: u64) {
        self.window_max = window_max;
        self.main_max = self.capacity.saturating_sub(window_max);
        self.protected_max = crate::arithmetic::share_of(self.main_max, PROTECTED_PPM);
    }

    fn climb(&mut self) {
        let Some(step) = self.climber.as_mut().and_then(Climber::step) else { return };
        // Both the window and the rest keep room for an entry; a window as large as all but a fifth is an LRU already.
        let most = crate::arithmetic::share_of(self.capacity, PROTECTED_PPM).max(1);
        let window = match step {
            Climb::Grow(weight) => self.window_max.saturating_add(weight).min(most),
            Climb::Shrink(weight) => self.window_max.saturating_sub(weight).max(1),
        };
        self.set_window(window);
        // What a smaller rest has no room for becomes the youngest of the window: it was in use.
        while self.segments.weight(PROBATION) + self.segments.weight(PROTECTED) > self.main_max {
            let from = if self.segments.len(PROBATION) > 0 { PROBATION } else { PROTECTED };
            let Some(oldest) = self.segments.front(from) else { return };
            self.segments.move_to_back(WINDOW, oldest);
        }
    }

    fn estimate(&self, slot: u32) -> u32 {
        self.hashes.get(slot as usize).map_or(0, |hash| self.sketch.estimate(*hash))
    }

    /// Moves what the window has to give up for `weight` more into the main space as long as there is room.
    fn fill_main(&mut self, weight: u64) {
        while self.segments.weight(WINDOW) + weight > self.window_max {
            let Some(oldest) = self.segments.front(WINDOW) else { return };
            let main = self.segments.weight(PROBATION) + self.segments.weight(PROTECTED);
            if main + u64::from(self.segments.weight_of(oldest)) > self.main_max {
                return;
            }
            self.segments.move_to_back(PROBATION, oldest);
        }
    }

    /// The oldest of the window against the next victim of the main space: the one used less goes, and if neither was
    /// used less before, the one that came.
    fn duel(&mut self, candidate: u32, incumbent: u32) -> u32 {
        if self.estimate(candidate) <= self.estimate(incumbent) + ARRIVAL {
            return candidate;
        }
        self.segments.move_to_back(PROBATION, candidate);
        incumbent
    }
}

impl Eviction for WTinyLfu {
    fn on_arrival(&mut self, incoming: Incoming) {
        self.sketch.increment(incoming.hash);
        if let Some(climber) = &mut self.climber {
            climber.miss();
            self.climb();
        }
    }

    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        remember(&mut self.hashes, slot, incoming.hash);
        self.entries += 1;
        grow(&mut self.sketch, self.entries);
        self.fill_main(u64::from(incoming.weight));
        self.segments.push_back(WINDOW, slot, incoming.weight);
    }

    fn on_hit(&mut self, slot: u32) {
        if let Some(hash) = self.hashes.get(slot as usize) {
            self.sketch.increment(*hash);
        }
        if let Some(climber) = &mut self.climber {
            climber.hit();
        }
        match self.segments.list_of(slot) {
            Some(WINDOW) => self.segments.move_to_back(WINDOW, slot),
            Some(_) => self.segments.move_to_back(PROTECTED, slot),
            None => {}
        }
        while self.segments.weight(PROTECTED) > self.protected_max {
            let Some(oldest) = self.segments.front(PROTECTED) else { return };
            self.segments.move_to_back(PROBATION, oldest);
        }
    }

    fn on_reweigh(&mut self, slot: u32, weight: u32) {
        self.segments.reweigh(slot, weight);
    }

    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        self.entries = self.entries.saturating_sub(1);
        self.segments.unlink(slot);
    }

    fn victim(&mut self, incoming: Option<Incoming>) -> Victim {
        let weight = incoming.map_or(0, |incoming| u64::from(incoming.weight));
        self.fill_main(weight);
        let window_is_full = self.segments.weight(WINDOW) + weight > self.window_max;
        let candidate = self.segments.front(WINDOW);
        let incumbent = self.segments.front(PROBATION).or_else(|| self.segments.front(PROTECTED));
        Victim::from_slot(match (candidate, incumbent) {
            (Some(candidate), Some(incumbent)) if window_is_full => Some(self.duel(candidate, incumbent)),
            (candidate, incumbent) => incumbent.or(candidate),
        })
    }

    fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity;
        self.set_window(part_of(capacity, self.window_ppm));
        if let Some(climber) = &mut self.climber {
            climber.restart(capacity);
        }
    }

    fn clear(&mut self) {
        self.segments.clear();
        self.sketch.clear();
        self.entries = 0;
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Cache, CacheConfig};
    use crate::time::Time;

    /// Hits among the last of several rounds over `keys`, in a cache of this capacity.
    fn hits_in_the_last_round(capacity: u64, rounds: u32, keys: impl Iterator<Item = u64> + Clone) -> u64 {
        let config = CacheConfig { capacity, ..CacheConfig::default() };
        let mut cache = Cache::with_eviction(config, Box::new(WTinyLfu::new(capacity)));
        let mut before = 0;
        for _ in 0..rounds {
            before = cache.stats().hits;
            for key in keys.clone() {
                if cache.get(Time::ZERO, &key).hit().is_none() {
                    cache.insert(Time::ZERO, key, ());
                }
            }
        }
        cache.stats().hits - before
    }

    /// The best there is for a loop is to keep any part of it for good.
    #[test]
    fn a_loop_over_twice_of_what_fits_finds_nearly_all_that_is_kept() {
        for rounds in [4, 9, 30] {
            let hits = hits_in_the_last_round(1_000, rounds, 0..2_000);
            assert!(hits >= 900, "{hits} of 1000 in round {rounds}");
        }
    }

    #[test]
    fn a_loop_that_goes_back_and_forth_finds_all_but_the_window() {
        let hits = hits_in_the_last_round(500, 20, (0..1_000).chain((0..1_000).rev()));
        assert!(hits >= 950, "{hits} of 1000");
    }

    #[test]
    fn what_becomes_popular_comes_in_within_a_few_uses() {
        let mut keys: Vec<u64> = (0..100).chain(0..100).collect();
        keys.extend(
            (0..5).flat_map(|round| [1_000].into_iter().chain(2_000 + 10 * round..2_010 + 10 * round)),
        );
        keys.push(1_000);
        let config = CacheConfig { capacity: 100, ..CacheConfig::default() };
        let mut cache = Cache::with_eviction(config, Box::new(WTinyLfu::new(100)));
        for key in keys {
            if cache.get(Time::ZERO, &key).hit().is_none() {
                cache.insert(Time::ZERO, key, ());
            }
        }
        assert!(cache.contains(Time::ZERO, &1_000));
        assert!(cache.stats().hits > 100, "{}", cache.stats().hits);
    }
}

//! A cache that knows what has to be loaded: one load per key however many ask, stale values meanwhile, refresh ahead
//! of expiry, negative answers, and no value older than an invalidation. Never loads anything itself: it hands out
//! leases, and whoever holds one brings the result.

mod config;
mod contents;
mod flights;
mod invalidation;

pub use config::{LoadingConfig, LoadingError, OnLoadError};
pub use flights::Lease;
pub use invalidation::Invalidation;

use super::config::CacheConfig;
use super::core::Cache;
use super::lookup::{Lookup, Terms};
use super::stats::CacheStats;
use crate::key_hash::mixed;
use crate::time::{Span, Time};
use flights::{Flight, Flights};
use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;

/// What can be said about a key at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<V> {
    /// Its value.
    Fresh(V),
    /// A value past its expiry, within one of the stale spans.
    Stale(V),
    /// The origin has no value.
    Absent,
    /// Loading it failed.
    Failed,
    /// A load is under way; the waiter will be handed back with its result.
    Pending,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<V> {
    /// What can be said at once.
    pub found: Found<V>,
    /// Whoever gets one starts a load and [finishes](LoadingCache::finish) it.
    pub load: Option<Lease>,
}

/// What a load found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadResult<V> {
    /// A value.
    Value(V),
    /// There is none.
    Absent,
    /// The origin did not tell.
    Failed,
}

/// The end of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<K, V, W> {
    /// Its key.
    pub key: K,
    /// Who waited for it, in the order of asking.
    pub waiters: Vec<W>,
    /// What all of them are to be told; never [`Found::Pending`].
    pub found: Found<V>,
}

/// What loading has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadStats {
    /// Loads begun.
    pub begun: u64,
    /// Of them, for a value that was still served.
    pub refreshes: u64,
    /// Questions that joined a load of somebody else.
    pub joined: u64,
    /// Loads that found a value.
    pub succeeded: u64,
    /// Loads that found there is none.
    pub absent: u64,
    /// Loads that failed, those that took too long included.
    pub failed: u64,
    /// Loads that took too long.
    pub timed_out: u64,
    /// Results not kept, because of an invalidation after the load's begin.
    pub outdated: u64,
    /// Stale values served.
    pub stale_served: u64,
    /// Questions answered by a remembered absence or failure.
    pub negative_hits: u64,
    /// Time all ended loads took together.
    pub load_time: Span,
}

#[derive(Clone, Debug)]
enum Known<V> {
    Value(V),
    Absent,
    Failed,
}

#[derive(Clone, Debug)]
struct Held<V> {
    known: Known<V>,
    loaded: Time,
    took: Span,
}

/// A cache with loading. `W` is whatever identifies someone who waits.
///
/// The law of driving it: an [`Answer`] with a lease starts a load; its end is brought by [`finish`](Self::finish),
/// which hands back all who waited; at every [`deadline`](Self::deadline), [`expire`](Self::expire) is called until
/// it returns nothing.
#[derive(Clone, Debug)]
pub struct LoadingCache<K, V, W> {
    config: LoadingConfig,
    cache: Cache<K, Held<V>>,
    flights: Flights<K, W>,
    /// The last load begun before each invalidation of a tag. Empty while no load is under way.
    tag_fences: BTreeMap<u64, u64>,
    broadcasts: VecDeque<Invalidation<K>>,
    stats: LoadStats,
}

impl<K: Hash + Eq + Clone, V: Clone, W> LoadingCache<K, V, W> {
    /// An empty cache.
    pub fn new(config: LoadingConfig) -> LoadingCache<K, V, W> {
        LoadingCache {
            config,
            cache: Cache::new(cache_config(&config)),
            flights: Flights::new(),
            tag_fences: BTreeMap::new(),
            broadcasts: VecDeque::new(),
            stats: LoadStats::default(),
        }
    }

    /// Asks for a value. `random_word` is uniformly distributed; it matters to early expiry alone.
    pub fn get(&mut self, now: Time, key: &K, random_word: u64, waiter: W) -> Answer<V> {
        match self.cache.get(now, key) {
            Lookup::Hit(held) => {
                let found = match &held.known {
                    Known::Value(value) => Found::Fresh(value.clone()),
                    Known::Absent => Found::Absent,
                    Known::Failed => Found::Failed,
                };
                let (loaded, took) = (held.loaded, held.took);
                if !matches!(found, Found::Fresh(_)) {
                    self.stats.negative_hits += 1;
                    return Answer { found, load: None };
                }
                let is_due = self.config.refresh_after.is_some_and(|age| now.since(loaded) >= age)
                    || self.expires_early(now, key, took, random_word);
                let load = if is_due { self.refresh(now, key) } else { None };
                Answer { found, load }
            }
            Lookup::Miss => self.wait(now, key, waiter),
            Lookup::Expired => match self.stale(now, key, self.config.stale_while_revalidate) {
                Some(value) => {
                    self.stats.stale_served += 1;
                    Answer { found: Found::Stale(value), load: self.refresh(now, key) }
                }
                None => self.wait(now, key, waiter),
            },
        }
    }

    /// Asks for many values at once, the waiter waiting for each that is pending. The leases can be served by one
    /// question to the origin; each is finished on its own.
    pub fn get_many(&mut self, now: Time, keys: &[K], random_word: u64, waiter: &W) -> Vec<Answer<V>>
    where
        W: Clone,
    {
        let words = (0..).map(|position: u64| mixed(random_word.wrapping_add(position)));
        keys.iter().zip(words).map(|(key, word)| self.get(now, key, word, waiter.clone())).collect()
    }

    /// Brings what a load found; who waited, and what to tell them. `None` if the load has ended before, by this or by
    /// its timeout.
    pub fn finish(
        &mut self,
        now: Time,
        lease: Lease,
        result: LoadResult<V>,
        terms: &Terms<'_>,
    ) -> Option<Loaded<K, V, W>> {
        let flight = self.flights.end(lease)?;
        let took = now.since(flight.started);
        self.stats.load_time += took;
        let is_outdated = !flight.is_current
            || terms.version < flight.least_version
            || terms
                .tags
                .iter()
                .any(|tag| self.tag_fences.get(tag).is_some_and(|last| flight.number <= *last));
        if self.flights.len() == 0 {
            self.tag_fences.clear();
        }
        let found = match result {
            LoadResult::Value(value) => {
                self.stats.succeeded += 1;
                self.keep(now, &flight, Known::Value(value.clone()), took, terms, is_outdated);
                Found::Fresh(value)
            }
            LoadResult::Absent => {
                self.stats.absent += 1;
                match self.config.absent_ttl {
                    Some(ttl) => {
                        let terms = Terms { ttl: Some(ttl), ..*terms };
                        self.keep(now, &flight, Known::Absent, took, &terms, is_outdated);
                    }
                    // What the origin no longer has is not served any longer either.
                    None if !is_outdated => drop(self.cache.remove(now, &flight.key)),
                    None => {}
                }
                Found::Absent
            }
            LoadResult::Failed => self.failed(now, &flight, took, is_outdated),
        };
        Some(Loaded { key: flight.key, waiters: flight.waiters, found })
    }

    /// Ends a load that took too long as failed; call until it returns nothing. Then drops what has expired.
    pub fn expire(&mut self, now: Time) -> Option<Loaded<K, V, W>> {
        let Some(lease) = self.flights.late(now) else {
            self.cache.expire(now);
            return None;
        };
        self.stats.timed_out += 1;
        self.finish(now, lease, LoadResult::Failed, &Terms::default())
    }

    /// When [`expire`](Self::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        [self.flights.next_late(), self.cache.deadline()].into_iter().flatten().min()
    }

    /// Loads under way.
    pub fn loads_len(&self) -> usize {
        self.flights.len()
    }

    /// Entries there, negative and expired ones included.
    pub fn len(&self) -> u32 {
        self.cache.len()
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    /// What the cache has done so far; remembered absences and failures count as hits.
    pub const fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// What loading has come to.
    pub const fn load_stats(&self) -> LoadStats {
        self.stats
    }

    /// Follows a new config; loads under way keep their timeout. O(entries).
    pub fn reconfigure(&mut self, config: LoadingConfig) {
        self.config = config;
        self.cache.reconfigure(cache_config(&config));
    }

    /// Joins the load of a key, or begins one.
    fn wait(&mut self, now: Time, key: &K, waiter: W) -> Answer<V> {
        let hash = self.cache.hash(key);
        if let Some(flight) = self.flights.current(hash, key) {
            flight.waiters.push(waiter);
            self.stats.joined += 1;
            return Answer { found: Found::Pending, load: None };
        }
        let lease = self.flights.begin(now, hash, key.clone(), self.config.load_timeout);
        self.stats.begun += 1;
        if let Some(flight) = self.flights.current(hash, key) {
            flight.waiters.push(waiter);
        }
        Answer { found: Found::Pending, load: Some(lease) }
    }

    /// Begins a load nobody waits for, unless one is under way.
    fn refresh(&mut self, now: Time, key: &K) -> Option<Lease> {
        let hash = self.cache.hash(key);
        if self.flights.current(hash, key).is_some() {
            return None;
        }
        self.stats.begun += 1;
        self.stats.refreshes += 1;
        Some(self.flights.begin(now, hash, key.clone(), self.config.load_timeout))
    }

    fn stale(&self, now: Time, key: &K, within: Span) -> Option<V> {
        let stale = self.cache.stale(now, key).filter(|stale| stale.expired_for < within)?;
        match &stale.value.known {
            Known::Value(value) => Some(value.clone()),
            Known::Absent | Known::Failed => None,
        }
    }

    /// What to tell after a failure: what there is, fresh or stale, or else the failure, which may be remembered.
    fn failed(&mut self, now: Time, flight: &Flight<K, W>, took: Span, is_outdated: bool) -> Found<V> {
        self.stats.failed += 1;
        if let Some(Held { known: Known::Value(value), .. }) = self.cache.peek(now, &flight.key) {
            return Found::Fresh(value.clone());
        }
        if let Some(value) = self.stale(now, &flight.key, self.config.stale_if_error) {
            self.stats.stale_served += 1;
            return Found::Stale(value);
        }
        if let OnLoadError::Negative(ttl) = self.config.on_error {
            let terms = Terms { ttl: Some(ttl), ..Terms::default() };
            self.keep(now, flight, Known::Failed, took, &terms, is_outdated);
        }
        Found::Failed
    }

    fn keep(
        &mut self,
        now: Time,
        flight: &Flight<K, W>,
        known: Known<V>,
        took: Span,
        terms: &Terms<'_>,
        is_outdated: bool,
    ) {
        if is_outdated {
            self.stats.outdated += 1;
        } else {
            self.cache.insert_with(now, flight.key.clone(), Held { known, loaded: now, took }, terms);
        }
    }

    /// Whether chance says to load before expiry: the sooner it expires, and the longer a load takes, the likelier.
    fn expires_early(&self, now: Time, key: &K, took: Span, random_word: u64) -> bool {
        if self.config.early_expiry_milli == 0 {
            return false;
        }
        let Some(expiry) = self.cache.expiry(key) else { return false };
        // In (0, 1], so that the logarithm is finite.
        let uniform = ((random_word >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let eagerness = -libm::log(uniform) * f64::from(self.config.early_expiry_milli) / 1_000.0;
        took.as_nanos() as f64 * eagerness >= expiry.since(now).as_nanos() as f64
    }
}

fn cache_config(config: &LoadingConfig) -> CacheConfig {
    CacheConfig { grace: config.stale_while_revalidate.max(config.stale_if_error), ..config.cache }
}

#[cfg(test)]
mod tests;

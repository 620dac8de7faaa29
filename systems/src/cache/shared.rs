//! The cache for many threads: shards behind locks, one load per key. Never waits but for a lock or for another
//! thread's load of the same key; never reads a clock.

use super::config::CacheConfig;
use super::core::Cache;
use super::lookup::{Inserted, Lookup, Terms};
use super::reads::index_start;
use super::removal::RemovalListener;
use super::stats::CacheStats;
use crate::key_hash::spread_from;
use crate::key_index::table_of;
use crate::time::Time;
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Most shards there can be.
const MOST_SHARDS: u32 = 1 << 12;

/// A cache that many threads use at once.
///
/// Keys are spread over shards by their hash; each shard evicts on its own, within its part of the capacity. So an
/// entry heavier than that part is refused, and hit ratios are those of a slightly smaller cache. A thread that panics
/// in the midst of an operation (in the `Eq` of a key, or in a listener) leaves the shard usable.
#[derive(Debug)]
pub struct SharedCache<K, V, L = ()> {
    shards: Box<[Shard<K, V, L>]>,
    /// As in the shards, so that a key is hashed once.
    index_start: u64,
}

/// On cache lines of its own (two: processors fetch them in pairs), so that the locks of two shards never share one.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<K, V, L> {
    inside: Mutex<Inside<K, V, L>>,
}

#[derive(Debug)]
struct Inside<K, V, L> {
    cache: Cache<K, V, L>,
    /// Loads under way; few at any time.
    loads: Vec<Load<K, V>>,
}

#[derive(Debug)]
struct Load<K, V> {
    key: K,
    ending: Arc<Ending<V>>,
}

/// How a load ended, once it has.
#[derive(Debug)]
struct Ending<V> {
    /// `Some(None)` is a failure.
    value: Mutex<Option<Option<V>>>,
    has_ended: Condvar,
}

/// Why a value could not be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedLoadError<E> {
    /// This thread's load failed.
    Failed(E),
    /// Another thread's load of the same key failed, while this one waited for it.
    FailedElsewhere,
}

impl<E: fmt::Display> fmt::Display for SharedLoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SharedLoadError::Failed(error) => error.fmt(f),
            SharedLoadError::FailedElsewhere => {
                f.write_str("the load this one had joined failed: ask again to start another")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for SharedLoadError<E> {}

impl<K: Hash + Eq, V: Clone> SharedCache<K, V> {
    /// An empty cache. The number of shards is raised to a power of two and cut to 4,096 and to the capacity; four
    /// for each thread are enough.
    pub fn new(config: CacheConfig, shards: u32) -> SharedCache<K, V> {
        SharedCache::with_listeners(config, shards, |_| ())
    }
}

impl<K: Hash + Eq, V: Clone, L: RemovalListener<K, V>> SharedCache<K, V, L> {
    /// The same with a listener for each shard, made from the shard's number. It is called while the shard is locked:
    /// it must not use this cache.
    pub fn with_listeners(
        config: CacheConfig,
        shards: u32,
        listener: impl Fn(u32) -> L,
    ) -> SharedCache<K, V, L> {
        let at_most = u32::try_from(config.capacity).unwrap_or(MOST_SHARDS).clamp(1, MOST_SHARDS);
        let wanted = shards.clamp(1, MOST_SHARDS).next_power_of_two();
        let count = wanted.min(1 << at_most.ilog2());
        let shard = |number: u32| {
            let own = part(&config, number, count);
            Shard {
                inside: Mutex::new(Inside {
                    cache: Cache::with_listener(own, listener(number)),
                    loads: Vec::new(),
                }),
            }
        };
        SharedCache { shards: (0..count).map(shard).collect(), index_start: index_start(config.seed) }
    }

    /// Looks a key up and counts the lookup.
    #[inline]
    pub fn get<Q>(&self, now: Time, key: &Q) -> Lookup<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = spread_from(self.index_start, key);
        self.lock(hash).cache.get_hashed(now, hash, key).cloned()
    }

    /// Writes a value that weighs 1 and lives as long as the config says.
    #[inline]
    pub fn insert(&self, now: Time, key: K, value: V) -> Inserted<V> {
        self.insert_with(now, key, value, &Terms::default())
    }

    /// Writes a value on terms of its own. What a load of the key that is under way finds will not be kept.
    pub fn insert_with(&self, now: Time, key: K, value: V, terms: &Terms<'_>) -> Inserted<V> {
        let hash = spread_from(self.index_start, &key);
        let mut inside = self.lock(hash);
        inside.outdate(&key);
        inside.cache.insert_hashed(now, hash, key, value, terms)
    }

    /// Takes a key out; its value. What a load of the key that is under way finds will not be kept.
    pub fn remove<Q>(&self, now: Time, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut inside = self.lock(spread_from(self.index_start, key));
        inside.outdate(key);
        inside.cache.remove(now, key)
    }

    /// Takes all entries with this tag out; how many. What loads under way find will not be kept.
    pub fn remove_tagged(&self, now: Time, tag: u64) -> u64 {
        self.sum(|inside| {
            inside.loads.clear();
            u64::from(inside.cache.remove_tagged(now, tag))
        })
    }

    /// Takes all entries out that a predicate picks; how many. What loads under way find will not be kept. The
    /// predicate must not use this cache.
    pub fn remove_if(&self, now: Time, mut picks: impl FnMut(&K, &V) -> bool) -> u64 {
        self.sum(|inside| {
            inside.loads.clear();
            u64::from(inside.cache.remove_if(now, &mut picks))
        })
    }

    /// The value of a key, loaded by this thread if it is not there; other threads that ask meanwhile wait for the
    /// same load. Only the key's own askers wait.
    ///
    /// # Errors
    /// [`SharedLoadError`]: the load failed, here or where it was joined. Nothing is kept of a failure.
    pub fn get_or_load<E>(
        &self,
        now: Time,
        key: &K,
        load: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, SharedLoadError<E>>
    where
        K: Clone,
    {
        let hash = spread_from(self.index_start, key);
        let mut inside = self.lock(hash);
        if let Lookup::Hit(value) = inside.cache.get_hashed(now, hash, key) {
            return Ok(value.clone());
        }
        if let Some(load) = inside.loads.iter().find(|load| load.key == *key) {
            let ending = Arc::clone(&load.ending);
            drop(inside);
            return ending.wait().ok_or(SharedLoadError::FailedElsewhere);
        }
        let ending = Arc::new(Ending { value: Mutex::new(None), has_ended: Condvar::new() });
        inside.loads.push(Load { key: key.clone(), ending: Arc::clone(&ending) });
        drop(inside);

        // Ends the load as failed should `load` panic.
        let mut duty = Duty { cache: self, hash, now, key, ending, value: None };
        let value = load().map_err(SharedLoadError::Failed)?;
        duty.value = Some(value.clone());
        Ok(value)
    }

    /// Takes everything out whose expiry and grace are over; how many.
    pub fn expire(&self, now: Time) -> u64 {
        self.sum(|inside| u64::from(inside.cache.expire(now)))
    }

    /// Forgets everything and keeps the counts. What loads under way find will not be kept.
    pub fn clear(&self) {
        self.sum(|inside| {
            inside.loads.clear();
            inside.cache.clear();
            0
        });
    }

    /// Follows a new config, shard by shard.
    pub fn reconfigure(&self, config: CacheConfig) {
        for (number, shard) in (0..).zip(&self.shards) {
            shard.lock().cache.reconfigure(part(&config, number, self.shards.len() as u32));
        }
    }

    /// Entries there, expired ones included; shard after shard, so not all of the same moment.
    pub fn len(&self) -> u64 {
        self.sum(|inside| u64::from(inside.cache.len()))
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Weight of what is there, shard after shard.
    pub fn weight(&self) -> u64 {
        self.sum(|inside| inside.cache.weight())
    }

    /// What it has done so far, shard after shard.
    pub fn stats(&self) -> CacheStats {
        self.shards.iter().fold(CacheStats::default(), |sum, shard| sum.plus(&shard.lock().cache.stats()))
    }

    /// How many shards there are.
    pub fn shards_len(&self) -> u32 {
        self.shards.len() as u32
    }

    #[inline]
    fn lock(&self, hash: u64) -> MutexGuard<'_, Inside<K, V, L>> {
        self.shards[table_of(hash, self.shards.len())].lock()
    }

    fn sum(&self, mut of: impl FnMut(&mut Inside<K, V, L>) -> u64) -> u64 {
        self.shards.iter().fold(0, |sum: u64, shard| sum.saturating_add(of(&mut shard.lock())))
    }
}

impl<K, V, L> Shard<K, V, L> {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Inside<K, V, L>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V, L> Inside<K, V, L> {
    /// Nobody joins the load of this key any more, and what it finds is not kept.
    #[inline]
    fn outdate<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        if !self.loads.is_empty() {
            self.loads.retain(|load| load.key.borrow() != key);
        }
    }
}

impl<V: Clone> Ending<V> {
    fn wait(&self) -> Option<V> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.has_ended.wait_while(value, |value| value.is_none());
        ended.unwrap_or_else(PoisonError::into_inner).clone().flatten()
    }

    fn tell(&self, value: Option<V>) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        self.has_ended.notify_all();
    }
}

/// Ends a load when it goes out of scope: keeps what it found, unless it was outdated, and tells all who wait.
struct Duty<'a, K: Hash + Eq + Clone, V: Clone, L: RemovalListener<K, V>> {
    cache: &'a SharedCache<K, V, L>,
    hash: u64,
    now: Time,
    key: &'a K,
    ending: Arc<Ending<V>>,
    value: Option<V>,
}

impl<K: Hash + Eq + Clone, V: Clone, L: RemovalListener<K, V>> Drop for Duty<'_, K, V, L> {
    fn drop(&mut self) {
        let mut inside = self.cache.lock(self.hash);
        let place = inside.loads.iter().position(|load| Arc::ptr_eq(&load.ending, &self.ending));
        if let Some(place) = place {
            inside.loads.swap_remove(place);
            if let Some(value) = self.value.clone() {
                inside.cache.insert_hashed(self.now, self.hash, self.key.clone(), value, &Terms::default());
            }
        }
        drop(inside);
        self.ending.tell(self.value.take());
    }
}

/// A shard's part of the capacity; together they are the whole.
fn part(config: &CacheConfig, number: u32, count: u32) -> CacheConfig {
    let (number, count) = (u64::from(number), u64::from(count));
    let surplus = u64::from(number < config.capacity % count);
    CacheConfig { capacity: config.capacity / count + surplus, ..*config }
}

#[cfg(test)]
mod tests;

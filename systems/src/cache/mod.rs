//! A bounded key-value cache with time to live and pluggable eviction. Never loads, never sweeps: what has
//! expired keeps its place until it is asked for, written over or evicted. Never reads a clock.

mod eviction;
mod key_index;

pub use eviction::{Eviction, EvictionKind, Fifo, Lru};

use crate::time::{Span, Time};
use key_index::KeyIndex;
use std::fmt;

/// How much is kept, for how long, and what goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Entries kept at most. 1 to [`MAX_CAPACITY`].
    pub capacity: u32,
    /// Age at which an entry has expired, counted from its writing; `None` keeps it until it is evicted.
    pub ttl: Option<Span>,
    /// What goes when there is no room.
    pub eviction: EvictionKind,
}

/// Most entries a cache can hold; higher capacities are cut to it.
pub const MAX_CAPACITY: u32 = 1 << 30;

impl CacheConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`CacheError`] names the first field out of range. A cache made from a config that was not checked is
    /// safe all the same: without capacity it keeps nothing, without lifetime everything has expired at once.
    pub fn validate(&self) -> Result<(), CacheError> {
        if !(1..=MAX_CAPACITY).contains(&self.capacity) {
            return Err(CacheError::Capacity { capacity: self.capacity });
        }
        if self.ttl == Some(Span::ZERO) { Err(CacheError::NoLifetime) } else { Ok(()) }
    }
}

/// Why a cache config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheError {
    /// The capacity is zero or above [`MAX_CAPACITY`].
    Capacity {
        /// Entries.
        capacity: u32,
    },
    /// The time to live is zero.
    NoLifetime,
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheError::Capacity { capacity } => {
                write!(f, "a capacity of {capacity} entries: use 1 to {MAX_CAPACITY}")
            }
            CacheError::NoLifetime => {
                f.write_str("a ttl of zero keeps nothing: use a longer one, or leave it out to keep for ever")
            }
        }
    }
}

impl std::error::Error for CacheError {}

/// What is found under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It is there and fresh.
    Hit(T),
    /// Nothing.
    Miss,
    /// It was there but too old, and is gone now.
    Expired,
}

impl<T> Lookup<T> {
    /// The value of a hit.
    pub fn hit(self) -> Option<T> {
        match self {
            Lookup::Hit(value) => Some(value),
            Lookup::Miss | Lookup::Expired => None,
        }
    }
}

impl<T: Copy> Lookup<&T> {
    /// The same with the value itself, so that the cache is no longer borrowed.
    pub fn copied(self) -> Lookup<T> {
        match self {
            Lookup::Hit(value) => Lookup::Hit(*value),
            Lookup::Miss => Lookup::Miss,
            Lookup::Expired => Lookup::Expired,
        }
    }
}

/// What a write pushed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted<V> {
    /// Nothing: there was room.
    Added,
    /// The former value of the same key, expired or not.
    Replaced(V),
    /// Another entry, for want of room.
    Evicted {
        /// Its key.
        key: u64,
        /// Its value.
        value: V,
    },
    /// The new value itself: a cache without capacity keeps nothing.
    Refused(V),
}

/// What a cache has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Lookups that found a fresh value.
    pub hits: u64,
    /// Lookups that found nothing fresh, those that found something expired included.
    pub misses: u64,
    /// Lookups that found something expired.
    pub expired: u64,
    /// Entries that went for want of room.
    pub evicted: u64,
}

#[derive(Clone, Debug)]
struct Stored<V> {
    key: u64,
    written: Time,
    own_ttl: Option<Span>,
    value: V,
}

/// A cache keyed by `u64`.
///
/// All methods are O(1) but [`clear`](Self::clear), [`reconfigure`](Self::reconfigure) and the growth of its
/// memory, which ends when the capacity has been reached once. Keys are hashed by a fixed function: results
/// do not differ between runs, and a caller who chooses keys to collide can slow it down.
#[derive(Debug)]
pub struct Cache<V> {
    capacity: u32,
    ttl: Option<Span>,
    entries: Vec<Option<Stored<V>>>,
    free: Vec<u32>,
    index: KeyIndex,
    eviction: Box<dyn Eviction>,
    stats: CacheStats,
}

impl<V> Cache<V> {
    /// An empty cache.
    pub fn new(config: CacheConfig) -> Cache<V> {
        Cache::with_eviction(config, config.eviction.build())
    }

    /// An empty cache with an eviction of your own; the one named in the config is not used.
    pub fn with_eviction(config: CacheConfig, eviction: Box<dyn Eviction>) -> Cache<V> {
        Cache {
            capacity: config.capacity.min(MAX_CAPACITY),
            ttl: config.ttl,
            entries: Vec::new(),
            free: Vec::new(),
            index: KeyIndex::new(),
            eviction,
            stats: CacheStats::default(),
        }
    }

    /// Looks a key up and counts the lookup. An entry as old as its time to live has expired.
    pub fn get(&mut self, now: Time, key: u64) -> Lookup<&V> {
        let Some(slot) = self.index.get(key) else {
            self.stats.misses += 1;
            return Lookup::Miss;
        };
        if self.has_expired(now, slot) {
            self.stats.misses += 1;
            self.stats.expired += 1;
            self.take_out(slot);
            return Lookup::Expired;
        }
        self.stats.hits += 1;
        self.eviction.on_hit(slot);
        match &self.entries[slot as usize] {
            Some(stored) => Lookup::Hit(&stored.value),
            None => Lookup::Miss,
        }
    }

    /// Writes a value. `own_ttl` replaces the cache's time to live for this value until it is written again.
    pub fn insert(&mut self, now: Time, key: u64, value: V, own_ttl: Option<Span>) -> Inserted<V> {
        if self.capacity == 0 {
            return Inserted::Refused(value);
        }
        let stored = Stored { key, written: now, own_ttl, value };
        if let Some(slot) = self.index.get(key) {
            self.eviction.on_hit(slot);
            return match self.entries[slot as usize].replace(stored) {
                Some(former) => Inserted::Replaced(former.value),
                None => Inserted::Added,
            };
        }
        let pushed_out = if self.len() >= self.capacity { self.evict() } else { None };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = Some(stored);
                slot
            }
            None => {
                self.entries.push(Some(stored));
                // As many places as entries, so that giving them back takes no memory either.
                self.free.reserve(self.entries.len());
                (self.entries.len() - 1) as u32
            }
        };
        self.index.insert(key, slot);
        self.eviction.on_insert(slot, key);
        match pushed_out {
            Some((key, value)) => Inserted::Evicted { key, value },
            None => Inserted::Added,
        }
    }

    /// Takes a key out; its value, expired or not.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        let slot = self.index.get(key)?;
        self.take_out(slot).map(|stored| stored.value)
    }

    /// Whether a fresh value is there. Counts and moves nothing.
    pub fn contains(&self, now: Time, key: u64) -> bool {
        self.index.get(key).is_some_and(|slot| !self.has_expired(now, slot))
    }

    /// Forgets everything and keeps the memory and the counts. O(capacity).
    pub fn clear(&mut self) {
        self.entries.clear();
        self.free.clear();
        self.index.clear();
        self.eviction.clear();
    }

    /// Changes the time to live, for entries already there as well, except those with one of their own.
    pub fn set_ttl(&mut self, ttl: Option<Span>) {
        self.ttl = ttl;
    }

    /// Follows a new config: evicts what no longer fits; another eviction takes the entries over in the order
    /// in which they would have gone. O(entries).
    pub fn reconfigure(&mut self, config: CacheConfig) {
        self.ttl = config.ttl;
        self.capacity = config.capacity.min(MAX_CAPACITY);
        while self.len() > self.capacity {
            self.evict();
        }
        if self.eviction.kind() == Some(config.eviction) {
            return;
        }
        let mut successor = config.eviction.build();
        while let Some(slot) = self.eviction.victim() {
            self.eviction.on_remove(slot);
            if let Some(stored) = &self.entries[slot as usize] {
                successor.on_insert(slot, stored.key);
            }
        }
        self.eviction = successor;
    }

    /// Entries there, expired ones included.
    pub fn len(&self) -> u32 {
        self.index.len()
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries kept at most.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// What it has done so far.
    pub const fn stats(&self) -> CacheStats {
        self.stats
    }

    fn has_expired(&self, now: Time, slot: u32) -> bool {
        self.entries[slot as usize].as_ref().is_some_and(|stored| {
            stored.own_ttl.or(self.ttl).is_some_and(|ttl| now.since(stored.written) >= ttl)
        })
    }

    fn evict(&mut self) -> Option<(u64, V)> {
        let slot = self.eviction.victim();
        assert!(slot.is_some(), "an eviction names a victim as long as there are entries");
        let stored = slot.and_then(|slot| self.take_out(slot))?;
        self.stats.evicted += 1;
        Some((stored.key, stored.value))
    }

    fn take_out(&mut self, slot: u32) -> Option<Stored<V>> {
        let stored = self.entries[slot as usize].take()?;
        self.index.remove(stored.key);
        self.eviction.on_remove(slot);
        self.free.push(slot);
        Some(stored)
    }
}

#[cfg(test)]
mod tests;

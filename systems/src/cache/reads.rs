//! Lookups: what a key leads to. Nothing here brings an entry in; what is found expired and past its grace is taken out.

use super::core::{Cache, Entry};
use super::eviction::Departure;
use super::lookup::{Lookup, Stale};
use super::removal::{RemovalCause, RemovalListener};
use crate::key_hash::{hash_of, mixed, spread_from};
use crate::key_index::Glance;
use crate::time::Time;
use std::borrow::Borrow;
use std::hash::Hash;
use std::hint::cold_path;

/// Where the index's hashes begin: at the seed, spread over all bits.
pub(super) const fn index_start(seed: u64) -> u64 {
    mixed(seed)
}

impl<K: Hash + Eq, V, L: RemovalListener<K, V>> Cache<K, V, L> {
    /// Looks a key up and counts the lookup. At its expiry an entry has expired.
    #[inline]
    pub fn get<Q>(&mut self, now: Time, key: &Q) -> Lookup<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get_hashed(now, self.index_hash(key), key)
    }

    /// In the same function as its caller, even where that is another crate: a lookup is short, and calling it would be
    /// a large part of it.
    #[inline(always)]
    pub(super) fn get_hashed<Q>(&mut self, now: Time, index_hash: u64, key: &Q) -> Lookup<&V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        match self.index.glance(index_hash, |slot| self.is_under(slot, key)) {
            Glance::Found(slot) => self.found(now, slot),
            Glance::Nothing => {
                self.stats.misses += 1;
                Lookup::Miss
            }
            Glance::Unclear => self.get_by_walk(now, index_hash, key),
        }
    }

    /// Apart, so that what is needed once in a hundred lookups does not lengthen the others.
    #[cold]
    #[inline(never)]
    fn get_by_walk<Q>(&mut self, now: Time, index_hash: u64, key: &Q) -> Lookup<&V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        match self.index.walk(index_hash, |slot| self.is_under(slot, key)) {
            Some(slot) => self.found(now, slot),
            None => {
                self.stats.misses += 1;
                Lookup::Miss
            }
        }
    }

    /// What a lookup that led to this slot finds.
    #[inline(always)]
    fn found(&mut self, now: Time, slot: u32) -> Lookup<&V> {
        let place = slot as usize;
        if self.entries[place].as_ref().is_some_and(|entry| entry.expiry.is_past(now)) {
            self.found_expired(now, slot);
            return Lookup::Expired;
        }
        let Some(entry) = &mut self.entries[place] else { return Lookup::Miss };
        if self.config.time_to_idle.is_some() {
            // Not rare where it is on, but dear: what most caches go without is not in their way.
            cold_path();
            self.facts[place].used = now;
            entry.renew(slot, &self.config, &self.facts[place], &mut self.deadlines);
        }
        self.eviction.on_hit(slot);
        self.stats.hits += 1;
        Lookup::Hit(&entry.value)
    }

    /// A fresh value. Counts and moves nothing.
    pub fn peek<Q>(&self, now: Time, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entry(key).filter(|entry| !entry.expiry.is_past(now)).map(|entry| &entry.value)
    }

    /// Whether a fresh value is there. Counts and moves nothing.
    pub fn contains<Q>(&self, now: Time, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.peek(now, key).is_some()
    }

    /// Whether there is an entry, fresh or expired. Counts and moves nothing.
    pub fn has<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entry(key).is_some()
    }

    /// A value that has expired and is kept for its grace. Counts and moves nothing.
    pub fn stale<Q>(&self, now: Time, key: &Q) -> Option<Stale<&V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.entry(key)?;
        let is_kept = entry.expiry.is_past(now) && !entry.expiry.with_grace(self.config.grace).is_past(now);
        let expired = entry.expiry.time().filter(|_| is_kept)?;
        Some(Stale { value: &entry.value, expired_for: now.since(expired) })
    }

    /// When the entry of a key expires or expired; `None`: never, or there is none.
    pub fn expiry<Q>(&self, key: &Q) -> Option<Time>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entry(key).and_then(|entry| entry.expiry.time())
    }

    #[cold]
    fn found_expired(&mut self, now: Time, slot: u32) {
        self.stats.misses += 1;
        self.stats.expired += 1;
        let grace = self.config.grace;
        let is_over = self.entries[slot as usize]
            .as_ref()
            .is_some_and(|entry| entry.expiry.with_grace(grace).is_past(now));
        if is_over {
            self.take_out(slot, RemovalCause::Expired, Departure::Withdrawn);
        }
    }

    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        hash_of(self.hash_seed, key)
    }

    /// The hash that says where the index looks: the cheapest that will do, since each lookup has to wait for it. What
    /// policies and jitter go by is [`hash`](Self::hash).
    #[inline(always)]
    pub(super) fn index_hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        spread_from(self.index_start, key)
    }

    #[inline(always)]
    pub(super) fn find<Q>(&self, index_hash: u64, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.index.find(index_hash, |slot| self.is_under(slot, key))
    }

    /// Whether a slot holds the entry of this key.
    #[inline(always)]
    fn is_under<Q>(&self, slot: u32, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.entries[slot as usize].as_ref().is_some_and(|entry| entry.key.borrow() == key)
    }

    fn entry<Q>(&self, key: &Q) -> Option<&Entry<K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let slot = self.find(self.index_hash(key), key)?;
        self.entries[slot as usize].as_ref()
    }
}

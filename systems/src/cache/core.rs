//! The cache itself: slots, an index, an eviction. Never sweeps by itself: what has expired keeps its place until it
//! is asked for, written over, evicted, or [`Cache::expire`] is called.

use super::config::{CacheConfig, MAX_ENTRIES};
use super::eviction::{Admission, Departure, Eviction, Incoming, Policy, Victim};
use super::expiry::{Deadlines, Expiry};
use super::lookup::{Inserted, Terms};
use super::reads::index_start;
use super::removal::{RemovalCause, RemovalListener};
use super::stats::CacheStats;
use super::tags::Tags;
use crate::key_index::KeyIndex;
use crate::time::{Span, Time};
use std::borrow::Borrow;
use std::hash::Hash;

/// A bounded cache.
///
/// All methods take constant time, however many entries there are, except where they say so and while the memory
/// grows, which ends when the capacity has been reached once. (GDSF and [`Optimal`](super::Optimal) take logarithmic
/// time, as do tags.) Keys are hashed by a fixed function of the config's seed: results do not differ between runs.
///
/// `L` is told of every removal; by default nobody is.
#[derive(Debug)]
pub struct Cache<K, V, L = ()> {
    pub(super) config: CacheConfig,
    /// The seed at the time of making: the index cannot follow another.
    pub(super) hash_seed: u64,
    /// Where the index's own hashes begin, by that seed.
    pub(super) index_start: u64,
    /// Whether the eviction is the one the config names.
    is_built_in: bool,
    pub(super) entries: Vec<Option<Entry<K, V>>>,
    pub(super) facts: Vec<Facts>,
    free: Vec<u32>,
    pub(super) index: KeyIndex,
    pub(super) eviction: Policy,
    weight: u64,
    pub(super) deadlines: Deadlines,
    pub(super) tags: Tags,
    pub(super) stats: CacheStats,
    listener: L,
}

/// What a lookup needs.
#[derive(Clone, Debug)]
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: V,
    pub(super) expiry: Expiry,
}

/// What only writes need to know of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// What the policy and the jitter go by.
    pub(super) hash: u64,
    /// What the index goes by.
    pub(super) index_hash: u64,
    pub(super) written: Time,
    /// Kept only if there is a time to idle.
    pub(super) used: Time,
    pub(super) own_ttl: Option<Span>,
    pub(super) version: u64,
    pub(super) weight: u32,
}

impl<K, V> Entry<K, V> {
    /// Gives the entry in this slot the expiry that follows from the config and its facts.
    #[inline(never)]
    pub(super) fn renew(
        &mut self,
        slot: u32,
        config: &CacheConfig,
        facts: &Facts,
        deadlines: &mut Deadlines,
    ) {
        self.expiry = Expiry::of(config, facts.hash, facts.own_ttl, facts.written, facts.used);
        deadlines.note(slot, self.expiry.with_grace(config.grace));
    }
}

impl<K: Hash + Eq, V> Cache<K, V> {
    /// An empty cache.
    pub fn new(config: CacheConfig) -> Cache<K, V> {
        Cache::with_listener(config, ())
    }

    /// An empty cache with an eviction of your own; those named in the config are not used.
    pub fn with_eviction(config: CacheConfig, eviction: Box<dyn Eviction>) -> Cache<K, V> {
        Cache::with_parts(config, Some(eviction), ())
    }
}

impl<K: Hash + Eq, V, L: RemovalListener<K, V>> Cache<K, V, L> {
    /// An empty cache whose removals are told to a listener.
    pub fn with_listener(config: CacheConfig, listener: L) -> Cache<K, V, L> {
        Cache::with_parts(config, None, listener)
    }

    /// An empty cache; without an eviction of your own, the one the config names.
    pub fn with_parts(
        config: CacheConfig,
        eviction: Option<Box<dyn Eviction>>,
        listener: L,
    ) -> Cache<K, V, L> {
        let is_built_in = eviction.is_none();
        let mut eviction = eviction.map_or_else(|| built_in(&config), Policy::Other);
        eviction.set_capacity(config.capacity);
        Cache {
            config,
            hash_seed: config.seed,
            index_start: index_start(config.seed),
            is_built_in,
            entries: Vec::new(),
            facts: Vec::new(),
            free: Vec::new(),
            index: KeyIndex::new(),
            eviction,
            weight: 0,
            deadlines: Deadlines::default(),
            tags: Tags::default(),
            stats: CacheStats::default(),
            listener,
        }
    }

    /// Writes a value that weighs 1 and lives as long as the config says.
    pub fn insert(&mut self, now: Time, key: K, value: V) -> Inserted<V> {
        self.insert_with(now, key, value, &Terms::default())
    }

    /// Writes a value on terms of its own.
    pub fn insert_with(&mut self, now: Time, key: K, value: V, terms: &Terms<'_>) -> Inserted<V> {
        let index_hash = self.index_hash(&key);
        self.insert_hashed(now, index_hash, key, value, terms)
    }

    #[inline]
    pub(super) fn insert_hashed(
        &mut self,
        now: Time,
        index_hash: u64,
        key: K,
        value: V,
        terms: &Terms<'_>,
    ) -> Inserted<V> {
        let facts = Facts {
            hash: self.hash(&key),
            index_hash,
            written: now,
            used: now,
            own_ttl: terms.ttl,
            version: terms.version,
            weight: terms.weight.max(1),
        };
        self.place(now, key, value, facts, terms.tags)
    }

    /// Takes a key out; its value, expired or not.
    pub fn remove<Q>(&mut self, now: Time, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let slot = self.find(self.index_hash(key), key)?;
        self.withdraw(now, slot)
    }

    /// Takes a key out if its version is lower than this one; its value.
    pub fn remove_older<Q>(&mut self, now: Time, key: &Q, version: u64) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let slot = self.find(self.index_hash(key), key)?;
        if self.facts[slot as usize].version < version { self.withdraw(now, slot) } else { None }
    }

    /// Takes all entries with this tag out; how many.
    pub fn remove_tagged(&mut self, now: Time, tag: u64) -> u32 {
        let mut removed = 0;
        while let Some(slot) = self.tags.first_with(tag) {
            removed += u32::from(self.withdraw(now, slot).is_some());
        }
        removed
    }

    /// Takes all entries out that a predicate picks; how many. O(entries).
    pub fn remove_if(&mut self, now: Time, mut picks: impl FnMut(&K, &V) -> bool) -> u32 {
        let mut removed = 0;
        for slot in 0..self.entries.len() as u32 {
            let picked =
                self.entries[slot as usize].as_ref().is_some_and(|entry| picks(&entry.key, &entry.value));
            if picked {
                removed += u32::from(self.withdraw(now, slot).is_some());
            }
        }
        removed
    }

    /// Forgets everything and keeps the memory and the counts. O(capacity).
    pub fn clear(&mut self) {
        for entry in self.entries.drain(..).flatten() {
            self.listener.on_removal(&entry.key, &entry.value, RemovalCause::Explicit);
        }
        self.facts.clear();
        self.free.clear();
        self.index.clear();
        self.eviction.clear();
        self.weight = 0;
        self.deadlines.clear();
        self.tags.clear();
    }

    /// Takes everything out whose expiry and grace are over; how many. O(log entries) for each.
    pub fn expire(&mut self, now: Time) -> u32 {
        let mut removed = 0;
        while let Some(slot) = self.deadlines.pop(now) {
            let Some(entry) = &self.entries[slot as usize] else { continue };
            let end = entry.expiry.with_grace(self.config.grace);
            if end.is_past(now) {
                removed +=
                    u32::from(self.take_out(slot, RemovalCause::Expired, Departure::Withdrawn).is_some());
            } else {
                self.deadlines.note(slot, end);
            }
        }
        removed
    }

    /// When [`expire`](Self::expire) wants to be called next. There may turn out to be nothing to do by then.
    pub fn deadline(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// Changes the time to live, for entries already there as well, except those with one of their own. O(entries).
    pub fn set_ttl(&mut self, ttl: Option<Span>) {
        if self.config.ttl != ttl {
            self.reconfigure(CacheConfig { ttl, ..self.config });
        }
    }

    /// Follows a new config: evicts what no longer fits; another eviction takes the entries over in the order
    /// in which they would have gone. Keys go on being hashed with the first seed. O(entries).
    pub fn reconfigure(&mut self, config: CacheConfig) {
        let former = std::mem::replace(&mut self.config, config);
        self.eviction.set_capacity(config.capacity);
        self.shrink();
        let is_same = (former.eviction, former.admission) == (config.eviction, config.admission);
        if !(self.is_built_in && is_same) {
            self.hand_over(built_in(&config));
        }
        self.deadlines.clear();
        for slot in 0..self.entries.len() as u32 {
            self.renew_expiry(slot);
        }
    }

    /// Entries there, expired ones included.
    pub fn len(&self) -> u32 {
        self.index.len()
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Weight of what is there.
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// Weight kept at most.
    pub const fn capacity(&self) -> u64 {
        self.config.capacity
    }

    /// What it has done so far.
    pub const fn stats(&self) -> CacheStats {
        self.stats
    }

    /// The config in force.
    pub const fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// Who is told of removals.
    pub fn listener_mut(&mut self) -> &mut L {
        &mut self.listener
    }

    /// All fresh entries, in an order that depends on the history alone. Counts and moves nothing.
    pub fn iter(&self, now: Time) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.entries.iter().flatten();
        entries.filter(move |entry| !entry.expiry.is_past(now)).map(|entry| (&entry.key, &entry.value))
    }

    /// Brings an entry in, under a key that may be there already.
    #[inline]
    pub(super) fn place(&mut self, now: Time, key: K, value: V, facts: Facts, tags: &[u64]) -> Inserted<V> {
        let is_too_heavy = u64::from(facts.weight) > self.config.capacity;
        if let Some(slot) = self.find(facts.index_hash, &key) {
            if facts.version < self.facts[slot as usize].version {
                self.stats.refused += 1;
                return Inserted::Outdated(value);
            }
            if is_too_heavy {
                let cause = self.cause_of_loss(now, slot, RemovalCause::Replaced);
                self.take_out(slot, cause, Departure::Withdrawn);
                self.stats.refused += 1;
                return Inserted::Refused(value);
            }
            return self.write_over(now, slot, value, facts, tags);
        }
        let incoming = Incoming { hash: facts.hash, weight: facts.weight };
        if is_too_heavy || !self.make_room(incoming) {
            self.stats.refused += 1;
            return Inserted::Refused(value);
        }
        let expiry = Expiry::of(&self.config, facts.hash, facts.own_ttl, facts.written, facts.used);
        let slot = self.settle(Entry { key, value, expiry }, facts);
        self.weight += u64::from(facts.weight);
        self.index.insert(facts.index_hash, slot);
        self.eviction.on_insert(slot, incoming);
        self.tags.set(slot, tags);
        self.deadlines.note(slot, expiry.with_grace(self.config.grace));
        Inserted::Added
    }

    fn write_over(&mut self, now: Time, slot: u32, value: V, facts: Facts, tags: &[u64]) -> Inserted<V> {
        let cause = self.cause_of_loss(now, slot, RemovalCause::Replaced);
        let former_weight = std::mem::replace(&mut self.facts[slot as usize], facts).weight;
        self.eviction.on_hit(slot);
        self.renew_expiry(slot);
        self.tags.set(slot, tags);
        let Some(entry) = &mut self.entries[slot as usize] else { return Inserted::Added };
        let former = std::mem::replace(&mut entry.value, value);
        self.listener.on_removal(&entry.key, &former, cause);
        if former_weight != facts.weight {
            self.weight = self.weight - u64::from(former_weight) + u64::from(facts.weight);
            self.eviction.on_reweigh(slot, facts.weight);
            self.shrink();
        }
        Inserted::Replaced(former)
    }

    /// Puts an entry into a free slot.
    #[inline]
    fn settle(&mut self, entry: Entry<K, V>, facts: Facts) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = Some(entry);
                self.facts[slot as usize] = facts;
                slot
            }
            None => {
                self.entries.push(Some(entry));
                self.facts.push(facts);
                // As many places as entries, so that giving them back takes no memory either.
                self.free.reserve(self.entries.len());
                (self.entries.len() - 1) as u32
            }
        }
    }

    /// Evicts until an entry fits; `false` if the policy does not let it in.
    #[inline]
    fn make_room(&mut self, incoming: Incoming) -> bool {
        self.eviction.on_arrival(incoming);
        let weight = u64::from(incoming.weight);
        while self.weight + weight > self.config.capacity || self.len() >= MAX_ENTRIES {
            match self.eviction.victim(Some(incoming)) {
                Victim::Slot(slot) => self.evict(slot),
                Victim::Incoming => return false,
                Victim::Nothing => panic_without_victim(),
            }
        }
        true
    }

    /// Evicts until everything fits.
    fn shrink(&mut self) {
        while self.weight > self.config.capacity {
            match self.eviction.victim(None) {
                Victim::Slot(slot) => self.evict(slot),
                Victim::Incoming | Victim::Nothing => panic_without_victim(),
            }
        }
    }

    #[inline]
    fn evict(&mut self, slot: u32) {
        let evicted = self.unhook(slot, RemovalCause::Size, Departure::Evicted);
        assert!(evicted.is_some(), "an eviction names only entries that are there");
        let weight = self.facts[slot as usize].weight;
        self.stats.evicted += 1;
        self.stats.evicted_weight = self.stats.evicted_weight.saturating_add(u64::from(weight));
    }

    /// Gives all entries to another eviction, coldest first.
    fn hand_over(&mut self, successor: Policy) {
        let mut former = std::mem::replace(&mut self.eviction, successor);
        while let Victim::Slot(slot) = former.victim(None) {
            former.on_remove(slot, Departure::Withdrawn);
            if let Some(Facts { hash, weight, .. }) = self.facts.get(slot as usize).copied() {
                let incoming = Incoming { hash, weight };
                self.eviction.on_arrival(incoming);
                self.eviction.on_insert(slot, incoming);
            }
        }
        self.is_built_in = true;
    }

    fn renew_expiry(&mut self, slot: u32) {
        if let Some(entry) = &mut self.entries[slot as usize] {
            entry.renew(slot, &self.config, &self.facts[slot as usize], &mut self.deadlines);
        }
    }

    /// The cause to report for an entry that goes for `cause`, unless it had expired before.
    fn cause_of_loss(&self, now: Time, slot: u32, cause: RemovalCause) -> RemovalCause {
        let expired = self.entries[slot as usize].as_ref().is_some_and(|entry| entry.expiry.is_past(now));
        if expired { RemovalCause::Expired } else { cause }
    }

    fn withdraw(&mut self, now: Time, slot: u32) -> Option<V> {
        let cause = self.cause_of_loss(now, slot, RemovalCause::Explicit);
        self.take_out(slot, cause, Departure::Withdrawn).map(|entry| entry.value)
    }

    pub(super) fn take_out(
        &mut self,
        slot: u32,
        cause: RemovalCause,
        departure: Departure,
    ) -> Option<Entry<K, V>> {
        self.unhook(slot, cause, departure)
    }

    /// [`take_out`](Self::take_out) in the same function as its caller.
    #[inline(always)]
    fn unhook(&mut self, slot: u32, cause: RemovalCause, departure: Departure) -> Option<Entry<K, V>> {
        let entry = self.entries.get_mut(slot as usize)?.take()?;
        let Facts { index_hash, weight, .. } = self.facts[slot as usize];
        self.index.remove(index_hash, slot);
        self.weight -= u64::from(weight);
        self.eviction.on_remove(slot, departure);
        self.tags.set(slot, &[]);
        self.free.push(slot);
        self.listener.on_removal(&entry.key, &entry.value, cause);
        Some(entry)
    }
}

impl<K: Clone, V: Clone, L: Clone> Clone for Cache<K, V, L> {
    fn clone(&self) -> Cache<K, V, L> {
        Cache {
            config: self.config,
            hash_seed: self.hash_seed,
            index_start: self.index_start,
            is_built_in: self.is_built_in,
            entries: self.entries.clone(),
            facts: self.facts.clone(),
            free: self.free.clone(),
            index: self.index.clone(),
            eviction: self.eviction.clone(),
            weight: self.weight,
            deadlines: self.deadlines.clone(),
            tags: self.tags.clone(),
            stats: self.stats,
            listener: self.listener.clone(),
        }
    }
}

fn built_in(config: &CacheConfig) -> Policy {
    match config.admission {
        Admission::All => Policy::of(config.eviction, config.capacity, config.seed),
        guarded @ Admission::TinyLfu => {
            let inner = config.eviction.build(config.capacity, config.seed);
            Policy::Other(guarded.guard(inner, config.capacity))
        }
    }
}

/// A cache that is over its bound has entries, and an eviction knows all of them.
#[cold]
fn panic_without_victim() -> ! {
    panic!("an eviction names a victim as long as there are entries")
}

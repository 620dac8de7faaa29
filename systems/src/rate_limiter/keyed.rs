//! One limiter for each key: per client, per tenant, per host. Keys that have been idle for so long that their limiter
//! is as good as new are dropped, a few at a time; that decides nothing unless the table is full. Never shares
//! permits between keys.

use super::{Forgettable, Limiter, RetryAt};
use crate::key_hash::hash_of;
use crate::key_index::KeyIndex;
use crate::linked_slots::LinkedSlots;
use crate::time::Time;
use std::fmt;
use std::hash::Hash;

/// How many keys, and what happens at the edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedConfig {
    /// Keys kept at most. At least 1.
    pub max_keys: u32,
    /// What happens to a new key when as many are active.
    pub on_full: OnFull,
    /// What happens to a request that has no key.
    pub empty_key: EmptyKey,
    /// Seeds the hash by which keys are found; no decision depends on it. Where strangers choose the keys, a random
    /// number that they do not know: they could choose keys that are slow to find.
    pub hash_seed: u64,
}

impl Default for KeyedConfig {
    /// A million keys; new ones are refused above; so are requests without a key.
    fn default() -> KeyedConfig {
        KeyedConfig {
            max_keys: 1_000_000,
            on_full: OnFull::Reject,
            empty_key: EmptyKey::Reject,
            hash_seed: 0,
        }
    }
}

/// What happens to a new key when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// It is refused: nobody gets a fresh limit by crowding others out. The key not seen for the longest time, and a
    /// few more, are looked at first: one that is as good as new makes room.
    #[default]
    Reject,
    /// The key not seen for the longest time is forgotten, and with it what it has used.
    ForgetOldest,
}

/// What happens to a request that has no key: an absent header, an empty variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyKey {
    /// It is refused: a limiter whose key went missing says so at once.
    #[default]
    Reject,
    /// All of them share one limiter.
    Count,
    /// It passes unlimited, as in nginx. The protection is off for such requests: watch
    /// [`KeyedStats::empty_keys`].
    Skip,
}

/// Why a keyed limiter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKeysAllowed;

impl fmt::Display for NoKeysAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("max_keys 0 lets nobody through: use 1 or more")
    }
}

impl std::error::Error for NoKeysAllowed {}

/// Why a keyed request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyedRefusal {
    /// Its key is over the limit.
    OverLimit(RetryAt),
    /// It has no key.
    EmptyKey,
    /// As many keys as allowed are active.
    TooManyKeys,
}

impl fmt::Display for KeyedRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyedRefusal::OverLimit(RetryAt(wait)) => write!(f, "over the limit: try again in {wait}"),
            KeyedRefusal::EmptyKey => f.write_str("no key to count by: send the one the limit is keyed on"),
            KeyedRefusal::TooManyKeys => f.write_str("too many keys at once: raise max_keys"),
        }
    }
}

impl std::error::Error for KeyedRefusal {}

/// What a keyed limiter has met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyedStats {
    /// Requests without a key. More than a few mean that the key is not what it should be.
    pub empty_keys: u64,
    /// Keys dropped because they were as good as new.
    pub idle_dropped: u64,
    /// Keys forgotten for want of room.
    pub crowded_out: u64,
    /// New keys refused for want of room.
    pub keys_refused: u64,
}

/// A check touches little memory beside this: with a key of a word and a [`Gcra`](super::Gcra) it is one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Entry<K, L> {
    key: K,
    limiter: L,
}

/// A limiter for each key, made from one template.
#[derive(Clone, Debug)]
pub struct Keyed<K, L> {
    config: KeyedConfig,
    template: L,
    /// For requests without a key under [`EmptyKey::Count`].
    keyless: L,
    index: KeyIndex,
    /// Without gaps: the last one fills the place of one that goes.
    entries: Vec<Entry<K, L>>,
    by_last_use: LinkedSlots,
    /// What is looked at next in the search for idle keys.
    hand: usize,
    checks: u32,
    stats: KeyedStats,
}

/// Entries looked at for idleness when a key is added: more than are added, so that the search laps the growth.
const LOOKED_AT_PER_NEW_KEY: usize = 2;

/// Checks of keys that are there until one entry is looked at: what idles goes although no key is added.
const CHECKS_PER_LOOK: u32 = 8;

impl<K: Hash + Eq + Clone, L: Limiter + Forgettable> Keyed<K, L> {
    /// No keys yet; each gets a renewed `template`.
    ///
    /// # Errors
    /// [`NoKeysAllowed`] if `max_keys` is 0.
    pub fn new(config: KeyedConfig, template: L, now: Time) -> Result<Keyed<K, L>, NoKeysAllowed> {
        if config.max_keys == 0 {
            return Err(NoKeysAllowed);
        }
        Ok(Keyed {
            config,
            keyless: template.renewed(now),
            template,
            index: KeyIndex::new(),
            entries: Vec::new(),
            by_last_use: LinkedSlots::new(),
            hand: 0,
            checks: 0,
            stats: KeyedStats::default(),
        })
    }

    /// Takes `cost` permits of this key, or none.
    ///
    /// # Errors
    /// [`KeyedRefusal`] says whether the limit, the key or the table was the reason.
    #[inline]
    pub fn check(&mut self, now: Time, key: Option<&K>, cost: u64) -> Result<(), KeyedRefusal> {
        let hash = key.map_or(0, |key| self.hash(key));
        self.check_hashed(now, hash, key, cost)
    }

    /// As [`Keyed::check`], where the key has been hashed already.
    #[inline]
    pub(super) fn check_hashed(
        &mut self,
        now: Time,
        hash: u64,
        key: Option<&K>,
        cost: u64,
    ) -> Result<(), KeyedRefusal> {
        let limiter = match key {
            Some(key) => self.hashed_limiter(now, hash, key)?,
            None => {
                self.stats.empty_keys += 1;
                match self.config.empty_key {
                    EmptyKey::Reject => return Err(KeyedRefusal::EmptyKey),
                    EmptyKey::Skip => return Ok(()),
                    EmptyKey::Count => &mut self.keyless,
                }
            }
        };
        limiter.check(now, cost).map_err(KeyedRefusal::OverLimit)
    }

    /// The limiter of a key, made if need be: to reserve, to give back, to ask for its quota.
    ///
    /// # Errors
    /// [`KeyedRefusal::TooManyKeys`] if the key is new and there is no room.
    pub fn limiter(&mut self, now: Time, key: &K) -> Result<&mut L, KeyedRefusal> {
        self.hashed_limiter(now, self.hash(key), key)
    }

    #[inline]
    fn hashed_limiter(&mut self, now: Time, hash: u64, key: &K) -> Result<&mut L, KeyedRefusal> {
        self.checks = self.checks.wrapping_add(1);
        if self.checks.is_multiple_of(CHECKS_PER_LOOK) {
            self.look_for_idle(now, 1);
        }
        let slot = match self.find(hash, key) {
            Some(slot) => {
                self.by_last_use.move_to_back(slot);
                slot
            }
            None => self.add(now, hash, key)?,
        };
        Ok(&mut self.entries[slot as usize].limiter)
    }

    /// The limiter of a key that is there, or the one that requests without a key share; neither makes a key nor
    /// counts as its use.
    pub fn present(&mut self, key: Option<&K>) -> Option<&mut L> {
        let Some(key) = key else { return Some(&mut self.keyless) };
        let slot = self.find(self.hash(key), key)?;
        Some(&mut self.entries[slot as usize].limiter)
    }

    /// Drops every key whose limiter is as good as new. O(keys); checks do the same a little at a time.
    pub fn drop_idle(&mut self, now: Time) {
        // From the end, so that what fills a gap has been looked at.
        for slot in (0..self.entries.len()).rev() {
            self.drop_if_idle(now, slot);
        }
    }

    /// Changes the limit of all keys, those to come included: `change` is called for every limiter.
    pub fn reconfigure(&mut self, mut change: impl FnMut(&mut L)) {
        change(&mut self.template);
        change(&mut self.keyless);
        for entry in &mut self.entries {
            change(&mut entry.limiter);
        }
    }

    /// Keys kept at present.
    pub fn len(&self) -> usize {
        self.index.len() as usize
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// What it has met so far.
    pub const fn stats(&self) -> KeyedStats {
        self.stats
    }

    fn hash(&self, key: &K) -> u64 {
        hash_of(self.config.hash_seed, key)
    }

    #[inline]
    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        let is_it = |slot: u32| self.entries.get(slot as usize).is_some_and(|entry| entry.key == *key);
        self.index.find(hash, is_it)
    }

    /// Apart from the checks of keys that are there, which stay short.
    #[inline(never)]
    fn add(&mut self, now: Time, hash: u64, key: &K) -> Result<u32, KeyedRefusal> {
        self.look_for_idle(now, LOOKED_AT_PER_NEW_KEY);
        if self.index.len() >= self.config.max_keys {
            self.make_room(now)?;
        }
        let slot = self.entries.len() as u32;
        self.entries.push(Entry { key: key.clone(), limiter: self.template.renewed(now) });
        self.index.insert(hash, slot);
        self.by_last_use.push_back(slot);
        Ok(slot)
    }

    fn make_room(&mut self, now: Time) -> Result<(), KeyedRefusal> {
        let oldest = self.by_last_use.front();
        if oldest.is_some_and(|slot| self.drop_if_idle(now, slot as usize)) {
            return Ok(());
        }
        match (self.config.on_full, oldest) {
            (OnFull::ForgetOldest, Some(slot)) => {
                self.stats.crowded_out += 1;
                self.forget(slot as usize);
                Ok(())
            }
            (OnFull::Reject | OnFull::ForgetOldest, _) => {
                self.stats.keys_refused += 1;
                Err(KeyedRefusal::TooManyKeys)
            }
        }
    }

    #[inline(never)]
    fn look_for_idle(&mut self, now: Time, entries: usize) {
        for _ in 0..entries.min(self.entries.len()) {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            let dropped = self.drop_if_idle(now, self.hand);
            self.hand += usize::from(!dropped);
        }
    }

    fn drop_if_idle(&mut self, now: Time, slot: usize) -> bool {
        let idle = self.entries.get(slot).is_some_and(|entry| entry.limiter.settled_at() <= now);
        if idle {
            self.stats.idle_dropped += 1;
            self.forget(slot);
        }
        idle
    }

    fn forget(&mut self, slot: usize) {
        let last = self.entries.len() - 1;
        self.index.remove(self.hash(&self.entries[slot].key), slot as u32);
        self.by_last_use.unlink(slot as u32);
        if slot < last {
            let hash = self.hash(&self.entries[last].key);
            self.index.remove(hash, last as u32);
            self.index.insert(hash, slot as u32);
            self.by_last_use.rename(last as u32, slot as u32);
        }
        self.entries.swap_remove(slot);
    }
}

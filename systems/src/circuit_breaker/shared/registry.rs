//! Shared breakers by key, with a bound on how many. Callers keep what they get: finding it again is for the
//! first call to an endpoint, not for every call.

use super::super::breaker::Breaker;
use super::super::config::BreakerConfig;
use super::super::counters::BreakerMetrics;
use super::super::state::State;
use super::breaker::SharedBreaker;
use crate::arithmetic::keyed_word;
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// There are as many breakers as there may be, each held by somebody or holding calls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryFull {
    /// As many as there may be.
    pub max_breakers: usize,
}

impl fmt::Display for RegistryFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all {} breakers are in use: raise max_breakers above the number of endpoints, or use a coarser key",
            self.max_breakers
        )
    }
}

impl std::error::Error for RegistryFull {}

#[derive(Debug)]
struct Entries<K> {
    breakers: BTreeMap<K, Arc<SharedBreaker>>,
    created: u64,
    evicted: u64,
}

/// Breakers by key for many threads, made when first asked for.
///
/// A newcomer takes the place of a closed breaker that nobody holds, the one with the least key among them.
#[derive(Debug)]
pub struct BreakerRegistry<K> {
    config: BreakerConfig,
    max_breakers: usize,
    seed: u64,
    entries: RwLock<Entries<K>>,
}

impl<K: Ord + Clone> BreakerRegistry<K> {
    /// No breakers yet; each will follow `config`, with a seed of its own drawn from `seed`. `max_breakers` 0
    /// counts as 1.
    pub fn new(config: BreakerConfig, max_breakers: usize, seed: u64) -> BreakerRegistry<K> {
        let entries = Entries { breakers: BTreeMap::new(), created: 0, evicted: 0 };
        BreakerRegistry { config, max_breakers: max_breakers.max(1), seed, entries: RwLock::new(entries) }
    }

    /// The key's breaker; made with the registry's config if there is none.
    ///
    /// # Errors
    /// [`RegistryFull`] if there is no place for another.
    pub fn get_or_create(&self, key: &K) -> Result<Arc<SharedBreaker>, RegistryFull> {
        self.get_or_create_with(key, |_| self.config.clone())
    }

    /// The key's breaker; made with a config of its own if there is none.
    ///
    /// # Errors
    /// [`RegistryFull`] if there is no place for another.
    pub fn get_or_create_with(
        &self,
        key: &K,
        config: impl FnOnce(&K) -> BreakerConfig,
    ) -> Result<Arc<SharedBreaker>, RegistryFull> {
        if let Some(found) = self.get(key) {
            return Ok(found);
        }
        let config = config(key);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have made it meanwhile.
        if let Some(found) = entries.breakers.get(key) {
            return Ok(Arc::clone(found));
        }
        if entries.breakers.len() >= self.max_breakers {
            entries.evict(self.max_breakers)?;
        }
        let breaker = Breaker::new(config).with_seed(keyed_word(self.seed, entries.created));
        let breaker = Arc::new(SharedBreaker::from(breaker));
        entries.created += 1;
        entries.breakers.insert(key.clone(), Arc::clone(&breaker));
        Ok(breaker)
    }

    /// The key's breaker, if there is one.
    pub fn get(&self, key: &K) -> Option<Arc<SharedBreaker>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).breakers.get(key).map(Arc::clone)
    }

    /// Takes a breaker out, whoever holds it: the endpoint is gone.
    pub fn remove(&self, key: &K) -> Option<Arc<SharedBreaker>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).breakers.remove(key)
    }

    /// All breakers at `now`, by key.
    pub fn metrics(&self, now: Time) -> Vec<(K, BreakerMetrics)> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.breakers.iter().map(|(key, breaker)| (key.clone(), breaker.metrics(now))).collect()
    }

    /// How many breakers there are.
    pub fn len(&self) -> usize {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).breakers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Breakers that gave way to others so far.
    pub fn evicted(&self) -> u64 {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).evicted
    }
}

impl<K: Ord + Clone> Entries<K> {
    fn evict(&mut self, max_breakers: usize) -> Result<(), RegistryFull> {
        // Nobody can get hold of another while the entries are being written.
        let mut unused = self
            .breakers
            .iter()
            .filter(|(_, breaker)| Arc::strong_count(breaker) == 1 && breaker.state() == State::Closed);
        let key = unused.next().map(|(key, _)| key.clone()).ok_or(RegistryFull { max_breakers })?;
        self.breakers.remove(&key);
        self.evicted += 1;
        Ok(())
    }
}

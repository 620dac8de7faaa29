//! One breaker for each endpoint, shard or tenant, with a bound on how many. Never drops a breaker that holds
//! calls back: only a closed one gives way to a newcomer.

use super::breaker::Breaker;
use super::config::BreakerConfig;
use super::permit::{BreakerRejection, Permit, Recorded, Taken};
use super::state::{State, Transition};
use crate::arithmetic::keyed_word;
use crate::linked_slots::LinkedSlots;
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::fmt;

/// Leave to make one call, with the breaker that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedPermit {
    slot: u32,
    /// The breaker, among all that ever stood in the slot.
    incarnation: u64,
    permit: Permit,
}

impl KeyedPermit {
    /// The permit itself.
    pub const fn permit(self) -> Permit {
        self.permit
    }
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyedRejection {
    /// The key's breaker refuses.
    Breaker(BreakerRejection),
    /// The key has no breaker, and there are as many as there may be, none of them closed.
    Full {
        /// As many as there may be.
        max_breakers: u32,
    },
}

impl fmt::Display for KeyedRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyedRejection::Breaker(refused) => refused.fmt(f),
            KeyedRejection::Full { max_breakers } => write!(
                f,
                "all {max_breakers} breakers hold calls back: raise max_breakers above the number of endpoints, \
                 or use a coarser key"
            ),
        }
    }
}

impl std::error::Error for KeyedRejection {}

#[derive(Clone, Debug)]
struct Entry<K> {
    key: K,
    incarnation: u64,
    breaker: Breaker,
}

/// Breakers by key, made when first asked for.
///
/// A newcomer takes the place of the closed breaker that was asked least recently; its window is lost, and
/// results of its calls are strays. Finding a key's breaker is O(log n), giving a permit back O(1).
#[derive(Clone, Debug)]
pub struct KeyedBreakers<K> {
    config: BreakerConfig,
    max_breakers: u32,
    seed: u64,
    slots: BTreeMap<K, u32>,
    entries: Vec<Entry<K>>,
    /// Slots in use, least recently asked first.
    recency: LinkedSlots,
    created: u64,
    evicted: u64,
}

impl<K: Ord + Clone> KeyedBreakers<K> {
    /// No breakers yet; each will follow `config`, with a seed of its own drawn from `seed`. `max_breakers` 0
    /// counts as 1.
    pub fn new(config: BreakerConfig, max_breakers: u32, seed: u64) -> KeyedBreakers<K> {
        KeyedBreakers {
            config,
            max_breakers: max_breakers.clamp(1, u32::MAX - 1),
            seed,
            slots: BTreeMap::new(),
            entries: Vec::new(),
            recency: LinkedSlots::new(),
            created: 0,
            evicted: 0,
        }
    }

    /// Asks to make a call to `key`.
    ///
    /// # Errors
    /// [`KeyedRejection`] if its breaker refuses, or there is no place for one.
    pub fn try_acquire(&mut self, now: Time, key: &K) -> Result<KeyedPermit, KeyedRejection> {
        let slot = match self.slots.get(key) {
            Some(slot) => *slot,
            None => self.create(key)?,
        };
        self.recency.push_back(slot);
        let entry = &mut self.entries[slot as usize];
        match entry.breaker.try_acquire(now) {
            Ok(permit) => Ok(KeyedPermit { slot, incarnation: entry.incarnation, permit }),
            Err(refused) => Err(KeyedRejection::Breaker(refused)),
        }
    }

    /// Takes a permit back with the result of its call and the time the call took.
    pub fn record(&mut self, now: Time, permit: KeyedPermit, recorded: Recorded, duration: Span) -> Taken {
        match self.entries.get_mut(permit.slot as usize) {
            Some(entry) if entry.incarnation == permit.incarnation => {
                entry.breaker.record(now, permit.permit, recorded, duration)
            }
            Some(_) | None => Taken::Stray,
        }
    }

    /// A key's breaker, if there is one.
    pub fn get(&self, key: &K) -> Option<&Breaker> {
        self.slots.get(key).map(|slot| &self.entries[*slot as usize].breaker)
    }

    /// A key's breaker, to command or reconfigure it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut Breaker> {
        self.slots.get(key).map(|slot| &mut self.entries[*slot as usize].breaker)
    }

    /// All breakers, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Breaker)> {
        self.slots.iter().map(|(key, slot)| (key, &self.entries[*slot as usize].breaker))
    }

    /// How many breakers there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Breakers that gave way to others so far.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// When [`expire`](Self::expire) would change something. O(n).
    pub fn deadline(&self) -> Option<Time> {
        self.entries.iter().filter_map(|entry| entry.breaker.deadline()).min()
    }

    /// Makes the changes that are due by time alone. O(n).
    pub fn expire(&mut self, now: Time) {
        for entry in &mut self.entries {
            entry.breaker.expire(now);
        }
    }

    /// A change of state not yet taken, with its key; each breaker's come in order. O(n).
    pub fn take_transition(&mut self) -> Option<(&K, Transition)> {
        self.entries.iter_mut().find_map(|entry| {
            let taken = entry.breaker.take_transition()?;
            Some((&entry.key, taken))
        })
    }

    /// Follows a new config, in every breaker.
    pub fn reconfigure(&mut self, config: BreakerConfig, now: Time) {
        for entry in &mut self.entries {
            entry.breaker.reconfigure(config.clone(), now);
        }
        self.config = config;
    }

    fn create(&mut self, key: &K) -> Result<u32, KeyedRejection> {
        let seed = keyed_word(self.seed, self.created);
        let breaker = Breaker::new(self.config.clone()).with_seed(seed);
        let entry = Entry { key: key.clone(), incarnation: self.created, breaker };
        let slot = if self.entries.len() < self.max_breakers as usize {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        } else {
            let slot = self.closed_longest_unasked()?;
            let evicted = std::mem::replace(&mut self.entries[slot as usize], entry);
            self.slots.remove(&evicted.key);
            self.evicted += 1;
            slot
        };
        self.created += 1;
        self.slots.insert(key.clone(), slot);
        Ok(slot)
    }

    fn closed_longest_unasked(&self) -> Result<u32, KeyedRejection> {
        let mut slots = std::iter::successors(self.recency.front(), |slot| self.recency.after(*slot));
        slots
            .find(|slot| self.entries[*slot as usize].breaker.state() == State::Closed)
            .ok_or(KeyedRejection::Full { max_breakers: self.max_breakers })
    }
}

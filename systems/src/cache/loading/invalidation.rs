//! Dropping what is no longer true, here and on other nodes. What a load that began before brings is not kept; who
//! asks afterwards never joins it.

use super::super::lookup::{Inserted, Terms};
use super::{Held, Known, LoadingCache};
use crate::time::{Span, Time};
use std::hash::Hash;

/// What is no longer true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation<K> {
    /// The value of a key.
    Key(K),
    /// The value of a key, if its version is lower.
    Older {
        /// The key.
        key: K,
        /// The version that exists now.
        version: u64,
    },
    /// All values with a tag.
    Tag(u64),
    /// Everything.
    All,
}

impl<K: Hash + Eq + Clone, V: Clone, W> LoadingCache<K, V, W> {
    /// Writes a value that did not come from a load, and invalidates the key on the other nodes: by version if it has
    /// one.
    pub fn put(&mut self, now: Time, key: K, value: V, terms: &Terms<'_>) -> Inserted<()> {
        let hash = self.cache.hash(&key);
        self.flights.outdate(hash, &key);
        self.announce(if terms.version > 0 {
            Invalidation::Older { key: key.clone(), version: terms.version }
        } else {
            Invalidation::Key(key.clone())
        });
        let held = Held { known: Known::Value(value), loaded: now, took: Span::ZERO };
        match self.cache.insert_with(now, key, held, terms) {
            Inserted::Added => Inserted::Added,
            Inserted::Replaced(_) => Inserted::Replaced(()),
            Inserted::Refused(_) => Inserted::Refused(()),
            Inserted::Outdated(_) => Inserted::Outdated(()),
        }
    }

    /// Drops what is no longer true, here and, through [`take_broadcast`](Self::take_broadcast), on the other nodes.
    pub fn invalidate(&mut self, now: Time, what: Invalidation<K>) {
        self.handle_invalidation(now, &what);
        self.announce(what);
    }

    /// Drops what another node found to be no longer true. In any order, and as often as it arrives.
    pub fn handle_invalidation(&mut self, now: Time, what: &Invalidation<K>) {
        match what {
            Invalidation::Key(key) => {
                self.cache.remove(now, key);
                let hash = self.cache.hash(key);
                self.flights.outdate(hash, key);
            }
            Invalidation::Older { key, version } => {
                self.cache.remove_older(now, key, *version);
                let hash = self.cache.hash(key);
                if let Some(flight) = self.flights.current(hash, key) {
                    flight.least_version = flight.least_version.max(*version);
                }
            }
            Invalidation::Tag(tag) => {
                self.cache.remove_tagged(now, *tag);
                if self.flights.len() > 0 {
                    self.tag_fences.insert(*tag, self.flights.last_number());
                }
            }
            Invalidation::All => {
                self.cache.clear();
                self.flights.outdate_all();
            }
        }
    }

    /// Drops all values that a predicate picks, here only; how many. Loads under way are not kept: nobody knows what
    /// they will bring. O(entries).
    pub fn invalidate_if(&mut self, now: Time, mut picks: impl FnMut(&K, &V) -> bool) -> u32 {
        self.flights.outdate_all();
        self.cache.remove_if(now, |key, held| match &held.known {
            Known::Value(value) => picks(key, value),
            Known::Absent | Known::Failed => false,
        })
    }

    /// What the other nodes have to be told, oldest first; nothing unless the config says so.
    pub fn take_broadcast(&mut self) -> Option<Invalidation<K>> {
        self.broadcasts.pop_front()
    }

    fn announce(&mut self, what: Invalidation<K>) {
        if self.config.broadcast {
            self.broadcasts.push_back(what);
        }
    }
}

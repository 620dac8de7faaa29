//! Everything that is there, to be put back later or elsewhere. Never holds what a policy remembers of former
//! entries; a clone of the cache does.

use super::core::{Cache, Facts};
use super::eviction::{Departure, Victim};
use super::removal::RemovalListener;
use crate::time::{Span, Time};
use std::hash::Hash;

/// All entries, coldest first: in the order in which they would have gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSnapshot<K, V> {
    /// The entries.
    pub entries: Vec<Kept<K, V>>,
}

/// One entry of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<K, V> {
    /// Its key.
    pub key: K,
    /// Its value.
    pub value: V,
    /// When it was written.
    pub written: Time,
    /// When it was last used, if there is a time to idle; else when it was written.
    pub used: Time,
    /// Its own time to live.
    pub ttl: Option<Span>,
    /// Its weight.
    pub weight: u32,
    /// Its version.
    pub version: u64,
    /// Its tags.
    pub tags: Vec<u64>,
}

impl<K: Hash + Eq + Clone, V: Clone, L: RemovalListener<K, V>> Cache<K, V, L> {
    /// All entries, expired ones included. O(entries).
    pub fn snapshot(&self) -> CacheSnapshot<K, V> {
        let mut order = self.eviction.clone();
        let mut entries = Vec::with_capacity(self.len() as usize);
        while let Victim::Slot(slot) = order.victim(None) {
            order.on_remove(slot, Departure::Withdrawn);
            if let Some(entry) = self.entries.get(slot as usize).and_then(Option::as_ref) {
                let Facts { written, used, own_ttl, version, weight, .. } = self.facts[slot as usize];
                entries.push(Kept {
                    key: entry.key.clone(),
                    value: entry.value.clone(),
                    written,
                    used,
                    ttl: own_ttl,
                    weight,
                    version,
                    tags: self.tags.of(slot).to_vec(),
                });
            }
        }
        CacheSnapshot { entries }
    }

    /// Replaces all entries by those of a snapshot, each as old as it was. What does not fit is evicted, coldest
    /// first.
    pub fn restore(&mut self, now: Time, snapshot: CacheSnapshot<K, V>) {
        self.clear();
        for kept in snapshot.entries {
            let facts = Facts {
                hash: self.hash(&kept.key),
                index_hash: self.index_hash(&kept.key),
                written: kept.written,
                used: kept.used,
                own_ttl: kept.ttl,
                version: kept.version,
                weight: kept.weight.max(1),
            };
            self.place(now, kept.key, kept.value, facts, &kept.tags);
        }
    }
}

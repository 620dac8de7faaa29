//! Looking at everything there is, keeping it for later, forgetting it. Never touches loads under way.

use super::super::snapshot::{CacheSnapshot, Kept};
use super::{Held, Known, LoadingCache};
use crate::time::{Span, Time};
use std::hash::Hash;

impl<K: Hash + Eq + Clone, V: Clone, W> LoadingCache<K, V, W> {
    /// A fresh value. Counts, moves and loads nothing.
    pub fn peek(&self, now: Time, key: &K) -> Option<&V> {
        self.cache.peek(now, key).and_then(|held| held.known.value())
    }

    /// Whether anything is known of a key, fresh or expired, an absence or a failure included.
    pub fn has(&self, key: &K) -> bool {
        self.cache.has(key)
    }

    /// All fresh values, in an order that depends on the history alone. Counts, moves and loads nothing.
    pub fn iter(&self, now: Time) -> impl Iterator<Item = (&K, &V)> {
        self.cache.iter(now).filter_map(|(key, held)| Some((key, held.known.value()?)))
    }

    /// All values, expired ones included, coldest first. What is remembered of absences and failures is not in it: they
    /// are about the origin, and short-lived. O(entries).
    pub fn snapshot(&self) -> CacheSnapshot<K, V> {
        let kept = |kept: Kept<K, Held<V>>| {
            let value = kept.value.known.value()?.clone();
            let Kept { key, written, used, ttl, weight, version, tags, .. } = kept;
            Some(Kept { key, value, written, used, ttl, weight, version, tags })
        };
        CacheSnapshot { entries: self.cache.snapshot().entries.into_iter().filter_map(kept).collect() }
    }

    /// Replaces all that is known by the values of a snapshot, each as old as it was. What a load under way brings is
    /// kept in place of theirs. How long a value had taken to load is not in a snapshot: until it is loaded again,
    /// early expiry takes it for a quick one.
    pub fn restore(&mut self, now: Time, snapshot: CacheSnapshot<K, V>) {
        let held = |kept: Kept<K, V>| {
            let Kept { key, value, written, used, ttl, weight, version, tags } = kept;
            let value = Held { known: Known::Value(value), loaded: written, took: Span::ZERO };
            Kept { key, value, written, used, ttl, weight, version, tags }
        };
        self.cache.restore(now, CacheSnapshot { entries: snapshot.entries.into_iter().map(held).collect() });
    }

    /// Forgets everything, as a process does that is told to flush: nothing of it was untrue, so loads under way go on
    /// and what they bring is kept. Where values must not come back, see [`Invalidation::All`](super::Invalidation).
    pub fn clear(&mut self) {
        self.cache.clear();
    }
}

impl<V> Known<V> {
    const fn value(&self) -> Option<&V> {
        match self {
            Known::Value(value) => Some(value),
            Known::Absent | Known::Failed => None,
        }
    }
}

//! Who is told what went, and why. Every entry that was in a cache and is no more is reported exactly once.

use std::collections::VecDeque;

/// Why an entry is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemovalCause {
    /// It was taken out, by key, tag, version or predicate, or the cache was cleared.
    Explicit,
    /// It was written over while it was fresh.
    Replaced,
    /// It had expired.
    Expired,
    /// There was no room.
    Size,
}

/// Is told of every removal. Implement it for what should follow: a closure will do, [`RemovalLog`] keeps them.
pub trait RemovalListener<K, V> {
    /// An entry went. Called before its value is dropped or returned.
    fn on_removal(&mut self, key: &K, value: &V, cause: RemovalCause);
}

/// Nobody is told.
impl<K, V> RemovalListener<K, V> for () {
    #[inline]
    fn on_removal(&mut self, _key: &K, _value: &V, _cause: RemovalCause) {}
}

impl<K, V, F: FnMut(&K, &V, RemovalCause)> RemovalListener<K, V> for F {
    fn on_removal(&mut self, key: &K, value: &V, cause: RemovalCause) {
        self(key, value, cause);
    }
}

/// One removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal<K, V> {
    /// Its key.
    pub key: K,
    /// Its value.
    pub value: V,
    /// Why it went.
    pub cause: RemovalCause,
}

/// Keeps copies of what went until they are taken. Grows without bound if nobody takes them.
#[derive(Clone, Debug)]
pub struct RemovalLog<K, V> {
    removals: VecDeque<Removal<K, V>>,
}

impl<K, V> RemovalLog<K, V> {
    /// The oldest removal not yet taken.
    pub fn take(&mut self) -> Option<Removal<K, V>> {
        self.removals.pop_front()
    }
}

impl<K, V> Default for RemovalLog<K, V> {
    fn default() -> RemovalLog<K, V> {
        RemovalLog { removals: VecDeque::new() }
    }
}

impl<K: Clone, V: Clone> RemovalListener<K, V> for RemovalLog<K, V> {
    fn on_removal(&mut self, key: &K, value: &V, cause: RemovalCause) {
        self.removals.push_back(Removal { key: key.clone(), value: value.clone(), cause });
    }
}

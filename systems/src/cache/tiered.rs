//! A cache in memory before a larger, slower store: read through, write through, write behind, or write what is
//! evicted. Stores say how long they take; nobody waits here.

use super::config::CacheConfig;
use super::core::Cache;
use super::removal::{RemovalCause, RemovalLog};
use crate::time::{Span, Time};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::Hash;

/// Where values live behind the memory. Implement it for a disk, a remote cache, a database.
pub trait Store<K, V> {
    /// Looks a key up.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    fn read(&mut self, now: Time, key: &K) -> Result<Reading<V>, StoreError>;
    /// Writes a value; when it will be safe.
    ///
    /// # Errors
    /// [`StoreError`] if the store still has what it had.
    fn write(&mut self, now: Time, key: &K, value: &V) -> Result<Time, StoreError>;
    /// Takes a key out; when that will be done.
    ///
    /// # Errors
    /// [`StoreError`] if the store still has what it had.
    fn remove(&mut self, now: Time, key: &K) -> Result<Time, StoreError>;
}

/// What a read found, and when the answer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<V> {
    /// The value, if there is one.
    pub value: Option<V>,
    /// When the answer is there; not before the question.
    pub ready: Time,
}

/// The store did not do it. Try again later, or go without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreError;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store is not available: try again later")
    }
}

impl std::error::Error for StoreError {}

/// A store that answers at once and never fails.
#[derive(Clone, Debug)]
pub struct MemoryStore<K, V> {
    values: BTreeMap<K, V>,
}

impl<K, V> Default for MemoryStore<K, V> {
    fn default() -> MemoryStore<K, V> {
        MemoryStore { values: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Store<K, V> for MemoryStore<K, V> {
    fn read(&mut self, now: Time, key: &K) -> Result<Reading<V>, StoreError> {
        Ok(Reading { value: self.values.get(key).cloned(), ready: now })
    }
    fn write(&mut self, now: Time, key: &K, value: &V) -> Result<Time, StoreError> {
        self.values.insert(key.clone(), value.clone());
        Ok(now)
    }
    fn remove(&mut self, now: Time, key: &K) -> Result<Time, StoreError> {
        self.values.remove(key);
        Ok(now)
    }
}

/// Makes a store slow: one operation at a time, each taking a while, and none at all during an outage.
#[derive(Clone, Debug)]
pub struct SlowStore<S> {
    inner: S,
    /// How long an operation keeps the device busy.
    pub service: Span,
    /// What passes besides until the answer is there.
    pub latency: Span,
    /// Whether every operation fails, at once.
    pub is_down: bool,
    busy_until: Time,
}

impl<S> SlowStore<S> {
    /// A store that is up and idle.
    pub const fn new(inner: S, service: Span, latency: Span) -> SlowStore<S> {
        SlowStore { inner, service, latency, is_down: false, busy_until: Time::ZERO }
    }

    fn take_turn(&mut self, now: Time) -> Result<Time, StoreError> {
        if self.is_down {
            return Err(StoreError);
        }
        self.busy_until = self.busy_until.max(now) + self.service;
        Ok(self.busy_until + self.latency)
    }
}

impl<K, V, S: Store<K, V>> Store<K, V> for SlowStore<S> {
    fn read(&mut self, now: Time, key: &K) -> Result<Reading<V>, StoreError> {
        let turn = self.take_turn(now)?;
        self.inner.read(turn, key)
    }
    fn write(&mut self, now: Time, key: &K, value: &V) -> Result<Time, StoreError> {
        let turn = self.take_turn(now)?;
        self.inner.write(turn, key, value)
    }
    fn remove(&mut self, now: Time, key: &K) -> Result<Time, StoreError> {
        let turn = self.take_turn(now)?;
        self.inner.remove(turn, key)
    }
}

/// When the store learns of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePolicy {
    /// Before the memory: nothing is lost, and writes are as slow as the store.
    Through,
    /// Later, the last value of a key only. What is not yet written is lost with the memory.
    Behind {
        /// How long a write may wait.
        delay: Span,
        /// How many keys may wait; one more, and the oldest is written at once.
        max_waiting: usize,
    },
    /// When the memory has no room for it any more: a hybrid cache, whose store holds what memory does not.
    OnEviction,
}

/// A value in memory, and when it came there: a read that meets it earlier waits for it.
#[derive(Clone, Debug)]
struct Held<V> {
    value: V,
    ready: Time,
}

/// A cache before a store.
#[derive(Clone, Debug)]
pub struct TieredCache<K, V, S> {
    memory: Cache<K, Held<V>, RemovalLog<K, Held<V>>>,
    store: S,
    policy: WritePolicy,
    /// Values the store does not have yet, and the keys in the order of their first write.
    waiting: BTreeMap<K, V>,
    order: VecDeque<(Time, K)>,
    lost_writes: u64,
}

impl<K, V, S> TieredCache<K, V, S>
where
    K: Hash + Ord + Clone,
    V: Clone,
    S: Store<K, V>,
{
    /// An empty memory before a store.
    pub fn new(config: CacheConfig, store: S, policy: WritePolicy) -> TieredCache<K, V, S> {
        TieredCache {
            memory: Cache::with_listener(config, RemovalLog::default()),
            store,
            policy,
            waiting: BTreeMap::new(),
            order: VecDeque::new(),
            lost_writes: 0,
        }
    }

    /// Looks a key up in memory, among the writes that wait, then in the store, whose answer is kept in memory.
    ///
    /// # Errors
    /// [`StoreError`] if it is not in memory and the store cannot tell.
    pub fn get(&mut self, now: Time, key: &K) -> Result<Reading<V>, StoreError> {
        if let Some(held) = self.memory.get(now, key).hit() {
            return Ok(Reading { value: Some(held.value.clone()), ready: held.ready.max(now) });
        }
        if let Some(value) = self.waiting.get(key).cloned() {
            self.keep(now, key.clone(), value.clone(), now);
            return Ok(Reading { value: Some(value), ready: now });
        }
        let reading = self.store.read(now, key)?;
        if let Some(value) = &reading.value {
            self.keep(now, key.clone(), value.clone(), reading.ready);
        }
        Ok(reading)
    }

    /// Writes a value; when it is as safe as the policy makes it.
    ///
    /// # Errors
    /// [`StoreError`] if the store had to take it, or something before it, and did not: nothing has changed.
    pub fn put(&mut self, now: Time, key: K, value: V) -> Result<Time, StoreError> {
        let mut done = now;
        match self.policy {
            WritePolicy::Through => done = self.store.write(now, &key, &value)?,
            WritePolicy::Behind { max_waiting, .. } => {
                if !self.waiting.contains_key(&key) {
                    while self.order.len() >= max_waiting.max(1) {
                        done = self.write_oldest(now)?.unwrap_or(now);
                    }
                    self.order.push_back((now, key.clone()));
                }
                self.waiting.insert(key.clone(), value.clone());
            }
            WritePolicy::OnEviction => {}
        }
        self.keep(now, key, value, now);
        Ok(done)
    }

    /// Takes a key out of memory and store; when that is done.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not: it still has the key, the memory has not.
    pub fn remove(&mut self, now: Time, key: &K) -> Result<Time, StoreError> {
        self.memory.remove(now, key);
        if self.waiting.remove(key).is_some() {
            self.order.retain(|(_, other)| other != key);
        }
        self.write_evicted(now);
        self.store.remove(now, key)
    }

    /// When [`flush_due`](Self::flush_due) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let WritePolicy::Behind { delay, .. } = self.policy else { return None };
        self.order.front().map(|(written, _)| *written + delay)
    }

    /// Writes what has waited long enough; when the last of it is safe.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not take it: what is left goes on waiting.
    pub fn flush_due(&mut self, now: Time) -> Result<Option<Time>, StoreError> {
        let mut done = None;
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            done = self.write_oldest(now)?;
        }
        Ok(done)
    }

    /// Keys whose last value the store does not have yet.
    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Evicted values the store did not take, and so lost. Only with [`WritePolicy::OnEviction`].
    pub const fn lost_writes(&self) -> u64 {
        self.lost_writes
    }

    /// Loses everything that is only in memory, as a crash does.
    pub fn crash(&mut self) {
        self.memory.clear();
        while self.memory.listener_mut().take().is_some() {}
        self.waiting.clear();
        self.order.clear();
    }

    /// The store.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// What the memory has done so far.
    pub fn stats(&self) -> super::CacheStats {
        self.memory.stats()
    }

    fn keep(&mut self, now: Time, key: K, value: V, ready: Time) {
        self.memory.insert(now, key, Held { value, ready });
        self.write_evicted(now);
    }

    /// Gives what the memory had no room for to the store, if that is the policy.
    fn write_evicted(&mut self, now: Time) {
        while let Some(removal) = self.memory.listener_mut().take() {
            let is_victim = removal.cause == RemovalCause::Size && self.policy == WritePolicy::OnEviction;
            if is_victim && self.store.write(now, &removal.key, &removal.value.value).is_err() {
                self.lost_writes = self.lost_writes.saturating_add(1);
            }
        }
    }

    fn write_oldest(&mut self, now: Time) -> Result<Option<Time>, StoreError> {
        let Some((_, key)) = self.order.front() else { return Ok(None) };
        let Some(value) = self.waiting.get(key) else {
            self.order.pop_front();
            return Ok(None);
        };
        let done = self.store.write(now, key, value)?;
        self.waiting.remove(key);
        self.order.pop_front();
        Ok(Some(done))
    }
}

//! A transactional store of many versions over a [`Store`]: reads by level of isolation, writes kept back until the
//! commit, which is checked and then one batch. What is visible may not be durable yet. Never blocks.
//!
//! Memory: an old version is kept while a transaction that could see it is open. End every transaction that you begin,
//! by [`Database::commit`] or [`Database::rollback`].

use super::isolation::Isolation;
use super::locks::{LockError, LockTable, TxnId};
use crate::store::{Batch, CommitNumber, Store, StoreError};
use crate::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::RangeInclusive;

/// What a row can be named by, or hold.
pub trait Field: Clone + fmt::Debug + Serialize + DeserializeOwned {}

impl<T: Clone + fmt::Debug + Serialize + DeserializeOwned> Field for T {}

const PREFIX: &[u8] = b"row/";
/// Keys with old versions that are looked at in each commit.
const CLEANED_A_COMMIT: usize = 4;

#[derive(Clone, Debug)]
struct Version<V> {
    at: CommitNumber,
    value: Option<V>,
}

#[derive(Clone, Debug)]
struct Chain<V> {
    newest: Version<V>,
    /// Ascending.
    older: Vec<Version<V>>,
    /// In line to be cleaned.
    is_dirty: bool,
}

impl<V> Chain<V> {
    fn at(&self, snapshot: CommitNumber) -> Option<&Version<V>> {
        if self.newest.at <= snapshot {
            return Some(&self.newest);
        }
        self.older.iter().rev().find(|version| version.at <= snapshot)
    }
}

/// A transaction: what it has seen and what it wants to write. Plain data; the database keeps nothing of it but that
/// it is open.
#[derive(Clone, Debug)]
pub struct Txn<K, V> {
    id: TxnId,
    level: Isolation,
    snapshot: CommitNumber,
    reads: Vec<(K, CommitNumber)>,
    ranges: Vec<RangeInclusive<K>>,
    writes: Vec<(K, Option<V>)>,
    /// A row that was locked and has changed since the beginning.
    conflicting: Option<K>,
}

impl<K: Ord + Clone, V> Txn<K, V> {
    /// Its number.
    pub const fn id(&self) -> TxnId {
        self.id
    }

    /// Writes a row when it commits.
    pub fn put(&mut self, key: K, value: V) {
        self.write(key, Some(value));
    }

    /// Takes a row away when it commits.
    pub fn remove(&mut self, key: K) {
        self.write(key, None);
    }

    fn write(&mut self, key: K, value: Option<V>) {
        match self.writes.iter_mut().find(|(written, _)| *written == key) {
            Some((_, old)) => *old = value,
            None => self.writes.push((key, value)),
        }
    }

    fn saw(&mut self, key: &K, at: CommitNumber) {
        if matches!(self.level, Isolation::VersionCheck | Isolation::Serializable)
            && !self.reads.iter().any(|(read, _)| read == key)
        {
            self.reads.push((key.clone(), at));
        }
    }
}

/// Why a transaction did not commit; it is over, and nothing of it is visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError<K> {
    /// This row has changed since it was read or since the transaction began: begin again.
    Conflict(K),
    /// Rows in what it has searched have changed: begin again.
    RangeConflict,
    /// The store failed: open it again.
    Store(StoreError),
}

impl<K: fmt::Debug> fmt::Display for CommitError<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Conflict(key) => write!(f, "{key:?} has changed meanwhile: begin again"),
            CommitError::RangeConflict => f.write_str("what was searched has changed meanwhile: begin again"),
            CommitError::Store(error) => error.fmt(f),
        }
    }
}

impl<K: fmt::Debug> std::error::Error for CommitError<K> {}

/// Why a store is no database of these rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The row that cannot be read.
    pub key: Vec<u8>,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no row of this kind: is this the store of another system?",
            self.key.escape_ascii()
        )
    }
}

impl std::error::Error for Unreadable {}

/// A commit, as whoever watches sees it: row by row what was there before and what is there now.
pub type Watch<'a, K, V> = &'a mut dyn FnMut(&K, Option<&V>, Option<&V>);

/// Rows with versions.
#[derive(Clone, Debug)]
pub struct Database<K, V, S> {
    store: S,
    rows: BTreeMap<K, Chain<V>>,
    last: CommitNumber,
    /// How many open transactions began after this commit.
    open: BTreeMap<CommitNumber, u32>,
    /// Keys with old versions, or of rows that are gone.
    dirty: VecDeque<K>,
    locks: LockTable<K>,
    begun: u64,
    #[cfg(test)]
    pub(super) sabotage: Option<Sabotage>,
}

/// What a broken variant does wrong.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// Of two writers the last one wins, at every level.
    ChecksNothing,
    /// Absent rows and searches are not validated.
    ForgetsRanges,
}

impl<K: Field + Ord, V: Field, S: Store> Database<K, V, S> {
    /// Opens what a store holds.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn open(store: S) -> Result<Database<K, V, S>, Unreadable> {
        let mut rows = BTreeMap::new();
        let (mut last, mut unreadable) = (store.durable(), None);
        store.scan(PREFIX, &mut |key, stored| {
            let decoded = key.get(PREFIX.len()..).and_then(|key| postcard::from_bytes::<K>(key).ok());
            let (Some(row), Ok(value)) = (decoded, postcard::from_bytes::<V>(stored.value)) else {
                unreadable = Some(Unreadable { key: key.to_vec() });
                return false;
            };
            last = last.max(stored.version);
            let newest = Version { at: stored.version, value: Some(value) };
            rows.insert(row, Chain { newest, older: Vec::new(), is_dirty: false });
            true
        });
        unreadable.map_or(Ok(()), Err)?;
        Ok(Database {
            store,
            rows,
            last,
            open: BTreeMap::new(),
            dirty: VecDeque::new(),
            locks: LockTable::default(),
            begun: 0,
            #[cfg(test)]
            sabotage: None,
        })
    }

    /// Begins a transaction.
    pub fn begin(&mut self, level: Isolation) -> Txn<K, V> {
        self.begun = self.begun.saturating_add(1);
        *self.open.entry(self.last).or_default() += 1;
        Txn {
            id: TxnId(self.begun),
            level,
            snapshot: self.last,
            reads: Vec::new(),
            ranges: Vec::new(),
            writes: Vec::new(),
            conflicting: None,
        }
    }

    /// What a transaction sees of a row: its own write, or what its level shows.
    pub fn get(&self, txn: &mut Txn<K, V>, key: &K) -> Option<V> {
        if let Some((_, value)) = txn.writes.iter().find(|(written, _)| written == key) {
            return value.clone();
        }
        let chain = self.rows.get(key);
        let version = match txn.level.reads_snapshot() {
            true => chain.and_then(|chain| chain.at(txn.snapshot)),
            false => chain.map(|chain| &chain.newest),
        };
        txn.saw(key, version.map_or(CommitNumber::NONE, |version| version.at));
        version.and_then(|version| version.value.clone())
    }

    /// Locks a row until the transaction ends, and reads the newest of it (`select for update`). At a level at which the
    /// first writer wins, a row that has changed since the beginning dooms the transaction to be refused at its commit.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn get_for_update(&mut self, txn: &mut Txn<K, V>, key: &K) -> Result<Option<V>, LockError> {
        self.locks.lock(txn.id, key)?;
        if let Some((_, value)) = txn.writes.iter().find(|(written, _)| written == key) {
            return Ok(value.clone());
        }
        let newest = self.rows.get(key).map(|chain| &chain.newest);
        let at = newest.map_or(CommitNumber::NONE, |version| version.at);
        if at > txn.snapshot && matches!(txn.level, Isolation::Snapshot | Isolation::Serializable) {
            txn.conflicting = Some(key.clone());
        }
        txn.saw(key, at);
        Ok(newest.and_then(|version| version.value.clone()))
    }

    /// Shows a transaction every row from one key to another, both included, until `visit` says `false`. Its own writes
    /// are seen.
    pub fn scan(&self, txn: &mut Txn<K, V>, range: RangeInclusive<K>, visit: &mut dyn FnMut(&K, &V) -> bool) {
        let is_empty = range.start() > range.end();
        if txn.level == Isolation::Serializable && !self.is_broken_ranges() {
            txn.ranges.push(range.clone());
        }
        if is_empty {
            return;
        }
        let mut seen: BTreeMap<&K, &V> = BTreeMap::new();
        for (key, chain) in self.rows.range(range.clone()) {
            let version =
                if txn.level.reads_snapshot() { chain.at(txn.snapshot) } else { Some(&chain.newest) };
            if let Some(value) = version.and_then(|version| version.value.as_ref()) {
                seen.insert(key, value);
            }
        }
        for (key, value) in txn.writes.iter().filter(|(key, _)| range.contains(key)) {
            match value {
                Some(value) => drop(seen.insert(key, value)),
                None => drop(seen.remove(key)),
            }
        }
        for (key, value) in seen {
            if !visit(key, value) {
                return;
            }
        }
    }

    /// Ends a transaction: all its writes, or nothing. One without writes always succeeds.
    ///
    /// # Errors
    /// [`CommitError`]; then nothing has changed.
    pub fn commit(
        &mut self,
        now: Time,
        txn: Txn<K, V>,
        watch: Watch<'_, K, V>,
    ) -> Result<CommitNumber, CommitError<K>> {
        let checked = self.check(&txn);
        self.end(&txn);
        checked?;
        if txn.writes.is_empty() {
            return Ok(self.last);
        }
        let mut batch = Batch::new();
        for (key, value) in &txn.writes {
            match value {
                Some(value) => batch.put(stored_key(key), encoded(value)),
                None => batch.remove(stored_key(key)),
            };
        }
        let number = self.store.commit(now, &batch).map_err(CommitError::Store)?;
        self.last = number;
        for (key, value) in txn.writes {
            let old = self.rows.get(&key).and_then(|chain| chain.newest.value.as_ref());
            watch(&key, old, value.as_ref());
            self.apply(number, key, value);
        }
        self.clean();
        Ok(number)
    }

    /// Ends a transaction as if it had never been.
    pub fn rollback(&mut self, txn: Txn<K, V>) {
        self.end(&txn);
    }

    /// The newest of a row, outside of any transaction.
    pub fn newest(&self, key: &K) -> Option<&V> {
        self.rows.get(key)?.newest.value.as_ref()
    }

    /// The newest of all rows, outside of any transaction, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().filter_map(|(key, chain)| Some((key, chain.newest.value.as_ref()?)))
    }

    /// The newest of the rows from one key to another, both included, outside of any transaction.
    pub fn range(&self, range: RangeInclusive<K>) -> impl Iterator<Item = (&K, &V)> {
        let (first, last) = range.into_inner();
        let rows = (first <= last).then(|| self.rows.range(first..=last));
        rows.into_iter().flatten().filter_map(|(key, chain)| Some((key, chain.newest.value.as_ref()?)))
    }

    /// The last commit, durable or not.
    pub const fn last(&self) -> CommitNumber {
        self.last
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The store, to sync it.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Circles of locks refused so far.
    pub const fn deadlocks(&self) -> u64 {
        self.locks.deadlocks()
    }

    /// Versions that are kept beside the newest ones.
    pub fn old_versions(&self) -> usize {
        let chains = self.dirty.iter().filter_map(|key| self.rows.get(key));
        chains.map(|chain| chain.older.len()).sum()
    }

    fn check(&self, txn: &Txn<K, V>) -> Result<(), CommitError<K>> {
        #[cfg(test)]
        if self.sabotage == Some(Sabotage::ChecksNothing) {
            return Ok(());
        }
        if let Some(key) = &txn.conflicting {
            return Err(CommitError::Conflict(key.clone()));
        }
        if txn.writes.is_empty() {
            return Ok(());
        }
        let newest = |key: &K| self.rows.get(key).map_or(CommitNumber::NONE, |chain| chain.newest.at);
        let is_written = |key: &K| txn.writes.iter().any(|(written, _)| written == key);
        let changed = match txn.level {
            Isolation::ReadCommitted | Isolation::RepeatableRead => None,
            Isolation::VersionCheck => txn
                .reads
                .iter()
                .find(|(key, seen)| is_written(key) && newest(key) != *seen)
                .map(|(key, _)| key),
            Isolation::Snapshot => {
                txn.writes.iter().find(|(key, _)| newest(key) > txn.snapshot).map(|(key, _)| key)
            }
            Isolation::Serializable => {
                txn.reads.iter().find(|(key, seen)| newest(key) != *seen).map(|(key, _)| key)
            }
        };
        if let Some(key) = changed {
            return Err(CommitError::Conflict(key.clone()));
        }
        let is_touched = |range: &RangeInclusive<K>| {
            range.start() <= range.end()
                && self.rows.range(range.clone()).any(|(_, chain)| chain.newest.at > txn.snapshot)
        };
        if txn.ranges.iter().any(is_touched) { Err(CommitError::RangeConflict) } else { Ok(()) }
    }

    fn end(&mut self, txn: &Txn<K, V>) {
        self.locks.release(txn.id);
        if let Some(count) = self.open.get_mut(&txn.snapshot) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&txn.snapshot);
            }
        }
    }

    fn apply(&mut self, number: CommitNumber, key: K, value: Option<V>) {
        let newest = Version { at: number, value };
        let is_seen = !self.open.is_empty();
        let chain = match self.rows.entry(key.clone()) {
            Entry::Occupied(found) => {
                let chain = found.into_mut();
                let old = std::mem::replace(&mut chain.newest, newest);
                if is_seen {
                    chain.older.push(old);
                }
                chain
            }
            Entry::Vacant(place) => place.insert(Chain { newest, older: Vec::new(), is_dirty: false }),
        };
        if !chain.is_dirty && (!chain.older.is_empty() || chain.newest.value.is_none()) {
            chain.is_dirty = true;
            self.dirty.push_back(key);
        }
    }

    /// Drops versions that no open transaction can see, a few keys at a time.
    fn clean(&mut self) {
        let oldest = self.open.keys().next().copied().unwrap_or(self.last);
        for _ in 0..CLEANED_A_COMMIT.min(self.dirty.len()) {
            let Some(key) = self.dirty.pop_front() else { return };
            let Some(chain) = self.rows.get_mut(&key) else { continue };
            let first_seen = chain.older.iter().rposition(|version| version.at <= oldest).unwrap_or(0);
            chain.older.drain(..first_seen);
            if chain.newest.at > oldest {
                self.dirty.push_back(key);
                continue;
            }
            chain.older.clear();
            chain.is_dirty = false;
            if chain.newest.value.is_none() {
                self.rows.remove(&key);
            }
        }
    }

    const fn is_broken_ranges(&self) -> bool {
        #[cfg(test)]
        {
            matches!(self.sabotage, Some(Sabotage::ForgetsRanges))
        }
        #[cfg(not(test))]
        false
    }
}

fn stored_key<K: Serialize>(key: &K) -> Vec<u8> {
    postcard::to_extend(key, PREFIX.to_vec()).expect("keys have no types that do not encode")
}

fn encoded<V: Serialize>(value: &V) -> Vec<u8> {
    postcard::to_allocvec(value).expect("rows have no types that do not encode")
}

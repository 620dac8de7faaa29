//! A transactional store of many versions over a [`Store`]: reads by level of isolation, writes kept back until the
//! commit, which is checked and then one batch. What is visible may not be durable yet. Never blocks.
//!
//! Memory: an old version is kept while a transaction that could see it is open. End every transaction that you begin,
//! by [`Database::commit`] or [`Database::rollback`].

use super::encoding::append;
use super::isolation::Isolation;
use super::locks::{LockError, LockTable, TxnId};
use super::versions::{Version, Versions};
use crate::store::{Batch, CommitNumber, Store, StoreError};
use crate::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::ops::RangeInclusive;

/// What a row can be named by, or hold.
pub trait Field: Clone + fmt::Debug + Serialize + DeserializeOwned {}

impl<T: Clone + fmt::Debug + Serialize + DeserializeOwned> Field for T {}

const PREFIX: &[u8] = b"row/";

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

/// The lists of a transaction, when it has none.
#[derive(Clone, Debug)]
struct Lists<K, V> {
    reads: Vec<(K, CommitNumber)>,
    writes: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Lists<K, V> {
    fn default() -> Lists<K, V> {
        Lists { reads: Vec::new(), writes: Vec::new() }
    }
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
    rows: Versions<K, V>,
    last: CommitNumber,
    /// What is written is put together here; empty between commits.
    batch: Batch,
    /// Of a transaction that has ended, emptied for one that begins.
    spare: Option<Lists<K, V>>,
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

impl<K: Field + Ord + Hash, V: Field, S: Store> Database<K, V, S> {
    /// Opens what a store holds.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn open(store: S) -> Result<Database<K, V, S>, Unreadable> {
        let mut rows = Versions::default();
        let (mut last, mut unreadable) = (store.durable(), None);
        store.scan(PREFIX, &mut |key, stored| {
            let decoded = key.get(PREFIX.len()..).and_then(|key| postcard::from_bytes::<K>(key).ok());
            let (Some(row), Ok(value)) = (decoded, postcard::from_bytes::<V>(stored.value)) else {
                unreadable = Some(Unreadable { key: key.to_vec() });
                return false;
            };
            last = last.max(stored.version);
            rows.found(&row, Version { at: stored.version, value: Some(value) });
            true
        });
        unreadable.map_or(Ok(()), Err)?;
        Ok(Database {
            store,
            rows,
            last,
            batch: Batch::new(),
            spare: None,
            locks: LockTable::default(),
            begun: 0,
            #[cfg(test)]
            sabotage: None,
        })
    }

    /// Begins a transaction.
    pub fn begin(&mut self, level: Isolation) -> Txn<K, V> {
        self.begun = self.begun.saturating_add(1);
        self.rows.begun(self.last);
        let Lists { reads, writes } = self.spare.take().unwrap_or_default();
        Txn {
            id: TxnId(self.begun),
            level,
            snapshot: self.last,
            reads,
            ranges: Vec::new(),
            writes,
            conflicting: None,
        }
    }

    /// What a transaction sees of a row: its own write, or what its level shows.
    pub fn get(&self, txn: &mut Txn<K, V>, key: &K) -> Option<V> {
        if let Some((_, value)) = txn.writes.iter().find(|(written, _)| written == key) {
            return value.clone();
        }
        let version = match txn.level.reads_snapshot() {
            true => self.rows.get(key).and_then(|chain| chain.at(txn.snapshot)),
            false => self.rows.newest(key),
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
        let newest = self.rows.newest(key);
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
        for (key, chain) in self.rows.range(&range) {
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
        mut txn: Txn<K, V>,
        watch: Watch<'_, K, V>,
    ) -> Result<CommitNumber, CommitError<K>> {
        let checked = self.check(&txn);
        self.end(&txn);
        checked?;
        if txn.writes.is_empty() {
            self.keep_lists(txn);
            return Ok(self.last);
        }
        self.batch.clear();
        for (key, value) in &txn.writes {
            let encode_key = |bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(PREFIX);
                append(key, bytes);
            };
            self.batch.write_with(
                encode_key,
                value.as_ref().map(|value| |bytes: &mut Vec<u8>| append(value, bytes)),
            );
        }
        let number = self.store.commit(now, &self.batch).map_err(CommitError::Store)?;
        self.last = number;
        for (key, value) in txn.writes.drain(..) {
            self.rows.write(number, key, value, watch);
        }
        self.rows.clean(number);
        self.keep_lists(txn);
        Ok(number)
    }

    fn keep_lists(&mut self, mut txn: Txn<K, V>) {
        txn.reads.clear();
        self.spare = Some(Lists { reads: txn.reads, writes: txn.writes });
    }

    /// Ends a transaction as if it had never been.
    pub fn rollback(&mut self, txn: Txn<K, V>) {
        self.end(&txn);
    }

    /// The newest of a row, outside of any transaction.
    pub fn newest(&self, key: &K) -> Option<&V> {
        self.rows.newest(key)?.value.as_ref()
    }

    /// The newest of all rows, outside of any transaction, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.all().filter_map(|(key, chain)| Some((key, chain.newest.value.as_ref()?)))
    }

    /// The same in an order that means nothing, without a sort.
    pub fn each_row(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.each().filter_map(|(key, chain)| Some((key, chain.newest.value.as_ref()?)))
    }

    /// The newest of the rows from one key to another, both included, outside of any transaction.
    pub fn range(&self, range: RangeInclusive<K>) -> impl Iterator<Item = (&K, &V)> {
        let rows = self.rows.range(&range);
        rows.filter_map(|(key, chain)| Some((key, chain.newest.value.as_ref()?)))
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
        self.rows.old_versions()
    }

    fn check(&self, txn: &Txn<K, V>) -> Result<(), CommitError<K>> {
        #[cfg(test)]
        if self.sabotage == Some(Sabotage::ChecksNothing) {
            return Ok(());
        }
        if let Some(key) = &txn.conflicting {
            return Err(CommitError::Conflict(key.clone()));
        }
        if txn.writes.is_empty() || self.last == txn.snapshot {
            return Ok(()); // nobody has written anything meanwhile
        }
        let newest = |key: &K| self.rows.newest(key).map_or(CommitNumber::NONE, |version| version.at);
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
            self.rows.range(range).any(|(_, chain)| chain.newest.at > txn.snapshot)
        };
        if txn.ranges.iter().any(is_touched) { Err(CommitError::RangeConflict) } else { Ok(()) }
    }

    fn end(&mut self, txn: &Txn<K, V>) {
        self.locks.release(txn.id);
        self.rows.ended(txn.snapshot);
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

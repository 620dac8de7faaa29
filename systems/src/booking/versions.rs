//! Rows in all the versions that somebody may still see. An old one is kept while a transaction that could see it is open.
//! Checks and stores nothing.

use super::database::Watch;
use crate::hashed_map::HashedMap;
use crate::store::CommitNumber;
use std::collections::VecDeque;
use std::hash::Hash;
use std::ops::{Bound, RangeInclusive};

/// Keys with old versions that are looked at in each commit.
const CLEANED_A_COMMIT: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Version<V> {
    pub(super) at: CommitNumber,
    pub(super) value: Option<V>,
}

#[derive(Clone, Debug)]
pub(super) struct Chain<V> {
    pub(super) newest: Version<V>,
    /// What it has while it is in line to be cleaned; most rows are not.
    older: Option<Box<Older<V>>>,
}

/// Former versions of a row, ascending.
#[derive(Clone, Debug)]
struct Older<V>(Vec<Version<V>>);

impl<V> Chain<V> {
    const fn new(newest: Version<V>) -> Chain<V> {
        Chain { newest, older: None }
    }

    fn older(&self) -> &[Version<V>] {
        self.older.as_ref().map_or(&[], |older| &older.0)
    }

    pub(super) fn at(&self, snapshot: CommitNumber) -> Option<&Version<V>> {
        if self.newest.at <= snapshot {
            return Some(&self.newest);
        }
        self.older().iter().rev().find(|version| version.at <= snapshot)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Versions<K, V> {
    rows: HashedMap<K, Chain<V>>,
    /// How many open transactions began after which commit, ascending; only the first is never zero.
    open: VecDeque<(CommitNumber, u32)>,
    /// Keys with old versions, or of rows that are gone.
    dirty: VecDeque<K>,
}

impl<K, V> Default for Versions<K, V> {
    fn default() -> Versions<K, V> {
        Versions { rows: HashedMap::default(), open: VecDeque::new(), dirty: VecDeque::new() }
    }
}

impl<K: Ord + Hash + Clone, V> Versions<K, V> {
    /// A row as it was found.
    pub(super) fn found(&mut self, key: &K, newest: Version<V>) {
        self.rows.get_or_insert_with(key, || Chain::new(newest));
    }

    #[inline]
    pub(super) fn get(&self, key: &K) -> Option<&Chain<V>> {
        self.rows.get(key)
    }

    /// The newest version of a row.
    #[inline]
    pub(super) fn newest(&self, key: &K) -> Option<&Version<V>> {
        self.rows.get(key).map(|chain| &chain.newest)
    }

    /// The rows from one key to another, both included, in their order.
    pub(super) fn range<'a>(
        &'a self,
        range: &RangeInclusive<K>,
    ) -> impl Iterator<Item = (&'a K, &'a Chain<V>)> + use<'a, K, V> {
        let (first, last) = (range.start(), range.end());
        let rows = (first <= last).then(|| self.rows.range(Bound::Included(first), Bound::Included(last)));
        rows.into_iter().flatten()
    }

    /// All of them, in the order of their keys.
    pub(super) fn all(&self) -> impl Iterator<Item = (&K, &Chain<V>)> {
        self.rows.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// The same in an order that means nothing.
    pub(super) fn each(&self) -> impl Iterator<Item = (&K, &Chain<V>)> {
        self.rows.each()
    }

    /// A transaction begins after this commit.
    pub(super) fn begun(&mut self, snapshot: CommitNumber) {
        match self.open.back_mut() {
            Some((newest, count)) if *newest == snapshot => *count += 1,
            Some(_) | None => self.open.push_back((snapshot, 1)),
        }
    }

    /// One that began after this commit has ended.
    pub(super) fn ended(&mut self, snapshot: CommitNumber) {
        let Ok(place) = self.open.binary_search_by_key(&snapshot, |(at, _)| *at) else { return };
        self.open[place].1 = self.open[place].1.saturating_sub(1);
        while self.open.front().is_some_and(|(_, count)| *count == 0) {
            self.open.pop_front();
        }
    }

    /// Writes a row, or takes it away.
    pub(super) fn write(&mut self, number: CommitNumber, key: K, value: Option<V>, watch: Watch<'_, K, V>) {
        let nothing = || Chain::new(Version { at: CommitNumber::NONE, value: None });
        let chain = self.rows.get_or_insert_with(&key, nothing);
        watch(&key, chain.newest.value.as_ref(), value.as_ref());
        let old = std::mem::replace(&mut chain.newest, Version { at: number, value });
        let is_seen = !self.open.is_empty() && old.at != CommitNumber::NONE;
        if is_seen || chain.newest.value.is_none() {
            let older = chain.older.get_or_insert_with(|| {
                self.dirty.push_back(key);
                Box::new(Older(Vec::new()))
            });
            older.0.extend(is_seen.then_some(old));
        }
    }

    /// Drops versions that no open transaction can see, a few keys at a time.
    pub(super) fn clean(&mut self, last: CommitNumber) {
        let oldest = self.open.front().map_or(last, |(oldest, _)| *oldest);
        for _ in 0..CLEANED_A_COMMIT.min(self.dirty.len()) {
            let Some(key) = self.dirty.pop_front() else { return };
            let Some(chain) = self.rows.get_mut(&key) else { continue };
            if chain.newest.at > oldest {
                if let Some(older) = &mut chain.older {
                    let first_seen = older.0.iter().rposition(|version| version.at <= oldest).unwrap_or(0);
                    older.0.drain(..first_seen);
                }
                self.dirty.push_back(key);
                continue;
            }
            chain.older = None;
            if chain.newest.value.is_none() {
                self.rows.remove(&key);
            }
        }
    }

    /// Versions beside the newest ones.
    pub(super) fn old_versions(&self) -> usize {
        let chains = self.dirty.iter().filter_map(|key| self.rows.get(key));
        chains.map(|chain| chain.older().len()).sum()
    }
}

//! One unit of work on the store: reads see the writes before them, and all writes happen in one batch. Never
//! commits by itself.

use super::ledger::BalanceName;
use crate::store::{Batch, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A batch in the making, over what is stored.
pub(super) struct Unit<'s, S> {
    store: &'s S,
    batch: Batch,
    /// Balances that were changed.
    balances: Vec<BalanceName>,
}

impl<'s, S: Store> Unit<'s, S> {
    pub(super) const fn new(store: &'s S) -> Unit<'s, S> {
        Unit::over(store, Batch::new())
    }

    /// The same, in the memory of a batch that is empty.
    pub(super) const fn over(store: &'s S, batch: Batch) -> Unit<'s, S> {
        Unit { store, batch, balances: Vec::new() }
    }

    /// What is under a key; `None` also if it is not of this type.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Option<T> {
        match self.batch.pending(key) {
            Some(pending) => postcard::from_bytes(pending?).ok(),
            None => postcard::from_bytes(self.store.get(key)?.value).ok(),
        }
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.batch.pending(key).map_or_else(|| self.store.get(key).is_some(), |pending| pending.is_some())
    }

    pub(super) fn put<T: Serialize>(&mut self, key: &[u8], value: &T) {
        self.batch.put_with(key, |batch| {
            postcard::to_extend(value, batch).expect("records have no types that do not encode")
        });
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.batch.remove(key);
    }

    /// A balance was changed.
    pub(super) fn note_balance(&mut self, name: BalanceName) {
        if !self.balances.contains(&name) {
            self.balances.push(name);
        }
    }

    pub(super) fn into_batch(self) -> Batch {
        self.batch
    }

    /// The batch, and the balances that it changes.
    pub(super) fn into_parts(self) -> (Batch, Vec<BalanceName>) {
        (self.batch, self.balances)
    }
}

//! One unit of work on the store: reads see the writes before them, and all writes happen in one batch. Never
//! commits by itself.

use crate::store::{Batch, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A batch in the making, over what is stored.
pub(super) struct Unit<'s, S> {
    store: &'s S,
    batch: Batch,
}

impl<'s, S: Store> Unit<'s, S> {
    pub(super) const fn new(store: &'s S) -> Unit<'s, S> {
        Unit { store, batch: Batch::new() }
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
        self.batch.put(key, postcard::to_allocvec(value).expect("records have no types that do not encode"));
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.batch.remove(key);
    }

    pub(super) fn into_batch(self) -> Batch {
        self.batch
    }
}

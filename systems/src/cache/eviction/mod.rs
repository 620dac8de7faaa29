//! Which entry goes when there is no room: one file per family of policies. An eviction knows entries by slot, by
//! the hash of their key and by weight; it never touches keys or values.

mod admission;
mod arc;
mod climber;
mod gdsf;
mod ghosts;
mod kind;
mod lfu;
mod lirs;
mod lists;
mod optimal;
mod policy;
mod queues;
mod random;
mod s3_fifo;
mod sketch;
mod slru;
mod two_q;
mod w_tiny_lfu;

pub use admission::TinyLfuFilter;
pub use arc::Arc;
pub use gdsf::Gdsf;
pub use kind::{Admission, EvictionKind, UnknownEviction};
pub use lfu::Lfu;
pub use lirs::Lirs;
pub use optimal::{Optimal, optimal_misses};
pub(super) use policy::Policy;
pub use queues::{Clock, Fifo, Lru, Sieve};
pub use random::RandomEviction;
pub use s3_fifo::S3Fifo;
pub use sketch::FrequencySketch;
pub use slru::Slru;
pub use two_q::TwoQ;
pub use w_tiny_lfu::WTinyLfu;

use std::fmt::Debug;

/// Decides which entry goes. Implement it for a policy of your own.
///
/// The cache tells of every entry that comes, is used and goes, each slot by the number it had when it came.
/// A slot that has gone may come again with another key. For a key that is not there the order is: `on_arrival`
/// once; `victim` and `on_remove` as often as it takes to make room; then `on_insert`, unless the arriving entry was
/// the victim itself.
pub trait Eviction: Debug + Send {
    /// A key that is not in the cache is about to be inserted.
    fn on_arrival(&mut self, _incoming: Incoming) {}
    /// An entry came.
    fn on_insert(&mut self, slot: u32, incoming: Incoming);
    /// An entry was read, or written over.
    fn on_hit(&mut self, slot: u32);
    /// An entry was written over with another weight.
    fn on_reweigh(&mut self, _slot: u32, _weight: u32) {}
    /// An entry went.
    fn on_remove(&mut self, slot: u32, departure: Departure);
    /// What goes next to make room for `incoming`, or, without one, because the cache has become smaller or an entry
    /// heavier. Some entry as long as there are any.
    fn victim(&mut self, incoming: Option<Incoming>) -> Victim;
    /// The cache may hold this much weight from now on.
    fn set_capacity(&mut self, _capacity: u64) {}
    /// All entries went; what is remembered of former ones goes as well.
    fn clear(&mut self);
    /// A copy with everything it knows.
    fn boxed_clone(&self) -> Box<dyn Eviction>;
}

/// An entry that is about to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Hash of its key.
    pub hash: u64,
    /// Its weight, at least 1.
    pub weight: u32,
}

/// What has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The entry in this slot.
    Slot(u32),
    /// The one that is about to come: it is not let in.
    Incoming,
    /// There is no entry.
    Nothing,
}

impl Victim {
    /// The entry in this slot, if any.
    pub fn from_slot(slot: Option<u32>) -> Victim {
        slot.map_or(Victim::Nothing, Victim::Slot)
    }
}

/// Why an entry went, as far as an eviction cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It was the victim. A policy with a memory remembers its key.
    Evicted,
    /// It expired or was taken out.
    Withdrawn,
}

/// `share_ppm` of a capacity, at least 1 and at most the capacity.
fn part_of(capacity: u64, share_ppm: u32) -> u64 {
    crate::arithmetic::share_of(capacity, share_ppm).clamp(1, capacity.max(1))
}

#[cfg(test)]
mod tests;

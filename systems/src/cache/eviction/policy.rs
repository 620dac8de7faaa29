//! The eviction in use. The policies whose hit is a few instructions are called directly, so that the compiler can put
//! them into the lookup; all others, a user's own among them, through the trait. Never decides anything itself.

use super::queues::OneQueue;
use super::{Clock, Departure, Eviction, EvictionKind, Fifo, Incoming, Lru, Sieve, Victim};

/// An eviction, called the cheapest way there is.
///
/// The number that tells them apart lies beside them rather than in a niche, where finding it out takes longer.
#[derive(Debug)]
#[repr(u8)]
pub(in crate::cache) enum Policy {
    Lru(Lru),
    /// The other policies of one queue.
    OneQueue(OneQueue),
    Other(Box<dyn Eviction>),
}

impl Policy {
    /// A built-in policy that knows no entries yet.
    pub(in crate::cache) fn of(kind: EvictionKind, capacity: u64, seed: u64) -> Policy {
        match kind {
            EvictionKind::Lru => Policy::Lru(Lru::default()),
            EvictionKind::Fifo => Policy::OneQueue(OneQueue::Fifo(Fifo::default())),
            EvictionKind::Clock => Policy::OneQueue(OneQueue::Clock(Clock::default())),
            EvictionKind::Sieve => Policy::OneQueue(OneQueue::Sieve(Sieve::default())),
            EvictionKind::Slru
            | EvictionKind::Lfu
            | EvictionKind::TwoQ
            | EvictionKind::Arc
            | EvictionKind::Lirs
            | EvictionKind::S3Fifo
            | EvictionKind::WTinyLfu
            | EvictionKind::WTinyLfuAdaptive
            | EvictionKind::Gdsf
            | EvictionKind::Random => Policy::Other(kind.build(capacity, seed)),
        }
    }

    #[inline]
    pub(in crate::cache) fn on_arrival(&mut self, incoming: Incoming) {
        // Policies of one queue remember nothing that an arrival could touch.
        if let Policy::Other(policy) = self {
            policy.on_arrival(incoming);
        }
    }

    #[inline]
    pub(in crate::cache) fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        match self {
            Policy::Lru(policy) => policy.on_insert(slot, incoming),
            Policy::OneQueue(policy) => policy.on_insert(slot, incoming),
            Policy::Other(policy) => policy.on_insert(slot, incoming),
        }
    }

    #[inline(always)]
    pub(in crate::cache) fn on_hit(&mut self, slot: u32) {
        match self {
            Policy::Lru(policy) => policy.on_hit(slot),
            Policy::OneQueue(policy) => policy.on_hit(slot),
            Policy::Other(policy) => policy.on_hit(slot),
        }
    }

    #[inline]
    pub(in crate::cache) fn on_remove(&mut self, slot: u32, departure: Departure) {
        match self {
            Policy::Lru(policy) => policy.on_remove(slot, departure),
            Policy::OneQueue(policy) => policy.on_remove(slot, departure),
            Policy::Other(policy) => policy.on_remove(slot, departure),
        }
    }

    #[inline]
    pub(in crate::cache) fn victim(&mut self, incoming: Option<Incoming>) -> Victim {
        match self {
            Policy::Lru(policy) => policy.victim(incoming),
            Policy::OneQueue(policy) => policy.victim(incoming),
            Policy::Other(policy) => policy.victim(incoming),
        }
    }

    pub(in crate::cache) fn on_reweigh(&mut self, slot: u32, weight: u32) {
        self.as_eviction().on_reweigh(slot, weight);
    }

    pub(in crate::cache) fn set_capacity(&mut self, capacity: u64) {
        self.as_eviction().set_capacity(capacity);
    }

    pub(in crate::cache) fn clear(&mut self) {
        self.as_eviction().clear();
    }

    /// For what is called rarely.
    fn as_eviction(&mut self) -> &mut dyn Eviction {
        match self {
            Policy::Lru(policy) => policy,
            Policy::OneQueue(policy) => policy.as_eviction(),
            Policy::Other(policy) => policy.as_mut(),
        }
    }
}

impl Clone for Policy {
    fn clone(&self) -> Policy {
        match self {
            Policy::Lru(policy) => Policy::Lru(policy.clone()),
            Policy::OneQueue(policy) => Policy::OneQueue(policy.clone()),
            Policy::Other(policy) => Policy::Other(policy.boxed_clone()),
        }
    }
}

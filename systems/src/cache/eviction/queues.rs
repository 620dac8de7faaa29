//! The policies of one queue: FIFO, LRU, CLOCK and SIEVE. They differ in what a hit does and where the victim is
//! looked for. Never remember what has gone.

use super::lists::Lists;
use super::{Departure, Eviction, Incoming, Victim};
use crate::linked_slots::LinkedSlots;

/// The only queue.
const QUEUE: usize = 0;

/// The mark of an entry whose bit is set.
const USED: u8 = 1;

/// First in, first out. An entry written over keeps its turn.
#[derive(Clone, Debug, Default)]
pub struct Fifo {
    queue: LinkedSlots,
}

/// Least recently used: a hit moves to the back, the front goes.
#[derive(Clone, Debug, Default)]
pub struct Lru {
    queue: LinkedSlots,
}

/// Second chance: a hit sets a bit; at the front, an entry whose bit is set loses it and goes to the back.
/// Corbató, "A paging experiment with the Multics system", 1969.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    queue: Lists<1>,
}

/// A hit sets a bit; a hand walks from the oldest entry to the newest, clears bits and takes the first entry
/// without one, where it stays until the next eviction.
/// Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is simpler than LRU", NSDI 2024.
#[derive(Clone, Debug, Default)]
pub struct Sieve {
    queue: Lists<1>,
    /// Where the walk goes on; `None` starts at the oldest.
    hand: Option<u32>,
}

impl Eviction for Fifo {
    #[inline]
    fn on_insert(&mut self, slot: u32, _incoming: Incoming) {
        self.queue.push_back(slot);
    }
    #[inline]
    fn on_hit(&mut self, _slot: u32) {}
    #[inline]
    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        self.queue.unlink(slot);
    }
    #[inline]
    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        Victim::from_slot(self.queue.front())
    }
    fn clear(&mut self) {
        self.queue.clear();
    }
    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

impl Eviction for Lru {
    #[inline]
    fn on_insert(&mut self, slot: u32, _incoming: Incoming) {
        self.queue.push_back(slot);
    }
    #[inline]
    fn on_hit(&mut self, slot: u32) {
        self.queue.move_to_back(slot);
    }
    #[inline]
    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        self.queue.unlink(slot);
    }
    #[inline]
    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        Victim::from_slot(self.queue.front())
    }
    fn clear(&mut self) {
        self.queue.clear();
    }
    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

impl Eviction for Clock {
    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        self.queue.push_back(QUEUE, slot, incoming.weight);
    }
    #[inline]
    fn on_hit(&mut self, slot: u32) {
        self.queue.set_mark(slot, USED);
    }
    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        self.queue.unlink(slot);
    }
    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        // Each turn clears a bit, so the walk ends.
        while let Some(slot) = self.queue.front(QUEUE) {
            if self.queue.mark(slot) != USED {
                return Victim::Slot(slot);
            }
            self.queue.set_mark(slot, 0);
            self.queue.move_to_back(QUEUE, slot);
        }
        Victim::Nothing
    }
    fn clear(&mut self) {
        self.queue.clear();
    }
    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

impl Eviction for Sieve {
    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        self.queue.push_back(QUEUE, slot, incoming.weight);
    }
    #[inline]
    fn on_hit(&mut self, slot: u32) {
        self.queue.set_mark(slot, USED);
    }
    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        if self.hand == Some(slot) {
            self.hand = self.queue.after(slot);
        }
        self.queue.unlink(slot);
    }
    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        // Each step clears a bit, so the walk ends after one round at the latest.
        while let Some(slot) = self.hand.or_else(|| self.queue.front(QUEUE)) {
            if self.queue.mark(slot) != USED {
                self.hand = Some(slot);
                return Victim::Slot(slot);
            }
            self.queue.set_mark(slot, 0);
            self.hand = self.queue.after(slot);
        }
        Victim::Nothing
    }
    fn clear(&mut self) {
        self.queue.clear();
        self.hand = None;
    }
    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

/// One of them but LRU, called directly.
///
/// Apart from LRU, and with one arm for the hit of CLOCK and SIEVE, so that what a hit does is found by comparing: among
/// four or more the compiler jumps through a table, which takes longer than the hit itself.
#[derive(Clone, Debug)]
#[repr(u8)]
pub(in crate::cache) enum OneQueue {
    Fifo(Fifo),
    Clock(Clock),
    Sieve(Sieve),
}

impl OneQueue {
    #[inline]
    pub(super) fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        match self {
            OneQueue::Fifo(policy) => policy.on_insert(slot, incoming),
            OneQueue::Clock(policy) => policy.on_insert(slot, incoming),
            OneQueue::Sieve(policy) => policy.on_insert(slot, incoming),
        }
    }

    #[inline(always)]
    pub(super) fn on_hit(&mut self, slot: u32) {
        match self {
            OneQueue::Fifo(_) => {}
            OneQueue::Clock(Clock { queue }) | OneQueue::Sieve(Sieve { queue, .. }) => {
                queue.set_mark(slot, USED);
            }
        }
    }

    #[inline]
    pub(super) fn on_remove(&mut self, slot: u32, departure: Departure) {
        match self {
            OneQueue::Fifo(policy) => policy.on_remove(slot, departure),
            OneQueue::Clock(policy) => policy.on_remove(slot, departure),
            OneQueue::Sieve(policy) => policy.on_remove(slot, departure),
        }
    }

    #[inline]
    pub(super) fn victim(&mut self, incoming: Option<Incoming>) -> Victim {
        match self {
            OneQueue::Fifo(policy) => policy.victim(incoming),
            OneQueue::Clock(policy) => policy.victim(incoming),
            OneQueue::Sieve(policy) => policy.victim(incoming),
        }
    }

    pub(super) fn as_eviction(&mut self) -> &mut dyn Eviction {
        match self {
            OneQueue::Fifo(policy) => policy,
            OneQueue::Clock(policy) => policy,
            OneQueue::Sieve(policy) => policy,
        }
    }
}

//! Bounds how many callers are inside at once and how many may wait; the longest waiting is let in next. Also
//! the core of a connection pool. Never runs anything and never times a wait: whoever waits too long is told
//! so by the driver and forgotten here.
//!
//! [`AdmissionLimits`] is the bulkhead without a queue that many threads share: static limits on connections,
//! requests and retries.

mod admission;

pub use admission::{AdmissionConfig, AdmissionError, AdmissionLimits, Overflow, Resource, RetryLimit};

use crate::linked_slots::LinkedSlots;
use std::fmt;

/// How many may be inside and how many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadConfig {
    /// Callers inside at once. At least 1.
    pub max_in_flight: u32,
    /// Callers waiting at once; 0 turns everybody away who finds it full, `u32::MAX` nobody.
    pub max_waiting: u32,
}

impl BulkheadConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`BulkheadError`] names the field out of range. A bulkhead made from a config that was not checked is
    /// safe all the same: with no places everybody waits.
    pub fn validate(&self) -> Result<(), BulkheadError> {
        if self.max_in_flight == 0 { Err(BulkheadError::NoPlaces) } else { Ok(()) }
    }
}

/// Why a bulkhead config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkheadError {
    /// `max_in_flight` is zero.
    NoPlaces,
}

impl fmt::Display for BulkheadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BulkheadError::NoPlaces => f.write_str("max_in_flight 0 lets nobody in: use 1 or more"),
        }
    }
}

impl std::error::Error for BulkheadError {}

/// A place in the queue; no longer valid once the waiter was let in or forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    slot: u32,
    generation: u32,
}

/// What became of a caller who wanted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Inside; has to [`leave`](Bulkhead::leave).
    Admitted,
    /// In the queue. Will be returned by a later [`leave`](Bulkhead::leave) or
    /// [`admit_next`](Bulkhead::admit_next), unless forgotten before.
    Waiting(Ticket),
    /// Turned away.
    Full,
}

/// One place in the queue, in use or not.
#[derive(Clone, Copy, Debug)]
struct Waiter<T> {
    who: T,
    generation: u32,
}

/// The door of a bounded place, and its queue.
///
/// All methods are O(1) but [`forget`](Self::forget). Memory grows to the longest queue seen and is kept.
#[derive(Clone, Debug)]
pub struct Bulkhead<T> {
    max_in_flight: u32,
    max_waiting: u32,
    in_flight: u32,
    waiting: u32,
    waiters: Vec<Waiter<T>>,
    /// Slots in use, in order of arrival.
    queue: LinkedSlots,
    /// Slots not in use.
    free: LinkedSlots,
}

impl<T: Copy + Eq> Bulkhead<T> {
    /// An empty place.
    pub const fn new(config: BulkheadConfig) -> Bulkhead<T> {
        Bulkhead {
            max_in_flight: config.max_in_flight,
            max_waiting: config.max_waiting,
            in_flight: 0,
            waiting: 0,
            waiters: Vec::new(),
            queue: LinkedSlots::new(),
            free: LinkedSlots::new(),
        }
    }

    /// `who` wants in. Nobody overtakes the queue, even where there is room because raised places have not
    /// been handed out yet.
    pub fn try_enter(&mut self, who: T) -> Entry {
        if self.waiting == 0 && self.in_flight < self.max_in_flight {
            self.in_flight += 1;
            return Entry::Admitted;
        }
        if self.waiting >= self.max_waiting || self.waiting == u32::MAX - 1 {
            return Entry::Full;
        }
        Entry::Waiting(self.enqueue(who))
    }

    /// Somebody inside goes. The place passes to the longest waiting, who is returned and is inside now.
    /// Without anybody inside nothing happens.
    pub fn leave(&mut self) -> Option<T> {
        self.in_flight = self.in_flight.checked_sub(1)?;
        self.admit_next()
    }

    /// Lets the longest waiting in if there is room. Repeat until `None` after places were added.
    pub fn admit_next(&mut self) -> Option<T> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        let slot = self.queue.front()?;
        let who = self.waiters[slot as usize].who;
        self.release(slot);
        self.in_flight += 1;
        Some(who)
    }

    /// `who` has given up waiting; `false` if `who` was not waiting. Looks from the longest waiting on, so it
    /// is O(1) for the oldest and O(n) for the newest of n; [`forget_ticket`](Self::forget_ticket) is always
    /// O(1).
    pub fn forget(&mut self, who: T) -> bool {
        let slots = std::iter::successors(self.queue.front(), |slot| self.queue.after(*slot));
        let found = slots.into_iter().find(|slot| self.waiters[*slot as usize].who == who);
        found.inspect(|slot| self.release(*slot)).is_some()
    }

    /// The holder of a ticket has given up waiting; `false` if the ticket is no longer valid.
    pub fn forget_ticket(&mut self, ticket: Ticket) -> bool {
        let waiter = self.waiters.get(ticket.slot as usize);
        let valid = waiter.is_some_and(|waiter| waiter.generation == ticket.generation);
        if valid {
            self.release(ticket.slot);
        }
        valid
    }

    /// Changes the number of places and lets waiters into new ones: each is inside once the iterator has
    /// returned it. With fewer places nobody is thrown out; they are gone as people leave.
    #[must_use = "waiters are let in as the iterator is drained"]
    pub fn set_max_in_flight(&mut self, max_in_flight: u32) -> Admissions<'_, T> {
        self.max_in_flight = max_in_flight;
        Admissions { bulkhead: self }
    }

    /// Changes the length of the queue. Those already waiting stay.
    pub fn set_max_waiting(&mut self, max_waiting: u32) {
        self.max_waiting = max_waiting;
    }

    /// Forgets everybody, inside and waiting: the process that kept the door is gone.
    pub fn clear(&mut self) {
        while let Some(slot) = self.queue.front() {
            self.release(slot);
        }
        self.in_flight = 0;
    }

    /// Callers inside.
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Callers waiting.
    pub const fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Callers that may be inside at once.
    pub const fn max_in_flight(&self) -> u32 {
        self.max_in_flight
    }

    /// Callers that may wait at once.
    pub const fn max_waiting(&self) -> u32 {
        self.max_waiting
    }

    fn enqueue(&mut self, who: T) -> Ticket {
        let slot = match self.free.pop_front() {
            Some(slot) => slot,
            None => {
                self.waiters.push(Waiter { who, generation: 0 });
                (self.waiters.len() - 1) as u32
            }
        };
        let waiter = &mut self.waiters[slot as usize];
        waiter.who = who;
        self.queue.push_back(slot);
        self.waiting += 1;
        Ticket { slot, generation: waiter.generation }
    }

    /// Takes a slot out of the queue and makes its ticket invalid.
    fn release(&mut self, slot: u32) {
        assert!(self.queue.unlink(slot), "a valid ticket's slot is in the queue");
        self.free.push_back(slot);
        let waiter = &mut self.waiters[slot as usize];
        waiter.generation = waiter.generation.wrapping_add(1);
        self.waiting -= 1;
    }
}

/// Waiters let in after places were added; see [`Bulkhead::set_max_in_flight`].
#[derive(Debug)]
pub struct Admissions<'a, T> {
    bulkhead: &'a mut Bulkhead<T>,
}

impl<T: Copy + Eq> Iterator for Admissions<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.bulkhead.admit_next()
    }
}

#[cfg(test)]
mod tests;

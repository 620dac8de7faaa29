//! A sorted list: the agenda so plain that it can be checked by reading. The oracle of the others, for tests only.

use super::{FIRST_GENERATION, Handle, PendingSet, Time};

#[derive(Clone, Copy)]
pub(super) struct Item<E> {
    pub(super) at: Time,
    pub(super) event: E,
    pub(super) handle: Handle,
}

/// Entries in the order in which they leave.
pub(super) struct SortedList<E> {
    pub(super) items: Vec<Item<E>>,
    scheduled: u32,
    peak_len: usize,
}

impl<E: Copy> SortedList<E> {
    pub(super) fn new() -> SortedList<E> {
        SortedList { items: Vec::new(), scheduled: 0, peak_len: 0 }
    }

    pub(super) fn position(&self, handle: Handle) -> Option<usize> {
        self.items.iter().position(|item| item.handle == handle)
    }

    /// A handle that no entry had before.
    pub(super) fn fresh_handle(&mut self) -> Handle {
        self.scheduled += 1;
        Handle { slot: self.scheduled, generation: FIRST_GENERATION }
    }
}

impl<E: Copy> PendingSet<E> for SortedList<E> {
    fn schedule(&mut self, at: Time, event: E) -> Handle {
        let handle = self.fresh_handle();
        let behind_ties = self.items.partition_point(|item| item.at <= at);
        self.items.insert(behind_ties, Item { at, event, handle });
        self.peak_len = self.peak_len.max(self.items.len());
        handle
    }

    fn cancel(&mut self, handle: Handle) -> bool {
        let position = self.position(handle);
        position.map(|position| self.items.remove(position)).is_some()
    }

    fn reschedule(&mut self, handle: Handle, at: Time) -> Handle {
        match self.position(handle) {
            Some(position) => {
                let event = self.items.remove(position).event;
                self.schedule(at, event)
            }
            None => Handle::NONE,
        }
    }

    fn pop_until(&mut self, bound: Time) -> Option<(Time, E)> {
        if self.peek_time()? > bound {
            return None;
        }
        let first = self.items.remove(0);
        Some((first.at, first.event))
    }

    fn peek_time(&self) -> Option<Time> {
        self.items.first().map(|item| item.at)
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn peak_len(&self) -> usize {
        self.peak_len
    }
}

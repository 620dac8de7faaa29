//! The latest changes of state of one breaker, in a bounded ring. What is pushed out is counted, never silently
//! gone. Calls nobody: listeners read.

use super::state::Transition;
use std::collections::VecDeque;

/// Changes not yet taken by the driver of a plain breaker.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    ring: [Option<Transition>; PENDING],
    first: usize,
    lost: u64,
}

/// One call to a breaker makes at most two changes.
const PENDING: usize = 4;

impl Pending {
    pub(super) const fn new() -> Pending {
        Pending { ring: [None; PENDING], first: 0, lost: 0 }
    }

    pub(super) fn push(&mut self, transition: Transition) {
        let free =
            (0..PENDING).map(|behind| (self.first + behind) % PENDING).find(|at| self.ring[*at].is_none());
        match free {
            Some(at) => self.ring[at] = Some(transition),
            None => {
                self.ring[self.first] = Some(transition);
                self.first = (self.first + 1) % PENDING;
                self.lost += 1;
            }
        }
    }

    pub(super) fn take(&mut self) -> Option<Transition> {
        let oldest = self.ring[self.first].take()?;
        self.first = (self.first + 1) % PENDING;
        Some(oldest)
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }
}

/// How many changes a [`TransitionLog`] keeps.
pub const LOG_LENGTH: usize = 64;

/// The latest [`LOG_LENGTH`] changes of state, for any number of readers: each remembers which it read last.
#[derive(Clone, Debug, Default)]
pub struct TransitionLog {
    entries: VecDeque<Transition>,
}

/// A reader's place in a log: what it has read so far. A new one starts with the oldest change kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCursor {
    read: u64,
    missed: u64,
}

impl LogCursor {
    /// Changes that were pushed out before this reader came by.
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

impl TransitionLog {
    /// Adds a change; the oldest goes where the log is full.
    pub fn push(&mut self, transition: Transition) {
        if self.entries.len() == LOG_LENGTH {
            self.entries.pop_front();
        }
        self.entries.push_back(transition);
    }

    /// The changes kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Transition> {
        self.entries.iter()
    }

    /// Appends to `out` what `cursor` has not read yet, oldest first, and moves it on.
    pub fn read(&self, cursor: &mut LogCursor, out: &mut Vec<Transition>) {
        let Some(newest) = self.entries.back() else { return };
        let unread = self.entries.iter().filter(|change| change.generation > cursor.read);
        let before = out.len();
        out.extend(unread);
        let expected = newest.generation.saturating_sub(cursor.read);
        cursor.missed += expected.saturating_sub((out.len() - before) as u64);
        cursor.read = cursor.read.max(newest.generation);
    }
}

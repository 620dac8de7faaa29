//! Whether a recorded history of reads and compare-and-sets of one key could have happened one by one (Herlihy and
//! Wing, 1990). A search over all orders that respect time, with what was seen before remembered (Wing and Gong, 1993;
//! Lowe, 2017). For checking, never part of production.

use crate::time::Time;
use std::collections::BTreeSet;
use std::fmt;

/// What was done. Every write of a history writes another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Read this; `None` is nothing.
    Read(Option<u64>),
    /// Wrote `new` if `expected` was there, and this is what came of it.
    CompareAndSet {
        /// What should have been there.
        expected: Option<u64>,
        /// What was to be written.
        new: u64,
        /// Whether it was; `None` if nobody knows.
        succeeded: Option<bool>,
    },
}

/// One operation of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was asked for.
    pub began: Time,
    /// When the answer came; [`Time::MAX`] if none did.
    pub ended: Time,
    /// What.
    pub act: Act,
}

/// Why a history is not shown to be linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLinearizable {
    /// No order explains it; the longest that was found explains so many operations.
    NoOrder(usize),
    /// Longer than can be searched: at most 128 operations.
    TooLong(usize),
}

impl fmt::Display for NotLinearizable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotLinearizable::NoOrder(explained) => {
                write!(f, "no order explains the history; the best explains {explained} operations")
            }
            NotLinearizable::TooLong(operations) => {
                write!(f, "{operations} operations: split the history by key, at most 128 each")
            }
        }
    }
}

impl std::error::Error for NotLinearizable {}

struct Search<'a> {
    operations: &'a [Operation],
    /// What was tried: which operations are done, and what is there then.
    tried: BTreeSet<(u128, Option<u64>)>,
    best: usize,
}

/// Looks for an order of the operations that respects time and explains every answer.
///
/// # Errors
/// [`NotLinearizable`].
pub fn check(operations: &[Operation]) -> Result<(), NotLinearizable> {
    if operations.len() > 128 {
        return Err(NotLinearizable::TooLong(operations.len()));
    }
    let mut search = Search { operations, tried: BTreeSet::new(), best: 0 };
    if search.explains_from(0, None) { Ok(()) } else { Err(NotLinearizable::NoOrder(search.best)) }
}

impl Search<'_> {
    fn explains_from(&mut self, done: u128, state: Option<u64>) -> bool {
        self.best = self.best.max(done.count_ones() as usize);
        let left = self.operations.iter().enumerate().filter(|(index, _)| done & (1 << index) == 0);
        let left: Vec<(usize, Operation)> = left.map(|(index, operation)| (index, *operation)).collect();
        // Who got no answer may never have been heard.
        if left.iter().all(|(_, operation)| operation.ended == Time::MAX) {
            return true;
        }
        if !self.tried.insert((done, state)) {
            return false;
        }
        let first_end = left.iter().map(|(_, operation)| operation.ended).min().unwrap_or(Time::MAX);
        let can_be_next = left.iter().filter(|(_, operation)| operation.began <= first_end);
        can_be_next
            .filter_map(|(index, operation)| Some((*index, after(operation.act, state)?)))
            .collect::<Vec<_>>()
            .into_iter()
            .any(|(index, state)| self.explains_from(done | (1 << index), state))
    }
}

/// What is there after an act; `None` if it could not have ended as it did.
fn after(act: Act, state: Option<u64>) -> Option<Option<u64>> {
    match act {
        Act::Read(read) => (read == state).then_some(state),
        Act::CompareAndSet { expected, new, succeeded } => {
            let succeeds = expected == state;
            let is_explained = succeeded.is_none_or(|succeeded| succeeded == succeeds);
            is_explained.then_some(if succeeds { Some(new) } else { state })
        }
    }
}

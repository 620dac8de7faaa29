//! A seat map as it is shown: as old as its time to live, or as the replica it was read from. Never what is decided by.

use super::seat_map::{Seat, ShowId};
use crate::time::{Span, Time};
use std::collections::BTreeSet;

/// The seats of a show that were free at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatView {
    /// Of which show.
    pub show: ShowId,
    /// As it was then.
    pub as_of: Time,
    free: BTreeSet<Seat>,
}

impl SeatView {
    /// These were free then.
    pub fn new(show: ShowId, as_of: Time, free: impl IntoIterator<Item = Seat>) -> SeatView {
        SeatView { show, as_of, free: free.into_iter().collect() }
    }

    /// Whether a seat was free.
    pub fn is_free(&self, seat: Seat) -> bool {
        self.free.contains(&seat)
    }

    /// The seats that were free.
    pub fn free(&self) -> impl ExactSizeIterator<Item = Seat> + '_ {
        self.free.iter().copied()
    }

    /// Whether it is older than it may be.
    pub fn is_stale(&self, now: Time, ttl: Span) -> bool {
        now.since(self.as_of) >= ttl
    }
}

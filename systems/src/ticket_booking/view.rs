//! A seat map as it is shown: as old as its time to live, or as the replica it was read from. Never what is decided by.

use super::seat_map::{Seat, ShowId};
use crate::time::{Span, Time};

/// The seats of a show that were free at an instant.
#[derive(Clone, Debug)]
pub struct SeatView {
    /// Of which show.
    pub show: ShowId,
    /// As it was then.
    pub as_of: Time,
    /// A bit for each seat of a row, as far as any was free.
    rows: Vec<Vec<u64>>,
    free: usize,
}

impl PartialEq for SeatView {
    fn eq(&self, other: &SeatView) -> bool {
        self.show == other.show && self.as_of == other.as_of && self.free().eq(other.free())
    }
}

impl Eq for SeatView {}

impl SeatView {
    /// These were free then.
    pub fn new(show: ShowId, as_of: Time, free: impl IntoIterator<Item = Seat>) -> SeatView {
        let mut view = SeatView { show, as_of, rows: Vec::new(), free: 0 };
        free.into_iter().for_each(|seat| view.set(seat, true));
        view
    }

    /// Whether a seat was free.
    #[inline]
    pub fn is_free(&self, seat: Seat) -> bool {
        let word =
            self.rows.get(usize::from(seat.row)).and_then(|row| row.get(usize::from(seat.number / 64)));
        word.is_some_and(|word| word >> (seat.number % 64) & 1 == 1)
    }

    /// The seats that were free.
    pub fn free(&self) -> impl ExactSizeIterator<Item = Seat> + '_ {
        let mut free = Vec::with_capacity(self.free);
        for (row, words) in (0..).zip(&self.rows) {
            let numbers = (0..words.len() as u32 * 64).map(|number| number as u16);
            free.extend(numbers.map(|number| Seat { row, number }).filter(|seat| self.is_free(*seat)));
        }
        free.into_iter()
    }

    /// How many were free.
    pub const fn count(&self) -> usize {
        self.free
    }

    /// Whether it is older than it may be.
    pub fn is_stale(&self, now: Time, ttl: Span) -> bool {
        now.since(self.as_of) >= ttl
    }

    /// What has become of a seat.
    pub(super) fn set(&mut self, seat: Seat, is_free: bool) {
        if self.is_free(seat) == is_free {
            return;
        }
        let (row, word) = (usize::from(seat.row), usize::from(seat.number / 64));
        if self.rows.len() <= row {
            self.rows.resize(row + 1, Vec::new());
        }
        let words = &mut self.rows[row];
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words[word] ^= 1 << (seat.number % 64);
        self.free = if is_free { self.free + 1 } else { self.free.saturating_sub(1) };
    }
}

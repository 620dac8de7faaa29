//! The attempts of one call that are under way, in a fixed array. Takes no memory.

use super::client::MAX_IN_FLIGHT;
use crate::retry::RetryCause;
use crate::time::Time;

/// An attempt under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) attempt: u32,
    pub(super) sent_at: Time,
    /// [`Time::MAX`] is never.
    pub(super) timeout_at: Time,
    /// What the budget granted it for; `None` for a first attempt.
    pub(super) charged: Option<RetryCause>,
}

/// The attempts under way, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights {
    places: [Option<Flight>; MAX_IN_FLIGHT],
    len: usize,
}

impl Flights {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == MAX_IN_FLIGHT
    }

    pub(super) fn push(&mut self, flight: Flight) {
        assert!(!self.is_full(), "a call hedges only while there is a place");
        self.places[self.len] = Some(flight);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<Flight> {
        (self.len > 0).then(|| self.take_at(self.len - 1)).flatten()
    }

    pub(super) fn take(&mut self, attempt: u32) -> Option<Flight> {
        let index = self.iter().position(|flight| flight.attempt == attempt)?;
        self.take_at(index)
    }

    pub(super) fn take_timed_out(&mut self, now: Time) -> Option<Flight> {
        let is_over = |flight: &Flight| flight.timeout_at <= now && flight.timeout_at != Time::MAX;
        let index = self.iter().position(is_over)?;
        self.take_at(index)
    }

    pub(super) fn next_timeout(&self) -> Time {
        self.iter().map(|flight| flight.timeout_at).min().unwrap_or(Time::MAX)
    }

    fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.places[..self.len].iter().flatten()
    }

    fn take_at(&mut self, index: usize) -> Option<Flight> {
        self.places[index..self.len].rotate_left(1);
        self.len -= 1;
        self.places[self.len].take()
    }
}

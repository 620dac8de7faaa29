//! What a house reports of a night: occupancy, average rate, revenue per available room. From the same integers, so
//! that they agree to the unit.

use super::calendar::Night;
use super::house::{HotelUnit, Stay};
use crate::booking::{Booking, Claim, Phase};

/// A night in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NightFigures {
    /// Rooms there are.
    pub rooms: u64,
    /// Rooms that were booked for the night by bookings that stand.
    pub booked: u64,
    /// Rooms that guests were in.
    pub occupied: u64,
    /// What these rooms brought, without taxes.
    pub revenue_minor: i64,
}

impl NightFigures {
    pub(super) fn of<'a>(
        rooms: u64,
        night: Night,
        bookings: impl Iterator<Item = &'a Booking<HotelUnit, Stay>>,
    ) -> NightFigures {
        let mut figures = NightFigures { rooms, ..NightFigures::default() };
        for booking in bookings {
            let Some(night_minor) = booking.detail.night_minor(night) else { continue };
            let count = u64::from(booking.quantity);
            figures.booked += if booking.phase.claim() == Claim::Owns { count } else { 0 };
            if matches!(booking.phase, Phase::Arrived | Phase::Departed) {
                figures.occupied += count;
                figures.revenue_minor = figures.revenue_minor.saturating_add(night_minor);
            }
        }
        figures
    }

    /// Rooms occupied of those there are, in parts per million.
    pub fn occupancy_ppm(&self) -> u64 {
        self.occupied.saturating_mul(1_000_000).checked_div(self.rooms).unwrap_or(0)
    }

    /// What an occupied room brought on average (ADR), rounded down.
    pub fn average_rate_minor(&self) -> i64 {
        i64::try_from(self.occupied).ok().and_then(|count| self.revenue_minor.checked_div(count)).unwrap_or(0)
    }

    /// What a room there is brought on average (RevPAR), rounded down.
    pub fn revenue_a_room_minor(&self) -> i64 {
        i64::try_from(self.rooms).ok().and_then(|count| self.revenue_minor.checked_div(count)).unwrap_or(0)
    }
}

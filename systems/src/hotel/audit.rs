//! What has to hold of a house beside what its desk watches: every guest who came is somewhere, and nobody sleeps in a room
//! that there is not. Changes nothing.

use super::calendar::Night;
use super::front::Hotel;
use crate::booking::Phase;
use crate::store::Store;
use std::fmt;

/// What does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HouseViolation {
    /// Parties came of whom nobody knows where they are.
    Arrivals {
        /// Parties that came.
        arrived: u64,
        /// Given rooms, walked, or turned away, as the store says.
        accounted: u64,
    },
    /// More rooms are occupied than there are.
    Occupied {
        /// In this night.
        night: Night,
        /// So many.
        occupied: u64,
        /// Of so many.
        rooms: u64,
    },
}

impl fmt::Display for HouseViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HouseViolation::Arrivals { arrived, accounted } => {
                write!(f, "{arrived} parties came, {accounted} have a room, were walked or were turned away")
            }
            HouseViolation::Occupied { night, occupied, rooms } => {
                write!(f, "{occupied} of {rooms} rooms are occupied in night {}", night.0)
            }
        }
    }
}

impl std::error::Error for HouseViolation {}

impl<S: Store> Hotel<S> {
    /// Looks at who came so far and who is in the house in a night. Costs a look at the bookings of that night.
    ///
    /// # Errors
    /// [`HouseViolation`].
    pub fn audit(&self, night: Night) -> Result<(), HouseViolation> {
        let totals = self.desk().totals();
        let phases = [Phase::Arrived, Phase::Departed, Phase::Walked, Phase::TurnedAway];
        let accounted = phases.map(|phase| totals.of(phase)).iter().sum();
        let arrived = self.arrivals().arrived;
        if arrived != accounted {
            return Err(HouseViolation::Arrivals { arrived, accounted });
        }
        let inside = self.near(night).filter(|booking| booking.phase == Phase::Arrived);
        let inside = inside.filter(|booking| booking.detail.night_minor(night).is_some());
        let (occupied, rooms) = (inside.map(|booking| u64::from(booking.quantity)).sum(), self.rooms());
        if occupied > rooms {
            return Err(HouseViolation::Occupied { night, occupied, rooms });
        }
        Ok(())
    }
}

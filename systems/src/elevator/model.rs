//! Floors, directions, riders and calls. Plain data.

use crate::time::Time;

/// A floor, counted from 0, the lobby.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Floor(pub u16);

/// A car, by its place in the bank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarId(pub u16);

/// A person, as whoever drives the bank calls them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RiderId(pub u64);

/// Where somebody wants to go, or a car goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To higher floors.
    Up,
    /// To lower ones.
    Down,
}

impl Direction {
    /// From one floor to another one; up if they are the same.
    pub fn of(from: Floor, to: Floor) -> Direction {
        if to < from { Direction::Down } else { Direction::Up }
    }

    /// The other one.
    pub const fn opposite(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }

    /// Whether `floor` lies beyond `from` this way.
    pub fn is_ahead(self, from: Floor, floor: Floor) -> bool {
        match self {
            Direction::Up => floor > from,
            Direction::Down => floor < from,
        }
    }
}

/// A button that was pressed on a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HallCall {
    /// Where.
    pub floor: Floor,
    /// Which of the two.
    pub direction: Direction,
}

/// Somebody who waits or rides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rider {
    pub(super) id: RiderId,
    pub(super) to: Floor,
    pub(super) arrived: Time,
    /// When the ride began last.
    pub(super) boarded: Time,
    /// With destination dispatch: the car that was named.
    pub(super) car: Option<CarId>,
}

//! What comes to a bank, what it says, and why it refuses. Plain data.

use super::model::{CarId, Floor, RiderId};
use crate::time::Span;
use std::fmt;

/// What comes to a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants to go somewhere.
    Arrive {
        /// Who.
        rider: RiderId,
        /// From here.
        from: Floor,
        /// To there.
        to: Floor,
    },
    /// A car fails: it stops at the next floor and everybody gets out.
    Fail {
        /// Which.
        car: CarId,
    },
    /// A car is in service again.
    Restore {
        /// Which.
        car: CarId,
    },
    /// The doors of a car do not close, as soon as they are open.
    StickDoor {
        /// Which.
        car: CarId,
        /// For so long.
        lasting: Span,
    },
    /// Fire: all cars go to the lobby, let everybody out and stay; or it is over.
    Recall {
        /// Whether there is.
        is_on: bool,
    },
    /// The dispatcher starts anew and has forgotten every call.
    RestartDispatcher,
}

/// What a bank says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A car was named for somebody, with destination dispatch.
    Assigned {
        /// Who.
        rider: RiderId,
        /// Which car.
        car: CarId,
    },
    /// Somebody is in.
    Boarded {
        /// Who.
        rider: RiderId,
        /// In which car.
        car: CarId,
        /// Since the arrival.
        waited: Span,
    },
    /// Somebody is there.
    Delivered {
        /// Who.
        rider: RiderId,
        /// By which car.
        car: CarId,
        /// Since the arrival.
        travelled: Span,
    },
    /// Somebody had to leave a car on the way, and waits again.
    PutOut {
        /// Who.
        rider: RiderId,
        /// Out of which car.
        car: CarId,
        /// On this floor.
        floor: Floor,
    },
    /// Somebody has waited for longer than the bound.
    Overdue {
        /// Who.
        rider: RiderId,
        /// Where.
        floor: Floor,
    },
}

/// Why nothing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// There is no such floor.
    NoSuchFloor(Floor),
    /// There is no such car.
    NoSuchCar(CarId),
    /// Whoever is there already needs no lift.
    AlreadyThere,
    /// This person waits or rides.
    AlreadyHere(RiderId),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::NoSuchFloor(floor) => write!(f, "there is no floor {}", floor.0),
            Rejected::NoSuchCar(car) => write!(f, "there is no car {}", car.0),
            Rejected::AlreadyThere => f.write_str("whoever is there already needs no lift"),
            Rejected::AlreadyHere(rider) => write!(f, "person {} waits or rides", rider.0),
        }
    }
}

impl std::error::Error for Rejected {}

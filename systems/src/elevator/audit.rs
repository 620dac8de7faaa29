//! What must hold at every instant. Costs a look at every car and every line. Changes nothing.

use super::bank::Bank;
use super::car::Doing;
use super::config::Strategy;
use super::model::{CarId, Floor, HallCall, RiderId};
use std::fmt;

/// What was found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Somebody is nowhere, or in two places.
    Lost {
        /// Who came.
        arrived: u64,
        /// Who waits, rides or is there.
        accounted: u64,
    },
    /// More are in a car than it takes.
    Overloaded(CarId),
    /// A car takes somebody away from where they want to go.
    CarriedAway(RiderId),
    /// People wait and nobody will come: the call is not known, and nobody will press again.
    Forgotten(HallCall),
    /// The dispatcher believes a car has a call that the car does not know of, or the other way round.
    CallOf(CarId, HallCall),
    /// A rider is in a car that was not named.
    WrongCar(RiderId),
    /// A car is where no floor is.
    OutOfShaft(CarId, Floor),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Lost { arrived, accounted } => {
                write!(f, "{arrived} persons came, {accounted} wait, ride or are there")
            }
            Violation::Overloaded(car) => write!(f, "car {} has more persons than it takes", car.0),
            Violation::CarriedAway(rider) => {
                write!(f, "person {} is carried away from the destination", rider.0)
            }
            Violation::Forgotten(call) => {
                write!(f, "people on floor {} wait and no car will come", call.floor.0)
            }
            Violation::CallOf(car, call) => {
                write!(f, "car {} and the dispatcher differ about a call on floor {}", car.0, call.floor.0)
            }
            Violation::WrongCar(rider) => write!(f, "person {} is in a car that was not named", rider.0),
            Violation::OutOfShaft(car, floor) => {
                write!(f, "car {} is on floor {}, which is not there", car.0, floor.0)
            }
        }
    }
}

impl std::error::Error for Violation {}

impl Bank {
    /// To be called after every step.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn audit(&self) -> Result<(), Violation> {
        let waiting = self.waiting.counted();
        let accounted = waiting + self.riding() + self.counts.delivered;
        if accounted != self.counts.arrived || waiting != self.waiting() {
            return Err(Violation::Lost { arrived: self.counts.arrived, accounted });
        }
        for car in &self.cars {
            if car.riders.len() > usize::from(self.config.capacity) {
                return Err(Violation::Overloaded(car.id));
            }
            if car.floor > self.config.top() {
                return Err(Violation::OutOfShaft(car.id, car.floor));
            }
            let is_free_to_go = car.is_in_service() && !self.is_recalled;
            for rider in &car.riders {
                if let Doing::Moves { .. } = car.doing
                    && is_free_to_go
                    && !car.direction.is_ahead(car.floor, rider.to)
                {
                    return Err(Violation::CarriedAway(rider.id));
                }
                if self.config.strategy == Strategy::Destination && rider.car != Some(car.id) {
                    return Err(Violation::WrongCar(rider.id));
                }
            }
            if self.config.strategy != Strategy::Destination {
                for call in car.calls.iter() {
                    if self.calls.car_of(call) != Some(car.id) {
                        return Err(Violation::CallOf(car.id, call));
                    }
                }
            }
        }
        for (call, car) in self.calls.iter() {
            if let Some(car) = car.filter(|car| !self.cars[usize::from(car.0)].calls.contains(call)) {
                return Err(Violation::CallOf(car, call));
            }
        }
        match self.waiting.calls().next() {
            Some(call) if self.look_at.is_none() => Err(Violation::Forgotten(call)),
            Some(_) | None => Ok(()),
        }
    }
}

//! What a bank is like. Plain data, checked once.

use super::model::Floor;
use super::motion::Motion;
use crate::time::Span;
use std::fmt;

/// How cars run and which of them gets a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    /// Each car sweeps to the end of the shaft before it turns.
    Scan,
    /// Each car turns when nothing is ahead.
    Look,
    /// Each car serves the calls of one direction and comes back without a stop: cars of even number upwards, of odd
    /// number downwards. A single car takes turns, as with [`Strategy::Look`].
    CLook,
    /// The nearest car gets the call, and an empty car goes to the nearest call first. A far one may wait for ever.
    NearestCar,
    /// The car that is expected first, with its stops and its load; the estimated time of arrival.
    EstimatedArrival,
    /// Riders say where they go before they board and are told their car: that which brings them there first.
    Destination,
}

/// Whether a call may go to another car before the first one has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reassign {
    /// As long as no car is there.
    UntilArrival,
    /// Only if the car fails.
    Fixed,
}

/// What a car without room does at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullCar {
    /// Passes by.
    Bypass,
    /// Stops in vain.
    Stop,
}

/// A bank of lifts.
#[derive(Clone, Debug)]
pub struct BankConfig {
    /// Floors with the lobby.
    pub floors: u16,
    /// Cars.
    pub cars: u16,
    /// Persons a car takes.
    pub capacity: u16,
    /// From one floor to the next, at full speed.
    pub floor_time: Span,
    /// Lost by speeding up and slowing down, in each run from stop to stop.
    pub start_stop: Span,
    /// Cars speed up and slow down within these limits; then the two times above are only what dispatchers reckon with.
    pub motion: Option<Motion>,
    /// The doors open.
    pub door_open: Span,
    /// The doors close.
    pub door_close: Span,
    /// The doors stay open at least so long.
    pub dwell: Span,
    /// One person gets in, or out.
    pub transfer: Span,
    /// How cars run.
    pub strategy: Strategy,
    /// Who comes in at the lobby is taken up by the cars of their zone: the floors above are split into so many, and the
    /// cars with them. For [`Strategy::Destination`], where people say where they go; 0 and 1 are no zones.
    pub zones: u16,
    /// Whether calls change cars.
    pub reassign: Reassign,
    /// What a full car does.
    pub full_car: FullCar,
    /// Where a car without work goes, and after how long.
    pub parking: Option<(Floor, Span)>,
    /// People who see no car press again after this.
    pub press_again: Span,
    /// A dispatcher that was restarted knows the calls again after this.
    pub polling: Span,
    /// A longer wait is a fault.
    pub wait_bound: Option<Span>,
}

const MOST_FLOORS: u16 = 500;
const MOST_CARS: u16 = 64;

impl BankConfig {
    /// A bank of an office building: 1.1 s a floor, 9.5 s a stop, 1.2 s a person.
    pub const fn office(floors: u16, cars: u16, capacity: u16) -> BankConfig {
        BankConfig {
            floors,
            cars,
            capacity,
            floor_time: Span::from_millis(1_100),
            start_stop: Span::from_millis(4_000),
            motion: None,
            door_open: Span::from_millis(2_500),
            door_close: Span::from_millis(3_000),
            dwell: Span::ZERO,
            transfer: Span::from_millis(1_200),
            strategy: Strategy::EstimatedArrival,
            zones: 0,
            reassign: Reassign::UntilArrival,
            full_car: FullCar::Bypass,
            parking: Some((Floor(0), Span::from_secs(10))),
            press_again: Span::from_secs(10),
            polling: Span::from_secs(1),
            wait_bound: None,
        }
    }

    /// The next floor on a run on which so many floors were passed.
    pub(super) fn leg(&self, passed: u16) -> Span {
        match self.motion {
            Some(motion) => {
                let next = motion.run_time(passed.saturating_add(1)).as_nanos();
                Span::from_nanos(next.saturating_sub(motion.run_time(passed).as_nanos()).max(1))
            }
            None if passed == 0 => self.start_stop + self.floor_time,
            None => self.floor_time,
        }
    }

    /// What a stop costs beside the persons and the dwell: doors, speeding up, slowing down.
    pub fn stop_time(&self) -> Span {
        self.start_stop + self.door_open + self.door_close
    }

    /// The highest floor.
    pub const fn top(&self) -> Floor {
        Floor(self.floors.saturating_sub(1))
    }

    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(2..=MOST_FLOORS).contains(&self.floors) {
            return Err(ConfigError::Floors(self.floors));
        }
        if !(1..=MOST_CARS).contains(&self.cars) {
            return Err(ConfigError::Cars(self.cars));
        }
        if self.capacity == 0 {
            return Err(ConfigError::NoCapacity);
        }
        if self.floor_time.is_zero() || self.door_open.is_zero() || self.door_close.is_zero() {
            return Err(ConfigError::NoTime);
        }
        if self.press_again.is_zero() || self.polling.is_zero() {
            return Err(ConfigError::NoTime);
        }
        if let Some((floor, _)) = self.parking.filter(|(floor, _)| *floor > self.top()) {
            return Err(ConfigError::NoSuchFloor(floor));
        }
        if self.motion.is_some_and(|motion| !motion.moves()) {
            return Err(ConfigError::NoMotion);
        }
        let most = self.cars.min(self.top().0);
        if self.zones > 1 && (self.zones > most || self.strategy != Strategy::Destination) {
            return Err(ConfigError::Zones { zones: self.zones, most });
        }
        Ok(())
    }
}

/// Why a bank cannot be like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// Two to 500 floors.
    Floors(u16),
    /// One to 64 cars.
    Cars(u16),
    /// A car takes at least one.
    NoCapacity,
    /// Moving, doors, pressing again and polling take time.
    NoTime,
    /// A floor has a height, and a car a speed, an acceleration and a jerk.
    NoMotion,
    /// Zones are for people who say where they go, and each has a floor and a car.
    Zones {
        /// So many were asked for.
        zones: u16,
        /// There can be so many.
        most: u16,
    },
    /// Cars park on a floor that is there.
    NoSuchFloor(Floor),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Floors(floors) => write!(f, "{floors} floors: a bank has 2 to {MOST_FLOORS}"),
            ConfigError::Cars(cars) => write!(f, "{cars} cars: a bank has 1 to {MOST_CARS}"),
            ConfigError::NoMotion => {
                f.write_str("the height of a floor, speed, acceleration and jerk are each more than nothing")
            }
            ConfigError::Zones { zones, most } => {
                write!(f, "{zones} zones: use destination dispatch, and {most} zones at most")
            }
            ConfigError::NoCapacity => f.write_str("a car takes at least one person"),
            ConfigError::NoTime => f.write_str(
                "moving by a floor, doors, pressing again and polling each take more than no time",
            ),
            ConfigError::NoSuchFloor(floor) => {
                write!(f, "cars cannot park on floor {}: it is not there", floor.0)
            }
        }
    }
}

impl std::error::Error for ConfigError {}

//! Which car gets a call: a cost for each car, the lowest wins. Never remembers anything.

use super::config::BankConfig;
use super::model::{CarId, Direction, Floor, HallCall};
use crate::time::Span;

/// A car as a dispatcher sees it.
#[derive(Clone, Debug)]
pub struct CarView<'a> {
    /// Which.
    pub car: CarId,
    /// Where it is, or was last.
    pub floor: Floor,
    /// Where it goes; `None` if it has nothing to do.
    pub direction: Option<Direction>,
    /// Where it has to stop, without an order.
    pub stops: &'a [Floor],
    /// Persons in it.
    pub load: u16,
    /// Persons it takes.
    pub capacity: u16,
    /// Before it can move at all.
    pub busy_for: Span,
    /// From one floor to the next.
    pub floor_time: Span,
    /// Of a stop with one person.
    pub stop_time: Span,
    /// The highest floor.
    pub top: Floor,
}

impl CarView<'_> {
    /// The floors it passes on its way to a call, turning where nothing is ahead; and how many stops lie on the way.
    pub fn way_to(&self, call: HallCall) -> (u64, u64) {
        let Some(direction) = self.direction else {
            return (u64::from(self.floor.0.abs_diff(call.floor.0)), 0);
        };
        let far = |direction: Direction, from: Floor| {
            let ahead = self.stops.iter().copied().filter(|stop| direction.is_ahead(from, *stop));
            match direction {
                Direction::Up => ahead.max().unwrap_or(from),
                Direction::Down => ahead.min().unwrap_or(from),
            }
        };
        let ahead = direction.is_ahead(self.floor, call.floor);
        let turns = if ahead && call.direction == direction {
            [call.floor; 3]
        } else if call.direction == direction {
            // To its end, back beyond the call, and again.
            let end = far(direction, self.floor);
            let other = far(direction.opposite(), self.floor);
            let other = if direction.opposite().is_ahead(other, call.floor) { call.floor } else { other };
            [end, other, call.floor]
        } else {
            let end = far(direction, self.floor);
            let end = if direction.is_ahead(end, call.floor) { call.floor } else { end };
            [end, call.floor, call.floor]
        };
        let (mut at, mut floors, mut stops) = (self.floor, 0, 0);
        for turn in turns {
            floors += u64::from(at.0.abs_diff(turn.0));
            let between = (at.min(turn), at.max(turn));
            let on_the_way = self.stops.iter().filter(|stop| **stop >= between.0 && **stop <= between.1);
            stops += on_the_way.filter(|stop| **stop != at && **stop != call.floor).count() as u64;
            at = turn;
        }
        (floors, stops)
    }
}

/// Says what it would cost that a car serves a call.
pub trait Dispatch {
    /// The lower, the better; of equals the first car is taken. `to` is known with destination dispatch only.
    fn cost(&self, car: &CarView<'_>, call: HallCall, to: Option<Floor>) -> u64;
}

/// The floors on the way, as the car sweeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sweep;

impl Dispatch for Sweep {
    fn cost(&self, car: &CarView<'_>, call: HallCall, _to: Option<Floor>) -> u64 {
        car.way_to(call).0
    }
}

/// The figure of suitability of the nearest-car rule (Barney and dos Santos): how near, and a little less if the car
/// comes the right way; whoever goes away comes last.
#[derive(Clone, Copy, Debug, Default)]
pub struct NearestCar;

impl Dispatch for NearestCar {
    fn cost(&self, car: &CarView<'_>, call: HallCall, _to: Option<Floor>) -> u64 {
        let distance = u64::from(car.floor.0.abs_diff(call.floor.0));
        let Some(direction) = car.direction else { return 2 * distance };
        let is_here = car.floor == call.floor;
        match (is_here || direction.is_ahead(car.floor, call.floor), direction == call.direction) {
            (true, true) => 2 * distance,
            (true, false) => 2 * distance + 1,
            (false, _) => 2 * u64::from(car.top.0) + 2,
        }
    }
}

/// When the car would be there, in nanoseconds: floors, stops, what it is doing now, and a whole round more if it is
/// full.
#[derive(Clone, Copy, Debug, Default)]
pub struct EstimatedArrival;

impl Dispatch for EstimatedArrival {
    fn cost(&self, car: &CarView<'_>, call: HallCall, to: Option<Floor>) -> u64 {
        let (floors, stops) = car.way_to(call);
        let floor_ns = car.floor_time.as_nanos();
        let stop_ns = car.stop_time.as_nanos();
        let mut cost = car
            .busy_for
            .as_nanos()
            .saturating_add(floors.saturating_mul(floor_ns))
            .saturating_add(stops.saturating_mul(stop_ns));
        if car.load >= car.capacity {
            cost = cost.saturating_add(u64::from(car.top.0).saturating_mul(floor_ns));
        }
        if let Some(to) = to {
            // The ride, and what a stop that nobody else needs costs those who are in the car.
            let ride = u64::from(to.0.abs_diff(call.floor.0)).saturating_mul(floor_ns);
            let is_new = |floor: Floor| u64::from(!car.stops.contains(&floor));
            let new_stops = is_new(call.floor) + is_new(to);
            let delayed = u64::from(car.load) + 1;
            cost = cost.saturating_add(ride).saturating_add(new_stops * delayed.saturating_mul(stop_ns));
        }
        cost
    }
}

/// Up-peak zoning (static sectoring): who goes up from the lobby is taken by the cars of the zone that they go to, so that
/// each car stops at few floors. A zone without a car that could is served by the others. Within a zone, and for everybody
/// else, the estimated arrival decides.
#[derive(Clone, Copy, Debug)]
pub struct Zoned {
    zones: u64,
    floors_above: u64,
}

/// More than any way takes.
const OTHER_ZONE: u64 = u64::MAX / 4;

impl Zoned {
    /// For a bank: its floors above the lobby are split evenly.
    pub fn new(config: &BankConfig) -> Zoned {
        Zoned { zones: u64::from(config.zones.max(1)), floors_above: u64::from(config.top().0).max(1) }
    }

    /// The zone of a floor above the lobby, from 0 at the bottom.
    pub fn zone_of(&self, floor: Floor) -> u64 {
        let above = u64::from(floor.0.saturating_sub(1)).min(self.floors_above - 1);
        above * self.zones / self.floors_above
    }

    /// The zone of a car.
    pub fn serves(&self, car: CarId) -> u64 {
        u64::from(car.0) % self.zones
    }
}

impl Dispatch for Zoned {
    fn cost(&self, car: &CarView<'_>, call: HallCall, to: Option<Floor>) -> u64 {
        let cost = EstimatedArrival.cost(car, call, to).min(OTHER_ZONE);
        let is_elsewhere =
            call.floor == Floor(0) && to.is_some_and(|to| self.zone_of(to) != self.serves(car.car));
        if is_elsewhere { cost + OTHER_ZONE } else { cost }
    }
}

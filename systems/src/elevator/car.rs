//! One car: where it is, who is in it, and what it does next. Never reverses while somebody in it wants to go on.

use super::calls::CarCalls;
use super::config::{BankConfig, FullCar, Strategy};
use super::model::{CarId, Direction, Floor, HallCall, Rider};
use crate::time::{Span, Time};

/// What a car is doing, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Stands with closed doors and has nothing to do.
    Rests {
        park_at: Option<Time>,
    },
    /// On its way to the next floor; the doors are closed.
    Moves {
        next: Floor,
        until: Time,
    },
    /// Doors: opening, open while people change, closing.
    Opens {
        until: Time,
    },
    Changes {
        until: Time,
    },
    Closes {
        until: Time,
    },
    /// Out of service, at a floor, empty.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Stop(Direction),
    Move(Direction),
    Rest,
}

#[derive(Clone, Debug)]
pub(super) struct Car {
    pub(super) id: CarId,
    pub(super) floor: Floor,
    pub(super) direction: Direction,
    pub(super) doing: Doing,
    pub(super) riders: Vec<Rider>,
    /// Calls that it was given.
    pub(super) calls: CarCalls,
    /// It fails at the next floor.
    pub(super) is_failing: bool,
    /// Not to close before this.
    pub(super) stuck_until: Time,
    /// The next time the doors open they stick for so long.
    pub(super) sticks_for: Span,
    pub(super) opened_at: Time,
    /// Where it stopped last, until it moves on.
    pub(super) stopped_at: Option<Floor>,
    /// On its way to where it parks.
    pub(super) parks_at: Option<Floor>,
    /// Floors passed since it stood last.
    pub(super) run: u16,
    /// Floors passed.
    pub(super) moves: u64,
    pub(super) stops: u64,
    /// The calls of the direction that it serves are all that it looks at; see [`Strategy::CLook`].
    only: Option<Direction>,
}

impl Car {
    pub(super) fn new(id: CarId, config: &BankConfig) -> Car {
        let one_way = config.strategy == Strategy::CLook && config.cars > 1;
        let own = if id.0.is_multiple_of(2) { Direction::Up } else { Direction::Down };
        Car {
            id,
            floor: Floor(0),
            direction: Direction::Up,
            doing: Doing::Rests { park_at: None },
            riders: Vec::new(),
            calls: CarCalls::default(),
            is_failing: false,
            stuck_until: Time::ZERO,
            sticks_for: Span::ZERO,
            opened_at: Time::ZERO,
            stopped_at: None,
            parks_at: None,
            run: 0,
            moves: 0,
            stops: 0,
            only: one_way.then_some(own),
        }
    }

    pub(super) const fn is_in_service(&self) -> bool {
        !self.is_failing && !matches!(self.doing, Doing::Failed)
    }

    /// Whether it takes calls of this direction.
    pub(super) fn takes(&self, direction: Direction) -> bool {
        self.is_in_service() && self.only.is_none_or(|only| only == direction)
    }

    pub(super) fn has_room(&self, config: &BankConfig) -> bool {
        self.riders.len() < usize::from(config.capacity)
    }

    /// Whether the doors are open for people who go this way, and somebody fits in.
    pub(super) fn lets_in(&self, floor: Floor, config: &BankConfig) -> bool {
        let is_open = matches!(self.doing, Doing::Opens { .. } | Doing::Changes { .. });
        is_open && self.floor == floor && self.is_in_service() && self.has_room(config)
    }

    pub(super) fn until(&self) -> Option<Time> {
        match self.doing {
            Doing::Rests { park_at } => park_at,
            Doing::Moves { until, .. }
            | Doing::Opens { until }
            | Doing::Changes { until }
            | Doing::Closes { until } => Some(until),
            Doing::Failed => None,
        }
    }

    pub(super) fn stops_at(&self, floor: Floor) -> bool {
        self.riders.iter().any(|rider| rider.to == floor)
    }

    fn work_ahead(&self, direction: Direction) -> bool {
        let riders = self.riders.iter().any(|rider| direction.is_ahead(self.floor, rider.to));
        riders || self.calls.iter().any(|call| direction.is_ahead(self.floor, call.floor))
    }

    /// What is next, at a floor, with the doors closed.
    pub(super) fn step(&self, config: &BankConfig) -> Step {
        if self.riders.is_empty() && self.calls.is_empty() {
            return Step::Rest;
        }
        if config.strategy == Strategy::NearestCar && self.riders.is_empty() {
            return self.step_to_nearest();
        }
        let way = self.direction;
        let call = |direction| self.calls.contains(HallCall { floor: self.floor, direction });
        let stops_in_vain = config.full_car == FullCar::Stop && self.stopped_at != Some(self.floor);
        let may_stop = self.has_room(config) || stops_in_vain;
        let here = call(way) && may_stop;
        let other = call(way.opposite()) && may_stop;
        let end = if way == Direction::Up { config.top() } else { Floor(0) };
        let sweeps_on = config.strategy == Strategy::Scan && self.floor != end;
        let ahead = self.work_ahead(way) || sweeps_on;
        if self.stops_at(self.floor) {
            let turns = !ahead && !here && (other || self.work_ahead(way.opposite()));
            return Step::Stop(if turns { way.opposite() } else { way });
        }
        match (here, ahead, other) {
            (true, _, _) => Step::Stop(way),
            (false, true, _) => Step::Move(way),
            (false, false, true) => Step::Stop(way.opposite()),
            (false, false, false) => Step::Move(way.opposite()),
        }
    }

    /// An empty car goes where it is nearest, whoever has waited for how long.
    fn step_to_nearest(&self) -> Step {
        let distance = |call: &HallCall| call.floor.0.abs_diff(self.floor.0);
        match self.calls.iter().min_by_key(distance) {
            Some(call) if call.floor == self.floor => Step::Stop(call.direction),
            Some(call) => Step::Move(Direction::of(self.floor, call.floor)),
            None => Step::Rest,
        }
    }
}

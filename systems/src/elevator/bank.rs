//! Riders, calls and cars together. Every person is in exactly one place: waiting on a floor, riding in a car, or
//! delivered.

use super::calls::KnownCalls;
use super::car::{Car, Doing, Step};
use super::config::{BankConfig, ConfigError, Reassign, Strategy};
use super::dispatch::{CarView, Dispatch, EstimatedArrival, NearestCar, Sweep, Zoned};
use super::lines::Lines;
use super::message::{Input, Output, Rejected};
use super::model::{CarId, Direction, Floor, HallCall, Rider, RiderId};
use crate::time::{Span, Time};
use std::collections::BTreeSet;

/// What has happened since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// People who came.
    pub arrived: u64,
    /// People who are where they wanted to be.
    pub delivered: u64,
    /// Times somebody had to leave a car on the way.
    pub put_out: u64,
    /// Calls that were given to another car.
    pub reassigned: u64,
    /// Buttons pressed once more.
    pub pressed_again: u64,
    /// People who waited for longer than the bound.
    pub overdue: u64,
}

/// A bank of lifts.
pub struct Bank {
    pub(super) config: BankConfig,
    dispatch: Box<dyn Dispatch + Send>,
    pub(super) cars: Vec<Car>,
    pub(super) waiting: Lines,
    /// With destination dispatch riders have their own.
    pub(super) calls: KnownCalls,
    people: BTreeSet<RiderId>,
    bounds: BTreeSet<(Time, RiderId, HallCall)>,
    /// When people look whether their button still shines.
    pub(super) look_at: Option<Time>,
    /// The dispatcher knows nothing before this.
    pub(super) blind_until: Option<Time>,
    pub(super) is_recalled: bool,
    pub(super) counts: Counts,
}

impl Bank {
    /// A bank with all cars at the lobby.
    ///
    /// # Errors
    /// [`ConfigError`], if the settings cannot be.
    pub fn new(config: BankConfig) -> Result<Bank, ConfigError> {
        config.validate()?;
        let dispatch: Box<dyn Dispatch + Send> = match config.strategy {
            Strategy::Scan | Strategy::Look | Strategy::CLook => Box::new(Sweep),
            Strategy::NearestCar => Box::new(NearestCar),
            Strategy::Destination if config.zones > 1 => Box::new(Zoned::new(&config)),
            Strategy::EstimatedArrival | Strategy::Destination => Box::new(EstimatedArrival),
        };
        Ok(Bank {
            cars: (0..config.cars).map(|id| Car::new(CarId(id), &config)).collect(),
            dispatch,
            waiting: Lines::new(config.floors),
            config,
            calls: KnownCalls::default(),
            people: BTreeSet::new(),
            bounds: BTreeSet::new(),
            look_at: None,
            blind_until: None,
            is_recalled: false,
            counts: Counts::default(),
        })
    }

    /// Another way to choose a car.
    #[must_use]
    pub fn with_dispatch(mut self, dispatch: Box<dyn Dispatch + Send>) -> Bank {
        self.dispatch = dispatch;
        self
    }

    /// Other times and rules from the next step on. Floors, cars, their capacity, the strategy and zones stay as they are.
    ///
    /// # Errors
    /// [`ConfigError`]; then the rules stay as well.
    pub fn set_rules(&mut self, rules: BankConfig) -> Result<(), ConfigError> {
        let BankConfig { floors, cars, capacity, strategy, zones, .. } = self.config;
        let config = BankConfig { floors, cars, capacity, strategy, zones, ..rules };
        config.validate()?;
        self.config = config;
        Ok(())
    }

    /// What has happened so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// How many wait.
    pub const fn waiting(&self) -> u64 {
        self.waiting.waiting()
    }

    /// How many wait on a floor.
    pub fn waiting_on(&self, floor: Floor) -> u64 {
        let calls = [Direction::Up, Direction::Down].map(|direction| HallCall { floor, direction });
        let is_there = floor <= self.config.top();
        calls.iter().filter(|_| is_there).map(|call| self.waiting.of(*call).len() as u64).sum()
    }

    /// How many ride.
    pub fn riding(&self) -> u64 {
        self.cars.iter().map(|car| car.riders.len() as u64).sum()
    }

    /// Floors passed by all cars, and their stops.
    pub fn moves_and_stops(&self) -> (u64, u64) {
        self.cars.iter().fold((0, 0), |(moves, stops), car| (moves + car.moves, stops + car.stops))
    }

    /// Cars in service.
    pub fn in_service(&self) -> u64 {
        self.cars.iter().filter(|car| car.is_in_service()).count() as u64
    }

    /// Something has come.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) -> Result<(), Rejected> {
        match input {
            Input::Arrive { rider, from, to } => self.arrive(now, rider, (from, to), out)?,
            Input::Fail { car } => {
                self.car_named(car)?;
                self.fail(now, car, out);
            }
            Input::Restore { car } => {
                self.car_named(car)?;
                self.restore(now, car, out);
            }
            Input::StickDoor { car, lasting } => {
                self.car_named(car)?;
                self.stick_door(now, car, lasting);
            }
            Input::Recall { is_on } => self.recall(now, is_on, out),
            Input::RestartDispatcher => self.restart_dispatcher(now),
        }
        self.assign_calls(now);
        self.start_idle(now);
        Ok(())
    }

    fn car_named(&self, car: CarId) -> Result<(), Rejected> {
        if usize::from(car.0) < self.cars.len() { Ok(()) } else { Err(Rejected::NoSuchCar(car)) }
    }

    fn arrive(
        &mut self,
        now: Time,
        id: RiderId,
        (from, to): (Floor, Floor),
        out: &mut Vec<Output>,
    ) -> Result<(), Rejected> {
        for floor in [from, to] {
            if floor > self.config.top() {
                return Err(Rejected::NoSuchFloor(floor));
            }
        }
        if from == to {
            return Err(Rejected::AlreadyThere);
        }
        if !self.people.insert(id) {
            return Err(Rejected::AlreadyHere(id));
        }
        self.counts.arrived += 1;
        let rider = Rider { id, to, arrived: now, boarded: now, car: None };
        self.wait(now, rider, from, out);
        Ok(())
    }

    /// Somebody stands on a floor and presses a button, unless a car is open that goes the same way.
    pub(super) fn wait(&mut self, now: Time, mut rider: Rider, floor: Floor, out: &mut Vec<Output>) {
        let call = HallCall { floor, direction: Direction::of(floor, rider.to) };
        if let Some(bound) = self.config.wait_bound {
            self.bounds.insert((now + bound, rider.id, call));
        }
        rider.car = None;
        if self.config.strategy == Strategy::Destination {
            rider.car = self.name_car(now, call, rider.to);
            out.extend(rider.car.map(|car| Output::Assigned { rider: rider.id, car }));
        }
        self.waiting.join(call, rider);
        if self.look_at.is_none() {
            self.look_at = Some(now + self.config.press_again);
        }
        let is_open =
            self.cars.iter().any(|car| car.lets_in(floor, &self.config) && car.direction == call.direction);
        if self.config.strategy != Strategy::Destination && !is_open {
            self.press(call);
        }
    }

    /// Tells the dispatcher, if it listens.
    pub(super) fn press(&mut self, call: HallCall) {
        if self.blind_until.is_none() {
            self.calls.press(call);
        }
    }

    /// Names a car for somebody who has said where to go.
    pub(super) fn name_car(&mut self, now: Time, call: HallCall, to: Floor) -> Option<CarId> {
        if self.blind_until.is_some() || self.is_recalled {
            return None;
        }
        let car = self.best(now, call, Some(to))?;
        let chosen = &mut self.cars[usize::from(car.0)];
        let is_open = chosen.lets_in(call.floor, &self.config) && chosen.direction == call.direction;
        if !is_open {
            chosen.calls.insert(call);
        }
        Some(car)
    }

    fn best(&self, now: Time, call: HallCall, to: Option<Floor>) -> Option<CarId> {
        let able = self.cars.iter().filter(|car| car.takes(call.direction) && car.stuck_until <= now);
        let mut stops: Vec<Floor> = Vec::new();
        let mut cost = |car: &&Car| {
            stops.clear();
            stops.extend(car.riders.iter().map(|rider| rider.to));
            stops.extend(car.calls.iter().map(|call| call.floor));
            self.dispatch.cost(&self.view(car, &stops, now), call, to)
        };
        let any = || self.cars.iter().filter(|car| car.is_in_service());
        // With all cars of one direction out of service, or stuck, the others help out.
        able.min_by_key(&mut cost).or_else(|| any().min_by_key(cost)).map(|car| car.id)
    }

    fn view<'a>(&self, car: &Car, stops: &'a [Floor], now: Time) -> CarView<'a> {
        let config = &self.config;
        let closing = config.door_close;
        let busy_for = match car.doing {
            Doing::Rests { .. } | Doing::Failed => Span::ZERO,
            Doing::Moves { until, .. } | Doing::Closes { until } => until.since(now),
            Doing::Opens { until } | Doing::Changes { until } => {
                until.max(car.stuck_until).since(now) + closing
            }
        };
        let is_idle = matches!(car.doing, Doing::Rests { .. }) || stops.is_empty();
        CarView {
            car: car.id,
            floor: car.floor,
            direction: (!is_idle).then_some(car.direction),
            stops,
            load: car.riders.len() as u16,
            capacity: config.capacity,
            busy_for,
            floor_time: config.floor_time,
            stop_time: config.stop_time() + config.dwell.max(config.transfer),
            top: config.top(),
        }
    }

    /// Gives every call that has no car one, and those that may change a better one.
    pub(super) fn assign_calls(&mut self, now: Time) {
        if self.is_recalled || self.config.strategy == Strategy::Destination {
            return;
        }
        let is_any_stuck = self.cars.iter().any(|car| car.stuck_until > now);
        if !is_any_stuck && !self.calls.are_open() {
            return;
        }
        for place in 0..self.calls.len() {
            let (call, car) = self.calls.at(place);
            let stuck = |car: CarId| self.cars[usize::from(car.0)].stuck_until > now;
            let may_change = self.config.reassign == Reassign::UntilArrival && car.is_some_and(stuck);
            if car.is_some() && !may_change {
                continue;
            }
            let Some(best) = self.best(now, call, None) else { continue };
            if car == Some(best) {
                continue;
            }
            if let Some(before) = car {
                self.cars[usize::from(before.0)].calls.remove(call);
                self.counts.reassigned += 1;
            }
            self.cars[usize::from(best.0)].calls.insert(call);
            self.calls.assign(call, Some(best));
        }
    }

    /// Cars that rest and have something to do now begin.
    pub(super) fn start_idle(&mut self, now: Time) {
        for at in 0..self.cars.len() {
            let car = &self.cars[at];
            let has_work = !car.calls.is_empty() || !car.riders.is_empty();
            if matches!(car.doing, Doing::Rests { .. }) && (has_work || self.is_recalled) {
                self.proceed(now, at);
            }
        }
    }

    /// When [`expire`](Bank::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let cars = self.cars.iter().filter_map(Car::until).min();
        let bound = self.bounds.first().map(|(at, _, _)| *at);
        [cars, self.look_at, self.blind_until, bound].into_iter().flatten().min()
    }

    /// Does what is due, in the order of time.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(at) = self.deadline().filter(|at| *at <= now) {
            self.expire_one(at, out);
        }
    }

    fn expire_one(&mut self, at: Time, out: &mut Vec<Output>) {
        if let Some((due, rider, call)) = self.bounds.first().copied().filter(|(due, _, _)| *due <= at) {
            self.bounds.remove(&(due, rider, call));
            if self.waiting.of(call).iter().any(|other| other.id == rider) {
                self.counts.overdue += 1;
                out.push(Output::Overdue { rider, floor: call.floor });
            }
        } else if self.blind_until.is_some_and(|until| until <= at) {
            self.blind_until = None;
            self.poll(at, out);
        } else if self.look_at.is_some_and(|look| look <= at) {
            self.look(at, out);
        } else if let Some(car) =
            self.cars.iter().position(|car| car.until().is_some_and(|until| until <= at))
        {
            self.car_due(at, car, out);
        }
        self.assign_calls(at);
        self.start_idle(at);
    }

    fn car_due(&mut self, at: Time, index: usize, out: &mut Vec<Output>) {
        let car = &mut self.cars[index];
        match car.doing {
            Doing::Rests { .. } => {
                car.parks_at =
                    self.config.parking.map(|(floor, _)| floor).filter(|floor| *floor != car.floor);
                car.doing = Doing::Rests { park_at: None };
                self.proceed(at, index);
            }
            Doing::Moves { next, .. } => {
                car.floor = next;
                car.moves += 1;
                self.proceed(at, index);
            }
            Doing::Opens { .. } | Doing::Changes { .. } => self.change(at, index, out),
            Doing::Closes { .. } => self.closed(at, index),
            Doing::Failed => {}
        }
    }

    /// The next step of a car that is at a floor with closed doors.
    pub(super) fn proceed(&mut self, now: Time, index: usize) {
        if self.cars[index].is_failing || self.is_recalled {
            return self.go_to_safety(now, index);
        }
        let was_moving = matches!(self.cars[index].doing, Doing::Moves { .. });
        let car = &mut self.cars[index];
        match car.step(&self.config) {
            Step::Stop(direction) => {
                car.direction = direction;
                self.open(now, index);
            }
            Step::Move(direction) => {
                car.parks_at = None;
                let runs_on = was_moving && car.direction == direction;
                self.run(now, index, direction, runs_on);
            }
            Step::Rest => match car.parks_at.filter(|floor| *floor != car.floor) {
                Some(floor) => {
                    let direction = Direction::of(car.floor, floor);
                    let runs_on = was_moving && car.direction == direction;
                    self.run(now, index, direction, runs_on);
                }
                None => self.rest(now, index),
            },
        }
    }

    pub(super) fn run(&mut self, now: Time, index: usize, direction: Direction, runs_on: bool) {
        let car = &mut self.cars[index];
        car.direction = direction;
        car.stopped_at = None;
        let next = match direction {
            Direction::Up => Floor(car.floor.0.saturating_add(1)).min(self.config.top()),
            Direction::Down => Floor(car.floor.0.saturating_sub(1)),
        };
        car.run = if runs_on { car.run.saturating_add(1) } else { 0 };
        car.doing = Doing::Moves { next, until: now + self.config.leg(car.run) };
    }

    fn rest(&mut self, now: Time, index: usize) {
        let car = &mut self.cars[index];
        let elsewhere = self.config.parking.filter(|(floor, _)| *floor != car.floor);
        car.parks_at = None;
        car.doing = Doing::Rests { park_at: elsewhere.map(|(_, after)| now + after) };
    }

    pub(super) fn open(&mut self, now: Time, index: usize) {
        let car = &mut self.cars[index];
        car.stops += 1;
        car.stopped_at = Some(car.floor);
        car.parks_at = None;
        car.opened_at = now + self.config.door_open;
        if !car.sticks_for.is_zero() {
            car.stuck_until = car.opened_at + car.sticks_for;
            car.sticks_for = Span::ZERO;
        }
        car.doing = Doing::Opens { until: car.opened_at };
    }

    /// One more person gets out or in; else the doors close.
    fn change(&mut self, now: Time, index: usize, out: &mut Vec<Output>) {
        let car = &mut self.cars[index];
        let (id, floor) = (car.id, car.floor);
        let is_evacuated = car.is_failing || (self.is_recalled && floor == Floor(0));
        let leaving = car.riders.iter().position(|rider| rider.to == floor || is_evacuated);
        if let Some(position) = leaving {
            let rider = car.riders.remove(position);
            car.doing = Doing::Changes { until: now + self.config.transfer };
            if rider.to == floor {
                self.counts.delivered += 1;
                self.people.remove(&rider.id);
                out.push(Output::Delivered { rider: rider.id, car: id, travelled: now.since(rider.arrived) });
            } else {
                self.counts.put_out += 1;
                out.push(Output::PutOut { rider: rider.id, car: id, floor });
                self.wait(now, rider, floor, out);
            }
            return;
        }
        if let Some(mut rider) = self.next_aboard(index) {
            rider.boarded = now;
            let car = &mut self.cars[index];
            car.riders.push(rider);
            car.doing = Doing::Changes { until: now + self.config.transfer };
            out.push(Output::Boarded { rider: rider.id, car: id, waited: now.since(rider.arrived) });
            return;
        }
        let car = &mut self.cars[index];
        let open_until = (car.opened_at + self.config.dwell).max(car.stuck_until);
        if open_until > now {
            car.doing = Doing::Changes { until: open_until };
            return;
        }
        car.doing = Doing::Closes { until: now + self.config.door_close };
        let call = HallCall { floor, direction: car.direction };
        car.calls.remove(call);
        if self.calls.car_of(call) == Some(id) {
            self.calls.remove(call);
        }
        // Who found no room presses again at once.
        if self.config.strategy != Strategy::Destination && !self.waiting.of(call).is_empty() {
            self.press(call);
        }
    }

    /// Who is next to board: the first that goes the same way, with destination dispatch of those this car was named.
    fn next_aboard(&mut self, index: usize) -> Option<Rider> {
        let car = &self.cars[index];
        if !car.has_room(&self.config) || !car.is_in_service() || self.is_recalled {
            return None;
        }
        let call = HallCall { floor: car.floor, direction: car.direction };
        let position = match self.config.strategy {
            Strategy::Destination => {
                self.waiting.of(call).iter().position(|rider| rider.car == Some(car.id))?
            }
            Strategy::Scan
            | Strategy::Look
            | Strategy::CLook
            | Strategy::NearestCar
            | Strategy::EstimatedArrival => 0,
        };
        self.waiting.leave(call, position)
    }

    fn closed(&mut self, now: Time, index: usize) {
        let car = &mut self.cars[index];
        if car.is_failing {
            car.is_failing = false;
            car.doing = Doing::Failed;
            return;
        }
        let call = HallCall { floor: car.floor, direction: car.direction };
        if self.config.strategy == Strategy::Destination {
            let is_named = |rider: &Rider| rider.car == Some(car.id);
            // Whoever was named this car and found no room is called for again.
            if self.waiting.of(call).iter().any(is_named) {
                car.calls.insert(call);
            }
        }
        car.doing = Doing::Rests { park_at: None };
        self.proceed(now, index);
    }
}

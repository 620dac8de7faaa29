//! Cars that fail, doors that stick, fire, and a dispatcher that forgets. Never loses a person.

use super::bank::Bank;
use super::car::Doing;
use super::config::Strategy;
use super::message::Output;
use super::model::{CarId, Direction, Floor, HallCall};
use crate::time::{Span, Time};

impl Bank {
    pub(super) fn fail(&mut self, now: Time, id: CarId, out: &mut Vec<Output>) {
        let index = usize::from(id.0);
        if !self.cars[index].is_in_service() {
            return;
        }
        self.cars[index].is_failing = true;
        self.take_calls_from(now, index, out);
        match self.cars[index].doing {
            Doing::Rests { .. } => self.go_to_safety(now, index),
            // At the next floor, or with the doors open: there it sees that it fails.
            Doing::Moves { .. } | Doing::Opens { .. } | Doing::Changes { .. } | Doing::Failed => {}
            Doing::Closes { .. } => self.open(now, index),
        }
    }

    /// Its calls go to other cars.
    fn take_calls_from(&mut self, now: Time, index: usize, out: &mut Vec<Output>) {
        let id = self.cars[index].id;
        for call in self.cars[index].calls.take() {
            if self.calls.car_of(call) == Some(id) {
                self.calls.assign(call, None);
                self.counts.reassigned += 1;
            }
        }
        if self.config.strategy == Strategy::Destination {
            let named = self.waiting.riders_mut().filter(|rider| rider.car == Some(id));
            named.for_each(|rider| rider.car = None);
            self.name_missing(now, out);
        }
    }

    /// Names a car for everybody who has none, with destination dispatch.
    fn name_missing(&mut self, now: Time, out: &mut Vec<Output>) {
        let without = self.waiting.riders().filter(|(_, rider)| rider.car.is_none());
        let without: Vec<_> = without.map(|(call, rider)| (call, *rider)).collect();
        for (call, rider) in without {
            let Some(car) = self.name_car(now, call, rider.to) else { return };
            if let Some(rider) = self.waiting.riders_at_mut(call).find(|other| other.id == rider.id) {
                rider.car = Some(car);
            }
            self.counts.reassigned += 1;
            out.push(Output::Assigned { rider: rider.id, car });
        }
    }

    pub(super) fn restore(&mut self, now: Time, id: CarId, out: &mut Vec<Output>) {
        let car = &mut self.cars[usize::from(id.0)];
        car.is_failing = false;
        if car.doing == Doing::Failed {
            car.doing = Doing::Rests { park_at: Some(now) };
        }
        if self.config.strategy == Strategy::Destination {
            self.name_missing(now, out);
        }
    }

    pub(super) fn stick_door(&mut self, now: Time, id: CarId, lasting: Span) {
        let car = &mut self.cars[usize::from(id.0)];
        match car.doing {
            Doing::Opens { .. } | Doing::Changes { .. } => car.stuck_until = now + lasting,
            Doing::Rests { .. } | Doing::Moves { .. } | Doing::Closes { .. } | Doing::Failed => {
                car.sticks_for = lasting;
            }
        }
    }

    pub(super) fn recall(&mut self, now: Time, is_on: bool, out: &mut Vec<Output>) {
        if self.is_recalled == is_on {
            return;
        }
        self.is_recalled = is_on;
        if is_on {
            for index in 0..self.cars.len() {
                if self.cars[index].is_in_service() {
                    self.take_calls_from(now, index, out);
                }
            }
        } else {
            self.poll(now, out);
        }
    }

    /// A car that has to be emptied: where it is if it fails, at the lobby if there is a fire.
    pub(super) fn go_to_safety(&mut self, now: Time, index: usize) {
        let was_moving = matches!(self.cars[index].doing, Doing::Moves { .. });
        let car = &mut self.cars[index];
        if !car.is_failing && car.floor != Floor(0) {
            let runs_on = was_moving && car.direction == Direction::Down;
            self.run(now, index, Direction::Down, runs_on);
        } else if car.riders.is_empty() {
            car.doing = if car.is_failing { Doing::Failed } else { Doing::Rests { park_at: None } };
            car.is_failing = false;
        } else {
            self.open(now, index);
        }
    }

    pub(super) fn restart_dispatcher(&mut self, now: Time) {
        self.calls.clear();
        for car in &mut self.cars {
            car.calls.clear();
        }
        self.waiting.riders_mut().for_each(|rider| rider.car = None);
        self.blind_until = Some(now + self.config.polling);
    }

    /// The dispatcher asks all floors which buttons shine.
    pub(super) fn poll(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.config.strategy == Strategy::Destination {
            return self.name_missing(now, out);
        }
        let calls: Vec<HallCall> = self.waiting.calls().collect();
        calls.into_iter().for_each(|call| self.press(call));
    }

    /// People look whether their button still shines, and press again if it does not.
    pub(super) fn look(&mut self, now: Time, out: &mut Vec<Output>) {
        self.look_at = (self.waiting.waiting() > 0).then(|| now + self.config.press_again);
        if self.blind_until.is_some() || self.is_recalled {
            return;
        }
        if self.config.strategy == Strategy::Destination {
            return self.name_missing(now, out);
        }
        let served = |call: &HallCall| {
            self.cars
                .iter()
                .any(|car| car.lets_in(call.floor, &self.config) && car.direction == call.direction)
        };
        let dark: Vec<HallCall> =
            self.waiting.calls().filter(|call| !self.calls.contains(*call) && !served(call)).collect();
        for call in dark {
            self.counts.pressed_again += 1;
            self.press(call);
        }
    }
}

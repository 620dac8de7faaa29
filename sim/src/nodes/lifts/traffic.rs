//! What lift engineers measure of a bank's traffic: how often a car leaves the lobby with people, and how many persons it
//! brings in five minutes. Sees who boards and who is there; moves nobody.

use foreshock_systems::elevator::CarId;

use crate::kernel::time::{Span, Time};

const FIVE_MINUTES_S: usize = 300;

/// Counts of a bank.
pub(super) struct TrafficCounts {
    /// Cars that have taken somebody in at the lobby and brought nobody yet: they are on one trip.
    is_on_trip: Vec<bool>,
    trips: u64,
    first: Time,
    last: Time,
    /// Persons who are there, by second; the oldest is written over.
    brought: Vec<u64>,
    /// The second that was counted last, and persons in the five minutes up to it.
    second: u64,
    in_window: u64,
    most: u64,
}

impl TrafficCounts {
    pub(super) fn new(cars: u16) -> TrafficCounts {
        TrafficCounts {
            is_on_trip: vec![false; usize::from(cars)],
            trips: 0,
            first: Time::ZERO,
            last: Time::ZERO,
            brought: vec![0; FIVE_MINUTES_S],
            second: 0,
            in_window: 0,
            most: 0,
        }
    }

    /// Somebody gets into a car at the lobby: the first of a trip makes it one.
    pub(super) fn boarded_at_lobby(&mut self, now: Time, car: CarId) {
        let Some(is_on_trip) = self.is_on_trip.get_mut(usize::from(car.0)) else { return };
        if std::mem::replace(is_on_trip, true) {
            return;
        }
        if self.trips == 0 {
            self.first = now;
        }
        (self.trips, self.last) = (self.trips + 1, now);
    }

    /// Somebody gets out of a car before they are there.
    pub(super) fn put_out(&mut self, car: CarId) {
        if let Some(is_on_trip) = self.is_on_trip.get_mut(usize::from(car.0)) {
            *is_on_trip = false;
        }
    }

    /// Somebody is there.
    pub(super) fn brought(&mut self, now: Time, car: CarId) {
        self.put_out(car);
        let second = now.as_nanos() / 1_000_000_000;
        let passed = second.saturating_sub(self.second);
        for later in 1..=passed.min(FIVE_MINUTES_S as u64) {
            let place = ((self.second + later) % FIVE_MINUTES_S as u64) as usize;
            self.in_window -= std::mem::take(&mut self.brought[place]);
        }
        self.second = self.second.max(second);
        self.brought[(self.second % FIVE_MINUTES_S as u64) as usize] += 1;
        self.in_window += 1;
        self.most = self.most.max(self.in_window);
    }

    /// Trips that began at the lobby, and the mean time from one to the next.
    pub(super) fn interval(&self) -> (u64, Span) {
        let between = self.last.since(self.first).as_nanos();
        let mean_ns = between.checked_div(self.trips.saturating_sub(1)).unwrap_or(0);
        (self.trips, Span::from_nanos(mean_ns))
    }

    /// Most persons within five minutes.
    pub(super) const fn most_in_five_minutes(&self) -> u64 {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    #[test]
    fn a_car_that_takes_three_in_leaves_once_and_again_after_it_has_brought_one() {
        let mut counts = TrafficCounts::new(2);
        for second in [10, 11, 12] {
            counts.boarded_at_lobby(s(second), CarId(0));
        }
        counts.boarded_at_lobby(s(20), CarId(1));
        counts.brought(s(30), CarId(0));
        counts.boarded_at_lobby(s(70), CarId(0));
        assert_eq!(counts.interval(), (3, Span::from_secs(30)));
    }

    #[test]
    fn the_busiest_five_minutes_are_any_five_minutes() {
        let mut counts = TrafficCounts::new(1);
        let brought: Vec<u64> = vec![0, 100, 299, 300, 301, 599, 1_000, 1_000];
        for second in &brought {
            counts.brought(s(*second), CarId(0));
        }
        let within = |from: &u64| brought.iter().filter(|at| (*from..from + 300).contains(at)).count() as u64;
        assert_eq!(counts.most_in_five_minutes(), brought.iter().map(within).max().unwrap_or(0));
    }
}

//! The round trip of an up-peak by calculation: everybody comes in at the lobby, all floors are as popular, every car
//! leaves with as many. As in every textbook on lift traffic since Basset Jones (1923).

/// An up-peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpPeak {
    /// Floors above the lobby.
    pub floors_above: u32,
    /// Persons in a car when it leaves.
    pub persons: f64,
    /// From one floor to the next, in seconds.
    pub floor_s: f64,
    /// Of a stop, without the persons, in seconds.
    pub stop_s: f64,
    /// Of one person in or out, in seconds.
    pub transfer_s: f64,
}

/// What a round trip is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTrip {
    /// Expected stops above the lobby.
    pub stops: f64,
    /// Expected highest floor.
    pub highest: f64,
    /// From leaving the lobby to leaving it again, in seconds.
    pub seconds: f64,
}

impl UpPeak {
    /// S = N (1 - (1 - 1/N)^P), H = N - sum of (i/N)^P, RTT = 2 H tv + (S + 1) ts + 2 P tp.
    pub fn round_trip(&self) -> RoundTrip {
        let floors = f64::from(self.floors_above.max(1));
        let stops = floors * (1.0 - libm::pow(1.0 - 1.0 / floors, self.persons));
        let missed = (1..self.floors_above).map(|floor| libm::pow(f64::from(floor) / floors, self.persons));
        let highest = floors - missed.sum::<f64>();
        let seconds =
            2.0 * highest * self.floor_s + (stops + 1.0) * self.stop_s + 2.0 * self.persons * self.transfer_s;
        RoundTrip { stops, highest, seconds }
    }

    /// Persons that so many cars bring up in five minutes.
    pub fn handling_capacity(&self, cars: u32) -> f64 {
        300.0 * self.persons * f64::from(cars) / self.round_trip().seconds
    }
}

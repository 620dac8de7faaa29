//! A bank of lifts: cars, doors, riders, and the rule by which calls are given to cars. Never moves a motor: it says
//! what every car does and when, and whoever drives it tells it the time.
//!
//! ```text
//! Arrive -> a call -> a car is chosen -> it comes, doors, Boarded -> Delivered
//! ```
//!
//! The law for whoever drives one: call `expire` when `deadline` comes, then do what is in `out`.

mod audit; // what must hold at every instant
mod bank; // riders, calls and cars together
mod calls; // calls, and which car has which
mod car; // one car: where it is and what it does next
mod config; // floors, cars, times, rules
mod dispatch; // which car gets a call
mod faults; // cars that fail, doors that stick, fire, a dispatcher that forgets
mod formula; // the round trip by calculation
mod lines; // who waits where
mod message; // what comes in, what goes out
mod model; // floors, directions, riders
mod motion; // how long a run takes, with limits of speed, acceleration and jerk

pub use audit::Violation;
pub use bank::{Bank, Counts};
pub use config::{BankConfig, ConfigError, FullCar, Reassign, Strategy};
pub use dispatch::{CarView, Dispatch, EstimatedArrival, NearestCar, Sweep, Zoned};
pub use formula::{RoundTrip, UpPeak};
pub use message::{Input, Output, Rejected};
pub use model::{CarId, Direction, Floor, HallCall, RiderId};
pub use motion::Motion;

#[cfg(test)]
mod tests;

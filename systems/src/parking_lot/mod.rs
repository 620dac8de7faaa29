//! A lot with levels, spots of several classes, gates, tickets and a tariff. Never opens a barrier or moves money
//! itself: it says which barrier may open and what is owed.
//!
//! ```text
//! Enter -> Admitted (spot and ticket in one step) -> Entered -> Pay -> Exit -> Left
//!             \-> Withdraw, or nothing within the claim's time: the spot is free again
//! ```
//!
//! The law for whoever drives one: after every `handle` and `expire`, do what is in `out`, then call `expire` when
//! `deadline` comes. Every command may be sent again: it names its request, its ticket or its payment, and the answer
//! is the same. What is in `out` is durable by then.

mod allocation; // which of the free spots of a class
mod audit; // what must hold at every instant
mod config; // levels, gates, rules
mod message; // what comes in, what goes out, what is refused
mod model; // classes, vehicles, identities
mod offline; // a gate that is cut off
mod reconcile; // what it did meanwhile
mod reservations; // spots kept for those who come later
mod sensors; // what the lot is told of its spots, against its tickets
mod spots; // every spot and how many of which class are free
mod state; // the lot itself
mod stays; // in, paid, out
mod tariff; // what a stay costs
mod ticket; // what is kept of a stay
mod zone; // local time

pub use allocation::{Allocation, FreeSpots, FullestLevel, NearestToGate};
pub use audit::Violation;
pub use config::{ConfigError, Gate, LatePayment, Level, LotConfig, Spill};
pub use message::{Finding, Input, Output, Rejected, Who};
pub use model::{
    GateId, PaymentId, Plate, RequestId, ReservationId, SpotClass, SpotId, TicketId, Vehicle, VehicleKind,
};
pub use offline::{OfflineEntry, OfflineEvent, OfflineGate, OfflinePolicy, OfflineRefusal};
pub use spots::ClassCount;
pub use state::{ParkingLot, Totals};
pub use tariff::{Cap, NightRate, Rounding, Tariff};
pub use ticket::{Phase, Ticket};
pub use zone::Zone;

#[cfg(test)]
mod tests;

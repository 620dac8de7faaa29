//! Sells nights of room types, gives out numbered rooms at arrival, accepts more bookings than there are rooms on
//! purpose, and walks guests where it guessed wrong. Never sends, waits or reads a clock.
//!
//! ```text
//! search -> hold -> pay -> (paid) confirmed -> arrive: room | walked | turned away -> depart
//!                                    |-> cancel (free until a deadline, then a fee)
//!                                    '-> close_day: no-show
//! ```
//!
//! Holds, money and isolation are [`booking`](crate::booking)'s.

mod audit; // what has to hold of a house beside what its desk watches
mod calendar; // nights, days of the place
mod channel; // others who sell, by what they were last told
mod figures; // occupancy, average rate, revenue per room
mod free_rooms; // which rooms can be given out
mod front; // the house in operation
mod house; // what there is, and the rules
mod overbooking; // how many more to accept than there are rooms
mod rates; // what a stay costs

#[cfg(feature = "time_zones")]
pub use crate::zone::NamedZone;
pub use crate::zone::{FixedOffset, Zone};
pub use audit::HouseViolation;
pub use calendar::{Calendar, Night};
pub use channel::{ChannelView, SaleRefused};
pub use figures::NightFigures;
pub use front::{Arrival, Arrivals, Hotel, Offer, StayRequest};
pub use house::{
    Channel, ChannelConfig, HotelUnit, House, HouseConfig, HouseError, Plan, Room, RoomKind, RoomType, Stay,
};
pub use overbooking::{Overbooking, Shows};
pub use rates::{Cancellation, Fee, Guarantee, Quote, RatePlan, Season};

#[cfg(test)]
mod tests;

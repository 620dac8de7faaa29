//! Sells seats of shows: maps, holds, payment, and a rush in the first second of a sale. Never sends, waits or reads a
//! clock.
//!
//! ```text
//! join (waiting room) -> inside -> ask | ask_best -> hold -> pay -> (paid) confirmed -> exchange, take_back
//! ```
//!
//! Holds, money and isolation are [`booking`](crate::booking)'s.

mod box_office; // all of it put together
mod seat_map; // halls, best seats, single gaps
mod view; // the map as it is shown
mod waiting_room; // one order, one rate

pub use box_office::{BoxOffice, BoxOfficeConfig, Counts};
pub use seat_map::{MapError, Seat, SeatMap, SeatRow, Show, ShowId, ShowSeat, Theatre};
pub use view::SeatView;
pub use waiting_room::{Admitted, Order, Place, TurnedAway, WaitingRoom, WaitingRoomConfig};

#[cfg(test)]
mod tests;

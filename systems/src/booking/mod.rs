//! What hotels and theatres share: holds as leases with fencing tokens by the store's clock, transactions by level of
//! isolation, and the saga that makes of money a confirmation or a refund. Never sends, waits or reads a clock.
//!
//! ```text
//!          Hold           Pay             Paid (the pivot)
//! nothing -----> Held -----------> Held -------------------> Confirmed --> Arrived --> Departed
//!                 |  hold ends               | too late            |  Cancel, NoShow, Walked, TurnedAway
//!                 +-> Released, Expired -----+-> retaken, or Refused -> money back
//! ```
//!
//! [`Desk`] is the state machine; [`Goods`] is what it sells. [`Database`] is the store of many versions below it, and
//! useful by itself.

mod audit; // the invariants, counted a second time
mod config; // what a desk is told
mod database; // many versions, levels of isolation
mod desk; // holds, sales, money, the line
mod encoding; // rows as bytes
mod isolation; // levels and anomalies
mod locks; // exclusive locks, deadlocks
mod message; // commands, answers, outputs, refusals
mod rows; // what is kept
mod versions; // rows as they are and as they were

pub use audit::{Totals, Violation};
pub use config::{ConfigError, Contention, DeskConfig, HoldClock, LatePayment};
pub use database::{CommitError, Database, Field, Txn, Unreadable, Watch};
pub use desk::{Desk, Followed, Goods, OpenError, Pending};
pub use isolation::{Anomaly, Isolation};
pub use locks::{LockError, LockTable, TxnId};
pub use message::{Answer, Clocks, Command, Output, Refusal, Rejected};
pub use rows::{
    Ask, Booking, BookingId, Charge, Claim, CustomerId, Key, Phase, Row, Taken, Token, Unit, UnitRow,
};

#[cfg(test)]
mod tests;

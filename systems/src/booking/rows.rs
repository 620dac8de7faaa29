//! What is kept: bookings, how much of each unit is taken, who has how much, who waits. Plain data, written whole.

use super::database::Field;
use super::encoding::append;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// A booking, by the key its customer chose for it: asking twice with one key is asking once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BookingId(pub u64);

impl fmt::Display for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "booking {}", self.0)
    }
}

/// Whoever books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CustomerId(pub u64);

/// Grows with every hold of a unit and with every time a booking takes its units again: who comes with an older one is
/// late. Nothing else decides that, no clock above all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token(pub u64);

/// What can be taken: a seat of a show, a room type for a night.
pub trait Unit: Field + Copy + Ord + Hash {}

impl<T: Field + Copy + Ord + Hash> Unit for T {}

/// How much of a unit is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRow {
    /// By holds.
    pub held: u32,
    /// By confirmed bookings and by those who are there.
    pub sold: u32,
    /// Not for sale: a pillar, a broken shower.
    pub blocked: u32,
    /// The newest hold of it.
    pub token: Token,
}

impl UnitRow {
    /// What is left of so many.
    pub const fn free(self, limit: u32) -> u32 {
        limit.saturating_sub(self.taken()).saturating_sub(self.blocked)
    }

    /// Held or sold.
    pub const fn taken(self) -> u32 {
        self.held.saturating_add(self.sold)
    }
}

/// Where a booking stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// It has its units until a time.
    Held,
    /// It has them.
    Confirmed,
    /// Whoever booked is there.
    Arrived,
    /// And has left again.
    Departed,
    /// Nobody came.
    NoShow,
    /// There was no room in spite of a confirmation; somebody else's was found, and paid for.
    Walked,
    /// There was no room anywhere; all money goes back.
    TurnedAway,
    /// Called off by the customer after it was confirmed.
    Cancelled,
    /// Given back by the customer before it was confirmed.
    Released,
    /// Not confirmed in time.
    Expired,
    /// Paid, and yet not confirmed: too late, too little, or of another hold. All money goes back.
    Refused,
}

/// What a booking does to the units it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Holds them.
    Holds,
    /// Has bought them.
    Owns,
    /// Nothing any more.
    None,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 11] = [
        Phase::Held,
        Phase::Confirmed,
        Phase::Arrived,
        Phase::Departed,
        Phase::NoShow,
        Phase::Walked,
        Phase::TurnedAway,
        Phase::Cancelled,
        Phase::Released,
        Phase::Expired,
        Phase::Refused,
    ];

    /// What it does to the units it names.
    pub const fn claim(self) -> Claim {
        match self {
            Phase::Held => Claim::Holds,
            Phase::Confirmed | Phase::Arrived | Phase::Departed => Claim::Owns,
            Phase::NoShow
            | Phase::Walked
            | Phase::TurnedAway
            | Phase::Cancelled
            | Phase::Released
            | Phase::Expired
            | Phase::Refused => Claim::None,
        }
    }

    /// Whether there is a way from here to there. There is none back, but from a hold that ended to one that is taken
    /// again.
    pub const fn leads_to(self, next: Phase) -> bool {
        match self {
            Phase::Held => {
                matches!(next, Phase::Confirmed | Phase::Released | Phase::Expired | Phase::Refused)
            }
            Phase::Expired => matches!(next, Phase::Confirmed | Phase::Refused),
            Phase::Released => matches!(next, Phase::Refused),
            Phase::Confirmed => {
                matches!(
                    next,
                    Phase::Arrived | Phase::NoShow | Phase::Walked | Phase::TurnedAway | Phase::Cancelled
                )
            }
            Phase::Arrived => matches!(next, Phase::Departed),
            Phase::Departed
            | Phase::NoShow
            | Phase::Walked
            | Phase::TurnedAway
            | Phase::Cancelled
            | Phase::Refused => false,
        }
    }
}

/// Where the money for a booking stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Charge {
    /// Nobody was asked for it.
    Unasked,
    /// Asked for; the answer is open.
    Asked,
    /// Not wanted any more; whether it was taken is open.
    Voiding,
    /// Taken.
    Taken,
    /// Not taken, and never will be.
    NotTaken,
}

impl Charge {
    /// Whether an answer is awaited.
    pub const fn is_open(self) -> bool {
        matches!(self, Charge::Asked | Charge::Voiding)
    }
}

/// A unit that a booking has, or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken<U> {
    /// Which.
    pub unit: U,
    /// How many of it.
    pub count: u32,
    /// What its row said when it was taken.
    pub token: Token,
}

/// A booking as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking<U, D> {
    /// Which.
    pub id: BookingId,
    /// Whose.
    pub customer: CustomerId,
    /// Within what the customer's limit counts: a show, a house.
    pub scope: u32,
    /// All of them or none: what it was made for.
    pub units: Vec<Taken<U>>,
    /// How many units it was made for.
    pub asked: u32,
    /// How many of each unit.
    pub quantity: u32,
    /// What its sort of booking knows beside.
    pub detail: D,
    /// Where it stands.
    pub phase: Phase,
    /// Its newest hold.
    pub token: Token,
    /// When a hold ends, by the store's clock.
    pub expires_ns: u64,
    /// Times a hold may still be made longer.
    pub extensions_left: u8,
    /// What it costs, in minor units.
    pub price_minor: i64,
    /// What has to be paid before it is confirmed.
    pub deposit_minor: i64,
    /// What of the money taken is kept.
    pub kept_minor: i64,
    /// Taken from the customer so far.
    pub captured_minor: i64,
    /// Given back so far.
    pub refunded_minor: i64,
    /// Where the charge stands.
    pub charge: Charge,
    /// How often its money was asked for anew: with the booking, the name of a charge.
    pub charges: u32,
    /// Payments that were told, so that none counts twice.
    pub payments: Vec<u64>,
    /// Refunds that were carried out.
    pub refunds: u32,
    /// How much the refund under way is.
    pub refund_minor: i64,
    /// When the payment system is asked again.
    pub ask_ns: u64,
    /// How many units count for the customer's limit.
    pub counted: u32,
    /// A hash of what was asked for under its key.
    pub fingerprint: u64,
}

impl<U, D> Booking<U, D> {
    /// Money that has to go back and has not yet.
    pub const fn to_refund_minor(&self) -> i64 {
        self.captured_minor.saturating_sub(self.refunded_minor).saturating_sub(self.kept_minor)
    }

    /// Whether nothing is open between the customer's money and the booking: the saga has ended.
    pub const fn is_settled(&self) -> bool {
        !matches!(self.phase, Phase::Held) && !self.charge.is_open() && self.to_refund_minor() == 0
    }

    /// Whether a hold has ended at an instant.
    pub const fn has_expired(&self, now: Time) -> bool {
        now.as_nanos() >= self.expires_ns
    }
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask<U, D> {
    /// The key chosen for it.
    pub id: BookingId,
    /// Who.
    pub customer: CustomerId,
    /// Within what the customer's limit counts.
    pub scope: u32,
    /// All of these or none.
    pub units: Vec<U>,
    /// How many of each.
    pub quantity: u32,
    /// What all of it costs, in minor units.
    pub price_minor: i64,
    /// What has to be paid to confirm it; at most the price.
    pub deposit_minor: i64,
    /// What its sort of booking knows beside.
    pub detail: D,
}

impl<U: Serialize, D: Serialize> Ask<U, D> {
    /// A hash of what is asked for, to tell a repetition from another wish under the same key.
    pub fn fingerprint(&self) -> u64 {
        const USUAL_BYTES: usize = 96;
        let mut encoded = Vec::with_capacity(USUAL_BYTES);
        append(self, &mut encoded);
        crate::key_hash::hash_of(0, encoded.as_slice())
    }
}

/// What a row is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Key<U> {
    /// A unit.
    Unit(U),
    /// A booking.
    Booking(BookingId),
    /// What a customer has within a scope.
    Customer(u32, CustomerId),
    /// A place in the line of those who wait.
    Waiter(u64),
}

/// What a row holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row<U, D> {
    /// A unit.
    Unit(UnitRow),
    /// A booking; whoever reads it has it for nothing.
    Booking(Arc<Booking<U, D>>),
    /// How many units a customer has, held and sold.
    Customer(u32),
    /// Who waits for what.
    Waiter(Box<Ask<U, D>>),
}

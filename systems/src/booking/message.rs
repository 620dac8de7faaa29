//! What a desk is asked, what it answers, what it wants done, and why it does not. Plain data.

use super::locks::LockError;
use super::rows::{Ask, BookingId, CustomerId, Phase, Token};
use crate::store::StoreError;
use crate::time::Time;
use std::fmt;

/// Two clocks: the store's, which decides, and the one of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The store's.
    pub store: Time,
    /// The caller's. Looked at only under [`HoldClock::Caller`](super::HoldClock::Caller).
    pub caller: Time,
}

impl Clocks {
    /// Both show the same.
    pub const fn agreed(now: Time) -> Clocks {
        Clocks { store: now, caller: now }
    }
}

/// What a desk is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<U, D> {
    /// Take all of this for a while.
    Hold(Ask<U, D>),
    /// Take all of this and regard it as paid: at the counter, or through a channel that pays itself.
    Sell(Ask<U, D>),
    /// Hold it longer.
    Extend {
        /// What.
        booking: BookingId,
        /// Its newest hold.
        token: Token,
    },
    /// Ask for its money.
    Pay {
        /// For what.
        booking: BookingId,
        /// Its newest hold.
        token: Token,
    },
    /// The money has been taken.
    Paid {
        /// For what.
        booking: BookingId,
        /// The hold that it was paid for.
        token: Token,
        /// The payment's own number: the same is the same payment.
        payment: u64,
        /// How much.
        minor: i64,
    },
    /// The money has not been taken and never will be.
    NotPaid {
        /// For what.
        booking: BookingId,
    },
    /// A refund was carried out.
    Refunded {
        /// Of what.
        booking: BookingId,
        /// Which of its refunds.
        refund: u32,
        /// How much.
        minor: i64,
    },
    /// Give it back before it is confirmed.
    Release {
        /// What.
        booking: BookingId,
        /// Its newest hold.
        token: Token,
    },
    /// Call it off after it is confirmed.
    Cancel {
        /// What.
        booking: BookingId,
        /// What is kept all the same; at most what was paid.
        fee_minor: i64,
    },
    /// Give up part of it, for which so much goes back.
    Shrink {
        /// What.
        booking: BookingId,
        /// These units.
        units: Vec<U>,
        /// So much less does it cost.
        less_minor: i64,
    },
    /// Take other units in its place: all of them, or it stays as it is.
    Change {
        /// What.
        booking: BookingId,
        /// Its newest hold.
        token: Token,
        /// Those. Their price may differ; what was paid too much goes back, what is missing has to be paid.
        ask: Ask<U, D>,
    },
    /// End it if it is a hold that has expired.
    Sweep {
        /// What.
        booking: BookingId,
    },
    /// Wait in line for this.
    Wait(Ask<U, D>),
    /// Give up one unit of what was confirmed and take another one for it, such as a room.
    Swap {
        /// Of what.
        booking: BookingId,
        /// This one is given up.
        from: U,
        /// This one is taken.
        to: U,
    },
    /// Take so much of a unit off sale, or put it back.
    Block {
        /// Which.
        unit: U,
        /// How much of it is off sale from now on.
        count: u32,
    },
    /// Go on after it was confirmed.
    Settle {
        /// What.
        booking: BookingId,
        /// What has come of it: arrived, departed, not shown up, walked or turned away.
        phase: Phase,
        /// What of the money is kept; `None`: what was kept.
        kept_minor: Option<i64>,
        /// Units of which one each is taken with it, such as numbered rooms; or given up, if it has them.
        units: Vec<U>,
    },
}

/// What a desk answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is held, or was already.
    Held {
        /// Which.
        booking: BookingId,
        /// What to come back with.
        token: Token,
        /// Until then, by the store's clock.
        until: Time,
        /// What it costs.
        price_minor: i64,
    },
    /// It is theirs, or was already.
    Confirmed {
        /// Which.
        booking: BookingId,
        /// The hold had ended, and the units were taken again.
        was_retaken: bool,
    },
    /// Its money goes back.
    Refunding {
        /// Of which.
        booking: BookingId,
        /// How much.
        minor: i64,
        /// Why.
        why: Refusal,
    },
    /// Its money is asked for.
    Charging {
        /// For which.
        booking: BookingId,
        /// The hold lasts until then.
        until: Time,
    },
    /// It stands so now, or did already.
    Stands {
        /// Which.
        booking: BookingId,
        /// So.
        phase: Phase,
        /// So much money goes back.
        refund_minor: i64,
    },
    /// It waits in line.
    Waiting {
        /// For which.
        booking: BookingId,
        /// Its place: lower ones are served first.
        place: u64,
    },
    /// Done.
    Done,
}

/// Why a desk does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Something of it is not free: ask for something else, or wait in line.
    NotFree,
    /// The customer has as much as one may have.
    CustomerLimit,
    /// It would leave a single seat nobody wants: move by one.
    LeavesGap,
    /// The house as a whole is full.
    HouseFull,
    /// Not sold at that time, or not through that channel.
    Closed,
    /// It names nothing, too much, the same twice, or what does not exist.
    Malformed,
    /// The same key was used for another wish: choose a new one.
    KeyReused,
    /// Nothing of that name was booked here.
    Unknown,
    /// Another hold has been made since: the one that is named is over.
    StaleToken,
    /// The hold has ended.
    Expired,
    /// It has been made longer as often as it may.
    NoExtensionLeft,
    /// Not in this phase.
    Phase(Phase),
    /// Less was paid than it takes.
    Underpaid,
    /// So many wait already.
    LineFull,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NotFree => "not all of it is free: ask for something else, or wait in line",
            Refusal::CustomerLimit => "one customer may not have more",
            Refusal::LeavesGap => "it would leave a single seat between others: move by one",
            Refusal::HouseFull => "the house as a whole is full",
            Refusal::Closed => "it is not sold then, or not through this channel",
            Refusal::Malformed => {
                "it names nothing, too much, something twice or something that does not exist"
            }
            Refusal::KeyReused => "this key was used for something else: choose a new one",
            Refusal::Unknown => "nothing of this name was booked here",
            Refusal::StaleToken => "another hold was made since: this one is over",
            Refusal::Expired => "the hold has ended: take it again",
            Refusal::NoExtensionLeft => "it was made longer as often as it may be",
            Refusal::Phase(phase) => return write!(f, "not possible any more, or not yet: it is {phase:?}"),
            Refusal::Underpaid => "less was paid than it takes",
            Refusal::LineFull => "so many wait already that it makes no sense",
        })
    }
}

impl std::error::Error for Refusal {}

/// Why nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It may not be.
    Refused(Refusal),
    /// Somebody else was faster: begin again.
    Conflict,
    /// Somebody else is at it: begin again when they are done, or roll back.
    Locked(LockError),
    /// The store failed: open it again, and the desk from it.
    Store(StoreError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Refused(refusal) => refusal.fmt(f),
            Rejected::Conflict => f.write_str("somebody else was faster: begin again"),
            Rejected::Locked(error) => error.fmt(f),
            Rejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Rejected {}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Rejected {
        Rejected::Refused(refusal)
    }
}

impl From<LockError> for Rejected {
    fn from(error: LockError) -> Rejected {
        Rejected::Locked(error)
    }
}

/// What a desk wants done. It says so again, under the same names, until it is told what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Take this much from a customer, once: booking and attempt are the idempotency key.
    Charge {
        /// For which.
        booking: BookingId,
        /// The how manieth time its money is asked for anew, from 1.
        attempt: u32,
        /// From whom.
        customer: CustomerId,
        /// The hold that is paid for: hand it back with the money.
        token: Token,
        /// How much.
        minor: i64,
    },
    /// See to it that this is never charged, or say that it was.
    Void {
        /// For which.
        booking: BookingId,
        /// Which charge of it.
        attempt: u32,
        /// The hold that was to be paid for.
        token: Token,
    },
    /// Give this much back, once: booking and number are the idempotency key.
    Refund {
        /// Of which.
        booking: BookingId,
        /// The how manieth of it, from 0.
        refund: u32,
        /// How much.
        minor: i64,
    },
    /// Tell somebody who waited in line that it is held for them now.
    Offered {
        /// Which.
        booking: BookingId,
        /// Who.
        customer: CustomerId,
        /// What to come back with.
        token: Token,
        /// Until then.
        until: Time,
    },
    /// Nothing is open any more.
    Settled {
        /// Of which.
        booking: BookingId,
        /// It ended so.
        phase: Phase,
    },
}

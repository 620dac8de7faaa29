//! What comes to a lot, what it says, and why it refuses. Plain data.

use super::model::{
    GateId, PaymentId, Plate, RequestId, ReservationId, SpotClass, SpotId, TicketId, Vehicle, VehicleKind,
};
use super::offline::OfflineEntry;
use crate::store::StoreError;
use crate::time::Time;
use std::fmt;

/// Whose stay is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// That of this ticket.
    Ticket(TicketId),
    /// That of whoever has this plate, inside now.
    Plate(Plate),
}

/// What comes to a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants in: a spot is claimed and a ticket issued, in one step.
    Enter {
        /// At this gate.
        gate: GateId,
        /// Who.
        vehicle: Vehicle,
        /// The same when the gate asks again.
        request: RequestId,
    },
    /// The car is through the barrier.
    Entered {
        /// With this ticket.
        ticket: TicketId,
    },
    /// The car went away before the barrier.
    Withdraw {
        /// With this ticket.
        ticket: TicketId,
    },
    /// What is owed?
    Quote {
        /// By whom.
        who: Who,
    },
    /// Money has come in.
    Pay {
        /// For this ticket.
        ticket: TicketId,
        /// The same when it is told again.
        payment: PaymentId,
        /// How much.
        minor: u64,
        /// When the amount was named.
        quoted_at: Time,
    },
    /// Somebody wants out.
    Exit {
        /// At this gate.
        gate: GateId,
        /// Who.
        who: Who,
    },
    /// The driver has lost the ticket.
    DeclareLost {
        /// Who.
        plate: Plate,
    },
    /// A spot is wanted for later.
    Reserve {
        /// Its identity; the same when it is asked for again.
        reservation: ReservationId,
        /// For whom.
        vehicle: Vehicle,
        /// From when.
        from: Time,
        /// Until when.
        until: Time,
    },
    /// It is not wanted any more.
    CancelReservation {
        /// Which.
        reservation: ReservationId,
    },
    /// A spot is closed, or opened again.
    Service {
        /// Which.
        spot: SpotId,
        /// Whether it can be used.
        is_open: bool,
    },
    /// What a sensor says.
    Sensor {
        /// Of this spot.
        spot: SpotId,
        /// Whether something stands on it.
        is_occupied: bool,
    },
    /// A person has looked at a spot: a sensor that says something else is not listened to until it is repaired.
    Inspected {
        /// At this one.
        spot: SpotId,
        /// Whether a car stands there.
        is_occupied: bool,
    },
    /// The sensor of a spot is as good as new, and has said nothing yet.
    SensorRepaired {
        /// Of this spot.
        spot: SpotId,
    },
    /// A camera has read a plate on a spot.
    PlateSeen {
        /// On this spot.
        spot: SpotId,
        /// This one.
        plate: Plate,
    },
    /// A gate wants so many spots of a class to give away by itself, should it be cut off.
    Allot {
        /// Which gate.
        gate: GateId,
        /// Of this class.
        class: SpotClass,
        /// In all, with those it has.
        count: u32,
    },
    /// What a gate did while it was cut off, in order. What was told before is skipped.
    Reconcile {
        /// Which gate.
        gate: GateId,
        /// Numbered from 1.
        entries: Vec<OfflineEntry>,
    },
}

/// What a lot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The barrier may open.
    Admitted {
        /// At this gate.
        gate: GateId,
        /// For this wish.
        request: RequestId,
        /// With this ticket.
        ticket: TicketId,
        /// The car goes there.
        spot: Option<SpotId>,
    },
    /// A claim was given back.
    Released {
        /// Of this ticket.
        ticket: TicketId,
    },
    /// What is owed now.
    Quoted {
        /// By this ticket.
        ticket: TicketId,
        /// So much.
        due_minor: u64,
    },
    /// Money was taken.
    Paid {
        /// For this ticket.
        ticket: TicketId,
        /// By this payment.
        payment: PaymentId,
        /// So much of it.
        taken_minor: u64,
        /// Until when it may leave; `None` if more is owed.
        leave_by: Option<Time>,
    },
    /// Money goes back.
    Refund {
        /// Of this ticket.
        ticket: TicketId,
        /// Of this payment; 0 for what an offline gate took.
        payment: PaymentId,
        /// So much of it.
        minor: u64,
    },
    /// The barrier may open: the stay is over.
    Left {
        /// Of this ticket.
        ticket: TicketId,
        /// What it paid in all.
        charged_minor: u64,
    },
    /// The lot is full for a kind of vehicle, or not any more.
    Sign {
        /// Of this kind.
        kind: VehicleKind,
        /// Whether it is.
        is_full: bool,
    },
    /// The reservation stands.
    Reserved {
        /// Which.
        reservation: ReservationId,
    },
    /// From now on a spot is kept for it.
    Kept {
        /// For this reservation.
        reservation: ReservationId,
        /// This one.
        spot: SpotId,
    },
    /// The reservation is over, and its car has not come.
    Lapsed {
        /// Which.
        reservation: ReservationId,
    },
    /// The spots that a gate may give away by itself.
    Allotted {
        /// Which gate.
        gate: GateId,
        /// These.
        spots: Vec<SpotId>,
    },
    /// What the gate did up to here is in the books.
    Reconciled {
        /// Which gate.
        gate: GateId,
        /// The number of the last entry.
        up_to: u64,
    },
    /// Something a person should look at.
    Found(Finding),
}

/// Something a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A sensor has contradicted the tickets for longer than the window.
    Sensor {
        /// Of this spot.
        spot: SpotId,
        /// What it says.
        says_occupied: bool,
    },
    /// A car is there for too long.
    Overstay {
        /// With this ticket.
        ticket: TicketId,
    },
    /// A car stands where a camera saw it and no ticket says so.
    Unknown {
        /// On this spot.
        spot: SpotId,
        /// This one.
        plate: Plate,
    },
    /// An offline gate let a car in that was inside by the books: the older stay is over, nobody saw its end.
    LeftUnseen {
        /// The older ticket.
        ticket: TicketId,
    },
    /// An offline gate let a car in and there is no spot for it.
    Excess {
        /// With this ticket.
        ticket: TicketId,
    },
    /// A reservation came to nothing: no spot of its class was free when it was wanted.
    BrokenReservation {
        /// Which.
        reservation: ReservationId,
    },
}

/// Why a lot does not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Nothing that the vehicle may use is free. Let it wait, or send it elsewhere.
    Full,
    /// It is inside by the books, with this ticket.
    AlreadyInside(TicketId),
    /// There is no such gate.
    NoSuchGate(GateId),
    /// There is no such spot.
    NoSuchSpot(SpotId),
    /// No such stay is known. Ask for the plate, or declare the ticket lost.
    NoSuchTicket,
    /// There is no such reservation.
    NoSuchReservation,
    /// The car is not through the barrier yet, or is already: this is for the other case.
    WrongPhase(TicketId),
    /// Pay first.
    Owes {
        /// So much.
        due_minor: u64,
    },
    /// A spot cannot be closed under a car.
    Occupied(SpotId),
    /// Everything that can be reserved is, for that time.
    ReservedOut,
    /// A reservation ends after it begins.
    EndsBeforeItBegins,
    /// An entry is missing: send again from the one after this number.
    Gap {
        /// The last that is in the books.
        known: u64,
    },
    /// Nothing was written, so nothing has happened.
    Store(StoreError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Full => f.write_str("the lot is full: wait, or go elsewhere"),
            Rejected::AlreadyInside(ticket) => write!(f, "inside by the books, with ticket {}", ticket.0),
            Rejected::NoSuchGate(gate) => write!(f, "there is no gate {}", gate.0),
            Rejected::NoSuchSpot(spot) => write!(f, "there is no spot {}", spot.0),
            Rejected::NoSuchTicket => {
                f.write_str("no such stay: ask for the plate, or declare the ticket lost")
            }
            Rejected::NoSuchReservation => f.write_str("there is no such reservation"),
            Rejected::WrongPhase(ticket) => write!(f, "ticket {} is not at that point", ticket.0),
            Rejected::Owes { due_minor } => write!(f, "{due_minor} is owed: pay first"),
            Rejected::Occupied(spot) => write!(f, "spot {} is in use: close it when it is free", spot.0),
            Rejected::ReservedOut => f.write_str("everything that can be reserved for that time is"),
            Rejected::EndsBeforeItBegins => f.write_str("a reservation ends after it begins"),
            Rejected::Gap { known } => {
                write!(f, "entries are missing: send again from {}", known.saturating_add(1))
            }
            Rejected::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Rejected {}

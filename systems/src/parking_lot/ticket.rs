//! What is kept of a stay. Never says what it costs: that is the tariff's.

use super::model::{GateId, PaymentId, RequestId, SpotId, TicketId, Vehicle};
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// How far a stay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Admitted, and not through the barrier yet.
    Claimed,
    /// Inside.
    Parked,
    /// Gone; what it paid in all.
    Left {
        /// When, in nanoseconds.
        at_ns: u64,
    },
    /// Never came in: the spot was given back.
    Released {
        /// When, in nanoseconds.
        at_ns: u64,
    },
}

/// A stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its identity.
    pub id: TicketId,
    /// Who.
    pub vehicle: Vehicle,
    /// Where; `None` for whoever an offline gate let into a full lot.
    pub spot: Option<SpotId>,
    /// Through which gate.
    pub gate: GateId,
    /// The gate's wish that it answers.
    pub request: RequestId,
    /// Since when, in nanoseconds.
    pub entered_ns: u64,
    /// How far it is.
    pub phase: Phase,
    /// The driver has lost it.
    pub is_lost: bool,
    /// What was taken for it so far.
    pub paid_minor: u64,
    /// Until when it may leave without paying more, in nanoseconds.
    pub leave_by_ns: Option<u64>,
    /// Payments that were answered: what was taken, and what was given back.
    pub payments: Vec<(PaymentId, u64, u64)>,
}

impl Ticket {
    /// Whether it has a place in the lot.
    pub const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Claimed | Phase::Parked)
    }

    /// Since when.
    pub const fn entered(&self) -> Time {
        Time::from_nanos(self.entered_ns)
    }

    /// Until when it may leave without paying more.
    pub fn leave_by(&self) -> Option<Time> {
        self.leave_by_ns.map(Time::from_nanos)
    }

    pub(super) fn answered(&self, payment: PaymentId) -> Option<(u64, u64)> {
        let known = self.payments.iter().find(|(known, _, _)| *known == payment);
        known.map(|(_, taken, back)| (*taken, *back))
    }
}

//! What must hold at every instant. The quick part costs a few additions; the thorough one looks at every spot and
//! every ticket. Changes nothing.

use super::model::{SpotClass, SpotId, TicketId, VehicleKind};
use super::spots::Use;
use super::state::ParkingLot;
use super::ticket::Ticket;
use crate::store::Store;
use std::fmt;

/// What was found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Occupied, free and out of service are not all spots of a class.
    Capacity(SpotClass),
    /// The counts of a class are not those of its spots.
    Miscounted(SpotClass),
    /// Tickets issued are not those that are live, over or given back.
    Lost {
        /// Issued.
        admitted: u64,
        /// Found.
        accounted: u64,
    },
    /// Money that came in is not where it should be.
    Money {
        /// Came in.
        received_minor: u64,
        /// Found.
        accounted_minor: u64,
    },
    /// Reservations that were promised are not those that stand, were honoured, taken back or have lapsed.
    Promises {
        /// Promised.
        reserved: u64,
        /// Found.
        accounted: u64,
    },
    /// A sign says something else than the allocation would.
    Sign(VehicleKind),
    /// A spot and a ticket do not agree.
    SpotOfTicket(SpotId, TicketId),
    /// A car has two live tickets, or a live one that its plate does not lead to.
    Plate(TicketId),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Capacity(class) => {
                write!(f, "class `{}`: occupied, free and out of service are not its capacity", class.name())
            }
            Violation::Miscounted(class) => {
                write!(f, "class `{}`: counts differ from its spots", class.name())
            }
            Violation::Lost { admitted, accounted } => {
                write!(f, "{admitted} were admitted, {accounted} are inside, gone or given back")
            }
            Violation::Money { received_minor, accounted_minor } => {
                write!(f, "{received_minor} came in, {accounted_minor} were charged, given back or are open")
            }
            Violation::Promises { reserved, accounted } => {
                write!(f, "{reserved} reservations were promised, {accounted} stand or came to an end")
            }
            Violation::Sign(kind) => write!(f, "the sign for `{}` is wrong", kind.name()),
            Violation::SpotOfTicket(spot, ticket) => {
                write!(f, "spot {} and ticket {} do not belong to each other", spot.0, ticket.0)
            }
            Violation::Plate(ticket) => {
                write!(f, "ticket {} is not the one live ticket of its plate", ticket.0)
            }
        }
    }
}

impl std::error::Error for Violation {}

impl<S: Store> ParkingLot<S> {
    /// The quick part: to be called after every command.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn audit(&self) -> Result<(), Violation> {
        for class in SpotClass::ALL {
            let count = self.spots.count(class);
            if count.occupied + count.free + count.out_of_service != count.capacity {
                return Err(Violation::Capacity(class));
            }
        }
        let totals = self.totals;
        let accounted = self.live() + totals.left + totals.released;
        if totals.admitted != accounted {
            return Err(Violation::Lost { admitted: totals.admitted, accounted });
        }
        let parts = [totals.refunded_minor, totals.charged_minor, totals.ahead_minor, self.live_paid_minor];
        let accounted_minor = parts.into_iter().fold(0, u64::saturating_add);
        if totals.received_minor != accounted_minor {
            return Err(Violation::Money { received_minor: totals.received_minor, accounted_minor });
        }
        let ended = totals.honoured + totals.cancelled + totals.lapsed;
        if totals.reserved != self.open_reservations() + ended {
            let accounted = self.open_reservations() + ended;
            return Err(Violation::Promises { reserved: totals.reserved, accounted });
        }
        for kind in VehicleKind::ALL {
            if self.sign(kind) != self.is_full(kind) {
                return Err(Violation::Sign(kind));
            }
        }
        Ok(())
    }

    /// Everything.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn audit_thoroughly(&self) -> Result<(), Violation> {
        self.audit()?;
        for (class, counted) in SpotClass::ALL.into_iter().zip(self.spots.recounted()) {
            let suspect = |spot: &super::spots::Spot| self.config.trust_sensors && spot.sensor == Some(true);
            let to_give = self.spots.iter().filter(|(_, spot)| spot.class == class && spot.used == Use::Free);
            let to_give = to_give.filter(|(_, spot)| !suspect(spot)).count();
            if counted != self.spots.count(class) || to_give != self.spots.free.count(class) as usize {
                return Err(Violation::Miscounted(class));
            }
        }
        for (id, spot) in self.spots.iter() {
            if let Use::Taken(ticket) = spot.used
                && !self
                    .tickets
                    .get(&ticket)
                    .is_some_and(|ticket| ticket.is_live() && ticket.spot == Some(id))
            {
                return Err(Violation::SpotOfTicket(id, ticket));
            }
        }
        for ticket in self.tickets.values().filter(|ticket| ticket.is_live()) {
            let is_there =
                |spot: SpotId| self.spots.get(spot).is_some_and(|spot| spot.used == Use::Taken(ticket.id));
            if let Some(spot) = ticket.spot.filter(|spot| !is_there(*spot)) {
                return Err(Violation::SpotOfTicket(spot, ticket.id));
            }
            if self.by_plate.get(&ticket.vehicle.plate) != Some(&ticket.id) {
                return Err(Violation::Plate(ticket.id));
            }
        }
        let live = self.tickets.values().filter(|ticket| ticket.is_live());
        let paid = live.clone().map(|ticket: &Ticket| ticket.paid_minor).sum::<u64>();
        if live.count() as u64 != self.live() || paid != self.live_paid_minor {
            return Err(Violation::Lost { admitted: self.totals.admitted, accounted: self.live() });
        }
        Ok(())
    }
}

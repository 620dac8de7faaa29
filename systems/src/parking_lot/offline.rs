//! A gate that is cut off from its lot: lets cars in and out by a rule, and writes down what it did. Never guesses what
//! the lot knows.

use super::model::{GateId, Plate, SpotId, TicketId, Vehicle};
use super::tariff::Tariff;
use crate::time::Time;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// What a gate does while it is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflinePolicy {
    /// Gives away the spots that were set aside for it, then nobody comes in.
    Allotment,
    /// Lets everybody in; whether there is room shows later.
    AdmitAndReconcile,
    /// Nobody comes in.
    Refuse,
}

/// What a gate did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfflineEntry {
    /// 1, 2, 3, ... for each gate.
    pub number: u64,
    /// When, by the gate's clock.
    pub at: Time,
    /// What.
    pub event: OfflineEvent,
}

/// Somebody came in, or went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineEvent {
    /// In.
    Entered {
        /// With this ticket.
        ticket: TicketId,
        /// Who.
        vehicle: Vehicle,
        /// To this spot, of those that were set aside.
        spot: Option<SpotId>,
    },
    /// Out, and paid at the gate.
    Left {
        /// With this ticket.
        ticket: TicketId,
        /// What the gate took.
        charged_minor: u64,
    },
}

/// Why nobody comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineRefusal {
    /// The gate lets nobody in while it is cut off.
    CutOff,
    /// What was set aside is given away.
    AllotmentUsed,
    /// This car came in here meanwhile.
    AlreadyInside(TicketId),
}

impl fmt::Display for OfflineRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OfflineRefusal::CutOff => f.write_str("the gate is cut off: use another one"),
            OfflineRefusal::AllotmentUsed => f.write_str("the gate has no spot left to give away by itself"),
            OfflineRefusal::AlreadyInside(ticket) => write!(f, "came in with ticket {}", ticket.0),
        }
    }
}

impl std::error::Error for OfflineRefusal {}

/// A gate's own memory. It outlives the gate's process: a printer and a flash card are there for that.
#[derive(Clone, Debug)]
pub struct OfflineGate {
    gate: GateId,
    policy: OfflinePolicy,
    tariff: Tariff,
    allotted: VecDeque<SpotId>,
    log: VecDeque<OfflineEntry>,
    /// Those that came in here and are not in the lot's books yet.
    inside: BTreeMap<Plate, TicketId>,
    next_entry: u64,
    next_ticket: u64,
}

impl OfflineGate {
    /// A gate that has done nothing yet.
    pub const fn new(gate: GateId, policy: OfflinePolicy, tariff: Tariff) -> OfflineGate {
        OfflineGate {
            gate,
            policy,
            tariff,
            allotted: VecDeque::new(),
            log: VecDeque::new(),
            inside: BTreeMap::new(),
            next_entry: 1,
            next_ticket: 1,
        }
    }

    /// The lot has set these spots aside for it, in all; those it has given away meanwhile are no longer among them.
    pub fn handle_allotted(&mut self, spots: &[SpotId]) {
        let given = |spot: &SpotId| {
            self.log.iter().any(|entry| match entry.event {
                OfflineEvent::Entered { spot: Some(taken), .. } => taken == *spot,
                OfflineEvent::Entered { spot: None, .. } | OfflineEvent::Left { .. } => false,
            })
        };
        self.allotted = spots.iter().copied().filter(|spot| !given(spot)).collect();
    }

    /// The lot has what was done up to this number.
    pub fn handle_reconciled(&mut self, up_to: u64) {
        while let Some(entry) = self.log.front().copied().filter(|entry| entry.number <= up_to) {
            self.log.pop_front();
            if let OfflineEvent::Entered { ticket, vehicle, .. } = entry.event
                && self.inside.get(&vehicle.plate) == Some(&ticket)
            {
                self.inside.remove(&vehicle.plate);
            }
        }
    }

    /// Lets a car in.
    ///
    /// # Errors
    /// [`OfflineRefusal`]; then nothing has happened.
    pub fn admit(&mut self, now: Time, vehicle: Vehicle) -> Result<TicketId, OfflineRefusal> {
        if let Some(ticket) = self.inside.get(&vehicle.plate) {
            return Err(OfflineRefusal::AlreadyInside(*ticket));
        }
        let spot = match self.policy {
            OfflinePolicy::Refuse => return Err(OfflineRefusal::CutOff),
            OfflinePolicy::Allotment => Some(self.allotted.pop_front().ok_or(OfflineRefusal::AllotmentUsed)?),
            OfflinePolicy::AdmitAndReconcile => self.allotted.pop_front(),
        };
        Ok(self.write_in(now, vehicle, spot))
    }

    /// Writes down a car that is through the barrier with a claim that the lot has given back meanwhile, and says its new
    /// ticket. That is no decision, so that the rule of the gate does not matter; a spot that was set aside is used if
    /// one is left, otherwise the lot finds one or counts the excess.
    pub fn came_in(&mut self, entered_at: Time, vehicle: Vehicle) -> TicketId {
        if let Some(ticket) = self.inside.get(&vehicle.plate) {
            return *ticket;
        }
        let spot = self.allotted.pop_front();
        self.write_in(entered_at, vehicle, spot)
    }

    fn write_in(&mut self, at: Time, vehicle: Vehicle, spot: Option<SpotId>) -> TicketId {
        let ticket = TicketId::offline(self.gate, self.next_ticket);
        self.next_ticket += 1;
        self.inside.insert(vehicle.plate, ticket);
        self.write(at, OfflineEvent::Entered { ticket, vehicle, spot });
        ticket
    }

    /// Lets a car out: what it owes by what is printed on its ticket, and is taken at the gate.
    pub fn let_out(&mut self, now: Time, ticket: TicketId, entered_at: Time, paid_minor: u64) -> u64 {
        let charged_minor = self.tariff.fee(entered_at, now).saturating_sub(paid_minor);
        self.inside.retain(|_, inside| *inside != ticket);
        self.write(now, OfflineEvent::Left { ticket, charged_minor });
        charged_minor
    }

    fn write(&mut self, at: Time, event: OfflineEvent) {
        self.log.push_back(OfflineEntry { number: self.next_entry, at, event });
        self.next_entry += 1;
    }

    /// What the lot has not confirmed yet, in order.
    pub fn unreconciled(&self) -> impl ExactSizeIterator<Item = OfflineEntry> {
        self.log.iter().copied()
    }

    /// How many spots it can still give away by itself.
    pub fn allotment_left(&self) -> usize {
        self.allotted.len()
    }
}

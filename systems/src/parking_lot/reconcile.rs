//! What gates may give away by themselves, and what they did while they were cut off. Each entry counts once, however
//! often it is told; money that was taken twice goes back.

use super::message::{Finding, Output, Rejected};
use super::model::{GateId, PaymentId, RequestId, SpotClass, SpotId, TicketId, Vehicle};
use super::offline::{OfflineEntry, OfflineEvent};
use super::spots::Use;
use super::state::ParkingLot;
use super::stays::new_ticket;
use super::ticket::{Phase, Ticket};
use crate::store::Store;
use crate::time::Time;

impl<S: Store> ParkingLot<S> {
    pub(super) fn allot(
        &mut self,
        now: Time,
        gate: GateId,
        class: SpotClass,
        count: u32,
    ) -> Result<(), Rejected> {
        let at = self.config.gates.get(usize::from(gate.0)).ok_or(Rejected::NoSuchGate(gate))?.level;
        let own = |used: Use| used == Use::Allotted(gate);
        let all = self.spots.iter().filter(|(_, spot)| own(spot.used) && spot.class == class);
        let mut spots: Vec<SpotId> = all.map(|(id, _)| id).collect();
        let mut change = self.change();
        let keep = spots.len().min(count as usize);
        change.uses.extend(spots.drain(keep..).map(|spot| (spot, Use::Free)));
        let mut free = self.spots.free.clone();
        while spots.len() < count as usize
            && let Some(spot) = self.allocation.choose(&free, class, at)
        {
            let level = self.spots.get(spot).map_or(0, |spot| spot.level);
            free.set(class, level, spot, false);
            change.uses.push((spot, Use::Allotted(gate)));
            spots.push(spot);
        }
        change.outputs.push(Output::Allotted { gate, spots });
        self.commit(now, change)
    }

    pub(super) fn reconcile(
        &mut self,
        now: Time,
        gate: GateId,
        entries: &[OfflineEntry],
    ) -> Result<(), Rejected> {
        let known = *self.reconciled.get(usize::from(gate.0)).ok_or(Rejected::NoSuchGate(gate))?;
        let mut up_to = known;
        for entry in entries.iter().filter(|entry| entry.number > known) {
            if entry.number != up_to + 1 {
                return Err(Rejected::Gap { known: up_to });
            }
            match entry.event {
                OfflineEvent::Entered { ticket, vehicle, spot } => {
                    self.entered_offline(now, (gate, *entry), ticket, vehicle, spot)?;
                }
                OfflineEvent::Left { ticket, charged_minor } => {
                    self.left_offline(now, (gate, *entry), ticket, charged_minor)?;
                }
            }
            up_to = entry.number;
        }
        self.say(Output::Reconciled { gate, up_to });
        Ok(())
    }

    fn entered_offline(
        &mut self,
        now: Time,
        (gate, entry): (GateId, OfflineEntry),
        id: TicketId,
        vehicle: Vehicle,
        wanted: Option<SpotId>,
    ) -> Result<(), Rejected> {
        let mut change = self.change();
        change.reconciled = Some((gate, entry.number));
        let older = self.by_plate.get(&vehicle.plate).and_then(|ticket| self.tickets.get(ticket)).cloned();
        let mut vacated = None;
        if let Some(older) = older {
            change.outputs.push(Output::Found(Finding::LeftUnseen { ticket: older.id }));
            vacated = older.spot;
            change.close(older, entry.at.min(now));
        }
        let own = |spot: &SpotId| self.spots.get(*spot).is_some_and(|spot| spot.used == Use::Allotted(gate));
        let level = self.config.gates[usize::from(gate.0)].level;
        let chosen = wanted
            .filter(own)
            .or(vacated)
            .or_else(|| self.allocation.choose(&self.spots.free, self.class_for(&vehicle)?, level));
        let request = RequestId(entry.number);
        let mut ticket = new_ticket(id, vehicle, chosen, (gate, request), entry.at.min(now), Phase::Parked);
        change.totals.admitted += 1;
        // It may have left through another gate that was quicker to tell.
        if let Some((at_ns, minor)) = self.ahead.get(&id).copied() {
            change.ahead.push((id, None));
            change.totals.ahead_minor -= minor;
            ticket.paid_minor = minor;
            ticket.spot = None;
            change.uses.extend(wanted.filter(own).map(|spot| (spot, Use::Free)));
            change.close(ticket, Time::from_nanos(at_ns));
            return self.commit(now, change);
        }
        match chosen {
            Some(spot) => change.uses.push((spot, Use::Taken(id))),
            None => {
                change.totals.excess += 1;
                change.outputs.push(Output::Found(Finding::Excess { ticket: id }));
            }
        }
        change.tickets.push(ticket);
        self.commit(now, change)
    }

    fn left_offline(
        &mut self,
        now: Time,
        (gate, entry): (GateId, OfflineEntry),
        id: TicketId,
        minor: u64,
    ) -> Result<(), Rejected> {
        let mut change = self.change();
        change.reconciled = Some((gate, entry.number));
        change.totals.received_minor = change.totals.received_minor.saturating_add(minor);
        let known = self.tickets.get(&id).cloned();
        match known {
            Some(mut ticket) if ticket.is_live() => {
                ticket.paid_minor = ticket.paid_minor.saturating_add(minor);
                change.close(ticket, entry.at.min(now));
            }
            None if id.is_offline() && !self.ahead.contains_key(&id) => {
                change.totals.ahead_minor = change.totals.ahead_minor.saturating_add(minor);
                change.ahead.push((id, Some((entry.at.as_nanos(), minor))));
            }
            // The stay was over: what the gate took, it took a second time.
            Some(_) | None => {
                change.totals.refunded_minor = change.totals.refunded_minor.saturating_add(minor);
                if minor > 0 {
                    change.outputs.push(Output::Refund { ticket: id, payment: PaymentId(0), minor });
                }
            }
        }
        self.commit(now, change)
    }

    /// The stays of cars that no spot was found for.
    pub fn without_spot(&self) -> impl Iterator<Item = &Ticket> {
        self.tickets.values().filter(|ticket| ticket.is_live() && ticket.spot.is_none())
    }
}

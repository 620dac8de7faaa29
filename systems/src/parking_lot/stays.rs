//! In, paid, out. Never opens a barrier for a stay that owes something, and never takes money twice for one.

use super::message::{Output, Rejected, Who};
use super::model::{GateId, PaymentId, Plate, RequestId, SpotId, TicketId, Vehicle};
use super::spots::Use;
use super::state::ParkingLot;
use super::ticket::{Phase, Ticket};
use super::{Finding, LatePayment};
use crate::store::Store;
use crate::time::Time;

impl<S: Store> ParkingLot<S> {
    pub(super) fn enter(
        &mut self,
        now: Time,
        gate: GateId,
        vehicle: Vehicle,
        request: RequestId,
    ) -> Result<(), Rejected> {
        let at = self.config.gates.get(usize::from(gate.0)).ok_or(Rejected::NoSuchGate(gate))?;
        if let Some(known) = self.by_request.get(&(gate, request)).and_then(|id| self.tickets.get(id)) {
            return self.admitted_before(gate, request, known.id, known.spot, known.is_live());
        }
        if let Some(ticket) = self.by_plate.get(&vehicle.plate) {
            return Err(Rejected::AlreadyInside(*ticket));
        }
        let mut change = self.change();
        let reserved = self.reservation_of(vehicle.plate, now);
        let held =
            reserved.and_then(|id| self.reservations.get(&id)).and_then(|reservation| reservation.spot);
        let chosen = held.or_else(|| {
            let class = self.class_for(&vehicle)?;
            self.allocation.choose(&self.spots.free, class, at.level)
        });
        let Some(spot) = chosen else {
            self.refused += 1;
            if let Some(reservation) = reserved {
                self.find(Finding::BrokenReservation { reservation });
            }
            return Err(Rejected::Full);
        };
        change.reservations.extend(reserved.map(|id| (id, None)));
        change.totals.honoured += u64::from(reserved.is_some());
        change.totals.admitted += 1;
        change.totals.numbered += 1;
        let ticket = TicketId(change.totals.numbered);
        change.tickets.push(new_ticket(ticket, vehicle, Some(spot), (gate, request), now, Phase::Claimed));
        change.uses.push((spot, Use::Taken(ticket)));
        change.outputs.push(Output::Admitted { gate, request, ticket, spot: Some(spot) });
        self.commit(now, change)
    }

    /// The gate asks again.
    fn admitted_before(
        &mut self,
        gate: GateId,
        request: RequestId,
        ticket: TicketId,
        spot: Option<SpotId>,
        is_live: bool,
    ) -> Result<(), Rejected> {
        if !is_live {
            return Err(Rejected::WrongPhase(ticket));
        }
        self.say(Output::Admitted { gate, request, ticket, spot });
        Ok(())
    }

    pub(super) fn entered(&mut self, now: Time, ticket: TicketId) -> Result<(), Rejected> {
        let mut ticket = self.whose(Who::Ticket(ticket))?.clone();
        match ticket.phase {
            Phase::Parked => return Ok(()),
            Phase::Left { .. } | Phase::Released { .. } => return Err(Rejected::WrongPhase(ticket.id)),
            Phase::Claimed => {}
        }
        ticket.phase = Phase::Parked;
        let mut change = self.change();
        change.tickets.push(ticket);
        self.commit(now, change)
    }

    pub(super) fn withdraw(&mut self, now: Time, ticket: TicketId) -> Result<(), Rejected> {
        let mut ticket = self.whose(Who::Ticket(ticket))?.clone();
        let id = ticket.id;
        match ticket.phase {
            Phase::Released { .. } => {
                self.say(Output::Released { ticket: id });
                return Ok(());
            }
            Phase::Parked | Phase::Left { .. } => return Err(Rejected::WrongPhase(id)),
            // Who has paid is inside, whatever the barrier says.
            Phase::Claimed if ticket.paid_minor > 0 => return Err(Rejected::WrongPhase(id)),
            Phase::Claimed => {}
        }
        ticket.phase = Phase::Released { at_ns: now.as_nanos() };
        let mut change = self.change();
        change.uses.extend(ticket.spot.map(|spot| (spot, Use::Free)));
        change.totals.released += 1;
        change.tickets.push(ticket);
        change.outputs.push(Output::Released { ticket: id });
        self.commit(now, change)
    }

    /// What a live stay owes.
    pub(super) fn due_minor(&self, ticket: &Ticket, now: Time) -> u64 {
        if !ticket.is_live() || ticket.leave_by().is_some_and(|until| now <= until) {
            return 0;
        }
        self.cost_minor(ticket, now).saturating_sub(ticket.paid_minor)
    }

    fn cost_minor(&self, ticket: &Ticket, now: Time) -> u64 {
        let fee = self.config.tariff.fee(ticket.entered(), now);
        if ticket.is_lost { fee.max(self.config.tariff.lost_minor) } else { fee }
    }

    pub(super) fn quote(&mut self, now: Time, who: Who) -> Result<(), Rejected> {
        let ticket = self.whose(who)?;
        let output = Output::Quoted { ticket: ticket.id, due_minor: self.due_minor(ticket, now) };
        self.say(output);
        Ok(())
    }

    pub(super) fn pay(
        &mut self,
        now: Time,
        ticket: TicketId,
        (payment, minor): (PaymentId, u64),
        quoted_at: Time,
    ) -> Result<(), Rejected> {
        let mut ticket = self.whose(Who::Ticket(ticket))?.clone();
        let id = ticket.id;
        if let Some((taken_minor, back)) = ticket.answered(payment) {
            let leave_by = ticket.leave_by();
            self.say(Output::Paid { ticket: id, payment, taken_minor, leave_by });
            if back > 0 {
                self.say(Output::Refund { ticket: id, payment, minor: back });
            }
            return Ok(());
        }
        // A clock that is ahead names no amount for later.
        let quoted_at = quoted_at.min(now);
        let is_late = now.since(quoted_at) > self.config.exit_grace;
        let counts = ticket.is_live() && !(is_late && self.config.late_payment == LatePayment::Refund);
        let open_at = if is_late { now } else { quoted_at };
        let taken = if counts { minor.min(self.due_minor(&ticket, open_at)) } else { 0 };
        ticket.paid_minor = ticket.paid_minor.saturating_add(taken);
        let is_settled = counts && ticket.paid_minor >= self.cost_minor(&ticket, open_at);
        if is_settled {
            ticket.leave_by_ns = Some((now + self.config.exit_grace).as_nanos());
        }
        let back = minor - taken;
        ticket.payments.push((payment, taken, back));
        let mut change = self.change();
        change.totals.received_minor = change.totals.received_minor.saturating_add(minor);
        change.totals.refunded_minor = change.totals.refunded_minor.saturating_add(back);
        let leave_by = ticket.leave_by();
        change.outputs.push(Output::Paid { ticket: id, payment, taken_minor: taken, leave_by });
        if back > 0 {
            change.outputs.push(Output::Refund { ticket: id, payment, minor: back });
        }
        change.tickets.push(ticket);
        self.commit(now, change)
    }

    pub(super) fn exit(&mut self, now: Time, gate: GateId, who: Who) -> Result<(), Rejected> {
        if usize::from(gate.0) >= self.config.gates.len() {
            return Err(Rejected::NoSuchGate(gate));
        }
        let ticket = self.whose(who)?.clone();
        match ticket.phase {
            Phase::Left { .. } => {
                self.say(Output::Left { ticket: ticket.id, charged_minor: ticket.paid_minor });
                return Ok(());
            }
            Phase::Released { .. } => return Err(Rejected::WrongPhase(ticket.id)),
            Phase::Claimed | Phase::Parked => {}
        }
        let due_minor = self.due_minor(&ticket, now);
        if due_minor > 0 {
            return Err(Rejected::Owes { due_minor });
        }
        let mut change = self.change();
        let (id, charged_minor) = (ticket.id, ticket.paid_minor);
        change.close(ticket, now);
        change.outputs.push(Output::Left { ticket: id, charged_minor });
        self.commit(now, change)
    }

    pub(super) fn declare_lost(&mut self, now: Time, plate: Plate) -> Result<(), Rejected> {
        let mut ticket = self.whose(Who::Plate(plate))?.clone();
        let mut change = self.change();
        // What was paid without the ticket counts; the time to leave does not.
        ticket.leave_by_ns = ticket.leave_by_ns.filter(|_| ticket.is_lost);
        ticket.is_lost = true;
        change.outputs.push(Output::Quoted { ticket: ticket.id, due_minor: self.due_minor(&ticket, now) });
        change.tickets.push(ticket);
        self.commit(now, change)
    }
}

impl super::state::Change {
    /// Ends a stay: its spot is free and what it paid is charged.
    pub(super) fn close(&mut self, mut ticket: Ticket, at: Time) {
        self.uses.extend(ticket.spot.map(|spot| (spot, Use::Free)));
        self.totals.left += 1;
        self.totals.charged_minor = self.totals.charged_minor.saturating_add(ticket.paid_minor);
        ticket.phase = Phase::Left { at_ns: at.as_nanos() };
        self.tickets.push(ticket);
    }
}

pub(super) fn new_ticket(
    id: TicketId,
    vehicle: Vehicle,
    spot: Option<SpotId>,
    (gate, request): (GateId, RequestId),
    entered: Time,
    phase: Phase,
) -> Ticket {
    Ticket {
        id,
        vehicle,
        spot,
        gate,
        request,
        entered_ns: entered.as_nanos(),
        phase,
        is_lost: false,
        paid_minor: 0,
        leave_by_ns: None,
        payments: Vec::new(),
    }
}

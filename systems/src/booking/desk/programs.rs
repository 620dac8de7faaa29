//! What each command does, inside of one transaction: holds, sales, the line of those who wait, units off sale.

use super::super::message::{Answer, Command, Output, Refusal, Rejected};
use super::super::rows::{Ask, Booking, BookingId, Charge, Claim, Key, Phase, Row, Token};
use super::work::{BookingOf, Work};
use super::{Goods, Unit};
use crate::store::Store;
use crate::time::Time;
use std::sync::Arc;

/// An ask for these goods.
pub(super) type AskOf<G> = Ask<Unit<G>, <G as Goods>::Detail>;

impl<G: Goods, S: Store> Work<'_, G, S> {
    pub(super) fn run(
        &mut self,
        command: Command<Unit<G>, G::Detail>,
        next_place: u64,
    ) -> Result<Answer, Rejected> {
        match command {
            Command::Hold(ask) => self.hold(ask, Claim::Holds),
            Command::Sell(ask) => self.hold(ask, Claim::Owns),
            Command::Extend { booking, token } => self.extend(booking, token),
            Command::Pay { booking, token } => self.pay(booking, token),
            Command::Paid { booking, token, payment, minor } => self.paid(booking, token, payment, minor),
            Command::NotPaid { booking } => self.not_paid(booking),
            Command::Refunded { booking, refund, minor } => self.refunded(booking, refund, minor),
            Command::Release { booking, token } => self.release(booking, token),
            Command::Cancel { booking, fee_minor } => self.cancel(booking, fee_minor),
            Command::Shrink { booking, units, less_minor } => self.shrink(booking, &units, less_minor),
            Command::Change { booking, token, ask } => self.change(booking, token, ask),
            Command::Sweep { booking } => self.sweep(booking),
            Command::Wait(ask) => self.wait(ask, next_place),
            Command::Block { unit, count } => self.block(unit, count),
            Command::Settle { booking, phase, kept_minor, units } => {
                self.settle(booking, phase, kept_minor, &units)
            }
            Command::Swap { booking, from, to } => self.swap(booking, from, to),
        }
    }

    /// Whether what is asked for can be at all.
    fn check(&self, ask: &AskOf<G>) -> Result<(), Refusal> {
        let is_named_once = ask.units.is_sorted_by(|one, next| one < next) || {
            let mut units = ask.units.clone();
            units.sort();
            units.windows(2).all(|pair| pair[0] != pair[1])
        };
        let exists = ask.units.iter().all(|unit| self.goods.limit(*unit) > 0);
        let is_small = u32::try_from(ask.units.len()).is_ok_and(|count| count <= self.config.max_units);
        let is_paid_sensibly = ask.price_minor >= 0 && (0..=ask.price_minor).contains(&ask.deposit_minor);
        let is_well = !ask.units.is_empty() && ask.quantity > 0 && is_small && is_named_once && exists;
        if is_well && is_paid_sensibly { Ok(()) } else { Err(Refusal::Malformed) }
    }

    /// Whether what is asked for may be, given what is around it.
    fn admit(&mut self, ask: &AskOf<G>) -> Result<(), Rejected> {
        let mut locked = None;
        let goods = self.goods;
        let admitted = goods.admits(ask, &mut |unit| {
            self.unit(unit).unwrap_or_else(|error| {
                locked = Some(error);
                Default::default()
            })
        });
        locked.map_or(Ok(()), |error| Err(Rejected::Locked(error)))?;
        Ok(admitted?)
    }

    fn repeated(&self, booking: &BookingOf<G>, fingerprint: u64) -> Result<Answer, Rejected> {
        if booking.fingerprint != fingerprint {
            return Err(Refusal::KeyReused.into());
        }
        Ok(match booking.phase {
            Phase::Held => held(booking),
            Phase::Confirmed => Answer::Confirmed { booking: booking.id, was_retaken: false },
            Phase::Arrived
            | Phase::Departed
            | Phase::NoShow
            | Phase::Walked
            | Phase::TurnedAway
            | Phase::Cancelled
            | Phase::Released
            | Phase::Expired
            | Phase::Refused => stands(booking),
        })
    }

    pub(super) fn hold(&mut self, ask: AskOf<G>, claim: Claim) -> Result<Answer, Rejected> {
        let fingerprint = ask.fingerprint();
        if let Some(booking) = self.booking(ask.id) {
            return self.repeated(&booking, fingerprint);
        }
        self.check(&ask)?;
        self.lock(ask.units.iter().copied())?;
        let units = self.take(&ask.units, ask.quantity, claim)?;
        self.admit(&ask)?;
        let wanted = (ask.units.len() as u32).saturating_mul(ask.quantity);
        let counted = self.count(ask.scope, ask.customer, wanted, 0)?;
        let token = units.iter().map(|taken| taken.token).max().unwrap_or_default();
        let is_sold = claim == Claim::Owns;
        let paid_minor = if is_sold { ask.price_minor } else { 0 };
        let clock = match self.config.hold_clock {
            super::super::config::HoldClock::Store => self.clocks.store,
            super::super::config::HoldClock::Caller => self.clocks.caller,
        };
        let booking = Booking {
            id: ask.id,
            customer: ask.customer,
            scope: ask.scope,
            asked: ask.units.len() as u32,
            units,
            quantity: ask.quantity,
            detail: ask.detail,
            phase: if is_sold { Phase::Confirmed } else { Phase::Held },
            token,
            expires_ns: (clock + self.config.hold_ttl).as_nanos(),
            extensions_left: self.config.extensions,
            price_minor: ask.price_minor,
            deposit_minor: ask.deposit_minor,
            kept_minor: paid_minor,
            captured_minor: paid_minor,
            refunded_minor: 0,
            charge: if is_sold { Charge::Taken } else { Charge::Unasked },
            charges: 0,
            payments: Vec::new(),
            refunds: 0,
            refund_minor: 0,
            ask_ns: 0,
            counted,
            fingerprint,
        };
        let answer = match is_sold {
            true => Answer::Confirmed { booking: booking.id, was_retaken: false },
            false => held(&booking),
        };
        self.store(None, booking);
        Ok(answer)
    }

    fn extend(&mut self, id: BookingId, token: Token) -> Result<Answer, Rejected> {
        let old = self.live(id, token)?;
        let mut booking = BookingOf::<G>::clone(&old);
        booking.extensions_left = old.extensions_left.checked_sub(1).ok_or(Refusal::NoExtensionLeft)?;
        booking.expires_ns = old.expires_ns.saturating_add(self.config.hold_ttl.as_nanos());
        let answer = held(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }

    /// A hold that is not over, for whoever has its newest token.
    fn live(&mut self, id: BookingId, token: Token) -> Result<Arc<BookingOf<G>>, Refusal> {
        let booking = self.known(id)?;
        self.check_live(&booking, token)?;
        Ok(booking)
    }

    pub(super) fn check_live(&mut self, booking: &BookingOf<G>, token: Token) -> Result<(), Refusal> {
        if booking.phase != Phase::Held {
            return Err(Refusal::Phase(booking.phase));
        }
        if booking.token != token {
            return Err(Refusal::StaleToken);
        }
        if self.has_expired(booking) { Err(Refusal::Expired) } else { Ok(()) }
    }

    fn release(&mut self, id: BookingId, token: Token) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        if old.token != token {
            return Err(Refusal::StaleToken.into());
        }
        match old.phase {
            Phase::Held => {}
            Phase::Released | Phase::Expired => return Ok(stands(&old)),
            phase => return Err(Refusal::Phase(phase).into()),
        }
        let mut booking = BookingOf::<G>::clone(&old);
        self.let_go(&mut booking)?;
        booking.phase = Phase::Released;
        let answer = stands(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }

    fn cancel(&mut self, id: BookingId, fee_minor: i64) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        match old.phase {
            Phase::Confirmed => {}
            Phase::Cancelled => return Ok(stands(&old)),
            phase => return Err(Refusal::Phase(phase).into()),
        }
        let mut booking = BookingOf::<G>::clone(&old);
        self.let_go(&mut booking)?;
        booking.phase = Phase::Cancelled;
        booking.kept_minor = fee_minor.clamp(0, old.kept_minor);
        let answer = stands(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }

    fn shrink(&mut self, id: BookingId, units: &[Unit<G>], less_minor: i64) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        if old.phase != Phase::Confirmed {
            return Err(Refusal::Phase(old.phase).into());
        }
        let (given, left): (Vec<_>, Vec<_>) =
            old.units.iter().copied().partition(|taken| units.contains(&taken.unit));
        if given.is_empty() || left.is_empty() || given.len() != units.len() {
            return Err(Refusal::Malformed.into());
        }
        let mut booking = BookingOf::<G>::clone(&old);
        self.lock(given.iter().map(|taken| taken.unit))?;
        self.give_back(&given, Claim::Owns)?;
        let less = (given.len() as u32).saturating_mul(old.quantity).min(old.counted);
        self.count(old.scope, old.customer, 0, less)?;
        booking.counted = old.counted.saturating_sub(less);
        booking.asked = left.len() as u32;
        booking.units = left;
        booking.price_minor = old.price_minor.saturating_sub(less_minor.max(0)).max(0);
        booking.deposit_minor = old.deposit_minor.min(booking.price_minor);
        booking.kept_minor = old.kept_minor.min(booking.price_minor);
        let answer = stands(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }

    /// Other units in place of the ones it has: taken after those were given back, in one transaction.
    fn change(&mut self, id: BookingId, token: Token, ask: AskOf<G>) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        let claim = old.phase.claim();
        match old.phase {
            Phase::Held => self.check_live(&old, token)?,
            Phase::Confirmed if old.token == token => {}
            Phase::Confirmed => return Err(Refusal::StaleToken.into()),
            phase => return Err(Refusal::Phase(phase).into()),
        }
        if old.charge.is_open() {
            return Err(Refusal::Phase(old.phase).into()); // its money is being asked for
        }
        self.check(&ask)?;
        self.lock(old.units.iter().map(|taken| taken.unit).chain(ask.units.iter().copied()))?;
        self.give_back(&old.units, claim)?;
        let units = self.take(&ask.units, ask.quantity, claim)?;
        self.admit(&ask)?;
        let wanted = (ask.units.len() as u32).saturating_mul(ask.quantity);
        let counted = self.count(old.scope, old.customer, wanted, old.counted)?;
        let newest = units.iter().map(|taken| taken.token).max().unwrap_or_default();
        let paid_minor = old.captured_minor.saturating_sub(old.refunded_minor);
        if claim == Claim::Owns && paid_minor < ask.deposit_minor {
            return Err(Refusal::Underpaid.into());
        }
        let booking = Booking {
            asked: ask.units.len() as u32,
            units,
            quantity: ask.quantity,
            detail: ask.detail,
            token: newest.max(Token(old.token.0.saturating_add(1))),
            price_minor: ask.price_minor,
            deposit_minor: ask.deposit_minor,
            kept_minor: if claim == Claim::Owns { paid_minor.min(ask.price_minor) } else { 0 },
            counted,
            ..BookingOf::<G>::clone(&old)
        };
        let answer = match claim {
            Claim::Holds => held(&booking),
            Claim::Owns | Claim::None => stands(&booking),
        };
        self.store(Some(&old), booking);
        Ok(answer)
    }

    fn sweep(&mut self, id: BookingId) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        #[cfg(test)]
        let is_sabotaged = self.sabotage == Some(super::Sabotage::SweepsTheLiving);
        #[cfg(not(test))]
        let is_sabotaged = false;
        let is_over = old.phase == Phase::Held && (is_sabotaged || self.is_over(&old));
        if !is_over {
            return Ok(stands(&old));
        }
        let mut booking = BookingOf::<G>::clone(&old);
        self.let_go(&mut booking)?;
        booking.phase = Phase::Expired;
        let answer = stands(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }

    /// As [`Work::has_expired`], and nothing depends on its not having.
    fn is_over(&self, booking: &BookingOf<G>) -> bool {
        match self.config.hold_clock {
            super::super::config::HoldClock::Store => booking.has_expired(self.clocks.store),
            super::super::config::HoldClock::Caller => booking.has_expired(self.clocks.caller),
        }
    }

    fn wait(&mut self, ask: AskOf<G>, place: u64) -> Result<Answer, Rejected> {
        if let Some(booking) = self.booking(ask.id) {
            return self.repeated(&booking, ask.fingerprint());
        }
        self.check(&ask)?;
        let (mut count, mut waits) = (0, None);
        self.db.scan(self.txn, Key::Waiter(0)..=Key::Waiter(u64::MAX), &mut |key, row| {
            count += 1;
            if let (Key::Waiter(place), Row::Waiter(waiter)) = (key, row)
                && waiter.id == ask.id
            {
                waits = Some((*place, waiter.fingerprint()));
            }
            true
        });
        if let Some((place, fingerprint)) = waits {
            let is_same = fingerprint == ask.fingerprint();
            let answer = Answer::Waiting { booking: ask.id, place };
            return if is_same { Ok(answer) } else { Err(Refusal::KeyReused.into()) };
        }
        if count >= self.config.max_waiters {
            return Err(Refusal::LineFull.into());
        }
        let booking = ask.id;
        self.txn.put(Key::Waiter(place), Row::Waiter(Box::new(ask)));
        Ok(Answer::Waiting { booking, place })
    }

    /// Holds for somebody who waited what has become free.
    pub(super) fn offer(&mut self, place: u64) -> Result<Answer, Rejected> {
        let Some(Row::Waiter(ask)) = self.db.get(self.txn, &Key::Waiter(place)) else {
            return Err(Refusal::Unknown.into());
        };
        let customer = ask.customer;
        let answer = self.hold(*ask, Claim::Holds)?;
        self.txn.remove(Key::Waiter(place));
        if let Answer::Held { booking, token, until, .. } = answer {
            self.outputs.push(Output::Offered { booking, customer, token, until });
        }
        Ok(answer)
    }

    fn block(&mut self, unit: Unit<G>, count: u32) -> Result<Answer, Rejected> {
        if count > self.goods.limit(unit) {
            return Err(Refusal::Malformed.into());
        }
        let mut row = self.unit(unit)?;
        row.blocked = count;
        self.put_unit(unit, row);
        Ok(Answer::Done)
    }

    fn settle(
        &mut self,
        id: BookingId,
        phase: Phase,
        kept_minor: Option<i64>,
        units: &[Unit<G>],
    ) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        if old.phase == phase {
            return Ok(stands(&old));
        }
        let is_after = matches!(
            phase,
            Phase::Arrived | Phase::Departed | Phase::NoShow | Phase::Walked | Phase::TurnedAway
        );
        if !is_after || !old.phase.leads_to(phase) {
            return Err(Refusal::Phase(old.phase).into());
        }
        let mut booking = BookingOf::<G>::clone(&old);
        match phase.claim() {
            Claim::Owns => {
                self.lock(units.iter().copied())?;
                let (given, left): (Vec<_>, Vec<_>) =
                    old.units.iter().copied().partition(|taken| units.contains(&taken.unit));
                self.give_back(&given, Claim::Owns)?;
                let had = |unit: &Unit<G>| given.iter().any(|taken| taken.unit == *unit);
                let more: Vec<Unit<G>> = units.iter().copied().filter(|unit| !had(unit)).collect();
                booking.units = left;
                booking.units.extend(self.take(&more, 1, Claim::Owns)?);
            }
            Claim::Holds | Claim::None => self.let_go(&mut booking)?,
        }
        booking.phase = phase;
        booking.kept_minor = kept_minor.map_or(old.kept_minor, |kept| kept.clamp(0, old.kept_minor));
        let answer = stands(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }

    fn swap(&mut self, id: BookingId, from: Unit<G>, to: Unit<G>) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        if !matches!(old.phase, Phase::Confirmed | Phase::Arrived) {
            return Err(Refusal::Phase(old.phase).into());
        }
        let has = |unit| old.units.iter().any(|taken| taken.unit == unit);
        if !has(from) || has(to) {
            return Err(Refusal::Malformed.into());
        }
        self.lock([from, to].into_iter())?;
        let mut booking = BookingOf::<G>::clone(&old);
        booking.units.retain(|taken| taken.unit != from);
        let given: Vec<_> = old.units.iter().copied().filter(|taken| taken.unit == from).collect();
        let count = given.iter().fold(0u32, |sum, taken| sum.saturating_add(taken.count));
        self.give_back(&given, Claim::Owns)?;
        booking.units.extend(self.take(&[to], count, Claim::Owns)?);
        let answer = stands(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }
}

pub(super) fn held<U, D>(booking: &Booking<U, D>) -> Answer {
    Answer::Held {
        booking: booking.id,
        token: booking.token,
        until: Time::from_nanos(booking.expires_ns),
        price_minor: booking.price_minor,
    }
}

pub(super) fn stands<U, D>(booking: &Booking<U, D>) -> Answer {
    Answer::Stands { booking: booking.id, phase: booking.phase, refund_minor: booking.to_refund_minor() }
}

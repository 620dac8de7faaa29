//! One transaction in the making: reads and writes of rows, and what follows from them. Never commits.

use super::super::config::{Contention, DeskConfig, HoldClock};
use super::super::locks::LockError;
use super::super::message::{Clocks, Output, Refusal, Rejected};
use super::super::rows::{Booking, BookingId, Charge, Claim, CustomerId, Key, Row, Taken, Token, UnitRow};
use super::{Db, Goods, TxnOf, Unit};
use crate::store::Store;
use crate::time::Time;
use std::sync::Arc;

/// A booking of these goods.
pub(super) type BookingOf<G> = Booking<Unit<G>, <G as Goods>::Detail>;

pub(super) struct Work<'a, G: Goods, S> {
    pub(super) db: &'a mut Db<G, S>,
    pub(super) txn: &'a mut TxnOf<G>,
    pub(super) goods: &'a G,
    pub(super) config: &'a DeskConfig,
    pub(super) clocks: Clocks,
    pub(super) outputs: Vec<Output>,
    /// The commit has to come before.
    pub(super) valid_until: Time,
    #[cfg(test)]
    pub(super) sabotage: Option<super::Sabotage>,
}

impl<G: Goods, S: Store> Work<'_, G, S> {
    pub(super) fn unit(&mut self, unit: Unit<G>) -> Result<UnitRow, LockError> {
        let key = Key::Unit(unit);
        let row = match self.config.contention {
            Contention::Optimistic => self.db.get(self.txn, &key),
            Contention::Pessimistic => self.db.get_for_update(self.txn, &key)?,
        };
        Ok(match row {
            Some(Row::Unit(row)) => row,
            Some(Row::Booking(_) | Row::Customer(_) | Row::Waiter(_)) | None => UnitRow::default(),
        })
    }

    pub(super) fn put_unit(&mut self, unit: Unit<G>, row: UnitRow) {
        self.txn.put(Key::Unit(unit), Row::Unit(row));
    }

    pub(super) fn booking(&mut self, id: BookingId) -> Option<Arc<BookingOf<G>>> {
        match self.db.get(self.txn, &Key::Booking(id)) {
            Some(Row::Booking(booking)) => Some(booking),
            Some(Row::Unit(_) | Row::Customer(_) | Row::Waiter(_)) | None => None,
        }
    }

    pub(super) fn known(&mut self, id: BookingId) -> Result<Arc<BookingOf<G>>, Refusal> {
        self.booking(id).ok_or(Refusal::Unknown)
    }

    /// Locks units in the order of their names, if that is how they are kept apart: nobody who does so ever waits in a
    /// circle.
    pub(super) fn lock(&mut self, units: impl Iterator<Item = Unit<G>>) -> Result<(), LockError> {
        if self.config.contention == Contention::Pessimistic {
            let mut units: Vec<Unit<G>> = units.collect();
            units.sort();
            for unit in units {
                self.unit(unit)?;
            }
        }
        Ok(())
    }

    /// Whether a hold has ended, by the clock that counts; if it has not, the commit has to come before it does.
    pub(super) fn has_expired(&mut self, booking: &BookingOf<G>) -> bool {
        match self.config.hold_clock {
            HoldClock::Store => {
                let expired = booking.has_expired(self.clocks.store);
                if !expired {
                    self.valid_until = self.valid_until.min(Time::from_nanos(booking.expires_ns));
                }
                expired
            }
            HoldClock::Caller => booking.has_expired(self.clocks.caller),
        }
    }

    /// Takes all of these, or says why not.
    pub(super) fn take(
        &mut self,
        units: &[Unit<G>],
        quantity: u32,
        claim: Claim,
    ) -> Result<Vec<Taken<Unit<G>>>, Rejected> {
        let mut taken = Vec::with_capacity(units.len());
        for unit in units.iter().copied() {
            let mut row = self.unit(unit)?;
            if row.free(self.goods.limit(unit)) < quantity {
                #[cfg(test)]
                if self.sabotage == Some(super::Sabotage::TakesOneByOne) {
                    continue;
                }
                return Err(Refusal::NotFree.into());
            }
            row.token = Token(row.token.0.saturating_add(1));
            match claim {
                Claim::Holds => row.held = row.held.saturating_add(quantity),
                Claim::Owns => row.sold = row.sold.saturating_add(quantity),
                Claim::None => {}
            }
            taken.push(Taken { unit, count: quantity, token: row.token });
            self.put_unit(unit, row);
        }
        Ok(taken)
    }

    /// Gives units back that were held or sold.
    pub(super) fn give_back(&mut self, units: &[Taken<Unit<G>>], claim: Claim) -> Result<(), LockError> {
        for taken in units {
            let mut row = self.unit(taken.unit)?;
            match claim {
                Claim::Holds => row.held = row.held.saturating_sub(taken.count),
                Claim::Owns => row.sold = row.sold.saturating_sub(taken.count),
                Claim::None => {}
            }
            self.put_unit(taken.unit, row);
        }
        Ok(())
    }

    /// Whether the newest hold of every unit of its own is this booking's: whoever was overtaken is told so here.
    pub(super) fn is_fenced_out(&mut self, booking: &BookingOf<G>) -> Result<bool, LockError> {
        #[cfg(test)]
        if self.sabotage == Some(super::Sabotage::ComparesNoTokens) {
            return Ok(false);
        }
        for taken in &booking.units {
            if self.goods.is_exclusive(taken.unit) && self.unit(taken.unit)?.token != taken.token {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// From held to sold.
    pub(super) fn own(&mut self, booking: &BookingOf<G>) -> Result<(), LockError> {
        for taken in &booking.units {
            let mut row = self.unit(taken.unit)?;
            row.held = row.held.saturating_sub(taken.count);
            row.sold = row.sold.saturating_add(taken.count);
            self.put_unit(taken.unit, row);
        }
        Ok(())
    }

    /// Counts units for a customer's limit; how many were counted.
    pub(super) fn count(
        &mut self,
        scope: u32,
        customer: CustomerId,
        more: u32,
        counted: u32,
    ) -> Result<u32, Refusal> {
        if self.config.max_per_customer == 0 && counted == 0 {
            return Ok(0);
        }
        let key = Key::Customer(scope, customer);
        let had = match self.db.get(self.txn, &key) {
            Some(Row::Customer(count)) => count,
            Some(Row::Unit(_) | Row::Booking(_) | Row::Waiter(_)) | None => 0,
        };
        let has = had.saturating_sub(counted).saturating_add(more);
        if more > 0 && self.config.max_per_customer > 0 && has > self.config.max_per_customer {
            return Err(Refusal::CustomerLimit);
        }
        if has != had {
            match has {
                0 => self.txn.remove(key),
                _ => self.txn.put(key, Row::Customer(has)),
            }
        }
        Ok(if self.config.max_per_customer == 0 { 0 } else { more })
    }

    /// Lets go of everything a booking has.
    pub(super) fn let_go(&mut self, booking: &mut BookingOf<G>) -> Result<(), Rejected> {
        let claim = booking.phase.claim();
        self.lock(booking.units.iter().map(|taken| taken.unit))?;
        self.give_back(&booking.units, claim)?;
        self.count(booking.scope, booking.customer, 0, booking.counted)?;
        booking.counted = 0;
        if booking.charge == Charge::Asked {
            booking.charge = Charge::Voiding;
            let (booking, attempt, token) = (booking.id, booking.charges, booking.token);
            self.outputs.push(Output::Void { booking, attempt, token });
        }
        Ok(())
    }

    /// Writes a booking, and asks for what follows from how it has changed.
    pub(super) fn store(&mut self, old: Option<&BookingOf<G>>, mut booking: BookingOf<G>) {
        let (had_due, has_due) = (old.map_or(0, |old| old.to_refund_minor()), booking.to_refund_minor());
        if has_due > 0 && has_due != had_due {
            let (id, refund) = (booking.id, booking.refunds);
            // What is under way is finished under its name before the rest is asked for under the next one.
            if had_due == 0 || old.is_some_and(|old| old.refunds != refund) {
                self.outputs.push(Output::Refund { booking: id, refund, minor: has_due });
                booking.refund_minor = has_due;
            }
        }
        let is_open = booking.charge.is_open() || has_due > 0;
        let was_open = old.is_some_and(|old| old.charge.is_open() || old.to_refund_minor() > 0);
        if is_open && !was_open {
            booking.ask_ns = (self.clocks.store + self.config.ask_again).as_nanos();
        }
        let was_settled = old.is_some_and(|old| old.is_settled() && old.phase == booking.phase);
        if booking.is_settled() && !was_settled {
            self.outputs.push(Output::Settled { booking: booking.id, phase: booking.phase });
        }
        self.txn.put(Key::Booking(booking.id), Row::Booking(Arc::new(booking)));
    }
}

//! What can be read of a desk: bookings, units, totals, what the audit found. Changes nothing.

use super::super::audit::{Audit, Totals, Violation};
use super::super::config::DeskConfig;
use super::super::database::{Database, Field};
use super::super::rows::{Booking, BookingId, Key, Row, UnitRow};
use super::{Desk, Followed, Goods};
use crate::store::{CommitNumber, Store};

impl<G: Goods, S: Store> Desk<G, S> {
    /// What is sold.
    pub const fn goods(&self) -> &G {
        &self.goods
    }

    /// What is sold, to change its rules.
    pub fn goods_mut(&mut self) -> &mut G {
        self.changes.forget();
        &mut self.goods
    }

    /// How it sells.
    pub const fn config(&self) -> &DeskConfig {
        &self.config
    }

    /// A booking.
    pub fn booking(&self, id: BookingId) -> Option<&Booking<G::Unit, G::Detail>> {
        booking_of(self.db.newest(&Key::Booking(id)))
    }

    /// All bookings, in the order of their keys.
    pub fn bookings(&self) -> impl Iterator<Item = &Booking<G::Unit, G::Detail>> {
        let range = Key::Booking(BookingId(0))..=Key::Booking(BookingId(u64::MAX));
        self.db.range(range).filter_map(|(_, row)| booking_of(Some(row)))
    }

    /// The same in an order that means nothing, without a sort.
    pub fn each_booking(&self) -> impl Iterator<Item = &Booking<G::Unit, G::Detail>> {
        self.db.each_row().filter_map(|(_, row)| booking_of(Some(row)))
    }

    /// What is taken of a unit.
    pub fn unit(&self, unit: G::Unit) -> UnitRow {
        unit_of(&self.db, unit)
    }

    /// What is left of a unit.
    pub fn free(&self, unit: G::Unit) -> u32 {
        self.unit(unit).free(self.goods.limit(unit))
    }

    /// How far the writing of units has come, for [`written_since`](Desk::written_since).
    pub const fn followed(&self) -> Followed {
        self.changes.followed()
    }

    /// The units that were written since, some more than once; `None` if that was too long ago or rules have changed: any
    /// of them may differ.
    pub fn written_since(&self, followed: Followed) -> Option<impl Iterator<Item = G::Unit>> {
        self.changes.since(followed)
    }

    /// What is taken, booked, paid and open, over all.
    pub const fn totals(&self) -> &Totals {
        self.audit.totals()
    }

    /// The first thing found that must not be, and how many in all.
    pub fn violation(&self) -> Option<(&Violation<G::Unit>, u64)> {
        self.audit.first()
    }

    /// Everything counted again from what is stored.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn audit(&self) -> Result<(), Violation<G::Unit>> {
        let mut audit = Audit::new();
        self.db.rows().for_each(|(key, row)| audit.found(key, row));
        audit.compare(&self.goods, &mut |unit| unit_of(&self.db, unit));
        audit.first().map_or(Ok(()), |(violation, _)| Err(violation.clone()))
    }

    /// Commits refused because somebody else was faster.
    pub const fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// The last commit that a crash does not take.
    pub fn durable(&self) -> CommitNumber {
        self.store().durable()
    }

    /// The last commit it made.
    pub const fn last_commit(&self) -> CommitNumber {
        self.last_commit
    }

    /// The store.
    pub const fn store(&self) -> &S {
        self.db.store()
    }

    /// Gives the store back, for instance after it failed.
    pub fn into_store(self) -> S {
        self.db.into_store()
    }
}

pub(super) fn booking_of<U, D>(row: Option<&Row<U, D>>) -> Option<&Booking<U, D>> {
    match row {
        Some(Row::Booking(booking)) => Some(booking),
        Some(Row::Unit(_) | Row::Customer(_) | Row::Waiter(_)) | None => None,
    }
}

pub(super) fn unit_of<U: super::super::rows::Unit, D: Field, S: Store>(
    db: &Database<Key<U>, Row<U, D>, S>,
    unit: U,
) -> UnitRow {
    match db.newest(&Key::Unit(unit)) {
        Some(Row::Unit(row)) => *row,
        Some(Row::Booking(_) | Row::Customer(_) | Row::Waiter(_)) | None => UnitRow::default(),
    }
}

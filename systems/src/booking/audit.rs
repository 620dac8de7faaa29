//! The invariants, kept beside the desk and checked with every commit: what bookings claim is counted a second time,
//! and held against what the rows of the units say. Costs a few look-ups a commit. Decides nothing.

use super::desk::Goods;
use super::rows::{Booking, BookingId, Claim, CustomerId, Key, Phase, Row, UnitRow};
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation<U> {
    /// More was sold than there is.
    Oversold {
        /// Of what.
        unit: U,
        /// By confirmed bookings.
        sold: u32,
        /// At most.
        limit: u32,
    },
    /// More is held and sold than there is.
    Overheld {
        /// Of what.
        unit: U,
        /// By bookings.
        taken: u32,
        /// At most.
        limit: u32,
    },
    /// A unit's row says another thing than its bookings do: an update was lost.
    CountsDiffer {
        /// Which.
        unit: U,
        /// Held and sold, as bookings have it.
        claimed: (u32, u32),
        /// Held and sold, as the row has it.
        written: (u32, u32),
    },
    /// A booking has a part of what it was made for.
    Partial(BookingId),
    /// Confirmed although its hold had ended, and not taken again.
    ConfirmedLate(BookingId),
    /// Ended although its hold had not.
    SweptAlive(BookingId),
    /// There is no way from that phase to this.
    Transition(BookingId, Phase, Phase),
    /// Its token went back.
    TokenFell(BookingId),
    /// A unit's token went back.
    UnitTokenFell(U),
    /// What was taken, given back and kept does not agree with where it stands.
    Money(BookingId),
    /// A customer's count is not what their bookings say.
    Customer(u32, CustomerId),
    /// A booking has vanished.
    Vanished(BookingId),
}

impl<U: fmt::Debug> fmt::Display for Violation<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Oversold { unit, sold, limit } => {
                write!(f, "{unit:?} was sold {sold} times, and there are {limit}")
            }
            Violation::Overheld { unit, taken, limit } => {
                write!(f, "{unit:?} is taken {taken} times, and there are {limit}")
            }
            Violation::CountsDiffer { unit, claimed, written } => {
                let ((held, sold), (row_held, row_sold)) = (claimed, written);
                write!(
                    f,
                    "of {unit:?} {held} are held and {sold} sold, and its row says {row_held} and {row_sold}"
                )
            }
            Violation::Partial(id) => write!(f, "{id} has only a part of what it was made for"),
            Violation::ConfirmedLate(id) => write!(f, "{id} was confirmed after its hold had ended"),
            Violation::SweptAlive(id) => write!(f, "{id} was swept away before its hold had ended"),
            Violation::Transition(id, from, to) => write!(f, "{id} went from {from:?} to {to:?}"),
            Violation::TokenFell(id) => write!(f, "{id} has an older token than before"),
            Violation::UnitTokenFell(unit) => write!(f, "{unit:?} has an older token than before"),
            Violation::Money(id) => write!(f, "the money of {id} does not agree with where it stands"),
            Violation::Customer(scope, customer) => {
                write!(f, "customer {} has another number of units in {scope} than is written", customer.0)
            }
            Violation::Vanished(id) => write!(f, "{id} has vanished"),
        }
    }
}

impl<U: fmt::Debug> std::error::Error for Violation<U> {}

/// All bookings together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bookings by phase, in the order of [`Phase::ALL`].
    pub phases: [u64; Phase::ALL.len()],
    /// Units held.
    pub held: u64,
    /// Units sold.
    pub sold: u64,
    /// Taken from customers, in minor units.
    pub captured_minor: i128,
    /// Given back to them.
    pub refunded_minor: i128,
    /// Kept.
    pub kept_minor: i128,
    /// Money that has to go back and has not yet.
    pub to_refund_minor: i128,
    /// Bookings of which something is open: a hold, a charge, a refund.
    pub open: u64,
    /// Times a hold that had ended was taken again because its money came.
    pub retaken: u64,
}

impl Totals {
    /// Bookings in a phase.
    pub const fn of(&self, phase: Phase) -> u64 {
        self.phases[phase as usize]
    }
}

#[derive(Clone, Debug)]
pub(super) struct Audit<U> {
    units: BTreeMap<U, (u32, u32)>,
    customers: BTreeMap<(u32, CustomerId), (u32, u32)>,
    totals: Totals,
    touched: Vec<U>,
    violations: u64,
    first: Option<Violation<U>>,
}

impl<U: super::rows::Unit> Audit<U> {
    pub(super) const fn new() -> Audit<U> {
        Audit {
            units: BTreeMap::new(),
            customers: BTreeMap::new(),
            totals: Totals {
                phases: [0; Phase::ALL.len()],
                held: 0,
                sold: 0,
                captured_minor: 0,
                refunded_minor: 0,
                kept_minor: 0,
                to_refund_minor: 0,
                open: 0,
                retaken: 0,
            },
            touched: Vec::new(),
            violations: 0,
            first: None,
        }
    }

    pub(super) const fn totals(&self) -> &Totals {
        &self.totals
    }

    pub(super) fn first(&self) -> Option<(&Violation<U>, u64)> {
        self.first.as_ref().map(|first| (first, self.violations))
    }

    fn report(&mut self, violation: Violation<U>) {
        self.violations = self.violations.saturating_add(1);
        self.first.get_or_insert(violation);
    }

    /// A row as it was found.
    pub(super) fn found<D>(&mut self, key: &Key<U>, row: &Row<U, D>) {
        if let Row::Booking(booking) = row {
            self.claim(booking, 1);
            self.check_alone(booking);
        }
        if let (Key::Customer(scope, customer), Row::Customer(count)) = (key, row) {
            self.customers.entry((*scope, *customer)).or_default().1 = *count;
        }
        if let Key::Unit(unit) = key {
            self.units.entry(*unit).or_default();
        }
        self.touched.clear();
    }

    /// After all rows were found.
    pub(super) fn compare<G: Goods<Unit = U>>(&mut self, goods: &G, row: &mut dyn FnMut(U) -> UnitRow) {
        self.touched = self.units.keys().copied().collect();
        self.settle(goods, row);
        let wrong = self.customers.iter().find(|(_, (claimed, written))| claimed != written);
        if let Some(((scope, customer), _)) = wrong {
            self.report(Violation::Customer(*scope, *customer));
        }
        self.customers.retain(|_, (claimed, _)| *claimed > 0);
    }

    /// One row of a commit.
    pub(super) fn observe<D>(
        &mut self,
        now: Time,
        key: &Key<U>,
        old: Option<&Row<U, D>>,
        new: Option<&Row<U, D>>,
    ) {
        match (key, old, new) {
            (Key::Booking(_), old, Some(Row::Booking(new))) => {
                if let Some(Row::Booking(old)) = old {
                    self.claim(old, -1);
                    self.check_step(now, old, new);
                }
                self.claim(new, 1);
                self.check_alone(new);
            }
            (Key::Booking(id), _, _) => self.report(Violation::Vanished(*id)),
            (Key::Unit(unit), old, Some(Row::Unit(new))) => {
                self.touched.push(*unit);
                if matches!(old, Some(Row::Unit(old)) if old.token > new.token) {
                    self.report(Violation::UnitTokenFell(*unit));
                }
            }
            (Key::Customer(scope, customer), _, new) => {
                let written = if let Some(Row::Customer(count)) = new { *count } else { 0 };
                self.customers.entry((*scope, *customer)).or_default().1 = written;
            }
            (Key::Unit(_) | Key::Waiter(_), _, _) => {}
        }
    }

    /// After a commit: the units it touched, by both ways of counting.
    pub(super) fn settle<G: Goods<Unit = U>>(&mut self, goods: &G, row: &mut dyn FnMut(U) -> UnitRow) {
        for unit in std::mem::take(&mut self.touched) {
            let (held, sold) = self.units.get(&unit).copied().unwrap_or_default();
            let (written, limit) = (row(unit), goods.limit(unit));
            let taken = held.saturating_add(sold);
            if sold > limit {
                self.report(Violation::Oversold { unit, sold, limit });
            } else if taken > limit {
                self.report(Violation::Overheld { unit, taken, limit });
            }
            if (held, sold) != (written.held, written.sold) {
                let written = (written.held, written.sold);
                self.report(Violation::CountsDiffer { unit, claimed: (held, sold), written });
            }
        }
    }

    fn claim<D>(&mut self, booking: &Booking<U, D>, sign: i64) {
        let add = |count: &mut u64, more: u64| {
            *count = if sign > 0 { count.saturating_add(more) } else { count.saturating_sub(more) };
        };
        let totals = &mut self.totals;
        add(&mut totals.phases[booking.phase as usize], 1);
        add(&mut totals.open, u64::from(!booking.is_settled()));
        let claim = booking.phase.claim();
        let taken = booking.units.iter().fold(0u64, |sum, taken| sum + u64::from(taken.count));
        match claim {
            Claim::Holds => add(&mut totals.held, taken),
            Claim::Owns => add(&mut totals.sold, taken),
            Claim::None => {}
        }
        let sums = [
            (&mut totals.captured_minor, booking.captured_minor),
            (&mut totals.refunded_minor, booking.refunded_minor),
            (&mut totals.kept_minor, booking.kept_minor),
            (&mut totals.to_refund_minor, booking.to_refund_minor()),
        ];
        for (sum, minor) in sums {
            *sum = sum.saturating_add(i128::from(minor).saturating_mul(i128::from(sign)));
        }
        let shift = |count: &mut u32, more: u32| {
            *count = if sign > 0 { count.saturating_add(more) } else { count.saturating_sub(more) };
        };
        if booking.counted > 0 {
            let customer = self.customers.entry((booking.scope, booking.customer)).or_default();
            shift(&mut customer.0, booking.counted);
        }
        if claim == Claim::None {
            return;
        }
        for taken in &booking.units {
            let count = self.units.entry(taken.unit).or_default();
            match claim {
                Claim::Holds => shift(&mut count.0, taken.count),
                Claim::Owns => shift(&mut count.1, taken.count),
                Claim::None => {}
            }
            self.touched.push(taken.unit);
        }
    }

    /// What has to hold of a booking by itself.
    fn check_alone<D>(&mut self, booking: &Booking<U, D>) {
        let (claim, id) = (booking.phase.claim(), booking.id);
        if claim != Claim::None && (booking.units.len() as u64) < u64::from(booking.asked) {
            self.report(Violation::Partial(id));
        }
        let paid = booking.captured_minor.saturating_sub(booking.refunded_minor);
        let expected = match booking.phase {
            Phase::Confirmed | Phase::Arrived | Phase::Departed => {
                booking.kept_minor == paid.min(booking.price_minor) || booking.to_refund_minor() > 0
            }
            Phase::NoShow | Phase::Cancelled | Phase::Walked => {
                (0..=booking.price_minor).contains(&booking.kept_minor)
            }
            Phase::Held | Phase::Released | Phase::Expired | Phase::Refused | Phase::TurnedAway => {
                booking.kept_minor == 0
            }
        };
        let is_covered = booking.kept_minor <= paid && booking.refunded_minor <= booking.captured_minor;
        let is_paid = claim != Claim::Owns || paid >= booking.deposit_minor;
        if !(expected && is_covered && is_paid) {
            self.report(Violation::Money(id));
        }
    }

    /// What has to hold between a booking and what it was before.
    fn check_step<D>(&mut self, now: Time, old: &Booking<U, D>, new: &Booking<U, D>) {
        let id = new.id;
        if old.phase != new.phase && !old.phase.leads_to(new.phase) {
            self.report(Violation::Transition(id, old.phase, new.phase));
        }
        if new.token < old.token {
            self.report(Violation::TokenFell(id));
        }
        let was_held = matches!(old.phase, Phase::Held | Phase::Expired);
        if was_held && new.phase == Phase::Confirmed && old.has_expired(now) {
            if new.token == old.token {
                self.report(Violation::ConfirmedLate(id));
            } else {
                self.totals.retaken = self.totals.retaken.saturating_add(1);
            }
        }
        if old.phase == Phase::Held && new.phase == Phase::Expired && !old.has_expired(now) {
            self.report(Violation::SweptAlive(id));
        }
        if new.captured_minor < old.captured_minor || new.refunded_minor < old.refunded_minor {
            self.report(Violation::Money(id));
        }
    }
}

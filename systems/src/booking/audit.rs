//! The invariants, kept beside the desk and checked with every commit: what bookings claim is counted a second time,
//! and held against what the rows of the units say. Costs a few look-ups a commit. Decides nothing.

use super::desk::Goods;
use super::rows::{Booking, BookingId, Claim, CustomerId, Key, Phase, Row, UnitRow};
use crate::hashed_map::HashedMap;
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

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

/// What bookings claim of a unit.
#[derive(Clone, Copy, Debug, Default)]
struct Claimed {
    held: u32,
    sold: u32,
    /// The round in which it was touched last.
    touched_in: u64,
}

impl Claimed {
    const fn shift(&mut self, claim: Claim, more: u32, sign: i64) {
        match claim {
            Claim::Holds => shift(&mut self.held, more, sign),
            Claim::Owns => shift(&mut self.sold, more, sign),
            Claim::None => {}
        }
    }
}

const fn shift(count: &mut u32, more: u32, sign: i64) {
    *count = if sign > 0 { count.saturating_add(more) } else { count.saturating_sub(more) };
}

#[derive(Clone, Debug)]
pub(super) struct Audit<U> {
    units: HashedMap<U, Claimed>,
    customers: BTreeMap<(u32, CustomerId), (u32, u32)>,
    totals: Totals,
    /// Where the units are that something was written about since the last round, each once.
    touched: Vec<u32>,
    round: u64,
    violations: u64,
    first: Option<Violation<U>>,
}

impl<U: super::rows::Unit> Audit<U> {
    pub(super) fn new() -> Audit<U> {
        Audit {
            units: HashedMap::default(),
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
            round: 1,
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
            self.sum(booking, 1);
            self.claim(booking, 1);
            self.check_alone(booking);
        }
        if let (Key::Customer(scope, customer), Row::Customer(count)) = (key, row) {
            self.customers.entry((*scope, *customer)).or_default().1 = *count;
        }
        if let Key::Unit(unit) = key {
            self.units.get_or_insert_with(unit, Claimed::default);
        }
    }

    /// After all rows were found.
    pub(super) fn compare<G: Goods<Unit = U>>(&mut self, goods: &G, row: &mut dyn FnMut(U) -> UnitRow) {
        let walk = self.units.range(Bound::Unbounded, Bound::Unbounded);
        let units: Vec<U> = walk.map(|(unit, _)| *unit).collect();
        self.touched = units.iter().map(|unit| self.units.slot_of(unit, Claimed::default)).collect();
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
                    self.sum(old, -1);
                    self.sum(new, 1);
                    self.reclaim(old, new);
                    self.check_step(now, old, new);
                } else {
                    self.sum(new, 1);
                    self.claim(new, 1);
                }
                self.check_alone(new);
            }
            (Key::Booking(id), _, _) => self.report(Violation::Vanished(*id)),
            (Key::Unit(unit), old, Some(Row::Unit(new))) => {
                self.touch(*unit);
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
        let mut touched = std::mem::take(&mut self.touched);
        self.round = self.round.wrapping_add(1);
        for slot in touched.drain(..) {
            let (unit, Claimed { held, sold, .. }) = *self.units.at(slot);
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
        self.touched = touched;
    }

    /// What is claimed of a unit that is looked at after this commit.
    fn touch(&mut self, unit: U) -> &mut Claimed {
        let slot = self.units.slot_of(&unit, Claimed::default);
        let claimed = self.units.at_mut(slot);
        if claimed.touched_in != self.round {
            claimed.touched_in = self.round;
            self.touched.push(slot);
        }
        claimed
    }

    fn sum<D>(&mut self, booking: &Booking<U, D>, sign: i64) {
        let add = |count: &mut u64, more: u64| {
            *count = if sign > 0 { count.saturating_add(more) } else { count.saturating_sub(more) };
        };
        let totals = &mut self.totals;
        add(&mut totals.phases[booking.phase as usize], 1);
        add(&mut totals.open, u64::from(!booking.is_settled()));
        let taken = booking.units.iter().fold(0u64, |sum, taken| sum + u64::from(taken.count));
        match booking.phase.claim() {
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
            let minor = i128::from(minor);
            *sum = if sign > 0 { sum.saturating_add(minor) } else { sum.saturating_sub(minor) };
        }
    }

    fn claim<D>(&mut self, booking: &Booking<U, D>, sign: i64) {
        if booking.counted > 0 {
            let customer = self.customers.entry((booking.scope, booking.customer)).or_default();
            shift(&mut customer.0, booking.counted, sign);
        }
        let claim = booking.phase.claim();
        if claim != Claim::None {
            for taken in &booking.units {
                self.touch(taken.unit).shift(claim, taken.count, sign);
            }
        }
    }

    /// From what a booking was to what it is now; most keep their units.
    fn reclaim<D>(&mut self, old: &Booking<U, D>, new: &Booking<U, D>) {
        let customer = |booking: &Booking<U, D>| (booking.scope, booking.customer, booking.counted);
        let (had, has) = (old.phase.claim(), new.phase.claim());
        let keeps_all = old.units == new.units && customer(old) == customer(new);
        if !keeps_all || (had, has) == (Claim::None, Claim::None) {
            self.claim(old, -1);
            self.claim(new, 1);
            return;
        }
        for taken in &new.units {
            let claimed = self.touch(taken.unit);
            claimed.shift(had, taken.count, -1);
            claimed.shift(has, taken.count, 1);
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

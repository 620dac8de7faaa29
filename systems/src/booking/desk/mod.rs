//! A desk: takes commands, decides each in one transaction over the store, and only then says so. All that must outlive
//! a crash is in the store; timers and outputs that nobody has seen are rebuilt.

mod changes; // which units were written lately
mod due; // when something is due, and what may be free now
mod look; // what can be read of it
mod money; // the saga of a booking's money
mod programs; // what each command does
mod work; // one transaction in the making

use super::audit::Audit;
use super::config::{ConfigError, DeskConfig};
use super::database::{CommitError, Database, Field, Txn, Unreadable};
use super::message::{Answer, Clocks, Command, Output, Refusal, Rejected};
use super::rows::{Ask, BookingId, Key, Row, UnitRow};
use crate::store::{CommitNumber, Held, Store};
use crate::time::{Span, Time};
use changes::Changes;
pub use changes::Followed;
use due::{ask_of, expiry_of, frees, move_due};
use look::{booking_of, unit_of};
use std::collections::BTreeSet;
use std::fmt;
use work::Work;

/// What is sold, and by which rules.
pub trait Goods {
    /// What can be taken.
    type Unit: super::rows::Unit;
    /// What a booking of it knows beside.
    type Detail: Field + PartialEq;

    /// How much of a unit may be taken; 0: there is no such unit.
    fn limit(&self, unit: Self::Unit) -> u32;

    /// Whether only one can ever have it, so that the newest hold of it is the only good one: a seat, a numbered room.
    fn is_exclusive(&self, unit: Self::Unit) -> bool;

    /// Whether an ask may be granted, once its units are taken; `row` shows what is taken of others.
    ///
    /// # Errors
    /// [`Refusal`].
    fn admits(
        &self,
        ask: &Ask<Self::Unit, Self::Detail>,
        row: &mut dyn FnMut(Self::Unit) -> UnitRow,
    ) -> Result<(), Refusal>;
}

pub(super) type Unit<G> = <G as Goods>::Unit;
pub(super) type Rows<G> = Row<Unit<G>, <G as Goods>::Detail>;
type Db<G, S> = Database<Key<Unit<G>>, Rows<G>, S>;
type TxnOf<G> = Txn<Key<Unit<G>>, Rows<G>>;

/// Why a desk does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The config.
    Config(ConfigError),
    /// The store.
    Store(Unreadable),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Config(error) => error.fmt(f),
            OpenError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

/// What a broken variant does wrong.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Takes what is free of what was asked for, one by one.
    TakesOneByOne,
    /// Tokens are not compared.
    ComparesNoTokens,
    /// The sweeper ends holds that are not over.
    SweepsTheLiving,
    /// A refund that was told before counts again.
    CountsRefundsTwice,
    /// Says things before they are durable.
    SpeaksTooEarly,
}

/// A command that has been decided and not committed. End it by [`Desk::commit`] or [`Desk::rollback`].
#[derive(Debug)]
pub struct Pending<G: Goods> {
    txn: TxnOf<G>,
    answer: Answer,
    outputs: Vec<Output>,
    valid_until: Time,
    frees: bool,
}

impl<G: Goods> Pending<G> {
    /// What will be answered if it commits.
    pub const fn answer(&self) -> Answer {
        self.answer
    }
}

/// How long a timer that met somebody else's transaction waits.
const NAP: Span = Span::from_millis(1);

/// Sells goods over a store.
///
/// Drive it so: [`handle`](Desk::handle) what is asked; carry out what comes out, in order; call
/// [`expire`](Desk::expire) at [`deadline`](Desk::deadline). What is answered is durable once
/// [`durable`](Desk::durable) has reached what was [`last_commit`](Desk::last_commit) then; outputs wait for that by
/// themselves. After a crash, [`open`](Desk::open) it from its store.
///
/// Where deciding takes time, [`begin`](Desk::begin) and [`commit`](Desk::commit) stand around it: transactions then
/// overlap, and the [`Isolation`](super::Isolation) decides what comes of that.
pub struct Desk<G: Goods, S> {
    goods: G,
    config: DeskConfig,
    db: Db<G, S>,
    /// When holds end.
    expiries: BTreeSet<(Time, BookingId)>,
    /// When the payment system is asked again.
    asks: BTreeSet<(Time, BookingId)>,
    held: Held<Output>,
    audit: Audit<G::Unit>,
    changes: Changes<G::Unit>,
    last_commit: CommitNumber,
    next_place: u64,
    /// Something has become free, and somebody may wait for it.
    has_freed: bool,
    stalled_until: Time,
    conflicts: u64,
    #[cfg(test)]
    pub(crate) sabotage: Option<Sabotage>,
}

impl<G: Goods, S: Store> Desk<G, S> {
    /// A desk over what a store holds. What was open is taken up again: the payment system is asked at once.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(store: S, goods: G, config: DeskConfig) -> Result<Desk<G, S>, OpenError> {
        config.validate().map_err(OpenError::Config)?;
        let db: Db<G, S> = Database::open(store).map_err(OpenError::Store)?;
        let mut audit = Audit::new();
        let (mut expiries, mut asks) = (BTreeSet::new(), BTreeSet::new());
        let mut next_place = 0;
        for (key, row) in db.rows() {
            audit.found(key, row);
            match (key, row) {
                (_, Row::Booking(booking)) => {
                    expiries.extend(expiry_of(booking));
                    asks.extend(ask_of(booking).map(|(_, id)| (Time::ZERO, id)));
                }
                (Key::Waiter(place), _) => next_place = place.saturating_add(1),
                (Key::Unit(_) | Key::Booking(_) | Key::Customer(..), _) => {}
            }
        }
        audit.compare(&goods, &mut |unit| unit_of(&db, unit));
        let last_commit = db.last();
        Ok(Desk {
            goods,
            config,
            db,
            expiries,
            asks,
            held: Held::default(),
            audit,
            changes: Changes::new(),
            last_commit,
            next_place,
            has_freed: next_place > 0,
            stalled_until: Time::ZERO,
            conflicts: 0,
            #[cfg(test)]
            sabotage: None,
        })
    }

    /// Other numbers from now on. What was held keeps the time it was given.
    ///
    /// # Errors
    /// [`ConfigError`]; then the old ones go on.
    pub fn reconfigure(&mut self, config: DeskConfig) -> Result<(), ConfigError> {
        config.validate()?;
        self.config = config;
        Ok(())
    }

    /// Decides a command, and commits nothing yet.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing is open.
    pub fn begin(
        &mut self,
        clocks: Clocks,
        command: Command<G::Unit, G::Detail>,
    ) -> Result<Pending<G>, Rejected> {
        let place = self.next_place;
        self.next_place = place.saturating_add(u64::from(matches!(command, Command::Wait(_))));
        let frees = frees(&command);
        let mut pending = self.transaction(clocks, |work| work.run(command, place))?;
        pending.frees = frees;
        Ok(pending)
    }

    /// Commits what was decided.
    ///
    /// # Errors
    /// [`Rejected::Conflict`] if somebody else was faster or a hold has ended meanwhile: begin again.
    /// [`Rejected::Store`].
    pub fn commit(
        &mut self,
        now: Time,
        pending: Pending<G>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        if now >= pending.valid_until {
            self.rollback(pending);
            self.conflicts = self.conflicts.saturating_add(1);
            return Err(Rejected::Conflict);
        }
        let Desk { db, audit, expiries, asks, changes, .. } = self;
        let before = db.last();
        let committed = db.commit(now, pending.txn, &mut |key, old, new| {
            audit.observe(now, key, old, new);
            match key {
                Key::Unit(unit) => changes.push(*unit),
                Key::Booking(_) => {
                    let (old, new) = (booking_of(old), booking_of(new));
                    move_due(expiries, old.and_then(expiry_of), new.and_then(expiry_of));
                    move_due(asks, old.and_then(ask_of), new.and_then(ask_of));
                }
                Key::Customer(..) | Key::Waiter(_) => {}
            }
        });
        let number = match committed {
            Ok(number) => number,
            Err(CommitError::Conflict(_) | CommitError::RangeConflict) => {
                self.conflicts = self.conflicts.saturating_add(1);
                return Err(Rejected::Conflict);
            }
            Err(CommitError::Store(error)) => return Err(Rejected::Store(error)),
        };
        if number != before {
            self.last_commit = number;
            let Desk { db, audit, goods, .. } = self;
            audit.settle(goods, &mut |unit| unit_of(db, unit));
            self.has_freed |= pending.frees && self.next_place > 0;
        }
        for output in pending.outputs {
            self.held.push(self.last_commit, output);
        }
        self.release(out);
        Ok(pending.answer)
    }

    /// Drops what was decided.
    pub fn rollback(&mut self, pending: Pending<G>) {
        self.db.rollback(pending.txn);
    }

    /// Decides a command and commits it.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed.
    pub fn handle(
        &mut self,
        clocks: Clocks,
        command: Command<G::Unit, G::Detail>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let pending = self.begin(clocks, command)?;
        self.commit(clocks.store, pending, out)
    }

    /// When [`expire`](Desk::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let expiry = self.expiries.first().filter(|_| self.config.sweeps).map(|(due, _)| *due);
        let ask = self.asks.first().map(|(due, _)| *due);
        let freed = self.has_freed.then_some(Time::ZERO);
        let due = expiry.into_iter().chain(ask).chain(freed).min().map(|due| due.max(self.stalled_until));
        due.into_iter().chain(self.store().deadline()).min()
    }

    /// Holds that have ended by a clock that shows so much, soonest first: what a sweeper has to
    /// [`Sweep`](Command::Sweep).
    pub fn ended_holds(&self, now: Time) -> impl Iterator<Item = BookingId> + '_ {
        self.expiries.iter().take_while(move |(due, _)| *due <= now).map(|(_, id)| *id)
    }

    /// Does what is due: ends holds, asks the payment system again, serves the line, syncs the store.
    ///
    /// # Errors
    /// [`Rejected::Store`]: the rest is still due.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) -> Result<(), Rejected> {
        let clocks = Clocks::agreed(now);
        while let Some((due, id)) = self.asks.first().copied().filter(|(due, _)| *due <= now) {
            let asked = self
                .transaction(clocks, |work| work.ask_again(id))
                .and_then(|pending| self.commit(now, pending, out));
            if !self.settles(now, asked)? {
                break;
            }
            self.asks.remove(&(due, id));
        }
        while let Some((due, id)) =
            self.expiries.first().copied().filter(|(due, _)| self.config.sweeps && *due <= now)
        {
            let swept = self.handle(clocks, Command::Sweep { booking: id }, out);
            if !self.settles(now, swept)? {
                break;
            }
            self.expiries.remove(&(due, id));
        }
        self.serve_line(clocks, out)?;
        if self.store().deadline().is_some_and(|due| due <= now) {
            self.db.store_mut().sync(now).map_err(Rejected::Store)?;
        }
        self.release(out);
        Ok(())
    }

    /// Whether what was due is done with; if not, somebody else is at it, and it is tried again soon.
    fn settles(&mut self, now: Time, done: Result<Answer, Rejected>) -> Result<bool, Rejected> {
        match done {
            Ok(_) | Err(Rejected::Refused(_)) => Ok(true),
            Err(Rejected::Conflict | Rejected::Locked(_)) => {
                self.stalled_until = now + NAP;
                Ok(false)
            }
            Err(Rejected::Store(error)) => Err(Rejected::Store(error)),
        }
    }

    /// Offers what has become free to those who wait, first come first served; who wants what is still not there stays
    /// where they are.
    fn serve_line(&mut self, clocks: Clocks, out: &mut Vec<Output>) -> Result<(), Rejected> {
        if !std::mem::take(&mut self.has_freed) {
            return Ok(());
        }
        let line = self.db.range(Key::Waiter(0)..=Key::Waiter(u64::MAX));
        let places: Vec<u64> = line
            .filter_map(|(key, _)| match key {
                Key::Waiter(place) => Some(*place),
                Key::Unit(_) | Key::Booking(_) | Key::Customer(..) => None,
            })
            .collect();
        for place in places {
            let offered = self
                .transaction(clocks, |work| work.offer(place))
                .and_then(|pending| self.commit(clocks.store, pending, out));
            self.has_freed |= !self.settles(clocks.store, offered)?;
        }
        Ok(())
    }

    fn transaction(
        &mut self,
        clocks: Clocks,
        program: impl FnOnce(&mut Work<'_, G, S>) -> Result<Answer, Rejected>,
    ) -> Result<Pending<G>, Rejected> {
        let mut txn = self.db.begin(self.config.isolation);
        let mut work = Work {
            db: &mut self.db,
            txn: &mut txn,
            goods: &self.goods,
            config: &self.config,
            clocks,
            outputs: Vec::new(),
            valid_until: Time::MAX,
            #[cfg(test)]
            sabotage: self.sabotage,
        };
        let result = program(&mut work);
        let (outputs, valid_until) = (work.outputs, work.valid_until);
        match result {
            Ok(answer) => Ok(Pending { txn, answer, outputs, valid_until, frees: false }),
            Err(error) => {
                self.db.rollback(txn);
                Err(error)
            }
        }
    }

    fn release(&mut self, out: &mut Vec<Output>) {
        #[cfg(test)]
        if self.sabotage == Some(Sabotage::SpeaksTooEarly) {
            self.held.release(self.last_commit, out);
        }
        let durable = self.store().durable();
        self.held.release(durable, out);
    }
}

#[cfg(test)]
impl<G: Goods, S: Store> Desk<G, S> {
    /// Changes a unit's row behind the desk's back.
    pub(crate) fn tamper(&mut self, unit: G::Unit, change: impl FnOnce(&mut UnitRow)) {
        let mut row = self.unit(unit);
        change(&mut row);
        let mut txn = self.db.begin(super::Isolation::ReadCommitted);
        txn.put(Key::Unit(unit), Row::Unit(row));
        let Desk { db, audit, goods, .. } = self;
        let watch = &mut |key: &Key<G::Unit>, old: Option<&Rows<G>>, new: Option<&Rows<G>>| {
            audit.observe(Time::ZERO, key, old, new);
        };
        db.commit(Time::ZERO, txn, watch).expect("nothing is checked at this level");
        audit.settle(goods, &mut |unit| unit_of(db, unit));
    }
}

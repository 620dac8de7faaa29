//! A desk, a payment system that does everything once, and whatever may happen between them: answers that come twice,
//! late, or only when asked again, and crashes at any point.

use super::*;
use crate::booking::desk::Sabotage;
use crate::store::{FsyncPolicy, SimDisk, WalConfig, WalStore};
use std::collections::{BTreeMap, BTreeSet};

/// Units below 100 are seats; from 100 on there are three of each; of 200 and 201 only one may be taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Stalls;

pub(super) const RULED: [u32; 2] = [200, 201];

impl Goods for Stalls {
    type Unit = u32;
    type Detail = ();

    fn limit(&self, unit: u32) -> u32 {
        match unit {
            0..100 => 1,
            100..200 => 3,
            200 | 201 => 1,
            _ => 0,
        }
    }

    fn is_exclusive(&self, unit: u32) -> bool {
        !(100..200).contains(&unit)
    }

    fn admits(&self, ask: &Ask<u32, ()>, row: &mut dyn FnMut(u32) -> UnitRow) -> Result<(), Refusal> {
        let is_ruled = ask.units.iter().any(|unit| RULED.contains(unit));
        let taken = if is_ruled { RULED.map(|unit| row(unit).taken()).iter().sum() } else { 0 };
        if taken > 1 { Err(Refusal::HouseFull) } else { Ok(()) }
    }
}

pub(super) type TestDesk = Desk<Stalls, WalStore<SimDisk>>;

pub(super) fn config() -> DeskConfig {
    DeskConfig { ask_again: Span::from_secs(5), ..DeskConfig::default() }
}

pub(super) fn ask(id: u64, units: &[u32]) -> Ask<u32, ()> {
    Ask {
        id: BookingId(id),
        customer: CustomerId(id % 7),
        scope: 0,
        units: units.to_vec(),
        quantity: 1,
        price_minor: 500 * units.len() as i64,
        deposit_minor: 500 * units.len() as i64,
        detail: (),
    }
}

/// How the payment system's words travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Travel {
    Prompt,
    Twice,
    Late(Span),
    /// The first answer to each question is lost.
    FirstLost,
    /// It says no.
    Declines,
}

/// A payment system, and what is true about money.
#[derive(Clone, Debug, Default)]
pub(super) struct Gateway {
    charges: BTreeMap<(BookingId, u32), Option<i64>>,
    refunds: BTreeMap<(BookingId, u32), i64>,
    asked: BTreeSet<String>,
}

impl Gateway {
    pub(super) fn taken_minor(&self, booking: BookingId) -> i64 {
        let of = |id: &BookingId| *id == booking;
        let charged: i64 =
            self.charges.iter().filter(|((id, _), _)| of(id)).filter_map(|(_, minor)| *minor).sum();
        let refunded: i64 = self.refunds.iter().filter(|((id, _), _)| of(id)).map(|(_, minor)| minor).sum();
        charged - refunded
    }

    fn word(&mut self, output: Output, declines: bool) -> Option<Command<u32, ()>> {
        match output {
            Output::Charge { booking, attempt, token, minor, .. } => {
                let first = if declines { None } else { Some(minor) };
                let minor = *self.charges.entry((booking, attempt)).or_insert(first);
                Some(told(booking, attempt, token, minor))
            }
            Output::Void { booking, attempt, token } => {
                let minor = *self.charges.entry((booking, attempt)).or_insert(None);
                Some(told(booking, attempt, token, minor))
            }
            Output::Refund { booking, refund, minor } => {
                let minor = *self.refunds.entry((booking, refund)).or_insert(minor);
                Some(Command::Refunded { booking, refund, minor })
            }
            Output::Offered { .. } | Output::Settled { .. } => None,
        }
    }
}

fn told(booking: BookingId, attempt: u32, token: Token, minor: Option<i64>) -> Command<u32, ()> {
    let payment = booking.0 * 1_000 + u64::from(attempt);
    minor.map_or(Command::NotPaid { booking }, |minor| Command::Paid { booking, token, payment, minor })
}

pub(super) struct World {
    pub(super) desk: Option<TestDesk>,
    pub(super) now: Time,
    pub(super) gateway: Gateway,
    pub(super) travel: Travel,
    pub(super) outputs: Vec<Output>,
    /// The process dies when it has said so much.
    pub(super) dies_after: Option<u64>,
    said: u64,
    disk: Option<SimDisk>,
    words: BTreeMap<(Time, u64), Command<u32, ()>>,
    sabotage: Option<Sabotage>,
    config: DeskConfig,
    fsync: FsyncPolicy,
}

impl World {
    pub(super) fn new(config: DeskConfig, travel: Travel) -> World {
        World::over(SimDisk::new(), config, travel, FsyncPolicy::EveryCommit, None)
    }

    pub(super) fn over(
        disk: SimDisk,
        config: DeskConfig,
        travel: Travel,
        fsync: FsyncPolicy,
        sabotage: Option<Sabotage>,
    ) -> World {
        let mut world = World {
            desk: None,
            now: Time::from_nanos(1_000_000_000),
            gateway: Gateway::default(),
            travel,
            outputs: Vec::new(),
            dies_after: None,
            said: 0,
            disk: Some(disk),
            words: BTreeMap::new(),
            sabotage,
            config,
            fsync,
        };
        world.open();
        world
    }

    /// Opens the desk from its disk; a disk that dies while it is opened is opened again.
    pub(super) fn open(&mut self) {
        let wal = WalConfig { fsync: self.fsync, compact_above_bytes: 6_000 };
        let disk = self.disk.take().expect("it is closed");
        let store = match WalStore::open(disk.clone(), wal) {
            Ok((store, _)) => store,
            Err(_) => WalStore::open(disk.restart(), wal).expect("a log survives a crash").0,
        };
        let mut desk = TestDesk::open(store, Stalls, self.config).expect("its config is in range");
        desk.sabotage = self.sabotage;
        assert_eq!(desk.audit(), Ok(()), "what is found on the disk agrees with itself");
        self.desk = Some(desk);
    }

    pub(super) fn die(&mut self) {
        if let Some(desk) = self.desk.take() {
            self.disk = Some(desk.into_store().into_disk().restart());
        }
        self.words.clear();
    }

    pub(super) fn desk(&self) -> &TestDesk {
        self.desk.as_ref().expect("it is open")
    }

    pub(super) fn is_dead(&self) -> bool {
        self.desk.is_none()
    }

    /// What a customer or the payment system says; `None` if the desk is dead, or dies of it.
    pub(super) fn say(&mut self, command: Command<u32, ()>) -> Option<Result<Answer, Rejected>> {
        self.say_at(Clocks::agreed(self.now), command)
    }

    pub(super) fn say_at(
        &mut self,
        clocks: Clocks,
        command: Command<u32, ()>,
    ) -> Option<Result<Answer, Rejected>> {
        let mut out = Vec::new();
        let said = self.desk.as_mut()?.handle(clocks, command, &mut out);
        if matches!(said, Err(Rejected::Store(_))) {
            self.die();
            return None;
        }
        self.carry_out(out);
        if self.is_dead() { None } else { Some(said) }
    }

    pub(super) fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            if self.dies_after == Some(self.said) {
                self.dies_after = None;
                self.die();
                return;
            }
            self.said += 1;
            self.outputs.push(output);
            let is_new = self.gateway.asked.insert(format!("{output:?}"));
            let word = self.gateway.word(output, self.travel == Travel::Declines);
            let (copies, pause) = match self.travel {
                Travel::Prompt | Travel::Declines => (1, Span::from_millis(30)),
                Travel::Twice => (2, Span::from_millis(30)),
                Travel::Late(pause) => (1, pause),
                Travel::FirstLost if is_new => (0, Span::ZERO),
                Travel::FirstLost => (1, Span::from_millis(30)),
            };
            for copy in 0..copies {
                if let Some(word) = &word {
                    self.words.insert((self.now + pause, self.said * 10 + copy), word.clone());
                }
            }
        }
    }

    /// Lets time pass; what is due happens.
    pub(super) fn pass(&mut self, span: Span) {
        let end = self.now + span;
        for _ in 0..10_000 {
            let Some(desk) = &self.desk else { return };
            let word = self.words.keys().next().map(|(due, _)| *due);
            let Some(due) = word.into_iter().chain(desk.deadline()).min().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            if word.is_some_and(|word| word <= self.now) {
                let (_, word) = self.words.pop_first().expect("there is one");
                let _ = self.say(word);
                continue;
            }
            let mut out = Vec::new();
            let done = self.desk.as_mut().expect("it is open").expire(self.now, &mut out);
            if done.is_err() {
                self.die();
                return;
            }
            self.carry_out(out);
        }
        panic!("it is never done");
    }

    pub(super) fn hold(&mut self, id: u64, units: &[u32]) -> Result<Token, Rejected> {
        match self.say(Command::Hold(ask(id, units))).expect("it lives")? {
            Answer::Held { token, .. } => Ok(token),
            Answer::Stands { phase, .. } => Err(Rejected::Refused(Refusal::Phase(phase))),
            Answer::Confirmed { .. } => Err(Rejected::Refused(Refusal::Phase(Phase::Confirmed))),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn pay(&mut self, id: u64, token: Token) -> Result<Answer, Rejected> {
        self.say(Command::Pay { booking: BookingId(id), token }).expect("it lives")
    }

    pub(super) fn phase(&self, id: u64) -> Option<Phase> {
        self.desk().booking(BookingId(id)).map(|booking| booking.phase)
    }

    /// Everything against everything: the audit kept along, a new one, the payment system.
    pub(super) fn problems(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let Some(desk) = &self.desk else { return found };
        if let Some((violation, _)) = desk.violation() {
            found.insert(format!("{violation:?}"));
        }
        if let Err(violation) = desk.audit() {
            found.insert(format!("{violation:?}"));
        }
        // What was paid at the counter is none of the payment system's business.
        for booking in desk.bookings().filter(|booking| booking.is_settled() && booking.charges > 0) {
            if self.gateway.taken_minor(booking.id) != booking.kept_minor {
                found.insert(format!("money of {}", booking.id));
            }
        }
        found
    }

    pub(super) fn assert_clean(&self) {
        assert_eq!(self.problems(), BTreeSet::new());
    }
}

//! The lot itself: every command becomes one change that is written at once, or not at all, and only then happens in
//! memory. What is said waits until it is durable.

use super::allocation::{Allocation, NearestToGate};
use super::config::{ConfigError, LotConfig, Spill};
use super::message::{Finding, Input, Output, Rejected, Who};
use super::model::{
    GateId, Plate, RequestId, ReservationId, SpotClass, SpotId, TicketId, Vehicle, VehicleKind,
};
use super::reservations::Reservation;
use super::spots::{ClassCount, Spots, Use};
use super::ticket::{Phase, Ticket};
use crate::store::{Batch, CommitNumber, Held, Store, StoreError};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What has happened since the lot was opened first; outlives crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tickets issued, by the lot and by gates that were cut off.
    pub admitted: u64,
    /// Stays that are over.
    pub left: u64,
    /// Claims that were given back.
    pub released: u64,
    /// Reservations that were promised.
    pub reserved: u64,
    /// Of these: the car came and had its spot.
    pub honoured: u64,
    /// Of these: taken back by whoever made them.
    pub cancelled: u64,
    /// Of these: nobody came in time.
    pub lapsed: u64,
    /// Cars that an offline gate let in and for which there was no spot.
    pub excess: u64,
    /// Money that came in.
    pub received_minor: u64,
    /// Money that went back.
    pub refunded_minor: u64,
    /// Of the money that was kept: what stays that are over have paid.
    pub charged_minor: u64,
    /// Of the money that was kept: what gates took from stays that are not in the books yet.
    pub ahead_minor: u64,
    /// Tickets the lot has numbered.
    pub(super) numbered: u64,
}

/// What wants to happen by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Claim(TicketId),
    Overstay(TicketId),
    Forget(TicketId),
    Sensor(SpotId),
    Hold(ReservationId),
    NoShow(ReservationId),
}

/// What a command does, all at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    pub(super) tickets: Vec<Ticket>,
    pub(super) forget: Vec<TicketId>,
    pub(super) uses: Vec<(SpotId, Use)>,
    pub(super) reservations: Vec<(ReservationId, Option<Reservation>)>,
    pub(super) ahead: Vec<(TicketId, Option<(u64, u64)>)>,
    pub(super) reconciled: Option<(GateId, u64)>,
    pub(super) totals: Totals,
    pub(super) outputs: Vec<Output>,
}

/// A parking lot over a store.
pub struct ParkingLot<S> {
    pub(super) config: LotConfig,
    pub(super) allocation: Box<dyn Allocation + Send>,
    store: S,
    pub(super) spots: Spots,
    pub(super) tickets: BTreeMap<TicketId, Ticket>,
    /// Of those that are live.
    pub(super) by_plate: BTreeMap<Plate, TicketId>,
    pub(super) by_request: BTreeMap<(GateId, RequestId), TicketId>,
    pub(super) reservations: BTreeMap<ReservationId, Reservation>,
    /// Stays that ended at a gate before the lot has heard of them: when, and what was taken.
    pub(super) ahead: BTreeMap<TicketId, (u64, u64)>,
    /// By gate: the last entry that is in the books.
    pub(super) reconciled: Vec<u64>,
    pub(super) totals: Totals,
    /// What live stays have paid.
    pub(super) live_paid_minor: u64,
    pub(super) timers: BTreeSet<(Time, Timer)>,
    pub(super) signs: [bool; VehicleKind::ALL.len()],
    held: Held<Output>,
    last_commit: CommitNumber,
    /// Empty; its memory is used again.
    batch: Batch,
    /// The store has failed; nothing happens any more.
    failed: Option<StoreError>,
    /// Wishes to come in that were refused because the lot was full; not kept over a crash.
    pub(super) refused: u64,
}

const TOTALS: &[u8] = b"n";

fn key(prefix: [u8; 2], id: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&prefix);
    key[2..].copy_from_slice(&id.to_be_bytes());
    key
}

fn put<T: Serialize>(batch: &mut Batch, key: &[u8], value: &T) {
    batch.put_with(key, |bytes| {
        postcard::to_extend(value, bytes).expect("records are plain data: they can always be written")
    });
}

impl<S: Store> ParkingLot<S> {
    /// Opens a lot with what its store has, or an empty one.
    ///
    /// # Errors
    /// [`ConfigError`], if the settings cannot be.
    pub fn open(config: LotConfig, store: S) -> Result<ParkingLot<S>, ConfigError> {
        config.validate()?;
        let mut lot = ParkingLot {
            spots: Spots::new(&config),
            reconciled: vec![0; config.gates.len()],
            last_commit: store.durable(),
            allocation: Box::new(NearestToGate),
            config,
            store,
            tickets: BTreeMap::new(),
            by_plate: BTreeMap::new(),
            by_request: BTreeMap::new(),
            reservations: BTreeMap::new(),
            ahead: BTreeMap::new(),
            totals: Totals::default(),
            live_paid_minor: 0,
            timers: BTreeSet::new(),
            signs: [false; VehicleKind::ALL.len()],
            held: Held::default(),
            batch: Batch::new(),
            failed: None,
            refused: 0,
        };
        lot.load();
        lot.signs = VehicleKind::ALL.map(|kind| lot.is_full(kind));
        Ok(lot)
    }

    /// Another way to choose among free spots.
    #[must_use]
    pub fn with_allocation(mut self, allocation: Box<dyn Allocation + Send>) -> ParkingLot<S> {
        self.allocation = allocation;
        self
    }

    /// The store, with what was promised.
    pub fn into_store(self) -> S {
        self.store
    }

    fn load(&mut self) {
        let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        self.store.scan(&[], &mut |key, stored| {
            records.push((key.to_vec(), stored.value.to_vec()));
            true
        });
        let mut change = Change::default();
        for (key, value) in &records {
            let id = key.get(2..10).and_then(|id| id.try_into().ok()).map_or(0, u64::from_be_bytes);
            match key.first() {
                Some(b'n') => change.totals = read(value),
                Some(b't') => change.tickets.extend(read::<Option<Ticket>>(value)),
                Some(b's') => change.uses.push((SpotId(id as u32), kept_use(read(value)))),
                Some(b'r') => change.reservations.push((ReservationId(id), read(value))),
                Some(b'a') => change.ahead.push((TicketId(id), read(value))),
                Some(b'g') => {
                    if let Some(known) = self.reconciled.get_mut(id as usize) {
                        *known = read(value);
                    }
                }
                Some(_) | None => {}
            }
        }
        for ticket in &change.tickets {
            change
                .uses
                .extend(ticket.spot.filter(|_| ticket.is_live()).map(|spot| (spot, Use::Taken(ticket.id))));
        }
        for (id, reservation) in &change.reservations {
            let spot = reservation.as_ref().and_then(|reservation| reservation.spot);
            change.uses.extend(spot.map(|spot| (spot, Use::Held(*id))));
        }
        self.apply(change);
    }

    /// A change of nothing yet.
    pub(super) fn change(&self) -> Change {
        Change { totals: self.totals, ..Change::default() }
    }

    /// Writes a change; then it happens.
    pub(super) fn commit(&mut self, now: Time, change: Change) -> Result<(), Rejected> {
        if let Some(error) = &self.failed {
            return Err(Rejected::Store(error.clone()));
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        self.write(&change, &mut batch);
        let committed = self.store.commit(now, &batch);
        self.batch = batch;
        match committed {
            Ok(commit) => self.last_commit = commit,
            Err(error) => {
                self.failed = Some(error.clone());
                return Err(Rejected::Store(error));
            }
        }
        let touched: Vec<SpotId> = change.uses.iter().map(|(spot, _)| *spot).collect();
        let outputs = self.apply(change);
        touched.into_iter().for_each(|spot| self.compare(now, spot));
        for output in outputs {
            self.say(output);
        }
        self.update_signs();
        Ok(())
    }

    fn write(&self, change: &Change, batch: &mut Batch) {
        for ticket in &change.tickets {
            put(batch, &key(*b"t/", ticket.id.0), &Some(ticket));
        }
        for ticket in &change.forget {
            batch.remove(key(*b"t/", ticket.0));
        }
        for (spot, used) in &change.uses {
            let key = key(*b"s/", u64::from(spot.0));
            // Tickets and reservations say themselves which spot is theirs.
            let was_kept = self.spots.get(*spot).is_some_and(|spot| kept(spot.used).is_some());
            match kept(*used) {
                Some(kept) => put(batch, &key, &kept),
                None if was_kept => _ = batch.remove(key),
                None => {}
            }
        }
        for (id, reservation) in &change.reservations {
            let key = key(*b"r/", id.0);
            match reservation {
                Some(reservation) => put(batch, &key, &Some(reservation)),
                None => _ = batch.remove(key),
            }
        }
        for (id, ahead) in &change.ahead {
            let key = key(*b"a/", id.0);
            match ahead {
                Some(ahead) => put(batch, &key, &Some(ahead)),
                None => _ = batch.remove(key),
            }
        }
        if let Some((gate, number)) = change.reconciled {
            put(batch, &key(*b"g/", u64::from(gate.0)), &number);
        }
        if change.totals != self.totals {
            put(batch, TOTALS, &change.totals);
        }
    }

    fn apply(&mut self, change: Change) -> Vec<Output> {
        self.totals = change.totals;
        for ticket in change.tickets {
            self.replace_ticket(ticket);
        }
        for ticket in change.forget {
            if let Some(ticket) = self.tickets.remove(&ticket) {
                self.by_request.remove(&(ticket.gate, ticket.request));
            }
        }
        for (spot, used) in change.uses {
            self.spots.put(spot, used);
        }
        for (id, reservation) in change.reservations {
            self.replace_reservation(id, reservation);
        }
        for (id, ahead) in change.ahead {
            match ahead {
                Some(ahead) => self.ahead.insert(id, ahead),
                None => self.ahead.remove(&id),
            };
        }
        if let Some((gate, number)) = change.reconciled {
            self.reconciled[usize::from(gate.0)] = number;
        }
        change.outputs
    }

    fn replace_ticket(&mut self, ticket: Ticket) {
        let (id, entered) = (ticket.id, ticket.entered());
        let timer = match ticket.phase {
            Phase::Claimed => Some((entered + self.config.claim_timeout, Timer::Claim(id))),
            Phase::Parked => self.config.max_stay.map(|stay| (entered + stay, Timer::Overstay(id))),
            Phase::Left { at_ns } | Phase::Released { at_ns } => {
                Some((Time::from_nanos(at_ns) + self.config.keep_closed, Timer::Forget(id)))
            }
        };
        let before = self.tickets.get(&id);
        let is_news = before.is_none_or(|before| before.phase != ticket.phase);
        let live = |ticket: &Ticket| if ticket.is_live() { ticket.paid_minor } else { 0 };
        self.live_paid_minor = self.live_paid_minor - before.map_or(0, live) + live(&ticket);
        if ticket.is_live() {
            self.by_plate.insert(ticket.vehicle.plate, id);
        } else if self.by_plate.get(&ticket.vehicle.plate) == Some(&id) {
            self.by_plate.remove(&ticket.vehicle.plate);
        }
        if !id.is_offline() {
            self.by_request.insert((ticket.gate, ticket.request), id);
        }
        self.timers.extend(timer.filter(|_| is_news));
        self.tickets.insert(id, ticket);
    }

    /// Says something as soon as all that was written so far is durable.
    pub(super) fn say(&mut self, output: Output) {
        self.held.push(self.last_commit, output);
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.say(Output::Found(finding));
    }

    fn update_signs(&mut self) {
        for (at, kind) in VehicleKind::ALL.into_iter().enumerate() {
            let is_full = self.is_full(kind);
            if self.signs[at] != is_full {
                self.signs[at] = is_full;
                self.say(Output::Sign { kind, is_full });
            }
        }
    }

    /// The class that a vehicle would get a spot of now.
    pub(super) fn class_for(&self, vehicle: &Vehicle) -> Option<SpotClass> {
        let own = vehicle.own_classes();
        vehicle.classes().iter().copied().enumerate().find_map(|(at, class)| {
            let free = self.spots.free.count(class);
            let is_enough = if at < own {
                free > 0
            } else {
                let beyond_reserve = free > self.config.reserve[class.index()];
                beyond_reserve
                    && match self.config.spill {
                        Spill::None => false,
                        Spill::Upward => true,
                        Spill::UpwardIfFreeAbove(ppm) => {
                            u128::from(free) * 1_000_000
                                > u128::from(ppm) * u128::from(self.spots.count(class).capacity)
                        }
                    }
            };
            is_enough.then_some(class)
        })
    }

    /// Whether a vehicle of this kind, without a permit or a reservation, would be refused now.
    pub fn is_full(&self, kind: VehicleKind) -> bool {
        self.class_for(&Vehicle { plate: Plate(0), kind, has_permit: false }).is_none()
    }

    /// What the sign says.
    pub const fn sign(&self, kind: VehicleKind) -> bool {
        self.signs[kind as usize]
    }

    /// How many spots of a class are what.
    pub const fn count(&self, class: SpotClass) -> ClassCount {
        self.spots.count(class)
    }

    /// What has happened so far.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Wishes to come in that were refused because the lot was full, since the process began.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// The live stay of a plate.
    pub fn ticket_of(&self, plate: Plate) -> Option<TicketId> {
        self.by_plate.get(&plate).copied()
    }

    /// Other rules from now on: tariff, spill, reserves, times. Levels and gates stay as they are, and so does every
    /// time that runs already.
    ///
    /// # Errors
    /// [`ConfigError`]; then the rules stay as well.
    pub fn set_rules(&mut self, rules: LotConfig) -> Result<(), ConfigError> {
        let (levels, gates) = (self.config.levels.clone(), self.config.gates.clone());
        let config = LotConfig { levels, gates, ..rules };
        config.validate()?;
        self.spots.trust_sensors(config.trust_sensors);
        self.config = config;
        self.update_signs();
        Ok(())
    }

    /// How many have a place in the lot.
    pub fn live(&self) -> u64 {
        self.by_plate.len() as u64
    }

    /// Reservations that stand.
    pub fn open_reservations(&self) -> u64 {
        self.reservations.len() as u64
    }

    /// A stay, as long as it is remembered.
    pub fn ticket(&self, ticket: TicketId) -> Option<&Ticket> {
        self.tickets.get(&ticket)
    }

    pub(super) fn whose(&self, who: Who) -> Result<&Ticket, Rejected> {
        let id = match who {
            Who::Ticket(ticket) => Some(ticket),
            Who::Plate(plate) => self.by_plate.get(&plate).copied(),
        };
        id.and_then(|id| self.tickets.get(&id)).ok_or(Rejected::NoSuchTicket)
    }

    /// Something has come.
    ///
    /// # Errors
    /// [`Rejected`], with the reason; then nothing has changed.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) -> Result<(), Rejected> {
        let done = match input {
            Input::Enter { gate, vehicle, request } => self.enter(now, gate, vehicle, request),
            Input::Entered { ticket } => self.entered(now, ticket),
            Input::Withdraw { ticket } => self.withdraw(now, ticket),
            Input::Quote { who } => self.quote(now, who),
            Input::Pay { ticket, payment, minor, quoted_at } => {
                self.pay(now, ticket, (payment, minor), quoted_at)
            }
            Input::Exit { gate, who } => self.exit(now, gate, who),
            Input::DeclareLost { plate } => self.declare_lost(now, plate),
            Input::Reserve { reservation, vehicle, from, until } => {
                self.reserve(now, reservation, vehicle, (from, until))
            }
            Input::CancelReservation { reservation } => self.cancel_reservation(now, reservation),
            Input::Service { spot, is_open } => self.service(now, spot, is_open),
            Input::Sensor { spot, is_occupied } => self.sensed(now, spot, is_occupied),
            Input::Inspected { spot, is_occupied } => self.inspected(now, spot, is_occupied),
            Input::SensorRepaired { spot } => self.sensor_repaired(now, spot),
            Input::PlateSeen { spot, plate } => self.plate_seen(now, spot, plate),
            Input::Allot { gate, class, count } => self.allot(now, gate, class, count),
            Input::Reconcile { gate, entries } => self.reconcile(now, gate, &entries),
        };
        if done.is_ok() {
            self.keep_promises(now);
        }
        self.update_signs();
        self.held.release(self.store.durable(), out);
        done
    }

    fn service(&mut self, now: Time, spot: SpotId, is_open: bool) -> Result<(), Rejected> {
        let used = self.spots.get(spot).ok_or(Rejected::NoSuchSpot(spot))?.used;
        let next = match (used, is_open) {
            (Use::Closed, true) => Use::Free,
            (Use::Free, false) => Use::Closed,
            (Use::Closed, false) => return Ok(()),
            (Use::Free | Use::Held(_) | Use::Allotted(_) | Use::Taken(_), true) => return Ok(()),
            (Use::Held(_) | Use::Allotted(_) | Use::Taken(_), false) => return Err(Rejected::Occupied(spot)),
        };
        let mut change = self.change();
        change.uses.push((spot, next));
        self.commit(now, change)
    }

    /// When [`expire`](ParkingLot::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        if self.failed.is_some() {
            return None;
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.store.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.store.deadline().is_some_and(|at| at <= now)
            && let Err(error) = self.store.sync(now)
        {
            self.failed = Some(error);
        }
        while self.failed.is_none()
            && let Some((at, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= now)
        {
            self.timers.remove(&(at, timer));
            // What the store refuses is remembered by the commit itself, and ends this.
            let _ = self.due(now, timer);
        }
        self.keep_promises(now);
        self.update_signs();
        self.held.release(self.store.durable(), out);
    }

    fn due(&mut self, now: Time, timer: Timer) -> Result<(), Rejected> {
        match timer {
            Timer::Claim(ticket) => self.withdraw(now, ticket),
            Timer::Overstay(ticket) => {
                if self.tickets.get(&ticket).is_some_and(Ticket::is_live) {
                    self.find(Finding::Overstay { ticket });
                }
                Ok(())
            }
            Timer::Forget(ticket) => {
                let mut change = self.change();
                change.forget.push(ticket);
                self.commit(now, change)
            }
            Timer::Sensor(spot) => {
                self.sensor_due(now, spot);
                Ok(())
            }
            Timer::Hold(reservation) => {
                self.begin_hold(reservation);
                Ok(())
            }
            Timer::NoShow(reservation) => self.no_show(now, reservation),
        }
    }
}

fn read<T: for<'a> Deserialize<'a> + Default>(value: &[u8]) -> T {
    // The store has checked its bytes; of another version of this program they count as absent.
    postcard::from_bytes(value).unwrap_or_default()
}

/// What is written of a spot itself.
fn kept(used: Use) -> Option<Option<u16>> {
    match used {
        Use::Closed => Some(None),
        Use::Allotted(gate) => Some(Some(gate.0)),
        Use::Free | Use::Held(_) | Use::Taken(_) => None,
    }
}

fn kept_use(gate: Option<u16>) -> Use {
    gate.map_or(Use::Closed, |gate| Use::Allotted(GateId(gate)))
}

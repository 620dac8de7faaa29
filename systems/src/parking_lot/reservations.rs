//! Spots kept for those who come later: counted when they are promised, chosen shortly before they are wanted, given
//! back when nobody comes. A promise that cannot be kept is a finding, never a silence.

use super::message::{Output, Rejected};
use super::model::{Plate, ReservationId, SpotClass, SpotId, Vehicle};
use super::spots::Use;
use super::state::{Change, ParkingLot, Timer};
use crate::store::Store;
use crate::time::Time;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reservation {
    pub(super) vehicle: Vehicle,
    pub(super) class: SpotClass,
    pub(super) from_ns: u64,
    pub(super) until_ns: u64,
    /// Kept for it.
    pub(super) spot: Option<SpotId>,
    /// Its time has come, and no spot was free yet. Known again after a crash by its timer.
    #[serde(skip)]
    pub(super) is_waiting: bool,
}

impl<S: Store> ParkingLot<S> {
    pub(super) fn reserve(
        &mut self,
        now: Time,
        id: ReservationId,
        vehicle: Vehicle,
        (from, until): (Time, Time),
    ) -> Result<(), Rejected> {
        if self.reservations.contains_key(&id) {
            self.say(Output::Reserved { reservation: id });
            return Ok(());
        }
        if until <= from {
            return Err(Rejected::EndsBeforeItBegins);
        }
        let class = vehicle.classes()[0];
        let (from_ns, until_ns) = (from.as_nanos(), until.as_nanos());
        let overlapping = self
            .reservations
            .values()
            .filter(|other| other.class == class && other.from_ns < until_ns && from_ns < other.until_ns);
        if overlapping.count() >= self.config.reservable[class.index()] as usize {
            return Err(Rejected::ReservedOut);
        }
        let reservation = Reservation { vehicle, class, from_ns, until_ns, spot: None, is_waiting: false };
        let mut change = self.change();
        change.totals.reserved += 1;
        change.reservations.push((id, Some(reservation)));
        change.outputs.push(Output::Reserved { reservation: id });
        self.commit(now, change)
    }

    pub(super) fn cancel_reservation(&mut self, now: Time, id: ReservationId) -> Result<(), Rejected> {
        let mut change = self.without_reservation(id).ok_or(Rejected::NoSuchReservation)?;
        change.totals.cancelled += 1;
        self.commit(now, change)
    }

    pub(super) fn no_show(&mut self, now: Time, id: ReservationId) -> Result<(), Rejected> {
        // It may have been honoured or taken back.
        let Some(mut change) = self.without_reservation(id) else { return Ok(()) };
        change.totals.lapsed += 1;
        change.outputs.push(Output::Lapsed { reservation: id });
        self.commit(now, change)
    }

    fn without_reservation(&self, id: ReservationId) -> Option<Change> {
        let reservation = self.reservations.get(&id)?;
        let mut change = self.change();
        change.uses.extend(reservation.spot.map(|spot| (spot, Use::Free)));
        change.reservations.push((id, None));
        Some(change)
    }

    pub(super) fn replace_reservation(&mut self, id: ReservationId, reservation: Option<Reservation>) {
        let Some(reservation) = reservation else {
            self.reservations.remove(&id);
            return;
        };
        if !self.reservations.contains_key(&id) {
            let from = Time::from_nanos(reservation.from_ns);
            self.timers.insert((from - self.config.hold_before, Timer::Hold(id)));
            self.timers.insert((from + self.config.no_show_after, Timer::NoShow(id)));
        }
        self.reservations.insert(id, reservation);
    }

    /// The reservation of a car whose time has come.
    pub(super) fn reservation_of(&self, plate: Plate, now: Time) -> Option<ReservationId> {
        let earliest = (now + self.config.hold_before).as_nanos();
        let mut own = self.reservations.iter().filter(|(_, reservation)| reservation.vehicle.plate == plate);
        own.find(|(_, reservation)| reservation.from_ns <= earliest).map(|(id, _)| *id)
    }

    pub(super) fn begin_hold(&mut self, id: ReservationId) {
        if let Some(reservation) = self.reservations.get_mut(&id) {
            reservation.is_waiting = reservation.spot.is_none();
        }
    }

    /// The first that waits for a spot and could have one.
    fn next_promise(&self) -> Option<(ReservationId, Reservation)> {
        let mut waiting = self.reservations.iter().filter(|(_, reservation)| reservation.is_waiting);
        let (id, reservation) = waiting.find(|(_, one)| self.spots.free.count(one.class) > 0)?;
        Some((*id, reservation.clone()))
    }

    /// Keeps spots for those whose time has come, as soon as some are free.
    pub(super) fn keep_promises(&mut self, now: Time) {
        while let Some((id, mut reservation)) = self.next_promise() {
            let Some(spot) = self.allocation.choose(&self.spots.free, reservation.class, 0) else { return };
            reservation.spot = Some(spot);
            reservation.is_waiting = false;
            let mut change = self.change();
            change.uses.push((spot, Use::Held(id)));
            change.outputs.push(Output::Kept { reservation: id, spot });
            change.reservations.push((id, Some(reservation)));
            if self.commit(now, change).is_err() {
                return;
            }
        }
    }
}

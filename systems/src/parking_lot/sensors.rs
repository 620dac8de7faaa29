//! What the lot is told of its spots, against its tickets. A sensor never changes a stay; a camera may move one.

use super::message::{Finding, Rejected};
use super::model::{Plate, SpotId};
use super::spots::Use;
use super::state::{ParkingLot, Timer};
use crate::store::Store;
use crate::time::Time;

impl<S: Store> ParkingLot<S> {
    pub(super) fn sensed(&mut self, now: Time, id: SpotId, is_occupied: bool) -> Result<(), Rejected> {
        let spot = self.spots.get_mut(id).ok_or(Rejected::NoSuchSpot(id))?;
        if !spot.sensor_is_broken {
            self.listen(now, id, Some(is_occupied));
        }
        Ok(())
    }

    /// A person has looked: whoever said something else is not listened to any more.
    pub(super) fn inspected(&mut self, now: Time, id: SpotId, is_occupied: bool) -> Result<(), Rejected> {
        let spot = self.spots.get_mut(id).ok_or(Rejected::NoSuchSpot(id))?;
        if spot.sensor.is_some_and(|says| says != is_occupied) {
            spot.sensor_is_broken = true;
            self.listen(now, id, None);
        }
        Ok(())
    }

    pub(super) fn sensor_repaired(&mut self, now: Time, id: SpotId) -> Result<(), Rejected> {
        let spot = self.spots.get_mut(id).ok_or(Rejected::NoSuchSpot(id))?;
        spot.sensor_is_broken = false;
        self.listen(now, id, None);
        Ok(())
    }

    fn listen(&mut self, now: Time, id: SpotId, says: Option<bool>) {
        if let Some(spot) = self.spots.get_mut(id) {
            spot.sensor = says;
        }
        self.spots.refresh(id);
        self.compare(now, id);
    }

    /// Whether the sensor of a spot says something else than the tickets; nothing, where it has said nothing.
    fn contradicts(&self, id: SpotId) -> Option<bool> {
        let spot = self.spots.get(id)?;
        let says = spot.sensor?;
        (says != matches!(spot.used, Use::Taken(_))).then_some(says)
    }

    /// Notes since when the sensor of a spot contradicts the tickets.
    pub(super) fn compare(&mut self, now: Time, id: SpotId) {
        let contradicts = self.contradicts(id).is_some();
        let window = self.config.sensor_window;
        let Some(spot) = self.spots.get_mut(id) else { return };
        match (contradicts, spot.contradicts_since) {
            (true, None) => {
                spot.contradicts_since = Some(now);
                self.timers.insert((now + window, Timer::Sensor(id)));
            }
            (false, Some(_)) => spot.contradicts_since = None,
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// The window of a contradiction is over.
    pub(super) fn sensor_due(&mut self, now: Time, id: SpotId) {
        let since = self.spots.get(id).and_then(|spot| spot.contradicts_since);
        let is_over = since.is_some_and(|since| since + self.config.sensor_window <= now);
        if let Some(says_occupied) = self.contradicts(id).filter(|_| is_over) {
            self.find(Finding::Sensor { spot: id, says_occupied });
        } else {
            self.compare(now, id);
        }
    }

    pub(super) fn plate_seen(&mut self, now: Time, id: SpotId, plate: Plate) -> Result<(), Rejected> {
        let used = self.spots.get(id).ok_or(Rejected::NoSuchSpot(id))?.used;
        let known = self.by_plate.get(&plate).and_then(|ticket| self.tickets.get(ticket));
        let Some(ticket) = known else {
            self.find(Finding::Unknown { spot: id, plate });
            return Ok(());
        };
        match used {
            Use::Taken(other) if other == ticket.id => Ok(()),
            // It stands where another car should: a person has to look.
            Use::Taken(_) | Use::Held(_) | Use::Allotted(_) | Use::Closed => {
                self.find(Finding::Unknown { spot: id, plate });
                Ok(())
            }
            Use::Free => {
                let mut ticket = ticket.clone();
                let mut change = self.change();
                change.uses.extend(ticket.spot.map(|spot| (spot, Use::Free)));
                change.uses.push((id, Use::Taken(ticket.id)));
                ticket.spot = Some(id);
                change.tickets.push(ticket);
                self.commit(now, change)
            }
        }
    }
}

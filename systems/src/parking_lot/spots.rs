//! Every spot, and how many of each class are what. The counts follow the spots with every change; the audit counts
//! them anew.

use super::allocation::FreeSpots;
use super::config::LotConfig;
use super::model::{GateId, ReservationId, SpotClass, SpotId, TicketId};
use crate::time::Time;

/// What a spot is in use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Free,
    Held(ReservationId),
    Allotted(GateId),
    Taken(TicketId),
    Closed,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) class: SpotClass,
    pub(super) level: u16,
    pub(super) used: Use,
    pub(super) sensor: Option<bool>,
    /// A person has found it lying.
    pub(super) sensor_is_broken: bool,
    /// Since when the sensor contradicts the tickets.
    pub(super) contradicts_since: Option<Time>,
}

/// How many spots of a class are what. `free` has those that are set aside, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCount {
    /// All.
    pub capacity: u64,
    /// With a car, or claimed for one.
    pub occupied: u64,
    /// Without.
    pub free: u64,
    /// Of those that are free: kept for a reservation.
    pub held: u64,
    /// Of those that are free: a gate may give them away by itself.
    pub allotted: u64,
    /// Closed.
    pub out_of_service: u64,
}

impl ClassCount {
    fn add(&mut self, used: Use, sign: bool) {
        let change = |count: &mut u64| *count = if sign { *count + 1 } else { *count - 1 };
        match used {
            Use::Taken(_) => change(&mut self.occupied),
            Use::Closed => change(&mut self.out_of_service),
            Use::Free => change(&mut self.free),
            Use::Held(_) => {
                change(&mut self.free);
                change(&mut self.held);
            }
            Use::Allotted(_) => {
                change(&mut self.free);
                change(&mut self.allotted);
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Spots {
    all: Vec<Spot>,
    counts: [ClassCount; SpotClass::COUNT],
    pub(super) free: FreeSpots,
    trusts_sensors: bool,
}

impl Spots {
    pub(super) fn new(config: &LotConfig) -> Spots {
        let mut spots = Spots {
            all: Vec::new(),
            counts: [ClassCount::default(); SpotClass::COUNT],
            free: FreeSpots::new(config.levels.len()),
            trusts_sensors: config.trust_sensors,
        };
        for (level, of_level) in config.levels.iter().enumerate() {
            for class in SpotClass::ALL {
                for _ in 0..of_level.spots[class.index()] {
                    let id = SpotId(spots.all.len() as u32);
                    let level = level as u16;
                    spots.all.push(Spot {
                        class,
                        level,
                        used: Use::Free,
                        sensor: None,
                        sensor_is_broken: false,
                        contradicts_since: None,
                    });
                    spots.free.set(class, level, id, true);
                    let count = &mut spots.counts[class.index()];
                    count.capacity += 1;
                    count.free += 1;
                }
            }
        }
        spots
    }

    pub(super) fn get(&self, id: SpotId) -> Option<&Spot> {
        self.all.get(id.0 as usize)
    }

    pub(super) fn get_mut(&mut self, id: SpotId) -> Option<&mut Spot> {
        self.all.get_mut(id.0 as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SpotId, &Spot)> {
        self.all.iter().enumerate().map(|(id, spot)| (SpotId(id as u32), spot))
    }

    pub(super) const fn count(&self, class: SpotClass) -> ClassCount {
        self.counts[class.index()]
    }

    pub(super) fn put(&mut self, id: SpotId, used: Use) {
        let Some(spot) = self.all.get_mut(id.0 as usize) else { return };
        let count = &mut self.counts[spot.class.index()];
        count.add(spot.used, false);
        count.add(used, true);
        spot.used = used;
        self.refresh(id);
    }

    pub(super) fn trust_sensors(&mut self, trusts: bool) {
        if self.trusts_sensors != trusts {
            self.trusts_sensors = trusts;
            (0..self.all.len()).for_each(|id| self.refresh(SpotId(id as u32)));
        }
    }

    /// Whether it can be given away has changed, perhaps.
    pub(super) fn refresh(&mut self, id: SpotId) {
        let Some(spot) = self.all.get(id.0 as usize) else { return };
        let is_suspect = self.trusts_sensors && spot.sensor == Some(true);
        self.free.set(spot.class, spot.level, id, spot.used == Use::Free && !is_suspect);
    }

    /// The counts, counted anew.
    pub(super) fn recounted(&self) -> [ClassCount; SpotClass::COUNT] {
        let mut counts = [ClassCount::default(); SpotClass::COUNT];
        for spot in &self.all {
            counts[spot.class.index()].capacity += 1;
            counts[spot.class.index()].add(spot.used, true);
        }
        counts
    }
}

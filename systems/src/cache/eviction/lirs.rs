//! LIRS: keeps what has little recency between two uses. A stack of recent keys, some of them no longer there,
//! tells which those are.

use super::lists::Lists;
use super::{Departure, Eviction, Incoming, Victim, part_of};
use crate::key_index::KeyIndex;

/// The only list of the stack; its back is the top.
const STACK: usize = 0;

/// Queue of resident entries with high recency ("Q"), and of keys that are only remembered.
const QUEUE: usize = 0;
const GONE: usize = 1;

/// Share of the capacity for entries with high recency, as published.
const HIGH_PPM: u32 = 10_000;

/// Remembered weight at most, in capacities; Caffeine's simulator uses the same.
const GONE_CAPACITIES: u64 = 2;

/// The mark, in the stack, of an entry with low recency.
const LOW: u8 = 1;

/// No place, no slot.
const NOWHERE: u32 = u32::MAX;

/// Jiang and Zhang, "LIRS: an efficient low inter-reference recency set replacement policy", SIGMETRICS 2002.
#[derive(Clone, Debug)]
pub struct Lirs {
    /// Resident entries and remembered keys alike; stack and queues hold numbers of places.
    places: Vec<Place>,
    free: Vec<u32>,
    /// What is in the stack below the lowest entry with low recency is cut off.
    stack: Lists<1>,
    queues: Lists<2>,
    place_of_slot: Vec<u32>,
    gone: KeyIndex,
    low_weight: u64,
    low_max: u64,
    gone_max: u64,
    returns: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    slot: u32,
    weight: u32,
}

impl Lirs {
    /// A policy for a cache of this capacity.
    pub fn new(capacity: u64) -> Lirs {
        let mut lirs = Lirs {
            places: Vec::new(),
            free: Vec::new(),
            stack: Lists::new(),
            queues: Lists::new(),
            place_of_slot: Vec::new(),
            gone: KeyIndex::new(),
            low_weight: 0,
            low_max: 0,
            gone_max: 0,
            returns: false,
        };
        lirs.set_capacity(capacity);
        lirs
    }

    fn place_of(&self, slot: u32) -> Option<u32> {
        self.place_of_slot.get(slot as usize).copied().filter(|place| *place != NOWHERE)
    }

    fn weight_of(&self, place: u32) -> u32 {
        self.places[place as usize].weight
    }

    fn is_low(&self, place: u32) -> bool {
        self.stack.mark(place) == LOW
    }

    fn push_on_stack(&mut self, place: u32) {
        let weight = self.weight_of(place);
        self.stack.push_back(STACK, place, weight);
    }

    /// Puts a place on top of the stack as one with low recency, and another back into the queue if those are too
    /// many now.
    fn promote(&mut self, place: u32) {
        self.queues.unlink(place);
        self.push_on_stack(place);
        self.stack.set_mark(place, LOW);
        self.low_weight += u64::from(self.weight_of(place));
        self.shrink_low();
    }

    fn shrink_low(&mut self) {
        while self.low_weight > self.low_max {
            self.prune();
            let Some(bottom) = self.stack.front(STACK) else { return };
            self.demote(bottom);
        }
        self.prune();
    }

    fn demote(&mut self, place: u32) {
        let weight = self.weight_of(place);
        self.low_weight -= u64::from(weight);
        self.stack.unlink(place);
        self.queues.push_back(QUEUE, place, weight);
    }

    /// Cuts the stack off below the lowest place with low recency.
    fn prune(&mut self) {
        while let Some(bottom) = self.stack.front(STACK).filter(|bottom| !self.is_low(*bottom)) {
            self.stack.unlink(bottom);
            if self.places[bottom as usize].slot == NOWHERE {
                self.forget(bottom);
            }
        }
    }

    /// Forgets a remembered key.
    fn forget(&mut self, place: u32) {
        self.gone.remove(self.places[place as usize].hash, place);
        self.release(place);
    }

    fn release(&mut self, place: u32) {
        self.stack.unlink(place);
        self.queues.unlink(place);
        self.free.push(place);
    }

    fn new_place(&mut self, place: Place) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.places[number as usize] = place;
                number
            }
            None => {
                self.places.push(place);
                (self.places.len() - 1) as u32
            }
        }
    }

    fn find_gone(&self, hash: u64) -> Option<u32> {
        self.gone.find(hash, |place| self.places[place as usize].hash == hash)
    }
}

impl Eviction for Lirs {
    fn on_arrival(&mut self, incoming: Incoming) {
        let gone = self.find_gone(incoming.hash);
        self.returns = gone.is_some();
        if let Some(place) = gone {
            self.forget(place);
        }
    }

    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        let Incoming { hash, weight } = incoming;
        let place = self.new_place(Place { hash, slot, weight });
        if slot as usize >= self.place_of_slot.len() {
            self.place_of_slot.resize(slot as usize + 1, NOWHERE);
        }
        self.place_of_slot[slot as usize] = place;
        let returns = std::mem::take(&mut self.returns);
        if returns || self.low_weight + u64::from(weight) <= self.low_max {
            self.promote(place);
        } else {
            self.push_on_stack(place);
            self.queues.push_back(QUEUE, place, weight);
        }
    }

    fn on_hit(&mut self, slot: u32) {
        let Some(place) = self.place_of(slot) else { return };
        if self.is_low(place) {
            self.stack.move_to_back(STACK, place);
            self.prune();
        } else if self.stack.list_of(place).is_some() {
            self.promote(place);
        } else {
            self.push_on_stack(place);
            self.queues.move_to_back(QUEUE, place);
        }
    }

    fn on_reweigh(&mut self, slot: u32, weight: u32) {
        let Some(place) = self.place_of(slot) else { return };
        if self.is_low(place) {
            self.low_weight = self.low_weight - u64::from(self.weight_of(place)) + u64::from(weight);
        }
        self.places[place as usize].weight = weight;
        self.queues.reweigh(place, weight);
        self.stack.reweigh(place, weight);
        self.shrink_low();
    }

    fn on_remove(&mut self, slot: u32, departure: Departure) {
        let Some(place) = self.place_of(slot) else { return };
        self.place_of_slot[slot as usize] = NOWHERE;
        let weight = self.weight_of(place);
        if self.is_low(place) {
            self.low_weight -= u64::from(weight);
            self.release(place);
            self.prune();
        } else if departure == Departure::Evicted && self.stack.list_of(place).is_some() {
            self.places[place as usize].slot = NOWHERE;
            self.queues.push_back(GONE, place, weight);
            self.gone.insert(self.places[place as usize].hash, place);
            while self.queues.weight(GONE) > self.gone_max {
                let Some(oldest) = self.queues.front(GONE) else { return };
                self.forget(oldest);
            }
        } else {
            self.release(place);
        }
    }

    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        let place = self.queues.front(QUEUE).or_else(|| {
            // With nothing of high recency left, what is below the lowest of low recency is only remembered.
            self.prune();
            self.stack.front(STACK)
        });
        Victim::from_slot(place.map(|place| self.places[place as usize].slot))
    }

    fn set_capacity(&mut self, capacity: u64) {
        self.low_max = capacity.saturating_sub(part_of(capacity, HIGH_PPM));
        self.gone_max = capacity.saturating_mul(GONE_CAPACITIES);
        self.shrink_low();
    }

    fn clear(&mut self) {
        self.places.clear();
        self.free.clear();
        self.stack.clear();
        self.queues.clear();
        self.place_of_slot.clear();
        self.gone.clear();
        self.low_weight = 0;
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

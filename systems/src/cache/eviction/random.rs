//! Any entry goes. The choice is a function of the seed and of how often something was chosen: no random source.

use super::{Departure, Eviction, Incoming, Victim};
use crate::arithmetic::uniform;
use crate::key_hash::mixed;

/// Marks a slot without an entry.
const ABSENT: u32 = u32::MAX;

/// Evicts any entry, all with equal probability over the seeds.
#[derive(Clone, Debug)]
pub struct RandomEviction {
    seed: u64,
    draws: u64,
    slots: Vec<u32>,
    /// Where each slot stands in `slots`.
    places: Vec<u32>,
}

impl RandomEviction {
    /// A policy whose choices follow the seed.
    pub const fn new(seed: u64) -> RandomEviction {
        RandomEviction { seed, draws: 0, slots: Vec::new(), places: Vec::new() }
    }
}

impl Eviction for RandomEviction {
    fn on_insert(&mut self, slot: u32, _incoming: Incoming) {
        if slot as usize >= self.places.len() {
            self.places.resize(slot as usize + 1, ABSENT);
        }
        if self.places[slot as usize] == ABSENT {
            self.places[slot as usize] = self.slots.len() as u32;
            self.slots.push(slot);
        }
    }

    fn on_hit(&mut self, _slot: u32) {}

    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        let Some(place) = self.places.get_mut(slot as usize).filter(|place| **place != ABSENT) else {
            return;
        };
        let place = std::mem::replace(place, ABSENT);
        self.slots.swap_remove(place as usize);
        if let Some(moved) = self.slots.get(place as usize) {
            self.places[*moved as usize] = place;
        }
    }

    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        let Some(last) = self.slots.len().checked_sub(1) else { return Victim::Nothing };
        self.draws = self.draws.wrapping_add(1);
        let word = mixed(mixed(self.seed).wrapping_add(self.draws));
        Victim::Slot(self.slots[uniform(word, 0, last as u64) as usize])
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.places.clear();
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

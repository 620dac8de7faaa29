//! Segmented LRU. Never remembers what has gone.

use super::lists::Lists;
use super::{Departure, Eviction, Incoming, Victim, part_of};

const PROBATION: usize = 0;
const PROTECTED: usize = 1;

/// Share of the capacity that is protected, as in Caffeine's main space.
const PROTECTED_PPM: u32 = 800_000;

/// What comes starts on probation; a hit there moves it to the protected segment, whose overflow goes back on
/// probation. Karedla, Love and Wherry, "Caching strategies to improve disk system performance", 1994.
#[derive(Clone, Debug)]
pub struct Slru {
    segments: Lists<2>,
    protected_ppm: u32,
    protected_max: u64,
}

impl Slru {
    /// A policy for a cache of this capacity, of which four fifths are protected.
    pub fn new(capacity: u64) -> Slru {
        Slru::with_protected(capacity, PROTECTED_PPM)
    }

    /// The same with another protected share, in parts per million.
    pub fn with_protected(capacity: u64, protected_ppm: u32) -> Slru {
        let mut slru = Slru { segments: Lists::new(), protected_ppm, protected_max: 0 };
        slru.set_capacity(capacity);
        slru
    }
}

impl Eviction for Slru {
    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        self.segments.push_back(PROBATION, slot, incoming.weight);
    }

    fn on_hit(&mut self, slot: u32) {
        self.segments.move_to_back(PROTECTED, slot);
        while self.segments.weight(PROTECTED) > self.protected_max {
            let Some(oldest) = self.segments.front(PROTECTED) else { return };
            self.segments.move_to_back(PROBATION, oldest);
        }
    }

    fn on_reweigh(&mut self, slot: u32, weight: u32) {
        self.segments.reweigh(slot, weight);
    }

    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        self.segments.unlink(slot);
    }

    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        Victim::from_slot(self.segments.front(PROBATION).or_else(|| self.segments.front(PROTECTED)))
    }

    fn set_capacity(&mut self, capacity: u64) {
        self.protected_max = part_of(capacity, self.protected_ppm);
    }

    fn clear(&mut self) {
        self.segments.clear();
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

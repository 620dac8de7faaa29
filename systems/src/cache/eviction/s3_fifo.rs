//! S3-FIFO: three FIFO queues. What is used once passes through the small one and is remembered as a ghost.

use super::ghosts::Ghosts;
use super::lists::Lists;
use super::two_q::remember;
use super::{Departure, Eviction, Incoming, Victim, part_of};

const SMALL: usize = 0;
const MAIN: usize = 1;
const GHOSTS: usize = 0;

/// Share of the small queue, as published.
const SMALL_PPM: u32 = 100_000;

/// Uses that are told apart.
const MOST_USES: u8 = 3;

/// Uses while in the small queue from which on an entry moves to the main one.
const USES_TO_STAY: u8 = 2;

/// Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023.
#[derive(Clone, Debug)]
pub struct S3Fifo {
    queues: Lists<2>,
    ghosts: Ghosts<1>,
    hashes: Vec<u64>,
    small_max: u64,
    ghosts_max: u64,
    returns: bool,
}

impl S3Fifo {
    /// A policy for a cache of this capacity.
    pub fn new(capacity: u64) -> S3Fifo {
        let mut s3_fifo = S3Fifo {
            queues: Lists::new(),
            ghosts: Ghosts::new(),
            hashes: Vec::new(),
            small_max: 0,
            ghosts_max: 0,
            returns: false,
        };
        s3_fifo.set_capacity(capacity);
        s3_fifo
    }

    /// The first entry of the small queue that was not used enough; those before it move to the main queue.
    fn victim_in_small(&mut self) -> Option<u32> {
        while let Some(slot) = self.queues.front(SMALL) {
            if self.queues.mark(slot) < USES_TO_STAY {
                return Some(slot);
            }
            self.queues.set_mark(slot, 0);
            self.queues.move_to_back(MAIN, slot);
        }
        None
    }

    /// The first entry of the main queue that was not used; those before it go to the back, with one use less.
    fn victim_in_main(&mut self) -> Option<u32> {
        while let Some(slot) = self.queues.front(MAIN) {
            let uses = self.queues.mark(slot);
            if uses == 0 {
                return Some(slot);
            }
            self.queues.set_mark(slot, uses - 1);
            self.queues.move_to_back(MAIN, slot);
        }
        None
    }
}

impl Eviction for S3Fifo {
    fn on_arrival(&mut self, incoming: Incoming) {
        self.returns = self.ghosts.forget(incoming.hash).is_some();
    }

    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        remember(&mut self.hashes, slot, incoming.hash);
        let queue = if self.returns { MAIN } else { SMALL };
        self.returns = false;
        self.queues.push_back(queue, slot, incoming.weight);
    }

    fn on_hit(&mut self, slot: u32) {
        let uses = self.queues.mark(slot);
        self.queues.set_mark(slot, (uses + 1).min(MOST_USES));
    }

    fn on_reweigh(&mut self, slot: u32, weight: u32) {
        self.queues.reweigh(slot, weight);
    }

    fn on_remove(&mut self, slot: u32, departure: Departure) {
        let weight = self.queues.weight_of(slot);
        let queue = self.queues.unlink(slot);
        if departure == Departure::Evicted && queue == Some(SMALL) {
            self.ghosts.push_back(GHOSTS, self.hashes[slot as usize], weight);
            while self.ghosts.weight(GHOSTS) > self.ghosts_max && self.ghosts.forget_front(GHOSTS) {}
        }
    }

    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        let slot = if self.queues.weight(SMALL) >= self.small_max { self.victim_in_small() } else { None };
        let slot = slot.or_else(|| self.victim_in_main()).or_else(|| self.victim_in_small());
        Victim::from_slot(slot)
    }

    fn set_capacity(&mut self, capacity: u64) {
        self.small_max = part_of(capacity, SMALL_PPM);
        self.ghosts_max = capacity.saturating_sub(self.small_max).max(1);
    }

    fn clear(&mut self) {
        self.queues.clear();
        self.ghosts.clear();
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

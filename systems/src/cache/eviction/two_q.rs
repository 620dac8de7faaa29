//! 2Q: a FIFO queue for what is new, a memory for what left it, an LRU queue for what came back.

use super::ghosts::Ghosts;
use super::lists::Lists;
use super::{Departure, Eviction, Incoming, Victim, part_of};

const A1_IN: usize = 0;
const A_MAIN: usize = 1;
const A1_OUT: usize = 0;

/// Shares of the capacity, as the authors recommend: a quarter for the new, a memory of half the size.
const IN_PPM: u32 = 250_000;
const OUT_PPM: u32 = 500_000;

/// The full version of Johnson and Shasha, "2Q: a low overhead high performance buffer management replacement
/// algorithm", VLDB 1994. A hit among the new does not move.
#[derive(Clone, Debug)]
pub struct TwoQ {
    queues: Lists<2>,
    ghosts: Ghosts<1>,
    hashes: Vec<u64>,
    in_max: u64,
    out_max: u64,
    returns: bool,
}

impl TwoQ {
    /// A policy for a cache of this capacity.
    pub fn new(capacity: u64) -> TwoQ {
        let mut two_q = TwoQ {
            queues: Lists::new(),
            ghosts: Ghosts::new(),
            hashes: Vec::new(),
            in_max: 0,
            out_max: 0,
            returns: false,
        };
        two_q.set_capacity(capacity);
        two_q
    }
}

impl Eviction for TwoQ {
    fn on_arrival(&mut self, incoming: Incoming) {
        self.returns = self.ghosts.forget(incoming.hash).is_some();
    }

    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        remember(&mut self.hashes, slot, incoming.hash);
        let queue = if self.returns { A_MAIN } else { A1_IN };
        self.returns = false;
        self.queues.push_back(queue, slot, incoming.weight);
    }

    fn on_hit(&mut self, slot: u32) {
        if self.queues.list_of(slot) == Some(A_MAIN) {
            self.queues.move_to_back(A_MAIN, slot);
        }
    }

    fn on_reweigh(&mut self, slot: u32, weight: u32) {
        self.queues.reweigh(slot, weight);
    }

    fn on_remove(&mut self, slot: u32, departure: Departure) {
        let weight = self.queues.weight_of(slot);
        let queue = self.queues.unlink(slot);
        if departure == Departure::Evicted && queue == Some(A1_IN) {
            self.ghosts.push_back(A1_OUT, self.hashes[slot as usize], weight);
            while self.ghosts.weight(A1_OUT) > self.out_max && self.ghosts.forget_front(A1_OUT) {}
        }
    }

    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        let (new, main) = (self.queues.front(A1_IN), self.queues.front(A_MAIN));
        let from_new = self.queues.weight(A1_IN) > self.in_max;
        Victim::from_slot(if from_new { new.or(main) } else { main.or(new) })
    }

    fn set_capacity(&mut self, capacity: u64) {
        self.in_max = part_of(capacity, IN_PPM);
        self.out_max = part_of(capacity, OUT_PPM);
    }

    fn clear(&mut self) {
        self.queues.clear();
        self.ghosts.clear();
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

/// Keeps the hash of the key in a slot.
pub(super) fn remember(hashes: &mut Vec<u64>, slot: u32, hash: u64) {
    if slot as usize >= hashes.len() {
        hashes.resize(slot as usize + 1, 0);
    }
    hashes[slot as usize] = hash;
}

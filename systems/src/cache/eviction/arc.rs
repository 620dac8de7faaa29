//! ARC: a queue for what was used once, one for what was used more, and what each regrets having let go decides
//! how the room is shared. Uses no floats: the target is a fixed-point fraction.

use super::ghosts::Ghosts;
use super::lists::Lists;
use super::two_q::remember;
use super::{Departure, Eviction, Incoming, Victim};

/// Used once lately (T1, and its ghosts B1) and used more (T2, B2).
const ONCE: usize = 0;
const MORE: usize = 1;

/// Bits behind the binary point of the target.
const FRACTION_BITS: u32 = 64;

/// Each step may lose the last bit; this much below a whole number still counts as that, so that three thirds are one
/// for the next four billion steps.
const ROUNDING: u128 = 1 << 32;

/// Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003.
#[derive(Clone, Debug)]
pub struct Arc {
    queues: Lists<2>,
    ghosts: Ghosts<2>,
    hashes: Vec<u64>,
    capacity: u64,
    /// Weight T1 should have ("p"), as a 64.64 fraction.
    target: u128,
    /// Whose ghost the arriving key is.
    returns_from: Option<usize>,
    /// Whether the victim leaves no ghost: T1 alone fills the cache and B1 has no place left.
    forget_victim: bool,
}

impl Arc {
    /// A policy for a cache of this capacity.
    pub const fn new(capacity: u64) -> Arc {
        Arc {
            queues: Lists::new(),
            ghosts: Ghosts::new(),
            hashes: Vec::new(),
            capacity,
            target: 0,
            returns_from: None,
            forget_victim: false,
        }
    }

    /// Shifts the target towards the queue whose ghost came back: by one entry, or by more if the other queue has
    /// more ghosts.
    fn adapt(&mut self, regretted: usize) {
        let (own, other) = (self.ghosts.weight(regretted), self.ghosts.weight(1 - regretted));
        let ratio = (u128::from(other) << FRACTION_BITS) / u128::from(own.max(1));
        let step = ratio.max(1 << FRACTION_BITS);
        self.target = match regretted {
            ONCE => self.target.saturating_add(step).min(u128::from(self.capacity) << FRACTION_BITS),
            _ => self.target.saturating_sub(step),
        };
    }

    /// Makes room among the ghosts for a key nobody remembers.
    fn trim_ghosts(&mut self, weight: u32) {
        let weight = u64::from(weight);
        let directory = |arc: &Arc, queue: usize| arc.queues.weight(queue) + arc.ghosts.weight(queue);
        if directory(self, ONCE) + weight > self.capacity {
            self.forget_victim = self.ghosts.len(ONCE) == 0;
            while directory(self, ONCE) + weight > self.capacity && self.ghosts.forget_front(ONCE) {}
        } else {
            let limit = self.capacity.saturating_mul(2);
            while directory(self, ONCE) + directory(self, MORE) + weight > limit
                && self.ghosts.forget_front(MORE)
            {}
        }
    }
}

impl Eviction for Arc {
    fn on_arrival(&mut self, incoming: Incoming) {
        self.forget_victim = false;
        self.returns_from = self.ghosts.list_of(incoming.hash);
        match self.returns_from {
            Some(regretted) => {
                self.adapt(regretted);
                self.ghosts.forget(incoming.hash);
            }
            None => self.trim_ghosts(incoming.weight),
        }
    }

    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        remember(&mut self.hashes, slot, incoming.hash);
        let queue = if self.returns_from.take().is_some() { MORE } else { ONCE };
        self.queues.push_back(queue, slot, incoming.weight);
    }

    fn on_hit(&mut self, slot: u32) {
        self.queues.move_to_back(MORE, slot);
    }

    fn on_reweigh(&mut self, slot: u32, weight: u32) {
        self.queues.reweigh(slot, weight);
    }

    fn on_remove(&mut self, slot: u32, departure: Departure) {
        let weight = self.queues.weight_of(slot);
        let Some(queue) = self.queues.unlink(slot) else { return };
        if departure == Departure::Evicted && !(self.forget_victim && queue == ONCE) {
            self.ghosts.push_back(queue, self.hashes[slot as usize], weight);
            // Entries taken out leave room that ghosts alone could fill beyond all bounds.
            while self.ghosts.weight(queue) > self.capacity && self.ghosts.forget_front(queue) {}
        }
    }

    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        let once = self.queues.weight(ONCE);
        let target = (self.target.saturating_add(ROUNDING) >> FRACTION_BITS) as u64;
        let (oldest_once, oldest_more) = (self.queues.front(ONCE), self.queues.front(MORE));
        // More than the fraction means more than its whole part, for a whole number.
        let from_once =
            self.forget_victim || once > target || (self.returns_from == Some(MORE) && once == target);
        Victim::from_slot(if from_once { oldest_once.or(oldest_more) } else { oldest_more.or(oldest_once) })
    }

    fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity;
        self.target = self.target.min(u128::from(capacity) << FRACTION_BITS);
    }

    fn clear(&mut self) {
        self.queues.clear();
        self.ghosts.clear();
        self.target = 0;
        self.returns_from = None;
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

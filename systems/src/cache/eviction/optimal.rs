//! Belady's policy: the entry whose next use is farthest goes. Needs the future, so it bounds what others can
//! reach; never usable online.

use super::two_q::remember;
use super::{Departure, Eviction, Incoming, Victim};
use std::collections::{BTreeMap, BTreeSet};

/// A use that never comes.
const NEVER: u64 = u64::MAX;

/// For each position of a trace, where the same key comes next.
fn next_uses(keys: &[u64]) -> Vec<u64> {
    let mut upcoming: BTreeMap<u64, u64> = BTreeMap::new();
    let mut next: Vec<u64> = keys
        .iter()
        .enumerate()
        .rev()
        .map(|(position, key)| upcoming.insert(*key, position as u64).unwrap_or(NEVER))
        .collect();
    next.reverse();
    next
}

/// Misses of the best possible policy that inserts on every miss, with room for `capacity` entries.
/// Belady, "A study of replacement algorithms for a virtual-storage computer", 1966. O(n log n).
pub fn optimal_misses(keys: &[u64], capacity: usize) -> u64 {
    let next = next_uses(keys);
    let mut kept: BTreeSet<(u64, u64)> = BTreeSet::new();
    let mut misses = 0;
    for ((position, key), next) in (0u64..).zip(keys).zip(next) {
        if !kept.remove(&(position, *key)) {
            misses += 1;
            if capacity == 0 {
                continue;
            }
            if kept.len() >= capacity {
                kept.pop_last();
            }
        }
        kept.insert((next, *key));
    }
    misses
}

/// The same as a policy, for a cache that is asked for the keys of one trace in order, each once, and inserts on
/// every miss.
#[derive(Clone, Debug)]
pub struct Optimal {
    next: Vec<u64>,
    position: usize,
    /// Next use and slot of each entry.
    order: BTreeSet<(u64, u32)>,
    due: Vec<u64>,
}

impl Optimal {
    /// A policy that has seen the trace.
    pub fn new(keys: &[u64]) -> Optimal {
        Optimal { next: next_uses(keys), position: 0, order: BTreeSet::new(), due: Vec::new() }
    }

    fn use_now(&mut self, slot: u32) {
        let next = self.next.get(self.position).copied().unwrap_or(NEVER);
        self.position += 1;
        self.order.insert((next, slot));
        remember(&mut self.due, slot, next);
    }
}

impl Eviction for Optimal {
    fn on_insert(&mut self, slot: u32, _incoming: Incoming) {
        self.use_now(slot);
    }
    fn on_hit(&mut self, slot: u32) {
        self.on_remove(slot, Departure::Withdrawn);
        self.use_now(slot);
    }
    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        if let Some(due) = self.due.get(slot as usize) {
            self.order.remove(&(*due, slot));
        }
    }
    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        Victim::from_slot(self.order.last().map(|(_, slot)| *slot))
    }
    fn clear(&mut self) {
        self.order.clear();
    }
    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

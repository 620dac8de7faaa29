//! Greedy dual with size and frequency: what is used often for its weight stays, and everything ages. Logarithmic
//! in the entries. Priorities are fixed-point, never floats.

use super::{Departure, Eviction, Incoming, Victim};
use std::collections::BTreeSet;

/// Bits behind the binary point of a priority.
const FRACTION_BITS: u32 = 32;

/// Priority = age of the cache + uses / weight; the victim's priority is the new age.
/// Cherkasova, "Improving WWW proxies performance with greedy-dual-size-frequency caching policy", 1998.
#[derive(Clone, Debug, Default)]
pub struct Gdsf {
    /// Priority, turn among equals, slot.
    order: BTreeSet<(u128, u64, u32)>,
    held: Vec<Option<Held>>,
    age: u128,
    turns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    priority: u128,
    turn: u64,
    uses: u64,
    weight: u32,
}

impl Gdsf {
    fn place(&mut self, slot: u32, uses: u64, weight: u32) {
        let worth = (u128::from(uses) << FRACTION_BITS) / u128::from(weight.max(1));
        let held = Held { priority: self.age.saturating_add(worth), turn: self.turns, uses, weight };
        self.turns = self.turns.saturating_add(1);
        self.order.insert((held.priority, held.turn, slot));
        self.held[slot as usize] = Some(held);
    }

    fn take(&mut self, slot: u32) -> Option<Held> {
        let held = self.held.get_mut(slot as usize)?.take()?;
        self.order.remove(&(held.priority, held.turn, slot));
        Some(held)
    }
}

impl Eviction for Gdsf {
    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        if slot as usize >= self.held.len() {
            self.held.resize(slot as usize + 1, None);
        }
        self.take(slot);
        self.place(slot, 1, incoming.weight);
    }

    fn on_hit(&mut self, slot: u32) {
        if let Some(held) = self.take(slot) {
            self.place(slot, held.uses.saturating_add(1), held.weight);
        }
    }

    fn on_reweigh(&mut self, slot: u32, weight: u32) {
        if let Some(held) = self.take(slot) {
            self.place(slot, held.uses, weight);
        }
    }

    fn on_remove(&mut self, slot: u32, departure: Departure) {
        if let Some(held) = self.take(slot)
            && departure == Departure::Evicted
        {
            self.age = self.age.max(held.priority);
        }
    }

    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        Victim::from_slot(self.order.first().map(|(_, _, slot)| *slot))
    }

    fn clear(&mut self) {
        *self = Gdsf::default();
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}

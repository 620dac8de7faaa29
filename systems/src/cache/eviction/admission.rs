//! An admission filter before any policy: what would push out something used more often is not let in.

use super::two_q::remember;
use super::{Departure, Eviction, FrequencySketch, Incoming, Victim};

/// Lets an entry in only if it is estimated to be used more often than all that has to go for it.
///
/// A heavy entry that needs several victims may be turned away after the first of them have gone.
#[derive(Debug)]
pub struct TinyLfuFilter {
    inner: Box<dyn Eviction>,
    sketch: FrequencySketch,
    hashes: Vec<u64>,
    entries: u64,
    /// What the arriving entry still has in favour of it, after the victims so far.
    credit: u32,
}

/// Entries a sketch is made for at first; a cache bound by bytes has far fewer entries than its capacity.
pub(super) const FIRST_SKETCH: u64 = 1 << 16;

impl TinyLfuFilter {
    /// A filter before `inner`, for a cache of this capacity.
    pub fn new(inner: Box<dyn Eviction>, capacity: u64) -> TinyLfuFilter {
        let sketch = FrequencySketch::new(capacity.min(FIRST_SKETCH));
        TinyLfuFilter { inner, sketch, hashes: Vec::new(), entries: 0, credit: 0 }
    }
}

impl Eviction for TinyLfuFilter {
    fn on_arrival(&mut self, incoming: Incoming) {
        self.sketch.increment(incoming.hash);
        self.credit = self.sketch.estimate(incoming.hash);
        self.inner.on_arrival(incoming);
    }

    fn on_insert(&mut self, slot: u32, incoming: Incoming) {
        remember(&mut self.hashes, slot, incoming.hash);
        self.entries += 1;
        grow(&mut self.sketch, self.entries);
        self.inner.on_insert(slot, incoming);
    }

    fn on_hit(&mut self, slot: u32) {
        if let Some(hash) = self.hashes.get(slot as usize) {
            self.sketch.increment(*hash);
        }
        self.inner.on_hit(slot);
    }

    fn on_reweigh(&mut self, slot: u32, weight: u32) {
        self.inner.on_reweigh(slot, weight);
    }

    fn on_remove(&mut self, slot: u32, departure: Departure) {
        self.entries = self.entries.saturating_sub(1);
        self.inner.on_remove(slot, departure);
    }

    fn victim(&mut self, incoming: Option<Incoming>) -> Victim {
        let victim = self.inner.victim(incoming);
        let (Victim::Slot(slot), Some(_)) = (victim, incoming) else { return victim };
        let against = self.hashes.get(slot as usize).map_or(0, |hash| self.sketch.estimate(*hash));
        if self.credit <= against {
            return Victim::Incoming;
        }
        self.credit -= against;
        victim
    }

    fn set_capacity(&mut self, capacity: u64) {
        self.inner.set_capacity(capacity);
    }

    fn clear(&mut self) {
        self.inner.clear();
        self.sketch.clear();
        self.entries = 0;
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(TinyLfuFilter {
            inner: self.inner.boxed_clone(),
            sketch: self.sketch.clone(),
            hashes: self.hashes.clone(),
            entries: self.entries,
            credit: self.credit,
        })
    }
}

/// A larger sketch, empty, when there are more entries than it is made for.
pub(super) fn grow(sketch: &mut FrequencySketch, entries: u64) {
    if entries > sketch.entries() {
        *sketch = FrequencySketch::new(entries.saturating_mul(2));
    }
}

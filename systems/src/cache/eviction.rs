//! Which entry goes when there is no room. An eviction knows entries by slot and never touches their values.

use crate::linked_slots::LinkedSlots;
use std::fmt::Debug;

/// Decides which entry goes. Implement it for a policy of your own.
///
/// The cache tells of every entry that comes, is used and goes, each slot by the number it had when it came.
/// A slot that has gone may come again with another key.
pub trait Eviction: Debug + Send {
    /// An entry came.
    fn on_insert(&mut self, slot: u32, key: u64);
    /// An entry was read, or written over.
    fn on_hit(&mut self, slot: u32);
    /// An entry went, as the victim or otherwise.
    fn on_remove(&mut self, slot: u32);
    /// The entry to go next; some entry as long as there are any. The cache then says
    /// [`on_remove`](Self::on_remove).
    fn victim(&mut self) -> Option<u32>;
    /// All entries went.
    fn clear(&mut self);
    /// Which of the built-in policies this is, if any.
    fn kind(&self) -> Option<EvictionKind> {
        None
    }
}

/// The built-in policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionKind {
    /// The entry not used for the longest time goes.
    Lru,
    /// The entry that came first goes, used or not.
    Fifo,
}

impl EvictionKind {
    /// A policy that knows no entries yet.
    pub fn build(self) -> Box<dyn Eviction> {
        match self {
            EvictionKind::Lru => Box::new(Lru::new()),
            EvictionKind::Fifo => Box::new(Fifo::new()),
        }
    }
}

/// Least recently used.
#[derive(Clone, Debug)]
pub struct Lru {
    order: LinkedSlots,
}

/// First in, first out. An entry written over keeps its turn.
#[derive(Clone, Debug)]
pub struct Fifo {
    order: LinkedSlots,
}

impl Lru {
    /// A policy that knows no entries yet.
    pub const fn new() -> Lru {
        Lru { order: LinkedSlots::new() }
    }
}

impl Fifo {
    /// A policy that knows no entries yet.
    pub const fn new() -> Fifo {
        Fifo { order: LinkedSlots::new() }
    }
}

impl Default for Lru {
    fn default() -> Lru {
        Lru::new()
    }
}

impl Default for Fifo {
    fn default() -> Fifo {
        Fifo::new()
    }
}

impl Eviction for Lru {
    fn on_insert(&mut self, slot: u32, _key: u64) {
        self.order.push_back(slot);
    }
    fn on_hit(&mut self, slot: u32) {
        self.order.push_back(slot);
    }
    fn on_remove(&mut self, slot: u32) {
        self.order.unlink(slot);
    }
    fn victim(&mut self) -> Option<u32> {
        self.order.front()
    }
    fn clear(&mut self) {
        self.order.clear();
    }
    fn kind(&self) -> Option<EvictionKind> {
        Some(EvictionKind::Lru)
    }
}

impl Eviction for Fifo {
    fn on_insert(&mut self, slot: u32, _key: u64) {
        self.order.push_back(slot);
    }
    fn on_hit(&mut self, _slot: u32) {}
    fn on_remove(&mut self, slot: u32) {
        self.order.unlink(slot);
    }
    fn victim(&mut self) -> Option<u32> {
        self.order.front()
    }
    fn clear(&mut self) {
        self.order.clear();
    }
    fn kind(&self) -> Option<EvictionKind> {
        Some(EvictionKind::Fifo)
    }
}

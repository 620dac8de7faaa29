//! Which of the free spots of a class a car is sent to. Never decides which class: that is the lot's spill rule.

use super::model::{SpotClass, SpotId};
use std::collections::BTreeSet;

/// The spots that can be given away, by class and level.
#[derive(Clone, Debug)]
pub struct FreeSpots {
    levels: usize,
    /// By class, then by level.
    sets: Vec<BTreeSet<SpotId>>,
    counts: [u32; SpotClass::COUNT],
}

impl FreeSpots {
    pub(super) fn new(levels: usize) -> FreeSpots {
        FreeSpots {
            levels,
            sets: vec![BTreeSet::new(); levels * SpotClass::COUNT],
            counts: [0; SpotClass::COUNT],
        }
    }

    /// How many of a class.
    pub const fn count(&self, class: SpotClass) -> u32 {
        self.counts[class.index()]
    }

    /// How many levels the lot has.
    pub const fn levels(&self) -> usize {
        self.levels
    }

    /// Those of a class on a level, lowest first.
    pub fn on_level(&self, class: SpotClass, level: usize) -> impl ExactSizeIterator<Item = SpotId> {
        self.sets[class.index() * self.levels + level.min(self.levels - 1)].iter().copied()
    }

    pub(super) fn set(&mut self, class: SpotClass, level: u16, spot: SpotId, is_free: bool) {
        let set = &mut self.sets[class.index() * self.levels + usize::from(level)];
        let changed = if is_free { set.insert(spot) } else { set.remove(&spot) };
        let count = &mut self.counts[class.index()];
        match (changed, is_free) {
            (true, true) => *count += 1,
            (true, false) => *count -= 1,
            (false, _) => {}
        }
    }
}

/// Chooses a spot.
pub trait Allocation {
    /// One of the free spots of this class, for a car at a gate of this level. `None` exactly if there is none.
    fn choose(&self, free: &FreeSpots, class: SpotClass, gate_level: u16) -> Option<SpotId>;
}

/// The nearest to the gate: as few levels away as can be, then the lowest number.
#[derive(Clone, Copy, Debug, Default)]
pub struct NearestToGate;

impl Allocation for NearestToGate {
    fn choose(&self, free: &FreeSpots, class: SpotClass, gate_level: u16) -> Option<SpotId> {
        let at = usize::from(gate_level);
        for away in 0..free.levels() {
            let (below, above) = (at.checked_sub(away), at + away);
            let levels = [below, (away > 0 && above < free.levels()).then_some(above)];
            let mut found =
                levels.into_iter().flatten().filter_map(|level| free.on_level(class, level).next());
            if let Some(spot) = found.next() {
                return Some(spot);
            }
        }
        None
    }
}

/// The level with the fewest free spots that has one: others stay dark.
#[derive(Clone, Copy, Debug, Default)]
pub struct FullestLevel;

impl Allocation for FullestLevel {
    fn choose(&self, free: &FreeSpots, class: SpotClass, _gate_level: u16) -> Option<SpotId> {
        let levels = (0..free.levels()).map(|level| free.on_level(class, level));
        levels.filter(|spots| spots.len() > 0).min_by_key(ExactSizeIterator::len)?.next()
    }
}

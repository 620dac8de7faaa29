//! From key to slot: open addressing with linear probing and a fixed hash, at most three quarters full.
//! Removal shifts back what was pushed on, so there are no tombstones and a table in steady use never has to
//! be rebuilt.

/// Marks a free cell.
const FREE: u32 = u32::MAX;

/// Cells of the first table.
const SMALLEST: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Cell {
    key: u64,
    slot: u32,
}

const FREE_CELL: Cell = Cell { key: 0, slot: FREE };

/// A map from keys to slots.
#[derive(Clone, Debug)]
pub(super) struct KeyIndex {
    /// A power of two of them, or none at all.
    cells: Vec<Cell>,
    len: u32,
}

/// Spreads keys over all bits; every bit of the key changes about half of the result.
const fn mixed(key: u64) -> u64 {
    let mut hash = key ^ 0x9E37_79B9_7F4A_7C15;
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash ^ (hash >> 32)
}

impl KeyIndex {
    pub(super) const fn new() -> KeyIndex {
        KeyIndex { cells: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn get(&self, key: u64) -> Option<u32> {
        self.find(key).map(|at| self.cells[at].slot)
    }

    /// Adds a key that is not there yet.
    pub(super) fn insert(&mut self, key: u64, slot: u32) {
        assert!(slot != FREE, "the highest slot number stands for a free cell");
        if (self.len as usize + 1) * 4 > self.cells.len() * 3 {
            self.grow();
        }
        self.place(Cell { key, slot });
        self.len += 1;
    }

    /// Takes a key out; `false` if it was not there.
    pub(super) fn remove(&mut self, key: u64) -> bool {
        let Some(mut gap) = self.find(key) else { return false };
        let mask = self.cells.len() - 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let cell = self.cells[at];
            if cell.slot == FREE {
                break;
            }
            // A cell may move into the gap unless its home lies between the two.
            let from_home = at.wrapping_sub(self.home(cell.key)) & mask;
            let from_gap = at.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.cells[gap] = cell;
                gap = at;
            }
        }
        self.cells[gap] = FREE_CELL;
        self.len -= 1;
        true
    }

    /// Takes everything out and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.cells.fill(FREE_CELL);
        self.len = 0;
    }

    fn home(&self, key: u64) -> usize {
        mixed(key) as usize & (self.cells.len() - 1)
    }

    fn find(&self, key: u64) -> Option<usize> {
        if self.cells.is_empty() {
            return None;
        }
        let mask = self.cells.len() - 1;
        let mut at = self.home(key);
        // A quarter of the cells is free, so the walk ends.
        while self.cells[at].slot != FREE {
            if self.cells[at].key == key {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn place(&mut self, cell: Cell) {
        let mask = self.cells.len() - 1;
        let mut at = self.home(cell.key);
        while self.cells[at].slot != FREE {
            at = (at + 1) & mask;
        }
        self.cells[at] = cell;
    }

    fn grow(&mut self) {
        let doubled = (self.cells.len() * 2).max(SMALLEST);
        let former = std::mem::replace(&mut self.cells, vec![FREE_CELL; doubled]);
        for cell in former.into_iter().filter(|cell| cell.slot != FREE) {
            self.place(cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_table_is_a_map(
            steps in prop::collection::vec((0u8..5, 0u64..40), 0..400), stride in any::<u64>(),
        ) {
            let mut index = KeyIndex::new();
            let mut plain = BTreeMap::new();
            for (position, (what, key)) in steps.into_iter().enumerate() {
                let key = key.wrapping_mul(stride);
                match what {
                    0..=2 if !plain.contains_key(&key) => {
                        index.insert(key, position as u32);
                        plain.insert(key, position as u32);
                    }
                    0..=2 => {}
                    _ => prop_assert_eq!(index.remove(key), plain.remove(&key).is_some()),
                }
                prop_assert_eq!(index.len() as usize, plain.len());
                for (key, slot) in &plain {
                    prop_assert_eq!(index.get(*key), Some(*slot));
                }
                prop_assert_eq!(index.get(key), plain.get(&key).copied());
            }
        }
    }

    #[test]
    fn neighbouring_keys_do_not_pile_up() {
        let mut index = KeyIndex::new();
        for key in 0..10_000 {
            index.insert(key << 20, key as u32);
        }
        let longest = (0..10_000u64)
            .map(|key| {
                let at = index.find(key << 20).expect("it was inserted");
                at.wrapping_sub(index.home(key << 20)) & (index.cells.len() - 1)
            })
            .max();
        assert!(longest < Some(60), "{longest:?} cells away from home");
    }
}

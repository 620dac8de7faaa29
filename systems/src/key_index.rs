//! From hash to slot: open addressing with linear probing, at most half full. Removal shifts back what was
//! pushed on, so there are no tombstones and a table in steady use never has to be rebuilt. Knows no keys: who
//! asks says which slot is the right one.

/// Marks a free cell.
const FREE: u32 = u32::MAX;

/// Cells of the first table.
const SMALLEST: usize = 8;

/// The upper half of a hash, and where its entry lives.
#[derive(Clone, Copy, Debug)]
struct Cell {
    tag: u32,
    slot: u32,
}

const FREE_CELL: Cell = Cell { tag: 0, slot: FREE };

/// A map from hashes to slots; several slots may share a hash.
#[derive(Clone, Debug)]
pub(crate) struct KeyIndex {
    /// A power of two of them, or none at all.
    cells: Vec<Cell>,
    len: u32,
}

const fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl KeyIndex {
    pub(crate) const fn new() -> KeyIndex {
        KeyIndex { cells: Vec::new(), len: 0 }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// The slot under this hash that `is_it` recognises.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = tag_of(hash);
        let mask = self.cells.len().wrapping_sub(1);
        let mut at = tag as usize & mask;
        // Half of the cells are free, so the walk ends; where there are none at all, it does not begin.
        while let Some(cell) = self.cells.get(at) {
            if cell.tag == tag && cell.slot != FREE && is_it(cell.slot) {
                return Some(cell.slot);
            }
            if cell.slot == FREE {
                return None;
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Adds a slot that is not there yet.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        assert!(slot != FREE, "the highest slot number stands for a free cell");
        if (self.len as usize + 1) * 2 > self.cells.len() {
            self.grow();
        }
        place(&mut self.cells, Cell { tag: tag_of(hash), slot });
        self.len += 1;
    }

    /// Takes a slot out; `false` if it was not there.
    #[inline]
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) -> bool {
        let cells = self.cells.as_mut_slice();
        let mask = cells.len().wrapping_sub(1);
        let mut gap = tag_of(hash) as usize & mask;
        loop {
            // Without any cells there is nothing to take out.
            let Some(cell) = cells.get(gap) else { return false };
            if cell.slot == slot {
                break;
            }
            if cell.slot == FREE {
                return false;
            }
            gap = (gap + 1) & mask;
        }
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let cell = cells[at];
            if cell.slot == FREE {
                break;
            }
            // A cell may move into the gap unless its home lies between the two.
            let from_home = at.wrapping_sub(cell.tag as usize) & mask;
            let from_gap = at.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                cells[gap] = cell;
                gap = at;
            }
        }
        cells[gap] = FREE_CELL;
        self.len -= 1;
        true
    }

    /// Takes everything out and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.cells.fill(FREE_CELL);
        self.len = 0;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let doubled = (self.cells.len() * 2).max(SMALLEST);
        let former = std::mem::replace(&mut self.cells, vec![FREE_CELL; doubled]);
        for cell in former.into_iter().filter(|cell| cell.slot != FREE) {
            place(&mut self.cells, cell);
        }
    }
}

/// Puts a cell into the first free place from its home on; half of them are free.
#[inline]
fn place(cells: &mut [Cell], cell: Cell) {
    let mask = cells.len().wrapping_sub(1);
    let mut at = cell.tag as usize & mask;
    while let Some(there) = cells.get_mut(at) {
        if there.slot == FREE {
            *there = cell;
            return;
        }
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_hash::mixed;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_table_is_a_map(
            steps in prop::collection::vec((0u8..5, 0u64..40), 0..400), hash_bits in 1u32..64,
        ) {
            let mut index = KeyIndex::new();
            let mut keys: Vec<u64> = Vec::new();
            let mut plain: BTreeMap<u64, u32> = BTreeMap::new();
            // Few bits of hash, so that keys collide.
            let hash = |key: u64| mixed(key) << (64 - hash_bits);
            for (position, (what, key)) in steps.into_iter().enumerate() {
                keys.push(key);
                match what {
                    0..=2 if !plain.contains_key(&key) => {
                        index.insert(hash(key), position as u32);
                        plain.insert(key, position as u32);
                    }
                    0..=2 => {}
                    _ => {
                        let slot = plain.remove(&key);
                        prop_assert_eq!(index.remove(hash(key), slot.unwrap_or(1 << 20)), slot.is_some());
                    }
                }
                prop_assert_eq!(index.len() as usize, plain.len());
                for key in 0..40 {
                    let found = index.find(hash(key), |slot| keys[slot as usize] == key);
                    prop_assert_eq!(found, plain.get(&key).copied());
                }
            }
        }
    }

    #[test]
    fn neighbouring_keys_do_not_pile_up() {
        let mut index = KeyIndex::new();
        for key in 0..10_000u64 {
            index.insert(mixed(key << 20), key as u32);
        }
        let mask = index.cells.len() - 1;
        let longest = (0..index.cells.len())
            .filter(|at| index.cells[*at].slot != FREE)
            .map(|at| at.wrapping_sub(index.cells[at].tag as usize) & mask)
            .max();
        assert!(longest < Some(30), "{longest:?} cells away from home");
    }
}

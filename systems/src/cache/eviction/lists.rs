//! Several ordered lists over the same slot numbers, each slot in at most one of them, with a weight and a small
//! mark each. All operations are O(1); memory is taken only when a slot number is higher than any before. Knows
//! nothing of what the slots hold.

/// No slot.
const NIL: u32 = u32::MAX;

/// No list.
const NOWHERE: u8 = u8::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    previous: u32,
    next: u32,
    weight: u32,
    list: u8,
    mark: u8,
}

const UNLINKED: Node = Node { previous: NIL, next: NIL, weight: 0, list: NOWHERE, mark: 0 };

#[derive(Clone, Copy, Debug)]
struct Ends {
    front: u32,
    back: u32,
    len: u32,
    weight: u64,
}

const EMPTY: Ends = Ends { front: NIL, back: NIL, len: 0, weight: 0 };

/// `N` lists, numbered from 0; at most 255.
#[derive(Clone, Debug)]
pub(super) struct Lists<const N: usize> {
    nodes: Vec<Node>,
    ends: [Ends; N],
}

impl<const N: usize> Lists<N> {
    pub(super) const fn new() -> Lists<N> {
        assert!(N < NOWHERE as usize, "the highest list number stands for no list");
        Lists { nodes: Vec::new(), ends: [EMPTY; N] }
    }

    /// The slot at the front of a list.
    #[inline]
    pub(super) fn front(&self, list: usize) -> Option<u32> {
        some(self.ends[list].front)
    }

    /// The slot behind this one in its list.
    #[inline]
    pub(super) fn after(&self, slot: u32) -> Option<u32> {
        self.nodes.get(slot as usize).and_then(|node| some(node.next))
    }

    /// The list a slot is in.
    #[inline]
    pub(super) fn list_of(&self, slot: u32) -> Option<usize> {
        self.linked(slot).map(|node| node.list as usize)
    }

    pub(super) fn len(&self, list: usize) -> u32 {
        self.ends[list].len
    }

    pub(super) fn weight(&self, list: usize) -> u64 {
        self.ends[list].weight
    }

    pub(super) fn weight_of(&self, slot: u32) -> u32 {
        self.linked(slot).map_or(0, |node| node.weight)
    }

    #[inline]
    pub(super) fn mark(&self, slot: u32) -> u8 {
        self.linked(slot).map_or(0, |node| node.mark)
    }

    #[inline]
    pub(super) fn set_mark(&mut self, slot: u32, mark: u8) {
        if let Some(node) = self.nodes.get_mut(slot as usize) {
            node.mark = mark;
        }
    }

    /// Puts a slot at the back of a list, unmarked. One that is linked already is taken out first.
    pub(super) fn push_back(&mut self, list: usize, slot: u32, weight: u32) {
        assert!(slot != NIL, "the highest slot number stands for no slot");
        let index = slot as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, UNLINKED);
        }
        if self.nodes[index].list != NOWHERE {
            self.unlink(slot);
        }
        let ends = &mut self.ends[list];
        let before = std::mem::replace(&mut ends.back, slot);
        ends.len += 1;
        ends.weight += u64::from(weight);
        if before == NIL {
            ends.front = slot;
        } else {
            self.nodes[before as usize].next = slot;
        }
        self.nodes[index] = Node { previous: before, next: NIL, weight, list: list as u8, mark: 0 };
    }

    /// Moves a linked slot to the back of a list, its own or another, with its weight and its mark.
    #[inline]
    pub(super) fn move_to_back(&mut self, list: usize, slot: u32) {
        let Some(Node { previous, next, weight, list: own, mark }) = self.linked(slot).copied() else {
            return;
        };
        if usize::from(own) != list {
            self.push_back(list, slot, weight);
            self.nodes[slot as usize].mark = mark;
            return;
        }
        if next == NIL {
            return;
        }
        // Within a list neither length nor weight changes.
        self.nodes[next as usize].previous = previous;
        match previous {
            NIL => self.ends[list].front = next,
            previous => self.nodes[previous as usize].next = next,
        }
        let before = std::mem::replace(&mut self.ends[list].back, slot);
        self.nodes[before as usize].next = slot;
        let node = &mut self.nodes[slot as usize];
        node.previous = before;
        node.next = NIL;
    }

    /// Takes a slot out of its list; which one that was.
    #[inline]
    pub(super) fn unlink(&mut self, slot: u32) -> Option<usize> {
        let node = self.linked(slot).copied()?;
        let ends = &mut self.ends[node.list as usize];
        ends.len -= 1;
        ends.weight -= u64::from(node.weight);
        match node.previous {
            NIL => ends.front = node.next,
            previous => self.nodes[previous as usize].next = node.next,
        }
        match node.next {
            NIL => ends.back = node.previous,
            next => self.nodes[next as usize].previous = node.previous,
        }
        self.nodes[slot as usize] = UNLINKED;
        Some(node.list as usize)
    }

    /// Changes the weight of a linked slot.
    pub(super) fn reweigh(&mut self, slot: u32, weight: u32) {
        if let Some(list) = self.list_of(slot) {
            let node = &mut self.nodes[slot as usize];
            let ends = &mut self.ends[list];
            ends.weight = ends.weight - u64::from(node.weight) + u64::from(weight);
            node.weight = weight;
        }
    }

    /// Takes everything out and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.ends = [EMPTY; N];
    }

    #[inline]
    fn linked(&self, slot: u32) -> Option<&Node> {
        self.nodes.get(slot as usize).filter(|node| node.list != NOWHERE)
    }
}

impl<const N: usize> Default for Lists<N> {
    fn default() -> Lists<N> {
        Lists::new()
    }
}

const fn some(slot: u32) -> Option<u32> {
    if slot == NIL { None } else { Some(slot) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed(lists: &Lists<2>, list: usize) -> Vec<u32> {
        std::iter::successors(lists.front(list), |slot| lists.after(*slot)).collect()
    }

    proptest! {
        #[test]
        fn the_lists_are_queues_that_let_go_in_the_middle(
            steps in prop::collection::vec((0u8..5, 0u32..12, 0usize..2, 1u32..9), 0..200),
        ) {
            let mut lists = Lists::<2>::new();
            let mut plain: [Vec<(u32, u32)>; 2] = [Vec::new(), Vec::new()];
            for (what, slot, list, weight) in steps {
                let home = plain.iter().position(|queue| queue.iter().any(|other| other.0 == slot));
                let taken = |plain: &mut [Vec<(u32, u32)>; 2]| home.map(|home| {
                    let at = plain[home].iter().position(|other| other.0 == slot).expect("it is there");
                    plain[home].remove(at)
                });
                match what {
                    0 | 1 => {
                        taken(&mut plain);
                        plain[list].push((slot, weight));
                        lists.push_back(list, slot, weight);
                    }
                    2 => {
                        taken(&mut plain);
                        prop_assert_eq!(lists.unlink(slot), home);
                    }
                    3 => {
                        if let Some(entry) = taken(&mut plain) {
                            plain[list].push(entry);
                        }
                        lists.move_to_back(list, slot);
                    }
                    _ => {
                        lists.reweigh(slot, weight);
                        for entry in plain.iter_mut().flatten().filter(|entry| entry.0 == slot) {
                            entry.1 = weight;
                        }
                    }
                }
                for (list, queue) in plain.iter().enumerate() {
                    let order: Vec<u32> = queue.iter().map(|entry| entry.0).collect();
                    let weight: u64 = queue.iter().map(|entry| u64::from(entry.1)).sum();
                    prop_assert_eq!(listed(&lists, list), order);
                    prop_assert_eq!(lists.len(list) as usize, queue.len());
                    prop_assert_eq!(lists.weight(list), weight);
                }
            }
        }
    }
}

//! A doubly linked list over slot numbers: the order of things that live in a `Vec` elsewhere. All operations
//! are O(1); memory is taken only when a slot number is higher than any before. Knows nothing of what the
//! slots hold.

/// The place of no slot: the ring is closed by it, so that neither end is a special case.
const GUARD: u32 = 0;

/// Neighbours in the ring. A place that is not in the ring is a ring of its own, so that taking it out once more does
/// nothing.
#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
}

/// Slots from front to back.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkedSlots {
    /// The guard, then a place for each slot.
    links: Vec<Link>,
}

const fn place_of(slot: u32) -> u32 {
    slot + 1
}

const fn slot_at(place: u32) -> Option<u32> {
    place.checked_sub(1)
}

impl LinkedSlots {
    pub(crate) const fn new() -> LinkedSlots {
        LinkedSlots { links: Vec::new() }
    }

    /// The slot at the front.
    #[inline]
    pub(crate) fn front(&self) -> Option<u32> {
        slot_at(self.links.first()?.next)
    }

    /// The slot behind `slot`.
    pub(crate) fn after(&self, slot: u32) -> Option<u32> {
        let place = place_of(slot);
        let next = self.links.get(place as usize)?.next;
        if next == place { None } else { slot_at(next) }
    }

    /// Puts a slot at the back; one that is linked already is moved there.
    #[inline]
    pub(crate) fn push_back(&mut self, slot: u32) {
        assert!(slot != u32::MAX, "there is a place for each slot behind the guard's");
        let place = place_of(slot);
        if place as usize >= self.links.len() {
            self.make_places(place);
        }
        let links = self.links.as_mut_slice();
        let Link { previous, next } = links[place as usize];
        links[previous as usize].next = next;
        links[next as usize].previous = previous;
        let back = std::mem::replace(&mut links[GUARD as usize].previous, place);
        links[back as usize].next = place;
        links[place as usize] = Link { previous: back, next: GUARD };
    }

    /// Moves a slot that is linked to the back. As [`push_back`](Self::push_back), but never takes memory: a slot
    /// number higher than any before is left alone.
    #[inline(always)]
    pub(crate) fn move_to_back(&mut self, slot: u32) {
        let place = slot as usize + 1;
        let links = self.links.as_mut_slice();
        let Some(Link { previous, next }) = links.get(place).copied() else { return };
        links[previous as usize].next = next;
        links[next as usize].previous = previous;
        let back = std::mem::replace(&mut links[GUARD as usize].previous, place as u32);
        links[back as usize].next = place as u32;
        links[place] = Link { previous: back, next: GUARD };
    }

    /// Takes a slot out, wherever it is; `false` when it was not linked.
    #[inline]
    pub(crate) fn unlink(&mut self, slot: u32) -> bool {
        let place = place_of(slot.min(u32::MAX - 1));
        let Some(link) = self.links.get_mut(place as usize) else { return false };
        let Link { previous, next } = std::mem::replace(link, Link { previous: place, next: place });
        if next == place {
            return false;
        }
        self.links[previous as usize].next = next;
        self.links[next as usize].previous = previous;
        true
    }

    /// Gives the place of a slot in the ring to another, which is not linked.
    pub(crate) fn rename(&mut self, slot: u32, to: u32) {
        let (from, to) = (place_of(slot), place_of(to));
        let Some(Link { previous, next }) = self.links.get(from as usize).copied() else { return };
        if to as usize >= self.links.len() || next == from {
            return;
        }
        self.links[previous as usize].next = to;
        self.links[next as usize].previous = to;
        self.links[to as usize] = Link { previous, next };
        self.links[from as usize] = Link { previous: from, next: from };
    }

    /// Takes out the front.
    pub(crate) fn pop_front(&mut self) -> Option<u32> {
        let front = self.front()?;
        self.unlink(front);
        Some(front)
    }

    /// Takes everything out and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.links.clear();
    }

    #[cold]
    fn make_places(&mut self, last: u32) {
        let first = self.links.len() as u32;
        self.links.extend((first..=last).map(|place| Link { previous: place, next: place }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn listed(list: &LinkedSlots) -> Vec<u32> {
        std::iter::successors(list.front(), |slot| list.after(*slot)).collect()
    }

    proptest! {
        #[test]
        fn the_list_is_a_queue_that_lets_go_in_the_middle(
            steps in prop::collection::vec((0u8..6, 0u32..12), 0..200),
        ) {
            let mut list = LinkedSlots::new();
            let mut plain: VecDeque<u32> = VecDeque::new();
            for (what, slot) in steps {
                match what {
                    0 | 1 => {
                        plain.retain(|other| *other != slot);
                        plain.push_back(slot);
                        list.push_back(slot);
                    }
                    2 => {
                        let was_there = plain.contains(&slot);
                        plain.retain(|other| *other != slot);
                        prop_assert_eq!(list.unlink(slot), was_there);
                    }
                    3 if (slot as usize + 1) < list.links.len() => {
                        plain.retain(|other| *other != slot);
                        plain.push_back(slot);
                        list.move_to_back(slot);
                    }
                    3 => list.move_to_back(slot),
                    4 => {
                        // To the lowest that is not linked and was before.
                        let to = (0..list.links.len().saturating_sub(1) as u32).find(|other| !plain.contains(other));
                        if let Some(to) = to.filter(|_| plain.contains(&slot)) {
                            plain.iter_mut().filter(|other| **other == slot).for_each(|other| *other = to);
                            list.rename(slot, to);
                        }
                    }
                    _ => prop_assert_eq!(list.pop_front(), plain.pop_front()),
                }
                prop_assert_eq!(listed(&list), Vec::from(plain.clone()));
            }
        }
    }
}

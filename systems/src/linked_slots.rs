//! A doubly linked list over slot numbers: the order of things that live in a `Vec` elsewhere. All operations
//! are O(1); memory is taken only when a slot number is higher than any before. Knows nothing of what the
//! slots hold.

/// No slot.
const NIL: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    linked: bool,
}

const UNLINKED: Link = Link { previous: NIL, next: NIL, linked: false };

/// Slots from front to back.
#[derive(Clone, Debug)]
pub(crate) struct LinkedSlots {
    links: Vec<Link>,
    front: u32,
    back: u32,
}

impl LinkedSlots {
    pub(crate) const fn new() -> LinkedSlots {
        LinkedSlots { links: Vec::new(), front: NIL, back: NIL }
    }

    /// The slot at the front.
    pub(crate) fn front(&self) -> Option<u32> {
        (self.front != NIL).then_some(self.front)
    }

    /// The slot behind `slot`.
    pub(crate) fn after(&self, slot: u32) -> Option<u32> {
        self.links.get(slot as usize).map(|link| link.next).filter(|next| *next != NIL)
    }

    /// Puts a slot at the back; one that is linked already is moved there.
    pub(crate) fn push_back(&mut self, slot: u32) {
        assert!(slot != NIL, "the highest slot number stands for no slot");
        self.unlink(slot);
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, UNLINKED);
        }
        self.links[index] = Link { previous: self.back, next: NIL, linked: true };
        match self.back {
            NIL => self.front = slot,
            back => self.links[back as usize].next = slot,
        }
        self.back = slot;
    }

    /// Takes a slot out, wherever it is; `false` when it was not linked.
    pub(crate) fn unlink(&mut self, slot: u32) -> bool {
        let Some(link) = self.links.get_mut(slot as usize).filter(|link| link.linked) else { return false };
        let Link { previous, next, .. } = std::mem::replace(link, UNLINKED);
        match previous {
            NIL => self.front = next,
            previous => self.links[previous as usize].next = next,
        }
        match next {
            NIL => self.back = previous,
            next => self.links[next as usize].previous = previous,
        }
        true
    }

    /// Takes out the front.
    pub(crate) fn pop_front(&mut self) -> Option<u32> {
        let front = self.front()?;
        self.unlink(front);
        Some(front)
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
            steps in prop::collection::vec((0u8..4, 0u32..12), 0..200),
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
                    _ => prop_assert_eq!(list.pop_front(), plain.pop_front()),
                }
                prop_assert_eq!(listed(&list), Vec::from(plain.clone()));
            }
        }
    }
}

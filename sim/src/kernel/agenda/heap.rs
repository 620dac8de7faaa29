//! 4-ary heap of packed (time, sequence) keys: the agenda's second implementation.
//! Shares nothing with the timing wheel but the contract, so that agreement between them means something.

use super::{FIRST_GENERATION, Handle, NIL, PendingSet, RETIRED_GENERATION, Sequences, Time};

const ARITY: usize = 4;

/// A node of the heap. The key is the time above, the scheduling order below: one comparison orders both.
#[derive(Clone, Copy)]
struct Node {
    key: u128,
    place: u32,
}

/// Where an event is kept while its node moves.
#[derive(Clone, Copy)]
struct Place<E> {
    generation: u32,
    /// The node's position while pending, the next free place otherwise.
    link: u32,
    event: E,
}

pub(super) struct QuaternaryHeap<E> {
    nodes: Vec<Node>,
    places: Vec<Place<E>>,
    free: u32,
    sequence: u64,
    /// The sequence number of the entry popped last.
    popped: u64,
}

impl<E: Copy> QuaternaryHeap<E> {
    pub(super) fn new() -> QuaternaryHeap<E> {
        QuaternaryHeap { nodes: Vec::new(), places: Vec::new(), free: NIL, sequence: 0, popped: 0 }
    }

    /// How many entries were scheduled so far, and which of them, counting from one, was popped last.
    pub(super) fn sequences(&self) -> Sequences {
        Sequences { scheduled: self.sequence, popped: self.popped }
    }

    fn next_key(&mut self, at: Time) -> u128 {
        self.sequence += 1;
        u128::from(at.as_nanos()) << 64 | u128::from(self.sequence)
    }

    fn pending(&self, handle: Handle) -> bool {
        self.places.get(handle.slot as usize).is_some_and(|place| place.generation == handle.generation)
    }

    fn put(&mut self, position: usize, node: Node) {
        self.nodes[position] = node;
        self.places[node.place as usize].link = position as u32;
    }

    /// Moves the node at `position` towards the root until its parent is earlier.
    fn sift_up(&mut self, mut position: usize) {
        let node = self.nodes[position];
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.nodes[parent].key < node.key {
                break;
            }
            self.put(position, self.nodes[parent]);
            position = parent;
        }
        self.put(position, node);
    }

    /// Moves the node at `position` towards the leaves until its children are later.
    fn sift_down(&mut self, mut position: usize) {
        let node = self.nodes[position];
        loop {
            let first = position * ARITY + 1;
            let children = first..(first + ARITY).min(self.nodes.len());
            let Some(child) = children.min_by_key(|child| self.nodes[*child].key) else { break };
            if node.key < self.nodes[child].key {
                break;
            }
            self.put(position, self.nodes[child]);
            position = child;
        }
        self.put(position, node);
    }

    /// Removes the node at `position` and frees its place.
    fn remove(&mut self, position: usize) -> Node {
        let removed = self.nodes.swap_remove(position);
        if position < self.nodes.len() {
            self.sift_down(position);
            self.sift_up(position);
        }
        let place = &mut self.places[removed.place as usize];
        place.generation = place.generation.wrapping_add(1);
        // A place whose generations are used up is retired rather than let an ancient handle match again.
        if place.generation != RETIRED_GENERATION {
            place.link = self.free;
            self.free = removed.place;
        }
        removed
    }
}

impl<E: Copy> PendingSet<E> for QuaternaryHeap<E> {
    // None of these is inlined: they would only be in the way of the wheel.
    #[inline(never)]
    fn schedule(&mut self, at: Time, event: E) -> Handle {
        let slot = if self.free == NIL {
            assert!(self.places.len() < NIL as usize, "an agenda holds fewer than 2^32 entries");
            self.places.push(Place { generation: FIRST_GENERATION, link: NIL, event });
            self.places.len() as u32 - 1
        } else {
            let slot = self.free;
            self.free = self.places[slot as usize].link;
            self.places[slot as usize].event = event;
            slot
        };
        let key = self.next_key(at);
        self.nodes.push(Node { key, place: slot });
        self.sift_up(self.nodes.len() - 1);
        Handle { slot, generation: self.places[slot as usize].generation }
    }

    #[inline(never)]
    fn cancel(&mut self, handle: Handle) -> bool {
        let pending = self.pending(handle);
        if pending {
            self.remove(self.places[handle.slot as usize].link as usize);
        }
        pending
    }

    fn reschedule(&mut self, handle: Handle, at: Time) -> Handle {
        if !self.pending(handle) {
            return Handle::NONE;
        }
        let event = self.places[handle.slot as usize].event;
        self.cancel(handle);
        self.schedule(at, event)
    }

    #[inline(never)]
    fn pop_until(&mut self, bound: Time) -> Option<(Time, E)> {
        let at = self.peek_time()?;
        if at > bound {
            return None;
        }
        let removed = self.remove(0);
        self.popped = removed.key as u64;
        Some((at, self.places[removed.place as usize].event))
    }

    fn peek_time(&self) -> Option<Time> {
        self.nodes.first().map(|node| Time::from_nanos((node.key >> 64) as u64))
    }

    fn len(&self) -> usize {
        self.nodes.len()
    }

    fn peak_len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_retires_before_an_ancient_handle_could_match_again() {
        let mut heap = QuaternaryHeap::new();
        let ancient = heap.schedule(Time::ZERO, 'a');
        heap.pop_until(Time::MAX);
        heap.places[0].generation = u32::MAX;
        let last = heap.schedule(Time::ZERO, 'b');
        assert_eq!((last.slot, last.generation), (0, u32::MAX));
        assert!(heap.cancel(last) && !heap.cancel(last));
        let next = heap.schedule(Time::ZERO, 'c');
        assert_eq!((next.slot, next.generation), (1, FIRST_GENERATION), "place 0 has retired");
        assert!(!heap.cancel(ancient));
        assert_eq!(heap.pop_until(Time::MAX), Some((Time::ZERO, 'c')));
    }
}

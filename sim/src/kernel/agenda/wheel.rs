//! Hierarchical timing wheel: 64 slots on each of 11 levels over the whole range of `u64` nanoseconds.
//! Never looks at an event, never moves past the last entry it gave out, and leaves no tombstones.
//!
//! `base` is a time that no entry of the wheel is before. An entry lives on the level of the highest digit (of six
//! bits) in which its time differs from `base`, in the slot which that digit names. From this follow the three facts
//! that everything below relies on:
//! - the first entry is in the lowest occupied slot of the lowest occupied level;
//! - an entry's list can be computed from its time, so nothing has to remember it;
//! - equal times share one list, which is kept in scheduling order, so ties are first in, first out.
//!
//! `base` moves only when the first entry is given out. If that entry is alone in its slot, or on the lowest level,
//! `base` moves to its time. If it shares a slot above the lowest level with a few others, all of them leave the wheel
//! for [`Near`], where they are sorted, and `base` moves to the start of the slot: everything before the slot's end,
//! the `horizon`, now belongs there. If it shares the slot with many, `base` moves to its time, and its neighbours,
//! which now differ from `base` in a lower digit, move down: they cascade.
//!
//! Cascading a long list waits for memory once per entry, because each says where the next one is; with 256k
//! entries that is three quarters of a run. So long lists carry hints by which entries are looked at before
//! their turn, many at a time. Hints are never trusted.

use super::near::Near;
use super::{FIRST_GENERATION, Handle, NIL, PendingSet, RETIRED_GENERATION, Time};

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 11;
const SLOT_MASK: u64 = SLOTS as u64 - 1;

/// The level by the number of leading zero bits of `time ^ base`.
const LEVEL_BY_LEADING_ZEROS: [u8; 65] = {
    let mut table = [0; 65];
    let mut zeros = 0;
    while zeros < 64 {
        table[zeros] = ((63 - zeros) / DIGIT_BITS as usize) as u8;
        zeros += 1;
    }
    table
};

/// The `previous` of a place that is not in use.
const FREE: u32 = NIL - 1;

/// One pending event, or a free place. Aligned so that it never straddles two cache lines.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Entry<E> {
    at_ns: u64,
    /// [`NIL`] at the head of a list, [`FREE`] outside of any.
    previous: u32,
    next: u32,
    generation: u32,
    event: E,
}

const _: () =
    assert!(size_of::<Entry<[u32; 3]>>() <= 32, "an entry with a 12-byte event fills half a cache line");

/// The entries of one slot. Meaningless unless the slot's bit is set.
#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
    /// The earliest time that was put into the list, and the entry which brought it.
    earliest_ns: u64,
    earliest: u32,
}

const NO_LIST: List = List { head: NIL, tail: NIL, earliest_ns: u64::MAX, earliest: NIL };

/// Above so many places they no longer fit into a processor's own caches, and hints pay. Tests want them sooner.
const HINTED_PLACES: usize = if cfg!(test) { 8 } else { 1 << 15 };

/// Below this level the places of a list were looked at not long ago.
const HINTED_LEVEL: usize = 2;

/// The most hints that a list has.
const MAX_HINTS: usize = if cfg!(test) { 16 } else { 1 << 16 };

/// A list of at most so many entries is sorted at once and not moved down. Tests want both.
const FEW: usize = if cfg!(test) { 3 } else { 16 };

/// How many places a cascade looks at ahead of the one it moves.
const LOOK_AHEAD: usize = if cfg!(test) { 2 } else { 16 };

pub(super) struct Wheel<E> {
    base_ns: u64,
    /// Entries before this are in `near`, all others on the wheel.
    horizon_ns: u64,
    near: Near,
    /// No entry is earlier than this; spares looking again for one that was found to be past a bound.
    floor_ns: u64,
    /// Bit n: level n has an occupied slot.
    levels: u32,
    /// Bit n of `slots[level]`: the list of slot n is not empty.
    slots: [u64; LEVELS],
    lists: Box<[[List; SLOTS]; LEVELS]>,
    /// What was linked into each list, in order. Nothing depends on them but speed: they may be missing or stale.
    hints: Box<[[Vec<u32>; SLOTS]; LEVELS]>,
    entries: Vec<Entry<E>>,
    free: u32,
    len: usize,
}

impl<E: Copy> Wheel<E> {
    pub(super) fn new() -> Wheel<E> {
        Wheel {
            base_ns: 0,
            horizon_ns: 0,
            near: Near::new(),
            floor_ns: 0,
            levels: 0,
            slots: [0; LEVELS],
            lists: Box::new([[NO_LIST; SLOTS]; LEVELS]),
            hints: Box::new(std::array::from_fn(|_| std::array::from_fn(|_| Vec::new()))),
            entries: Vec::new(),
            free: NIL,
            len: 0,
        }
    }

    /// The level and slot of a pending time.
    #[inline]
    fn place(&self, at_ns: u64) -> (usize, usize) {
        let level = LEVEL_BY_LEADING_ZEROS[(at_ns ^ self.base_ns).leading_zeros() as usize] as usize;
        (level, (at_ns >> (level as u32 * DIGIT_BITS) & SLOT_MASK) as usize)
    }

    /// Appends an entry to the list of its time.
    #[inline]
    fn link(&mut self, index: u32, at_ns: u64) {
        let (level, slot) = self.place(at_ns);
        let bit = 1 << slot;
        let list = &mut self.lists[level][slot];
        let previous = if self.slots[level] & bit == 0 {
            self.slots[level] |= bit;
            self.levels |= 1 << level;
            *list = List { head: index, tail: index, earliest_ns: at_ns, earliest: index };
            NIL
        } else {
            let previous = list.tail;
            list.tail = index;
            if at_ns < list.earliest_ns {
                (list.earliest_ns, list.earliest) = (at_ns, index);
            }
            self.entries[previous as usize].next = index;
            previous
        };
        let entry = &mut self.entries[index as usize];
        entry.previous = previous;
        entry.next = NIL;
        if self.entries.len() > HINTED_PLACES && level >= HINTED_LEVEL {
            let hints = &mut self.hints[level][slot];
            if previous == NIL {
                hints.clear();
            }
            if hints.len() < MAX_HINTS {
                hints.push(index);
            }
        }
    }

    /// Takes an entry out of the list of its time.
    #[inline]
    fn unlink(&mut self, index: u32) {
        let Entry { at_ns, previous, next, .. } = self.entries[index as usize];
        if previous != NIL && next != NIL {
            self.entries[previous as usize].next = next;
            self.entries[next as usize].previous = previous;
            return;
        }
        let (level, slot) = self.place(at_ns);
        if previous == NIL && next == NIL {
            self.mark_empty(level, slot);
        } else if previous == NIL {
            self.entries[next as usize].previous = NIL;
            self.lists[level][slot].head = next;
        } else {
            self.entries[previous as usize].next = NIL;
            self.lists[level][slot].tail = previous;
        }
    }

    /// Takes the entries of a slot above the lowest level off the wheel if they are few; `false` if nothing was done.
    #[inline]
    fn bring_near(&mut self, level: usize, slot: usize) -> bool {
        let shift = level as u32 * DIGIT_BITS;
        let above = u64::MAX.checked_shl(shift + DIGIT_BITS).unwrap_or(0);
        let start_ns = self.base_ns & above | (slot as u64) << shift;
        // The last slot of all has no end.
        let Some(end_ns) = start_ns.checked_add(1 << shift) else { return false };
        let mut index = self.lists[level][slot].head;
        let mut count = 0;
        while index != NIL {
            count += 1;
            if count > FEW {
                return false;
            }
            index = self.entries[index as usize].next;
        }
        index = self.lists[level][slot].head;
        self.mark_empty(level, slot);
        while index != NIL {
            let Entry { at_ns, next, .. } = self.entries[index as usize];
            self.near.insert(at_ns, index);
            index = next;
        }
        self.base_ns = start_ns;
        self.horizon_ns = end_ns;
        true
    }

    /// Removes the first entry if nothing is near and its time is at most `bound_ns`.
    #[inline(never)]
    fn pop_from_wheel(&mut self, bound_ns: u64) -> Option<(Time, E)> {
        let (level, slot) = self.first_slot()?;
        let at_ns = self.earliest_ns(level, self.lists[level][slot]);
        if at_ns > bound_ns {
            self.floor_ns = at_ns;
            return None;
        }
        let index = self.take_from_wheel(level, slot, at_ns);
        Some((Time::from_nanos(at_ns), self.release(index)))
    }

    /// Takes the first entry, which is at `at_ns` and in this slot.
    #[inline]
    fn take_from_wheel(&mut self, level: usize, slot: usize, at_ns: u64) -> u32 {
        let list = self.lists[level][slot];
        if level == 0 || list.head == list.tail {
            self.base_ns = at_ns;
            return self.take_head(level, slot);
        }
        if self.bring_near(level, slot) {
            let (_, index) = self.near.first().expect("an occupied slot has entries");
            self.near.drop_first();
            return index;
        }
        self.cascade(level, slot, at_ns);
        self.take_head(0, (at_ns & SLOT_MASK) as usize)
    }

    /// Gives the wheel back what is too much for sorting by insertion.
    #[cold]
    fn push_away(&mut self, horizon_ns: u64) {
        let mut near = std::mem::take(&mut self.near);
        near.drain_from(horizon_ns, |(at_ns, index)| self.link(index, at_ns));
        self.near = near;
        self.horizon_ns = horizon_ns;
    }

    /// Takes the first entry out of an occupied slot.
    #[inline]
    fn take_head(&mut self, level: usize, slot: usize) -> u32 {
        let list = &mut self.lists[level][slot];
        let index = list.head;
        if index == list.tail {
            self.mark_empty(level, slot);
        } else {
            list.head = self.entries[index as usize].next;
            self.entries[list.head as usize].previous = NIL;
        }
        index
    }

    #[inline]
    fn mark_empty(&mut self, level: usize, slot: usize) {
        self.slots[level] &= !(1 << slot);
        self.levels &= !(u32::from(self.slots[level] == 0) << level);
    }

    /// Adds a free place; its event is any.
    #[cold]
    fn make_place(&mut self, event: E) {
        assert!(self.entries.len() < FREE as usize, "an agenda holds fewer than 2^32 entries");
        self.free = self.entries.len() as u32;
        let generation = FIRST_GENERATION;
        self.entries.push(Entry { at_ns: 0, previous: FREE, next: NIL, generation, event });
    }

    /// Makes every handle of an unlinked entry stale and its place reusable; what it held is given back.
    #[inline]
    fn release(&mut self, index: u32) -> E {
        self.len -= 1;
        let entry = &mut self.entries[index as usize];
        entry.previous = FREE;
        entry.generation = entry.generation.wrapping_add(1);
        // A place whose generations are used up is retired rather than let an ancient handle match again.
        if entry.generation != RETIRED_GENERATION {
            entry.next = self.free;
            self.free = index;
        }
        entry.event
    }

    fn pending(&self, handle: Handle) -> bool {
        self.entries.get(handle.slot as usize).is_some_and(|entry| entry.generation == handle.generation)
    }

    /// The lowest occupied level and its lowest occupied slot.
    #[inline]
    fn first_slot(&self) -> Option<(usize, usize)> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        Some((level, self.slots[level].trailing_zeros() as usize))
    }

    /// The time of the first entry of an occupied slot.
    #[inline]
    fn earliest_ns(&self, level: usize, list: List) -> u64 {
        let earliest = &self.entries[list.earliest as usize];
        // On the lowest level all of a list have one time. Above, the entry which brought it may be gone; if its
        // place is in use for the same time again, that does no harm, because equal times share one list.
        if level == 0 || (earliest.at_ns == list.earliest_ns && earliest.previous != FREE) {
            list.earliest_ns
        } else {
            self.earliest_left_ns(list)
        }
    }

    /// The same when the earliest entry was cancelled: looks at all that are left.
    #[cold]
    fn earliest_left_ns(&self, list: List) -> u64 {
        let mut earliest_ns = u64::MAX;
        let mut index = list.head;
        while index != NIL {
            let entry = &self.entries[index as usize];
            earliest_ns = earliest_ns.min(entry.at_ns);
            index = entry.next;
        }
        earliest_ns
    }

    /// Moves `base` to the earliest time of a list and the entries to where they now belong.
    fn cascade(&mut self, level: usize, slot: usize, earliest_ns: u64) {
        let mut index = self.lists[level][slot].head;
        self.mark_empty(level, slot);
        self.base_ns = earliest_ns;
        let hints = std::mem::take(&mut self.hints[level][slot]);
        if !hints.is_empty() {
            index = self.cascade_hinted(index, &hints);
        }
        while index != NIL {
            let Entry { at_ns, next, .. } = self.entries[index as usize];
            self.link(index, at_ns);
            index = next;
        }
    }

    /// Moves the entries of a list from `index` on, as far as there are hints.
    fn cascade_hinted(&mut self, mut index: u32, hints: &[u32]) -> u32 {
        for hint in hints.iter().take(LOOK_AHEAD) {
            self.look_at(*hint);
        }
        for (number, hint) in hints.iter().enumerate() {
            if let Some(ahead) = hints.get(number + LOOK_AHEAD) {
                self.look_at(*ahead);
            }
            if *hint == index {
                let Entry { at_ns, next, .. } = self.entries[index as usize];
                self.link(index, at_ns);
                index = next;
            }
        }
        index
    }

    /// Loads a place into the cache.
    #[inline]
    fn look_at(&self, index: u32) {
        std::hint::black_box(self.entries[index as usize].at_ns);
    }
}

impl<E: Copy> PendingSet<E> for Wheel<E> {
    #[inline]
    fn schedule(&mut self, at: Time, event: E) -> Handle {
        let at_ns = at.as_nanos();
        if self.free == NIL {
            self.make_place(event);
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        entry.at_ns = at_ns;
        entry.event = event;
        let generation = entry.generation;
        self.len += 1;
        self.floor_ns = self.floor_ns.min(at_ns);
        if at_ns >= self.horizon_ns {
            self.link(index, at_ns);
        } else {
            self.near.insert(at_ns, index);
            if let Some(horizon_ns) = self.near.overflow_ns() {
                self.push_away(horizon_ns);
            }
        }
        Handle { slot: index, generation }
    }

    #[inline]
    fn cancel(&mut self, handle: Handle) -> bool {
        let pending = self.pending(handle);
        if pending {
            if self.entries[handle.slot as usize].at_ns >= self.horizon_ns {
                self.unlink(handle.slot);
            } else {
                self.near.remove(handle.slot);
            }
            self.release(handle.slot);
        }
        pending
    }

    fn reschedule(&mut self, handle: Handle, at: Time) -> Handle {
        if !self.pending(handle) {
            return Handle::NONE;
        }
        let event = self.entries[handle.slot as usize].event;
        self.cancel(handle);
        self.schedule(at, event)
    }

    #[inline]
    fn pop_until(&mut self, bound: Time) -> Option<(Time, E)> {
        let bound_ns = bound.as_nanos();
        if bound_ns < self.floor_ns {
            return None;
        }
        // Most entries come from here, and this much is small enough to be a part of the loop.
        match self.near.first() {
            Some((at_ns, index)) if at_ns <= bound_ns => {
                self.near.drop_first();
                Some((Time::from_nanos(at_ns), self.release(index)))
            }
            Some((at_ns, _)) => {
                self.floor_ns = at_ns;
                None
            }
            None => self.pop_from_wheel(bound_ns),
        }
    }

    fn peek_time(&self) -> Option<Time> {
        if let Some((at_ns, _)) = self.near.first() {
            return Some(Time::from_nanos(at_ns));
        }
        let (level, slot) = self.first_slot()?;
        Some(Time::from_nanos(self.earliest_ns(level, self.lists[level][slot])))
    }

    fn len(&self) -> usize {
        self.len
    }

    fn peak_len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_retires_before_an_ancient_handle_could_match_again() {
        let mut wheel = Wheel::new();
        let ancient = wheel.schedule(Time::ZERO, 'a');
        wheel.pop_until(Time::MAX);
        wheel.entries[0].generation = u32::MAX;
        let last = wheel.schedule(Time::ZERO, 'b');
        assert_eq!((last.slot, last.generation), (0, u32::MAX));
        assert!(wheel.cancel(last) && !wheel.cancel(last));
        let next = wheel.schedule(Time::ZERO, 'c');
        assert_eq!((next.slot, next.generation), (1, FIRST_GENERATION), "place 0 has retired");
        assert!(!wheel.cancel(ancient));
        assert_eq!(wheel.pop_until(Time::MAX), Some((Time::ZERO, 'c')));
    }
}

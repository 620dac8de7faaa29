//! A generational arena: slots are reused, references to what is gone no longer match. Never shrinks.

/// A reference into a [`Slab`]; stale once its entry is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ref {
    slot: u32,
    generation: u32,
}

impl Ref {
    /// Not after any other reference.
    pub const FIRST: Ref = Ref { slot: 0, generation: 0 };

    /// Matches no entry of any slab; not before any other reference.
    pub const NONE: Ref = Ref { slot: u32::MAX, generation: u32::MAX };

    /// The slot, for events that are cancelled together with their entry.
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// The reference as one word.
    pub const fn pack(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The reference that [`Ref::pack`] made this word of.
    pub const fn unpack(word: u64) -> Ref {
        Ref { slot: word as u32, generation: (word >> 32) as u32 }
    }
}

struct Entry<T> {
    generation: u32,
    /// The free slot after this one, or [`IN_USE`].
    next: u32,
    /// Stays behind when the entry goes, until the slot is used again: nothing is moved, and a reference of the
    /// present generation needs no second question whether there is anything.
    value: T,
}

/// An arena of `T` with stable slots.
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: u32,
    live: usize,
}

const NO_SLOT: u32 = u32::MAX;

/// The `next` of a slot that is not free.
const IN_USE: u32 = NO_SLOT - 1;

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Slab { entries: Vec::new(), free: NO_SLOT, live: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.entries.len() * size_of::<Entry<T>>()) as u64
    }

    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Ref {
        self.live += 1;
        if let Some(entry) = self.entries.get_mut(self.free as usize) {
            let slot = std::mem::replace(&mut self.free, entry.next);
            entry.next = IN_USE;
            entry.value = value;
            return Ref { slot, generation: entry.generation };
        }
        // Not a function of its own: given to one, the value would have to be put together somewhere else first.
        let slot = self.entries.len() as u32;
        assert!(slot < IN_USE, "an arena holds fewer than 2^32 - 2 entries");
        self.entries.push(Entry { generation: 0, next: IN_USE, value });
        Ref { slot, generation: 0 }
    }

    #[inline]
    pub(crate) fn get(&self, at: Ref) -> Option<&T> {
        match self.entries.get(at.slot as usize) {
            Some(entry) if entry.generation == at.generation => Some(&entry.value),
            Some(_) | None => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: Ref) -> Option<&mut T> {
        match self.entries.get_mut(at.slot as usize) {
            Some(entry) if entry.generation == at.generation => Some(&mut entry.value),
            Some(_) | None => None,
        }
    }

    /// Where the live entry in `slot` is, for events that are always cancelled when their entry goes.
    #[inline]
    pub(crate) fn by_slot(&self, slot: u32) -> Option<Ref> {
        match self.entries.get(slot as usize) {
            Some(entry) if entry.next == IN_USE => Some(Ref { slot, generation: entry.generation }),
            Some(_) | None => None,
        }
    }

    /// The live entry in `slot`.
    #[inline]
    pub(crate) fn in_slot(&self, slot: u32) -> Option<&T> {
        match self.entries.get(slot as usize) {
            Some(entry) if entry.next == IN_USE => Some(&entry.value),
            Some(_) | None => None,
        }
    }

    /// Frees an entry and lets its content be looked at once more.
    #[inline]
    pub(crate) fn remove(&mut self, at: Ref) -> Option<&T> {
        let entry = self.entries.get_mut(at.slot as usize)?;
        if entry.generation != at.generation || entry.next != IN_USE {
            return None;
        }
        entry.next = self.free;
        entry.generation = entry.generation.wrapping_add(1);
        self.free = at.slot;
        self.live -= 1;
        Some(&entry.value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ref, &T)> {
        let used = self.entries.iter().enumerate().filter(|(_, entry)| entry.next == IN_USE);
        used.map(|(slot, entry)| (Ref { slot: slot as u32, generation: entry.generation }, &entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_a_removed_entry_matches_nothing_even_when_the_slot_is_used_again() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some(&"first"));
        let second = slab.insert("second");
        assert_eq!(second.slot(), first.slot());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.in_slot(first.slot()), Some(&"second"));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.get(Ref::NONE), None);
        assert_eq!(Ref::unpack(second.pack()), second);
        assert_eq!(slab.len(), 1);
        slab.remove(second);
        assert_eq!((slab.by_slot(second.slot()), slab.in_slot(second.slot())), (None, None));
        assert_eq!((slab.iter().count(), slab.len()), (0, 0));
    }
}

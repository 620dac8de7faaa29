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

enum Entry<T> {
    Free { next: u32 },
    Used(T),
}

/// An arena of `T` with stable slots.
pub(crate) struct Slab<T> {
    entries: Vec<(u32, Entry<T>)>,
    free: u32,
    live: usize,
}

const NO_SLOT: u32 = u32::MAX;

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Slab { entries: Vec::new(), free: NO_SLOT, live: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.entries.len() * size_of::<(u32, Entry<T>)>()) as u64
    }

    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> Ref {
        self.live += 1;
        if self.free == NO_SLOT {
            let slot = self.entries.len() as u32;
            self.entries.push((0, Entry::Used(value)));
            return Ref { slot, generation: 0 };
        }
        let slot = self.free;
        let (generation, entry) = &mut self.entries[slot as usize];
        let Entry::Free { next } = *entry else { unreachable!("the free list holds only free slots") };
        self.free = next;
        *entry = Entry::Used(value);
        Ref { slot, generation: *generation }
    }

    #[inline]
    pub(crate) fn get(&self, at: Ref) -> Option<&T> {
        match self.entries.get(at.slot as usize) {
            Some((generation, Entry::Used(value))) if *generation == at.generation => Some(value),
            Some(_) | None => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: Ref) -> Option<&mut T> {
        match self.entries.get_mut(at.slot as usize) {
            Some((generation, Entry::Used(value))) if *generation == at.generation => Some(value),
            Some(_) | None => None,
        }
    }

    /// The live entry in `slot`, for events that are always cancelled when their entry goes.
    pub(crate) fn by_slot(&self, slot: u32) -> Option<Ref> {
        match self.entries.get(slot as usize) {
            Some((generation, Entry::Used(_))) => Some(Ref { slot, generation: *generation }),
            Some(_) | None => None,
        }
    }

    /// Frees an entry whose content is no longer needed, without moving it.
    #[inline]
    pub(crate) fn discard(&mut self, at: Ref) {
        if self.get(at).is_none() {
            return;
        }
        let (generation, entry) = &mut self.entries[at.slot as usize];
        *entry = Entry::Free { next: self.free };
        *generation = generation.wrapping_add(1);
        self.free = at.slot;
        self.live -= 1;
    }

    #[inline]
    pub(crate) fn remove(&mut self, at: Ref) -> Option<T> {
        self.get(at)?;
        let free = self.free;
        let (generation, entry) = &mut self.entries[at.slot as usize];
        let old = std::mem::replace(entry, Entry::Free { next: free });
        *generation = generation.wrapping_add(1);
        self.free = at.slot;
        self.live -= 1;
        match old {
            Entry::Used(value) => Some(value),
            Entry::Free { .. } => unreachable!("the entry was just seen in use"),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ref, &T)> {
        self.entries.iter().enumerate().filter_map(|(slot, (generation, entry))| match entry {
            Entry::Used(value) => Some((Ref { slot: slot as u32, generation: *generation }, value)),
            Entry::Free { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_a_removed_entry_matches_nothing_even_when_the_slot_is_used_again() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(second.slot(), first.slot());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.get(Ref::NONE), None);
        assert_eq!(Ref::unpack(second.pack()), second);
        assert_eq!(slab.len(), 1);
    }
}

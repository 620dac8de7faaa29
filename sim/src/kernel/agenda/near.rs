//! The few entries that are next, sorted. Never decides what belongs here; the wheel does.
//!
//! Entries that are soon due are taken from the wheel a few at a time and put in order here once, which costs less
//! than moving each of them down the wheel's levels one by one.

/// Past so many entries the last ones go back to the wheel: putting in order by insertion is for few.
const MOST: usize = if cfg!(test) { 6 } else { 32 };

/// Entries in the order (time, scheduling order), each as its time and its place.
#[derive(Default)]
pub(super) struct Near {
    /// Before `head` they were given out.
    entries: Vec<(u64, u32)>,
    head: usize,
}

impl Near {
    pub(super) fn new() -> Near {
        Near { entries: Vec::with_capacity(2 * MOST), head: 0 }
    }

    /// The time and the place of the first entry.
    #[inline]
    pub(super) fn first(&self) -> Option<(u64, u32)> {
        self.entries.get(self.head).copied()
    }

    /// Takes out the first entry, which there is.
    #[inline]
    pub(super) fn drop_first(&mut self) {
        self.head += 1;
        self.clear_if_over();
    }

    /// Adds an entry behind all those of the same time.
    #[inline(always)]
    pub(super) fn insert(&mut self, at_ns: u64, index: u32) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.drain(..self.head);
            self.head = 0;
        }
        // Found and made room for in one go: few are later, and a call that moves them costs more than they do.
        self.entries.push((at_ns, index));
        let mut waiting = &mut self.entries[self.head..];
        while let Some((place, earlier)) = waiting.split_last_mut() {
            match earlier.last() {
                Some(before) if before.0 > at_ns => *place = *before,
                Some(_) | None => {
                    *place = (at_ns, index);
                    return;
                }
            }
            waiting = earlier;
        }
    }

    /// Takes out an entry that is here.
    pub(super) fn remove(&mut self, index: u32) {
        let waiting = &self.entries[self.head..];
        let position = waiting.iter().position(|(_, other)| *other == index);
        self.entries.remove(self.head + position.expect("what is due before the horizon is here"));
        self.clear_if_over();
    }

    /// If there are too many: the time of the last ones, which are to leave.
    #[inline]
    pub(super) fn overflow_ns(&self) -> Option<u64> {
        let is_too_long = self.entries.len() - self.head > MOST;
        if is_too_long { self.entries.last().map(|(at_ns, _)| *at_ns) } else { None }
    }

    /// Takes out the last ones, at the time that [`Near::overflow_ns`] gave; `leaves` sees them in order.
    pub(super) fn drain_from(&mut self, horizon_ns: u64, leaves: impl FnMut((u64, u32))) {
        let stay = self.entries[self.head..].partition_point(|(at_ns, _)| *at_ns < horizon_ns);
        self.entries.drain(self.head + stay..).for_each(leaves);
        self.clear_if_over();
    }

    #[inline]
    fn clear_if_over(&mut self) {
        if self.head == self.entries.len() {
            self.entries.clear();
            self.head = 0;
        }
    }
}

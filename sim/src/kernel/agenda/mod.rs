//! The pending-event set: what is still to happen, in the total order (virtual time, scheduling order).
//! Never reads a clock, never draws, never drops an entry on its own, and does not know what an event means.
//!
//! Two implementations stand behind one type. The hierarchical timing wheel is what every run uses; the
//! 4-ary heap exists so that a whole simulation can be replayed on something that shares no code with the
//! wheel, which is how `verify` shows that the choice does not change a result. The branch between them is
//! the same on every call of a run and costs nothing that can be measured.

mod heap;
#[cfg(test)]
mod laws;
mod near;
#[cfg(test)]
mod sorted;
mod wheel;

use super::time::Time;
use heap::QuaternaryHeap;
use wheel::Wheel;

/// Which implementation an [`Agenda`] runs on. Changes how fast a run is, never what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgendaTuning {
    /// Hierarchical timing wheel: constant-time arm and cancel. The default.
    #[default]
    Wheel,
    /// 4-ary heap of packed (time, sequence) keys: the slower second opinion.
    Heap,
}

impl AgendaTuning {
    /// Every tuning there is, the default first.
    pub const ALL: [AgendaTuning; 2] = [AgendaTuning::Wheel, AgendaTuning::Heap];

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            AgendaTuning::Wheel => "wheel",
            AgendaTuning::Heap => "heap",
        }
    }
}

/// Names one scheduled entry for as long as it is pending. Once the entry was popped, cancelled or
/// rescheduled the handle is stale for ever: using it does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    slot: u32,
    generation: u32,
}

impl Handle {
    /// Names no entry, now or ever.
    pub const NONE: Handle = Handle { slot: NIL, generation: RETIRED_GENERATION };

    /// Whether this is [`Handle::NONE`]. A `false` does not say that the entry is still pending.
    pub const fn is_none(self) -> bool {
        self.slot == NIL
    }
}

impl Default for Handle {
    fn default() -> Handle {
        Handle::NONE
    }
}

/// Where an agenda stands in the order of scheduling: what tells which event scheduled which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    /// How many entries were scheduled so far, those scheduled anew included.
    pub scheduled: u64,
    /// Which of them, counting from one, was popped last; 0 if none was.
    pub popped: u64,
}

/// The end of a linked list, and the slot of [`Handle::NONE`].
const NIL: u32 = u32::MAX;

/// The generation of a place's first entry; each entry that leaves adds one.
const FIRST_GENERATION: u32 = 1;

/// The generation, after the last one, of a place that takes no more entries. No handle ever has it.
const RETIRED_GENERATION: u32 = 0;

/// What both implementations owe. Callers pass only times that are not before the last one popped, nor before
/// a bound at which the agenda was left by [`Agenda::advance`].
trait PendingSet<E: Copy> {
    /// Adds an entry behind all those of the same time.
    fn schedule(&mut self, at: Time, event: E) -> Handle;
    /// Removes an entry; `false` when the handle is stale.
    fn cancel(&mut self, handle: Handle) -> bool;
    /// Moves an entry behind all those at `at` and makes `handle` stale; `NONE` when it was stale already.
    fn reschedule(&mut self, handle: Handle, at: Time) -> Handle;
    /// Removes the first entry if its time is at most `bound`.
    fn pop_until(&mut self, bound: Time) -> Option<(Time, E)>;
    /// The time of the first entry.
    fn peek_time(&self) -> Option<Time>;
    /// How many entries are pending.
    fn len(&self) -> usize;
    /// The most entries that were ever pending at once.
    fn peak_len(&self) -> usize;
}

/// The pending-event set of one simulation.
///
/// Entries leave in the order (time, scheduling order), so equal times run first in, first out.
/// Scheduling and cancelling are O(1) on the wheel whatever is pending.
///
/// ```text
/// let timeout = agenda.schedule(now + timeout_span, Event::Timeout(call));   // arm
/// agenda.cancel(timeout);                                                   // disarm; stale handles are ignored
/// let timeout = agenda.reschedule(timeout, later);                          // re-arm, keeping the event
/// ```
pub struct Agenda<E: Copy> {
    now: Time,
    pending: Pending<E>,
}

enum Pending<E: Copy> {
    Wheel(Wheel<E>),
    Heap(QuaternaryHeap<E>),
}

macro_rules! on_pending {
    ($agenda:expr, $set:ident => $call:expr) => {
        match $agenda {
            Pending::Wheel($set) => $call,
            Pending::Heap($set) => $call,
        }
    };
}

impl<E: Copy> Agenda<E> {
    /// An empty agenda at the origin of time, on the default tuning.
    pub fn new() -> Agenda<E> {
        Agenda::with_tuning(AgendaTuning::default())
    }

    /// An empty agenda at the origin of time.
    pub fn with_tuning(tuning: AgendaTuning) -> Agenda<E> {
        let pending = match tuning {
            AgendaTuning::Wheel => Pending::Wheel(Wheel::new()),
            AgendaTuning::Heap => Pending::Heap(QuaternaryHeap::new()),
        };
        Agenda { now: Time::ZERO, pending }
    }

    /// Adds `event` at `at`, behind every entry already pending for that instant.
    ///
    /// The past cannot be scheduled: a time before [`Agenda::now`] counts as now, and is an error of the
    /// caller that debug builds stop at.
    ///
    /// # Panics
    /// In debug builds, when `at` is before [`Agenda::now`]. In any build, past 2^32 - 1 pending entries.
    #[inline]
    pub fn schedule(&mut self, at: Time, event: E) -> Handle {
        let at = self.not_before_now(at);
        on_pending!(&mut self.pending, set => set.schedule(at, event))
    }

    /// Removes an entry. `false`, and nothing else, when it was popped, cancelled or rescheduled before.
    #[inline]
    pub fn cancel(&mut self, handle: Handle) -> bool {
        on_pending!(&mut self.pending, set => set.cancel(handle))
    }

    /// Moves a pending entry to `at`, behind every entry already pending there, and returns its new handle;
    /// the old one becomes stale. The same as cancelling and scheduling the event again. For a stale handle
    /// nothing happens and [`Handle::NONE`] comes back.
    ///
    /// # Panics
    /// In debug builds, when `at` is before [`Agenda::now`].
    #[inline]
    pub fn reschedule(&mut self, handle: Handle, at: Time) -> Handle {
        let at = self.not_before_now(at);
        on_pending!(&mut self.pending, set => set.reschedule(handle, at))
    }

    /// Removes and returns the next entry if its time is at most `bound`, and makes that time [`Agenda::now`].
    /// Otherwise changes nothing: entries between now and `bound` may still be scheduled.
    #[inline]
    pub fn pop_until(&mut self, bound: Time) -> Option<(Time, E)> {
        let popped = on_pending!(&mut self.pending, set => set.pop_until(bound));
        if let Some((at, _)) = popped {
            self.now = at;
        }
        popped
    }

    /// The time of the next entry. Changes nothing.
    pub fn peek_time(&self) -> Option<Time> {
        on_pending!(&self.pending, set => set.peek_time())
    }

    /// The time of the last entry popped, or the bound of the last run if that was later.
    #[inline]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Where this agenda stands in the order of scheduling. Only the heap numbers its entries: the wheel keeps their
    /// order without, which is one reason why it is the faster one.
    pub fn sequences(&self) -> Option<Sequences> {
        match &self.pending {
            Pending::Wheel(_) => None,
            Pending::Heap(heap) => Some(heap.sequences()),
        }
    }

    /// How many entries are pending.
    pub fn len(&self) -> usize {
        on_pending!(&self.pending, set => set.len())
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes counted against a memory bound: 20 and an event for the most entries ever pending, rounded up to
    /// a power of two because vectors grow that way. Counted, not measured, so that every tuning, build and
    /// allocator gives the same number.
    pub fn memory_bytes(&self) -> usize {
        let peak_entries = on_pending!(&self.pending, set => set.peak_len());
        peak_entries.next_power_of_two() * (size_of::<E>() + ENTRY_OVERHEAD_BYTES)
    }

    /// Declares that everything up to `to` has been handled: nothing may be scheduled before it from now on.
    ///
    /// # Panics
    /// In debug builds, when an entry before `to` is pending.
    pub(super) fn advance(&mut self, to: Time) {
        debug_assert!(
            self.peek_time().is_none_or(|next| next >= to),
            "time may not jump over a pending entry"
        );
        self.now = self.now.max(to);
    }

    #[inline]
    fn not_before_now(&self, at: Time) -> Time {
        debug_assert!(at >= self.now, "scheduled at {at}, which is before {}", self.now);
        at.max(self.now)
    }
}

impl<E: Copy> Default for Agenda<E> {
    fn default() -> Agenda<E> {
        Agenda::new()
    }
}

/// What an entry of the wheel holds beside its event.
const ENTRY_OVERHEAD_BYTES: usize = 20;

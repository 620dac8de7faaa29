//! Tumbling and hopping windows by the time of the events, with a watermark and allowed lateness (the model of
//! Beam and Flink). Every event is accounted for: in a window, dropped as late or early, or still in flight. Never
//! keeps more slices than it began with.

use super::super::histogram::{Accumulator, ShapeMismatch};
use super::watermark::Watermark;
use crate::time::Time;

mod config;

pub use config::{EarlyPolicy, EventWindowConfig, EventWindowError, LatePolicy};

/// A window's content, as told to whoever listens.
#[derive(Debug)]
pub struct Pane<'a, A> {
    /// Begin of the window, which belongs to it.
    pub start: Time,
    /// End of the window, which does not.
    pub end: Time,
    /// What it says about what was told before.
    pub kind: PaneKind,
    /// The content. Never empty.
    pub content: &'a A,
}

/// How a pane relates to earlier ones of the same window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaneKind {
    /// The first: the watermark has passed the end.
    OnTime,
    /// Takes the place of what was told before: an allowed late event has come in.
    Revised,
    /// To be added to what was told before, which is no longer held: [`LatePolicy::Reopen`].
    Added,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// In its windows, none of which had been told yet.
    OnTime,
    /// In its windows, some of which were told again.
    Revised,
    /// Too late, or too far ahead, and counted in the current window instead.
    Moved,
    /// Too late, and told as an addition to its windows.
    Reopened,
    /// Too late, and not counted in any window.
    DroppedLate,
    /// Too far ahead, and not counted in any window.
    DroppedEarly,
}

/// Where all the events are. `offered` is the sum of the others, the two `moved` ones apart: events moved are
/// among those in flight and closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowAccounts {
    /// Events recorded.
    pub offered: u64,
    /// In slices that windows may still need.
    pub in_flight: u64,
    /// In slices whose windows are all told and past their allowed lateness.
    pub closed: u64,
    /// Told as additions, see [`LatePolicy::Reopen`].
    pub reopened: u64,
    /// Not counted, being too late.
    pub dropped_late: u64,
    /// Not counted, being too far ahead.
    pub dropped_early: u64,
    /// Counted in the current window, being too late.
    pub moved_late: u64,
    /// Counted in the current window, being too far ahead.
    pub moved_early: u64,
    /// Times the watermark was pushed because a slow source would have needed more memory.
    pub forced: u64,
}

/// Tumbling or hopping windows of one series.
///
/// Events go into slices of one hop; a window is a merge of slices (Li, Maier et al., "No pane, no gain", 2005).
/// Whoever calls passes a closure that is told every pane, in order of their ends. No memory is taken after `new`.
#[derive(Clone, Debug)]
pub struct EventWindows<A> {
    config: EventWindowConfig,
    hop_ns: u64,
    slices_per_window: u64,
    /// Ring: slice number modulo its length.
    ring: Vec<A>,
    /// Lowest slice number kept.
    oldest: u64,
    /// Highest slice number with an event.
    newest: u64,
    merged: A,
    watermark: Watermark,
    accounts: WindowAccounts,
}

/// What comes in at once: a value as often as counted, or what a source has recorded by itself.
#[derive(Clone, Copy)]
enum Recorded<'a, A> {
    Value(u64, u64),
    Batch(&'a A),
}

impl<A: Accumulator> Recorded<'_, A> {
    fn count(&self) -> u64 {
        match self {
            Recorded::Value(_, count) => *count,
            Recorded::Batch(batch) => batch.count(),
        }
    }

    fn add_to(&self, slice: &mut A) {
        match self {
            Recorded::Value(value, count) => slice.record_n(*value, *count),
            // All slices are copies of one blank, and the batch was tried on one of them.
            Recorded::Batch(batch) => slice.merge(batch).expect("the batch has the shape of the slices"),
        }
    }
}

/// Who is told about panes.
pub type Listener<'a, A> = &'a mut dyn FnMut(Pane<'_, A>);

impl<A: Accumulator + Clone> EventWindows<A> {
    /// No events yet, at `now`. Windows are copies of `blank`.
    ///
    /// # Errors
    /// [`EventWindowError`] names the field of the config out of range.
    pub fn new(config: EventWindowConfig, blank: &A, now: Time) -> Result<EventWindows<A>, EventWindowError> {
        let slices = config.slices()?;
        let mut merged = blank.clone();
        merged.clear();
        let sources = config.sources as usize;
        Ok(EventWindows {
            hop_ns: config.hop.as_nanos(),
            slices_per_window: config.length.as_nanos() / config.hop.as_nanos(),
            ring: vec![merged.clone(); slices],
            oldest: 0,
            newest: 0,
            merged,
            watermark: Watermark::new(sources, config.out_of_order, config.idle_after, now),
            accounts: WindowAccounts::default(),
            config,
        })
    }

    /// Records `value`, measured at `event_at` by its source's clock and received at `now`, as often as `count`
    /// says.
    pub fn record_n(
        &mut self,
        now: Time,
        (source, event_at): (usize, Time),
        (value, count): (u64, u64),
        listener: Listener<'_, A>,
    ) -> Placed {
        self.take((now, source), (event_at, event_at), Recorded::Value(value, count), listener)
    }

    /// Takes in what a source has recorded by itself up to its time `end` (excluded), received at `now`. All of it
    /// goes to the slice that the last instant before `end` is in, and nothing before `end` is expected of the source
    /// any more.
    ///
    /// # Errors
    /// [`ShapeMismatch`] when the source divides the numbers differently; nothing is changed then.
    pub fn merge_from(
        &mut self,
        now: Time,
        (source, end): (usize, Time),
        batch: &A,
        listener: Listener<'_, A>,
    ) -> Result<Placed, ShapeMismatch> {
        self.merged.clear();
        self.merged.merge(batch)?;
        let last = Time::from_nanos(end.as_nanos().saturating_sub(1));
        Ok(self.take((now, source), (last, end), Recorded::Batch(batch), listener))
    }

    /// Takes in what was recorded at `event_at` by a source that is done with everything before `done_to`.
    fn take(
        &mut self,
        (now, source): (Time, usize),
        (event_at, done_to): (Time, Time),
        what: Recorded<'_, A>,
        listener: Listener<'_, A>,
    ) -> Placed {
        let count = what.count();
        self.accounts.offered = self.accounts.offered.saturating_add(count);
        let (event_at, done_to, early) = match self.config.early {
            _ if event_at.since(now) <= self.config.max_ahead => (event_at, done_to, false),
            EarlyPolicy::Drop => {
                self.accounts.dropped_early = self.accounts.dropped_early.saturating_add(count);
                return Placed::DroppedEarly;
            }
            EarlyPolicy::CountIntoCurrent => {
                self.accounts.moved_early = self.accounts.moved_early.saturating_add(count);
                (now, now, true)
            }
        };
        self.watermark.observe(now, source, event_at);
        self.expire(now, listener);
        let placed = self.place(event_at, what, listener);
        if done_to > event_at {
            self.watermark.observe(now, source, done_to);
            self.expire(now, listener);
        }
        if early && matches!(placed, Placed::OnTime | Placed::Revised) { Placed::Moved } else { placed }
    }

    /// Records one value; see [`record_n`](Self::record_n).
    pub fn record(&mut self, now: Time, at: (usize, Time), value: u64, listener: Listener<'_, A>) -> Placed {
        self.record_n(now, at, (value, 1), listener)
    }

    /// Tells the windows that are complete by now. To be called when [`deadline`](Self::deadline) has come, so that
    /// a silent source does not hold the others back.
    pub fn expire(&mut self, now: Time, listener: Listener<'_, A>) {
        let before = self.watermark.current();
        if self.watermark.advance(now) > before {
            self.tell_complete(before, listener);
        }
    }

    /// When [`expire`](Self::expire) wants to be called next.
    pub fn deadline(&self, now: Time) -> Option<Time> {
        self.watermark.deadline(now)
    }

    /// No more events before `time` will come, whatever the sources have sent: tells the windows that end by then.
    /// With [`Time::MAX`] all of them.
    pub fn advance_to(&mut self, time: Time, listener: Listener<'_, A>) {
        let before = self.watermark.current();
        self.watermark.advance_to(time);
        self.tell_complete(before, listener);
    }

    /// As far as event time is complete.
    pub const fn watermark(&self) -> Time {
        self.watermark.current()
    }

    /// Where all the events are.
    pub const fn accounts(&self) -> &WindowAccounts {
        &self.accounts
    }

    fn place(&mut self, event_at: Time, what: Recorded<'_, A>, listener: Listener<'_, A>) -> Placed {
        let slice = event_at.as_nanos() / self.hop_ns;
        if slice >= self.oldest {
            return self.put(slice, what, listener);
        }
        let count = what.count();
        match self.config.late {
            LatePolicy::Drop => {
                self.accounts.dropped_late = self.accounts.dropped_late.saturating_add(count);
                Placed::DroppedLate
            }
            LatePolicy::CountIntoCurrent => {
                self.accounts.moved_late = self.accounts.moved_late.saturating_add(count);
                let current = self.watermark.current().as_nanos() / self.hop_ns;
                self.put(current.max(self.oldest), what, listener);
                Placed::Moved
            }
            LatePolicy::Reopen => {
                self.accounts.reopened = self.accounts.reopened.saturating_add(count);
                self.merged.clear();
                what.add_to(&mut self.merged);
                for last in slice..slice.saturating_add(self.slices_per_window) {
                    self.tell_merged(last, PaneKind::Added, listener);
                }
                Placed::Reopened
            }
        }
    }

    /// Puts an event into a slice that is kept, or will be.
    fn put(&mut self, slice: u64, what: Recorded<'_, A>, listener: Listener<'_, A>) -> Placed {
        let kept = self.ring.len() as u64;
        if slice - self.oldest >= kept {
            // A slow source holds back more slices than there is room for: the oldest have to be told now.
            let oldest_allowed = slice - kept + 1;
            let before = self.watermark.current();
            let forced = self.time_that_closes(oldest_allowed);
            if forced > before {
                self.accounts.forced = self.accounts.forced.saturating_add(1);
                self.watermark.advance_to(forced);
                self.tell_complete(before, listener);
            }
            self.close_before(oldest_allowed);
        }
        self.newest = self.newest.max(slice);
        let place = self.place_in_ring(slice);
        what.add_to(&mut self.ring[place]);
        self.accounts.in_flight = self.accounts.in_flight.saturating_add(what.count());
        let told = self.tell_again(slice, listener);
        if told { Placed::Revised } else { Placed::OnTime }
    }

    /// Tells those windows with `slice` in them again which were told before.
    fn tell_again(&mut self, slice: u64, listener: Listener<'_, A>) -> bool {
        let mut told = false;
        for last in slice..slice.saturating_add(self.slices_per_window) {
            if self.end_of(last) > self.reached() {
                break;
            }
            self.tell(last, PaneKind::Revised, listener);
            told = true;
        }
        told
    }

    /// Tells the windows whose end the watermark has passed since it stood at `before`, and lets go of slices.
    fn tell_complete(&mut self, before: Time, listener: Listener<'_, A>) {
        let now = self.reached();
        let first = (before.as_nanos() / self.hop_ns).max(self.oldest);
        // No window further on has an event.
        let beyond = self.newest.saturating_add(self.slices_per_window);
        for last in first..beyond {
            if self.end_of(last) > now {
                break;
            }
            self.tell(last, PaneKind::OnTime, listener);
        }
        self.close_before(self.oldest_needed(now));
    }

    /// The lowest slice that a window not past its allowed lateness has at `reached`.
    fn oldest_needed(&self, reached: u128) -> u64 {
        if reached == u128::MAX {
            return self.newest.saturating_add(1);
        }
        let length = u128::from(self.config.length.as_nanos());
        let kept_for = length + u128::from(self.config.allowed_lateness.as_nanos());
        // A slice is let go when the watermark passes its last window's end by the lateness.
        match reached.checked_sub(kept_for) {
            Some(passed) => (passed / u128::from(self.hop_ns)) as u64 + 1,
            None => 0,
        }
    }

    /// The watermark; beyond everything once it is at the end of time.
    fn reached(&self) -> u128 {
        match self.watermark.current() {
            Time::MAX => u128::MAX,
            time => u128::from(time.as_nanos()),
        }
    }

    /// The watermark at which no slice before `slice` is needed any more.
    fn time_that_closes(&self, slice: u64) -> Time {
        let start = u128::from(slice.saturating_sub(1)) * u128::from(self.hop_ns);
        let closes = start
            + u128::from(self.config.length.as_nanos())
            + u128::from(self.config.allowed_lateness.as_nanos());
        Time::from_nanos(u64::try_from(closes).unwrap_or(u64::MAX))
    }

    fn close_before(&mut self, slice: u64) {
        let end = self.oldest.saturating_add(self.ring.len() as u64);
        for number in self.oldest..slice.min(end) {
            let place = self.place_in_ring(number);
            let count = self.ring[place].count();
            self.accounts.in_flight = self.accounts.in_flight.saturating_sub(count);
            self.accounts.closed = self.accounts.closed.saturating_add(count);
            self.ring[place].clear();
        }
        self.oldest = self.oldest.max(slice);
    }

    /// Tells the window that ends with slice `last`, if there is anything in it.
    fn tell(&mut self, last: u64, kind: PaneKind, listener: Listener<'_, A>) {
        self.merged.clear();
        let first = (last + 1).saturating_sub(self.slices_per_window).max(self.oldest);
        let end = self.oldest.saturating_add(self.ring.len() as u64);
        for slice in first..(last + 1).min(end) {
            let place = self.place_in_ring(slice);
            if self.ring[place].count() == 0 {
                continue;
            }
            // All are copies of one blank.
            self.merged.merge(&self.ring[place]).expect("slices of one series have the same shape");
        }
        if self.merged.count() > 0 {
            self.tell_merged(last, kind, listener);
        }
    }

    fn tell_merged(&mut self, last: u64, kind: PaneKind, listener: Listener<'_, A>) {
        let end = u64::try_from(self.end_of(last)).unwrap_or(u64::MAX);
        let start = (last + 1).saturating_sub(self.slices_per_window).saturating_mul(self.hop_ns);
        let (start, end) = (Time::from_nanos(start), Time::from_nanos(end));
        listener(Pane { start, end, kind, content: &self.merged });
    }

    /// Where the window whose last slice is `slice` ends. Past the end of time for the very last ones.
    fn end_of(&self, slice: u64) -> u128 {
        (u128::from(slice) + 1) * u128::from(self.hop_ns)
    }

    fn place_in_ring(&self, slice: u64) -> usize {
        (slice % self.ring.len() as u64) as usize
    }
}

//! How far event time has come: the moment before which no more events are expected, from what several sources
//! have sent. A source that is silent for too long no longer holds the others back. Never goes back.

use crate::time::{Span, Time};

/// Event time as far as it is complete.
#[derive(Clone, Debug)]
pub struct Watermark {
    out_of_order: Span,
    idle_after: Span,
    sources: Vec<Source>,
    current: Time,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    /// The latest event it sent.
    latest: Time,
    heard_at: Time,
}

impl Watermark {
    /// `sources` sources, none of which has sent anything at `now`. Events are expected at most `out_of_order`
    /// behind the latest of their source; a source that was silent for `idle_after` is left out. At least one
    /// source.
    pub fn new(sources: usize, out_of_order: Span, idle_after: Span, now: Time) -> Watermark {
        let silent = Source { latest: Time::ZERO, heard_at: now };
        Watermark { out_of_order, idle_after, sources: vec![silent; sources.max(1)], current: Time::ZERO }
    }

    /// A source sent an event. A number past the last source means the last.
    pub fn observe(&mut self, now: Time, source: usize, event_at: Time) {
        let last = self.sources.len() - 1;
        let source = &mut self.sources[source.min(last)];
        source.latest = source.latest.max(event_at);
        source.heard_at = source.heard_at.max(now);
    }

    /// Moves on as far as the sources that are not idle allow; with all of them idle it stands still.
    pub fn advance(&mut self, now: Time) -> Time {
        let active = self.sources.iter().filter(|source| now.since(source.heard_at) < self.idle_after);
        if let Some(slowest) = active.map(|source| source.latest).min() {
            self.advance_to(Time::ZERO + slowest.since(Time::ZERO + self.out_of_order));
        }
        self.current
    }

    /// Moves on to `time`, if it is later.
    pub fn advance_to(&mut self, time: Time) {
        self.current = self.current.max(time);
    }

    /// As far as event time is complete: events earlier than this are late.
    pub const fn current(&self) -> Time {
        self.current
    }

    /// When the next source will count as idle, if it stays silent. `None` when all are idle already.
    pub fn deadline(&self, now: Time) -> Option<Time> {
        let active = self.sources.iter().filter(|source| now.since(source.heard_at) < self.idle_after);
        active.filter_map(|source| source.heard_at.checked_add(self.idle_after)).min()
    }
}

//! Session windows: events belong together while no gap between them is longer than a given one. A session is told
//! once, when the watermark has passed its end. Never keeps more sessions open than allowed.

use super::super::histogram::Accumulator;
use super::event_time::{Listener, Pane, PaneKind};
use crate::time::{Span, Time};
use std::fmt;

/// What belongs together, and how many sessions may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Events this far apart still belong together.
    pub gap: Span,
    /// How far behind the latest event an event may be without being late.
    pub out_of_order: Span,
    /// Sessions open at once, 1 to 65 536; the oldest is told early when one more would begin.
    pub max_open: u32,
}

/// Why a config is refused: not 1 to 65 536 open sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionError {
    /// As asked for.
    pub max_open: u32,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} open sessions: use 1 to 65536", self.max_open)
    }
}

impl std::error::Error for SessionError {}

#[derive(Clone, Debug)]
struct Session<A> {
    first: Time,
    last: Time,
    content: A,
}

/// Sessions of one series.
///
/// Sessions are told as windows from their first event to one gap after their last. Memory is taken as sessions are
/// open at once for the first time, and kept.
#[derive(Clone, Debug)]
pub struct SessionWindows<A> {
    config: SessionConfig,
    blank: A,
    /// Ascending in time, further apart than the gap.
    open: Vec<Session<A>>,
    spare: Vec<A>,
    watermark: Time,
    dropped_late: u64,
    told_early: u64,
}

impl<A: Accumulator + Clone> SessionWindows<A> {
    /// No events yet.
    ///
    /// # Errors
    /// [`SessionError`] for a number of open sessions out of range.
    pub fn new(config: SessionConfig, blank: &A) -> Result<SessionWindows<A>, SessionError> {
        if !(1..=65_536).contains(&config.max_open) {
            return Err(SessionError { max_open: config.max_open });
        }
        let mut blank = blank.clone();
        blank.clear();
        let (open, spare) = (Vec::new(), Vec::new());
        Ok(SessionWindows {
            config,
            blank,
            open,
            spare,
            watermark: Time::ZERO,
            dropped_late: 0,
            told_early: 0,
        })
    }

    /// Records `value` of an event at `event_at`. Returns whether it was counted: one whose session is over is late,
    /// unless it reaches one that is open.
    pub fn record(&mut self, event_at: Time, value: u64, listener: Listener<'_, A>) -> bool {
        let gap = self.config.gap;
        // Sessions from `from` to before `to` are within reach.
        let from = self.open.partition_point(|session| event_at.since(session.last) > gap);
        let to = self.open.partition_point(|session| session.first.since(event_at) <= gap);
        if from >= to {
            if event_at.checked_add(gap).is_some_and(|end| end < self.watermark) {
                self.dropped_late = self.dropped_late.saturating_add(1);
                return false;
            }
            self.begin(from, event_at, value, listener);
        } else {
            self.join(from, to, event_at, value);
        }
        self.advance_to(Time::ZERO + event_at.since(Time::ZERO + self.config.out_of_order), listener);
        true
    }

    /// No more events before `time` will come: tells the sessions that are over by then. With [`Time::MAX`] all.
    pub fn advance_to(&mut self, time: Time, listener: Listener<'_, A>) {
        self.watermark = self.watermark.max(time);
        while let Some(oldest) = self.open.first() {
            let over = oldest.last.checked_add(self.config.gap).is_some_and(|end| end < self.watermark);
            if !over && self.watermark < Time::MAX {
                break;
            }
            self.tell_oldest(listener);
        }
    }

    /// Events not counted, being too late.
    pub const fn dropped_late(&self) -> u64 {
        self.dropped_late
    }

    /// Sessions told before they were over, because too many were open.
    pub const fn told_early(&self) -> u64 {
        self.told_early
    }

    /// Events in sessions that are open.
    pub fn in_flight(&self) -> u64 {
        self.open.iter().map(|session| session.content.count()).sum()
    }

    fn begin(&mut self, place: usize, event_at: Time, value: u64, listener: Listener<'_, A>) {
        let mut place = place;
        if self.open.len() >= self.config.max_open as usize {
            self.told_early = self.told_early.saturating_add(1);
            self.tell_oldest(listener);
            place = place.saturating_sub(1);
        }
        let mut content = self.spare.pop().unwrap_or_else(|| self.blank.clone());
        content.record(value);
        self.open.insert(place, Session { first: event_at, last: event_at, content });
    }

    /// Joins the sessions from `from` to before `to`, and the event, into one.
    fn join(&mut self, from: usize, to: usize, event_at: Time, value: u64) {
        let (head, tail) = self.open.split_at_mut(from + 1);
        let session = &mut head[from];
        for other in &tail[..to - from - 1] {
            session.last = session.last.max(other.last);
            // All are copies of one blank.
            session.content.merge(&other.content).expect("sessions of one series have the same shape");
        }
        session.first = session.first.min(event_at);
        session.last = session.last.max(event_at);
        session.content.record(value);
        for joined in self.open.drain(from + 1..to) {
            let mut content = joined.content;
            content.clear();
            self.spare.push(content);
        }
    }

    fn tell_oldest(&mut self, listener: Listener<'_, A>) {
        let Session { first, last, mut content } = self.open.remove(0);
        let end = last.checked_add(self.config.gap).unwrap_or(Time::MAX);
        listener(Pane { start: first, end, kind: PaneKind::OnTime, content: &content });
        content.clear();
        self.spare.push(content);
    }
}

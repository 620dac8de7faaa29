//! Enqueues by the calendar: which ticks have come, which were missed, and what a leader does about either. Sends
//! nothing itself and enqueues nothing: it says what to ask the scheduler.

mod enqueuer; // one node's part in it

pub use enqueuer::{Enqueuer, EnqueuerConfig, Periodic};

use crate::time::{Span, Time};
use std::collections::VecDeque;

/// When something is to happen. Implement it for a calendar of your own.
pub trait Calendar {
    /// The first tick after an instant; `None` if there is none any more.
    fn next(&self, after: Time) -> Option<Time>;
}

/// A tick every so often, counted from the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// How often. Zero never ticks.
    pub period: Span,
    /// When the first tick comes.
    pub offset: Span,
}

impl Calendar for Every {
    fn next(&self, after: Time) -> Option<Time> {
        let (period, offset) = (self.period.as_nanos(), self.offset.as_nanos());
        if period == 0 {
            return None;
        }
        let ticks = match after.as_nanos().checked_sub(offset) {
            Some(since) => since / period + 1,
            None => 0,
        };
        ticks.checked_mul(period)?.checked_add(offset).map(Time::from_nanos)
    }
}

/// What becomes of ticks that came while nobody was there to see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Misfire {
    /// The latest of them is enqueued, for all of them.
    #[default]
    FireOnce,
    /// None of them is.
    Skip,
    /// The latest ones are, so many at most.
    CatchUp {
        /// At most.
        max: u32,
    },
}

/// What has come since the last tick that was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueTicks {
    /// Ticks to enqueue, in order.
    pub fire: Vec<Time>,
    /// The last tick that has come, to be enqueued or not.
    pub through: Option<Time>,
}

/// Which ticks after `last` and up to `now` are to be enqueued. A tick no older than `grace` is on time; what is older is
/// missed; what is older than `look_back` is not even looked at.
pub fn due_ticks(
    calendar: &dyn Calendar,
    misfire: Misfire,
    (grace, look_back): (Span, Span),
    last: Time,
    now: Time,
) -> DueTicks {
    let keep = match misfire {
        Misfire::FireOnce => 1,
        Misfire::Skip => 0,
        Misfire::CatchUp { max } => max as usize,
    };
    let mut missed = VecDeque::new();
    let mut due = DueTicks::default();
    let mut from = last.max(now - look_back);
    while let Some(tick) = calendar.next(from).filter(|tick| *tick <= now && *tick > from) {
        if now.since(tick) <= grace {
            due.fire.push(tick);
        } else {
            missed.push_back(tick);
            if missed.len() > keep {
                missed.pop_front();
            }
        }
        due.through = Some(tick);
        from = tick;
    }
    due.fire.splice(0..0, missed);
    due
}

#[cfg(test)]
mod tests;

//! Streams of open arrivals: each names its requests by its own count, so that one stream never shifts another.

use std::sync::Arc;

use super::schedule::Schedule;
use crate::kernel::agenda::Handle;
use crate::kernel::draw::{Key, Lineage, unit_exponential};
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::{Arrivals, EntryId, TraceArrival};

/// A stream of arrivals.
#[derive(Default)]
pub(super) struct Stream {
    /// Identity of its requests, with their number.
    pub(super) client: u64,
    /// Number of the next request.
    pub(super) number: u64,
    pub(super) gap: Gap,
    /// What is left of the gap before it, if it was under way when the schedule changed.
    pub(super) gap_left: Option<f64>,
    pub(super) wake: Handle,
    /// The surge or herd it belongs to.
    pub(super) entry: Option<EntryId>,
    /// A key all its requests share.
    pub(super) key: Option<u64>,
}

/// How far the next arrival is.
#[derive(Default)]
pub(super) enum Gap {
    /// Independent of each other at the schedule's rate.
    Poisson(Schedule),
    /// Evenly spaced at the schedule's rate, the first at its start.
    Constant { schedule: Schedule, started: bool },
    /// As recorded.
    Trace(Arc<Vec<TraceArrival>>),
    /// A number of requests over a stretch of time.
    Spread { from: Time, requests: u32, over: Span },
    /// No more.
    #[default]
    Over,
}

impl Stream {
    /// The open arrivals of a load at a share of its rate, from `from` on; `None` for closed loads.
    pub(super) fn open(arrivals: &Arrivals, client: u64, share_milli: u64, from: Time) -> Option<Stream> {
        let gap = match arrivals {
            Arrivals::Poisson(stages) => Gap::Poisson(Schedule::new(stages, share_milli, from)),
            Arrivals::Constant(stages) => {
                Gap::Constant { schedule: Schedule::new(stages, share_milli, from), started: false }
            }
            Arrivals::Trace(recorded) => Gap::Trace(share_of(recorded, share_milli, from)),
            Arrivals::Closed { .. } => return None,
        };
        Some(Stream { client, gap, ..Stream::default() })
    }

    /// Follows other stages from `now` on. The gap under way goes on at the new rate.
    pub(super) fn follow(&mut self, arrivals: &Arrivals, now: Time) {
        match (&mut self.gap, arrivals) {
            (
                Gap::Poisson(schedule) | Gap::Constant { schedule, .. },
                Arrivals::Poisson(stages) | Arrivals::Constant(stages),
            ) => {
                self.gap_left = Some(schedule.arrivals_from(now));
                *schedule = Schedule::new(stages, 1000, now);
            }
            (Gap::Poisson(_) | Gap::Constant { .. } | Gap::Trace(_) | Gap::Spread { .. } | Gap::Over, _) => {}
        }
    }

    /// When the next request starts; `salt` is what identities are mixed with at present.
    #[inline]
    pub(super) fn next_arrival(&mut self, gap_key: Key, salt: u64) -> Option<Time> {
        let left = self.gap_left.take();
        match &mut self.gap {
            Gap::Poisson(schedule) => {
                let word = gap_key.draw(Lineage::root(self.client, self.number).raw() ^ salt);
                schedule.advance(left.unwrap_or_else(|| unit_exponential(word)))
            }
            Gap::Constant { schedule, started } => {
                let step = if std::mem::replace(started, true) { 1.0 } else { 0.0 };
                schedule.advance(left.unwrap_or(step))
            }
            Gap::Trace(recorded) => recorded.get(self.number as usize).map(|arrival| arrival.at),
            Gap::Spread { from, requests, over } => {
                let due = u64::from(*requests) > self.number;
                due.then(|| *from + over.mul_ratio(self.number, u64::from(*requests)))
            }
            Gap::Over => None,
        }
    }

    pub(super) fn recorded(&self, number: u64) -> Option<TraceArrival> {
        match &self.gap {
            Gap::Trace(recorded) => recorded.get(number as usize).copied(),
            Gap::Poisson(_) | Gap::Constant { .. } | Gap::Spread { .. } | Gap::Over => None,
        }
    }
}

/// The recorded arrivals from `from` on, each as often as the share says, evenly spread where that is a fraction.
fn share_of(recorded: &Arc<Vec<TraceArrival>>, share_milli: u64, from: Time) -> Arc<Vec<TraceArrival>> {
    if share_milli == 1000 && from == Time::ZERO {
        return Arc::clone(recorded);
    }
    let due = |count: usize| count as u64 * share_milli / 1000;
    let coming = recorded.iter().filter(|arrival| arrival.at >= from).enumerate();
    let copies = coming
        .flat_map(|(index, arrival)| std::iter::repeat_n(*arrival, (due(index + 1) - due(index)) as usize));
    Arc::new(copies.collect())
}

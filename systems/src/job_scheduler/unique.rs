//! What makes two jobs the same one. Keys are compared whole, never by a hash, so that no two different jobs collide.

use super::job::{JobState, KindId, NewJob, QueueId};
use crate::time::{Span, Time};
use std::cmp::Ordering;
use std::sync::Arc;

/// By what a job is unique: always by its kind, and by what is named here. It keeps equal ones out while it has not
/// ended, and in the terminal states of `also_in` for as long as it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UniqueBy {
    /// By its arguments.
    pub args: bool,
    /// By its queue.
    pub queue: bool,
    /// By the period it was enqueued in, counted from the origin; zero counts as none.
    pub period: Option<Span>,
    /// Terminal states in which it still keeps equal ones out.
    pub also_in: TerminalStates,
}

/// A set of terminal states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TerminalStates {
    /// [`JobState::Completed`].
    pub completed: bool,
    /// [`JobState::Cancelled`].
    pub cancelled: bool,
    /// [`JobState::Discarded`].
    pub discarded: bool,
}

impl TerminalStates {
    /// Whether the state is one of them; live states never are.
    pub const fn contains(self, state: JobState) -> bool {
        match state {
            JobState::Completed => self.completed,
            JobState::Cancelled => self.cancelled,
            JobState::Discarded => self.discarded,
            JobState::Pending
            | JobState::Scheduled
            | JobState::Available
            | JobState::Running
            | JobState::Retryable => false,
        }
    }
}

/// What two jobs must have in common to be the same one.
#[derive(Clone, Debug)]
pub struct UniqueKey {
    pub(super) kind: KindId,
    pub(super) args: Option<Arc<[u8]>>,
    pub(super) queue: Option<QueueId>,
    /// Length and number of the period: keys of different lengths never meet.
    pub(super) period: Option<(Span, u64)>,
    /// Where else it keeps others out. No part of the comparison.
    pub(super) also_in: TerminalStates,
}

/// All that is compared: kind, arguments, queue, period.
type Parts<'a> = (KindId, &'a Option<Arc<[u8]>>, Option<QueueId>, Option<(Span, u64)>);

impl UniqueKey {
    /// The key of a job enqueued now.
    pub(super) fn new(by: &UniqueBy, job: &NewJob, queue: QueueId, now: Time) -> UniqueKey {
        let period = by.period.filter(|period| !period.is_zero());
        UniqueKey {
            kind: job.kind,
            args: by.args.then(|| job.args.clone()),
            queue: by.queue.then_some(queue),
            period: period.map(|period| (period, now.as_nanos() / period.as_nanos())),
            also_in: by.also_in,
        }
    }

    fn parts(&self) -> Parts<'_> {
        (self.kind, &self.args, self.queue, self.period)
    }
}

impl PartialEq for UniqueKey {
    fn eq(&self, other: &UniqueKey) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for UniqueKey {}

impl PartialOrd for UniqueKey {
    fn partial_cmp(&self, other: &UniqueKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UniqueKey {
    fn cmp(&self, other: &UniqueKey) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

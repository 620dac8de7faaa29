//! A request inside a service.

use foreshock_systems::rate_limiter::concurrency::InFlight;

use super::Answered;
use crate::cluster::{Done, NodeId, Path, Ref, Request, Unfinished};
use crate::kernel::time::{Span, Time};

/// A request inside a service.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) demand: Span,
    pub(super) priority: u8,
    pub(super) state: JobState,
    /// Since when it has been waiting or worked on.
    pub(super) since: Time,
    pub(super) worked: Span,
    pub(super) holds_worker: bool,
    pub(super) step: u32,
    /// Calls of the present step that have not ended.
    pub(super) outstanding: u32,
    pub(super) succeeded: u32,
    pub(super) needed: u32,
    /// One of those calls.
    pub(super) group: Ref,
    /// By step: whether a cache did not have the key.
    pub(super) missed_steps: u64,
    /// The cache replica that answered the last miss.
    pub(super) missed_at: Option<NodeId>,
    /// What this service itself has to say, being a cache or a store.
    pub(super) answered: Answered,
    /// Among those that admission lets be inside at once.
    pub(super) place: Option<InFlight>,
    /// Whether it failed for overload further down.
    pub(super) starved: bool,
    pub(super) path: Path,
}

/// Where a job stands.
pub(super) enum JobState {
    /// In line.
    Waiting,
    /// On a worker.
    Working,
    /// In line again, having lost its worker to a more urgent job.
    Preempted(Unfinished),
    /// Waiting for calls.
    Calling,
}

impl Job {
    pub(super) fn new(request: Request, demand: Span, priority: u8) -> Job {
        Job {
            request,
            demand,
            priority,
            state: JobState::Waiting,
            since: request.arrived_at,
            worked: Span::ZERO,
            holds_worker: true,
            step: 0,
            outstanding: 0,
            succeeded: 0,
            needed: 0,
            group: Ref::NONE,
            missed_steps: 0,
            missed_at: None,
            answered: Answered::default(),
            place: None,
            starved: false,
            path: Path::default(),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, JobState::Waiting | JobState::Preempted(_))
    }

    pub(super) fn has_worker(&self) -> bool {
        match self.state {
            JobState::Waiting | JobState::Preempted(_) => false,
            JobState::Working => true,
            JobState::Calling => self.holds_worker,
        }
    }

    /// Takes note of the end of a call of the present step.
    pub(super) fn call_ended(&mut self, done: &Done, counts: bool) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.succeeded += u32::from(counts);
        self.group = done.sibling;
    }
}

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
    /// The answers of the feature flags that the service looks at, one bit each.
    pub(super) flags: u64,
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
    /// The misses that are to be filled, by a cache and by one before it.
    pub(super) misses: [Option<Miss>; 2],
    /// What its calls are made for.
    pub(super) purpose: Purpose,
    /// Whether it has been answered and goes on with nobody waiting.
    pub(super) detached: bool,
    /// What this service itself has to say, being a cache or a store.
    pub(super) answered: Answered,
    /// Among those that admission lets be inside at once.
    pub(super) place: Option<InFlight>,
    /// Whether it failed for overload further down.
    pub(super) starved: bool,
    /// Whether the values of a configuration server that it began with make it fail.
    pub(super) is_spoilt: bool,
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
    /// Waiting, without a worker, for what the kind knows of.
    Parked,
}

/// A miss at a cache that this request will fill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Miss {
    /// The step that called the cache.
    pub(super) step: u32,
    /// The replica that answered.
    pub(super) at: NodeId,
    /// The lease that came with the answer, or 0.
    pub(super) lease: u64,
}

/// What the calls of a job are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For the request alone.
    Own,
    /// For the values that the kind keeps, under this lease or without one (0).
    Load(u64),
    /// To write what the kind keeps.
    Write,
}

impl Job {
    #[inline]
    pub(super) fn new(
        request: &Request,
        demand: Span,
        priority: u8,
        place: Option<InFlight>,
        flags: u64,
        is_spoilt: bool,
    ) -> Job {
        Job {
            request: *request,
            demand,
            priority,
            flags,
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
            misses: [None; 2],
            purpose: Purpose::Own,
            detached: false,
            answered: Answered::default(),
            place,
            starved: false,
            is_spoilt,
            path: Path::default(),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, JobState::Waiting | JobState::Preempted(_))
    }

    pub(super) fn has_worker(&self) -> bool {
        match self.state {
            JobState::Waiting | JobState::Preempted(_) | JobState::Parked => false,
            JobState::Working => true,
            JobState::Calling => self.holds_worker,
        }
    }

    /// Takes note of a miss; of more than there are places for, it fills the first ones only.
    pub(super) fn note_miss(&mut self, miss: Miss) {
        if let Some(place) = self.misses.iter_mut().find(|place| place.is_none()) {
            *place = Some(miss);
        }
    }

    /// The miss that a step answered with, once.
    pub(super) fn take_miss(&mut self, step: u32) -> Option<Miss> {
        self.misses.iter_mut().find_map(|place| place.take_if(|miss| miss.step == step))
    }

    /// Takes note of the end of a call of the present step.
    pub(super) fn call_ended(&mut self, done: &Done, counts: bool) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.succeeded += u32::from(counts);
        self.group = done.sibling;
    }
}

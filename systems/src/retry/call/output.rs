//! What goes into a call and what comes out of it: results, actions, events. Plain data.

use crate::retry::classify::{FailureClass, Verdict};
use crate::retry::decision::{GiveUpReason, Progress};
use crate::retry::{Pushback, RetryCause};
use crate::time::{Span, Time};

/// How an attempt ended, as its driver reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// What was asked for was done.
    Success,
    /// It was not.
    Failure(Failure),
}

/// A failed attempt, as its driver reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub class: FailureClass,
    /// How far it got.
    pub progress: Progress,
    /// What the server asked for with it.
    pub pushback: Pushback,
}

impl Failure {
    /// An ordinary failure: it may have had its effect, and the server asked for nothing.
    pub const fn of(class: FailureClass) -> Failure {
        Failure { class, progress: Progress::Unknown, pushback: Pushback::None }
    }
}

impl From<Verdict> for AttemptResult {
    /// With the server asking for nothing.
    fn from(verdict: Verdict) -> AttemptResult {
        match verdict {
            Verdict::Success => AttemptResult::Success,
            Verdict::Failure(class) => AttemptResult::Failure(Failure::of(class)),
        }
    }
}

/// What the driver of a call is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the call.
    Send {
        /// Names this sending in results and cancellations; 1, 2, 3, ...
        attempt: u32,
        /// The number to send along (gRPC's `grpc-previous-rpc-attempts` is one less): transparent retries keep that
        /// of the attempt they repeat.
        number: u32,
        /// Why it is sent.
        kind: AttemptKind,
        /// When it will be given up; `None` is never. To be sent along, so that the server can stop as well.
        give_up_at: Option<Time>,
    },
    /// Give up a sending: its result is no longer wanted. Comes at most once for each.
    Cancel {
        /// Which.
        attempt: u32,
    },
    /// The call is over. Comes once, last.
    Finish(CallEnd),
}

/// Why an attempt is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttemptKind {
    /// The call has begun.
    First,
    /// The attempt before failed.
    Retry,
    /// Those under way take long, or one of them failed.
    Hedge,
    /// The attempt before did not reach anybody; it is not counted.
    Transparent,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// Well.
    Success {
        /// The winner.
        attempt: u32,
    },
    /// Its last attempt failed, and there is no further one.
    Failed {
        /// Why not.
        reason: GiveUpReason,
        /// How the last attempt failed; `None` if none was made.
        last: Option<FailureClass>,
    },
    /// Its time was over.
    DeadlineExceeded,
    /// Its caller has lost interest.
    Cancelled,
}

/// Something that happened to a call: for logs, counters and traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// An attempt goes out.
    AttemptSent {
        /// Which.
        attempt: u32,
        /// Why.
        kind: AttemptKind,
        /// Whether it cannot be over before the deadline, by the fastest answer so far.
        doomed: bool,
    },
    /// An attempt is over.
    AttemptEnded {
        /// Which.
        attempt: u32,
        /// How.
        how: AttemptEnd,
    },
    /// There will be another attempt.
    RetryScheduled {
        /// After this pause.
        pause: Span,
        /// Why.
        cause: RetryCause,
    },
    /// There will be no further copy.
    HedgeRefused(GiveUpReason),
    /// The call is over.
    Ended(CallEnd),
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttemptEnd {
    /// Well.
    Success,
    /// With a failure.
    Failed(FailureClass),
    /// It took longer than an attempt may.
    TimedOut,
    /// Another one won, or the call ended.
    Cancelled,
}

/// What a step of a call brought. Keep one and reuse it: its memory stays.
#[derive(Clone, Debug, Default)]
pub struct CallOutput {
    /// To be carried out in this order, and emptied, after each step.
    pub actions: Vec<Action>,
    /// To be looked at or not, and emptied.
    pub events: Vec<CallEvent>,
}

impl CallOutput {
    /// Empties both and keeps the memory.
    pub fn clear(&mut self) {
        self.actions.clear();
        self.events.clear();
    }
}

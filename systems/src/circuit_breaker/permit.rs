//! What passes between a breaker and its driver for one call: the permit, its result, what became of the
//! result, and the refusal. Plain data; never decides anything.

use super::state::State;
use crate::time::Span;
use std::fmt;

/// Leave to make one call. It has to be given back exactly once, with [`Breaker::record`](super::Breaker::record).
///
/// It can be copied, because drivers keep it in tables of their own. A copy given back again is found out if
/// it is a probe or if nothing else is under way ([`Taken::Stray`]); where a type should rule it out, use
/// [`SharedBreaker::guard`](super::SharedBreaker::guard).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    pub(super) generation: u64,
    /// Number of the probe within its stay, from 1; 0 is no probe.
    pub(super) probe: u64,
}

impl Permit {
    /// The stay in a state it was granted in, from 0.
    pub const fn generation(self) -> u64 {
        self.generation
    }

    /// Whether the call is a probe.
    pub const fn is_probe(self) -> bool {
        self.probe != 0
    }
}

/// How a permitted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The dependency did its work.
    Success,
    /// The dependency failed, or did not answer in time.
    Failure,
    /// The result says nothing about the dependency: the caller's own fault, say. Gives the permit back.
    Ignored,
    /// There is no result: never sent, or given up. Gives the permit back.
    Cancelled,
}

/// What a breaker made of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It counts.
    Counted,
    /// The permit is back, the result counts for nothing: it was ignored or cancelled, or calls are not judged
    /// in this state.
    Returned,
    /// It belongs to an earlier stay. Counts only where [`LateResults::Count`](super::LateResults) says so.
    Late,
    /// No permit under way belongs to it: given back before, or granted by another breaker. Changes nothing.
    Stray,
}

/// A call the breaker refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRejection {
    /// The state that refuses.
    pub state: State,
    /// The rest of the wait while open; zero while half open, since a probe may be answered at any moment;
    /// [`Span::MAX`] while forced open.
    pub retry_after: Span,
}

impl fmt::Display for BreakerRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            State::HalfOpen => {
                f.write_str("the breaker is half open and all its probes are taken: fall back")
            }
            State::ForcedOpen => {
                f.write_str("the breaker is forced open: fall back until it is commanded otherwise")
            }
            State::Open | State::Closed | State::Disabled | State::MetricsOnly => {
                write!(f, "the breaker is open: fall back, and do not ask again within {}", self.retry_after)
            }
        }
    }
}

impl std::error::Error for BreakerRejection {}

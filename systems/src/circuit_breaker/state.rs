//! The states of a breaker, the only ways between them as a table, and the change of state as an event. Never
//! changes a state.

use super::window::Tally;
use crate::time::{Span, Time};
use std::fmt;

/// What a breaker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Calls pass and are judged.
    Closed,
    /// Calls are refused until the wait is over.
    Open,
    /// A few calls pass as probes.
    HalfOpen,
    /// Calls are refused until commanded otherwise.
    ForcedOpen,
    /// Calls pass and are not counted by result.
    Disabled,
    /// Calls pass and are counted by result; nothing opens it.
    MetricsOnly,
}

impl State {
    /// Every state, each at the place of its [`code`](Self::code).
    pub const ALL: [State; 6] =
        [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];

    /// A number for gauges and time series: 0 closed, 1 open, 2 half open, 3 forced open, 4 disabled, 5 metrics
    /// only.
    pub const fn code(self) -> u8 {
        match self {
            State::Closed => 0,
            State::Open => 1,
            State::HalfOpen => 2,
            State::ForcedOpen => 3,
            State::Disabled => 4,
            State::MetricsOnly => 5,
        }
    }

    /// Whether every call passes.
    pub const fn admits_all(self) -> bool {
        match self {
            State::Closed | State::Disabled | State::MetricsOnly => true,
            State::Open | State::HalfOpen | State::ForcedOpen => false,
        }
    }
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Too large a share of the calls failed.
    FailureRate,
    /// Too large a share of the calls was slow.
    SlowCallRate,
    /// Too many of the calls in the window failed.
    FailureCount,
    /// Too many failures without a success between them.
    ConsecutiveFailures,
    /// It was open for long enough.
    WaitOver,
    /// The probes were answered well enough.
    ProbesPassed,
    /// Too many probes failed or were slow.
    ProbesFailed,
    /// A probe stayed unanswered for too long.
    ProbesUnanswered,
    /// Somebody said so.
    Command,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 9] = [
        Reason::FailureRate,
        Reason::SlowCallRate,
        Reason::FailureCount,
        Reason::ConsecutiveFailures,
        Reason::WaitOver,
        Reason::ProbesPassed,
        Reason::ProbesFailed,
        Reason::ProbesUnanswered,
        Reason::Command,
    ];
}

/// One way from a state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

const fn way(from: State, to: State, reason: Reason) -> Way {
    Way { from, to, reason }
}

/// Every way there is; what is not listed does not happen. By itself a breaker never leaves `ForcedOpen`,
/// `Disabled` or `MetricsOnly`, and nothing leads from `Closed` to `HalfOpen`, a command included.
pub const WAYS: [Way; 33] = [
    way(State::Closed, State::Open, Reason::FailureRate),
    way(State::Closed, State::Open, Reason::SlowCallRate),
    way(State::Closed, State::Open, Reason::FailureCount),
    way(State::Closed, State::Open, Reason::ConsecutiveFailures),
    way(State::Open, State::HalfOpen, Reason::WaitOver),
    way(State::HalfOpen, State::Closed, Reason::ProbesPassed),
    way(State::HalfOpen, State::Open, Reason::ProbesFailed),
    way(State::HalfOpen, State::Open, Reason::ProbesUnanswered),
    way(State::Open, State::Closed, Reason::Command),
    way(State::HalfOpen, State::Closed, Reason::Command),
    way(State::ForcedOpen, State::Closed, Reason::Command),
    way(State::Disabled, State::Closed, Reason::Command),
    way(State::MetricsOnly, State::Closed, Reason::Command),
    way(State::Closed, State::Open, Reason::Command),
    way(State::HalfOpen, State::Open, Reason::Command),
    way(State::ForcedOpen, State::Open, Reason::Command),
    way(State::Disabled, State::Open, Reason::Command),
    way(State::MetricsOnly, State::Open, Reason::Command),
    way(State::Closed, State::ForcedOpen, Reason::Command),
    way(State::Open, State::ForcedOpen, Reason::Command),
    way(State::HalfOpen, State::ForcedOpen, Reason::Command),
    way(State::Disabled, State::ForcedOpen, Reason::Command),
    way(State::MetricsOnly, State::ForcedOpen, Reason::Command),
    way(State::Closed, State::Disabled, Reason::Command),
    way(State::Open, State::Disabled, Reason::Command),
    way(State::HalfOpen, State::Disabled, Reason::Command),
    way(State::ForcedOpen, State::Disabled, Reason::Command),
    way(State::MetricsOnly, State::Disabled, Reason::Command),
    way(State::Closed, State::MetricsOnly, Reason::Command),
    way(State::Open, State::MetricsOnly, Reason::Command),
    way(State::HalfOpen, State::MetricsOnly, Reason::Command),
    way(State::ForcedOpen, State::MetricsOnly, Reason::Command),
    way(State::Disabled, State::MetricsOnly, Reason::Command),
];

impl Way {
    /// Whether [`WAYS`] lists it.
    pub fn is_legal(&self) -> bool {
        WAYS.contains(self)
    }
}

/// A change of state, as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// When, on the driver's clock. A wait that ended unnoticed ended when it was due, unless the breaker is
    /// lazy.
    pub at: Time,
    /// Number of the stay entered: the first change has 1, and none is left out.
    pub generation: u64,
    /// The calls that were judged in the state left: those of the window, or the probes answered.
    pub tally: Tally,
    /// How long it will be open; zero if it is not.
    pub open_for: Span,
}

impl Transition {
    /// The way it took.
    pub const fn way(&self) -> Way {
        way(self.from, self.to, self.reason)
    }
}

/// A change of state that [`WAYS`] does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition(pub Way);

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Way { from, to, reason } = self.0;
        write!(
            f,
            "a breaker does not go from {from:?} to {to:?} by {reason:?}; from {from:?} a command leads to"
        )?;
        let commanded = WAYS.iter().filter(|way| way.from == from && way.reason == Reason::Command);
        for (position, way) in commanded.enumerate() {
            write!(f, "{} {:?}", if position == 0 { "" } else { " or" }, way.to)?;
        }
        Ok(())
    }
}

impl std::error::Error for IllegalTransition {}

//! The states of a breaker and the only ways between them, as a table.

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
    /// Calls pass and are not judged.
    Disabled,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] =
        [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled];
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Too large a share of the calls failed.
    FailureRate,
    /// Too large a share of the calls was slow.
    SlowCallRate,
    /// Too many failures without a success between them.
    ConsecutiveFailures,
    /// It was open for long enough.
    WaitOver,
    /// All probes were answered, and well enough.
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
    pub const ALL: [Reason; 8] = [
        Reason::FailureRate,
        Reason::SlowCallRate,
        Reason::ConsecutiveFailures,
        Reason::WaitOver,
        Reason::ProbesPassed,
        Reason::ProbesFailed,
        Reason::ProbesUnanswered,
        Reason::Command,
    ];
}

/// One change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

const fn way(from: State, to: State, reason: Reason) -> Transition {
    Transition { from, to, reason }
}

/// Every way there is; what is not listed does not happen. By itself a breaker never leaves `ForcedOpen` or
/// `Disabled`, and never goes from `Closed` to `HalfOpen`.
pub const TRANSITIONS: [Transition; 19] = [
    way(State::Closed, State::Open, Reason::FailureRate),
    way(State::Closed, State::Open, Reason::SlowCallRate),
    way(State::Closed, State::Open, Reason::ConsecutiveFailures),
    way(State::Open, State::HalfOpen, Reason::WaitOver),
    way(State::HalfOpen, State::Closed, Reason::ProbesPassed),
    way(State::HalfOpen, State::Open, Reason::ProbesFailed),
    way(State::HalfOpen, State::Open, Reason::ProbesUnanswered),
    way(State::Closed, State::ForcedOpen, Reason::Command),
    way(State::Open, State::ForcedOpen, Reason::Command),
    way(State::HalfOpen, State::ForcedOpen, Reason::Command),
    way(State::Disabled, State::ForcedOpen, Reason::Command),
    way(State::Closed, State::Disabled, Reason::Command),
    way(State::Open, State::Disabled, Reason::Command),
    way(State::HalfOpen, State::Disabled, Reason::Command),
    way(State::ForcedOpen, State::Disabled, Reason::Command),
    way(State::Open, State::Closed, Reason::Command),
    way(State::HalfOpen, State::Closed, Reason::Command),
    way(State::ForcedOpen, State::Closed, Reason::Command),
    way(State::Disabled, State::Closed, Reason::Command),
];

impl Transition {
    /// Whether [`TRANSITIONS`] lists it.
    pub fn is_legal(&self) -> bool {
        TRANSITIONS.contains(self)
    }
}

/// A change of state that [`TRANSITIONS`] does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition(pub Transition);

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Transition { from, to, reason } = self.0;
        write!(
            f,
            "a breaker does not go from {from:?} to {to:?} by {reason:?}; from {from:?} a command leads to"
        )?;
        let commanded = TRANSITIONS.iter().filter(|way| way.from == from && way.reason == Reason::Command);
        for (position, way) in commanded.enumerate() {
            write!(f, "{} {:?}", if position == 0 { "" } else { " or" }, way.to)?;
        }
        Ok(())
    }
}

impl std::error::Error for IllegalTransition {}

/// Changes not yet taken by the driver; the oldest gives way when it is full.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    ring: [Option<Transition>; PENDING],
    first: usize,
    lost: u64,
}

/// One call to a breaker makes at most two changes.
const PENDING: usize = 4;

impl Pending {
    pub(super) const fn new() -> Pending {
        Pending { ring: [None; PENDING], first: 0, lost: 0 }
    }

    pub(super) fn push(&mut self, transition: Transition) {
        let free =
            (0..PENDING).map(|behind| (self.first + behind) % PENDING).find(|at| self.ring[*at].is_none());
        match free {
            Some(at) => self.ring[at] = Some(transition),
            None => {
                self.ring[self.first] = Some(transition);
                self.first = (self.first + 1) % PENDING;
                self.lost += 1;
            }
        }
    }

    pub(super) fn take(&mut self) -> Option<Transition> {
        let oldest = self.ring[self.first].take()?;
        self.first = (self.first + 1) % PENDING;
        Some(oldest)
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }
}

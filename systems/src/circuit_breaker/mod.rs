//! Stops sending to a dependency that fails, waits, probes it, and starts again. Never sends, never reads a
//! clock, never arms a timer: the driver asks before a call, reports after it, and may call
//! [`Breaker::expire`] when [`Breaker::deadline`] is due. Without that, waits end lazily at the next call.
//!
//! ```text
//!            too many failures                 wait over
//!   Closed --------------------> Open -----------------------> HalfOpen
//!     ^                            ^                             |   |
//!     |                            +-----------------------------+   |
//!     |                             probes failed or unanswered      |
//!     +--------------------------------------------------------------+
//!                               probes passed
//! ```

mod config;
mod transition;
mod window;

pub use config::{BreakerConfig, BreakerError, MAX_BUCKETS, MAX_CALLS, WindowConfig};
pub use transition::{IllegalTransition, Reason, State, TRANSITIONS, Transition};
pub use window::Tally;

use crate::arithmetic::reaches_share;
use crate::time::{Span, Time};
use transition::Pending;
use window::Window;

/// Leave to make one call. It has to be given back exactly once with [`Breaker::record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The stay in a state it was granted in; results of an earlier stay change nothing.
    pub generation: u32,
    /// Whether the call is a probe.
    pub probe: bool,
}

/// How a permitted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The dependency did its work.
    Success,
    /// The dependency failed.
    Failure,
    /// It says nothing about the dependency: cancelled, never sent, or the caller's own fault.
    Ignored,
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

/// What a breaker has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerCounters {
    /// Times it opened, from closed or from half open.
    pub opened: u64,
    /// Times it became half open.
    pub half_opened: u64,
    /// Times it closed.
    pub closed: u64,
    /// Calls let through, probes included.
    pub permitted: u64,
    /// Calls refused.
    pub rejected: u64,
    /// Results that counted or were ignored: permits given back in the generation that granted them.
    pub recorded: u64,
    /// Results that came too late to count.
    pub late: u64,
}

/// The calls let through while half open.
#[derive(Clone, Copy, Debug, Default)]
struct Probes {
    under_way: u32,
    answered: Tally,
    /// When the wait for those under way is over.
    deadline: Option<Time>,
}

/// A circuit breaker.
///
/// The law of driving it: [`try_acquire`](Self::try_acquire) before each call; [`record`](Self::record) once
/// for each permit; after each of these, and after [`expire`](Self::expire), drain
/// [`take_transition`](Self::take_transition) and read [`deadline`](Self::deadline) again. A clock that steps
/// back lengthens the current wait by the step; it never admits a call too early.
#[derive(Clone, Debug)]
pub struct Breaker {
    config: BreakerConfig,
    state: State,
    generation: u32,
    window: Window,
    failures_in_a_row: u32,
    opened_at: Time,
    /// Openings since it was closed last.
    openings_in_a_row: u32,
    probes: Probes,
    pending: Pending,
    counters: BreakerCounters,
}

impl Breaker {
    /// A closed breaker that has seen no call.
    pub fn new(config: BreakerConfig) -> Breaker {
        Breaker {
            window: Window::new(config.window),
            config,
            state: State::Closed,
            generation: 0,
            failures_in_a_row: 0,
            opened_at: Time::ZERO,
            openings_in_a_row: 0,
            probes: Probes::default(),
            pending: Pending::new(),
            counters: BreakerCounters::default(),
        }
    }

    /// What it is doing, as of the latest call to it.
    pub const fn state(&self) -> State {
        self.state
    }

    /// What it has done so far.
    pub const fn counters(&self) -> BreakerCounters {
        self.counters
    }

    /// The calls in its window as of the latest call to it.
    pub fn tally(&self) -> Tally {
        self.window.total()
    }

    /// What it was told.
    pub const fn config(&self) -> &BreakerConfig {
        &self.config
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// [`BreakerRejection`] while open, forced open, or half open with all probes under way or answered.
    pub fn try_acquire(&mut self, now: Time) -> Result<Permit, BreakerRejection> {
        self.expire(now);
        let refused_for = match self.state {
            State::Closed | State::Disabled => None,
            State::Open => Some(self.open_until().since(now)),
            State::HalfOpen if self.probes_left() > 0 => None,
            State::HalfOpen => Some(Span::ZERO),
            State::ForcedOpen => Some(Span::MAX),
        };
        if let Some(retry_after) = refused_for {
            self.counters.rejected += 1;
            return Err(BreakerRejection { state: self.state, retry_after });
        }
        self.counters.permitted += 1;
        let probe = self.state == State::HalfOpen;
        if probe {
            self.begin_probe(now);
        }
        Ok(Permit { generation: self.generation, probe })
    }

    /// Takes a permit back with the result of its call and the time the call took.
    pub fn record(&mut self, now: Time, permit: Permit, recorded: Recorded, duration: Span) {
        self.expire(now);
        // A second result for a probe must not stand for another probe.
        let expected = match self.state {
            State::HalfOpen => permit.probe && self.probes.under_way > 0,
            State::Closed | State::Open | State::ForcedOpen | State::Disabled => !permit.probe,
        };
        if permit.generation != self.generation || !expected {
            self.counters.late += 1;
            return;
        }
        self.counters.recorded += 1;
        let failed = match recorded {
            Recorded::Success => Some(false),
            Recorded::Failure => Some(true),
            Recorded::Ignored => None,
        };
        match self.state {
            State::Closed => {
                if let Some(failed) = failed {
                    self.record_closed(now, failed, self.is_slow(duration));
                }
            }
            State::HalfOpen => self.end_probe(now, failed, self.is_slow(duration)),
            // No permit of the current generation exists while open, and while disabled results do not
            // matter.
            State::Open | State::ForcedOpen | State::Disabled => {}
        }
    }

    /// When [`expire`](Self::expire) would change something. It can change with every call to the breaker.
    pub fn deadline(&self) -> Option<Time> {
        let at = match self.state {
            State::Open => Some(self.open_until()),
            State::HalfOpen => self.probes.deadline,
            State::Closed | State::ForcedOpen | State::Disabled => None,
        };
        at.filter(|at| *at < Time::MAX)
    }

    /// Makes the changes that are due by time alone.
    pub fn expire(&mut self, now: Time) {
        if let (State::HalfOpen, Some(due)) = (self.state, self.probes.deadline)
            && due <= now
            && due < Time::MAX
        {
            self.open(due, Reason::ProbesUnanswered);
        }
        if self.state == State::Open && self.open_until() <= now && self.open_until() < Time::MAX {
            self.enter(State::HalfOpen, Reason::WaitOver);
        }
    }

    /// Puts the breaker into `Closed`, `ForcedOpen` or `Disabled`, on command. Permits outstanding no longer
    /// count.
    ///
    /// # Errors
    /// [`IllegalTransition`] for another state, or the one it is in.
    pub fn command(&mut self, to: State) -> Result<(), IllegalTransition> {
        let transition = Transition { from: self.state, to, reason: Reason::Command };
        if !transition.is_legal() {
            return Err(IllegalTransition(transition));
        }
        self.enter(to, Reason::Command);
        Ok(())
    }

    /// The oldest change of state not yet taken. Take all after each call; of more than four the oldest are
    /// lost.
    pub fn take_transition(&mut self) -> Option<Transition> {
        self.pending.take()
    }

    /// Changes of state the driver did not take in time.
    pub const fn lost_transitions(&self) -> u64 {
        self.pending.lost()
    }

    /// Follows a new config. The state and its permits stay; a window of another shape starts empty; a wait
    /// under way is measured anew from its beginning, probes answered are judged anew.
    pub fn reconfigure(&mut self, config: BreakerConfig, now: Time) {
        if config.window != self.config.window {
            self.window = Window::new(config.window);
        }
        let wait_changed = config.half_open_max_wait != self.config.half_open_max_wait;
        self.config = config;
        if wait_changed && self.probes.under_way > 0 {
            self.probes.deadline = self.probe_deadline(now);
        }
        if self.state == State::HalfOpen {
            self.judge_probes(now);
        }
        self.expire(now);
    }

    fn open_until(&self) -> Time {
        self.opened_at + self.config.open_interval(self.openings_in_a_row)
    }

    fn is_slow(&self, duration: Span) -> bool {
        self.config.slow_rule().is_some_and(|(from, _)| duration >= from)
    }

    fn record_closed(&mut self, now: Time, failed: bool, slow: bool) {
        self.window.record(now, failed, slow);
        self.failures_in_a_row = if failed { self.failures_in_a_row.saturating_add(1) } else { 0 };
        if let Some(reason) = self.reason_to_open() {
            self.open(now, reason);
        }
    }

    fn reason_to_open(&self) -> Option<Reason> {
        if self.config.consecutive_failures.is_some_and(|limit| self.failures_in_a_row >= limit.max(1)) {
            return Some(Reason::ConsecutiveFailures);
        }
        let Tally { calls, failures, slow } = self.window.total();
        if calls < self.config.enough_calls() {
            return None;
        }
        if self.config.open_at_ppm > 0 && reaches_share(failures, calls, self.config.open_at_ppm) {
            return Some(Reason::FailureRate);
        }
        let (_, slow_at_ppm) = self.config.slow_rule()?;
        reaches_share(slow, calls, slow_at_ppm).then_some(Reason::SlowCallRate)
    }

    fn probes_wanted(&self) -> u32 {
        self.config.half_open_probes.max(1)
    }

    fn probes_left(&self) -> u64 {
        let taken = u64::from(self.probes.under_way) + self.probes.answered.calls;
        u64::from(self.probes_wanted()).saturating_sub(taken)
    }

    fn probe_deadline(&self, from: Time) -> Option<Time> {
        (!self.config.half_open_max_wait.is_zero()).then(|| from + self.config.half_open_max_wait)
    }

    fn begin_probe(&mut self, now: Time) {
        if self.probes.under_way == 0 {
            self.probes.deadline = self.probe_deadline(now);
        }
        self.probes.under_way += 1;
    }

    fn end_probe(&mut self, now: Time, failed: Option<bool>, slow: bool) {
        self.probes.under_way -= 1;
        if self.probes.under_way == 0 {
            self.probes.deadline = None;
        }
        if let Some(failed) = failed {
            self.probes.answered.add(Tally::of(failed, slow));
            self.judge_probes(now);
        }
    }

    /// Opens as soon as enough probes failed to reach a threshold whatever the others do; closes when all are
    /// answered. With the failure rule off a single failure opens.
    fn judge_probes(&mut self, now: Time) {
        let wanted = u64::from(self.probes_wanted());
        let Tally { calls, failures, slow } = self.probes.answered;
        let failing = match self.config.open_at_ppm {
            0 => failures > 0,
            share_ppm => reaches_share(failures, wanted, share_ppm),
        };
        let slowing =
            self.config.slow_rule().is_some_and(|(_, share_ppm)| reaches_share(slow, wanted, share_ppm));
        if failing || slowing {
            self.open(now, Reason::ProbesFailed);
        } else if calls >= wanted {
            self.enter(State::Closed, Reason::ProbesPassed);
        }
    }

    fn open(&mut self, at: Time, reason: Reason) {
        self.opened_at = at;
        self.openings_in_a_row = self.openings_in_a_row.saturating_add(1);
        self.enter(State::Open, reason);
    }

    /// The only place where the state changes: a new generation with empty counts.
    fn enter(&mut self, to: State, reason: Reason) {
        let transition = Transition { from: self.state, to, reason };
        assert!(transition.is_legal(), "the breaker's own rules follow its table: {transition:?}");
        match to {
            State::Closed => {
                self.openings_in_a_row = 0;
                self.counters.closed += 1;
            }
            State::Open => self.counters.opened += 1,
            State::HalfOpen => self.counters.half_opened += 1,
            State::ForcedOpen | State::Disabled => {}
        }
        self.state = to;
        self.generation = self.generation.wrapping_add(1);
        self.window.clear();
        self.failures_in_a_row = 0;
        self.probes = Probes::default();
        self.pending.push(transition);
    }
}

#[cfg(test)]
mod tests;

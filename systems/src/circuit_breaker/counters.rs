//! What a breaker has counted, and a snapshot of it for metrics. Only counts.

use super::state::State;
use super::window::Tally;
use crate::time::{Span, Time};

/// What happened in one state, all stays together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounters {
    /// Times it was entered; the beginning in `Closed` is no entry.
    pub entered: u64,
    /// Calls let through.
    pub permitted: u64,
    /// Calls refused.
    pub rejected: u64,
    /// Time spent in it, of stays that are over; [`BreakerMetrics`] adds the present one.
    pub time: Span,
}

/// What a breaker has done so far. Permits let through = results + ignored + cancelled + late + under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerCounters {
    states: [StateCounters; State::ALL.len()],
    /// Permits given back with a success in the stay that granted them.
    pub succeeded: u64,
    /// Permits given back with a failure in the stay that granted them.
    pub failed: u64,
    /// Of those succeeded or failed, the ones that took too long.
    pub slow: u64,
    /// Permits given back with a result that says nothing.
    pub ignored: u64,
    /// Permits given back without a result.
    pub cancelled: u64,
    /// Permits given back after their stay was over.
    pub late: u64,
    /// Results without a permit under way.
    pub stray: u64,
}

impl BreakerCounters {
    /// What happened in one state.
    pub const fn of(&self, state: State) -> StateCounters {
        self.states[state.code() as usize]
    }

    pub(super) fn of_mut(&mut self, state: State) -> &mut StateCounters {
        &mut self.states[state.code() as usize]
    }

    /// Times it opened, from any state.
    pub const fn opened(&self) -> u64 {
        self.of(State::Open).entered
    }

    /// Times it became half open.
    pub const fn half_opened(&self) -> u64 {
        self.of(State::HalfOpen).entered
    }

    /// Times it closed.
    pub const fn closed(&self) -> u64 {
        self.of(State::Closed).entered
    }

    /// Calls let through, probes included.
    pub fn permitted(&self) -> u64 {
        self.states.iter().map(|state| state.permitted).sum()
    }

    /// Calls refused.
    pub fn rejected(&self) -> u64 {
        self.states.iter().map(|state| state.rejected).sum()
    }

    /// Permits given back, in time or late.
    pub const fn given_back(&self) -> u64 {
        self.succeeded + self.failed + self.ignored + self.cancelled + self.late
    }

    /// Permits not yet given back; one that is lost stays here.
    pub fn under_way(&self) -> u64 {
        self.permitted().saturating_sub(self.given_back())
    }
}

/// A breaker at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerMetrics {
    /// What it is doing.
    pub state: State,
    /// Number of the present stay.
    pub generation: u64,
    /// When the present stay began.
    pub since: Time,
    /// When it changes by time alone, if it does.
    pub deadline: Option<Time>,
    /// Calls in its window.
    pub window: Tally,
    /// Probes under way.
    pub probes_under_way: u64,
    /// What it has done so far, with the time of the present stay.
    pub counters: BreakerCounters,
}

impl BreakerMetrics {
    /// Share of the window's calls that failed, in parts per million, rounded down; `None` without calls.
    pub fn failure_rate_ppm(&self) -> Option<u32> {
        share_ppm(self.window.failures, self.window.calls)
    }

    /// Share of the window's calls that was slow, in parts per million, rounded down; `None` without calls.
    pub fn slow_rate_ppm(&self) -> Option<u32> {
        share_ppm(self.window.slow, self.window.calls)
    }
}

fn share_ppm(part: u64, whole: u64) -> Option<u32> {
    (u128::from(part) * 1_000_000).checked_div(u128::from(whole)).map(|ppm| ppm as u32)
}

//! The breaker itself: one state machine for one caller at a time. See the module for the picture.

use super::config::{BreakerConfig, HalfOpenBy, LateResults};
use super::counters::{BreakerCounters, BreakerMetrics};
use super::interval::{OpenInterval, Opening};
use super::log::Pending;
use super::permit::{BreakerRejection, Permit, Recorded, Taken};
use super::probes::{Probes, Verdict};
use super::state::{IllegalTransition, Reason, State, Transition, Way};
use super::window::{Tally, Window};
use crate::arithmetic::{keyed_word, reaches_share};
use crate::time::{Span, Time};
use std::sync::Arc;

/// A circuit breaker.
///
/// The law of driving it: [`try_acquire`](Self::try_acquire) before each call; [`record`](Self::record) once
/// for each permit; after each of these, and after [`expire`](Self::expire), drain
/// [`take_transition`](Self::take_transition) and read [`deadline`](Self::deadline) again. A clock that steps
/// back lengthens the current wait by the step; it never admits a call too early. A wait that would end past
/// the end of time never ends.
#[derive(Clone, Debug)]
pub struct Breaker {
    config: BreakerConfig,
    interval: Option<Arc<dyn OpenInterval>>,
    seed: u64,
    state: State,
    /// Number of the present stay: every change of state adds one.
    generation: u64,
    entered_at: Time,
    /// Permits of the present stay not yet given back.
    under_way: u64,
    window: Window,
    failures_in_a_row: u32,
    /// The latest opening, and when its wait is over.
    opening: Opening,
    opened_at: Time,
    open_until: Time,
    probes: Probes,
    pending: Pending,
    counters: BreakerCounters,
}

const NEVER_OPENED: Opening =
    Opening { nth_in_a_row: 0, reason: Reason::Command, tally: Tally::NONE, random_word: 0 };

impl Breaker {
    /// A closed breaker that has seen no call, with the seed 0.
    pub fn new(config: BreakerConfig) -> Breaker {
        Breaker {
            window: Window::new(config.window),
            config,
            interval: None,
            seed: 0,
            state: State::Closed,
            generation: 0,
            entered_at: Time::ZERO,
            under_way: 0,
            failures_in_a_row: 0,
            opening: NEVER_OPENED,
            opened_at: Time::ZERO,
            open_until: Time::ZERO,
            probes: Probes::default(),
            pending: Pending::new(),
            counters: BreakerCounters::default(),
        }
    }

    /// The same with a random word of its own, from which the spread of its waits is drawn.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Breaker {
        Breaker { seed, ..self }
    }

    /// The same with a policy of the driver's own for how long it stays open, instead of the config's.
    #[must_use]
    pub fn with_open_interval(self, interval: Arc<dyn OpenInterval>) -> Breaker {
        Breaker { interval: Some(interval), ..self }
    }

    /// What it is doing, as of the latest call to it.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Number of its present stay in a state, from 0.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What it has done so far.
    pub const fn counters(&self) -> BreakerCounters {
        self.counters
    }

    /// The calls in its window as of the latest result.
    pub fn tally(&self) -> Tally {
        self.window.total()
    }

    /// What it was told.
    pub const fn config(&self) -> &BreakerConfig {
        &self.config
    }

    /// Everything about it at `now`; forgets calls that have become too old.
    pub fn metrics(&mut self, now: Time) -> BreakerMetrics {
        self.window.advance(now);
        let mut counters = self.counters;
        counters.of_mut(self.state).time += now.since(self.entered_at);
        BreakerMetrics {
            state: self.state,
            generation: self.generation,
            since: self.entered_at,
            deadline: self.deadline(),
            window: self.window.total(),
            probes_under_way: self.probes.under_way(),
            counters,
        }
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// [`BreakerRejection`] while open, forced open, or half open with all probes under way or answered.
    #[inline]
    pub fn try_acquire(&mut self, now: Time) -> Result<Permit, BreakerRejection> {
        if !self.state.admits_all() {
            self.expire(now);
            self.end_wait(now);
        }
        let mut probe = 0;
        match self.refused_for(now) {
            Some(retry_after) => {
                self.counters.of_mut(self.state).rejected += 1;
                return Err(BreakerRejection { state: self.state, retry_after });
            }
            None if self.state == State::HalfOpen => probe = self.probes.begin(now, &self.config),
            None => {}
        }
        self.counters.of_mut(self.state).permitted += 1;
        self.under_way += 1;
        Ok(Permit { generation: self.generation, probe })
    }

    fn refused_for(&self, now: Time) -> Option<Span> {
        match self.state {
            State::Closed | State::Disabled | State::MetricsOnly => None,
            State::Open => Some(self.open_until.since(now)),
            State::HalfOpen if self.probes.has_room(&self.config) => None,
            State::HalfOpen => Some(Span::ZERO),
            State::ForcedOpen => Some(Span::MAX),
        }
    }

    /// Takes a permit back with the result of its call and the time the call took.
    #[inline]
    pub fn record(&mut self, now: Time, permit: Permit, recorded: Recorded, duration: Span) -> Taken {
        if !self.state.admits_all() {
            self.expire(now);
        }
        if permit.generation != self.generation {
            return self.record_late(now, permit, recorded, duration);
        }
        let is_under_way = match permit.probe {
            0 => self.state != State::HalfOpen && self.under_way > 0,
            number => self.probes.end(number),
        };
        if !is_under_way {
            self.counters.stray += 1;
            return Taken::Stray;
        }
        self.under_way -= 1;
        let failed = match recorded {
            Recorded::Success => false,
            Recorded::Failure => true,
            Recorded::Ignored => {
                self.counters.ignored += 1;
                return Taken::Returned;
            }
            Recorded::Cancelled => {
                self.counters.cancelled += 1;
                return Taken::Returned;
            }
        };
        let slow = self.is_slow(duration);
        self.counters.succeeded += u64::from(!failed);
        self.counters.failed += u64::from(failed);
        self.counters.slow += u64::from(slow);
        self.judge(now, failed, slow)
    }

    /// A result of the present stay, or one that is treated like it.
    fn judge(&mut self, now: Time, failed: bool, slow: bool) -> Taken {
        match self.state {
            State::Closed => {
                self.window.record(now, failed, slow);
                self.failures_in_a_row = if failed { self.failures_in_a_row.saturating_add(1) } else { 0 };
                if let Some(reason) = self.reason_to_open() {
                    self.open(now, reason);
                }
            }
            State::MetricsOnly => self.window.record(now, failed, slow),
            State::HalfOpen => {
                self.probes.count(failed, slow);
                self.judge_probes(now);
            }
            State::Disabled | State::Open | State::ForcedOpen => return Taken::Returned,
        }
        Taken::Counted
    }

    fn record_late(&mut self, now: Time, permit: Permit, recorded: Recorded, duration: Span) -> Taken {
        let is_under_way = permit.generation < self.generation && self.counters.under_way() > self.under_way;
        if !is_under_way {
            self.counters.stray += 1;
            return Taken::Stray;
        }
        self.counters.late += 1;
        let counts = self.config.late_results == LateResults::Count
            && matches!(self.state, State::Closed | State::MetricsOnly);
        if counts {
            match recorded {
                Recorded::Success => drop(self.judge(now, false, self.is_slow(duration))),
                Recorded::Failure => drop(self.judge(now, true, self.is_slow(duration))),
                Recorded::Ignored | Recorded::Cancelled => {}
            }
        }
        Taken::Late
    }

    /// When [`expire`](Self::expire) would change something. It can change with every call to the breaker.
    pub fn deadline(&self) -> Option<Time> {
        let at = match (self.state, self.config.half_open_by) {
            (State::Open, HalfOpenBy::Timer) => Some(self.open_until),
            (State::HalfOpen, _) => self.probes.deadline(),
            (State::Open, HalfOpenBy::Lazy) => None,
            (State::Closed | State::ForcedOpen | State::Disabled | State::MetricsOnly, _) => None,
        };
        at.filter(|at| *at < Time::MAX)
    }

    /// Makes the changes that are due by time alone.
    pub fn expire(&mut self, now: Time) {
        if let (State::HalfOpen, Some(due)) = (self.state, self.probes.deadline())
            && due <= now
            && due < Time::MAX
        {
            self.open(due, Reason::ProbesUnanswered);
        }
        if self.config.half_open_by == HalfOpenBy::Timer {
            self.end_wait(now);
        }
    }

    /// Becomes half open if the wait is over.
    fn end_wait(&mut self, now: Time) {
        if self.state == State::Open && self.open_until <= now && self.open_until < Time::MAX {
            let at = match self.config.half_open_by {
                HalfOpenBy::Timer => self.open_until,
                HalfOpenBy::Lazy => now,
            };
            self.enter(at, State::HalfOpen, Reason::WaitOver);
        }
    }

    /// Puts the breaker into another state on command. Permits under way no longer count. `Open` waits and
    /// probes like any opening; `ForcedOpen` (isolated), `Disabled` and `MetricsOnly` last until the next command.
    ///
    /// # Errors
    /// [`IllegalTransition`] for `HalfOpen`, or the state it is in.
    pub fn command(&mut self, now: Time, to: State) -> Result<(), IllegalTransition> {
        let way = Way { from: self.state, to, reason: Reason::Command };
        if !way.is_legal() {
            return Err(IllegalTransition(way));
        }
        if to == State::Open {
            self.open(now, Reason::Command);
        } else {
            self.enter(now, to, Reason::Command);
        }
        Ok(())
    }

    /// The oldest change of state not yet taken. Take all after each call; of more than four the oldest are
    /// lost. Where several listeners want them, keep them in a [`TransitionLog`](super::TransitionLog).
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
        if wait_changed {
            self.probes.restart_wait(now, &self.config);
        }
        match self.state {
            State::HalfOpen => self.judge_probes(now),
            State::Open => self.open_until = self.opened_at + self.open_for(),
            State::Closed | State::ForcedOpen | State::Disabled | State::MetricsOnly => {}
        }
        self.expire(now);
    }

    /// How long the latest opening lasts.
    fn open_for(&self) -> Span {
        let interval = match &self.interval {
            Some(own) => own.open_for(&self.opening),
            None => self.config.open_for(&self.opening),
        };
        interval.max(Span::from_nanos(1))
    }

    fn is_slow(&self, duration: Span) -> bool {
        self.config.slow_rule().is_some_and(|(from, _)| duration >= from)
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
        if self.config.failures_in_window.is_some_and(|limit| failures >= u64::from(limit.max(1))) {
            return Some(Reason::FailureCount);
        }
        let (_, slow_at_ppm) = self.config.slow_rule()?;
        reaches_share(slow, calls, slow_at_ppm).then_some(Reason::SlowCallRate)
    }

    fn judge_probes(&mut self, now: Time) {
        match self.probes.verdict(&self.config) {
            Verdict::Undecided => {}
            Verdict::Passed => self.enter(now, State::Closed, Reason::ProbesPassed),
            Verdict::Failed => self.open(now, Reason::ProbesFailed),
        }
    }

    fn open(&mut self, at: Time, reason: Reason) {
        self.opening = Opening {
            nth_in_a_row: self.opening.nth_in_a_row.saturating_add(1),
            reason,
            tally: self.judged(),
            random_word: keyed_word(self.seed, self.generation),
        };
        self.opened_at = at;
        self.open_until = at + self.open_for();
        self.enter(at, State::Open, reason);
    }

    /// The calls its present state is judged by.
    fn judged(&self) -> Tally {
        match self.state {
            State::Closed | State::MetricsOnly => self.window.total(),
            State::HalfOpen => self.probes.answered(),
            State::Open | State::ForcedOpen | State::Disabled => Tally::NONE,
        }
    }

    /// The only place where the state changes: a new generation with empty counts.
    fn enter(&mut self, at: Time, to: State, reason: Reason) {
        let way = Way { from: self.state, to, reason };
        assert!(way.is_legal(), "the breaker's own rules follow its table: {way:?}");
        let tally = self.judged();
        let counters = self.counters.of_mut(self.state);
        counters.time += at.since(self.entered_at);
        self.counters.of_mut(to).entered += 1;
        if to == State::Closed {
            self.opening.nth_in_a_row = 0;
        }
        self.state = to;
        self.generation += 1;
        self.entered_at = at;
        self.under_way = 0;
        self.window.clear();
        self.failures_in_a_row = 0;
        self.probes.clear();
        let open_for = if to == State::Open { self.open_until.since(at) } else { Span::ZERO };
        let (from, generation) = (way.from, self.generation);
        self.pending.push(Transition { from, to, reason, at, generation, tally, open_for });
    }
}

/// What the shared front does for it.
impl Breaker {
    /// When the wait of the latest opening is over.
    pub(super) const fn open_until(&self) -> Time {
        self.open_until
    }

    /// `permits` more were handed out in the present stay, which admits every call.
    pub(super) fn add_permits(&mut self, permits: u64) {
        self.counters.of_mut(self.state).permitted += permits;
        self.under_way += permits;
    }

    /// `permits` more were handed out in a stay in `state` that is over.
    pub(super) fn add_late_permits(&mut self, state: State, permits: u64) {
        self.counters.of_mut(state).permitted += permits;
    }

    /// `calls` more were refused while open.
    pub(super) fn add_rejections(&mut self, calls: u64) {
        self.counters.of_mut(State::Open).rejected += calls;
    }

    /// How many results, of `most`, could come without opening it, whatever they are; none unless it is closed.
    ///
    /// All failed and slow is the worst they can be: with F of C calls failed, (F + m) / (C + m) grows with m, and so
    /// it does once the window is full and C stays.
    pub(super) fn harmless_results(&self, most: u32) -> u32 {
        if self.state != State::Closed || self.window_unchanged_until() == Time::ZERO {
            return 0;
        }
        (1..=most).rev().find(|results| self.stays_closed_after(*results)).unwrap_or(0)
    }

    fn stays_closed_after(&self, results: u32) -> bool {
        let config = &self.config;
        let in_a_row = self.failures_in_a_row.saturating_add(results);
        if config.consecutive_failures.is_some_and(|limit| in_a_row >= limit.max(1)) {
            return false;
        }
        let Tally { calls, failures, slow } = self.window.total();
        let more = u64::from(results);
        if calls + more < config.enough_calls() {
            return true;
        }
        let calls = (calls + more).min(u64::from(config.window_size()));
        let by_rate = config.open_at_ppm > 0 && reaches_share(failures + more, calls, config.open_at_ppm);
        let by_count =
            config.failures_in_window.is_some_and(|limit| failures + more >= u64::from(limit.max(1)));
        let by_slowness =
            config.slow_rule().is_some_and(|(_, share_ppm)| reaches_share(slow + more, calls, share_ppm));
        !(by_rate || by_count || by_slowness)
    }

    /// Until when results may be recorded late or together and still count the same: the end of the window's latest
    /// bucket. [`Time::ZERO`] if never.
    pub(super) fn window_unchanged_until(&self) -> Time {
        self.window.unchanged_until()
    }

    /// From how long a call is slow, if that matters.
    pub(super) fn slow_from(&self) -> Option<Span> {
        self.config.slow_rule().map(|(from, _)| from)
    }

    /// A result of the present stay, one of those that cannot open it.
    pub(super) fn add_harmless(&mut self, failed: bool, slow: bool) {
        self.under_way -= 1;
        self.counters.succeeded += u64::from(!failed);
        self.counters.failed += u64::from(failed);
        self.counters.slow += u64::from(slow);
        // A time that is behind joins the latest bucket.
        self.window.record(Time::ZERO, failed, slow);
        self.failures_in_a_row = if failed { self.failures_in_a_row.saturating_add(1) } else { 0 };
    }
}

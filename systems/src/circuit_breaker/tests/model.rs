//! The breaker told again, dumber: it keeps every call of its stay in a list and counts anew each time it is
//! asked. Slow, and short enough to be read against the rules.

use super::drive::Subject;
use super::*;
use crate::arithmetic::keyed_word;

/// A judged call: when, failed, slow.
type Call = (Time, bool, bool);

pub(super) struct Model {
    config: BreakerConfig,
    seed: u64,
    state: State,
    stays: u64,
    since: Time,
    /// Every call judged in this stay.
    calls: Vec<Call>,
    /// The latest time the window has seen, ever.
    latest: Time,
    /// Probes of this stay: number, and result once there is one.
    probes: Vec<(u64, Option<(bool, bool)>)>,
    probes_numbered: u64,
    first_probe_at: Option<Time>,
    openings: u32,
    open_until: Time,
    /// Permits not given back, by stay.
    out: Vec<u64>,
    counters: BreakerCounters,
    changes: Vec<Transition>,
}

impl Model {
    pub(super) fn new(config: &BreakerConfig, seed: u64) -> Model {
        Model {
            config: config.clone(),
            seed,
            state: State::Closed,
            stays: 0,
            since: at(0),
            calls: Vec::new(),
            latest: at(0),
            probes: Vec::new(),
            probes_numbered: 0,
            first_probe_at: None,
            openings: 0,
            open_until: at(0),
            out: vec![0],
            counters: BreakerCounters::default(),
            changes: Vec::new(),
        }
    }

    fn in_window(&self) -> Vec<Call> {
        let latest = self.latest.as_nanos();
        match self.config.window {
            WindowConfig::Count { calls } => {
                self.calls.iter().rev().take(calls as usize).rev().copied().collect()
            }
            WindowConfig::Time { length, buckets } => {
                let bucket = length.as_nanos() / u64::from(buckets);
                let number = |time: Time| time.as_nanos() / bucket;
                let alive = |call: &&Call| number(call.0) + u64::from(buckets) > latest / bucket;
                self.calls.iter().filter(alive).copied().collect()
            }
            WindowConfig::Sliding { length, max_calls } => {
                let alive = |call: &&Call| latest - call.0.as_nanos() < length.as_nanos();
                self.calls.iter().rev().take(max_calls as usize).rev().filter(alive).copied().collect()
            }
        }
    }

    fn judged(&self) -> Tally {
        let calls: Vec<(bool, bool)> = match self.state {
            State::Closed | State::MetricsOnly => {
                self.in_window().iter().map(|(_, failed, slow)| (*failed, *slow)).collect()
            }
            State::HalfOpen => self.answered(),
            State::Open | State::ForcedOpen | State::Disabled => Vec::new(),
        };
        tally(&calls)
    }

    fn answered(&self) -> Vec<(bool, bool)> {
        self.probes.iter().filter_map(|(_, result)| *result).collect()
    }

    fn become_(&mut self, when: Time, to: State, reason: Reason) {
        let tally = self.judged();
        if to == State::Open {
            self.openings += 1;
            let opening = Opening {
                nth_in_a_row: self.openings,
                reason,
                tally,
                random_word: keyed_word(self.seed, self.stays),
            };
            self.open_until = when + OpenInterval::open_for(&self.config, &opening).max(Span::from_nanos(1));
        }
        if to == State::Closed {
            self.openings = 0;
        }
        self.counters.of_mut(self.state).time += when.since(self.since);
        self.counters.of_mut(to).entered += 1;
        self.stays += 1;
        self.out.push(0);
        self.changes.push(Transition {
            from: self.state,
            to,
            reason,
            at: when,
            generation: self.stays,
            tally,
            open_for: if to == State::Open { self.open_until.since(when) } else { Span::ZERO },
        });
        (self.state, self.since) = (to, when);
        self.calls.clear();
        self.probes.clear();
        (self.probes_numbered, self.first_probe_at) = (0, None);
    }

    fn probes_due(&self) -> Option<Time> {
        let wait = Some(self.config.half_open_max_wait).filter(|wait| !wait.is_zero())?;
        self.first_probe_at.map(|first| first + wait)
    }

    fn judge(&mut self, now: Time, failed: bool, slow: bool) {
        self.latest = self.latest.max(now);
        self.calls.push((self.latest, failed, slow));
        if self.state != State::Closed {
            return;
        }
        let Tally { calls, failures, slow } = self.judged();
        let in_a_row = self.calls.iter().rev().take_while(|(_, failed, _)| *failed).count() as u64;
        let size = match self.config.window {
            WindowConfig::Count { calls } | WindowConfig::Sliding { max_calls: calls, .. } => {
                u64::from(calls)
            }
            WindowConfig::Time { .. } => u64::MAX,
        };
        let enough = calls >= u64::from(self.config.min_requests).min(size);
        let share = |part: u64, ppm: u32| part * 1_000_000 >= calls * u64::from(ppm);
        let reason = if self.config.consecutive_failures.is_some_and(|limit| in_a_row >= u64::from(limit)) {
            Reason::ConsecutiveFailures
        } else if enough && self.config.open_at_ppm > 0 && share(failures, self.config.open_at_ppm) {
            Reason::FailureRate
        } else if enough && self.config.failures_in_window.is_some_and(|limit| failures >= u64::from(limit)) {
            Reason::FailureCount
        } else if enough && self.config.slow_call.is_some() && share(slow, self.config.slow_at_ppm) {
            Reason::SlowCallRate
        } else {
            return;
        };
        self.become_(now, State::Open, reason);
    }

    fn judge_probes(&mut self, now: Time) {
        let answered = self.answered();
        let wanted = u64::from(self.config.half_open_probes);
        let Tally { calls, failures, slow } = tally(&answered);
        let good = answered.iter().filter(|(failed, slow)| !failed && !slow).count() as u64;
        let (passed, failed) = match self.config.half_open_decision {
            HalfOpenDecision::Successes(k) => (good >= u64::from(k), wanted - (calls - good) < u64::from(k)),
            HalfOpenDecision::AllProbes => {
                let share = |part: u64, ppm: u32| part * 1_000_000 >= wanted * u64::from(ppm);
                let failing = match self.config.open_at_ppm {
                    0 => failures > 0,
                    ppm => share(failures, ppm),
                };
                let slowing = self.config.slow_call.is_some() && share(slow, self.config.slow_at_ppm);
                (calls == wanted && !failing && !slowing, failing || slowing)
            }
        };
        if passed {
            self.become_(now, State::Closed, Reason::ProbesPassed);
        } else if failed {
            self.become_(now, State::Open, Reason::ProbesFailed);
        }
    }

    fn is_slow(&self, took: Span) -> bool {
        self.config.slow_call.is_some_and(|slow| took >= slow)
    }

    fn wait_over(&mut self, now: Time) {
        if self.state == State::Open && self.open_until <= now {
            let lazy = self.config.half_open_by == HalfOpenBy::Lazy;
            self.become_(if lazy { now } else { self.open_until }, State::HalfOpen, Reason::WaitOver);
        }
    }
}

fn tally(calls: &[(bool, bool)]) -> Tally {
    Tally {
        calls: calls.len() as u64,
        failures: calls.iter().filter(|(failed, _)| *failed).count() as u64,
        slow: calls.iter().filter(|(_, slow)| *slow).count() as u64,
    }
}

impl Subject for Model {
    fn try_acquire(&mut self, now: Time) -> Result<Permit, BreakerRejection> {
        self.expire(now);
        self.wait_over(now);
        let state = self.state;
        let refused = |retry_after| Err(BreakerRejection { state, retry_after });
        let full = self.probes.len() == self.config.half_open_probes as usize;
        let answer = match state {
            State::Open => refused(self.open_until.since(now)),
            State::ForcedOpen => refused(Span::MAX),
            State::HalfOpen if full => refused(Span::ZERO),
            State::HalfOpen => {
                if self.probes.iter().all(|(_, result)| result.is_some()) {
                    self.first_probe_at = Some(now);
                }
                self.probes_numbered += 1;
                self.probes.push((self.probes_numbered, None));
                Ok(Permit { generation: self.stays, probe: self.probes_numbered })
            }
            State::Closed | State::Disabled | State::MetricsOnly => {
                Ok(Permit { generation: self.stays, probe: 0 })
            }
        };
        let counters = self.counters.of_mut(state);
        counters.permitted += u64::from(answer.is_ok());
        counters.rejected += u64::from(answer.is_err());
        self.out[self.stays as usize] += u64::from(answer.is_ok());
        answer
    }

    fn record(&mut self, now: Time, permit: Permit, recorded: Recorded, took: Span) -> Taken {
        self.expire(now);
        let result = match recorded {
            Recorded::Success => Some((false, self.is_slow(took))),
            Recorded::Failure => Some((true, self.is_slow(took))),
            Recorded::Ignored | Recorded::Cancelled => None,
        };
        let stay = permit.generation as usize;
        if permit.generation != self.stays {
            let Some(older) = self.out[..self.stays as usize].iter_mut().find(|out| **out > 0) else {
                self.counters.stray += 1;
                return Taken::Stray;
            };
            *older -= 1;
            self.counters.late += 1;
            let judging = matches!(self.state, State::Closed | State::MetricsOnly);
            if let Some((failed, slow)) =
                result.filter(|_| self.config.late_results == LateResults::Count && judging)
            {
                self.judge(now, failed, slow);
            }
            return Taken::Late;
        }
        let probe =
            self.probes.iter().position(|(number, result)| *number == permit.probe && result.is_none());
        let is_out = if permit.is_probe() { probe.is_some() } else { self.out[stay] > 0 };
        if !is_out {
            self.counters.stray += 1;
            return Taken::Stray;
        }
        self.out[stay] -= 1;
        if let Some(probe) = probe {
            self.probes[probe].1 = result;
            if result.is_none() {
                self.probes.remove(probe);
            }
            if self.probes.iter().all(|(_, result)| result.is_some()) {
                self.first_probe_at = None;
            }
        }
        let Some((failed, slow)) = result else {
            self.counters.ignored += u64::from(recorded == Recorded::Ignored);
            self.counters.cancelled += u64::from(recorded == Recorded::Cancelled);
            return Taken::Returned;
        };
        self.counters.succeeded += u64::from(!failed);
        self.counters.failed += u64::from(failed);
        self.counters.slow += u64::from(slow);
        match self.state {
            State::Closed | State::MetricsOnly => self.judge(now, failed, slow),
            State::HalfOpen => self.judge_probes(now),
            State::Disabled | State::Open | State::ForcedOpen => return Taken::Returned,
        }
        Taken::Counted
    }

    fn expire(&mut self, now: Time) {
        if let Some(due) = self.probes_due().filter(|due| *due <= now) {
            self.become_(due, State::Open, Reason::ProbesUnanswered);
        }
        if self.config.half_open_by == HalfOpenBy::Timer {
            self.wait_over(now);
        }
    }

    fn command(&mut self, now: Time, to: State) -> Result<(), IllegalTransition> {
        if to == self.state || to == State::HalfOpen {
            return Err(IllegalTransition(Way { from: self.state, to, reason: Reason::Command }));
        }
        self.become_(now, to, Reason::Command);
        Ok(())
    }

    fn deadline(&mut self) -> Option<Time> {
        match self.state {
            State::Open if self.config.half_open_by == HalfOpenBy::Timer => Some(self.open_until),
            State::HalfOpen => self.probes_due(),
            _ => None,
        }
    }

    fn changes(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.changes)
    }

    fn metrics(&mut self, now: Time) -> BreakerMetrics {
        self.latest = self.latest.max(now);
        let mut counters = self.counters;
        counters.of_mut(self.state).time += now.since(self.since);
        let calls: Vec<(bool, bool)> =
            self.in_window().iter().map(|(_, failed, slow)| (*failed, *slow)).collect();
        BreakerMetrics {
            state: self.state,
            generation: self.stays,
            since: self.since,
            deadline: self.deadline(),
            window: tally(&calls),
            probes_under_way: self.probes.iter().filter(|(_, result)| result.is_none()).count() as u64,
            counters,
        }
    }
}

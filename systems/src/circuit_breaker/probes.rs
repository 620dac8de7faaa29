//! The calls let through while half open: which are under way, how those answered went, and what follows. Knows
//! each probe by its number, so that a result that comes twice never stands for another probe.

use super::config::{BreakerConfig, HalfOpenDecision};
use super::window::Tally;
use crate::arithmetic::reaches_share;
use crate::time::Time;

/// What the probes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Undecided,
    Passed,
    Failed,
}

/// The probes of one half-open stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    /// Numbers of those under way, ascending.
    under_way: Vec<u64>,
    last_number: u64,
    answered: Tally,
    /// Answered with a success that was not slow.
    good: u64,
    /// When the wait for those under way is over.
    deadline: Option<Time>,
}

impl Probes {
    /// A new stay; keeps the memory.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
        self.last_number = 0;
        self.answered = Tally::default();
        self.good = 0;
        self.deadline = None;
    }

    pub(super) fn under_way(&self) -> u64 {
        self.under_way.len() as u64
    }

    pub(super) fn answered(&self) -> Tally {
        self.answered
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    pub(super) fn has_room(&self, config: &BreakerConfig) -> bool {
        self.under_way() + self.answered.calls < config.probes_wanted()
    }

    /// Lets a probe go; its number.
    pub(super) fn begin(&mut self, now: Time, config: &BreakerConfig) -> u64 {
        if self.under_way.is_empty() {
            self.deadline = deadline(now, config);
        }
        self.last_number += 1;
        self.under_way.push(self.last_number);
        self.last_number
    }

    /// A probe is over; `false` if none of this number is under way.
    pub(super) fn end(&mut self, number: u64) -> bool {
        let Ok(place) = self.under_way.binary_search(&number) else { return false };
        self.under_way.remove(place);
        if self.under_way.is_empty() {
            self.deadline = None;
        }
        true
    }

    pub(super) fn count(&mut self, failed: bool, slow: bool) {
        self.answered.add(Tally::of(failed, slow));
        self.good += u64::from(!failed && !slow);
    }

    /// The wait for probes under way begins anew.
    pub(super) fn restart_wait(&mut self, now: Time, config: &BreakerConfig) {
        if !self.under_way.is_empty() {
            self.deadline = deadline(now, config);
        }
    }

    pub(super) fn verdict(&self, config: &BreakerConfig) -> Verdict {
        let wanted = config.probes_wanted();
        match config.half_open_decision {
            HalfOpenDecision::AllProbes => self.verdict_of_all(config, wanted),
            HalfOpenDecision::Successes(successes) => {
                let successes = u64::from(successes).clamp(1, wanted);
                let bad = self.answered.calls - self.good;
                if self.good >= successes {
                    Verdict::Passed
                } else if wanted.saturating_sub(bad) < successes {
                    Verdict::Failed
                } else {
                    Verdict::Undecided
                }
            }
        }
    }

    /// Failed as soon as a threshold is reached whatever the others do. Without a failure rate one failure is
    /// enough.
    fn verdict_of_all(&self, config: &BreakerConfig, wanted: u64) -> Verdict {
        let Tally { calls, failures, slow } = self.answered;
        let failing = match config.open_at_ppm {
            0 => failures > 0,
            share_ppm => reaches_share(failures, wanted, share_ppm),
        };
        let slowing = config.slow_rule().is_some_and(|(_, share_ppm)| reaches_share(slow, wanted, share_ppm));
        if failing || slowing {
            Verdict::Failed
        } else if calls >= wanted {
            Verdict::Passed
        } else {
            Verdict::Undecided
        }
    }
}

fn deadline(from: Time, config: &BreakerConfig) -> Option<Time> {
    (!config.half_open_max_wait.is_zero()).then(|| from + config.half_open_max_wait)
}

//! One bandwidth and the permits in it. A permit is as many units as its period has nanoseconds, so that a greedy
//! refill is a whole number of units per nanosecond. All sums stay below 2^114.

use super::super::Inherit;
use super::super::config::wait_for;
use super::config::{Bandwidth, Refill};
use crate::time::{Span, Time};

#[derive(Clone, Debug)]
pub(super) struct Band {
    config: Bandwidth,
    /// In units; below zero when permits were reserved ahead.
    level: i128,
    /// Nanoseconds of the present period that have passed; for [`Refill::Interval`].
    into_period: u64,
    /// The last multiple of the period whose refill was given; for [`Refill::IntervalAligned`].
    given: u64,
}

impl Band {
    pub(super) fn new(config: Bandwidth, now: Time) -> Band {
        let given = now.as_nanos() / config.period.as_nanos();
        let mut band = Band { config, level: 0, into_period: 0, given };
        band.level = band.units(config.initial);
        band
    }

    pub(super) fn filled(&self, now: Time) -> Band {
        Band::new(Bandwidth { initial: self.config.capacity, ..self.config }, now)
    }

    pub(super) const fn config(&self) -> Bandwidth {
        self.config
    }

    pub(super) fn available(&self) -> u64 {
        (self.level.max(0) / i128::from(self.period())) as u64
    }

    pub(super) fn take(&mut self, cost: u64) {
        self.level -= self.units(cost);
    }

    pub(super) fn put(&mut self, cost: u64) {
        let back = i128::from(cost).saturating_mul(i128::from(self.period()));
        self.level = self.level.saturating_add(back).min(self.units(self.config.capacity));
    }

    /// Lets in what came in between.
    pub(super) fn refill(&mut self, last: Time, now: Time) {
        let passed = now.since(last).as_nanos();
        let came_in = match self.config.schedule {
            Refill::Greedy => i128::from(passed) * i128::from(self.config.refill),
            Refill::Interval => {
                let total = u128::from(self.into_period) + u128::from(passed);
                self.into_period = (total % u128::from(self.period())) as u64;
                self.refills((total / u128::from(self.period())) as u64)
            }
            Refill::IntervalAligned => {
                let present = now.as_nanos() / self.period();
                // A clock gone back meets multiples again: what was given is not given again, though no more than
                // one refill is held back, or a clock gone back far would freeze the bucket.
                self.given = self.given.min(present.saturating_add(1));
                let missed = present.saturating_sub(self.given);
                self.given += missed;
                self.refills(missed)
            }
        };
        self.level = (self.level + came_in).min(self.units(self.config.capacity));
    }

    /// How long until `cost` permits are there; [`Span::MAX`] if they never fit.
    pub(super) fn wait(&self, now: Time, cost: u64) -> Span {
        if cost > self.config.capacity {
            return Span::MAX;
        }
        if cost == 0 { Span::ZERO } else { self.wait_for_level(now, self.units(cost)) }
    }

    pub(super) fn wait_until_full(&self, now: Time) -> Span {
        self.wait_for_level(now, self.units(self.config.capacity))
    }

    /// What follows it when the bandwidth changes.
    pub(super) fn followed_by(&self, config: Bandwidth, now: Time, inherit: Inherit) -> Band {
        let into_new = |units: u128| {
            let (old, new) = (u128::from(self.period()), u128::from(config.period.as_nanos()));
            units / old * new + units % old * new / old
        };
        let level = into_new(self.level.unsigned_abs()) as i128 * self.level.signum();
        let former = into_new(self.units(self.config.capacity) as u128);
        let mut band = Band::new(config, now);
        band.level = inherit.level(level, former, config.capacity, config.period.as_nanos());
        if config.period == self.config.period && config.schedule == self.config.schedule {
            (band.into_period, band.given) = (self.into_period, self.given);
        }
        band
    }

    fn wait_for_level(&self, now: Time, level: i128) -> Span {
        let missing = (level - self.level).max(0) as u128;
        if missing == 0 {
            return Span::ZERO;
        }
        let refills = missing.div_ceil(u128::from(self.period()) * u128::from(self.config.refill));
        let refills = u64::try_from(refills).unwrap_or(u64::MAX);
        match self.config.schedule {
            Refill::Greedy => wait_for(missing, self.config.refill),
            Refill::Interval => {
                let wait = u128::from(refills) * u128::from(self.period()) - u128::from(self.into_period);
                Span::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
            }
            Refill::IntervalAligned => {
                let due = u128::from(self.given.saturating_add(refills)) * u128::from(self.period());
                match u64::try_from(due) {
                    Ok(due_ns) => Time::from_nanos(due_ns).since(now),
                    Err(_) => Span::MAX,
                }
            }
        }
    }

    /// What `count` refills bring, no more than what fills any debt and the capacity.
    fn refills(&self, count: u64) -> i128 {
        let one = self.units(self.config.refill);
        one.saturating_mul(i128::from(count))
            .min(self.units(self.config.capacity).saturating_sub(self.level).max(0))
    }

    const fn period(&self) -> u64 {
        self.config.period.as_nanos()
    }

    /// Below 2^112 for whatever the config allows; a caller's cost is checked against the capacity before it is taken.
    fn units(&self, permits: u64) -> i128 {
        i128::from(permits) * i128::from(self.period())
    }
}

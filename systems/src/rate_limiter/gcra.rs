//! The generic cell rate algorithm: one number, the theoretical arrival time (TAT) of the next request if all
//! came evenly spaced; a request may be early by a tolerance and no more. Decides exactly like the token
//! bucket.

use super::{Limiter, PERMIT, RateLimitConfig, RetryAt, units_per_ns, wait_for};
use crate::time::{Span, Time};

/// GCRA by virtual scheduling.
///
/// A clock that goes back mints nothing and freezes nothing: the schedule is moved along with it.
#[derive(Clone, Debug)]
pub struct Gcra {
    /// Theoretical arrival time, in units; `per_ns` of them make a nanosecond.
    tat: u128,
    per_ns: u64,
    /// Units between evenly spaced permits.
    interval: u64,
    /// How far the schedule may run ahead of the clock, in units: tolerance plus one interval.
    reach: u128,
    last: Time,
}

impl Gcra {
    /// Interval 1/rate, tolerance (burst - 1) intervals; nothing scheduled yet.
    pub fn new(config: RateLimitConfig, now: Time) -> Gcra {
        let per_ns = units_per_ns(config);
        let reach = u128::from(config.burst) * u128::from(PERMIT);
        Gcra { tat: in_units(now, per_ns), per_ns, interval: PERMIT, reach, last: now }
    }

    /// The standard's own parameters: `interval` T between conforming requests, `tolerance` tau by which one
    /// may come early. Equals a rate of 1/T with a burst of 1 + tau/T, which need not be whole.
    pub fn with_tolerance(interval: Span, tolerance: Span, now: Time) -> Gcra {
        let reach = u128::from(interval.as_nanos()) + u128::from(tolerance.as_nanos());
        Gcra { tat: in_units(now, 1), per_ns: 1, interval: interval.as_nanos(), reach, last: now }
    }

    /// Gives permits back that were taken and not used; the schedule never falls behind the clock.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        let ahead = self.ahead(now).saturating_sub(self.units(cost));
        self.tat = in_units(now, self.per_ns) + ahead;
    }

    /// Follows a new config. Permits saved up so far stay, as far as the new burst has room for them.
    pub fn reconfigure(&mut self, config: RateLimitConfig, now: Time) {
        let saved = self.reach - self.ahead(now);
        let saved = match self.interval {
            PERMIT => saved,
            // Another unit: whole intervals and the fraction of one are carried over separately.
            0 => u128::MAX,
            interval => {
                let interval = u128::from(interval);
                (saved / interval).saturating_mul(u128::from(PERMIT))
                    + (saved % interval) * u128::from(PERMIT) / interval
            }
        };
        self.per_ns = units_per_ns(config);
        self.interval = PERMIT;
        self.reach = u128::from(config.burst) * u128::from(PERMIT);
        self.tat = in_units(now, self.per_ns) + self.reach.saturating_sub(saved);
    }

    fn units(&self, cost: u64) -> u128 {
        u128::from(cost) * u128::from(self.interval)
    }

    /// By how much the schedule is ahead of the clock, in units.
    fn ahead(&mut self, now: Time) -> u128 {
        if now < self.last {
            self.tat -= in_units(self.last, self.per_ns) - in_units(now, self.per_ns);
        }
        self.last = now;
        let now = in_units(now, self.per_ns);
        self.tat = self.tat.max(now);
        self.tat - now
    }
}

impl Limiter for Gcra {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        let ahead = self.ahead(now);
        let wanted = self.units(cost);
        if wanted > self.reach {
            return Err(RetryAt(Span::MAX));
        }
        if ahead + wanted <= self.reach {
            self.tat += wanted;
            return Ok(());
        }
        Err(wait_for(ahead + wanted - self.reach, self.per_ns))
    }
}

/// Below 2^64 nanoseconds times below 2^60 units: far from overflow even with a burst added.
fn in_units(time: Time, per_ns: u64) -> u128 {
    u128::from(time.as_nanos()) * u128::from(per_ns)
}

//! The generic cell rate algorithm: one number, the theoretical arrival time (TAT) of the next request if all
//! came evenly spaced; a request may be early by a tolerance and no more. The leaky bucket as a meter. Decides
//! exactly like the token bucket.

use super::config::{permits, units_per_ns, wait_for, within};
use super::{Forgettable, Inherit, Limiter, PERMIT, Quota, QuotaStatus, RateLimitConfig, Reserve, RetryAt};
use crate::time::{Span, Time};

/// GCRA by virtual scheduling.
///
/// A clock that goes back mints nothing and freezes nothing: the schedule is moved along with it.
#[derive(Clone, Debug)]
#[repr(Rust, packed(8))] // Without padding, so that a key of a word and its limiter share a cache line.
pub struct Gcra {
    /// Theoretical arrival time, in units; `per_ns` of them make a nanosecond.
    tat: u128,
    per_ns: u64,
    /// Units between evenly spaced permits.
    interval: u64,
    /// How far the schedule may run ahead of the clock, in units: tolerance plus one interval. Permits reserved
    /// ahead take it further.
    reach: u128,
    last: Time,
}

impl Gcra {
    /// Interval 1/rate, tolerance (burst - 1) intervals; nothing scheduled yet.
    pub fn new(config: RateLimitConfig, now: Time) -> Gcra {
        let per_ns = units_per_ns(config);
        let reach = permits(config.burst);
        Gcra { tat: in_units(now, per_ns), per_ns, interval: PERMIT, reach, last: now }
    }

    /// The standard's own parameters: `interval` T between conforming requests, `tolerance` tau by which one
    /// may come early. Equals a rate of 1/T with a burst of 1 + tau/T, which need not be whole.
    pub fn with_tolerance(interval: Span, tolerance: Span, now: Time) -> Gcra {
        let reach = u128::from(interval.as_nanos()) + u128::from(tolerance.as_nanos());
        Gcra { tat: in_units(now, 1), per_ns: 1, interval: interval.as_nanos(), reach, last: now }
    }

    /// How long `cost` permits would have to be waited for, taking none; [`Span::MAX`] if they never come.
    pub fn estimated_wait(&mut self, now: Time, cost: u64) -> Span {
        let ahead = self.ahead(now);
        self.wait(ahead, cost)
    }

    /// Gives permits back that were taken and not used; the schedule never falls behind the clock.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        let ahead = self.ahead(now).saturating_sub(self.units(cost));
        self.tat = in_units(now, self.per_ns) + ahead;
    }

    /// Follows a new config. Permits saved up so far stay, as far as the new burst has room for them.
    pub fn reconfigure(&mut self, config: RateLimitConfig, now: Time) {
        self.reconfigure_with(config, now, Inherit::Keep);
    }

    /// Follows a new config; `inherit` says what becomes of the permits saved up so far.
    pub fn reconfigure_with(&mut self, config: RateLimitConfig, now: Time, inherit: Inherit) {
        let saved = self.reach as i128 - self.ahead(now) as i128;
        let full = permits(config.burst);
        let saved = match self.interval {
            // No time between permits: there always was a full burst.
            0 => full as i128,
            interval => {
                let saved = converted(saved.unsigned_abs(), interval) as i128 * saved.signum();
                inherit.level(saved, converted(self.reach, interval), config.burst, PERMIT)
            }
        };
        self.per_ns = units_per_ns(config);
        self.interval = PERMIT;
        self.reach = full;
        self.tat = in_units(now, self.per_ns) + (full as i128 - saved) as u128;
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

    fn wait(&self, ahead: u128, cost: u64) -> Span {
        let wanted = self.units(cost);
        if wanted > self.reach {
            return Span::MAX;
        }
        if cost == 0 || ahead + wanted <= self.reach {
            return Span::ZERO;
        }
        wait_for(ahead + wanted - self.reach, self.per_ns)
    }
}

impl Limiter for Gcra {
    #[inline]
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        let ahead = self.ahead(now);
        let wanted = self.units(cost);
        if ahead + wanted <= self.reach {
            self.tat += wanted;
            return Ok(());
        }
        // The same in full: how long to wait.
        self.reserve(now, cost, Span::ZERO).map(|_| ())
    }
}

impl Reserve for Gcra {
    #[inline]
    fn reserve(&mut self, now: Time, cost: u64, max_wait: Span) -> Result<Span, RetryAt> {
        let ahead = self.ahead(now);
        let wait = within(self.wait(ahead, cost), max_wait)?;
        self.tat += self.units(cost);
        Ok(wait)
    }
}

impl Forgettable for Gcra {
    fn renewed(&self, now: Time) -> Gcra {
        Gcra { tat: in_units(now, self.per_ns), last: now, ..self.clone() }
    }

    fn settled_at(&self) -> Time {
        let ahead = self.tat.saturating_sub(in_units(self.last, self.per_ns));
        self.last + wait_for(ahead, self.per_ns)
    }
}

impl Quota for Gcra {
    fn quota(&mut self, now: Time) -> QuotaStatus {
        let ahead = self.ahead(now);
        // Without an interval there is no end of permits.
        let whole = |units: u128| {
            units
                .checked_div(u128::from(self.interval))
                .map_or(u64::MAX, |permits| u64::try_from(permits).unwrap_or(u64::MAX))
        };
        QuotaStatus {
            limit: whole(self.reach),
            remaining: whole(self.reach.saturating_sub(ahead)),
            reset: wait_for(ahead, self.per_ns),
        }
    }
}

/// Below 2^64 nanoseconds times below 2^60 units: far from overflow even with a burst and a debt added.
fn in_units(time: Time, per_ns: u64) -> u128 {
    u128::from(time.as_nanos()) * u128::from(per_ns)
}

/// Units of `interval` a permit in units of [`PERMIT`] a permit: whole intervals and the fraction of one are
/// carried over separately. Cut to 2^126.
fn converted(units: u128, interval: u64) -> u128 {
    if interval == PERMIT {
        return units;
    }
    let (interval, permit) = (u128::from(interval), u128::from(PERMIT));
    let whole = (units / interval).saturating_mul(permit);
    whole.saturating_add(units % interval * permit / interval).min(1 << 126)
}

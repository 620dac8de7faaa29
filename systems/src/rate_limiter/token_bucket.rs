//! A bucket that fills at the rate up to the burst; a request takes its cost out of it. Never waits: a reservation
//! says how long its holder has to.

use super::config::{permits, units_per_ns, wait_for, within};
use super::{Forgettable, Inherit, Limiter, PERMIT, Quota, QuotaStatus, RateLimitConfig, Reserve, RetryAt};
use crate::time::{Span, Time};

/// A token bucket, full at the start.
///
/// A clock that goes back mints nothing and freezes nothing: filling goes on from the new time. An idle year
/// fills the bucket and no more.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// In units; below zero when permits were reserved ahead, by less than 2^125.
    level: i128,
    config: RateLimitConfig,
    last: Time,
}

/// The most that can be owed, in units: far beyond what refills in a lifetime, and far from overflow.
const MAX_DEBT: i128 = 1 << 120;

impl TokenBucket {
    /// A full bucket.
    pub fn new(config: RateLimitConfig, now: Time) -> TokenBucket {
        TokenBucket { level: permits(config.burst) as i128, config, last: now }
    }

    /// A bucket that starts with `initial` permits, at most the burst.
    pub fn with_initial(config: RateLimitConfig, initial: u64, now: Time) -> TokenBucket {
        TokenBucket { level: permits(initial.min(config.burst)) as i128, ..TokenBucket::new(config, now) }
    }

    /// The limit in force.
    pub const fn config(&self) -> RateLimitConfig {
        self.config
    }

    /// Whole permits that could be taken at `now`.
    pub fn available(&mut self, now: Time) -> u64 {
        self.refill(now);
        (self.level.max(0) / i128::from(PERMIT)) as u64
    }

    /// How long `cost` permits would have to be waited for, taking none; [`Span::MAX`] if they never come.
    pub fn estimated_wait(&mut self, now: Time, cost: u64) -> Span {
        self.refill(now);
        self.wait(cost)
    }

    /// Gives permits back that were taken and not used; never more than fit.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        self.refill(now);
        self.level = (self.level + permits(cost) as i128).min(self.capacity());
    }

    /// Follows a new config. Permits saved up so far stay, as far as the new burst has room for them.
    pub fn reconfigure(&mut self, config: RateLimitConfig, now: Time) {
        self.reconfigure_with(config, now, Inherit::Keep);
    }

    /// Follows a new config; `inherit` says what becomes of the permits saved up so far.
    pub fn reconfigure_with(&mut self, config: RateLimitConfig, now: Time, inherit: Inherit) {
        self.refill(now);
        self.level = inherit.level(self.level, permits(self.config.burst), config.burst, PERMIT);
        self.config = config;
    }

    /// A bucket with a balance that may be owed.
    pub(super) fn with_balance(config: RateLimitConfig, balance: i64, now: Time) -> TokenBucket {
        let level = i128::from(balance) * i128::from(PERMIT);
        TokenBucket { level: level.min(permits(config.burst) as i128), config, last: now }
    }

    /// Whole permits, rounded down; below zero if some are owed.
    pub(super) fn balance(&mut self, now: Time) -> i64 {
        self.refill(now);
        let whole = self.level.div_euclid(i128::from(PERMIT));
        i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
    }

    /// Puts `back` permits in and takes `used` out at once, whether they are there or not.
    pub(super) fn settle(&mut self, now: Time, back: u64, used: u64) {
        self.refill(now);
        let level = self.level + permits(back) as i128 - permits(used) as i128;
        self.level = level.clamp(-MAX_DEBT, self.capacity());
    }

    fn capacity(&self) -> i128 {
        permits(self.config.burst) as i128
    }

    fn refill(&mut self, now: Time) {
        let came_in = u128::from(now.since(self.last).as_nanos()) * u128::from(units_per_ns(self.config));
        self.level = (self.level + came_in as i128).min(self.capacity());
        self.last = now;
    }

    fn wait(&self, cost: u64) -> Span {
        if cost > self.config.burst {
            return Span::MAX;
        }
        let missing = (permits(cost) as i128 - self.level).max(0);
        if cost == 0 { Span::ZERO } else { wait_for(missing as u128, units_per_ns(self.config)) }
    }
}

impl Limiter for TokenBucket {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        self.reserve(now, cost, Span::ZERO).map(|_| ())
    }
}

impl Reserve for TokenBucket {
    fn reserve(&mut self, now: Time, cost: u64, max_wait: Span) -> Result<Span, RetryAt> {
        self.refill(now);
        let wait = within(self.wait(cost), max_wait)?;
        self.level -= permits(cost) as i128;
        Ok(wait)
    }
}

impl Forgettable for TokenBucket {
    fn renewed(&self, now: Time) -> TokenBucket {
        TokenBucket::new(self.config, now)
    }

    fn settled_at(&self) -> Time {
        self.last + wait_for((self.capacity() - self.level) as u128, units_per_ns(self.config))
    }
}

impl Quota for TokenBucket {
    fn quota(&mut self, now: Time) -> QuotaStatus {
        let remaining = self.available(now);
        let missing = (self.capacity() - self.level) as u128;
        let reset = wait_for(missing, units_per_ns(self.config));
        QuotaStatus { limit: self.config.burst, remaining, reset }
    }
}

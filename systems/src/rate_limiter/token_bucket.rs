//! A bucket that fills at the rate up to the burst; a request takes its cost out of it.

use super::{Limiter, PERMIT, RateLimitConfig, RetryAt, units_per_ns, wait_for};
use crate::time::Time;

/// A token bucket, full at the start.
///
/// A clock that goes back mints nothing and freezes nothing: filling goes on from the new time. An idle year
/// fills the bucket and no more.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    level: u128,
    capacity: u128,
    per_ns: u64,
    last: Time,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(config: RateLimitConfig, now: Time) -> TokenBucket {
        let capacity = u128::from(config.burst) * u128::from(PERMIT);
        TokenBucket { level: capacity, capacity, per_ns: units_per_ns(config), last: now }
    }

    /// Whole permits that could be taken at `now`.
    pub fn available(&mut self, now: Time) -> u64 {
        self.refill(now);
        (self.level / u128::from(PERMIT)) as u64
    }

    /// Gives permits back that were taken and not used; never more than fit.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        self.refill(now);
        self.level = (self.level + u128::from(cost) * u128::from(PERMIT)).min(self.capacity);
    }

    /// Follows a new config. Permits saved up so far stay, as far as the new burst has room for them.
    pub fn reconfigure(&mut self, config: RateLimitConfig, now: Time) {
        self.refill(now);
        self.capacity = u128::from(config.burst) * u128::from(PERMIT);
        self.level = self.level.min(self.capacity);
        self.per_ns = units_per_ns(config);
    }

    fn refill(&mut self, now: Time) {
        let came_in = u128::from(now.since(self.last).as_nanos()) * u128::from(self.per_ns);
        self.level = (self.level + came_in).min(self.capacity);
        self.last = now;
    }
}

impl Limiter for TokenBucket {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        self.refill(now);
        let wanted = u128::from(cost) * u128::from(PERMIT);
        if wanted > self.capacity {
            return Err(RetryAt(crate::time::Span::MAX));
        }
        match self.level.checked_sub(wanted) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => Err(wait_for(wanted - self.level, self.per_ns)),
        }
    }
}

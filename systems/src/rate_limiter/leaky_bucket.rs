//! The leaky bucket as a queue: requests leave evenly spaced, those that find the bucket full are refused. Shapes
//! traffic; the meter that only decides is [`Gcra`](super::Gcra). Keeps no requests: each is told how long to wait.

use super::config::{permits, units_per_ns, wait_for};
use super::{PERMIT, RateLimitConfig, RetryAt};
use crate::time::{Span, Time};

/// How a leaky bucket shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakyBucketConfig {
    /// At which rate requests leave, and how many permits may wait besides the one that leaves: the burst of
    /// nginx `limit_req`.
    pub limit: RateLimitConfig,
    /// How many of the waiting permits leave at once nevertheless: nginx `delay=`. 0 paces all of them, a whole
    /// burst makes it a meter (`nodelay`).
    pub undelayed: u64,
    /// The longest wait; who would wait for longer is refused. Sentinel's `maxQueueingTimeMs`.
    pub max_wait: Span,
}

/// A leaky bucket as a queue.
///
/// A clock that goes back neither empties nor freezes it: the schedule moves along.
#[derive(Clone, Debug)]
pub struct LeakyBucket {
    config: LeakyBucketConfig,
    /// What has not leaked yet, in units.
    level: u128,
    last: Time,
}

impl LeakyBucket {
    /// An empty bucket.
    pub fn new(config: LeakyBucketConfig, now: Time) -> LeakyBucket {
        LeakyBucket { config, level: 0, last: now }
    }

    /// Takes a place for `cost` permits; how long to wait before going on.
    ///
    /// # Errors
    /// [`RetryAt`] with the exact wait until it would be taken in; [`Span::MAX`] if it never will.
    pub fn offer(&mut self, now: Time, cost: u64) -> Result<Span, RetryAt> {
        self.leak(now);
        if cost == 0 {
            return Ok(Span::ZERO);
        }
        let per_ns = units_per_ns(self.config.limit);
        // A permit that finds the bucket empty leaves at once and takes no waiting place.
        let room = permits(self.config.limit.burst) + u128::from(PERMIT);
        if permits(cost) > room {
            return Err(RetryAt(Span::MAX));
        }
        let overfull = (self.level + permits(cost)).saturating_sub(room);
        let delayed = self.level.saturating_sub(permits(self.config.undelayed));
        let longest = u128::from(self.config.max_wait.as_nanos()) * u128::from(per_ns);
        let too_long = delayed.saturating_sub(longest);
        if overfull > 0 || too_long > 0 {
            return Err(RetryAt(wait_for(overfull.max(too_long), per_ns)));
        }
        self.level += permits(cost);
        Ok(wait_for(delayed, per_ns))
    }

    /// Gives the latest places back that were taken and not used.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        self.leak(now);
        self.level = self.level.saturating_sub(permits(cost));
    }

    /// Follows a new config. Who waits already keeps the wait it was told.
    pub fn reconfigure(&mut self, config: LeakyBucketConfig, now: Time) {
        self.leak(now);
        self.config = config;
    }

    fn leak(&mut self, now: Time) {
        let leaked =
            u128::from(now.since(self.last).as_nanos()) * u128::from(units_per_ns(self.config.limit));
        self.level = self.level.saturating_sub(leaked);
        self.last = now;
    }
}

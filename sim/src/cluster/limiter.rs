//! A rate limiter of any kind, as calls and services use it: one question with a longest wait, one way to follow new
//! settings. The algorithms are those of `foreshock-systems`; nothing here counts by itself.

use foreshock_systems::rate_limiter::{
    FixedWindow, Forgettable, Gcra, LeakyBucket, LeakyBucketConfig, Limiter, NEAR_LIMIT_PPM, Quota,
    QuotaStatus, RateLimitConfig, Reserve, RetryAt, SlidingLog, SlidingWindowCounter, TokenBucket,
};

use crate::kernel::time::{Span, Time};
use crate::scenario::plan::LimitRule;

/// A rate limiter.
#[derive(Clone, Debug)]
pub(crate) enum RateLimiter {
    TokenBucket(TokenBucket),
    Gcra(Gcra),
    LeakyBucket(Pacer),
    FixedWindow(FixedWindow),
    SlidingLog(SlidingLog),
    SlidingWindow(SlidingWindowCounter),
}

impl RateLimiter {
    /// Nothing used yet.
    pub(crate) fn new(rule: LimitRule, now: Time) -> RateLimiter {
        match rule {
            LimitRule::TokenBucket(config) => RateLimiter::TokenBucket(TokenBucket::new(config, now)),
            LimitRule::Gcra(config) => RateLimiter::Gcra(Gcra::new(config, now)),
            LimitRule::LeakyBucket(config) => RateLimiter::LeakyBucket(Pacer::new(config, now)),
            LimitRule::FixedWindow(config) => RateLimiter::FixedWindow(FixedWindow::new(config, now)),
            LimitRule::SlidingLog(config) => {
                RateLimiter::SlidingLog(SlidingLog::new(config, now).expect("the plan's limits were checked"))
            }
            LimitRule::SlidingWindow(config) => {
                RateLimiter::SlidingWindow(SlidingWindowCounter::new(config, now))
            }
        }
    }

    /// Takes `cost` permits, or a reservation for them that is good after the wait it returns.
    pub(crate) fn acquire(&mut self, now: Time, cost: u64, max_wait: Span) -> Result<Span, RetryAt> {
        match self {
            RateLimiter::TokenBucket(bucket) => bucket.reserve(now, cost, max_wait),
            RateLimiter::Gcra(gcra) => gcra.reserve(now, cost, max_wait),
            RateLimiter::LeakyBucket(pacer) => pacer.offer(now, cost, max_wait),
            RateLimiter::FixedWindow(window) => window.check(now, cost).map(|()| Span::ZERO),
            RateLimiter::SlidingLog(log) => log.check(now, cost).map(|()| Span::ZERO),
            RateLimiter::SlidingWindow(window) => window.check(now, cost).map(|()| Span::ZERO),
        }
    }

    /// Gives permits back that were reserved and will not be used.
    pub(crate) fn give_back(&mut self, now: Time, cost: u64) {
        match self {
            RateLimiter::TokenBucket(bucket) => bucket.give_back(now, cost),
            RateLimiter::Gcra(gcra) => gcra.give_back(now, cost),
            RateLimiter::LeakyBucket(pacer) => pacer.bucket.give_back(now, cost),
            RateLimiter::FixedWindow(window) => window.give_back(now, cost),
            RateLimiter::SlidingLog(log) => log.give_back(now, cost),
            RateLimiter::SlidingWindow(window) => window.give_back(now, cost),
        }
    }

    /// Follows another rule. One of the same kind keeps what was used; another kind begins anew.
    pub(crate) fn reconfigure(&mut self, rule: LimitRule, now: Time) {
        match (&mut *self, rule) {
            (RateLimiter::TokenBucket(bucket), LimitRule::TokenBucket(config)) => {
                bucket.reconfigure(config, now);
            }
            (RateLimiter::Gcra(gcra), LimitRule::Gcra(config)) => gcra.reconfigure(config, now),
            (RateLimiter::LeakyBucket(pacer), LimitRule::LeakyBucket(config)) => {
                pacer.reconfigure(config, now);
            }
            (RateLimiter::FixedWindow(window), LimitRule::FixedWindow(config)) => {
                window.reconfigure(config, now);
            }
            (RateLimiter::SlidingWindow(window), LimitRule::SlidingWindow(config)) => {
                window.reconfigure(config, now);
            }
            (RateLimiter::SlidingLog(log), LimitRule::SlidingLog(config)) => {
                log.reconfigure(config, now).expect("the plan's limits were checked");
            }
            _ => *self = RateLimiter::new(rule, now),
        }
    }

    /// Whether most of the limit is used.
    pub(crate) fn is_near_limit(&mut self, now: Time) -> bool {
        let QuotaStatus { limit, remaining, .. } = self.quota(now);
        let used = u128::from(limit.saturating_sub(remaining));
        used * 1_000_000 >= u128::from(limit) * u128::from(NEAR_LIMIT_PPM)
    }
}

impl Limiter for RateLimiter {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        self.acquire(now, cost, Span::ZERO).map(|_| ())
    }
}

impl Forgettable for RateLimiter {
    fn renewed(&self, now: Time) -> RateLimiter {
        match self {
            RateLimiter::TokenBucket(bucket) => RateLimiter::TokenBucket(bucket.renewed(now)),
            RateLimiter::Gcra(gcra) => RateLimiter::Gcra(gcra.renewed(now)),
            RateLimiter::LeakyBucket(pacer) => RateLimiter::LeakyBucket(Pacer::new(pacer.limit, now)),
            RateLimiter::FixedWindow(window) => RateLimiter::FixedWindow(window.renewed(now)),
            RateLimiter::SlidingLog(log) => RateLimiter::SlidingLog(log.renewed(now)),
            RateLimiter::SlidingWindow(window) => RateLimiter::SlidingWindow(window.renewed(now)),
        }
    }

    fn settled_at(&self) -> Time {
        match self {
            RateLimiter::TokenBucket(bucket) => bucket.settled_at(),
            RateLimiter::Gcra(gcra) => gcra.settled_at(),
            RateLimiter::LeakyBucket(pacer) => pacer.drained_at,
            RateLimiter::FixedWindow(window) => window.settled_at(),
            RateLimiter::SlidingLog(log) => log.settled_at(),
            RateLimiter::SlidingWindow(window) => window.settled_at(),
        }
    }
}

impl Quota for RateLimiter {
    fn quota(&mut self, now: Time) -> QuotaStatus {
        match self {
            RateLimiter::TokenBucket(bucket) => bucket.quota(now),
            RateLimiter::Gcra(gcra) => gcra.quota(now),
            RateLimiter::LeakyBucket(pacer) => pacer.quota(now),
            RateLimiter::FixedWindow(window) => window.quota(now),
            RateLimiter::SlidingLog(log) => log.quota(now),
            RateLimiter::SlidingWindow(window) => window.quota(now),
        }
    }
}

/// A leaky bucket, and when the last of what it took in has left.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    bucket: LeakyBucket,
    limit: RateLimitConfig,
    drained_at: Time,
}

impl Pacer {
    fn new(limit: RateLimitConfig, now: Time) -> Pacer {
        Pacer { bucket: LeakyBucket::new(paced(limit), now), limit, drained_at: now }
    }

    /// One permit's time, rounded up.
    fn interval(&self) -> Span {
        const PERMIT: u64 = 1_000_000_000_000;
        Span::from_nanos(PERMIT.div_ceil(self.limit.rate_per_s_milli.max(1)))
    }

    fn offer(&mut self, now: Time, cost: u64, max_wait: Span) -> Result<Span, RetryAt> {
        let ahead = self.drained_at.since(now);
        if ahead > max_wait {
            return Err(RetryAt(ahead.saturating_sub(max_wait)));
        }
        let wait = self.bucket.offer(now, cost)?;
        self.drained_at = self.drained_at.max(now) + self.interval().saturating_mul(cost);
        Ok(wait)
    }

    fn reconfigure(&mut self, limit: RateLimitConfig, now: Time) {
        let waiting = self.drained_at.since(now).as_nanos().div_ceil(self.interval().as_nanos().max(1));
        self.limit = limit;
        self.bucket.reconfigure(paced(limit), now);
        self.drained_at = now + self.interval().saturating_mul(waiting);
    }

    fn quota(&self, now: Time) -> QuotaStatus {
        let ahead = self.drained_at.since(now);
        let limit = self.limit.burst.saturating_add(1);
        let used = ahead.as_nanos().div_ceil(self.interval().as_nanos().max(1));
        QuotaStatus { limit, remaining: limit.saturating_sub(used), reset: ahead }
    }
}

/// All of it is paced; how long one waits is bounded by whoever asks.
const fn paced(limit: RateLimitConfig) -> LeakyBucketConfig {
    LeakyBucketConfig { limit, undelayed: 0, max_wait: Span::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshock_systems::rate_limiter::{WindowAlignment, WindowConfig};

    const RATE: RateLimitConfig = RateLimitConfig { rate_per_s_milli: 10_000, burst: 3 };
    const WINDOW: WindowConfig =
        WindowConfig { limit: 3, window: Span::from_secs(1), alignment: WindowAlignment::Clock };

    fn ms(n: u64) -> Time {
        Time::ZERO + Span::from_millis(n)
    }

    #[test]
    fn every_kind_passes_its_limit_at_once_and_says_when_the_next_one_would_pass() {
        for (rule, at_once) in [
            (LimitRule::TokenBucket(RATE), 3),
            (LimitRule::Gcra(RATE), 3),
            (LimitRule::FixedWindow(WINDOW), 3),
            (LimitRule::SlidingLog(WINDOW), 3),
            (LimitRule::SlidingWindow(WINDOW), 3),
        ] {
            let mut limiter = RateLimiter::new(rule, ms(0));
            for _ in 0..at_once {
                assert_eq!(limiter.acquire(ms(0), 1, Span::ZERO), Ok(Span::ZERO), "{rule:?}");
            }
            assert!(limiter.is_near_limit(ms(0)), "{rule:?}");
            let RetryAt(wait) = limiter.acquire(ms(0), 1, Span::ZERO).unwrap_err();
            assert!(
                limiter.acquire(Time::from_nanos(wait.as_nanos() - 1), 1, Span::ZERO).is_err(),
                "{rule:?}"
            );
            assert!(limiter.acquire(ms(0) + wait, 1, Span::ZERO).is_ok(), "{rule:?} after {wait}");
        }
    }

    #[test]
    fn a_leaky_bucket_paces_its_burst_and_is_as_good_as_new_when_it_has_drained() {
        let mut limiter = RateLimiter::new(LimitRule::LeakyBucket(RATE), ms(0));
        let waits: Vec<_> = (0..4).map(|_| limiter.acquire(ms(0), 1, Span::MAX)).collect();
        assert_eq!(waits, [0, 100, 200, 300].map(|n| Ok(Span::from_millis(n))));
        assert!(limiter.acquire(ms(0), 1, Span::MAX).is_err());
        assert_eq!(limiter.settled_at(), ms(400));
        assert!(
            limiter.acquire(ms(250), 1, Span::from_millis(149)).is_err(),
            "150 ms is longer than it would wait"
        );
        assert_eq!(limiter.acquire(ms(250), 1, Span::from_millis(150)), Ok(Span::from_millis(150)));
    }

    #[test]
    fn a_new_rule_of_the_same_kind_keeps_what_was_used() {
        let mut limiter = RateLimiter::new(LimitRule::TokenBucket(RATE), ms(0));
        for _ in 0..3 {
            assert!(limiter.acquire(ms(0), 1, Span::ZERO).is_ok());
        }
        limiter.reconfigure(LimitRule::TokenBucket(RateLimitConfig { burst: 9, ..RATE }), ms(0));
        assert!(limiter.acquire(ms(0), 1, Span::ZERO).is_err());
    }
}

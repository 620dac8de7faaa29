//! Evenly paced permits whose rate rises while a cold service is in use and falls while it is not: caches fill,
//! connections open. After Guava's `SmoothWarmingUp` and Sentinel's warm-up rate limiter. Keeps no requests: each is
//! told how long to wait.

use super::{MAX_RATE_PER_S_MILLI, RetryAt};
use crate::time::{Span, Time};

/// How a service warms up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmUpConfig {
    /// Permits per second when warm, in thousandths. 1 to [`MAX_RATE_PER_S_MILLI`]; 0 counts as 1.
    pub rate_per_s_milli: u64,
    /// How many times slower a cold service is. Guava and Sentinel use 3; 0 counts as 1.
    pub cold_factor: u32,
    /// How long in use it takes from cold to warm, and out of use from warm to cold.
    pub period: Span,
    /// The longest wait; who would wait for longer is refused.
    pub max_wait: Span,
}

/// Paces permits, slower when cold.
///
/// The interval between permits is rounded up to a nanosecond. A clock that goes back moves the schedule along.
#[derive(Clone, Debug)]
pub struct WarmUp {
    config: WarmUpConfig,
    /// How warm it is: 0 to the period.
    heat: Span,
    /// When the next permit leaves.
    next: Time,
    last: Time,
}

impl WarmUp {
    /// Cold, with a permit ready.
    pub fn new(config: WarmUpConfig, now: Time) -> WarmUp {
        WarmUp { config, heat: Span::ZERO, next: now, last: now }
    }

    /// Takes the next permit; how long to wait before using it.
    ///
    /// # Errors
    /// [`RetryAt`]: asked again then, `max_wait` will suffice.
    pub fn offer(&mut self, now: Time) -> Result<Span, RetryAt> {
        if now < self.last {
            self.next = now + self.next.since(self.last);
        }
        self.last = now;
        let idle = now.since(self.next);
        self.heat = self.heat.saturating_sub(idle);
        self.next = self.next.max(now);
        let wait = self.next.since(now);
        if wait > self.config.max_wait {
            return Err(RetryAt(wait.saturating_sub(self.config.max_wait)));
        }
        let interval = self.interval();
        self.next += interval;
        self.heat = (self.heat + interval).min(self.config.period);
        Ok(wait)
    }

    /// Follows a new config, as warm as it is, as far as the new period goes.
    pub fn reconfigure(&mut self, config: WarmUpConfig) {
        self.heat = self.heat.min(config.period);
        self.config = config;
    }

    /// The interval between permits, as warm as it is now.
    pub fn interval(&self) -> Span {
        let rate = self.config.rate_per_s_milli.clamp(1, MAX_RATE_PER_S_MILLI);
        let warm = Span::from_nanos(1_000_000_000_000u64.div_ceil(rate));
        let cold = warm.saturating_mul(u64::from(self.config.cold_factor.max(1)));
        let period_ns = self.config.period.as_nanos();
        if period_ns == 0 {
            return warm;
        }
        let slower = cold.saturating_sub(warm);
        cold.saturating_sub(slower.mul_ratio(self.heat.as_nanos(), period_ns))
    }
}

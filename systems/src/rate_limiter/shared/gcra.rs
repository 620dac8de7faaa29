//! GCRA without a lock: its whole state is one number, the theoretical arrival time, so that a compare-and-swap
//! decides. Time is counted in sixteenths of a nanosecond since the limiter was made, which lasts for 36 years.

use super::super::config::PERMIT;
use super::super::{RateLimitConfig, RateLimitError, RetryAt};
use super::CLOCK_SLACK;
use crate::time::{Span, Time};
use std::sync::atomic::{AtomicU64, Ordering};

/// Ticks in a nanosecond.
const TICKS_PER_NS: u64 = 16;

/// [`CLOCK_SLACK`] in ticks.
const SLACK_TICKS: u64 = CLOCK_SLACK.as_nanos() * TICKS_PER_NS;

/// The longest burst, in ticks: nine years. Leaves room for the schedule to run ahead.
const MAX_REACH: u64 = 1 << 62;

/// A lock-free GCRA.
///
/// The interval between permits is rounded up to a sixteenth of a nanosecond: exact for every rate whose interval is a
/// whole number of them, too low by less than 1/16 ns for each permit otherwise, never too high.
///
/// A clock that goes back mints nothing. Up to [`CLOCK_SLACK`] the step is waited for; after a larger one the limiter
/// goes on from the new time with an empty bucket.
#[derive(Debug)]
pub struct SharedGcra {
    /// Theoretical arrival time in ticks since `epoch`. All that is shared is in this one word, so relaxed ordering
    /// suffices: its modification order is total.
    tat: AtomicU64,
    epoch: Time,
    /// Ticks between evenly spaced permits.
    interval: AtomicU64,
    /// How far the schedule may run ahead, in ticks.
    reach: AtomicU64,
}

impl SharedGcra {
    /// Nothing scheduled yet.
    ///
    /// # Errors
    /// [`RateLimitError`] as from [`RateLimitConfig::validate`], and for a burst that takes longer than nine years to
    /// fill.
    pub fn new(config: RateLimitConfig, now: Time) -> Result<SharedGcra, RateLimitError> {
        let (interval, reach) = ticks(config)?;
        Ok(SharedGcra {
            tat: AtomicU64::new(0),
            epoch: now,
            interval: AtomicU64::new(interval),
            reach: AtomicU64::new(reach),
        })
    }

    /// As [`Limiter::check`](super::super::Limiter::check).
    ///
    /// # Errors
    /// [`RetryAt`] as there; also with [`Span::MAX`] once time has run past its 36 years.
    #[inline]
    pub fn check(&self, now: Time, cost: u64) -> Result<(), RetryAt> {
        if cost == 0 {
            return Ok(());
        }
        let reach = self.reach.load(Ordering::Relaxed);
        let wanted = match cost.checked_mul(self.interval.load(Ordering::Relaxed)) {
            Some(wanted) if wanted <= reach => wanted,
            Some(_) | None => return Err(RetryAt(Span::MAX)),
        };
        let now = self.ticks_at(now);
        let mut seen = self.tat.load(Ordering::Relaxed);
        loop {
            let ahead = seen.saturating_sub(now);
            if ahead > reach + SLACK_TICKS {
                seen = self.move_back(seen, now + reach);
                continue;
            }
            // Both are at most 2^62 and the slack: no overflow.
            let after = ahead + wanted;
            if after > reach {
                return Err(RetryAt(Span::from_nanos((after - reach).div_ceil(TICKS_PER_NS))));
            }
            let Some(next) = now.checked_add(after) else { return Err(RetryAt(Span::MAX)) };
            match self.tat.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(changed) => seen = changed,
            }
        }
    }

    /// The schedule is so far ahead that the clock must have gone back: moves it along, so that this is seen once and
    /// not for ever. The schedule after that, whoever moved it.
    #[cold]
    fn move_back(&self, seen: u64, to: u64) -> u64 {
        match self.tat.compare_exchange(seen, to, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => to,
            Err(changed) => changed,
        }
    }

    /// Gives permits back that were taken and not used; the schedule never falls behind the clock.
    pub fn give_back(&self, now: Time, cost: u64) {
        let now = self.ticks_at(now);
        let back = cost.saturating_mul(self.interval.load(Ordering::Relaxed));
        let earlier = |tat: u64| Some(tat.saturating_sub(back).max(now).min(tat));
        // Never refuses, so that there is nothing to learn from the result.
        let _ = self.tat.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
    }

    /// Follows a new config. The schedule stays: what was used is owed for the time it was charged. Checks under way
    /// may still see one of the old numbers.
    ///
    /// # Errors
    /// As from [`SharedGcra::new`]; nothing is changed then.
    pub fn reconfigure(&self, config: RateLimitConfig) -> Result<(), RateLimitError> {
        let (interval, reach) = ticks(config)?;
        self.interval.store(interval, Ordering::Relaxed);
        self.reach.store(reach, Ordering::Relaxed);
        Ok(())
    }

    fn ticks_at(&self, now: Time) -> u64 {
        now.since(self.epoch).as_nanos().saturating_mul(TICKS_PER_NS)
    }
}

/// Interval and reach in ticks.
fn ticks(config: RateLimitConfig) -> Result<(u64, u64), RateLimitError> {
    config.validate()?;
    let interval = (PERMIT * TICKS_PER_NS).div_ceil(config.rate_per_s_milli);
    let max = MAX_REACH / interval;
    if config.burst > max {
        return Err(RateLimitError::BurstTooLong { burst: config.burst, max });
    }
    Ok((interval, config.burst * interval))
}

//! What a limiter is told: a rate and the burst on top of it. Plain data, and the exact units behind it. Never decides.

use super::RetryAt;
use crate::time::Span;
use std::fmt;

/// A rate and the burst on top of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Permits per second, in thousandths: 2500 is five permits in two seconds. 1 to
    /// [`MAX_RATE_PER_S_MILLI`].
    pub rate_per_s_milli: u64,
    /// Permits that may be used at once after a pause. At least 1.
    pub burst: u64,
}

/// Highest rate: a million permits per nanosecond. Higher ones are cut to it.
pub const MAX_RATE_PER_S_MILLI: u64 = 1_000_000_000_000_000_000;

impl RateLimitConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`RateLimitError`] names the first field out of range. A limiter made from a config that was not
    /// checked is safe all the same: at rate 0 it passes one burst, with burst 0 nothing.
    pub fn validate(&self) -> Result<(), RateLimitError> {
        if !(1..=MAX_RATE_PER_S_MILLI).contains(&self.rate_per_s_milli) {
            return Err(RateLimitError::Rate { rate_per_s_milli: self.rate_per_s_milli });
        }
        if self.burst == 0 { Err(RateLimitError::NoBurst) } else { Ok(()) }
    }

    /// The `parts`-th part of this limit, rounded down, but never nothing: a limit too small to be divided
    /// leaves a thousandth of a permit per second and a burst of one.
    pub fn divided(&self, parts: u32) -> RateLimitConfig {
        let parts = u64::from(parts.max(1));
        RateLimitConfig {
            rate_per_s_milli: (self.rate_per_s_milli / parts).max(1),
            burst: (self.burst / parts).max(1),
        }
    }
}

/// Why a rate limit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimitError {
    /// The rate is zero or above [`MAX_RATE_PER_S_MILLI`].
    Rate {
        /// Thousandths of a permit per second.
        rate_per_s_milli: u64,
    },
    /// The burst is zero.
    NoBurst,
    /// The burst takes longer to fill than a lock-free limiter can count.
    BurstTooLong {
        /// Permits.
        burst: u64,
        /// The longest burst at this rate.
        max: u64,
    },
}

impl fmt::Display for RateLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateLimitError::Rate { rate_per_s_milli } => write!(
                f,
                "a rate of {rate_per_s_milli} thousandths of a permit per second: \
                 use 1 to {MAX_RATE_PER_S_MILLI}"
            ),
            RateLimitError::NoBurst => f.write_str("a burst of 0 lets nothing through: use 1 for no burst"),
            RateLimitError::BurstTooLong { burst, max } => {
                write!(f, "a burst of {burst} takes years to fill at this rate: use at most {max}")
            }
        }
    }
}

impl std::error::Error for RateLimitError {}

/// One permit, in the unit that a rate of a thousandth per second yields per nanosecond. In this unit every
/// rate is a whole number per nanosecond, so that the limiters are exact.
pub(super) const PERMIT: u64 = 1_000_000_000_000;

/// `rate` in units per nanosecond.
pub(super) fn units_per_ns(config: RateLimitConfig) -> u64 {
    config.rate_per_s_milli.min(MAX_RATE_PER_S_MILLI)
}

/// Permits in units: below 2^104.
pub(super) fn permits(count: u64) -> u128 {
    u128::from(count) * u128::from(PERMIT)
}

/// Nanoseconds until `missing` units have come in at `per_ns`, rounded up; [`Span::MAX`] if never.
pub(super) fn wait_for(missing: u128, per_ns: u64) -> Span {
    if per_ns == 0 {
        return if missing == 0 { Span::ZERO } else { Span::MAX };
    }
    // One machine division where it suffices: refusals are the hot path of an overloaded limiter.
    match u64::try_from(missing) {
        Ok(missing) => Span::from_nanos(missing.div_ceil(per_ns)),
        Err(_) => Span::from_nanos(u64::try_from(missing.div_ceil(u128::from(per_ns))).unwrap_or(u64::MAX)),
    }
}

/// The verdict on a cost that needs `wait` when the caller would wait for up to `max_wait`.
pub(super) fn within(wait: Span, max_wait: Span) -> Result<Span, RetryAt> {
    if wait == Span::MAX {
        return Err(RetryAt(Span::MAX));
    }
    if wait <= max_wait { Ok(wait) } else { Err(RetryAt(wait.saturating_sub(max_wait))) }
}

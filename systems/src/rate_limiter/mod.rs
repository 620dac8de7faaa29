//! Bounds how fast something may be used: whatever window one looks at, no more than `burst + rate * length`
//! passes. Exact integers, so nothing is lost to rounding however often one asks. Never waits: a refusal says
//! when to come back.

mod gcra;
mod token_bucket;

pub use gcra::Gcra;
pub use token_bucket::TokenBucket;

use crate::time::{Span, Time};
use std::fmt;

/// Decides whether something may happen now. Implement it for a rule of your own.
pub trait Limiter {
    /// Takes `cost` permits at once, or none of them. A cost of zero always passes.
    ///
    /// # Errors
    /// [`RetryAt`] with the exact wait: asked again any earlier it is refused, asked again then it passes,
    /// provided that nobody else took permits meanwhile.
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt>;
}

/// How long to wait before the same cost would pass, counted from now; [`Span::MAX`] if it never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAt(pub Span);

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
        }
    }
}

impl std::error::Error for RateLimitError {}

/// One permit, in the unit that a rate of a thousandth per second yields per nanosecond. In this unit every
/// rate is a whole number per nanosecond, so that both limiters are exact.
const PERMIT: u64 = 1_000_000_000_000;

/// `rate` in units per nanosecond.
fn units_per_ns(config: RateLimitConfig) -> u64 {
    config.rate_per_s_milli.min(MAX_RATE_PER_S_MILLI)
}

/// Nanoseconds until `missing` units have come in at `per_ns`, rounded up.
fn wait_for(missing: u128, per_ns: u64) -> RetryAt {
    if per_ns == 0 {
        return RetryAt(Span::MAX);
    }
    let wait_ns = missing.div_ceil(u128::from(per_ns));
    RetryAt(Span::from_nanos(u64::try_from(wait_ns).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;

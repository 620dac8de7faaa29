//! How long to pause before the next attempt: a pure function of the failed attempts, the previous pause and
//! one random word. Exact integers, saturating; the cap is never exceeded, at attempt 1 or 4 294 967 295.

use super::jitter::Jitter;
use crate::arithmetic::{grown, uniform};
use crate::time::Span;
use std::fmt;

/// Paces attempts. Implement it for a pace of your own.
pub trait Backoff {
    /// The pause before the next attempt.
    ///
    /// `failed_attempts` is 1 after the first attempt failed (0 counts as 1), `previous` the pause before the
    /// attempt that has just failed (zero if it was the first), `entropy` a uniformly distributed word.
    fn delay(&self, failed_attempts: u32, previous: Span, entropy: u64) -> Span;
}

/// How the pause grows with the number of failed attempts n = 1, 2, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackoffKind {
    /// `base` every time.
    Constant,
    /// `base * (n + first_exponent)`.
    Linear,
    /// `base * multiplier^(n - 1 + first_exponent)`.
    Exponential {
        /// The factor in thousandths: 2000 doubles. At least 1000.
        multiplier_milli: u32,
    },
    /// `base` times 1, 1, 2, 3, 5, 8, ...; starts one further on with `first_exponent` 1.
    Fibonacci,
    /// Uniform between `base` and three times the previous pause, then cut to the cap. It is a jitter in
    /// itself: [`BackoffConfig::jitter`] and [`BackoffConfig::first_exponent`] do not apply.
    Decorrelated,
}

/// The pace of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// How the pause grows.
    pub kind: BackoffKind,
    /// The unit it grows from. Zero retries at once.
    pub base: Span,
    /// The longest pause; at least `base`.
    pub cap: Span,
    /// How the pause is spread.
    pub jitter: Jitter,
    /// 0, or 1 to start one step later: the first exponential pause is then `base * multiplier`.
    pub first_exponent: u32,
}

impl Default for BackoffConfig {
    /// Doubling from 100 ms to 10 s with full jitter.
    fn default() -> BackoffConfig {
        BackoffConfig {
            kind: BackoffKind::Exponential { multiplier_milli: 2_000 },
            base: Span::from_millis(100),
            cap: Span::from_secs(10),
            jitter: Jitter::Full,
            first_exponent: 0,
        }
    }
}

impl BackoffConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`BackoffError`] names the first field out of range. A config that was not checked is safe to use all
    /// the same: the cap holds and nothing overflows.
    pub fn validate(&self) -> Result<(), BackoffError> {
        if self.cap < self.base {
            return Err(BackoffError::CapBelowBase { base: self.base, cap: self.cap });
        }
        if self.first_exponent > 1 {
            return Err(BackoffError::FirstExponent(self.first_exponent));
        }
        if let BackoffKind::Exponential { multiplier_milli } = self.kind
            && multiplier_milli < 1_000
        {
            return Err(BackoffError::Shrinking { multiplier_milli });
        }
        match self.jitter {
            Jitter::Proportional { ppm } if ppm > 1_000_000 => Err(BackoffError::JitterAboveWhole { ppm }),
            Jitter::None | Jitter::Full | Jitter::Equal | Jitter::Proportional { .. } => Ok(()),
        }
    }

    /// The pause before it is spread, at most the cap; for [`BackoffKind::Decorrelated`] the upper end of its
    /// interval.
    pub fn unspread(&self, failed_attempts: u32, previous: Span) -> Span {
        let step = failed_attempts.saturating_sub(1).saturating_add(self.first_exponent);
        let delay = match self.kind {
            BackoffKind::Constant => self.base,
            BackoffKind::Linear => self.base.saturating_mul(u64::from(step) + 1),
            BackoffKind::Exponential { multiplier_milli } => {
                grown(self.base, multiplier_milli, step, self.cap)
            }
            BackoffKind::Fibonacci => self.base.saturating_mul(fibonacci(step)),
            BackoffKind::Decorrelated => previous.max(self.base).saturating_mul(3),
        };
        delay.min(self.cap)
    }
}

impl Backoff for BackoffConfig {
    fn delay(&self, failed_attempts: u32, previous: Span, entropy: u64) -> Span {
        match self.kind {
            BackoffKind::Constant
            | BackoffKind::Linear
            | BackoffKind::Exponential { .. }
            | BackoffKind::Fibonacci => {
                self.jitter.spread(self.unspread(failed_attempts, previous), self.cap, entropy)
            }
            BackoffKind::Decorrelated => {
                let highest = previous.max(self.base).saturating_mul(3);
                Span::from_nanos(uniform(entropy, self.base.as_nanos(), highest.as_nanos())).min(self.cap)
            }
        }
    }
}

/// The number at `index` of 1, 1, 2, 3, 5, ...; the largest `u64` from index 93 on, where they no longer fit.
fn fibonacci(index: u32) -> u64 {
    let (mut this, mut next) = (1u64, 1u64);
    for _ in 0..index.min(93) {
        (this, next) = (next, this.saturating_add(next));
    }
    this
}

/// Why a back-off is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackoffError {
    /// The cap cuts even the first pause.
    CapBelowBase {
        /// The unit.
        base: Span,
        /// The cap below it.
        cap: Span,
    },
    /// `first_exponent` is neither 0 nor 1.
    FirstExponent(u32),
    /// An exponential back-off with a factor below 1.
    Shrinking {
        /// The factor in thousandths.
        multiplier_milli: u32,
    },
    /// A jitter that could make the pause negative.
    JitterAboveWhole {
        /// The share in parts per million.
        ppm: u32,
    },
}

impl fmt::Display for BackoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackoffError::CapBelowBase { base, cap } => {
                write!(
                    f,
                    "the back-off's cap {cap} is below its base {base}: raise the cap or lower the base"
                )
            }
            BackoffError::FirstExponent(given) => {
                write!(f, "first_exponent {given}: use 0, or 1 to start one step later")
            }
            BackoffError::Shrinking { multiplier_milli } => {
                write!(
                    f,
                    "a multiplier of {multiplier_milli} thousandths shrinks the pause: use 1000 or more"
                )
            }
            BackoffError::JitterAboveWhole { ppm } => {
                write!(f, "a jitter of {ppm} ppm could make the pause negative: use at most 1000000")
            }
        }
    }
}

impl std::error::Error for BackoffError {}

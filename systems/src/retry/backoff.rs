//! How long to pause before the next attempt: a pure function of the failed attempts, the previous pause and
//! one random word. Exact integers, saturating; the cap is never exceeded, at attempt 1 or
//! 4 294 967 295.

use super::decorrelated_v2;
use super::jitter::Jitter;
use crate::arithmetic::{grown, uniform};
use crate::time::Span;
use std::fmt;

/// Paces attempts. Implement it for a pace of your own.
pub trait Backoff {
    /// The pause before the next attempt. `entropy` is a uniformly distributed word.
    fn delay(&self, pauses: &Pauses, entropy: u64) -> Span;
}

/// The pauses of one call so far: all that a pace may depend on besides chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// Attempts that failed since the pace began; 1 after the first. 0 counts as 1.
    pub failed_attempts: u32,
    /// The pause before the attempt that has just failed; zero if it was the first.
    pub previous: Span,
    /// The word that the previous pause was drawn with. Only [`BackoffKind::DecorrelatedV2`] looks at it.
    pub previous_entropy: u64,
}

impl Pauses {
    /// The first attempt has failed.
    pub const FIRST: Pauses = Pauses::after(1);

    /// So many attempts have failed, and what was paused between them does not matter.
    pub const fn after(failed_attempts: u32) -> Pauses {
        Pauses { failed_attempts, previous: Span::ZERO, previous_entropy: 0 }
    }

    /// The state after one more pause and one more failed attempt.
    #[must_use]
    pub const fn then(self, pause: Span, entropy: u64) -> Pauses {
        Pauses {
            failed_attempts: self.failed_attempts.saturating_add(1),
            previous: pause,
            previous_entropy: entropy,
        }
    }
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
    /// `base * (n + first_exponent)^exponent`. River, like Sidekiq and Faktory before it, takes the fourth power of
    /// seconds.
    Power {
        /// The exponent, 1 to 16: 1 is linear.
        exponent: u32,
    },
    /// Uniform between `base` and three times the previous pause, then cut to the cap: "decorrelated jitter" of the
    /// AWS Architecture Blog, 2015. It is a jitter in itself: [`BackoffConfig::jitter`] and
    /// [`BackoffConfig::first_exponent`] do not apply.
    Decorrelated,
    /// Polly's smoother successor of it: pauses are the steps between `f(t_n)`, with t_n uniform in [n - 1, n) and
    /// f(t) = 2^t * tanh(2 * sqrt(t)) / 1.4 times `base`, so that the median of the first is close to `base`. A jitter
    /// in itself as well.
    DecorrelatedV2,
}

/// The pace of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// How the pause grows.
    pub kind: BackoffKind,
    /// The unit it grows from. Zero retries at once, and then a call's `max_attempts` is what ends it.
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
        if let BackoffKind::Power { exponent } = self.kind
            && !(1..=16).contains(&exponent)
        {
            return Err(BackoffError::Power { exponent });
        }
        match self.jitter {
            Jitter::Proportional { ppm } if ppm > 1_000_000 => Err(BackoffError::JitterAboveWhole { ppm }),
            Jitter::Factor { ppm } if ppm > 2_000_000 => Err(BackoffError::JitterAboveWhole { ppm: ppm / 2 }),
            Jitter::None
            | Jitter::Full
            | Jitter::Equal
            | Jitter::Proportional { .. }
            | Jitter::Factor { .. } => Ok(()),
        }
    }

    /// The pause before it is spread, at most the cap; for the two decorrelated kinds the upper end of their
    /// interval.
    pub fn unspread(&self, pauses: &Pauses) -> Span {
        let step = pauses.failed_attempts.saturating_sub(1).saturating_add(self.first_exponent);
        let delay = match self.kind {
            BackoffKind::Constant => self.base,
            BackoffKind::Linear => self.base.saturating_mul(u64::from(step) + 1),
            BackoffKind::Exponential { multiplier_milli } => {
                grown(self.base, multiplier_milli, step, self.cap)
            }
            BackoffKind::Fibonacci => self.base.saturating_mul(fibonacci(step)),
            BackoffKind::Power { exponent } => {
                let power = (u64::from(step) + 1).checked_pow(exponent).unwrap_or(u64::MAX);
                self.base.saturating_mul(power)
            }
            BackoffKind::Decorrelated => pauses.previous.max(self.base).saturating_mul(3),
            BackoffKind::DecorrelatedV2 => decorrelated_v2::delay(self.base, pauses, u64::MAX),
        };
        delay.min(self.cap)
    }
}

impl Backoff for BackoffConfig {
    fn delay(&self, pauses: &Pauses, entropy: u64) -> Span {
        match self.kind {
            BackoffKind::Constant
            | BackoffKind::Linear
            | BackoffKind::Exponential { .. }
            | BackoffKind::Fibonacci
            | BackoffKind::Power { .. } => self.jitter.spread(self.unspread(pauses), self.cap, entropy),
            BackoffKind::Decorrelated => {
                let highest = pauses.previous.max(self.base).saturating_mul(3);
                Span::from_nanos(uniform(entropy, self.base.as_nanos(), highest.as_nanos())).min(self.cap)
            }
            BackoffKind::DecorrelatedV2 => decorrelated_v2::delay(self.base, pauses, entropy).min(self.cap),
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
    /// A power of the number of attempts that is out of range.
    Power {
        /// The exponent.
        exponent: u32,
    },
    /// A jitter that could make the pause negative.
    JitterAboveWhole {
        /// The largest deviation in parts per million of the pause.
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
            BackoffError::Power { exponent } => {
                write!(f, "attempts to the power of {exponent}: use 1 (linear) to 16; 4 is usual")
            }
            BackoffError::JitterAboveWhole { ppm } => {
                write!(f, "a jitter of {ppm} ppm could make the pause negative: use at most 1000000")
            }
        }
    }
}

impl std::error::Error for BackoffError {}

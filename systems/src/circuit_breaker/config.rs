//! What a breaker is told: window, thresholds, how long it stays open, how it probes. Plain data.

use crate::arithmetic::{WHOLE_PPM, grown};
use crate::time::Span;
use std::fmt;

/// Over which calls the rates are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowConfig {
    /// The latest calls. 1 to [`MAX_CALLS`].
    Count {
        /// How many.
        calls: u32,
    },
    /// The calls of the latest stretch of time.
    Time {
        /// How long. A call is forgotten at the latest this long after it was recorded, at the earliest one
        /// bucket before that.
        length: Span,
        /// Into how many equal buckets it is divided. 1 to [`MAX_BUCKETS`]; 10 is usual.
        buckets: u32,
    },
}

/// Longest window by count.
pub const MAX_CALLS: u32 = 1_000_000;

/// Finest division of a window by time.
pub const MAX_BUCKETS: u32 = 3_600;

/// Everything about a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Over which calls the rates are taken.
    pub window: WindowConfig,
    /// Calls the window must hold before a rate counts. At least 1.
    pub min_requests: u32,
    /// Opens when at least this share of calls failed, in parts per million. 0 switches the rule off.
    pub open_at_ppm: u32,
    /// Opens when at least this share of calls was slow, in parts per million. 0 switches the rule off.
    pub slow_at_ppm: u32,
    /// A call that took this long or longer is slow, whatever its result. `None` switches the rule off.
    pub slow_call: Option<Span>,
    /// Opens after this many failures without a success between them, however few calls the window holds.
    pub consecutive_failures: Option<u32>,
    /// How long it stays open the first time. More than zero.
    pub open_for: Span,
    /// Factor for every further opening without a close between, in thousandths. At least 1000, which keeps
    /// `open_for`.
    pub open_growth_milli: u32,
    /// The longest it stays open; at least `open_for`.
    pub open_cap: Span,
    /// Calls let through while half open. At least 1.
    pub half_open_probes: u32,
    /// How long it waits for probes under way, counted from the first of them, before it opens again. Zero
    /// waits for ever.
    pub half_open_max_wait: Span,
}

impl Default for BreakerConfig {
    /// Half of at least 20 calls within 10 s failing opens for 5 s; then three probes, waited for up to 10 s.
    fn default() -> BreakerConfig {
        BreakerConfig {
            window: WindowConfig::Time { length: Span::from_secs(10), buckets: 10 },
            min_requests: 20,
            open_at_ppm: 500_000,
            slow_at_ppm: 800_000,
            slow_call: None,
            consecutive_failures: None,
            open_for: Span::from_secs(5),
            open_growth_milli: 1_000,
            open_cap: Span::from_secs(5),
            half_open_probes: 3,
            half_open_max_wait: Span::from_secs(10),
        }
    }
}

impl BreakerConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`BreakerError`] names the first field out of range. A breaker made from a config that was not checked
    /// is safe all the same: counts of zero are taken as one, sizes are cut to their maximum.
    pub fn validate(&self) -> Result<(), BreakerError> {
        match self.window {
            WindowConfig::Count { calls } if !(1..=MAX_CALLS).contains(&calls) => {
                return Err(BreakerError::WindowCalls { calls });
            }
            WindowConfig::Count { calls } if self.min_requests > calls => {
                return Err(BreakerError::MinimumAboveWindow { min_requests: self.min_requests, calls });
            }
            WindowConfig::Time { length, buckets }
                if !(1..=MAX_BUCKETS).contains(&buckets) || length.as_nanos() < u64::from(buckets) =>
            {
                return Err(BreakerError::WindowBuckets { length, buckets });
            }
            WindowConfig::Count { .. } | WindowConfig::Time { .. } => {}
        }
        if self.min_requests == 0 {
            return Err(BreakerError::NoMinimum);
        }
        if let Some(share_ppm) = [self.open_at_ppm, self.slow_at_ppm].into_iter().find(|ppm| *ppm > WHOLE_PPM)
        {
            return Err(BreakerError::ShareAboveWhole { share_ppm });
        }
        if self.consecutive_failures == Some(0) {
            return Err(BreakerError::NoConsecutiveFailures);
        }
        if self.open_at_ppm == 0 && self.slow_rule().is_none() && self.consecutive_failures.is_none() {
            return Err(BreakerError::NeverOpens);
        }
        if self.open_for.is_zero() || self.open_cap < self.open_for || self.open_growth_milli < 1_000 {
            return Err(BreakerError::OpenFor {
                open_for: self.open_for,
                open_cap: self.open_cap,
                open_growth_milli: self.open_growth_milli,
            });
        }
        if self.half_open_probes == 0 { Err(BreakerError::NoProbes) } else { Ok(()) }
    }

    /// The slow-call rule, if it is on: from how long a call is slow, and from which share of them it opens.
    pub(super) fn slow_rule(&self) -> Option<(Span, u32)> {
        self.slow_call.map(|from| (from, self.slow_at_ppm)).filter(|(_, share_ppm)| *share_ppm > 0)
    }

    /// How long the `nth` opening in a row lasts, from 1.
    pub(super) fn open_interval(&self, nth: u32) -> Span {
        grown(self.open_for, self.open_growth_milli, nth.saturating_sub(1), self.open_cap.max(self.open_for))
    }

    /// Calls needed before a rate counts: no more than the window can hold, or it could never count.
    pub(super) fn enough_calls(&self) -> u64 {
        let most = match self.window {
            WindowConfig::Count { calls } => calls.clamp(1, MAX_CALLS),
            WindowConfig::Time { .. } => u32::MAX,
        };
        u64::from(self.min_requests.clamp(1, most))
    }
}

/// Why a breaker config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerError {
    /// Window by count out of range.
    WindowCalls {
        /// Its length.
        calls: u32,
    },
    /// Window by time without buckets, with too many, or with buckets shorter than a nanosecond.
    WindowBuckets {
        /// Its length.
        length: Span,
        /// Its buckets.
        buckets: u32,
    },
    /// The window cannot hold the calls it needs.
    MinimumAboveWindow {
        /// The calls it needs.
        min_requests: u32,
        /// The calls it can hold.
        calls: u32,
    },
    /// `min_requests` is zero.
    NoMinimum,
    /// A threshold above all calls.
    ShareAboveWhole {
        /// In parts per million.
        share_ppm: u32,
    },
    /// `consecutive_failures` is zero.
    NoConsecutiveFailures,
    /// Every rule is off.
    NeverOpens,
    /// The time it stays open is zero, shrinks, or is above its cap.
    OpenFor {
        /// The first time.
        open_for: Span,
        /// At most.
        open_cap: Span,
        /// Growth in thousandths.
        open_growth_milli: u32,
    },
    /// `half_open_probes` is zero.
    NoProbes,
}

impl fmt::Display for BreakerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BreakerError::WindowCalls { calls } => {
                write!(f, "a window of {calls} calls: use 1 to {MAX_CALLS}")
            }
            BreakerError::WindowBuckets { length, buckets } => {
                write!(f, "a window of {length} in {buckets} buckets: use 1 to {MAX_BUCKETS} of 1ns or more")
            }
            BreakerError::MinimumAboveWindow { min_requests, calls } => {
                write!(
                    f,
                    "min_requests {min_requests} never fit a window of {calls} calls: lower it to {calls}"
                )
            }
            BreakerError::NoMinimum => f.write_str("min_requests 0: use 1 to judge from the first call on"),
            BreakerError::ShareAboveWhole { share_ppm } => {
                write!(f, "a threshold of {share_ppm} ppm of calls: use at most 1000000, or 0 for no rule")
            }
            BreakerError::NoConsecutiveFailures => {
                f.write_str("consecutive_failures 0: use 1 or more, or leave it out for no rule")
            }
            BreakerError::NeverOpens => f.write_str(
                "every rule is off, the breaker could never open: \
                 set a failure rate, a slow-call rate or consecutive failures",
            ),
            BreakerError::OpenFor { open_for, open_cap, open_growth_milli } => {
                write!(
                    f,
                    "open for {open_for}, growth {open_growth_milli} thousandths, cap {open_cap}: \
                     use more than zero, at least 1000, and a cap no shorter than the first time"
                )
            }
            BreakerError::NoProbes => {
                f.write_str("half_open_probes 0 would stay open for ever: use 1 or more")
            }
        }
    }
}

impl std::error::Error for BreakerError {}

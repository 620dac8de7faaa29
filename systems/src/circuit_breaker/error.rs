//! Why a breaker config is refused, and what to write instead.

use super::config::{MAX_BUCKETS, MAX_CALLS, MAX_PROBES};
use crate::time::Span;
use std::fmt;

/// Why a breaker config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerError {
    /// Window by count, or the calls of a sliding one, out of range.
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
    /// A sliding window of no length.
    NoLength,
    /// The window cannot hold the calls it needs.
    MinimumAboveWindow {
        /// The calls it needs.
        min_requests: u32,
        /// The calls it can hold.
        calls: u32,
    },
    /// `min_requests` is zero.
    NoMinimum,
    /// A threshold above all calls, or a spread above the whole time.
    ShareAboveWhole {
        /// In parts per million.
        share_ppm: u32,
    },
    /// `slow_call` is zero.
    EverythingIsSlow,
    /// `consecutive_failures` is zero.
    NoConsecutiveFailures,
    /// `failures_in_window` is zero or more than the window holds.
    FailuresInWindow {
        /// Failures that open.
        failures: u32,
        /// The calls the window can hold.
        calls: u32,
    },
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
    /// `half_open_probes` is out of range.
    Probes {
        /// How many.
        probes: u32,
    },
    /// The successes wanted of the probes are none, or more than there are probes.
    ProbeSuccesses {
        /// How many have to succeed.
        successes: u32,
        /// Of how many.
        probes: u32,
    },
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
            BreakerError::NoLength => {
                f.write_str("a sliding window of no length: use 1ns or more, 10s is usual")
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
            BreakerError::EverythingIsSlow => {
                f.write_str("slow_call 0s makes every call slow: use more, or leave it out for no rule")
            }
            BreakerError::NoConsecutiveFailures => {
                f.write_str("consecutive_failures 0: use 1 or more, or leave it out for no rule")
            }
            BreakerError::FailuresInWindow { failures, calls } => {
                write!(f, "failures_in_window {failures} of at most {calls} calls: use 1 to {calls}")
            }
            BreakerError::NeverOpens => f.write_str(
                "every rule is off, the breaker could never open: \
                 set a failure rate, a slow-call rate, failures in the window or consecutive failures",
            ),
            BreakerError::OpenFor { open_for, open_cap, open_growth_milli } => {
                write!(
                    f,
                    "open for {open_for}, growth {open_growth_milli} thousandths, cap {open_cap}: \
                     use more than zero, at least 1000, and a cap no shorter than the first time"
                )
            }
            BreakerError::Probes { probes: 0 } => {
                f.write_str("half_open_probes 0 would stay open for ever: use 1 or more")
            }
            BreakerError::Probes { probes } => {
                write!(f, "half_open_probes {probes} is no probing any more: use 1 to {MAX_PROBES}")
            }
            BreakerError::ProbeSuccesses { successes, probes } => {
                write!(f, "{successes} of {probes} probes have to succeed: use 1 to {probes}")
            }
        }
    }
}

impl std::error::Error for BreakerError {}

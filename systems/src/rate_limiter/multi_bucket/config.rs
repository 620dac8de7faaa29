//! What a bandwidth is told. Plain data; never decides.

use crate::time::Span;
use std::fmt;

/// One bandwidth: so many permits come in each period, up to a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Permits that may be saved up. 1 to [`MAX_BANDWIDTH_PERMITS`].
    pub capacity: u64,
    /// Permits that come in each period. 1 to [`MAX_BANDWIDTH_PERMITS`].
    pub refill: u64,
    /// The period. More than zero.
    pub period: Span,
    /// When in the period they come.
    pub schedule: Refill,
    /// Permits there at the start; at most the capacity.
    pub initial: u64,
}

/// When in a period the permits come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refill {
    /// One after the other, evenly.
    #[default]
    Greedy,
    /// All at the end of each period, counted from when the bucket was made.
    Interval,
    /// All at every multiple of the period on the clock.
    IntervalAligned,
}

/// Most permits a bandwidth can hold or gain in a period: above 10^14.
pub const MAX_BANDWIDTH_PERMITS: u64 = 1 << 48;

/// Why bandwidths are refused. They are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BandwidthError {
    /// There is none.
    Empty,
    /// Zero capacity, or above [`MAX_BANDWIDTH_PERMITS`].
    Capacity {
        /// Which bandwidth.
        index: usize,
        /// Permits.
        capacity: u64,
    },
    /// Zero refill, or above [`MAX_BANDWIDTH_PERMITS`].
    Refill {
        /// Which bandwidth.
        index: usize,
        /// Permits.
        refill: u64,
    },
    /// The period is zero.
    NoPeriod {
        /// Which bandwidth.
        index: usize,
    },
    /// More permits at the start than fit.
    Initial {
        /// Which bandwidth.
        index: usize,
        /// Permits at the start.
        initial: u64,
        /// Permits that fit.
        capacity: u64,
    },
}

impl fmt::Display for BandwidthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BandwidthError::Empty => f.write_str("no bandwidth: use 1 or more"),
            BandwidthError::Capacity { index, capacity } => {
                write!(f, "bandwidth {index}: capacity {capacity}: use 1 to {MAX_BANDWIDTH_PERMITS}")
            }
            BandwidthError::Refill { index, refill } => {
                write!(f, "bandwidth {index}: refill {refill}: use 1 to {MAX_BANDWIDTH_PERMITS}")
            }
            BandwidthError::NoPeriod { index } => {
                write!(f, "bandwidth {index}: a period of zero: use 1ns or more")
            }
            BandwidthError::Initial { index, initial, capacity } => {
                write!(f, "bandwidth {index}: {initial} permits at the start: use at most {capacity}")
            }
        }
    }
}

impl std::error::Error for BandwidthError {}

/// Checks the ranges of all.
pub(super) fn validate(bandwidths: &[Bandwidth]) -> Result<(), BandwidthError> {
    if bandwidths.is_empty() {
        return Err(BandwidthError::Empty);
    }
    bandwidths.iter().enumerate().try_for_each(|(index, bandwidth)| {
        let Bandwidth { capacity, refill, period, schedule: _, initial } = *bandwidth;
        if !(1..=MAX_BANDWIDTH_PERMITS).contains(&capacity) {
            return Err(BandwidthError::Capacity { index, capacity });
        }
        if !(1..=MAX_BANDWIDTH_PERMITS).contains(&refill) {
            return Err(BandwidthError::Refill { index, refill });
        }
        if period.is_zero() {
            return Err(BandwidthError::NoPeriod { index });
        }
        if initial > capacity { Err(BandwidthError::Initial { index, initial, capacity }) } else { Ok(()) }
    })
}

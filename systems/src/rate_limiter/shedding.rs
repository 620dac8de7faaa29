//! Sheds load by priority: a reserve that only the more important requests may use, and gradual shedding as workers
//! fill up. After Stripe's fleet-usage and worker-utilisation load shedders ("Scaling your API with rate limiters",
//! 2017) and Envoy's scaled overload triggers. Pure functions of what they are told.
//!
//! Priorities are counted from 0, the most important. One beyond the last counts as the last.

use crate::arithmetic::{WHOLE_PPM, share_of, uniform};
use std::fmt;

/// How much of a limit each priority may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityReserve {
    shares_ppm: Vec<u32>,
}

/// Why shares or thresholds by priority are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheddingError {
    /// No priority at all.
    Empty,
    /// A share or threshold is above everything.
    AboveWhole {
        /// The priority.
        priority: usize,
        /// In parts per million.
        ppm: u32,
    },
    /// A less important priority would be better off than the one before it.
    OutOfOrder {
        /// The less important one.
        priority: usize,
    },
    /// Shedding would be complete before it begins.
    Reversed {
        /// The priority.
        priority: usize,
    },
}

impl fmt::Display for SheddingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SheddingError::Empty => f.write_str("no priority: use 1 or more"),
            SheddingError::AboveWhole { priority, ppm } => {
                write!(f, "priority {priority}: {ppm} ppm: use at most {WHOLE_PPM}")
            }
            SheddingError::OutOfOrder { priority } => {
                write!(
                    f,
                    "priority {priority} would be better off than the one before it: use no more than it has"
                )
            }
            SheddingError::Reversed { priority } => {
                write!(f, "priority {priority}: all is shed before any is: use from_ppm <= all_ppm")
            }
        }
    }
}

impl std::error::Error for SheddingError {}

impl PriorityReserve {
    /// The share of the limit that each priority may fill, in parts per million, the most important first:
    /// `[1_000_000, 800_000]` keeps a fifth for critical requests, as Stripe does.
    ///
    /// # Errors
    /// [`SheddingError`] if there is none, one is above everything, or they rise.
    pub fn new(shares_ppm: Vec<u32>) -> Result<PriorityReserve, SheddingError> {
        if shares_ppm.is_empty() {
            return Err(SheddingError::Empty);
        }
        for (priority, ppm) in shares_ppm.iter().enumerate() {
            if *ppm > WHOLE_PPM {
                return Err(SheddingError::AboveWhole { priority, ppm: *ppm });
            }
            if priority > 0 && *ppm > shares_ppm[priority - 1] {
                return Err(SheddingError::OutOfOrder { priority });
            }
        }
        Ok(PriorityReserve { shares_ppm })
    }

    /// Whether one more may come in while `in_use` of `limit` are taken by all priorities together.
    pub fn admits(&self, priority: usize, in_use: u64, limit: u64) -> bool {
        let share_ppm = self.shares_ppm[priority.min(self.shares_ppm.len() - 1)];
        in_use < share_of(limit, share_ppm)
    }
}

/// From which utilisation a priority is shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShedRange {
    /// Up to here nothing is shed. Parts per million of the workers.
    pub from_ppm: u32,
    /// From here on all of it is. In between the share rises evenly.
    pub all_ppm: u32,
}

/// Sheds more of the less important requests the busier the workers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtilizationShedder {
    ranges: Vec<ShedRange>,
}

impl UtilizationShedder {
    /// One range for each priority, the most important first.
    ///
    /// # Errors
    /// [`SheddingError`] if there is none, or one is above everything, reversed, or later than that of the priority
    /// before it.
    pub fn new(ranges: Vec<ShedRange>) -> Result<UtilizationShedder, SheddingError> {
        if ranges.is_empty() {
            return Err(SheddingError::Empty);
        }
        for (priority, range) in ranges.iter().enumerate() {
            if range.all_ppm > WHOLE_PPM {
                return Err(SheddingError::AboveWhole { priority, ppm: range.all_ppm });
            }
            if range.from_ppm > range.all_ppm {
                return Err(SheddingError::Reversed { priority });
            }
            let before = ranges[priority.saturating_sub(1)];
            if range.from_ppm > before.from_ppm || range.all_ppm > before.all_ppm {
                return Err(SheddingError::OutOfOrder { priority });
            }
        }
        Ok(UtilizationShedder { ranges })
    }

    /// The share of a priority that is shed at a utilisation, in parts per million.
    pub fn shed_share_ppm(&self, priority: usize, utilization_ppm: u32) -> u32 {
        let ShedRange { from_ppm, all_ppm } = self.ranges[priority.min(self.ranges.len() - 1)];
        if utilization_ppm >= all_ppm {
            return WHOLE_PPM;
        }
        // Below `all`, so that the range has a width if the utilisation is in it.
        let over = u64::from(utilization_ppm.saturating_sub(from_ppm));
        (over * u64::from(WHOLE_PPM) / u64::from(all_ppm - from_ppm).max(1)) as u32
    }

    /// Whether this request is shed; `random_word` is uniformly distributed.
    pub fn sheds(&self, priority: usize, utilization_ppm: u32, random_word: u64) -> bool {
        let drawn = uniform(random_word, 0, u64::from(WHOLE_PPM) - 1);
        drawn < u64::from(self.shed_share_ppm(priority, utilization_ppm))
    }
}

//! Shares of a concurrency limit: each partition has its share whatever the others do, and may use what nobody has a
//! share of. Unlike Netflix's, what is reserved for one is never lent to another, so that a share is there at once and
//! calls in flight never exceed the limit.

use super::{CallOutcome, ConcurrencyLimit, InFlight, LimitReached};
use crate::arithmetic::{WHOLE_PPM, share_of};
use crate::time::Time;
use std::fmt;

/// Why shares are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionError {
    /// No partition.
    Empty,
    /// Together they have more than everything.
    AboveWhole {
        /// The sum in parts per million.
        sum_ppm: u64,
    },
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionError::Empty => f.write_str("no partition: name the share of 1 or more"),
            PartitionError::AboveWhole { sum_ppm } => {
                write!(f, "shares of {sum_ppm} ppm together: use at most {WHOLE_PPM}")
            }
        }
    }
}

impl std::error::Error for PartitionError {}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionRefusal {
    /// Its share is used up, and so is what is shared by all.
    LimitReached(LimitReached),
    /// There is no such partition.
    UnknownPartition {
        /// Counted from 0.
        partition: usize,
        /// How many there are.
        partitions: usize,
    },
}

/// A place in a partition. Give it back however the call ends.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a place that is not released is taken for ever"]
pub struct PartitionPermit {
    partition: usize,
    place: InFlight,
}

/// A concurrency limit in shares.
#[derive(Debug)]
pub struct PartitionedLimit {
    limit: ConcurrencyLimit,
    shares_ppm: Vec<u32>,
    in_flight: Vec<u32>,
}

impl PartitionedLimit {
    /// Nothing in flight. `shares_ppm` are in parts per million of the limit; what they leave is shared by all.
    ///
    /// # Errors
    /// [`PartitionError`] if there is none, or they have more than everything together.
    pub fn new(limit: ConcurrencyLimit, shares_ppm: Vec<u32>) -> Result<PartitionedLimit, PartitionError> {
        if shares_ppm.is_empty() {
            return Err(PartitionError::Empty);
        }
        let sum_ppm = shares_ppm.iter().map(|share| u64::from(*share)).sum();
        if sum_ppm > u64::from(WHOLE_PPM) {
            return Err(PartitionError::AboveWhole { sum_ppm });
        }
        let in_flight = vec![0; shares_ppm.len()];
        Ok(PartitionedLimit { limit, shares_ppm, in_flight })
    }

    /// A place for a partition.
    ///
    /// # Errors
    /// [`PartitionRefusal`].
    pub fn try_acquire(&mut self, now: Time, partition: usize) -> Result<PartitionPermit, PartitionRefusal> {
        let Some(own) = self.in_flight.get(partition) else {
            let partitions = self.in_flight.len();
            return Err(PartitionRefusal::UnknownPartition { partition, partitions });
        };
        if *own >= self.share(partition) && self.shared_in_use() >= self.shared() {
            let reached = LimitReached { limit: self.limit.limit(), in_flight: self.limit.in_flight() };
            return Err(PartitionRefusal::LimitReached(reached));
        }
        let place = self.limit.try_acquire(now).map_err(PartitionRefusal::LimitReached)?;
        self.in_flight[partition] += 1;
        Ok(PartitionPermit { partition, place })
    }

    /// Gives a place back.
    pub fn release(&mut self, now: Time, permit: PartitionPermit, outcome: CallOutcome) {
        let PartitionPermit { partition, place } = permit;
        if let Some(own) = self.in_flight.get_mut(partition) {
            *own = own.saturating_sub(1);
        }
        self.limit.release(now, place, outcome);
    }

    /// Calls in flight in a partition.
    pub fn in_flight(&self, partition: usize) -> u32 {
        self.in_flight.get(partition).copied().unwrap_or(0)
    }

    /// Calls a partition can always have, rounded down.
    pub fn share(&self, partition: usize) -> u32 {
        let share_ppm = self.shares_ppm.get(partition).copied().unwrap_or(0);
        share_of(u64::from(self.limit.limit()), share_ppm) as u32
    }

    /// The limit under all of them.
    pub const fn limit(&self) -> &ConcurrencyLimit {
        &self.limit
    }

    fn shared(&self) -> u32 {
        let reserved: u32 = (0..self.shares_ppm.len()).map(|partition| self.share(partition)).sum();
        self.limit.limit().saturating_sub(reserved)
    }

    fn shared_in_use(&self) -> u32 {
        let above = |(partition, own): (usize, &u32)| own.saturating_sub(self.share(partition));
        self.in_flight.iter().enumerate().map(above).sum()
    }
}

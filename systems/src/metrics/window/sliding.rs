//! What was recorded lately: a ring of buckets by the recorder's clock. Never forgets a bucket before the window
//! has passed it, and never keeps one for longer than one bucket more.

use super::super::histogram::Accumulator;
use crate::time::{Span, Time};
use std::fmt;

/// How far back and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingConfig {
    /// Length of the window. At least one nanosecond per bucket.
    pub length: Span,
    /// Steps in which it slides, 1 to 4 096. One is a tumbling window.
    pub buckets: u32,
}

/// Why a config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlidingError {
    /// Not 1 to 4 096 buckets.
    Buckets {
        /// As asked for.
        buckets: u32,
    },
    /// Shorter than a nanosecond per bucket.
    Length {
        /// As asked for.
        length: Span,
    },
}

impl fmt::Display for SlidingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SlidingError::Buckets { buckets } => write!(f, "{buckets} buckets: use 1 to 4096; 10 is usual"),
            SlidingError::Length { length } => {
                write!(f, "a window of {length} is shorter than a nanosecond per bucket: use 10s")
            }
        }
    }
}

impl std::error::Error for SlidingError {}

impl SlidingConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`SlidingError`] names the field out of range.
    pub fn validate(&self) -> Result<(), SlidingError> {
        if !(1..=4_096).contains(&self.buckets) {
            return Err(SlidingError::Buckets { buckets: self.buckets });
        }
        if self.length.as_nanos() < u64::from(self.buckets) {
            return Err(SlidingError::Length { length: self.length });
        }
        Ok(())
    }
}

/// What was recorded within a length of time before now.
#[derive(Clone, Debug)]
pub struct SlidingWindow<A> {
    ring: Vec<A>,
    merged: A,
    bucket_ns: u64,
    /// Number of the bucket being filled, since the origin of time.
    current: u64,
}

impl<A: Accumulator + Clone> SlidingWindow<A> {
    /// An empty window of copies of `blank`, which is taken as empty.
    ///
    /// # Errors
    /// [`SlidingError`] names the field of the config out of range.
    pub fn new(config: SlidingConfig, blank: &A) -> Result<SlidingWindow<A>, SlidingError> {
        config.validate()?;
        let mut merged = blank.clone();
        merged.clear();
        Ok(SlidingWindow {
            ring: vec![merged.clone(); config.buckets as usize],
            merged,
            bucket_ns: config.length.as_nanos() / u64::from(config.buckets),
            current: 0,
        })
    }

    /// Records a value. A clock that goes back records into the latest bucket seen, so nothing is lost.
    pub fn record(&mut self, now: Time, value: u64) {
        self.record_n(now, value, 1);
    }

    /// Records `value` as often as `count` says.
    pub fn record_n(&mut self, now: Time, value: u64, count: u64) {
        self.advance(now);
        let place = self.place(self.current);
        self.ring[place].record_n(value, count);
    }

    /// Forgets what has become too old.
    pub fn advance(&mut self, now: Time) {
        let arrived = now.as_nanos() / self.bucket_ns;
        let passed = arrived.saturating_sub(self.current).min(self.ring.len() as u64);
        for bucket in arrived.saturating_sub(passed)..arrived {
            let place = self.place(bucket + 1);
            self.ring[place].clear();
        }
        self.current = self.current.max(arrived);
    }

    /// Everything within the window: the bucket being filled and those before it. Takes one merge per bucket.
    pub fn merged(&mut self, now: Time) -> &A {
        self.advance(now);
        self.merged.clear();
        for bucket in &self.ring {
            // All are copies of one blank.
            self.merged.merge(bucket).expect("buckets of one window have the same shape");
        }
        &self.merged
    }

    fn place(&self, bucket: u64) -> usize {
        (bucket % self.ring.len() as u64) as usize
    }
}

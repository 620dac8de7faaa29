//! The classic histogram with explicit upper bounds (Prometheus `le`, OpenTelemetry explicit buckets). Never
//! interpolates beyond its bounds, and never guesses bounds: they are part of the config.

use super::{Accumulator, Histogram, Quantile, ShapeMismatch, Totals, position_of_rank};
use std::fmt;
use std::sync::Arc;

/// The bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicConfig {
    /// Upper bounds, each belonging to its bucket, strictly ascending; 1 to 1 024 of them. One more bucket above
    /// the last takes the rest.
    pub bounds: Vec<u64>,
}

/// Why bounds are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassicError {
    /// No bound at all, or more than 1 024.
    Count {
        /// As many as were given.
        bounds: usize,
    },
    /// A bound that is not above the one before.
    Order {
        /// Its position, from 0.
        position: usize,
    },
}

impl fmt::Display for ClassicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClassicError::Count { bounds } => write!(f, "{bounds} bounds: use 1 to 1024"),
            ClassicError::Order { position } => {
                write!(f, "bound {position} is not above the one before: sort them and leave out doubles")
            }
        }
    }
}

impl std::error::Error for ClassicError {}

impl ClassicConfig {
    /// The usual bounds for request latency in nanoseconds, 5 ms to 10 s: the defaults of Prometheus' client
    /// libraries.
    pub fn latency_ns() -> ClassicConfig {
        let milliseconds = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];
        ClassicConfig { bounds: milliseconds.iter().map(|ms| ms * 1_000_000).collect() }
    }

    /// Checks number and order.
    ///
    /// # Errors
    /// [`ClassicError`] says what is wrong.
    pub fn validate(&self) -> Result<(), ClassicError> {
        if !(1..=1_024).contains(&self.bounds.len()) {
            return Err(ClassicError::Count { bounds: self.bounds.len() });
        }
        match self.bounds.windows(2).position(|pair| pair[0] >= pair[1]) {
            Some(position) => Err(ClassicError::Order { position: position + 1 }),
            None => Ok(()),
        }
    }
}

/// A histogram with explicit bounds. Clones share the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicHistogram {
    bounds: Arc<[u64]>,
    /// One more than bounds.
    counts: Vec<u64>,
    totals: Totals,
}

impl ClassicHistogram {
    /// An empty histogram.
    ///
    /// # Errors
    /// [`ClassicError`] says what is wrong with the bounds.
    pub fn new(config: &ClassicConfig) -> Result<ClassicHistogram, ClassicError> {
        config.validate()?;
        let counts = vec![0; config.bounds.len() + 1];
        Ok(ClassicHistogram { bounds: config.bounds.as_slice().into(), counts, totals: Totals::EMPTY })
    }

    /// Upper bounds with the number of values at or below each, as exposed to a scraper; the last has no bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        let mut upto: u64 = 0;
        bounds.zip(&self.counts).map(move |(bound, count)| {
            upto = upto.saturating_add(*count);
            (bound, upto)
        })
    }
}

impl Accumulator for ClassicHistogram {
    fn record_n(&mut self, value: u64, count: u64) {
        let index = self.bounds.partition_point(|bound| *bound < value);
        self.counts[index] = self.counts[index].saturating_add(count);
        self.totals.add(value, count);
    }

    fn merge(&mut self, other: &ClassicHistogram) -> Result<(), ShapeMismatch> {
        if self.bounds != other.bounds {
            return Err(ShapeMismatch);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.totals.merge(&other.totals)
    }

    fn clear(&mut self) {
        self.counts.fill(0);
        self.totals = Totals::EMPTY;
    }

    fn count(&self) -> u64 {
        self.totals.count
    }
}

impl Histogram for ClassicHistogram {
    fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Linear inside the bucket, in whole numbers. The bucket above the last bound is known only by the largest
    /// value, which a scraped histogram does not have: see
    /// [`histogram_quantile`](crate::metrics::functions::histogram_quantile) for that.
    fn quantile(&self, quantile: Quantile) -> Option<u64> {
        let max = self.totals.max()?;
        if let Some(end) = self.totals.at_end(quantile) {
            return Some(end);
        }
        let rank = quantile.rank(self.totals.count);
        let Some((index, before)) = position_of_rank(self.counts.iter().copied(), rank) else {
            return Some(max);
        };
        let low = index.checked_sub(1).map_or(0, |below| self.bounds[below]);
        let high = self.bounds.get(index).copied().unwrap_or(max).max(low);
        let share =
            u128::from(high - low) * u128::from(rank - before) / u128::from(self.counts[index].max(1));
        // The share is at most the width, because the rank is inside the bucket.
        Some(self.totals.clamp(low + share as u64))
    }
}

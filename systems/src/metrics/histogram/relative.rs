//! A sketch with relative accuracy: every quantile is within a fixed share of the exact one, over the whole range
//! of 64-bit numbers, in bounded memory (after DDSketch: Masson, Rim, Lee, VLDB 2019). When the memory does not
//! suffice the lowest buckets are joined, which is reported. Never grows while recording.

use super::relative_layout::{RelativeError, RelativeLayout};
use super::{Accumulator, Histogram, Quantile, ShapeMismatch, Totals, position_of_rank};
use std::sync::Arc;

/// Accuracy and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelativeConfig {
    /// How far a quantile may be from the exact one, in parts per million of it. 1 000 (0.1 %) to 500 000.
    pub accuracy_ppm: u32,
    /// Buckets kept, rounded up to a power of two. At least 16. With 1 %, 2 048 reach from 1 ns to 284 years.
    pub max_buckets: u32,
}

impl RelativeConfig {
    /// One percent, 2 048 buckets: 16 KiB, and a table of bounds of about as much that clones share.
    pub const ONE_PERCENT: RelativeConfig = RelativeConfig { accuracy_ppm: 10_000, max_buckets: 2_048 };

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`RelativeError`] names the field out of range.
    pub fn validate(&self) -> Result<(), RelativeError> {
        if !(1_000..=500_000).contains(&self.accuracy_ppm) {
            return Err(RelativeError::Accuracy { accuracy_ppm: self.accuracy_ppm });
        }
        if self.max_buckets < 16 {
            return Err(RelativeError::Buckets { max_buckets: self.max_buckets });
        }
        Ok(())
    }
}

/// Quantiles within a relative accuracy.
///
/// The buckets kept are those from the highest one in use downwards; whatever lies below counts in the lowest
/// kept. So the state depends on what was recorded and not on the order, and merging is exact even then.
/// Clones share the table of bounds.
#[derive(Clone, Debug)]
pub struct RelativeHistogram {
    layout: Arc<RelativeLayout>,
    /// Count of zeros, which have no relative accuracy.
    zeros: u64,
    /// Ring: bucket number modulo its length, which is a power of two.
    counts: Vec<u64>,
    /// Lowest bucket number kept.
    lowest: usize,
    /// Values that belong below the lowest bucket kept.
    collapsed: u64,
    totals: Totals,
}

impl RelativeHistogram {
    /// An empty sketch. Takes all the memory it will ever have.
    ///
    /// # Errors
    /// [`RelativeError`] names the field of the config out of range.
    pub fn new(config: RelativeConfig) -> Result<RelativeHistogram, RelativeError> {
        config.validate()?;
        let layout = Arc::new(RelativeLayout::new(config.accuracy_ppm)?);
        // More buckets than there are numbers to tell apart are never used.
        let all = layout.len().next_power_of_two();
        let kept =
            config.max_buckets.checked_next_power_of_two().map_or(all, |kept| (kept as usize).min(all));
        let counts = vec![0; kept];
        Ok(RelativeHistogram { layout, zeros: 0, counts, lowest: 0, collapsed: 0, totals: Totals::EMPTY })
    }

    /// The accuracy of quantiles that no collapse has touched, in parts per million.
    pub fn accuracy_ppm(&self) -> u32 {
        self.layout.accuracy_ppm()
    }

    /// How many of the smallest values (zeros apart) have lost their bucket. Quantiles that fall among them are
    /// only known to be too high.
    pub const fn collapsed(&self) -> u64 {
        self.collapsed
    }

    /// Whether a quantile is within the accuracy, that is, not among the collapsed values.
    pub fn is_accurate(&self, quantile: Quantile) -> bool {
        let rank = quantile.rank(self.totals.count);
        self.collapsed == 0 || rank <= self.zeros || rank > self.zeros.saturating_add(self.collapsed)
    }

    fn slot(&self, index: usize) -> usize {
        index & (self.counts.len() - 1)
    }

    /// Adds to a bucket, or to the lowest kept if that one is gone.
    #[inline]
    fn add(&mut self, index: usize, count: u64) {
        if index < self.lowest {
            self.collapsed = self.collapsed.saturating_add(count);
        } else if index - self.lowest >= self.counts.len() {
            self.raise_lowest(index + 1 - self.counts.len());
        }
        let slot = self.slot(index.max(self.lowest));
        self.counts[slot] = self.counts[slot].saturating_add(count);
    }

    /// Joins every bucket below `lowest` to it.
    #[cold]
    fn raise_lowest(&mut self, lowest: usize) {
        let mut joined: u64 = 0;
        // A ring's length of buckets is all there are, however far the jump.
        for index in (self.lowest..lowest).take(self.counts.len()) {
            let slot = self.slot(index);
            joined = joined.saturating_add(std::mem::take(&mut self.counts[slot]));
        }
        self.lowest = lowest;
        self.collapsed = joined;
        let slot = self.slot(lowest);
        self.counts[slot] = self.counts[slot].saturating_add(joined);
    }

    /// Bucket numbers and counts from the lowest kept upwards; most are empty.
    fn ascending(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let end = (self.lowest + self.counts.len()).min(self.layout.len());
        (self.lowest..end).map(|index| (index, self.counts[self.slot(index)]))
    }
}

impl Accumulator for RelativeHistogram {
    #[inline]
    fn record_n(&mut self, value: u64, count: u64) {
        if count == 0 {
            return;
        }
        if value == 0 {
            self.zeros = self.zeros.saturating_add(count);
        } else {
            self.add(self.layout.index_of(value), count);
        }
        self.totals.add(value, count);
    }

    fn merge(&mut self, other: &RelativeHistogram) -> Result<(), ShapeMismatch> {
        if self.accuracy_ppm() != other.accuracy_ppm() || self.counts.len() != other.counts.len() {
            return Err(ShapeMismatch);
        }
        if other.lowest > self.lowest {
            self.raise_lowest(other.lowest);
        }
        for (index, count) in other.ascending() {
            if count > 0 {
                self.add(index, count);
            }
        }
        // What is collapsed there sits in the lowest bucket there. If that bucket is kept here it was added as if
        // it belonged; if it is not, adding counted all of it.
        if other.lowest == self.lowest {
            self.collapsed = self.collapsed.saturating_add(other.collapsed);
        }
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.totals.merge(&other.totals)
    }

    fn clear(&mut self) {
        self.counts.fill(0);
        self.zeros = 0;
        self.lowest = 0;
        self.collapsed = 0;
        self.totals = Totals::EMPTY;
    }

    fn count(&self) -> u64 {
        self.totals.count
    }
}

impl Histogram for RelativeHistogram {
    fn totals(&self) -> &Totals {
        &self.totals
    }

    fn quantile(&self, quantile: Quantile) -> Option<u64> {
        let max = self.totals.max()?;
        if let Some(end) = self.totals.at_end(quantile) {
            return Some(end);
        }
        let rank = quantile.rank(self.totals.count);
        let Some(rank) = rank.checked_sub(self.zeros).filter(|rank| *rank > 0) else { return Some(0) };
        let found = position_of_rank(self.ascending().map(|(_, count)| count), rank);
        let value = found.map_or(max, |(position, _)| self.layout.value_at(self.lowest + position));
        Some(self.totals.clamp(value))
    }
}

impl PartialEq for RelativeHistogram {
    fn eq(&self, other: &RelativeHistogram) -> bool {
        let content = |sketch: &RelativeHistogram| {
            (sketch.accuracy_ppm(), sketch.zeros, sketch.lowest, sketch.collapsed, sketch.totals)
        };
        content(self) == content(other) && self.counts == other.counts
    }
}

impl Eq for RelativeHistogram {}

//! The high dynamic range histogram: fixed memory, a few nanoseconds per value, a fixed number of significant
//! digits over the whole range (Gil Tene, HdrHistogram). Never grows, never drops a value: what is above the range
//! counts as the highest value and is reported as such.

use super::hdr_layout::{HdrError, HdrLayout};
use super::{Accumulator, Histogram, Quantile, ShapeMismatch, Totals, position_of_rank};

/// Range and precision. Memory is 8 bytes per bucket: for 1 ns to 1 min 30 KiB with two digits, 214 KiB with three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HdrConfig {
    /// Values below are told apart from zero only. At least 1; rounded down to a power of two.
    pub lowest: u64,
    /// Values above count as this one. At least twice the lowest.
    pub highest: u64,
    /// Significant decimal digits, 1 to 5.
    pub digits: u8,
}

impl HdrConfig {
    /// Nanoseconds up to an hour, two digits.
    pub const LATENCY_NS: HdrConfig = HdrConfig { lowest: 1, highest: 3_600_000_000_000, digits: 2 };

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`HdrError`] names the field out of range.
    pub fn validate(&self) -> Result<(), HdrError> {
        self.layout().map(|_| ())
    }

    pub(crate) fn layout(&self) -> Result<HdrLayout, HdrError> {
        HdrLayout::new(self.lowest, self.highest, self.digits)
    }
}

/// A histogram with a fixed range and a fixed number of significant digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HdrHistogram {
    layout: HdrLayout,
    counts: Vec<u64>,
    totals: Totals,
    clamped: u64,
}

impl HdrHistogram {
    /// An empty histogram. Takes all the memory it will ever have.
    ///
    /// # Errors
    /// [`HdrError`] names the field of the config out of range.
    pub fn new(config: HdrConfig) -> Result<HdrHistogram, HdrError> {
        Ok(HdrHistogram::with_layout(config.layout()?))
    }

    /// An empty histogram over a layout.
    pub fn with_layout(layout: HdrLayout) -> HdrHistogram {
        HdrHistogram { layout, counts: vec![0; layout.len()], totals: Totals::EMPTY, clamped: 0 }
    }

    /// How the numbers are divided.
    pub const fn layout(&self) -> &HdrLayout {
        &self.layout
    }

    /// Counts by bucket, in the order of the layout's indexes.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Values that were above the range and count as its highest value.
    pub const fn clamped(&self) -> u64 {
        self.clamped
    }

    /// Records a value that was measured by a loop which should have measured every `expected_interval`, and
    /// was held up by the very thing it measured. The samples it could not take are added: `value` less one
    /// interval, less two, down to one interval. An interval of 0 means no correction.
    ///
    /// The work is bounded by the number of buckets, however long the stall.
    pub fn record_corrected(&mut self, value: u64, expected_interval: u64) {
        self.record(value);
        if expected_interval == 0 {
            return;
        }
        let mut missing = value.saturating_sub(expected_interval);
        while missing >= expected_interval {
            let index = self.layout.index_of(missing);
            let highest = self.layout.highest();
            // What is above the range is a run of its own: it is not recorded as it is.
            let lowest = if missing > highest { highest + 1 } else { self.layout.lowest_at(index) };
            let floor = lowest.max(expected_interval);
            let further = (missing - floor) / expected_interval;
            let last = missing - further * expected_interval;
            self.record_run(index, missing, last, further);
            missing = last.saturating_sub(expected_interval);
        }
    }

    /// `further + 1` values of one bucket, evenly spaced from `first` down to `last`.
    fn record_run(&mut self, index: usize, first: u64, last: u64, further: u64) {
        let count = further.saturating_add(1);
        let highest = self.layout.highest();
        if first > highest {
            self.clamped = self.clamped.saturating_add(count);
            self.totals.add(highest, count);
        } else {
            // An even run sums to its length times the middle of its ends; one of the two factors is even.
            let ends = u128::from(first) + u128::from(last);
            let sum = ends.saturating_mul(u128::from(further) + 1) / 2;
            self.totals.add_run(sum, last, first, count);
        }
        self.counts[index] = self.counts[index].saturating_add(count);
    }

    /// Takes in what a shard has counted. Its sum and extremes may run a little ahead of its counts; the extremes are
    /// brought into the outermost buckets that have one. Returns how many values that were.
    pub(crate) fn take_in(
        &mut self,
        counts: impl Iterator<Item = u64>,
        totals_after_counts: impl FnOnce() -> ShardTotals,
    ) -> u64 {
        let mut added: u64 = 0;
        let mut outermost: Option<(usize, usize)> = None;
        for (index, count) in counts.enumerate().take(self.counts.len()).filter(|(_, count)| *count > 0) {
            self.counts[index] = self.counts[index].saturating_add(count);
            added = added.saturating_add(count);
            outermost = Some((outermost.map_or(index, |(lowest, _)| lowest), index));
        }
        let shard = totals_after_counts();
        self.clamped = self.clamped.saturating_add(shard.clamped);
        self.totals.sum = self.totals.sum.saturating_add(shard.sum);
        if let Some((lowest, highest)) = outermost {
            let within = |value: u64, index: usize| {
                value.max(self.layout.lowest_at(index)).min(self.layout.highest_at(index))
            };
            self.totals.add_run(0, within(shard.min, lowest), within(shard.max, highest), added);
        }
        added
    }

    /// Counts of a bucket taken from elsewhere, for instance another node's encoded histogram, as values at the
    /// low end of the bucket. An index past the end means the last bucket.
    pub fn record_at_index(&mut self, index: usize, count: u64) {
        self.record_n(self.layout.lowest_at(index), count);
    }
}

/// What a shard knows beside its counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardTotals {
    pub(crate) sum: u128,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) clamped: u64,
}

impl Accumulator for HdrHistogram {
    #[inline]
    fn record_n(&mut self, value: u64, count: u64) {
        let kept = value.min(self.layout.highest());
        if kept != value {
            self.clamped = self.clamped.saturating_add(count);
        }
        let slot = &mut self.counts[self.layout.index_of(kept)];
        *slot = slot.saturating_add(count);
        self.totals.add(kept, count);
    }

    fn merge(&mut self, other: &HdrHistogram) -> Result<(), ShapeMismatch> {
        if self.layout != other.layout {
            return Err(ShapeMismatch);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.clamped = self.clamped.saturating_add(other.clamped);
        self.totals.merge(&other.totals)
    }

    fn clear(&mut self) {
        self.counts.fill(0);
        self.totals = Totals::EMPTY;
        self.clamped = 0;
    }

    fn count(&self) -> u64 {
        self.totals.count
    }
}

impl Histogram for HdrHistogram {
    fn totals(&self) -> &Totals {
        &self.totals
    }

    fn quantile(&self, quantile: Quantile) -> Option<u64> {
        let highest_used = self.layout.index_of(self.totals.max()?);
        if let Some(end) = self.totals.at_end(quantile) {
            return Some(end);
        }
        let rank = quantile.rank(self.totals.count);
        let counts = self.counts[..=highest_used].iter().copied();
        let index = position_of_rank(counts, rank).map_or(highest_used, |(index, _)| index);
        Some(self.totals.clamp(self.layout.highest_at(index)))
    }
}

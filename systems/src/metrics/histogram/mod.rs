//! Distributions of whole numbers: what they have in common, and the four kinds. A value is a `u64` in whatever
//! unit the caller chose, so there is no infinity and no "not a number" to record. Never averages percentiles:
//! two distributions are joined bucket by bucket.

mod classic;
mod exponential;
mod hdr;
mod hdr_layout;
mod relative;
mod relative_layout;

pub use classic::{ClassicConfig, ClassicError, ClassicHistogram};
pub use exponential::{ExponentialConfig, ExponentialError, ExponentialHistogram};
pub(crate) use hdr::ShardTotals;
pub use hdr::{HdrConfig, HdrHistogram};
pub use hdr_layout::{HdrError, HdrLayout};
pub use relative::{RelativeConfig, RelativeHistogram};
pub use relative_layout::RelativeError;

use std::fmt;

/// Something that takes recorded values in and can be joined with its like: a distribution, or plain totals.
///
/// Merging is commutative and associative, and gives what recording everything into one would have given.
pub trait Accumulator {
    /// Records `value` as often as `count` says.
    fn record_n(&mut self, value: u64, count: u64);

    /// Records `value` once.
    fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Takes in everything that `other` has recorded.
    ///
    /// # Errors
    /// [`ShapeMismatch`] when the two divide the numbers differently; nothing is changed then.
    fn merge(&mut self, other: &Self) -> Result<(), ShapeMismatch>;

    /// Forgets everything and keeps the memory.
    fn clear(&mut self);

    /// Values recorded, saturating.
    fn count(&self) -> u64;
}

/// A distribution that can be asked for quantiles.
pub trait Histogram: Accumulator {
    /// Count, sum, smallest and largest value, all exact.
    fn totals(&self) -> &Totals;

    /// The value that at least a share `quantile` of the recorded ones do not exceed; `None` without any.
    /// Never falls as the quantile rises, and goes from exactly the smallest to exactly the largest value.
    fn quantile(&self, quantile: Quantile) -> Option<u64>;

    /// The figures people put on dashboards.
    fn summary(&self) -> Option<Summary> {
        let totals = *self.totals();
        Some(Summary {
            count: totals.count,
            sum: totals.sum,
            min: totals.min()?,
            p50: self.quantile(Quantile::P50)?,
            p90: self.quantile(Quantile::P90)?,
            p99: self.quantile(Quantile::P99)?,
            p999: self.quantile(Quantile::P999)?,
            max: totals.max()?,
        })
    }
}

/// What a distribution looks like in one line; see [`Histogram::summary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub struct Summary {
    pub count: u64,
    pub sum: u128,
    pub min: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// A share of the recorded values, from 0 to 1 in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantile(u32);

impl Quantile {
    /// The median.
    pub const P50: Quantile = Quantile(500_000);
    /// Nine of ten are at or below it.
    pub const P90: Quantile = Quantile(900_000);
    /// 99 of a hundred are at or below it.
    pub const P99: Quantile = Quantile(990_000);
    /// 999 of a thousand are at or below it.
    pub const P999: Quantile = Quantile(999_000);
    /// The largest value.
    pub const MAX: Quantile = Quantile(1_000_000);

    /// `ppm` parts per million; more than a million counts as a million.
    pub const fn from_ppm(ppm: u32) -> Quantile {
        Quantile(if ppm > 1_000_000 { 1_000_000 } else { ppm })
    }

    /// The share in parts per million.
    pub const fn as_ppm(self) -> u32 {
        self.0
    }

    /// Which of `total` values in ascending order is meant, counted from 1.
    pub(crate) fn rank(self, total: u64) -> u64 {
        let rank = (u128::from(total) * u128::from(self.0)).div_ceil(1_000_000);
        // At most `total`, because the share is at most one.
        (rank as u64).max(1)
    }
}

/// Why two accumulators cannot be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeMismatch;

impl fmt::Display for ShapeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two have different buckets: give every node the same config")
    }
}

impl std::error::Error for ShapeMismatch {}

/// Count, sum, smallest and largest of recorded values. Exact: the sum has 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Totals {
    /// Nothing recorded.
    pub const EMPTY: Totals = Totals { count: 0, sum: 0, min: u64::MAX, max: 0 };

    /// Values recorded, saturating.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, saturating.
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// The smallest; `None` without any.
    pub const fn min(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.min) }
    }

    /// The largest; `None` without any.
    pub const fn max(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.max) }
    }

    /// The mean, rounded down; `None` without any.
    pub fn mean(&self) -> Option<u64> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        Some(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// `value` if it lies between the smallest and the largest, else the nearer of the two. Not for empty totals.
    pub(crate) fn clamp(&self, value: u64) -> u64 {
        value.max(self.min).min(self.max)
    }

    /// The quantiles that need no buckets: the smallest and the largest value. Not for empty totals.
    pub(crate) fn at_end(&self, quantile: Quantile) -> Option<u64> {
        match quantile.as_ppm() {
            0 => Some(self.min),
            1_000_000 => Some(self.max),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, value: u64, count: u64) {
        self.add_run(u128::from(value) * u128::from(count), value, value, count);
    }

    /// Values that sum to `sum`, the smallest and largest of them given. No values, no change.
    #[inline]
    pub(crate) fn add_run(&mut self, sum: u128, min: u64, max: u64, count: u64) {
        if count == 0 {
            return;
        }
        self.count = self.count.saturating_add(count);
        self.sum = self.sum.saturating_add(sum);
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }
}

impl Default for Totals {
    fn default() -> Totals {
        Totals::EMPTY
    }
}

impl Accumulator for Totals {
    fn record_n(&mut self, value: u64, count: u64) {
        self.add(value, count);
    }

    fn merge(&mut self, other: &Totals) -> Result<(), ShapeMismatch> {
        self.count = self.count.saturating_add(other.count);
        // Without a count as well: of a value recorded while an interval was taken, the count comes with the next one.
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        Ok(())
    }

    fn clear(&mut self) {
        *self = Totals::EMPTY;
    }

    fn count(&self) -> u64 {
        self.count
    }
}

/// The position of the first count at which the running sum reaches `rank`, and the sum before it.
pub(crate) fn position_of_rank(counts: impl Iterator<Item = u64>, rank: u64) -> Option<(usize, u64)> {
    let mut before: u64 = 0;
    for (position, count) in counts.enumerate() {
        let upto = before.saturating_add(count);
        if upto >= rank {
            return Some((position, before));
        }
        before = upto;
    }
    None
}

#[cfg(test)]
mod laws;

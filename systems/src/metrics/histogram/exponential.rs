//! The exponential histogram (OpenTelemetry; Prometheus "native"): bounds at powers of 2^(2^-scale), so two
//! histograms of different scale can still be joined. When the values need more buckets than allowed the scale
//! falls, and pairs of buckets become one. Never grows while recording, never clips a value.

use super::{Accumulator, Histogram, Quantile, ShapeMismatch, Totals, position_of_rank};
use std::fmt;

/// Finest scale, and the one in which values are looked up: 256 buckets per power of two.
const FINEST: i8 = 8;
/// Coarsest scale: one bucket for sixteen powers of two.
const COARSEST: i8 = -4;

/// Precision and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExponentialConfig {
    /// Scale to begin with, -4 to 8: a bucket is 2^(2^-scale) times as high as the one before.
    pub scale: i8,
    /// Buckets kept, rounded up to a power of two. 8 to 65 536; 160 is usual.
    pub max_buckets: u32,
}

/// Why a config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExponentialError {
    /// Not between -4 and 8.
    Scale {
        /// As asked for.
        scale: i8,
    },
    /// Not between 8 and 65 536.
    Buckets {
        /// As asked for.
        max_buckets: u32,
    },
}

impl fmt::Display for ExponentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExponentialError::Scale { scale } => write!(f, "scale {scale}: use {COARSEST} to {FINEST}"),
            ExponentialError::Buckets { max_buckets } => {
                write!(f, "{max_buckets} buckets: use 8 to 65536; 160 is usual")
            }
        }
    }
}

impl std::error::Error for ExponentialError {}

impl ExponentialConfig {
    /// Begins with the finest scale and keeps 256 buckets: OpenTelemetry's choice, rounded up.
    pub const DEFAULT: ExponentialConfig = ExponentialConfig { scale: FINEST, max_buckets: 160 };

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ExponentialError`] names the field out of range.
    pub fn validate(&self) -> Result<(), ExponentialError> {
        if !(COARSEST..=FINEST).contains(&self.scale) {
            return Err(ExponentialError::Scale { scale: self.scale });
        }
        if !(8..=65_536).contains(&self.max_buckets) {
            return Err(ExponentialError::Buckets { max_buckets: self.max_buckets });
        }
        Ok(())
    }
}

/// A histogram whose buckets grow by a power of two's root. A bucket holds its upper bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExponentialHistogram {
    initial_scale: i8,
    scale: i8,
    zeros: u64,
    /// Ring: bucket number modulo its length, which is a power of two.
    counts: Vec<u64>,
    /// As long as the ring; where pairs are joined.
    spare: Vec<u64>,
    /// Lowest and highest bucket number in use; `None` before the first value above zero.
    used: Option<(u32, u32)>,
    totals: Totals,
}

impl ExponentialHistogram {
    /// An empty histogram. Takes all the memory it will ever have.
    ///
    /// # Errors
    /// [`ExponentialError`] names the field of the config out of range.
    pub fn new(config: ExponentialConfig) -> Result<ExponentialHistogram, ExponentialError> {
        config.validate()?;
        let kept = config.max_buckets.next_power_of_two() as usize;
        Ok(ExponentialHistogram {
            initial_scale: config.scale,
            scale: config.scale,
            zeros: 0,
            counts: vec![0; kept],
            spare: vec![0; kept],
            used: None,
            totals: Totals::EMPTY,
        })
    }

    /// The scale now: the finest one, up to the one configured, at which the values fit.
    pub const fn scale(&self) -> i8 {
        self.scale
    }

    /// Buckets in use from the lowest to the highest: upper bound (rounded down to a whole number) and count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.used_range().map(|index| (upper_bound(index, self.scale), self.counts[self.slot(index)]))
    }

    fn used_range(&self) -> std::ops::Range<u32> {
        self.used.map_or(0..0, |(low, high)| low..high + 1)
    }

    fn slot(&self, index: u32) -> usize {
        index as usize & (self.counts.len() - 1)
    }

    /// Adds to the bucket with the number `finest` at the finest scale.
    #[inline]
    fn add(&mut self, finest: u32, count: u64) {
        let mut index = at_scale(finest, FINEST, self.scale);
        let (low, high) = self.used.unwrap_or((index, index));
        let (mut low, mut high) = (low.min(index), high.max(index));
        if (high - low) as usize >= self.counts.len() {
            let fits = self.scale_that_fits(low, high);
            self.coarsen(fits);
            index = at_scale(finest, FINEST, self.scale);
            let (used_low, used_high) = self.used.unwrap_or((index, index));
            (low, high) = (used_low.min(index), used_high.max(index));
        }
        self.used = Some((low, high));
        let slot = self.slot(index);
        self.counts[slot] = self.counts[slot].saturating_add(count);
    }

    /// The finest scale at which bucket numbers from `low` to `high`, given at the present one, fit.
    fn scale_that_fits(&self, low: u32, high: u32) -> i8 {
        let fits = |scale: i8| {
            let width = at_scale(high, self.scale, scale) - at_scale(low, self.scale, scale);
            (width as usize) < self.counts.len()
        };
        (COARSEST..=self.scale).rev().find(|scale| fits(*scale)).unwrap_or(COARSEST)
    }

    /// Joins buckets until the scale is `scale`.
    #[cold]
    fn coarsen(&mut self, scale: i8) {
        self.spare.fill(0);
        for index in self.used_range() {
            let target = self.slot(at_scale(index, self.scale, scale));
            self.spare[target] = self.spare[target].saturating_add(self.counts[self.slot(index)]);
        }
        std::mem::swap(&mut self.counts, &mut self.spare);
        // Kept empty, so that equal content means equal histograms.
        self.spare.fill(0);
        let (before, after) = (self.scale, scale);
        self.used =
            self.used.map(|(low, high)| (at_scale(low, before, after), at_scale(high, before, after)));
        self.scale = scale;
    }
}

impl Accumulator for ExponentialHistogram {
    #[inline]
    fn record_n(&mut self, value: u64, count: u64) {
        if count == 0 {
            return;
        }
        if value == 0 {
            self.zeros = self.zeros.saturating_add(count);
        } else {
            self.add(finest_index(value), count);
        }
        self.totals.add(value, count);
    }

    /// Two histograms with different limits cannot be joined; different scales can.
    fn merge(&mut self, other: &ExponentialHistogram) -> Result<(), ShapeMismatch> {
        if self.counts.len() != other.counts.len() || self.initial_scale != other.initial_scale {
            return Err(ShapeMismatch);
        }
        if let Some((low, high)) = other.used {
            let scale = self.scale.min(other.scale);
            let (mut low, mut high) = (at_scale(low, other.scale, scale), at_scale(high, other.scale, scale));
            if let Some((mine_low, mine_high)) = self.used {
                low = low.min(at_scale(mine_low, self.scale, scale));
                high = high.max(at_scale(mine_high, self.scale, scale));
            }
            self.coarsen(scale);
            let fits = self.scale_that_fits(low, high);
            if fits != self.scale {
                self.coarsen(fits);
            }
            for index in other.used_range() {
                let slot = self.slot(at_scale(index, other.scale, self.scale));
                self.counts[slot] = self.counts[slot].saturating_add(other.counts[other.slot(index)]);
            }
            self.used = Some((at_scale(low, scale, self.scale), at_scale(high, scale, self.scale)));
        }
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.totals.merge(&other.totals)
    }

    fn clear(&mut self) {
        self.counts.fill(0);
        self.zeros = 0;
        self.used = None;
        self.scale = self.initial_scale;
        self.totals = Totals::EMPTY;
    }

    fn count(&self) -> u64 {
        self.totals.count
    }
}

impl Histogram for ExponentialHistogram {
    fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Inside a bucket the values are taken to be spread evenly over its logarithm, as Prometheus does.
    fn quantile(&self, quantile: Quantile) -> Option<u64> {
        let max = self.totals.max()?;
        if let Some(end) = self.totals.at_end(quantile) {
            return Some(end);
        }
        let rank = quantile.rank(self.totals.count);
        let Some(rank) = rank.checked_sub(self.zeros).filter(|rank| *rank > 0) else { return Some(0) };
        let low = self.used.map_or(0, |(low, _)| low);
        let counts = self.used_range().map(|index| self.counts[self.slot(index)]);
        let Some((position, before)) = position_of_rank(counts, rank) else { return Some(max) };
        let index = low + position as u32;
        let count = self.counts[self.slot(index)].max(1);
        let within = (rank - before) as f64 / count as f64;
        let exponent = libm::ldexp(f64::from(index) - 1.0 + within, -i32::from(self.scale));
        Some(self.totals.clamp(libm::exp2(exponent) as u64))
    }
}

/// The bucket number at scale `to` of the bucket `index` at the finer or equal scale `from`.
#[inline]
fn at_scale(index: u32, from: i8, to: i8) -> u32 {
    let shift = (from - to).max(0) as u32;
    (index + (1 << shift) - 1) >> shift
}

/// The upper bound of a bucket, rounded down.
fn upper_bound(index: u32, scale: i8) -> u64 {
    let finest = u64::from(index) << (FINEST - scale);
    let (power, root) = ((finest >> 8) as u32, (finest & 255) as usize);
    if power > 63 { u64::MAX } else { ROOTS[root] >> (63 - power) }
}

/// The bucket number of a value of at least 1 at the finest scale: the least i with value <= 2^(i / 256).
#[inline]
fn finest_index(value: u64) -> u32 {
    let power = value.ilog2();
    let mantissa = value << (63 - power);
    let mut root = usize::from(FIRST_ROOT[(mantissa >> 55) as usize & 255]);
    // A step of the table is at least 0.69 of a cell, so a cell has two bounds at most. Adding beats branching:
    // whether a bound is passed is anybody's guess.
    root += usize::from(ROOTS[root] < mantissa);
    root += usize::from(ROOTS[root] < mantissa);
    power * 256 + root as u32
}

/// 2^63 * 2^(i / 256): by integer square roots, so the table is the same everywhere. Ends with what no value passes.
static ROOTS: [u64; 258] = roots();
/// The first root at or above each 256th of the way from 2^63 to 2^64.
static FIRST_ROOT: [u8; 256] = first_roots();

const fn roots() -> [u64; 258] {
    let mut table = [1u64 << 63; 258];
    table[256] = u64::MAX;
    table[257] = u64::MAX;
    // 2^(128/256), 2^(64/256), ... : each the square root of twice or of once the one before.
    let mut factor = (1u128 << 127).isqrt();
    let mut bit = 128;
    while bit > 0 {
        let mut i = 0;
        while i < 256 {
            if i & bit != 0 {
                table[i] = ((table[i] as u128 * factor) >> 63) as u64;
            }
            i += 1;
        }
        factor = (factor << 63).isqrt();
        bit /= 2;
    }
    table
}

const fn first_roots() -> [u8; 256] {
    let roots = roots();
    let mut table = [0u8; 256];
    let mut cell = 0;
    let mut root = 0;
    while cell < 256 {
        let lowest = (1u64 << 63) + ((cell as u64) << 55);
        while root < 255 && roots[root] < lowest {
            root += 1;
        }
        table[cell] = root as u8;
        cell += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_table_of_roots_agrees_with_floating_point() {
        for (i, root) in ROOTS[..256].iter().enumerate() {
            let expected = libm::exp2(63.0 + i as f64 / 256.0);
            assert!((*root as f64 - expected).abs() <= expected * 1e-15, "{i}");
        }
    }

    #[test]
    fn a_power_of_two_is_the_upper_bound_of_its_bucket() {
        let cases = [(1, 0), (2, 256), (3, 256 + 150), (4, 512), (1 << 63, 63 * 256), (u64::MAX, 64 * 256)];
        for (value, index) in cases {
            assert_eq!(finest_index(value), index, "{value}");
            assert!(upper_bound(index, FINEST) >= value.min(upper_bound(index, FINEST)));
        }
        assert_eq!(upper_bound(4, 0), 16);
        assert_eq!(upper_bound(at_scale(finest_index(17), FINEST, 0), 0), 32);
        assert_eq!(upper_bound(at_scale(finest_index(17), FINEST, -4), -4), 1 << 16);
    }

    #[test]
    fn the_scale_falls_no_further_than_the_values_need() {
        let mut histogram =
            ExponentialHistogram::new(ExponentialConfig { scale: 8, max_buckets: 8 }).unwrap();
        histogram.record(1_000);
        histogram.record(1_010);
        assert_eq!(histogram.scale(), 8);
        histogram.record(2_000);
        assert_eq!(histogram.scale(), 2, "a doubling takes nine buckets at scale 3");
        histogram.record(1);
        histogram.record(u64::MAX);
        assert_eq!((histogram.scale(), histogram.count()), (-4, 5));
        histogram.clear();
        histogram.record(7);
        assert_eq!(histogram.scale(), 8);
    }

    proptest! {
        #[test]
        fn a_value_lies_between_the_bounds_of_its_bucket(word in any::<u64>(), bits in 0u32..64, scale in COARSEST..=FINEST) {
            let value = (word >> bits).max(1);
            let index = at_scale(finest_index(value), FINEST, scale);
            prop_assert!(value <= upper_bound(index, scale));
            prop_assert!(index == 0 || value > upper_bound(index - 1, scale));
        }
    }
}

//! How a value is spread over seeds: an HDR histogram of whole numbers that merges exactly. Order never matters.

use hdrhistogram::Histogram as Hdr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Digits that are kept of a value.
const DIGITS: u8 = 3;

/// Larger values count as this one.
const MOST_KEPT_APART: u64 = 1 << 62;

/// Values of many seeds: smallest, largest and sum exactly, the rest with three digits.
#[derive(Clone, Debug)]
pub struct Spread {
    hdr: Hdr<u64>,
    least: u64,
    most: u64,
    /// Stops at the greatest number there is.
    sum: u64,
}

impl Default for Spread {
    fn default() -> Spread {
        let hdr = Hdr::new(DIGITS).expect("three digits are allowed");
        Spread { hdr, least: u64::MAX, most: 0, sum: 0 }
    }
}

impl PartialEq for Spread {
    fn eq(&self, other: &Spread) -> bool {
        self.written() == other.written()
    }
}

impl Eq for Spread {}

impl Spread {
    /// Adds the value of one seed.
    pub fn record(&mut self, value: u64) {
        self.add(value, 1);
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds all values of `other`.
    pub fn merge(&mut self, other: &Spread) {
        other.buckets().for_each(|(value, count)| self.add(value, count));
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// The histogram grows as values do, up to the largest one that it can hold.
    fn add(&mut self, value: u64, count: u64) {
        let value = value.min(MOST_KEPT_APART);
        self.hdr.record_n(value, count).expect("a histogram of three digits holds every value up to 2^62");
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.hdr.len()
    }

    /// The smallest.
    pub fn least(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.least)
    }

    /// The largest.
    pub fn most(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.most)
    }

    /// The mean, rounded down.
    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count())
    }

    /// The value that `ppm` of all values do not exceed.
    pub fn quantile(&self, ppm: u32) -> Option<u64> {
        let count = self.count();
        let rank = (u128::from(count) * u128::from(ppm)).div_ceil(1_000_000);
        self.ranked(u64::try_from(rank).unwrap_or(u64::MAX).max(1))
    }

    /// The value of `rank`, from 1 for the smallest.
    pub fn ranked(&self, rank: u64) -> Option<u64> {
        let mut seen = 0_u64;
        let bucket = self.buckets().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        bucket.map(|(value, _)| value.clamp(self.least, self.most))
    }

    /// Every value that occurs, to three digits, with how often it does, in order.
    fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.hdr.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
    }

    fn written(&self) -> Written {
        Written {
            buckets: self.buckets().collect(),
            least: self.least().unwrap_or(0),
            most: self.most().unwrap_or(0),
            sum: self.sum,
        }
    }
}

/// A spread in a file.
#[derive(PartialEq, Serialize, Deserialize)]
struct Written {
    buckets: Vec<(u64, u64)>,
    least: u64,
    most: u64,
    sum: u64,
}

impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Spread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Spread, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let mut spread = Spread::default();
        written.buckets.into_iter().for_each(|(value, count)| spread.add(value, count));
        if spread.count() > 0 {
            (spread.least, spread.most, spread.sum) = (written.least, written.most, written.sum);
        }
        Ok(spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spread(values: &[u64]) -> Spread {
        let mut spread = Spread::default();
        values.iter().for_each(|value| spread.record(*value));
        spread
    }

    #[test]
    fn ranks_and_quantiles_are_those_of_the_sorted_values() {
        let spread = spread(&[40, 10, 30, 20, 0]);
        assert_eq!((spread.least(), spread.most(), spread.mean()), (Some(0), Some(40), Some(20)));
        let ranked: Vec<Option<u64>> = (1..=6).map(|rank| spread.ranked(rank)).collect();
        assert_eq!(ranked, [Some(0), Some(10), Some(20), Some(30), Some(40), None]);
        assert_eq!(spread.quantile(500_000), Some(20));
        assert_eq!(spread.quantile(990_000), Some(40));
        assert_eq!(Spread::default().quantile(500_000), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn values_keep_three_digits(mut values in proptest::collection::vec(0..1_u64 << 50, 1..12)) {
            let spread = spread(&values);
            values.sort_unstable();
            for (rank, value) in (1..).zip(&values) {
                let found = spread.ranked(rank).expect("so many values");
                prop_assert!(found.abs_diff(*value) <= value / 1_000, "{} for {}", found, value);
            }
        }

        #[test]
        fn a_spread_survives_the_way_through_a_file(values in proptest::collection::vec(any::<u64>(), 0..12)) {
            let spread = spread(&values);
            let text = serde_json::to_string(&spread).expect("numbers");
            let read: Spread = serde_json::from_str(&text).expect("what was written");
            prop_assert_eq!(read, spread);
        }
    }
}

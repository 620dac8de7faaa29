//! The histogram that a scenario chose, behind one type: replicas record into it, whoever collects joins them by
//! bucket. Nanoseconds. Never averages.

use foreshock_systems::metrics::histogram::{
    ClassicConfig, ClassicHistogram, ExponentialConfig, ExponentialHistogram, HdrConfig, HdrHistogram,
    RelativeConfig, RelativeHistogram,
};
use foreshock_systems::metrics::{Accumulator, Histogram, Quantile, ShapeMismatch};

use crate::kernel::time::Span;
use crate::scenario::plan::HistogramKind;

/// A histogram of latencies.
#[derive(Clone, Debug)]
pub enum Distribution {
    /// Two significant digits.
    Hdr(HdrHistogram),
    /// Within one percent.
    Relative(RelativeHistogram),
    /// Explicit bounds.
    Classic(ClassicHistogram),
    /// Powers of two's roots.
    Exponential(ExponentialHistogram),
}

const VALID: &str = "the library's own settings are within its ranges";

impl Distribution {
    /// An empty one.
    pub fn new(kind: HistogramKind) -> Distribution {
        match kind {
            HistogramKind::Hdr => Distribution::Hdr(HdrHistogram::new(HdrConfig::LATENCY_NS).expect(VALID)),
            HistogramKind::Relative => {
                Distribution::Relative(RelativeHistogram::new(RelativeConfig::ONE_PERCENT).expect(VALID))
            }
            HistogramKind::Classic => {
                Distribution::Classic(ClassicHistogram::new(&ClassicConfig::latency_ns()).expect(VALID))
            }
            HistogramKind::Exponential => {
                let config = ExponentialConfig::DEFAULT;
                Distribution::Exponential(ExponentialHistogram::new(config).expect(VALID))
            }
        }
    }

    fn histogram(&self) -> &dyn Quantiles {
        match self {
            Distribution::Hdr(histogram) => histogram,
            Distribution::Relative(histogram) => histogram,
            Distribution::Classic(histogram) => histogram,
            Distribution::Exponential(histogram) => histogram,
        }
    }

    /// Adds a latency, and those of the requests that were not made while it lasted: one was due every `interval`.
    pub(crate) fn record_corrected(&mut self, latency: Span, interval: Span) {
        match self {
            Distribution::Hdr(histogram) => {
                histogram.record_corrected(latency.as_nanos(), interval.as_nanos());
            }
            Distribution::Relative(_) | Distribution::Classic(_) | Distribution::Exponential(_) => {
                self.record(latency.as_nanos());
            }
        }
    }

    /// The 99th percentile; `None` without values.
    pub fn p99(&self) -> Option<Span> {
        self.histogram().value_at(Quantile::P99).map(Span::from_nanos)
    }

    /// How many values are above a threshold, as exactly as the buckets tell.
    pub fn slower_than(&self, threshold: Span) -> u64 {
        let threshold_ns = threshold.as_nanos();
        if let Distribution::Hdr(histogram) = self {
            let first = histogram.layout().index_of(threshold_ns) + 1;
            return histogram.counts().iter().skip(first).sum();
        }
        // The largest share that is not above it.
        let within = |ppm: u32| {
            self.histogram().value_at(Quantile::from_ppm(ppm)).is_some_and(|at| at <= threshold_ns)
        };
        let (mut low, mut high) = (0, 1_000_001);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if within(middle) { low = middle } else { high = middle }
        }
        let not_above = u128::from(self.count()) * u128::from(low) / 1_000_000;
        self.count() - not_above as u64
    }

    /// What was added since `earlier`, of the same running histogram. Only of fixed buckets; `None` of others.
    pub(crate) fn since(&self, earlier: &Distribution) -> Option<Distribution> {
        match (self, earlier) {
            (Distribution::Hdr(now), Distribution::Hdr(before)) => {
                let mut added = HdrHistogram::with_layout(*now.layout());
                for (index, (now_at, before_at)) in now.counts().iter().zip(before.counts()).enumerate() {
                    // At the high end of its bucket, which is what a quantile answers.
                    added.record_n(now.layout().highest_at(index), now_at.saturating_sub(*before_at));
                }
                Some(Distribution::Hdr(added))
            }
            (Distribution::Classic(now), Distribution::Classic(before)) => {
                let mut added = now.clone();
                added.clear();
                let (mut counted, mut last) = (0, 0);
                for ((bound, upto), (_, upto_before)) in now.cumulative().zip(before.cumulative()) {
                    let upto = upto.saturating_sub(upto_before);
                    let value = bound.unwrap_or(last + 1);
                    added.record_n(value, upto.saturating_sub(counted));
                    (counted, last) = (upto, value);
                }
                Some(Distribution::Classic(added))
            }
            (
                Distribution::Hdr(_)
                | Distribution::Classic(_)
                | Distribution::Relative(_)
                | Distribution::Exponential(_),
                _,
            ) => None,
        }
    }

    /// Bytes it takes, roughly.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match self {
            Distribution::Hdr(histogram) => histogram.counts().len() as u64 * 8,
            Distribution::Relative(_) => 16 << 10,
            Distribution::Classic(_) => 128,
            Distribution::Exponential(_) => 4 << 10,
        }
    }
}

/// What all histograms have, without the part that needs to know the type.
trait Quantiles {
    fn value_at(&self, quantile: Quantile) -> Option<u64>;
    fn values(&self) -> u64;
}

impl<H: Histogram> Quantiles for H {
    fn value_at(&self, quantile: Quantile) -> Option<u64> {
        self.quantile(quantile)
    }

    fn values(&self) -> u64 {
        self.count()
    }
}

impl Accumulator for Distribution {
    fn record_n(&mut self, value: u64, count: u64) {
        match self {
            Distribution::Hdr(histogram) => histogram.record_n(value, count),
            Distribution::Relative(histogram) => histogram.record_n(value, count),
            Distribution::Classic(histogram) => histogram.record_n(value, count),
            Distribution::Exponential(histogram) => histogram.record_n(value, count),
        }
    }

    fn merge(&mut self, other: &Distribution) -> Result<(), ShapeMismatch> {
        match (self, other) {
            (Distribution::Hdr(mine), Distribution::Hdr(theirs)) => mine.merge(theirs),
            (Distribution::Relative(mine), Distribution::Relative(theirs)) => mine.merge(theirs),
            (Distribution::Classic(mine), Distribution::Classic(theirs)) => mine.merge(theirs),
            (Distribution::Exponential(mine), Distribution::Exponential(theirs)) => mine.merge(theirs),
            (
                Distribution::Hdr(_)
                | Distribution::Relative(_)
                | Distribution::Classic(_)
                | Distribution::Exponential(_),
                _,
            ) => Err(ShapeMismatch),
        }
    }

    fn clear(&mut self) {
        match self {
            Distribution::Hdr(histogram) => histogram.clear(),
            Distribution::Relative(histogram) => histogram.clear(),
            Distribution::Classic(histogram) => histogram.clear(),
            Distribution::Exponential(histogram) => histogram.clear(),
        }
    }

    fn count(&self) -> u64 {
        self.histogram().values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [HistogramKind; 4] =
        [HistogramKind::Hdr, HistogramKind::Relative, HistogramKind::Classic, HistogramKind::Exponential];

    fn ms(n: u64) -> u64 {
        n * 1_000_000
    }

    #[test]
    fn every_histogram_counts_what_is_slower_than_a_threshold_within_a_hundredth() {
        for kind in KINDS {
            let mut distribution = Distribution::new(kind);
            for n in 1..=10_000 {
                distribution.record(n * 100_000);
            }
            // 1 ms to 1 s evenly: 3/4 are above 250 ms, which is one of the classic bounds.
            let slower = distribution.slower_than(Span::from_millis(250));
            assert!((7_400..=7_600).contains(&slower), "{kind:?}: {slower}");
            assert_eq!(distribution.slower_than(Span::from_secs(2)), 0, "{kind:?}");
            assert_eq!(distribution.slower_than(Span::ZERO), 10_000, "{kind:?}");
        }
    }

    #[test]
    fn what_was_added_to_a_running_histogram_has_the_percentile_of_its_own() {
        for kind in [HistogramKind::Hdr, HistogramKind::Classic] {
            let mut running = Distribution::new(kind);
            (0..500).for_each(|_| running.record(ms(900)));
            let before = running.clone();
            let mut alone = Distribution::new(kind);
            for n in 1..=100 {
                running.record(ms(n));
                alone.record(ms(n));
            }
            let added = running.since(&before).expect("fixed buckets can be told apart");
            assert_eq!(added.count(), 100, "{kind:?}");
            let (added, alone) = (added.p99().unwrap().as_nanos(), alone.p99().unwrap().as_nanos());
            assert!(added.abs_diff(alone) * 50 <= alone, "{kind:?}: {added} for {alone}");
        }
        let moving = Distribution::new(HistogramKind::Relative);
        assert!(moving.since(&moving).is_none());
    }

    #[test]
    fn different_kinds_are_not_joined() {
        let mut one = Distribution::new(HistogramKind::Hdr);
        let mut other = Distribution::new(HistogramKind::Classic);
        other.record(5);
        assert_eq!(one.merge(&other), Err(ShapeMismatch));
        assert_eq!(one.count(), 0);
    }
}

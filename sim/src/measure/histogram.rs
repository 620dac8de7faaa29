//! How long things took: an HDR histogram of nanoseconds with an exact sum. Bounded memory, integers out.

use hdrhistogram::Histogram as Hdr;

use super::Summary;
use crate::kernel::time::Span;

/// Longest value kept apart; longer ones count as this.
const LONGEST: Span = Span::from_secs(86_400);

/// Durations, with a relative error of at most 10^-digits.
#[derive(Clone)]
pub(crate) struct Durations {
    hdr: Hdr<u32>,
    sum_ns: u128,
    max_ns: u64,
    /// A run of equal values that the histogram has not seen yet: constant latencies cost next to nothing.
    run_ns: u64,
    run_length: u32,
}

impl Durations {
    /// `digits`: 2 costs about 36 KiB, 3 about 300 KiB.
    pub(crate) fn new(digits: u8) -> Durations {
        let hdr = Hdr::new_with_bounds(1, LONGEST.as_nanos(), digits)
            .expect("fixed bounds and 2 or 3 digits are valid");
        Durations { hdr, sum_ns: 0, max_ns: 0, run_ns: 0, run_length: 0 }
    }

    #[inline]
    pub(crate) fn record(&mut self, span: Span) {
        let ns = span.as_nanos();
        if ns != self.run_ns || self.run_length == u32::MAX {
            self.flush();
            self.run_ns = ns;
        }
        self.run_length += 1;
    }

    fn flush(&mut self) {
        if self.run_length > 0 {
            self.hdr.saturating_record_n(self.run_ns, self.run_length);
            self.sum_ns += u128::from(self.run_ns) * u128::from(self.run_length);
            self.max_ns = self.max_ns.max(self.run_ns);
            self.run_length = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.run_length = 0;
        self.sum_ns = 0;
        self.max_ns = 0;
        if !self.hdr.is_empty() {
            self.hdr.reset();
        }
    }

    /// The histogram, for reading: nothing is held back.
    fn settled(&mut self) -> &Hdr<u32> {
        self.flush();
        &self.hdr
    }

    pub(crate) fn count(&self) -> u64 {
        self.hdr.len() + u64::from(self.run_length)
    }

    /// How many lie in places beyond that of `ns`; those held back are not among them yet.
    pub(crate) fn count_above(&self, ns: u64) -> u64 {
        let next = self.hdr.highest_equivalent(ns).saturating_add(1);
        if next > self.hdr.max() { 0 } else { self.hdr.count_between(next, self.hdr.max()) }
    }

    pub(crate) fn mean_ns(&mut self) -> u64 {
        let count = u128::from(self.settled().len());
        let mean_ns = self.sum_ns.checked_div(count).unwrap_or(0);
        u64::try_from(mean_ns).unwrap_or(u64::MAX)
    }

    pub(crate) fn max_ns(&mut self) -> u64 {
        self.flush();
        self.max_ns
    }

    /// The value below or at which `ppm` of all values lie.
    pub(crate) fn quantile_ns(&mut self, ppm: u32) -> u64 {
        self.settled().value_at_quantile(f64::from(ppm) / 1e6).min(self.max_ns)
    }

    pub(crate) fn summary(&mut self) -> Summary {
        Summary {
            count: self.count(),
            mean_ns: self.mean_ns(),
            p50_ns: self.quantile_ns(500_000),
            p90_ns: self.quantile_ns(900_000),
            p99_ns: self.quantile_ns(990_000),
            p999_ns: self.quantile_ns(999_000),
            max_ns: self.max_ns(),
            sum_ns: self.sum_ns,
        }
    }
}

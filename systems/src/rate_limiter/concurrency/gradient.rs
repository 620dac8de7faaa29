//! Compares each round-trip time with its long average: longer ones shrink the limit in proportion, others let it grow
//! by a small queue. Netflix concurrency-limits, `Gradient2Limit`, in fixed point.

use super::{CALL_MICRO, LimitAlgorithm, Sample, times_ppm};

/// How fast the gradient follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientConfig {
    /// Calls over which the long average is taken; 0 counts as 1.
    pub long_window: u32,
    /// How many times longer than the average a call may take before the limit shrinks, in thousandths.
    pub tolerance_milli: u32,
    /// Calls by which the limit may grow at each step: the queue that is allowed.
    pub queue: u32,
    /// How much of each step is taken, in parts per million; above a million counts as a million.
    pub smoothing_ppm: u32,
}

impl Default for GradientConfig {
    /// Netflix's: 600 calls, 1.5 times, a queue of 4, a fifth of each step.
    fn default() -> GradientConfig {
        GradientConfig { long_window: 600, tolerance_milli: 1_500, queue: 4, smoothing_ppm: 200_000 }
    }
}

/// Calls that are averaged plainly before the average forgets.
const WARM_UP_CALLS: u32 = 10;

/// Bits below the nanosecond in the long average.
const FRACTION_BITS: u32 = 16;

/// Gradient2 on the calls that end.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    config: GradientConfig,
    /// In 2^-16 ns.
    long_rtt: u128,
    calls: u32,
}

impl Gradient {
    /// Has seen nothing yet.
    pub const fn new(config: GradientConfig) -> Gradient {
        Gradient { config, long_rtt: 0, calls: 0 }
    }

    /// Takes a round trip into the long average: a plain mean at first, then an exponential one with the weight
    /// 2 / (window + 1).
    fn average(&mut self, rtt: u128) -> u128 {
        let (weight, whole) = if self.calls < WARM_UP_CALLS {
            self.calls += 1;
            (1, u128::from(self.calls))
        } else {
            (2, u128::from(self.config.long_window.max(1)) + 1)
        };
        self.long_rtt = (self.long_rtt * (whole - weight) + rtt * weight) / whole;
        self.long_rtt
    }
}

impl LimitAlgorithm for Gradient {
    fn next_limit_micro(&mut self, limit_micro: u64, sample: &Sample) -> u64 {
        let rtt = u128::from(sample.rtt_ns()) << FRACTION_BITS;
        let long = self.average(rtt);
        // After a slow time the average is far too long; it is brought down faster than it would come by itself.
        if long > 2 * rtt {
            self.long_rtt = long * 95 / 100;
        }
        if sample.dropped {
            return limit_micro / 2;
        }
        if !sample.limit_was_in_use(limit_micro) {
            return limit_micro;
        }
        let gradient_ppm = long * u128::from(self.config.tolerance_milli) * 1_000 / rtt;
        let gradient_ppm = gradient_ppm.clamp(500_000, 1_000_000) as u64;
        let wanted =
            times_ppm(limit_micro, gradient_ppm).saturating_add(u64::from(self.config.queue) * CALL_MICRO);
        let smoothing_ppm = u64::from(self.config.smoothing_ppm.min(1_000_000));
        times_ppm(limit_micro, 1_000_000 - smoothing_ppm).saturating_add(times_ppm(wanted, smoothing_ppm))
    }
}

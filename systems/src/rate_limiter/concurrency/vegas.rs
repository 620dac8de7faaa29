//! Estimates the queue from how much longer calls take than they did without one, and keeps it short but not empty.
//! Brakmo and Peterson, "TCP Vegas" (1995), with the thresholds of Netflix concurrency-limits (`VegasLimit`): alpha
//! and beta are 3 and 6 times the logarithm of the limit.

use super::{CALL_MICRO, LimitAlgorithm, Sample};

/// When Vegas looks for the round-trip time without a queue again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VegasConfig {
    /// After as many calls as this times the limit. 0 counts as 1.
    pub probe_after_limits: u32,
}

impl Default for VegasConfig {
    /// Every 30 limits.
    fn default() -> VegasConfig {
        VegasConfig { probe_after_limits: 30 }
    }
}

/// Vegas on the calls that end.
#[derive(Clone, Copy, Debug)]
pub struct Vegas {
    config: VegasConfig,
    shortest_rtt_ns: Option<u64>,
    calls_since_probe: u64,
}

impl Vegas {
    /// Has seen nothing yet.
    pub const fn new(config: VegasConfig) -> Vegas {
        Vegas { config, shortest_rtt_ns: None, calls_since_probe: 0 }
    }

    /// The shortest round trip known, which may be stale: then it is measured afresh.
    fn shortest(&mut self, rtt_ns: u64, limit: u64) -> u64 {
        self.calls_since_probe += 1;
        let probe_after = u64::from(self.config.probe_after_limits.max(1)).saturating_mul(limit);
        let known = self.shortest_rtt_ns.filter(|_| self.calls_since_probe < probe_after);
        if known.is_none() {
            self.calls_since_probe = 0;
        }
        let shortest = known.map_or(rtt_ns, |known| known.min(rtt_ns));
        self.shortest_rtt_ns = Some(shortest);
        shortest
    }
}

impl LimitAlgorithm for Vegas {
    fn next_limit_micro(&mut self, limit_micro: u64, sample: &Sample) -> u64 {
        let limit = (limit_micro / CALL_MICRO).max(1);
        let step = u64::from(limit.ilog10()).max(1);
        if sample.dropped {
            return limit_micro.saturating_sub(step * CALL_MICRO);
        }
        let rtt_ns = sample.rtt_ns();
        let shortest_ns = self.shortest(rtt_ns, limit);
        if !sample.limit_was_in_use(limit_micro) {
            return limit_micro;
        }
        let without_queue = u128::from(limit) * u128::from(shortest_ns) / u128::from(rtt_ns);
        let queue = limit.saturating_sub(without_queue as u64);
        let (alpha, beta) = (3 * step, 6 * step);
        if queue <= step {
            limit_micro.saturating_add(beta * CALL_MICRO)
        } else if queue < alpha {
            limit_micro.saturating_add(step * CALL_MICRO)
        } else if queue > beta {
            limit_micro.saturating_sub(step * CALL_MICRO)
        } else {
            limit_micro
        }
    }
}

//! Additive increase, multiplicative decrease: one call more in each round trip without congestion, a factor fewer at
//! congestion. Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance" (1989).
//! Against a bottleneck that holds L calls it swings between beta * L and L, and is at (1 + beta) / 2 * L on average.

use super::{CALL_MICRO, LimitAlgorithm, Sample, is_set, times_ppm};
use crate::arithmetic::WHOLE_PPM;
use crate::time::{Span, Time};

/// When and how far AIMD backs off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AimdConfig {
    /// What is left of the limit after congestion, in parts per million. Above a million counts as a million.
    pub beta_ppm: u32,
    /// A call that took longer counts as congestion even if it came back. Zero switches the rule off: only dropped
    /// calls count.
    pub slow_call: Span,
}

impl Default for AimdConfig {
    /// Nine tenths, and only dropped calls count.
    fn default() -> AimdConfig {
        AimdConfig { beta_ppm: 900_000, slow_call: Span::ZERO }
    }
}

/// AIMD on the calls that end.
#[derive(Clone, Copy, Debug)]
pub struct Aimd {
    config: AimdConfig,
    last_cut: Option<Time>,
}

impl Aimd {
    /// Has seen nothing yet.
    pub const fn new(config: AimdConfig) -> Aimd {
        Aimd { config, last_cut: None }
    }
}

impl LimitAlgorithm for Aimd {
    fn next_limit_micro(&mut self, limit_micro: u64, sample: &Sample) -> u64 {
        let too_slow = is_set(self.config.slow_call) && sample.rtt_ns() > self.config.slow_call.as_nanos();
        if sample.dropped || too_slow {
            // Calls let in before the last cut suffer from the same congestion: one cut for each round trip.
            // A cut that lies in the future was made before the clock went back and excuses nobody.
            let excused = self.last_cut.is_some_and(|cut| sample.started < cut && cut <= sample.ended);
            if excused {
                return limit_micro;
            }
            self.last_cut = Some(sample.ended);
            return times_ppm(limit_micro, u64::from(self.config.beta_ppm.min(WHOLE_PPM)));
        }
        if !sample.limit_was_in_use(limit_micro) {
            return limit_micro;
        }
        // As many good calls as the limit allows make one round trip, and one call more.
        limit_micro.saturating_add((CALL_MICRO * CALL_MICRO / limit_micro.max(1)).max(1))
    }
}

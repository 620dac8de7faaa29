//! Which objectives are sure to be broken when the run ends, whatever comes until then. Says so only where it is
//! certain; never says that one will hold.

use super::Recorder;
use crate::kernel::time::Time;
use crate::scenario::plan::{Bound, Comparison, Metric, SloWindow, Stat, Target};

const MILLION: u128 = 1_000_000;

impl Recorder {
    /// Whether the objective at `index` cannot hold any more at `now`, given that its load offers `most_offered`
    /// requests in the whole run or fewer.
    pub(crate) fn is_surely_broken(&self, index: usize, most_offered: u64, now: Time) -> bool {
        let Some(watch) = self.watches.get(index) else { return false };
        let plan = &watch.plan;
        let (Target::Load(..), SloWindow::Over { from, .. }) = (plan.target, plan.window) else {
            return false;
        };
        if now <= from {
            return false;
        }
        // However many end in the window: no more than are offered at all, less those that ended before it.
        let ended_before = watch.ended_before_window();
        let most = u128::from(most_offered).saturating_sub(ended_before);
        match (plan.metric, plan.bound.comparison) {
            (Metric::ErrorRate, Comparison::Below | Comparison::AtMost) => {
                let failed = watch.in_window(self.counters(watch)).part;
                is_beyond(plan.bound, failed, most)
            }
            (Metric::Availability, Comparison::Above | Comparison::AtLeast) => {
                let so_far = watch.in_window(self.counters(watch));
                let failed = so_far.whole.saturating_sub(so_far.part);
                is_beyond(plan.bound, most.saturating_sub(failed), most)
            }
            (
                Metric::Latency(Stat::Quantile(ppm)) | Metric::LatencyAll(Stat::Quantile(ppm)),
                Comparison::Below | Comparison::AtMost,
            ) => {
                // Good requests may be fewer than those that end, which only makes the slow ones weigh more. One
                // request more than the quantile leaves, for the rounding of its rank. What ended before the window
                // is not known of latencies.
                let beyond = MILLION.saturating_sub(u128::from(ppm));
                let slow = u128::from(watch.slower_than(plan.bound.limit));
                slow * MILLION > u128::from(most_offered) * beyond + MILLION
            }
            (
                Metric::Latency(_)
                | Metric::LatencyAll(_)
                | Metric::ErrorRate
                | Metric::Availability
                | Metric::Goodput
                | Metric::AttemptsPerRequest
                | Metric::Amplification
                | Metric::QueueDepth(_)
                | Metric::Utilization
                | Metric::RecoveryTime,
                Comparison::Below | Comparison::AtMost | Comparison::Above | Comparison::AtLeast,
            ) => false,
        }
    }
}

/// Whether a share of `part` in `whole` is out of bounds.
fn is_beyond(bound: Bound, part: u128, whole: u128) -> bool {
    let share = (part * MILLION).checked_div(whole);
    share.is_some_and(|share| !bound.holds(u64::try_from(share).unwrap_or(u64::MAX)))
}

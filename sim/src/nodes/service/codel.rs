//! Controlled delay: drops at the head of the line while the sojourn time stays above target.
//! Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012, with the pseudocode of RFC 8289.

use crate::kernel::time::{Span, Time};
use crate::scenario::plan::CodelPlan;

/// The state of the control loop; inert without parameters.
pub(super) struct Codel {
    plan: Option<CodelPlan>,
    above_since: Option<Time>,
    dropping: bool,
    drop_next: Time,
    count: u64,
    last_count: u64,
}

impl Codel {
    pub(super) fn new(plan: Option<CodelPlan>) -> Codel {
        Codel { plan, above_since: None, dropping: false, drop_next: Time::ZERO, count: 0, last_count: 0 }
    }

    /// Whether the job at the head, which has been here for `sojourn`, is dropped; `left` wait behind it.
    pub(super) fn drops(&mut self, now: Time, sojourn: Span, left: u32) -> bool {
        let Some(plan) = self.plan else { return false };
        let ok_to_drop = self.is_above(plan, now, sojourn, left);
        if self.dropping {
            if !ok_to_drop {
                self.dropping = false;
            } else if now >= self.drop_next {
                self.count += 1;
                self.drop_next += pause(plan.interval, self.count);
                return true;
            }
            return false;
        }
        if !ok_to_drop {
            return false;
        }
        self.dropping = true;
        // Starting again soon after the last time, it takes up close to the rate that controlled the line then.
        let delta = self.count - self.last_count;
        let recently = now.since(self.drop_next) < plan.interval.saturating_mul(16);
        self.count = if delta > 1 && recently { delta } else { 1 };
        self.last_count = self.count;
        self.drop_next = now + pause(plan.interval, self.count);
        true
    }

    /// Nobody waits, whichever way the last one left: there is no delay to control.
    pub(super) fn line_is_empty(&mut self) {
        self.above_since = None;
        self.dropping = false;
    }

    fn is_above(&mut self, plan: CodelPlan, now: Time, sojourn: Span, left: u32) -> bool {
        if sojourn < plan.target || left == 0 {
            self.above_since = None;
            return false;
        }
        match self.above_since {
            None => {
                self.above_since = Some(now + plan.interval);
                false
            }
            Some(first_above) => now >= first_above,
        }
    }
}

/// `interval / sqrt(count)`.
fn pause(interval: Span, count: u64) -> Span {
    interval.mul_ratio(1_000, (count.max(1).saturating_mul(1_000_000)).isqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: CodelPlan = CodelPlan { target: Span::from_millis(5), interval: Span::from_millis(100) };

    fn ms(n: u64) -> Time {
        Time::ZERO + Span::from_millis(n)
    }

    #[test]
    fn nothing_is_dropped_before_the_delay_has_stayed_above_target_for_an_interval() {
        let mut codel = Codel::new(Some(PLAN));
        for at in 0..100 {
            assert!(!codel.drops(ms(at), Span::from_millis(20), 9), "at {at} ms");
        }
        assert!(codel.drops(ms(101), Span::from_millis(20), 9));
    }

    #[test]
    fn a_line_that_ran_empty_starts_a_new_interval() {
        let mut codel = Codel::new(Some(PLAN));
        assert!(!codel.drops(ms(0), Span::from_millis(20), 9));
        codel.line_is_empty();
        assert!(!codel.drops(ms(150), Span::from_millis(20), 9));
        assert!(!codel.drops(ms(249), Span::from_millis(20), 9));
        assert!(codel.drops(ms(250), Span::from_millis(20), 9));
    }

    #[test]
    fn drops_come_closer_together_while_the_delay_stays_and_stop_when_it_falls() {
        let mut codel = Codel::new(Some(PLAN));
        let drops: Vec<u64> = (0..600).filter(|at| codel.drops(ms(*at), Span::from_millis(20), 9)).collect();
        let gaps: Vec<u64> = drops.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[..3], [100, 71, 58]);
        assert!(!codel.drops(ms(601), Span::from_millis(1), 9));
        assert!(!codel.drops(ms(602), Span::from_millis(20), 9));
    }
}

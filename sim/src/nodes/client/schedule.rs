//! A rate that changes with time, walked by the number of arrivals it stands for. Draws nothing.
//!
//! The n-th arrival is where the integral of the rate reaches the sum of n gaps of unit mean (time change of a
//! Poisson process, Çinlar 1975), so the gaps are the same draws whatever the rate.

use crate::kernel::time::{Span, Time};
use crate::scenario::plan::StagePlan;

/// A position in a list of stages.
pub(super) struct Schedule {
    stages: Vec<Stage>,
    stage: usize,
    /// Nanoseconds into the stage.
    offset_ns: f64,
    /// Arrivals from the start of the stage to the position.
    passed: f64,
    /// Arrivals that the last move lacked when the stages were over.
    owed: f64,
}

struct Stage {
    begins: Time,
    lasts_ns: f64,
    /// Arrivals per nanosecond at its start and at its end.
    from: f64,
    to: f64,
}

impl Stage {
    fn arrivals_up_to(&self, offset_ns: f64) -> f64 {
        if self.from == self.to {
            return self.from * offset_ns;
        }
        let slope = if self.lasts_ns > 0.0 { (self.to - self.from) / self.lasts_ns } else { 0.0 };
        self.from * offset_ns + slope * offset_ns * offset_ns / 2.0
    }

    fn arrivals(&self) -> f64 {
        self.arrivals_up_to(self.lasts_ns)
    }

    /// Where `arrivals` from the start are reached; the stable root of the quadratic.
    fn offset_of(&self, arrivals: f64) -> f64 {
        if self.from == self.to {
            return if self.from > 0.0 { arrivals / self.from } else { 0.0 };
        }
        let slope = if self.lasts_ns > 0.0 { (self.to - self.from) / self.lasts_ns } else { 0.0 };
        let discriminant = (self.from * self.from + 2.0 * slope * arrivals).max(0.0);
        let divisor = self.from + discriminant.sqrt();
        if divisor > 0.0 { 2.0 * arrivals / divisor } else { 0.0 }
    }
}

impl Schedule {
    /// Stages one after the other from the origin, at `share_milli` thousandths of their rates, from `from` on.
    pub(super) fn new(stages: &[StagePlan], share_milli: u64, from: Time) -> Schedule {
        let per_ns = |milli_per_s: u64| milli_per_s as f64 * (share_milli as f64 / 1000.0) / 1e12;
        let mut begins = Time::ZERO;
        let stages: Vec<Stage> = stages
            .iter()
            .map(|plan| {
                let stage = Stage {
                    begins,
                    lasts_ns: plan.lasts.as_nanos() as f64,
                    from: per_ns(plan.from_milli_per_s),
                    to: per_ns(plan.to_milli_per_s),
                };
                begins += plan.lasts;
                stage
            })
            .collect();
        let stage = stages.iter().rposition(|stage| stage.begins <= from).unwrap_or(0);
        let offset_ns = stages.get(stage).map_or(0.0, |stage| from.since(stage.begins).as_nanos() as f64);
        let passed =
            stages.get(stage).map_or(0.0, |stage| stage.arrivals_up_to(offset_ns.min(stage.lasts_ns)));
        Schedule { stages, stage, offset_ns, passed, owed: 0.0 }
    }

    /// Arrivals from `now` to the position the schedule was last moved to, which is not before it.
    pub(super) fn arrivals_from(&self, now: Time) -> f64 {
        let begun = self.stages.iter().rposition(|stage| stage.begins <= now).unwrap_or(0);
        let whole: f64 = self.stages.iter().take(self.stage).skip(begun).map(Stage::arrivals).sum();
        let gone = self.stages.get(begun).map_or(0.0, |stage| {
            stage.arrivals_up_to((now.since(stage.begins).as_nanos() as f64).min(stage.lasts_ns))
        });
        (whole + self.passed + self.owed - gone).max(0.0)
    }

    /// Moves on by a number of arrivals (a fraction, for random gaps); `None` when the stages are over.
    pub(super) fn advance(&mut self, arrivals: f64) -> Option<Time> {
        let mut left = arrivals;
        while let Some(stage) = self.stages.get(self.stage) {
            let in_stage = stage.arrivals();
            let wanted = self.passed + left;
            if wanted < in_stage || (left == 0.0 && in_stage > 0.0) {
                self.passed = wanted;
                self.offset_ns = stage.offset_of(wanted).max(self.offset_ns);
                return Some(stage.begins + Span::from_nanos((self.offset_ns + 0.5) as u64));
            }
            left = (wanted - in_stage).max(0.0);
            self.stage += 1;
            self.offset_ns = 0.0;
            self.passed = 0.0;
        }
        self.owed = left;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(seconds: u64, from: u64, to: u64) -> StagePlan {
        StagePlan {
            lasts: Span::from_secs(seconds),
            from_milli_per_s: from * 1000,
            to_milli_per_s: to * 1000,
        }
    }

    fn arrivals(stages: &[StagePlan]) -> Vec<u64> {
        let mut schedule = Schedule::new(stages, 1000, Time::ZERO);
        let first = schedule.advance(0.0);
        let rest = std::iter::from_fn(|| schedule.advance(1.0));
        first.into_iter().chain(rest).map(|at| at.as_nanos() / 1_000_000).collect()
    }

    #[test]
    fn a_level_rate_gives_even_gaps_from_the_start() {
        assert_eq!(arrivals(&[stage(1, 4, 4)]), [0, 250, 500, 750]);
    }

    #[test]
    fn a_ramp_gives_the_arrivals_of_its_area_ever_closer_together() {
        let times = arrivals(&[stage(10, 0, 10)]);
        assert_eq!(times.len(), 50);
        assert!(times.windows(3).all(|three| three[2] - three[1] <= three[1] - three[0]));
        assert_eq!(arrivals(&[stage(10, 10, 0)]).len(), 50);
    }

    #[test]
    fn a_gap_that_crosses_stages_keeps_what_it_has_used_up() {
        assert_eq!(arrivals(&[stage(1, 0, 0), stage(1, 2, 2), stage(2, 1, 1)]), [1000, 1500, 2000, 3000]);
    }

    #[test]
    fn what_is_left_of_a_move_is_known_at_every_instant_of_it_and_beyond_the_end() {
        let at = |ms: u64| Time::ZERO + Span::from_millis(ms);
        let mut schedule = Schedule::new(&[stage(1, 2, 2), stage(1, 0, 0), stage(1, 4, 4)], 1000, Time::ZERO);
        assert_eq!(schedule.advance(3.0), Some(at(2250)));
        for (ms, left) in [(0, 3.0), (250, 2.5), (1000, 1.0), (1500, 1.0), (2125, 0.5), (2250, 0.0)] {
            assert_eq!(schedule.arrivals_from(at(ms)), left, "at {ms} ms");
        }
        assert_eq!(schedule.advance(5.0), None);
        for (ms, left) in [(2250, 5.0), (2500, 4.0), (3000, 2.0), (9000, 2.0)] {
            assert_eq!(schedule.arrivals_from(at(ms)), left, "at {ms} ms");
        }
    }

    #[test]
    fn it_can_start_in_the_middle_and_at_a_share_of_the_rate() {
        let mut schedule = Schedule::new(&[stage(10, 4, 4)], 500, Time::ZERO + Span::from_secs(3));
        assert_eq!(schedule.advance(1.0), Some(Time::ZERO + Span::from_millis(3500)));
    }
}

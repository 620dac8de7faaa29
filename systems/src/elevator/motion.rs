//! How long a run of a car takes if it speeds up and slows down as people can bear it. Never plans a way: it knows a
//! distance and three limits.

use crate::time::Span;

/// A car's limits: speed, acceleration and jerk, and how high a floor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Motion {
    /// From floor to floor, in millimetres.
    pub floor_mm: u32,
    /// At most so fast.
    pub speed_mm_s: u32,
    /// At most so much faster in a second.
    pub acceleration_mm_s2: u32,
    /// At most so much more acceleration in a second.
    pub jerk_mm_s3: u32,
}

impl Motion {
    /// Whether a car with these limits moves at all.
    pub const fn moves(&self) -> bool {
        self.floor_mm > 0 && self.speed_mm_s > 0 && self.acceleration_mm_s2 > 0 && self.jerk_mm_s3 > 0
    }

    /// From standing still to standing still, so many floors away. The ideal motion of R. D. Peters, Ideal Lift
    /// Kinematics (1996): the car reaches its speed, or only its acceleration, or neither.
    pub fn run_time(&self, floors: u16) -> Span {
        if floors == 0 || !self.moves() {
            return Span::ZERO;
        }
        let way = f64::from(self.floor_mm) * f64::from(floors);
        let [speed, acceleration, jerk] =
            [self.speed_mm_s, self.acceleration_mm_s2, self.jerk_mm_s3].map(f64::from);
        let build_up = acceleration / jerk;
        // To a speed and down again, with full acceleration in between, takes its way; below a speed of
        // acceleration^2 / jerk full acceleration is not reached.
        let reaches_acceleration = way >= 2.0 * acceleration * build_up * build_up;
        let full_speed_way = if speed >= acceleration * build_up {
            speed * (speed / acceleration + build_up)
        } else {
            2.0 * speed * libm::sqrt(speed / jerk)
        };
        let seconds = if way >= full_speed_way {
            way / speed + full_speed_way / speed
        } else if reaches_acceleration {
            build_up + libm::sqrt(build_up * build_up + 4.0 * way / acceleration)
        } else {
            libm::cbrt(32.0 * way / jerk)
        };
        Span::from_nanos((seconds * 1e9) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A car that is stepped through time: full jerk, then none, then back, up to a speed that is found by trying.
    fn stepped(motion: Motion, floors: u16) -> f64 {
        let way = f64::from(motion.floor_mm) * f64::from(floors);
        let [speed, acceleration, jerk] =
            [motion.speed_mm_s, motion.acceleration_mm_s2, motion.jerk_mm_s3].map(f64::from);
        // Time and way until a peak speed is reached from standing still.
        let to_peak = |peak: f64| {
            let highest = acceleration.min((peak * jerk).sqrt());
            let (steps, mut at, mut v, mut x) = (4_000, 0.0, 0.0, 0.0);
            let (ramp, hold) = (highest / jerk, (peak - highest * highest / jerk) / highest);
            for (from, to, length) in [(0.0, highest, ramp), (highest, highest, hold), (highest, 0.0, ramp)] {
                let dt = length / f64::from(steps);
                for step in 0..steps {
                    let a = from + (to - from) * (f64::from(step) + 0.5) / f64::from(steps);
                    x += v * dt + a * dt * dt / 2.0;
                    v += a * dt;
                    at += dt;
                }
            }
            (at, x)
        };
        let (mut low, mut high) = (0.0, speed);
        let (at, x) = to_peak(speed);
        if 2.0 * x <= way {
            return 2.0 * at + (way - 2.0 * x) / speed;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if 2.0 * to_peak(middle).1 < way { low = middle } else { high = middle }
        }
        2.0 * to_peak(low).0
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_formula_agrees_with_a_car_that_is_stepped_through_time(
            floor_mm in 2_500u32..6_000, speed_mm_s in 500u32..8_000, acceleration_mm_s2 in 300u32..1_500,
            jerk_mm_s3 in 400u32..2_500, floors in 1u16..40,
        ) {
            let motion = Motion { floor_mm, speed_mm_s, acceleration_mm_s2, jerk_mm_s3 };
            let seconds = motion.run_time(floors).as_nanos() as f64 / 1e9;
            let slowly = stepped(motion, floors);
            prop_assert!((seconds - slowly).abs() < 0.01 * slowly, "{seconds} by the formula, {slowly} in steps");
        }

        #[test]
        fn farther_takes_longer_and_a_stop_on_the_way_never_saves_time(
            speed_mm_s in 1u32..20_000, acceleration_mm_s2 in 1u32..5_000, jerk_mm_s3 in 1u32..9_000,
        ) {
            let motion = Motion { floor_mm: 3_000, speed_mm_s, acceleration_mm_s2, jerk_mm_s3 };
            let time = |floors: u16| motion.run_time(floors).as_nanos();
            for floors in 1..30 {
                prop_assert!(time(floors + 1) > time(floors));
                prop_assert!(time(floors + 1) <= time(floors) + time(1) + 2);
            }
        }
    }

    #[test]
    fn a_car_that_cannot_move_takes_no_time_and_does_no_harm() {
        let still = Motion { floor_mm: 3_000, speed_mm_s: 0, acceleration_mm_s2: 1_000, jerk_mm_s3: 1_000 };
        assert_eq!((still.run_time(4), still.moves()), (Span::ZERO, false));
        let most =
            Motion { floor_mm: u32::MAX, speed_mm_s: 1, acceleration_mm_s2: u32::MAX, jerk_mm_s3: u32::MAX };
        assert!(most.run_time(u16::MAX) > Span::from_secs(1_000_000));
    }
}

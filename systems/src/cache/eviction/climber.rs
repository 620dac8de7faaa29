//! How large a window should be, found out by trying: it is changed a little, and if more is found afterwards the next
//! change goes the same way, else back. Never touches an entry. Uses no floats: hit ratios are parts per million.
//!
//! Einziger, Eytan, Friedman and Manes, "Adaptive Software Cache Management", Middleware 2018; the constants are those
//! of Caffeine.

use crate::arithmetic::{WHOLE_PPM, share_of};

/// The first step, and the one after each restart, as a share of the capacity.
const STEP_PPM: u32 = 62_500;

/// By so much each further step is shorter, so that the window comes to rest.
const DECAY_PPM: u32 = 980_000;

/// A hit ratio that changes by this much means that the load has changed: steps begin anew.
const RESTART_PPM: u64 = 50_000;

/// Requests between two steps for each entry of the capacity.
const SAMPLES_PER_ENTRY: u64 = 10;

/// Fractions of an entry that steps are counted in, so that short ones do not get lost.
const FRACTION_BITS: u32 = 20;

/// Counts hits and says by how much the window should change.
#[derive(Clone, Debug)]
pub(super) struct Climber {
    capacity: u64,
    hits: u64,
    misses: u64,
    former_ratio_ppm: u64,
    /// Length of the next step in fractions, and its direction.
    step: u128,
    grows: bool,
    /// What steps have not come to a whole entry yet.
    rest: u128,
}

/// What to do with the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Climb {
    /// More of it, by this weight.
    Grow(u64),
    /// Less of it.
    Shrink(u64),
}

impl Climber {
    pub(super) fn new(capacity: u64) -> Climber {
        Climber {
            capacity,
            hits: 0,
            misses: 0,
            former_ratio_ppm: 0,
            step: first_step(capacity),
            grows: false,
            rest: 0,
        }
    }

    pub(super) fn hit(&mut self) {
        self.hits += 1;
    }

    pub(super) fn miss(&mut self) {
        self.misses += 1;
    }

    /// Forgets how it went so far: the capacity is another.
    pub(super) fn restart(&mut self, capacity: u64) {
        *self = Climber::new(capacity);
    }

    /// The next step, once enough was seen to tell what the last one was worth.
    #[inline]
    pub(super) fn step(&mut self) -> Option<Climb> {
        let seen = self.hits + self.misses;
        if seen < self.capacity.saturating_mul(SAMPLES_PER_ENTRY).max(1) {
            return None;
        }
        let ratio_ppm = (u128::from(self.hits) * u128::from(WHOLE_PPM) / u128::from(seen)) as u64;
        let got_worse = ratio_ppm < self.former_ratio_ppm;
        let change_ppm = ratio_ppm.abs_diff(self.former_ratio_ppm);
        self.former_ratio_ppm = ratio_ppm;
        (self.hits, self.misses) = (0, 0);
        self.grows ^= got_worse;
        let moved = self.step + self.rest;
        self.rest = moved & ((1 << FRACTION_BITS) - 1);
        self.step = match change_ppm >= RESTART_PPM {
            true => first_step(self.capacity),
            false => self.step * u128::from(DECAY_PPM) / u128::from(WHOLE_PPM),
        };
        let weight = (moved >> FRACTION_BITS) as u64;
        Some(if self.grows { Climb::Grow(weight) } else { Climb::Shrink(weight) })
    }
}

fn first_step(capacity: u64) -> u128 {
    u128::from(share_of(capacity, STEP_PPM).max(1)) << FRACTION_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays samples of this hit ratio and takes the step.
    fn sample(climber: &mut Climber, hits_percent: u64) -> Climb {
        for request in 0..climber.capacity * SAMPLES_PER_ENTRY {
            assert_eq!(climber.step(), None, "not before the sample is complete");
            if request % 100 < hits_percent { climber.hit() } else { climber.miss() }
        }
        climber.step().expect("the sample is complete")
    }

    #[test]
    fn what_made_things_better_is_done_again_and_what_made_them_worse_is_undone() {
        let mut climber = Climber::new(160);
        assert_eq!(sample(&mut climber, 50), Climb::Shrink(10));
        assert_eq!(sample(&mut climber, 40), Climb::Grow(10), "and a large change begins anew");
        assert!(matches!(sample(&mut climber, 42), Climb::Grow(_)));
        assert!(matches!(sample(&mut climber, 41), Climb::Shrink(_)));
    }

    #[test]
    fn steps_get_shorter_while_nothing_changes_until_the_load_does() {
        let mut climber = Climber::new(1_600);
        sample(&mut climber, 50);
        let length = |climb| match climb {
            Climb::Grow(weight) | Climb::Shrink(weight) => weight,
        };
        let steps: Vec<u64> = (0..300).map(|_| length(sample(&mut climber, 50))).collect();
        assert!(steps[0] >= 98 && steps[299] <= 1, "{} then {}", steps[0], steps[299]);
        sample(&mut climber, 20);
        assert_eq!(length(sample(&mut climber, 20)), 100);
    }

    #[test]
    fn no_capacity_and_all_there_is_do_no_harm() {
        for capacity in [0, 1, u64::MAX] {
            let mut climber = Climber::new(capacity);
            climber.hit();
            let _ = climber.step();
            climber.restart(capacity);
        }
    }
}

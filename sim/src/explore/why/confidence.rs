//! Do other seeds name the same cause? Counts, and an interval for the share that does. Near a tipping point the
//! answer is that nobody can tell.

use super::answer::Confidence;
use super::candidates::Candidate;
use super::counterfactual::Replays;
use super::diagnosis::{Diagnosis, diagnose_again};
use crate::kernel::draw::Seed;

/// With fewer seeds than this nothing is called a tipping point.
const ENOUGH_SEEDS: u64 = 5;

/// Asks `seeds` seeds, the one of the diagnosis included, what the failure is due to.
pub fn confidence(
    replays: &mut Replays<'_>,
    candidates: &[Candidate],
    seed: Seed,
    first: &Diagnosis,
    seeds: u32,
) -> Confidence {
    let planned = u64::from(seeds.max(1));
    let (mut run, mut failed, mut agreeing) = (1_u64, 1_u64, 1_u64);
    for seed in further(seed, seeds) {
        let left = planned - run;
        if !is_identifiable(planned, failed + left, agreeing + left) {
            // Whatever the seeds that are left say, it is not enough.
            break;
        }
        // Of what failed in the run that is explained: a seed under which something else fails too does not disagree.
        let told = diagnose_again(replays, candidates, seed, &first.factual.failing);
        run += 1;
        let Ok(Some(other)) = told else { continue };
        failed += 1;
        agreeing += u64::from(other == (first.basis, first.root.clone()));
    }
    let (agreement_low_ppm, agreement_high_ppm) = interval_ppm(agreeing, failed);
    let left = planned - run;
    Confidence {
        seeds: run,
        failed,
        agreeing,
        agreement_low_ppm,
        agreement_high_ppm,
        identifiable: is_identifiable(planned, failed + left, agreeing + left),
    }
}

/// The seeds after `seed`.
pub fn further(seed: Seed, seeds: u32) -> impl Iterator<Item = Seed> {
    (1..u64::from(seeds.max(1))).map(move |more| Seed(seed.0.wrapping_add(more)))
}

/// Four of five seeds fail, and four of five of these name the same cause.
pub fn is_identifiable(run: u64, failed: u64, agreeing: u64) -> bool {
    run < ENOUGH_SEEDS || (failed * 5 >= run * 4 && agreeing * 5 >= failed * 4)
}

/// Wilson's score interval for `part` of `whole` with 95 % confidence, in parts per million.
pub fn interval_ppm(part: u64, whole: u64) -> (u64, u64) {
    if whole == 0 {
        return (0, 1_000_000);
    }
    // (2s + z² ± z sqrt(z² + 4 s (n - s) / n)) / (2 (n + z²)), z = 1.96, scaled by a million.
    const SCALE: u128 = 1_000_000;
    const Z: u128 = 1_960_000;
    const Z_SQUARED: u128 = 3_841_600;
    let (s, n) = (u128::from(part.min(whole)), u128::from(whole));
    let under_root = Z_SQUARED * SCALE + 4 * s * (n - s) * SCALE * SCALE / n;
    let spread = Z * under_root.isqrt() / SCALE;
    let middle = 2 * s * SCALE + Z_SQUARED;
    let whole = 2 * (n * SCALE + Z_SQUARED);
    let ppm = |value: u128| u64::try_from((value * SCALE / whole).min(SCALE)).unwrap_or(1_000_000);
    (ppm(middle.saturating_sub(spread)), ppm(middle + spread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // Values as tabulated for the score interval.
        let cases =
            [((20, 20), (838_874, 1_000_000)), ((0, 10), (0, 277_533)), ((5, 10), (236_593, 763_407))];
        for ((part, whole), (low, high)) in cases {
            let (l, h) = interval_ppm(part, whole);
            assert!(l.abs_diff(low) < 200 && h.abs_diff(high) < 200, "{part} of {whole}: {l} {h}");
        }
        assert_eq!(interval_ppm(0, 0), (0, 1_000_000));
    }

    #[test]
    fn seeds_that_disagree_make_no_cause() {
        assert!(is_identifiable(1, 1, 1), "one seed says what it says");
        assert!(is_identifiable(5, 5, 5));
        assert!(is_identifiable(10, 8, 7));
        assert!(!is_identifiable(10, 5, 5), "it fails every second time: a tipping point");
        assert!(!is_identifiable(10, 10, 6), "causes differ");
    }

    #[test]
    fn further_seeds_follow_the_first_and_wrap() {
        assert_eq!(further(Seed(7), 3).collect::<Vec<_>>(), [Seed(8), Seed(9)]);
        assert_eq!(further(Seed(u64::MAX), 2).collect::<Vec<_>>(), [Seed(0)]);
        assert_eq!(further(Seed(7), 0).count(), 0);
    }
}

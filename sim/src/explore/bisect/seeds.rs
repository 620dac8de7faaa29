//! Which seed fails first, and do two versions of a scenario fail at different rates? Seeds are paired: both versions
//! meet the same chance, so that only seeds on which they disagree tell anything.

use std::num::NonZero;
use std::ops::{ControlFlow, Range};

use serde_json::{Value, json};

use super::{BisectError, fails};
use crate::explore::parallel::in_order;
use crate::explore::predicate::Predicate;
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::scenario::plan::Plan;

/// The first seed of `range` that fails, and how many were looked at.
///
/// # Errors
/// When a run is not possible or the predicate names nothing.
pub fn first_failing_seed(
    plan: &Plan,
    range: Range<u64>,
    kinds: &Kinds,
    predicate: &Predicate,
    jobs: NonZero<usize>,
) -> Result<(Option<Seed>, u64), BisectError> {
    let mut looked_at = 0;
    let work = |seed| (Seed(seed), fails(plan, Seed(seed), kinds, predicate));
    let found = in_order(range, jobs, work, |(seed, failed)| {
        looked_at += 1;
        match failed {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(Ok(seed)),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    });
    Ok((found.transpose()?, looked_at))
}

/// How often two versions failed on the same seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Seeds on which both ran.
    pub seeds: u64,
    /// On which both failed.
    pub both: u64,
    /// On which only the first failed.
    pub only_first: u64,
    /// On which only the second failed.
    pub only_second: u64,
    /// How much better different rates explain what was seen than equal ones do: 1 says nothing, 20 is reached in one
    /// of 20 comparisons of equal versions at most, however long one goes on.
    evidence: f64,
}

/// From here on rates are said to differ: at most one comparison in 20 of equal versions ends there.
pub const ENOUGH_EVIDENCE: f64 = 20.0;

impl Rates {
    /// No seed yet.
    pub fn new() -> Rates {
        Rates { evidence: 1.0, ..Rates::default() }
    }

    /// What both did on another seed.
    ///
    /// Among the seeds on which they disagree each side is as likely as the other if the rates are equal. Against
    /// this stands a side with an unknown chance, all chances being equally likely: a mixture sequential test, whose
    /// ratio stays below 1/α for ever with probability 1 - α (J. Ville 1939; H. Robbins: Statistical Methods Related
    /// to the Law of the Iterated Logarithm, Annals of Mathematical Statistics 41(5), 1970).
    pub fn add(&mut self, first_failed: bool, second_failed: bool) {
        self.seeds += 1;
        let disagreeing = self.only_first + self.only_second;
        let side = match (first_failed, second_failed) {
            (true, true) => {
                self.both += 1;
                return;
            }
            (false, false) => return,
            (true, false) => &mut self.only_first,
            (false, true) => &mut self.only_second,
        };
        self.evidence *= 2.0 * (*side + 1) as f64 / (disagreeing + 2) as f64;
        *side += 1;
    }

    /// Whether the rates are known to differ.
    pub fn differ(&self) -> bool {
        self.evidence >= ENOUGH_EVIDENCE
    }

    /// The evidence in thousandths, as far as a whole number goes.
    pub fn evidence_milli(&self) -> u64 {
        (self.evidence * 1_000.0) as u64
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({
            "seeds": self.seeds,
            "both": self.both,
            "only_first": self.only_first,
            "only_second": self.only_second,
            "evidence_milli": self.evidence_milli(),
            "differ": self.differ(),
        })
    }
}

/// Runs two versions on the same seeds until their rates are known to differ or the seeds are used up.
///
/// # Errors
/// When a run is not possible or the predicate names nothing.
pub fn compare_rates(
    first: &Plan,
    second: &Plan,
    range: Range<u64>,
    kinds: &Kinds,
    predicate: &Predicate,
    jobs: NonZero<usize>,
) -> Result<Rates, BisectError> {
    let mut rates = Rates::new();
    let both = |seed| {
        let first_failed = fails(first, Seed(seed), kinds, predicate)?;
        Ok((first_failed, fails(second, Seed(seed), kinds, predicate)?))
    };
    let stopped = in_order(range, jobs, both, |failed: Result<(bool, bool), BisectError>| match failed {
        Err(error) => ControlFlow::Break(Err(error)),
        Ok((first_failed, second_failed)) => {
            rates.add(first_failed, second_failed);
            match rates.differ() {
                true => ControlFlow::Break(Ok(())),
                false => ControlFlow::Continue(()),
            }
        }
    });
    stopped.transpose()?;
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::draw::{Key, chance_ppm};

    /// Comparisons of so many seeds that end with a difference, of a thousand.
    fn ended(first_ppm: u32, second_ppm: u32, seeds: u64, look: impl Fn(&Rates) -> bool) -> u32 {
        let key = Key::derive(Seed(1), "rates", "test");
        let mut ended = 0;
        for comparison in 0..1_000 {
            let (mut rates, own) = (Rates::new(), key.child(comparison));
            for seed in 0..seeds {
                rates.add(
                    chance_ppm(own.draw2(seed, 0), first_ppm),
                    chance_ppm(own.draw2(seed, 1), second_ppm),
                );
                if look(&rates) {
                    ended += 1;
                    break;
                }
            }
        }
        ended
    }

    #[test]
    fn equal_rates_are_called_different_in_one_of_twenty_comparisons_at_most() {
        let false_alarms = ended(300_000, 300_000, 1_000, Rates::differ);
        assert!(false_alarms <= 50, "{false_alarms} of 1000");
    }

    #[test]
    fn different_rates_are_told_apart() {
        let found = ended(100_000, 300_000, 400, Rates::differ);
        assert!(found >= 990, "{found} of 1000");
    }

    /// Looks after every seed with a test made for looking once: the broken variant.
    #[test]
    fn a_test_for_one_look_alone_would_be_caught_by_the_count_of_false_alarms() {
        let one_look = |rates: &Rates| {
            let (a, b) = (rates.only_first as f64, rates.only_second as f64);
            a + b >= 10.0 && (a - b) * (a - b) > 1.96 * 1.96 * (a + b)
        };
        assert!(ended(300_000, 300_000, 1_000, one_look) > 50);
    }

    #[test]
    fn the_evidence_is_that_of_the_formula() {
        let mut rates = Rates::new();
        for _ in 0..6 {
            rates.add(false, true);
        }
        // 2^6 * 6! * 0! / 7! = 64 / 7
        assert_eq!(rates.evidence_milli(), 9_142);
        rates.add(true, true);
        rates.add(false, false);
        assert_eq!((rates.evidence_milli(), rates.seeds, rates.both), (9_142, 8, 1));
    }
}

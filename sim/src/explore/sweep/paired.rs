//! Paired comparison: two scenarios, the same seeds, differences seed by seed. The chance that is common to both runs
//! of a seed cancels out, so that far fewer seeds show which one is better.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;

use super::seeds::Seeds;
use super::seen::SeedSeen;
use super::slice::{Header, ObjectiveHeader};
use super::spread::Spread;
use super::{Subject, SweepError};
use crate::explore::parallel::in_order;

/// Two scenarios over the same seeds.
#[derive(Clone, Debug)]
pub struct Paired {
    /// Seeds that ran, in both.
    pub seeds: u64,
    /// Whether all that were wanted did.
    pub complete: bool,
    /// Both passed, both failed, only the second passed, only the first did.
    pub verdicts: [Side; 4],
    /// By id; of objectives that both scenarios have.
    pub objectives: IndexMap<String, PairedObjective>,
}

/// Seeds on one side of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// How many.
    pub seeds: u64,
    /// The first of them.
    pub first: Option<u64>,
}

impl Side {
    fn add(&mut self, seed: u64) {
        self.seeds += 1;
        self.first.get_or_insert(seed);
    }
}

/// The differences of one objective's values, seed by seed.
#[derive(Clone, Debug)]
pub struct PairedObjective {
    /// What it is about.
    pub about: ObjectiveHeader,
    /// Seeds in which the second is better, by how much at most, and where.
    pub better: Side,
    /// Seeds in which it is worse.
    pub worse: Side,
    /// Seeds in which both have the same value.
    pub same: u64,
    /// Seeds in which one of them has no value.
    pub not_compared: u64,
    /// The first's values less the second's, where the first's are larger.
    fewer: Spread,
    /// The second's values less the first's, where the second's are larger.
    more: Spread,
    /// The largest worsening, and its seed.
    pub worst: Option<(u64, u64)>,
}

/// A difference with its sign.
pub(super) type Signed = i128;

impl PairedObjective {
    fn new(about: ObjectiveHeader) -> PairedObjective {
        PairedObjective {
            about,
            better: Side::default(),
            worse: Side::default(),
            same: 0,
            not_compared: 0,
            fewer: Spread::default(),
            more: Spread::default(),
            worst: None,
        }
    }

    fn add(&mut self, seed: u64, first: Option<u64>, second: Option<u64>) {
        let (Some(first), Some(second)) = (first, second) else {
            self.not_compared += 1;
            return;
        };
        let apart = first.abs_diff(second);
        if apart == 0 {
            self.same += 1;
            return;
        }
        let is_less = second < first;
        if is_less {
            self.fewer.record(apart)
        } else {
            self.more.record(apart)
        }
        if is_less == self.about.less_is_better {
            self.better.add(seed);
        } else {
            self.worse.add(seed);
            if self.worst.is_none_or(|(most, _)| apart > most) {
                self.worst = Some((apart, seed));
            }
        }
    }

    /// Seeds in which both have a value.
    pub fn compared(&self) -> u64 {
        self.better.seeds + self.worse.seeds + self.same
    }

    /// The difference of `rank`, from 1 for the one farthest below zero.
    pub(super) fn ranked(&self, rank: u64) -> Option<Signed> {
        let fewer = self.fewer.count();
        if rank <= fewer {
            return self.fewer.ranked(fewer + 1 - rank).map(|apart| -Signed::from(apart));
        }
        match rank - fewer {
            rank if rank <= self.same => Some(0),
            rank => self.more.ranked(rank - self.same).map(Signed::from),
        }
    }
}

/// Runs both scenarios with every seed and compares them. `told` is given what is known after each seed, in order.
/// When `stop` is set, the seeds that run are finished and no other is begun.
///
/// # Errors
/// When one of the scenarios cannot be run with a seed.
pub fn compare(
    [first, second]: [Subject<'_>; 2],
    [about, other]: [&Header; 2],
    seeds: Seeds,
    jobs: NonZero<usize>,
    stop: &AtomicBool,
    mut told: impl FnMut(&Paired),
) -> Result<Paired, SweepError<std::convert::Infallible>> {
    let common = about.objectives.iter().filter(|objective| {
        other.objectives.iter().any(|other| other.id == objective.id && other.unit == objective.unit)
    });
    let mut paired = Paired {
        seeds: 0,
        complete: false,
        verdicts: [Side::default(); 4],
        objectives: common.map(|about| (about.id.clone(), PairedObjective::new(about.clone()))).collect(),
    };
    let work = |seed: u64| {
        let both = first.examine(seed).and_then(|one| Ok((one, second.examine(seed)?)));
        both.map_err(|error| (seed, error))
    };
    let wanted = |_: &u64| !stop.load(Ordering::Relaxed);
    let broke = in_order((seeds.from..seeds.to).take_while(wanted), jobs, work, |both| match both {
        Ok((one, other)) => {
            paired.add(&one, &other);
            told(&paired);
            ControlFlow::Continue(())
        }
        Err((seed, error)) => ControlFlow::Break(SweepError::Scenario(seed, Box::new(error))),
    });
    paired.complete = paired.seeds == seeds.count();
    broke.map_or(Ok(paired), Err)
}

impl Paired {
    fn add(&mut self, one: &SeedSeen, other: &SeedSeen) {
        self.seeds += 1;
        let side = match (one.failure.is_pass(), other.failure.is_pass()) {
            (true, true) => 0,
            (false, false) => 1,
            (false, true) => 2,
            (true, false) => 3,
        };
        self.verdicts[side].add(one.seed);
        let value = |seen: &SeedSeen, id: &str| {
            seen.objectives.iter().find(|objective| objective.id == id && objective.judged)?.value
        };
        for (id, objective) in &mut self.objectives {
            objective.add(one.seed, value(one, id), value(other, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objective(less_is_better: bool, pairs: &[(Option<u64>, Option<u64>)]) -> PairedObjective {
        let text = String::new;
        let about = ObjectiveHeader {
            id: "p99".into(),
            metric: text(),
            of: text(),
            bound: text(),
            window: text(),
            unit: "us".into(),
            less_is_better,
        };
        let mut objective = PairedObjective::new(about);
        (0..).zip(pairs).for_each(|(seed, (first, second))| objective.add(seed, *first, *second));
        objective
    }

    #[test]
    fn what_is_better_follows_from_the_bound() {
        let pairs = [(Some(5), Some(3)), (Some(5), Some(9)), (Some(5), Some(5)), (None, Some(1))];
        let less = objective(true, &pairs);
        assert_eq!((less.better.seeds, less.worse.seeds, less.same, less.not_compared), (1, 1, 1, 1));
        assert_eq!((less.better.first, less.worst), (Some(0), Some((4, 1))));
        let more = objective(false, &pairs);
        assert_eq!((more.better.first, more.worst), (Some(1), Some((2, 0))));
    }

    #[test]
    fn differences_are_ranked_from_the_farthest_below_zero_to_the_farthest_above() {
        let pairs: Vec<_> = [-30_i64, 7, 0, -1, 20, 0]
            .iter()
            .map(|apart| (Some(50), 50_u64.checked_add_signed(*apart)))
            .collect();
        let objective = objective(true, &pairs);
        let ranked: Vec<Signed> = (1..=6).map(|rank| objective.ranked(rank).expect("six")).collect();
        assert_eq!(ranked, [-30, -1, 0, 0, 7, 20]);
        assert_eq!(objective.ranked(7), None);
    }
}

//! Paired comparison: two scenarios, the same seeds, differences seed by seed. The chance that is common to both runs
//! of a seed cancels out, so that far fewer seeds show which one is better.

use std::cmp::Reverse;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::paired_slice::PairedSlice;
use super::piece::Piece;
use super::seen::SeedSeen;
use super::slice::{Header, ObjectiveHeader};
use super::spread::Spread;
use super::{Subject, SweepError};
use crate::explore::parallel::in_order;

/// Two scenarios over the same seeds. Adding seeds and merging commute, as they do for a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paired {
    /// Seeds that ran, in both.
    pub seeds: u64,
    /// Both passed, both failed, only the second passed, only the first did.
    pub verdicts: [Side; 4],
    /// By id; of objectives that both scenarios have.
    pub objectives: IndexMap<String, PairedObjective>,
}

/// Seeds on one side of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// How many.
    pub seeds: u64,
    /// The first of them.
    pub first: Option<u64>,
}

impl Side {
    fn add(&mut self, seed: u64) {
        self.merge(Side { seeds: 1, first: Some(seed) });
    }

    fn merge(&mut self, other: Side) {
        self.seeds += other.seeds;
        self.first = [self.first, other.first].into_iter().flatten().min();
    }
}

/// The differences of one objective's values, seed by seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
            self.worst = larger(self.worst, Some((apart, seed)));
        }
    }

    fn merge(&mut self, other: &PairedObjective) {
        self.better.merge(other.better);
        self.worse.merge(other.worse);
        self.same += other.same;
        self.not_compared += other.not_compared;
        self.fewer.merge(&other.fewer);
        self.more.merge(&other.more);
        self.worst = larger(self.worst, other.worst);
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

/// The larger worsening; of equal ones that of the first seed.
fn larger(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    [one, other].into_iter().flatten().max_by_key(|(apart, seed)| (*apart, Reverse(*seed)))
}

/// Runs both scenarios with every seed of `slice` that did not run yet, and adds what they show. After each seed, in
/// order, `told` is given the slice so far; it may break off. When `stop` is set, the seeds that run are finished and
/// no other is begun.
///
/// # Errors
/// When one of the scenarios cannot be run with a seed; the slice then holds all seeds before it.
pub fn compare<E>(
    [first, second]: [Subject<'_>; 2],
    slice: &mut PairedSlice,
    jobs: NonZero<usize>,
    stop: &AtomicBool,
    mut told: impl FnMut(&PairedSlice) -> Result<(), E>,
) -> Result<(), SweepError<E>> {
    let missing = slice.missing();
    let work = |seed: u64| {
        let both = first.examine(seed).and_then(|one| Ok((one, second.examine(seed)?)));
        both.map_err(|error| (seed, error))
    };
    let wanted = |_: &u64| !stop.load(Ordering::Relaxed);
    let broke = in_order((missing.from..missing.to).take_while(wanted), jobs, work, |both| match both {
        Ok((one, other)) => {
            slice.seen.add(&one, &other);
            slice.done_to = one.seed + 1;
            match told(slice) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(SweepError::Told(error)),
            }
        }
        Err((seed, error)) => ControlFlow::Break(SweepError::Scenario(seed, Box::new(error))),
    });
    broke.map_or(Ok(()), Err)
}

impl Paired {
    /// No seed yet; of the objectives those that both sides have, in the order of the first.
    pub fn of_none([first, second]: [&Header; 2]) -> Paired {
        let common = first.objectives.iter().filter(|objective| {
            second.objectives.iter().any(|other| other.id == objective.id && other.unit == objective.unit)
        });
        Paired {
            seeds: 0,
            verdicts: [Side::default(); 4],
            objectives: common.map(|about| (about.id.clone(), PairedObjective::new(about.clone()))).collect(),
        }
    }

    /// Adds what both sides did with a seed.
    pub(super) fn add(&mut self, one: &SeedSeen, other: &SeedSeen) {
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

    /// Adds all seeds of `other`, which is of the same two scenarios.
    pub(super) fn merge(&mut self, other: &Paired) {
        self.seeds += other.seeds;
        self.verdicts.iter_mut().zip(other.verdicts).for_each(|(own, other)| own.merge(other));
        for (id, objective) in &mut self.objectives {
            if let Some(other) = other.objectives.get(id) {
                objective.merge(other);
            }
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

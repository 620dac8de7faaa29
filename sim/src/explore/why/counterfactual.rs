//! Replays of a scenario with one thing changed. Each world is run once: equal plans under equal seeds share a run,
//! however they came about. What is kept of a run is small; whole outcomes are handed out and forgotten.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::explore::parallel::in_order;
use crate::judge::Judgement;
use crate::kernel::draw::Seed;
use crate::measure::{Measured, OutcomeKind};
use crate::nodes::Kinds;
use crate::run::{self, Decided, Detail, Doubt, Enough, Outcome};
use crate::scenario::plan::{Bound, Comparison, Edit, Plan};
use crate::scenario::{self, ScenarioError};

/// What is kept of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Ids of what did not hold, in the order of the judgement.
    pub failing: Vec<String>,
    /// The measured value of each objective, by id.
    pub values: BTreeMap<String, Option<u64>>,
    /// Requests offered by all loads.
    pub offered: u64,
    /// Of these, ended well.
    pub good: u64,
    /// Of these, refused by a queue, a limit, a breaker, a bulkhead.
    pub refused: u64,
    /// The largest 99th percentile of the loads' good requests.
    pub latency_p99_us: u64,
}

impl Ending {
    /// What is worth keeping.
    pub fn of(measured: &Measured, judgement: &Judgement) -> Ending {
        const REFUSALS: [OutcomeKind; 5] = [
            OutcomeKind::Rejected,
            OutcomeKind::BreakerOpen,
            OutcomeKind::RateLimited,
            OutcomeKind::BulkheadFull,
            OutcomeKind::ConcurrencyLimited,
        ];
        let loads = measured.loads.iter();
        Ending {
            failing: judgement.failing.clone(),
            values: judgement.slos.iter().map(|slo| (slo.id.clone(), slo.value)).collect(),
            offered: loads.clone().map(|load| load.offered).sum(),
            good: loads.clone().map(|load| load.good).sum(),
            refused: loads
                .clone()
                .map(|load| REFUSALS.iter().map(|kind| load.failed[*kind as usize]).sum::<u64>())
                .sum(),
            latency_p99_us: loads.map(|load| load.latency.p99_ns / 1_000).max().unwrap_or(0),
        }
    }

    /// Whether an objective, an invariant, `liveness` or `stop` did not hold.
    pub fn fails(&self, id: &str) -> bool {
        self.failing.iter().any(|failing| failing == id)
    }

    /// By how much `id` is missed, in parts per million of how much it was missed in the run to explain; zero if and
    /// only if it held.
    pub fn damage_ppm(&self, plan: &Plan, id: &str, factual: &Ending) -> u64 {
        if !self.fails(id) {
            return 0;
        }
        let bound = plan.slos.iter().find(|slo| slo.id == id).map(|slo| slo.bound);
        let over = |ending: &Ending| match (bound, ending.values.get(id)) {
            (Some(bound), Some(Some(value))) => Some(overshoot(bound, *value)),
            (_, _) => None,
        };
        match (over(self), over(factual)) {
            (Some(now), Some(then)) => {
                let share = u128::from(now) * u128::from(FULL_PPM) / u128::from(then.max(1));
                u64::try_from(share).unwrap_or(u64::MAX).clamp(1, FULL_PPM)
            }
            // Failed with a number where the other had none at all: less bad, but nobody can say by how much.
            (Some(_), None) => FULL_PPM / 2,
            (None, _) => FULL_PPM,
        }
    }
}

/// The whole damage.
pub const FULL_PPM: u64 = 1_000_000;

fn overshoot(bound: Bound, value: u64) -> u64 {
    match bound.comparison {
        Comparison::Below | Comparison::AtMost => value.saturating_sub(bound.limit),
        Comparison::Above | Comparison::AtLeast => bound.limit.saturating_sub(value),
    }
}

/// A world to look at: changes to the scenario, and a seed.
pub type World = (Vec<Edit>, Seed);

/// A scenario that is run again and again with changes.
pub struct Replays<'a> {
    plan: &'a Plan,
    kinds: &'a Kinds,
    jobs: NonZero<usize>,
    plans: BTreeMap<String, Result<Arc<Plan>, String>>,
    endings: BTreeMap<(u128, Seed), Arc<Ending>>,
    /// Of runs that were stopped early: what is sure to be broken.
    broken: BTreeMap<(u128, Seed), Vec<String>>,
    /// Requests that each load offers in the scenario as it is, by seed. Nothing that is taken out of it makes them
    /// more, as arrivals do not depend on anything else.
    offered: BTreeMap<Seed, Vec<u64>>,
    /// The seed of the run that is explained.
    explained: Option<Seed>,
    /// Of the runs under that seed, the first in which nothing failed, as a whole: the run without the cause is often
    /// this one.
    well: Option<((u128, Seed), Box<Outcome>)>,
    made: u64,
    stopped_early: u64,
    asked: u64,
    /// With which seed a world is run. Always its own; a test swaps this for draws that are not keyed.
    seed_of: fn(u128, Seed) -> Seed,
}

impl<'a> Replays<'a> {
    /// Replays of `plan`, `jobs` at once.
    pub fn new(plan: &'a Plan, kinds: &'a Kinds, jobs: NonZero<usize>) -> Replays<'a> {
        Replays {
            plan,
            kinds,
            jobs,
            plans: BTreeMap::new(),
            endings: BTreeMap::new(),
            broken: BTreeMap::new(),
            offered: BTreeMap::new(),
            explained: None,
            well: None,
            made: 0,
            stopped_early: 0,
            asked: 0,
            seed_of: |_, seed| seed,
        }
    }

    /// The same with a seed that depends on the plan: every change then shifts every draw.
    #[cfg(test)]
    pub(super) fn unkeyed(mut self) -> Replays<'a> {
        self.seed_of = |digest, seed| Seed(seed.0 ^ digest as u64);
        self
    }

    /// From now on the first run under `seed` in which nothing fails is kept, as it will be looked at closely.
    pub fn keep_well(&mut self, seed: Seed) {
        self.explained = Some(seed);
    }

    /// The scenario that is replayed.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Runs made so far.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Of these, how many were stopped because their verdict was certain.
    pub fn stopped_early(&self) -> u64 {
        self.stopped_early
    }

    /// Worlds that were asked for, those that had been run before included.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// How each of these worlds ends, or why it cannot be.
    pub fn endings(&mut self, worlds: &[World]) -> Vec<Result<Arc<Ending>, String>> {
        self.asked += worlds.len() as u64;
        let plans: Vec<_> = worlds.iter().map(|(edits, seed)| (self.edited(edits), *seed)).collect();
        let mut missing: BTreeMap<(u128, Seed), Arc<Plan>> = BTreeMap::new();
        for (plan, seed) in &plans {
            if let Ok(plan) = plan
                && !self.endings.contains_key(&(plan.digest, *seed))
            {
                missing.insert((plan.digest, *seed), Arc::clone(plan));
            }
        }
        self.run(missing);
        let told = plans.into_iter().map(|(plan, seed)| {
            let known = self.endings.get(&(plan?.digest, seed));
            known.cloned().ok_or_else(|| "it could not be run".to_string())
        });
        told.collect()
    }

    /// How one world ends.
    pub fn ending(&mut self, edits: &[Edit], seed: Seed) -> Result<Arc<Ending>, String> {
        let mut told = self.endings(&[(edits.to_vec(), seed)]);
        told.pop().unwrap_or_else(|| Err("nothing was asked".to_string()))
    }

    /// What fails in each of these worlds, or why it cannot be run. A run is stopped when `enough` is known; what
    /// is told of it is then a part of what fails.
    pub fn failing(&mut self, worlds: &[World], enough: Enough<'_>) -> Vec<Result<Vec<String>, String>> {
        self.asked += worlds.len() as u64;
        let plans: Vec<_> = worlds.iter().map(|(edits, seed)| (self.edited(edits), *seed)).collect();
        let mut missing: BTreeMap<(u128, Seed), Arc<Plan>> = BTreeMap::new();
        for (plan, seed) in &plans {
            if let Ok(plan) = plan
                && self.known_to_fail((plan.digest, *seed), enough).is_none()
            {
                missing.insert((plan.digest, *seed), Arc::clone(plan));
            }
        }
        self.decide(missing, enough);
        let told = plans.into_iter().map(|(plan, seed)| {
            let known = self.known_to_fail((plan?.digest, seed), enough);
            known.ok_or_else(|| "it could not be run".to_string())
        });
        told.collect()
    }

    /// What is known of a world, if it is enough.
    fn known_to_fail(&self, world: (u128, Seed), enough: Enough<'_>) -> Option<Vec<String>> {
        if let Some(ending) = self.endings.get(&world) {
            return Some(ending.failing.clone());
        }
        let broken = self.broken.get(&world)?;
        let is_enough = match enough {
            Enough::One => !broken.is_empty(),
            Enough::All(ids) => ids.iter().all(|id| broken.contains(id)),
        };
        is_enough.then(|| broken.clone())
    }

    /// Everything about one world.
    ///
    /// # Errors
    /// When the changes make the scenario invalid.
    pub fn watch(&mut self, edits: &[Edit], seed: Seed, detail: &Detail) -> Result<Outcome, ScenarioError> {
        let plan = match edits {
            [] => self.plan.clone(),
            edits => scenario::edited(self.plan, edits, self.kinds)?,
        };
        let outcome = run::run(&plan, (self.seed_of)(plan.digest, seed), &[], self.kinds, detail)?;
        self.made += 1;
        self.asked += 1;
        let ending = Arc::new(Ending::of(&outcome.measured, &outcome.judgement));
        if edits.is_empty() {
            self.offered.insert(seed, all_offered(&outcome.measured));
        }
        self.endings.insert((plan.digest, seed), ending);
        Ok(outcome)
    }

    /// Everything about one world, not watched closely; a run that was kept is not made again.
    ///
    /// # Errors
    /// When the changes make the scenario invalid.
    pub fn outcome(&mut self, edits: &[Edit], seed: Seed) -> Result<Outcome, ScenarioError> {
        let digest = self.edited(edits).map(|plan| plan.digest);
        match self.well.take_if(|(world, _)| digest == Ok(world.0) && world.1 == seed) {
            Some((_, outcome)) => {
                self.asked += 1;
                Ok(*outcome)
            }
            None => self.watch(edits, seed, &Detail::default()),
        }
    }

    fn run(&mut self, missing: BTreeMap<(u128, Seed), Arc<Plan>>) {
        let (kinds, seed_of) = (self.kinds, self.seed_of);
        let wanted = self.wanted();
        let work = |(key, plan): ((u128, Seed), Arc<Plan>)| {
            let outcome = run::run(&plan, seed_of(key.0, key.1), &[], kinds, &Detail::default());
            (key, outcome.ok().map(|outcome| Told::of(outcome, wanted == Some(key.1))))
        };
        self.keep(missing, work);
    }

    /// Under which seed a run in which nothing fails is still wanted.
    fn wanted(&self) -> Option<Seed> {
        self.explained.filter(|_| self.well.is_none())
    }

    /// Runs worlds of which no more than the verdict is wanted.
    fn decide(&mut self, missing: BTreeMap<(u128, Seed), Arc<Plan>>, enough: Enough<'_>) {
        let (kinds, seed_of, wanted) = (self.kinds, self.seed_of, self.wanted());
        for (_, seed) in missing.keys() {
            if !self.offered.contains_key(seed)
                && let Some(told) = run::offered(self.plan, *seed)
            {
                self.offered.insert(*seed, told);
            }
        }
        let offered = self.offered.clone();
        let work = |(key, plan): ((u128, Seed), Arc<Plan>)| {
            let seed = seed_of(key.0, key.1);
            let known = offered.get(&key.1).filter(|_| seed == key.1);
            let doubt = Doubt { enough, most_offered: known.map_or(&[], Vec::as_slice) };
            let told = run::decide(&plan, seed, kinds, &doubt).ok().map(|decided| match decided {
                Decided::Whole(outcome) => Told::of(*outcome, wanted == Some(key.1)),
                Decided::Broken(ids) => Told::Broken(ids),
            });
            (key, told)
        };
        self.keep(missing, work);
    }

    /// Runs worlds side by side and keeps what came of them.
    fn keep(
        &mut self,
        missing: BTreeMap<(u128, Seed), Arc<Plan>>,
        work: impl Fn(((u128, Seed), Arc<Plan>)) -> ((u128, Seed), Option<Told>) + Sync,
    ) {
        let factual = self.plan.digest;
        let Replays { jobs, made, stopped_early, endings, broken, offered, well, .. } = self;
        in_order(missing, *jobs, work, |(key, told)| {
            *made += 1;
            match told {
                Some(Told::Ended(ending, each, held)) => {
                    if key.0 == factual {
                        offered.insert(key.1, each);
                    }
                    if let (None, Some(outcome)) = (&well, held) {
                        *well = Some((key, outcome));
                    }
                    endings.insert(key, Arc::new(ending));
                }
                Some(Told::Broken(ids)) => {
                    *stopped_early += 1;
                    broken.insert(key, ids);
                }
                None => {}
            }
            ControlFlow::<()>::Continue(())
        });
    }

    fn edited(&mut self, edits: &[Edit]) -> Result<Arc<Plan>, String> {
        let key = format!("{edits:?}");
        if let Some(known) = self.plans.get(&key) {
            return known.clone();
        }
        let made = match edits {
            [] => Ok(Arc::new(self.plan.clone())),
            edits => {
                scenario::edited(self.plan, edits, self.kinds).map(Arc::new).map_err(|error| reason(&error))
            }
        };
        self.plans.insert(key, made.clone());
        made
    }
}

/// What a worker brings back of a run.
enum Told {
    /// It went to its end; with what each load offered, and all of it if that is wanted and nothing failed.
    Ended(Ending, Vec<u64>, Option<Box<Outcome>>),
    /// It was stopped.
    Broken(Vec<String>),
}

impl Told {
    fn of(outcome: Outcome, is_wanted: bool) -> Told {
        let ending = Ending::of(&outcome.measured, &outcome.judgement);
        let offered = all_offered(&outcome.measured);
        let keep = is_wanted && ending.failing.is_empty();
        Told::Ended(ending, offered, keep.then(|| Box::new(outcome)))
    }
}

/// What each load offers in all, the warm-up included.
fn all_offered(measured: &Measured) -> Vec<u64> {
    measured.loads.iter().map(|load| load.all.offered).collect()
}

/// The first thing that is wrong, in one line.
fn reason(error: &ScenarioError) -> String {
    let text = error.to_string();
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("the scenario is not valid")
        .trim()
        .to_string()
}

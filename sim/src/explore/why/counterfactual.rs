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
use crate::run::{self, Detail, Outcome};
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
        const REFUSALS: [OutcomeKind; 4] = [
            OutcomeKind::Rejected,
            OutcomeKind::BreakerOpen,
            OutcomeKind::RateLimited,
            OutcomeKind::BulkheadFull,
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
    made: u64,
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
            made: 0,
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

    /// The scenario that is replayed.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Runs made so far.
    pub fn made(&self) -> u64 {
        self.made
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
        self.endings.insert((plan.digest, seed), ending);
        Ok(outcome)
    }

    fn run(&mut self, missing: BTreeMap<(u128, Seed), Arc<Plan>>) {
        let (kinds, seed_of) = (self.kinds, self.seed_of);
        let work = |(key, plan): ((u128, Seed), Arc<Plan>)| {
            let outcome = run::run(&plan, seed_of(key.0, key.1), &[], kinds, &Detail::default());
            (key, outcome.map(|outcome| Ending::of(&outcome.measured, &outcome.judgement)))
        };
        let (endings, made) = (&mut self.endings, &mut self.made);
        in_order(missing, self.jobs, work, |(key, ending)| {
            *made += 1;
            if let Ok(ending) = ending {
                endings.insert(key, Arc::new(ending));
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

/// The first thing that is wrong, in one line.
fn reason(error: &ScenarioError) -> String {
    let text = error.to_string();
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("the scenario is not valid")
        .trim()
        .to_string()
}

//! A run of which only the verdict is wanted: it stops as soon as that is decided. What is said of it is what the
//! whole run would have said; only how much it went beyond a bound is not known.

use super::{Detail, Outcome, begin, outcome, ready};
use crate::kernel::draw::Seed;
use crate::kernel::time::{Span, Time};
use crate::nodes::{self, Kinds};
use crate::scenario::ScenarioError;
use crate::scenario::plan::{Arrivals, LoadId, Plan, Target};

/// When enough is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough<'e> {
    /// As soon as one objective is sure to be broken: the question is whether all hold.
    One,
    /// As soon as all of these are sure to be broken: the question is which of them hold.
    All(&'e [String]),
}

/// What is asked of a run.
#[derive(Clone, Copy, Debug)]
pub struct Doubt<'d> {
    /// When enough is known.
    pub enough: Enough<'d>,
    /// How many requests each load offers in the whole run at most, in the order of the plan. Loads without a number
    /// are taken to offer any number: nothing is decided early by them.
    pub most_offered: &'d [u64],
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Decided {
    /// It went to its end.
    Whole(Box<Outcome>),
    /// It was stopped: these objectives are sure to be broken.
    Broken(Vec<String>),
}

/// How often is looked: often enough to save what can be saved, seldom enough to cost nothing.
const LOOKS: u64 = 400;

/// How many requests each load offers in the whole run, in the order of the plan, without running it; `None` where one
/// of them cannot be told.
pub fn offered(plan: &Plan, seed: Seed) -> Option<Vec<u64>> {
    if !plan.swarm.is_empty() {
        // What a seed draws may add requests.
        return None;
    }
    let loads = 0..u32::try_from(plan.loads.len()).ok()?;
    loads.map(|load| nodes::offered(LoadId(load), plan, seed)).collect()
}

/// Runs a scenario until enough is known.
///
/// # Errors
/// When the plan cannot be run.
pub fn decide(plan: &Plan, seed: Seed, kinds: &Kinds, doubt: &Doubt<'_>) -> Result<Decided, ScenarioError> {
    let plan = ready(plan, seed, &[], kinds)?;
    let watched = watched(&plan, doubt);
    let mut begun = begin(&plan, seed, kinds, &Detail::default());
    let end = plan.run.end();
    let step = Span::from_nanos((end.as_nanos() / LOOKS).max(1));
    let mut bound = Time::ZERO + step;
    // Chance that is drawn anew on the way is switched by the other door.
    let may_stop = begun.redraw.is_none() && !watched.is_empty();
    while may_stop && bound < end {
        if let Some(stop) = begun.simulation.run_until(bound) {
            return Ok(Decided::Whole(Box::new(outcome(plan, seed, begun, stop))));
        }
        let now = begun.simulation.now();
        let broken =
            watched.iter().filter(|(slo, most)| begun.simulation.world().is_surely_broken(*slo, *most, now));
        let broken: Vec<String> = broken.map(|(slo, _)| plan.slos[*slo].id.clone()).collect();
        let is_enough = match doubt.enough {
            Enough::One => !broken.is_empty(),
            Enough::All(ids) => ids.iter().all(|id| broken.contains(id)),
        };
        if is_enough {
            return Ok(Decided::Broken(broken));
        }
        bound += step;
    }
    let redrawn = plan.run.redraw;
    let stop = super::to_the_end(&mut begun, redrawn, None, &mut Vec::new());
    Ok(Decided::Whole(Box::new(outcome(plan, seed, begun, stop))))
}

/// The objectives that could decide it early, by position, with how many requests their load offers at most. None
/// if one of those that all have to be broken cannot be told early.
fn watched(plan: &Plan, doubt: &Doubt<'_>) -> Vec<(usize, u64)> {
    let mut watched = Vec::new();
    for (index, slo) in plan.slos.iter().enumerate() {
        let Target::Load(load, _) = slo.target else { continue };
        let is_open = plan.loads.get(load.index()).is_some_and(|load| match load.arrivals {
            Arrivals::Poisson(_) | Arrivals::Constant(_) | Arrivals::Trace(_) => true,
            Arrivals::Closed { .. } => false,
        });
        if let Some(most) = doubt.most_offered.get(load.index()).filter(|_| is_open) {
            watched.push((index, *most));
        }
    }
    let is_watched = |id: &String| watched.iter().any(|(index, _)| plan.slos[*index].id == *id);
    match doubt.enough {
        Enough::All(ids) if !ids.iter().all(is_watched) => Vec::new(),
        Enough::All(_) | Enough::One => watched,
    }
}

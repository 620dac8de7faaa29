//! How a cause led to a failure: from the run that failed and the same run without the cause, and from runs in which
//! one loop is broken after the trigger is gone.

pub mod amplification; // attempts for each call
pub mod endings; // in what way attempts ended more often
pub mod metastable; // does the failure outlive its trigger, and what sustains it?
pub mod onset; // when the two runs part
pub mod path; // where the time of requests went
pub mod rollback; // would taking the change back have ended it?
pub mod saturation; // who ran out of workers, in which order

use serde::Serialize;

pub use amplification::Amplified;
pub use endings::Ended;
pub use metastable::{Loop, Metastable};
pub use path::PathPart;
pub use rollback::RolledBack;
pub use saturation::Saturated;

use super::counterfactual::Replays;
use crate::kernel::draw::Seed;
use crate::kernel::time::Time;
use crate::run::{Detail, Outcome};
use crate::scenario::ScenarioError;
use crate::scenario::plan::Edit;

/// How a cause led to a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mechanism {
    /// When the run and the one without the cause part.
    pub onset_us: Option<u64>,
    /// Services that ran out of workers, in the order in which they did.
    pub saturation: Vec<Saturated>,
    /// Calls that were repeated.
    pub amplification: Vec<Amplified>,
    /// In what way attempts failed more often than without the cause.
    pub endings: Vec<Ended>,
    /// Policies without which the failure would have been small or none.
    pub amplifiers: Vec<String>,
    /// Where the time of requests went before the onset.
    pub path_before: Vec<PathPart>,
    /// And after it.
    pub path_after: Vec<PathPart>,
    /// Services on the way after the onset that were not there before.
    pub new_hops: Vec<String>,
    /// Whether the failure outlives its trigger.
    pub metastable: Option<Metastable>,
    /// What taking the change back some time later would have done, if the cause is one change.
    pub rolled_back: Option<RolledBack>,
}

/// Requests of each load that are looked at hop by hop, before the onset and after.
const TRACED: u32 = 150;

/// What the mechanism is found from.
pub struct Evidence<'e> {
    /// The run that failed.
    pub failed: &'e Outcome,
    /// The same without the cause.
    pub well: &'e Outcome,
    /// Ids of the roots.
    pub roots: Vec<String>,
    /// When the cause began to act.
    pub began: Option<Time>,
    /// When the last of it was over; `None`: it lasts to the end.
    pub over: Option<Time>,
    /// Policies that amplify.
    pub amplifiers: Vec<String>,
    /// The seed of both.
    pub seed: Seed,
}

/// Finds the mechanism.
///
/// # Errors
/// When a run to look at more closely cannot be made.
pub fn mechanism(replays: &mut Replays<'_>, evidence: &Evidence<'_>) -> Result<Mechanism, ScenarioError> {
    let run = &evidence.failed.plan.run;
    let grid_ns = run.grid.as_nanos().max(1);
    let grid_us = grid_ns / 1_000;
    let end = (run.duration.as_nanos() / grid_ns) as usize;
    let found = onset::onset(evidence.failed, evidence.well, end);
    let onset = found.unwrap_or_else(|| first_broken(evidence.failed, grid_ns)).min(end.saturating_sub(1));
    let (path_before, path_after) = paths(replays, evidence, Time::from_nanos(onset as u64 * grid_ns))?;
    let saturation = saturation::saturated(evidence.failed, evidence.well, onset, end, grid_us);
    let amplification = amplification::amplified(evidence.failed, onset, end, grid_us);
    let new_hops = new_hops(&path_before, &path_after);
    let around = metastable::Around { evidence, end, saturation: &saturation, amplification: &amplification };
    let metastable = metastable::metastable(replays, &around)?;
    let onset_at = Time::from_nanos(onset as u64 * grid_ns);
    let rolled_back = rollback::rolled_back(replays, evidence, onset_at, end);
    Ok(Mechanism {
        onset_us: found.map(|onset| onset as u64 * grid_us),
        saturation,
        amplification,
        endings: endings::more_often(evidence.failed, evidence.well),
        amplifiers: evidence.amplifiers.clone(),
        path_before,
        path_after,
        new_hops,
        metastable,
        rolled_back,
    })
}

fn first_broken(failed: &Outcome, grid_ns: u64) -> usize {
    let broken = failed.judgement.slos.iter().filter_map(|slo| slo.first_broken).min();
    broken.map_or(0, |at| (at.as_nanos() / grid_ns) as usize)
}

/// Where the time went halfway between the warm-up and the cause, and some time after the onset.
fn paths(
    replays: &mut Replays<'_>,
    evidence: &Evidence<'_>,
    onset: Time,
) -> Result<(Vec<PathPart>, Vec<PathPart>), ScenarioError> {
    let run = &evidence.failed.plan.run;
    let warm = Time::ZERO + run.warmup;
    let calm_until = evidence.began.map_or(onset, |began| began.min(onset)).max(warm);
    let before = warm + calm_until.since(warm).mul_ratio(1, 2);
    let load_end = Time::ZERO + run.duration;
    let after = onset + load_end.since(onset).mul_ratio(1, 4);
    let has_before = before < calm_until;
    let traced_from = if has_before { vec![before, after] } else { vec![after] };
    let detail = Detail { traced_requests: TRACED, traced_from, ..Detail::default() };
    let outcome = replays.watch(&[], evidence.seed, &detail)?;
    let requests = outcome.trace.requests.iter();
    let calm = requests.clone().filter(|request| request.started < after && request.started < calm_until);
    let path_before = if has_before { path::parts(calm) } else { Vec::new() };
    Ok((path_before, path::parts(requests.filter(|request| request.started >= after))))
}

/// Services that work on requests after the onset and did not before.
fn new_hops(before: &[PathPart], after: &[PathPart]) -> Vec<String> {
    if before.is_empty() {
        return Vec::new();
    }
    let works = |part: &&PathPart| matches!(part.kind, "service" | "queue");
    let known = |place: &String| before.iter().any(|part| part.place == *place);
    let mut hops: Vec<String> = Vec::new();
    for part in after.iter().filter(works) {
        if !known(&part.place) && !hops.contains(&part.place) {
            hops.push(part.place.clone());
        }
    }
    hops
}

/// What breaks a loop at an instant: settings that change then, as a further entry of the timeline.
fn change_at(at: Time, settings: serde_json::Map<String, serde_json::Value>) -> Edit {
    let entry = serde_json::json!({"at": at.to_string(), "config": settings});
    super::candidates::set("timeline.loop-broken", entry)
}

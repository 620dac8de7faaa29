//! A failure that outlives its trigger is sustained by something else (Bronson et al., HotOS 2021). Which loop it is
//! shows when one is broken after the trigger has gone: if the system then recovers, that was it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Amplified, Evidence, Saturated, change_at, onset};
use crate::explore::why::candidates::{place_of_edge, place_of_service};
use crate::explore::why::counterfactual::Replays;
use crate::explore::why::words::options;
use crate::kernel::time::Time;
use crate::run::{Detail, Outcome};
use crate::scenario::ScenarioError;
use crate::scenario::plan::{EdgePlan, Edit, Plan};

/// A failure that outlives its trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Metastable {
    /// When the trigger was gone.
    pub trigger_over_us: u64,
    /// How long the failure went on without it, to the end of the load.
    pub outlived_us: u64,
    /// What sustains it, if breaking that loop then ends it.
    pub sustained_by: Option<Loop>,
    /// Loops that were broken without effect.
    pub not_sustained_by: Vec<String>,
}

/// A loop that sustains a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loop {
    /// In words.
    pub name: String,
    /// The options that break it when the trigger is gone.
    pub options: Vec<String>,
}

/// What is known so far.
pub(super) struct Around<'a> {
    pub(super) evidence: &'a Evidence<'a>,
    /// The first interval after the load.
    pub(super) end: usize,
    pub(super) saturation: &'a [Saturated],
    pub(super) amplification: &'a [Amplified],
}

/// A failure that lasts this many intervals longer than its trigger outlives it.
const OUTLIVES: usize = 10;
/// The last intervals of the load tell whether it still fails.
const AT_END: usize = 5;

pub(super) fn metastable(
    replays: &mut Replays<'_>,
    around: &Around<'_>,
) -> Result<Option<Metastable>, ScenarioError> {
    let evidence = around.evidence;
    let Some(over) = evidence.over else { return Ok(None) };
    let run = &evidence.failed.plan.run;
    let over_index = (over.as_nanos() / run.grid.as_nanos().max(1)) as usize;
    let last = around.end.saturating_sub(AT_END);
    let still = |outcome: &Outcome| onset::ails_in(outcome, evidence.well, last, around.end);
    let lasts = over_index + OUTLIVES <= around.end && still(evidence.failed);
    if !lasts || drains(evidence.failed, over_index, around.end) {
        return Ok(None);
    }
    let mut found = Metastable {
        trigger_over_us: over.as_micros(),
        outlived_us: (Time::ZERO + run.duration).since(over).as_micros(),
        sustained_by: None,
        not_sustained_by: Vec::new(),
    };
    for (name, settings) in loops(&evidence.failed.plan, around) {
        let edits: Vec<Edit> = vec![change_at(over, settings)];
        // What cannot be set while the system runs is no loop that could be broken.
        let Ok(outcome) = replays.watch(&edits, evidence.seed, &Detail::default()) else { continue };
        if still(&outcome) {
            found.not_sustained_by.push(name);
        } else {
            found.sustained_by = Some(Loop { name, options: options(&edits) });
            break;
        }
    }
    Ok(Some(found))
}

/// Whether what waits is getting less from halfway between `over` and `end` on: then it recovers by itself and only
/// takes its time.
fn drains(failed: &Outcome, over: usize, end: usize) -> bool {
    let waiting = |index: usize| -> u64 {
        let services = failed.measured.services.iter();
        services.filter_map(|service| service.intervals.get(index)).map(|it| u64::from(it.queue)).sum()
    };
    let halfway = over + end.saturating_sub(over) / 2;
    waiting(end.saturating_sub(1)) * 4 < waiting(halfway) * 3
}

/// Loops that are known to sustain failures, as far as this run has their parts, each with what breaks it.
fn loops(plan: &Plan, around: &Around<'_>) -> Vec<(String, Map<String, Value>)> {
    let mut loops = Vec::new();
    let repeated: Vec<(&EdgePlan, String)> = around
        .amplification
        .iter()
        .filter_map(|call| plan.edges.get(call.edge.index()))
        .filter(|edge| edge.policy.retry.is_some())
        .filter_map(|edge| Some((edge, place_of_edge(plan, edge)?)))
        .collect();
    if !repeated.is_empty() {
        let names: Vec<String> = repeated.iter().map(|(edge, _)| format!("`{}`", edge.name)).collect();
        let settings = repeated.iter().map(|(_, place)| (format!("{place}.retry.max_attempts"), json!(1)));
        loops.push((format!("retries over {}", names.join(", ")), settings.collect()));
    }
    let Some(first) = around.saturation.first() else { return loops };
    let Some(service) = plan.services.iter().position(|service| service.name == first.service) else {
        return loops;
    };
    let place = place_of_service(plan, &first.service);
    let line = Map::from_iter([
        (format!("{place}.queue.discipline"), json!("lifo")),
        (format!("{place}.drop_expired"), json!(true)),
    ]);
    loops.push((format!("work at `{}` for callers that have left", first.service), line));
    let impatient =
        plan.edges.iter().filter(|edge| edge.callee.index() == service && edge.policy.timeout.is_some());
    let patient: Map<String, Value> = impatient
        .filter_map(|edge| Some((format!("{}.timeout", place_of_edge(plan, edge)?), json!("60s"))))
        .collect();
    if !patient.is_empty() {
        loops.push((format!("late answers of `{}` that are thrown away", first.service), patient));
    }
    loops
}

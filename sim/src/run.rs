//! `run`: the only door into the simulation, a pure function of plan, seed, edits and detail.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::judge::{self, Judgement};
use crate::kernel::draw::Seed;
use crate::kernel::fingerprint::Trail;
use crate::kernel::time::Time;
use crate::kernel::{AgendaTuning, Limits, Simulation, StopReason};
use crate::measure::{Measured, Trace, TraceRecorder};
use crate::nodes::Kinds;
use crate::scenario::plan::{Edit, Expectation, Plan};
use crate::scenario::{self, ScenarioError};

/// How closely a run is watched. Never changes what happens in it.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// How many requests of each load are traced hop by hop; 0 is off.
    pub traced_requests: u32,
    /// From which instants on so many are traced; empty: from the start.
    pub traced_from: Vec<Time>,
    /// Which agenda implementation is used.
    pub agenda: AgendaTuning,
    /// Describe the events with these numbers (first, last): for naming where two runs part.
    pub events: Option<(u64, u64)>,
}

/// What a run produced.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan that ran, edits included.
    pub plan: Plan,
    /// The seed it ran with.
    pub seed: Seed,
    /// Why it stopped.
    pub stop: StopReason,
    /// The instant it stopped.
    pub ended: Time,
    /// Events handled.
    pub events: u64,
    /// Rolling hash of every event.
    pub fingerprint: u64,
    /// The hash on the way.
    pub trail: Trail,
    /// The hash of each node's events, with the node's name.
    pub node_fingerprints: Vec<(String, u64)>,
    /// What was measured.
    pub measured: Measured,
    /// What to think of it.
    pub judgement: Judgement,
    /// Requests hop by hop, if asked for.
    pub trace: Trace,
    /// Descriptions of the events asked for.
    pub described_events: Vec<(u64, Time, String)>,
}

/// Runs a scenario. The same plan, seed and edits give the same outcome on every machine; `detail` never changes it.
///
/// # Errors
/// When an edit names nothing, or makes the scenario invalid.
pub fn run(
    plan: &Plan,
    seed: Seed,
    edits: &[Edit],
    kinds: &Kinds,
    detail: &Detail,
) -> Result<Outcome, ScenarioError> {
    let plan = if edits.is_empty() { plan.clone() } else { edited(plan, edits, kinds)? };
    let shared = Arc::new(plan.clone());
    let trace = TraceRecorder::new(detail.traced_requests, detail.traced_from.clone());
    let cluster = Cluster::new(shared, seed, kinds.clone(), trace);
    let limits = Limits {
        max_events: plan.run.max_events,
        until: plan.run.end(),
        max_memory_bytes: plan.run.max_memory_bytes,
    };
    let mut simulation = Simulation::new(cluster, detail.agenda, limits);
    let (cluster, agenda) = simulation.parts_mut();
    cluster.start(agenda);
    let mut described_events = Vec::new();
    let stop = match detail.events {
        None => simulation.run(),
        Some((first, last)) => observe(&mut simulation, first, last, &mut described_events),
    };
    let (events, fingerprint) = (simulation.events_handled(), simulation.fingerprint().run());
    let trail = simulation.trail();
    let ended = simulation.now();
    let names = simulation.world().node_names();
    let node_fingerprints = names.into_iter().zip(simulation.fingerprint().nodes().iter().copied()).collect();
    let (measured, trace) = simulation.into_world().finish(ended);
    let judgement = judge::judge(&plan, &measured, ended, stop);
    Ok(Outcome {
        plan,
        seed,
        stop,
        ended,
        events,
        fingerprint,
        trail,
        node_fingerprints,
        measured,
        judgement,
        trace,
        described_events,
    })
}

/// The plan with the edits made. What its author expected holds for the scenario as written, not for this one.
fn edited(plan: &Plan, edits: &[Edit], kinds: &Kinds) -> Result<Plan, ScenarioError> {
    let mut plan = scenario::edited(plan, edits, kinds)?;
    plan.expect = Expectation::default();
    Ok(plan)
}

/// Runs to the end and describes the events from `first` to `last`.
fn observe(
    simulation: &mut Simulation<Cluster>,
    first: u64,
    last: u64,
    described: &mut Vec<(u64, Time, String)>,
) -> StopReason {
    if let Some(stop) = simulation.run_to_event(first.saturating_sub(1)) {
        return stop;
    }
    let seen = simulation.run_to_event_observed(last, &mut |number, at, event, cluster, _| {
        described.push((number, at, cluster.describe(*event)));
    });
    seen.unwrap_or_else(|| simulation.run())
}

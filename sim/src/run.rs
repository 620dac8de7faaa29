//! `run`: the only door into the simulation, a pure function of plan, seed, edits and detail.

mod look;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use look::{Look, Seen};
pub use verdict::{Decided, Doubt, Enough, decide, offered};

use crate::cluster::Cluster;
use crate::judge::{self, Judgement};
use crate::kernel::draw::{Key, Seed};
use crate::kernel::fingerprint::Trail;
use crate::kernel::time::Time;
use crate::kernel::{AgendaTuning, Limits, Simulation, StopReason};
use crate::measure::{Measured, Trace};
use crate::nodes::Kinds;
use crate::scenario::plan::{Edit, Expectation, Plan, Redraw};
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
    /// Keep no books on jobs and on money, so that their invariants are not watched and what the books alone know is
    /// not measured: for finding out what watching costs.
    pub without_books: bool,
    /// Look closely at the event with this number: what caused it, what every node was like, and which events each
    /// node saw in all.
    pub look_at: Option<u64>,
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
    /// The close look asked for; `None` as well if the run ended before that event.
    pub look: Option<Look>,
    /// With a close look: the hash of what happened at each node, by names and times alone.
    pub histories: Option<BTreeMap<String, u64>>,
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
    let plan = ready(plan, seed, edits, kinds)?;
    let mut begun = begin(&plan, seed, kinds, detail);
    let mut described_events = Vec::new();
    let stop = to_the_end(&mut begun, plan.run.redraw, detail.events, &mut described_events);
    let mut outcome = outcome(plan, seed, begun, stop);
    outcome.described_events = described_events;
    // The heap numbers its entries.
    let counted = Detail { agenda: AgendaTuning::Heap, ..Detail::default() };
    let again = || begin(&outcome.plan, seed, kinds, &counted);
    let look = detail.look_at.and_then(|number| look::look(again, number));
    let histories = detail.look_at.map(|_| look::histories(again));
    Ok(Outcome { look, histories, ..outcome })
}

/// What a simulation that has stopped produced.
fn outcome(plan: Plan, seed: Seed, begun: Begun, stop: StopReason) -> Outcome {
    let simulation = begun.simulation;
    let (events, fingerprint) = (simulation.events_handled(), simulation.fingerprint().run());
    let trail = simulation.trail();
    let ended = simulation.now();
    let names = simulation.world().node_names();
    let node_fingerprints = names.into_iter().zip(simulation.fingerprint().nodes().iter().copied()).collect();
    let (measured, trace) = simulation.into_world().finish(ended);
    let judgement = judge::judge(&plan, &measured, ended, stop);
    Outcome {
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
        described_events: Vec::new(),
        look: None,
        histories: None,
    }
}

/// The plan with the edits made and what the seed draws. What its author expected holds for the scenario as
/// written, not for an edited one.
fn ready(plan: &Plan, seed: Seed, edits: &[Edit], kinds: &Kinds) -> Result<Plan, ScenarioError> {
    let mut ready = match edits.is_empty() {
        true => scenario::materialized(plan.clone(), seed, kinds)?,
        false => scenario::materialized(scenario::edited(plan, edits, kinds)?, seed, kinds)?,
    };
    if !edits.is_empty() {
        ready.expect = Expectation::default();
    }
    ready.run.redraw = plan.run.redraw;
    Ok(ready)
}

/// A simulation that has started and handled nothing.
struct Begun {
    simulation: Simulation<Cluster>,
    /// Entries that were scheduled before the first event, if the agenda counts them.
    scheduled_at_start: u64,
    redraw: Option<Redraw>,
}

fn begin(plan: &Plan, seed: Seed, kinds: &Kinds, detail: &Detail) -> Begun {
    let cluster = Cluster::new(Arc::new(plan.clone()), seed, kinds.clone(), detail);
    let limits = Limits {
        max_events: plan.run.max_events,
        until: plan.run.end(),
        max_memory_bytes: plan.run.max_memory_bytes,
    };
    let mut begun = Begun {
        simulation: Simulation::new(cluster, detail.agenda, limits),
        scheduled_at_start: 0,
        redraw: plan.run.redraw,
    };
    if begun.redraw.is_some_and(|redraw| redraw.from == Time::ZERO) {
        redraw(&mut begun);
    }
    let (cluster, agenda) = begun.simulation.parts_mut();
    cluster.start(agenda);
    begun.scheduled_at_start =
        begun.simulation.agenda().sequences().map_or(0, |sequences| sequences.scheduled);
    begun
}

/// Draws anew from here on.
fn redraw(begun: &mut Begun) {
    if let Some(redraw) = begun.redraw.take() {
        let salt = Key::derive(Seed(redraw.variant), "run", "redraw").draw(redraw.variant);
        begun.simulation.parts_mut().0.redraw(salt.max(1));
    }
}

/// Draws anew if the next event is the first one that shall see it.
fn switch_chance(begun: &mut Begun) {
    let from = begun.redraw.map(|redraw| redraw.from);
    if from.is_some_and(|from| begun.simulation.agenda().peek_time().is_some_and(|next| next >= from)) {
        redraw(begun);
    }
}

/// Runs to the end and describes the events of a window, if there is one.
fn to_the_end(
    begun: &mut Begun,
    redrawn: Option<Redraw>,
    window: Option<(u64, u64)>,
    described: &mut Vec<(u64, Time, String)>,
) -> StopReason {
    // Whatever happens before the instant from which chance is another one happens before the switch.
    let last_before = redrawn.and_then(|redraw| redraw.from.as_nanos().checked_sub(1)).map(Time::from_nanos);
    if let Some(bound) = last_before {
        if let Some(stop) = stretch(&mut begun.simulation, bound, window, described) {
            return stop;
        }
        redraw(begun);
    }
    let stopped = stretch(&mut begun.simulation, Time::MAX, window, described);
    stopped.unwrap_or_else(|| begun.simulation.run())
}

/// Runs up to an instant and describes what of a window lies there.
fn stretch(
    simulation: &mut Simulation<Cluster>,
    bound: Time,
    window: Option<(u64, u64)>,
    described: &mut Vec<(u64, Time, String)>,
) -> Option<StopReason> {
    let Some((first, last)) = window else { return simulation.run_until(bound) };
    let mut describe = |number, at, event: &_, cluster: &Cluster, _| {
        described.push((number, at, cluster.describe(*event)));
    };
    let before = simulation.run_within(bound, first.saturating_sub(1));
    let inside = before.or_else(|| simulation.run_within_observed(bound, last, &mut describe));
    inside.or_else(|| simulation.run_until(bound))
}

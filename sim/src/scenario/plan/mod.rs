//! The resolved scenario: names are ids, quantities are integers, defaults are filled in, every reference holds.
//! Built only by `check`; the simulation reads it and never changes it.

mod call;
mod configs;
mod edit;
mod flags;
mod ids;
mod jobs;
mod kind;
mod limits;
mod load;
mod mark;
mod network;
mod service;
mod slo;
mod swarm;
mod telemetry;
mod timeline;

pub use call::*;
pub use configs::*;
pub use edit::*;
pub use flags::*;
pub use ids::*;
pub use jobs::*;
pub use kind::*;
pub use limits::*;
pub use load::*;
pub use mark::*;
pub use network::*;
pub use service::*;
pub use slo::*;
pub use swarm::*;
pub use telemetry::*;
pub use timeline::*;

use std::sync::Arc;

use serde_json::Value;

use crate::kernel::draw::Seed;
use crate::kernel::time::{Span, Time};

/// Everything one run needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// What the scenario shows, for people.
    pub about: String,
    /// The seed used when none is given.
    pub seed: Seed,
    /// Lengths and bounds of the run.
    pub run: RunPlan,
    /// Operation names; index 0 is `default`, used where no mix is given.
    pub operations: Vec<String>,
    /// Hosts whose cores several replicas share.
    pub hosts: Vec<HostPlan>,
    /// Services, inserted hops included, in file order.
    pub services: Vec<ServicePlan>,
    /// Load generators.
    pub loads: Vec<LoadPlan>,
    /// All call entries of all callers.
    pub edges: Vec<EdgePlan>,
    /// All directed links that some edge or hop uses, both directions of each.
    pub links: Vec<LinkPlan>,
    /// Faults and changes, in file order.
    pub timeline: Vec<EntryPlan>,
    /// Service level objectives.
    pub slos: Vec<SloPlan>,
    /// What a sweep has to see at least once.
    pub marks: Vec<MarkPlan>,
    /// Of the timeline, the entries that each seed draws; empty for a plan that can be run as it is.
    pub swarm: Vec<SwarmPlan>,
    /// How fast every load has to be well again after the last fault ended.
    pub liveness: Option<LivenessPlan>,
    /// What the author expects of this scenario.
    pub expect: Expectation,
    /// The document this plan was made from, with anchors resolved: what `--set` and config changes edit.
    pub document: Arc<Value>,
    /// Hash of everything that influences the run (not of prose, expectations or the seed).
    pub digest: u128,
}

impl Plan {
    /// Everything that is measured with a bound: the objectives, then the marks about a metric.
    pub fn watched(&self) -> impl Iterator<Item = &SloPlan> {
        let of_marks = self.marks.iter().filter_map(|mark| match &mark.condition {
            MarkCondition::Metric(slo) => Some(slo),
            MarkCondition::Call(..) | MarkCondition::Service(..) => None,
        });
        self.slos.iter().chain(of_marks)
    }
}

/// Lengths and bounds of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// How long load is generated.
    pub duration: Span,
    /// Requests that start before this are simulated but not measured.
    pub warmup: Span,
    /// How long requests in flight at the end may still finish.
    pub drain: Span,
    /// Length of one interval of the fixed measuring grid.
    pub grid: Span,
    /// Most events handled before the run stops by name.
    pub max_events: u64,
    /// Most bytes of simulation state before the run stops by name.
    pub max_memory_bytes: u64,
    /// From when on chance is drawn anew. No scenario says this; searches over virtual time do.
    pub redraw: Option<Redraw>,
}

/// Chance drawn anew from an instant on: what happened before is the same, what happens then is another of the things
/// that could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redraw {
    /// The first instant whose draws differ.
    pub from: Time,
    /// Which of the things that could happen; each number is another one.
    pub variant: u64,
}

impl RunPlan {
    /// The instant the run ends at the latest.
    pub fn end(&self) -> Time {
        Time::ZERO + self.duration + self.drain
    }

    /// Number of grid intervals up to the end of the drain.
    pub fn intervals(&self) -> usize {
        let grid_ns = self.grid.as_nanos().max(1);
        self.end().as_nanos().div_ceil(grid_ns) as usize
    }
}

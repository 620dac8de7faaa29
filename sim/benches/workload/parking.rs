//! A stay's whole way: a claim and a ticket at a gate over the network, the barrier, a stay, what it costs, payment and
//! departure, and the ticket forgotten; all of it kept in a log that is synced in each commit, with the lot's books looked
//! at after every step, as in every run.

use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Source, compile};

use super::request::NoFiles;

/// A plan in which about so many cars come.
pub fn plan(stays: u64) -> Plan {
    let text = format!(
        "
version: 1
name: parking
run: {{duration: {}ms, drain: 2m, max_events: 1_000_000_000}}
services:
  lot:
    kind: parking-lot
    workers: 64
    spots: {{compact: 1_500, large: 500}}
    levels: 5
    unit: 1s
    unit_minor: 5
    keep_closed: 5s
  north: {{kind: parking-gate, workers: 64, stay: 8s, calls: [{{to: lot, timeout: 1s}}]}}
  south: {{kind: parking-gate, workers: 64, stay: 8s, calls: [{{to: lot, timeout: 1s}}]}}
network:
  default: {{latency: {{constant: 300us}}}}
load:
  - {{name: from-north, to: north, rate: 500/s, timeout: 10s}}
  - {{name: from-south, to: south, rate: 500/s, timeout: 10s}}
",
        stays,
    );
    let source = Source { name: "parking.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).expect("the benchmark's scenario is valid").plan
}

/// Runs the plan.
pub fn simulate(plan: &Plan) -> Outcome {
    let outcome = run(plan, Seed(1), &[], &Kinds::default(), &Detail::default()).expect("there are no edits");
    let lot = &outcome.measured.systems["lot"];
    assert!(outcome.judgement.invariants.iter().all(|invariant| invariant.held), "the books agree");
    assert!(lot["left"] > 0 && lot["left"] == lot["admitted"], "whoever came in has left: {lot:?}");
    outcome
}

//! A ride's whole way: somebody comes to a floor, a bank of eight lifts takes the call, picks them up and brings them where
//! they wanted to be, with the bank's books looked at after every step, as in every run.

use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Source, compile};

use super::request::NoFiles;

/// A plan in which about so many people ride.
pub fn plan(rides: u64) -> Plan {
    let text = format!(
        "
version: 1
name: lifts
run: {{duration: {}s, drain: 2h, max_events: 1_000_000_000}}
services:
  lifts:
    kind: elevator-bank
    workers: 64
    floors: 21
    cars: 8
    persons: 13
    traffic: lunch
    strategy: estimated_arrival
load:
  - {{name: people, to: lifts, rate: 0.4/s, timeout: 2h}}
",
        rides * 10 / 4,
    );
    let source = Source { name: "lifts.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).expect("the benchmark's scenario is valid").plan
}

/// Runs the plan.
pub fn simulate(plan: &Plan) -> Outcome {
    let outcome = run(plan, Seed(1), &[], &Kinds::default(), &Detail::default()).expect("there are no edits");
    let lifts = &outcome.measured.systems["lifts"];
    assert!(outcome.judgement.invariants.iter().all(|invariant| invariant.held), "the books agree");
    assert!(lifts["arrived"] > 0 && lifts["delivered"] == lifts["arrived"], "everybody is there: {lifts:?}");
    outcome
}

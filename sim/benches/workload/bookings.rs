//! A booking's whole way: a guest looks for nights in a house, or somebody for seats of a show, holds them, pays at an
//! acquirer over the network, and is told by its webhook; or confirms them and pays at the counter. All of it is kept in a
//! log that is synced in each commit. With the
//! books that watch the invariants on bookings and money, as in every run, and without them, to see what watching costs.

use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Source, compile};

use super::request::NoFiles;

/// A plan in which about so many guests book nights.
pub fn nights(bookings: u64) -> Plan {
    paid_before(bookings, "kind: hotel, rooms: 20_000, nights: {min: 1, max: 3}, horizon: 365")
}

/// The same of guests who pay when they leave: no acquirer has a part in it.
pub fn nights_at_the_counter(bookings: u64) -> Plan {
    let desk = "{kind: hotel, rooms: 20_000, nights: {min: 1, max: 3}, horizon: 365, guarantee: none, workers: 2_000, hold: 30s, checkout: 100ms, checkout_jitter: 200ms}";
    compiled(bookings, desk, "")
}

/// A plan in which about so many people book a seat each, of half as many again.
pub fn seats(bookings: u64) -> Plan {
    paid_before(
        bookings,
        &format!("kind: box-office, rows: {}, seats: 1_000", bookings.div_ceil(1_000) * 3 / 2),
    )
}

fn paid_before(bookings: u64, sells: &str) -> Plan {
    let desk = format!(
        "{{{sells}, workers: 2_000, hold: 30s, checkout: 100ms, checkout_jitter: 200ms, calls: [{{to: acquirer, timeout: 3s}}]}}"
    );
    let acquirer = "
  acquirer:
    kind: payment-provider
    workers: 2_000
    service_time: {exponential: {mean: 50ms}}
    calls: [{to: desk, timeout: 2s}]";
    compiled(bookings, &desk, acquirer)
}

fn compiled(bookings: u64, desk: &str, acquirer: &str) -> Plan {
    let text = format!(
        "
version: 1
name: bookings
run: {{duration: {}ms, drain: 30s, max_events: 1_000_000_000}}
services:
  desk: {desk}{acquirer}
network:
  default: {{latency: {{constant: 300us}}}}
load:
  - {{name: guests, to: desk, rate: 2_000/s, timeout: 30s, keys: {{uniform: {{items: 10_000_000}}}}}}
",
        bookings.div_ceil(2),
    );
    let source = Source { name: "bookings.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).expect("the benchmark's scenario is valid").plan
}

/// Runs the plan, watched or not.
pub fn simulate(plan: &Plan, is_watched: bool) -> Outcome {
    let detail = Detail { without_books: !is_watched, ..Detail::default() };
    let outcome = run(plan, Seed(1), &[], &Kinds::default(), &detail).expect("there are no edits");
    let desk = &outcome.measured.systems["desk"];
    assert!(outcome.judgement.invariants.iter().all(|invariant| invariant.held), "the books agree");
    assert!(desk["bookings_confirmed"] > desk["customers"] / 2, "most have what they want: {desk:?}");
    outcome
}

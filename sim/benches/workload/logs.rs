//! A log line's whole way: said by a request, buffered, written to a journal that is synced every 200 ms, read from its
//! files by a shipper, sent over the network, taken once by a store whose disk syncs every batch, indexed, forgotten. All
//! books are held against each other at every step, as in every run.

use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Source, compile};

use super::request::NoFiles;

/// Lines that a request says.
const LINES: u64 = 10;

/// A plan that writes about `lines` lines.
pub fn plan(lines: u64) -> Plan {
    let text = format!(
        "
version: 1
name: logs
run: {{duration: {}ms, drain: 5s, max_events: 1_000_000_000}}
services:
  shop:
    kind: logging-service
    workers: 1_000
    service_time: {{exponential: {{mean: 5ms}}}}
    lines: {LINES}
    buffer: 10_000
    line_time: 2us
    fsync: 200ms
  shipper: {{kind: log-shipper, reads: shop, batch: 1_000, calls: [{{to: archive, timeout: 1s}}]}}
  archive: {{kind: log-store, workers: 8, service_time: {{constant: 500us}}, keep: 100_000}}
network:
  default: {{latency: {{constant: 300us}}}}
load:
  - {{name: buyers, to: shop, rate: 2_000/s, timeout: 1s}}
",
        lines.div_ceil(2 * LINES),
    );
    let source = Source { name: "logs.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).expect("the benchmark's scenario is valid").plan
}

/// Runs the plan; every line that was said is in the store.
pub fn simulate(plan: &Plan) -> Outcome {
    let outcome = run(plan, Seed(1), &[], &Kinds::default(), &Detail::default()).expect("there are no edits");
    let (shop, archive) = (&outcome.measured.systems["shop"], &outcome.measured.systems["archive"]);
    let (said, stored) = (shop["lines_emitted"], archive["lines_stored"]);
    assert!(said > 0 && said == stored, "{said} lines were said, {stored} are stored");
    assert!(outcome.judgement.invariants.iter().all(|invariant| invariant.held), "the books balance");
    outcome
}

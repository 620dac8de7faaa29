//! A payment's whole way: an order, a payment made and confirmed under its keys, a sale at an acquirer over the network,
//! its signed webhook, a fee, and of every tenth the money given back; all of it kept in a log that is synced in each
//! commit. With the books that watch the invariants on money, as in every run, and without them, to see what watching
//! costs.

use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Source, compile};

use super::request::NoFiles;

/// A plan that makes about `payments` payments.
pub fn plan(payments: u64) -> Plan {
    let text = format!(
        "
version: 1
name: payments
run: {{duration: {}ms, drain: 30s, max_events: 1_000_000_000}}
services:
  shop:
    kind: payment-client
    workers: 2_000
    refund: 10%
    amount: {{min: 10_000, max: 50_000}}
    merchants: 16
    calls: [{{to: payments, timeout: 5s}}]
  payments:
    kind: payments
    workers: 2_000
    fee: 2%
    calls: [{{to: acquirer, timeout: 3s}}]
  acquirer:
    kind: payment-provider
    workers: 2_000
    service_time: {{exponential: {{mean: 50ms}}}}
    calls: [{{to: payments, timeout: 2s}}]
network:
  default: {{latency: {{constant: 300us}}}}
load:
  - {{name: buyers, to: shop, rate: 2_000/s, timeout: 10s}}
",
        payments.div_ceil(2),
    );
    let source = Source { name: "payments.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).expect("the benchmark's scenario is valid").plan
}

/// Runs the plan, watched or not.
pub fn simulate(plan: &Plan, is_watched: bool) -> Outcome {
    let detail = Detail { without_books: !is_watched, ..Detail::default() };
    let outcome = run(plan, Seed(1), &[], &Kinds::default(), &detail).expect("there are no edits");
    let (shop, acquirer) = (&outcome.measured.systems["shop"], &outcome.measured.systems["acquirer"]);
    assert!(shop["paid"] > 0 && shop["given_up"] == 0, "every order is paid: {shop:?}");
    assert!(acquirer["executed"] == shop["paid"] + shop["refunded"], "once each: {acquirer:?}");
    outcome
}

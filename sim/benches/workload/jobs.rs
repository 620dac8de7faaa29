//! A job's whole way: enqueued by a request, kept in a log that is synced in each commit, fetched by one of a thousand
//! workers over the network, worked on, completed under its token, forgotten. With the books that watch the invariants
//! on jobs, as in every run, and without them, to see what watching costs.

use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Source, compile};

use super::request::NoFiles;

/// A plan that runs about `jobs` jobs.
pub fn plan(jobs: u64) -> Plan {
    let text = format!(
        "
version: 1
name: jobs
run: {{duration: {}ms, drain: 5s, max_events: 1_000_000_000}}
services:
  jobs:
    kind: job-scheduler
    workers: 64
    queues: {{default: {{max_running: 2_000}}}}
    keep: 1s
  workers:
    kind: job-worker
    replicas: 20
    workers: 50
    service_time: {{exponential: {{mean: 50ms}}}}
    calls: [{{to: jobs, timeout: 1s}}]
network:
  default: {{latency: {{constant: 300us}}}}
load:
  - {{name: shop, to: jobs, rate: 10_000/s, timeout: 1s}}
",
        jobs.div_ceil(10),
    );
    let source = Source { name: "jobs.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).expect("the benchmark's scenario is valid").plan
}

/// Runs the plan, watched or not.
pub fn simulate(plan: &Plan, is_watched: bool) -> Outcome {
    let detail = Detail { without_books: !is_watched, ..Detail::default() };
    let outcome = run(plan, Seed(1), &[], &Kinds::default(), &detail).expect("there are no edits");
    let jobs = &outcome.measured.systems["jobs"];
    assert!(jobs["completed"] > 0 && jobs["completed"] == jobs["enqueued"], "every job is done: {jobs:?}");
    outcome
}

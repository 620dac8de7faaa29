//! One full simulated request: client, balancer over three replicas, link, waiting line, worker, answer, with the
//! timeout armed and disarmed and every histogram on. The scenario a user would write, through the public door.
//! *Drawn*: random arrivals, service times and replicas. *Steady*: even ones, which leaves the path of a request
//! itself, without what it costs to draw for it and to guess wrong what comes next.

use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Files, Source, compile};

/// There are none.
#[derive(Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<String, String> {
        Err(format!("`{relative}`: benchmarks read no files"))
    }
}

/// What is left to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chance {
    /// Arrivals, service times and the choice of a replica.
    Drawn,
    /// Nothing.
    Steady,
}

/// A plan that makes about `requests` requests.
pub fn plan(requests: u64, chance: Chance) -> Plan {
    let (arrivals, service_time, balance) = match chance {
        Chance::Drawn => ("poisson", "{exponential: {mean: 2ms}}", "power_of_two"),
        Chance::Steady => ("constant", "2ms", "round_robin"),
    };
    let text = format!(
        "
version: 1
name: one-request
run: {{duration: {}ms, drain: 1s}}
services:
  backend:
    replicas: 3
    workers: 8
    balance: {balance}
    service_time: {service_time}
network:
  default: {{latency: {{constant: 300us}}}}
load:
  - {{name: clients, to: backend, arrivals: {arrivals}, rate: 10_000/s, timeout: 1s}}
",
        requests.div_ceil(10),
    );
    let source = Source { name: "one-request.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).expect("the benchmark's scenario is valid").plan
}

/// Runs the plan.
pub fn simulate(plan: &Plan) -> Outcome {
    run(plan, Seed(1), &[], &Kinds::default(), &Detail::default()).expect("there are no edits")
}

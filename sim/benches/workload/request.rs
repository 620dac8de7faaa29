//! One full simulated request: client, balancer over three replicas, link, waiting line, worker, answer, with the
//! timeout armed and disarmed and every histogram on. The scenario a user would write, through the public door.

use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Files, Source, compile};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<String, String> {
        Err(format!("`{relative}`: benchmarks read no files"))
    }
}

/// A plan that makes about `requests` requests.
pub fn plan(requests: u64) -> Plan {
    let text = format!(
        "
version: 1
name: one-request
run: {{duration: {}ms, drain: 1s}}
services:
  backend:
    replicas: 3
    workers: 8
    balance: power_of_two
    service_time: {{exponential: {{mean: 2ms}}}}
network:
  default: {{latency: {{constant: 300us}}}}
load:
  - {{name: clients, to: backend, arrivals: poisson, rate: 10_000/s, timeout: 1s}}
",
        requests.div_ceil(10)
    );
    let source = Source { name: "one-request.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).expect("the benchmark's scenario is valid").plan
}

/// Runs the plan.
pub fn simulate(plan: &Plan) -> Outcome {
    run(plan, Seed(1), &[], &Kinds::default(), &Detail::default()).expect("there are no edits")
}

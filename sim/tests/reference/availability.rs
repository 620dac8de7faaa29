//! Availability: an answer that needs some of several replicas.

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};
use super::stations::{SEEDS, scenario};

pub(crate) fn quorum_runs(case: &Case) -> Vec<Run> {
    let body = format!(
        "services:\n  reader: {{workers: unlimited, calls: [{{to: node, fan_out: {}, join: {}}}]}}\n  \
         node: {{workers: unlimited, service_time: 1ms, error_rate: {:.6}%}}\n\
         load:\n  - {{name: users, to: reader, rate: 1000/s}}\n",
        case.config("replicas"),
        case.config("needed"),
        (1.0 - case.config("node_up")) * 100.0
    );
    Run::seeds("quorum", SEEDS, &scenario(20.0, 0.0, &body))
}

pub(crate) fn quorum(case: &Case, runs: &Runs, checks: &mut Checks) {
    let good =
        runs.mean("quorum", |measured| measured.loads[0].good as f64 / measured.loads[0].offered as f64);
    checks.absolute("availability", good, case.expected("availability"), case.stated("abs "));
}

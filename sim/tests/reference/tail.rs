//! The tail at scale: what many parallel calls make of a rare slow one, and what hedging makes of that.

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};
use super::stations::{SEEDS, scenario};

const FAN_OUT_REQUESTS: f64 = 100_000.0;

/// Slow is later than the patience; a hundred requests a second that each call all leaves.
pub(crate) fn fan_out_runs(case: &Case) -> Vec<Run> {
    assert_eq!(case.setting("wait").as_str(), Some("all"));
    let body = format!(
        "services:\n  root: {{workers: unlimited, calls: [{{to: leaf, fan_out: {}}}]}}\n  \
         leaf: {{workers: unlimited, service_time: {{bimodal: {{fast: 10ms, slow: 1s, slow_share: {}%}}}}}}\n\
         load:\n  - {{name: users, to: root, rate: 100/s, patience: 500ms}}\n",
        case.config("fan_out"),
        case.config("leaf_slow_prob") * 100.0
    );
    Run::seeds("all", SEEDS, &scenario(FAN_OUT_REQUESTS * 1.01 / SEEDS as f64 / 100.0, 0.0, &body))
}

pub(crate) fn fan_out(case: &Case, runs: &Runs, checks: &mut Checks) {
    checks.at_least(runs.sum("all", |measured| measured.loads[0].offered), case.stated("with "));
    let slow = runs
        .mean("all", |measured| measured.loads[0].failed_total() as f64 / measured.loads[0].offered as f64);
    checks.absolute("P_slow", slow, case.expected("P_slow"), case.stated("abs "));
}

const PLAIN: &str = "plain";
const HEDGED: &str = "hedged";

/// A read of many keys on many servers, of which few answer late and for long: one in five thousand, up to 2 s.
/// The distribution is ours, the publication has none; so only the shape is compared.
pub(crate) fn hedge_runs(case: &Case) -> Vec<Run> {
    let body = |hedge: &str| {
        format!(
            "services:\n  reader: {{workers: unlimited, calls: [{{to: tablets, fan_out: {}{hedge}}}]}}\n  \
             tablets:\n    replicas: {}\n    workers: unlimited\n    balance: random\n    service_time:\n      \
             bimodal:\n        fast: {{lognormal: {{median: 4ms, p99: 9ms}}}}\n        slow: {{uniform: {{min: 50ms, max: 2s}}}}\n        \
             slow_share: 0.02%\n\
             load:\n  - {{name: readers, to: reader, rate: 2/s}}\n",
            case.config("keys"),
            case.config("servers")
        )
    };
    let hedge = format!(", hedge: {{after: {}ms}}", case.config("hedge_after_ms"));
    // A thousand reads each, so that one of them lies beyond the 99.9th percentile: enough for a shape.
    let mut runs = Run::seeds(PLAIN, 1, &scenario(500.0, 0.0, &body("")));
    runs.extend(Run::seeds(HEDGED, 1, &scenario(500.0, 0.0, &body(&hedge))));
    runs
}

pub(crate) fn hedge(case: &Case, runs: &Runs, checks: &mut Checks) {
    let (factor, most_extra) = (case.stated("factor >="), case.stated("at <="));
    let p999_ms = |group| runs.mean(group, |measured| measured.loads[0].latency.p999_ns as f64 * 1e-6);
    let (before, after) = (p999_ms(PLAIN), p999_ms(HEDGED));
    let seen =
        format!("{before:.0} ms -> {after:.0} ms, a factor of {:.1}, at least {factor}", before / after);
    checks.claim("p999_ms_before", before >= factor * after, seen.clone());
    checks.claim("p999_ms_after", before >= factor * after, seen);
    let edge = |measured: &foreshock::measure::Measured| {
        let edge = measured.edges.iter().find(|edge| edge.name == "reader -> tablets");
        edge.map(|edge| (edge.hedges, edge.requests)).expect("the reader calls the tablets")
    };
    let (extra, reads) =
        runs.of(HEDGED).iter().map(edge).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let share = extra as f64 / reads as f64;
    let text = format!("{:.2} % more requests, at most {} %", share * 100.0, most_extra * 100.0);
    checks.claim("extra_requests", extra > 0 && share <= most_extra, text);
}

//! Optimistic concurrency under contention: how long clients take, and how many writes, until each of them has changed
//! the same record once; by the way they back off after a conflict.

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};

/// The algorithms by the names of the study, in the order of the file. It first waits for twice its base, so that its 5 ms
/// are 10 ms here; what is decorrelated starts from the base.
const ALGORITHMS: [(&str, &str); 5] = [
    ("Exponential", "{kind: exponential, base: 10ms, cap: 2s, jitter: none}"),
    ("Decorr", "{kind: decorrelated, base: 5ms, cap: 2s}"),
    ("EqualJitter", "{kind: exponential, base: 10ms, cap: 2s, jitter: equal}"),
    ("FullJitter", "{kind: exponential, base: 10ms, cap: 2s, jitter: full}"),
    ("None", "{kind: constant, base: 0s, jitter: none}"),
];

/// Runs for the orders of the claim, whose differences are many standard errors wide.
const CLAIM_SEEDS: u64 = 20;

/// Each client sends its one request after a second and, once it is answered, would think beyond the end of the load.
fn contention(clients: f64, backoff: &str) -> String {
    format!(
        "version: 1\nname: reference\nabout: a case of the reference file\n\
         run: {{duration: 1500ms, warmup: 0s, drain: 300s}}\n\
         services:\n  \
         writers: {{kind: optimistic-writer, workers: unlimited, calls: [{{to: store, retry: {{max_attempts: 10000, \
         backoff: {backoff}}}}}]}}\n  \
         store: {{kind: versioned-store, workers: unlimited}}\n\
         network: {{links: [{{link: writers <-> store, latency: {{normal: {{mean: 10ms, sd: 2ms}}}}}}]}}\n\
         load:\n  - {{name: clients, to: writers, closed: {{clients: {clients}, think: 1s}}}}\n"
    )
}

fn backoff_of(case: &Case) -> &'static str {
    for (key, stated) in [("base_ms", 5.0), ("cap_ms", 2_000.0)] {
        assert!((case.config(key) - stated).abs() < 1e-9, "{} has another `{key}`", case.id);
    }
    let algorithm = case.setting("algorithm").as_str().expect("an algorithm has a name");
    let found = ALGORITHMS.iter().find(|(name, _)| *name == algorithm);
    found.unwrap_or_else(|| panic!("`{algorithm}` is not among the algorithms")).1
}

const ALL: &str = "all";

pub(crate) fn runs(case: &Case) -> Vec<Run> {
    let seeds = case.stated("with ") as u64;
    Run::seeds(ALL, seeds, &contention(case.config("clients"), backoff_of(case)))
}

/// When the last client is done, in ms, and all writes: by run.
fn results(runs: &Runs, group: &str, clients: f64) -> (Vec<f64>, Vec<f64>) {
    let one = |measured: &foreshock::measure::Measured| {
        let load = &measured.loads[0];
        assert_eq!((load.offered as f64, load.good), (clients, load.offered), "each client succeeds once");
        let store = &measured.systems["store"];
        assert_eq!(store["writes"] - store["conflicts"], load.good, "one accepted write for each");
        (load.latency.max_ns as f64 / 1e6, store["writes"] as f64)
    };
    runs.of(group).iter().map(one).unzip()
}

fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0);
    (mean, variance.sqrt())
}

pub(crate) fn compare(case: &Case, runs: &Runs, checks: &mut Checks) {
    let (completion_ms, writes) = results(runs, ALL, case.config("clients"));
    let parts = [
        (completion_ms, "mean_completion_ms", "sd_completion", "(time: "),
        (writes, "mean_writes", "sd_writes", "writes: "),
    ];
    for (values, mean_key, sd_key, tolerance) in parts {
        let (mean, sd) = mean_and_sd(&values);
        checks.absolute(mean_key, mean, case.expected(mean_key), case.stated(tolerance));
        // The file states no tolerance for it, and the last of many clients is a skewed matter; so only roughly.
        checks.relative(sd_key, sd, case.expected(sd_key), 0.5);
    }
}

pub(crate) fn claim_runs(case: &Case) -> Vec<Run> {
    let run = |(name, backoff): &(&str, &str)| {
        Run::seeds(name, CLAIM_SEEDS, &contention(case.config("clients"), backoff))
    };
    ALGORITHMS.iter().flat_map(run).collect()
}

pub(crate) fn claim(case: &Case, runs: &Runs, checks: &mut Checks) {
    case.says("order exact");
    let of = |name: &str| {
        let (completion_ms, writes) = results(runs, name, case.config("clients"));
        (mean_and_sd(&completion_ms).0, mean_and_sd(&writes).0)
    };
    let (none, full, equal) = (of("None"), of("FullJitter"), of("EqualJitter"));
    let (decorrelated, plain) = (of("Decorr"), of("Exponential"));

    let seen = format!(
        "completion in ms: None {:.0}, Decorr {:.0}, FullJitter {:.0}, EqualJitter {:.0}, Exponential {:.0}",
        none.0, decorrelated.0, full.0, equal.0, plain.0
    );
    let alike = (decorrelated.0 / full.0 - 1.0).abs() < 0.2;
    let first = none.0 < decorrelated.0.min(full.0);
    let last = decorrelated.0.max(full.0) < equal.0 && 5.0 * equal.0 < plain.0;
    checks.claim("order_completion", first && alike && last, seen);

    let seen = format!(
        "writes: FullJitter {:.0}, EqualJitter {:.0}, Decorr {:.0}, Exponential {:.0}, None {:.0}",
        full.1, equal.1, decorrelated.1, plain.1, none.1
    );
    let ordered = [full.1, equal.1, decorrelated.1, plain.1, none.1].is_sorted_by(|less, more| less < more);
    checks.claim("order_writes", ordered, seen);

    let (reduction, least) = (1.0 - full.1 / plain.1, case.stated("reduction > "));
    let expected = case.expected("jitter_write_reduction");
    checks.claim(
        "jitter_write_reduction",
        reduction > least,
        format!("{reduction:.4}, published {expected}, more than {least}"),
    );
}

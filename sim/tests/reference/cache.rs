//! Caching: hit ratios under independent requests for keys of unequal popularity.

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};
use super::stations::scenario;

/// Of the file's keys, which eviction they are about.
const EVICTIONS: [(&str, &str); 2] = [("lru", "lru"), ("fifo_or_random", "fifo")];
const SEEDS: u64 = 4;
/// Counted in each run, after an eighth as many to fill the cache.
const SECONDS: f64 = 430.0;

/// Nothing takes any time, so each request finds what the ones before it left behind.
pub(crate) fn che_runs(case: &Case) -> Vec<Run> {
    let run = |(key, eviction): &(&str, &str)| {
        let body = format!(
            "services:\n  front: {{workers: unlimited, calls: [{{to: store, on_miss: origin}}, {{to: origin}}]}}\n  \
             store: {{kind: cache, workers: unlimited, capacity: {}, eviction: {eviction}}}\n  \
             origin: {{workers: unlimited}}\n\
             load:\n  - {{name: users, to: front, rate: 1000/s, keys: {{zipf: {{items: {}, s: {}}}}}}}\n",
            case.config("capacity"),
            case.config("items"),
            case.config("zipf")
        );
        Run::seeds(key, SEEDS, &scenario(SECONDS, 0.11, &body))
    };
    EVICTIONS.iter().flat_map(run).collect()
}

pub(crate) fn che(case: &Case, runs: &Runs, checks: &mut Checks) {
    for (key, _) in EVICTIONS {
        let calls = |name: &str| {
            runs.sum(key, |measured| {
                measured.edges.iter().find(|edge| edge.name == name).map_or(0, |edge| edge.requests)
            })
        };
        let (lookups, misses) = (calls("front -> store"), calls("front -> origin"));
        checks.at_least(lookups, case.stated("with >="));
        checks.absolute(key, 1.0 - misses as f64 / lookups as f64, case.expected(key), case.stated("abs "));
    }
    checks.left_out("lfu_ideal", "the kind `cache` evicts by lru or fifo");
}

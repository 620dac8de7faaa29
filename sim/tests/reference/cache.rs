//! Caching: hit ratios under independent requests for keys of unequal popularity.

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};
use super::stations::scenario;

/// Of the file's keys, which evictions they are about.
const EVICTIONS: [(&str, &str); 3] =
    [("lru", "lru"), ("fifo_or_random", "fifo"), ("fifo_or_random", "random")];
/// The runs of a cache that knows everything in advance.
const IDEAL: &str = "ideal";
const SEEDS: u64 = 4;
/// Counted in each run, after an eighth as many to fill the cache.
const SECONDS: f64 = 430.0;

/// Nothing takes any time, so each request finds what the ones before it left behind.
pub(crate) fn che_runs(case: &Case) -> Vec<Run> {
    let world = |calls: &str, store: &str| {
        let body = format!(
            "services:\n  front: {{workers: unlimited, calls: [{calls}]}}\n  \
             store: {{kind: cache, workers: unlimited, capacity: {capacity}, {store}}}\n  \
             origin: {{workers: unlimited}}\n\
             load:\n  - {{name: users, to: front, rate: 1000/s, keys: {{zipf: {{items: {items}, s: {zipf}}}}}}}\n",
            capacity = case.config("capacity"),
            items = case.config("items"),
            zipf = case.config("zipf")
        );
        scenario(SECONDS, 0.11, &body)
    };
    let filled = "{to: store, on_miss: origin}, {to: origin}";
    let mut runs: Vec<Run> = EVICTIONS
        .iter()
        .flat_map(|(_, eviction)| {
            Run::seeds(eviction, SEEDS, &world(filled, &format!("eviction: {eviction}")))
        })
        .collect();
    // Ideal is who holds the most popular keys, which are the lowest, and lets no other in: nobody brings any.
    let held = format!("preload: {}", case.config("capacity"));
    runs.extend(Run::seeds(IDEAL, SEEDS, &world("{to: store}, {to: origin}", &held)));
    runs
}

pub(crate) fn che(case: &Case, runs: &Runs, checks: &mut Checks) {
    for (key, eviction) in EVICTIONS {
        let calls = |name: &str| {
            runs.sum(eviction, |measured| {
                measured.edges.iter().find(|edge| edge.name == name).map_or(0, |edge| edge.requests)
            })
        };
        let (lookups, misses) = (calls("front -> store"), calls("front -> origin"));
        checks.at_least(lookups, case.stated("with >="));
        checks.absolute(key, 1.0 - misses as f64 / lookups as f64, case.expected(key), case.stated("abs "));
    }
    let counted = |name: &str| runs.sum(IDEAL, |measured| measured.systems["store"][name]);
    let (hits, misses) = (counted("hits"), counted("misses"));
    checks.at_least(hits + misses, case.stated("with >="));
    let ratio = hits as f64 / (hits + misses) as f64;
    checks.absolute("lfu_ideal", ratio, case.expected("lfu_ideal"), case.stated("abs "));
}

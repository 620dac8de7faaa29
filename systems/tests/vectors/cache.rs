//! Traces of real programs, replayed through every eviction policy: get, and insert on a miss. Misses are compared
//! with published numbers where there are any.

use crate::folder::{reference_cases, vectors};
use foreshock_systems::Time;
use foreshock_systems::cache::{Cache, CacheConfig, EvictionKind, Optimal, optimal_misses};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;
use std::path::Path;

/// How far misses may be from the published ones, in tenths of a percent.
fn tolerance_permille(policy: &str) -> u64 {
    match policy {
        "lirs" => 50,
        _ => 0,
    }
}

/// The keys of a trace: gzip text with a key per line, or xz of big-endian words.
fn trace(folder: &Path, name: &str) -> Vec<u64> {
    let gzip = folder.join(format!("{name}.trace.gz"));
    if let Ok(packed) = fs::read(&gzip) {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("a trace is gzip text");
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('*'));
        return lines.map(|line| line.parse().expect("a key is a decimal number")).collect();
    }
    let packed = fs::read(folder.join(format!("{name}.trace.xz"))).expect("a trace is .gz or .xz");
    let mut words = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut words).expect("a trace is xz");
    let word = |bytes: &[u8]| u64::from(u32::from_be_bytes(bytes.try_into().expect("four bytes")));
    words.chunks_exact(4).map(word).collect()
}

fn misses(cache: &mut Cache<u64, ()>, keys: &[u64]) -> u64 {
    for key in keys {
        if cache.get(Time::ZERO, key).hit().is_none() {
            cache.insert(Time::ZERO, *key, ());
        }
        assert!(u64::from(cache.len()) <= cache.capacity());
    }
    cache.stats().misses
}

fn policy_misses(policy: &str, capacity: u64, keys: &[u64]) -> u64 {
    let config = CacheConfig { capacity, ..CacheConfig::default() };
    if policy == "belady" {
        let by_policy = misses(&mut Cache::with_eviction(config, Box::new(Optimal::new(keys))), keys);
        assert_eq!(by_policy, optimal_misses(keys, capacity as usize), "the policy and the bound agree");
        return by_policy;
    }
    let eviction: EvictionKind = policy.parse().expect("published policies are built in");
    misses(&mut Cache::new(CacheConfig { eviction, ..config }), keys)
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

#[test]
fn published_traces_miss_as_often_as_published() {
    let (Some(folder), Some(cases)) = (vectors("cache"), reference_cases()) else { return };
    let text = fs::read_to_string(cases).expect("published results are text");
    let published: Value = serde_yaml::from_str(&text).expect("published results are YAML");
    let cases = published["cases"].as_array().expect("published results are a list of cases");
    let (mut ran, mut skipped, mut wrong) = (0, 0, Vec::new());
    for case in cases.iter().filter(|case| case["area"] == "cache") {
        let Some(name) = case["config"]["trace"].as_str().and_then(|path| path.rsplit('/').next()) else {
            skipped += 1;
            continue;
        };
        let keys = trace(&folder, name);
        assert_eq!(Some(keys.len() as u64), case["config"]["requests"].as_u64(), "{name}");
        let objects = keys.iter().collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(Some(objects), case["config"]["objects"].as_u64(), "{name}");
        let published = case["expected"]["misses"].as_object().expect("a case has misses");
        let published = published.iter().map(|(policy, misses)| (policy.as_str(), misses));
        let lirs = ("lirs", &case["expected"]["lirs_informational"]);
        for (policy, expected) in published.chain([lirs]) {
            for (capacity, expected) in
                numbers(&case["config"]["capacities"]).into_iter().zip(numbers(expected))
            {
                let got = policy_misses(policy, capacity, &keys);
                ran += 1;
                if got.abs_diff(expected) * 1_000 > expected * tolerance_permille(policy) {
                    wrong.push(format!("{name} {policy} {capacity}: {got}, published {expected}"));
                }
            }
        }
    }
    println!("ran {ran} numbers, skipped {skipped} cases that are no traces");
    assert!(wrong.is_empty(), "{} of {ran} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(ran >= 189, "only {ran} numbers were there");
}

/// Points of hit ratio that W-TinyLFU may lose to moka at most, at every point of every trace.
const POINTS: f64 = 1.5;

/// Requests of a trace that are compared with moka at most: the longest is a loop and only repeats itself.
const MOST_REQUESTS: usize = 100_000;

#[test]
fn w_tiny_lfu_hits_within_a_point_and_a_half_of_moka_or_more() {
    let Some(folder) = vectors("cache") else { return };
    let (mut ran, mut behind) = (0, Vec::new());
    for (name, capacities) in TRACES {
        let mut keys = trace(&folder, name);
        keys.truncate(MOST_REQUESTS);
        // How often moka hits depends on its hashes, by up to ten points on short traces: the mean of several.
        let seeds = (MOST_REQUESTS / keys.len()).clamp(1, 7) as u64;
        let points = |misses: u64| 100.0 - misses as f64 / keys.len() as f64 * 100.0;
        for capacity in *capacities {
            let ours = points(policy_misses("w-tinylfu", *capacity, &keys));
            let theirs = (0..seeds).map(|seed| points(moka_misses(*capacity, &keys, seed))).sum::<f64>();
            let theirs = theirs / seeds as f64;
            println!("{name} {capacity}: {ours:.2} %, moka {theirs:.2} % as the mean of {seeds}");
            if ours < theirs - POINTS {
                behind.push(format!("{name} {capacity}: {:.2} points", theirs - ours));
            }
            ran += 1;
        }
    }
    println!("ran {ran} points of {} traces", TRACES.len());
    assert!(behind.is_empty(), "behind moka: {behind:?}");
    assert_eq!(ran, 30, "every capacity of every trace is compared");
}

/// A window that climbs finds more where a load favours what is recent, as that of a web server does.
#[test]
fn a_window_that_climbs_finds_more_in_the_traces_of_web_servers() {
    let Some(folder) = vectors("cache") else { return };
    for name in ["web07", "web12"] {
        let keys = trace(&folder, name);
        for capacity in [75, 300] {
            let found = |policy| keys.len() as u64 - policy_misses(policy, capacity, &keys);
            let (fixed, adaptive) = (found("w-tinylfu"), found("w-tinylfu-adaptive"));
            println!("{name} {capacity}: {fixed} with a fixed window, {adaptive} with one that climbs");
            assert!(adaptive > fixed, "{name} {capacity}: {adaptive} and {fixed}");
        }
    }
}

/// Every trace, with the capacities of the published cases.
const TRACES: &[(&str, &[u64])] = &[
    ("cs", &[100, 400, 1_000]),
    ("gli", &[500, 1_000, 2_000]),
    ("multi1", &[1_000, 1_400, 2_000]),
    ("multi2", &[1_000, 2_000, 3_000]),
    ("ps", &[500, 1_500, 2_500]),
    ("loop", &[256, 512, 768]),
    ("zigzag", &[500, 1_000]),
    ("scan", &[500, 1_000]),
    ("backf", &[250, 500]),
    ("web07", &[75, 300, 1_200]),
    ("web12", &[75, 300, 1_200]),
];

/// A hasher with a fixed seed, so that moka does the same in every run.
#[derive(Clone, Copy)]
struct Seeded(u64);

impl BuildHasher for Seeded {
    type Hasher = Seeded;
    fn build_hasher(&self) -> Seeded {
        *self
    }
}

impl Hasher for Seeded {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            self.0 ^= self.0 >> 29;
        }
    }
}

fn moka_misses(capacity: u64, keys: &[u64], seed: u64) -> u64 {
    let builder = moka::sync::Cache::<u64, ()>::builder().max_capacity(capacity);
    let cache = builder.build_with_hasher(Seeded(seed));
    let mut misses = 0;
    for key in keys {
        if cache.get(key).is_none() {
            misses += 1;
            cache.insert(*key, ());
        }
        cache.run_pending_tasks();
    }
    misses
}

//! Every shipped scenario that fails by something in its timeline, with harmless faults strewn around it: shrinking
//! finds what was planted and nothing else. Which scenarios there are is read from the folder, so that none is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use foreshock::explore::failure::FailureFingerprint;
use foreshock::explore::parallel::default_jobs;
use foreshock::explore::shrink::{ShrinkOptions, Shrunk, shrink};
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, run};
use foreshock::scenario::plan::{Edit, ExpectedVerdict, Plan};
use foreshock::scenario::{Files, Source, compile, replanned};

use crate::decoys::with_decoys;

/// A scenario and the entries that alone make it fail as it does.
type Planted = (&'static str, &'static [&'static str]);

/// Those that are searched in about a second.
const SHORT: &[Planted] = &[
    ("negative/auth-unsynced", &["power-cut"]),
    ("negative/auth-verifier-lax", &["ahead"]),
    ("negative/booking-clients-clock", &["clock-ahead"]),
    ("negative/booking-fsync-never", &["crash"]),
    ("negative/booking-loses-writes", &["crash"]),
    ("negative/broker-watermark-of-all", &["down"]),
    ("negative/broker-kip-101", &["cut", "two-restarts", "one-dies"]),
    ("negative/config-canary-for-all", &["gray"]),
    ("negative/flag-not-monotone", &["step"]),
    ("negative/jobs-forgotten", &["crash"]),
    ("negative/jobs-hasty", &["power-cut"]),
    ("negative/jobs-unfenced", &["long-pause"]),
    ("negative/log-lies", &["power-cut"]),
    ("negative/log-store-answers-early", &["power-cut"]),
    ("negative/log-store-takes-again", &["shipper-dies"]),
    ("negative/notification-fsync-never", &["mail-down", "power-lost"]),
    ("negative/notification-left-to-others", &["first-is-deaf"]),
    ("negative/notification-writes-lost", &["killed"]),
    ("negative/payment-charged-again", &["answers-lost"]),
    ("negative/payment-confirmed-unasked", &["orders-lost"]),
    ("negative/payment-fsync-never", &["crash"]),
    ("negative/payment-keys-ignored", &["answers-lost"]),
    ("negative/upi-bank-forgetful", &["answers-lost"]),
    ("negative/upi-switch-unsynced", &["crash"]),
    ("resilience/breaker-lost-probe", &["cut"]),
    ("resilience/bulkhead", &["slow-archive"]),
    ("resilience/cascading-failure", &["slow-recommendations"]),
    ("resilience/cpu-throttling", &["quota"]),
    ("resilience/limiter-window-edge", &["crowd-fixed"]),
    ("resilience/narrow-link", &["backup"]),
    ("resilience/retry-synchronised", &["power-back"]),
];

/// Those that take long.
const LONG: &[Planted] = &[
    ("business/booking-hold-shortened", &["shorter-hold"]),
    ("business/config-bad-release", &["bad-release", "take-back"]),
    ("business/config-rollback-time", &["bad-release"]),
    ("business/flag-expensive-path", &["new-checkout"]),
    ("business/flag-server-down-at-boot", &["flags-away", "roll"]),
    ("business/jobs-crash-fsync", &["power-cut"]),
    ("business/upi-outage-2025", &["limiter", "release"]),
    ("negative/auth-forgives", &["lossy"]),
    ("negative/broker-answers-early", &["cut"]),
    ("negative/broker-commits-unfenced", &["not-heard"]),
    ("negative/broker-keeps-tail", &["cut"]),
    ("negative/broker-elects-anybody", &["three-falls-behind", "one-is-down"]),
    ("platform/auth-clock-skew", &["behind", "ahead"]),
    ("platform/auth-mass-login", &["release"]),
    ("platform/auth-rotation-endpoint-down", &["keys-down"]),
    ("platform/auth-refresh-storm-after-mass-login", &["restart", "everybody-is-back"]),
    ("platform/broker-disk-full", &["disk-full"]),
    ("platform/broker-isr-flapping", &["rough-link"]),
    ("platform/log-debug-left-on", &["debug-on"]),
    ("platform/log-slow-sink-block", &["slow-sink"]),
    ("platform/log-storm", &["bad-minute"]),
    ("resilience/breaker-flaps", &["slow-release", "undo"]),
    ("resilience/breaker-shared-sick-shard", &["shard-3-sick"]),
    ("resilience/cache-cold-restart", &["restart"]),
    ("resilience/cache-wipe", &["flush-by-day"]),
    ("resilience/deploy-rolling-or-at-once", &["v3-at-once"]),
    ("resilience/hot-key", &["famous"]),
    ("resilience/limiter-adaptive-concurrency", &["slow-unbounded", "slow-fixed"]),
    ("resilience/limiter-cut-and-retried", &["a-zero-less"]),
    ("resilience/limiter-slow-dependency", &["slow-recommendations"]),
    ("resilience/metrics-averaged-percentiles", &["bad-disk"]),
    ("resilience/metrics-vanished-node", &["sick"]),
    ("resilience/pool-leak", &["leak"]),
    ("resilience/retry-storm", &["outage"]),
    ("resilience/surge-priorities", &["sale"]),
    ("resilience/wrong-clock", &["drifting"]),
    ("why/auth-keys-unreachable", &["keys-closed"]),
    ("why/auth-no-jitter", &["apps-v8"]),
    ("why/booking-hold-below-payment", &["shorter-hold"]),
    ("why/breaker-shared-by-shards", &["library-upgrade", "shard-3-sick"]),
    ("why/cache-restart", &["restart"]),
    ("why/config-cascade", &["deploy-v42"]),
    ("why/config-timeout-published", &["fail-fast"]),
    ("why/flag-rollout", &["flag-new-ranking"]),
    ("why/hidden-network-hop", &["mesh-proxy"]),
    ("why/innocent-partition", &["search-v3"]),
    ("why/jobs-long-lease", &["long-lease"]),
    ("why/lift-car-out-at-lunch", &["car-out"]),
    ("why/hotel-isolation", &["hotel-v31"]),
    ("why/lift-dwell", &["controller-v5"]),
    ("why/limiter-without-key", &["v42"]),
    ("why/log-level-debug", &["log-level"]),
    ("why/notification-misrouted", &["war-room"]),
    ("why/parking-spill-off", &["house-rules"]),
    ("why/pool-shrunk-by-deploy", &["ledger-v7"]),
    ("why/queue-visibility-below-work", &["shorter-visibility"]),
    ("why/retries-through-layers", &["backup"]),
    ("why/slow-replica-round-robin", &["overheated"]),
    ("why/timeout-below-the-tail", &["tidy-timeouts"]),
    ("why/trigger-long-gone", &["switch"]),
    ("why/two-causes-together", &["fewer-replicas", "sale"]),
];

/// Those that are not searched, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("business/config-boot-without-server", "which restarts it takes is a matter of their instants"),
    ("business/config-resync-herd", "every growth and every release makes the herd a little larger"),
    (
        "negative/broker-ignores-sequences",
        "a producer that has to send again shows it, with its fault or without",
    ),
    ("negative/config-client-trusts-network", "it takes two faults and some of the releases"),
    ("negative/config-doubles", "any release shows it"),
    ("negative/config-drops", "any release shows it"),
    ("negative/config-hurries", "any release shows it"),
    ("negative/config-skips", "any release during the cut shows it"),
    ("negative/config-splits", "any release shows it"),
    ("negative/config-swaps", "any two releases show it"),
    (
        "resilience/breaker-fleet-in-step",
        "its objective is about breakers that are open: without the fault every call is an attempt",
    ),
    ("resilience/limiter-split-brain", "each of its parts fails for itself"),
    ("resilience/metrics-coordinated-omission", "any of the stalls is enough"),
    ("resilience/scale-out", "it is the load that is too much; the entry helps too late"),
    ("why/load-growth", "it is the load that grows"),
    ("why/logs-look-normal", "without its change it would be saved by another entry, which is no cause"),
];

/// Draws of decoys that are tried until one is found that does no harm.
const MOST_DRAWS: u64 = 5;

struct Beside(PathBuf);

impl Files for Beside {
    fn read(&self, relative: &str) -> Result<String, String> {
        fs::read_to_string(self.0.join(relative)).map_err(|error| error.to_string())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn kinds_of(name: &str) -> Kinds {
    match name.starts_with("negative/") {
        true => Kinds::default().with_test_kinds(),
        false => Kinds::default(),
    }
}

fn shipped(name: &str) -> Plan {
    let path = folder().join(format!("{name}.yaml"));
    let text = fs::read(&path).unwrap();
    let beside = Beside(path.parent().unwrap().to_path_buf());
    compile(Source { name, text: &text }, &beside, &kinds_of(name)).unwrap().plan
}

/// All scenarios of the families that are expected to fail and in whose timeline something happens.
fn failing_by_what_happens() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for family in ["business", "negative", "platform", "resilience", "why"] {
        for file in fs::read_dir(folder().join(family)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let name = format!("{family}/{}", path.file_stem().unwrap().to_str().unwrap());
            let plan = shipped(&name);
            if plan.expect.verdict == Some(ExpectedVerdict::Fail) && !plan.timeline.is_empty() {
                found.insert(name);
            }
        }
    }
    found
}

fn failure(plan: &Plan, kinds: &Kinds, without: &[&str]) -> FailureFingerprint {
    let edits: Vec<Edit> = without.iter().map(|id| Edit::Without((*id).to_string())).collect();
    FailureFingerprint::of(&run(plan, plan.seed, &edits, kinds, &Detail::default()).unwrap().judgement)
}

fn timeline_alone(plan: &Plan, kinds: &Kinds, jobs: NonZero<usize>) -> Shrunk {
    let options = ShrinkOptions { jobs, most_tests: 1_000, any_order: false, timeline_only: true };
    shrink(plan, plan.seed, &[], kinds, options, &mut |_| {}).unwrap()
}

fn entries(shrunk: &Shrunk) -> Vec<&str> {
    let entries = shrunk.document["timeline"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["id"].as_str()).collect()
}

/// What is wrong with the answer for one scenario.
fn wrong((name, cause): &Planted) -> Option<String> {
    let kinds = kinds_of(name);
    let plan = shipped(name);
    let planted = failure(&plan, &kinds, &[]);
    if planted.is_pass() {
        return Some(format!("{name}: does not fail"));
    }
    // The hay is hay: it does not change how the scenario fails, nor does it fail so by itself.
    let is_hay = |decoyed: &Plan| {
        failure(decoyed, &kinds, &[]) == planted && failure(decoyed, &kinds, cause) != planted
    };
    let Some(decoyed) = (1..=MOST_DRAWS).map(|seed| with_decoys(&plan, seed, &kinds)).find(is_hay) else {
        return Some(format!(
            "{name}: no decoys are harmless, or without {cause:?} it still fails with {planted}"
        ));
    };
    let found = timeline_alone(&decoyed, &kinds, default_jobs());
    let mut expected = cause.to_vec();
    let mut left = entries(&found);
    expected.sort_unstable();
    left.sort_unstable();
    if left != expected || found.failure != planted || !found.is_finished {
        return Some(format!("{name}: {left:?} is left in place of {cause:?}: {:?}", found.steps));
    }
    let again = replanned(&[&plan], &found.document, &kinds).unwrap();
    if failure(&again, &kinds, &[]) != planted {
        return Some(format!("{name}: what is left fails in another way"));
    }
    None
}

fn assert_found(scenarios: &[Planted]) {
    let wrong: Vec<String> = scenarios.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_shipped_scenario_that_fails_by_what_happens_in_it_is_forgotten() {
    let planted = SHORT.iter().chain(LONG).map(|(name, _)| (*name).to_string());
    let mut named: Vec<String> =
        planted.chain(LEFT_OUT.iter().map(|(name, _)| (*name).to_string())).collect();
    named.sort();
    assert_eq!(named, failing_by_what_happens().into_iter().collect::<Vec<_>>());
}

#[test]
fn the_planted_cause_of_every_short_scenario_is_found_alone_among_decoys() {
    assert_found(SHORT);
}

#[test]
#[ignore = "takes minutes: the long scenarios, a dozen runs each"]
fn the_planted_cause_of_every_long_scenario_is_found_alone_among_decoys() {
    assert_found(LONG);
}

/// Takes out one decoy after the other and looks no further once one cannot go: the broken variant.
#[test]
fn a_search_that_gives_up_early_leaves_hay_and_is_caught() {
    let (name, cause) = ("resilience/retry-synchronised", ["power-back"]);
    let kinds = kinds_of(name);
    let decoyed = with_decoys(&shipped(name), 1, &kinds);
    let options =
        ShrinkOptions { jobs: default_jobs(), most_tests: 3, any_order: false, timeline_only: true };
    let found = shrink(&decoyed, decoyed.seed, &[], &kinds, options, &mut |_| {}).unwrap();
    assert!(!found.is_finished);
    assert_ne!(entries(&found), cause, "three candidates cannot be enough for so much hay");
}

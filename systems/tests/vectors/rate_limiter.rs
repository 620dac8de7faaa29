//! The published results about rate limiters: GCRA's worked example, the sliding-window counter's estimate, and its
//! published accuracy as a ceiling on smooth traffic.

use crate::folder::reference_cases;
use foreshock_systems::rate_limiter::{
    Gcra, Limiter, Quota, SlidingLog, SlidingWindowCounter, WindowAlignment, WindowConfig,
};
use foreshock_systems::{Span, Time};
use serde_json::Value;
use std::fs;

#[test]
fn the_published_results_come_out() {
    let Some(path) = reference_cases() else { return };
    let text = fs::read_to_string(&path).expect("the published results can be read");
    let cases: Value = serde_yaml::from_str(&text).expect("the published results are YAML");
    let cases = cases["cases"].as_array().expect("the published results are a list");
    let (mut ran, mut skipped) = (0, 0);
    for case in cases.iter().filter(|case| case["area"] == "rate_limiter") {
        let id = case["id"].as_str().expect("every case has an id");
        match id {
            "gcra-0" => gcra(case),
            "swc-cloudflare" => estimate(case),
            "swc-cloudflare-accuracy" => accuracy(case),
            unknown => {
                println!("skipped: {unknown}: no walker knows it");
                skipped += 1;
                continue;
            }
        }
        ran += 1;
    }
    println!("rate_limiter: {ran} cases ran, {skipped} skipped");
    assert!(ran >= 3, "{ran} of the 3 known cases were found");
}

fn whole(value: &Value) -> u64 {
    value.as_u64().expect("a whole number")
}

/// Arrivals and the standard's verdict on each; the unit of time is any.
fn gcra(case: &Value) {
    let config = &case["config"];
    let mut gcra = Gcra::with_tolerance(
        Span::from_millis(whole(&config["T"])),
        Span::from_millis(whole(&config["tau"])),
        Time::ZERO,
    );
    let arrivals = config["arrivals"].as_array().expect("arrivals");
    let conforming = case["expected"]["conforming"].as_array().expect("verdicts");
    assert_eq!(arrivals.len(), conforming.len());
    for (arrival, expected) in arrivals.iter().zip(conforming) {
        let now = Time::ZERO + Span::from_millis(whole(arrival));
        assert_eq!(u64::from(gcra.check(now, 1).is_ok()), whole(expected), "at {arrival}");
    }
}

fn estimate(case: &Value) {
    let (config, expected) = (&case["config"], &case["expected"]);
    let window = WindowConfig {
        limit: whole(&config["limit"]),
        window: Span::from_secs(whole(&config["window_s"])),
        alignment: WindowAlignment::Clock,
    };
    let now = Time::ZERO + Span::from_secs(whole(&config["window_s"]) + whole(&config["elapsed_s"]));
    let mut counter =
        SlidingWindowCounter::with_counts(window, whole(&config["prev"]), whole(&config["cur"]), now);
    let published = expected["estimate"].as_f64().expect("an estimate");
    assert!((counter.estimate_milli(now) as f64 / 1_000.0 - published).abs() < 1e-9);
    assert_eq!(counter.check(now, 1).is_ok(), expected["admit"].as_bool().expect("a verdict"));
}

/// Their traffic is not public, so that their share of wrong decisions cannot be had again. On smooth traffic, many
/// sources with random gaps at rates around the limit, what they saw is a ceiling: how far above its limit a source was
/// when the estimate still let it through, and as far below it when the estimate refused.
fn accuracy(case: &Value) {
    const LIMIT: u64 = 600;
    let ceiling = case["expected"]["worst_overshoot"].as_str().expect("a ceiling");
    let ceiling_percent: u64 = ceiling.trim_matches(['<', '%']).parse().expect("a percentage");
    // Room for everything: what was offered is counted, as they did.
    let config =
        WindowConfig { limit: 1 << 20, window: Span::from_secs(60), alignment: WindowAlignment::Clock };
    let (mut requests, mut wrong) = (0u64, 0u64);
    let (mut most_let_through, mut fewest_refused) = (0, u64::MAX);
    let mut word = 0x2545_F491_4F6C_DD1Du64;
    for source in 0..300 {
        // From half of the limit to one and a half times of it.
        let gap_ns = 1_000_000_000_000 / (5_000 + source * 10_000 / 300);
        let mut counter = SlidingWindowCounter::new(config, Time::ZERO);
        let mut exact = SlidingLog::new(config, Time::ZERO).expect("the limit is in range");
        let mut now = Time::ZERO;
        while now < Time::ZERO + Span::from_secs(300) {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            now += Span::from_nanos(gap_ns / 2 + word % gap_ns);
            let used = config.limit - exact.quota(now).remaining;
            let let_through = counter.estimate_milli(now) < LIMIT * 1_000;
            requests += 1;
            wrong += u64::from(let_through != (used < LIMIT));
            if let_through {
                most_let_through = most_let_through.max(used);
            } else {
                fewest_refused = fewest_refused.min(used);
            }
            counter.check(now, 1).expect("there is room for everything");
            exact.check(now, 1).expect("there is room for everything");
        }
    }
    println!(
        "swc-cloudflare-accuracy: {wrong} of {requests} decided otherwise than an exact log; let through with up to \
         {most_let_through}, refused from {fewest_refused} on, limit {LIMIT}"
    );
    assert!(most_let_through * 100 < LIMIT * (100 + ceiling_percent), "{most_let_through}");
    assert!(fewest_refused * 100 > LIMIT * (100 - ceiling_percent), "{fewest_refused}");
}

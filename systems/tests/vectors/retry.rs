//! Retries: the published rows of the adaptive limit's CUBIC rate, and the closed forms of the reference cases. The
//! contention study (`aws-occ-*`) needs a network and runs in the simulator.

use crate::folder::{reference_cases, vectors};
use foreshock_systems::retry::{
    Action, AdaptiveConfig, AdaptiveLimiter, AttemptResult, Backoff, BackoffConfig, BackoffKind, Call,
    CallConfig, CallEnd, CallOptions, CallOutput, Client, CubicRate, DoomedRule, Failure, FailureClass,
    Jitter, Pauses, RetryConfig,
};
use foreshock_systems::{Span, Time};
use serde_json::Value;
use std::fs;

/// How far from the published number a computed one may be.
const TOLERANCE: f64 = 1e-9;

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or_else(|| panic!("`{key}` of {row} is no number"))
}

fn throttled(row: &Value) -> bool {
    row["throttled"].as_bool().unwrap_or(false)
}

/// The rows' seconds have at most one digit behind the point.
fn instant(row: &Value) -> Time {
    Time::ZERO + Span::from_millis((number(row, "seconds_since_unix_epoch") * 1e3).round() as u64)
}

fn differs(what: &str, row: &Value, key: &str, got: f64) -> Option<String> {
    let expected = number(row, key);
    ((got - expected).abs() > TOLERANCE).then(|| format!("{what}: {got} for {row}"))
}

/// The curve after throttling at 10 requests a second, five seconds in. Throttled rows turn it at the reduced rate.
fn curve_rows(name: &str, rows: &[Value], config: AdaptiveConfig) -> Vec<String> {
    let mut curve = CubicRate::new(config, 10_000, Time::ZERO + Span::from_secs(5));
    let mut rate = 0.0;
    let mut wrong = Vec::new();
    for row in rows {
        if throttled(row) {
            rate = curve.reduced(rate);
            curve.throttle(instant(row), rate);
        } else {
            rate = curve.at(instant(row));
        }
        wrong.extend(differs(name, row, "expected_calculated_rate", rate));
    }
    wrong
}

/// A client that sends one request a row.
fn limiter_rows(name: &str, rows: &[Value], config: AdaptiveConfig) -> Vec<String> {
    let mut limiter = AdaptiveLimiter::new(config);
    let mut wrong = Vec::new();
    for row in rows {
        limiter.on_answer(instant(row), throttled(row));
        let measured = limiter.measured_per_s();
        wrong.extend(differs(name, row, "expected_tokens_retrieved_per_second", measured));
        wrong.extend(differs(name, row, "expected_token_refill_rate", limiter.fill_per_s()));
    }
    wrong
}

/// Rows walked, and what is wrong with them.
fn cubic(published: &Value, config: AdaptiveConfig) -> (usize, Vec<String>) {
    type Walk = fn(&str, &[Value], AdaptiveConfig) -> Vec<String>;
    let parts: [(&str, Walk); 3] = [
        ("test_calculated_rate_with_successes", curve_rows),
        ("test_calculated_rate_with_throttles", curve_rows),
        ("test_client_sending_rates", limiter_rows),
    ];
    let (mut rows_walked, mut wrong) = (0, Vec::new());
    for (name, walk) in parts {
        let rows = published[name].as_array().unwrap_or_else(|| panic!("`{name}` is no list"));
        rows_walked += rows.len();
        wrong.extend(walk(name, rows, config));
    }
    (rows_walked, wrong)
}

fn published_rows() -> Option<Value> {
    let path = vectors("aws_adaptive_retry_cubic.json")?;
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).expect("the vectors are JSON"))
}

#[test]
fn every_row_of_the_adaptive_limit_is_as_published() {
    let Some(published) = published_rows() else { return };
    let (walked, wrong) = cubic(&published, AdaptiveConfig::default());
    println!("aws_adaptive_retry_cubic: {} of {walked} rows agree within {TOLERANCE}", walked - wrong.len());
    assert_eq!(walked, 32);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_limit_with_another_constant_is_caught_by_the_rows() {
    let Some(published) = published_rows() else { return };
    let usual = AdaptiveConfig::default();
    for config in [
        AdaptiveConfig { beta_milli: 701, ..usual },
        AdaptiveConfig { scale_milli: 401, ..usual },
        AdaptiveConfig { smooth_milli: 801, ..usual },
        AdaptiveConfig { min_fill_milli: 501, ..usual },
    ] {
        assert!(!cubic(&published, config).1.is_empty(), "{config:?} went unnoticed");
    }
}

/// A stream of words (splitmix64).
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn chance(&mut self, share: f64) -> bool {
        (self.next() as f64) < share * u64::MAX as f64
    }
}

fn at_once(max_attempts: u32) -> CallConfig {
    CallConfig {
        retry: RetryConfig { max_attempts, ..RetryConfig::NEVER },
        hedge: None,
        attempt_timeout: None,
        overall_timeout: None,
        doomed: DoomedRule::Count,
    }
}

/// Runs one call whose attempts end as `attempt_fails` says; whether it succeeded.
fn call(client: &Client, out: &mut CallOutput, mut attempt_fails: impl FnMut() -> bool) -> bool {
    out.clear();
    let mut call = Call::begin(client, Time::ZERO, CallOptions::IDEMPOTENT, out);
    loop {
        let action = *out.actions.last().expect("every step asks for something until the end");
        match action {
            Action::Send { attempt, .. } => {
                let result = if attempt_fails() {
                    AttemptResult::Failure(Failure::of(FailureClass::Transient))
                } else {
                    AttemptResult::Success
                };
                out.clear();
                call.handle_result(client, Time::ZERO, attempt, result, 0, out).expect("it is under way");
            }
            Action::Finish(end) => return matches!(end, CallEnd::Success { .. }),
            Action::Cancel { attempt } => panic!("{attempt} was cancelled, and only one is ever under way"),
        }
    }
}

fn close(id: &str, key: &str, got: f64, expected: f64, allowed: f64) {
    println!("{id}: {key} {got:.5}, expected {expected}");
    assert!((got - expected).abs() <= allowed, "{id}: {key} {got} for {expected} +- {allowed}");
}

fn open_loop(id: &str, case: &Value) {
    const CALLS: u64 = 40_000;
    const ALLOWED: f64 = 0.01;
    let (config, expected) = (&case["config"], &case["expected"]);
    let retries = number(config, "max_retries") as u32;
    let client = Client::new(at_once(retries + 1)).expect("the policy is in range");
    let (mut words, mut out, mut good) = (Words(7), CallOutput::default(), 0u64);
    for _ in 0..CALLS {
        let failure_rate = number(config, "failure_rate");
        good += u64::from(call(&client, &mut out, || words.chance(failure_rate)));
    }
    let share = |part: u64| part as f64 / CALLS as f64;
    let attempts = client.stats().attempts();
    close(id, "load_factor", share(attempts), number(expected, "load_factor"), ALLOWED);
    close(id, "success", share(good), number(expected, "success"), ALLOWED);
    let never = Client::new(at_once(1)).expect("the policy is in range");
    let failure_rate = number(config, "failure_rate");
    let good = (0..CALLS).filter(|_| call(&never, &mut out, || words.chance(failure_rate))).count() as u64;
    close(id, "no_retry_success", share(good), number(expected, "no_retry_success"), ALLOWED);
}

/// One request through layers that each retry the next; counts what reaches the leaf.
fn through_layers(layers: u32, client: &Client, at_the_leaf: &mut u64) -> bool {
    if layers == 0 {
        *at_the_leaf += 1;
        return false;
    }
    call(client, &mut CallOutput::default(), || !through_layers(layers - 1, client, at_the_leaf))
}

fn nested(id: &str, case: &Value) {
    let config = &case["config"];
    let client = Client::new(at_once(number(config, "retries_per_layer") as u32 + 1)).expect("in range");
    let mut at_the_leaf = 0;
    assert!(!through_layers(number(config, "layers") as u32, &client, &mut at_the_leaf));
    let expected = number(&case["expected"], "leaf_attempts_per_request");
    close(id, "leaf_attempts_per_request", at_the_leaf as f64, expected, 0.0);
}

fn jitter_means(id: &str, case: &Value) {
    const DRAWS: u64 = 60_000;
    const ALLOWED: f64 = 0.015;
    let config = &case["config"];
    for (key, jitter) in [("full", Jitter::Full), ("equal", Jitter::Equal), ("none", Jitter::None)] {
        let backoff = BackoffConfig {
            kind: BackoffKind::Exponential { multiplier_milli: 2_000 },
            base: Span::from_millis(number(config, "base") as u64),
            cap: Span::from_millis(number(config, "cap") as u64),
            jitter,
            first_exponent: 1,
        };
        let means = case["expected"][key].as_array().expect("a list of means");
        assert_eq!(means.len(), number(config, "attempts") as usize);
        for (attempt, expected) in (1u32..).zip(means) {
            let expected = expected.as_f64().expect("a mean is a number");
            let mut words = Words(u64::from(attempt));
            let sum: f64 = (0..DRAWS)
                .map(|_| backoff.delay(&Pauses::after(attempt), words.next()).as_nanos() as f64)
                .sum();
            let mean_ms = sum / DRAWS as f64 / 1e6;
            assert!((mean_ms / expected - 1.0).abs() <= ALLOWED, "{id}: {key} after {attempt}: {mean_ms} ms");
        }
        println!("{id}: {} means with jitter {key}", means.len());
    }
}

#[test]
fn the_closed_forms_of_the_reference_cases_hold() {
    let Some(path) = reference_cases() else { return };
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: Value = serde_yaml::from_str(&text).expect("the reference cases are YAML");
    let all = file.as_array().or_else(|| file["cases"].as_array()).expect("a list of cases");
    let (mut ran, mut elsewhere) = (0, 0);
    for case in all {
        let id = case["id"].as_str().unwrap_or_default();
        match id {
            _ if id.starts_with("retry-three-") => open_loop(id, case),
            "retry-layers-3-3" => nested(id, case),
            "retry-fulljitter-means" => jitter_means(id, case),
            _ => {
                elsewhere += u32::from(id.starts_with("aws-occ-"));
                continue;
            }
        }
        ran += 1;
    }
    println!("retry-*: {ran} ran; aws-occ-*: {elsewhere} run in the simulator");
    assert_eq!(ran, 4);
}

//! Retries: how much load they add, how much success they buy, and how long they pause.

use foreshock_systems::retry::{Backoff, BackoffConfig, BackoffKind, Jitter, Pauses};
use foreshock_systems::time::Span;
use xxhash_rust::xxh3::xxh3_64;

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};
use super::stations::{SEEDS, scenario};

const WITH: &str = "with retries";
const WITHOUT: &str = "without";

fn at_once(max_attempts: f64) -> String {
    format!("retry: {{max_attempts: {max_attempts}, backoff: {{kind: constant, base: 0s, jitter: none}}}}")
}

pub(crate) fn three_runs(case: &Case) -> Vec<Run> {
    let body = |policy: String| {
        format!(
            "services:\n  api: {{workers: unlimited, service_time: 1ms, error_rate: {}%}}\n\
             load:\n  - {{name: users, to: api, rate: 100/s{policy}}}\n",
            case.config("failure_rate") * 100.0
        )
    };
    let retry = format!(", {}", at_once(case.config("max_retries") + 1.0));
    let mut runs = Run::seeds(WITH, SEEDS, &scenario(50.0, 0.0, &body(retry)));
    runs.extend(Run::seeds(WITHOUT, SEEDS, &scenario(50.0, 0.0, &body(String::new()))));
    runs
}

pub(crate) fn three(case: &Case, runs: &Runs, checks: &mut Checks) {
    let allowed = case.stated("abs ");
    let share = |group, part: fn(&foreshock::measure::LoadMeasured) -> u64| {
        runs.mean(group, |measured| part(&measured.loads[0]) as f64 / measured.loads[0].offered as f64)
    };
    for group in [WITH, WITHOUT] {
        checks.at_least(runs.sum(group, |measured| measured.loads[0].offered), case.stated("with >="));
    }
    checks.absolute("load_factor", share(WITH, |load| load.attempts), case.expected("load_factor"), allowed);
    checks.absolute("success", share(WITH, |load| load.good), case.expected("success"), allowed);
    checks.absolute(
        "no_retry_success",
        share(WITHOUT, |load| load.good),
        case.expected("no_retry_success"),
        allowed,
    );
}

/// Each layer calls the next and retries; the leaf always fails.
pub(crate) fn layers_runs(case: &Case) -> Vec<Run> {
    let retry = at_once(case.config("retries_per_layer") + 1.0);
    let layers = case.config("layers") as u32;
    let mut body = "services:\n".to_string();
    for layer in 1..layers {
        body += &format!(
            "  layer{layer}: {{workers: unlimited, calls: [{{to: layer{}, {retry}}}]}}\n",
            layer + 1
        );
    }
    body += &format!("  layer{layers}: {{workers: unlimited, error_rate: 100%}}\n");
    body += &format!("load:\n  - {{name: users, to: layer1, rate: 10/s, {retry}}}\n");
    Run::seeds(WITH, 1, &scenario(60.0, 0.0, &body))
}

pub(crate) fn layers(case: &Case, runs: &Runs, checks: &mut Checks) {
    case.says("exact");
    let measured = &runs.of(WITH)[0];
    let leaf = measured.services.last().expect("there is a leaf");
    let (attempts, requests) = (leaf.arrivals as f64, measured.loads[0].offered as f64);
    let expected = case.expected("leaf_attempts_per_request");
    checks.absolute("leaf_attempts_per_request", attempts / requests, expected, 0.0);
}

/// The means of the pauses, straight from the policy.
pub(crate) fn jitter_means(case: &Case, checks: &mut Checks) {
    const DRAWS: u64 = 100_000;
    let allowed = case.stated("rel ");
    let spreads = [("full", Jitter::Full), ("equal", Jitter::Equal), ("none", Jitter::None)];
    for (key, jitter) in spreads {
        let backoff = BackoffConfig {
            kind: BackoffKind::Exponential { multiplier_milli: 2000 },
            base: Span::from_millis(case.config("base") as u64),
            cap: Span::from_millis(case.config("cap") as u64),
            jitter,
            first_exponent: 1,
        };
        let expected = case.numbers(case.wanted(key));
        assert_eq!(expected.len(), case.config("attempts") as usize);
        for (attempt, expected) in (1u32..).zip(expected) {
            let pause = |draw: u64| {
                let entropy = xxh3_64(&[u64::from(attempt).to_le_bytes(), draw.to_le_bytes()].concat());
                backoff.delay(&Pauses::after(attempt), entropy).as_nanos() as f64
            };
            let mean_ms = (0..DRAWS).map(pause).sum::<f64>() / DRAWS as f64 / 1e6;
            checks.relative(key, mean_ms, expected, allowed);
        }
    }
}

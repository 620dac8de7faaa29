//! Retries: how many, when, and what forbids them.

use foreshock::measure::OutcomeKind;
use foreshock::run::Outcome;

use crate::harness::{check, check_calls, edge, ran};

/// A service that fails after 1 ms, called with this retry policy.
fn failing(retry: &str) -> String {
    format!(
        "services: {{api: {{service_time: 1ms, error_rate: 100%, workers: unlimited}}}}
load: [{{name: users, to: api, arrivals: {{trace: 0ms}}, retry: {retry}}}]"
    )
}

#[test]
fn pauses_follow_the_backoff_exactly() {
    for (backoff, starts) in [
        ("{kind: constant, base: 10ms, jitter: none}", [11, 22, 33]),
        ("{kind: linear, base: 10ms, jitter: none}", [11, 32, 63]),
        ("{kind: exponential, base: 10ms, jitter: none}", [11, 32, 73]),
        ("{kind: exponential, base: 10ms, cap: 15ms, jitter: none}", [11, 27, 43]),
        ("{kind: exponential, base: 10ms, multiplier: x3, jitter: none}", [11, 42, 133]),
        ("{kind: fibonacci, base: 10ms, jitter: none}", [11, 22, 43]),
        ("{kind: power, exponent: 2, base: 10ms, jitter: none}", [11, 52, 143]),
        ("{kind: exponential, first_exponent: 1, base: 10ms, jitter: none}", [21, 62, 143]),
    ] {
        let [second, third, fourth] = starts;
        let end = fourth + 1;
        let expected = format!(
            "users 0: 0s..{end}ms error
            users -> api #1 0s..1ms
            users -> api #2 {second}ms..{}ms
            users -> api #3 {third}ms..{}ms
            users -> api #4 {fourth}ms..{end}ms",
            second + 1,
            third + 1
        );
        check_calls(backoff, &failing(&format!("{{max_attempts: 4, backoff: {backoff}}}")), &expected);
    }
}

#[test]
fn a_backoff_of_nothing_retries_in_the_same_instant() {
    check_calls(
        "no pause at all",
        &failing("{max_attempts: 3, backoff: {base: 0s}}"),
        "
        users 0: 0s..3ms error
          users -> api #1 0s..1ms
          users -> api #2 1ms..2ms
          users -> api #3 2ms..3ms",
    );
}

#[test]
fn only_the_outcomes_named_are_retried() {
    for (retry_on, attempts) in [("[error]", 2), ("[timeout]", 1), ("[rejected, refused, reset, timeout]", 1)]
    {
        let retry = format!("{{max_attempts: 2, backoff: {{base: 0s}}, retry_on: {retry_on}}}");
        let expected = format!("users 0: 0s..{attempts}ms error");
        let outcome = check(retry_on, &failing(&retry), &expected);
        assert_eq!(edge(&outcome, "users -> api").attempts, attempts);
    }
}

#[test]
fn a_budget_denies_what_it_cannot_pay_for() {
    for (budget, ends, denied) in [
        // Two tokens of four are left after two failures: no retry at half or less.
        ("{token_bucket: {max_tokens: 4, token_ratio: 0.1}}", ["2ms", "11ms", "21ms"], 2),
        // Every request deposits half a retry; the first fails with half a one in the till.
        ("50%", ["1ms", "12ms", "21ms"], 2),
        ("200%", ["2ms", "12ms", "22ms"], 0),
        ("{ratio: 0%, reserve: 1/s, window: 1s}", ["2ms", "11ms", "21ms"], 2),
        ("{in_flight: {percent: 0%, floor: 0}}", ["1ms", "11ms", "21ms"], 3),
        ("{in_flight: {percent: 0%, floor: 1}}", ["2ms", "12ms", "22ms"], 0),
    ] {
        let scenario = format!(
            "services: {{api: {{service_time: 1ms, error_rate: 100%, workers: unlimited}}}}
load:
  - name: users
    to: api
    arrivals: {{trace: '0ms,10ms,20ms'}}
    retry: {{max_attempts: 2, backoff: {{base: 0s}}, budget: {budget}}}"
        );
        let [first, second, third] = ends;
        let expected = format!(
            "users 0: 0s..{first} error
            users 1: 10ms..{second} error
            users 2: 20ms..{third} error"
        );
        let outcome = check(budget, &scenario, &expected);
        assert_eq!(edge(&outcome, "users -> api").retries_denied, denied, "{budget}");
    }
}

#[test]
fn a_budget_of_retries_in_flight_counts_those_that_pause() {
    check_calls(
        "the first retry pauses until 101 ms; the second request finds the one place taken, the third does not",
        "
        services: {api: {service_time: 1ms, error_rate: 100%, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,50ms,110ms'}
            retry:
              max_attempts: 2
              backoff: {base: 100ms, jitter: none}
              budget: {in_flight: {percent: 0%, floor: 1}}",
        "
        users 0: 0s..102ms error
          users -> api #1 0s..1ms
          users -> api #2 101ms..102ms
        users 1: 50ms..51ms error
          users -> api #1 50ms..51ms
        users 2: 110ms..212ms error
          users -> api #1 110ms..111ms
          users -> api #2 211ms..212ms",
    );
}

#[test]
fn a_pause_asked_for_by_the_callee_is_kept_unless_it_is_ignored() {
    let scenario = |honour: bool| {
        format!(
            "services: {{api: {{service_time: 50ms, queue: {{capacity: 0}}, retry_after: 200ms}}}}
load:
  - name: users
    to: api
    arrivals: {{trace: '0ms,1ms'}}
    retry:
      max_attempts: 2
      backoff: {{base: 10ms, jitter: none}}
      honour_retry_after: {honour}"
        )
    };
    check_calls(
        "honoured: 200 ms after the rejection",
        &scenario(true),
        "
        users 0: 0s..50ms ok
          users -> api #1 0s..50ms
        users 1: 1ms..251ms ok
          users -> api #1 1ms..1ms
          users -> api #2 201ms..251ms",
    );
    check_calls(
        "ignored: 10 ms after, and rejected again",
        &scenario(false),
        "
        users 0: 0s..50ms ok
          users -> api #1 0s..50ms
        users 1: 1ms..11ms rejected
          users -> api #1 1ms..1ms
          users -> api #2 11ms..11ms",
    );
}

#[test]
fn a_pause_asked_for_by_the_callee_is_bounded_to_a_minute() {
    check(
        "ten minutes are asked for, sixty seconds are kept",
        "
        run: {duration: 2m}
        services: {api: {service_time: 50ms, queue: {capacity: 0}, retry_after: 10m}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,1ms'}
            retry: {max_attempts: 2, backoff: {base: 10ms, jitter: none}}",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..1m51ms ok",
    );
}

#[test]
fn a_retry_storm_multiplies_attempts_and_drops_pauses_and_budgets() {
    check_calls(
        "two attempts with a pause become six without; after the storm it is two again",
        "
        services: {api: {service_time: 1ms, error_rate: 100%, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,100ms'}
            retry: {max_attempts: 2, backoff: {base: 10ms, jitter: none}, budget: 200%}
        timeline: [{id: storm, at: 0s, for: 50ms, fault: {retry_storm: {call: users, attempts: x3}}}]",
        "
        users 0: 0s..6ms error
          users -> api #1 0s..1ms
          users -> api #2 1ms..2ms
          users -> api #3 2ms..3ms
          users -> api #4 3ms..4ms
          users -> api #5 4ms..5ms
          users -> api #6 5ms..6ms
        users 1: 100ms..112ms error
          users -> api #1 100ms..101ms
          users -> api #2 111ms..112ms",
    );
    let outcome = check(
        "a call without retries makes three attempts",
        "
        services: {api: {service_time: 1ms, error_rate: 100%}}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]
        timeline: [{id: storm, at: 0s, for: 50ms, fault: {retry_storm: {call: users, attempts: x3}}}]",
        "users 0: 0s..3ms error",
    );
    assert_eq!(outcome.measured.entries[0].touched, 2);
}

#[test]
fn three_layers_of_retries_multiply() {
    let outcome = check(
        "three attempts at each of three layers: 27 at the bottom",
        "
        services:
          front: {calls: [{to: middle, retry: {max_attempts: 3, backoff: {base: 0s}}}]}
          middle: {calls: [{to: back, retry: {max_attempts: 3, backoff: {base: 0s}}}]}
          back: {error_rate: 100%}
        load: [{name: users, to: front, arrivals: {trace: 0ms}, retry: {max_attempts: 3, backoff: {base: 0s}}}]",
        "users 0: 0s..0s error",
    );
    let attempts =
        ["users -> front", "front -> middle", "middle -> back"].map(|name| edge(&outcome, name).attempts);
    assert_eq!(attempts, [3, 9, 27]);
}

#[test]
fn budgets_by_name_have_the_numbers_of_their_systems() {
    for (budget, retries) in [
        ("aws", 35),         // 500 tokens, 14 a retry
        ("aws_legacy", 100), // 500 tokens, 5 a retry
        ("grpc", 2),         // 10 tokens, one a failed attempt, no retry with 5 or fewer left
        ("finagle", 140),    // ten a second for ten seconds, and a fifth of two hundred requests
    ] {
        let text = format!(
            "run: {{duration: 1s, drain: 9s}}
services: {{api: {{error_rate: 100%, workers: unlimited}}}}
load:
  - name: users
    to: api
    arrivals: constant
    rate: 200/s
    retry: {{max_attempts: 2, backoff: {{base: 0s}}, budget: {budget}}}"
        );
        let outcome = ran(&text);
        let measured = edge(&outcome, "users -> api");
        assert_eq!((measured.requests, measured.retries), (200, retries), "{budget}");
        assert_eq!(measured.retries_denied, 200 - retries, "{budget}");
    }
}

#[test]
fn an_adaptive_client_waits_where_another_one_is_refused() {
    let world = |adaptive: bool| {
        ran(&format!(
            "run: {{duration: 10s, drain: 60s}}
services: {{api: {{service_time: 50ms, queue: {{capacity: 4}}}}}}
load:
  - name: users
    to: api
    arrivals: constant
    rate: 40/s
    retry: {{max_attempts: 1, adaptive: {adaptive}}}"
        ))
    };
    let (plain, adaptive) = (world(false), world(true));
    let rejected = |outcome: &Outcome| edge(outcome, "users -> api").ended[OutcomeKind::Rejected as usize];
    assert!(rejected(&plain) > 150, "half of what comes is too much: {}", rejected(&plain));
    assert!(rejected(&adaptive) < 40, "only what finds the limit is refused: {}", rejected(&adaptive));
    assert_eq!(plain.measured.loads[0].offered, adaptive.measured.loads[0].offered, "the same arrivals");
    let ended = adaptive.measured.loads[0].good + rejected(&adaptive);
    assert_eq!(ended, 400, "whoever waited was served in the end");
}

//! Timeouts, deadlines and patience, to the nanosecond.

use crate::harness::{check, check_calls, edge, service};

#[test]
fn an_answer_in_the_very_nanosecond_of_the_timeout_is_too_late_and_one_earlier_is_not() {
    for (service_time, expected) in [
        ("9999999ns", "users 0: 0s..9ms999us999ns ok"),
        ("10ms", "users 0: 0s..10ms timeout"),
        ("10000001ns", "users 0: 0s..10ms timeout"),
    ] {
        let scenario = format!(
            "services: {{api: {{service_time: {service_time}}}}}
load: [{{name: users, to: api, arrivals: {{trace: 0ms}}, timeout: 10ms}}]"
        );
        check(service_time, &scenario, expected);
    }
}

#[test]
fn a_timeout_covers_both_ways_and_the_line() {
    check(
        "2 ms there, 10 ms of work, 2 ms back; the second request waits for the worker",
        "
        services: {api: {service_time: 10ms}}
        network: {default: {latency: 2ms}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,20ms'}, timeout: 15ms}]",
        "
        users 0: 0s..14ms ok
        users 1: 1ms..16ms timeout
        users 2: 20ms..34ms ok",
    );
}

#[test]
fn an_overall_timeout_ends_the_call_in_the_middle_of_an_attempt() {
    check_calls(
        "attempts of 10 ms each, 25 ms in all",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: 0ms}
            timeout: 10ms
            overall_timeout: 25ms
            retry: {max_attempts: 9, backoff: {base: 0s}}",
        "
        users 0: 0s..25ms timeout
          users -> api #1 0s..10ms
          users -> api #2 10ms..20ms
          users -> api #3 20ms..25ms",
    );
}

#[test]
fn no_retry_is_begun_whose_pause_would_last_until_the_deadline() {
    let outcome = check_calls(
        "the error comes at 1 ms, the pause would end at 31 ms, the call has 31 ms: it is given up at once",
        "
        services: {api: {service_time: 1ms, error_rate: 100%}}
        load:
          - name: users
            to: api
            arrivals: {trace: 0ms}
            overall_timeout: 31ms
            retry: {max_attempts: 2, backoff: {base: 30ms, jitter: none}}",
        "
        users 0: 0s..1ms error
          users -> api #1 0s..1ms",
    );
    assert_eq!(edge(&outcome, "users -> api").retries, 0);
}

#[test]
fn a_deadline_handed_down_ends_the_calls_below_at_the_same_instant() {
    let scenario = |propagate: bool| {
        format!(
            "services:
  api: {{service_time: 10ms, calls: [{{to: db, propagate_deadline: {propagate}}}]}}
  db: {{service_time: 100ms}}
load: [{{name: users, to: api, arrivals: {{trace: 0ms}}, timeout: 50ms}}]"
        )
    };
    check_calls(
        "handed down: 50 ms after the user's start",
        &scenario(true),
        "
        users 0: 0s..50ms timeout
          users -> api #1 0s..50ms
          api -> db #1 10ms..50ms",
    );
    check_calls(
        "not handed down: as long as it takes",
        &scenario(false),
        "
        users 0: 0s..50ms timeout
          users -> api #1 0s..50ms
          api -> db #1 10ms..110ms",
    );
}

#[test]
fn a_deadline_that_has_passed_leaves_no_time_for_a_call() {
    let outcome = check_calls(
        "the api is done after the user has gone; its call is over before it is made",
        "
        services:
          api: {service_time: 60ms, calls: [{to: db, propagate_deadline: true}]}
          db: {service_time: 1ms}
        load: [{name: users, to: api, arrivals: {trace: 0ms}, timeout: 50ms}]",
        "
        users 0: 0s..50ms timeout
          users -> api #1 0s..50ms",
    );
    assert_eq!(service(&outcome, "db").arrivals, 0);
    assert_eq!(edge(&outcome, "api -> db").requests, 1);
}

#[test]
fn patience_counts_from_the_start_over_all_attempts() {
    check_calls(
        "two timeouts of 20 ms and a pause of 5 ms, then the client walks away in the third attempt",
        "
        services: {api: {service_time: 100ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: 0ms}
            patience: 60ms
            timeout: 20ms
            retry: {max_attempts: 5, backoff: {kind: constant, base: 5ms, jitter: none}}",
        "
        users 0: 0s..60ms abandoned
          users -> api #1 0s..20ms
          users -> api #2 25ms..45ms
          users -> api #3 50ms..60ms",
    );
}

#[test]
fn a_service_that_drops_expired_work_notices_it_when_the_work_is_taken_up() {
    let scenario = |drop_expired: bool| {
        format!(
            "services: {{api: {{service_time: 10ms, drop_expired: {drop_expired}}}}}
load: [{{name: users, to: api, arrivals: {{trace: '0ms,1ms,2ms,3ms'}}, timeout: 15ms}}]"
        )
    };
    let expected = "
        users 0: 0s..10ms ok
        users 1: 1ms..16ms timeout
        users 2: 2ms..17ms timeout
        users 3: 3ms..18ms timeout";
    let kept = check("kept", &scenario(false), expected);
    assert_eq!((service(&kept, "api").expired, service(&kept, "api").abandoned), (0, 3));
    let dropped = check("dropped", &scenario(true), expected);
    // The second was taken up at 10 ms, in time, and finished at 20 ms, too late.
    assert_eq!((service(&dropped, "api").expired, service(&dropped, "api").abandoned), (2, 1));
}

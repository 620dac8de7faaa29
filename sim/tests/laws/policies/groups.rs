//! Calls made together: parallel steps, joins, fan-out, hedges, optional calls, caches.

use crate::harness::{check, check_calls, check_work, edge, ran, service};

/// Three calls of 10, 20 and 30 ms at once.
fn parallel(join: &str, b: &str) -> String {
    format!(
        "services:
  api: {{calls: [{{parallel: [{{to: a}}, {b}, {{to: c}}], join: {join}}}]}}
  a: {{service_time: 10ms}}
  b: {{service_time: 20ms}}
  c: {{service_time: 30ms}}
load: [{{name: users, to: api, arrivals: {{trace: 0ms}}}}]"
    )
}

#[test]
fn a_parallel_step_is_over_when_as_many_have_succeeded_as_the_join_wants() {
    for (join, end) in [("all", 30), ("any", 10), ("1", 10), ("2", 20), ("3", 30)] {
        check(join, &parallel(join, "{to: b}"), &format!("users 0: 0s..{end}ms ok"));
    }
}

#[test]
fn steps_follow_each_other_and_a_parallel_one_takes_as_long_as_its_longest() {
    check_calls(
        "10 ms, then 20 and 30 ms at once, then 5 ms",
        "
        services:
          api: {service_time: 1ms, calls: [{to: a}, {parallel: [{to: b}, {to: c}]}, {to: d}]}
          a: {service_time: 10ms}
          b: {service_time: 20ms}
          c: {service_time: 30ms}
          d: {service_time: 5ms}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]",
        "
        users 0: 0s..46ms ok
          users -> api #1 0s..46ms
          api -> a #1 1ms..11ms
          api -> c #1 11ms..41ms
          api -> b #1 11ms..31ms
          api -> d #1 41ms..46ms",
    );
}

#[test]
fn a_step_fails_as_soon_as_too_few_can_still_succeed() {
    for (join, expected) in [
        ("all", "users 0: 0s..20ms error"),
        ("3", "users 0: 0s..20ms error"),
        ("2", "users 0: 0s..30ms ok"),
        ("any", "users 0: 0s..10ms ok"),
    ] {
        let scenario = parallel(join, "{to: b}")
            .replace("b: {service_time: 20ms}", "b: {service_time: 20ms, error_rate: 100%}");
        check(join, &scenario, expected);
    }
    let all_fail = parallel("any", "{to: b}").replace("ms}\n", "ms, error_rate: 100%}\n");
    check("the last hope is gone at 30 ms", &all_fail, "users 0: 0s..30ms error");
}

#[test]
fn a_failed_optional_call_leaves_the_request_unharmed() {
    let broken = |call: &str| {
        parallel("all", call).replace("b: {service_time: 20ms}", "b: {service_time: 20ms, error_rate: 100%}")
    };
    check("optional", &broken("{to: b, optional: true}"), "users 0: 0s..30ms ok");
    check("required", &broken("{to: b}"), "users 0: 0s..20ms error");
}

#[test]
fn what_a_step_no_longer_needs_is_stopped_if_it_can_be() {
    for (cancel, worked, cancelled, abandoned) in [(true, "10ms", 2, 0), (false, "30ms", 0, 2)] {
        let scenario = format!(
            "services:
  api: {{calls: [{{parallel: [{{to: a, cancel: {cancel}}}, {{to: b, cancel: {cancel}}}, {{to: c, cancel: {cancel}}}], join: any}}]}}
  a: {{service_time: 10ms}}
  b: {{service_time: 20ms}}
  c: {{service_time: 30ms}}
load: [{{name: users, to: api, arrivals: {{trace: 0ms}}}}]"
        );
        let outcome = check("any of three", &scenario, "users 0: 0s..10ms ok");
        let sum = |count: fn(&foreshock::measure::ServiceMeasured) -> u64| -> u64 {
            ["a", "b", "c"].iter().map(|name| count(service(&outcome, name))).sum()
        };
        assert_eq!(
            (sum(|s| s.cancelled), sum(|s| s.abandoned)),
            (cancelled, abandoned),
            "last work ends at {worked}"
        );
    }
}

#[test]
fn a_fan_out_makes_equal_calls_that_are_told_apart() {
    let scenario = |join: &str| {
        format!(
            "services:
  api: {{calls: [{{to: a, fan_out: 3, join: {join}}}]}}
  a: {{service_time: 10ms}}
load: [{{name: users, to: api, arrivals: {{trace: 0ms}}}}]"
        )
    };
    check("one worker does them one after the other", &scenario("all"), "users 0: 0s..30ms ok");
    check("two are enough", &scenario("2"), "users 0: 0s..20ms ok");
    let drawn = ran("
        services:
          api: {calls: [{to: a, fan_out: 3}]}
          a: {service_time: {exponential: {mean: 10ms}}, workers: unlimited}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]");
    let mut work: Vec<_> = drawn.trace.requests[0]
        .spans
        .iter()
        .filter(|span| span.kind == "service")
        .map(|span| span.to)
        .collect();
    work.dedup();
    assert_eq!(work.len(), 3, "each copy draws a demand of its own");
}

#[test]
fn a_hedge_sends_exactly_one_extra_copy_to_another_replica_and_the_first_answer_wins() {
    for (cancel, cancelled, abandoned) in [(true, 1, 0), (false, 0, 1)] {
        let scenario = format!(
            "services: {{api: {{replicas: 2, service_time: 50ms}}}}
load: [{{name: users, to: api, arrivals: {{trace: 0ms}}, cancel: {cancel}, hedge: {{after: 20ms}}}}]"
        );
        let outcome = check_calls(
            "the copy is sent at 20 ms, the first answer comes at 50 ms",
            &scenario,
            "
            users 0: 0s..50ms ok
              users -> api #1 0s..50ms
              users -> api #2 20ms..50ms",
        );
        let measured = edge(&outcome, "users -> api");
        assert_eq!((measured.attempts, measured.hedges, measured.retries), (2, 1, 0));
        assert_eq!(measured.attempts_by_replica, [1, 1]);
        let api = service(&outcome, "api");
        assert_eq!((api.cancelled, api.abandoned), (cancelled, abandoned));
    }
}

#[test]
fn a_hedge_is_not_sent_for_an_answer_in_time() {
    let outcome = check(
        "answered at 10 ms, the copy would be due at 20 ms",
        "
        services: {api: {replicas: 2, service_time: 10ms}}
        load: [{name: users, to: api, arrivals: {trace: 0ms}, hedge: {after: 20ms}}]",
        "users 0: 0s..10ms ok",
    );
    assert_eq!(edge(&outcome, "users -> api").hedges, 0);
}

#[test]
fn further_copies_follow_at_the_same_distance_each_to_another_replica_than_the_one_before() {
    let outcome = check_calls(
        "copies at 20 and 40 ms",
        "
        services: {api: {replicas: 3, service_time: 1s}}
        load: [{name: users, to: api, arrivals: {trace: 0ms}, hedge: {after: 20ms, max_extra: 2}}]",
        "
        users 0: 0s..1s ok
          users -> api #1 0s..1s
          users -> api #2 20ms..1s
          users -> api #3 40ms..1s",
    );
    assert_eq!(edge(&outcome, "users -> api").attempts_by_replica, [1, 1, 1]);
}

#[test]
fn a_cache_that_misses_is_filled_by_the_step_that_loads() {
    check_calls(
        "key 7 is missing, loaded and remembered; key 8 is missing",
        "
        services:
          api: {calls: [{to: cache, on_miss: db}, {to: db}], workers: unlimited}
          cache: {kind: cache, capacity: 10, service_time: 1ms}
          db: {service_time: 10ms}
        load: [{name: users, to: api, arrivals: {trace: '0ms 7,100ms 7,200ms 8'}, keys: {uniform: {items: 10}}}]",
        "
        users 0: 0s..11ms ok
          users -> api #1 0s..11ms
          api -> cache #1 0s..1ms
          api -> db #1 1ms..11ms
        users 1: 100ms..101ms ok
          users -> api #1 100ms..101ms
          api -> cache #1 100ms..101ms
        users 2: 200ms..211ms ok
          users -> api #1 200ms..211ms
          api -> cache #1 200ms..201ms
          api -> db #1 201ms..211ms",
    );
}

#[test]
fn a_cache_that_fails_counts_as_a_miss() {
    check_calls(
        "the cache is down: the database is asked; every way takes 1 ms",
        "
        services:
          api: {calls: [{to: cache, on_miss: db}, {to: db}]}
          cache: {kind: cache, capacity: 10, service_time: 1ms}
          db: {service_time: 10ms}
        network: {default: {latency: 1ms}}
        load: [{name: users, to: api, arrivals: {trace: '5ms 7'}}]
        timeline: [{id: down, at: 0s, fault: {crash: {service: cache}}}]",
        "
        users 0: 5ms..21ms ok
          users -> api #1 5ms..21ms
          api -> cache #1 6ms..8ms
          api -> db #1 8ms..20ms",
    );
}

#[test]
fn a_worker_that_blocks_is_occupied_by_its_calls_and_one_that_does_not_is_free() {
    let scenario = |blocking: bool| {
        format!(
            "services:
  api: {{service_time: 1ms, blocking: {blocking}, calls: [{{to: db}}]}}
  db: {{service_time: 10ms, workers: unlimited}}
load: [{{name: users, to: api, arrivals: {{trace: '0ms,0ms'}}}}]"
        )
    };
    check_work(
        "blocking: the second request waits for the first one's call",
        &scenario(true),
        "
        users 0: 0s..11ms ok
          api/1 #1 0s..1ms
          db/1 #1 1ms..11ms
        users 1: 0s..22ms ok
          api/1 #1 11ms..12ms
          db/1 #1 12ms..22ms",
    );
    check_work(
        "not blocking: it waits for the work alone",
        &scenario(false),
        "
        users 0: 0s..11ms ok
          api/1 #1 0s..1ms
          db/1 #1 1ms..11ms
        users 1: 0s..12ms ok
          api/1 #1 1ms..2ms
          db/1 #1 2ms..12ms",
    );
}

#[test]
fn only_the_operations_named_make_a_call() {
    check_calls(
        "browsing does not charge a card",
        "
        services:
          api: {calls: [{to: cards, operations: [buy]}]}
          cards: {service_time: 10ms}
        load:
          - {name: users, to: api, arrivals: {trace: '0ms browse,20ms buy'}, mix: {browse: 50%, buy: 50%}}",
        "
        users 0: 0s..0s ok
          users -> api #1 0s..0s
        users 1: 20ms..30ms ok
          users -> api #1 20ms..30ms
          api -> cards #1 20ms..30ms",
    );
}

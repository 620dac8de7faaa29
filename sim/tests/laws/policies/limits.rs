//! Rate limits, bulkheads and connection pools at the caller.

use foreshock::measure::OutcomeKind;

use crate::harness::{check, check_calls, edge, ends, ran};

#[test]
fn a_rate_limit_admits_its_burst_and_then_its_rate_and_nothing_beyond() {
    let outcome = ran("
        services: {api: {workers: unlimited}}
        load:
          - {name: users, to: api, arrivals: constant, rate: 100/s, rate_limit: {rate: 10/s, burst: 3}}");
    let admitted: Vec<u64> = outcome
        .trace
        .requests
        .iter()
        .filter(|request| request.outcome.name() == "ok")
        .map(|request| request.started.as_nanos() / 1_000_000)
        .collect();
    // Three at once, less what came in meanwhile; the bucket is whole again at 100 ms and every 100 ms from there.
    assert_eq!(admitted, [0, 10, 20, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    let refused = ends(&outcome).lines().filter(|line| line.ends_with("rate_limited")).count();
    assert_eq!(refused, 100 - admitted.len());
}

#[test]
fn a_bulkhead_holds_some_makes_some_wait_and_turns_the_others_away() {
    let scenario = |max_wait: &str| {
        format!(
            "services: {{api: {{service_time: 50ms, workers: unlimited}}}}
load:
  - name: users
    to: api
    arrivals: {{trace: '0ms,1ms,2ms'}}
    bulkhead: {{max_in_flight: 1, max_waiting: 1, max_wait: {max_wait}}}"
        )
    };
    check(
        "30 ms are too short a wait for a place that is free after 49 ms",
        &scenario("30ms"),
        "
        users 0: 0s..50ms ok
        users 1: 1ms..31ms bulkhead_full
        users 2: 2ms..2ms bulkhead_full",
    );
    check(
        "60 ms are enough",
        &scenario("60ms"),
        "
        users 0: 0s..50ms ok
        users 1: 1ms..100ms ok
        users 2: 2ms..2ms bulkhead_full",
    );
}

#[test]
fn the_timeout_of_an_attempt_covers_the_wait_at_a_gate() {
    let outcome = check(
        "the only connection is held for 100 ms by a call without a timeout; the other call waits for 20 ms",
        "
        services:
          api: {pools: {shared: {size: 1}}, calls: [{parallel: [{to: a, pool: shared}, {to: b, pool: shared, timeout: 20ms}]}]}
          a: {service_time: 100ms}
          b: {service_time: 1ms}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]",
        "users 0: 0s..20ms error",
    );
    let waiting = edge(&outcome, "api -> b");
    assert_eq!((waiting.attempts, waiting.ended[OutcomeKind::PoolTimeout as usize]), (0, 1));
}

#[test]
fn connections_are_handed_to_the_longest_waiting() {
    check_calls(
        "two connections; the wait does not count as part of the attempt",
        "
        services: {api: {service_time: 10ms, workers: unlimited}}
        load:
          - {name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,3ms,4ms'}, pool: {size: 2, acquire_timeout: 15ms}}",
        "
        users 0: 0s..10ms ok
          users -> api #1 0s..10ms
        users 1: 1ms..11ms ok
          users -> api #1 1ms..11ms
        users 2: 2ms..20ms ok
          users -> api #1 10ms..20ms
        users 3: 3ms..21ms ok
          users -> api #1 11ms..21ms
        users 4: 4ms..19ms pool_timeout",
    );
}

#[test]
fn a_pool_with_no_places_to_wait_refuses_at_once() {
    check(
        "one connection, nobody waits",
        "
        services: {api: {service_time: 10ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,12ms'}, pool: {size: 1, max_waiting: 0}}]",
        "
        users 0: 0s..10ms ok
        users 1: 1ms..1ms pool_timeout
        users 2: 12ms..22ms ok",
    );
}

#[test]
fn two_calls_that_share_a_pool_wait_for_each_other_and_those_of_another_replica_do_not() {
    check_calls(
        "one connection for both databases: the calls made together run one after the other",
        "
        services:
          api:
            pools: {databases: {size: 1}}
            calls: [{parallel: [{to: a, pool: databases}, {to: b, pool: databases}]}]
          a: {service_time: 10ms}
          b: {service_time: 10ms}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]",
        "
        users 0: 0s..20ms ok
          users -> api #1 0s..20ms
          api -> a #1 0s..10ms
          api -> b #1 10ms..20ms",
    );
    check_calls(
        "each replica has a pool of its own",
        "
        services:
          api: {replicas: 2, pools: {database: {size: 1}}, calls: [{to: db, pool: database}]}
          db: {service_time: 10ms, workers: unlimited}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms'}}]",
        "
        users 0: 0s..10ms ok
          users -> api #1 0s..10ms
          api -> db #1 0s..10ms
        users 1: 0s..10ms ok
          users -> api #1 0s..10ms
          api -> db #1 0s..10ms",
    );
}

#[test]
fn leaked_connections_are_missing_until_the_fault_ends() {
    let outcome = check_calls(
        "both connections leak from 5 ms to 100 ms; the one in use is missing once it comes back",
        "
        services: {api: {service_time: 10ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,6ms,20ms,30ms'}, pool: {size: 2}}]
        timeline: [{id: leak, at: 5ms, for: 95ms, fault: {pool_exhaustion: {load: users, pool: api, leaked: all}}}]",
        "
        users 0: 0s..10ms ok
          users -> api #1 0s..10ms
        users 1: 6ms..110ms ok
          users -> api #1 100ms..110ms
        users 2: 20ms..110ms ok
          users -> api #1 100ms..110ms
        users 3: 30ms..120ms ok
          users -> api #1 110ms..120ms",
    );
    assert_eq!(outcome.measured.entries[0].touched, 3);
}

#[test]
fn leaks_add_up_and_end_one_by_one() {
    check(
        "three connections; one leaks from 0 to 50 ms, one from 0 to 80 ms, and the third works",
        "
        services: {api: {service_time: 100ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: {trace: '1ms,2ms,3ms'}, pool: {size: 3}}]
        timeline:
          - {id: one, at: 0s, for: 50ms, fault: {pool_exhaustion: {load: users, pool: api, leaked: 1}}}
          - {id: other, at: 0s, for: 80ms, fault: {pool_exhaustion: {load: users, pool: api, leaked: 1}}}",
        "
        users 0: 1ms..101ms ok
        users 1: 2ms..150ms ok
        users 2: 3ms..180ms ok",
    );
}

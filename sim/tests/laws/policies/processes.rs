//! What befalls processes and processors: cold starts, start-up, crashes, pauses, slow and limited processors.

use crate::harness::{check, check_calls, check_work, service};

#[test]
fn a_cold_replica_is_slower_and_warms_up_linearly() {
    check(
        "three times as slow at the start, twice after half of the second, as ever after it",
        "
        run: {duration: 3s}
        services: {api: {service_time: 10ms, cold_start: {for: 1s, slowdown: x3}}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,500ms,1s,2s'}}]",
        "
        users 0: 0s..30ms ok
        users 1: 500ms..520ms ok
        users 2: 1s..1s10ms ok
        users 3: 2s..2s10ms ok",
    );
}

#[test]
fn a_restarted_replica_is_cold_again_and_refuses_until_it_has_started() {
    check(
        "down from 1 s to 1.1 s, starting until 1.15 s, then cold",
        "
        run: {duration: 4s}
        services: {api: {service_time: 10ms, startup: 50ms, cold_start: {for: 1s, slowdown: x3}}}
        load: [{name: users, to: api, arrivals: {trace: '995ms,1050ms,1149ms,1150ms,1600ms'}}]
        timeline: [{id: again, at: 1s, fault: {restart: {service: api, downtime: 100ms}}}]",
        "
        users 0: 995ms..1s reset
        users 1: 1s50ms..1s50ms refused
        users 2: 1s149ms..1s149ms refused
        users 3: 1s150ms..1s179ms ok
        users 4: 1s600ms..1s620ms ok",
    );
}

#[test]
fn a_dead_process_resets_and_refuses_where_a_dead_host_is_silent() {
    let scenario = |mode: &str| {
        format!(
            "services: {{api: {{service_time: 10ms}}}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: users, to: api, arrivals: {{trace: '0ms,4ms,20ms,110ms'}}, timeout: 40ms}}]
timeline: [{{id: down, at: 5ms, for: 100ms, fault: {{crash: {{service: api, mode: {mode}}}}}}}]"
        )
    };
    let outcome = check(
        "in work and on the way at 5 ms; during; after",
        &scenario("process"),
        "
        users 0: 0s..6ms reset
        users 1: 4ms..6ms refused
        users 2: 20ms..22ms refused
        users 3: 110ms..122ms ok",
    );
    assert_eq!((service(&outcome, "api").lost, outcome.measured.entries[0].touched), (1, 3));
    check(
        "nobody says a word",
        &scenario("host"),
        "
        users 0: 0s..40ms timeout
        users 1: 4ms..44ms timeout
        users 2: 20ms..60ms timeout
        users 3: 110ms..122ms ok",
    );
}

#[test]
fn calls_of_a_dead_process_are_given_up() {
    check_calls(
        "the api dies at 5 ms: its call is over, the database works on for nobody",
        "
        services:
          api: {calls: [{to: db}]}
          db: {service_time: 10ms}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]
        timeline: [{id: down, at: 5ms, for: 100ms, fault: {crash: {service: api}}}]",
        "
        users 0: 0s..5ms reset
          users -> api #1 0s..5ms
          api -> db #1 0s..5ms",
    );
}

#[test]
fn a_process_that_starts_again_has_forgotten_what_it_had_learned_of_those_it_calls() {
    let scenario = |timeline: &str| {
        format!(
            "
services:
  api: {{calls: [{{to: db, breaker: {{consecutive_failures: 1, min_requests: 100, open_for: 10s}}}}]}}
  db: {{service_time: 1ms}}
load: [{{name: users, to: api, arrivals: {{trace: '0ms,10ms,40ms'}}}}]
timeline:
  - {{id: bad, at: 0s, for: 5ms, fault: {{error: {{service: db}}}}}}{timeline}"
        )
    };
    check(
        "the breaker that the first failure opened stays open",
        &scenario(""),
        "
        users 0: 0s..0s error
        users 1: 10ms..10ms error
        users 2: 40ms..40ms error",
    );
    check(
        "the new process has a breaker of its own, and nothing against the database",
        &scenario("\n  - {id: down, at: 20ms, for: 10ms, fault: {crash: {service: api}}}"),
        "
        users 0: 0s..0s error
        users 1: 10ms..10ms error
        users 2: 40ms..41ms ok",
    );
}

#[test]
fn two_crashes_that_overlap_keep_a_replica_down_until_both_have_ended() {
    check(
        "down from 10 to 40 ms and from 20 to 60 ms",
        "
        services: {api: {service_time: 1ms}}
        load: [{name: users, to: api, arrivals: {trace: '5ms,15ms,45ms,65ms'}}]
        timeline:
          - {id: first, at: 10ms, for: 30ms, fault: {crash: {service: api}}}
          - {id: second, at: 20ms, for: 40ms, fault: {crash: {service: api}}}",
        "
        users 0: 5ms..6ms ok
        users 1: 15ms..15ms refused
        users 2: 45ms..45ms refused
        users 3: 65ms..66ms ok",
    );
}

#[test]
fn a_restart_during_a_crash_brings_nobody_back() {
    check(
        "the restart's downtime ends at 30 ms, the crash at 60 ms",
        "
        services: {api: {service_time: 1ms}}
        load: [{name: users, to: api, arrivals: {trace: '45ms,65ms'}}]
        timeline:
          - {id: first, at: 10ms, for: 50ms, fault: {crash: {service: api}}}
          - {id: second, at: 20ms, fault: {restart: {service: api, downtime: 10ms}}}",
        "
        users 0: 45ms..45ms refused
        users 1: 65ms..66ms ok",
    );
}

#[test]
fn a_paused_process_loses_nothing_but_time() {
    check_work(
        "4 ms of work are done before the pause; what comes during it is taken up after it, in order",
        "
        services: {api: {service_time: 10ms}}
        load: [{name: users, to: api, arrivals: {trace: '1ms,50ms,51ms'}}]
        timeline: [{id: stop, at: 5ms, for: 100ms, fault: {pause: {service: api}}}]",
        "
        users 0: 1ms..111ms ok
          api/1 #1 1ms..111ms
        users 1: 50ms..121ms ok
          api/1 #1 111ms..121ms
        users 2: 51ms..131ms ok
          api/1 #1 121ms..131ms",
    );
}

#[test]
fn the_timers_of_a_paused_process_fire_when_it_goes_on() {
    check_calls(
        "the timeout was due at 20 ms and the answer came at 30 ms; the api notices both at 105 ms, in this order",
        "
        services:
          api: {calls: [{to: db, timeout: 20ms}]}
          db: {service_time: 30ms}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]
        timeline: [{id: stop, at: 5ms, for: 100ms, fault: {pause: {service: api}}}]",
        "
        users 0: 0s..105ms error
          users -> api #1 0s..105ms
          api -> db #1 0s..105ms",
    );
}

#[test]
fn a_slow_processor_stretches_what_is_left_of_the_work() {
    for (lasts, end) in [("100ms", "15ms"), ("5ms", "12ms500us")] {
        let scenario = format!(
            "services: {{api: {{service_time: 10ms}}}}
load: [{{name: users, to: api, arrivals: {{trace: 0ms}}}}]
timeline: [{{id: hot, at: 5ms, for: {lasts}, fault: {{slow: {{service: api, factor: x2}}}}}}]"
        );
        check(lasts, &scenario, &format!("users 0: 0s..{end} ok"));
    }
    check(
        "factors of overlapping faults multiply: x2 from 0, x6 from 4 to 16 ms, x2 again",
        "
        services: {api: {service_time: 10ms}}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]
        timeline:
          - {id: hot, at: 0s, fault: {slow: {service: api, factor: x2}}}
          - {id: hotter, at: 4ms, for: 12ms, fault: {slow: {service: api, factor: x3}}}",
        "users 0: 0s..28ms ok",
    );
}

#[test]
fn a_processor_quota_is_stop_and_go() {
    check(
        "20 ms of every 100 ms: 50 ms of work run at 0, 100 and 200 ms",
        "
        services: {api: {service_time: 50ms}}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]
        timeline: [{id: quota, at: 0s, fault: {cpu_quota: {service: api, quota: 20ms}}}]",
        "users 0: 0s..210ms ok",
    );
    check(
        "two workers use it up twice as fast",
        "
        services: {api: {service_time: 20ms, workers: 2}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms'}}]
        timeline: [{id: quota, at: 0s, fault: {cpu_quota: {service: api, quota: 20ms}}}]",
        "
        users 0: 0s..110ms ok
        users 1: 0s..110ms ok",
    );
    check(
        "when the fault ends in the middle of standing still, work goes on at once",
        "
        services: {api: {service_time: 50ms}}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]
        timeline: [{id: quota, at: 0s, for: 70ms, fault: {cpu_quota: {service: api, quota: 20ms}}}]",
        "users 0: 0s..100ms ok",
    );
}

#[test]
fn refused_connections_and_broken_ones_are_told_apart() {
    let outcome = check(
        "refused at once; reset when the answer should have come, with the work done",
        "
        services: {api: {service_time: 10ms}}
        load: [{name: users, to: api, arrivals: {trace: '1ms,20ms'}}]
        timeline:
          - {id: closed, at: 0s, for: 10ms, fault: {refuse: {service: api}}}
          - {id: torn, at: 15ms, for: 10ms, fault: {reset: {call: users -> api}}}",
        "
        users 0: 1ms..1ms refused
        users 1: 20ms..30ms reset",
    );
    assert_eq!(service(&outcome, "api").completed, 1);
}

#[test]
fn a_service_can_be_made_to_fail_to_be_silent_and_to_be_late() {
    check(
        "an error at once, no answer at all, and 30 ms later without keeping a worker busy",
        "
        services: {api: {service_time: 10ms}}
        load: [{name: users, to: api, arrivals: {trace: '1ms,100ms,200ms,205ms'}, timeout: 50ms}]
        timeline:
          - {id: error, at: 0s, for: 10ms, fault: {error: {service: api}}}
          - {id: abort, at: 95ms, for: 10ms, fault: {abort: {service: api}}}
          - {id: delay, at: 195ms, for: 7ms, fault: {delay: {service: api, add: 30ms}}}",
        "
        users 0: 1ms..1ms error
        users 1: 100ms..150ms timeout
        users 2: 200ms..240ms ok
        users 3: 205ms..215ms ok",
    );
}

#[test]
fn unhealthy_replicas_are_left_out_by_probes_and_come_back() {
    let outcome = crate::harness::ran(
        "
        run: {duration: 4s}
        services: {api: {replicas: 2, health_check: {interval: 100ms, unhealthy_after: 2, healthy_after: 2}}}
        load: [{name: users, to: api, arrivals: constant, rate: 100/s}]
        timeline: [{id: down, at: 1s, for: 1s, fault: {crash: {service: api/2}}}]",
    );
    let failed: Vec<u64> = outcome
        .trace
        .requests
        .iter()
        .filter(|request| request.outcome.name() == "refused")
        .map(|request| request.started.as_nanos() / 1_000_000)
        .collect();
    // Probes at 1.0 s (or 1.1 s) and 1.1 s are not answered; the round after them takes the replica out.
    assert!(failed.iter().all(|at| (1000..1300).contains(at)), "{failed:?}");
    assert!(failed.len() >= 5, "half of the requests before that were refused: {failed:?}");
    let late = outcome.measured.edges[0].attempts_by_replica[1];
    assert!(late > 140, "the second replica serves again after the crash: {late}");
}

#[test]
fn failing_replicas_are_ejected_for_a_while() {
    let outcome = crate::harness::ran(
        "
        run: {duration: 3s}
        services:
          api: {replicas: 2, outlier_ejection: {consecutive_failures: 3, base: 1s, max_ejected: 50%}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,3ms,4ms,5ms,6ms,7ms,8ms,500ms,501ms,1500ms,1501ms'}}]
        timeline: [{id: bad, at: 0s, for: 1s, fault: {refuse: {service: api/2}}}]",
    );
    let refused: Vec<u64> = outcome
        .trace
        .requests
        .iter()
        .filter(|request| request.outcome.name() == "refused")
        .map(|request| request.number)
        .collect();
    assert_eq!(refused.len(), 3, "three failures in a row eject it for a second: {refused:?}");
    assert!(refused.iter().all(|number| *number < 6));
    assert_eq!(
        outcome.measured.edges[0].attempts_by_replica[1], 4,
        "and one of the last two reaches it again"
    );
}

#[test]
fn replicas_that_are_down_or_do_not_exist_yet_send_no_probes() {
    let probes = |timeline: &str| -> u64 {
        let outcome = crate::harness::ran(&format!(
            "
            run: {{duration: 1s, drain: 1ms}}
            services:
              front: {{calls: [{{to: back}}]}}
              back: {{health_check: {{interval: 100ms}}}}
            load: [{{name: users, to: front, arrivals: {{trace: 0ms}}}}]
            {timeline}"
        ));
        outcome.measured.links.iter().find(|link| link.name == "front -> back").unwrap().sent - 1
    };
    // One from the start, one each 100 ms, the last at 1 s.
    assert_eq!(probes(""), 11);
    assert_eq!(probes("timeline: [{id: more, at: 450ms, scale: {service: front, replicas: 3}}]"), 11 + 2 * 6);
    assert_eq!(
        probes("timeline: [{id: down, at: 450ms, for: 300ms, fault: {crash: {service: front}}}]"),
        11 - 3
    );
}

#[test]
fn a_paused_caller_that_was_let_in_meanwhile_takes_its_answer_when_it_goes_on() {
    check(
        "the wait was over at 50 ms, the connection came at 100 ms; at 200 ms the answer is there",
        "
        services:
          api: {pools: {db: {size: 1, acquire_timeout: 50ms}}, calls: [{to: db, pool: db}]}
          db: {service_time: 10ms}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]
        timeline:
          - {id: leak, at: 0s, for: 100ms, fault: {pool_exhaustion: {service: api, pool: db, leaked: all}}}
          - {id: stop, at: 10ms, for: 190ms, fault: {pause: {service: api}}}",
        "users 0: 0s..200ms ok",
    );
}

//! Circuit breakers at work in calls.

use crate::harness::{assert_journal, check, check_calls, edge, ends, ran, timeline};

#[test]
fn a_breaker_opens_after_so_many_failures_half_opens_by_the_clock_and_closes_on_success() {
    let outcome = check(
        "the third failure at 20 ms opens it until 120 ms; the probe then fails, the one at 220 ms succeeds",
        "
        services: {api: {service_time: 1ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,10ms,20ms,30ms,119ms,120ms,121ms,219ms,220ms,250ms'}
            breaker: {consecutive_failures: 3, min_requests: 100, open_for: 100ms, half_open_probes: 1}
        timeline: [{id: bad, at: 0s, for: 122ms, fault: {error: {service: api}}}]",
        "
        users 0: 0s..0s error
        users 1: 10ms..10ms error
        users 2: 20ms..20ms error
        users 3: 30ms..30ms breaker_open
        users 4: 119ms..119ms breaker_open
        users 5: 120ms..120ms error
        users 6: 121ms..121ms breaker_open
        users 7: 219ms..219ms breaker_open
        users 8: 220ms..221ms ok
        users 9: 250ms..251ms ok",
    );
    let breaker = edge(&outcome, "users -> api").breaker;
    assert_eq!((breaker.opened, breaker.half_opened, breaker.closed, breaker.rejected), (2, 2, 1, 4));
}

#[test]
fn half_open_admits_no_more_than_its_probes_at_a_time() {
    check(
        "two probes of 50 ms each are under way at 101 ms; the third is refused; both succeed and it closes",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,101ms,102ms,103ms,160ms'}
            breaker: {consecutive_failures: 1, open_for: 100ms, half_open_probes: 2}
        timeline: [{id: bad, at: 0s, for: 1ms, fault: {error: {service: api}}}]",
        "
        users 0: 0s..0s error
        users 1: 101ms..151ms ok
        users 2: 102ms..152ms ok
        users 3: 103ms..103ms breaker_open
        users 4: 160ms..210ms ok",
    );
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_enough_requests() {
    let outcome = check(
        "two of four fail: with four outcomes in the window half of them open it",
        "
        services:
          api: {workers: unlimited, operations: {good: {service_time: 1ms}, bad: {service_time: 9ms}}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms bad,10ms good,20ms bad,30ms good,40ms good'}
            timeout: 5ms
            mix: {good: 50%, bad: 50%}
            breaker: {count: 4, min_requests: 4, open_at: 50%, open_for: 1s}",
        "
        users 0: 0s..5ms timeout
        users 1: 10ms..11ms ok
        users 2: 20ms..25ms timeout
        users 3: 30ms..31ms ok
        users 4: 40ms..40ms breaker_open",
    );
    assert_eq!(edge(&outcome, "users -> api").breaker.opened, 1);
}

#[test]
fn slow_answers_open_it_as_failures_do() {
    check(
        "answers above 3 ms are slow",
        "
        services: {api: {service_time: 4ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,10ms,20ms'}
            breaker: {count: 10, min_requests: 2, slow_call: 3ms, slow_at: 100%, open_for: 1s}",
        "
        users 0: 0s..4ms ok
        users 1: 10ms..14ms ok
        users 2: 20ms..20ms breaker_open",
    );
}

#[test]
fn a_breaker_for_each_replica_lets_the_healthy_one_serve() {
    let outcome = ran("
        services: {api: {replicas: 2, service_time: 1ms}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,10ms,20ms,30ms,40ms,50ms'}
            breaker: {consecutive_failures: 1, open_for: 10s, scope: endpoint}
        timeline: [{id: down, at: 0s, fault: {crash: {service: api/1}}}]");
    // Replicas take turns: three of six go to the one that is down, and only the first of them finds out.
    let count = |wanted: &str| ends(&outcome).lines().filter(|line| line.ends_with(wanted)).count();
    assert_eq!(["ok", "refused", "breaker_open"].map(count), [3, 1, 2]);
    assert_eq!(edge(&outcome, "users -> api").breaker.rejected, 2);
}

#[test]
fn a_retry_against_an_open_breaker_is_not_an_attempt() {
    let outcome = check_calls(
        "the first failure opens the breaker; the retry is refused and, as a refusal is not retryable, the call ends",
        "
        services: {api: {service_time: 1ms, error_rate: 100%}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,10ms'}
            retry: {max_attempts: 3, backoff: {base: 5ms, jitter: none}}
            breaker: {consecutive_failures: 1, open_for: 10s}",
        "
        users 0: 0s..6ms breaker_open
          users -> api #1 0s..1ms
        users 1: 10ms..10ms breaker_open",
    );
    let measured = edge(&outcome, "users -> api");
    assert_eq!((measured.attempts, measured.breaker.rejected), (1, 2));
}

#[test]
fn an_entry_can_wait_for_a_breaker_to_open() {
    let outcome = check(
        "the breaker opens at 10 ms, the config change follows 5 ms later",
        "
        services: {api: {service_time: 1ms}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,10ms,40ms'}
            breaker: {consecutive_failures: 2, open_for: 20ms, half_open_probes: 1}
        timeline:
          - {id: bad, at: 0s, for: 15ms, fault: {error: {service: api}}}
          - {id: remedy, when: {breaker_open: users -> api}, delay: 5ms, config: {api.service_time: 3ms}}",
        "
        users 0: 0s..0s error
        users 1: 10ms..10ms error
        users 2: 40ms..43ms ok",
    );
    assert_journal(
        "when the second failure has opened it, and a little later",
        &timeline(&outcome),
        "
        0s bad started: api
        15ms bad ended: touched 2
        15ms remedy started: api.service_time = 3ms",
    );
}

#[test]
fn a_breaker_that_waits_for_a_lost_probe_without_end_stays_shut_for_ever() {
    for (wait, opened, good) in [("unlimited", 1, 0), ("50ms", 2, 1)] {
        let outcome = ran(&format!(
            "services: {{api: {{service_time: 1ms}}}}
load:
  - name: users
    to: api
    arrivals: {{trace: '0ms,101ms,400ms'}}
    breaker: {{consecutive_failures: 1, open_for: 100ms, half_open_probes: 1, half_open_max_wait: {wait}}}
timeline:
  - {{id: bad, at: 0s, for: 50ms, fault: {{error: {{service: api}}}}}}
  - {{id: silence, at: 90ms, for: 20ms, fault: {{abort: {{service: api}}}}}}"
        ));
        let measured = edge(&outcome, "users -> api");
        assert_eq!((measured.breaker.opened, measured.good), (opened, good), "{wait}");
    }
}

#[test]
fn failures_within_the_window_open_it_whatever_their_share() {
    let outcome = ran("services: {api: {service_time: 1ms, workers: unlimited}}
load:
  - name: users
    to: api
    arrivals: {trace: '0ms,10ms,20ms,30ms,40ms,50ms,60ms,70ms'}
    breaker: {count: 100, min_requests: 2, open_at: 100%, failures_in_window: 2, open_for: 10s}
timeline:
  - {id: first, at: 5ms, for: 10ms, fault: {error: {service: api}}}
  - {id: second, at: 45ms, for: 10ms, fault: {error: {service: api}}}");
    let measured = edge(&outcome, "users -> api");
    assert_eq!((measured.good, measured.breaker.opened, measured.breaker.rejected), (4, 1, 2));
}

#[test]
fn a_breaker_can_close_before_all_of_its_probes_are_answered() {
    check(
        "three probes are let in and one good one is enough: the fourth call of a burst is no probe any more",
        "
        services: {api: {service_time: 10ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,101ms,120ms,121ms,122ms,123ms'}
            breaker: {consecutive_failures: 1, open_for: 100ms, half_open_probes: 3, close_at: 1}
        timeline: [{id: bad, at: 0s, for: 1ms, fault: {error: {service: api}}}]",
        "
        users 0: 0s..0s error
        users 1: 101ms..111ms ok
        users 2: 120ms..130ms ok
        users 3: 121ms..131ms ok
        users 4: 122ms..132ms ok
        users 5: 123ms..133ms ok",
    );
}

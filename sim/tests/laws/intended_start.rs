//! Law 6: latency counts from the intended start and holds everything; goodput is what somebody still waited for.

use foreshock::kernel::time::Span;

use crate::harness::{check, edge, ran, service};

#[test]
fn latency_holds_the_wait_at_the_client_all_attempts_and_all_pauses() {
    let outcome = check(
        "2 ms behind another at the bulkhead, 5 ms until the timeout, 7 ms pause, 4 ms for the second attempt",
        "
        services: {api: {service_time: 4ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,2ms'}
            timeout: 7ms
            retry: {max_attempts: 2, backoff: {kind: constant, base: 7ms, jitter: none}}
            bulkhead: {max_in_flight: 1, max_waiting: 1}
        timeline: [{id: lost, at: 3ms, for: 5ms, fault: {abort: {service: api}}}]",
        "
        users 0: 0s..4ms ok
        users 1: 2ms..20ms ok",
    );
    let load = &outcome.measured.loads[0];
    assert_eq!(load.latency.max_ns, 18_000_000);
    // The path of a request adds up to its latency.
    let path = load.path;
    let parts = path.waiting_ns + path.retrying_ns + path.network_ns + path.queue_ns + path.service_ns;
    assert_eq!(parts, load.latency.sum_ns);
    assert_eq!(path.retrying_ns, 14_000_000);
}

#[test]
fn an_open_load_starts_its_requests_on_schedule_however_slow_the_answers_are() {
    let outcome = ran("
        services: {api: {service_time: 500ms}}
        load: [{name: users, to: api, arrivals: constant, rate: 20/s}]");
    let starts: Vec<Span> =
        outcome.trace.requests.iter().map(|request| request.started.since(crate::harness::ms(0))).collect();
    assert_eq!(starts, (0..20).map(|n| Span::from_millis(50 * n)).collect::<Vec<_>>());
    // The last of 20 is done after 10 s of work, 9.05 s after its start.
    assert_eq!(outcome.measured.loads[0].latency.max_ns, 9_050_000_000);
}

#[test]
fn a_closed_load_waits_for_its_answer_and_its_pause() {
    check(
        "10 ms of work, 40 ms of thought, until the load ends at 150 ms",
        "
        run: {duration: 150ms}
        services: {api: {service_time: 10ms}}
        load: [{name: users, to: api, closed: {clients: 1, think: 40ms}}]",
        "
        users 0: 40ms..50ms ok
        users 1: 90ms..100ms ok
        users 2: 140ms..150ms ok",
    );
    let outcome = ran("
        services: {api: {service_time: 10ms, workers: 4}}
        load: [{name: users, to: api, closed: {clients: 5}}]");
    // Four of five are served at a time: 400 in a second, and those that start at its last instants.
    let all = outcome.measured.loads[0].all;
    assert!((400..=405).contains(&all.offered), "{all:?}");
    assert_eq!(service(&outcome, "api").queue_max, 1);
}

#[test]
fn an_answer_that_nobody_waits_for_is_no_goodput() {
    let outcome = ran("
        services: {api: {service_time: 20ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: constant, rate: 10/s, timeout: 15ms}]");
    let load = &outcome.measured.loads[0];
    assert_eq!((load.good, load.failed_total(), load.offered), (0, 10, 10));
    let api = service(&outcome, "api");
    assert_eq!((api.completed, api.abandoned), (10, 10));
    assert_eq!(edge(&outcome, "users -> api").late_answers, 10);
}

#[test]
fn requests_of_the_warm_up_are_simulated_but_not_measured() {
    let outcome = ran("
        run: {duration: 1s, warmup: 300ms}
        services: {api: {service_time: 10ms}}
        load: [{name: users, to: api, arrivals: constant, rate: 100/s}]");
    let load = &outcome.measured.loads[0];
    assert_eq!((load.all.offered, load.offered), (100, 70));
}

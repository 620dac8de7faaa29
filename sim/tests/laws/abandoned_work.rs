//! Law 5: abandoned work is still work, unless the callee is told to stop.

use crate::harness::{check_work, service};

fn api_and_db(cancel_api: bool, cancel_db: bool) -> String {
    format!(
        "services:
  api: {{service_time: 10ms, calls: [{{to: db, cancel: {cancel_db}}}]}}
  db: {{service_time: 40ms}}
load:
  - {{name: users, to: api, arrivals: {{trace: '0ms,60ms'}}, timeout: 30ms, cancel: {cancel_api}}}"
    )
}

#[test]
fn work_that_nobody_waits_for_is_done_to_the_end_and_delays_those_who_come_after() {
    let outcome = check_work(
        "the first is given up at 30 ms, its database work ends at 50 ms, its second half blocks nobody",
        &api_and_db(false, false).replace("60ms", "40ms"),
        "
        users 0: 0s..30ms timeout
          api/1 #1 0s..10ms
          db/1 #1 10ms..50ms
        users 1: 40ms..70ms timeout
          api/1 #1 50ms..60ms
          db/1 #1 60ms..100ms",
    );
    assert_eq!(service(&outcome, "api").abandoned, 2);
    assert_eq!((service(&outcome, "db").completed, service(&outcome, "db").abandoned), (2, 0));
}

#[test]
fn a_cancelled_request_frees_its_worker_at_once() {
    let outcome = check_work(
        "the api stops at 30 ms and is free; what it asked of the database is not cancelled and goes on to 50 ms",
        &api_and_db(true, false).replace("60ms", "31ms"),
        "
        users 0: 0s..30ms timeout
          api/1 #1 0s..10ms
          db/1 #1 10ms..50ms
        users 1: 31ms..61ms timeout
          api/1 #1 31ms..41ms
          db/1 #1 50ms..90ms",
    );
    assert_eq!(service(&outcome, "api").cancelled, 2);
    assert_eq!(service(&outcome, "db").abandoned, 2);
}

#[test]
fn a_cancellation_is_handed_on_where_every_edge_says_so() {
    let outcome = check_work(
        "both stop at 30 and 90 ms: the database has nothing to show",
        &api_and_db(true, true),
        "
        users 0: 0s..30ms timeout
          api/1 #1 0s..10ms
        users 1: 60ms..90ms timeout
          api/1 #1 60ms..70ms",
    );
    assert_eq!((service(&outcome, "api").cancelled, service(&outcome, "db").cancelled), (2, 2));
    assert_eq!(service(&outcome, "db").completed, 0);
}

#[test]
fn a_cancellation_takes_the_same_way_as_the_request_and_may_come_too_late() {
    let outcome = check_work(
        "given up at 30 ms, told at 45 ms; the work of 20 ms ended at 35 ms",
        "
        services: {api: {service_time: 20ms}}
        network: {default: {latency: 15ms}}
        load: [{name: users, to: api, arrivals: {trace: 0ms}, timeout: 30ms, cancel: true}]",
        "
        users 0: 0s..30ms timeout
          api/1 #1 15ms..35ms",
    );
    assert_eq!((service(&outcome, "api").cancelled, service(&outcome, "api").abandoned), (0, 1));
}

#[test]
fn a_request_that_is_cancelled_while_it_waits_never_starts() {
    let outcome = check_work(
        "in line from 1 to 21 ms behind 50 ms of work",
        "
        services: {api: {operations: {long: {service_time: 50ms}, short: {service_time: 1ms}}}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms long,40ms short'}
            mix: {long: 50%, short: 50%}
          - name: hurried
            to: api
            arrivals: {trace: '1ms short'}
            mix: {long: 50%, short: 50%}
            timeout: 20ms
            cancel: true",
        "
        users 0: 0s..50ms ok
          api/1 #1 0s..50ms
        hurried 0: 1ms..21ms timeout
        users 1: 40ms..51ms ok
          api/1 #1 50ms..51ms",
    );
    assert_eq!((service(&outcome, "api").cancelled, service(&outcome, "api").completed), (1, 2));
}

#[test]
fn a_duplicate_of_a_cancelled_request_is_stopped_as_well() {
    let outcome = check_work(
        "both copies have a worker until 10 ms",
        "
        services: {api: {service_time: 50ms, workers: 2}}
        load: [{name: users, to: api, arrivals: {trace: '1ms,20ms'}, timeout: 9ms, cancel: true}]
        timeline: [{id: twice, at: 0s, for: 5ms, fault: {duplicate: {link: users -> api, share: 100%}}}]",
        "
        users 0: 1ms..10ms timeout
        users 1: 20ms..29ms timeout",
    );
    assert_eq!((service(&outcome, "api").cancelled, service(&outcome, "api").abandoned), (3, 0));
}

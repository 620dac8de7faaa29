//! Changes while the run goes on: config, deploys, scaling, extra hops, rollbacks, each at its exact time.

use foreshock::kernel::time::Span;
use foreshock::measure::OutcomeKind;
use foreshock::run::Outcome;

use crate::harness::{assert_journal, check, check_calls, check_work, edge, ran, timeline};

#[test]
fn a_setting_holds_from_its_instant_on_and_until_its_end() {
    check_work(
        "10 ms until 100 ms, 20 ms until 200 ms",
        "
        services: {api: {service_time: 10ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: {trace: '99999999ns,100ms,199999999ns,200ms'}}]
        timeline: [{id: worse, at: 100ms, for: 100ms, config: {api.service_time: 20ms}}]",
        "
        users 0: 99ms999us999ns..109ms999us999ns ok
          api/1 #1 99ms999us999ns..109ms999us999ns
        users 1: 100ms..120ms ok
          api/1 #1 100ms..120ms
        users 2: 199ms999us999ns..219ms999us999ns ok
          api/1 #1 199ms999us999ns..219ms999us999ns
        users 3: 200ms..210ms ok
          api/1 #1 200ms..210ms",
    );
}

#[test]
fn every_kind_of_setting_can_change() {
    let base = "
        services:
          api: {service_time: 10ms, calls: [{to: db}]}
          db: {service_time: 10ms, workers: 4}
        load: [{name: users, to: api, arrivals: {trace: '100ms,100ms'}}]
        timeline: [{id: change, at: 50ms, config: {CHANGE}}]";
    for (change, first, second) in [
        ("api.workers: 2", "100ms..120ms ok", "100ms..120ms ok"),
        ("api.blocking: false", "100ms..120ms ok", "100ms..130ms ok"),
        ("api.queue.capacity: 0", "100ms..120ms ok", "100ms..100ms rejected"),
        ("db.service_time: 1ms", "100ms..111ms ok", "100ms..122ms ok"),
        ("db.error_rate: 100%", "100ms..120ms error", "100ms..140ms error"),
        ("api.calls.db.timeout: 5ms", "100ms..115ms error", "100ms..130ms error"),
        ("api.calls.db.optional: true, db.error_rate: 100%", "100ms..120ms ok", "100ms..140ms ok"),
        ("users.timeout: 15ms", "100ms..115ms timeout", "100ms..115ms timeout"),
        ("users.patience: 12ms", "100ms..112ms abandoned", "100ms..112ms abandoned"),
        ("network.default.latency: 1ms", "100ms..124ms ok", "100ms..146ms ok"),
        ("api.calls.db.share: 0%", "100ms..110ms ok", "100ms..120ms ok"),
    ] {
        let expected = format!("users 0: {first}\nusers 1: {second}");
        check(change, &base.replace("CHANGE", change), &expected);
    }
}

#[test]
fn policies_that_change_keep_what_they_have_counted() {
    check(
        "a breaker with two failures on its count opens at the third although its settings changed in between",
        "
        services: {api: {error_rate: 100%}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,10ms,30ms,40ms'}
            breaker: {consecutive_failures: 5, open_for: 1s}
        timeline: [{id: stricter, at: 20ms, config: {users.breaker.consecutive_failures: 3}}]",
        "
        users 0: 0s..0s error
        users 1: 10ms..10ms error
        users 2: 30ms..30ms error
        users 3: 40ms..40ms breaker_open",
    );
}

#[test]
fn places_and_lines_at_the_caller_follow_their_settings() {
    check(
        "a second place at 10 ms lets the waiting one in; with two places to wait nobody else is turned away",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,1ms,2ms,20ms,21ms'}
            bulkhead: {max_in_flight: 1, max_waiting: 1}
        timeline: [{id: wider, at: 10ms, config: {users.bulkhead.max_in_flight: 2, users.bulkhead.max_waiting: 2}}]",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..60ms ok
        users 2: 2ms..2ms bulkhead_full
        users 3: 20ms..100ms ok
        users 4: 21ms..110ms ok",
    );
    check(
        "the same for the line before a pool",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - {name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,20ms,21ms'}, pool: {size: 1, max_waiting: 1}}
        timeline: [{id: wider, at: 10ms, config: {users.pool.max_waiting: 2}}]",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..100ms ok
        users 2: 2ms..2ms pool_timeout
        users 3: 20ms..150ms ok
        users 4: 21ms..21ms pool_timeout",
    );
}

#[test]
fn a_policy_can_be_added_and_taken_away_while_running() {
    check(
        "no limit, then one place, then no limit",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,100ms,101ms,200ms,201ms'}}]
        timeline: [{id: limit, at: 90ms, for: 100ms, config: {users.bulkhead: {max_in_flight: 1}}}]",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..51ms ok
        users 2: 100ms..150ms ok
        users 3: 101ms..101ms bulkhead_full
        users 4: 200ms..250ms ok
        users 5: 201ms..251ms ok",
    );
    check(
        "no retries, then two attempts, then none",
        "
        services: {api: {service_time: 1ms, error_rate: 100%}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,100ms,200ms'}}]
        timeline: [{id: again, at: 90ms, for: 100ms, config: {users.retry: {max_attempts: 2, backoff: {base: 0s}}}}]",
        "
        users 0: 0s..1ms error
        users 1: 100ms..102ms error
        users 2: 200ms..201ms error",
    );
}

#[test]
fn health_checks_can_be_switched_on_off_and_on_again() {
    let outcome = ran(
        "
        run: {duration: 4s}
        services: {api: {replicas: 2}}
        load: [{name: users, to: api, arrivals: constant, rate: 100/s}]
        timeline:
          - {id: first, at: 500ms, for: 500ms, config: {api.health_check: {interval: 100ms, unhealthy_after: 2}}}
          - {id: again, at: 1500ms, config: {api.health_check: {interval: 100ms, unhealthy_after: 2}}}
          - {id: down, at: 2s, for: 1s, fault: {crash: {service: api/2}}}",
    );
    let last_refused = outcome.trace.requests.iter().rfind(|request| request.outcome == OutcomeKind::Refused);
    let last_refused = last_refused.unwrap().started;
    assert!(last_refused < crate::harness::ms(2300), "the dead replica was still asked at {last_refused}");
}

#[test]
fn a_rate_that_changes_takes_effect_at_once() {
    let starts = |timeline: &str| -> Vec<u64> {
        let outcome = ran(&format!(
            "
            services: {{api: {{workers: unlimited}}}}
            load: [{{name: users, to: api, arrivals: constant, rate: 10/s}}]
            {timeline}"
        ));
        outcome.trace.requests.iter().map(|request| request.started.as_nanos() / 1_000_000).collect()
    };
    assert_eq!(starts(""), [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    // Half of the gap to 300 ms is over at 250 ms; the other half is walked at twice the speed.
    let faster = starts("timeline: [{id: faster, at: 250ms, for: 250ms, config: {users.rate: 20/s}}]");
    assert_eq!(faster, [0, 100, 200, 275, 325, 375, 425, 475, 550, 650, 750, 850, 950]);
}

/// Asserts for every request how long it took, by the replica that served it and the instant of its start.
fn assert_took(outcome: &Outcome, expected_ms: impl Fn(&str, u64) -> u64) {
    for request in &outcome.trace.requests {
        let work = request.spans.iter().find(|span| span.kind == "service").unwrap();
        let took = request.ended.unwrap().since(request.started);
        let started_ms = request.started.as_nanos() / 1_000_000;
        let expected = Span::from_millis(expected_ms(&work.node, started_ms));
        assert_eq!(took, expected, "request {} of {} at {}", request.number, request.started, work.node);
    }
}

#[test]
fn a_rolling_deploy_replaces_one_replica_after_the_other() {
    let outcome = ran("
        run: {duration: 5s}
        services: {api: {replicas: 3, service_time: 10ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: constant, rate: 300/s}]
        timeline:
          - id: v2
            at: 999ms
            deploy: {service: api, version: v2, every: 1s, set: {api.service_time: 20ms}}");
    assert_journal(
        "one a second",
        &timeline(&outcome),
        "
        999ms v2 started: api v2: api.service_time = 20ms
        999ms v2 replaced: api/1 runs v2
        1s999ms v2 replaced: api/2 runs v2
        2s999ms v2 replaced: api/3 runs v2",
    );
    assert_took(&outcome, |node, started_ms| {
        let replaced_ms = [("api/1", 999), ("api/2", 1999), ("api/3", 2999)];
        let is_new = replaced_ms.iter().any(|(replica, at)| *replica == node && started_ms >= *at);
        if is_new { 20 } else { 10 }
    });
}

#[test]
fn a_replica_that_is_being_replaced_is_away_for_its_downtime() {
    let outcome = ran("
        run: {duration: 3s}
        services: {api: {replicas: 2, workers: unlimited, service_time: 1ms}}
        load: [{name: users, to: api, arrivals: constant, rate: 100/s}]
        timeline: [{id: v2, at: 995ms, deploy: {service: api, version: v2, every: 1s, downtime: 500ms}}]");
    assert_journal(
        "half a second each",
        &timeline(&outcome),
        "
        995ms v2 started: api v2: no settings
        1s495ms v2 replaced: api/1 runs v2
        2s495ms v2 replaced: api/2 runs v2",
    );
    // 50 and 50; then half seconds of 50 requests: all to the other, shared, all to the other, shared.
    assert_eq!(edge(&outcome, "users -> api").attempts_by_replica, [150, 150]);
    assert!(outcome.trace.requests.iter().all(|request| request.outcome == OutcomeKind::Ok));
}

#[test]
fn a_canary_is_a_share_of_the_replicas_rounded_up_and_a_deploy_can_be_undone() {
    let outcome = ran("
        run: {duration: 3s}
        services: {api: {replicas: 4, workers: unlimited, service_time: 10ms}}
        load: [{name: users, to: api, arrivals: constant, rate: 400/s}]
        timeline:
          - id: v2
            at: 999ms
            deploy: {service: api, version: v2, strategy: canary, share: 30%, set: {api.service_time: 30ms}}
          - {id: back, at: 1999ms, rollback: {of: v2}}");
    assert_journal(
        "two of four",
        &timeline(&outcome),
        "
        999ms v2 started: api v2: api.service_time = 30ms
        999ms v2 replaced: api/1 runs v2
        999ms v2 replaced: api/2 runs v2
        1s999ms v2 ended
        1s999ms back started: v2 undone
        1s999ms v2 replaced: api/1 runs previous
        1s999ms v2 replaced: api/2 runs previous",
    );
    assert_took(&outcome, |node, started_ms| {
        let is_canary = (999..1999).contains(&started_ms) && ["api/1", "api/2"].contains(&node);
        if is_canary { 30 } else { 10 }
    });
}

#[test]
fn what_a_deploy_sets_elsewhere_holds_from_its_first_replica_on() {
    check_work(
        "the new version of the api shortens the database's time for everybody",
        "
        services:
          api: {replicas: 2, calls: [{to: db}]}
          db: {service_time: 10ms, workers: unlimited}
        load: [{name: users, to: api, arrivals: {trace: '50ms,150ms,160ms'}}]
        timeline:
          - {id: v2, at: 100ms, deploy: {service: api, version: v2, every: 500ms, set: {db.service_time: 2ms}}}",
        "
        users 0: 50ms..60ms ok
          db/1 #1 50ms..60ms
        users 1: 150ms..152ms ok
          db/1 #1 150ms..152ms
        users 2: 160ms..162ms ok
          db/1 #1 160ms..162ms",
    );
}

#[test]
fn scaling_takes_effect_at_once_and_ends_with_its_entry() {
    check(
        "one worker, two from 100 ms, one again from 200 ms; the job under way then is finished",
        "
        services: {api: {service_time: 30ms}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms,100ms,100ms,190ms,190ms,250ms,250ms'}}]
        timeline: [{id: more, at: 100ms, for: 100ms, scale: {service: api, replicas: 2}}]",
        "
        users 0: 0s..30ms ok
        users 1: 0s..60ms ok
        users 2: 100ms..130ms ok
        users 3: 100ms..130ms ok
        users 4: 190ms..220ms ok
        users 5: 190ms..220ms ok
        users 6: 250ms..280ms ok
        users 7: 250ms..310ms ok",
    );
    let outcome = check(
        "the later of two scalings counts; when it ends the earlier one does",
        "
        services: {api: {service_time: 30ms}}
        load: [{name: users, to: api, arrivals: {trace: '150ms,150ms,150ms,250ms,250ms,250ms'}}]
        timeline:
          - {id: two, at: 100ms, scale: {service: api, replicas: 2}}
          - {id: three, at: 120ms, for: 80ms, scale: {service: api, replicas: 3}}",
        "
        users 0: 150ms..180ms ok
        users 1: 150ms..180ms ok
        users 2: 150ms..180ms ok
        users 3: 250ms..280ms ok
        users 4: 250ms..280ms ok
        users 5: 250ms..310ms ok",
    );
    assert_journal(
        "each says what it changed",
        &timeline(&outcome),
        "
        100ms two started: api: 1 -> 2 replicas
        120ms three started: api: 2 -> 3 replicas
        200ms three ended",
    );
}

#[test]
fn a_new_replica_refuses_until_it_has_started() {
    let outcome = ran("
        services: {api: {service_time: 1ms, startup: 50ms}}
        load: [{name: users, to: api, arrivals: {trace: '50ms,110ms,111ms,160ms,161ms'}}]
        timeline: [{id: more, at: 100ms, scale: {service: api, replicas: 2}}]");
    // In turn: one of the two before 150 ms meets the new replica.
    let outcomes: Vec<OutcomeKind> = outcome.trace.requests.iter().map(|request| request.outcome).collect();
    let refused = outcomes.iter().filter(|outcome| **outcome == OutcomeKind::Refused).count();
    let others = outcomes.iter().filter(|outcome| **outcome == OutcomeKind::Ok).count();
    assert_eq!((refused, others), (1, 4), "{outcomes:?}");
    assert!(outcomes[1..3].contains(&OutcomeKind::Refused));
    assert_eq!(edge(&outcome, "users -> api").attempts_by_replica, [3, 2]);
}

#[test]
fn an_extra_hop_is_a_longer_way_there_and_back() {
    check_calls(
        "1 ms each way; from 100 to 200 ms through a proxy: two ways of 2 ms each, and 5 ms of its own",
        "
        services: {api: {service_time: 10ms}}
        network: {default: {latency: 1ms}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,100ms,200ms'}}]
        timeline:
          - id: mesh
            at: 100ms
            for: 100ms
            extra_hop: {link: users -> api, name: proxy, service_time: 5ms, latency: 2ms}",
        "
        users 0: 0s..12ms ok
          users -> api #1 0s..12ms
        users 1: 100ms..123ms ok
          users -> api #1 100ms..123ms
        users 2: 200ms..212ms ok
          users -> api #1 200ms..212ms",
    );
}

#[test]
fn a_request_inside_a_proxy_that_is_taken_out_still_arrives() {
    check(
        "the proxy works until 105 ms, the hop is taken out at 102 ms",
        "
        services: {api: {service_time: 10ms}}
        load: [{name: users, to: api, arrivals: {trace: '100ms,103ms'}}]
        timeline:
          - {id: mesh, at: 50ms, extra_hop: {link: users -> api, name: proxy, service_time: 5ms}}
          - {id: back, at: 102ms, rollback: {of: mesh}}",
        "
        users 0: 100ms..123ms ok
        users 1: 103ms..113ms ok",
    );
}

#[test]
fn a_rollback_of_what_is_not_in_force_is_skipped_with_its_reason() {
    let outcome = ran("
        services: {api: {}}
        load: [{name: users, to: api, arrivals: {trace: 0ms}}]
        timeline:
          - {id: change, at: 500ms, config: {api.service_time: 1ms}}
          - {id: early, at: 100ms, rollback: {of: change}}
          - {id: late, at: 600ms, rollback: {of: change}}
          - {id: twice, at: 700ms, rollback: {of: change}}");
    assert_journal(
        "before it began, in time, after it was undone",
        &timeline(&outcome),
        "
        100ms early skipped: change is not in force
        500ms change started: api.service_time = 1ms
        600ms change ended
        600ms late started: change undone
        700ms twice skipped: change is not in force",
    );
}

#[test]
fn a_replica_that_joins_after_a_deploy_runs_the_new_version_and_after_its_rollback_the_old_one() {
    let outcome = ran(
        "
        run: {duration: 4s}
        services: {api: {replicas: 2, service_time: 10ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: constant, rate: 97/s}]
        timeline:
          - {id: v2, at: 500ms, deploy: {service: api, version: v2, every: 100ms, set: {api.service_time: 20ms}}}
          - {id: peak, at: 1s, for: 1s, scale: {service: api, replicas: 4}}
          - {id: back, at: 2500ms, rollback: {of: v2}}
          - {id: again, at: 3s, scale: {service: api, replicas: 4}}",
    );
    assert_took(&outcome, |node, started_ms| match (node, started_ms) {
        ("api/1", 500..2500) | ("api/2", 600..2600) | ("api/3" | "api/4", 1000..2000) => 20,
        _ => 10,
    });
    let served = |node: &str| {
        outcome
            .trace
            .requests
            .iter()
            .filter(|request| request.spans.iter().any(|span| span.node == node))
            .count()
    };
    assert!(served("api/4") > 30, "the new replicas serve");
}

#[test]
fn a_canary_stays_with_the_replicas_it_was_given_to() {
    let outcome = ran("
        run: {duration: 2s}
        services: {api: {replicas: 2, service_time: 10ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: constant, rate: 97/s}]
        timeline:
          - id: v2
            at: 500ms
            deploy: {service: api, version: v2, strategy: canary, share: 50%, set: {api.service_time: 20ms}}
          - {id: peak, at: 1s, scale: {service: api, replicas: 4}}");
    assert_took(&outcome, |node, started_ms| if node == "api/1" && started_ms >= 500 { 20 } else { 10 });
}

#[test]
fn a_surge_of_a_recorded_load_repeats_what_comes_as_often_as_it_says() {
    let starts = |factor: &str| -> Vec<u64> {
        let outcome = ran(&format!(
            "
            services: {{api: {{workers: unlimited, service_time: 1ms}}}}
            load: [{{name: users, to: api, arrivals: {{trace: '0ms,10ms,20ms,30ms,40ms,50ms,60ms'}}}}]
            timeline: [{{id: more, at: 15ms, for: 40ms, fault: {{surge: {{load: users, factor: {factor}}}}}}}]"
        ));
        let own = outcome.trace.requests.iter().filter(|request| request.number < 7).count();
        assert_eq!(own, 7, "the load's own requests stay as they are");
        vec![outcome.measured.loads[0].all.offered, outcome.measured.entries[0].touched]
    };
    assert_eq!(starts("x1"), [7, 0]);
    assert_eq!(starts("x2"), [11, 4]);
    assert_eq!(starts("x3"), [15, 8]);
    assert_eq!(starts("x1.5"), [9, 2]);
}

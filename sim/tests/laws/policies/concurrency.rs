//! The bound on calls under way: refuses at once, learns from how calls fare, and never loses a place.

use foreshock::measure::OutcomeKind;

use crate::harness::{check, edge, ends, ran};

#[test]
fn a_fixed_bound_refuses_at_once_what_would_be_one_too_many() {
    let outcome = check(
        "two places; whoever comes while both are taken is told so at once, and nobody waits",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - {name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,55ms'}, concurrency: {initial: 2}}",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..51ms ok
        users 2: 2ms..2ms concurrency_limited
        users 3: 55ms..105ms ok",
    );
    let bound = edge(&outcome, "users -> api").concurrency;
    assert_eq!((bound.passed, bound.refused, bound.limit_min, bound.limit_last), (3, 1, 2, 2));
    assert_eq!(edge(&outcome, "users -> api").attempts, 3, "what is refused is not sent");
}

#[test]
fn a_bound_that_only_counts_lets_everybody_pass() {
    let outcome = check(
        "one place",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - {name: users, to: api, arrivals: {trace: '0ms,1ms'}, concurrency: {initial: 1, shadow: true}}",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..51ms ok",
    );
    let bound = edge(&outcome, "users -> api").concurrency;
    assert_eq!((bound.passed, bound.refused, bound.would_refuse), (1, 0, 1));
    assert!(outcome.judgement.findings.iter().any(|finding| finding.text.contains("in shadow")));
}

/// Eight at a time; from the third second on answers take twenty times as long.
fn with_a_bound_that_learns(bound: &str) -> foreshock::run::Outcome {
    ran(&format!(
        "
        run: {{duration: 12s, drain: 2s}}
        services: {{api: {{service_time: 15ms, workers: 8}}}}
        load:
          - {{name: users, to: api, arrivals: constant, rate: 100/s, timeout: 200ms, concurrency: {bound}}}
        timeline: [{{id: ill, at: 3s, for: 4s, fault: {{slow: {{service: api, factor: x20}}}}}}]"
    ))
}

#[test]
fn every_kind_of_bound_that_learns_falls_while_the_callee_is_slow_and_rises_when_it_is_well_again() {
    let kinds = [
        "{kind: aimd, initial: 40, min: 2, max: 60}",
        "{kind: aimd, initial: 40, min: 2, max: 60, backoff: 50%, slow_call: 100ms}",
        "{kind: vegas, initial: 40, min: 2, max: 60}",
        "{kind: gradient2, initial: 40, min: 2, max: 60, long_window: 100}",
    ];
    for kind in kinds {
        let outcome = with_a_bound_that_learns(kind);
        let bound = edge(&outcome, "users -> api").concurrency;
        assert!(bound.limit_min <= 10, "{kind}: {bound:?}");
        assert!(bound.refused > 50, "{kind}: {bound:?}");
        assert!(bound.limit_last > bound.limit_min, "{kind}: {bound:?}");
        let lines = ends(&outcome);
        let last = lines.lines().rev().take(100);
        assert!(last.clone().all(|line| line.ends_with(" ok")), "{kind}: the last second is good again");
        let moved = |text: &str| text.contains("the bound on calls under way on `users -> api` fell from 40");
        assert!(outcome.judgement.findings.iter().any(|finding| moved(&finding.text)), "{kind}");
    }
    let fixed = edge(&with_a_bound_that_learns("{initial: 40}"), "users -> api").concurrency;
    assert_eq!(
        (fixed.limit_min, fixed.limit_last),
        (40, 40),
        "the checks above tell one that does not learn"
    );
}

#[test]
fn a_place_comes_back_however_a_call_ends() {
    let cases = [
        ("to: slow, timeout: 20ms", 1, "timeout"),
        ("to: slow, patience: 10ms", 1, "abandoned"),
        ("to: slow, overall_timeout: 30ms", 1, "timeout"),
        ("to: slow, pool: {size: 1}, hedge: {after: 5ms}, timeout: 40ms", 2, "timeout"),
        ("to: slow, hedge: {after: 5ms}", 2, "ok"),
        ("to: bad", 1, "error"),
        ("to: gone", 1, "refused"),
    ];
    for (call, places, end) in cases {
        let outcome = ran(&format!(
            "
        services:
          slow: {{service_time: 60ms, workers: unlimited}}
          bad: {{service_time: 1ms, error_rate: 100%}}
          gone: {{service_time: 1ms}}
        load:
          - {{name: users, {call}, arrivals: {{trace: '10ms,110ms,210ms,310ms'}}, concurrency: {{initial: {places}}}}}
        timeline: [{{id: down, at: 1ms, for: 500ms, fault: {{refuse: {{service: gone}}}}}}]"
        ));
        let lines = ends(&outcome);
        assert!(lines.lines().all(|line| line.ends_with(end)), "{call}: all four end alike\n{lines}");
        assert_eq!(lines.lines().count(), 4, "{call}");
    }
}

#[test]
fn what_waits_for_a_connection_is_under_way_and_what_waits_for_its_turn_is_not() {
    check(
        "the second waits for the only connection and holds the second place; the third finds none",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - {name: users, to: api, arrivals: {trace: '0ms,1ms,2ms'}, pool: {size: 1}, concurrency: {initial: 2}}",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..100ms ok
        users 2: 2ms..2ms concurrency_limited",
    );
    check(
        "the second waits 100 ms for its turn, and the place is free by then",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,1ms'}
            rate_limit: {rate: 10/s, max_wait: 1s}
            concurrency: {initial: 1}",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..150ms ok",
    );
}

#[test]
fn a_refusal_is_no_reason_to_try_again() {
    check(
        "as with every refusal of the caller's own",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,1ms'}
            concurrency: {initial: 1}
            retry: {max_attempts: 2, backoff: {kind: constant, base: 60ms, jitter: none}}",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..1ms concurrency_limited",
    );
}

#[test]
fn a_bound_is_added_changed_and_taken_away_while_running() {
    check(
        "none, then one place, then two, then none",
        "
        services: {api: {service_time: 50ms, workers: unlimited}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,100ms,101ms,200ms,201ms,202ms,300ms,301ms,302ms'}}]
        timeline:
          - {id: one, at: 90ms, for: 200ms, config: {users.concurrency: {initial: 1}}}
          - {id: two, at: 190ms, for: 100ms, config: {users.concurrency.initial: 2}}",
        "
        users 0: 0s..50ms ok
        users 1: 1ms..51ms ok
        users 2: 100ms..150ms ok
        users 3: 101ms..101ms concurrency_limited
        users 4: 200ms..250ms ok
        users 5: 201ms..251ms ok
        users 6: 202ms..202ms concurrency_limited
        users 7: 300ms..350ms ok
        users 8: 301ms..351ms ok
        users 9: 302ms..352ms ok",
    );
}

#[test]
fn a_caller_that_starts_again_has_forgotten_what_its_bound_had_learned() {
    let scenario = |crash: &str| {
        let outcome = ran(&format!(
            "
        run: {{duration: 4s, drain: 2s}}
        services:
          front:
            workers: unlimited
            calls: [{{to: api, timeout: 50ms, concurrency: {{kind: aimd, initial: 40, min: 2, max: 40, backoff: 50%}}}}]
          api: {{service_time: 1s, workers: unlimited}}
        load: [{{name: users, to: front, arrivals: {{trace: '0ms,100ms,200ms,300ms,400ms,500ms'}}}}]
        timeline: [{crash}]"
        ));
        let bound = edge(&outcome, "front -> api").concurrency;
        (bound.limit_min, bound.limit_last)
    };
    assert_eq!(scenario(""), (2, 2), "six time-outs halve it until two are left");
    let crash = "{id: it, at: 1s, for: 100ms, fault: {crash: {service: front}}}";
    assert_eq!(scenario(crash), (2, 40), "the harness remembers the lowest, the process nothing");
}

#[test]
fn what_holds_no_place_tells_the_bound_nothing() {
    let outcome = ran("
        services: {api: {service_time: 1ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,10ms,20ms,30ms'}
            breaker: {consecutive_failures: 1, open_for: 1s}
            concurrency: {kind: aimd, initial: 8, backoff: 50%}
        timeline: [{id: down, at: 0ms, for: 1s, fault: {error: {service: api, share: 100%}}}]");
    let edge = edge(&outcome, "users -> api");
    assert_eq!(edge.ended[OutcomeKind::BreakerOpen as usize], 3);
    assert_eq!(
        (edge.concurrency.passed, edge.concurrency.limit_min),
        (1, 8),
        "an early error is no congestion"
    );
}

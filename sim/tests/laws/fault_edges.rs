//! Law 9: every edge of a fault is an event in the report, and a fault that touched nothing is a finding.

use serde_json::json;

use crate::every_fault::{faults, with_entry, world};
use crate::harness::{assert_balanced, assert_journal, ms, plan_with, ran, run_plan, timeline};
use crate::probe::kinds;

#[test]
fn every_fault_starts_and_ends_at_its_time_and_tells_what_it_touched() {
    let kinds = kinds();
    for (kind, fault) in faults() {
        let document =
            with_entry(world(), json!({"id": "it", "at": "500ms", "for": "600ms", "fault": fault}));
        let outcome = run_plan(&plan_with(&document.to_string(), &kinds), &kinds);
        assert_balanced(&outcome);
        let entry = outcome.measured.entries[0];
        assert_eq!((entry.started, entry.ended), (Some(ms(500)), Some(ms(1100))), "{fault}");
        assert!(entry.touched > 0, "{fault} touched nothing");
        let edges: Vec<_> =
            outcome.measured.timeline.iter().map(|event| (event.at, event.phase, event.kind)).collect();
        assert_eq!(edges, [(ms(500), "started", kind), (ms(1100), "ended", kind)], "{fault}");
        assert!(outcome.judgement.findings.iter().all(|finding| finding.kind != "fault_touched_nothing"));
    }
}

#[test]
fn a_fault_that_touched_nothing_is_a_finding() {
    let kinds = kinds();
    for (kind, fault) in faults() {
        // Nobody asks for anything while it lasts.
        let mut quiet = world();
        quiet["load"][0]["rate"] = json!(null);
        let stages = json!([{"for": "500ms", "rate": "100/s"}, {"for": "1s", "rate": "0/s"}, {"for": "500ms", "rate": "100/s"}]);
        quiet["load"][0]["stages"] = stages;
        let quiet = quiet.to_string().replace("\"rate\":null,", "");
        let quiet = serde_json::from_str(&quiet).unwrap();
        let document = with_entry(quiet, json!({"id": "it", "at": "1s", "for": "400ms", "fault": fault}));
        let outcome = run_plan(&plan_with(&document.to_string(), &kinds), &kinds);
        // What befalls a process befalls it whether or not anybody asks.
        let always =
            ["crash", "restart", "pause", "slow", "cache_wipe", "clock", "thundering_herd"].contains(&kind);
        let found = outcome
            .judgement
            .findings
            .iter()
            .any(|finding| finding.kind == "fault_touched_nothing" && finding.text.contains("`it`"));
        assert_eq!(found, !always, "{fault}: {:?}", outcome.judgement.findings);
    }
}

#[test]
fn what_does_not_start_says_why() {
    let outcome = ran(
        "
        run: {duration: 1s, drain: 1s}
        services: {api: {service_time: 1ms}}
        load: [{name: users, to: api, arrivals: constant, rate: 10/s, breaker: {consecutive_failures: 5}}]
        timeline:
          - {id: first, at: 100ms, for: 200ms, fault: {slow: {service: api, factor: x2}}}
          - {id: second, after: first.end + 50ms, for: 100ms, fault: {slow: {service: api, factor: x2}}}
          - {id: never, when: {breaker_open: users -> api}, fault: {slow: {service: api, factor: x2}}}
          - {id: unmet, when: {queue_at_least: {service: api, waiting: 1000}}, scale: {service: api, replicas: 2}}
          - {id: late, when: {queue_at_least: {service: api, waiting: 1}}, delay: 5s, config: {api.workers: 2}}
          - {id: herd, at: 900ms, fault: {thundering_herd: {load: users, requests: 200}}}",
    );
    assert_journal(
        "three start, two are never due, one is due when it is too late",
        &timeline(&outcome),
        "
        100ms first started: api/1
        300ms first ended: touched 3
        350ms second started: api/1
        450ms second ended: touched 2
        900ms herd started: users: 200 requests",
    );
    let never: Vec<&str> = outcome
        .judgement
        .findings
        .iter()
        .filter(|finding| finding.kind == "fault_not_started")
        .map(|finding| finding.text.as_str())
        .collect();
    assert_eq!(
        never,
        [
            "`never` never started: what it waits for did not come",
            "`unmet` never started: what it waits for did not come",
            "`late` never started: what it waits for did not come",
        ]
    );
}

#[test]
fn an_entry_that_is_due_after_the_load_is_skipped_with_its_reason() {
    let outcome = ran(
        "
        run: {duration: 1s, drain: 5s, grid: 100ms}
        services: {api: {service_time: 1ms}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms,0ms'}}]
        timeline:
          - {id: late, when: {queue_at_least: {service: api, waiting: 1}}, delay: 2s, config: {api.workers: 2}}
          - {id: held, at: 0s, for: 500ms, fault: {pause: {service: api}}}",
    );
    // The three are let go at 500 ms, when the grid has just looked; it never sees anybody waiting.
    assert_journal(
        "the pause only",
        &timeline(&outcome),
        "
        0s held started: api/1
        500ms held ended: touched 4",
    );
    let outcome = ran(
        "
        run: {duration: 1s, drain: 5s, grid: 100ms}
        services: {api: {service_time: 300ms}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms,0ms'}}]
        timeline:
          - {id: late, when: {queue_at_least: {service: api, waiting: 1}}, delay: 2s, config: {api.workers: 2}}",
    );
    assert_journal(
        "the line is seen at 100 ms",
        &timeline(&outcome),
        "2s100ms late skipped: it was due after the load had ended",
    );
}

#[test]
fn what_lasts_beyond_the_load_ends_in_the_drain() {
    let outcome = ran("
        run: {duration: 1s, drain: 5s}
        services: {api: {service_time: 1ms}}
        load: [{name: users, to: api, arrivals: constant, rate: 10/s}]
        timeline:
          - {id: long, at: 900ms, for: 3s, fault: {slow: {service: api, factor: x2}}}
          - {id: endless, at: 900ms, fault: {slow: {service: api, factor: x2}}}");
    assert_journal(
        "one ends, one does not",
        &timeline(&outcome),
        "
        900ms long started: api/1
        900ms endless started: api/1
        3s900ms long ended: touched 3",
    );
}

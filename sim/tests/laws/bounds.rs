//! Laws 10 and 11: every run is bounded and says by what; memory does not grow with virtual time.

use foreshock::kernel::StopReason;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};

use crate::harness::{assert_balanced, ms, plan};

fn untraced(text: &str) -> Outcome {
    let plan = plan(text);
    let outcome = run(&plan, plan.seed, &[], &Kinds::default(), &Detail::default()).unwrap();
    assert_balanced(&outcome);
    outcome
}

#[test]
fn a_run_of_too_many_events_stops_at_the_very_event_with_balanced_books() {
    for max_events in [1, 2, 17, 4095, 4096, 4097, 10_000] {
        let outcome = untraced(&format!(
            "run: {{duration: 1h, max_events: {max_events}}}
services: {{api: {{service_time: 3ms, calls: [{{to: db, timeout: 5ms, retry: {{max_attempts: 3}}}}]}}, db: {{service_time: 4ms}}}}
load: [{{name: users, to: api, rate: 300/s}}]"
        ));
        assert_eq!((outcome.stop, outcome.events), (StopReason::TooManyEvents, max_events));
        assert!(outcome.judgement.failing.contains(&"stop".to_string()));
        assert!(outcome.judgement.findings.iter().any(|finding| finding.text.contains("too_many_events")));
    }
}

#[test]
fn a_run_that_needs_too_much_memory_stops_before_it_has_it() {
    // Messages that are held and never let go pile up.
    let outcome = untraced(
        "
        run: {duration: 1h, max_memory: 4MiB}
        services: {api: {}}
        load: [{name: users, to: api, rate: 1000/s}]
        timeline: [{id: cut, at: 1s, fault: {partition: {isolate: [api], mode: hold}}}]",
    );
    assert_eq!(outcome.stop, StopReason::OutOfMemory);
    let held = outcome.measured.loads[0].all.in_flight;
    assert!((1_000..40_000).contains(&held), "{held} requests are held in 4 MiB");
}

#[test]
fn a_run_ends_with_its_drain_whatever_is_still_under_way() {
    let outcome = untraced(
        "
        run: {duration: 1s, drain: 500ms}
        services: {api: {service_time: 1h, workers: unlimited}}
        load: [{name: users, to: api, arrivals: constant, rate: 10/s}]",
    );
    assert_eq!(outcome.stop, StopReason::EndOfTime);
    assert!(outcome.ended <= ms(1500));
    let load = outcome.measured.loads[0].all;
    assert_eq!((load.offered, load.in_flight), (10, 10));
}

/// The least memory, in KiB, in which the scenario runs for so long.
fn least_kib(scenario: &str, seconds: u64) -> u64 {
    let fits = |kib: u64| {
        let text = format!("run: {{duration: {seconds}s, max_memory: {kib}KiB}}\n{scenario}");
        untraced(&text).stop == StopReason::EndOfTime
    };
    let mut enough = 1;
    while !fits(enough) {
        enough *= 2;
    }
    enough
}

#[test]
fn ten_times_the_virtual_time_needs_no_more_memory() {
    let steady = "
services:
  api: {replicas: 2, service_time: 2ms, calls: [{to: db, timeout: 30ms, cancel: true, retry: {max_attempts: 2}}]}
  db: {service_time: {exponential: {mean: 4ms}}, queue: {discipline: lifo, capacity: 20}}
network: {default: {latency: {exponential: {mean: 300us}}, loss: 1%}}
load: [{name: users, to: api, rate: 150/s, timeout: 200ms}]
timeline:
  - {id: storm, at: 1s, for: 1s, fault: {retry_storm: {call: api -> db, attempts: x3}}}
  - {id: cut, at: 2s, for: 500ms, fault: {partition: {isolate: [db], mode: hold}}}";
    let (short, long) = (least_kib(steady, 10), least_kib(steady, 100));
    assert_eq!(short, long, "KiB for 10 s and for 100 s");
}

#[test]
fn what_is_kept_of_a_run_is_bounded_by_its_grid() {
    for (duration, most) in [("10s", 21), ("20m", 1_210), ("100h", 1_201), ("300d", 1_201)] {
        let outcome = untraced(&format!(
            "run: {{duration: {duration}}}
services: {{api: {{service_time: 3ms}}}}
load: [{{name: users, to: api, stages: [{{for: 5s, rate: 100/s}}]}}]"
        ));
        let measured = &outcome.measured;
        assert!(measured.loads[0].intervals.len() <= most, "{}", measured.loads[0].intervals.len());
        assert!(measured.services[0].intervals.len() <= most && measured.edges[0].intervals.len() <= most);
        assert!(outcome.trace.requests.is_empty(), "no request is kept unless a trace was asked for");
        assert_eq!(outcome.stop, StopReason::EndOfTime);
    }
}

//! Law 8: nodes see their own clock; measurement never does.

use crate::harness::{check, ends, ran, service};

/// A user waits for 50 ms; the api drops what has expired on its own clock.
fn with_clock(clock: &str) -> String {
    format!(
        "services: {{api: {{service_time: 10ms, drop_expired: true}}}}
load: [{{name: users, to: api, arrivals: {{trace: '100ms,100ms,900ms'}}, timeout: 50ms}}]
timeline: [{{id: wrong, at: 50ms, for: 500ms, fault: {{clock: {{service: api, {clock}}}}}}}]"
    )
}

#[test]
fn a_clock_ahead_makes_a_service_drop_work_that_is_still_wanted() {
    let on_time = "users 0: 100ms..110ms ok\nusers 1: 100ms..120ms ok\nusers 2: 900ms..910ms ok";
    let dropped = "users 0: 100ms..100ms deadline_exceeded\nusers 1: 100ms..100ms deadline_exceeded\nusers 2: 900ms..910ms ok";
    let one_dropped =
        "users 0: 100ms..110ms ok\nusers 1: 100ms..110ms deadline_exceeded\nusers 2: 900ms..910ms ok";
    let for_good = "users 0: 100ms..100ms deadline_exceeded\nusers 1: 100ms..100ms deadline_exceeded\n\
                    users 2: 900ms..900ms deadline_exceeded";
    for (clock, expected) in [
        ("skew: +49ms", one_dropped),
        ("skew: +500ms", dropped),
        ("skew: -500ms", on_time),
        // A jump stays when the fault has ended.
        ("jump: +5s", for_good),
        // In 50 ms it gains 40 ms, in 60 ms 48 ms.
        ("drift: 800000ppm", one_dropped),
        ("drift: -800000ppm", on_time),
    ] {
        check(clock, &with_clock(clock), expected);
    }
}

#[test]
fn expired_work_is_dropped_by_the_same_clock_that_set_the_deadline_when_both_are_wrong_alike() {
    let scenario = |clocks: &str| {
        format!(
            "services:
  front: {{calls: [{{to: back, timeout: 20ms}}]}}
  back: {{service_time: 10ms, drop_expired: true}}
load: [{{name: users, to: front, arrivals: {{trace: 100ms}}}}]
timeline: [{{id: wrong, at: 0s, fault: {{clock: {{service: {clocks}, skew: +1s}}}}}}]"
        )
    };
    check("both", &scenario("[front, back]"), "users 0: 100ms..110ms ok");
    check("only the callee", &scenario("back"), "users 0: 100ms..100ms error");
    // A deadline that seems far away is no harm.
    check("only the caller", &scenario("front"), "users 0: 100ms..110ms ok");
}

#[test]
fn measurement_and_timers_are_untouched_by_any_clock() {
    let scenario = |timeline: &str| {
        format!(
            "run: {{duration: 3s}}
services:
  front: {{replicas: 2, service_time: {{exponential: {{mean: 3ms}}}}, calls: [{{to: back, timeout: 30ms, retry: {{max_attempts: 2}}}}]}}
  back: {{service_time: {{exponential: {{mean: 5ms}}}}}}
load: [{{name: users, to: front, rate: 150/s, timeout: 100ms}}]
{timeline}"
        )
    };
    let right = ran(&scenario(""));
    let wrong = ran(&scenario(
        "timeline:
  - {id: ahead, at: 500ms, for: 1s, fault: {clock: {service: front, skew: +3h}}}
  - {id: behind, at: 1s, fault: {clock: {service: back, jump: -300ms}}}
  - {id: fast, at: 100ms, fault: {clock: {service: front/1, drift: 50000ppm}}}",
    ));
    assert_eq!(ends(&right), ends(&wrong), "nobody acts on the clock, so nobody notices");
    assert_eq!(right.measured.loads[0].latency, wrong.measured.loads[0].latency);
    assert_eq!(service(&right, "back").wait, service(&wrong, "back").wait);
}

#[test]
fn policies_live_by_the_clock_of_their_caller() {
    // The breaker stays open for 300 ms on the front's clock, which gains 1 s at 50 ms: it half-opens at once.
    let scenario = |timeline: &str| {
        format!(
            "services:
  front: {{calls: [{{to: back, breaker: {{consecutive_failures: 1, open_for: 300ms, half_open_probes: 1}}}}]}}
  back: {{}}
load: [{{name: users, to: front, arrivals: {{trace: '10ms,100ms,400ms'}}}}]
timeline:
  - {{id: bad, at: 0s, for: 20ms, fault: {{error: {{service: back}}}}}}
{timeline}"
        )
    };
    check(
        "a right clock",
        &scenario(""),
        "users 0: 10ms..10ms error\nusers 1: 100ms..100ms error\nusers 2: 400ms..400ms ok",
    );
    check(
        "a clock that jumps ahead",
        &scenario("  - {id: jump, at: 50ms, fault: {clock: {service: front, jump: +1s}}}"),
        "users 0: 10ms..10ms error\nusers 1: 100ms..100ms ok\nusers 2: 400ms..400ms ok",
    );
    check(
        "a clock that is set back: the breaker waits for an instant that has moved away",
        &scenario("  - {id: jump, at: 50ms, fault: {clock: {service: front, jump: -40ms}}}"),
        "users 0: 10ms..10ms error\nusers 1: 100ms..100ms error\nusers 2: 400ms..400ms ok",
    );
}

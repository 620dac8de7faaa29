//! Law 7: a cut catches what is in flight; the fate of a message is decided at sending and again at delivery.

use crate::harness::{assert_journal, check, ends_with, ran};

/// Messages take 20 ms each way, work takes none; cut like this.
fn cut(from_ms: u64, to_ms: u64, arrivals: &str, partition: &str) -> String {
    format!(
        "services: {{api: {{workers: unlimited}}}}
network: {{default: {{latency: 20ms}}}}
load: [{{name: users, to: api, arrivals: {{trace: '{arrivals}'}}, timeout: 500ms}}]
timeline: [{{id: cut, at: {from_ms}ms, for: {}ms, fault: {{partition: {{{partition}}}}}}}]",
        to_ms - from_ms
    )
}

#[test]
fn a_cut_that_drops_loses_what_is_sent_and_what_arrives_while_it_lasts() {
    let drop = "between: [[users], [api]]";
    // Sent at 0, at the api at 20, back at 40.
    for (from, to, expected) in [
        (1, 19, "users 0: 0s..40ms ok"),
        (10, 21, "users 0: 0s..500ms timeout"),
        (0, 10, "users 0: 0s..500ms timeout"),
        (20, 30, "users 0: 0s..500ms timeout"),
        (21, 39, "users 0: 0s..40ms ok"),
        (30, 50, "users 0: 0s..500ms timeout"),
        (41, 50, "users 0: 0s..40ms ok"),
    ] {
        check(&format!("cut from {from} to {to} ms"), &cut(from, to, "0ms", drop), expected);
    }
}

#[test]
fn a_cut_that_holds_delivers_everything_when_it_heals() {
    let hold = "between: [[users], [api]], mode: hold";
    for (from, to, expected) in [
        (1, 19, "users 0: 0s..40ms ok"),
        (10, 100, "users 0: 0s..120ms ok"),
        // Kept at sending: it arrives the instant the cut heals.
        (0, 100, "users 0: 0s..120ms ok"),
        (30, 100, "users 0: 0s..100ms ok"),
    ] {
        check(&format!("cut from {from} to {to} ms"), &cut(from, to, "0ms", hold), expected);
    }
}

#[test]
fn a_cut_that_slows_delays_each_message_once() {
    let slow = "between: [[users], [api]], mode: {slow: 7ms}";
    for (from, to, expected) in [
        (1, 19, "users 0: 0s..40ms ok"),
        // At sending; at delivery of what was sent before; each way once.
        (0, 10, "users 0: 0s..47ms ok"),
        (10, 21, "users 0: 0s..47ms ok"),
        (0, 100, "users 0: 0s..54ms ok"),
    ] {
        check(&format!("cut from {from} to {to} ms"), &cut(from, to, "0ms", slow), expected);
    }
}

#[test]
fn what_was_held_is_delivered_in_the_order_of_sending() {
    let outcome = ran("
        services: {api: {service_time: 1ms}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,30ms'}, timeout: 500ms}]
        network: {default: {latency: 5ms}}
        timeline:
          - {id: late, at: 0s, for: 500us, fault: {reorder: {link: users -> api, share: 100%, delay: 15ms}}}
          - {id: cut, at: 3ms, for: 97ms, fault: {partition: {between: [[users], [api]], mode: hold}}}");
    // The first would have arrived last of those in flight, at 20 ms; the fourth was held where it was sent.
    assert_journal(
        "first in, first out at 100 ms",
        &ends_with(&outcome, "service"),
        "
        users 0: 0s..106ms ok
          api/1 #1 100ms..101ms
        users 1: 1ms..107ms ok
          api/1 #1 101ms..102ms
        users 2: 2ms..108ms ok
          api/1 #1 102ms..103ms
        users 3: 30ms..109ms ok
          api/1 #1 103ms..104ms",
    );
    assert_eq!(outcome.measured.entries[1].touched, 4);
}

#[test]
fn a_cut_of_one_way_lets_the_other_way_through() {
    let one_way = |from: &str, to: &str| format!("between: [[{from}], [{to}]], one_way: true");
    let outcome = check(
        "answers are lost",
        &cut(0, 300, "0ms", &one_way("api", "users")),
        "users 0: 0s..500ms timeout",
    );
    assert_eq!(outcome.measured.services[0].completed, 1);
    let outcome = check(
        "requests are lost",
        &cut(0, 300, "0ms", &one_way("users", "api")),
        "users 0: 0s..500ms timeout",
    );
    assert_eq!(outcome.measured.services[0].arrivals, 0);
}

#[test]
fn a_held_message_that_meets_a_second_cut_stays_until_both_have_healed() {
    check(
        "held from 0 to 50 ms, and from 30 to 80 ms",
        "
        services: {api: {}}
        load: [{name: users, to: api, arrivals: {trace: 10ms}}]
        timeline:
          - {id: one, at: 0s, for: 50ms, fault: {partition: {between: [[users], [api]], mode: hold}}}
          - {id: other, at: 30ms, for: 50ms, fault: {partition: {isolate: [api], mode: hold}}}",
        "users 0: 10ms..80ms ok",
    );
}

#[test]
fn shapes_cut_those_they_name_and_nobody_else() {
    // Four databases behind one api; a request asks all of them and each answer is optional.
    let scenario = |partition: &str| {
        let calls: Vec<String> =
            (1..=4).map(|n| format!("{{to: d{n}, timeout: 10ms, optional: true}}")).collect();
        let databases: Vec<String> = (1..=4).map(|n| format!("  d{n}: {{}}\n")).collect();
        format!(
            "services:
  api: {{calls: [{{parallel: [{}]}}]}}
{}load: [{{name: users, to: api, arrivals: {{trace: 1ms}}}}]
timeline: [{{id: cut, at: 0s, for: 500ms, fault: {{partition: {{{partition}}}}}}}]",
            calls.join(", "),
            databases.concat()
        )
    };
    for (partition, reached) in [
        ("between: [[api], [d1, d3]]", "d2 d4"),
        ("between: [[api, d1], [d2], [d3]]", "d1 d4"),
        ("isolate: [d4]", "d1 d2 d3"),
        ("isolate: [users, api, d1]", "d1"),
        ("halves: [api, d1, d2, d3]", "d1 d4"),
        ("ring: [api, d1, d2, d3]", "d1 d3 d4"),
        ("bridge: {left: [api], right: [d1, d2], bridge: [d3]}", "d3 d4"),
    ] {
        let outcome = ran(&scenario(partition));
        let arrived = outcome.measured.services.iter().filter(|service| service.arrivals > 0);
        let names: Vec<&str> =
            arrived.map(|service| service.name.as_str()).filter(|name| *name != "api").collect();
        assert_eq!(names.join(" "), reached, "{partition}");
    }
}

#[test]
fn mishaps_of_links_befall_messages_as_they_say() {
    let scenario = |fault: &str| {
        format!(
            "services: {{api: {{service_time: 1ms, workers: unlimited}}}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: users, to: api, arrivals: {{trace: '1ms,2ms'}}, timeout: 50ms}}]
timeline: [{{id: mishap, at: 0s, for: 1500us, fault: {{{fault}}}}}]"
        )
    };
    for (fault, expected) in [
        ("latency: {link: users -> api, add: 5ms}", "users 0: 1ms..9ms ok\nusers 1: 2ms..5ms ok"),
        ("latency: {link: users <-> api, add: 5ms}", "users 0: 1ms..9ms ok\nusers 1: 2ms..5ms ok"),
        ("loss: {link: users -> api, share: 100%}", "users 0: 1ms..51ms timeout\nusers 1: 2ms..5ms ok"),
        ("corrupt: {link: '*', share: 100%}", "users 0: 1ms..51ms timeout\nusers 1: 2ms..5ms ok"),
        (
            "reorder: {link: users -> api, share: 100%, delay: 4ms}",
            "users 0: 1ms..8ms ok\nusers 1: 2ms..5ms ok",
        ),
        ("duplicate: {link: users -> api, share: 100%}", "users 0: 1ms..4ms ok\nusers 1: 2ms..5ms ok"),
        // 1 KiB at 1 KiB/s: a second on the line.
        ("bandwidth: {link: users -> api, rate: 1KiB/s}", "users 0: 1ms..51ms timeout\nusers 1: 2ms..5ms ok"),
    ] {
        let outcome = check(fault, &scenario(fault), expected);
        assert!(outcome.measured.entries[0].touched > 0, "{fault}");
    }
}

#[test]
fn a_narrow_line_sends_one_message_after_the_other_and_drops_what_its_buffer_cannot_hold() {
    // 100 bytes take 10 ms; two more may wait.
    let outcome = check(
        "ten milliseconds each",
        "
        services: {api: {request_size: 100B, workers: unlimited}}
        network: {links: [{link: users -> api, bandwidth: {rate: 10kB/s, buffer: 300B}}]}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms,0ms,0ms,100ms'}, timeout: 200ms}]",
        "
        users 0: 0s..10ms ok
        users 1: 0s..20ms ok
        users 2: 0s..30ms ok
        users 3: 0s..200ms timeout
        users 4: 100ms..110ms ok",
    );
    assert_eq!(outcome.measured.links.iter().map(|link| link.overflowed).sum::<u64>(), 1);
}

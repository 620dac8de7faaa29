//! The observed system's own monitoring: it knows what it is told over links, and everything that replicas recorded is
//! accounted for. It changes nothing of what it watches.

use foreshock::kernel::StopReason;
use foreshock::nodes::Kinds;
use foreshock::run::Outcome;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generator::{anything, cases};
use crate::harness::{assert_balanced, ends, ends_with, plan, ran, run_plan};

/// A number that the collector shows.
#[track_caller]
fn shown(outcome: &Outcome, name: &str) -> u64 {
    crate::harness::shown(outcome, "metrics", name)
}

#[track_caller]
fn assert_shown(outcome: &Outcome, expected: &[(&str, u64)]) {
    for (name, value) in expected {
        assert_eq!(shown(outcome, name), *value, "{name} in {:#?}", outcome.measured.systems["metrics"]);
    }
}

/// What ended up in windows, those included that may still change.
fn in_windows(outcome: &Outcome) -> u64 {
    shown(outcome, "api.in_windows") + shown(outcome, "api.in_open_windows")
}

fn found(outcome: &Outcome, kind: &str) -> u64 {
    outcome.judgement.findings.iter().filter(|finding| finding.kind == kind).count() as u64
}

/// One replica that takes 10 ms for each request, asked every 10 ms for ten seconds; it reports every second.
fn steady(telemetry: &str, metrics: &str, rest: &str) -> String {
    format!(
        "run: {{duration: 10s, drain: 5s}}
services:
  api: {{workers: 8, service_time: 10ms, telemetry: {{to: metrics, every: 1s{telemetry}}}}}
  metrics: {{kind: metrics, window: 1s, evaluate: 500ms{metrics}}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: users, to: api, arrivals: constant, rate: 100/s, timeout: 1s}}]
{rest}"
    )
}

#[test]
fn answers_to_one_service_are_on_their_way_as_long_as_if_nobody_else_reported() {
    let alone = steady(", queue: 5", "", "").replace("latency: 1ms", "latency: {exponential: {mean: 5ms}}");
    let other = "services:\n  other: {replicas: 2, telemetry: {to: metrics, every: 700ms, queue: 5}}";
    let beside = alone.replace("services:", other);
    let on_the_way = |text: &str| {
        let outcome = ran(text);
        let link = outcome.measured.links.iter().find(|link| link.name == "metrics -> api").unwrap();
        assert!(link.delivered > 4, "there are answers: {link:?}");
        (link.delivered, link.latency)
    };
    assert_eq!(on_the_way(&alone), on_the_way(&beside), "what others are told is none of their chance");
}

#[test]
fn what_replicas_report_is_what_the_harness_measured_of_the_same_requests() {
    let outcome = ran(&steady("", "", ""));
    let answered = shown(&outcome, "api.answered");
    assert!(answered >= 999);
    assert_shown(&outcome, &[("api.recorded", answered), ("api.in_windows", answered), ("api.lost", 0)]);
    assert_shown(&outcome, &[("api.late_dropped", 0), ("api.windows_untold", 0)]);
    // Two digits.
    let (reported, is) = (shown(&outcome, "api.reported_p99_us"), shown(&outcome, "api.true_p99_us"));
    assert!(reported.abs_diff(is) <= 100 && is.abs_diff(10_000) < 10, "{reported} for {is}");
    assert!(
        shown(&outcome, "api.averaged_p99_us").abs_diff(reported) <= 100,
        "of one replica they are the same"
    );
}

#[test]
fn every_histogram_tells_the_percentile_as_well_as_it_can() {
    for (histogram, percent) in [("hdr", 1), ("relative", 2), ("exponential", 2), ("classic", 30)] {
        let outcome = ran(&format!(
            "run: {{duration: 20s, drain: 3s}}
services:
  api:
    workers: unlimited
    replicas: 3
    service_time: {{lognormal: {{median: 10ms, p99: 80ms}}}}
    telemetry: {{to: metrics, every: 1s, histogram: {histogram}}}
  metrics: {{kind: metrics, window: 2s}}
load: [{{name: users, to: api, rate: 300/s}}]"
        ));
        let (reported, is) = (shown(&outcome, "api.reported_p99_us"), shown(&outcome, "api.true_p99_us"));
        assert!(reported.abs_diff(is) * 100 <= is * percent, "{histogram}: {reported} for {is}");
    }
}

#[test]
fn a_crash_takes_what_was_not_sent_and_sets_running_sums_back_without_a_negative_rate() {
    let restart = "timeline: [{id: restart, at: 4500ms, fault: {restart: {service: api, downtime: 0s}}}]";
    // Half a second of requests waited to be reported.
    let differences = ran(&steady("", "", restart));
    let lost = shown(&differences, "api.lost");
    assert!((47..=51).contains(&lost), "{lost}");
    assert_shown(&differences, &[("api.counter_resets", 1)]);

    let sums = ran(&steady(", temporality: cumulative", "", restart));
    assert_shown(&sums, &[("api.lost", lost), ("api.counter_resets", 1)]);
    assert_eq!(shown(&sums, "api.requests") + lost, shown(&sums, "api.answered"));
    // 100 a second: in the window with the restart by the half of it that was reported.
    assert!(shown(&sums, "api.rate_max_milli_per_s") <= 102_000);
    assert!(shown(&sums, "api.rate_min_milli_per_s") >= 98_000);
}

#[test]
fn a_replica_that_is_replaced_in_good_order_reports_before_it_goes() {
    let deploy = "timeline: [{id: v2, at: 4500ms, deploy: {service: api, version: v2}}]";
    for temporality in ["delta", "cumulative"] {
        let outcome = ran(&steady(&format!(", temporality: {temporality}"), "", deploy));
        assert_shown(&outcome, &[("api.lost", 0), ("api.counter_resets", 1)]);
    }
}

#[test]
fn what_an_outage_of_the_link_costs_depends_on_how_one_reports() {
    let cut = "timeline: [{id: cut, at: 3500ms, for: 3s, fault: {partition: {between: [[api], [metrics]]}}}]";
    let once = ran(&steady("", ", lateness: 10s", cut));
    // The reports of 4, 5 and 6 s.
    assert_shown(&once, &[("api.lost", 300), ("api.windows_untold", 3), ("api.reports_bridged", 0)]);
    let queued = ran(&steady(", queue: 5", ", lateness: 10s", cut));
    assert_shown(&queued, &[("api.lost", 0), ("api.windows_untold", 0), ("api.reports_bridged", 0)]);
    let running = ran(&steady(", temporality: cumulative", ", lateness: 10s", cut));
    assert_shown(&running, &[("api.lost", 0), ("api.windows_untold", 3), ("api.reports_bridged", 1)]);
    // Three hundred more requests in one window are no spike: they came in four seconds.
    assert!(shown(&running, "api.rate_max_milli_per_s") <= 102_000);
    for outcome in [&once, &queued, &running] {
        assert_shown(outcome, &[("api.longest_silence_us", 4_000_000), ("api.stale_replicas_max", 1)]);
    }
}

#[test]
fn a_queue_that_is_too_short_loses_the_oldest_and_says_so() {
    let cut = "timeline: [{id: cut, at: 2500ms, for: 5s, fault: {partition: {between: [[api], [metrics]]}}}]";
    let outcome = ran(&steady(", queue: 2", ", lateness: 10s", cut));
    // The reports of 3 to 7 s are held back. There is room for two of them; that of 8 s gets through with them.
    assert_shown(&outcome, &[("api.lost", 300), ("api.windows_untold", 3)]);
}

#[test]
fn late_reports_are_dropped_counted_elsewhere_or_told_as_an_addition_and_never_forgotten() {
    let cut = "timeline: [{id: cut, at: 2500ms, for: 5s, fault: {partition: {between: [[api], [metrics]]}}}]";
    for (late, drops) in [("drop", true), ("count_into_current", false), ("reopen", false)] {
        // The reports come in order and each closes the windows before it, so that they have to be mixed up to be late.
        let mixed =
            format!("{cut}\nnetwork: {{default: {{latency: {{uniform: {{min: 1ms, max: 900ms}}}}}}}}");
        let scenario = steady(", queue: 9", &format!(", lateness: 0s, late: {late}"), &mixed);
        let outcome = ran(&scenario.replacen("network: {default: {latency: 1ms}}\n", "", 1));
        let dropped = shown(&outcome, "api.late_dropped");
        assert_eq!(dropped > 0, drops, "{late}: {dropped}");
        assert_eq!(in_windows(&outcome) + dropped, shown(&outcome, "api.recorded"), "{late}");
    }
}

#[test]
fn copies_and_overtaking_change_no_total() {
    for temporality in ["delta", "cumulative"] {
        let links = "timeline:
  - {id: copies, at: 0s, fault: {duplicate: {link: api -> metrics, share: 100%}}}
  - {id: overtaking, at: 0s, fault: {reorder: {link: api -> metrics, share: 50%, delay: 1500ms}}}";
        let outcome = ran(&steady(&format!(", temporality: {temporality}"), ", lateness: 5s", links));
        assert_shown(&outcome, &[("api.requests", shown(&outcome, "api.answered"))]);
        assert!(shown(&outcome, "api.reports_duplicate") > 5, "{temporality}");
    }
}

#[test]
fn a_clock_that_is_wrong_moves_windows_and_the_total_stays() {
    for (skew, early, dropped) in
        [("+2m", "count_into_current", 0), ("+2m", "drop", 500), ("-700ms", "drop", 0), ("+700ms", "drop", 0)]
    {
        let clock =
            format!("timeline: [{{id: wrong, at: 5s, fault: {{clock: {{service: api, skew: '{skew}'}}}}}}]");
        let outcome = ran(&steady("", &format!(", early: {early}, late: count_into_current"), &clock));
        let early_dropped = shown(&outcome, "api.early_dropped");
        assert_eq!(in_windows(&outcome) + early_dropped, shown(&outcome, "api.recorded"), "{skew} {early}");
        assert!(early_dropped.abs_diff(dropped) <= 101, "{skew} {early}: {early_dropped}");
    }
}

#[test]
fn dashboards_without_the_slow_requests_stay_green_and_the_books_know_better() {
    let outcome = ran("run: {duration: 20s, drain: 3s}
services:
  api:
    workers: unlimited
    service_time: {bimodal: {fast: 10ms, slow: 900ms, slow_share: 5%}}
    telemetry: {to: metrics, every: 1s, slow: 100ms, sample_slow: 0%}
  metrics: {kind: metrics, window: 5s, alerts: {tail: {of: api, p99_above: 100ms}}}
load: [{name: users, to: api, rate: 200/s}]");
    assert!(shown(&outcome, "api.reported_p99_us") < 11_000);
    assert_eq!(shown(&outcome, "api.true_p99_us") / 10_000, 90);
    assert!(!outcome.measured.systems["metrics"].contains_key("alert.tail.fired"));
    let answered = shown(&outcome, "api.answered");
    assert_shown(&outcome, &[("api.requests", answered)]);
    assert!(
        shown(&outcome, "api.recorded") < answered * 97 / 100,
        "sampling is of latencies, not of requests"
    );
    assert_eq!(found(&outcome, "monitoring_blind"), 1);
}

/// Two replicas, the second slow from 10 s on and not heard of from 25 s on.
fn vanishing(metrics: &str, alert: &str) -> Outcome {
    ran(&format!(
        "run: {{duration: 60s, drain: 3s}}
services:
  api: {{replicas: 2, workers: unlimited, service_time: 10ms, telemetry: {{to: metrics, every: 1s}}}}
  metrics: {{kind: metrics, window: 1s, stale_after: 2s{metrics}, alerts: {{slow: {{of: api, {alert}}}}}}}
load: [{{name: users, to: api, rate: 100/s}}]
timeline:
  - {{id: sick, at: 10s, fault: {{slow: {{service: api/2, factor: x20}}}}}}
  - {{id: unheard, at: 25500ms, fault: {{partition: {{between: [[api/2], [metrics]]}}}}}}"
    ))
}

#[test]
fn an_alert_does_not_resolve_because_data_is_missing() {
    let burn = "objective: 95%, slower_than: 100ms, long: 10s, short: 3s, burn: x4";
    for (alert, resolved) in [
        (burn.to_string(), 0),
        (format!("{burn}, by: replica"), 0),
        (format!("{burn}, no_data: fire"), 0),
        (format!("{burn}, no_data: resolve"), 1),
        ("p99_above: 100ms, keep_firing_for: 3s".to_string(), 0),
        ("p99_above: 100ms, keep_firing_for: 3s, no_data: resolve".to_string(), 1),
    ] {
        let outcome = vanishing("", &alert);
        assert_eq!(shown(&outcome, "alert.slow.fired"), 1, "{alert}");
        assert_eq!(shown(&outcome, "alert.slow.resolved"), resolved, "{alert}");
        assert_eq!(found(&outcome, "alert_resolved_blind"), resolved, "{alert}");
        // Its windows lack a replica; they do not hold zeros of it.
        assert_shown(&outcome, &[("api.window_replicas_min", 1), ("api.stale_replicas_max", 1)]);
    }
}

#[test]
fn a_replica_that_is_gone_for_good_is_not_waited_for() {
    let outcome = vanishing(", forget_after: 20s", "p99_above: 100ms, keep_firing_for: 3s");
    assert_shown(&outcome, &[("alert.slow.fired", 1), ("alert.slow.resolved", 1)]);
}

#[test]
fn a_replica_that_is_scaled_away_says_so_and_is_not_missed() {
    let outcome = ran("run: {duration: 30s, drain: 3s}
services:
  api: {replicas: 3, workers: unlimited, service_time: 10ms, telemetry: {to: metrics, every: 1s}}
  metrics: {kind: metrics, window: 1s, stale_after: 2s}
load: [{name: users, to: api, rate: 100/s}]
timeline: [{id: fewer, at: 10500ms, scale: {service: api, replicas: 1}}]");
    assert_shown(&outcome, &[("api.stale_replicas_max", 0), ("api.lost", 0), ("api.window_replicas_min", 1)]);
    assert_eq!(found(&outcome, "silent_replica"), 0);
}

#[test]
fn an_alert_that_fires_can_start_a_change() {
    let outcome = ran(&steady(
        "",
        ", alerts: {slow: {of: api, p99_above: 15ms}}",
        "timeline:
  - {id: sick, at: 3s, for: 5s, fault: {slow: {service: api, factor: x2}}}
  - {id: more, when: {alert_fires: metrics/slow}, delay: 100ms, scale: {service: api, replicas: 2}}",
    ));
    let started = outcome.measured.entries[1].started.expect("the alert fired");
    assert_eq!(started.as_micros(), shown(&outcome, "alert.slow.first_fired_us") + 100_000);
}

#[test]
fn a_collector_that_dies_keeps_what_it_has_taken() {
    let crash = "timeline: [{id: crash, at: 3500ms, for: 2s, fault: {crash: {service: metrics}}}]";
    let once = ran(&steady("", "", crash));
    // The reports of 4 and 5 s found nobody.
    assert_shown(&once, &[("api.lost", 200), ("api.reports_duplicate", 0)]);
    let queued = ran(&steady(", queue: 4", ", lateness: 5s", crash));
    assert_shown(&queued, &[("api.lost", 0), ("api.windows_untold", 0)]);
}

#[test]
fn settings_of_telemetry_follow_changes_while_things_run() {
    let change = |setting: &str| format!("timeline: [{{id: change, at: 5005ms, config: {{{setting}}}}}]");
    let sampled = ran(&steady("", "", &change("api.telemetry.sample: 0%")));
    let recorded = shown(&sampled, "api.recorded");
    assert!((498..=501).contains(&recorded), "{recorded}");
    assert_shown(&sampled, &[("api.requests", shown(&sampled, "api.answered"))]);
    // Other buckets cannot join windows that are made of the old ones: refused, and counted.
    let buckets = ran(&steady("", "", &change("api.telemetry.histogram: relative")));
    let refused = shown(&buckets, "api.refused");
    assert!((498..=502).contains(&refused), "{refused}");
    let slower = ran(&steady("", "", &change("api.telemetry.every: 4s")));
    // 1 to 6 s, then 8 and 12 s.
    assert_shown(&slower, &[("api.requests", shown(&slower, "api.answered")), ("api.reports", 8)]);
}

#[test]
fn a_dead_process_reports_nothing_whatever_its_settings_become() {
    let dead = "timeline:
  - {id: crash, at: 3500ms, fault: {crash: {service: api, mode: process}}}
  - {id: change, at: 5s, config: {api.telemetry.histogram: classic}}";
    assert_shown(&ran(&steady("", "", dead)), &[("api.reports", 3)]);
}

#[test]
fn a_label_that_takes_too_many_values_ends_in_the_overflow_series_and_no_request_is_lost() {
    let outcome = ran("run: {duration: 10s, drain: 3s}
services:
  api: {workers: unlimited, telemetry: {to: metrics, every: 1s, labels: [key], max_series: 40}}
  metrics: {kind: metrics, window: 1s, max_series: 100}
load: [{name: users, to: api, arrivals: constant, rate: 100/s, keys: {uniform: {items: 5_000}}}]");
    assert_shown(&outcome, &[("series", 100), ("api.requests", shown(&outcome, "api.answered"))]);
    // A hundred series come of the first reports; later ones bring new names only.
    assert!(shown(&outcome, "series_overflowed") > 800);
    assert_eq!(found(&outcome, "series_overflow"), 1);
}

#[test]
fn what_a_waiting_loop_did_not_ask_is_made_up_for_by_the_corrected_histogram() {
    let outcome = ran("run: {duration: 30s, drain: 5s}
services:
  loop: {telemetry: {to: metrics, every: 5s, expected_interval: 10ms}, calls: [{to: api}]}
  api: {workers: unlimited, service_time: 1ms}
  metrics: {kind: metrics, window: 5s}
load:
  - {name: one, to: loop, closed: {clients: 1, think: 9ms}}
  - {name: many, to: api, arrivals: constant, rate: 100/s}
timeline:
  - {id: first, at: 3s, for: 1s, fault: {pause: {service: api}}}
  - {id: second, at: 13s, for: 1s, fault: {pause: {service: api}}}
  - {id: third, at: 23s, for: 1s, fault: {pause: {service: api}}}");
    let raw = shown(&outcome, "loop.reported_p99_us");
    let corrected = shown(&outcome, "loop.corrected_p99_us");
    let open = outcome.measured.loads[1].latency.p99_ns / 1_000;
    assert!(raw < 2_000, "{raw}");
    assert!(corrected.abs_diff(open) * 50 < open, "{corrected} for {open}");
}

/// A document with a collector, to which its services report in the way that `how` says.
fn monitored(mut document: Value, how: &[(usize, usize)], metrics: &Value) -> Value {
    const WAYS: [&str; 8] = [
        r#"{}"#,
        r#"{"queue": 3}"#,
        r#"{"temporality": "cumulative"}"#,
        r#"{"histogram": "relative", "sample": "50%"}"#,
        r#"{"histogram": "classic", "temporality": "cumulative", "labels": ["key"], "max_series": 5}"#,
        r#"{"histogram": "exponential", "queue": 1, "labels": ["operation"]}"#,
        r#"{"slow": "5ms", "sample_slow": "10%", "queue": 20}"#,
        r#"{"expected_interval": "3ms", "queue": 2}"#,
    ];
    let services = document["services"].as_object_mut().unwrap();
    let plain = services.values_mut().filter(|service| service.get("kind").is_none());
    for (service, (way, every)) in plain.zip(how) {
        let mut telemetry: Value = serde_json::from_str(WAYS[way % WAYS.len()]).unwrap();
        telemetry["to"] = json!("metrics");
        telemetry["every"] = json!(["50ms", "110ms", "300ms"][every % 3]);
        service["telemetry"] = telemetry;
    }
    services.insert("metrics".to_string(), metrics.clone());
    document
}

fn collector() -> impl Strategy<Value = Value> {
    let late = prop::sample::select(vec!["drop", "count_into_current", "reopen"]);
    let early = prop::sample::select(vec!["drop", "count_into_current"]);
    let window = prop::sample::select(vec!["100ms", "250ms"]);
    let lateness = prop::sample::select(vec!["0s", "100ms", "1s"]);
    (late, early, window, lateness).prop_map(|(late, early, window, lateness)| {
        json!({"kind": "metrics", "late": late, "early": early, "window": window, "lateness": lateness})
    })
}

/// What happens to the collector itself.
fn trouble() -> impl Strategy<Value = Value> {
    let faults = vec![
        json!({"crash": {"service": "metrics"}}),
        json!({"pause": {"service": "metrics"}}),
        json!({"clock": {"service": "metrics", "skew": "-300ms"}}),
        json!({"partition": {"isolate": ["metrics"], "mode": "hold"}}),
        json!({"partition": {"isolate": ["metrics"], "mode": "drop"}}),
        json!({"duplicate": {"link": "* -> metrics", "share": "50%"}}),
        json!({"corrupt": {"link": "metrics -> *", "share": "50%"}}),
        json!({"reorder": {"link": "* -> metrics", "share": "50%", "delay": "150ms"}}),
    ];
    (prop::sample::select(faults), 0..1_800_u64).prop_map(
        |(fault, at)| json!({"id": "trouble", "at": format!("{at}ms"), "for": "400ms", "fault": fault}),
    )
}

proptest! {
    #![proptest_config(cases(80))]

    /// Whatever happens to services, links, clocks and the collector: what was recorded is in a window, dropped for
    /// a reason, lost or on the way. And nothing that is watched is any different for being watched.
    #[test]
    fn in_every_world_the_books_of_telemetry_balance_and_being_watched_changes_nothing(
        document in anything(),
        how in proptest::collection::vec((0..8_usize, 0..3_usize), 1..5),
        metrics in collector(),
        trouble in trouble(),
    ) {
        let kinds = Kinds::default();
        let alone = run_plan(&plan(&document.to_string()), &kinds);
        let mut watched = monitored(document, &how, &metrics);
        let reports = watched["services"].as_object().unwrap().values().any(|service| service.get("telemetry").is_some());
        prop_assume!(reports);
        watched["timeline"].as_array_mut().unwrap().push(trouble);
        let watched = run_plan(&plan(&watched.to_string()), &kinds);
        assert_balanced(&watched);
        prop_assert!(!watched.measured.monitoring.is_empty());
        if alone.stop == StopReason::EndOfTime && watched.stop == StopReason::EndOfTime {
            prop_assert_eq!(ends_with(&alone, "service"), ends_with(&watched, "service"));
            prop_assert_eq!(ends(&alone), ends(&watched));
        }
    }
}

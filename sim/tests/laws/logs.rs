//! Logs: what a slow or full disk does to requests and lines, what a crash takes, and a buffer's loss beside the formula.

use foreshock::nodes::Kinds;

use crate::harness::{assert_balanced, broken, found, plan_with, ran, run_plan, service, system};

fn scenario(kind: &str, settings: &str, load: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 20s, drain: 20s}}
services:
  shop: {{kind: {kind}, workers: 1_000, service_time: {{constant: 1ms}}, {settings}}}
load:
  - {{name: buyers, to: shop, timeout: 20s, {load}}}
{rest}
"
    )
}

#[test]
fn every_line_is_delivered_or_dropped_and_counted_under_every_policy() {
    for when_full in ["block", "drop_newest", "drop_oldest", "sample"] {
        let settings = format!("lines: 5, line_time: 1ms, buffer: 40, batch: 10, when_full: {when_full}");
        let outcome = ran(&scenario("logging-service", &settings, "rate: 220/s", ""));
        let shop = system(&outcome, "shop");
        assert_balanced(&outcome);
        assert_eq!(broken(&outcome), Vec::<&str>::new(), "{when_full}");
        assert_eq!(
            shop["lines_emitted"],
            shop["lines_delivered"] + shop["lines_dropped"] + shop["lines_buffered"]
        );
        assert_eq!(shop["lines_dropped"] == 0, when_full == "block", "{when_full}");
        assert_eq!(shop["drops_reported"], shop["lines_dropped"], "after the drain every drop was told");
        assert_eq!(shop["blocked"] > 0, when_full == "block", "{when_full}");
    }
}

#[test]
fn only_a_sink_that_blocks_makes_requests_wait() {
    let slowest = |when_full: &str| {
        let settings = format!("lines: 5, line_time: 1ms, buffer: 40, batch: 10, when_full: {when_full}");
        let outcome = ran(&scenario("logging-service", &settings, "rate: 220/s", ""));
        outcome.measured.loads[0].latency.max_ns
    };
    assert_eq!(slowest("drop_newest"), slowest("drop_oldest"));
    assert!(slowest("block") > 100 * slowest("drop_newest"));
}

#[test]
fn a_crash_takes_what_the_fsync_policy_allows_and_audited_requests_lose_nothing() {
    const CRASH: &str =
        "timeline: [{id: cut, at: 10s, for: 1s, fault: {crash: {service: shop, mode: host}}}]";
    for (fsync, loses) in [("every_record", false), ("1s", true), ("never", true)] {
        let settings = format!("audited: 5%, fsync: {fsync}");
        let outcome = ran(&scenario("logging-service", &settings, "rate: 100/s", CRASH));
        let shop = system(&outcome, "shop");
        assert_eq!(broken(&outcome), Vec::<&str>::new(), "{fsync}");
        assert_eq!(shop["lost_in_crashes"] > 0, loses, "{fsync}");
        assert!(shop["audit_stored"] > 50);
    }
}

#[test]
fn each_defect_is_caught_by_the_invariant_that_is_made_for_it() {
    const CRASH: &str =
        "timeline: [{id: cut, at: 10s, for: 1s, fault: {crash: {service: shop, mode: host}}}]";
    let cases = [
        ("test-logging-forgets", "lines: 2", "log_lines_accounted"),
        ("test-logging-grows", "lines: 5, line_time: 1ms, buffer: 50", "log_memory_bounded"),
        ("test-logging-hides", "lines: 5, line_time: 1ms, buffer: 50", "log_drops_reported"),
        ("test-logging-hurries", "audited: 10%", "log_audit_stored"),
        ("test-logging-lies", "fsync: every_record", "log_durable_kept"),
    ];
    let kinds = Kinds::default().with_test_kinds();
    for (kind, settings, invariant) in cases {
        let sound = ran(&scenario("logging-service", settings, "rate: 300/s", CRASH));
        assert_eq!(broken(&sound), Vec::<&str>::new(), "{kind}");
        let outcome = run_plan(&plan_with(&scenario(kind, settings, "rate: 300/s", CRASH), &kinds), &kinds);
        assert_eq!(broken(&outcome), [invariant], "{kind}");
    }
}

#[test]
fn how_much_is_logged_changes_no_arrival() {
    let offered = |settings: &str| {
        let outcome = ran(&scenario("logging-service", settings, "rate: 100/s", ""));
        (outcome.measured.loads[0].all.offered, service(&outcome, "shop").service.sum_ns)
    };
    assert_eq!(offered("lines: 1"), offered("lines: 9, fails: 10%, error_lines: 3"));
}

#[test]
fn whatever_thins_the_lines_out_every_line_is_accounted_for_and_told() {
    for (settings, counted) in [
        ("lines: 3, repeat_window: 2s", "dropped_repeated"),
        ("lines: 3, repeat_window: 2s, when_full: block, buffer: 5, line_time: 2ms", "dropped_repeated"),
        ("lines: 3, sampling: 10%", "dropped_sampled"),
        (
            "lines: 3, limit: 20, limit_burst: 20, when_full: block, buffer: 5, line_time: 2ms",
            "dropped_rate_limited",
        ),
    ] {
        let outcome = ran(&scenario("logging-service", settings, "rate: 100/s", ""));
        let shop = system(&outcome, "shop");
        assert_eq!(broken(&outcome), Vec::<&str>::new(), "{settings}");
        assert!(shop[counted] > 1_000, "{settings}: {shop:?}");
        assert_eq!(
            shop["lines_emitted"],
            shop["lines_delivered"] + shop["lines_dropped"] + shop["lines_buffered"]
        );
        assert_eq!(shop["drops_reported"], shop["lines_dropped"], "{settings}");
    }
}

#[test]
fn repeated_lines_are_told_once_a_window_with_how_often_they_were_said() {
    let shop =
        |settings: &str| system(&ran(&scenario("logging-service", settings, "rate: 100/s", "")), "shop");
    let (all, few) = (shop("lines: 3"), shop("lines: 3, repeat_window: 2s"));
    // The line that opens a window and the one that closes it.
    assert!((10..=14).contains(&few["repeats_told"]), "{few:?}");
    assert!(few["lines_delivered"] <= 2 * few["repeats_told"] + 2);
    assert_eq!(few["lines_emitted"] - few["repeats_told"], all["lines_emitted"]);
}

#[test]
fn sampling_keeps_its_share_of_requests_whole_and_what_it_hides_is_found() {
    let run = |settings: &str| {
        let settings = format!("lines: 4, error_lines: 4, fails: 0.5%, sampling: 10%, {settings}");
        let outcome = ran(&scenario("logging-service", &settings, "rate: 100/s", ""));
        (system(&outcome, "shop"), found(&outcome, "hidden_classes"))
    };
    let (errors_kept, is_hidden) = run("sampling_keeps: errors");
    let served = errors_kept["lines_emitted"] - 4 * errors_kept["errors"];
    let kept = served - errors_kept["dropped_sampled"];
    assert!((served / 13..served / 8).contains(&kept), "{kept} of {served}");
    assert_eq!(kept % 4, 0, "all lines of a request share its fate");
    assert!(!is_hidden);
    let settings = "lines: 4, sampling: 0%, sampling_keeps: nothing, fails: 1%";
    let outcome = ran(&scenario("logging-service", settings, "rate: 100/s", ""));
    let shop = system(&outcome, "shop");
    assert_eq!(shop["hidden_error_lines"], 2 * shop["errors"]);
    assert!(found(&outcome, "hidden_classes"));
}

#[test]
fn who_logs_is_told_of_a_full_disk_and_fails_until_there_is_room() {
    let full = "timeline: [{id: full, at: 5s, for: 5s, config: {shop.disk_full: true}}]";
    let run = |policy: &str| {
        let settings = format!("audited: 1%, on_disk_full: {policy}");
        let outcome = ran(&scenario("logging-service", &settings, "rate: 100/s", full));
        assert_eq!(broken(&outcome), Vec::<&str>::new(), "{policy}");
        system(&outcome, "shop")
    };
    let (fail, drop) = (run("fail"), run("drop_counted"));
    assert!((450..550).contains(&fail["failed_by_log"]), "{fail:?}");
    assert!(!drop.contains_key("failed_by_log"));
    assert_eq!(fail["audit_stored"], fail["audited"]);
}

#[test]
fn a_sync_that_fails_takes_the_lines_since_the_last_one_and_no_audited_request_is_told_otherwise() {
    let faults = "timeline:
  - {id: sick, at: 5s, for: 3s, config: {shop.sync_fails: true}}
  - {id: cut, at: 12s, for: 1s, fault: {crash: {service: shop, mode: host}}}";
    for fsync in ["every_record", "1s", "never"] {
        let settings = format!("lines: 2, audited: 3%, fsync: {fsync}");
        let outcome = ran(&scenario("logging-service", &settings, "rate: 100/s", faults));
        let shop = system(&outcome, "shop");
        assert_eq!(broken(&outcome), Vec::<&str>::new(), "{fsync}");
        assert!(shop["lost_by_syncs"] > 0, "{fsync}: {shop:?}");
    }
}

#[test]
fn debug_lines_are_said_only_at_that_level_and_the_level_can_be_changed_while_it_runs() {
    let emitted = |settings: &str, rest: &str| {
        let settings = format!("lines: 1, debug_lines: 9, when_full: block, {settings}");
        let outcome = ran(&scenario("logging-service", &settings, "rate: 100/s", rest));
        assert_eq!(broken(&outcome), Vec::<&str>::new());
        (outcome.measured.loads[0].all.offered, system(&outcome, "shop")["lines_emitted"])
    };
    let (requests, info) = emitted("level: info", "");
    assert_eq!(info, requests);
    assert_eq!(emitted("level: debug", ""), (requests, 10 * requests));
    assert_eq!(emitted("level: error", ""), (requests, 0));
    let on = "timeline: [{id: on, at: 5s, for: 5s, config: {shop.level: debug}}]";
    let (_, for_a_while) = emitted("level: info", on);
    assert!((3 * requests..4 * requests).contains(&for_a_while), "{for_a_while} lines of {requests}");
}

//! Logs: what a slow or full disk does to requests and lines, what a crash takes, and a buffer's loss beside the formula.

use foreshock::nodes::Kinds;

use crate::harness::{assert_balanced, broken, plan_with, ran, run_plan, service, system};

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

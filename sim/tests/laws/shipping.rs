//! Logs that are shipped: where each line is, through crashes of every party and an outage of the store.

use foreshock::nodes::Kinds;
use foreshock::run::Outcome;

use crate::harness::{assert_balanced, broken, plan_with, ran, run_plan, shown};

fn scenario(shop: &str, shipper: &str, archive: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 20s, drain: 20s}}
services:
  shop: {{kind: logging-service, workers: 1_000, service_time: {{constant: 1ms}}, {shop}}}
  shipper: {{kind: log-shipper, reads: shop, {shipper} calls: [{{to: archive, timeout: 300ms}}]}}
  archive: {{kind: log-store, workers: 4, service_time: {{constant: 1ms}}, {archive}}}
load:
  - {{name: buyers, to: shop, rate: 100/s, timeout: 15s}}
{rest}
"
    )
}

fn faults(entries: &[&str]) -> String {
    let lines = entries.iter().enumerate().map(|(number, entry)| format!("  - {{id: f{number}, {entry}}}\n"));
    format!("timeline:\n{}", lines.collect::<String>())
}

/// Lines said = dropped + in memory + on disk + lost + shipped, as the report shows it.
fn assert_reconciled(outcome: &Outcome) {
    assert_balanced(outcome);
    let of = |name| shown(outcome, "shop", name);
    let accounted = of("lines_dropped")
        + of("lines_buffered")
        + of("lines_on_disk")
        + of("lost_in_crashes")
        + outcome.measured.systems["shop"].get("lost_by_syncs").unwrap_or(&0)
        + of("lines_lost_by_store")
        + of("lines_shipped");
    assert_eq!(of("lines_emitted"), accounted);
}

#[test]
fn without_faults_every_line_is_in_the_store_once() {
    let outcome = ran(&scenario("fsync: 200ms", "", "", ""));
    assert_reconciled(&outcome);
    assert_eq!(shown(&outcome, "archive", "lines_stored"), shown(&outcome, "shop", "lines_emitted"));
    assert_eq!(shown(&outcome, "archive", "lines_duplicate"), 0);
}

#[test]
fn a_shipper_that_crashes_sends_again_from_its_checkpoint_and_the_store_takes_each_line_once() {
    for mode in ["process", "host"] {
        let crash =
            faults(&[&format!("at: 8s, for: 1s, fault: {{crash: {{service: shipper, mode: {mode}}}}}")]);
        let outcome = ran(&scenario("fsync: 200ms", "checkpoint_every: 5s,", "", &crash));
        assert_reconciled(&outcome);
        let duplicates = shown(&outcome, "archive", "lines_duplicate");
        // The last checkpoint was about three seconds old: two hundred lines a second were sent since.
        assert!((400..1_000).contains(&duplicates), "{mode}: {duplicates}");
        assert_eq!(shown(&outcome, "archive", "lines_stored"), shown(&outcome, "shop", "lines_emitted"));
    }
}

#[test]
fn a_power_cut_takes_of_the_shops_lines_what_was_not_synced_and_gives_no_number_twice() {
    let crash = "at: 9900ms, for: 1s, fault: {crash: {service: shop, mode: host}}";
    for (fsync, may_lose) in [("every_record", false), ("1s", true), ("never", true)] {
        let outcome = ran(&scenario(&format!("fsync: {fsync}"), "", "", &faults(&[crash])));
        assert_reconciled(&outcome);
        assert_eq!(shown(&outcome, "shop", "lost_in_crashes") > 0, may_lose, "{fsync}");
        assert_eq!(shown(&outcome, "archive", "lines_duplicate"), 0, "{fsync}");
    }
}

#[test]
fn a_store_that_is_away_fills_the_disk_and_what_that_does_is_a_setting() {
    let outage = faults(&["at: 5s, for: 10s, fault: {crash: {service: archive, mode: host}}"]);
    let of = |on_full: &str| {
        let shop = format!("fsync: 200ms, disk_space: 64KiB, on_disk_full: {on_full}, lines: 5");
        let outcome = ran(&scenario(&shop, "max_pause: 500ms,", "", &outage));
        assert_reconciled(&outcome);
        assert_eq!(shown(&outcome, "shop", "lines_on_disk"), 0, "after the outage all of it was shipped");
        (shown(&outcome, "shop", "lines_dropped"), outcome.measured.loads[0].latency.max_ns / 1_000_000)
    };
    let (dropped, slowest_ms) = of("drop_counted");
    assert!(dropped > 1_000 && slowest_ms < 100, "{dropped} dropped, {slowest_ms} ms");
    // A disk that blocks fills the buffer behind it, which drops in its turn, but not what is said of requests.
    assert!(of("block").0 > 1_000);
}

#[test]
fn a_store_loses_what_its_settings_let_it_lose_and_that_is_counted() {
    let crash = faults(&["at: 9s, for: 1s, fault: {crash: {service: archive, mode: host}}"]);
    for (kept, may_lose) in [
        ("fsync: every_commit", false),
        ("fsync: {group: {commits: 8, wait: 50ms}}", false),
        ("fsync: never", true),
        ("store: memory", true),
    ] {
        let outcome = ran(&scenario("fsync: 200ms", "checkpoint_every: 1s,", kept, &crash));
        assert_reconciled(&outcome);
        assert_eq!(shown(&outcome, "shop", "lines_lost_by_store") > 0, may_lose, "{kept}");
    }
}

#[test]
fn a_store_turns_away_what_its_index_cannot_take_and_forgets_the_oldest() {
    let archive = "index_time: 3ms, index_queue: 300, keep: 1_000";
    let outcome = ran(&scenario("fsync: 200ms, lines: 4", "batch: 200, max_pause: 300ms,", archive, ""));
    assert_reconciled(&outcome);
    assert!(shown(&outcome, "archive", "refused_queue_full") > 10);
    let of = |name| shown(&outcome, "archive", name);
    assert!(of("lines_kept") <= 1_000 && of("lines_expired") + of("lines_kept") == of("lines_stored"));
    let outcome = ran(&scenario("fsync: 200ms", "", "retention: 3s", ""));
    assert_eq!(shown(&outcome, "archive", "lines_kept"), 0, "the drain is longer than that");
}

#[test]
fn each_mistake_on_the_way_is_caught_by_the_invariant_that_is_made_for_it() {
    let kinds = Kinds::default().with_test_kinds();
    let with = |was: &str, is: &str, archive: &str, entries: &[&str]| {
        let sound = scenario("fsync: 200ms", "checkpoint_every: 3s,", archive, &faults(entries));
        assert_balanced(&ran(&sound));
        let outcome = run_plan(&plan_with(&sound.replace(was, is), &kinds), &kinds);
        broken(&outcome).into_iter().map(str::to_string).collect::<Vec<_>>()
    };
    let shipper_dies = "at: 9s, for: 1s, fault: {crash: {service: shipper}}";
    let store_dies = "at: 9s, for: 1s, fault: {crash: {service: archive, mode: host}}";
    // Of what is not synced, a power cut leaves a part or all: one of these takes something.
    let cuts = ["5s", "7130ms", "9270ms", "11410ms", "13550ms"]
        .map(|at| format!("at: {at}, for: 500ms, fault: {{crash: {{service: archive, mode: host}}}}"));
    let cuts: Vec<&str> = cuts.iter().map(String::as_str).collect();
    assert!(
        with("kind: log-shipper", "kind: test-log-shipper-hurries", "", &[store_dies])
            .contains(&"log_shipped_accounted".to_string())
    );
    assert!(
        with("kind: log-store", "kind: test-log-store-takes-again", "", &[shipper_dies])
            .contains(&"log_stored_once".to_string())
    );
    let lazy = "fsync: {group: {commits: 1_000, wait: 200ms}}";
    assert_eq!(
        with("kind: log-store", "kind: test-log-store-answers-early", lazy, &cuts),
        ["log_store_kept"]
    );
}

#[test]
fn who_ships_its_lines_and_how_changes_nothing_of_the_service_that_writes_them() {
    let plain = ran("
        run: {duration: 20s, drain: 20s}
        services:
          shop: {kind: logging-service, workers: 1_000, service_time: {constant: 1ms}, fsync: 200ms}
        load:
          - {name: buyers, to: shop, rate: 100/s, timeout: 15s}
    ");
    let shipped = ran(&scenario("fsync: 200ms", "", "", ""));
    let of = |outcome: &Outcome| {
        let load = &outcome.measured.loads[0];
        (load.all.offered, load.latency.sum_ns, shown(outcome, "shop", "lines_emitted"))
    };
    assert_eq!(of(&plain), of(&shipped));
}

#[test]
fn lines_that_syncs_have_lost_or_that_repeat_others_are_in_the_books_of_what_was_shipped() {
    for fsync in ["200ms", "every_record"] {
        let sick = faults(&[
            "at: 4s, for: 1s, config: {shop.sync_fails: true}",
            "at: 8s, for: 100ms, config: {shop.sync_fails: true}",
            "at: 12s, for: 1s, fault: {crash: {service: shop, mode: host}}",
        ]);
        let shop = format!("fsync: {fsync}, fails: 30%, repeat_window: 3s");
        let outcome = ran(&scenario(&shop, "", "", &sick));
        assert_reconciled(&outcome);
        assert_eq!(broken(&outcome), Vec::<&str>::new(), "{fsync}");
        assert!(shown(&outcome, "shop", "lost_by_syncs") > 0, "{fsync}");
        assert!(shown(&outcome, "shop", "repeats_told") > 0, "{fsync}");
    }
}

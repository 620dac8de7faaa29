//! Parking: what is lost is what Erlang says, whatever the stays are like; the clock on the wall costs nobody anything;
//! the books of gates and lot agree across cuts, losses and crashes.

use std::collections::BTreeMap;

use crate::harness::{broken, plan_with, ran, run_plan, system};
use foreshock::nodes::Kinds;

fn scenario(lot: &str, gate: &str, load: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 40m, drain: 20m}}
services:
  lot: {{kind: parking-lot, workers: 8, service_time: {{constant: 1us}}, unit: 1m, unit_minor: 5, {lot}}}
  gate: {{kind: parking-gate, workers: 64, service_time: {{constant: 1us}}, {gate}, calls: [{{to: lot, timeout: 500ms, retry: {{max_attempts: 3, backoff: {{kind: constant, base: 100ms}}}}}}]}}
load:
  - {{name: cars, to: gate, timeout: 30s, {load}}}
{rest}
"
    )
}

/// Nobody is inside any more, and both sides know of the same money.
fn assert_settled(lot: &BTreeMap<String, u64>, gate: &BTreeMap<String, u64>) {
    assert_eq!(lot["parked"], 0, "{lot:?}");
    assert_eq!(gate["untold"], 0, "{gate:?}");
    assert_eq!(lot["admitted"], lot["left"] + lot["released"]);
    assert_eq!(lot["received_minor"], gate["taken_minor"]);
    assert_eq!(lot["received_minor"], lot["charged_minor"] + lot["refunded_minor"]);
}

#[test]
fn what_is_lost_depends_on_the_mean_of_the_stays_and_on_nothing_else() {
    for stays in ["exponential", "constant", "lognormal"] {
        let gate = format!("stay: 2s, stays: {stays}");
        let text = scenario("spots: {compact: 5}", &gate, "rate: 1.5/s", "")
            .replace("duration: 40m", "duration: 3h");
        let outcome = ran(&text);
        let gate = system(&outcome, "gate");
        let lost_ppm = gate["turned_away"] * 1_000_000 / gate["came"];
        // q-erlb-5-3: 0.110054.
        assert!(lost_ppm.abs_diff(110_054) < 9_000, "{stays}: {lost_ppm} of a million");
        assert_settled(&system(&outcome, "lot"), &gate);
    }
}

#[test]
fn a_change_of_the_clocks_costs_nobody_anything() {
    let charged = |zone: &str| {
        let lot = format!("spots: {{compact: 90}}, zone: {zone}, begins_unix_s: 1792886400, exit_grace: 1h");
        let outcome = ran(&scenario(&lot, "stay: 10m", "rate: 0.05/s", ""));
        system(&outcome, "lot")["charged_minor"]
    };
    assert!(charged("UTC") > 0);
    assert_eq!(charged("Europe/Berlin"), charged("UTC"));
}

#[test]
fn departures_that_are_told_again_are_charged_once() {
    let loss = "network: {links: [{link: gate -> lot, loss: 20%}, {link: lot -> gate, loss: 20%}]}";
    let outcome = ran(&scenario("spots: {compact: 90}", "stay: 1m", "rate: 0.5/s", loss));
    let (lot, gate) = (system(&outcome, "lot"), system(&outcome, "gate"));
    assert!(lot["charged_minor"] > 0);
    assert_settled(&lot, &gate);
}

#[test]
fn a_gate_that_was_cut_off_comes_to_terms_with_the_lot_under_each_rule() {
    let cut = "timeline: [{id: cut, at: 10m, for: 10m, fault: {partition: {between: [[gate], [lot]], mode: drop}}}]";
    let run = |rule: &str| {
        let outcome =
            ran(&scenario("spots: {compact: 40}", &format!("stay: 3m, {rule}"), "rate: 0.2/s", cut));
        let (lot, gate) = (system(&outcome, "lot"), system(&outcome, "gate"));
        assert_settled(&lot, &gate);
        (lot, gate)
    };
    let (_, refused) = run("offline: refuse");
    assert_eq!(refused["admitted_offline"], 0);
    let (lot, allotted) = run("offline: allotment, allotment: 7");
    assert_eq!((lot["excess"], allotted["admitted_offline"]), (0, 7));
    let (lot, open) = run("offline: admit_and_reconcile");
    assert!(open["admitted_offline"] > 60, "{open:?}");
    assert!(lot["excess"] <= open["admitted_offline"]);
}

#[test]
fn a_crash_of_the_lot_takes_no_stay_and_no_money() {
    let crash = "timeline: [{id: crash, at: 10m, for: 5s, fault: {crash: {service: lot, mode: host}}}]";
    let outcome = ran(&scenario("spots: {compact: 90}", "stay: 3m", "rate: 0.2/s", crash));
    let lot = system(&outcome, "lot");
    assert_eq!(lot["restarts"], 1);
    assert_settled(&lot, &system(&outcome, "gate"));
}

#[test]
fn stays_are_those_of_the_cars_whatever_the_lot_is_like() {
    let came = |lot: &str| {
        let outcome = ran(&scenario(lot, "stay: 3m", "rate: 0.2/s", ""));
        let lot = system(&outcome, "lot");
        (system(&outcome, "gate")["came"], lot["charged_minor"])
    };
    assert_eq!(came("spots: {compact: 90}"), came("spots: {compact: 50, large: 40}, levels: 2"));
}

#[test]
fn a_look_before_the_claim_is_caught_as_double_use() {
    let text = scenario("spots: {compact: 5}", "stay: 20s, looks_first: true", "rate: 1/s", "")
        .replace("kind: parking-lot", "kind: test-parking-lot-believes-gates")
        + "network: {links: [{link: gate -> lot, latency: {constant: 300ms}}]}\n";
    let kinds = Kinds::default().with_test_kinds();
    let outcome = run_plan(&plan_with(&text, &kinds), &kinds);
    assert!(broken(&outcome).contains(&"parking_spot_once"), "{:?}", broken(&outcome));
    let sound = ran(&text.replace("test-parking-lot-believes-gates", "parking-lot"));
    assert_eq!(system(&sound, "lot")["double_use"], 0);
}

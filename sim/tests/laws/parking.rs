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
    // Whoever came in went out again.
    let came_in = gate["admitted"] + gate["admitted_offline"];
    assert_eq!(came_in, gate["left"] + gate["left_offline"] + gate["unsettled"], "{gate:?}");
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
        let outcome = ran(&scenario(&lot, "stay: 3m", "rate: 0.05/s", ""));
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
fn a_car_whose_claim_ran_out_while_its_gate_was_cut_off_is_told_of_whatever_the_rule() {
    // Thousands of entries are told one by one over so slow a line: half an hour.
    let slow_and_cut = "network: {links: [{link: gate -> lot, latency: {constant: 450ms}}]}
timeline: [{id: cut, at: 3m, for: 3m, fault: {partition: {between: [[gate], [lot]], mode: drop}}}]";
    for rule in ["offline: refuse", "offline: allotment, allotment: 2", "offline: admit_and_reconcile"] {
        let text =
            scenario("spots: {compact: 800}", &format!("stay: 1m, {rule}"), "rate: 10/s", slow_and_cut);
        let outcome = ran(&text.replace("duration: 40m, drain: 20m", "duration: 7m, drain: 40m"));
        let (lot, gate) = (system(&outcome, "lot"), system(&outcome, "gate"));
        // Some were through the barrier, and the lot did not hear of it before it gave their spots back.
        assert!(lot["released"] > 0, "{rule}: {lot:?}");
        assert_settled(&lot, &gate);
    }
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

fn parking(lot: &str, gate: &str, load: &str) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let outcome = ran(&scenario(lot, gate, load, ""));
    (system(&outcome, "lot"), system(&outcome, "gate"))
}

#[test]
fn every_booking_is_honoured_lapses_or_was_refused() {
    let (lot, gate) = parking(
        "spots: {compact: 30}, reservable: 12, hold_before: 2m, no_show_after: 3m",
        "stay: 90s, book_ahead: 5m, punctuality: 1m, no_shows: 20%",
        "rate: 0.4/s, mix: {car: 80%, reserve: 20%}",
    );
    assert_settled(&lot, &gate);
    assert_eq!(lot["promised"], gate["booked"]);
    assert_eq!(lot["promised"], lot["honoured"] + lot["lapsed"]);
    assert_eq!(gate["booked"], gate["came_booked"] + gate["no_shows"]);
    assert!(lot["refused"] > 0 && gate["no_shows"] > 0 && lot["honoured"] > 20, "{lot:?} {gate:?}");
    // Whoever was sent away with a booking met a lot in which no spot had become free in time, and it was said.
    assert!(gate["turned_away_booked"] <= lot["broken_promises"], "{lot:?} {gate:?}");
}

#[test]
fn who_books_has_a_spot_where_the_others_mostly_have_none() {
    let (lot, gate) = parking(
        "spots: {compact: 30}, reservable: 6, hold_before: 3m, no_show_after: 3m",
        "stay: 90s, book_ahead: 5m, punctuality: 1m",
        "rate: 1/s, mix: {car: 95%, reserve: 5%}",
    );
    let walk_ins = gate["came"] - gate["came_booked"];
    let walk_ins_lost = (gate["turned_away"] - gate["turned_away_booked"]) * 100 / walk_ins;
    assert!(walk_ins_lost > 60, "{gate:?}");
    assert_eq!(gate["turned_away_booked"], 0, "{gate:?}");
    assert_settled(&lot, &gate);
}

#[test]
fn a_lost_ticket_costs_the_flat_amount_once_however_often_it_is_declared() {
    let loss = "network: {links: [{link: gate -> lot, loss: 20%}, {link: lot -> gate, loss: 20%}]}";
    let lot_of = |lost: &str| {
        let lot = format!("spots: {{compact: 90}}, lost_minor: 3000, {lost}");
        let outcome = ran(&scenario(&lot, "stay: 1m, lost_tickets: 10%", "rate: 0.5/s", loss));
        let (lot, gate) = (system(&outcome, "lot"), system(&outcome, "gate"));
        assert_settled(&lot, &gate);
        assert_eq!(lot["lost_tickets"], gate["lost_tickets"]);
        lot
    };
    let lot = lot_of("exit_grace: 5m");
    assert!(lot["lost_tickets"] > 60, "{lot:?}");
    assert!(lot["charged_minor"] >= 3000 * lot["lost_tickets"], "{lot:?}");
}

#[test]
fn stuck_sensors_fill_the_lot_early_until_somebody_has_looked_and_only_if_they_are_believed() {
    let run = |lot: &str| {
        let lot =
            format!("spots: {{compact: 20}}, sensors: true, sensor_window: 2m, stuck_sensors: 10, {lot}");
        let outcome = ran(&scenario(&lot, "stay: 1m", "rate: 0.2/s", ""));
        let (lot, gate) = (system(&outcome, "lot"), system(&outcome, "gate"));
        assert_settled(&lot, &gate);
        lot
    };
    let never = run("trust_sensors: true");
    let soon = run("trust_sensors: true, inspect_after: 3m");
    let not_believed = run("trust_sensors: false");
    assert!(never["refused_early"] > 3 * soon["refused_early"].max(1), "{never:?} {soon:?}");
    assert_eq!((soon["sensor_findings"], never["sensor_findings"]), (10, 10));
    assert_eq!(not_believed["refused_early"], 0);
    assert!(not_believed["refused"] < soon["refused"], "{not_believed:?} {soon:?}");
}

#[test]
fn bookings_lost_tickets_and_sensors_leave_the_other_cars_as_they_are() {
    let admitted = |lot: &str, gate: &str| {
        let (lot, gate) =
            parking(&format!("spots: {{compact: 90}}, {lot}"), &format!("stay: 3m, {gate}"), "rate: 0.2/s");
        (gate["came"], gate["admitted"], lot["charged_minor"])
    };
    let plain = admitted("exit_grace: 5m", "tell_every: 2s");
    assert_eq!(admitted("sensors: true, reservable: 9, exit_grace: 5m", "no_shows: 50%"), plain);
}

#[test]
fn rules_that_are_changed_while_it_runs_are_followed() {
    let vans = |spill: &str| {
        let rest = format!("timeline: [{{id: edit, at: 20m, config: {{lot.spill: {spill}}}}}]");
        let outcome = ran(&scenario("spots: {compact: 4, large: 40}", "stay: 2m", "rate: 0.2/s", &rest));
        system(&outcome, "gate")["turned_away"]
    };
    assert_eq!(vans("upward"), 0);
    assert!(vans("none") > 100);
}

#[test]
fn a_lot_that_gives_kept_spots_away_forgives_lost_tickets_or_hides_its_sensors_is_caught() {
    let booked = "stay: 20s, book_ahead: 1m, punctuality: 10s, lost_tickets: 10%";
    let lot = "spots: {compact: 20}, reservable: 5, hold_before: 30s, no_show_after: 1m, lost_minor: 5000, \
               sensors: true, stuck_sensors: 2, sensor_window: 1m";
    let text = scenario(lot, booked, "rate: 1.5/s, mix: {car: 95%, reserve: 5%}", "");
    let kinds = Kinds::default().with_test_kinds();
    for (kind, invariant) in [
        ("test-parking-lot-gives-kept-away", "parking_promises"),
        ("test-parking-lot-forgives-lost", "parking_books"),
        ("test-parking-lot-hides-sensors", "parking_sensors"),
    ] {
        let text = text.replace("kind: parking-lot", &format!("kind: {kind}"));
        let outcome = run_plan(&plan_with(&text, &kinds), &kinds);
        assert_eq!(broken(&outcome), [invariant], "{kind}");
    }
    assert_eq!(broken(&run_plan(&plan_with(&text, &kinds), &kinds)), Vec::<&str>::new());
}

#[test]
fn a_night_is_priced_by_the_units_that_start_in_it_and_exact_rounding_takes_what_was_used() {
    let charged = |tariff: &str| {
        let lot = format!("spots: {{compact: 90}}, exit_grace: 1h, begins_unix_s: 1792879200, {tariff}");
        let outcome = ran(&scenario(&lot, "stay: 3m", "rate: 0.05/s", ""));
        let (lot, gate) = (system(&outcome, "lot"), system(&outcome, "gate"));
        assert_settled(&lot, &gate);
        lot["charged_minor"]
    };
    let day = charged("lost_minor: 1");
    // The run begins at 22:00 universal time.
    let night = "night: {from: \"22:00\", until: \"06:00\", unit_minor: 1}";
    assert_eq!(charged(night), day / 5);
    assert_eq!(charged("night: {from: \"06:00\", until: \"21:59\", unit_minor: 1}"), day);
    let exact = charged("rounding: exact");
    assert!(exact < day && exact > day * 8 / 10, "{exact} of {day}");
}

#[test]
fn cars_gather_on_the_fullest_level_where_the_nearest_spot_would_spread_them() {
    let lit = |allocation: &str| {
        let lot = format!("spots: {{compact: 30}}, levels: 3, allocation: {allocation}");
        let second = "  gate-2: {kind: parking-gate, workers: 64, service_time: {constant: 1us}, stay: 2m, level: 2, calls: [{to: lot, timeout: 500ms}]}
load:
  - {name: upstairs, to: gate-2, timeout: 30s, rate: 0.05/s}";
        let text = scenario(&lot, "stay: 2m", "rate: 0.05/s", "").replace("load:", second);
        system(&ran(&text), "lot")["levels_lit_max"]
    };
    assert_eq!((lit("nearest"), lit("fullest_level")), (2, 1));
}

#[test]
fn who_has_a_permit_finds_an_accessible_spot_where_others_find_none() {
    let run = |permits: &str| {
        let (lot, gate) = parking(
            "spots: {compact: 5, accessible: 5}",
            &format!("stay: 1m, permits: {permits}"),
            "rate: 0.15/s",
        );
        assert_settled(&lot, &gate);
        (gate["came"], gate["turned_away"], gate.get("permits").copied().unwrap_or(0))
    };
    let ((came, lost, none), (came_too, fewer_lost, half)) = (run("0%"), run("50%"));
    assert_eq!((came, none), (came_too, 0));
    assert!(half.abs_diff(came / 2) < came / 8, "{half} of {came}");
    assert!(fewer_lost < lost / 2, "{fewer_lost} and {lost}");
}

#[test]
fn spots_out_of_service_are_closed_when_they_are_free_and_used_again_afterwards() {
    let run = |rest: &str| {
        let outcome = ran(&scenario("spots: {compact: 30}", "stay: 1m", "rate: 0.1/s", rest));
        let (lot, gate) = (system(&outcome, "lot"), system(&outcome, "gate"));
        assert_settled(&lot, &gate);
        (lot.get("out_of_service_max").copied(), gate["turned_away"])
    };
    let (none, turned_away) = run("");
    assert_eq!((none, turned_away), (None, 0));
    let closed = "{id: closed, at: 10m, for: 10m, config: {lot.out_of_service: 27}}";
    let (closed_max, for_a_while) = run(&format!("timeline: [{closed}]"));
    assert_eq!(closed_max, Some(27));
    let crash = "{id: crash, at: 15m, for: 1s, fault: {crash: {service: lot, mode: host}}}";
    let (_, with_a_crash) = run(&format!("timeline: [{closed}, {crash}]"));
    assert!(for_a_while > 10 && with_a_crash > 10, "{for_a_while}, {with_a_crash}");
    let (_, for_good) = run("timeline: [{id: closed, at: 10m, config: {lot.out_of_service: 27}}]");
    assert!(2 * for_good > 3 * for_a_while, "{for_good} and {for_a_while}");
}

#[test]
fn who_stays_for_longer_than_is_usual_is_found() {
    let findings = |lot: &str| {
        parking(&format!("spots: {{compact: 90}}, {lot}"), "stay: 3m, stays: constant", "rate: 0.2/s").0["findings"]
    };
    assert!(findings("max_stay: 2m") > 400);
    assert_eq!(findings("max_stay: 4m"), 0);
}

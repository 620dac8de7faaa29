//! Lifts: strategies on the same people, handling capacity, cars that fail, and somebody who starves.

use crate::harness::{broken, plan, ran, run_plan, system};
use foreshock::nodes::Kinds;

fn scenario(lifts: &str, rate: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 40m, drain: 40m}}
services:
  lifts: {{kind: elevator-bank, workers: 64, service_time: {{constant: 1us}}, floors: 11, persons: 8, {lifts}}}
load:
  - {{name: people, to: lifts, timeout: 2h, rate: {rate}}}
{rest}
"
    )
}

#[test]
fn everybody_is_answered_where_they_wanted_to_be() {
    for traffic in ["up_peak", "down_peak", "interfloor", "lunch"] {
        let outcome = ran(&scenario(&format!("traffic: {traffic}"), "0.1/s", ""));
        let lifts = system(&outcome, "lifts");
        let offered = outcome.measured.loads[0].all.offered;
        assert_eq!((lifts["arrived"], lifts["delivered"]), (offered, offered), "{traffic}");
    }
}

#[test]
fn people_are_the_same_under_every_strategy_and_the_estimated_arrival_waits_less_than_scan() {
    let waits = |strategy: &str| {
        let outcome = ran(&scenario(&format!("strategy: {strategy}, traffic: interfloor"), "0.15/s", ""));
        let lifts = system(&outcome, "lifts");
        (lifts["arrived"], lifts["wait_mean_us"])
    };
    let scan = waits("scan");
    for strategy in ["look", "c_look", "nearest_car", "estimated_arrival", "destination"] {
        let other = waits(strategy);
        println!("{strategy}: mean wait {} us, scan {} us", other.1, scan.1);
        assert_eq!(other.0, scan.0);
    }
    assert!(waits("estimated_arrival").1 < scan.1);
}

#[test]
fn riders_of_a_car_that_fails_are_brought_by_the_others() {
    let out = "timeline: [{id: out, at: 10m, for: 10m, config: {lifts.out_of_service: 1}}]";
    let outcome = ran(&scenario("traffic: lunch", "0.2/s", out));
    let lifts = system(&outcome, "lifts");
    assert_eq!(lifts["arrived"], lifts["delivered"]);
    let quiet = ran(&scenario("traffic: lunch", "0.2/s", ""));
    assert!(lifts["wait_mean_us"] > system(&quiet, "lifts")["wait_mean_us"]);
}

#[test]
fn above_the_handling_capacity_the_line_grows_by_the_difference() {
    // 92.9 persons in five minutes.
    let line = |rate: &str| {
        let outcome = ran(&scenario("traffic: up_peak, park_after: 0s", rate, ""));
        system(&outcome, "lifts")["waiting_max"]
    };
    assert!(line("0.248/s") < 40);
    // A fifth above it for 2,400 s: 149 more than can be brought up.
    let grown = line("0.372/s");
    assert!((100..=200).contains(&grown), "{grown}");
}

#[test]
fn whoever_is_far_starves_under_the_nearest_car_and_the_bound_says_so() {
    let text = scenario(
        "floors: 21, cars: 1, traffic: near_lobby, strategy: nearest_car, wait_bound: 10m",
        "0.15/s",
        "",
    )
    .replace("floors: 11, ", "");
    let outcome = run_plan(&plan(&text), &Kinds::default());
    assert_eq!(broken(&outcome), ["lifts_wait_bounded"]);
    let look = run_plan(&plan(&text.replace("nearest_car", "look")), &Kinds::default());
    assert_eq!(broken(&look), Vec::<&str>::new());
}

#[test]
fn zones_bring_up_more_people_in_an_up_peak_above_the_capacity() {
    let line = |more: &str| {
        let lifts = format!("traffic: up_peak, strategy: destination, park_after: 0s, floors: 17, {more}");
        let text = scenario(&lifts, "0.33/s", "").replace("floors: 11, ", "");
        let outcome = ran(&text);
        let lifts = system(&outcome, "lifts");
        assert_eq!(lifts["arrived"], lifts["delivered"]);
        lifts["waiting_max"]
    };
    let (without, with) = (line("cars: 4"), line("cars: 4, zones: 2"));
    assert!(with < without * 4 / 5, "{without} wait without zones, {with} with two");
}

#[test]
fn times_that_are_changed_while_it_runs_are_followed() {
    let waits =
        |rest: &str| system(&ran(&scenario("traffic: lunch", "0.15/s", rest)), "lifts")["wait_mean_us"];
    let slower = "timeline: [{id: doors, at: 5m, config: {lifts.dwell: 6s}}]";
    assert!(waits(slower) > waits("") * 5 / 4);
}

#[test]
fn a_stuck_door_a_fire_and_a_dispatcher_that_is_down_lose_nobody_under_any_strategy() {
    let faults = "timeline:
  - {id: door, at: 5m, for: 1m, config: {lifts.stuck_door: 60s}}
  - {id: fire, at: 10m, for: 5m, config: {lifts.recalled: true}}
  - {id: down, at: 20m, for: 30s, config: {lifts.dispatcher_down: true}}
  - {id: door-again, at: 25m, config: {lifts.stuck_door: 60s}}";
    for strategy in ["scan", "look", "c_look", "nearest_car", "estimated_arrival", "destination"] {
        let outcome = ran(&scenario(&format!("traffic: lunch, strategy: {strategy}"), "0.1/s", faults));
        let lifts = system(&outcome, "lifts");
        assert_eq!(broken(&outcome), Vec::<&str>::new(), "{strategy}");
        assert_eq!(lifts["arrived"], lifts["delivered"], "{strategy}");
        assert_eq!((lifts["stuck_doors"], lifts["recalls"], lifts["dispatcher_restarts"]), (2, 1, 1));
        assert!(lifts["put_out"] > 0, "{strategy}: a fire puts out whoever rides");
    }
}

#[test]
fn a_dispatcher_that_is_back_knows_all_calls_after_one_round_of_polling() {
    // Nobody presses again: what is not polled stays unknown.
    let slowest = |polling: &str| {
        let down = "timeline: [{id: down, at: 20m, for: 10s, config: {lifts.dispatcher_down: true}}]";
        let lifts = format!("traffic: lunch, press_again: 39m, polling: {polling}");
        let outcome = ran(&scenario(&lifts, "0.1/s", down));
        let lifts = system(&outcome, "lifts");
        assert_eq!(lifts["arrived"], lifts["delivered"], "{polling}");
        outcome.measured.loads[0].latency.max_ns / 1_000_000_000
    };
    let (soon, late) = (slowest("1s"), slowest("10m"));
    assert!(soon < 180, "{soon} s at most");
    assert!(late > 600, "{late} s at most");
}

#[test]
fn calls_of_a_car_whose_door_sticks_go_to_the_others_unless_they_are_fixed() {
    let reassigned = |reassign: &str| {
        let door = "timeline: [{id: door, at: 20m, config: {lifts.stuck_door: 10m}}]";
        let lifts = format!("cars: 2, traffic: interfloor, reassign: {reassign}");
        let outcome = ran(&scenario(&lifts, "0.08/s", door));
        let lifts = system(&outcome, "lifts");
        assert_eq!(lifts["arrived"], lifts["delivered"]);
        lifts["reassigned"]
    };
    assert_eq!(reassigned("fixed"), 0);
    assert!(reassigned("until_arrival") > 0);
}

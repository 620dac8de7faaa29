//! Routers of alerts that stand in for each other: one tells while they see each other, both while they do not, and
//! somebody in any case.

use foreshock::nodes::Kinds;
use foreshock::run::Outcome;

use crate::harness::{broken, plan, plan_with, ran, run_plan, shown};

/// A monitor that tells two routers, which page over one pager.
fn pair(kind: &str, settings: &str, load: &str, timeline: &str) -> String {
    let router = |other: &str| {
        format!(
            "{{kind: {kind}, workers: unlimited, peers: [{other}], peer_timeout: 5s, resolve_timeout: 5m, route: \
             {{group_by: [alertname, key], group_wait: 5s, group_interval: 20s, repeat_interval: 4h}}, {settings} \
             calls: [{{to: pager, timeout: 2s}}, {{to: {other}, timeout: 1s}}]}}"
        )
    };
    format!(
        "
run: {{duration: 120s, drain: 30s}}
services:
  monitor: {{workers: unlimited, calls: [{{parallel: [{{to: first, timeout: 500ms}}, {{to: second, timeout: 500ms}}], join: any}}]}}
  first: {}
  second: {}
  pager: {{kind: notification-provider, workers: unlimited, service_time: 50ms}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: probes, to: monitor, mix: {{down: 100%}}, keys: {{uniform: {{items: 6}}}}, {load}}}]
timeline: [{timeline}]
",
        router("second"),
        router("first"),
    )
}

const KIND: &str = "alert-router";
const ALWAYS: &str = "rate: 2/s";
/// Begins to fire when a cut that begins at ten seconds has been noticed.
const LATER: &str = "stages: [{for: 40s, rate: 0/s}, {for: 80s, rate: 2/s}]";
const CUT: &str =
    "{id: cut, at: 10s, for: 200s, fault: {partition: {between: [[first], [second]], mode: drop}}}";

fn notifications(outcome: &Outcome) -> (u64, u64) {
    (shown(outcome, "first", "notifications"), shown(outcome, "second", "notifications"))
}

#[test]
fn while_they_see_each_other_the_first_tells_and_the_second_learns_of_it() {
    let outcome = ran(&pair(KIND, "", ALWAYS, ""));
    assert_eq!(notifications(&outcome), (6, 0));
    assert_eq!(shown(&outcome, "second", "alerts_distinct"), 6, "it hears every alert as well");
    assert_eq!(shown(&outcome, "second", "alerts_told_by_both"), 0);
    assert!(shown(&outcome, "second", "gossip_heard") > 100);
}

#[test]
fn a_cut_between_them_doubles_what_is_told_and_loses_nothing() {
    let outcome = ran(&pair(KIND, "", LATER, CUT));
    assert_eq!(notifications(&outcome), (6, 6));
    let both =
        shown(&outcome, "first", "alerts_told_by_both") + shown(&outcome, "second", "alerts_told_by_both");
    assert_eq!(both, 6);
    let before = ran(&pair(KIND, "", ALWAYS, &CUT.replace("at: 10s", "at: 60s")));
    assert_eq!(notifications(&before), (6, 0), "what was told before the cut is known to both");
}

#[test]
fn the_second_tells_what_the_first_cannot_hear_or_is_not_there_to_tell() {
    let deaf =
        "{id: deaf, at: 0s, for: 200s, fault: {partition: {between: [[monitor], [first]], mode: drop}}}";
    assert_eq!(notifications(&ran(&pair(KIND, "", ALWAYS, deaf))), (0, 6));
    let dead = "{id: dead, at: 10s, for: 200s, fault: {crash: {service: first, mode: host}}}";
    let outcome = ran(&pair(KIND, "", LATER, dead));
    assert_eq!(shown(&outcome, "second", "notifications"), 6);
}

#[test]
fn one_that_is_back_from_a_crash_is_told_what_was_told_meanwhile() {
    let restart = "{id: dead, at: 10s, for: 60s, fault: {crash: {service: first, mode: host}}}";
    let outcome = ran(&pair(KIND, "", LATER, restart));
    assert_eq!(notifications(&outcome), (0, 6));
}

#[test]
fn a_single_leader_pages_nobody_in_a_cut_and_that_is_seen() {
    let text = |timeline: &str| pair(KIND, "ha: single_leader,", LATER, timeline);
    assert_eq!(notifications(&ran(&text(""))), (6, 0));
    let cut = run_plan(&plan(&text(CUT)), &Kinds::default());
    assert_eq!(broken(&cut), ["alerts_notified"]);
    assert_eq!(notifications(&cut), (0, 0));
}

#[test]
fn a_second_that_leaves_everything_to_the_first_is_caught() {
    let kinds = Kinds::default().with_test_kinds();
    let deaf =
        "{id: deaf, at: 0s, for: 200s, fault: {partition: {between: [[monitor], [first]], mode: drop}}}";
    let text = pair("test-alert-router-leaves-it-to-others", "", ALWAYS, deaf);
    assert_eq!(broken(&run_plan(&plan_with(&text, &kinds), &kinds)), ["alerts_notified"]);
}

#[test]
fn a_peer_changes_no_arrival_and_nothing_of_who_else_is_told() {
    let arrivals = |peer_timeout: &str| {
        let outcome = ran(&pair(KIND, "", ALWAYS, "").replace("peer_timeout: 5s", peer_timeout));
        let started: Vec<_> = outcome.trace.requests.iter().map(|request| request.started).collect();
        (started, notifications(&outcome).0)
    };
    assert_eq!(arrivals("peer_timeout: 5s"), arrivals("peer_timeout: 15s"));
}

//! Feature flags: news of them travels over links, a user's answer is the same everywhere under one revision, a request
//! sees one revision, and what a flag does not touch stays draw for draw as it was.

use std::collections::BTreeMap;

use foreshock::kernel::StopReason;
use foreshock::nodes::Kinds;
use foreshock::run::{Outcome, run};
use foreshock::scenario::plan::Edit;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generator::{anything, cases};
use crate::harness::{
    assert_balanced, assert_journal, check_calls, check_work, ends, ends_with, plan, plan_with, ran,
    ran_with, run_plan, shown, timeline, traced,
};

/// Whether each request made a call, in the order of the requests.
fn calls(outcome: &Outcome) -> Vec<bool> {
    let requests = outcome.trace.requests.iter();
    requests.map(|request| request.spans.iter().any(|span| span.name == "shop -> db")).collect()
}

/// A shop that asks its database only where `f` is on, 10 ms from everybody; requests at the times given.
fn shop(times: &str, flags: &str, server: &str, rest: &str) -> String {
    format!(
        "services:
  shop: {{workers: unlimited, flags: {{from: flags{flags}}}, calls: [{{to: db, when_flag: f}}]}}
  db: {{workers: unlimited}}
  flags: {{kind: flag-server{server}}}
network: {{default: {{latency: 10ms}}}}
load: [{{name: users, to: shop, arrivals: {{trace: '{times}'}}}}]
{rest}"
    )
}

const TO_ALL: &str = "timeline: [{id: all, at: 500ms, flag: {server: flags, flag: f, rollout: 100%}}]";

#[test]
fn a_stream_brings_a_change_after_the_time_it_is_on_the_way() {
    // At the shop 10 ms later: a millisecond before the news, and one after it.
    let times = "490ms,499ms,501ms,600ms";
    let outcome = ran(&shop(times, "", ", rollouts: {f: 0%}", TO_ALL));
    assert_eq!(calls(&outcome), [false, false, true, true]);
    assert_eq!(timeline(&outcome), "500ms all started: f for 100 %\n");
    assert_eq!((shown(&outcome, "flags", "revision"), shown(&outcome, "shop", "flag_revision_min")), (2, 2));
    assert_eq!(shown(&outcome, "shop", "flag_oldest_copy_us"), 10_000);
}

#[test]
fn news_to_one_service_is_on_its_way_as_long_as_if_nobody_else_were_told() {
    let alone = shop("490ms,600ms", "", ", heartbeat: 100ms, rollouts: {f: 0%}", TO_ALL)
        .replace("latency: 10ms", "latency: {exponential: {mean: 10ms}}");
    let beside = alone.replace("services:", "services:\n  other: {replicas: 2, flags: {from: flags}}");
    let on_the_way = |text: &str| {
        let outcome = ran(text);
        let link = outcome.measured.links.iter().find(|link| link.name == "flags -> shop").unwrap();
        assert!(link.delivered > 4, "there is news: {link:?}");
        (link.delivered, link.latency)
    };
    assert_eq!(on_the_way(&alone), on_the_way(&beside), "what others are told is none of its chance");
}

#[test]
fn whoever_polls_hears_of_it_with_the_next_poll_and_never_later() {
    let polls = ", stream: false, poll: 200ms, jitter: 0ms, timeout: 100ms, stale_after: 5s";
    // The first answer is there at 20 ms; polls start 200 ms after an answer: 220 ms, 440 ms, 660 ms.
    let outcome = ran(&shop("660ms,675ms", polls, ", rollouts: {f: 0%}", TO_ALL));
    assert_eq!(calls(&outcome), [false, true]);
    assert_eq!(shown(&outcome, "shop", "flag_oldest_copy_us"), 180_000);
}

#[test]
fn a_replica_that_is_cut_off_keeps_its_flags_and_catches_up_with_the_next_sign_of_life() {
    let cut = "
timeline:
  - {id: cut, at: 400ms, for: 200ms, fault: {partition: {between: [[shop/1], [flags/1]], mode: drop}}}
  - {id: all, at: 500ms, flag: {server: flags, flag: f, rollout: 100%}}";
    // A beat at 600 ms tells that something is missing, everything is asked for, and is there at 630 ms.
    let outcome = ran(&shop("590ms,615ms,625ms", "", ", heartbeat: 100ms, rollouts: {f: 0%}", cut));
    assert_eq!(calls(&outcome), [false, false, true]);
    assert_eq!(shown(&outcome, "shop", "flag_resyncs"), 1);
    assert_eq!(shown(&outcome, "shop", "flag_answers_wrong"), 2);
    assert_eq!(shown(&outcome, "shop", "flag_oldest_copy_us"), 130_000);
}

#[test]
fn a_stream_that_is_silent_for_too_long_is_opened_anew_by_whoever_listens() {
    let flags = ", poll: 100ms, jitter: 0ms, timeout: 50ms, stale_after: 300ms";
    let crash = "
timeline: [{id: away, at: 100ms, for: 500ms, fault: {crash: {service: flags/1}}}, {id: all, at: 900ms, flag: {server: flags, flag: f, rollout: 100%}}]";
    let outcome = ran(&shop("905ms,909ms,915ms", flags, ", heartbeat: 100ms, rollouts: {f: 0%}", crash));
    assert_eq!(calls(&outcome), [true, true, true], "the change came over the new stream");
    assert!(shown(&outcome, "shop", "flag_copies_gone_stale") >= 1);
    assert!(shown(&outcome, "shop", "flag_polls_failed") >= 1);
    assert_eq!(shown(&outcome, "flags", "streams"), 1);
}

#[test]
fn what_is_changed_while_the_server_is_away_is_published_once_it_is_back() {
    let rest = "
timeline:
  - {id: away, at: 400ms, for: 300ms, fault: {crash: {service: flags/1}}}
  - {id: all, at: 500ms, flag: {server: flags, flag: f, rollout: 100%}}";
    let polls = ", stream: false, poll: 50ms, jitter: 0ms, timeout: 50ms, stale_after: 5s";
    let outcome = ran(&shop("680ms,900ms", polls, ", rollouts: {f: 0%}", rest));
    assert_eq!(calls(&outcome), [false, true]);
    assert!(timeline(&outcome).contains("500ms all started: f for 100 %, once its server is back"));
}

#[test]
fn a_process_that_starts_without_a_server_has_what_its_policy_gives_it() {
    let rest = |boot: &str| {
        shop(
            "600ms,2s",
            &format!(", boot: {boot}, poll: 100ms, timeout: 100ms"),
            ", rollouts: {f: 100%}",
            "run: {duration: 3s}
timeline:
  - {id: off, at: 200ms, flag: {server: flags, flag: f, enabled: false}}
  - {id: away, at: 300ms, for: 1s, fault: {crash: {service: flags/1}}}
  - {id: restart, at: 400ms, fault: {restart: {service: shop/1, downtime: 10ms}}}",
        )
    };
    // Off as it was known last, off by default, on as it was shipped; then all hear of the server again.
    for (boot, with_it, by_default) in
        [("last_known_good", false, 0), ("defaults", false, 1), ("bootstrap", true, 0)]
    {
        let outcome = ran(&rest(boot));
        assert_eq!(calls(&outcome), [with_it, false], "{boot}");
        assert_eq!(shown(&outcome, "shop", "flag_evaluations_by_default"), by_default, "{boot}");
    }
}

#[test]
fn the_callers_default_is_what_the_scenario_says_it_is() {
    let outcome = ran(&shop("0ms,100ms", ", default_on: [f]", ", rollouts: {f: false}", ""));
    assert_eq!(calls(&outcome), [true, false], "nothing is known when the first one comes in at 10 ms");
}

#[test]
fn a_request_sees_one_revision_whatever_is_published_while_it_is_inside() {
    check_calls(
        "both steps of the request that came before the change are as it found them",
        "
        services:
          shop:
            workers: unlimited
            flags: {from: flags}
            calls: [{to: old, unless_flag: f}, {to: new, when_flag: f}, {to: old, unless_flag: f}, {to: new, when_flag: f}]
          old: {workers: unlimited, service_time: 20ms}
          new: {workers: unlimited, service_time: 10ms}
          flags: {kind: flag-server, rollouts: {f: 0%}}
        load: [{name: users, to: shop, arrivals: {trace: '90ms,100ms'}}]
        timeline: [{id: all, at: 95ms, flag: {server: flags, flag: f, rollout: 100%}}]",
        "
        users 0: 90ms..130ms ok
          users -> shop #1 90ms..130ms
          shop -> old #1 90ms..110ms
          shop -> old #2 #1 110ms..130ms
        users 1: 100ms..120ms ok
          users -> shop #1 100ms..120ms
          shop -> new #1 100ms..110ms
          shop -> new #2 #1 110ms..120ms",
    );
}

#[test]
fn a_flag_changes_what_the_work_costs_for_the_operations_it_is_for() {
    check_work(
        "20 ms instead of 10 ms for whoever buys, while the flag is on",
        "
        services:
          shop:
            workers: unlimited
            service_time: 10ms
            flags: {from: flags, when_on: {f: {service_time: 20ms, operations: [buy]}}}
          flags: {kind: flag-server, rollouts: {f: true}}
        load:
          - {name: users, to: shop, arrivals: {trace: '50ms buy,60ms browse,150ms buy'}}
        timeline: [{id: off, at: 100ms, flag: {server: flags, flag: f, enabled: false}}]",
        "
        users 0: 50ms..70ms ok
          shop/1 #1 50ms..70ms
        users 1: 60ms..70ms ok
          shop/1 #1 60ms..70ms
        users 2: 150ms..160ms ok
          shop/1 #1 150ms..160ms",
    );
}

#[test]
fn a_change_that_ends_leaves_what_would_hold_without_it() {
    let rest = "
timeline:
  - {id: a, at: 100ms, for: 300ms, flag: {server: flags, flag: f, rollout: 100%}}
  - {id: b, at: 200ms, for: 100ms, flag: {server: flags, flag: f, enabled: false}}
  - {id: c, at: 500ms, flag: {server: flags, flag: f, rollout: 100%}}
  - {id: undo, at: 600ms, rollback: {of: c}}";
    let outcome = ran(&shop("50ms,150ms,250ms,350ms,450ms,550ms,650ms", "", ", rollouts: {f: 0%}", rest));
    assert_eq!(calls(&outcome), [false, true, false, true, false, true, false]);
}

#[test]
fn settings_of_the_server_are_changes_of_its_flags_as_well() {
    let rest = "timeline: [{id: all, at: 100ms, for: 100ms, config: {flags.rollouts.f: 100%}}]";
    let outcome = ran(&shop("50ms,150ms,250ms", "", ", rollouts: {f: 0%}", rest));
    assert_eq!(calls(&outcome), [false, true, false]);
}

/// Three replicas, twenty visits of each of 200 users, the flag at 10 % and then at 40 %.
const MANY: &str = "
run: {duration: 4s, drain: 5s}
services:
  shop:
    replicas: 3
    workers: unlimited
    service_time: {exponential: {mean: 2ms}}
    flags: {from: flags}
    calls: [{to: db, when_flag: f}]
  db: {workers: unlimited, service_time: {exponential: {mean: 3ms}}}
  flags: {kind: flag-server, rollouts: {f: 10%}}
network: {default: {latency: {exponential: {mean: 1ms}}}}
load: [{name: users, to: shop, rate: 1000/s, keys: {uniform: {items: 200}}}]
timeline: [{id: more, at: 2s, flag: {server: flags, flag: f, rollout: 40%}}]";

#[test]
fn a_users_answer_is_the_same_at_every_replica_and_a_rollout_only_adds_users() {
    let outcome = ran(MANY);
    assert_balanced(&outcome);
    let known = |id: &str| outcome.judgement.invariants.iter().any(|one| one.id == id && one.held);
    assert!(known("flags_sticky") && known("flags_monotone"));
    let (on, off) = (shown(&outcome, "shop", "flag.f.on"), shown(&outcome, "shop", "flag.f.off"));
    assert_eq!(on + off, shown(&outcome, "shop", "flag_evaluations"));
    // A quarter on the whole: users are few, so the share is not exact.
    assert!((150..350).contains(&(on * 1_000 / (on + off))), "{on} of {}", on + off);
}

#[test]
fn removing_the_change_leaves_arrivals_and_everybody_else_draw_for_draw_as_they_were() {
    let kinds = Kinds::default();
    let plan = plan(MANY);
    let with = run_plan(&plan, &kinds);
    let without = run(&plan, plan.seed, &[Edit::Without("more".to_string())], &kinds, &traced()).unwrap();
    let (with_calls, without_calls) = (calls(&with), calls(&without));
    let pairs = with.trace.requests.iter().zip(&without.trace.requests);
    assert_eq!(with.trace.requests.len(), without.trace.requests.len());
    let mut moved = 0;
    for ((one, other), (called, did)) in pairs.zip(with_calls.iter().zip(&without_calls)) {
        assert_eq!((one.number, one.started), (other.number, other.started));
        assert!(*called || !did, "a higher share takes the flag from nobody");
        moved += u64::from(called != did);
        // Where a replica is differs from run to run only by whom else it serves; times do not.
        if called == did {
            assert_eq!((one.ended, one.outcome), (other.ended, other.outcome), "request {}", one.number);
        }
    }
    assert!(moved > 300, "{moved} requests took another way");
}

#[test]
fn flags_that_nobody_has_cost_nothing_and_change_nothing() {
    let plain = "
services:
  shop: {replicas: 2, workers: 2, service_time: {exponential: {mean: 2ms}}FLAGS}
  flags: {kind: flag-server, rollouts: {f: 0%}}
network: {default: {latency: {exponential: {mean: 1ms}}}}
load: [{name: users, to: shop, rate: 500/s}]";
    let flags = ", flags: {from: flags, when_on: {f: {service_time: 1s}}}";
    let (with, without) = (ran(&plain.replace("FLAGS", flags)), ran(&plain.replace("FLAGS", "")));
    assert_eq!(ends(&with), ends(&without));
    assert!(!without.measured.systems["flags"].contains_key("split_brains"));
    assert!(!without.judgement.invariants.iter().any(|one| one.id == "flags_sticky"));
}

#[test]
fn the_same_cost_under_a_flag_is_the_same_draw() {
    let scenario = |cost: &str| {
        format!(
            "
services:
  shop: {{workers: unlimited, service_time: {{exponential: {{mean: 5ms}}}}, flags: {{from: flags, when_on: {{f: {{service_time: {cost}}}}}}}}}
  flags: {{kind: flag-server, rollouts: {{f: 30%}}}}
load: [{{name: users, to: shop, rate: 300/s, keys: {{uniform: {{items: 100}}}}}}]"
        )
    };
    let same = ran(&scenario("{exponential: {mean: 5ms}}"));
    let double = ran(&scenario("{exponential: {mean: 10ms}}"));
    let took = |outcome: &Outcome| -> Vec<u64> {
        let requests = outcome.trace.requests.iter();
        requests.map(|one| one.ended.unwrap().since(one.started).as_nanos()).collect()
    };
    let (same, double) = (took(&same), took(&double));
    let mut doubled = 0;
    for (one, two) in same.iter().zip(&double) {
        let is_double = two.abs_diff(2 * one) <= 2;
        assert!(is_double || one == two, "{one} became {two}");
        doubled += u64::from(is_double);
    }
    assert!((30..150).contains(&doubled), "{doubled} of {}", same.len());
}

#[test]
fn two_revisions_in_force_are_told_to_the_millisecond_with_those_who_saw_both() {
    let split = "
run: {duration: 6s, drain: 1s}
services:
  shop: {replicas: 2, workers: unlimited, flags: {from: flags}, calls: [{to: db, when_flag: f}]}
  db: {workers: unlimited}
  flags: {kind: flag-server, heartbeat: 1s, rollouts: {f: 0%}}
network: {default: {latency: 10ms}}
load: [{name: users, to: shop, arrivals: constant, rate: 100/s, keys: {uniform: {items: 5}}}]
timeline:
  - {id: cut, at: 1500ms, for: 2s, fault: {partition: {between: [[shop/2], [flags/1]], mode: drop}}}
  - {id: all, at: 2s, flag: {server: flags, flag: f, rollout: 100%}}";
    let outcome = ran(split);
    // From 2.010 s, until after the beat at 4 s everything was asked for and came.
    assert_eq!(shown(&outcome, "flags", "split_brains"), 1);
    assert_eq!(shown(&outcome, "flags", "split_brain_us"), 2_020_000);
    assert_eq!(shown(&outcome, "flags", "split_brain_max_us"), 2_020_000);
    assert_eq!(shown(&outcome, "flags", "users_with_two_answers"), 5);
    assert_eq!(shown(&outcome, "flags", "revisions_differ_at_end"), 0);
    assert_eq!(shown(&outcome, "shop", "flag_oldest_copy_us"), 2_030_000);
    let found = |kind: &str| outcome.judgement.findings.iter().any(|finding| finding.kind == kind);
    assert!(found("flags_split") && found("flags_wrong"));
}

#[test]
fn a_few_users_who_ask_for_most_of_a_service_are_found() {
    let found = |scenario: &str, kind: &str| -> Vec<String> {
        let findings = ran(scenario).judgement.findings;
        findings.into_iter().filter(|finding| finding.kind == kind).map(|finding| finding.text).collect()
    };
    let heavy = MANY.replace("when_flag: f}]", "when_flag: f, fan_out: 40}, {to: db}]");
    let texts = found(&heavy, "flag_path");
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].starts_with("the flag `f` was on for "), "{texts:?}");
    assert!(found(&MANY.replace("when_flag: f}]", "when_flag: f}, {to: db}]"), "flag_path").is_empty());
    let unknown = shop("0ms,5ms", "", ", rollouts: {f: 0%}", "");
    assert_eq!(
        found(&unknown, "flags_unknown"),
        ["`shop` knew nothing of the flags of `flags` in 2 of 2 evaluations and took its defaults"]
    );
}

#[test]
fn a_replica_that_leaves_is_not_of_two_minds_with_those_that_stay() {
    let scaled =
        MANY.replace("{id: more,", "{id: fewer, at: 1s, scale: {service: shop, replicas: 1}}, {id: more,");
    let outcome = ran(&scaled);
    assert_eq!(shown(&outcome, "flags", "split_brains"), 0);
    assert_balanced(&outcome);
}

#[test]
fn a_new_replica_follows_from_its_start_on() {
    let scaled =
        MANY.replace("{id: more,", "{id: grown, at: 1s, scale: {service: shop, replicas: 5}}, {id: more,");
    let outcome = ran(&scaled);
    assert_eq!(shown(&outcome, "flags", "streams"), 5);
    assert_eq!(shown(&outcome, "shop", "flag_revision_min"), 2);
}

#[test]
fn clients_that_bucket_by_request_or_anew_are_caught_by_the_invariant_that_is_for_it() {
    let kinds = Kinds::default().with_test_kinds();
    for (kind, invariant) in
        [("test-flags-by-request", "flags_sticky"), ("test-flags-reseeded", "flags_monotone")]
    {
        let broken = MANY.replace("  shop:\n", &format!("  shop:\n    kind: {kind}\n"));
        let outcome = run_plan(&plan_with(&broken, &kinds), &kinds);
        let verdicts = &outcome.judgement.invariants;
        let caught = verdicts.iter().find(|one| one.id == invariant).unwrap();
        assert!(!caught.held && caught.violations > 3 && caught.witness.is_some(), "{kind}: {caught:?}");
        let is_for_another = |id: &str| kind == "test-flags-reseeded" && id == "flags_sticky";
        assert!(verdicts.iter().all(|one| one.held || !is_for_another(&one.id)), "{kind}: {verdicts:?}");
    }
}

#[test]
fn chance_is_not_judged_for_being_chance() {
    let feature = "{name: f, enabled: true, strategies: [{name: flexibleRollout, parameters: {rollout: 50, stickiness: random}}]}";
    let random = MANY
        .replace("rollouts: {f: 10%}", &format!("features: [{feature}]"))
        .replace("rollout: 40%", "rollout: 30%");
    let outcome = ran_with(&random, &Kinds::default());
    let share = shown(&outcome, "shop", "flag.f.on") * 100 / shown(&outcome, "shop", "flag_evaluations");
    assert!((35..45).contains(&share), "{share} %");
}

#[test]
fn every_replica_that_polls_at_once_is_a_peak_that_jitter_flattens() {
    let polls = |jitter: &str| {
        let scenario = format!(
            "
run: {{duration: 20s, drain: 1s}}
services:
  shop: {{replicas: 100, workers: 1, flags: {{from: flags, stream: false, poll: 5s, jitter: {jitter}}}, calls: [{{to: db, when_flag: f}}]}}
  db: {{}}
  flags: {{kind: flag-server, rollouts: {{f: 0%}}}}
load: [{{name: users, to: shop, rate: 1/s}}]
timeline: [{{id: roll, at: 5500ms, for: 1s, fault: {{crash: {{service: flags/1}}}}}}]"
        );
        let outcome = ran(&scenario);
        shown(&outcome, "flags", "polls")
    };
    // Without jitter all ask at 0, 5, 10, 15 and 20 s.
    assert_eq!(polls("0s"), 500);
    assert!(polls("5s") < 400);
}

#[test]
fn answers_are_those_of_unleash_in_its_own_format() {
    // Users by list, a segment, an inverted constraint: by hand.
    let server = ", features: [
      {name: f, enabled: true, strategies: [
        {name: userWithId, parameters: {userIds: '3, 5'}},
        {name: default, segments: [1], constraints: [{contextName: userId, operator: IN, values: ['8'], inverted: true}]}]}],
    segments: [{id: 1, constraints: [{contextName: userId, operator: NUM_GT, value: '6'}]}]";
    let outcome = ran(&shop("100ms 3,110ms 4,120ms 5,130ms 7,140ms 8", "", server, ""));
    let by_user: BTreeMap<u64, bool> = [3, 4, 5, 7, 8].into_iter().zip(calls(&outcome)).collect();
    assert_eq!(by_user, BTreeMap::from([(3, true), (4, false), (5, true), (7, true), (8, false)]));
}

#[test]
fn without_its_change_a_flag_stays_as_it_was() {
    let kinds = Kinds::default();
    let plan = plan(&shop("100ms,600ms", "", ", rollouts: {f: 0%}", TO_ALL));
    let without = run(&plan, plan.seed, &[Edit::Without("all".to_string())], &kinds, &traced()).unwrap();
    assert_journal("nothing happened", &timeline(&without), "");
    assert_eq!(calls(&without), [false, false]);
}

/// A document whose services follow the flags `f` and `never`, in the way that `how` says.
fn following(mut document: Value, how: &[usize], cost: &Value) -> Value {
    const WAYS: [&str; 6] = [
        r#"{"poll": "200ms", "timeout": "100ms", "stale_after": "400ms"}"#,
        r#"{"stream": false, "poll": "150ms", "timeout": "100ms"}"#,
        r#"{"stream": false, "poll": "50ms", "jitter": "0s", "timeout": "20ms", "boot": "defaults"}"#,
        r#"{"boot": "bootstrap", "poll": "300ms", "timeout": "1s", "stale_after": "350ms"}"#,
        r#"{"offline": "defaults", "poll": "100ms", "timeout": "50ms", "stale_after": "250ms"}"#,
        r#"{"stream": false, "poll": "100ms", "timeout": "100ms", "offline": "defaults", "boot": "bootstrap"}"#,
    ];
    let services = document["services"].as_object_mut().unwrap();
    let plain = services.values_mut().filter(|service| service.get("kind").is_none());
    for (service, way) in plain.zip(how) {
        let mut flags: Value = serde_json::from_str(WAYS[way % WAYS.len()]).unwrap();
        flags["from"] = json!("flags");
        flags["when_on"] = cost.clone();
        service["flags"] = flags;
    }
    let rollouts = json!({"f": "30%", "never": "0%"});
    services.insert(
        "flags".to_string(),
        json!({"kind": "flag-server", "heartbeat": "100ms", "rollouts": rollouts}),
    );
    document
}

fn follows(document: &Value) -> bool {
    document["services"].as_object().unwrap().values().any(|service| service.get("flags").is_some())
}

/// What happens to the server itself, and to the way there.
fn trouble() -> impl Strategy<Value = Value> {
    let faults = vec![
        json!({"crash": {"service": "flags"}}),
        json!({"pause": {"service": "flags"}}),
        json!({"clock": {"service": "flags", "skew": "-300ms"}}),
        json!({"partition": {"isolate": ["flags"], "mode": "hold"}}),
        json!({"partition": {"isolate": ["flags"], "mode": "drop"}}),
        json!({"loss": {"link": "flags -> *", "share": "50%"}}),
        json!({"duplicate": {"link": "flags -> *", "share": "50%"}}),
        json!({"reorder": {"link": "flags -> *", "share": "50%", "delay": "150ms"}}),
    ];
    (prop::sample::select(faults), 0..1_800_u64).prop_map(
        |(fault, at)| json!({"id": "trouble", "at": format!("{at}ms"), "for": "400ms", "fault": fault}),
    )
}

/// Changes of `f`, some of which end again.
fn changes() -> impl Strategy<Value = Vec<Value>> {
    let change = (0..1_800_u64, 0..=100_u32, any::<bool>(), any::<bool>());
    proptest::collection::vec(change, 0..5).prop_map(|changes| {
        let entries = (0..).zip(changes).map(|(number, (at, percent, is_switch, ends))| {
            let mut flag = json!({"server": "flags", "flag": "f"});
            match is_switch {
                true => flag["enabled"] = json!(percent % 2 == 0),
                false => flag["rollout"] = json!(format!("{percent}%")),
            }
            let mut entry = json!({"id": format!("change-{number}"), "at": format!("{at}ms"), "flag": flag});
            if ends {
                entry["for"] = json!("150ms");
            }
            entry
        });
        entries.collect()
    })
}

proptest! {
    #![proptest_config(cases(40))]

    /// Whatever happens to services, links, clocks and the server: no user gets two answers under one definition, no
    /// rollout takes a flag from anybody by growing, and no copy goes back.
    #[test]
    fn in_every_world_flags_are_sticky_and_rollouts_monotone(
        document in anything(),
        how in proptest::collection::vec(0..6_usize, 1..5),
        trouble in trouble(),
        changes in changes(),
    ) {
        let cost = json!({"f": {"service_time": "2ms"}});
        let mut document = following(document, &how, &cost);
        prop_assume!(follows(&document));
        let timeline = document["timeline"].as_array_mut().unwrap();
        timeline.push(trouble);
        timeline.extend(changes);
        let outcome = run_plan(&plan(&document.to_string()), &Kinds::default());
        assert_balanced(&outcome);
        prop_assert_eq!(outcome.measured.flags.len(), 1);
    }

    /// Nothing is any different for a flag that nobody has, whatever befalls those who keep it.
    #[test]
    fn in_every_world_a_flag_that_nobody_has_changes_nothing(
        document in anything(),
        how in proptest::collection::vec(0..6_usize, 1..5),
        trouble in trouble(),
    ) {
        let kinds = Kinds::default();
        let alone = run_plan(&plan(&document.to_string()), &kinds);
        let mut document = following(document, &how, &json!({"never": {"service_time": "1s"}}));
        prop_assume!(follows(&document));
        document["timeline"].as_array_mut().unwrap().push(trouble);
        let with = run_plan(&plan(&document.to_string()), &kinds);
        if alone.stop == StopReason::EndOfTime && with.stop == StopReason::EndOfTime {
            prop_assert_eq!(ends_with(&alone, "service"), ends_with(&with, "service"));
            prop_assert_eq!(ends(&alone), ends(&with));
        }
    }
}

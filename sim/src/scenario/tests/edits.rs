//! Changes from outside and during a run.

use super::super::plan::{Arrivals, Edit, Plan, Setting, Trigger};
use super::super::{edited, parse_setting, with_settings};
use super::{CASCADE, FewKinds, LARGE, completed, plan};
use crate::kernel::time::{Span, Time};

fn with(plan: &Plan, edits: &[&str]) -> Result<Plan, String> {
    let edits: Vec<Edit> = edits
        .iter()
        .map(|text| match text.strip_prefix("without ") {
            Some(id) => Edit::Without(id.to_string()),
            None => Edit::Set(parse_setting(text).unwrap()),
        })
        .collect();
    edited(plan, &edits, &FewKinds).map_err(|error| error.to_string())
}

#[test]
fn a_setting_names_a_path_and_a_value() {
    let set = |text: &str| parse_setting(text).map(|setting| (setting.path, setting.value.to_string()));
    assert_eq!(set("a.b=3"), Ok(("a.b".to_string(), "3".to_string())));
    assert_eq!(set(" a.b = {kind: constant}"), Ok(("a.b".to_string(), r#"{"kind":"constant"}"#.to_string())));
    assert_eq!(set("slo.p99.must_be=<= 3s"), Ok(("slo.p99.must_be".to_string(), r#""<= 3s""#.to_string())));
    assert_eq!(set("a=null"), Ok(("a".to_string(), "null".to_string())));
    for wrong in ["a.b", "=3", "a=", "a=[", "a={x: 1, x: 2}"] {
        assert!(set(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn settings_reach_every_corner() {
    let plan = plan(CASCADE);
    let cases = [
        ("checkout.workers=8", "/services/checkout/workers", "8"),
        ("services.checkout.queue.capacity=64", "/services/checkout/queue/capacity", "64"),
        ("gateway.calls.checkout.retry.budget=10%", "/services/gateway/calls/0/retry/budget", "\"10%\""),
        ("gateway.calls.0.timeout=2s", "/services/gateway/calls/0/timeout", "\"2s\""),
        (
            "gateway.calls.checkout.breaker.open_for=2s",
            "/services/gateway/calls/0/breaker/open_for",
            "\"2s\"",
        ),
        ("price-cache.ttl=1s", "/services/price-cache/ttl", "\"1s\""),
        ("buyers.patience=3s", "/load/0/patience", "\"3s\""),
        ("load.buyers.stages.1.rate=900/s", "/load/0/stages/1/rate", "\"900/s\""),
        ("network.default.loss=1%", "/network/default/loss", "\"1%\""),
        ("network.links.checkout -> orders-db.loss=2%", "/network/links/0/loss", "\"2%\""),
        ("network.links.checkout->orders-db.loss=2%", "/network/links/0/loss", "\"2%\""),
        ("network.links.orders-db -> checkout.loss=3%", "/network/links/1/loss", "\"3%\""),
        ("run.duration=6m", "/run/duration", "\"6m\""),
        ("slo.p99.must_be=< 1s", "/slo/0/must_be", "\"< 1s\""),
        ("timeline.slow-link.fault.latency.add=30ms", "/timeline/1/fault/latency/add", "\"30ms\""),
        ("liveness.recovered_within=30s", "/liveness/recovered_within", "\"30s\""),
        ("checkout.drop_expired=true", "/services/checkout/drop_expired", "true"),
        (
            "orders-db.service_time={exponential: {mean: 1ms}}",
            "/services/orders-db/service_time/exponential/mean",
            "\"1ms\"",
        ),
    ];
    for (setting, pointer, expected) in cases {
        let edited = with(&plan, &[setting]).unwrap_or_else(|error| panic!("{setting}: {error}"));
        let value =
            edited.document.pointer(pointer).unwrap_or_else(|| panic!("{setting}: nothing at {pointer}"));
        assert_eq!(value.to_string(), expected, "{setting}");
        assert_ne!(edited.digest, plan.digest, "{setting}");
    }
}

#[test]
fn an_edit_round_trips() {
    for text in [CASCADE, LARGE] {
        let plan = plan(text);
        assert_eq!(with(&plan, &[]).unwrap().digest, plan.digest);
        let there = with(&plan, &["checkout.blocking=false", "run.drain=11s"]).unwrap();
        assert_ne!(there.digest, plan.digest);
        let blocking = plan.document.pointer("/services/checkout/blocking");
        let back = format!("checkout.blocking={}", blocking.map_or("null".to_string(), ToString::to_string));
        let drain = format!("run.drain={}", plan.run.drain);
        assert_eq!(with(&there, &[&back, &drain]).unwrap().digest, plan.digest);
    }
}

#[test]
fn the_other_call_to_the_same_service_is_found_by_its_number_and_inside_parallel_steps() {
    let plan = plan(LARGE);
    let edited =
        with(&plan, &["checkout.calls.db #2.timeout=77ms", "checkout.calls.search.timeout=66ms"]).unwrap();
    let timeout = |name: &str| edited.edges.iter().find(|edge| edge.name == name).unwrap().policy.timeout;
    assert_eq!(timeout("checkout -> db #2"), Some(Span::from_millis(77)));
    assert_eq!(timeout("checkout -> search"), Some(Span::from_millis(66)));
    assert_eq!(timeout("checkout -> db"), Some(Span::from_millis(250)));
}

#[test]
fn without_takes_out_a_policy() {
    let plan = plan(CASCADE);
    let edited =
        with(&plan, &["without gateway.calls.checkout.retry", "without checkout.calls.orders-db.breaker"]);
    let edited = edited.unwrap();
    assert!(plan.edges[0].policy.retry.is_some() && edited.edges[0].policy.retry.is_none());
    assert!(edited.edges.iter().all(|edge| edge.policy.breaker.is_none()));
    assert!(with(&plan, &["gateway.calls.checkout.retry=null"]).unwrap().edges[0].policy.retry.is_none());
}

#[test]
fn what_follows_an_entry_taken_out_keeps_its_place_in_time() {
    let plan = plan(&completed(
        "timeline:
  - {id: a, at: 60s, for: 10s, fault: {pause: {service: api}}}
  - {id: b, after: a.end + 5s, for: 10s, fault: {pause: {service: api}}}
  - {id: c, after: b.start, for: 10s, fault: {pause: {service: api}}}
  - {id: d, at: 1s, scale: {service: api, replicas: 2}}
  - {id: e, after: d.start, rollback: {of: d}}
  - {id: f, when: {queue_at_least: {service: api, waiting: 3}}, for: 1s, fault: {pause: {service: api}}}
  - {id: g, after: f.end, for: 1s, fault: {pause: {service: api}}}
slo:
  - {id: well, metric: latency, of: users, must_be: \"< 1s\", within: 5s, after: a.end}
  - {id: p99, metric: latency, of: users, must_be: \"< 1s\"}
expect: {verdict: fail, failing: [well, p99], why: {root: a, not_root: [b]}}
",
    ));
    let edited = with(&plan, &["without a"]).unwrap();
    let ids = |plan: &Plan| plan.timeline.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(ids(&edited), "b c d e f g");
    assert_eq!(edited.timeline[0].trigger, Trigger::At(Time::ZERO + Span::from_secs(75)));
    assert_eq!(edited.slos.len(), 1, "an objective about the entry goes with it");
    assert_eq!((edited.expect.failing.join(" "), edited.expect.why_root.len()), ("p99".to_string(), 0));
    assert_eq!(ids(&with(&plan, &["without d"]).unwrap()), "a b c f g", "so does a rollback of it");
    assert_eq!(ids(&with(&plan, &["without f"]).unwrap()), "a b c d e", "and what cannot be placed in time");
    assert_eq!(ids(&with(&plan, &["without a", "without b", "without c"]).unwrap()), "d e f g");
}

#[test]
fn every_entry_of_the_large_scenario_can_be_taken_out() {
    let plan = plan(LARGE);
    for entry in &plan.timeline {
        let edited = with(&plan, &[&format!("without {}", entry.id)]);
        let edited = edited.unwrap_or_else(|error| panic!("{}: {error}", entry.id));
        assert!(edited.timeline.iter().all(|other| other.id != entry.id));
        let gone = plan.timeline.len() - edited.timeline.len();
        // A rollback, a fault of a replica that is there no more, a fault after an end that nobody can foresee.
        let expected = if ["deploy", "scale", "restart"].contains(&entry.id.as_str()) { 2 } else { 1 };
        assert_eq!(gone, expected, "without {}", entry.id);
    }
    assert_eq!(with(&plan, &["without surge"]).unwrap().slos.len(), plan.slos.len() - 1);
    assert!(with(&plan, &["without hop"]).unwrap().services.iter().all(|service| service.name != "proxy"));
}

#[test]
fn edits_that_make_no_sense_say_what_is_there() {
    let plan = plan(CASCADE);
    let cases = [
        ("chekout.workers=8", "there is no `chekout` in the scenario; did you mean `checkout`?"),
        ("checkout.wrokers=8", "there is no `wrokers` in `services.checkout`; did you mean `workers`?"),
        (
            "checkout.calls.db.timeout=8s",
            "there is no `db` in `services.checkout.calls`; known here: `price-cache`, `orders-db`",
        ),
        (
            "checkout.workers=many",
            "services.checkout.workers: error: `many` is not a whole number; write a whole number or `unlimited`",
        ),
        (
            "checkout.workers.most=3",
            "`services.checkout.workers` is `32`, it has no `most`; set `services.checkout.workers` as a whole",
        ),
        ("price-cache.ttll=1s", "services.price-cache.ttll: error: a cache has no `ttll`"),
        ("network.links.gateway -> orders-db.loss=1%", "no call uses the link `gateway -> orders-db`"),
        ("without slow-lnk", "there is nothing called `slow-lnk`; did you mean `slow-link`?"),
        ("without gateway.calls.checkout.hedge", "there is nothing called `gateway.calls.checkout.hedge`"),
        ("without run.duration", "missing field `duration`"),
        ("buyers.arrivals={trace: good.txt}", "the trace `good.txt` is not loaded"),
    ];
    for (edit, expected) in cases {
        let error = with(&plan, &[edit]).expect_err(edit);
        assert!(error.contains(expected), "{edit}\nfound:    {error}\nexpected: {expected}");
        let name = if edit.starts_with("without") { format!("--{edit}") } else { format!("--set {edit}") };
        let name = if edit.contains('{') { "--set buyers.arrivals={".to_string() } else { name };
        assert!(error.starts_with(&name), "{error}");
    }
}

#[test]
fn recorded_arrivals_are_taken_over() {
    let plan = plan(LARGE);
    let edited = with(&plan, &["buyers.mix={sell: 90%, buy: 10%}", "robots.priority=3"]);
    // `browse` is still known: the trace has it.
    let edited = edited.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(edited.operations, ["default", "sell", "buy", "browse"]);
    let (Arrivals::Trace(before), Arrivals::Trace(after)) =
        (&plan.loads[2].arrivals, &edited.loads[2].arrivals)
    else {
        panic!("a trace stays a trace")
    };
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after.iter()) {
        let name = |plan: &Plan, id: Option<super::super::plan::OperationId>| {
            id.map(|id| plan.operations[id.index()].clone())
        };
        assert_eq!(name(&plan, before.operation), name(&edited, after.operation));
    }
}

fn setting(text: &str) -> Setting {
    parse_setting(text).unwrap()
}

#[test]
fn settings_during_a_run_keep_every_id() {
    let plan = plan(LARGE);
    let settings = [setting("prices.ttl=1s"), setting("checkout.calls.db.retry={max_attempts: 2}")];
    let changed = with_settings(&plan, &settings, &FewKinds).unwrap();
    assert_eq!(changed.services.len(), plan.services.len());
    let names = |plan: &Plan| plan.edges.iter().map(|edge| edge.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&changed), names(&plan));
    assert_eq!(changed.links.len(), plan.links.len());
    assert_eq!(changed.services[2].settings["ttl"], "1s");
}

#[test]
fn settings_during_a_run_cannot_change_the_structure() {
    let plan = plan(LARGE);
    for text in [
        "checkout.calls=[]",
        "checkout.replicas=7",
        "db.kind=cache",
        "services.more={}",
        "load.robots=null",
        "edge.hosts=[box-1]",
        "checkout.pools.more={size: 3}",
        "robots.mix={dance: 100%}",
    ] {
        assert!(with_settings(&plan, &[setting(text)], &FewKinds).is_err(), "{text}");
    }
}

#[test]
fn a_whole_entry_under_a_new_id_is_a_further_entry_of_the_timeline() {
    let plan = plan(CASCADE);
    let more = with(&plan, &["timeline.undone={at: 90s, rollback: {of: deploy-v42}}"]).unwrap();
    let added = more.timeline.last().unwrap();
    assert_eq!((added.id.as_str(), added.action.kind()), ("undone", "rollback"));
    assert_eq!(added.trigger, Trigger::At(Time::ZERO + Span::from_secs(90)));
    assert_eq!(more.timeline.len(), plan.timeline.len() + 1);
    for wrong in ["timeline.undone=3", "timeline.undone.at=3s", "timeline.undone={at: 90s}"] {
        assert!(with(&plan, &[wrong]).is_err(), "{wrong}");
    }
}

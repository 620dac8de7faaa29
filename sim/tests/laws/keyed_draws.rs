//! Law 3: draws are keyed, not consumed. Whatever is added or removed, what it does not touch draws the same: when
//! requests arrive and what they ask for, how long they take, what befalls their messages.

use std::collections::BTreeMap;

use foreshock::kernel::draw::{Key, Lineage, Sampler, name_hash};
use foreshock::kernel::time::Time;
use foreshock::measure::OutcomeKind;
use foreshock::run::Outcome;
use serde_json::{Value, json};

use crate::every_fault::{faults, with_entry, world};
use crate::harness::{plan_with, ran, run_plan};
use crate::probe::{Seen, kinds, take_log};

/// What chance decided in a run.
struct Decided {
    /// Starts of the users' requests, by number.
    arrivals: BTreeMap<u64, Time>,
    /// Work of first attempts, by service and number.
    demands: BTreeMap<(String, u64), u64>,
    /// Whether a request called the side service, of those that came that far.
    branches: BTreeMap<u64, bool>,
    /// What reached the last service, by identity.
    leaf: BTreeMap<u64, Seen>,
    /// Names of operations.
    operations: Vec<String>,
}

fn decided(document: &Value) -> Decided {
    let kinds = kinds();
    take_log();
    let plan = plan_with(&document.to_string(), &kinds);
    let outcome = run_plan(&plan, &kinds);
    let leaf = take_log();
    let operations = plan.operations.clone();
    let mut decided = Decided {
        arrivals: BTreeMap::new(),
        demands: BTreeMap::new(),
        branches: BTreeMap::new(),
        leaf,
        operations,
    };
    for request in outcome.trace.requests.iter().filter(|request| request.load == "users") {
        decided.arrivals.insert(request.number, request.started);
        for span in request.spans.iter().filter(|span| span.kind == "service" && span.attempt == 1) {
            let service = span.node.split('/').next().unwrap().to_string();
            decided.demands.insert((service, request.number), span.to.since(span.from).as_nanos());
        }
        if request.outcome == OutcomeKind::Ok {
            let called = request.spans.iter().any(|span| span.name == "front -> side");
            decided.branches.insert(request.number, called);
        }
    }
    assert!(decided.arrivals.len() > 350 && decided.leaf.len() > 200, "there is something to compare");
    decided
}

impl Decided {
    /// Asserts that all that both runs decided was decided alike. `but` names services whose spans are stretched by
    /// what was changed.
    fn assert_same(&self, other: &Decided, what: &str, but: &[&str]) {
        assert_eq!(self.arrivals, other.arrivals, "{what}: arrivals");
        let (mut compared, mut left_out) = (0, 0);
        for ((service, number), demand) in &self.demands {
            if but.contains(&service.as_str()) {
                left_out += 1;
                continue;
            }
            if let Some(other_demand) = other.demands.get(&(service.clone(), *number)) {
                assert_eq!(demand, other_demand, "{what}: demand of request {number} at {service}");
                compared += 1;
            }
        }
        assert!(compared * 10 > (self.demands.len() - left_out) * 6, "{what}: {compared} demands compared");
        let mut compared = 0;
        for (lineage, seen) in &self.leaf {
            if let Some(other_seen) = other.leaf.get(lineage) {
                let name = |decided: &Decided, seen: &Seen| decided.operations[seen.operation].clone();
                assert_eq!(name(self, seen), name(other, other_seen), "{what}: operation");
                assert_eq!(seen.demand_ns, other_seen.demand_ns, "{what}: demand at the leaf");
                assert_eq!(seen.network_ns, other_seen.network_ns, "{what}: time on the link to the leaf");
                if !what.contains("hot_key") {
                    assert_eq!(seen.key, other_seen.key, "{what}: key");
                }
                compared += 1;
            }
        }
        assert!(compared * 10 > self.leaf.len() * 6, "{what}: {compared} of {} at the leaf", self.leaf.len());
        let both = self
            .branches
            .iter()
            .filter_map(|(number, made)| Some((number, made, other.branches.get(number)?)));
        assert!(both.clone().count() > 150, "{what}: {} branches compared", both.count());
        for (number, made, other_made) in both {
            assert_eq!(made, other_made, "{what}: branch of request {number}");
        }
    }
}

fn edited(edit: impl FnOnce(&mut Value)) -> Value {
    let mut document = world();
    edit(&mut document);
    document
}

#[test]
fn removing_any_fault_changes_nothing_for_those_it_did_not_touch() {
    let quiet = decided(&world());
    for (kind, fault) in faults() {
        let document =
            with_entry(world(), json!({"id": "it", "at": "500ms", "for": "600ms", "fault": fault}));
        // Standing still and slow work stretch the time from taking up to being done.
        let stretched: &[&str] = match kind {
            "pause" | "slow" => &["store"],
            "cpu_quota" => &["front"],
            _ => &[],
        };
        decided(&document).assert_same(&quiet, &fault.to_string(), stretched);
    }
}

#[test]
fn removing_any_policy_changes_nothing_for_first_attempts() {
    let base = decided(&world());
    for policy in ["timeout", "pool", "retry", "breaker", "rate_limit", "concurrency", "bulkhead", "hedge"] {
        let without = edited(|document| {
            document["services"]["front"]["calls"][0].as_object_mut().unwrap().remove(policy);
        });
        base.assert_same(&decided(&without), policy, &[]);
    }
}

#[test]
fn changing_services_changes_nothing_but_what_it_says() {
    let base = decided(&world());
    type Change = (&'static str, fn(&mut Value));
    let changes: [Change; 12] = [
        ("balance", |document| document["services"]["store"]["balance"] = json!("least_requests")),
        ("random balance", |document| document["services"]["store"]["balance"] = json!("power_of_two")),
        ("replicas", |document| document["services"]["store"]["replicas"] = json!(5)),
        ("replicas of the front", |document| document["services"]["front"]["replicas"] = json!(1)),
        ("discipline", |document| document["services"]["store"]["queue"] = json!({"discipline": "lifo"})),
        ("random order", |document| document["services"]["store"]["queue"] = json!({"discipline": "random"})),
        ("workers", |document| document["services"]["store"]["workers"] = json!(1)),
        ("capacity", |document| document["services"]["store"]["queue"] = json!({"capacity": 2})),
        ("errors", |document| document["services"]["store"]["error_rate"] = json!("40%")),
        ("latency elsewhere", |document| {
            document["network"]["links"]
                .as_array_mut()
                .unwrap()
                .push(json!({"link": "users <-> front", "latency": "9ms"}));
        }),
        ("loss elsewhere", |document| document["network"]["links"][0]["loss"] = json!("10%")),
        ("health checks", |document| {
            document["services"]["store"]["health_check"] = json!({"interval": "100ms"})
        }),
    ];
    for (what, change) in changes {
        base.assert_same(&decided(&edited(change)), what, &[]);
    }
}

#[test]
fn adding_a_load_a_service_or_a_call_changes_nothing_for_the_others() {
    let base = decided(&world());
    let further_load =
        json!({"name": "others", "to": "front", "rate": "50/s", "mix": {"browse": "50%", "buy": "50%"}});
    // Before or behind the others: positions do not matter.
    for position in [0, 1] {
        let document = edited(|document| {
            document["load"].as_array_mut().unwrap().insert(position, further_load.clone());
        });
        let further = decided(&document);
        base.assert_same(&further, &format!("a load at {position}"), &[]);
    }
    let first_service = edited(|document| {
        let mut services = serde_json::Map::new();
        services.insert("another".to_string(), json!({"service_time": "1ms"}));
        services.extend(document["services"].as_object().unwrap().clone());
        document["services"] = Value::Object(services);
        document["load"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"name": "its", "to": "another", "rate": "10/s"}));
    });
    base.assert_same(&decided(&first_service), "a service before all others", &[]);
    let further_call = edited(|document| {
        document["services"]["audit"] = json!({"workers": "unlimited", "service_time": "1ms"});
        document["services"]["front"]["calls"].as_array_mut().unwrap().insert(0, json!({"to": "audit"}));
    });
    base.assert_same(&decided(&further_call), "a call before all others", &[]);
}

#[test]
fn an_extra_hop_changes_the_way_and_nothing_else() {
    let base = decided(&world());
    for (link, latency) in [("users -> front", "1ms"), ("front -> store", "3ms"), ("front -> side", "2ms")] {
        let hop = json!({"link": link, "name": "proxy", "service_time": {"exponential": {"mean": "1ms"}}, "latency": latency});
        let document = with_entry(world(), json!({"id": "mesh", "at": "0s", "extra_hop": hop}));
        base.assert_same(&decided(&document), link, &[]);
    }
}

#[test]
fn changes_during_the_run_change_no_arrival() {
    let base = decided(&world());
    let slower = json!({"config": {"store.service_time": "4ms", "network.default.latency": "1ms"}});
    for (what, action) in [
        ("config", json!({"config": {"store.workers": 2}})),
        ("scale", json!({"scale": {"service": "store", "replicas": 6}})),
        (
            "deploy",
            json!({"deploy": {"service": "store", "version": "v2", "every": "100ms", "set": {"store.workers": 8}}}),
        ),
    ] {
        let mut entry = json!({"id": "it", "at": "500ms", "for": "600ms"});
        entry.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
        base.assert_same(&decided(&with_entry(world(), entry)), what, &[]);
    }
    let mut entry = json!({"id": "it", "at": "500ms", "for": "600ms"});
    entry.as_object_mut().unwrap().extend(slower.as_object().unwrap().clone());
    assert_eq!(base.arrivals, decided(&with_entry(world(), entry)).arrivals, "slower");
}

#[test]
fn a_surge_adds_requests_and_leaves_those_of_the_load_as_they_are() {
    let base = decided(&world());
    for fault in [
        json!({"surge": {"load": "users", "factor": "x3"}}),
        json!({"thundering_herd": {"load": "users", "requests": 50, "over": "100ms", "key": 3}}),
    ] {
        let with = decided(&with_entry(
            world(),
            json!({"id": "more", "at": "500ms", "for": "500ms", "fault": fault}),
        ));
        assert_eq!(base.arrivals, with.arrivals);
        assert!(with.leaf.len() > base.leaf.len() + 40, "{fault} added requests");
        base.assert_same(&with, &fault.to_string(), &[]);
    }
}

#[test]
fn a_hot_key_moves_its_share_and_leaves_the_other_keys_as_they_are() {
    let base = decided(&world());
    let fault = json!({"hot_key": {"load": "users", "share": "30%", "key": 499}});
    let hot = decided(&with_entry(world(), json!({"id": "hot", "at": "0s", "fault": fault})));
    let both = base.leaf.values().filter_map(|seen| Some((seen.key, hot.leaf.get(&seen.lineage)?.key)));
    let (moved, kept): (Vec<_>, Vec<_>) = both.partition(|(was, is)| was != is);
    assert!(moved.iter().all(|(_, is)| *is == 499));
    let share = moved.len() * 100 / (moved.len() + kept.len());
    assert!((24..36).contains(&share), "{share} %");
}

#[test]
fn the_same_world_under_another_seed_decides_everything_anew() {
    let base = decided(&world());
    let other = decided(&edited(|document| document["seed"] = json!(6)));
    assert_ne!(base.arrivals, other.arrivals);
    let same = base.demands.iter().filter(|(place, demand)| other.demands.get(place) == Some(demand)).count();
    assert!(same * 100 < base.demands.len(), "{same} demands are the same");
}

/// The demand is what the published formula says: anybody can compute it beforehand.
#[test]
fn a_demand_is_a_function_of_seed_service_and_identity() {
    let text = "
        seed: 9
        services: {api: {service_time: {exponential: {mean: 10ms}}, workers: unlimited}}
        load: [{name: users, to: api, rate: 100/s, retry: {max_attempts: 2}}]";
    let outcome: Outcome = ran(text);
    let key = Key::derive(outcome.seed, "service/api", "service_time");
    let sampler = Sampler::new(&outcome.plan.services[0].operations[0].service_time).unwrap();
    assert!(outcome.trace.requests.len() > 50);
    for request in &outcome.trace.requests {
        let identity =
            Lineage::root(name_hash("users"), request.number).call(name_hash("users -> api"), 0).attempt(1);
        let work = request.spans.iter().find(|span| span.kind == "service").unwrap();
        assert_eq!(work.to.since(work.from), sampler.sample(key, identity.raw()));
    }
}

//! Published results about brokers: the buckets of jump consistent hashing, the share of keys that moves when a partition
//! is added, and how often two of three replicas are enough.

use crate::folder::reference_cases;
use foreshock_systems::broker::log::{
    Acks, Broker, BrokerConfig, Controller, ControllerConfig, ControllerInput, Input, NewRecord, Produce,
};
use foreshock_systems::broker::placement::{Placement, jump};
use foreshock_systems::broker::{BrokerId, PartitionId};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use serde_json::Value;
use std::fs;

#[test]
fn every_published_case_about_brokers_holds() {
    let Some(path) = reference_cases() else { return };
    let text = fs::read_to_string(&path).expect("the published results can be read");
    let cases: Value = serde_yaml::from_str(&text).expect("the published results are YAML");
    let cases = cases["cases"].as_array().expect("the published results are a list");
    let mut ran = 0;
    for case in cases {
        let id = case["id"].as_str().expect("every case has an id");
        match id {
            "quorum-3-2-0.99" => quorum(case),
            "rehash-move-10" => rehash(case),
            _ if id.starts_with("jump-0x") => jump_buckets(case),
            _ => continue,
        }
        println!("broker: {id} holds");
        ran += 1;
    }
    println!("broker: {ran} cases ran, 0 skipped");
    assert_eq!(ran, 5);
}

fn number(case: &Value, of: &str, name: &str) -> f64 {
    case[of][name].as_f64().expect("a number")
}

fn jump_buckets(case: &Value) {
    let key =
        case["config"]["key"].as_str().and_then(|key| key.strip_prefix("0x")).expect("a hexadecimal key");
    let key = u64::from_str_radix(key, 16).expect("a hexadecimal key");
    let buckets = case["expected"]["bucket"].as_array().expect("a list");
    assert!(buckets.len() > 10);
    for (among, bucket) in (1..).zip(buckets) {
        assert_eq!(u64::from(jump(key, among)), bucket.as_u64().expect("a bucket"), "{key:#x} among {among}");
    }
}

fn rehash(case: &Value) {
    const KEYS: u32 = 1_000_000;
    let moved = |placement: Placement| {
        let moves = |key: &u32| {
            let key = key.to_le_bytes();
            placement.partition(&key, 10) != placement.partition(&key, 11)
        };
        (0..KEYS).filter(moves).count() as f64 / f64::from(KEYS)
    };
    for (placement, name) in [(Placement::Jump, "moved_jump_or_ring"), (Placement::Modulo, "moved_modulo")] {
        let (found, published) = (moved(placement), number(case, "expected", name));
        println!("broker: {name} {found:.6}, published {published}");
        assert!((found - published).abs() < 0.005, "{name}: {found}");
    }
}

/// Every combination of brokers that are up, weighed by how likely it is: a cluster of them takes a record for all, or
/// does not.
fn quorum(case: &Value) {
    let replicas = number(case, "config", "replicas") as u32;
    let up = number(case, "config", "node_up");
    let mut availability = 0.0;
    for alive in 0..1u32 << replicas {
        let is_up = |broker: u32| alive >> broker & 1 == 1;
        let weight: f64 = (0..replicas).map(|broker| if is_up(broker) { up } else { 1.0 - up }).product();
        availability += if takes_records(replicas, is_up) { weight } else { 0.0 };
    }
    let published = number(case, "expected", "availability");
    println!("broker: availability {availability:.6}, published {published}");
    assert!((availability - published).abs() < 1e-6);
}

fn takes_records(replicas: u32, is_up: impl Fn(u32) -> bool) -> bool {
    let partition = PartitionId::default();
    let brokers: Vec<BrokerId> = (0..replicas).map(BrokerId).collect();
    let config = ControllerConfig { session: Span::from_secs(10), ..ControllerConfig::default() };
    let mut controller = Controller::open(config, MemoryStore::new(), Time::ZERO);
    let mut out = Vec::new();
    let register = |broker| ControllerInput::Register { broker, incarnation: 1, has_everything: true };
    let create = ControllerInput::Create { partition, replicas: brokers.clone() };
    for input in std::iter::once(create).chain(brokers.iter().copied().map(register)) {
        controller.handle(Time::ZERO, input, &mut out).expect("memory does not fail");
    }
    for broker in brokers.into_iter().filter(|broker| !is_up(broker.0)) {
        controller.handle(Time::ZERO, ControllerInput::Leave { broker }, &mut out).expect("it is known");
    }
    let assignment = controller.assignment(partition).expect("it was created").clone();
    let Some(leader) = assignment.leader else { return false };
    let mut broker = Broker::open(leader, BrokerConfig::default(), MemoryStore::new(), Time::ZERO);
    broker.handle(Time::ZERO, Input::Assign(assignment), &mut Vec::new()).expect("it has the partition");
    let records = vec![NewRecord::of(b"key", b"value")];
    let produce = Produce { partition, acks: Acks::All, stamp: None, records };
    broker.handle(Time::ZERO, Input::Produce { token: 1, produce }, &mut Vec::new()).is_ok()
}

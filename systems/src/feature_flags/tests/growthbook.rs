//! GrowthBook's dialect: laws of its buckets, stores of sticky buckets and what a crash leaves of them.

use crate::feature_flags::growthbook::bucketing::{bucket_ranges, choose_variation, hash};
use crate::feature_flags::growthbook::{
    Assignments, Condition, Features, Groups, LoggedStickyStore, MemoryStickyStore, Source, StickyStore,
    SyncPolicy, User,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What every store promises; `reopened` is what there is after it was closed in good order.
fn conforms<S: StickyStore>(mut store: S, reopened: impl Fn(&mut S) -> S) {
    assert!(store.is_active());
    assert_eq!(store.get("id", "ann"), None);
    for (attribute, value, bucket, variation) in [
        ("id", "ann", "exp__0", "1"),
        ("id", "ann", "exp__1", "0"),
        ("id", "bob", "exp__0", "2"),
        ("device", "ann", "exp__0", "0"),
        ("id", "ann", "exp__0", "1"),
        ("id", "ann", "exp__1", "2"),
        ("", "", "", "ü"),
    ] {
        store.put(attribute, value, bucket.to_string(), variation.to_string());
    }
    for store in [reopened(&mut store), store] {
        let of = |attribute, value| -> Vec<(String, String)> {
            store.get(attribute, value).cloned().unwrap_or_default().into_iter().collect()
        };
        let pair = |bucket: &str, variation: &str| (bucket.to_string(), variation.to_string());
        assert_eq!(of("id", "ann"), [pair("exp__0", "1"), pair("exp__1", "2")]);
        assert_eq!(of("id", "bob"), [pair("exp__0", "2")]);
        assert_eq!(of("device", "ann"), [pair("exp__0", "0")]);
        assert_eq!(of("", ""), [pair("", "ü")]);
        assert_eq!(store.get("id", "cyd"), None);
    }
}

#[test]
fn every_store_conforms() {
    conforms(MemoryStickyStore::default(), |store| store.clone());
    for policy in [SyncPolicy::Always, SyncPolicy::Every(3), SyncPolicy::Never] {
        conforms(LoggedStickyStore::new(policy), |store| {
            let log = store.take_write().expect("something was put").bytes;
            LoggedStickyStore::recover(policy, &log).store
        });
        conforms(LoggedStickyStore::new(policy), |store| {
            LoggedStickyStore::recover(policy, &store.compacted()).store
        });
    }
}

/// A file: what was written, and how much of it is safe.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    synced: usize,
}

fn everything(store: &LoggedStickyStore) -> Vec<(String, String, Assignments)> {
    store
        .iter()
        .map(|(attribute, value, buckets)| (attribute.into(), value.into(), buckets.clone()))
        .collect()
}

/// Puts twenty buckets, each written at once. Returns the file, and what was kept after each put with how much of it was
/// safe.
fn written(policy: SyncPolicy) -> (Disk, Vec<(usize, usize, LoggedStickyStore)>) {
    let (mut store, mut disk) = (LoggedStickyStore::new(policy), Disk::default());
    let mut history = vec![(0, 0, store.clone())];
    for number in 0..20 {
        store.put("id", &(number % 7).to_string(), format!("exp__{}", number % 3), number.to_string());
        if let Some(write) = store.take_write() {
            disk.bytes.extend_from_slice(&write.bytes);
            if write.sync {
                disk.synced = disk.bytes.len();
            }
        }
        history.push((disk.bytes.len(), disk.synced, store.clone()));
    }
    (disk, history)
}

#[test]
fn a_crash_at_any_byte_leaves_exactly_the_buckets_whose_records_are_whole() {
    for policy in [SyncPolicy::Always, SyncPolicy::Every(4), SyncPolicy::Never] {
        let (disk, history) = written(policy);
        for kept in 0..=disk.bytes.len() {
            let recovered = LoggedStickyStore::recover(policy, &disk.bytes[..kept]);
            let (length, _, before) =
                history.iter().rev().find(|(length, ..)| *length <= kept).expect("an empty file");
            assert_eq!(everything(&recovered.store), everything(before), "{kept} bytes");
            assert_eq!(recovered.valid_bytes, *length);
        }
        // What is lost at most: with `Every(n)` less than n.
        for (length, synced, _) in &history {
            let lost = history.iter().filter(|(at, ..)| at > synced && at <= length).count();
            match policy {
                SyncPolicy::Always => assert_eq!(lost, 0),
                SyncPolicy::Every(puts) => assert!(lost < puts as usize),
                SyncPolicy::Never => assert_eq!(*synced, 0),
            }
        }
    }
}

#[test]
fn a_damaged_record_ends_the_log() {
    let (disk, history) = written(SyncPolicy::Always);
    for at in 0..disk.bytes.len() {
        let mut damaged = disk.bytes.clone();
        damaged[at] ^= 0x10;
        let recovered = LoggedStickyStore::recover(SyncPolicy::Always, &damaged);
        let (length, _, before) =
            history.iter().rev().find(|(length, ..)| *length <= at).expect("an empty file");
        assert_eq!(
            (recovered.valid_bytes, everything(&recovered.store)),
            (*length, everything(before)),
            "byte {at}"
        );
    }
}

#[test]
fn a_bucket_once_given_is_kept_though_the_weights_are_turned_round() {
    let features = |weights: [f64; 2], coverage: f64| {
        let rule = json!({"key": "exp", "variations": ["a", "b"], "meta": [{"key": "0"}, {"key": "1"}],
            "weights": weights, "coverage": coverage});
        let set = json!({"features": {"f": {"defaultValue": "none", "rules": [rule]}}});
        Features::compile(&serde_json::from_value(set).expect("features"))
    };
    let (before, after) = (features([0.9, 0.1], 1.0), features([0.1, 0.9], 0.5));
    let mut store = MemoryStickyStore::default();
    let mut moved_without = 0;
    for id in 0..200 {
        let attributes = json!({ "id": id });
        let user = User::new(&attributes);
        let first = before.evaluate("f", &user, &mut store).value.clone();
        assert_eq!(after.evaluate("f", &user, &mut store).value, &first);
        let fresh = after.evaluate("f", &user, &mut MemoryStickyStore::default()).value.clone();
        moved_without += usize::from(fresh != first);
    }
    assert!(moved_without > 50, "without the store most would have moved: {moved_without}");
}

#[test]
fn a_feature_that_cannot_be_read_is_unknown_and_the_others_work() {
    let set = json!({"features": {"good": {"defaultValue": 1}, "bad": {"rules": [{"coverage": "half"}]}}});
    let features = Features::compile(&serde_json::from_value(set).expect("features"));
    let attributes = json!({});
    let of = |key| features.evaluate(key, &User::new(&attributes), &mut MemoryStickyStore::default()).source;
    assert_eq!((of("good"), of("bad")), (Source::DefaultValue, Source::UnknownFeature));
    assert_eq!(features.problems().len(), 1);
}

#[test]
fn wide_and_deep_prerequisites_end() {
    let feature = |number: usize| {
        let parent = json!({"id": format!("f{}", number + 1), "condition": {"value": true}, "gate": true});
        json!({"defaultValue": true, "rules": [{"parentConditions": vec![parent; 4]}]})
    };
    let features: serde_json::Map<String, Value> =
        (0..500).map(|number| (format!("f{number}"), feature(number))).collect();
    let set = Features::compile(&serde_json::from_value(json!({ "features": features })).expect("features"));
    let attributes = json!({});
    let result = set.evaluate("f0", &User::new(&attributes), &mut MemoryStickyStore::default());
    assert!(!result.is_on());
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(
            &[
                "$or",
                "$nor",
                "$and",
                "$not",
                "$eq",
                "$gt",
                "$in",
                "$nini",
                "$size",
                "$elemMatch",
                "$alli",
                "$regex",
                "$vlt",
                "$type",
                "$inGroup",
                "$exists",
            ][..]
        )
        .prop_map(str::to_string),
        "[ab](\\.[ab])?"
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_condition_makes_it_panic_and_not_is_its_contrary(condition in anything(), attributes in anything()) {
        let groups = Groups::new();
        let holds = Condition::compile(&condition).holds(&attributes, &groups);
        let contrary = Condition::compile(&json!({"$not": condition})).holds(&attributes, &groups);
        prop_assert_ne!(holds, contrary);
    }

    #[test]
    fn more_coverage_keeps_everybody_in_their_variation(
        id in "\\PC{0,10}",
        coverage in 0.0f64..1.0,
        more in 0.0f64..1.0,
        version in 1u64..=2
    ) {
        let number = hash("seed", &id, version).expect("both versions have numbers");
        prop_assert!((0.0..1.0).contains(&number));
        let chosen = |coverage| choose_variation(number, &bucket_ranges(3, coverage, Some(&[0.2, 0.3, 0.5])));
        if let Some(variation) = chosen(coverage) {
            prop_assert_eq!(chosen(coverage.max(more)), Some(variation));
        }
    }
}

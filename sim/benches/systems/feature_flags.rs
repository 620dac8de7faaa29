//! Feature flags: one evaluation of a flag with ten rules among a thousand flags, when none of them is for the user and
//! when the last one is, with a variant; and a condition of GrowthBook's dialect. There is no peer: Unleash's engine for
//! Rust would bring some forty crates along.

use criterion::Criterion;
use foreshock_systems::feature_flags::growthbook::{FeatureSetDefinition, Features, NotSticky, User};
use foreshock_systems::feature_flags::{Context, Engine, FlagConfig};
use serde_json::{Value, json};
use std::hint::black_box;

const FLAGS: usize = 1_000;

/// Ten rules with a constraint and a rollout each; the last is for `ann`, if any.
fn rules(last_is_for_ann: bool) -> Value {
    let rule = |number: usize| {
        let constraint = match number {
            9 if last_is_for_ann => {
                json!({"operator": "IN", "contextName": "userId", "values": ["ann", "bob"]})
            }
            number if number % 5 == 0 => {
                json!({"operator": "SEMVER_GT", "contextName": "version", "value": "3.0.0"})
            }
            number if number % 5 == 1 => json!({"operator": "NUM_LT", "contextName": "age", "value": "18"}),
            number if number % 5 == 2 => {
                json!({"operator": "STR_ENDS_WITH", "contextName": "email", "values": ["@example.org"]})
            }
            number if number % 5 == 3 => {
                json!({"operator": "IN_CIDR", "contextName": "remoteAddress", "values": ["10.0.0.0/8"]})
            }
            _ => json!({"operator": "IN", "contextName": "country", "values": ["DE", "FR", "IT", "ES"]}),
        };
        json!({
            "name": "flexibleRollout",
            "parameters": {"rollout": "100", "stickiness": "default", "groupId": "checkout"},
            "constraints": [constraint],
            "variants": [{"name": "a", "weight": 500}, {"name": "b", "weight": 500}]
        })
    };
    (0..10).map(rule).collect()
}

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let flag = |number: usize| {
        json!({"name": format!("team-{}/flag-{number}", number % 20), "enabled": true,
            "strategies": rules(number == 1)})
    };
    let state = json!({"version": 2, "features": (0..FLAGS).map(flag).collect::<Value>()});
    let rules = Engine::new(FlagConfig::default()).load(1, &state.to_string()).expect("a state");
    let context = Context {
        user_id: Some("ann"),
        remote_address: Some("192.168.1.42"),
        properties: &[("country", "US"), ("age", "42"), ("email", "ann@example.com"), ("version", "2.7.1")],
        ..Context::default()
    };
    let mut group = criterion.benchmark_group("feature_flags/ten_rules");
    for (name, flag) in [("none_matches", "team-0/flag-0"), ("last_matches", "team-1/flag-1")] {
        group.bench_function(format!("{name}/is_enabled"), |bencher| {
            bencher.iter(|| rules.is_enabled(black_box(flag), black_box(&context)));
        });
        group.bench_function(format!("{name}/evaluate"), |bencher| {
            bencher.iter(|| rules.evaluate(black_box(flag), black_box(&context)).variant_index);
        });
    }
    group.finish();
    growthbook(criterion);
}

fn growthbook(criterion: &mut Criterion) {
    let rule = |number: u32| json!({"condition": {"age": {"$lt": number}, "country": {"$in": ["DE", "FR"]}}, "force": 1});
    let set = json!({"features": {"f": {"defaultValue": 0, "rules": (0..10).map(rule).collect::<Value>()}}});
    let set: FeatureSetDefinition = serde_json::from_value(set).expect("features");
    let features = Features::compile(&set);
    let attributes = json!({"id": "ann", "age": 42, "country": "US"});
    criterion.bench_function("feature_flags/ten_rules/none_matches/growthbook", |bencher| {
        bencher.iter(|| features.evaluate(black_box("f"), &User::new(&attributes), &mut NotSticky).is_on());
    });
}

//! GrowthBook's cases, all groups but two: `decrypt` needs a cipher, `urlRedirect` a browser.

use crate::folder::vectors;
use foreshock_systems::feature_flags::growthbook::bucketing::{
    Range, bucket_ranges, choose_variation, equal_weights, hash, in_namespace, query_string_override,
};
use foreshock_systems::feature_flags::growthbook::{
    Assignments, Condition, Experiment, ExperimentResult, FeatureSetDefinition, Features, Groups,
    MemoryStickyStore, NotSticky, StickyStore, User,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;

/// A group's cases, how many there have to be, and what is wrong with one.
type Group = (&'static str, usize, fn(&Value) -> Result<(), String>);

const GROUPS: &[Group] = &[
    ("evalCondition", 248, |case| {
        let groups: Groups = read(case.get(4).unwrap_or(&json!({})));
        same(&json!(Condition::compile(&case[1]).holds(&case[2], &groups)), &case[3])
    }),
    ("hash", 15, |case| {
        let version = case[2].as_u64().expect("a version");
        same(&json!(hash(text(&case[0]), text(&case[1]), version)), &case[3])
    }),
    ("getBucketRange", 13, |case| {
        let (variations, coverage, weights): (usize, f64, Option<Vec<f64>>) = read(&case[1]);
        same(&json!(bucket_ranges(variations, coverage, weights.as_deref())), &case[2])
    }),
    ("chooseVariation", 13, |case| {
        let ranges: Vec<Range> = read(&case[2]);
        let variation = choose_variation(case[1].as_f64().expect("a number"), &ranges);
        same(&variation.map_or(json!(-1), |variation| json!(variation)), &case[3])
    }),
    ("inNamespace", 16, |case| {
        let (namespace, from, to): (String, f64, f64) = read(&case[2]);
        same(&json!(in_namespace(text(&case[1]), &namespace, (from, to))), &case[3])
    }),
    ("getEqualWeights", 6, |case| same(&json!(equal_weights(case[0].as_i64().expect("a number"))), &case[1])),
    ("feature", 55, feature),
    ("contextualBandit", 35, feature),
    ("run", 73, run),
    ("stickyBucket", 13, sticky_bucket),
    ("getQueryStringOverride", 16, |case| {
        let variations = case[3].as_u64().expect("a number") as usize;
        same(&json!(query_string_override(text(&case[1]), text(&case[2]), variations)), &case[4])
    }),
];

#[test]
fn every_case_of_the_covered_groups_comes_out() {
    let Some(folder) = vectors("growthbook") else { return };
    let text = fs::read_to_string(folder.join("cases.json")).expect("the cases can be read");
    let cases: Value = serde_json::from_str(&text).expect("the cases are JSON");
    let mut wrong = Vec::new();
    let mut total = 0;
    for (group, least, check) in GROUPS {
        let list = cases[group].as_array().expect("a group is a list");
        for case in list {
            if let Err(problem) = check(case) {
                wrong.push(format!("{group}: {}: {problem}", case[0]));
            }
        }
        println!("growthbook {group}: ran {} cases", list.len());
        assert!(list.len() >= *least, "{group}: only {} cases were there", list.len());
        total += list.len();
    }
    for (group, list) in cases.as_object().expect("groups by name") {
        if let Some(list) = list.as_array().filter(|_| GROUPS.iter().all(|(covered, ..)| covered != group)) {
            println!("growthbook {group}: skipped {} cases", list.len());
        }
    }
    assert!(wrong.is_empty(), "{} of {total} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn read<T: for<'de> Deserialize<'de>>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// How far a number may be from the published one: they are rounded.
const TOLERANCE: f64 = 1e-8;

/// Whether `got` has everything that is expected of it; it may have more.
fn has(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        (Value::Number(got), Value::Number(expected)) => {
            let float = |number: &serde_json::Number| number.as_f64().expect("a number");
            (float(got) - float(expected)).abs() < TOLERANCE
        }
        (Value::Array(got), Value::Array(expected)) => {
            got.len() == expected.len() && got.iter().zip(expected).all(|(got, expected)| has(got, expected))
        }
        (Value::Object(got), Value::Object(expected)) => {
            expected.iter().all(|(key, expected)| has(got.get(key).unwrap_or(&Value::Null), expected))
        }
        (got, expected) => got == expected,
    }
}

fn same(got: &Value, expected: &Value) -> Result<(), String> {
    if has(got, expected) { Ok(()) } else { Err(format!("{got}, expected {expected}")) }
}

/// Asks with the user of a case's context.
fn with_user<T>(context: &Value, ask: impl FnOnce(&User<'_>) -> T) -> T {
    let nobody = json!({});
    let forced: Vec<_> = context["forcedVariations"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, variation)| Some((key.as_str(), variation.as_i64()?)))
        .collect();
    ask(&User {
        attributes: context.get("attributes").unwrap_or(&nobody),
        enabled: context["enabled"] != json!(false),
        qa_mode: context["qaMode"] == json!(true),
        forced_variations: &forced,
        url: context["url"].as_str(),
    })
}

fn result_json(key: Option<&str>, result: &ExperimentResult<'_>, attributes: &Value) -> Value {
    let mut answer = json!({
        "key": result.key,
        "featureId": key,
        "inExperiment": result.in_experiment,
        "hashUsed": result.hash_used,
        "variationId": result.variation,
        "value": result.value,
        "hashAttribute": result.hash_attribute,
        "hashValue": attributes[result.hash_attribute],
        "stickyBucketUsed": result.sticky_bucket_used,
        "bucket": result.bucket,
        "name": result.name,
    });
    if let Some(leaf) = result.leaf {
        answer["leafId"] = json!(leaf.id);
        answer["variationWeights"] = json!(leaf.weights);
        answer["banditVersion"] = json!(leaf.bandit_version);
    }
    answer
}

fn feature(case: &Value) -> Result<(), String> {
    let (context, key) = (&case[1], text(&case[2]));
    let features = Features::compile(&read::<FeatureSetDefinition>(context));
    with_user(context, |user| {
        let result = features.evaluate(key, user, &mut NotSticky);
        let mut answer = json!({
            "value": result.value,
            "on": result.is_on(),
            "off": !result.is_on(),
            "source": result.source.as_str(),
            "ruleId": result.rule_id,
        });
        if let (Some(experiment), Some(of_experiment)) = (result.experiment, &result.experiment_result) {
            answer["experimentResult"] = result_json(Some(key), of_experiment, user.attributes);
            answer["experiment"] = json!(experiment.definition());
            // A bandit's weights are told in the result.
            if let Some(leaf) = experiment.leaf(user, features.groups()) {
                answer["experiment"]["weights"] = json!(leaf.weights);
            }
            if let Some(leaf) = of_experiment.leaf {
                answer["experiment"]["contextualBandit"] = json!({
                    "leafId": leaf.id,
                    "variationWeights": leaf.weights,
                    "banditVersion": leaf.bandit_version,
                });
            }
        }
        same(&answer, &case[3])
    })
}

fn run(case: &Value) -> Result<(), String> {
    let features = Features::compile(&read::<FeatureSetDefinition>(&case[1]));
    let experiment = Experiment::compile("", &read(&case[2]));
    with_user(&case[1], |user| {
        let result = features.run(&experiment, user, &mut NotSticky);
        same(
            &json!([result.value, result.in_experiment, result.hash_used]),
            &json!([case[3], case[4], case[5]]),
        )
    })
}

fn sticky_bucket(case: &Value) -> Result<(), String> {
    let (context, key) = (&case[1], text(&case[3]));
    let features = Features::compile(&read::<FeatureSetDefinition>(context));
    let mut store = MemoryStickyStore::default();
    for document in case[2].as_array().expect("a list of documents") {
        for (bucket, variation) in read::<Assignments>(&document["assignments"]) {
            let (attribute, value) = (text(&document["attributeName"]), text(&document["attributeValue"]));
            store.put(attribute, value, bucket, variation);
        }
    }
    let answer = with_user(context, |user| {
        let result = features.evaluate(key, user, &mut store);
        let of_experiment = result.experiment_result.as_ref();
        of_experiment.map_or(Value::Null, |result| result_json(Some(key), result, user.attributes))
    });
    same(&answer, &case[4])?;
    let documents: serde_json::Map<String, Value> = store
        .iter()
        .map(|(attribute, value, assignments)| {
            let document =
                json!({"attributeName": attribute, "attributeValue": value, "assignments": assignments});
            (format!("{attribute}||{value}"), document)
        })
        .collect();
    same(&Value::Object(documents), &case[5])
}
